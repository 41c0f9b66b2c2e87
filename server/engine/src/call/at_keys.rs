//! [`AtKeys`]: an agent who is rung for its calls, and has called in to say what it wants.
//!
//! Owns: telling it its state, and what it may choose. Does not own: who it is (the sign-in flow),
//! what feature codes do ([`super::service`]), the line it may hold from then on ([`super::line`]).
//! As with a star code, the call counts as one of the agent's own while it lasts: nothing is
//! offered, and a state that is asked for when idle is taken when it ends.

use super::announce::{Announcement, PLAY_SLACK};
use super::call::{Call, Farewell, SignedIn, State};
use super::ending::Ending;
use super::feature::Keys;
use super::star::name_of;
use super::{Side, Step};
use crate::record::ReleaseReason;
use hotline_routing::{AgentRef, Device};
use std::time::Duration;

/// Longest time without a choice that ends the call; then it is released.
const AT_KEYS_MAX: Duration = Duration::from_secs(10 * 60);
/// Hold the line, as in the sign-in flow.
const HOLD_KEY: &str = "1";
/// Be rung.
const RING_KEY: &str = "2";

/// Who it is; see the module.
#[derive(Clone, Debug)]
pub(crate) struct AtKeys {
    /// The agent.
    pub agent: AgentRef,
    /// The same by employee ID.
    pub employee_id: String,
    /// Whether it may hold the line from now on.
    pub may_hold: bool,
}

impl Call {
    /// The agent hears its state; its keys are codes from then on.
    pub fn attend(&mut self, step: &mut Step<'_, '_>, employee_id: &str, may_hold: bool) {
        let found = crate::sign_in::may_sign_in(step.cx, employee_id, Device::Mobile);
        let status = found.ok().and_then(|agent| step.cx.routing.agent_status(agent));
        let Some(status) = status else {
            // It has got a call, or is no agent any more, since its PIN was compared.
            let ending = Ending::of(ReleaseReason::NormalClearing);
            self.farewell(step, "not_possible", ending);
            return;
        };
        let agent = status.agent;
        self.is_in_use_by(step, agent, employee_id);
        let employee_id = employee_id.to_owned();
        self.state = State::AtKeys(AtKeys { agent, employee_id, may_hold });
        self.arm(step, AT_KEYS_MAX);
        let leg = &mut self.caller.leg;
        leg.keys = Some(Keys::default());
        leg.media.set_digits(step.cx.out, true, false);
        let state = name_of(status.state);
        match may_hold {
            true => self.tell(step, Side::Caller, &["your_state_is", state, "sign_in_mode"]),
            false => self.tell(step, Side::Caller, &["your_state_is", state]),
        }
    }

    /// Digits that are no code.
    pub fn choose(&mut self, step: &mut Step<'_, '_>, digits: &str) {
        let State::AtKeys(attended) = &self.state else { return };
        let AtKeys { agent, employee_id, may_hold } = attended.clone();
        let device = match digits {
            HOLD_KEY if may_hold => Device::HeldLine,
            RING_KEY if may_hold => Device::Mobile,
            _ => return self.tell(step, Side::Caller, &["not_possible"]),
        };
        // Still in this call for routing, so nothing is offered in between.
        crate::sign_in::sign_in(step.cx, agent, device);
        self.record.signed_in = Some(employee_id.clone());
        match device {
            Device::HeldLine => {
                self.signed_in = Some(SignedIn { agent, employee_id, device });
                self.hold_the_line(step);
                self.tell(step, Side::Caller, &["signed_in"]);
            }
            _ => self.attend_no_more(step, "signed_in"),
        }
    }

    /// The agent hears what came of it, and the call ends. A line's end is not told here.
    pub fn attend_no_more(&mut self, step: &mut Step<'_, '_>, prompt: &str) {
        if !matches!(self.state, State::AtKeys(_)) {
            return;
        }
        let said = Announcement::said(step.cx.config, &step.cx.config.language, &[prompt]);
        let duration = said.duration;
        let play = self.caller.leg.media.play(step.cx.out, said.items);
        let ending = Ending::of(ReleaseReason::NormalClearing);
        self.state = State::Farewell(Farewell { play, ending });
        self.arm(step, duration + PLAY_SLACK);
    }
}
