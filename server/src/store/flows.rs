//! Flows in the store: those in force, their last versions, and drafts.
//!
//! Owns: the statements about `flow`, `flow_version` and `flow_draft`. Does not own: whether a
//! document is a flow (`config::flows`), who may publish.

use super::{Store, StoreError, json_text, read};
use crate::config::flows::Flow;
use hotline_base::{Partition, Wall};
use serde_json::Value as Json;
use sqlx::{Row, Sqlite, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// Versions of one flow that are kept, the newest; the one in force is kept besides.
pub const VERSIONS_MAX: u32 = 100;

/// One version of a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowVersion {
    /// Its number.
    pub version: u32,
    /// As it was written.
    pub document: Json,
    /// When it was published.
    pub at: Wall,
    /// By whom: `apply`, `api`.
    pub by: String,
}

/// What is being worked on.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowDraft {
    /// Changes with each change, and is never the same again.
    pub revision: u64,
    /// As it was written.
    pub document: Json,
    /// When it was written.
    pub at: Wall,
    /// By whom.
    pub by: String,
}

/// A flow's number and its latest publication, as a list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowEntry {
    /// Its name.
    pub name: String,
    /// The version in force.
    pub version: Option<u32>,
    /// When that was published.
    pub at: Option<Wall>,
    /// The draft's revision.
    pub draft: Option<u64>,
}

/// Flows in force by partition and name.
pub(super) type InForce = Vec<(Partition, String, Flow)>;

impl Store {
    /// The flows in force of every tenant.
    pub(super) async fn flows_in_force(&self) -> Result<InForce, StoreError> {
        let rows = sqlx::query(
            "SELECT flow.partition, flow.name, flow.version, document FROM flow \
             JOIN flow_version USING (partition, name, version)",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let document = read("flow_version", row.get(3))?;
                let version = row.get::<i64, _>(2) as u32;
                Ok((partition(row), row.get(1), Flow { document, version }))
            })
            .collect()
    }

    /// The highest number each flow of a tenant ever had.
    pub async fn flow_numbers(&self, of: Partition) -> Result<BTreeMap<String, u32>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, MAX(version) FROM flow_version WHERE partition = ? GROUP BY name",
        )
        .bind(i64::from(of.0))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get::<i64, _>(1) as u32)).collect())
    }

    /// Every flow of a tenant: in force, or only drafted.
    pub async fn flow_entries(&self, of: Partition) -> Result<Vec<FlowEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT names.name, flow.version, flow_version.at_us, flow_draft.revision FROM \
             (SELECT name FROM flow WHERE partition = ?1 UNION SELECT name FROM flow_draft WHERE partition = ?1) AS names \
             LEFT JOIN flow ON flow.partition = ?1 AND flow.name = names.name \
             LEFT JOIN flow_version ON flow_version.partition = ?1 AND flow_version.name = names.name \
               AND flow_version.version = flow.version \
             LEFT JOIN flow_draft ON flow_draft.partition = ?1 AND flow_draft.name = names.name \
             ORDER BY names.name",
        )
        .bind(i64::from(of.0))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .iter()
            .map(|row| FlowEntry {
                name: row.get(0),
                version: row.get::<Option<i64>, _>(1).map(|version| version as u32),
                at: row.get::<Option<i64>, _>(2).map(Wall),
                draft: row.get::<Option<i64>, _>(3).map(|revision| revision as u64),
            })
            .collect())
    }

    /// The versions of a flow, newest first, without their documents.
    pub async fn flow_versions(
        &self,
        of: Partition,
        name: &str,
    ) -> Result<Vec<FlowVersion>, StoreError> {
        let rows = sqlx::query(
            "SELECT version, at_us, by_whom FROM flow_version \
             WHERE partition = ? AND name = ? ORDER BY version DESC LIMIT ?",
        )
        .bind(i64::from(of.0))
        .bind(name)
        .bind(i64::from(super::ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .iter()
            .map(|row| FlowVersion {
                version: row.get::<i64, _>(0) as u32,
                document: Json::Null,
                at: Wall(row.get(1)),
                by: row.get(2),
            })
            .collect())
    }

    /// One version of a flow.
    pub async fn flow_version(
        &self,
        of: Partition,
        name: &str,
        version: u32,
    ) -> Result<Option<FlowVersion>, StoreError> {
        let row = sqlx::query(
            "SELECT document, at_us, by_whom FROM flow_version \
             WHERE partition = ? AND name = ? AND version = ?",
        )
        .bind(i64::from(of.0))
        .bind(name)
        .bind(i64::from(version))
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let document = read("flow_version", row.get(0))?;
            Ok(FlowVersion { version, document, at: Wall(row.get(1)), by: row.get(2) })
        })
        .transpose()
    }

    /// The drafts of every tenant.
    pub async fn flow_drafts(
        &self,
    ) -> Result<BTreeMap<Partition, BTreeMap<String, FlowDraft>>, StoreError> {
        let rows = sqlx::query(
            "SELECT partition, name, revision, document, at_us, by_whom FROM flow_draft",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut drafts: BTreeMap<Partition, BTreeMap<String, FlowDraft>> = BTreeMap::new();
        for row in &rows {
            let draft = FlowDraft {
                revision: row.get::<i64, _>(2) as u64,
                document: read("flow_draft", row.get(3))?,
                at: Wall(row.get(4)),
                by: row.get(5),
            };
            drafts.entry(partition(row)).or_default().insert(row.get(1), draft);
        }
        Ok(drafts)
    }

    /// Writes a draft, in the place of the one there was.
    pub async fn put_draft(
        &self,
        of: Partition,
        name: &str,
        draft: &FlowDraft,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO flow_draft (partition, name, revision, document, at_us, by_whom) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (partition, name) DO UPDATE SET \
             revision = excluded.revision, document = excluded.document, at_us = excluded.at_us, by_whom = excluded.by_whom",
        )
        .bind(i64::from(of.0))
        .bind(name)
        .bind(draft.revision as i64)
        .bind(json_text(&draft.document)?)
        .bind(draft.at.0)
        .bind(&draft.by)
        .execute(&self.lasting)
        .await?;
        Ok(())
    }

    /// Throws a draft away.
    pub async fn drop_draft(&self, of: Partition, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM flow_draft WHERE partition = ? AND name = ?")
            .bind(i64::from(of.0))
            .bind(name)
            .execute(&self.lasting)
            .await?;
        Ok(())
    }
}

