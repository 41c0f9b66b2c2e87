//! [`SignIns`]: signing in by telephone with employee ID and PIN, and how often it may be tried.
//!
//! Owns: what counts as a try of an employee ID and of a calling number, which hash a PIN is
//! compared with, and on what the agent is signed in. Does not own: counting and lock-outs
//! ([`crate::tries`]), asking for ID and PIN (the flow), the comparison itself (Argon2 takes long
//! and is an effect), agents' states (routing).
//!
//! ```text
//! flow ── ID, PIN ──→ try_pin ── Locked
//!                        └── hash ──→ VerifyPin ──→ judge ── Verified | Refused | Locked
//! ```
//! An employee ID that does not exist is compared with a hash of the usual cost, counted and locked
//! like one that does: neither answer nor time tells them apart. A try counts when it begins, so
//! that many calls at once have no more tries than one; a comparison that came to nothing gives it
//! back. Each change is an event, so that ending the server gives nobody new tries. Callers without a number are many: only the employee ID is locked for them. Typed digits
//! are never told: a PIN may be typed where an ID was asked for.

use crate::agents::BY_TELEPHONE;
use crate::config::{CutLine, TenantConfig};
use crate::context::Context;
use crate::event::EventKind;
use crate::tries::{self, Limits, StoredTries, Table, TriedBy};
use hotline_base::{Now, Redacted};
use hotline_ivr::run::io::Done;
use hotline_routing::{AgentRef, AgentState, Device, Input, Queues, RestoredAgent};

/// What a PIN is compared with when nobody has one to compare it with: Argon2id, at the cost of
/// every hash that is made here, of nothing anybody knows. Not another agent's hash: one that was
/// made elsewhere may take longer, and the time would tell which employee IDs exist.
pub const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ib2R5$\
     Vv0mYw5Yx6m1y0yq3u8b0l7sF2bq3mJx0Qk9b8yN1aE";

/// Tries of a tenant's telephones; see the module.
#[derive(Debug)]
pub(crate) struct SignIns {
    employees: Table,
    numbers: Table,
}

/// A PIN that is being compared.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Whose it is said to be.
    employee_id: String,
    /// By what it is counted.
    keys: Keys,
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

impl Default for SignIns {
    fn default() -> SignIns {
        SignIns { employees: Table::new(TriedBy::Employee), numbers: Table::new(TriedBy::Number) }
    }
}

/// Employee and calling number by their keys; none if the number is withheld.
#[derive(Clone, Copy, Debug)]
struct Keys {
    employee: u64,
    number: Option<u64>,
}

impl Keys {
    fn of(cx: &Context<'_>, employee_id: &str, calling: &str) -> Keys {
        let key = |by, text| tries::key(&cx.settings.nonce_secret, cx.partition(), by, text);
        Keys {
            employee: key(TriedBy::Employee, employee_id),
            number: (!calling.is_empty()).then(|| key(TriedBy::Number, calling)),
        }
    }
}

impl SignIns {
    /// Somebody says to be an agent.
    pub(crate) fn try_pin(
        &mut self,
        cx: &mut Context<'_>,
        employee_id: &str,
        calling: &str,
    ) -> Try {
        let (limits, now) = (Limits::of(cx.config), cx.now.mono);
        let keys = Keys::of(cx, employee_id, calling);
        let locked = |table: &Table, key| table.is_locked(now, limits, key);
        if locked(&self.employees, keys.employee)
            || keys.number.is_some_and(|number| locked(&self.numbers, number))
        {
            return Try::Locked;
        }
        self.employees.count(now, limits, keys.employee);
        if let Some(number) = keys.number {
            self.numbers.count(now, limits, number);
        }
        self.keep(cx, keys);
        let known = cx.config.mobiles.get(employee_id);
        let hash = known.map(|mobile| mobile.pin_hash.clone());
        let attempt = Attempt { employee_id: employee_id.to_owned(), keys, known: known.is_some() };
        let nobodys = || Redacted::new(NOBODYS_HASH.to_owned());
        Try::Compare { attempt, hash: hash.unwrap_or_else(nobodys) }
    }

    /// Nothing came of the comparison: nobody has learned whether the PIN fits, so it was no try.
    pub(crate) fn came_to_nothing(&mut self, cx: &mut Context<'_>, attempt: &Attempt) {
        self.employees.take_back(attempt.keys.employee);
        self.number_takes_back(attempt.keys);
        self.keep(cx, attempt.keys);
    }

    fn number_takes_back(&mut self, keys: Keys) {
        if let Some(number) = keys.number {
            self.numbers.take_back(number);
        }
    }

    /// Writes down how many tries count by now.
    fn keep(&self, cx: &mut Context<'_>, keys: Keys) {
        let mut tries = vec![self.employees.stored(cx.now, keys.employee)];
        tries.extend(keys.number.map(|number| self.numbers.stored(cx.now, number)));
        cx.journal(EventKind::SignInTried { tries });
    }

    /// Takes back what was written down.
    pub(crate) fn restore(&mut self, now: Now, config: &TenantConfig, tries: &[StoredTries]) {
        for stored in tries {
            self.employees.restore(now, Limits::of(config), stored);
            self.numbers.restore(now, Limits::of(config), stored);
        }
    }

    /// The comparison is over. A PIN that fits takes its own try back and the employee's before it;
    /// the calling number's wrong ones stay, so that knowing one PIN does not help to guess others.
    pub(crate) fn judge(&mut self, cx: &mut Context<'_>, attempt: &Attempt, fits: bool) -> Done {
        let limits = Limits::of(cx.config);
        let (now, keys) = (cx.now.mono, attempt.keys);
        if fits && attempt.known {
            self.employees.forget(keys.employee);
            self.number_takes_back(keys);
            self.keep(cx, keys);
            return match is_rung(cx, &attempt.employee_id) {
                true => Done::VerifiedRung,
                false => Done::Verified,
            };
        }
        let employee = self.employees.is_locked(now, limits, keys.employee);
        let number = keys.number.is_some_and(|number| self.numbers.is_locked(now, limits, number));
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
