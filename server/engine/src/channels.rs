//! [`Channels`]: how many calls each trunk carries, both directions together.
//!
//! Owns: which leg is over which trunk, from its beginning until its media is closed, and the count
//! of each trunk: a tenant's own for that tenant, the node's over all tenants of this engine. Does
//! not own: how many there may be ([`Trunk::channels`]), what is done when there are no more.

use crate::config::{TenantConfig, Trunk};
use compact_str::CompactString;
use hotline_base::Partition;
use hotline_media::command::LegRef;
use std::collections::BTreeMap;

/// A trunk: of a tenant, or of the node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owned {
    owner: Option<Partition>,
    name: CompactString,
}

impl Owned {
    fn of(config: &TenantConfig, trunk: &Trunk) -> Owned {
        // A tenant's own trunk goes before one of the node's by the same name.
        let own = config.trunks.iter().any(|one| one.name == trunk.name);
        Owned { owner: own.then_some(config.partition), name: trunk.name.as_str().into() }
    }
}

/// Calls over trunks; see the module.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    of_leg: BTreeMap<LegRef, Owned>,
    used: BTreeMap<Owned, u32>,
}

impl Channels {
    /// Whether a trunk of this tenant or of the node may carry another call.
    pub(crate) fn are_left(&self, config: &TenantConfig, trunk: &Trunk) -> bool {
        let used = self.used.get(&Owned::of(config, trunk)).copied().unwrap_or(0);
        used < trunk.channels
    }

    /// A leg is over a trunk until it is closed.
    pub(crate) fn take(&mut self, config: &TenantConfig, trunk: &Trunk, leg: LegRef) {
        let trunk = Owned::of(config, trunk);
        *self.used.entry(trunk.clone()).or_default() += 1;
        if let Some(before) = self.of_leg.insert(leg, trunk) {
            debug_assert!(false, "a leg is over one trunk");
            self.count_down(&before);
        }
    }

    /// A leg was closed, whether or not it was over a trunk.
    pub(crate) fn closed(&mut self, leg: LegRef) {
        if let Some(trunk) = self.of_leg.remove(&leg) {
            self.count_down(&trunk);
        }
    }

    fn count_down(&mut self, trunk: &Owned) {
        let Some(used) = self.used.get_mut(trunk) else { return };
        *used = used.saturating_sub(1);
        if *used == 0 {
            self.used.remove(trunk);
        }
    }
}
