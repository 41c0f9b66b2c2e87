//! [`Command`] and [`Event`], and why plays and recordings end, for a person to read, without digits.
//!
//! Owns: what their debug form leaves out. Does not own: what they are.

use super::{Command, Event, PlayEnd, RecordEnd};
use std::fmt;

/// As derived, but digits are not shown: they may be of a PIN.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Open { leg, port, silence_limit_s } => f
                .debug_struct("Open")
                .field("leg", leg)
                .field("port", port)
                .field("silence_limit_s", silence_limit_s)
                .finish(),
            Command::SetRemote { leg, stream } => {
                f.debug_struct("SetRemote").field("leg", leg).field("stream", stream).finish()
            }
            Command::Play { leg, play, items, repeat, stop_on, background } => f
                .debug_struct("Play")
                .field("leg", leg)
                .field("play", play)
                .field("items", items)
                .field("repeat", repeat)
                .field("stop_on", stop_on)
                .field("background", background)
                .finish(),
            Command::Stop { leg, play } => {
                f.debug_struct("Stop").field("leg", leg).field("play", play).finish()
            }
            Command::Bridge { a, b } => {
                f.debug_struct("Bridge").field("a", a).field("b", b).finish()
            }
            Command::Unbridge { a, b } => {
                f.debug_struct("Unbridge").field("a", a).field("b", b).finish()
            }
            Command::SendDigits { leg, digits } => f
                .debug_struct("SendDigits")
                .field("leg", leg)
                .field("digits", &digits.chars().count())
                .finish(),
            Command::SetDigits { leg, relay, in_band } => f
                .debug_struct("SetDigits")
                .field("leg", leg)
                .field("relay", relay)
                .field("in_band", in_band)
                .finish(),
            Command::Record { leg, partition, recording, max_ms, min_ms, silence_ms, stop_on } => f
                .debug_struct("Record")
                .field("leg", leg)
                .field("partition", partition)
                .field("recording", recording)
                .field("max_ms", max_ms)
                .field("min_ms", min_ms)
                .field("silence_ms", silence_ms)
                .field("stop_on", stop_on)
                .finish(),
            Command::StopRecord { leg, recording } => f
                .debug_struct("StopRecord")
                .field("leg", leg)
                .field("recording", recording)
                .finish(),
            Command::Conference { legs } => {
                f.debug_struct("Conference").field("legs", legs).finish()
            }
            Command::Leave { leg } => f.debug_struct("Leave").field("leg", leg).finish(),
            Command::Close { leg } => f.debug_struct("Close").field("leg", leg).finish(),
        }
    }
}

/// As derived, but digits are not shown: they may be of a PIN.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Granted { ports } => f.debug_struct("Granted").field("ports", ports).finish(),
            Event::PlayEnded { leg, play, reason } => f
                .debug_struct("PlayEnded")
                .field("leg", leg)
                .field("play", play)
                .field("reason", reason)
                .finish(),
            Event::Digit { leg, duration_ms, source, .. } => f
                .debug_struct("Digit")
                .field("leg", leg)
                .field("digit", &format_args!("…"))
                .field("duration_ms", duration_ms)
                .field("source", source)
                .finish(),
            Event::SourceLearned { leg, source } => {
                f.debug_struct("SourceLearned").field("leg", leg).field("source", source).finish()
            }
            Event::Silent { leg, for_s } => {
                f.debug_struct("Silent").field("leg", leg).field("for_s", for_s).finish()
            }
            Event::NotBridged { leg, other } => {
                f.debug_struct("NotBridged").field("leg", leg).field("other", other).finish()
            }
            Event::Recorded { leg, recording, duration_ms, reason } => f
                .debug_struct("Recorded")
                .field("leg", leg)
                .field("recording", recording)
                .field("duration_ms", duration_ms)
                .field("reason", reason)
                .finish(),
            Event::Closed { leg, statistics } => {
                f.debug_struct("Closed").field("leg", leg).field("statistics", statistics).finish()
            }
        }
    }
}

/// As derived, but without the digit.
impl fmt::Debug for PlayEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlayEnd::Completed => "Completed",
            PlayEnd::Stopped => "Stopped",
            PlayEnd::Replaced => "Replaced",
            PlayEnd::Digit(_) => "Digit(…)",
            PlayEnd::LegClosed => "LegClosed",
            PlayEnd::Failed => "Failed",
        })
    }
}

/// As derived, but without the digit.
impl fmt::Debug for RecordEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordEnd::Limit => "Limit",
            RecordEnd::Silence => "Silence",
            RecordEnd::Digit(_) => "Digit(…)",
            RecordEnd::Stopped => "Stopped",
            RecordEnd::LegClosed => "LegClosed",
            RecordEnd::Failed => "Failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::{
        Command, DigitSource, Event, LegRef, PlayEnd, PlayId, RecordEnd, RecordingId,
    };

    #[test]
    fn no_digit_is_shown_and_all_else_is() {
        let leg = LegRef { worker: 0, leg: 1, generation: 2 };
        let shown = format!("{:?}", Command::SendDigits { leg, digits: "97531".into() });
        assert!(!shown.contains("97531") && shown.ends_with("digits: 5 }"), "{shown}");
        let source = DigitSource::Rtp;
        let event = Event::Digit { leg, digit: '#', duration_ms: 80, source };
        let shown = format!("{event:?}");
        assert!(!shown.contains('#') && shown.contains("duration_ms: 80"), "{shown}");
        let play = PlayId(4);
        let ended = Event::PlayEnded { leg, play, reason: PlayEnd::Digit('#') };
        let recording = RecordingId(5);
        let reason = RecordEnd::Digit('#');
        let recorded = Event::Recorded { leg, recording, duration_ms: 80, reason };
        for shown in [format!("{ended:?}"), format!("{recorded:?}")] {
            assert!(!shown.contains('#') && shown.contains("reason: Digit(…)"), "{shown}");
        }
    }
}
