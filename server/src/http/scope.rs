//! Which tenant a request is about, and how its times are written.

use super::Api;
use hotline_base::calendar::TimeZone;
use hotline_base::{Partition, Wall};
use serde::Deserialize;
use serde_json::Value as JsonValue;

/// Which tenant a request is about.
#[derive(Debug, Deserialize)]
pub struct Scope {
    /// Its name; the default one if not given.
    pub tenant: Option<String>,
}

/// A time as RFC 3339 in the tenant's zone, or null.
pub fn stamp(zone: &TimeZone, at: Option<Wall>) -> JsonValue {
    at.map_or(JsonValue::Null, |at| JsonValue::String(zone.rfc3339(at)))
}

/// The tenant's time zone.
pub fn zone_of(api: &Api, partition: Partition) -> TimeZone {
    let tenants = api.tenants.all();
    let found = tenants.iter().find(|tenant| tenant.partition == partition);
    found.map_or_else(TimeZone::utc, |tenant| tenant.zone.clone())
}
