//! Client transactions: sending, matching responses, CANCEL, the ACKs.

use super::{ClientId, Endpoint, Event, FORKS_MAX, Owner, Running};
use crate::build::{BuildError, RequestBuilder, ack_for_failure, cancel_for};
use crate::flow::Flow;
use crate::mark::{Branch, Mark};
use crate::message::Message;
use crate::method::Method;
use crate::transaction::{Action, ClientInput, ClientState, Timer};
use crate::validate::validate_response;
use bytes::Bytes;
use hotline_base::Now;
use smallvec::SmallVec;

/// A client transaction by the random bits of its branch, and whether it is the CANCEL that
/// shares the branch of its INVITE.
pub(super) type ClientKey = (u64, bool);

/// How far a CANCEL has come (RFC 3261 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// Wanted, but no provisional response has come yet.
    Wanted,
    Sent,
}

/// One answer to an INVITE: its To tag, and our ACK once the user has sent it.
#[derive(Debug)]
struct Fork {
    to_tag: Bytes,
    ack: Option<(Flow, Bytes)>,
}

#[derive(Debug)]
pub(super) struct Client<U> {
    serial: u32,
    state: ClientState,
    method: Method,
    pub(super) flow: Flow,
    branch: Branch,
    request: Bytes,
    /// `None` for the CANCELs that the endpoint sends itself.
    user: Option<U>,
    pub(super) running: Running,
    cancel: Cancel,
    /// Why it is cancelled: the value of a Reason.
    cancel_reason: Option<Box<str>>,
    forks: SmallVec<[Fork; 1]>,
}

impl<U> Client<U> {
    fn key(&self) -> ClientKey {
        (self.branch.random, self.method == Method::Cancel)
    }
}

impl<U> Endpoint<U> {
    pub(super) fn client(&self, id: ClientId) -> Option<&Client<U>> {
        self.clients.get(id.slot as usize).filter(|client| client.serial == id.serial)
    }

    pub(super) fn client_mut(&mut self, id: ClientId) -> Option<&mut Client<U>> {
        self.clients.get_mut(id.slot as usize).filter(|client| client.serial == id.serial)
    }
}

impl<U: Clone> Endpoint<U> {
    pub(super) fn begin_client(
        &mut self,
        now: Now,
        request: &RequestBuilder,
        flow: Flow,
        mark: Mark,
        user: U,
    ) -> Result<ClientId, BuildError> {
        let branch = Branch::mint(mark, &mut self.rng);
        let bytes = request.finish(&self.via(&flow, branch.text()))?;
        let method = request.method().clone();
        Ok(self.add_client(now, method, flow, branch, bytes, Some(user)))
    }

    fn add_client(
        &mut self,
        now: Now,
        method: Method,
        flow: Flow,
        branch: Branch,
        request: Bytes,
        user: Option<U>,
    ) -> ClientId {
        let invite = method == Method::Invite;
        let reliable = flow.transport.is_reliable();
        let (state, actions) = ClientState::start(invite, reliable, &self.config.timers);
        let serial = self.next_serial();
        let client = Client {
            serial,
            state,
            method,
            flow,
            branch,
            request,
            user,
            running: Running::default(),
            cancel: Cancel::No,
            cancel_reason: None,
            forks: SmallVec::new(),
        };
        let key = client.key();
        let id = ClientId { slot: self.clients.insert(client) as u32, serial };
        self.clients_by_branch.insert(key, id);
        self.watch(&flow, Owner::Client(id));
        for action in actions {
            self.act_for_client(now, id, action, None);
        }
        id
    }

    /// Cancels an INVITE: the CANCEL leaves after the first provisional response. The user still
    /// gets the final response, a 2xx that crossed it included, or `Timeout`.
    ///
    /// `reason` is the value of its Reason (RFC 3326). `true` if the CANCEL leaves at once.
    pub fn cancel(&mut self, now: Now, client: ClientId, reason: Option<&str>) -> bool {
        let Some(invite) = self.client_mut(client) else { return false };
        if invite.cancel != Cancel::No {
            return false;
        }
        invite.cancel_reason = reason.map(Box::from);
        match invite.state {
            ClientState::Calling(_) => invite.cancel = Cancel::Wanted,
            ClientState::Proceeding => {
                self.send_cancel(now, client);
                return true;
            }
            // Answered already, or no INVITE: there is nothing to cancel.
            _ => {}
        }
        false
    }

