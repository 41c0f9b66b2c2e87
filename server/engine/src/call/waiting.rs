//! What callers hear who wait, and parties who are held: tones by name, and where they stand, over
//! the music.
//!
//! Owns: which tone plays, when a caller is told its place, what a new configuration changes for
//! those who listen. Does not own: when a call waits ([`super::call`]), flows that run while it
//! does, the choice of assets ([`super::announce`]).
//!
//! ```text
//! queued ──announce_every_s──→ told its place, over the tone ──announce_every_s──→ …
//!   └ tone ───────────────────────── goes on ─────────────────────────────────────→
//! ```

use super::announce::{Announcement, Tone, hold_tone, wait_tone};
use super::call::{Call, State};
use super::{Side, Step, Why};
use hotline_base::TimerId;
use hotline_ivr::say;
use hotline_media::command::PlayId;
use hotline_routing::Input as Routed;
use hotline_routing::config::{QueueAnnouncement, WaitMethod};
use std::time::Duration;

/// The least time between two announcements, from the end of one to the beginning of the next.
const BETWEEN: Duration = Duration::from_secs(1);

/// What a call knows of itself as one that waits.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Moves by overflow so far, to queues and flows.
    pub hops: u8,
    /// Its caller may try drafts.
    pub tester: bool,
    /// When the caller is told next where it stands.
    timer: Option<TimerId>,
    /// What the caller is being told.
    told: Option<PlayId>,
}

impl Waiting {
    /// A new call's; `tester`: it may try drafts.
    pub fn of(tester: bool) -> Waiting {
        Waiting { tester, ..Waiting::default() }
    }
}

impl Call {
    /// The caller has come into a queue: its flow runs, or its tone plays.
    pub fn begin_waiting(&mut self, step: &mut Step<'_, '_>) {
        let settings = self.queue.and_then(|queue| step.cx.routing.queue_settings(queue));
        let flow = settings.and_then(|settings| match &settings.waiting {
            WaitMethod::Flow(name) => Some(name.clone()),
            WaitMethod::Default | WaitMethod::Tone(_) => None,
        });
        if !flow.is_some_and(|name| self.enter_waiting_flow(step, &name)) {
            self.play_wait_tone(step);
            self.arm_place(step, Duration::ZERO);
        }
    }

    /// The caller hears what waiting callers of its queue hear. An announcement is not cut off: its
    /// end comes back here.
    pub fn play_wait_tone(&mut self, step: &mut Step<'_, '_>) {
        // What told it may have been cut off since, by an answer or a flow.
        let is_told = self.waiting.told.is_some_and(|told| self.caller.leg.media.plays(told));
        if !self.caller.hears() || is_told || self.flow_speaks() {
            return;
        }
        let tone = self.wait_tone(step);
        self.caller.leg.media.tone(step.cx.out, tone.asset);
    }

    fn wait_tone(&self, step: &mut Step<'_, '_>) -> Tone {
        let settings = self.queue.and_then(|queue| step.cx.routing.queue_settings(queue));
        let method = settings.map(|queue| queue.waiting.clone()).unwrap_or_default();
        let tone = wait_tone(step.cx.config, &method);
        self.note_missing_tone(step, &tone);
        tone
    }

    fn note_missing_tone(&self, step: &mut Step<'_, '_>, tone: &Tone) {
        if let Some(name) = &tone.missing {
            step.notice_once(format!("tone {name:?} is missing; the default tone plays"));
        }
    }

    /// Tells of a prompt that was left out.
    pub fn note_missing(&self, step: &mut Step<'_, '_>, announcement: &Announcement) {
        if let Some(name) = &announcement.missing {
            let language = &self.language;
            step.notice_once(format!("prompt {language}/{name} is missing; it was left out"));
        }
    }

    /// Sets when the caller is told next where it stands: `announce_every_s` after it was told, or
    /// came into the queue.
    pub fn arm_place(&mut self, step: &mut Step<'_, '_>, telling: Duration) {
        self.stop_telling(step);
        let Some(settings) = self.queue.and_then(|queue| step.cx.routing.queue_settings(queue))
        else {
            return;
        };
        // A flow that runs while the caller waits says what it wants to.
        if settings.announce_every_s == 0 || matches!(settings.waiting, WaitMethod::Flow(_)) {
            return;
        }
        let every = Duration::from_secs(u64::from(settings.announce_every_s));
        let at = step.cx.now.mono + every.max(telling + BETWEEN);
        self.waiting.timer = Some(step.index.timers.set(at, (self.id.serial, Why::Place)));
    }

