//! [`SignIns`]: signing in by telephone with employee ID and PIN, and how often it may be tried.
//!
//! Owns: the lock-outs per employee ID and per calling number, which hash a PIN is compared with,
//! and on what the agent is signed in. Does not own: asking for ID and PIN (the flow), the
//! comparison itself (Argon2 takes long and is an effect), agents' states (routing).
//!
//! ```text
//! flow ── ID, PIN ──→ try_pin ── Locked
//!                        └── hash ──→ VerifyPin ──→ judge ── Verified | Refused | Locked
//! ```
//! An employee ID that does not exist is compared with a hash of the usual cost, counted and locked
//! like one that does: neither answer nor time tells them apart. A try counts when it begins, so
//! that many calls at once have no more tries than one; a comparison that came to nothing gives it
//! back. Callers without a number are many: only the employee ID is locked for them. Typed digits
//! are never told: a PIN may be typed where an ID was asked for.

use crate::agents::BY_TELEPHONE;
use crate::config::{CutLine, TenantConfig};
use crate::context::Context;
use hotline_base::{Mono, Redacted};
use hotline_ivr::run::io::Done;
use hotline_routing::{AgentRef, AgentState, Device, Input, Queues, RestoredAgent};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Unknown employee IDs remembered, and as many calling numbers; at the limit the oldest is
/// forgotten.
pub(crate) const TABLE_MAX: usize = 10_000;

/// What a PIN is compared with when nobody has one to compare it with: Argon2id, at the cost of
/// every hash that is made here, of nothing anybody knows. Not another agent's hash: one that was
/// made elsewhere may take longer, and the time would tell which employee IDs exist.
pub const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ib2R5$\
     Vv0mYw5Yx6m1y0yq3u8b0l7sF2bq3mJx0Qk9b8yN1aE";

/// Tries of one employee ID or calling number.
#[derive(Clone, Copy, Debug)]
struct Tries {
    /// The first of them.
    since: Mono,
    count: u8,
}

/// Tries by name, bounded.
#[derive(Debug, Default)]
struct Table {
    tries: BTreeMap<String, Tries>,
    order: VecDeque<(Mono, String)>,
}

/// Tries of a tenant's telephones; see the module.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    employees: Table,
    numbers: Table,
}

/// A PIN that is being compared.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Whose it is said to be.
    employee_id: String,
    /// The calling number, empty if withheld.
    calling: String,
    /// Whether there is such an agent; if not, the comparison means nothing.
    known: bool,
}

/// What becomes of a try.
#[derive(Clone, Debug)]
pub(crate) enum Try {
    /// Too many before it: nothing is compared.
    Locked,
    /// The PIN is to be compared with this hash; [`SignIns::judge`] hears what came of it.
    Compare {
        /// For later.
        attempt: Attempt,
        /// In PHC form.
        hash: Redacted<String>,
    },
}

impl SignIns {
    /// Somebody says to be an agent.
    pub(crate) fn try_pin(
        &mut self,
        now: Mono,
        config: &TenantConfig,
        employee_id: &str,
        calling: &str,
    ) -> Try {
        let limits = Limits::of(config);
        let locked = [(&self.employees, employee_id), (&self.numbers, calling)]
            .iter()
            .any(|(table, key)| table.is_locked(now, limits, key));
        if locked {
            return Try::Locked;
        }
        self.employees.count(now, limits, employee_id);
        if !calling.is_empty() {
            self.numbers.count(now, limits, calling);
        }
        let known = config.mobiles.get(employee_id);
        let hash = known.map(|mobile| mobile.pin_hash.clone());
        let attempt = Attempt {
            employee_id: employee_id.to_owned(),
            calling: calling.to_owned(),
            known: known.is_some(),
        };
        let nobodys = || Redacted::new(NOBODYS_HASH.to_owned());
        Try::Compare { attempt, hash: hash.unwrap_or_else(nobodys) }
    }

