//! What a single-phone agent's keys do: during a call, and on a line at rest.
//!
//! Owns: hold and resume, hanging up the customer alone, states, what is said about them. Does not
//! own: what keys mean ([`super::feature`]), consulting others.
//! A digit that is no code and part of none goes to the other side.

use super::announce::Announcement;
use super::call::{Call, State, Talk};
use super::consult::Target;
use super::ending::Ending;
use super::feature::{Feature, Pressed};
use super::{Side, Step};
use crate::record::{ReleaseReason, ReleasedBy};
use hotline_routing::{AgentRef, AgentState, BusyReason, Input as Routed, Rest};

/// The reason of a rest that was asked for by a key.
const REST_REASON: &str = "rest";

impl Call {
    /// Whether the digits of a side are an agent's keys.
    pub fn has_keys(&self, side: Side) -> bool {
        let leg = match side {
            Side::Caller => Some(&self.caller.leg),
            Side::Agent => self.agent.as_ref(),
        };
        leg.is_some_and(|leg| leg.keys.is_some())
    }

    /// An agent's key. `false`: this side has no keys, its digits are somebody else's affair.
    pub fn key(&mut self, step: &mut Step<'_, '_>, side: Side, digit: char) -> bool {
        if !self.has_keys(side) {
            return false;
        }
        let asked = matches!(&self.state, State::Offered(offer) if offer.confirming);
        if asked && side == Side::Agent {
            self.accept_key(step, digit);
            return true;
        }
        let serves = match &self.state {
            State::Connected(_) => side == Side::Agent,
            State::Line(line) => side == Side::Caller && line.lent_to.is_none(),
            State::AtKeys(_) => side == Side::Caller,
            _ => false,
        };
        let consults = side == Side::Caller && self.consult_of.is_some();
        if !serves && !consults {
            return true;
        }
        let config = step.cx.config.clone();
        let codes = &config.single_phone.feature_codes;
        let keys = self.leg_mut(side).and_then(|leg| leg.keys.as_mut());
        if let Some(pressed) = keys.map(|keys| keys.press(codes, digit, consults)) {
            self.pressed(step, side, pressed);
        }
        true
    }

    /// The next key has not come in time.
    pub fn keys_time_out(&mut self, step: &mut Step<'_, '_>) {
        self.keys_timer = None;
        if matches!(&self.state, State::Line(line) if line.lent_to.is_some()) {
            // What was begun at rest is forgotten: the telephone is in a call by now.
            return;
        }
        let on_line = matches!(self.state, State::Line(_) | State::AtKeys(_));
        let caller = on_line || self.consult_of.is_some();
        let side = if caller { Side::Caller } else { Side::Agent };
        let keys = self.leg_mut(side).and_then(|leg| leg.keys.as_mut());
        if let Some(pressed) = keys.map(|keys| keys.time_out()) {
            self.pressed(step, side, pressed);
        }
    }

    fn pressed(&mut self, step: &mut Step<'_, '_>, side: Side, pressed: Pressed) {
        let wait = match &pressed {
            Pressed::Wait(wait) => Some(*wait),
            Pressed::AskNumber(_) => Some(super::feature::NUMBER_MAX),
            _ => None,
        };
        self.arm_keys(step, wait);
        match pressed {
            Pressed::Wait(_) => {}
            Pressed::Relay(digits) if matches!(self.state, State::AtKeys(_)) => {
                self.choose(step, &digits);
            }
            Pressed::Relay(digits) => self.pass_digits_on(step, side, &digits),
            Pressed::AskNumber(_) => self.tell(step, side, &["consult_enter_number"]),
            Pressed::NoNumber => self.tell(step, side, &["not_possible"]),
            Pressed::Code(feature) => self.serve(step, side, feature),
            Pressed::Number(feature, number) => self.serve_number(step, side, feature, &number),
        }
    }

    /// Says something to an agent about what it has pressed.
    pub fn tell(&mut self, step: &mut Step<'_, '_>, side: Side, names: &[&str]) {
        let language = step.cx.config.language.clone();
        let said = Announcement::said(step.cx.config, &language, names);
        if let Some(leg) = self.leg_mut(side) {
            leg.media.play(step.cx.out, said.items);
        }
    }

    /// What was said to an agent has been said: silence while it holds or rests, else the other
    /// side is heard again by itself.
    pub fn key_told(&mut self, step: &mut Step<'_, '_>, side: Side) {
        if matches!(self.state, State::Line(_)) {
            return self.rest_on_line(step);
        }
        let rests = matches!(self.state, State::AtKeys(_));
        if let Some(leg) = self.leg_mut(side).filter(|leg| leg.holds || rests) {
            leg.media.silence(step.cx.out);
        }
    }

