//! Scripted peers: a caller over the carrier's trunk or from a phone, and a phone that rings.

use super::world::*;
use hotline_sip::build::RequestBuilder;
use hotline_sip::header::HeaderName;
use hotline_sip::{Flow, Message, Method, Uri};

/// A caller.
pub struct Caller {
    pub peer: u8,
    pub flow: Flow,
    pub call_id: String,
    pub from: String,
    number: String,
    cseq: u32,
    invite: Option<RequestBuilder>,
    branch: String,
    pub to: Option<String>,
    target: Option<Uri>,
}

/// How a call is made.
pub struct Dial<'a> {
    pub number: &'a str,
    pub from: &'a str,
    pub peer: u8,
    pub flow: Option<Flow>,
    pub sdp: Option<String>,
    /// Of the body, which need not be SDP alone.
    pub content_type: &'a str,
    pub headers: &'a [(HeaderName, &'a str)],
    /// Where it wants to be reached; where it sends from unless told otherwise.
    pub contact: Option<&'a str>,
}

impl Default for Dial<'_> {
    fn default() -> Self {
        Dial {
            number: "123451",
            from: "15550001",
            peer: CARRIER,
            flow: None,
            sdp: Some(sdp(CARRIER, "sendrecv")),
            content_type: "application/sdp",
            headers: &[],
            contact: None,
        }
    }
}

/// Calls a number over the trunk.
pub fn call(world: &mut World, number: &str) -> Caller {
    Dial { number, ..Dial::default() }.go(world)
}

impl Dial<'_> {
    /// The same from an agent's phone: the challenge is answered.
    pub fn go_authenticated(self, world: &mut World) -> Caller {
        let (user, number) = (self.from.to_owned(), self.number.to_owned());
        let mut caller = self.go(world);
        let challenged = caller.expect(world, 401);
        caller.ack_failure(world);
        caller.to = None;
        caller.target = None;
        let uri = format!("sip:{number}@demo.example");
        let value = credentials(&challenged, "INVITE", &uri, &user);
        caller.cseq = 2;
        let invite = caller.invite.take().unwrap().cseq(2);
        let invite = invite.header(HeaderName::Authorization, value);
        caller.branch += "b";
        let message = world.written_with(&caller.flow, &invite, &caller.branch);
        caller.invite = Some(invite);
        world.receive(caller.flow, message);
        if world.was_sent(caller.peer, "100 INVITE") {
            world.take(caller.peer, "100 INVITE");
        }
        caller
    }

    /// Sends the INVITE; the 100 is taken if there is one.
    pub fn go(self, world: &mut World) -> Caller {
        let flow = self.flow.unwrap_or(udp(self.peer));
        let serial = world.next_serial();
        let number = self.number.to_owned();
        let uri: Uri = format!("sip:{number}@demo.example").parse().unwrap();
        let from = format!("<sip:{}@demo.example>;tag=c{serial}", self.from);
        let call_id = format!("call-{serial}");
        let contact = self.contact.map(str::to_owned).unwrap_or(flow.remote.to_string());
        let mut request = RequestBuilder::new(Method::Invite, uri)
            .from(&from)
            .to(format!("<sip:{number}@demo.example>"))
            .call_id(&call_id)
            .cseq(1)
            .header(HeaderName::Contact, format!("<sip:caller@{contact}>"));
        for (name, value) in self.headers {
            request = match name {
                HeaderName::MaxForwards => request.max_forwards(value.parse().unwrap()),
                _ => request.header(*name, value),
            };
        }
        if let Some(sdp) = self.sdp {
            request = request.body(self.content_type, sdp);
        }
        let branch = format!("z9hG4bKcall{serial}");
        let message = world.written_with(&flow, &request, &branch);
        world.receive(flow, message);
        if world.was_sent(self.peer, "100 INVITE") {
            world.take(self.peer, "100 INVITE");
        }
        Caller {
            peer: self.peer,
            flow,
            call_id,
            from,
            number,
            cseq: 1,
            invite: Some(request),
            branch,
            to: None,
            target: None,
        }
    }
}

impl Caller {
    /// Takes a response to the INVITE and learns the dialog from it.
    #[track_caller]
    pub fn expect(&mut self, world: &mut World, status: u16) -> Message {
        let response = world.take(self.peer, &format!("{status} INVITE"));
        self.learn(&response);
        response
    }

