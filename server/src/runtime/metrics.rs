//! [`EngineMetrics`]: what an engine's thread counts, read by `/metrics` and `status`.

use super::pulse::Pulse;
use super::shed::{CLASSES, Class};
use hotline_engine::input::Counts;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the histogram of input times, in µs; one more bucket is without bound.
pub const INPUT_BOUNDS_US: [u64; 9] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

/// The longest an input may take.
const INPUT_TIME_MAX: Duration = Duration::from_millis(1);

/// Counters of one engine; written by its thread only.
#[derive(Debug, Default)]
pub struct EngineMetrics {
    input_buckets: [AtomicU64; INPUT_BOUNDS_US.len() + 1],
    input_sum_ns: AtomicU64,
    input_max_ns: AtomicU64,
    shed: [AtomicU64; CLASSES],
    /// Datagrams read.
    pub datagrams: AtomicU64,
    /// Datagrams and stream messages that are no SIP and cannot be answered.
    pub malformed: AtomicU64,
    /// Messages for nobody.
    pub unplaced: AtomicU64,
    /// Messages that could not be handed to their owner because it was full.
    pub hand_over_failed: AtomicU64,
    /// Datagrams that could not be sent.
    pub send_failed: AtomicU64,
    /// Media commands without a worker.
    pub media_lost: AtomicU64,
    /// Rounds in which something was done.
    pub rounds: AtomicU64,
    /// Longest lag of a datagram in the last second, in ms.
    pub lag_ms: AtomicU64,
    /// Its rounds, seen from outside.
    pub pulse: Pulse,
    counts: Mutex<Counts>,
}

impl EngineMetrics {
    /// An input took so long.
    pub fn input(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = INPUT_BOUNDS_US.iter().position(|bound| ns <= bound * 1_000);
        add(&self.input_buckets[bucket.unwrap_or(INPUT_BOUNDS_US.len())], 1);
        add(&self.input_sum_ns, ns);
        if ns > self.input_max_ns.load(Relaxed) {
            self.input_max_ns.store(ns, Relaxed);
        }
    }

    /// Whether that is longer than an input may take.
    pub fn is_too_long(took: Duration) -> bool {
        took > INPUT_TIME_MAX
    }

    /// A message was shed.
    pub fn shed(&self, class: Class) {
        add(&self.shed[class as usize], 1);
    }

    /// The engine's own counts, as last asked for.
    pub fn set_counts(&self, counts: Counts) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    /// The engine's own counts, at most a second old.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest input so far.
    pub fn longest_input(&self) -> Duration {
        Duration::from_nanos(self.input_max_ns.load(Relaxed))
    }

    /// One more.
    pub fn count(&self, counter: &AtomicU64) {
        add(counter, 1);
    }
}

/// One writer only: a plain load and store, no locked instruction.
fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// The metrics of all engines as Prometheus text.
pub fn render<'m>(engines: impl Iterator<Item = &'m EngineMetrics> + Clone) -> String {
    let mut out = String::new();
    counters(&mut out, engines.clone());
    gauges(&mut out, engines);
    out
}

fn counters<'m>(out: &mut String, engines: impl Iterator<Item = &'m EngineMetrics> + Clone) {
    let total = |value: fn(&EngineMetrics) -> u64| engines.clone().map(value).sum::<u64>();
    let counters: [(&str, &str, u64); 11] = [
        ("hotline_sip_datagrams_total", "Datagrams read", total(|m| m.datagrams.load(Relaxed))),
        ("hotline_sip_malformed_total", "What was no SIP", total(|m| m.malformed.load(Relaxed))),
        ("hotline_sip_unplaced_total", "Messages for nobody", total(|m| m.unplaced.load(Relaxed))),
        (
            "hotline_engine_hand_over_failed_total",
            "Messages a full engine did not take",
            total(|m| m.hand_over_failed.load(Relaxed)),
        ),
        (
            "hotline_sip_send_failed_total",
            "Datagrams that could not be sent",
            total(|m| m.send_failed.load(Relaxed)),
        ),
        (
            "hotline_media_commands_lost_total",
            "Media commands without a worker",
            total(|m| m.media_lost.load(Relaxed)),
        ),
        ("hotline_engine_rounds_total", "Rounds of the engines", total(|m| m.rounds.load(Relaxed))),
        (
            "hotline_calls_total",
            "Calls admitted, without test calls",
            total(|m| m.counts().calls_total),
        ),
        (
            "hotline_test_calls_total",
            "Test calls that are over",
            total(|m| m.counts().test_calls_total),
        ),
        (
            "hotline_sip_messages_total",
            "SIP messages handled",
            total(|m| m.counts().messages_total),
        ),
        ("hotline_sip_refused_total", "Requests refused", total(|m| m.counts().refused_total)),
    ];
    for (name, help, value) in counters {
        line(out, name, help, "counter", value);
    }
}

