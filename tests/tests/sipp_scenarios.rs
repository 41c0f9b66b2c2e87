//! The SIPp scenarios fit each other: each caller against an agent, without a server between them.
//! If one of these fails, so will the whole-server tests that play them, for the same reason.

use hotline_tests::root;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};

/// A UDP port of the loopback address that nobody had a moment ago.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

fn sipp(scenario: &str, port: u16, arguments: &[&str]) -> Child {
    Command::new("sipp")
        .args(["-nostdin", "-i", "127.0.0.1", "-m", "2", "-r", "10", "-timeout", "20s"])
        .args(["-timeout_error", "-p", &port.to_string(), "-mp"])
        .arg(free_port().to_string())
        .arg("-sf")
        .arg(root().join("tests/sipp").join(scenario).with_extension("xml"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sipp: run tests/setup")
}

/// Plays two calls; whether the caller's side and the agent's side went as written.
fn play(caller: &str, caller_arguments: &[&str], agent: &str, answer_ms: &str) -> (bool, bool) {
    let port = free_port();
    let mut agent = sipp(agent, port, &["-recv_timeout", answer_ms]);
    let remote = format!("127.0.0.1:{port}");
    let mut arguments = vec![remote.as_str(), "-s", "123451", "-key", "from", "4000"];
    arguments.extend(caller_arguments);
    // A request sent before the agent listens is sent again.
    let caller = sipp(caller, free_port(), &arguments).wait().unwrap().success();
    (caller, agent.wait().unwrap().success())
}

#[test]
fn each_caller_and_each_agent_play_their_parts_to_the_end() {
    for (caller, arguments, agent, answer_ms) in [
        ("caller", &["-recv_timeout", "300"][..], "agent_answer", "100"),
        ("caller", &["-recv_timeout", "5000"], "agent_hangs_up", "100"),
        ("caller", &["-recv_timeout", "100"], "agent_hangs_up", "5000"),
        ("caller_waits", &["-recv_timeout", "5000"], "agent_hangs_up", "100"),
        ("caller_cancel", &["-recv_timeout", "100"], "agent_no_answer", "60000"),
        ("caller_cancel", &["-recv_timeout", "100"], "agent_answer", "5000"),
        ("caller_cancel", &["-recv_timeout", "100"], "agent_reject_486", "5000"),
        ("caller_rejected", &["-key", "status", "486"], "agent_reject_486", "100"),
        ("caller_rejected", &["-key", "status", "503"], "agent_503", "60000"),
        ("caller_rejected", &["-key", "status", "480"], "agent_480", "60000"),
    ] {
        assert_eq!(play(caller, arguments, agent, answer_ms), (true, true), "{caller}, {agent}");
    }
}

#[test]
fn a_caller_that_wants_another_failure_says_so() {
    let (caller, agent) = play("caller_rejected", &["-key", "status", "404"], "agent_480", "60000");
    assert_eq!((caller, agent), (false, true));
}
