//! The store: SQL tables that hold the configuration and the projections of the journal.
//!
//! Owns: the schema, every statement, and the transactions. Does not own: what an event means
//! ([`projector`]), what an object may be (`config`).
//!
//! No message path reads it: the engine has its immutable snapshot, and everything written during
//! calls comes from the projector, behind the journal.

pub mod flows;
pub mod languages;
pub mod messages;
pub mod projector;
#[cfg(test)]
mod tests;
pub mod tries;

use crate::config::Centre;
use hotline_base::{Partition, Wall};
use hotline_engine::event::StoredBinding;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool, Transaction};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a statement waits for a lock another program holds on the database.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Rows of one multi-row statement: SQLite allows 32,766 parameters.
const ROWS_PER_STATEMENT: usize = 500;
/// Pages in the write-ahead log before they are written into the database: 16 MiB.
const WAL_PAGES: &str = "4000";
/// Pages kept in memory by each connection, in KiB (SQLite counts them below zero).
const CACHE_KIB: &str = "-16384";
/// Rows one question of the API may return.
pub const ROWS_MAX: u32 = 10_000;

/// A handle to the store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    /// For questions, and for what can be projected again from the journal: after a loss of power
    /// the last of it may be missing.
    pool: SqlitePool,
    /// For what nothing else knows, configuration and the epoch: on disk when it returns.
    lasting: SqlitePool,
}

/// What went wrong with the store, in one line.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("store {url}: {error}; see [store] url and whether the directory can be written")]
    Open {
        /// Which.
        url: String,
        /// Why.
        error: sqlx::Error,
    },
    /// Its schema cannot be brought up to date.
    #[error("store: schema: {0}; it may have been written by a newer version")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("store: {0}")]
    Statement(#[from] sqlx::Error),
    /// What it holds cannot be read.
    #[error("store: {table}: {error}")]
    Content {
        /// Which table.
        table: &'static str,
        /// Why.
        error: serde_json::Error,
    },
    /// Somebody else changed the configuration meanwhile.
    #[error(
        "the configuration is at version {found} by now, not {expected}; look at the plan again"
    )]
    MovedOn {
        /// What was expected.
        expected: u64,
        /// What it is.
        found: u64,
    },
}

/// One row of the agent log.
#[derive(Clone, Debug)]
pub struct AgentLogRow {
    /// Place in the journal.
    pub position: u64,
    /// Tenant.
    pub partition: Partition,
    /// When.
    pub at: Wall,
    /// Employee ID.
    pub agent: String,
    /// Old state.
    pub from: String,
    /// New state.
    pub to: String,
    /// Why.
    pub reason: Option<String>,
    /// About which call.
    pub call: Option<String>,
}

/// One call record as a row.
#[derive(Clone, Debug)]
pub struct RecordRow {
    /// The record as JSON, times in µs.
    pub record: hotline_engine::CallRecord,
    /// First place in the journal.
    pub journal_from: u64,
    /// Last place in the journal.
    pub journal_to: u64,
}

/// What one batch of the projector writes, in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// New records; one that is there already stays as it is.
    pub records: Vec<RecordRow>,
    /// New rows of the agent log.
    pub agent_log: Vec<AgentLogRow>,
    /// Last states of agents: partition, employee ID, snapshot as JSON.
    pub agent_states: Vec<(Partition, String, String)>,
    /// Bindings added, refreshed (`Some`) or removed (`None`): partition, number, contact.
    pub bindings: Vec<(Partition, String, String, Option<StoredBinding>)>,
    /// Languages callers are to be remembered by.
    pub languages: Vec<languages::LanguageRow>,
    /// Messages left.
    pub messages: Vec<messages::MessageRow>,
    /// Tries to sign in by telephone.
    pub tries: Vec<tries::TriesRow>,
    /// Where the projector stands: the next place to read, and where open calls begin.
    pub progress: Option<(u64, u64)>,
}

