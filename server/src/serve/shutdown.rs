//! Stopping: first no new calls, then no calls, then nothing.
//!
//! SIGTERM or SIGINT drains: new calls get 503 with Retry-After, calls in progress go on up to
//! `[node] drain_s`. A second one releases them at once. SIGHUP reads the node file, prompts and
//! configuration anew.

use super::Running;
use crate::config::NodeConfig;
use crate::http::Node;
use crate::runtime::Order;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// How often the counts are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The engines' counts are at most a round old while they drain; this is longer than a round.
const COUNTS_FRESH: Duration = Duration::from_millis(300);
/// How long released calls have to say good-bye.
const GOOD_BYE_MAX: Duration = Duration::from_secs(3);

/// The signals of a server, from before it can be seen from outside: one that comes early is kept.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    /// Begins to receive them; within the runtime.
    pub(super) fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits for the order to stop, and drains; gives how many orders came.
pub(super) async fn until_stopped(
    running: &Running,
    config: &NodeConfig,
    file: Option<&Path>,
    signals: Signals,
) -> u32 {
    let drain_s = config.drain_s;
    let Signals { mut term, mut int, mut hup } = signals;
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => reload(running, config, file).await,
        }
    }
    let node = &running.node;
    node.draining.store(true, Ordering::Release);
    node.order(&Order::Drain(true));
    let calls = node.counts().calls;
    tracing::info!(
        calls,
        limit_s = drain_s,
        "draining: no new calls; a second signal stops at once"
    );
    let told = tokio::select! {
        () = calls_gone(running, drain_s) => 1,
        () = either(&mut term, &mut int) => 2,
    };
    node.order(&Order::ReleaseAll);
    let quiet = quiet(running);
    let _late = tokio::time::timeout(GOOD_BYE_MAX, quiet).await;
    told
}

async fn either(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

async fn calls_gone(running: &Running, drain_s: u32) {
    let begun = Instant::now();
    let limit = Duration::from_secs(u64::from(drain_s));
    loop {
        tokio::time::sleep(LOOK).await;
        if begun.elapsed() >= COUNTS_FRESH && running.node.counts().calls == 0 {
            return;
        }
        if begun.elapsed() >= limit.max(COUNTS_FRESH) {
            let calls = running.node.counts().calls;
            tracing::warn!(calls, "the limit for draining has passed; the calls left are released");
            return;
        }
    }
}

/// Until no call is left and every request of ours is answered.
async fn quiet(running: &Running) {
    loop {
        tokio::time::sleep(LOOK).await;
        let counts = running.node.counts();
        if counts.calls == 0 && counts.client_transactions == 0 {
            return;
        }
    }
}

/// SIGHUP: node file, prompts and configuration as they are now. Trunks, the directory of prompts,
/// and whom flows may ask take effect at once; what needs a restart is named.
async fn reload(running: &Running, started_with: &NodeConfig, file: Option<&Path>) {
    let next = match NodeConfig::load(file) {
        Ok(next) => next,
        Err(faults) => {
            for line in faults.to_string().lines() {
                tracing::error!("{line}");
            }
            return tracing::error!("nothing was reloaded: the node file is wrong");
        }
    };
    for key in next.needs_restart(started_with) {
        tracing::warn!("{key} has changed: it takes effect at the next start");
    }
    let mut centres = running.centres.lock().await;
    if let Err(error) = centres.set_node(&next) {
        return tracing::error!("nothing was reloaded: {error}");
    }
    // Put into force before anybody may change it again: never an older one after a newer.
    match centres.snapshot() {
        Ok(snapshot) => {
            snapshot.broken.iter().for_each(|line| tracing::error!("{line}"));
            let version = snapshot.directory.version;
            running.node.reconfigure(&snapshot);
            tracing::info!(
                version,
                "reloaded: trunks of the node, prompts, whom flows may ask, configuration"
            );
        }
        Err(error) => tracing::error!(%error, "nothing was reloaded"),
    }
}

impl Running {
    /// Ends all threads; what happened is on disk and in the store when this returns.
    pub(super) fn stop(self, runtime: &tokio::runtime::Handle) {
        for task in self.tasks {
            task.abort();
            let _aborted = runtime.block_on(task);
        }
        self.node.order(&Order::Stop);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("an engine ended badly");
            }
        }
        self.node.media.stop();
        for thread in self.media_threads {
            if thread.join().is_err() {
                tracing::error!("a media worker ended badly");
            }
        }
        self.node.journal.close();
        drop(self.projector);
        runtime.block_on(self.store.close());
        tracing::info!("stopped");
    }
}
