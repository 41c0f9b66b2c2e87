//! The call's SIP messages as events, for its ladder.
//!
//! Owns what of a message is kept: start line, CSeq, who, and one line of what matters (SDP address
//! and codecs, Reason). Credentials, bodies and other headers are never kept.

use crate::context::Context;
use crate::event::{EventKind, TracedMessage};
use crate::id::CallId;
use hotline_media::offer_answer::PTIME_MS_DEFAULT;
use hotline_media::sdp::{SessionDescription, direction_name};
use hotline_sip::Method;
use hotline_sip::flow::Flow;
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use hotline_sip::status::reason_phrase;
use std::fmt::Write;

/// Most characters of a start line or note that are kept.
const TEXT_MAX: usize = 160;

/// Whose ladder an arrow belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// The call.
    pub call: CallId,
    /// Its leg.
    pub leg: u16,
    /// The flow the message goes over.
    pub flow: Flow,
}

impl Lane {
    /// A message of the peer.
    pub fn received(&self, cx: &mut Context<'_>, message: &Message) {
        let mut start_line = String::with_capacity(64);
        match (message.status(), message.method()) {
            (Some(status), _) => {
                start_line.push_str(&status.to_string());
                start_line.push(' ');
                start_line.push_str(&message.reason_phrase());
            }
            (None, Some(method)) => {
                start_line.push_str(method.as_str());
                start_line.push(' ');
                start_line.push_str(&String::from_utf8_lossy(message.request_uri_bytes()));
            }
            (None, None) => {}
        }
        let cseq = message.header_text(HeaderName::CSeq).unwrap_or_default().into_owned();
        let mut note = message.header_text(HeaderName::Reason).unwrap_or_default().into_owned();
        if !message.body().is_empty()
            && let Some(Ok(sdp)) = super::sdp::of_message(message)
        {
            add_sdp(&mut note, &sdp);
        }
        self.record(cx, false, start_line, cseq, note);
    }

    /// A request of ours.
    pub fn requested(
        &self,
        cx: &mut Context<'_>,
        method: &Method,
        uri: &[u8],
        cseq: u32,
        note: String,
    ) {
        let uri = String::from_utf8_lossy(uri);
        self.record(cx, true, format!("{method} {uri}"), format!("{cseq} {method}"), note);
    }

    /// A response of ours.
    pub fn responded(&self, cx: &mut Context<'_>, request: &Message, status: u16, note: String) {
        let cseq = request.header_text(HeaderName::CSeq).unwrap_or_default().into_owned();
        self.record(cx, true, format!("{status} {}", reason_phrase(status)), cseq, note);
    }

    fn record(
        &self,
        cx: &mut Context<'_>,
        sent: bool,
        start_line: String,
        cseq: String,
        note: String,
    ) {
        let message = TracedMessage {
            leg: self.leg,
            sent,
            peer: format!("{} {}", self.flow.transport.as_str(), self.flow.remote),
            start_line: cut(start_line),
            cseq: cut(cseq),
            note: cut(note),
        };
        cx.journal(EventKind::Message { call: self.call, message });
    }
}

/// What of a session description a ladder shows: `198.51.100.7:4000 PCMA PCMU sendrecv`.
pub(crate) fn sdp_note(sdp: &SessionDescription) -> String {
    let mut note = String::with_capacity(64);
    add_sdp(&mut note, sdp);
    note
}

fn add_sdp(note: &mut String, sdp: &SessionDescription) {
    let Some(audio) = sdp.media.iter().find(|media| media.kind == "audio") else { return };
    if !note.is_empty() {
        note.push_str("; ");
    }
    // Writing into a String does not fail.
    let _ = match sdp.rtp_address_of(audio) {
        Some(address) => write!(note, "{address}"),
        None => write!(note, "port {}", audio.port),
    };
    for payload_type in audio.payload_types().take(8) {
        let _ = match audio.rtpmap(payload_type) {
            Some(map) => write!(note, " {}", map.encoding),
            None => write!(note, " {payload_type}"),
        };
    }
    let _ = write!(note, " {}", direction_name(sdp.direction_of(audio)));
    if let Some(ptime_ms) = audio.ptime_ms().filter(|&ms| ms != PTIME_MS_DEFAULT) {
        let _ = write!(note, " {ptime_ms} ms");
    }
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(at);
    }
    text
}
