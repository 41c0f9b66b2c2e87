//! Load: over 200 calls at once in a queue of 20 agents, two new calls a second for three minutes,
//! with one engine and with two. Each call ends in exactly one record, the sums agree with SIPp's,
//! and nothing is left after quiet.
//!
//! ```text
//! burst    150 calls at once, who wait up to 150 s
//! stream   2 calls/s for 180 s, who wait up to 60 s         → about 230 at once after a minute
//! agents   20, who hang up after 25 s; wrap-up 1 s
//! ```

use hotline_tests::sipp::{self, Sipp};
use hotline_tests::{Centre, Server, Setup, s, until, within};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::time::Duration;

const AGENTS: u32 = 20;
const BURST: u64 = 150;
const STREAM: u64 = 360;
const BURST_PATIENCE: Duration = s(150);
const STREAM_PATIENCE: Duration = s(60);
const TALK: Duration = s(25);
/// Memory after quiet, in KiB: about what the server has at its start, and what allocators keep.
const RSS_GROWTH_KIB_MAX: u64 = 65_536;

fn setup(engines: u16) -> Setup {
    let mut setup = Setup::with(|net| {
        let centre = Centre::new("alpha")
            .setting("rtp_silence_s = 0")
            .queue(
                "support",
                "wrap_up_s = 1\nmax_calls_in_queue = 1000\nmax_waiting_time_s = 600\n\
                 announce_on_answer = \"employee_id\"",
            )
            .route("12345", "1", "support")
            .trunk("carrier", &[&net.carrier_network()]);
        vec![numbers().iter().fold(centre, |centre, number| centre.agent(number, "support", ""))]
    });
    setup.engines = engines;
    setup
}

fn numbers() -> Vec<String> {
    (0..AGENTS).map(|n| format!("{}", 1001 + n)).collect()
}

/// The callers of one address; their scenario is `caller`: whoever is not hung up on hangs up.
fn callers(server: &Server, n: u8, calls: u64, rate: u64, patience: Duration) -> Sipp {
    let (calls, rate) = (calls.to_string(), rate.to_string());
    let arguments = ["-m", &calls, "-r", &rate, "-l", "1000", "-t", "u1"];
    Sipp::caller(server.dir(), "caller", server.net.carrier(n), server.sip(), patience, &arguments)
}

fn load(engines: u16) {
    let mut server = Server::start(setup(engines));
    let api = server.api();
    let agent_ip = server.net.agent(0);
    sipp::register(server.dir(), agent_ip, server.sip(), "alpha.test", &numbers(), "u1");
    until("all agents idle", s(5), || api.metric("hotline_agents_signed_in") == f64::from(AGENTS));
    // The transactions of the registrations end by themselves.
    api.until_metric("hotline_server_transactions", 0.0, s(40));
    let before = api.held();
    let rss_before = server.rss_kib();

    let mut agents =
        Sipp::start(server.dir(), "agent_hangs_up", agent_ip, None, TALK, &["-t", "u1"]);
    let mut burst = callers(&server, 0, BURST, 50, BURST_PATIENCE);
    let mut stream = callers(&server, 1, STREAM, 2, STREAM_PATIENCE);
    let most = within(s(170), || {
        (api.metric("hotline_calls") >= 200.0).then(|| api.metric("hotline_waiting"))
    });
    let most =
        most.unwrap_or_else(|| panic!("no 200 calls at once, but {}", api.metric("hotline_calls")));
    assert!(most >= 150.0, "{most} waiting");

    let of_burst = burst.succeed(s(200));
    let of_stream = stream.succeed(s(260));
    assert_eq!((of_burst.successful, of_burst.failed), (BURST, 0));
    assert_eq!((of_stream.successful, of_stream.failed), (STREAM, 0));
    let of_agents = agents.until_idle(s(40));
    assert_eq!(of_agents.failed, 0, "{}", agents.errors());

    check_records(&server, of_agents.successful);
    api.until_quiet(&before, s(45));
    let rss = server.rss_kib();
    assert!(rss <= rss_before + RSS_GROWTH_KIB_MAX, "{rss_before} KiB before, {rss} KiB after");
    for name in ["hotline_sip_send_failed_total", "hotline_media_commands_lost_total"] {
        assert_eq!(api.metric(name), 0.0, "{name}");
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    println!(
        "{engines} engines: {} calls, {} answered, at most {most} waiting; {rss_before} KiB, then {rss}",
        BURST + STREAM,
        of_agents.successful,
    );
}

/// One record a call, and sums that agree with what SIPp has counted.
fn check_records(server: &Server, answered: u64) {
    let api = server.api();
    let all = usize::try_from(BURST + STREAM).unwrap();
    until("all records", s(10), || api.records().len() >= all);
    let records = api.records();
    let ids: BTreeSet<_> =
        records.iter().map(|record| record["caller_sip_call_id"].to_string()).collect();
    assert_eq!((records.len(), ids.len()), (all, all), "one record a call");
    assert_eq!(api.metric("hotline_calls_total"), all as f64);

    let count = |reason: &str, field: &str, value: &Json| {
        let fits = |record: &&Json| record["reason"] == reason && record[field] == *value;
        records.iter().filter(fits).count() as u64
    };
    let abandoned = count("abandoned", "agent", &Json::Null);
    let by_agent = count("normal_clearing", "released_by", &"agent".into());
    let by_caller = count("normal_clearing", "released_by", &"caller".into());
    assert_eq!(abandoned + by_agent + by_caller, all as u64, "other ends than these");
    let with_agent = records.iter().filter(|record| !record["answered"].is_null()).count() as u64;
    assert_eq!(with_agent, answered - withdrawn(&records), "answered calls, as the agents count");
    // Whoever is answered late in its patience hangs up before the agent does.
    let ends =
        format!("hung up: {by_agent} by agents, {by_caller} by callers; {abandoned} abandoned");
    assert!(by_agent >= 50 && by_caller >= 50 && abandoned >= 100, "{ends}");
    println!("{ends}");

    // Nobody was served before somebody who came earlier and was still there.
    let mut served: Vec<_> = records.iter().filter(|record| !record["offered"].is_null()).collect();
    let at = |record: &Json, field: &str| hotline_tests::api::at_ms(&record[field]);
    // Of offers made in the same millisecond the records do not say which came first.
    served.sort_by_key(|record| (at(record, "offered"), at(record, "queued")));
    let arrivals: Vec<_> = served.iter().map(|record| at(record, "queued")).collect();
    assert!(arrivals.is_sorted(), "not in the order of arrival");
}

/// Offers that ended with CANCEL: SIPp's agents count them as calls as well.
fn withdrawn(records: &[Json]) -> u64 {
    let offers =
        records.iter().flat_map(|record| record["offers"].as_array().into_iter().flatten());
    offers.filter(|offer| offer["outcome"] != "answered").count() as u64
}

#[test]
fn two_hundred_callers_and_twenty_agents_with_one_engine_and_with_two() {
    std::thread::scope(|scope| {
        let two = scope.spawn(|| load(2));
        load(1);
        two.join().unwrap_or_else(|panic| {
            eprintln!("with two engines");
            std::panic::resume_unwind(panic)
        });
    });
}
