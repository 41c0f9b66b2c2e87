//! Server transactions: matching requests (RFC 3261 §17.2.3, RFC 2543 peers included), merged
//! requests, CANCEL, ACK, responses.

use super::{Endpoint, Event, Owner, Running, ServerId};
use crate::build::{BuildError, ResponseBuilder};
use crate::flow::Flow;
use crate::header::Via;
use crate::message::Message;
use crate::method::Method;
use crate::transaction::key::{Key, KeyKind};
use crate::transaction::{Action, ServerInput, ServerState, Timer};
use crate::validate::{is_answerable, validate_request};
use bytes::Bytes;
use hotline_base::Now;
use std::net::SocketAddr;

#[derive(Debug)]
pub(super) struct Server {
    serial: u32,
    state: ServerState,
    /// Where responses go.
    reply: Flow,
    /// Where the request came from, for `received` and `rport`.
    source: SocketAddr,
    /// The request, until it has its final response.
    request: Option<Message>,
    /// The last response sent.
    last: Option<Bytes>,
    /// The To tag of the last response, to know the ACK of an RFC 2543 peer and to answer CANCEL.
    to_tag: Bytes,
    key: Key,
    merge: Option<Key>,
    ack: Option<Key>,
    pub(super) running: Running,
    invite: bool,
    cancelled: bool,
    failed: bool,
    /// Whether the user knows of it.
    announced: bool,
}

/// Where the responses to a request go (RFC 3261 §18.2.2, RFC 3581 §4): back on the connection,
/// or to the address it came from, at the port of sent-by unless rport was asked for.
pub(super) fn reply_flow(flow: Flow, request: &Message) -> Flow {
    let mut reply = flow;
    if !flow.transport.is_reliable()
        && let Ok(via) = request.top_via()
        && via.rport().is_none()
    {
        reply.remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
    }
    reply
}

impl<U> Endpoint<U> {
    pub(super) fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(id.slot as usize).filter(|server| server.serial == id.serial)
    }

    pub(super) fn server_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        self.servers.get_mut(id.slot as usize).filter(|server| server.serial == id.serial)
    }

    /// The request of a server transaction that has no final response yet.
    pub fn request_of(&self, server: ServerId) -> Option<&Message> {
        self.server(server)?.request.as_ref()
    }

    /// Whether a request belongs to a transaction that is alive (a retransmission, or the CANCEL or
    /// ACK of its INVITE), so that [`Endpoint::receive`] begins nothing new with it.
    pub fn knows(&self, request: &Message) -> bool {
        let (Some(method), Ok(via)) = (request.method(), request.top_via()) else { return false };
        let known = |method: &Method| {
            let key = self.server_key(via, request, method);
            key.is_some_and(|key| self.servers_by_key.contains_key(&key))
        };
        known(method) || (matches!(method, Method::Cancel | Method::Ack) && known(&Method::Invite))
    }

    /// Whether the user still owes the final response.
    pub fn is_unanswered(&self, server: ServerId) -> bool {
        self.server(server).is_some_and(|server| server.state.is_pending())
    }

    /// The key of the transaction of `message`, as if its method were `method`: ACK and CANCEL
    /// look for their INVITE.
    fn server_key(&self, via: &Via, message: &Message, method: &Method) -> Option<Key> {
        let (host, port) = via.sent_by();
        let method = method.as_str().as_bytes();
        if via.has_magic_cookie() {
            let branch = via.branch()?;
            let port = u32::from(port.unwrap_or(0));
            let key = self.keys.begin(KeyKind::Branch).folded(&branch).folded(host.as_bytes());
            return Some(key.number(port).exact(method).end());
        }
        let from = message.from().ok()?;
        let key = self.keys.begin(KeyKind::Rfc2543).exact(message.request_uri_bytes());
        let key = key.folded(&from.tag().unwrap_or_default()).exact(&message.call_id().ok()?);
        let key = key.number(message.cseq().ok()?.number).exact(via.as_bytes());
        Some(key.exact(method).end())
    }

    /// Call-ID, From tag and CSeq of a request outside a dialog (RFC 3261 §8.2.2.2).
    fn merge_key(&self, message: &Message) -> Option<Key> {
        if message.to().ok()?.tag().is_some() {
            return None;
        }
        let from = message.from().ok()?.tag()?;
        let cseq = message.cseq().ok()?;
        let key = self.keys.begin(KeyKind::Merge).exact(&message.call_id().ok()?).folded(&from);
        Some(key.number(cseq.number).exact(cseq.method.as_str().as_bytes()).end())
    }

    /// The dialog and CSeq that an ACK shares with the 2xx it acknowledges.
    fn ack_key(&self, message: &Message) -> Option<Key> {
        let from = message.from().ok()?.tag().unwrap_or_default();
        let to = message.to().ok()?.tag()?;
        let key = self.keys.begin(KeyKind::Ack).exact(&message.call_id().ok()?);
        Some(key.folded(&from).folded(&to).number(message.cseq().ok()?.number).end())
    }
}

