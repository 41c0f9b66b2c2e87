//! Trouble around the server: a port taken, a directory in use, prompts missing or broken, the
//! database locked, the disk full, nonsense from the network. Each has its clear message, and a
//! call in progress goes on.

use hotline_tests::api::Client;
use hotline_tests::phone::{Call, SOON};
use hotline_tests::rtp::Rtp;
use hotline_tests::{Phone, Server, Setup, during, ms, root, s, until};
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Two who talk, with audio both ways.
struct Talk {
    caller: Phone,
    agent: Phone,
    call: Call,
    ringing: Call,
    near: Rtp,
    far: Rtp,
}

impl Talk {
    fn begin(server: &Server) -> Talk {
        let mut agent =
            Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
        let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
        let (near, far) = (Rtp::open(server.net.carrier(0)), Rtp::open(server.net.agent(0)));
        let mut call = caller.invite("123451", near.address);
        caller.answered(&mut call);
        let ringing = agent.ringing(SOON);
        agent.answer(&ringing, far.address);
        near.talk(call.audio.unwrap(), 700);
        far.talk(ringing.audio.unwrap(), 1_000);
        let mut talk = Talk { caller, agent, call, ringing, near, far };
        talk.goes_on();
        talk
    }

    /// Both hear each other now, and nobody has hung up.
    fn goes_on(&mut self) {
        self.near.forget();
        self.far.forget();
        self.near.until_heard(1_000.0);
        self.far.until_heard(700.0);
        self.caller.expect_no("BYE", ms(1));
        self.agent.expect_no("BYE", ms(1));
    }

    /// Hangs up; the SIP Call-ID of the call.
    fn end(mut self) -> String {
        assert_eq!(self.caller.hang_up(&mut self.call), 200);
        self.agent.hung_up(&self.ringing, SOON);
        self.call.id
    }
}

/// What a server says that cannot start: its last line.
fn refusal(setup: Setup) -> String {
    let mut server = Server::prepare(setup);
    server.launch();
    let status = server.process().wait(s(20));
    let log = server.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    log.lines().next_back().unwrap_or_default().to_owned()
}

#[test]
fn a_port_that_is_taken_is_named_with_its_remedy() {
    for (port, tcp, setting) in
        [(5060, false, "[sip]"), (5060, true, "[sip]"), (8080, true, "[http]")]
    {
        let setup = Setup::usual();
        let address = (setup.net.server(), port);
        let text = format!("{}:{port}", setup.net.server());
        let taken = match tcp {
            true => (None, Some(std::net::TcpListener::bind(address).unwrap())),
            false => (Some(UdpSocket::bind(address).unwrap()), None),
        };
        let said = refusal(setup);
        assert!(said.contains(&text) && said.contains(setting), "{said}");
        drop(taken);
    }
}

#[test]
fn a_data_directory_in_use_is_named() {
    let mut server = Server::usual();
    let mut second = Setup::usual();
    second.centres.clear();
    second.data_dir = Some(server.data_dir().to_owned());
    let said = refusal(second);
    assert!(said.contains("another hotline uses it"), "{said}");
    assert!(said.contains(&server.data_dir().display().to_string()), "{said}");
    assert!(server.is_running());
    assert_eq!(server.api().text("/readyz").map(|(status, _)| status), Some(200));
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let mut setup = Setup::usual();
    setup.centres.clear();
    // Nobody can make a directory there, not even root.
    setup.data_dir = Some("/proc/hotline".into());
    let said = refusal(setup);
    assert!(said.contains("/proc/hotline") && said.contains("data_dir"), "{said}");
}

#[test]
fn a_broken_prompt_is_named_and_the_standard_one_plays() {
    let prompts = tempfile::tempdir().unwrap();
    std::fs::create_dir(prompts.path().join("en")).unwrap();
    std::fs::write(prompts.path().join("en/no_agents.wav"), b"RIFF and then nothing").unwrap();
    let dir = prompts.path().display().to_string();
    let mut server = Server::start(Setup::usual().set("HOTLINE_PROMPTS_DIR", &dir));
    let log = server.log();
    assert!(log.contains("no_agents.wav"), "{log}");
    assert!(log.contains("the standard one plays instead"), "{log}");

    // Nobody is signed in: the announcement is due, and heard.
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let audio = Rtp::open(server.net.carrier(0));
    let mut call = caller.invite("123451", audio.address);
    caller.answered(&mut call);
    caller.hung_up(&call, s(8));
    assert!(audio.heard().len() > 100, "{} packets of announcement", audio.heard().len());
}

