//! What the engine adds to routing's agents: names, journal, views, and the words of refusals.
//!
//! Owns: since when and why an agent is in its state, which softphone is whose, turning routing's
//! news into events. Does not own: the states themselves (`hotline_routing`).

use crate::config::TenantConfig;
use crate::event::EventKind;
use crate::id::CallId;
use crate::input::{AgentVerb, AgentView, Refusal};
use compact_str::CompactString;
use hotline_base::Wall;
use hotline_routing::state::{AgentStatus, ChangeWhy};
use hotline_routing::{
    AgentRef, AgentState, BusyReason, Device, Input, Queues, Refusal as Why, Rest, RestoredAgent,
    Routing, Session,
};
use hotline_sip::registrar::Registrar;
use std::collections::BTreeMap;

/// The session of an agent who is signed in by its phone's registration.
pub(crate) const BY_REGISTRATION: Session = Session(1);
/// The session of an agent who is signed in through the API.
pub(crate) const BY_API: Session = Session(2);

/// The session of an agent who is signed in from a telephone: on a held line or to be rung.
pub(crate) const BY_TELEPHONE: Session = Session(3);

/// What is known of a tenant's agents besides routing; see the module.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// Since when, and why, by employee ID.
    since: BTreeMap<CompactString, (Wall, CompactString)>,
    /// Softphone numbers by employee ID.
    numbers: BTreeMap<CompactString, CompactString>,
    started: Wall,
}

impl Agents {
    pub(crate) fn new(config: &TenantConfig, started: Wall) -> Agents {
        let mut agents = Agents { started, ..Agents::default() };
        agents.configure(config);
        agents
    }

    pub(crate) fn configure(&mut self, config: &TenantConfig) {
        let names = config.softphones.values().map(|softphone| {
            (CompactString::new(&softphone.employee_id), CompactString::new(&softphone.number))
        });
        self.numbers = names.collect();
        let known = |id: &str| config.routing.agents.iter().any(|agent| agent.employee_id == id);
        self.since.retain(|id, _| known(id));
    }

    /// Takes back since when and why agents were in their states before a restart.
    pub(crate) fn restore(&mut self, stored: &[RestoredAgent]) {
        for agent in stored {
            if let (Some(since), Some(reason)) = (agent.since, &agent.reason) {
                let id = CompactString::new(&agent.employee_id);
                self.since.insert(id, (since, CompactString::new(reason)));
            }
        }
    }

    /// The softphone number of an agent.
    pub(crate) fn number(&self, employee_id: &str) -> Option<&str> {
        self.numbers.get(employee_id).map(CompactString::as_str)
    }

    /// Routing says that an agent's state changed: what the journal keeps of it. `None` for an
    /// agent that is no longer configured.
    pub(crate) fn changed(
        &mut self,
        routing: &Routing,
        from: AgentState,
        status: &AgentStatus,
        why: ChangeWhy,
        at: Wall,
        call: Option<CallId>,
    ) -> Option<EventKind> {
        let mut snapshot = routing.agent_stored(status.agent)?;
        let agent = snapshot.employee_id.clone();
        if from != status.state {
            let why = CompactString::const_new(change_name(why));
            self.since.insert(CompactString::new(&agent), (at, why));
        }
        if let Some((since, why)) = self.since.get(agent.as_str()) {
            snapshot.since = Some(*since);
            snapshot.reason = Some(why.to_string());
        }
        let reason = reason_of(status.state, status.rest.as_ref());
        Some(EventKind::AgentState {
            agent,
            from: state_name(from).to_owned(),
            to: state_name(status.state).to_owned(),
            reason: Some(reason.unwrap_or_else(|| change_name(why).to_owned())),
            call,
            snapshot,
        })
    }

    /// An agent as seen from outside.
    pub(crate) fn view(
        &self,
        routing: &Routing,
        registrar: &Registrar,
        employee_id: &str,
        call: Option<CallId>,
    ) -> Option<AgentView> {
        let agent = routing.agent(employee_id)?;
        let status = routing.agent_status(agent)?;
        let since = self.since.get(employee_id);
        let name = |queue| routing.queue_settings(queue).map(|queue| queue.name.clone());
        let contacts = self.number(employee_id).map_or(&[][..], |number| registrar.lookup(number));
        Some(AgentView {
            employee_id: employee_id.to_owned(),
            account: routing.agent_settings(agent).and_then(|settings| settings.account.clone()),
            state: state_name(status.state).to_owned(),
            reason: reason_of(status.state, status.rest.as_ref())
                .or_else(|| since.map(|(_, why)| why.to_string())),
            since: since.map_or(self.started, |(since, _)| *since),
            queues: status.queues.iter().copied().filter_map(name).collect(),
            call,
            registrations: contacts.iter().map(|b| b.contact.as_text().into_owned()).collect(),
            anonymised: false,
        })
    }
}