impl<U: Clone> Endpoint<U> {
    pub(super) fn receive_request(&mut self, now: Now, flow: Flow, message: Message) {
        let Some(method) = message.method() else { return };
        let via = message.top_via();
        let key = via.ok().and_then(|via| self.server_key(via, &message, method));
        let Some(key) = key else {
            return self.refuse_unreadable(flow, &message);
        };
        if *method == Method::Ack {
            return self.receive_ack(now, flow, message);
        }
        if let Some(&known) = self.servers_by_key.get(&key) {
            return self.step_server(now, known, ServerInput::Again);
        }
        if validate_request(&message).is_err() {
            return self.refuse_unreadable(flow, &message);
        }
        if *method == Method::Cancel {
            return self.receive_cancel(now, flow, key, message);
        }
        let merge = self.merge_key(&message);
        if merge.is_some_and(|merge| self.servers_by_merge.contains_key(&merge)) {
            self.dropped.merged += 1;
            return self.refuse(flow, &message, 482, None);
        }
        if !self.has_room_for(&message) {
            self.dropped.overload += 1;
            let retry_after = self.config.retry_after_s.to_string();
            let response = ResponseBuilder::new(&message, 503)
                .header(crate::header::HeaderName::RetryAfter, &retry_after);
            return self.answer_statelessly(flow, &message, response);
        }
        let id = self.add_server(now, flow, key, merge, &message, true);
        self.events.push_back(Event::Request { server: id, flow, message });
    }

    /// Answers a request that cannot be acted upon in no transaction, so that a flood of them
    /// costs no memory; one that cannot be answered either, and any ACK, is dropped.
    fn refuse_unreadable(&mut self, flow: Flow, message: &Message) {
        self.dropped.unreadable += 1;
        if let (Err(refusal), true) = (validate_request(message), is_answerable(message)) {
            let response = refusal.response(message, flow.remote, "");
            self.answer_statelessly(flow, message, response);
        }
    }

    fn has_room_for(&self, message: &Message) -> bool {
        let limit = self.config.server_transactions_max;
        let in_dialog = message.to().is_ok_and(|to| to.tag().is_some());
        self.servers.len() < if in_dialog { limit.saturating_add(limit / 8) } else { limit }
    }

    fn add_server(
        &mut self,
        now: Now,
        flow: Flow,
        key: Key,
        merge: Option<Key>,
        message: &Message,
        announced: bool,
    ) -> ServerId {
        let invite = message.is(&Method::Invite);
        let (state, actions) = ServerState::start(invite, &self.config.timers);
        let serial = self.next_serial();
        let server = Server {
            serial,
            state,
            reply: reply_flow(flow, message),
            source: flow.remote,
            request: Some(message.clone()),
            last: None,
            to_tag: Bytes::new(),
            key,
            merge,
            ack: None,
            running: Running::default(),
            invite,
            cancelled: false,
            failed: false,
            announced,
        };
        let id = ServerId { slot: self.servers.insert(server) as u32, serial };
        self.servers_by_key.insert(key, id);
        if let Some(merge) = merge {
            self.servers_by_merge.insert(merge, id);
        }
        if flow.connection.is_some() {
            self.watch(&flow, Owner::Server(id));
        }
        for action in actions {
            self.act_for_server(now, id, action);
        }
        if invite && self.config.timers.trying_after.is_zero() {
            self.send_trying(now, id);
        }
        id
    }