    /// Nothing came of the comparison: nobody has learned whether the PIN fits, so it was no try.
    pub(crate) fn came_to_nothing(&mut self, attempt: &Attempt) {
        self.employees.take_back(&attempt.employee_id);
        self.numbers.take_back(&attempt.calling);
    }

    /// The comparison is over. A PIN that fits takes its own try back and the employee's before it;
    /// the calling number's wrong ones stay, so that knowing one PIN does not help to guess others.
    pub(crate) fn judge(&mut self, cx: &mut Context<'_>, attempt: &Attempt, fits: bool) -> Done {
        let limits = Limits::of(cx.config);
        let now = cx.now.mono;
        if fits && attempt.known {
            self.employees.forget(&attempt.employee_id);
            self.numbers.take_back(&attempt.calling);
            return match is_rung(cx, &attempt.employee_id) {
                true => Done::VerifiedRung,
                false => Done::Verified,
            };
        }
        let employee = self.employees.is_locked(now, limits, &attempt.employee_id);
        let number = self.numbers.is_locked(now, limits, &attempt.calling);
        if employee {
            let who = match attempt.known {
                true => format!("agent {:?}", attempt.employee_id),
                false => String::from("an employee ID that does not exist"),
            };
            let (tries, lock_s) = (limits.tries, limits.window.as_secs());
            cx.notice(format!("{who} cannot sign in for {lock_s} s: {tries} wrong PINs"));
        }
        if number {
            cx.notice(format!(
                "a calling number cannot sign in agents for {} s: {} wrong PINs",
                limits.window.as_secs(),
                limits.tries
            ));
        }
        if employee || number { Done::Locked } else { Done::Refused }
    }
}

/// How many tries, and for how long they count.
#[derive(Clone, Copy, Debug)]
struct Limits {
    tries: u8,
    window: Duration,
}

impl Limits {
    fn of(config: &TenantConfig) -> Limits {
        let settings = &config.single_phone;
        let window = Duration::from_secs(u64::from(settings.lock_out_s));
        Limits { tries: settings.lock_out_tries.max(1), window }
    }
}

impl Table {
    fn is_locked(&self, now: Mono, limits: Limits, key: &str) -> bool {
        self.tries.get(key).is_some_and(|tries| {
            tries.count >= limits.tries && now.since(tries.since) < limits.window
        })
    }

    fn count(&mut self, now: Mono, limits: Limits, key: &str) {
        while let Some((since, oldest)) = self.order.front() {
            if now.since(*since) < limits.window && self.order.len() < TABLE_MAX {
                break;
            }
            // Whoever began anew since then stands further behind.
            if self.tries.get(oldest).is_some_and(|tries| tries.since == *since) {
                self.tries.remove(oldest);
            }
            self.order.pop_front();
        }
        let Some(tries) = self.tries.get_mut(key) else {
            self.tries.insert(key.to_owned(), Tries { since: now, count: 1 });
            self.order.push_back((now, key.to_owned()));
            return;
        };
        tries.count = tries.count.saturating_add(1);
        if tries.count >= limits.tries {
            // The lock-out lasts from the try that caused it.
            tries.since = now;
            self.order.push_back((now, key.to_owned()));
        }
    }

    fn take_back(&mut self, key: &str) {
        if let Some(tries) = self.tries.get_mut(key) {
            tries.count = tries.count.saturating_sub(1);
        }
    }

    fn forget(&mut self, key: &str) {
        self.tries.remove(key);
    }
}

/// Signs an agent in whose PIN was verified, on its mobile or on the line it calls by. It takes
/// over from any other session of its own: whoever knows the PIN is the agent.
pub(crate) fn sign_in(cx: &mut Context<'_>, agent: AgentRef, device: Device) {
    let queues = Queues::All;
    let input = Input::SignIn { agent, queues, force: true, session: BY_TELEPHONE, device };
    cx.routing.handle(cx.now, input);
}