    /// Learns the dialog from a response.
    pub fn learn(&mut self, response: &Message) {
        if response.status() > Some(100) {
            self.to = Some(header(response, HeaderName::To));
            if let Ok(contact) = response.contact() {
                self.target = Some(contact.uri);
            }
        }
    }

    /// Whether a message belongs to this call.
    pub fn is_of(&self, message: &Message) -> bool {
        header(message, HeaderName::CallId) == self.call_id
    }

    /// The 200 and its ACK.
    #[track_caller]
    pub fn answered(&mut self, world: &mut World) -> Message {
        let ok = self.expect(world, 200);
        self.ack(world, None);
        ok
    }

    pub fn ack(&mut self, world: &mut World, sdp: Option<String>) {
        let cseq = self.cseq;
        let mut ack = self.request(Method::Ack, cseq);
        if let Some(sdp) = sdp {
            ack = ack.body("application/sdp", sdp);
        }
        self.send(world, ack);
    }

    /// ACK of a failure: the branch of the INVITE.
    pub fn ack_failure(&mut self, world: &mut World) {
        let cseq = self.cseq;
        let ack = self.request(Method::Ack, cseq);
        let uri = self.invite.as_ref().unwrap().uri().clone();
        let message = world.written_with(&self.flow, &ack.with_uri(uri), &self.branch);
        world.receive(self.flow, message);
    }

    pub fn request(&mut self, method: Method, cseq: u32) -> RequestBuilder {
        let number = &self.number;
        let target = match &self.target {
            Some(target) => target.clone(),
            None => format!("sip:{number}@demo.example").parse().unwrap(),
        };
        let to = self.to.clone().unwrap_or(format!("<sip:{number}@demo.example>"));
        let contact = format!("<sip:caller@{}>", self.flow.remote);
        RequestBuilder::new(method, target)
            .from(&self.from)
            .to(to)
            .call_id(&self.call_id)
            .cseq(cseq)
            .header(HeaderName::Contact, contact)
    }

    pub fn next(&mut self, method: Method) -> RequestBuilder {
        self.cseq += 1;
        let cseq = self.cseq;
        self.request(method, cseq)
    }

    pub fn send(&mut self, world: &mut World, request: RequestBuilder) {
        let message = world.written(&self.flow, &request);
        world.receive(self.flow, message);
    }

    #[track_caller]
    pub fn bye(&mut self, world: &mut World) {
        let bye = self.next(Method::Bye);
        self.send(world, bye);
        world.take(self.peer, "200 BYE");
    }

    /// CANCEL, then the 487 and its ACK.
    #[track_caller]
    pub fn cancel(&mut self, world: &mut World) {
        self.send_cancel(world);
        world.take(self.peer, "200 CANCEL");
        self.expect(world, 487);
        self.ack_failure(world);
    }

    /// CANCEL alone.
    pub fn send_cancel(&mut self, world: &mut World) {
        let invite = self.invite.clone().unwrap();
        let cancel = RequestBuilder::new(Method::Cancel, invite.uri().clone())
            .from(&self.from)
            .to(format!("<sip:{}@demo.example>", self.number))
            .call_id(&self.call_id)
            .cseq(self.cseq);
        let message = world.written_with(&self.flow, &cancel, &self.branch);
        world.receive(self.flow, message);
    }

    /// Re-INVITE with this SDP, or none.
    pub fn reinvite(&mut self, world: &mut World, sdp: Option<String>) {
        let mut request = self.next(Method::Invite);
        if let Some(sdp) = sdp {
            request = request.body("application/sdp", sdp);
        }
        self.send(world, request);
    }

    /// Takes our BYE and answers it.
    #[track_caller]
    pub fn hung_up(&mut self, world: &mut World) -> Message {
        hung_up(world, self.peer)
    }
}

/// Takes our BYE at a peer and answers it.
#[track_caller]
pub fn hung_up(world: &mut World, peer: u8) -> Message {
    let (flow, bye) = world.take_on(peer, "BYE");
    let ok = parsed(response(&bye, 200, "x"));
    world.receive(flow, ok);
    bye
}

/// A phone that rings: the INVITE it got.
pub struct Ring {
    pub peer: u8,
    pub flow: Flow,
    pub invite: Message,
    pub tag: String,
    cseq: u32,
    target: Option<Uri>,
}

