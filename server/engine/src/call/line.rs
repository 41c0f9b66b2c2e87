//! [`Line`]: an agent's telephone that stays connected between calls.
//!
//! Owns: the line at rest, lending its leg to the calls its agent is offered, and what becomes of
//! the agent when the line ends. Does not own: signing in ([`crate::sign_in`]), what keys do
//! ([`super::service`]), the calls themselves.
//!
//! ```text
//! signed in → at rest ─offer→ lent ─call over→ at rest …
//!                └── hung up, cut, signed out ──→ released
//! ```
//! While it is lent, the line's leg belongs to the customer's call, messages and media events
//! included; the line keeps the copy that will be replaced when the leg comes back.

use super::across::Across;
use super::announce::{Announcement, PLAY_SLACK};
use super::call::{Call, Farewell, SignedIn, State, Talk};
use super::ending::Ending;
use super::feature::Keys;
use super::leg::{Leg, part_with};
use super::offer::Offer;
use super::trace::Lane;
use super::{Side, Step};
use crate::agents::BY_TELEPHONE;
use crate::config::LINE_TONE;
use crate::record::{ReleaseReason, ReleasedBy};
use hotline_base::TimerId;
use hotline_ivr::run::io::Done;
use hotline_routing::config::AnswerMode;
use hotline_routing::{AgentRef, Device, Input as Routed, OfferFailure, OfferId, QueueRef};
use std::time::Duration;

/// Longest time a line stays connected.
const LINE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A line; see the module.
#[derive(Debug)]
pub(crate) struct Line {
    /// Whose.
    pub agent: AgentRef,
    /// The same by employee ID.
    pub employee_id: String,
    /// The call that has its leg, by serial number.
    pub lent_to: Option<u32>,
    /// It ends so when its leg is back.
    pub ends: Option<Ends>,
}

/// How a line ends that has lent its leg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    ending: Ending,
    /// Who has ended its dialog.
    gone: Option<Side>,
    /// What its agent hears before, if anything.
    prompt: Option<&'static str>,
}

impl Call {
    /// Signs in the agent who has proved by this call who it is. It counts as in a call of its own
    /// until it holds the line or hangs up: nobody rings a telephone that is in use.
    pub fn sign_in(
        &mut self,
        step: &mut Step<'_, '_>,
        employee_id: &str,
        hold_the_line: bool,
    ) -> Done {
        let device = if hold_the_line { Device::HeldLine } else { Device::Mobile };
        let agent = match crate::sign_in::may_sign_in(step.cx, employee_id, device) {
            Ok(agent) => agent,
            Err(why) => {
                step.cx.notice(format!("agent {employee_id:?} did not sign in: {why}"));
                return Done::Refused;
            }
        };
        self.is_in_use_by(step, agent, employee_id);
        if let Some(&line) = step.index.lines.get(employee_id) {
            step.index.lines.remove(employee_id);
            step.index.across.push_back(Across::TakenOver { line });
        }
        crate::sign_in::sign_in(step.cx, agent, device);
        self.record.signed_in = Some(employee_id.to_owned());
        self.signed_in = Some(SignedIn { agent, employee_id: employee_id.to_owned(), device });
        Done::SignedIn
    }

    /// The telephone is used by an agent who signs in, whoever's it is: whose phone has dialled is in
    /// a call too, and neither is the other.
    pub fn is_in_use_by(&mut self, step: &mut Step<'_, '_>, agent: AgentRef, employee_id: &str) {
        let known = [&self.dialled_by, &self.signs_in];
        if known.into_iter().flatten().any(|(one, _)| *one == agent) {
            return;
        }
        self.is_in_use_no_more(step);
        step.index.agents.insert(employee_id.to_owned(), self.id.serial);
        self.signs_in = Some((agent, employee_id.to_owned()));
        step.routed(Routed::DialsOut { agent });
    }

    /// Who has signed in by this call is in none of its own any more.
    pub fn is_in_use_no_more(&mut self, step: &mut Step<'_, '_>) {
        if let Some((agent, employee_id)) = self.signs_in.take() {
            step.index.forget_agent(&employee_id, self.id.serial);
            step.routed(Routed::DialEnded { agent });
        }
    }

    /// The agent who has signed in by this call stays on the line.
    pub fn hold_the_line(&mut self, step: &mut Step<'_, '_>) {
        let held = self.signed_in.take_if(|signed_in| signed_in.device == Device::HeldLine);
        let Some(SignedIn { agent, employee_id, .. }) = held else {
            step.cx.notice("nobody has signed in who could hold the line".to_owned());
            return self.release(step, Ending::of(ReleaseReason::ProtocolError), None);
        };
        step.index.lines.insert(employee_id.clone(), self.id.serial);
        self.state = State::Line(Line { agent, employee_id, lent_to: None, ends: None });
        self.arm(step, LINE_MAX);
        let leg = &mut self.caller.leg;
        leg.keys = Some(Keys::default());
        leg.media.set_digits(step.cx.out, true, false);
        self.rest_on_line(step);
        self.is_in_use_no_more(step);
        let own = self.dialled_by.take_if(|(dialled, _)| *dialled == agent);
        if let Some((agent, employee_id)) = own {
            step.index.forget_agent(&employee_id, self.id.serial);
            step.routed(Routed::DialEnded { agent });
        }
    }

