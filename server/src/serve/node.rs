//! [`RunningNode`]: the engines, media and journal as the API sees them.

use crate::centres::Snapshot;
use crate::clock::Clock;
use crate::effects::Policies;
use crate::http::{Answer, Node};
use crate::journal::{Entry, Journal};
use crate::media::MediaWorkers;
use crate::net::tcp::Tcp;
use crate::runtime::{EngineMetrics, Engines, Mail, Order, metrics};
use crate::serve::projector::Progress;
use hotline_base::{Partition, Wall};
use hotline_engine::CallId;
use hotline_engine::event::{Event, EventKind};
use hotline_engine::input::{Counts, Refusal, Reply, Request};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Longest the API waits for an engine.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest a reader waits for the projections.
const PROJECTION_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest reading for one ladder.
const TRACE_TIME_MAX: Duration = Duration::from_secs(20);
/// Events read of the journal at once.
const EVENTS_AT_ONCE: usize = 1_000;

/// How long after a call's record answers to its last requests still belong to its ladder, µs; and how
/// far the journal is read for them, in events.
const LATE_MAX_US: i64 = 2_000_000;
const LATE_EVENTS_MAX: u64 = 20_000;

/// A node that runs, seen from outside its engines.
pub(crate) struct RunningNode {
    pub(super) engines: Engines,
    metrics: Vec<Arc<EngineMetrics>>,
    pub(super) media: MediaWorkers,
    pub(super) journal: Journal,
    tcp: Tcp,
    projected: Progress,
    policies: watch::Sender<Arc<Policies>>,
    pub(super) draining: AtomicBool,
}

impl RunningNode {
    pub(super) fn new(
        engines: Engines,
        metrics: Vec<Arc<EngineMetrics>>,
        media: MediaWorkers,
        journal: Journal,
        tcp: Tcp,
        projected: Progress,
        policies: watch::Sender<Arc<Policies>>,
    ) -> RunningNode {
        let draining = AtomicBool::new(false);
        RunningNode { engines, metrics, media, journal, tcp, projected, policies, draining }
    }

    /// Gives an order to every engine. It waits for none and is lost by none that lives.
    pub(super) fn order(&self, order: &Order) {
        for (number, engine) in self.engines.all().iter().enumerate() {
            if !engine.order(order.clone()) {
                tracing::error!(engine = number, "an engine has ended: it obeys no more orders");
            }
        }
    }

    /// Whether every engine has media ports to give to calls.
    pub(super) fn has_ports(&self) -> bool {
        self.metrics.iter().all(|metrics| metrics.counts().has_ports())
    }

    /// Counts of all engines.
    pub(super) fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for counts in self.metrics.iter().map(|metrics| metrics.counts()) {
            all.calls += counts.calls;
            all.client_transactions += counts.client_transactions;
            all.server_transactions += counts.server_transactions;
        }
        all
    }
}

impl Node for RunningNode {
    fn ask(&self, partition: Partition, request: Request) -> Answer<Result<Reply, Refusal>> {
        let (answer, reply) = oneshot::channel();
        let posted = self.engines.owner(partition).post(Mail::Ask { partition, request, answer });
        Box::pin(async move {
            if posted.is_err() {
                return Err(busy("the engine has more to do than it can take"));
            }
            match tokio::time::timeout(ANSWER_TIME_MAX, reply).await {
                Ok(Ok(reply)) => reply,
                Ok(Err(_)) => Err(busy("the engine has stopped")),
                Err(_) => Err(busy("the engine did not answer in time")),
            }
        })
    }

    fn reconfigure(&self, snapshot: &Snapshot) {
        // Prompts and policies first: a flow must not name what is not known yet.
        self.media.set_library(&snapshot.library);
        self.policies.send_replace(Arc::clone(&snapshot.policies));
        self.order(&Order::Config(Arc::clone(&snapshot.directory)));
    }

