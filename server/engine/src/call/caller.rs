//! [`CallerSide`]: the caller's leg with the INVITE that began the call.
//!
//! Owns: the responses to that INVITE (100, 180, 183, 200, failures) and how far it has come.
//! Does not own: when which of them is due ([`super::call`]). RFC 3261 §13.3, §21.
//!
//! ```text
//! Invited ─180/183→ Early ─200→ Answered ─ACK→ Acknowledged
//!    └──────────────┴─────3xx–6xx→ Ended ←──BYE──┘
//! ```

use super::Step;
use super::ending::Ending;
use super::leg::{ALLOW, Leg, note_of, send_response};
use super::sdp::SDP;
use hotline_media::command::{Direction, StreamParameters};
use hotline_sip::build::ResponseBuilder;
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use hotline_sip::{ConnectionId, ServerId};

/// The caller's side of a call.
#[derive(Debug)]
pub(crate) struct CallerSide {
    /// The leg.
    pub leg: Leg,
    /// The transaction of its INVITE; `None` if it did not call: an agent who consults.
    pub server: Option<ServerId>,
    /// The connection it came over.
    pub connection: Option<ConnectionId>,
    /// The INVITE, until it has its final response.
    pub invite: Option<Message>,
    /// Our tag in its To.
    pub tag: compact_str::CompactString,
    /// How far it has come.
    pub phase: Phase,
    /// What its offer and our answer agreed on; in force from the first response that says so.
    /// `None`: the INVITE had no offer, ours goes into the 200.
    pub agreed: Option<StreamParameters>,
    /// Whether 183 with early media may be sent.
    pub early_media: bool,
}

/// How far the INVITE has come, named by what was sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// 100, awaiting anything better.
    Invited,
    /// 180 was sent.
    Ringing,
    /// 183 with our SDP was sent: the caller hears us.
    Early,
    /// 200 was sent, awaiting its ACK.
    Answered,
    /// The ACK has come.
    Acknowledged,
    /// Failed or hung up.
    Ended,
}

impl CallerSide {
    /// Whether the caller has our 200.
    pub fn is_answered(&self) -> bool {
        matches!(self.phase, Phase::Answered | Phase::Acknowledged)
    }

    /// Whether the INVITE still waits for its final response.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Invited | Phase::Ringing | Phase::Early)
    }

    /// Whether what is played reaches the caller.
    pub fn hears(&self) -> bool {
        self.is_answered() || self.phase == Phase::Early
    }

    /// 100 Trying (RFC 3261 §8.2.6.1).
    pub fn trying(&self, step: &mut Step<'_, '_>) {
        self.send(step, 100, |response| response, String::new());
    }

    /// 183 with early media where the trunk passes it and the caller made an offer, else 180.
    pub fn progress(&mut self, step: &mut Step<'_, '_>) {
        if !self.is_open() || self.phase == Phase::Early {
            return;
        }
        match (self.early_media, self.agreed) {
            (true, Some(stream)) => {
                self.phase = Phase::Early;
                self.send_progress(step);
                // The caller need not send before its 200: its silence counts from there.
                let direction = stream.direction.and(Direction::SendOnly);
                let early = StreamParameters { direction, ..stream };
                self.leg.media.set_stream(step.cx.out, &self.leg.lane.flow, early);
            }
            _ => self.ring(step),
        }
    }

    /// Keys may be pressed before the 200: what the caller sends in early media is listened to.
    pub fn listen_early(&mut self, step: &mut Step<'_, '_>) {
        if let (Phase::Early, Some(stream)) = (self.phase, self.agreed) {
            self.leg.media.set_stream(step.cx.out, &self.leg.lane.flow, stream);
        }
    }

    /// 180 Ringing.
    pub fn ring(&mut self, step: &mut Step<'_, '_>) {
        if self.phase == Phase::Invited {
            self.phase = Phase::Ringing;
            self.send_progress(step);
        }
    }

    /// The last provisional response again, so that nobody on the way gives up (§13.3.1.1).
    pub fn send_progress(&self, step: &mut Step<'_, '_>) {
        match (self.phase, &self.leg.local_sdp) {
            (Phase::Early, Some(sdp)) => {
                let contact = step.contact(&self.leg.lane.flow);
                let body = sdp.text().to_owned();
                let with_sdp = |response: ResponseBuilder| {
                    response
                        .record_route()
                        .header(HeaderName::Contact, contact)
                        .header(HeaderName::Allow, ALLOW)
                        .body(SDP, body)
                };
                self.send(step, 183, with_sdp, note_of(sdp));
            }
            (Phase::Ringing, _) => {
                let contact = step.contact(&self.leg.lane.flow);
                let plain = |response: ResponseBuilder| {
                    response.record_route().header(HeaderName::Contact, contact)
                };
                self.send(step, 180, plain, String::new());
            }
            _ => {}
        }
    }

    /// 200, once. With an offer of ours if the caller made none.
    pub fn answer(&mut self, step: &mut Step<'_, '_>) {
        if !self.is_open() {
            return;
        }
        if self.phase == Phase::Early
            && let Some(stream) = self.agreed
        {
            // Silence counts from here, also if keys were listened to before.
            let direction = stream.direction.and(Direction::SendOnly);
            let early = StreamParameters { direction, ..stream };
            self.leg.media.set_stream(step.cx.out, &self.leg.lane.flow, early);
        }
        self.phase = Phase::Answered;
        // As UAS nothing is read that could be wrong.
        let _ = self.leg.dialog.confirm(None);
        let sdp = match (&self.leg.local_sdp, self.agreed) {
            (Some(answer), Some(_)) => answer.clone(),
            _ => {
                self.leg.awaits_answer = self.server;
                self.leg.offer(step)
            }
        };
        if let Some((invite, server)) = self.invite.take().zip(self.server) {
            let response = self.leg.ok_with(step, &invite, &sdp).record_route().to_tag(&self.tag);
            send_response(step, &self.leg.lane, server, &invite, response, note_of(&sdp));
        }
        if let Some(stream) = self.agreed {
            self.leg.media.set_stream(step.cx.out, &self.leg.lane.flow, stream);
        }
    }

    /// A final failure with its Q.850 Reason.
    pub fn reject(&mut self, step: &mut Step<'_, '_>, ending: &Ending) {
        if !self.is_open() {
            return;
        }
        self.phase = Phase::Ended;
        let reason = ending.header();
        let retry = ending.status == 503;
        let with_reason = |response: ResponseBuilder| {
            let response = response.header(HeaderName::Reason, &reason);
            if retry {
                response.header(HeaderName::RetryAfter, super::RETRY_AFTER_S)
            } else {
                response
            }
        };
        self.send(step, ending.status, with_reason, reason.clone());
        self.invite = None;
    }

    fn send(
        &self,
        step: &mut Step<'_, '_>,
        status: u16,
        fill: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
        note: String,
    ) {
        let Some((invite, server)) = self.invite.as_ref().zip(self.server) else { return };
        let mut response = ResponseBuilder::new(invite, status);
        if status > 100 {
            response = response.to_tag(&self.tag);
        }
        send_response(step, &self.leg.lane, server, invite, fill(response), note);
    }
}
