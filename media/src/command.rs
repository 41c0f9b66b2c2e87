//! What the engine tells a media worker and what it hears back, as data.
//!
//! Commands and events are serialisable and carry `(worker, leg, generation)` in [`LegRef`]; what
//! is stale (an older generation) is dropped by whoever receives it. Every [`Command::Play`] ends
//! in exactly one [`Event::PlayEnded`].

mod shown;

use hotline_base::Partition;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Names one leg for its life: a slot of a worker and the slot's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegRef {
    /// Which media worker.
    pub worker: u16,
    /// The leg's number, chosen by the engine.
    pub leg: u32,
    /// Grows each time the number is used again.
    pub generation: u32,
}

/// An RTP port pair a worker has bound and lends to the engine: RTP on `rtp`, RTCP on `rtp + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortGrant {
    /// Which media worker has bound it.
    pub worker: u16,
    /// The local address the pair is bound to (may be unspecified).
    pub address: IpAddr,
    /// The even RTP port.
    pub rtp: u16,
}

/// One playable piece of audio known to the workers' library: a prompt or a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AssetId(pub u32);

/// Names one play of one leg; chosen by the engine, unique within the leg's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlayId(pub u32);

/// Names one recording; chosen by the engine, unique within its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordingId(pub u64);

/// Static audio codecs this build speaks (8 kHz, one channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 µ-law, RTP payload type 0.
    Pcmu,
    /// G.711 A-law, RTP payload type 8.
    Pcma,
}

/// Which way audio may flow, seen from us (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// We send only.
    SendOnly,
    /// We receive only.
    RecvOnly,
    /// Neither; the stream stays open.
    Inactive,
}

/// What offer/answer settled for an audio stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamParameters {
    /// Where the peer's SDP says to send RTP. The source its packets come from replaces it
    /// (symmetric RTP, RFC 4961): at once if it is on this host or on `signalling`, after some
    /// packets in sequence otherwise.
    pub remote: SocketAddr,
    /// The host the peer's signalling comes from, from where a phone behind a NAT sends its RTP
    /// too. Offer/answer, which does not see it, puts the SDP's host here.
    pub signalling: IpAddr,
    /// Where to send RTCP: `a=rtcp` or the RTP port + 1.
    pub remote_rtcp: SocketAddr,
    /// The codec both agreed on.
    pub codec: Codec,
    /// Payload type number of the codec as the peer wants to receive it.
    pub payload_type: u8,
    /// Payload type of telephone-event/8000 towards the peer (RFC 4733), if negotiated.
    pub telephone_event: Option<u8>,
    /// Payload type of telephone-event as the peer sends it to us (what we put in our SDP).
    pub telephone_event_receive: Option<u8>,
    /// Packet time in ms we send with: 10–60, default 20.
    pub ptime_ms: u16,
    /// Which way audio flows.
    pub direction: Direction,
}

/// One piece of a play.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlayItem {
    /// A prompt or tone of the library, from its beginning.
    Asset(AssetId),
    /// Silence of this many ms.
    Silence(u32),
}

