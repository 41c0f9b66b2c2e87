//! [`Parting`]: what of a call outlives it, or outlives an offer: dialogs that must still be ended.
//!
//! Owns: INVITEs of ours that nobody waits for any more (a 2xx that crosses our CANCEL is
//! acknowledged and hung up, RFC 3261 §13.2.2.4, §15), and callers who are to be hung up but have
//! not acknowledged our 200 (no BYE before its ACK or the end of its transaction, §15).
//! Everything here ends by itself: each entry has a deadline.

use super::leg::{Leg, Path, flow_to_contact, send_request};
use super::trace::Lane;
use super::{Step, Why};
use hotline_base::TimerId;
use hotline_sip::Method;
use hotline_sip::build::RequestBuilder;
use hotline_sip::dialog::Dialog;
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use hotline_sip::{ClientId, ServerId};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an INVITE that was given up may still be answered: 64·T1 until it ends without a final
/// response, 64·T1 for the 2xx of further forks (RFC 3261 §9.1, RFC 6026 §8.4), and some slack.
const GIVEN_UP_MAX: Duration = Duration::from_secs(70);
/// How long the ACK of our 200 may take (64·T1), and some slack.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(40);

/// Dialogs that must still be ended.
#[derive(Debug, Default)]
pub(crate) struct Parting {
    given_up: BTreeMap<(u32, u16), GivenUp>,
    unacknowledged: BTreeMap<ServerId, Unacknowledged>,
}

/// An INVITE of ours, and the way to whom it calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Call, leg, and the flow it left by.
    pub lane: Lane,
    /// Its transaction.
    pub client: ClientId,
    /// Whether what follows goes where Contact or route say; see [`Leg::to_contact`].
    pub to_contact: bool,
}

impl Sent {
    /// The same, by the way to the peer that a 2xx has told.
    fn towards(self, dialog: &Dialog) -> Lane {
        let flow = match self.to_contact {
            true => flow_to_contact(self.lane.flow, dialog),
            false => self.lane.flow,
        };
        Lane { flow, ..self.lane }
    }
}

#[derive(Debug)]
struct GivenUp {
    sent: Sent,
    reason: String,
    /// Its CANCEL waits for the first provisional response (RFC 3261 §9.1).
    cancel_waits: bool,
    timer: TimerId,
}

#[derive(Debug)]
struct Unacknowledged {
    path: Path,
    reason: String,
    timer: TimerId,
}

impl Parting {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.given_up.len() + self.unacknowledged.len()
    }

    /// Whether this transaction is an INVITE that was given up.
    pub fn has(&self, key: (u32, u16), client: ClientId) -> bool {
        self.given_up.get(&key).is_some_and(|entry| entry.sent.client == client)
    }
}

/// Cancels an INVITE; whatever still comes of it is dealt with here.
pub(crate) fn give_up(step: &mut Step<'_, '_>, sent: Sent, reason: &str) {
    let Sent { lane, client, .. } = sent;
    let why = Some(reason).filter(|reason| !reason.is_empty());
    let cancelled = step.cx.endpoint.cancel(step.cx.now, client, why);
    watch(step, sent, reason);
    if let Some(entry) = step.parting.given_up.get_mut(&(lane.call.serial, lane.leg)) {
        entry.cancel_waits = !cancelled;
    }
    if cancelled {
        draw_cancel(step, lane, client, reason);
    }
}

fn draw_cancel(step: &mut Step<'_, '_>, lane: Lane, client: ClientId, reason: &str) {
    let sent = step.cx.endpoint.sent_request(client).cloned();
    let Some(Ok(invite)) = sent.map(Message::parse) else { return };
    let Ok(cseq) = invite.cseq() else { return };
    let uri = invite.request_uri_bytes();
    lane.requested(step.cx, &Method::Cancel, uri, cseq.number, reason.to_owned());
}

/// Expects nothing but further forks' 2xx from a leg's INVITE.
pub(crate) fn watch(step: &mut Step<'_, '_>, sent: Sent, reason: &str) {
    let at = step.cx.now.mono + GIVEN_UP_MAX;
    let key = (sent.lane.call.serial, sent.lane.leg);
    let timer = step.index.timers.set(at, (key.0, Why::GivenUp(key.1)));
    let entry = GivenUp { sent, reason: reason.to_owned(), cancel_waits: false, timer };
    if let Some(old) = step.parting.given_up.insert(key, entry) {
        step.index.timers.cancel(old.timer);
    }
}