    fn send_cancel(&mut self, now: Now, id: ClientId) {
        let Some(invite) = self.client_mut(id) else { return };
        invite.cancel = Cancel::Sent;
        let (flow, branch) = (invite.flow, invite.branch);
        // Our own bytes can be read back; if not, the INVITE just runs on.
        let reason = invite.cancel_reason.take();
        let Ok(request) = Message::parse(invite.request.clone()) else { return };
        let Ok(bytes) = cancel_for(&request, reason.as_deref()) else { return };
        self.add_client(now, Method::Cancel, flow, branch, bytes, None);
        let wait = self.config.timers.give_up();
        self.act_for_client(now, id, Action::Start(Timer::Cancelled, wait), None);
    }

    /// Sends the ACK of a 2xx to the INVITE of `client`, from the fork with that To tag, in no
    /// transaction (RFC 3261 §13.2.2.4). It is remembered: a retransmitted 2xx gets the same ACK
    /// without bothering the user.
    ///
    /// # Errors
    /// The ACK cannot be written; nothing was sent.
    pub fn send_ack(
        &mut self,
        client: ClientId,
        to_tag: &[u8],
        ack: &RequestBuilder,
        flow: Flow,
        mark: Mark,
    ) -> Result<(), BuildError> {
        let branch = mark.mint_branch(&mut self.rng);
        let bytes = ack.finish(&self.via(&flow, branch))?;
        let forks = self.client_mut(client).map(|client| &mut client.forks);
        let fork = forks.and_then(|forks| forks.iter_mut().find(|fork| fork.to_tag == to_tag));
        if let Some(fork) = fork {
            fork.ack = Some((flow, bytes.clone()));
        }
        self.transmits.push_back((flow, bytes));
        Ok(())
    }

    pub(super) fn receive_response(&mut self, now: Now, message: Message) {
        let found = validate_response(&message).is_ok().then(|| self.find_client(&message));
        let Some(id) = found.flatten() else {
            self.dropped.stray_responses += 1;
            return;
        };
        let Some(status) = message.status() else { return };
        self.step_client(now, id, ClientInput::Response(status), Some(&message));
        let wanted = |client: &Client<U>| {
            client.cancel == Cancel::Wanted && client.state == ClientState::Proceeding
        };
        if self.client(id).is_some_and(wanted) {
            self.send_cancel(now, id);
        }
    }

    /// RFC 3261 §17.1.3: the branch of the top Via and the method of CSeq; §8.1.3.3: one Via.
    fn find_client(&self, message: &Message) -> Option<ClientId> {
        let mut vias = message.vias();
        let via = vias.next()?.ok()?;
        if vias.next().is_some() {
            return None;
        }
        let branch = Branch::read(std::str::from_utf8(&via.branch()?).ok()?)?;
        let method = message.cseq().ok()?.method;
        let key = (branch.random, method == Method::Cancel);
        let id = *self.clients_by_branch.get(&key)?;
        let client = self.client(id)?;
        (client.branch == branch && client.method == method).then_some(id)
    }

    pub(super) fn step_client(
        &mut self,
        now: Now,
        id: ClientId,
        input: ClientInput,
        message: Option<&Message>,
    ) {
        let timers = self.config.timers;
        let Some(client) = self.client_mut(id) else { return };
        let reliable = client.flow.transport.is_reliable();
        let (state, actions) = client.state.step(input, reliable, &timers);
        client.state = state;
        for action in actions {
            self.act_for_client(now, id, action, message);
        }
    }