/// An order to a worker.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Opens a leg on a granted port. Nothing is sent until `SetRemote`.
    Open {
        /// The new leg.
        leg: LegRef,
        /// The port pair it uses.
        port: PortGrant,
        /// Report [`Event::Silent`] when no RTP came for this many seconds while the direction
        /// lets the peer send; 0 never.
        silence_limit_s: u32,
    },
    /// Sets or changes what the peer's SDP says. The outbound timeline continues; a changed remote
    /// address lets the leg learn its source again.
    SetRemote {
        /// The leg.
        leg: LegRef,
        /// What was agreed.
        stream: StreamParameters,
    },
    /// Plays to the peer; replaces a running play (which ends with `Replaced`). A play of a
    /// bridged leg takes the place of the bridge's audio until it ends.
    Play {
        /// The leg.
        leg: LegRef,
        /// Names this play.
        play: PlayId,
        /// What to play, in order.
        items: Vec<PlayItem>,
        /// Begin again after the last item, until stopped.
        repeat: bool,
        /// End the play at the first of these digits (`0-9*#A-D`), empty for none.
        stop_on: String,
        /// Music that sounds under the items, some 12 dB lower. It goes on from where it was if it
        /// was the leg's tone (one asset, repeated) or background before. After the last item it
        /// goes on alone, until a [`Command::Stop`] of this play, a bridge, a conference or another
        /// play; the same asset as the next play's tone or background goes on without a gap.
        background: Option<AssetId>,
    },
    /// Ends a play, if it still runs.
    Stop {
        /// The leg.
        leg: LegRef,
        /// Which play.
        play: PlayId,
    },
    /// Connects two legs: what one receives, the other sends. Two legs of one worker and one codec
    /// are forwarded without decoding.
    Bridge {
        /// One leg.
        a: LegRef,
        /// The other.
        b: LegRef,
    },
    /// Parts two bridged legs; both stay open.
    Unbridge {
        /// One leg.
        a: LegRef,
        /// The other.
        b: LegRef,
    },
    /// Sends digits as telephone-events (in-band tones if not negotiated), one after the other.
    SendDigits {
        /// The leg.
        leg: LegRef,
        /// `0-9*#A-D`.
        digits: String,
    },
    /// What is done with the digits of a leg's peer. A leg begins with `relay` and without
    /// `in_band`.
    SetDigits {
        /// The leg.
        leg: LegRef,
        /// Whether the leg's bridge or conference passes them on. If not, its telephone-events are
        /// left out and its in-band tones muted from the moment they are recognised.
        relay: bool,
        /// Whether in-band tones are looked for: for peers without telephone-events.
        in_band: bool,
    },
    /// Records what the leg's peer says, beginning now. It ends in exactly one
    /// [`Event::Recorded`]; a leg has one recording at a time, another one ends it as stopped.
    Record {
        /// The leg.
        leg: LegRef,
        /// Whose recording it is.
        partition: Partition,
        /// Names it.
        recording: RecordingId,
        /// Longest, in ms.
        max_ms: u32,
        /// Shortest that is kept, in ms: of less, nothing is.
        min_ms: u32,
        /// End it after so much silence, in ms, which is cut off; 0 never.
        silence_ms: u32,
        /// End it at the first of these digits (`0-9*#A-D`), which is cut off; empty for none.
        stop_on: String,
    },
    /// Ends a recording, if it still runs.
    StopRecord {
        /// The leg.
        leg: LegRef,
        /// Which.
        recording: RecordingId,
    },
    /// Joins 2–4 legs of one worker: each hears the sum of the others. Takes the place of the
    /// bridges of these legs, and of the conferences they are in.
    Conference {
        /// Who takes part.
        legs: Vec<LegRef>,
    },
    /// Takes a leg out of its conference; the others go on.
    Leave {
        /// The leg.
        leg: LegRef,
    },
    /// Closes a leg: RTCP BYE, a last [`Event::Closed`] with its statistics, the port rests 5 s
    /// and is granted again.
    Close {
        /// The leg.
        leg: LegRef,
    },
}

