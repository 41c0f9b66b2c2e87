//! Registrations as tables: RFC 3261 §10.3.

use super::*;
use bytes::Bytes;
use hotline_base::Wall;

const AOR: &str = "1001@demo";

struct Desk {
    registrar: Registrar,
    now: Now,
    cseq: u32,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            registrar: Registrar::new(RegistrarSettings::default(), &mut Rng::from_number(1)),
            now: Now { mono: Mono::from_ms(1_000), wall: Wall::from_s(1_000_000) },
            cseq: 0,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now.mono += Duration::from_secs(seconds);
        self.now.wall = self.now.wall + Duration::from_secs(seconds);
        self.registrar.expire(self.now);
    }

    fn tcp(connection: u64) -> Flow {
        let flow = Flow::udp("192.0.2.9:5060".parse().unwrap(), "192.0.2.1:4000".parse().unwrap());
        Flow {
            transport: crate::Transport::Tcp,
            connection: Some(ConnectionId(connection)),
            ..flow
        }
    }

    fn udp() -> Flow {
        Flow::udp("192.0.2.9:5060".parse().unwrap(), "192.0.2.1:5060".parse().unwrap())
    }

    /// Sends header lines in a REGISTER with the next CSeq; gives the response as text.
    fn send(&mut self, headers: &str) -> String {
        self.cseq += 1;
        self.send_as("call-1", self.cseq, Desk::udp(), headers)
    }

    fn send_as(&mut self, call_id: &str, cseq: u32, flow: Flow, headers: &str) -> String {
        let lines = headers.split('|').filter(|line| !line.is_empty());
        let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
        let text = format!(
            "REGISTER sip:demo SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{cseq}\r\n\
             From: <sip:1001@demo>;tag=f\r\nTo: <sip:1001@demo>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let request = Message::parse(Bytes::from(text)).unwrap();
        let response = self.registrar.register(self.now, AOR, &request, flow);
        let bytes = response.to_tag("t").finish().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// What changed, in short: `+` added, `=` refreshed, `-` removed, `on`, `off`.
    fn news(&mut self) -> String {
        let mut news = Vec::new();
        while let Some(event) = self.registrar.poll_event() {
            news.push(match event {
                RegistrarEvent::Added { .. } => "+".into(),
                RegistrarEvent::Refreshed { .. } => "=".into(),
                RegistrarEvent::Removed { why, .. } => format!("-{why:?}"),
                RegistrarEvent::CameOnline { .. } => "on".into(),
                RegistrarEvent::WentOffline { why, .. } => format!("off {why:?}"),
            });
        }
        news.join(" ")
    }

    fn contacts(&self) -> usize {
        self.registrar.lookup(AOR).len()
    }
}

fn status(response: &str) -> &str {
    response.get(8..11).unwrap()
}

#[test]
fn an_agent_comes_and_goes_by_the_first_and_last_contact() {
    let mut desk = Desk::new();
    let response = desk.send("Contact: <sip:a@192.0.2.1>;expires=600");
    assert!(response.contains("Contact: <sip:a@192.0.2.1>;expires=600\r\n"), "{response}");
    assert!(response.contains("Date: Mon, 12 Jan 1970 13:46:40 GMT\r\n"), "{response}");
    assert_eq!(desk.news(), "+ on");
    desk.pass(100);
    assert!(desk.send("").contains("expires=500"), "a fetch tells what is left");
    assert_eq!(desk.news(), "");
    desk.send("Contact: <sip:a@192.0.2.1>|Expires: 900");
    assert_eq!(desk.news(), "=");
    desk.send("Contact: <sip:b@192.0.2.2>;q=0.5");
    assert_eq!(desk.news(), "+");
    desk.send("Contact: <sip:a@192.0.2.1>;expires=0");
    assert_eq!(desk.news(), "-Unregistered");
    assert_eq!(desk.registrar.lookup(AOR)[0].q, 500);
    desk.pass(3_601);
    assert_eq!(desk.news(), "-Expired off Expired");
    assert_eq!(desk.registrar.counts(), (0, 0));
    assert!(desk.registrar.deadline().is_none(), "no timer is left");
}

#[test]
fn refusals_change_nothing() {
    let many: Vec<_> = (0..10).map(|n| format!("<sip:c{n}@h>")).collect();
    let ten_more = format!("Contact: {}", many.join(", "));
    for (headers, expected) in [
        ("Contact: <sip:b@h>;expires=59", "423"),
        ("Contact: <sip:b@h>, <sip:a@192.0.2.1>;expires=5", "423"),
        ("Contact: *", "400"),
        ("Contact: *|Expires: 1", "400"),
        ("Contact: *, <sip:b@h>|Expires: 0", "400"),
        ("Contact: <sip:b@h>|Contact: <not a uri>", "400"),
        ("Contact: <tel:+15550001>", "400"),
        (&ten_more, "403"),
    ] {
        let mut desk = Desk::new();
        desk.send("Contact: <sip:a@192.0.2.1>");
        desk.news();
        let response = desk.send(headers);
        assert_eq!(status(&response), expected, "{headers}");
        assert_eq!(response.contains("Min-Expires: 60\r\n"), expected == "423");
        assert_eq!((desk.news().as_str(), desk.contacts()), ("", 1), "{headers}");
    }
}

/// One agent held the whole engine for seconds: it registered ten contacts of 1,500 parameters each
/// that differed in the last, and each was compared with each, parameter by parameter.
#[test]
fn contacts_that_are_costly_to_compare_are_refused() {
    let params = |count: usize| (0..count).map(|n| format!(";p{n}")).collect::<String>();
    for (contact, expected) in [
        (format!("<sip:a@h{}>", params(16)), "200"),
        (format!("<sip:a@h{}>", params(17)), "400"),
        (format!("<sip:a@h{};last=1>", params(1_500)), "400"),
        (format!("<sip:{}@h>", "a".repeat(506)), "200"),
        (format!("<sip:{}@h>", "a".repeat(507)), "400"),
        (format!("<sip:a@h>;+sip.instance=\"{}\"", "a".repeat(513)), "400"),
    ] {
        let mut desk = Desk::new();
        assert_eq!(status(&desk.send(&format!("Contact: {contact}"))), expected, "{contact}");
        assert_eq!(desk.contacts(), usize::from(expected == "200"));
    }
}

#[test]
fn intervals_have_a_default_and_a_longest() {
    for (headers, expected) in [
        ("Contact: <sip:a@h>", ";expires=3600"),
        ("Contact: <sip:a@h>|Expires: 120", ";expires=120"),
        ("Contact: <sip:a@h>;expires=90|Expires: 120", ";expires=90"),
        ("Contact: <sip:a@h>;expires=999999", ";expires=7200"),
        ("Contact: <sip:a@h>;expires=99999999999", ";expires=7200"),
        ("Contact: <sip:a@h>;expires=soon", ";expires=3600"),
    ] {
        let response = Desk::new().send(headers);
        assert!(response.contains(expected), "{headers}: {response}");
    }
}

#[test]
fn the_wildcard_removes_all_if_every_binding_is_older() {
    let mut desk = Desk::new();
    desk.send("Contact: <sip:a@h>, <sip:b@h>");
    desk.send_as("call-2", 9, Desk::udp(), "Contact: <sip:c@h>");
    desk.news();
    let late = desk.send_as("call-2", 9, Desk::udp(), "Contact: *|Expires: 0");
    assert_eq!((status(&late), desk.contacts()), ("500", 3));
    desk.send("Contact: *|Expires: 0");
    assert_eq!(desk.news(), "-Unregistered -Unregistered -Unregistered off Unregistered");
}

#[test]
fn an_old_request_of_the_same_phone_is_refused_whole() {
    let mut desk = Desk::new();
    desk.send_as("call-1", 5, Desk::udp(), "Contact: <sip:a@h>");
    let late = desk.send_as("call-1", 5, Desk::udp(), "Contact: <sip:b@h>, <sip:a@h>;expires=0");
    assert_eq!((status(&late), desk.contacts()), ("500", 1));
    let rebooted = desk.send_as("call-9", 1, Desk::udp(), "Contact: <sip:a@h>");
    assert_eq!(status(&rebooted), "200");
}

#[test]
fn equal_contacts_and_equal_instances_are_one_binding() {
    let mut desk = Desk::new();
    desk.send("Contact: <sip:a@EXAMPLE.com>");
    desk.send("Contact: <sip:%61@example.COM>");
    assert_eq!(desk.contacts(), 1);
    desk.send("Contact: <sip:x@192.0.2.1:4001>;+sip.instance=\"<urn:uuid:1>\"");
    desk.send("Contact: <sip:x@192.0.2.1:4002>;+sip.instance=\"<urn:uuid:1>\"");
    assert_eq!(desk.contacts(), 2);
    assert_eq!(desk.registrar.lookup(AOR)[1].contact.port(), Some(4002));
}

#[test]
fn a_closed_connection_takes_its_bindings_unless_they_moved() {
    let mut desk = Desk::new();
    desk.send_as("c", 1, Desk::tcp(7), "Contact: <sip:a@h;transport=tcp>");
    desk.send_as("c", 2, Desk::tcp(8), "Contact: <sip:a@h;transport=tcp>");
    desk.news();
    desk.registrar.flow_closed(desk.now, ConnectionId(7));
    assert_eq!(desk.news(), "");
    desk.registrar.flow_closed(desk.now, ConnectionId(8));
    assert_eq!(desk.news(), "-FlowClosed off FlowClosed");
    assert_eq!(desk.registrar.counts(), (0, 0));
}

#[test]
fn bindings_survive_a_restart_by_the_wall_clock_and_nobody_signs_in() {
    let mut desk = Desk::new();
    desk.send("Contact: <sip:a@h>;expires=100");
    desk.send_as("t", 1, Desk::tcp(1), "Contact: <sip:b@h;transport=tcp>;expires=1000");
    let stored: Vec<_> = desk.registrar.lookup(AOR).iter().map(|b| b.stored(AOR)).collect();
    let mut after = Desk::new();
    after.now = Now { mono: Mono::from_ms(5), wall: desk.now.wall + Duration::from_secs(101) };
    assert_eq!(after.registrar.restore(after.now, stored), 1);
    assert_eq!(after.news(), "");
    let binding = &after.registrar.lookup(AOR)[0];
    assert!(!binding.is_reachable(), "its connection died with the process");
    after.pass(898);
    assert_eq!(after.contacts(), 1);
    after.pass(2);
    assert_eq!(after.news(), "-Expired off Expired");
}

#[test]
fn an_operator_removes_all() {
    let mut desk = Desk::new();
    desk.send("Contact: <sip:a@h>, <sip:b@h>");
    desk.news();
    desk.registrar.remove_all(desk.now, AOR);
    assert_eq!(desk.news(), "-Administrative -Administrative off Administrative");
    desk.registrar.remove_all(desk.now, "nobody");
    assert_eq!(desk.news(), "");
}
