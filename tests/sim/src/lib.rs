//! A deterministic world around the engine, driven by one seed.
//!
//! Owns: virtual time, a network that loses, doubles, delays and reorders datagrams, phones with
//! habits, a model of the media workers, and the invariants that must hold whatever happens. Does
//! not own: any behaviour of the engine; it sees only what goes in and what comes out.
//!
//! A world lives in three phases: the *script*, in which everything happens at random; *healing*,
//! in which the network is perfect, nobody does anything odd and all must come to an end; and
//! *quiet*, in which nothing may be left over.
//!
//! ```text
//!  seed → Plan → World ── happenings in virtual time ──→ Engine ── outputs ──→ Invariants
//!                  ↑            phones, network, media       │
//!                  └──────────────── outputs ────────────────┘
//! ```
//! The same seed is the same run, to the byte: [`run`] gives a hash of all outputs.
#![forbid(unsafe_code)]

mod centre;
mod flows;
mod invariants;
mod media;
mod mobiles;
mod network;
mod peers;
mod script;
pub mod seed;
mod world;

pub use invariants::Fault;

use seed::Plan;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Lines of a world's log that a failure shows.
pub const LOG_LINES_SHOWN: usize = 100;

/// What came of a run in which all invariants held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of every output of every engine, in order.
    pub hash: u64,
    /// Calls that were admitted.
    pub calls: u64,
    /// Calls that were connected to an agent.
    pub connected: u64,
    /// Steps of the world.
    pub steps: u64,
    /// What happened, how often: how offers, stays in queues and calls ended, and what crossed.
    pub stories: BTreeMap<String, u64>,
}

/// A run in which an invariant did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// What was violated.
    pub fault: Fault,
    /// The end of the world's log.
    pub log: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}: {}: {}", self.seed, self.fault.invariant, self.fault.text)?;
        write!(f, "again, with the whole log: HOTLINE_SEED={} cargo test -p hotline-sim", self.seed)
    }
}

/// Where a world's log goes. Without one nothing is written, which is much faster.
#[derive(Clone, Debug)]
pub enum Log {
    /// Nowhere.
    Off,
    /// To standard error, line by line.
    Shown,
    /// The last lines are kept.
    Kept(Rc<RefCell<VecDeque<String>>>),
}

impl Log {
    fn add(&self, line: impl FnOnce() -> String) {
        match self {
            Log::Off => {}
            Log::Shown => eprintln!("{}", line()),
            Log::Kept(lines) => {
                let mut lines = lines.borrow_mut();
                if lines.len() >= LOG_LINES_SHOWN {
                    lines.pop_front();
                }
                lines.push_back(line());
            }
        }
    }
}

/// Runs the world of one seed twice and checks that both runs are the same.
///
/// # Errors
/// [`Failure`] names the invariant, with the end of the log.
pub fn check(seed: u64) -> Result<Outcome, Box<Failure>> {
    let plan = Plan::draw(seed);
    let first = run(&plan, &Log::Off).map_err(|_| with_log(&plan))?;
    let second = run(&plan, &Log::Off).map_err(|_| with_log(&plan))?;
    if first != second {
        let text = format!("{first:?}, then {second:?}");
        let fault = Fault { invariant: "same_seed_same_run", text };
        return Err(Box::new(Failure { seed, fault, log: Vec::new() }));
    }
    Ok(first)
}

/// The same run once more, with its log.
fn with_log(plan: &Plan) -> Box<Failure> {
    let lines = Rc::new(RefCell::new(VecDeque::new()));
    let fault = match run(plan, &Log::Kept(Rc::clone(&lines))) {
        Err(fault) => fault,
        Ok(_) => Fault { invariant: "same_seed_same_run", text: "it failed once only".into() },
    };
    let log = lines.borrow().iter().cloned().collect();
    Box::new(Failure { seed: plan.seed, fault, log })
}

/// Runs one world to quiet.
///
/// # Errors
/// The invariant that did not hold.
pub fn run(plan: &Plan, log: &Log) -> Result<Outcome, Fault> {
    let world = AssertUnwindSafe(|| world::World::new(plan, log.clone()).run());
    catch_unwind(world).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned());
        Err(Fault { invariant: "no_input_panics", text })
    })
}
