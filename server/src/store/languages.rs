//! The languages callers are remembered by.
//!
//! Owns: the statements about `caller_language`, and how many are kept. Does not own: when a caller
//! is remembered (the engine).

use super::{Store, StoreError};
use hotline_base::{Partition, Redacted};
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use std::collections::BTreeMap;

/// Callers remembered by one tenant; those who were longest ago are forgotten.
pub const CALLERS_MAX: u32 = 100_000;

/// A caller's language: tenant, calling number, language, place in the journal.
pub type LanguageRow = (Partition, Redacted<String>, String, u64);

impl Store {
    /// The languages a tenant's callers are remembered by, the latest last.
    pub async fn languages(
        &self,
        partition: Partition,
    ) -> Result<Vec<(Redacted<String>, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT caller, language FROM caller_language WHERE partition = ? \
             ORDER BY position DESC LIMIT ?",
        )
        .bind(i64::from(partition.0))
        .bind(i64::from(CALLERS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().rev().map(|row| (Redacted::new(row.get(0)), row.get(1))).collect())
    }
}

/// Writes a batch, and forgets what is too much.
pub(super) async fn write_languages(
    transaction: &mut Transaction<'_, Sqlite>,
    rows: &[LanguageRow],
) -> Result<(), StoreError> {
    // Only the last of each: a statement may not touch a row twice.
    let mut last = BTreeMap::new();
    for (partition, caller, language, position) in rows {
        last.insert((partition.0, caller.expose().as_str()), (language.as_str(), *position));
    }
    let all: Vec<_> = last.into_iter().collect();
    for rows in all.chunks(super::ROWS_PER_STATEMENT) {
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO caller_language (partition, caller, language, position) ",
        );
        insert.push_values(rows, |mut row, ((partition, caller), (language, position))| {
            row.push_bind(i64::from(*partition))
                .push_bind(*caller)
                .push_bind(*language)
                .push_bind(*position as i64);
        });
        insert.push(
            " ON CONFLICT (partition, caller) \
             DO UPDATE SET language = excluded.language, position = excluded.position",
        );
        insert.build().execute(&mut **transaction).await?;
    }
    let mut tenants: Vec<u32> = all.iter().map(|((partition, _), _)| *partition).collect();
    tenants.dedup();
    for partition in tenants {
        sqlx::query(
            "DELETE FROM caller_language WHERE partition = ?1 AND position <= \
             (SELECT position FROM caller_language WHERE partition = ?1 \
              ORDER BY position DESC LIMIT 1 OFFSET ?2)",
        )
        .bind(i64::from(partition))
        .bind(i64::from(CALLERS_MAX))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}