/// What a worker reports.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Ports ready to be used; sent in batches at start and after their rest.
    Granted {
        /// The ports.
        ports: Vec<PortGrant>,
    },
    /// A play is over.
    PlayEnded {
        /// The leg.
        leg: LegRef,
        /// Which play.
        play: PlayId,
        /// Why.
        reason: PlayEnd,
    },
    /// A digit was recognised: once a press, at its end or when it is certain.
    Digit {
        /// The leg.
        leg: LegRef,
        /// `0-9*#A-D`.
        digit: char,
        /// How long it was pressed, in ms.
        duration_ms: u32,
        /// How it came.
        source: DigitSource,
    },
    /// RTP came that was taken for the peer's, from this address (the leg's source from now on).
    /// Told again if an address that was expected takes its place, and after a changed SDP.
    SourceLearned {
        /// The leg.
        leg: LegRef,
        /// From where.
        source: SocketAddr,
    },
    /// No RTP for the leg's limit. Reported once until RTP comes again.
    Silent {
        /// The leg.
        leg: LegRef,
        /// For how long, in seconds.
        for_s: u32,
    },
    /// A [`Command::Bridge`] or [`Command::Conference`] could not be carried out: one of its legs
    /// is not a leg of this worker, or there are too few or too many.
    NotBridged {
        /// The leg `a` of the command, or a conference's first.
        leg: LegRef,
        /// The leg `b`, or a conference's leg that is unknown, or its last.
        other: LegRef,
    },
    /// A recording is over, and its file is complete.
    Recorded {
        /// The leg.
        leg: LegRef,
        /// Which recording.
        recording: RecordingId,
        /// How much was kept, in ms: without what ended it.
        duration_ms: u32,
        /// Why.
        reason: RecordEnd,
    },
    /// The leg is closed; or was never opened, because its port was not free.
    Closed {
        /// The leg.
        leg: LegRef,
        /// What it saw.
        statistics: LegStatistics,
    },
}

impl Command {
    /// The leg that decides which worker carries it out; `None` for a conference of nobody.
    pub fn leg(&self) -> Option<LegRef> {
        match self {
            Command::Open { leg, .. }
            | Command::SetRemote { leg, .. }
            | Command::Play { leg, .. }
            | Command::Stop { leg, .. }
            | Command::SendDigits { leg, .. }
            | Command::SetDigits { leg, .. }
            | Command::Record { leg, .. }
            | Command::StopRecord { leg, .. }
            | Command::Leave { leg }
            | Command::Close { leg }
            | Command::Bridge { a: leg, .. }
            | Command::Unbridge { a: leg, .. } => Some(*leg),
            Command::Conference { legs } => legs.first().copied(),
        }
    }
}

impl Event {
    /// Whose event it is; `None` for ports.
    pub fn leg(&self) -> Option<LegRef> {
        match self {
            Event::Granted { .. } => None,
            Event::PlayEnded { leg, .. }
            | Event::Digit { leg, .. }
            | Event::SourceLearned { leg, .. }
            | Event::Silent { leg, .. }
            | Event::NotBridged { leg, .. }
            | Event::Recorded { leg, .. }
            | Event::Closed { leg, .. } => Some(*leg),
        }
    }
}

/// Why a play ended.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlayEnd {
    /// All items were played.
    Completed,
    /// [`Command::Stop`].
    Stopped,
    /// Another play took its place.
    Replaced,
    /// A digit of `stop_on`.
    Digit(char),
    /// The leg was closed.
    LegClosed,
    /// The leg is unknown, or an asset is.
    Failed,
}

/// How a digit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigitSource {
    /// As telephone-events (RFC 4733).
    Rtp,
    /// As tones in the audio.
    InBand,
}

/// Why a recording ended.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordEnd {
    /// It was as long as it might be.
    Limit,
    /// Nobody spoke for so long.
    Silence,
    /// A digit of `stop_on`.
    Digit(char),
    /// [`Command::StopRecord`], or another recording of the leg.
    Stopped,
    /// The leg was closed.
    LegClosed,
    /// The leg is unknown, or what was said could not be written.
    Failed,
}

/// What a leg saw in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegStatistics {
    /// RTP packets accepted.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Packets lost, by sequence numbers (RFC 3550 A.3).
    pub packets_lost: u64,
    /// Packets dropped because they came from a stranger or were no RTP.
    pub packets_refused: u64,
    /// Interarrival jitter at the end (RFC 3550 A.8), in µs.
    pub jitter_us: u32,
    /// Longest gap between accepted packets, in ms.
    pub longest_gap_ms: u32,
}
