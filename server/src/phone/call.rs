//! One call of a phone: its dialog and its offer/answer.

use super::Settings;
use bytes::Bytes;
use hotline_media::command::{Direction, StreamParameters};
use hotline_media::offer_answer::{self, Local};
use hotline_media::sdp::SessionDescription;
use hotline_sip::Method;
use hotline_sip::build::{RequestBuilder, ResponseBuilder};
use hotline_sip::dialog::{Dialog, DialogId};
use hotline_sip::endpoint::{ClientId, ServerId};
use hotline_sip::flow::Flow;
use hotline_sip::header::{HeaderName, NameAddr};
use hotline_sip::message::Message;
use hotline_sip::uri::Uri;

/// A call, by what it waits for.
pub enum Call {
    /// Our INVITE waits for its final response.
    Calling {
        /// Its transaction.
        client: ClientId,
        /// The INVITE, to be sent again with credentials.
        invite: Box<RequestBuilder>,
        /// What we offered.
        offer: SessionDescription,
        /// Whether we gave it up; a 2xx may still cross our CANCEL.
        given_up: bool,
    },
    /// A caller waits for our answer.
    Ringing {
        /// The transaction of the INVITE.
        server: ServerId,
        /// The INVITE.
        message: Message,
        /// The dialog our 200 makes.
        dialog: Box<Dialog>,
        /// Our tag in it.
        tag: String,
        /// Our answer, or our offer when the INVITE had none.
        local: SessionDescription,
        /// What our answer settles.
        media: Option<StreamParameters>,
    },
    /// Both sides talk.
    Up {
        /// The dialog.
        dialog: Box<Dialog>,
        /// What we sent last.
        local: SessionDescription,
        /// Whether what we sent last waits for the answer in an ACK.
        offered: bool,
        /// The transaction of the caller's INVITE, when we were called.
        server: Option<ServerId>,
        /// What our re-INVITE that is under way offers.
        reoffer: Option<SessionDescription>,
    },
}

/// Our offer.
pub fn offer(settings: &Settings, session_id: u32) -> SessionDescription {
    offer_answer::make_offer(&local(settings, session_id))
}

fn local(settings: &Settings, session_id: u32) -> Local<'_> {
    Local {
        address: settings.media.0,
        rtp_port: settings.media.1,
        session_id: u64::from(session_id),
        version: 1,
        codecs: &settings.codecs,
        telephone_event: Some(offer_answer::TELEPHONE_EVENT_DEFAULT),
        direction: Direction::SendRecv,
    }
}

fn contact(settings: &Settings, flow: &Flow) -> Bytes {
    let host = match flow.local.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let uri = Uri::sip(Some(&settings.user), &host, Some(flow.local.port()));
    uri.map_or_else(
        |_| Bytes::from_static(b"<sip:phone@invalid>"),
        |uri| NameAddr::of(uri).to_bytes(),
    )
}

/// The dialog a 2xx makes, and its ACK.
pub fn dialog_of(response: &Message, sent: Option<&Bytes>) -> Option<(Dialog, RequestBuilder)> {
    let request = Message::parse(sent?.clone()).ok()?;
    let mut dialog = Dialog::uac(&request, response).ok()?;
    dialog.confirm(Some(response)).ok()?;
    dialog.invite_ended();
    let ack = dialog.ack(request.cseq().ok()?.number);
    Some((dialog, ack))
}

impl Call {
    /// A call that comes in; the status that refuses it otherwise.
    pub fn invited(
        server: ServerId,
        flow: Flow,
        message: &Message,
        tag: &str,
        settings: &Settings,
        session_id: u32,
    ) -> Result<Call, u16> {
        let dialog = Dialog::uas(message, tag, &contact(settings, &flow)).map_err(|_| 400u16)?;
        let ours = local(settings, session_id);
        let (local, media) = if message.body().is_empty() {
            (offer_answer::make_offer(&ours), None)
        } else {
            let offer = SessionDescription::parse(message.body()).map_err(|_| 400u16)?;
            let (answer, media) = offer_answer::make_answer(&offer, &ours).map_err(|_| 488u16)?;
            (answer, Some(media))
        };
        Ok(Call::Ringing {
            server,
            message: message.clone(),
            dialog: Box::new(dialog),
            tag: tag.into(),
            local,
            media,
        })
    }

    /// Whether our INVITE of this transaction waits for its final response.
    pub fn is_calling(&self, which: ClientId) -> bool {
        matches!(self, Call::Calling { client, .. } if *client == which)
    }

    /// Whether a request within a dialog is of this call.
    pub fn owns(&self, request: &Message) -> bool {
        match self {
            Call::Up { dialog, .. } | Call::Ringing { dialog, .. } => {
                DialogId::of_request(request).as_ref() == Some(dialog.id())
            }
            Call::Calling { .. } => false,
        }
    }

    /// A provisional or failing response to the caller.
    pub fn progress(
        &self,
        status: u16,
        settings: &Settings,
    ) -> Option<(ServerId, ResponseBuilder)> {
        let Call::Ringing { server, message, tag, .. } = self else { return None };
        let mut response = ResponseBuilder::new(message, status).to_tag(tag);
        if status < 200 {
            let contact = contact(settings, &settings.flow);
            response = response.record_route().header(HeaderName::Contact, contact);
        }
        Some((*server, response))
    }

    /// The 200 to the caller; the call is up.
    pub fn answer(&mut self, settings: &Settings) -> Option<(ServerId, ResponseBuilder)> {
        let Call::Ringing { server, message, dialog, tag, local, media } = self else {
            return None;
        };
        let response = ResponseBuilder::new(message, 200)
            .to_tag(tag)
            .record_route()
            .header(HeaderName::Contact, contact(settings, &settings.flow))
            .body("application/sdp", local.to_string());
        let server = *server;
        let _ = dialog.confirm(None);
        dialog.invite_ended();
        *self = Call::Up {
            dialog: dialog.clone(),
            offered: media.is_none(),
            local: local.clone(),
            server: Some(server),
            reoffer: None,
        };
        Some((server, response))
    }