/// Throws a draft away, with what else is done.
pub(super) async fn delete_draft(
    transaction: &mut Transaction<'_, Sqlite>,
    of: Partition,
    name: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM flow_draft WHERE partition = ? AND name = ?")
        .bind(i64::from(of.0))
        .bind(name)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Makes these the flows in force; versions that are not known yet are added.
pub(super) async fn write_flows(
    transaction: &mut Transaction<'_, Sqlite>,
    of: Partition,
    flows: &BTreeMap<String, Flow>,
    at: Wall,
    by: &str,
) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT name, version FROM flow WHERE partition = ?")
        .bind(i64::from(of.0))
        .fetch_all(&mut **transaction)
        .await?;
    let before: BTreeMap<String, u32> =
        rows.iter().map(|row| (row.get(0), row.get::<i64, _>(1) as u32)).collect();
    let gone: BTreeSet<&String> = before.keys().filter(|name| !flows.contains_key(*name)).collect();
    for name in gone {
        sqlx::query("DELETE FROM flow WHERE partition = ? AND name = ?")
            .bind(i64::from(of.0))
            .bind(name)
            .execute(&mut **transaction)
            .await?;
    }
    for (name, flow) in flows.iter().filter(|(name, flow)| before.get(*name) != Some(&flow.version))
    {
        sqlx::query(
            "INSERT INTO flow_version (partition, name, version, document, at_us, by_whom) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(i64::from(of.0))
        .bind(name)
        .bind(i64::from(flow.version))
        .bind(json_text(&flow.document)?)
        .bind(at.0)
        .bind(by)
        .execute(&mut **transaction)
        .await?;
        sqlx::query(
            "INSERT INTO flow (partition, name, version) VALUES (?, ?, ?) \
             ON CONFLICT (partition, name) DO UPDATE SET version = excluded.version",
        )
        .bind(i64::from(of.0))
        .bind(name)
        .bind(i64::from(flow.version))
        .execute(&mut **transaction)
        .await?;
        // The highest number stays: none is used twice.
        sqlx::query(
            "DELETE FROM flow_version WHERE partition = ?1 AND name = ?2 AND version <> ?3 \
             AND version <= (SELECT version FROM flow_version WHERE partition = ?1 AND name = ?2 \
             ORDER BY version DESC LIMIT 1 OFFSET ?4)",
        )
        .bind(i64::from(of.0))
        .bind(name)
        .bind(i64::from(flow.version))
        .bind(i64::from(VERSIONS_MAX))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

fn partition(row: &sqlx::sqlite::SqliteRow) -> Partition {
    Partition(row.get::<i64, _>(0) as u32)
}
