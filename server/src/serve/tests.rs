//! A whole node on loopback: what must be true of starting, serving and stopping.

use super::*;
use crate::http::Node;
use hotline_base::{Redacted, Wall};
use hotline_engine::event::EventKind;
use hotline_engine::input::Request;
use hotline_engine::record::ReleaseReason;
use hotline_engine::{CallId, CallRecord, Event};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

struct Fixture {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    sip: SocketAddr,
    http: SocketAddr,
    media: u16,
}

impl Fixture {
    fn new() -> Fixture {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        // Ports that were free a moment ago, at an address of its own: other tests of this process
        // connect from 127.0.0.1, and took a TCP port before the server had it.
        let host = own_address();
        let free = || UdpSocket::bind((host, 0)).unwrap().local_addr().unwrap();
        Fixture {
            dir: tempfile::tempdir().unwrap(),
            runtime: runtime.unwrap(),
            sip: free(),
            http: free(),
            media: free().port().clamp(2_000, 60_000) & !1,
        }
    }

    fn config(&self, engines: u16) -> NodeConfig {
        let (dir, sip, http) = (self.dir.path().display(), self.sip, self.http);
        let host = sip.ip();
        let (first, last) = (self.media, self.media + 399);
        let text = format!(
            "[node]\ndata_dir = \"{dir}\"\nengines = {engines}\n\
             [sip]\nlisten = [\"udp://{sip}\", \"tcp://{sip}\"]\n\
             [media]\naddress = \"{host}\"\nports = \"{first}-{last}\"\nworkers = 2\n\
             [http]\nlisten = \"{http}\"\nadmin_token_file = \"{dir}/admin.token\"\n\
             [store]\nurl = \"sqlite:{dir}/hotline.db\"\n"
        );
        NodeConfig::read(&text, "test", &|_| None).unwrap()
    }

    fn start(&self, engines: u16) -> Result<Running, String> {
        start(&self.config(engines), self.runtime.handle(), &mut Bind)
    }

    fn stop(&self, running: Running) {
        running.stop(self.runtime.handle());
    }
}

fn options(transport: &str, serial: u32) -> String {
    format!(
        "OPTIONS sip:demo.localhost SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bKt{serial};rport\r\n\
         From: <sip:probe@demo.localhost>;tag=1\r\nTo: <sip:demo.localhost>\r\nCall-ID: {serial}@probe\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A loopback address that no other fixture has.
fn own_address() -> Ipv4Addr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 128 | (high & 0x7f), low, 1 + LAST.fetch_add(1, Ordering::Relaxed))
}

fn udp_peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    peer
}

fn answer(peer: &UdpSocket) -> String {
    let mut buffer = [0; 4_000];
    let length = peer.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn options_are_answered_over_udp_and_tcp_by_one_engine_or_two() {
    for engines in [1, 2] {
        let fixture = Fixture::new();
        let running = fixture.start(engines).unwrap();
        // Several peers: with two engines the kernel spreads them over both sockets.
        for serial in 0..8 {
            let peer = udp_peer();
            for keep_alive in [&b"\r\n\r\n"[..], b"\0\0\0\0", b""] {
                peer.send_to(keep_alive, fixture.sip).unwrap();
            }
            peer.send_to(options("UDP", serial).as_bytes(), fixture.sip).unwrap();
            let text = answer(&peer);
            assert!(text.starts_with("SIP/2.0 200 "), "{text}");
            assert!(text.contains(&format!("branch=z9hG4bKt{serial}")), "{text}");
        }
        for serial in 100..104 {
            let mut peer = TcpStream::connect(fixture.sip).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            peer.write_all(b"\r\n\r\n").unwrap();
            let mut pong = [0; 2];
            peer.read_exact(&mut pong).unwrap();
            assert_eq!(&pong, b"\r\n");
            let text = options("TCP", serial);
            let (first, second) = text.split_at(40);
            peer.write_all(first.as_bytes()).unwrap();
            peer.write_all(second.as_bytes()).unwrap();
            let mut start = [0; 12];
            peer.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"SIP/2.0 200 ");
        }
        fixture.stop(running);
    }
}