    /// RFC 3261 §9.2: 481 without an INVITE to cancel, else 200 and, if the INVITE still waits,
    /// the user is told once.
    fn receive_cancel(&mut self, now: Now, flow: Flow, key: Key, message: Message) {
        let via = message.top_via().ok();
        let invite_key = via.and_then(|via| self.server_key(via, &message, &Method::Invite));
        let found = invite_key.and_then(|key| self.servers_by_key.get(&key).copied());
        let found = found.filter(|id| self.server(*id).is_some_and(|server| server.invite));
        let answered = found.and_then(|id| self.server(id)).map(|server| server.to_tag.clone());
        let tag = match answered {
            Some(tag) if !tag.is_empty() => compact_str::CompactString::from_utf8_lossy(&tag),
            _ => self.mint_tag(self.config.mark),
        };
        let status = if found.is_some() { 200 } else { 481 };
        let cancel = self.add_server(now, flow, key, None, &message, false);
        let response = ResponseBuilder::new(&message, status).to_tag(&tag);
        if self.respond(now, cancel, response).is_err() {
            self.dropped.unreadable += 1;
            self.end_server(cancel);
            return;
        }
        if let Some(id) = found
            && let Some(server) = self.server_mut(id)
            && server.state.is_pending()
            && !server.cancelled
        {
            server.cancelled = true;
            self.events.push_back(Event::Cancel { invite: id, message });
        }
    }

    fn receive_ack(&mut self, now: Now, flow: Flow, message: Message) {
        if validate_request(&message).is_err() {
            self.dropped.unreadable += 1;
            return;
        }
        let by_branch = message.top_via().ok().and_then(|via| {
            let key = self.server_key(via, &message, &Method::Invite)?;
            let id = *self.servers_by_key.get(&key)?;
            (via.has_magic_cookie() || self.acknowledges(id, &message)).then_some(id)
        });
        let found = by_branch.or_else(|| {
            let key = self.ack_key(&message)?;
            self.servers_by_ack.get(&key).copied()
        });
        let Some(id) = found else {
            self.events.push_back(Event::Ack { server: None, flow, message });
            return;
        };
        let first = self.server(id).is_some_and(|s| matches!(s.state, ServerState::Accepted(_)));
        self.step_server(now, id, ServerInput::Ack);
        if first {
            self.events.push_back(Event::Ack { server: Some(id), flow, message });
        }
    }

    /// An RFC 2543 ACK carries the To tag of the response.
    fn acknowledges(&self, id: ServerId, ack: &Message) -> bool {
        let tag = ack.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        self.server(id).is_some_and(|server| server.to_tag.eq_ignore_ascii_case(&tag))
    }

    /// Responds. A 2xx to INVITE is sent again until its ACK; other final responses as §17.2
    /// says. `received` and `rport` are filled in; the To tag is the caller's to give.
    /// A second final response, or one to a transaction that is over, is ignored (`Ok(false)`).
    ///
    /// # Errors
    /// The response cannot be written; nothing was sent.
    pub fn respond(
        &mut self,
        now: Now,
        server: ServerId,
        response: ResponseBuilder,
    ) -> Result<bool, BuildError> {
        let Some(state) = self.server(server).filter(|server| server.state.is_pending()) else {
            return Ok(false);
        };
        let invite = state.invite;
        let status = response.status();
        let bytes = response.source(state.source).finish()?;
        let mut tag = Bytes::new();
        let mut ack = None;
        if invite && status > 100 {
            let written = Message::parse(bytes.clone()).ok();
            tag = written.as_ref().and_then(|w| w.to().ok()?.tag()).unwrap_or_default();
            if (200..300).contains(&status) {
                ack = written.as_ref().and_then(|written| self.ack_key(written));
            }
        }
        if let Some(ack) = ack {
            self.servers_by_ack.insert(ack, server);
        }
        if status >= 300 {
            self.merges_no_more(server);
        }
        if let Some(state) = self.server_mut(server) {
            state.last = Some(bytes);
            if !tag.is_empty() {
                state.to_tag = tag;
            }
            state.ack = ack;
            if status >= 200 {
                state.request = None;
            }
        }
        self.step_server(now, server, ServerInput::Respond(status));
        Ok(true)
    }

