//! What a flow says, as plays of the caller's leg.
//!
//! Owns: prompts by language with fall-back, tones by name, when the call is answered so that the
//! caller hears, and that everything said comes to an end: by the media worker's word, else by the
//! clock. Does not own: what is said (`hotline_ivr`).

use super::super::Step;
use super::super::announce::PLAY_SLACK;
use super::super::call::Call;
use super::super::caller::Phase;
use super::{Place, Running};
use crate::config::{AGENT_BEEP, WAIT_TONE};
use hotline_base::Mono;
use hotline_ivr::run::io::{Input, Sound};
use hotline_media::command::{PlayEnd, PlayId, PlayItem};
use hotline_media::worker::ITEMS_MAX;
use hotline_routing::config::AnswerSupervision;
use std::time::Duration;

/// What is said when nothing is left of it, ms: a flow that says nothing must not go round.
const NOTHING_MS: u32 = 100;
/// How long the wait tone is, ms, until it begins again.
const WAIT_TONE_MS: u32 = 4_000;
/// How long the tone before a recording is.
const TONE: Duration = Duration::from_millis(hotline_media::tone::BEEP_MS as u64);

/// Something that is being said.
#[derive(Debug)]
pub(crate) struct Saying {
    pub(super) what: Said,
    /// The play; none if nobody hears it.
    media: Option<PlayId>,
    /// When it counts as ended; never if it is repeated.
    until: Option<Mono>,
}

/// What is being said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A play of the flow's.
    Play(u32),
    /// The tone before a recording, of this effect.
    Tone(u32),
}

impl Saying {
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    pub(super) fn until(&self) -> Option<Mono> {
        self.until
    }
}

impl Call {
    /// Says something in place of what is being said.
    pub(super) fn say(
        &mut self,
        step: &mut Step<'_, '_>,
        flow: &mut Running,
        play: u32,
        sounds: &[Sound],
        repeat: bool,
    ) {
        if flow.place == Place::HungUp {
            return flow.at_once.push_back(Input::PlayEnded { play });
        }
        let (items, duration) = self.items(step, &flow.name, sounds);
        self.be_heard(step);
        flow.saying = Some(self.start_saying(step, Said::Play(play), items, duration, repeat));
    }

    /// The tone before a recording.
    pub(super) fn say_tone(&mut self, step: &mut Step<'_, '_>, flow: &mut Running, effect: u32) {
        let items = vec![PlayItem::Asset(AGENT_BEEP)];
        flow.saying = Some(self.start_saying(step, Said::Tone(effect), items, TONE, false));
    }

    fn start_saying(
        &mut self,
        step: &mut Step<'_, '_>,
        what: Said,
        items: Vec<PlayItem>,
        duration: Duration,
        repeat: bool,
    ) -> Saying {
        let now = step.cx.now.mono;
        let media = &mut self.caller.leg.media;
        if !self.caller.phase.is_heard() {
            // Nobody hears it; it takes the time it takes.
            return Saying { what, media: None, until: (!repeat).then(|| now + duration) };
        }
        let play = match repeat {
            true => media.play_repeated(step.cx.out, items),
            false => media.play(step.cx.out, items),
        };
        let until = (!repeat).then(|| now + duration + PLAY_SLACK);
        Saying { what, media: Some(play), until }
    }

    /// The caller is to hear what comes, by the answer supervision of its route. It may press keys
    /// meanwhile.
    pub(super) fn be_heard(&mut self, step: &mut Step<'_, '_>) {
        match self.supervision {
            Some(AnswerSupervision::WhenAgentAnswers) => {
                self.caller.progress(step);
                self.caller.listen_early(step);
            }
            _ => self.caller.answer(step),
        }
    }

    /// The pieces of what is said, and how long they are together. What is missing is left out.
    fn items(
        &self,
        step: &mut Step<'_, '_>,
        name: &str,
        sounds: &[Sound],
    ) -> (Vec<PlayItem>, Duration) {
        let mut items = Vec::with_capacity(sounds.len().min(ITEMS_MAX));
        let mut length_ms = 0u64;
        for sound in sounds {
            if items.len() == ITEMS_MAX {
                let what = "more than can be said in one go: the rest was left out";
                step.notice_once(format!("flow {name:?} says {what}"));
                break;
            }
            let (item, ms) = match sound {
                Sound::Prompt { language, name } => match step.cx.config.prompt(language, name) {
                    Some(prompt) => (PlayItem::Asset(prompt.asset), prompt.duration_ms),
                    None => {
                        let text = format!("prompt {language}/{name} is missing; it was left out");
                        step.notice_once(text);
                        continue;
                    }
                },
                Sound::Tone(name) => tone(step, name),
                Sound::Silence(ms) => (PlayItem::Silence(*ms), *ms),
            };
            items.push(item);
            length_ms += u64::from(ms);
        }
        if items.is_empty() {
            items.push(PlayItem::Silence(NOTHING_MS));
        }
        (items, Duration::from_millis(length_ms.max(u64::from(NOTHING_MS))))
    }

    /// Stops something that is being said.
    pub(super) fn stop_saying(&mut self, step: &mut Step<'_, '_>, flow: &mut Running, play: u32) {
        if flow.saying.take_if(|saying| saying.what == Said::Play(play)).is_some() {
            self.caller.leg.media.stop(step.cx.out);
        }
    }

    /// A play of the caller's leg has ended. `true`: it was the flow's.
    pub fn flow_play_ended(
        &mut self,
        step: &mut Step<'_, '_>,
        play: PlayId,
        reason: PlayEnd,
    ) -> bool {
        let Some(flow) = &mut self.flow else { return false };
        let Some(saying) = flow.saying.take_if(|saying| saying.media == Some(play)) else {
            return false;
        };
        if reason != PlayEnd::LegClosed {
            self.said(step, saying);
        }
        true
    }

    /// Something has been said to its end.
    pub(super) fn said(&mut self, step: &mut Step<'_, '_>, saying: Saying) {
        match saying.what {
            Said::Play(play) => self.feed(step, Input::PlayEnded { play }),
            Said::Tone(effect) => self.record_now(step, effect),
        }
    }
}

impl Phase {
    /// Whether what is played reaches the caller.
    pub fn is_heard(self) -> bool {
        matches!(self, Phase::Early | Phase::Answered | Phase::Acknowledged)
    }
}

/// A tone of the tenant, once; `default` is the wait tone.
fn tone(step: &mut Step<'_, '_>, name: &str) -> (PlayItem, u32) {
    let tone = step.cx.config.tones.get(name);
    if tone.is_none() && name != "default" {
        step.notice_once(format!("tone {name:?} is missing; the default tone plays"));
    }
    match tone {
        Some(tone) => (PlayItem::Asset(tone.asset), tone.duration_ms),
        None => (PlayItem::Asset(WAIT_TONE), WAIT_TONE_MS),
    }
}
