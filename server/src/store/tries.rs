//! Tries to sign in by telephone that count.
//!
//! Owns: the statements about `sign_in_try`, and how many are kept. Does not own: what counts as a
//! try, nor when one no longer does (the engine).

use super::{Store, StoreError};
use hotline_base::{Partition, Wall};
use hotline_engine::event::{StoredTries, TriedBy};
use sqlx::{Row, Sqlite, Transaction};

/// Employee IDs of one tenant whose tries are kept, and as many calling numbers; those who tried
/// longest ago are forgotten.
pub const TRIES_MAX: u32 = 10_000;

/// Tries as an event tells them.
#[derive(Clone, Debug)]
pub struct TriesRow {
    /// Whose telephones.
    pub partition: Partition,
    /// How many count now.
    pub tries: StoredTries,
    /// When that was.
    pub at: Wall,
    /// Place in the journal.
    pub position: u64,
}

const BOTH: [(TriedBy, i64); 2] = [(TriedBy::Employee, 0), (TriedBy::Number, 1)];

fn number_of(by: TriedBy) -> i64 {
    match by {
        TriedBy::Employee => 0,
        TriedBy::Number => 1,
    }
}

impl Store {
    /// The tries of a tenant's telephones, the latest last.
    pub async fn tries(&self, partition: Partition) -> Result<Vec<StoredTries>, StoreError> {
        let mut all = Vec::new();
        for (by, number) in BOTH {
            let rows = sqlx::query(
                "SELECT key, count, until_us FROM sign_in_try \
                 WHERE partition = ? AND tried_by = ? ORDER BY until_us",
            )
            .bind(i64::from(partition.0))
            .bind(number)
            .fetch_all(&self.pool)
            .await?;
            all.extend(rows.iter().map(|row| StoredTries {
                by,
                key: row.get::<i64, _>(0) as u64,
                count: u8::try_from(row.get::<i64, _>(1)).unwrap_or(u8::MAX),
                until: Wall(row.get(2)),
            }));
        }
        Ok(all)
    }
}

/// Writes a batch, and forgets what is over or too much.
pub(super) async fn write_tries(
    transaction: &mut Transaction<'_, Sqlite>,
    rows: &[TriesRow],
) -> Result<(), StoreError> {
    for row in rows {
        let TriesRow { partition, tries, position, .. } = row;
        sqlx::query(
            "INSERT INTO sign_in_try (partition, tried_by, key, count, until_us, position) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (partition, tried_by, key) DO UPDATE SET \
             count = excluded.count, until_us = excluded.until_us, position = excluded.position",
        )
        .bind(i64::from(partition.0))
        .bind(number_of(tries.by))
        .bind(tries.key as i64)
        .bind(i64::from(tries.count))
        .bind(tries.until.0)
        .bind(*position as i64)
        .execute(&mut **transaction)
        .await?;
    }
    let Some(last) = rows.last() else { return Ok(()) };
    sqlx::query("DELETE FROM sign_in_try WHERE count = 0 OR until_us <= ?")
        .bind(last.at.0)
        .execute(&mut **transaction)
        .await?;
    let mut tenants: Vec<u32> = rows.iter().map(|row| row.partition.0).collect();
    tenants.sort_unstable();
    tenants.dedup();
    for partition in tenants {
        for (_, by) in BOTH {
            sqlx::query(
                "DELETE FROM sign_in_try WHERE partition = ?1 AND tried_by = ?2 AND position <= \
                 (SELECT position FROM sign_in_try WHERE partition = ?1 AND tried_by = ?2 \
                  ORDER BY position DESC LIMIT 1 OFFSET ?3)",
            )
            .bind(i64::from(partition))
            .bind(by)
            .bind(i64::from(TRIES_MAX))
            .execute(&mut **transaction)
            .await?;
        }
    }
    Ok(())
}