    /// A request that has failed is not under way any more: the same call by another way is a fork
    /// that tries one target after the other, and no merge (RFC 3261 §8.2.2.2, §16.6).
    fn merges_no_more(&mut self, id: ServerId) {
        if let Some(merge) = self.server_mut(id).and_then(|server| server.merge.take())
            && self.servers_by_merge.get(&merge) == Some(&id)
        {
            self.servers_by_merge.remove(&merge);
        }
    }

    pub(super) fn server_timer(&mut self, now: Now, id: ServerId, timer: Timer) {
        if timer == Timer::Trying {
            self.send_trying(now, id);
        } else {
            self.step_server(now, id, ServerInput::Timer(timer));
        }
    }

    fn send_trying(&mut self, now: Now, id: ServerId) {
        let silent = |server: &&Server| server.state == ServerState::Proceeding(false);
        let request = self.server(id).filter(silent).and_then(|server| server.request.as_ref());
        if let Some(trying) = request.map(|request| ResponseBuilder::new(request, 100)) {
            // An INVITE that came this far has all that a 100 needs; the user will hear otherwise.
            let _ = self.respond(now, id, trying);
        }
    }

    pub(super) fn step_server(&mut self, now: Now, id: ServerId, input: ServerInput) {
        let timers = self.config.timers;
        let Some(server) = self.server_mut(id) else { return };
        let reliable = server.reply.transport.is_reliable();
        let (state, actions) = server.state.step(input, reliable, &timers);
        server.state = state;
        for action in actions {
            self.act_for_server(now, id, action);
        }
    }

    fn act_for_server(&mut self, now: Now, id: ServerId, action: Action) {
        match action {
            Action::Transmit => {
                let sent =
                    self.server(id).and_then(|server| Some((server.reply, server.last.clone()?)));
                self.transmits.extend(sent);
            }
            Action::Start(timer, after) => {
                let timer_id = self.timers.set(now.mono + after, (Owner::Server(id), timer));
                let old = self
                    .server_mut(id)
                    .and_then(|server| server.running.get_mut(timer.slot())?.replace(timer_id));
                if let Some(old) = old {
                    self.timers.cancel(old);
                }
            }
            Action::Stop(timer) => {
                let old = self
                    .server_mut(id)
                    .and_then(|server| server.running.get_mut(timer.slot())?.take());
                if let Some(old) = old {
                    self.timers.cancel(old);
                }
            }
            Action::AckMissing => self.events.push_back(Event::AckMissing { server: id }),
            Action::TransportError => {
                if let Some(server) = self.server_mut(id) {
                    server.failed = true;
                }
            }
            Action::End => self.end_server(id),
            // The ACK of a 2xx is told where its flow is at hand; the rest is for clients.
            Action::Deliver | Action::Ack | Action::Timeout => {}
        }
    }

    fn end_server(&mut self, id: ServerId) {
        if self.server(id).is_none() {
            return;
        }
        let server = self.servers.remove(id.slot as usize);
        for timer in server.running.into_iter().flatten() {
            self.timers.cancel(timer);
        }
        self.servers_by_key.remove(&server.key);
        for (table, key) in
            [(&mut self.servers_by_merge, server.merge), (&mut self.servers_by_ack, server.ack)]
        {
            if let Some(key) = key
                && table.get(&key) == Some(&id)
            {
                table.remove(&key);
            }
        }
        if server.reply.connection.is_some() {
            self.unwatch(&server.reply, Owner::Server(id));
        }
        if server.announced {
            self.events.push_back(Event::ServerGone { server: id, failed: server.failed });
        }
    }
}