#[test]
fn a_prompt_of_ones_own_is_checked_when_it_is_applied() {
    let setup = Setup::usual();
    let centre = setup.centres[0].clone();
    let server = Server::start(setup);
    let dir = centre.write(server.dir());
    std::fs::create_dir_all(dir.join("prompts/en")).unwrap();
    let path = dir.display().to_string();
    for (bytes, why) in [(&b"no sound at all"[..], "not a WAV file"), (b"", "not a WAV file")] {
        std::fs::write(dir.join("prompts/en/all_busy.wav"), bytes).unwrap();
        let (code, output) = server.command(&["apply", &path]);
        assert_eq!(code, 1, "{output}");
        assert!(output.contains("all_busy.wav") && output.contains(why), "{output}");
    }
    let good = root().join("prompts/en/all_busy.wav");
    std::fs::copy(good, dir.join("prompts/en/all_busy.wav")).unwrap();
    let (code, output) = server.command(&["apply", &path]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn a_locked_database_delays_records_and_nothing_else() {
    let mut server = Server::usual();
    let mut talk = Talk::begin(&server);
    let database = server.data_dir().join("hotline.db");
    let mut sqlite = Command::new("sqlite3")
        .arg(&database)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sqlite3: run tests/setup");
    let mut orders = sqlite.stdin.take().unwrap();
    writeln!(orders, "PRAGMA busy_timeout = 5000;\nBEGIN EXCLUSIVE;").unwrap();
    orders.flush().unwrap();
    during(ms(500)); // until it has the lock: sqlite3 does not say so

    talk.goes_on();
    let first = talk.end();
    let second = Talk::begin(&server).end();
    assert!(server.is_running());

    writeln!(orders, "COMMIT;").unwrap();
    drop(orders);
    sqlite.wait().unwrap();
    let api = server.api();
    until("both records", s(15), || api.records().len() == 2);
    for call in [first, second] {
        assert_eq!(api.record(&call)["reason"], "normal_clearing");
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// A small file system of its own, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount(dir: &Path, size: &str) -> Option<SmallDisk> {
        let path = dir.join("small");
        std::fs::create_dir(&path).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "hotline"]).arg(&path);
        let mounted = command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(SmallDisk(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_costs_nothing_as_long_as_memory_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path(), "24m") else {
        eprintln!("not tested: mounting a small disk needs root");
        return;
    };
    let mut setup = Setup::usual();
    setup.data_dir = Some(disk.0.join("data"));
    let mut server = Server::start(setup);
    let mut talk = Talk::begin(&server);
    let api = server.api();

    // Fill it to the last byte.
    let filler = disk.0.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    for block in [vec![0; 65_536], vec![0; 512], vec![0; 1]] {
        while file.write_all(&block).is_ok() {}
    }
    // What fits into blocks that a file has already is written: calls are made until nothing fits.
    let mut ids = Vec::new();
    let waits = |api: &Client| api.metric("hotline_journal_backlog_bytes") > 0.0;
    for n in 0..400_u16 {
        let ip = server.net.carrier(1 + (n % 15) as u8);
        let mut caller = Phone::udp(ip, server.sip(), &format!("5{n:03}"));
        let mut call = caller.invite("123451", caller.local);
        caller.answered(&mut call);
        assert_eq!(caller.hang_up(&mut call), 200);
        ids.push(call.id);
        if n % 20 == 0 && waits(&api) {
            break;
        }
    }
    assert!(waits(&api), "{} calls are on a full disk", ids.len());
    let log = server.log();
    assert!(log.contains("the journal cannot be written; calls go on"), "{log}");
    talk.goes_on();
    assert!(server.is_running());

    // With room again, all that waited is written, and every call has its record.
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    api.until_metric("hotline_journal_backlog_bytes", 0.0, s(15));
    assert_eq!(api.metric("hotline_journal_dropped_total"), 0.0);
    talk.goes_on();
    ids.push(talk.end());
    until("a record of each call", s(15), || api.records().len() >= ids.len());
    let mut recorded: Vec<_> = api
        .records()
        .iter()
        .map(|record| record["caller_sip_call_id"].as_str().unwrap_or_default().to_owned())
        .collect();
    recorded.sort();
    ids.sort();
    assert_eq!(recorded, ids);
    let log = server.log();
    assert!(log.contains("the journal can be written again"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    server.stop();
}

/// Nonsense of many kinds.
fn nonsense() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b""[..],
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"INVITE",
        b"INVITE sip:123451@x SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKno\r\nCSeq: 1 INVITE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"INVITE sip:1@x SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"INVITE sip:1@x SIP/2.0\r\nContent-Length: -1\r\nVia: ;;;;\r\n\r\n",
        b"OPTIONS sip:%00@x SIP/2.0\r\nVia: SIP/2.0/UDP [::1;branch=z9hG4bK\r\n\r\n",
        b"REGISTER sip:alpha.test SIP/2.0\r\nAuthorization: Digest \"\"\"\"\r\n\r\n",
        b"\x80\x08\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01",
    ]
    .map(<[u8]>::to_vec)
    .into();
    all.push(vec![b'A'; 60_000]);
    all.push([b"INVITE sip:1@x SIP/2.0\r\n".to_vec(), b"a: b\r\n".repeat(5_000)].concat());
    // Every torture message cut at every tenth byte.
    let message = std::fs::read(root().join("tests/torture/rfc4475/wsinv.dat")).unwrap();
    all.extend((0..message.len()).step_by(10).map(|end| message[..end].to_vec()));
    // A good INVITE with one byte after another made wrong.
    let text = "INVITE sip:123451@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKa\
                \r\nMax-Forwards: 70\r\nFrom: <sip:1@a>;tag=1\r\nTo: <sip:2@b>\r\nCall-ID: c\r\n\
                CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    for at in 0..text.len() {
        let mut wrong = text.as_bytes().to_vec();
        wrong[at] ^= 0x95;
        all.push(wrong);
    }
    all
}

#[test]
fn nonsense_over_udp_and_tcp_touches_no_call() {
    let mut server = Server::usual();
    let mut talk = Talk::begin(&server);
    let api: Client = server.api();
    let udp = UdpSocket::bind((server.net.stranger(0), 0)).unwrap();
    let of_carrier = UdpSocket::bind((server.net.carrier(3), 0)).unwrap();
    for bytes in nonsense() {
        udp.send_to(&bytes, server.sip()).unwrap();
        of_carrier.send_to(&bytes, server.sip()).unwrap();
        if let Ok(mut stream) = TcpStream::connect(server.sip()) {
            // It may close the connection before it has read all.
            let _ = stream.write_all(&bytes);
        }
    }
    talk.goes_on();
    // Half a message, and then nothing, on many connections.
    let idle: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(server.sip()).unwrap();
            stream.write_all(b"INVITE sip:1@x SIP/2.0\r\nVia: SIP/2.0/TCP").unwrap();
            stream
        })
        .collect();
    talk.goes_on();
    // Nonsense at the media ports of the call itself.
    for port in [talk.call.audio.unwrap(), talk.ringing.audio.unwrap()] {
        for bytes in nonsense().iter().filter(|bytes| bytes.len() < 2_000) {
            udp.send_to(bytes, port).unwrap();
        }
    }
    talk.goes_on();
    drop(idle);
    let mut judge = Phone::udp(server.net.stranger(1), server.sip(), "judge");
    assert_eq!(judge.options(), 200);
    assert_eq!(api.calls().len(), 1, "nonsense has made a call");
    let id = talk.end();
    let record = api.record(&id);
    assert_eq!(record["reason"], "normal_clearing", "{record:#}");
    assert!(api.metric("hotline_sip_malformed_total") > 0.0);
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}