    fn serve(&mut self, step: &mut Step<'_, '_>, side: Side, feature: Feature) {
        if side == Side::Caller && self.consult_of.is_some() {
            return self.serve_in_consultation(step, feature);
        }
        let (agent, talks) = match &self.state {
            State::Connected(Talk { agent: Some(agent), .. }) => (*agent, true),
            State::Line(line) => (line.agent, false),
            State::AtKeys(attended) => (attended.agent, false),
            _ => return,
        };
        match feature {
            Feature::Idle
            | Feature::Busy
            | Feature::Rest
            | Feature::EndWrapUp
            | Feature::SignOut => {
                let said = change_state(step, agent, feature);
                if !talks && said == "signed_out" {
                    // A line that is signed out hears so when it ends.
                    return self.attend_no_more(step, said);
                }
                self.tell(step, side, &[said]);
            }
            Feature::Hold if talks => self.hold_or_resume(step),
            Feature::HangUp if talks => {
                let reason = ReleaseReason::NormalClearing;
                let ending = Ending::hung_up(reason, ReleasedBy::Agent, None);
                self.release(step, ending, None);
            }
            _ => self.tell(step, side, &["not_possible"]),
        }
    }

    fn serve_number(
        &mut self,
        step: &mut Step<'_, '_>,
        side: Side,
        feature: Feature,
        number: &str,
    ) {
        let by = match &self.state {
            State::Connected(Talk { agent: Some(agent), employee_id, .. })
                if side == Side::Agent && self.consult_of.is_none() =>
            {
                Some((*agent, employee_id.clone()))
            }
            _ => None,
        };
        let target = by.as_ref().and_then(|(agent, _)| self.target(step, *agent, number));
        let Some((target, (_, employee_id))) = target.zip(by) else {
            return self.tell(step, side, &["not_possible"]);
        };
        match feature {
            // A flow talks to customers; there is nobody to consult.
            Feature::Consult if matches!(target, Target::Flow(_)) => {
                self.tell(step, side, &["not_possible"]);
            }
            Feature::Consult => self.consult(step, target),
            Feature::Transfer if self.can_be_handed_to(step, &target) => {
                self.hand_on(step, &employee_id, target, false);
            }
            _ => self.tell(step, side, &["transfer_failed"]),
        }
    }

    fn serve_in_consultation(&mut self, step: &mut Step<'_, '_>, feature: Feature) {
        let agent = self.consult_of.as_ref().map(|of| of.agent);
        use Feature as F;
        let state = matches!(feature, F::Idle | F::Busy | F::Rest | F::EndWrapUp | F::SignOut);
        match agent {
            Some(agent) if state => {
                let said = change_state(step, agent, feature);
                self.tell(step, Side::Caller, &[said]);
            }
            _ if self.serve_consulting(step, feature) => {}
            _ => self.tell(step, Side::Caller, &["not_possible"]),
        }
    }

    /// The customer hears the queue's hold tone and the agent nothing, until it is taken back.
    fn hold_or_resume(&mut self, step: &mut Step<'_, '_>) {
        let Some(agent) = &mut self.agent else { return };
        agent.holds = !agent.holds;
        let holds = agent.holds;
        self.tell_held(step, Side::Agent);
        match holds {
            true => self.tell(step, Side::Agent, &["on_hold"]),
            false => self.tell(step, Side::Agent, &["resumed"]),
        }
    }
}

/// Asks routing for another state of an agent; gives what is to be said of it. A state that is
/// asked for during a call is taken when it ends.
pub(crate) fn change_state(
    step: &mut Step<'_, '_>,
    agent: AgentRef,
    feature: Feature,
) -> &'static str {
    let status = step.cx.routing.agent_status(agent);
    let state = status.map_or(AgentState::SignedOut, |status| status.state);
    let (input, said) = match (feature, state) {
        (_, AgentState::SignedOut) => return "not_possible",
        (Feature::Idle, _) => (Routed::Idle { agent }, "state_idle"),
        (Feature::Busy, AgentState::Busy(BusyReason::Chosen)) => return "state_busy",
        (Feature::Busy, _) => (Routed::Busy { agent, reason: BusyReason::Chosen }, "state_busy"),
        (Feature::Rest, _) => {
            let rest = Rest { reason: REST_REASON.to_owned(), planned_s: None };
            (Routed::Rest { agent, rest }, "state_rest")
        }
        // In a call: none after it.
        (Feature::EndWrapUp, AgentState::WrapUp | AgentState::Talking | AgentState::Holding) => {
            (Routed::EndWrapUp { agent }, "state_idle")
        }
        (Feature::SignOut, _) => (Routed::SignOut { agent }, "signed_out"),
        _ => return "not_possible",
    };
    step.routed(input);
    said
}
