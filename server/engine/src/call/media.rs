//! [`MediaLeg`]: one leg as the media worker knows it.
//!
//! Owns: opening and closing it, its plays, and that a play asked for before the peer's SDP is
//! known begins when it is. Does not own: what is played ([`super::announce`]), SDP
//! ([`super::leg`]).

use super::digits::Digits;
use crate::input::Output;
use hotline_media::command::{
    AssetId, Codec, Command, LegRef, LegStatistics, PlayId, PlayItem, PortGrant, StreamParameters,
};
use hotline_sip::Flow;
use std::collections::VecDeque;

/// Length of the silence that is repeated, ms.
const SILENCE_MS: u32 = 10_000;

/// One leg of a media worker.
#[derive(Clone, Debug)]
pub(crate) struct MediaLeg {
    /// Its name.
    pub leg: LegRef,
    /// Its port pair.
    pub port: PortGrant,
    stream: Option<StreamParameters>,
    last_play: u32,
    playing: Option<Playing>,
    /// What is to be played once the stream is known.
    waiting: Option<Wanted>,
    statistics: Option<LegStatistics>,
    /// What the peer has pressed.
    pub digits: Digits,
    /// Whether tones are looked for in its audio if it has no telephone-events.
    listens: bool,
    /// What the worker was told last of its digits: passed on in a bridge, looked for in audio.
    digits_set: (bool, bool),
    relays: bool,
}

/// What is to be played.
#[derive(Clone, Debug)]
struct Wanted {
    play: PlayId,
    items: Vec<PlayItem>,
    repeat: bool,
    background: Option<AssetId>,
}

/// What a leg plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Playing {
    play: PlayId,
    /// The tone, if it is one that repeats.
    tone: Option<AssetId>,
}

impl MediaLeg {
    /// Opens a leg. Nothing is sent before [`MediaLeg::set_stream`].
    pub fn open(
        out: &mut VecDeque<Output>,
        leg: LegRef,
        port: PortGrant,
        silence_limit_s: u32,
    ) -> MediaLeg {
        out.push_back(Output::Media(Command::Open { leg, port, silence_limit_s }));
        MediaLeg {
            leg,
            port,
            stream: None,
            last_play: 0,
            playing: None,
            waiting: None,
            statistics: None,
            digits: Digits::default(),
            listens: false,
            // As a worker opens it.
            digits_set: (true, false),
            relays: true,
        }
    }

    /// Whether the peer's digits are wanted here, also as tones in the audio of a peer that has no
    /// telephone-events, and whether a bridge passes them on.
    pub fn set_digits(&mut self, out: &mut VecDeque<Output>, listens: bool, relays: bool) {
        self.listens = listens;
        self.relays = relays;
        self.tell_digits(out);
    }

    fn tell_digits(&mut self, out: &mut VecDeque<Output>) {
        let Some(stream) = &self.stream else { return };
        let in_band = self.listens && stream.telephone_event_receive.is_none();
        let relay = self.relays;
        if self.digits_set != (relay, in_band) {
            self.digits_set = (relay, in_band);
            out.push_back(Output::Media(Command::SetDigits { leg: self.leg, relay, in_band }));
        }
    }

    /// What was agreed with the peer of a flow; a play that waits for it begins.
    pub fn set_stream(
        &mut self,
        out: &mut VecDeque<Output>,
        flow: &Flow,
        stream: StreamParameters,
    ) {
        let stream = StreamParameters { signalling: flow.remote.ip(), ..stream };
        if self.stream != Some(stream) {
            self.stream = Some(stream);
            out.push_back(Output::Media(Command::SetRemote { leg: self.leg, stream }));
            self.tell_digits(out);
        }
        if let Some(wanted) = self.waiting.take() {
            self.begin(out, wanted);
        }
    }

    /// What was agreed, once it is.
    pub fn stream(&self) -> Option<&StreamParameters> {
        self.stream.as_ref()
    }

    /// The codec agreed on.
    pub fn codec(&self) -> Option<Codec> {
        self.stream.map(|stream| stream.codec)
    }

    /// Plays once; replaces what runs.
    pub fn play(&mut self, out: &mut VecDeque<Output>, items: Vec<PlayItem>) -> PlayId {
        self.start(out, items, None, None, false)
    }

    /// Plays once over music that goes on below; replaces what runs. The music goes on from where
    /// it was, if it is the tone that was playing.
    pub fn play_over(
        &mut self,
        out: &mut VecDeque<Output>,
        items: Vec<PlayItem>,
        background: AssetId,
    ) -> PlayId {
        self.start(out, items, None, Some(background), false)
    }

    /// Plays a tone until stopped; nothing happens if it is running already.
    pub fn tone(&mut self, out: &mut VecDeque<Output>, asset: AssetId) {
        if self.playing.and_then(|playing| playing.tone) != Some(asset) {
            self.start(out, vec![PlayItem::Asset(asset)], Some(asset), None, true);
        }
    }

    /// Sends silence until stopped: the peer's network sees a stream.
    pub fn silence(&mut self, out: &mut VecDeque<Output>) {
        self.start(out, vec![PlayItem::Silence(SILENCE_MS)], None, None, true);
    }

    /// Plays again and again until stopped; replaces what runs.
    pub fn play_repeated(&mut self, out: &mut VecDeque<Output>, items: Vec<PlayItem>) -> PlayId {
        let tone = match items.as_slice() {
            [PlayItem::Asset(asset)] => Some(*asset),
            _ => None,
        };
        self.start(out, items, tone, None, true)
    }

    /// Ends what is played, if anything is.
    pub fn stop(&mut self, out: &mut VecDeque<Output>) {
        let waited = self.waiting.take().is_some();
        if let Some(playing) = self.playing.take()
            && !waited
        {
            out.push_back(Output::Media(Command::Stop { leg: self.leg, play: playing.play }));
        }
    }

    /// Whether this is what it plays.
    pub fn plays(&self, play: PlayId) -> bool {
        self.playing.is_some_and(|playing| playing.play == play)
    }

    /// A play has ended; whether it was the one that runs.
    pub fn ended(&mut self, play: PlayId) -> bool {
        let current = self.playing.is_some_and(|playing| playing.play == play);
        if current {
            self.playing = None;
        }
        current
    }

    /// Closes the leg.
    pub fn close(&self, out: &mut VecDeque<Output>) {
        out.push_back(Output::Media(Command::Close { leg: self.leg }));
    }

    /// The worker has closed it.
    pub fn closed(&mut self, statistics: LegStatistics) {
        self.statistics = Some(statistics);
    }

    /// What it saw, once it is closed.
    pub fn statistics(&self) -> Option<LegStatistics> {
        self.statistics
    }

    fn start(
        &mut self,
        out: &mut VecDeque<Output>,
        items: Vec<PlayItem>,
        tone: Option<AssetId>,
        background: Option<AssetId>,
        repeat: bool,
    ) -> PlayId {
        self.last_play = self.last_play.wrapping_add(1);
        let play = PlayId(self.last_play);
        self.playing = Some(Playing { play, tone });
        let wanted = Wanted { play, items, repeat, background };
        if self.stream.is_some() {
            self.begin(out, wanted);
        } else {
            self.waiting = Some(wanted);
        }
        play
    }

    fn begin(&self, out: &mut VecDeque<Output>, wanted: Wanted) {
        let Wanted { play, items, repeat, background } = wanted;
        let stop_on = String::new();
        let command = Command::Play { leg: self.leg, play, items, repeat, stop_on, background };
        out.push_back(Output::Media(command));
    }
}