impl Batch {
    /// Whether there is nothing but progress.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.agent_log.is_empty()
            && self.agent_states.is_empty()
            && self.bindings.is_empty()
            && self.languages.is_empty()
            && self.messages.is_empty()
            && self.tries.is_empty()
    }
}

impl Store {
    /// Opens the store of a URL (`sqlite:PATH`), makes it if it is not there, and brings its
    /// schema up to date.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        let path = url.strip_prefix("sqlite:").unwrap_or(url);
        let failed = |error| StoreError::Open { url: url.into(), error };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            // Pages that many rows are put into are written back once for many transactions, and
            // need not be read again for each.
            .pragma("wal_autocheckpoint", WAL_PAGES)
            .pragma("cache_size", CACHE_KIB)
            .busy_timeout(LOCK_WAIT);
        let pool = |connections| {
            let pool = SqlitePoolOptions::new().max_connections(connections);
            pool.acquire_timeout(Duration::from_secs(10))
        };
        let lasting = options.clone().synchronous(SqliteSynchronous::Full);
        let projected = pool(4).connect_with(options).await.map_err(failed)?;
        let lasting = pool(1).connect_with(lasting).await.map_err(failed)?;
        sqlx::migrate!("./migrations").run(&projected).await?;
        Ok(Store { pool: projected, lasting })
    }

    /// Looks at a store that is there, without changing anything of it: the configuration version.
    pub async fn look(url: &str) -> Result<u64, StoreError> {
        let path = url.strip_prefix("sqlite:").unwrap_or(url);
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options.busy_timeout(LOCK_WAIT)).await;
        let pool = pool.map_err(|error| StoreError::Open { url: url.into(), error })?;
        let store = Store { lasting: pool.clone(), pool };
        let version = store.version().await;
        store.close().await;
        version
    }

    /// Closes it, so that nothing is left in its write-ahead log.
    pub async fn close(&self) {
        self.lasting.close().await;
        self.pool.close().await;
    }

    /// A transaction that is on disk when it is committed. It takes the lock at once: one that reads
    /// first could not write any more after the projector has.
    async fn begin_lasting(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.lasting.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A small fact.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Sets a small fact.
    pub async fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(name)
            .bind(value)
            .execute(&self.lasting)
            .await?;
        Ok(())
    }

    /// The next fencing epoch: each start of an owner has a higher one, also higher than `seen`, the
    /// newest one that is known from elsewhere (a store may be an old copy).
    pub async fn next_epoch(&self, seen: u32) -> Result<u32, StoreError> {
        let row = sqlx::query(
            "INSERT INTO meta (name, value) VALUES ('epoch', CAST(?1 + 1 AS TEXT)) \
             ON CONFLICT (name) DO UPDATE SET value = CAST(MAX(CAST(value AS INTEGER), ?1) + 1 AS TEXT) \
             RETURNING CAST(value AS INTEGER)",
        )
        .bind(i64::from(seen))
        .fetch_one(&self.lasting)
        .await?;
        let epoch: i64 = row.get(0);
        Ok(u32::try_from(epoch).unwrap_or(u32::MAX))
    }

    /// The configuration version: 0 when nothing was ever applied.
    pub async fn version(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM config_version")
            .fetch_one(&self.pool)
            .await?;
        Ok(row.get::<i64, _>(0) as u64)
    }

    /// Every tenant with its objects, by partition.
    pub async fn centres(&self) -> Result<Vec<(Partition, Centre)>, StoreError> {
        let tenants = sqlx::query("SELECT partition FROM tenant ORDER BY partition")
            .fetch_all(&self.pool)
            .await?;
        let mut centres: Vec<(Partition, Centre)> = tenants
            .iter()
            .map(|row| (Partition(row.get::<i64, _>(0) as u32), Centre::default()))
            .collect();
        let rows = sqlx::query("SELECT partition, kind, name, object FROM config_object")
            .fetch_all(&self.pool)
            .await?;
        for row in rows {
            let partition = Partition(row.get::<i64, _>(0) as u32);
            let (kind, name, object): (String, String, String) =
                (row.get(1), row.get(2), row.get(3));
            let object: Map<String, Json> = read("config_object", &object)?;
            let Some((_, centre)) = centres.iter_mut().find(|(of, _)| *of == partition) else {
                continue;
            };
            if kind == "tenant" {
                centre.tenant = object;
            } else {
                centre.objects.insert((kind, name), object);
            }
        }
        for (partition, name, flow) in self.flows_in_force().await? {
            if let Some((_, centre)) = centres.iter_mut().find(|(of, _)| *of == partition) {
                centre.flows.insert(name, flow);
            }
        }
        // A partition whose tenant was never written is none.
        centres.retain(|(_, centre)| !centre.tenant.is_empty());
        Ok(centres)
    }

    /// Writes a tenant whole as the version after `expected`; a new one gets its partition in the
    /// same transaction, and the draft that became a flow goes in it. Gives the partition and the
    /// version.
    pub async fn commit_centre(
        &self,
        centre: &Centre,
        plan: &str,
        expected: u64,
        at: Wall,
        by: &str,
        published: Option<&str>,
    ) -> Result<(Partition, u64), StoreError> {
        let mut transaction = self.begin_lasting().await?;
        let partition = partition_of(&mut transaction, centre.name()).await?;
        let row = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM config_version")
            .fetch_one(&mut *transaction)
            .await?;
        let found = row.get::<i64, _>(0) as u64;
        if found != expected {
            return Err(StoreError::MovedOn { expected, found });
        }
        let version = found + 1;
        sqlx::query(
            "INSERT INTO config_version (version, partition, at_us, plan) VALUES (?, ?, ?, ?)",
        )
        .bind(version as i64)
        .bind(i64::from(partition.0))
        .bind(at.0)
        .bind(plan)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM config_object WHERE partition = ?")
            .bind(i64::from(partition.0))
            .execute(&mut *transaction)
            .await?;
        let mut rows = vec![("tenant", centre.name(), json_text(&centre.tenant)?)];
        for ((kind, name), object) in &centre.objects {
            rows.push((kind, name, json_text(object)?));
        }
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            let mut insert: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT INTO config_object (partition, kind, name, object) ");
            insert.push_values(rows, |mut row, (kind, name, object)| {
                row.push_bind(i64::from(partition.0))
                    .push_bind(*kind)
                    .push_bind(*name)
                    .push_bind(object.as_str());
            });
            insert.build().execute(&mut *transaction).await?;
        }
        flows::write_flows(&mut transaction, partition, &centre.flows, at, by).await?;
        if let Some(draft) = published {
            flows::delete_draft(&mut transaction, partition, draft).await?;
        }
        transaction.commit().await?;
        Ok((partition, version))
    }

    /// Where the projector stands: the next place to read, and where open calls begin.
    pub async fn progress(&self) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query("SELECT position, recover_from FROM projection WHERE name = 'all'")
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map_or((0, 0), |row| (row.get::<i64, _>(0) as u64, row.get::<i64, _>(1) as u64)))
    }

    /// Writes one batch of the projector, whole or not at all.
    pub async fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        write_records(&mut transaction, &batch.records).await?;
        write_agent_log(&mut transaction, &batch.agent_log).await?;
        for rows in batch.agent_states.chunks(ROWS_PER_STATEMENT) {
            let mut insert: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT INTO agent_state (partition, agent, snapshot) ");
            insert.push_values(rows, |mut row, (partition, agent, snapshot)| {
                row.push_bind(i64::from(partition.0))
                    .push_bind(agent.as_str())
                    .push_bind(snapshot.as_str());
            });
            insert
                .push(" ON CONFLICT (partition, agent) DO UPDATE SET snapshot = excluded.snapshot");
            insert.build().execute(&mut *transaction).await?;
        }
        write_bindings(&mut transaction, batch).await?;
        languages::write_languages(&mut transaction, &batch.languages).await?;
        messages::write_messages(&mut transaction, &batch.messages).await?;
        tries::write_tries(&mut transaction, &batch.tries).await?;
        if let Some((position, recover_from)) = batch.progress {
            sqlx::query(
                "INSERT INTO projection (name, position, recover_from) VALUES ('all', ?, ?) \
                 ON CONFLICT (name) DO UPDATE SET position = excluded.position, recover_from = excluded.recover_from",
            )
            .bind(position as i64)
            .bind(recover_from as i64)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The bindings of a tenant, those that have ended meanwhile among them: the engine must hear
    /// of them, so that their agents are not taken for registered.
    pub async fn bindings(&self, partition: Partition) -> Result<Vec<StoredBinding>, StoreError> {
        let rows =
            sqlx::query("SELECT binding FROM binding WHERE partition = ? ORDER BY number, contact")
                .bind(i64::from(partition.0))
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|row| read("binding", row.get(0))).collect()
    }

    /// The last states of a tenant's agents.
    pub async fn agent_states<T: DeserializeOwned>(
        &self,
        partition: Partition,
    ) -> Result<Vec<T>, StoreError> {
        let rows =
            sqlx::query("SELECT snapshot FROM agent_state WHERE partition = ? ORDER BY agent")
                .bind(i64::from(partition.0))
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|row| read("agent_state", row.get(0))).collect()
    }

    /// The records of a tenant's calls that arrived at or after `since`, newest first; `test` asks
    /// for test calls only, or for none.
    pub async fn records(
        &self,
        partition: Partition,
        since: Wall,
        test: Option<bool>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT record, journal_from, journal_to FROM call_record \
             WHERE partition = ? AND arrived_us >= ? AND (?3 IS NULL OR test = ?3) \
             ORDER BY arrived_us DESC, call DESC LIMIT ?4",
        )
        .bind(i64::from(partition.0))
        .bind(since.0)
        .bind(test)
        .bind(i64::from(limit.min(ROWS_MAX)))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(record_row).collect()
    }

    /// The record of one call: by our identifier, or by either SIP Call-ID.
    pub async fn record(
        &self,
        partition: Partition,
        call: &str,
    ) -> Result<Option<RecordRow>, StoreError> {
        let row = sqlx::query(
            "SELECT record, journal_from, journal_to FROM call_record WHERE partition = ? \
             AND (call = ? OR caller_sip_call_id = ? OR agent_sip_call_id = ?) ORDER BY arrived_us DESC LIMIT 1",
        )
        .bind(i64::from(partition.0))
        .bind(call)
        .bind(call)
        .bind(call)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(record_row).transpose()
    }

    /// An agent's state changes at or after `since`, newest first.
    pub async fn agent_log(
        &self,
        partition: Partition,
        agent: &str,
        since: Wall,
        limit: u32,
    ) -> Result<Vec<AgentLogRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT position, at_us, from_state, to_state, reason, call FROM agent_log \
             WHERE partition = ? AND agent = ? AND at_us >= ? ORDER BY at_us DESC, position DESC LIMIT ?",
        )
        .bind(i64::from(partition.0))
        .bind(agent)
        .bind(since.0)
        .bind(i64::from(limit.min(ROWS_MAX)))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .iter()
            .map(|row| AgentLogRow {
                position: row.get::<i64, _>(0) as u64,
                partition,
                at: Wall(row.get(1)),
                agent: agent.into(),
                from: row.get(2),
                to: row.get(3),
                reason: row.get(4),
                call: row.get(5),
            })
            .collect())
    }
}

