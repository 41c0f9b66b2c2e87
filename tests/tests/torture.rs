//! The torture messages of RFC 4475 and RFC 5118 on the wire, each judged by what comes back, or
//! that nothing does, and by an OPTIONS that is answered afterwards.
//!
//! Most messages have no rport, so that the answer goes to the source address at the port that
//! their Via names (RFC 3261 §18.2.2): the judge listens there.

use hotline_tests::sip::Message;
use hotline_tests::{Server, ms, root, s};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The ports that the messages' Vias name; what was sent leaves from the first.
const PORTS: [u16; 5] = [5060, 5050, 5070, 6050, 19_823];
/// How long the judge waits for an answer that is due; it comes at once or never.
const ANSWER_MAX: Duration = s(2);
/// How long after an OPTIONS sent behind a message an answer to the message may still come.
const AFTERTHOUGHT: Duration = ms(30);

/// What is expected of one message.
struct Expectation {
    file: String,
    section: String,
    /// Statuses that are right; none for silence.
    status: Vec<u16>,
}

fn expectations() -> Vec<Expectation> {
    let text = std::fs::read_to_string(root().join("tests/torture/expectations.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let statuses = |value: &toml::Value| -> Vec<u16> {
        let one = |value: &toml::Value| u16::try_from(value.as_integer().unwrap()).unwrap();
        value.as_array().map_or_else(|| vec![one(value)], |list| list.iter().map(one).collect())
    };
    let processed = statuses(&table["processed"]["status"]);
    let message = |message: &toml::Value| {
        let status = match (message["verdict"].as_str().unwrap(), message.get("status")) {
            ("silence", _) => Vec::new(),
            (_, Some(status)) => statuses(status),
            _ => processed.clone(),
        };
        Expectation {
            file: message["file"].as_str().unwrap().into(),
            section: message["section"].as_str().unwrap().into(),
            status,
        }
    };
    table["message"].as_array().unwrap().iter().map(message).collect()
}

/// Somebody who sends a message and listens at every port an answer may go to.
struct Judge {
    sockets: Vec<UdpSocket>,
    server: SocketAddr,
    options: u32,
    /// Answers so far: one that is repeated because nobody acknowledges it says nothing new.
    heard: HashSet<Vec<u8>>,
}

impl Judge {
    fn new(ip: IpAddr, server: SocketAddr) -> Judge {
        let sockets = PORTS.map(|port| {
            let socket = UdpSocket::bind((ip, port)).unwrap();
            socket.set_read_timeout(Some(ms(1))).unwrap();
            socket
        });
        Judge { sockets: sockets.into(), server, options: 0, heard: HashSet::new() }
    }

    fn send(&self, bytes: &[u8]) {
        self.sockets[0].send_to(bytes, self.server).unwrap();
    }

    fn receive(&mut self) -> Option<Message> {
        let mut bytes = [0; 65_535];
        let Judge { sockets, heard, .. } = self;
        sockets.iter().find_map(|socket| {
            let (length, _) = socket.recv_from(&mut bytes).ok()?;
            heard.insert(bytes[..length].to_vec()).then(|| Message::parse(&bytes[..length]))?
        })
    }

    /// Sends a message and OPTIONS behind it: the final statuses that the message was answered
    /// with, and whether the OPTIONS was answered with 200.
    fn judge(&mut self, message: &[u8]) -> (Vec<u16>, bool) {
        self.options += 1;
        let call_id = format!("judge-{}", self.options);
        let local = self.sockets[0].local_addr().unwrap();
        let options = format!(
            "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{call_id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:judge@{local}>;tag=1\r\nTo: <sip:{0}>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            self.server
        );
        self.send(message);
        self.send(options.as_bytes());
        let mut end = Instant::now() + ANSWER_MAX;
        let (mut statuses, mut alive) = (Vec::new(), false);
        while Instant::now() < end {
            let Some(answer) = self.receive() else { continue };
            if answer.header("Call-ID") == call_id {
                alive = answer.status() == Some(200);
                end = end.min(Instant::now() + AFTERTHOUGHT);
            } else if answer.status().is_none_or(|status| status >= 200) {
                // Requests of the server's own have no status: they are wrong here.
                statuses.push(answer.status().unwrap_or(0));
            }
        }
        statuses.dedup();
        (statuses, alive)
    }
}

/// Sends every message from one address; the faults, a line each.
fn faults(server: &Server, ip: IpAddr) -> Vec<String> {
    let mut judge = Judge::new(ip, server.sip());
    let mut faults = Vec::new();
    for Expectation { file, section, status } in expectations() {
        let bytes = std::fs::read(root().join("tests/torture").join(&file)).unwrap();
        let (given, alive) = judge.judge(&bytes);
        let right = match given[..] {
            [] => status.is_empty(),
            [given] => status.contains(&given),
            _ => false,
        };
        if !right {
            faults.push(format!("{section} {file}: answered {given:?}, expected {status:?}"));
        }
        if !alive {
            faults.push(format!("{section} {file}: OPTIONS after it is not answered"));
        }
    }
    faults
}

#[test]
fn every_torture_message_gets_its_answer_whoever_sends_it() {
    assert!(expectations().len() >= 49);
    let mut server = Server::usual();
    let (stranger, carrier) = (server.net.stranger(0), server.net.carrier(0));
    let of_stranger = faults(&server, stranger);
    let of_carrier = faults(&server, carrier);
    let shown = |faults: &[String]| faults.join("\n");
    assert!(of_stranger.is_empty(), "from a stranger:\n{}", shown(&of_stranger));
    assert!(of_carrier.is_empty(), "from a trunk:\n{}", shown(&of_carrier));
    assert!(server.is_running());
    assert_eq!(server.api().records().len(), 0, "a torture message has made a call");
    server.api().until_metric("hotline_calls", 0.0, s(5));
    assert!(server.api().metric("hotline_sip_refused_total") > 0.0);
}