/// The phone at a peer rings.
#[track_caller]
pub fn rings(world: &mut World, peer: u8) -> Ring {
    let (flow, invite) = world.take_on(peer, "INVITE");
    let tag = format!("phone{}", world.next_serial());
    Ring { tag, ..Ring::of(peer, flow, invite) }
}

impl Ring {
    /// A phone, or one more fork behind it, that got this INVITE.
    pub fn of(peer: u8, flow: Flow, invite: Message) -> Ring {
        Ring { peer, flow, invite, tag: String::new(), cseq: 100, target: None }
    }

    pub fn respond(&self, world: &mut World, status: u16) {
        let answer = parsed(response(&self.invite, status, &self.tag));
        world.receive(self.flow, answer);
    }

    /// 200 with SDP; the ACK is taken.
    #[track_caller]
    pub fn answer(&mut self, world: &mut World) {
        self.ok(world, &sdp(self.peer, "sendrecv"));
        self.acknowledged(world);
    }

    /// 200 with this SDP.
    pub fn ok(&self, world: &mut World, sdp: &str) {
        let contact = format!("<sip:phone@{}>", self.flow.remote);
        let ok = response(&self.invite, 200, &self.tag)
            .header(HeaderName::Contact, contact)
            .body("application/sdp", sdp.to_owned());
        world.receive(self.flow, parsed(ok));
    }

    /// 200 of a peer whose dialog goes on elsewhere: its Contact, and where a proxy wants it.
    pub fn ok_from(&self, world: &mut World, contact: u8, route: Option<u8>) {
        let mut ok = response(&self.invite, 200, &self.tag)
            .header(HeaderName::Contact, format!("<sip:phone@{}>", address(contact)))
            .body("application/sdp", sdp(self.peer, "sendrecv"));
        if let Some(route) = route {
            ok = ok.header(HeaderName::RecordRoute, format!("<sip:{};lr>", address(route)));
        }
        world.receive(self.flow, parsed(ok));
    }

    #[track_caller]
    pub fn acknowledged(&mut self, world: &mut World) -> Message {
        self.learn();
        world.take(self.peer, "ACK")
    }

    /// Learns where our side is.
    pub fn learn(&mut self) {
        self.target = self.invite.contact().ok().map(|contact| contact.uri);
    }

    /// Takes our CANCEL, which waits for the phone to say that it rings: 200 to it, 487 to the
    /// INVITE, whose ACK is taken.
    #[track_caller]
    pub fn cancelled(&self, world: &mut World) {
        if !world.was_sent(self.peer, "CANCEL") {
            self.respond(world, 180);
        }
        self.cancel_answered(world);
        self.respond(world, 487);
        world.take(self.peer, "ACK");
    }

    /// Takes our CANCEL and answers it with 200.
    #[track_caller]
    pub fn cancel_answered(&self, world: &mut World) {
        let (flow, cancel) = world.take_on(self.peer, "CANCEL");
        world.receive(flow, parsed(response(&cancel, 200, &self.tag)));
    }

    pub fn next(&mut self, method: Method) -> RequestBuilder {
        self.cseq += 1;
        let from = header(&self.invite, HeaderName::To) + ";tag=" + &self.tag;
        let target = self.target.clone().expect("the phone has answered");
        RequestBuilder::new(method, target)
            .from(from)
            .to(header(&self.invite, HeaderName::From))
            .call_id(header(&self.invite, HeaderName::CallId))
            .cseq(self.cseq)
            .header(HeaderName::Contact, format!("<sip:phone@{}>", self.flow.remote))
    }

    pub fn send(&mut self, world: &mut World, request: RequestBuilder) {
        let message = world.written(&self.flow, &request);
        world.receive(self.flow, message);
    }

    #[track_caller]
    pub fn bye(&mut self, world: &mut World) {
        let bye = self.next(Method::Bye);
        self.send(world, bye);
        world.take(self.peer, "200 BYE");
    }

    pub fn reinvite(&mut self, world: &mut World, sdp: Option<String>) {
        let mut request = self.next(Method::Invite);
        if let Some(sdp) = sdp {
            request = request.body("application/sdp", sdp);
        }
        self.send(world, request);
    }

    pub fn ack(&mut self, world: &mut World, sdp: Option<String>) {
        self.cseq -= 1;
        let mut ack = self.next(Method::Ack);
        if let Some(sdp) = sdp {
            ack = ack.body("application/sdp", sdp);
        }
        self.send(world, ack);
    }
}
