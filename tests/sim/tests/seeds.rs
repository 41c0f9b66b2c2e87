//! A thousand worlds, each run twice. `HOTLINE_SEED=n` runs one with its whole log;
//! `HOTLINE_SEEDS=a..b` runs a range.

use hotline_sim::seed::Plan;
use hotline_sim::{Failure, Log, Outcome};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Worlds of an ordinary run.
const SEEDS: u64 = 1_000;
/// Failures that are shown; further ones look the same.
const SHOWN_MAX: usize = 3;

/// What must have happened somewhere in a whole run, for it to mean anything.
const STORIES: &[&str] = &[
    "200 crosses CANCEL",
    "a PIN does not fit",
    "a PIN fits",
    "a call by which an agent signed in",
    "a flow goes on",
    "a message is left",
    "left queue abandoned",
    "left queue answered",
    "left queue flow",
    "left queue no_agents",
    "left queue timeout",
    "no media port for an agent",
    "offer answered",
    "offer gone",
    "offer no_answer",
    "offer phone_unavailable",
    "offer rejected",
    "offer withdrawn",
    "released Some(Abandoned)",
    "released Some(Administrator)",
    "released Some(AgentUnavailable)",
    "released Some(CallTooLong)",
    "released Some(FlowEnded)",
    "released Some(MediaSilent)",
    "released Some(NoAgents)",
    "released Some(NormalClearing)",
    "released Some(QueueTimeout)",
    "released Some(Shutdown)",
    "released Some(TooManyHops)",
];

#[test]
fn every_seed_keeps_every_invariant() {
    if let Some(seed) = number_of("HOTLINE_SEED") {
        let outcome = hotline_sim::run(&Plan::draw(seed), &Log::Shown);
        let outcome = outcome.unwrap_or_else(|fault| panic!("seed {seed}: {fault:?}"));
        eprintln!("seed {seed}: {outcome:?}");
        return;
    }
    let seeds = std::env::var("HOTLINE_SEEDS").ok().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    let (outcomes, failures) = run_all(seeds.unwrap_or(0..SEEDS));
    for failure in failures.iter().take(SHOWN_MAX) {
        eprintln!("{failure}\n");
    }
    let calls: u64 = outcomes.iter().map(|outcome| outcome.calls).sum();
    let connected: u64 = outcomes.iter().map(|outcome| outcome.connected).sum();
    let worlds = outcomes.len();
    eprintln!("{worlds} worlds, {calls} calls, {connected} connected, each world twice the same");
    let mut stories: BTreeMap<&str, u64> = BTreeMap::new();
    for (story, times) in outcomes.iter().flat_map(|outcome| &outcome.stories) {
        *stories.entry(story).or_default() += times;
    }
    eprintln!("{stories:#?}");
    let mut seeds: Vec<_> = failures.iter().map(|f| (f.fault.invariant, f.seed)).collect();
    seeds.sort_unstable();
    assert!(failures.is_empty(), "{} seeds failed: {seeds:?}", failures.len());
    if worlds as u64 >= SEEDS {
        let missing: Vec<_> =
            STORIES.iter().filter(|story| !stories.contains_key(*story)).collect();
        assert!(missing.is_empty(), "these never happened: {missing:?}");
    }
    // A world in which nothing happens would keep every invariant, too.
    let enough = worlds < 100 || (calls > 2 * worlds as u64 && 4 * connected > calls);
    assert!(enough, "{calls} calls of which {connected} were connected are too few");
}

fn number_of(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run_all(seeds: std::ops::Range<u64>) -> (Vec<Outcome>, Vec<Failure>) {
    let next = AtomicU64::new(seeds.start);
    let tired = AtomicBool::new(false);
    let results = Mutex::new((Vec::new(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Failures come with their words; the panic itself need not speak as well.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !tired.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let result = hotline_sim::check(seed);
                    let Ok(mut all) = results.lock() else { return };
                    match result {
                        Ok(outcome) => all.0.push(outcome),
                        Err(failure) => all.1.push(*failure),
                    }
                    tired.store(all.1.len() >= 50, Ordering::Relaxed);
                }
            });
        }
    });
    drop(std::panic::take_hook());
    let (outcomes, mut failures) = results.into_inner().unwrap_or_default();
    failures.sort_by_key(|failure| failure.seed);
    (outcomes, failures)
}