/// A response to an INVITE that was given up.
pub(crate) fn response(
    step: &mut Step<'_, '_>,
    key: (u32, u16),
    client: ClientId,
    message: &Message,
) {
    let Some(entry) = step.parting.given_up.get_mut(&key) else { return };
    match message.status() {
        Some(200..300) => {
            let (sent, reason) = (entry.sent, entry.reason.clone());
            sent.lane.received(step.cx, message);
            hang_up_stray(step, sent, message, &reason);
        }
        Some(300..) => {
            let lane = entry.sent.lane;
            lane.received(step.cx, message);
            forget(step, key);
        }
        Some(100..200) if std::mem::take(&mut entry.cancel_waits) => {
            let (lane, reason) = (entry.sent.lane, entry.reason.clone());
            draw_cancel(step, lane, client, &reason);
        }
        _ => {}
    }
}

/// Nothing more comes of an INVITE that was given up.
pub(crate) fn forget(step: &mut Step<'_, '_>, key: (u32, u16)) {
    if let Some(entry) = step.parting.given_up.remove(&key) {
        step.index.timers.cancel(entry.timer);
    }
}

/// A 2xx that nobody wants: ACK, then BYE in the dialog it made.
pub(crate) fn hang_up_stray(step: &mut Step<'_, '_>, sent: Sent, response: &Message, reason: &str) {
    let Some(mut dialog) = dialog_of(step, sent.client, response) else { return };
    acknowledge(step, sent, &dialog, response);
    let bye = dialog.request(Method::Bye).header(HeaderName::Reason, reason);
    send_request(step, &sent.towards(&dialog), bye, reason.to_owned());
}

/// The dialog that a 2xx to an INVITE of ours makes (RFC 3261 §12.1.2).
pub(crate) fn dialog_of(
    step: &mut Step<'_, '_>,
    client: ClientId,
    response: &Message,
) -> Option<Dialog> {
    let sent = step.cx.endpoint.sent_request(client)?.clone();
    let request = Message::parse(sent).ok()?;
    match Dialog::uac(&request, response) {
        Ok(mut dialog) => {
            // A 2xx of ours to read: the INVITE is no longer under way.
            dialog.invite_ended();
            Some(dialog)
        }
        Err(error) => {
            step.cx.notice(format!("a phone's 2xx makes no dialog: {error}"));
            None
        }
    }
}

/// Sends the ACK of a 2xx, as any request of the dialog it made (RFC 3261 §13.2.2.4, §12.2.1.1);
/// the endpoint repeats it when the 2xx comes again.
pub(crate) fn acknowledge(
    step: &mut Step<'_, '_>,
    sent: Sent,
    dialog: &Dialog,
    response: &Message,
) {
    let lane = sent.towards(dialog);
    let Ok(cseq) = response.cseq() else { return };
    let ack: RequestBuilder = dialog.ack(cseq.number);
    let to_tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default();
    let cx = &mut *step.cx;
    match cx.endpoint.send_ack(sent.client, &to_tag, &ack, lane.flow, cx.mark) {
        Ok(()) => {
            let uri = ack.uri().as_bytes();
            lane.requested(cx, &Method::Ack, uri, cseq.number, String::new());
        }
        Err(error) => cx.notice(format!("call {}: ACK could not be written: {error}", lane.call)),
    }
}

/// Hangs up a caller whose ACK has not come yet: BYE follows the ACK, or the end of waiting for it.
pub(crate) fn hang_up_when_acknowledged(
    step: &mut Step<'_, '_>,
    server: ServerId,
    leg: &Leg,
    reason: &str,
) {
    let at = step.cx.now.mono + UNACKNOWLEDGED_MAX;
    let timer = step.index.timers.set(at, (leg.lane.call.serial, Why::Unacknowledged(server)));
    let entry = Unacknowledged { path: leg.path(), reason: reason.to_owned(), timer };
    step.parting.unacknowledged.insert(server, entry);
}

/// The ACK has come, or will not come: hang up now. Whether there was such a caller.
pub(crate) fn acknowledged(step: &mut Step<'_, '_>, server: ServerId) -> bool {
    let Some(mut entry) = step.parting.unacknowledged.remove(&server) else { return false };
    step.index.timers.cancel(entry.timer);
    entry.path.hang_up(step, &entry.reason);
    true
}