fn gauges<'m>(out: &mut String, engines: impl Iterator<Item = &'m EngineMetrics> + Clone) {
    let total = |value: fn(&EngineMetrics) -> u64| engines.clone().map(value).sum::<u64>();
    let gauges: [(&str, &str, u64); 11] = [
        ("hotline_calls", "Calls in progress", total(|m| m.counts().calls)),
        ("hotline_waiting", "Callers waiting", total(|m| m.counts().waiting)),
        ("hotline_agents_signed_in", "Agents signed in", total(|m| m.counts().signed_in)),
        ("hotline_bindings", "Registered contacts", total(|m| m.counts().bindings)),
        (
            "hotline_client_transactions",
            "Client transactions",
            total(|m| m.counts().client_transactions),
        ),
        (
            "hotline_server_transactions",
            "Server transactions",
            total(|m| m.counts().server_transactions),
        ),
        ("hotline_timers", "Timers set", total(|m| m.counts().timers)),
        ("hotline_media_legs", "Media legs open", total(|m| m.counts().legs)),
        (
            "hotline_media_ports_free",
            "Media ports granted and free",
            total(|m| m.counts().ports_free),
        ),
        ("hotline_media_ports_used", "Media ports in use", total(|m| m.counts().ports_used)),
        (
            "hotline_engine_lag_ms",
            "Longest wait of a datagram in the last second",
            total(|m| m.lag_ms.load(Relaxed)),
        ),
    ];
    for (name, help, value) in gauges {
        line(out, name, help, "gauge", value);
    }
    let longest = engines.clone().map(|m| m.input_max_ns.load(Relaxed)).max().unwrap_or(0);
    line(out, "hotline_engine_input_longest_ns", "Longest input since start", "gauge", longest);
    render_shed(out, engines.clone());
    render_inputs(out, engines);
}

fn line(out: &mut String, name: &str, help: &str, kind: &str, value: u64) {
    let _always = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
}

fn render_shed<'m>(out: &mut String, engines: impl Iterator<Item = &'m EngineMetrics> + Clone) {
    out.push_str("# HELP hotline_sip_shed_total Messages given up under load\n# TYPE hotline_sip_shed_total counter\n");
    for class in [Class::Other, Class::Register, Class::Invite, Class::InDialog] {
        let value: u64 = engines.clone().map(|m| m.shed[class as usize].load(Relaxed)).sum();
        let _always = writeln!(out, "hotline_sip_shed_total{{class=\"{}\"}} {value}", class.name());
    }
}

fn render_inputs<'m>(out: &mut String, engines: impl Iterator<Item = &'m EngineMetrics> + Clone) {
    let name = "hotline_engine_input_us";
    let _always = write!(out, "# HELP {name} Time of one input\n# TYPE {name} histogram\n");
    let mut below = 0;
    for (index, bound) in INPUT_BOUNDS_US.iter().map(Some).chain([None]).enumerate() {
        below += engines.clone().map(|m| m.input_buckets[index].load(Relaxed)).sum::<u64>();
        let bound = bound.map_or_else(|| "+Inf".into(), u64::to_string);
        let _always = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {below}");
    }
    let sum: u64 = engines.map(|m| m.input_sum_ns.load(Relaxed)).sum::<u64>() / 1_000;
    let _always = writeln!(out, "{name}_sum {sum}\n{name}_count {below}");
}
