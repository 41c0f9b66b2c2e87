//! Flows one by one: drafts, publishing, rolling back.
//!
//! Owns: who may change what ([`Tag`]), the number a published flow gets. Does not own: what is
//! wrong with a flow (`config::flows`), what calls in progress do (they keep what they began with).

use super::{ApplyError, Centres};
use crate::clock::Clock;
use crate::config::Faults;
use crate::config::centre::Centre;
use crate::config::fault::Fault;
use crate::config::flows::{self, Flow};
use crate::config::schema::is_flow_name_text;
use crate::store::flows::{FlowDraft, VERSIONS_MAX};
use hotline_base::Partition;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a flow is at: the version in force and the draft's revision, 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The version in force.
    pub version: u32,
    /// The draft's revision.
    pub draft: u64,
}

/// As an entity tag (RFC 9110 §8.8.3).
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}-{}\"", self.version, self.draft)
    }
}

/// Why a flow was not changed.
#[derive(Debug)]
pub enum FlowRefusal {
    /// There is no such flow, version or draft.
    NotFound(String),
    /// Somebody else changed it meanwhile: what it is at.
    Changed(Tag),
    /// It cannot be: what is wrong.
    Wrong(Faults),
    /// It cannot be now: one line.
    Refused(String),
    /// The store failed: one line.
    Failed(String),
}

impl From<ApplyError> for FlowRefusal {
    fn from(error: ApplyError) -> FlowRefusal {
        match error {
            ApplyError::Wrong(why) | ApplyError::Refused(why) => FlowRefusal::Refused(why),
            ApplyError::Failed(why) => FlowRefusal::Failed(why),
        }
    }
}

impl Centres {
    fn centre(&self, of: Partition) -> Result<&Centre, FlowRefusal> {
        let found = self.centres.iter().find(|(partition, _)| *partition == of);
        found
            .map(|(_, centre)| centre)
            .ok_or_else(|| FlowRefusal::NotFound("no such tenant".into()))
    }

    /// A flow in force.
    pub fn flow(&self, of: Partition, name: &str) -> Option<&Flow> {
        self.centre(of).ok()?.flows.get(name)
    }

    /// A draft.
    pub fn draft(&self, of: Partition, name: &str) -> Option<&FlowDraft> {
        self.drafts.get(&of)?.get(name)
    }

    /// What a flow is at.
    pub fn tag(&self, of: Partition, name: &str) -> Tag {
        Tag {
            version: self.flow(of, name).map_or(0, |flow| flow.version),
            draft: self.draft(of, name).map_or(0, |draft| draft.revision),
        }
    }

    /// `expected` is what somebody saw who changes it: `*` for whatever there is.
    fn unchanged(
        &self,
        of: Partition,
        name: &str,
        expected: Option<&str>,
    ) -> Result<(), FlowRefusal> {
        let tag = self.tag(of, name);
        let matches = |expected: &str| {
            let mut tags = expected.split(',').map(str::trim);
            tags.any(|one| one == tag.to_string() || (one == "*" && tag != Tag::default()))
        };
        if expected.is_none_or(matches) { Ok(()) } else { Err(FlowRefusal::Changed(tag)) }
    }

