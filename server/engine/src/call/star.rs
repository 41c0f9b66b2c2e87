//! Star codes: an agent's plain phone dials its state, or asks for it, and hears it.
//!
//! Owns: which number is which code, and what is said. Does not own: the states (routing), the same
//! wishes by keys ([`super::service`]).
//! The call counts as one of the agent's own while it lasts: a state that is asked for is taken
//! when it ends, and nothing is offered meanwhile.

use super::Step;
use super::announce::{Announcement, PLAY_SLACK};
use super::call::{Call, Farewell, State};
use super::ending::Ending;
use super::feature::Feature;
use super::service::change_state;
use crate::agents::BY_REGISTRATION;
use crate::config::StarCodes;
use crate::record::ReleaseReason;
use hotline_routing::{AgentRef, AgentState, Device, Input as Routed, Queues};

/// What a plain phone may dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Star {
    /// Another state, or none any more.
    State(Feature),
    /// Signs in on this phone.
    SignIn,
    /// What is my state?
    MyState,
}

impl Star {
    /// The code that a number is.
    pub fn of(codes: &StarCodes, number: &str) -> Option<Star> {
        let known = [
            (&codes.sign_in, Star::SignIn),
            (&codes.sign_out, Star::State(Feature::SignOut)),
            (&codes.idle, Star::State(Feature::Idle)),
            (&codes.busy, Star::State(Feature::Busy)),
            (&codes.rest, Star::State(Feature::Rest)),
            (&codes.my_state, Star::MyState),
            (&codes.end_wrap_up, Star::State(Feature::EndWrapUp)),
        ];
        known.into_iter().find(|(code, _)| *code == number).map(|(_, star)| star)
    }
}

impl Call {
    /// Does what an agent's phone has dialled, says what came of it, and ends. `before` is the
    /// agent's state before this call.
    pub fn serve_star(&mut self, step: &mut Step<'_, '_>, star: Star, before: AgentState) {
        let Some(agent) = self.dialled_by.as_ref().map(|(agent, _)| *agent) else {
            return self.release(step, Ending::of(ReleaseReason::ProtocolError), None);
        };
        let said: Vec<&str> = match star {
            Star::State(feature) => vec![change_state(step, agent, feature)],
            Star::SignIn => vec![sign_in(step, agent, before)],
            Star::MyState => vec!["your_state_is", name_of(before)],
        };
        self.caller.answer(step);
        let said = Announcement::said(step.cx.config, &self.language, &said);
        let duration = said.duration;
        let play = self.caller.leg.media.play(step.cx.out, said.items);
        let ending = Ending::of(ReleaseReason::NormalClearing);
        self.state = State::Farewell(Farewell { play, ending });
        self.arm(step, duration + PLAY_SLACK);
    }
}

/// A code cannot ask for queues, nor whether another session is to be taken over.
fn sign_in(step: &mut Step<'_, '_>, agent: AgentRef, before: AgentState) -> &'static str {
    let status = step.cx.routing.agent_status(agent);
    let elsewhere = status.is_some_and(|status| status.session != Some(BY_REGISTRATION));
    if before != AgentState::SignedOut && elsewhere {
        return "not_possible";
    }
    let (queues, session, device) = (Queues::All, BY_REGISTRATION, Device::Softphone);
    step.routed(Routed::SignIn { agent, queues, force: false, session, device });
    "signed_in"
}

/// The prompt that names a state.
pub(crate) fn name_of(state: AgentState) -> &'static str {
    match state {
        AgentState::SignedOut => "signed_out",
        AgentState::Idle => "state_idle",
        AgentState::Busy(_) => "state_busy",
        AgentState::Rest => "state_rest",
        AgentState::WrapUp => "state_wrap_up",
        AgentState::Offered | AgentState::Talking | AgentState::Holding => "state_talking",
    }
}