/// Whether an agent is signed in by telephone to be rung, and in no call.
pub(crate) fn is_rung(cx: &Context<'_>, employee_id: &str) -> bool {
    let Ok(agent) = may_sign_in(cx, employee_id, Device::Mobile) else { return false };
    cx.routing.agent_status(agent).is_some_and(|status| {
        status.state != AgentState::SignedOut
            && status.device == Device::Mobile
            && status.session == Some(BY_TELEPHONE)
    })
}

/// Whether an agent can be signed in on a device now: not while it has a call elsewhere.
///
/// # Errors
/// Why not, in one line without personal data.
pub(crate) fn may_sign_in(
    cx: &Context<'_>,
    employee_id: &str,
    device: Device,
) -> Result<AgentRef, String> {
    let mobile = cx.config.mobiles.get(employee_id);
    let mobile = mobile.ok_or("the agent may not sign in by telephone")?;
    if device == Device::Mobile && mobile.number.is_none() {
        return Err("the agent has no number to be rung at".to_owned());
    }
    let agent = cx.routing.agent(employee_id).ok_or("there is no such agent")?;
    let status = cx.routing.agent_status(agent).ok_or("there is no such agent")?;
    match status.state {
        AgentState::Talking | AgentState::Holding | AgentState::Offered => {
            Err("the agent is signed in elsewhere and has a call there".to_owned())
        }
        _ => Ok(agent),
    }
}

/// Whether an agent whose held line is gone is rung on its mobile from then on; else it is signed
/// out.
pub(crate) fn is_rung_instead(config: &TenantConfig, employee_id: &str) -> bool {
    let settings = &config.single_phone;
    let number = config.mobiles.get(employee_id).and_then(|mobile| mobile.number.as_ref());
    settings.cut_line == CutLine::BeRung && settings.trunk.is_some() && number.is_some()
}

/// No line outlives the process that held it.
pub(crate) fn without_line(config: &TenantConfig, agent: &mut RestoredAgent) {
    if agent.device != Device::HeldLine {
        return;
    }
    agent.device = Device::Mobile;
    if !is_rung_instead(config, &agent.employee_id) {
        agent.state = AgentState::SignedOut;
        agent.session = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { tries: 5, window: Duration::from_secs(900) };

    fn at(s: u64) -> Mono {
        Mono::from_ms(s * 1_000)
    }

    #[test]
    fn the_fifth_try_locks_for_as_long_as_the_setting_says() {
        let mut table = Table::default();
        for s in 0..5 {
            assert!(!table.is_locked(at(s), LIMITS, "1001"), "{s}");
            table.count(at(s), LIMITS, "1001");
        }
        assert!(table.is_locked(at(4), LIMITS, "1001"));
        assert!(table.is_locked(at(903), LIMITS, "1001"), "from the try that locked");
        assert!(!table.is_locked(at(904), LIMITS, "1001"));
        assert!(!table.is_locked(at(4), LIMITS, "1002"));
        table.count(at(905), LIMITS, "1001");
        assert!(!table.is_locked(at(905), LIMITS, "1001"), "and one has all tries again");
    }

    #[test]
    fn tries_are_forgotten_after_the_window() {
        let mut table = Table::default();
        for _ in 0..4 {
            table.count(at(0), LIMITS, "1001");
        }
        table.count(at(900), LIMITS, "1001");
        assert!(!table.is_locked(at(900), LIMITS, "1001"));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = Table::default();
        for number in 0..3 * TABLE_MAX {
            table.count(at(1), LIMITS, &number.to_string());
        }
        assert!(table.tries.len() <= TABLE_MAX && table.order.len() <= TABLE_MAX);
        let newest = (3 * TABLE_MAX - 1).to_string();
        assert!(table.tries.contains_key(&newest));
    }

    #[test]
    fn a_pin_that_fits_takes_its_own_try_back() {
        let mut table = Table::default();
        for _ in 0..4 {
            table.count(at(0), LIMITS, "15550001");
        }
        table.count(at(0), LIMITS, "15550001");
        assert!(table.is_locked(at(0), LIMITS, "15550001"));
        table.take_back("15550001");
        assert!(!table.is_locked(at(0), LIMITS, "15550001"));
    }
}