    /// Whether it is set when the caller is told next where it stands.
    pub fn is_telling(&self) -> bool {
        self.waiting.timer.is_some()
    }

    /// The caller waits no longer, or is told nothing any more.
    pub fn stop_telling(&mut self, step: &mut Step<'_, '_>) {
        if let Some(timer) = self.waiting.timer.take() {
            step.index.timers.cancel(timer);
        }
    }

    /// The caller is due to hear where it stands.
    pub fn tell_place(&mut self, step: &mut Step<'_, '_>) {
        self.waiting.timer = None;
        if !matches!(self.state, State::Queued | State::Offered(_)) {
            return;
        }
        let announcement = self.place_announcement(step);
        let duration = announcement.duration;
        self.note_missing(step, &announcement);
        if !announcement.items.is_empty() && self.caller.hears() {
            let tone = self.wait_tone(step);
            let media = &mut self.caller.leg.media;
            self.waiting.told = Some(media.play_over(step.cx.out, announcement.items, tone.asset));
        }
        self.arm_place(step, duration);
    }

    fn place_announcement(&self, step: &Step<'_, '_>) -> Announcement {
        let routing = &step.cx.routing;
        let Some((queue, position)) = routing.position(self.call_ref()) else {
            return Announcement::default();
        };
        let what = routing.queue_settings(queue).map(|queue| queue.announce).unwrap_or_default();
        let agents = routing.queue_status(queue).map_or(0, |status| status.signed_in);
        Announcement::spoken(step.cx.config, &self.language, |language| match what {
            QueueAnnouncement::Position => say::position(language, position),
            QueueAnnouncement::Agents => say::agents(language, agents),
            QueueAnnouncement::Both => {
                let mut units = say::position(language, position);
                units.extend(say::agents(language, agents));
                units
            }
        })
    }

    /// A play of the caller's has ended; if it told the place, the tone goes on.
    pub fn told(&mut self, step: &mut Step<'_, '_>, play: PlayId) {
        if self.waiting.told != Some(play) {
            return;
        }
        self.waiting.told = None;
        if matches!(self.state, State::Queued | State::Offered(_)) {
            self.play_wait_tone(step);
        }
    }

    /// What the other side hears when one side holds, or holds no longer; an agent who holds is
    /// seen holding.
    pub fn tell_held(&mut self, step: &mut Step<'_, '_>, holder: Side) {
        let State::Connected(talk) = &self.state else { return };
        let holding_agent = match holder {
            Side::Agent => talk.agent,
            Side::Caller => self.dialled_by.as_ref().map(|(agent, _)| *agent),
        };
        let settings = talk.queue.and_then(|queue| step.cx.routing.queue_settings(queue));
        let method = settings.map(|queue| queue.hold.clone()).unwrap_or_default();
        let tone = hold_tone(step.cx.config, &method);
        let Some(agent) = &mut self.agent else { return };
        let caller = &mut self.caller.leg;
        let (holder, other) = match holder {
            Side::Caller => (&*caller, agent),
            Side::Agent => (&*agent, caller),
        };
        let holding = holder.held || holder.holds;
        match holding {
            true => other.media.tone(step.cx.out, tone.asset),
            // Who holds by keys hears nothing, whatever the held side's carrier refreshes.
            false if other.holds => other.media.silence(step.cx.out),
            false => other.media.stop(step.cx.out),
        }
        if holding {
            self.note_missing_tone(step, &tone);
        }
        if let Some(agent) = holding_agent {
            step.routed(Routed::Holds { agent, holding });
        }
    }

    /// A new configuration is in force: who listens to a tone that is another now, hears that one.
    pub fn reconfigured(&mut self, step: &mut Step<'_, '_>) {
        match &self.state {
            State::Queued | State::Offered(_) => {
                self.play_wait_tone(step);
                if !self.is_telling() {
                    self.arm_place(step, Duration::ZERO);
                }
            }
            State::Connected(_) => {
                if self.caller.leg.held {
                    self.tell_held(step, Side::Caller);
                }
                if self.agent.as_ref().is_some_and(|agent| agent.held || agent.holds) {
                    self.tell_held(step, Side::Agent);
                }
            }
            _ => {}
        }
    }
}
