//! The call's SIP messages as events, for its ladder.
//!
//! Owns what of a message is kept: start line, CSeq, who, and one line of what matters (SDP address
//! and codecs, Reason). Credentials, bodies and other headers are never kept.

use crate::context::Context;
use crate::event::{EventKind, TracedMessage};
use crate::id::CallId;
use hotline_base::text::{push_number, push_socket};
use hotline_media::offer_answer::PTIME_MS_DEFAULT;
use hotline_media::sdp::{SessionDescription, direction_name};
use hotline_sip::Method;
use hotline_sip::flow::Flow;
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use hotline_sip::status::reason_phrase;

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
                push_number(&mut start_line, status.into());
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
        let (uri, method) = (String::from_utf8_lossy(uri), method.as_str());
        let mut counted = String::with_capacity(16);
        push_number(&mut counted, cseq.into());
        counted.extend([" ", method]);
        self.record(cx, true, [method, " ", &uri].concat(), counted, note);
    }

    /// A response of ours.
    pub fn responded(&self, cx: &mut Context<'_>, request: &Message, status: u16, note: String) {
        let cseq = request.header_text(HeaderName::CSeq).unwrap_or_default().into_owned();
        let mut start_line = String::with_capacity(32);
        push_number(&mut start_line, status.into());
        start_line.extend([" ", reason_phrase(status)]);
        self.record(cx, true, start_line, cseq, note);
    }

    fn record(
        &self,
        cx: &mut Context<'_>,
        sent: bool,
        start_line: String,
        cseq: String,
        note: String,
    ) {
        let mut peer = String::with_capacity(32);
        peer.extend([self.flow.transport.as_str(), " "]);
        push_socket(&mut peer, self.flow.remote);
        let message = TracedMessage {
            leg: self.leg,
            sent,
            peer,
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
    match sdp.rtp_address_of(audio) {
        Some(address) => push_socket(note, address),
        None => {
            note.push_str("port ");
            push_number(note, audio.port.into());
        }
    }
    for payload_type in audio.payload_types().take(8) {
        note.push(' ');
        match audio.rtpmap(payload_type) {
            Some(map) => note.push_str(map.encoding),
            None => push_number(note, payload_type.into()),
        }
    }
    note.push(' ');
    note.push_str(direction_name(sdp.direction_of(audio)));
    if let Some(ptime_ms) = audio.ptime_ms().filter(|&ms| ms != PTIME_MS_DEFAULT) {
        note.push(' ');
        push_number(note, ptime_ms.into());
        note.push_str(" ms");
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_MAX
        && let Some((at, _)) = text.char_indices().nth(TEXT_MAX)
    {
        text.truncate(at);
    }
    text
}