    /// What the media is to do once the call that rings is answered.
    pub fn ringing_media(&self) -> Option<StreamParameters> {
        match self {
            Call::Ringing { media, .. } => *media,
            _ => None,
        }
    }

    /// Media before the answer, by the SDP of a provisional response.
    pub fn early(&self, message: &Message) -> Option<StreamParameters> {
        let Call::Calling { offer, .. } = self else { return None };
        let answer = SessionDescription::parse(message.body()).ok()?;
        offer_answer::read_answer(offer, &answer).ok()
    }

    /// A 2xx to our INVITE: the call that is up, the ACK, and the media.
    #[allow(clippy::type_complexity, reason = "the three things a 2xx brings")]
    pub fn established(
        &self,
        message: &Message,
        sent: Option<&Bytes>,
    ) -> Result<(Call, RequestBuilder, Option<StreamParameters>), ()> {
        let Call::Calling { offer, .. } = self else { return Err(()) };
        let (dialog, ack) = dialog_of(message, sent).ok_or(())?;
        let answer = SessionDescription::parse(message.body()).map_err(|_| ())?;
        let media = offer_answer::read_answer(offer, &answer).map_err(|_| ())?;
        let dialog = Box::new(dialog);
        let local = offer.clone();
        let up = Call::Up { dialog, local, offered: false, server: None, reoffer: None };
        Ok((up, ack, Some(media)))
    }

    /// Whether the INVITE of this transaction rings here or began the call that is up.
    pub fn began_with(&self, which: ServerId) -> bool {
        match self {
            Call::Ringing { server, .. } => *server == which,
            Call::Up { server, .. } => *server == Some(which),
            Call::Calling { .. } => false,
        }
    }

    /// A re-INVITE that puts the other side on hold or takes it back (RFC 3264 §8.4); none while
    /// another is under way.
    pub fn hold(&mut self, settings: &Settings, on: bool) -> Option<RequestBuilder> {
        let Call::Up { dialog, local: sent, reoffer, .. } = self else { return None };
        if !dialog.may_invite() {
            return None;
        }
        let direction = if on { Direction::SendOnly } else { Direction::SendRecv };
        let ours = Local { direction, ..local(settings, sent.origin.session_id as u32) };
        let offer = offer_answer::make_reoffer(sent, &ours);
        let request = dialog
            .request(Method::Invite)
            .header(HeaderName::Contact, contact(settings, &settings.flow))
            .body("application/sdp", offer.to_string());
        *reoffer = Some(offer);
        Some(request)
    }

    /// The final response to our re-INVITE, or none came: the ACK of a 2xx, and the media.
    pub fn reinvite_answered(
        &mut self,
        response: Option<&Message>,
    ) -> (Option<RequestBuilder>, Option<StreamParameters>) {
        let Call::Up { dialog, local, reoffer, .. } = self else { return (None, None) };
        let offer = reoffer.take();
        dialog.invite_ended();
        let Some(response) = response.filter(|response| response.status() < Some(300)) else {
            return (None, None);
        };
        dialog.refresh_target(response);
        let ack = response.cseq().ok().map(|cseq| dialog.ack(cseq.number));
        let answer = SessionDescription::parse(response.body()).ok();
        let media = offer.and_then(|offer| {
            let media = offer_answer::read_answer(&offer, &answer?).ok();
            *local = offer;
            media
        });
        (ack, media)
    }

    /// Our INVITE, to be sent again; none if we gave it up.
    pub fn retried(&self) -> Option<RequestBuilder> {
        match self {
            Call::Calling { invite, given_up: false, .. } => Some((**invite).clone()),
            _ => None,
        }
    }

    /// A re-INVITE: answered, holds included.
    pub fn reinvited(
        &mut self,
        message: &Message,
        settings: &Settings,
    ) -> (ResponseBuilder, Option<StreamParameters>) {
        let Call::Up { dialog, local: sent, offered, .. } = self else {
            return (ResponseBuilder::new(message, 491), None);
        };
        if let Err(order) = dialog.receive(message) {
            return (ResponseBuilder::new(message, order.status()), None);
        }
        dialog.invite_ended();
        dialog.refresh_target(message);
        let ours = local(settings, sent.origin.session_id as u32);
        let (mut next, media) = if message.body().is_empty() {
            *offered = true;
            (offer_answer::make_reoffer(sent, &ours), None)
        } else {
            let offer = SessionDescription::parse(message.body()).ok();
            match offer.map(|offer| offer_answer::make_answer(&offer, &ours)) {
                Some(Ok((answer, media))) => (answer, Some(media)),
                _ => return (ResponseBuilder::new(message, 488), None),
            }
        };
        offer_answer::set_version_after(&mut next, sent);
        *sent = next;
        let response = ResponseBuilder::new(message, 200)
            .header(HeaderName::Contact, contact(settings, &settings.flow))
            .body("application/sdp", sent.to_string());
        (response, media)
    }

    /// The ACK of our 200: it brings the answer when we made the offer.
    pub fn acked(&mut self, ack: &Message, _settings: &Settings) -> Option<StreamParameters> {
        let Call::Up { local, offered, .. } = self else { return None };
        if !std::mem::take(offered) {
            return None;
        }
        let answer = SessionDescription::parse(ack.body()).ok()?;
        offer_answer::read_answer(local, &answer).ok()
    }
}
