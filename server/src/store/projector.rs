//! The projector: reads the journal's events in order and writes what follows from them.
//!
//! Owns: which rows an event makes ([`Projection`]) and where reading stands. A batch and the new
//! position are one transaction, so a row is written once whatever happens; a call record has its
//! own unique key besides. Calls that are open are kept in memory and found again after a crash by
//! reading from where the oldest of them began.

use super::messages::MessageRow;
use super::tries::TriesRow;
use super::{AgentLogRow, Batch, RecordRow};
use hotline_base::Partition;
use hotline_engine::CallId;
use hotline_engine::event::{Event, EventKind, StoredBinding, kind};
use std::collections::BTreeMap;

/// What the projector knows between batches.
#[derive(Debug, Default)]
pub struct Projection {
    /// The next place to read.
    position: u64,
    /// Before this place everything has been written; events from here on only open calls again.
    written: u64,
    /// The calls that have begun and not ended, and where they began.
    open: BTreeMap<CallId, u64>,
    refreshed: BTreeMap<(Partition, String, String), StoredBinding>,
}

impl Projection {
    /// A projection that has written everything before `written` and reads again from
    /// `recover_from`, to find the calls that were open.
    pub fn new(written: u64, recover_from: u64) -> Projection {
        Projection { position: recover_from.min(written), written, ..Projection::default() }
    }

    /// The next place to read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether anything can follow from an event of a kind, by its number: most events of a call
    /// are its ladder, its decisions and its checkpoints, and need not even be decoded.
    pub fn reads(kind: u32) -> bool {
        !matches!(
            kind,
            kind::QUEUED
                | kind::OFFERED
                | kind::OFFER_ENDED
                | kind::ANSWERED
                | kind::CONNECTED
                | kind::CHECKPOINT
                | kind::MESSAGE
                | kind::DECISION
                | kind::FLOW_STEP
        )
    }

    /// Where the journal is needed from: the beginning of the oldest open call.
    pub fn needed_from(&self) -> u64 {
        self.open.values().copied().min().unwrap_or(self.position)
    }

    /// Nothing that was passed over before `position` needs to be read again.
    pub fn passed(&mut self, position: u64) {
        self.position = self.position.max(position);
    }

    /// Takes the event at `position` and adds what follows from it to `batch`.
    pub fn apply(&mut self, position: u64, event: Event, batch: &mut Batch) {
        self.position = position + 1;
        let fresh = position >= self.written;
        let Event { at, partition, kind } = event;
        match kind {
            EventKind::CallArrived { record } => {
                self.open.insert(record.call, position);
            }
            EventKind::Released { record } => {
                let from = self.open.remove(&record.call).unwrap_or(position);
                if fresh {
                    batch.records.push(RecordRow {
                        record: *record,
                        journal_from: from,
                        journal_to: position,
                    });
                }
            }
            EventKind::AgentState { agent, from, to, reason, call, snapshot } if fresh => {
                batch.agent_log.push(AgentLogRow {
                    position,
                    partition,
                    at,
                    agent: agent.clone(),
                    from,
                    to,
                    reason,
                    call: call.map(|call| call.to_string()),
                });
                if let Ok(snapshot) = serde_json::to_string(&snapshot) {
                    batch.agent_states.retain(|(of, id, _)| (*of, id) != (partition, &agent));
                    batch.agent_states.push((partition, agent, snapshot));
                }
            }
            EventKind::LanguageRemembered { caller, language } if fresh => {
                batch.languages.push((partition, caller, language, position));
            }
            EventKind::MessageLeft { call, mailbox, recording, duration_ms, caller } if fresh => {
                let call = call.to_string();
                batch.messages.push(MessageRow {
                    partition,
                    recording,
                    call,
                    mailbox,
                    caller,
                    at,
                    duration_ms,
                });
            }
            EventKind::SignInTried { tries } if fresh => {
                let row = |tries| TriesRow { partition, tries, at, position };
                batch.tries.extend(tries.into_iter().map(row));
            }
            EventKind::BindingAdded { binding } if fresh => {
                let (number, contact) = (binding.aor.to_string(), binding.contact.clone());
                self.refreshed.remove(&(partition, number.clone(), contact.clone()));
                batch.bindings.push((partition, number, contact, Some(binding)));
            }
            EventKind::BindingRemoved { number, contact } if fresh => {
                self.refreshed.remove(&(partition, number.clone(), contact.clone()));
                batch.bindings.push((partition, number, contact, None));
            }
            _ => {}
        }
    }

    /// A binding was refreshed: only its last form is written, with the next batch.
    pub fn refreshed(&mut self, partition: Partition, binding: StoredBinding) {
        let key = (partition, binding.aor.to_string(), binding.contact.clone());
        self.refreshed.insert(key, binding);
    }

    /// Completes a batch with the refreshed bindings and the new position; `false` when there is
    /// nothing worth a transaction.
    pub fn complete(&mut self, batch: &mut Batch) -> bool {
        for ((partition, number, contact), binding) in std::mem::take(&mut self.refreshed) {
            batch.bindings.push((partition, number, contact, Some(binding)));
        }
        if batch.is_empty() && self.position < self.written + POSITION_LAG_MAX {
            return false;
        }
        self.written = self.written.max(self.position);
        batch.progress = Some((self.written, self.needed_from().min(self.written)));
        true
    }
}

/// Events without rows that may pass before the position alone is written.
const POSITION_LAG_MAX: u64 = 10_000;
