//! Whether a tenant's working times are open.
//!
//! Does not own what a working time is (`hotline_ivr::schedule`), nor what follows from it (called
//! routes: routing; flows: `hotline_ivr::run`).

use crate::config::TenantConfig;
use hotline_base::Wall;
use hotline_base::calendar::TimeZone;

/// Whether the working time of a name is open at an instant; `None`: there is none of that name.
pub(crate) fn is_open(config: &TenantConfig, name: &str, at: Wall) -> Option<bool> {
    let working_time = config.working_times.get(name)?;
    let zone = TimeZone::named(&config.time_zone).unwrap_or_else(TimeZone::utc);
    Some(working_time.is_open(at, &zone))
}

/// Whether a calling number is one of those that may try drafts.
pub(crate) fn is_test_caller(config: &TenantConfig, number: &str) -> bool {
    if config.test_callers.is_empty() || number.is_empty() {
        return false;
    }
    let rules = &config.routing.number_rules;
    let normal = |number: &str| rules.normalise(number).ok();
    let calling = normal(number);
    let listed = |one: &String| one == number || (calling.is_some() && normal(one) == calling);
    config.test_callers.iter().any(listed)
}