#[test]
fn what_is_no_sip_is_refused_or_ignored_and_disturbs_nobody() {
    let fixture = Fixture::new();
    let running = fixture.start(1).unwrap();
    let peer = udp_peer();
    peer.send_to(b"GET / HTTP/1.1\r\n\r\n", fixture.sip).unwrap();
    peer.send_to(&[0xff; 1_400], fixture.sip).unwrap();
    let broken = options("UDP", 1).replace("Content-Length: 0", "Content-Length: 9999");
    peer.send_to(broken.as_bytes(), fixture.sip).unwrap();
    assert!(answer(&peer).starts_with("SIP/2.0 400 "));
    let mut stream = TcpStream::connect(fixture.sip).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"\x16\x03\x01 no SIP at all").unwrap();
    assert_eq!(stream.read(&mut [0; 10]).unwrap_or(0), 0, "the connection is closed");
    peer.send_to(options("UDP", 2).as_bytes(), fixture.sip).unwrap();
    assert!(answer(&peer).starts_with("SIP/2.0 200 "));
    fixture.stop(running);
}

#[test]
fn a_taken_port_or_directory_is_one_line_that_says_what_to_do() {
    let fixture = Fixture::new();
    let taken = UdpSocket::bind(fixture.sip).unwrap();
    let refused = fixture.start(1).map(|_| ()).unwrap_err();
    assert!(refused.starts_with(&format!("udp://{}", fixture.sip)), "{refused}");
    assert!(refused.contains("[sip] listen") && !refused.contains('\n'), "{refused}");
    drop(taken);
    let running = fixture.start(1).unwrap();
    let refused = fixture.start(1).map(|_| ()).unwrap_err();
    assert!(refused.contains("another hotline") && !refused.contains('\n'), "{refused}");
    fixture.stop(running);
}

fn arrived(serial: u32) -> Event {
    let partition = Partition(1);
    let call = CallId { partition, epoch: Epoch(1), serial };
    let at = Clock.wall();
    let record = CallRecord {
        call,
        trunk: None,
        caller_sip_call_id: "a@b".into(),
        agent_sip_call_id: None,
        dialled: "123451".into(),
        calling: Redacted::new("+15550001".into()),
        charged: None,
        access_code: None,
        extension_code: None,
        route: None,
        queues: Vec::new(),
        offers: Vec::new(),
        agent: None,
        arrived: at,
        queued: None,
        offered: None,
        answered: None,
        connected: None,
        released: None,
        waiting_ms: 0,
        talk_ms: 0,
        q850: 0,
        sip_status: None,
        released_by: None,
        reason: None,
        caller_media: None,
        agent_media: None,
        signed_in: None,
        transfers: Vec::new(),
        data: Default::default(),
        test: false,
    };
    Event { at, partition, kind: EventKind::CallArrived { record: Box::new(record) } }
}

/// Calls that the process before left open, as after `kill -9`.
#[test]
fn a_call_that_was_cut_off_gets_its_one_record_at_the_next_start() {
    let fixture = Fixture::new();
    let journal = fixture.dir.path().join("journal");
    let (before, _) =
        Journal::open(&journal, "hotline-1", 1, 0, JournalSettings::default()).unwrap();
    let mut batch = Batch::default();
    batch.push(&arrived(1));
    batch.push(&arrived(2));
    before.append(&mut batch);
    drop(before);
    for _ in 0..2 {
        let running = fixture.start(1).unwrap();
        let records = fixture.runtime.block_on(async {
            running.node.projected().await;
            running.store.records(Partition(1), Wall(0), None, 100).await.unwrap()
        });
        assert_eq!(records.len(), 2);
        for row in records {
            assert_eq!(row.record.reason, Some(ReleaseReason::ServerRestart));
        }
        assert_eq!(running.node.journal.status().open_calls, 0);
        fixture.stop(running);
    }
}

/// Reading the node file anew let go of the configuration before it was in force: what an apply had
/// put into force meanwhile was undone.
#[test]
fn an_older_configuration_does_not_undo_a_newer_one() {
    let fixture = Fixture::new();
    let running = fixture.start(1).unwrap();
    let version = |version, tenants: bool| {
        let mut centres = running.centres.blocking_lock();
        let mut directory = (*centres.snapshot().unwrap().directory).clone();
        directory.version = version;
        if !tenants {
            directory.tenants.clear();
        }
        running.node.order(&crate::runtime::Order::Config(Arc::new(directory)));
    };
    let known = || {
        let asked = running.node.ask(Partition(1), Request::Agents);
        fixture.runtime.block_on(asked).is_ok()
    };
    version(70, true);
    version(69, false);
    assert!(known(), "the tenant of version 70 is there");
    version(70, false);
    assert!(!known(), "as new as what is in force: other trunks, other prompts");
    fixture.stop(running);
}