/// A verb of the API as routing's input.
///
/// # Errors
/// A queue that does not exist.
pub(crate) fn verb_input(
    routing: &Routing,
    agent: AgentRef,
    verb: AgentVerb,
) -> Result<Input, Refusal> {
    Ok(match verb {
        AgentVerb::SignIn { queues, force } => Input::SignIn {
            agent,
            queues: match queues.is_empty() {
                true => Queues::All,
                false => Queues::Listed(
                    queues
                        .iter()
                        .map(|name| routing.queue(name).ok_or_else(|| no_queue(name)))
                        .collect::<Result<_, _>>()?,
                ),
            },
            force,
            session: BY_API,
            device: Device::Softphone,
        },
        AgentVerb::SignOut => Input::SignOut { agent },
        AgentVerb::Idle => Input::Idle { agent },
        AgentVerb::Busy => Input::Busy { agent, reason: BusyReason::Chosen },
        AgentVerb::Rest { reason, planned_s } => {
            Input::Rest { agent, rest: Rest { reason, planned_s } }
        }
        AgentVerb::WrapUp { extend_s: 0 } => Input::EndWrapUp { agent },
        AgentVerb::WrapUp { extend_s } => Input::ExtendWrapUp { agent, by_s: extend_s },
    })
}

/// A refusal of routing in the API's words.
pub(crate) fn refusal(employee_id: &str, why: Why) -> Refusal {
    let who = format!("agent {employee_id:?}");
    let (status, code, text) = match why {
        Why::UnknownAgent => return no_agent(employee_id),
        Why::UnknownQueue => {
            (404, "queue_not_found", format!("{who} does not serve one of these queues"))
        }
        Why::SignedInElsewhere => (
            409,
            "signed_in_elsewhere",
            format!("{who} is signed in by another session; repeat with force to take it over"),
        ),
        Why::NotSignedIn => (409, "not_signed_in", format!("{who} is not signed in")),
        Why::State(state) => (
            409,
            "wrong_state",
            format!("{who} is {}; this is not possible now", state_name(state)),
        ),
        Why::OutOfRange => {
            (400, "out_of_range", String::from("a value is outside what is allowed"))
        }
        other => (409, "refused", format!("{who}: {other}")),
    };
    Refusal { status, code: code.to_owned(), text }
}

pub(crate) fn no_agent(employee_id: &str) -> Refusal {
    Refusal {
        status: 404,
        code: String::from("agent_not_found"),
        text: format!("there is no agent {employee_id:?}"),
    }
}

fn no_queue(name: &str) -> Refusal {
    Refusal {
        status: 404,
        code: String::from("queue_not_found"),
        text: format!("there is no skill queue {name:?}"),
    }
}

/// A state by its name in the API.
pub(crate) fn state_name(state: AgentState) -> &'static str {
    match state {
        AgentState::SignedOut => "signed_out",
        AgentState::Idle => "idle",
        AgentState::Busy(_) => "busy",
        AgentState::Rest => "rest",
        AgentState::Offered => "offered",
        AgentState::Talking => "talking",
        AgentState::WrapUp => "wrap_up",
        AgentState::Holding => "holding",
    }
}

/// The reason that belongs to a state, by its name in the API.
fn reason_of(state: AgentState, rest: Option<&Rest>) -> Option<String> {
    let name = match state {
        AgentState::Busy(BusyReason::Chosen) => "chosen",
        AgentState::Busy(BusyReason::NoAnswer) => "no_answer",
        AgentState::Busy(BusyReason::Forced) => "forced",
        AgentState::Busy(BusyReason::PhoneUnavailable) => "phone_unavailable",
        AgentState::Busy(BusyReason::Rejected) => "rejected",
        AgentState::Rest => return rest.map(|rest| rest.reason.clone()),
        _ => return None,
    };
    Some(name.to_owned())
}

fn change_name(why: ChangeWhy) -> &'static str {
    match why {
        ChangeWhy::SignedIn => "signed_in",
        ChangeWhy::Registered => "registered",
        ChangeWhy::SignedOut => "signed_out",
        ChangeWhy::RegistrationLost => "registration_lost",
        ChangeWhy::Asked => "asked",
        ChangeWhy::AskedDuringCall => "asked_during_call",
        ChangeWhy::Offered => "offered",
        ChangeWhy::Answered => "answered",
        ChangeWhy::NoAnswer => "no_answer",
        ChangeWhy::Rejected => "rejected",
        ChangeWhy::PhoneUnavailable => "phone_unavailable",
        ChangeWhy::NoCapacity => "no_capacity",
        ChangeWhy::AgentGone => "agent_gone",
        ChangeWhy::CallerGone => "caller_gone",
        ChangeWhy::Dials => "dials",
        ChangeWhy::DialEnded => "dial_ended",
        ChangeWhy::Held => "held",
        ChangeWhy::Resumed => "resumed",
        ChangeWhy::CallEnded => "call_ended",
        ChangeWhy::WrapUpOver => "wrap_up_over",
        ChangeWhy::WrapUpEnded => "wrap_up_ended",
        ChangeWhy::WrapUpExtended => "wrap_up_extended",
        ChangeWhy::QueuesChanged => "queues_changed",
        ChangeWhy::Removed => "removed",
        ChangeWhy::Restored => "restored",
    }
}
