//! Transactions as ladders in virtual time: `ms line`, with `→` for what was sent.

mod chaos;
mod clients;
mod servers;

use super::*;
use crate::build::RequestBuilder;
use crate::flow::Transport;
use crate::method::Method;
use hotline_base::{Epoch, Partition, Wall};

const MARK: Mark = Mark { partition: Partition(3), epoch: Epoch(1) };

struct Lab {
    endpoint: Endpoint<&'static str>,
    now: Now,
    flow: Flow,
    /// Requests sent, by method, to answer them.
    sent: Vec<Message>,
    servers: Vec<ServerId>,
    log: Vec<String>,
}

impl Lab {
    fn new(transport: Transport) -> Lab {
        Lab::with(transport, |_| {})
    }

    fn with(transport: Transport, change: impl FnOnce(&mut EndpointConfig)) -> Lab {
        let mut config = EndpointConfig::new(MARK);
        change(&mut config);
        let flow =
            Flow::udp("192.0.2.9:5060".parse().unwrap(), "198.51.100.1:5062".parse().unwrap());
        let connection = transport.is_reliable().then_some(ConnectionId(1));
        Lab {
            endpoint: Endpoint::new(config, Rng::from_number(7)),
            now: Now { mono: Mono(0), wall: Wall(0) },
            flow: Flow { transport, connection, ..flow },
            sent: Vec::new(),
            servers: Vec::new(),
            log: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some((_, bytes)) = self.endpoint.poll_transmit() {
            let message = Message::parse(bytes).unwrap();
            let line = match message.status() {
                Some(status) => format!("→ {status} {}", message.cseq().unwrap().method),
                None => format!("→ {}", message.method().unwrap()),
            };
            self.note(line);
            if message.is_request() {
                self.sent.push(message);
            }
        }
        while let Some(event) = self.endpoint.poll_event() {
            let line = match event {
                Event::Request { server, message, .. } => {
                    self.servers.push(server);
                    format!("request {}", message.method().unwrap())
                }
                Event::Cancel { .. } => "cancelled".into(),
                Event::Ack { server, .. } => {
                    if server.is_some() { "acknowledged" } else { "stray ACK" }.into()
                }
                Event::AckMissing { .. } => "no ACK".into(),
                Event::ServerGone { failed, .. } => {
                    if failed { "server failed" } else { "server gone" }.into()
                }
                Event::CancelAnswered { message, .. } => {
                    format!("CANCEL answered {}", message.status().unwrap())
                }
                Event::Response { message, .. } => {
                    format!("response {}", message.status().unwrap())
                }
                Event::Timeout { .. } => "timeout".into(),
                Event::TransportError { .. } => "transport error".into(),
                Event::Terminated { .. } => "client gone".into(),
            };
            self.note(line);
        }
    }

    fn note(&mut self, line: String) {
        self.log.push(format!("{} {line}", self.now.mono.as_ms()));
    }

    /// Lets time pass, to this many milliseconds since the start.
    fn until(&mut self, ms: u64) {
        while let Some(at) = self.endpoint.deadline().filter(|at| *at <= Mono::from_ms(ms)) {
            self.now.mono = at.max(self.now.mono);
            self.endpoint.expire(self.now);
            self.drain();
        }
        self.now.mono = Mono::from_ms(ms);
    }

    fn request(&mut self, method: Method) -> ClientId {
        let uri = "sip:bob@example.com".parse().unwrap();
        let request = RequestBuilder::new(method, uri)
            .from("<sip:alice@example.com>;tag=a")
            .to("<sip:bob@example.com>")
            .call_id("call");
        let id = self.endpoint.request(self.now, &request, self.flow, MARK, "user").unwrap();
        self.drain();
        id
    }

    /// The peer answers our last request of this method, with this To tag.
    fn answer(&mut self, method: Method, status: u16, tag: &str) {
        let request = self.sent.iter().rev().find(|sent| sent.is(&method)).unwrap();
        let mut response = ResponseBuilder::new(request, status);
        if !tag.is_empty() {
            response = response.to_tag(tag);
        }
        let message = Message::parse(response.finish().unwrap()).unwrap();
        self.endpoint.receive(self.now, self.flow, message);
        self.drain();
    }

    fn ack(&mut self, client: ClientId, tag: &str) {
        let ack = RequestBuilder::new(Method::Ack, "sip:bob@example.com".parse().unwrap())
            .from("<sip:alice@example.com>;tag=a")
            .to(format!("<sip:bob@example.com>;tag={tag}"))
            .call_id("call");
        self.endpoint.send_ack(client, tag.as_bytes(), &ack, self.flow, MARK).unwrap();
        self.drain();
    }

    /// The peer sends a request: method, branch (`-` for an RFC 2543 peer) and To tag.
    fn peer(&mut self, method: &str, branch: &str, to_tag: &str) {
        let cseq_method = method;
        self.peer_with(method, branch, to_tag, &format!("1 {cseq_method}"), "call");
    }

    fn peer_with(&mut self, method: &str, branch: &str, to_tag: &str, cseq: &str, call_id: &str) {
        let branch = if branch == "-" { String::new() } else { format!(";branch=z9hG4bK{branch}") };
        let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let text = format!(
            "{method} sip:us@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/{} 198.51.100.1:5062;rport{branch}\r\n\
             From: <sip:peer@example.com>;tag=p\r\nTo: <sip:us@example.com>{to_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.flow.transport
        );
        let message = Message::parse(Bytes::from(text)).unwrap();
        self.endpoint.receive(self.now, self.flow, message);
        self.drain();
    }

    fn respond(&mut self, status: u16) {
        let server = *self.servers.last().unwrap();
        let request = self.endpoint.request_of(server).unwrap();
        let response = ResponseBuilder::new(request, status).to_tag("ours");
        self.endpoint.respond(self.now, server, response).unwrap();
        self.drain();
    }

    /// Runs until nothing is due any more; nothing may be left.
    fn quiet(&mut self) {
        self.drain();
        self.until(self.now.mono.as_ms() + 600_000);
        assert_eq!(self.endpoint.counts(), Counts::default(), "left over after quiet");
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), expected);
    }
}