fn record_row(row: &sqlx::sqlite::SqliteRow) -> Result<RecordRow, StoreError> {
    Ok(RecordRow {
        record: read("call_record", row.get(0))?,
        journal_from: row.get::<i64, _>(1) as u64,
        journal_to: row.get::<i64, _>(2) as u64,
    })
}

/// The partition of a tenant of this name; a new one if there is none.
async fn partition_of(
    transaction: &mut Transaction<'_, Sqlite>,
    name: &str,
) -> Result<Partition, StoreError> {
    let row = sqlx::query(
        "INSERT INTO tenant (partition, name) SELECT COALESCE(MAX(partition), 0) + 1, ? FROM tenant WHERE true \
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING partition",
    )
    .bind(name)
    .fetch_one(&mut **transaction)
    .await?;
    Ok(Partition(row.get::<i64, _>(0) as u32))
}

async fn write_records(
    transaction: &mut Transaction<'_, Sqlite>,
    records: &[RecordRow],
) -> Result<(), StoreError> {
    for rows in records.chunks(ROWS_PER_STATEMENT) {
        let mut texts = Vec::with_capacity(rows.len());
        for row in rows {
            texts.push((row, row.record.call.to_string(), json_text(&row.record)?));
        }
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO call_record (call, partition, arrived_us, released_us, caller_sip_call_id, \
             agent_sip_call_id, record, journal_from, journal_to, test) ",
        );
        insert.push_values(&texts, |mut values, (row, call, text)| {
            let record = &row.record;
            values
                .push_bind(call.as_str())
                .push_bind(i64::from(record.call.partition.0))
                .push_bind(record.arrived.0)
                .push_bind(record.released.unwrap_or(record.arrived).0)
                .push_bind(record.caller_sip_call_id.as_str())
                .push_bind(record.agent_sip_call_id.as_deref())
                .push_bind(text.as_str())
                .push_bind(row.journal_from as i64)
                .push_bind(row.journal_to as i64)
                .push_bind(record.test);
        });
        insert.push(" ON CONFLICT (call) DO NOTHING");
        insert.build().execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn write_agent_log(
    transaction: &mut Transaction<'_, Sqlite>,
    log: &[AgentLogRow],
) -> Result<(), StoreError> {
    for rows in log.chunks(ROWS_PER_STATEMENT) {
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO agent_log (position, partition, at_us, agent, from_state, to_state, reason, call) ",
        );
        insert.push_values(rows, |mut values, row| {
            values
                .push_bind(row.position as i64)
                .push_bind(i64::from(row.partition.0))
                .push_bind(row.at.0)
                .push_bind(row.agent.as_str())
                .push_bind(row.from.as_str())
                .push_bind(row.to.as_str())
                .push_bind(row.reason.as_deref())
                .push_bind(row.call.as_deref());
        });
        insert.push(" ON CONFLICT (position) DO NOTHING");
        insert.build().execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn write_bindings(
    transaction: &mut Transaction<'_, Sqlite>,
    batch: &Batch,
) -> Result<(), StoreError> {
    // Only the last form of each: a statement may not touch a row twice.
    let mut last = BTreeMap::new();
    for (partition, number, contact, binding) in &batch.bindings {
        last.insert((partition.0, number.as_str(), contact.as_str()), binding);
    }
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (key, binding) in last {
        match binding {
            Some(binding) => kept.push((key, binding.expires_wall.0, json_text(binding)?)),
            None => gone.push(key),
        }
    }
    for rows in kept.chunks(ROWS_PER_STATEMENT) {
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO binding (partition, number, contact, expires_us, binding) ",
        );
        insert.push_values(rows, |mut row, ((partition, number, contact), expires_us, text)| {
            row.push_bind(i64::from(*partition))
                .push_bind(*number)
                .push_bind(*contact)
                .push_bind(*expires_us)
                .push_bind(text.as_str());
        });
        insert.push(
            " ON CONFLICT (partition, number, contact) \
             DO UPDATE SET expires_us = excluded.expires_us, binding = excluded.binding",
        );
        insert.build().execute(&mut **transaction).await?;
    }
    for rows in gone.chunks(ROWS_PER_STATEMENT) {
        let mut delete: QueryBuilder<Sqlite> =
            QueryBuilder::new("DELETE FROM binding WHERE (partition, number, contact) IN (");
        delete.push_values(rows, |mut row, (partition, number, contact)| {
            row.push_bind(i64::from(*partition)).push_bind(*number).push_bind(*contact);
        });
        delete.push(")");
        delete.build().execute(&mut **transaction).await?;
    }
    Ok(())
}

fn json_text<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Content { table: "(writing)", error })
}

fn read<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Content { table, error })
}