    fn metrics(&self) -> String {
        let mut out = metrics::render(self.metrics.iter().map(|metrics| &**metrics));
        let journal = self.journal.status();
        let total = |value: fn(&crate::media::MediaMetrics) -> u64| {
            self.media.metrics().map(value).sum::<u64>()
        };
        let load = Ordering::Relaxed;
        let values = [
            ("hotline_journal_events_total", "counter", journal.events),
            ("hotline_journal_bytes_total", "counter", journal.bytes),
            ("hotline_journal_writes_total", "counter", journal.writes),
            ("hotline_journal_failures_total", "counter", journal.failures),
            ("hotline_journal_dropped_total", "counter", journal.dropped),
            ("hotline_journal_backlog_bytes", "gauge", journal.backlog_bytes),
            (
                "hotline_projection_behind",
                "gauge",
                journal.next.saturating_sub(self.projected.position()),
            ),
            ("hotline_sip_connections", "gauge", self.tcp.open() as u64),
            ("hotline_sip_connections_refused_total", "counter", self.tcp.refused()),
            (
                "hotline_media_received_total",
                "counter",
                total(|m| m.received.load(Ordering::Relaxed)),
            ),
            ("hotline_media_unsent_total", "counter", total(|m| m.unsent.load(Ordering::Relaxed))),
            (
                "hotline_recordings_total",
                "counter",
                total(|m| m.recordings.load(Ordering::Relaxed)),
            ),
            (
                "hotline_recordings_failed_total",
                "counter",
                total(|m| m.recordings_failed.load(Ordering::Relaxed)),
            ),
            (
                "hotline_media_left_out_ms_total",
                "counter",
                total(|m| m.left_out_ms.load(Ordering::Relaxed)),
            ),
            ("hotline_media_ports_bound", "gauge", total(|m| m.bound.load(Ordering::Relaxed))),
            ("hotline_media_ports_taken", "gauge", total(|m| m.taken.load(Ordering::Relaxed))),
            ("hotline_draining", "gauge", u64::from(self.draining.load(load))),
        ];
        for (name, kind, value) in values {
            let _always = write!(out, "# TYPE {name} {kind}\n{name} {value}\n");
        }
        out
    }

    fn not_ready(&self) -> Option<String> {
        if self.draining.load(Ordering::Acquire) {
            return Some("draining: no new calls are taken".into());
        }
        let ports = (!self.has_ports()).then(|| "no media ports: no call can be taken".into());
        ports.or_else(|| self.silent())
    }

    fn silent(&self) -> Option<String> {
        let now = Clock.mono();
        let engines = self.metrics.iter().map(|metrics| &metrics.pulse).enumerate();
        let engines = engines.map(|(number, pulse)| ("engine", number, pulse));
        let workers = self.media.metrics().map(|metrics| &metrics.pulse).enumerate();
        let workers = workers.map(|(number, pulse)| ("media worker", number, pulse));
        let lines: Vec<String> = engines
            .chain(workers)
            .filter_map(|(kind, number, pulse)| {
                let silence_s = pulse.silence(now)?.as_secs();
                Some(format!("{kind} {number} has given no sign of life for {silence_s} s"))
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    fn events(&self, call: CallId, from: u64, to: Option<u64>) -> Result<Vec<Event>, String> {
        let published = *self.journal.published().borrow();
        let last = to.unwrap_or(u64::MAX);
        let limit = last.saturating_add(1 + LATE_EVENTS_MAX).min(published);
        let mut until = Wall(i64::MAX);
        let mut reader = self.journal.reader(from);
        let mut events = Vec::new();
        let begun = std::time::Instant::now();
        loop {
            if begun.elapsed() > TRACE_TIME_MAX {
                return Err("the journal holds too much about the time of this call".into());
            }
            let entries = reader.batch(limit, EVENTS_AT_ONCE).map_err(|error| error.to_string())?;
            if entries.is_empty() {
                return Ok(events);
            }
            for Entry { sequence, event } in entries {
                if sequence == last {
                    until = Wall(event.at.0.saturating_add(LATE_MAX_US));
                } else if sequence > last && event.at > until {
                    return Ok(events);
                }
                let is_late = sequence > last;
                let drawn = !is_late || matches!(event.kind, EventKind::Message { .. });
                if drawn && crate::trace::concerns(&event, call) {
                    events.push(event);
                }
            }
        }
    }

    fn projected(&self) -> Answer<()> {
        let wanted = *self.journal.published().borrow();
        let reached = self.projected.clone().reaches(wanted);
        Box::pin(async move {
            // A database that stands still answers with what it has.
            let _late = tokio::time::timeout(PROJECTION_TIME_MAX, reached).await;
        })
    }

    fn journal_from(&self, call: CallId) -> Option<u64> {
        self.journal.open_from(call)
    }
}

fn busy(text: &str) -> Refusal {
    Refusal { status: 503, code: "engine_busy".into(), text: text.into() }
}