    /// What is heard on a line at rest: the tenant's tone `line`, else the quiet one of the house.
    pub fn rest_on_line(&mut self, step: &mut Step<'_, '_>) {
        let own = step.cx.config.tones.get("line").map(|tone| tone.asset);
        self.caller.leg.media.tone(step.cx.out, own.unwrap_or(LINE_TONE));
    }

    /// The call that has this line's leg, by its serial number.
    pub fn lent_to(&self) -> Option<u32> {
        let State::Line(line) = &self.state else { return None };
        line.lent_to
    }

    /// Lends the leg.
    pub fn lend(&mut self, to: u32) -> Option<Leg> {
        let State::Line(line) = &mut self.state else { return None };
        if line.lent_to.is_some() || line.ends.is_some() {
            return None;
        }
        line.lent_to = Some(to);
        Some(Leg { home: Some(self.id.serial), ..self.caller.leg.clone() })
    }

    /// Routing offers this call to an agent who holds a line: `leg`, if it could be lent.
    pub fn offer_on_line(
        &mut self,
        step: &mut Step<'_, '_>,
        id: OfferId,
        agent: AgentRef,
        queue: Option<QueueRef>,
        leg: Option<Leg>,
    ) {
        let fails =
            |step: &mut Step<'_, '_>, why| step.routed(Routed::OfferFailed { offer: id, why });
        if !self.is_offered(step, id) {
            return leg.into_iter().for_each(|leg| part_with(step, leg, "", false));
        }
        let Some(mut leg) = leg else { return fails(step, OfferFailure::PhoneUnavailable) };
        let Some(employee_id) = step.employee_id(agent) else {
            part_with(step, leg, "", false);
            return fails(step, OfferFailure::PhoneUnavailable);
        };
        if leg.media.leg.worker != self.caller.leg.media.leg.worker {
            step.cx.notice("a held line and its caller are on different media workers".to_owned());
            part_with(step, leg, "", false);
            return fails(step, OfferFailure::NoCapacity);
        }
        self.last_leg = self.last_leg.saturating_add(1);
        leg.lane = Lane { call: self.id, leg: self.last_leg, ..leg.lane };
        leg.keys = Some(Keys::default());
        leg.holds = false;
        let sip_call_id = leg.dialog.id().call_id.to_string();
        self.adopt_agent(step, leg);
        self.offered(step, &employee_id, queue, Device::HeldLine, Some(sip_call_id));
        if is_manual(step, agent) {
            let offer = Offer::on_line(id, agent, employee_id, queue);
            return self.ask_to_accept(step, offer);
        }
        let (agent, call) = (Some(agent), self.call_ref());
        self.announce(step, Talk { offer: id, agent, call, employee_id, queue });
    }

    /// What an agent on a held line hears before it is connected at once; `None` for all others,
    /// and for those who have been asked.
    pub fn call_for(&self, step: &Step<'_, '_>, talk: &Talk) -> Option<Announcement> {
        let on_line = self.agent.as_ref().is_some_and(|leg| leg.home.is_some());
        if !on_line || talk.agent.is_none_or(|agent| is_manual(step, agent)) {
            return None;
        }
        let queue = talk.queue.map(|queue| step.queue_name(queue));
        let language = &step.cx.config.language;
        Some(Announcement::call_for(step.cx.config, language, queue.as_deref()))
    }

    /// A leg becomes the agent's side of this call: what is about it is about this call.
    pub fn adopt_agent(&mut self, step: &mut Step<'_, '_>, leg: Leg) {
        let place = (self.id.serial, Side::Agent);
        step.index.tags.insert(leg.dialog.id().local_tag.clone(), place);
        step.index.media.insert(leg.media.leg, place);
        if let Some(server) = leg.awaits_answer {
            step.index.servers.insert(server, place);
        }
        self.agent = Some(leg);
    }

    /// The line's leg is back.
    pub fn takes_back(&mut self, step: &mut Step<'_, '_>, leg: Leg, gone: bool) {
        let place = (self.id.serial, Side::Caller);
        let lane = Lane { leg: 0, call: self.id, flow: leg.lane.flow };
        let keys = Some(Keys::default());
        self.caller.leg = Leg { lane, keys, holds: false, home: None, ..leg };
        let leg = &self.caller.leg;
        step.index.tags.insert(leg.dialog.id().local_tag.clone(), place);
        step.index.media.insert(leg.media.leg, place);
        if let Some(server) = leg.awaits_answer {
            step.index.servers.insert(server, place);
        }
        let State::Line(line) = &mut self.state else { return };
        line.lent_to = None;
        if gone {
            return self.caller_gone(step, None);
        }
        match line.ends.take() {
            Some(Ends { ending, prompt: Some(prompt), .. }) => self.end_line(step, prompt, ending),
            Some(Ends { ending, gone, .. }) => self.release(step, ending, gone),
            None => self.rest_on_line(step),
        }
    }

