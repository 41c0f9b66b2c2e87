//! The messages that callers have left.
//!
//! Owns: the statements about `message`. Does not own: the audio, which is in the data directory
//! under the recording's name (`media`), nor when a message is kept (the engine).

use super::{Store, StoreError};
use hotline_base::{Partition, Redacted, Wall};
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};

/// A message that was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Whose.
    pub partition: Partition,
    /// The recording's name.
    pub recording: u64,
    /// The call it was left in.
    pub call: String,
    /// Which box.
    pub mailbox: String,
    /// Calling number, empty if withheld.
    pub caller: Redacted<String>,
    /// When.
    pub at: Wall,
    /// How long it is, ms.
    pub duration_ms: u32,
}

impl Store {
    /// The messages left since a time in one box of a tenant, or in all, newest first.
    pub async fn messages(
        &self,
        partition: Partition,
        mailbox: Option<&str>,
        since: Wall,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
            "SELECT recording, call, mailbox, caller, at_us, duration_ms FROM message \
             WHERE partition = ",
        );
        query.push_bind(i64::from(partition.0)).push(" AND at_us >= ").push_bind(since.0);
        if let Some(mailbox) = mailbox {
            query.push(" AND mailbox = ").push_bind(mailbox);
        }
        query.push(" ORDER BY at_us DESC, recording DESC LIMIT ").push_bind(i64::from(limit));
        let rows = query.build().fetch_all(&self.pool).await?;
        let message = |row: &sqlx::sqlite::SqliteRow| MessageRow {
            partition,
            recording: row.get::<i64, _>(0) as u64,
            call: row.get(1),
            mailbox: row.get(2),
            caller: Redacted::new(row.get(3)),
            at: Wall(row.get(4)),
            duration_ms: u32::try_from(row.get::<i64, _>(5)).unwrap_or(u32::MAX),
        };
        Ok(rows.iter().map(message).collect())
    }
}

impl Store {
    /// The names of a tenant's messages.
    pub async fn recordings(&self, of: Partition) -> Result<Vec<u64>, StoreError> {
        let rows = sqlx::query("SELECT recording FROM message WHERE partition = ?")
            .bind(i64::from(of.0))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().map(|row| row.get::<i64, _>(0) as u64).collect())
    }

    /// Whether a message of this name is a tenant's.
    pub async fn has_message(&self, of: Partition, recording: u64) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM message WHERE partition = ? AND recording = ?")
            .bind(i64::from(of.0))
            .bind(recording as i64)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Forgets a message; `false` when there is none of this name. Its audio is removed before.
    pub async fn delete_message(&self, of: Partition, recording: u64) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM message WHERE partition = ? AND recording = ?")
            .bind(i64::from(of.0))
            .bind(recording as i64)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

/// Writes a batch.
pub(super) async fn write_messages(
    transaction: &mut Transaction<'_, Sqlite>,
    messages: &[MessageRow],
) -> Result<(), StoreError> {
    for row in messages {
        sqlx::query(
            "INSERT INTO message \
             (partition, recording, call, mailbox, caller, at_us, duration_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (partition, recording) DO NOTHING",
        )
        .bind(i64::from(row.partition.0))
        .bind(row.recording as i64)
        .bind(&row.call)
        .bind(&row.mailbox)
        .bind(row.caller.expose())
        .bind(row.at.0)
        .bind(i64::from(row.duration_ms))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}
