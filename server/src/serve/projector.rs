//! [`Projector`]: the thread that reads the journal and writes the store.
//!
//! Owns: reading on when something was appended, batches, trying again when the database refuses.
//! Does not own: what follows from an event ([`Projection`]).

use crate::journal::{Journal, Reader};
use crate::store::projector::Projection;
use crate::store::{Batch, Store};
use hotline_base::Partition;
use hotline_engine::event::StoredBinding;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// Events of one transaction.
const EVENTS_PER_BATCH: usize = 2_000;
/// Between transactions, so that those of a busy second are few: each costs wake-ups of two threads
/// and writes whole pages, however little is new. A reader who waits ends it.
const REST: Duration = Duration::from_millis(100);
/// Longest without looking: refreshed bindings are written this often.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Before a refused transaction is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Tries of a refused transaction once the server is stopping.
const TRIES_AT_STOP: u32 = 6;

/// A running projector.
pub(super) struct Projector {
    done: watch::Receiver<u64>,
    stop: Arc<AtomicBool>,
    wake: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

struct Work {
    journal: Journal,
    store: Store,
    bindings: mpsc::Receiver<(Partition, StoredBinding)>,
    runtime: tokio::runtime::Handle,
    projection: Projection,
    reader: Reader,
    done: watch::Sender<u64>,
    stop: Arc<AtomicBool>,
    wake: Arc<Notify>,
}

/// Waits for the store to have what the journal has; copies share it.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    done: watch::Receiver<u64>,
    wake: Arc<Notify>,
}

impl Progress {
    /// The sequence number up to which everything is in the store.
    pub(super) fn position(&self) -> u64 {
        *self.done.borrow()
    }

    /// Until everything below `wanted` is in the store, or the projector is gone. It does not rest
    /// before it looks.
    pub(super) async fn reaches(mut self, wanted: u64) {
        if self.position() < wanted {
            self.wake.notify_one();
        }
        let _gone = self.done.wait_for(|position| *position >= wanted).await;
    }
}

/// What came of a batch.
enum Step {
    /// There is more to read.
    More,
    /// Everything that was to be read is written.
    Done,
    /// The store did not take it, and the server stops.
    Refused,
}

impl Projector {
    /// Starts where the store says that it stands.
    pub(super) fn start(
        journal: Journal,
        store: Store,
        bindings: mpsc::Receiver<(Partition, StoredBinding)>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Projector, String> {
        let progress = runtime.block_on(store.progress()).map_err(|error| error.to_string())?;
        let projection = Projection::new(progress.0, progress.1);
        let reader = journal.reader(projection.position());
        let (done, waiting) = watch::channel(projection.position());
        let (stop, wake) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let mut work = Work {
            journal,
            store,
            bindings,
            runtime: runtime.clone(),
            projection,
            reader,
            done,
            stop: Arc::clone(&stop),
            wake: Arc::clone(&wake),
        };
        let thread = std::thread::Builder::new()
            .name("projector".into())
            .spawn(move || work.run())
            .map_err(|error| error.to_string())?;
        Ok(Projector { done: waiting, stop, wake, thread: Some(thread) })
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        Progress { done: self.done.clone(), wake: Arc::clone(&self.wake) }
    }

    /// Waits until everything that is in the journal now is in the store, or the thread is gone.
    pub(super) async fn caught_up(&self, journal: &Journal) {
        let wanted = *journal.published().borrow();
        self.progress().reaches(wanted).await;
    }
}

/// Writes what there is and ends; also when a start failed half-way.
impl Drop for Projector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.wake.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the projector ended badly; the next start reads on where it stood");
        }
    }
}

impl Work {
    fn run(&mut self) {
        let mut published = self.journal.published();
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let limit = *published.borrow_and_update();
            match self.step(limit) {
                Step::More => continue,
                // What follows must not be written before it, nor the journal given up.
                Step::Refused => return,
                Step::Done if stopping => return,
                Step::Done => {}
            }
            let wake = Arc::clone(&self.wake);
            self.runtime.block_on(async {
                let hurry = tokio::time::timeout(REST, wake.notified()).await;
                if hurry.is_ok() {
                    return;
                }
                tokio::select! {
                    _ = published.changed() => {}
                    () = wake.notified() => {}
                    () = tokio::time::sleep(WAIT_MAX) => {}
                }
            });
        }
    }

    /// One batch.
    fn step(&mut self, limit: u64) -> Step {
        while let Ok((partition, binding)) = self.bindings.try_recv() {
            self.projection.refreshed(partition, binding);
        }
        let before = self.reader.position();
        let entries = match self.reader.batch_of(limit, EVENTS_PER_BATCH, Projection::reads) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read");
                return Step::Done;
            }
        };
        let more = self.reader.position() > before;
        // Below the limit there may be nothing to read: an empty journal, or events that are lost.
        let reached = if more { self.reader.position() } else { limit };
        let mut batch = Batch::default();
        for entry in entries {
            self.projection.apply(entry.sequence, entry.event, &mut batch);
        }
        if more {
            self.projection.passed(reached);
        }
        if self.projection.complete(&mut batch) && !self.write(&batch) {
            return Step::Refused;
        }
        self.journal.projected(self.projection.needed_from());
        self.done.send_replace(reached);
        if more { Step::More } else { Step::Done }
    }

    /// Until the database takes it: the events are safe in the journal meanwhile. `false` when the
    /// server stops before it does.
    fn write(&mut self, batch: &Batch) -> bool {
        let mut tries_left = TRIES_AT_STOP;
        let mut failed = false;
        while let Err(error) = self.runtime.block_on(self.store.write(batch)) {
            tracing::error!(%error, "the store cannot be written; calls go on, records wait in the journal");
            failed = true;
            if self.stop.load(Ordering::Acquire) {
                tries_left -= 1;
                if tries_left == 0 {
                    tracing::error!(
                        "records that wait in the journal are written at the next start"
                    );
                    return false;
                }
            }
            std::thread::sleep(RETRY);
        }
        if failed {
            tracing::info!("the store can be written again");
        }
        true
    }
}