    fn act_for_client(
        &mut self,
        now: Now,
        id: ClientId,
        action: Action,
        message: Option<&Message>,
    ) {
        match action {
            Action::Transmit => {
                if let Some(client) = self.client(id) {
                    let sent = (client.flow, client.request.clone());
                    self.transmits.push_back(sent);
                }
            }
            Action::Ack => self.acknowledge_failure(id, message),
            Action::Deliver => self.deliver_response(id, message),
            Action::Start(timer, after) => {
                let timer_id = self.timers.set(now.mono + after, (Owner::Client(id), timer));
                let old = self
                    .client_mut(id)
                    .and_then(|client| client.running.get_mut(timer.slot())?.replace(timer_id));
                if let Some(old) = old {
                    self.timers.cancel(old);
                }
            }
            Action::Stop(timer) => {
                let old = self
                    .client_mut(id)
                    .and_then(|client| client.running.get_mut(timer.slot())?.take());
                if let Some(old) = old {
                    self.timers.cancel(old);
                }
            }
            Action::Timeout => {
                self.tell_user(id, |client, user| Event::Timeout { client, user });
            }
            Action::TransportError => {
                self.tell_user(id, |client, user| Event::TransportError { client, user });
            }
            Action::End => self.end_client(id),
            // Servers only.
            Action::AckMissing => {}
        }
    }

    fn acknowledge_failure(&mut self, id: ClientId, response: Option<&Message>) {
        let (Some(client), Some(response)) = (self.client(id), response) else { return };
        let flow = client.flow;
        let ack = Message::parse(client.request.clone())
            .ok()
            .and_then(|invite| ack_for_failure(&invite, response).ok());
        if let Some(ack) = ack {
            self.transmits.push_back((flow, ack));
        }
    }

    fn deliver_response(&mut self, id: ClientId, response: Option<&Message>) {
        let (Some(client), Some(message)) = (self.client_mut(id), response) else { return };
        if client.state == ClientState::Accepted {
            let tag = message.to().ok().and_then(|to| to.tag()).unwrap_or_default();
            if let Some(fork) = client.forks.iter().find(|fork| fork.to_tag == tag) {
                let again = fork.ack.clone();
                self.transmits.extend(again);
                return;
            }
            if client.forks.len() >= FORKS_MAX {
                return;
            }
            client.forks.push(Fork { to_tag: Bytes::copy_from_slice(&tag), ack: None });
        }
        let message = message.clone();
        if client.method == Method::Cancel {
            let (flow, key) = (client.flow, (client.branch.random, false));
            let invite = self.clients_by_branch.get(&key).and_then(|invite| self.client(*invite));
            if let Some(user) = invite.and_then(|invite| invite.user.clone()) {
                self.events.push_back(Event::CancelAnswered { user, flow, message });
            }
            return;
        }
        self.tell_user(id, |client, user| Event::Response { client, user, message });
    }

    fn tell_user(&mut self, id: ClientId, event: impl FnOnce(ClientId, U) -> Event<U>) {
        let user = self.client(id).and_then(|client| client.user.clone());
        if let Some(user) = user {
            self.events.push_back(event(id, user));
        }
    }

    fn end_client(&mut self, id: ClientId) {
        if self.client(id).is_none() {
            return;
        }
        let client = self.clients.remove(id.slot as usize);
        for timer in client.running.into_iter().flatten() {
            self.timers.cancel(timer);
        }
        self.clients_by_branch.remove(&client.key());
        self.unwatch(&client.flow, Owner::Client(id));
        if let Some(user) = client.user {
            self.events.push_back(Event::Terminated { client: id, user });
        }
    }

    /// The bytes of a client transaction's request, as sent.
    pub fn sent_request(&self, client: ClientId) -> Option<&Bytes> {
        self.client(client).map(|client| &client.request)
    }

    /// Where a client transaction's request was sent.
    pub fn flow_of(&self, client: ClientId) -> Option<Flow> {
        self.client(client).map(|client| client.flow)
    }

    /// Whether a client transaction still waits for its final response.
    pub fn is_pending(&self, client: ClientId) -> bool {
        self.client(client).is_some_and(|client| client.state.is_pending())
    }
}