/// What the framework refuses came as plain text, and faults of the disk as conflicts.
#[test]
fn whatever_is_refused_is_a_problem_with_a_code() {
    let fixture = Fixture::new();
    let running = fixture.start(1).unwrap();
    let token = std::fs::read_to_string(fixture.dir.path().join("admin.token")).unwrap();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let bearer = format!("Bearer {}", token.trim());
    let url = |path: &str| format!("http://{}/api/v1/{path}", fixture.http);
    let problem = |response: Result<ureq::http::Response<ureq::Body>, ureq::Error>| {
        let mut response = response.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_string();
        let body: serde_json::Value = response.body_mut().read_json().unwrap();
        assert_eq!(kind, "application/problem+json", "{body}");
        assert_eq!(body["status"], response.status().as_u16());
        (response.status().as_u16(), body["code"].clone(), body["detail"].to_string())
    };
    let get = |path| problem(agent.get(url(path)).header("authorization", &bearer).call());
    let post =
        |body: &str| problem(agent.post(url("apply")).header("authorization", &bearer).send(body));
    let (status, code, _) = get("messages/abc");
    assert_eq!((status, code), (400, "invalid_request".into()));
    let (status, code, _) = get("nothing");
    assert_eq!((status, code), (404, "not_found".into()));
    let (status, code, _) = post(&" ".repeat(17 << 20));
    assert_eq!((status, code), (413, "body_too_large".into()));
    let centre = crate::centres::demo().unwrap().centre.to_json();
    for (directory, missing) in [("/nowhere", "/nowhere"), ("/", "/prompts/en/hello.wav")] {
        let body = serde_json::json!({
            "centre": centre, "directory": directory, "sounds": ["prompts/en/hello.wav"],
        });
        let (status, code, detail) = post(&body.to_string());
        assert_eq!((status, code), (409, "apply_refused".into()), "{detail}");
        assert!(detail.contains(&format!("{missing}: No such file")), "{detail}");
    }
    fixture.stop(running);
}

#[test]
fn draining_is_seen_from_outside_and_new_calls_are_sent_elsewhere() {
    let fixture = Fixture::new();
    let running = fixture.start(1).unwrap();
    assert_eq!(running.node.not_ready(), None);
    running.node.draining.store(true, std::sync::atomic::Ordering::Release);
    running.node.order(&crate::runtime::Order::Drain(true));
    assert!(running.node.not_ready().is_some());
    // An answer to a later letter: the order to drain has been taken.
    let asked = running.node.ask(Partition(1), Request::Counts);
    fixture.runtime.block_on(asked).unwrap();
    let peer = udp_peer();
    let invite = options("UDP", 7)
        .replace("OPTIONS", "INVITE")
        .replace("INVITE sip:demo", "INVITE sip:123451@demo")
        .replace("Max-Forwards", "Contact: <sip:probe@127.0.0.1:9>\r\nMax-Forwards");
    peer.send_to(invite.as_bytes(), fixture.sip).unwrap();
    let mut text = answer(&peer);
    if text.starts_with("SIP/2.0 100") {
        text = answer(&peer);
    }
    assert!(text.starts_with("SIP/2.0 503 ") && text.contains("Retry-After:"), "{text}");
    fixture.stop(running);
}

/// `/healthz` said "ok" whatever had become of the threads that calls live on.
#[test]
fn a_thread_that_has_stopped_is_seen_from_outside() {
    let fixture = Fixture::new();
    let running = fixture.start(2).unwrap();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(fixture.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let healthy = get("/healthz");
    assert!(healthy.starts_with("HTTP/1.1 200 ") && healthy.ends_with("ok\n"), "{healthy}");
    running.node.media.stop();
    assert!(running.node.engines.get(1).order(crate::runtime::Order::Stop));
    let end = Instant::now() + 4 * crate::runtime::pulse::SILENCE_MAX;
    let dead = ["engine 1 has given", "media worker 0 has given", "media worker 1 has given"];
    loop {
        let text = get("/healthz");
        if text.starts_with("HTTP/1.1 503 ") && dead.iter().all(|one| text.contains(one)) {
            assert!(!text.contains("engine 0"), "it lives: {text}");
            break;
        }
        assert!(Instant::now() < end, "{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let ready = get("/readyz");
    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    fixture.stop(running);
}