    /// The line that the agent of this call is on is wanted back.
    pub fn agent_recalled(&mut self, step: &mut Step<'_, '_>) {
        let reason = ReleaseReason::NormalClearing;
        let ending = || Ending::hung_up(reason, ReleasedBy::Agent, None);
        if self.agent.as_ref().is_some_and(|leg| leg.home.is_some()) {
            self.agent_gone(step, None, false);
        } else if self.consult_of.is_some() {
            self.release(step, ending(), None);
        } else if let Some(child) = self.consult.as_ref().and_then(|consult| consult.child) {
            self.release(step, ending(), None);
            step.index.across.push_back(Across::Recall { call: child });
        }
    }

    /// The line has nothing more to wait for: its agent hears so, and is hung up; when the call
    /// that it talks in is over, if it is in one.
    pub fn end_line(&mut self, step: &mut Step<'_, '_>, prompt: &'static str, ending: Ending) {
        let State::Line(line) = &mut self.state else { return };
        if line.lent_to.is_some() {
            line.ends.get_or_insert(Ends { ending, gone: None, prompt: Some(prompt) });
            return;
        }
        let employee_id = line.employee_id.clone();
        if step.index.lines.get(&employee_id) == Some(&self.id.serial) {
            step.index.lines.remove(&employee_id);
        }
        let language = step.cx.config.language.clone();
        let said = Announcement::said(step.cx.config, &language, &[prompt]);
        let duration = said.duration;
        let play = self.caller.leg.media.play(step.cx.out, said.items);
        self.state = State::Farewell(Farewell { play, ending });
        self.arm(step, duration + PLAY_SLACK);
    }

    /// The line has been connected for as long as it may. Who talks on it ends its call first, which
    /// has a limit of its own.
    pub fn line_is_old(&mut self, step: &mut Step<'_, '_>) {
        let State::Line(line) = &mut self.state else { return };
        let ending = Ending::of(ReleaseReason::CallTooLong);
        if line.lent_to.is_none() {
            return self.release(step, ending, None);
        }
        line.ends.get_or_insert(Ends { ending, gone: None, prompt: None });
        self.arm(step, LINE_MAX);
    }

    /// Whether the release of a line must wait for its leg, which is asked for.
    pub fn waits_for_leg(
        &mut self,
        step: &mut Step<'_, '_>,
        ending: &Ending,
        gone: Option<Side>,
    ) -> bool {
        let State::Line(line) = &mut self.state else { return false };
        let Some(call) = line.lent_to else { return false };
        line.ends = Some(Ends { ending: *ending, gone, prompt: None });
        step.index.across.push_back(Across::Recall { call });
        true
    }

    /// A call by which an agent signed in is over: one that holds no line any more is rung from
    /// now on, or signed out, by the tenant's setting.
    pub fn line_over(&mut self, step: &mut Step<'_, '_>) {
        let (agent, employee_id) = match (&self.state, self.signed_in.take()) {
            (State::Line(line), _) => (line.agent, line.employee_id.clone()),
            // It was to hold the line, and hung up before.
            (_, Some(one)) if one.device == Device::HeldLine => (one.agent, one.employee_id),
            _ => return,
        };
        let holder = step.index.lines.get(&employee_id).copied();
        let is_line = matches!(self.state, State::Line(_));
        if holder != is_line.then_some(self.id.serial) {
            // It holds another line by now.
            return;
        }
        step.index.lines.remove(&employee_id);
        let status = step.cx.routing.agent_status(agent);
        let ours = status.is_some_and(|status| {
            status.device == Device::HeldLine && status.session == Some(BY_TELEPHONE)
        });
        if !ours {
            return;
        }
        match crate::sign_in::is_rung_instead(step.cx.config, &employee_id) {
            true => step.routed(Routed::TakesCallsOn { agent, device: Device::Mobile }),
            false => step.routed(Routed::SignOut { agent }),
        }
    }

    /// Whether this is a line, and who released it then: whoever holds it is its caller.
    pub fn line_hung_up(&self, cause: Option<u16>) -> Option<Ending> {
        let ending = |by| Ending::hung_up(ReleaseReason::NormalClearing, by, cause);
        let is_line = matches!(self.state, State::Line(_) | State::AtKeys(_));
        is_line.then(|| ending(ReleasedBy::Caller))
    }

    /// Arms the deadline of what is being typed.
    pub fn arm_keys(&mut self, step: &mut Step<'_, '_>, after: Option<Duration>) {
        let serial = self.id.serial;
        let timer: Option<TimerId> = after.map(|after| {
            let at = step.cx.now.mono + after;
            step.index.timers.set(at, (serial, super::Why::Keys))
        });
        if let Some(old) = std::mem::replace(&mut self.keys_timer, timer) {
            step.index.timers.cancel(old);
        }
    }
}

/// Whether an agent answers by hand: its line is not connected at once.
fn is_manual(step: &Step<'_, '_>, agent: AgentRef) -> bool {
    let settings = step.cx.routing.agent_settings(agent);
    settings.is_some_and(|settings| settings.answer_mode == AnswerMode::Manual)
}