    /// Keeps a draft, which test callers reach from now on. What would stand against publishing it
    /// is given back, as are warnings: a draft may be unfinished, but it must be readable.
    ///
    /// # Errors
    /// Why it was not kept.
    pub async fn put_draft(
        &mut self,
        of: Partition,
        name: &str,
        document: Json,
        expected: Option<&str>,
    ) -> Result<(Vec<Fault>, Vec<Fault>), FlowRefusal> {
        self.unchanged(of, name, expected)?;
        let centre = self.centre(of)?;
        if !is_flow_name_text(name) {
            return Err(FlowRefusal::Wrong(Faults(vec![Fault {
                file: String::new(),
                line: 0,
                object: format!("flow {name:?}"),
                field: String::new(),
                value: String::new(),
                allowed: "a name of 1–64 of a-z, 0-9 and '_', no digit first".into(),
            }])));
        }
        let none = BTreeMap::new();
        let drafts = self.drafts.get(&of).unwrap_or(&none).keys();
        let mut names: BTreeSet<&str> =
            centre.flows.keys().chain(drafts).map(|one| &**one).collect();
        names.insert(name);
        if let Some(fault) = flows::too_many(centre.name(), names.len()) {
            return Err(FlowRefusal::Wrong(Faults(vec![fault])));
        }
        let unreadable = flows::faults_of_reading(name, &document);
        if !unreadable.is_empty() {
            let places = crate::config::centre::Places::default();
            let faults = unreadable.into_iter().map(|fault| flows::located(&places, name, fault));
            return Err(FlowRefusal::Wrong(Faults(faults.collect())));
        }
        let found = flows::check_one(centre, &self.sounds(centre.name()), name, &document);
        let now = Clock.wall();
        let before = self.draft(of, name).map_or(0, |draft| draft.revision);
        let revision = u64::try_from(now.0).unwrap_or(0).max(before.saturating_add(1));
        let draft = FlowDraft { revision, document, at: now, by: "api".into() };
        let kept = self.store.put_draft(of, name, &draft).await;
        kept.map_err(|error| FlowRefusal::Failed(error.to_string()))?;
        self.drafts.entry(of).or_default().insert(name.into(), draft);
        Ok(found)
    }

    /// Throws a draft away.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn drop_draft(
        &mut self,
        of: Partition,
        name: &str,
        expected: Option<&str>,
    ) -> Result<(), FlowRefusal> {
        self.unchanged(of, name, expected)?;
        if self.draft(of, name).is_none() {
            return Err(FlowRefusal::NotFound(format!("flow {name:?} has no draft")));
        }
        let dropped = self.store.drop_draft(of, name).await;
        dropped.map_err(|error| FlowRefusal::Failed(error.to_string()))?;
        if let Some(drafts) = self.drafts.get_mut(&of) {
            drafts.remove(name);
        }
        Ok(())
    }

    /// Puts a draft into force as the next version; calls in progress finish on theirs. Gives the
    /// version.
    ///
    /// # Errors
    /// Why it was not published.
    pub async fn publish_draft(
        &mut self,
        of: Partition,
        name: &str,
        expected: Option<&str>,
    ) -> Result<u32, FlowRefusal> {
        self.unchanged(of, name, expected)?;
        let Some(draft) = self.draft(of, name) else {
            return Err(FlowRefusal::NotFound(format!("flow {name:?} has no draft to publish")));
        };
        let document = draft.document.clone();
        self.put_into_force(of, name, document, "published", true).await
    }

    /// Puts an old version into force again, as the next version. Gives the version.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn roll_back(
        &mut self,
        of: Partition,
        name: &str,
        version: u32,
        expected: Option<&str>,
    ) -> Result<u32, FlowRefusal> {
        self.unchanged(of, name, expected)?;
        let old = self.store.flow_version(of, name, version).await;
        let old = old.map_err(|error| FlowRefusal::Failed(error.to_string()))?;
        let Some(old) = old else {
            let text = format!(
                "flow {name:?}: there is no version {version}; the last {VERSIONS_MAX} are kept"
            );
            return Err(FlowRefusal::NotFound(text));
        };
        let why = format!("rolled back to version {version}");
        self.put_into_force(of, name, old.document, &why, false).await
    }

    async fn put_into_force(
        &mut self,
        of: Partition,
        name: &str,
        document: Json,
        why: &str,
        was_draft: bool,
    ) -> Result<u32, FlowRefusal> {
        let mut centre = self.centre(of)?.clone();
        let sounds = self.sounds(centre.name());
        let faults = flows::against_publishing(&centre, &sounds, name, &document);
        if !faults.is_empty() {
            return Err(FlowRefusal::Wrong(Faults(faults)));
        }
        let numbers = self.store.flow_numbers(of).await;
        let numbers = numbers.map_err(|error| FlowRefusal::Failed(error.to_string()))?;
        let version = numbers.get(name).copied().unwrap_or(0).saturating_add(1);
        let before = centre.flows.insert(name.into(), Flow { document, version });
        let before = before.map_or("none".to_string(), |flow| flow.version.to_string());
        let plan = format!("~ flow {name:?}: version {before} → {version} ({why})\n");
        let published = was_draft.then_some(name);
        self.commit(centre, &plan, "api", published).await?;
        Ok(version)
    }
}
