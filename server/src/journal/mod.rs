//! The journal: everything that happened, in order, on disk before anybody is told.
//!
//! ```text
//! engines ── Batch ──▶ Journal::append ── one write(2) ──▶ journal/<first>.segment
//!                          │ published sequence (watch)
//!                          ▼
//!                   Reader::batch ──▶ projector (records, agent log, ladders …)
//! ```
//! Owns: the segment files, their checksums, rotation, retention, what a restart finds, what
//! happens when the disk is full. Does not own: what events mean (`hotline_engine::event`), the
//! projections and their watermark (the store's). Why it is a module of its own and no library:
//! `docs/decisions/0001-journal.md`.

mod frame;
mod reader;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Entry, Reader};
pub use recovery::{Begun, OpenCalls};
pub use segment::newest_epoch;
pub use writer::{Batch, Journal, JournalStatus};

use std::time::Duration;

/// How the journal is kept.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// A segment that has grown beyond this is followed by a new one, in bytes.
    pub segment_bytes: u64,
    /// What the segments may take together, in bytes; the oldest go first.
    pub keep_bytes: u64,
    /// How long a segment is kept after its last write.
    pub keep_age: Duration,
    /// Events kept in memory while the disk does not take them, in bytes. From half of it on,
    /// ladders and decisions are left out; at the limit, everything new is.
    pub backlog_bytes: usize,
}

impl Default for JournalSettings {
    fn default() -> Self {
        JournalSettings {
            segment_bytes: 64 << 20,
            keep_bytes: 4 << 30,
            keep_age: Duration::from_secs(30 * 86_400),
            backlog_bytes: 64 << 20,
        }
    }
}

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or the directory fails.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: String,
        /// How.
        error: std::io::Error,
    },
    /// A newer program wrote it.
    #[error(
        "{path}: written by another version of hotline ({what}); start that version, or move the directory away"
    )]
    Version {
        /// Which file.
        path: String,
        /// Both versions.
        what: String,
    },
}
