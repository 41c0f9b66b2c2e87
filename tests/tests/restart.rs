//! A server that is cut off (`kill -9`) at any moment of a call: after the restart there is exactly
//! one record of each call, agents and bindings are as they were, and nobody is stuck.

use hotline_tests::phone::{Call, SOON};
use hotline_tests::{Phone, Server, during, ms};
use serde_json::json;

/// How far a call has come when the server is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Dialled,
    Waiting,
    Offered,
    Answered,
    Talking,
    HungUp,
    Recorded,
}

const MOMENTS: [Moment; 7] = [
    Moment::Dialled,
    Moment::Waiting,
    Moment::Offered,
    Moment::Answered,
    Moment::Talking,
    Moment::HungUp,
    Moment::Recorded,
];

/// Brings one call as far as that.
fn bring(server: &Server, caller: &mut Phone, agent: &mut Phone, moment: Moment) -> Call {
    let audio = caller.local;
    let mut call = caller.invite("123451", audio);
    if moment == Moment::Dialled {
        // Whatever has happened to it by now: the INVITE was just sent.
        return call;
    }
    caller.answered(&mut call);
    if moment == Moment::Waiting {
        return call;
    }
    let ringing = agent.ringing(SOON);
    match moment {
        Moment::Offered => return call,
        Moment::Answered => {
            agent.answer_without_waiting(&ringing, agent.local);
            return call;
        }
        _ => agent.answer(&ringing, agent.local),
    }
    server.api().until_agent_is("1001", "talking");
    match moment {
        Moment::HungUp => assert_eq!(caller.hang_up(&mut call), 200),
        Moment::Recorded => {
            assert_eq!(caller.hang_up(&mut call), 200);
            agent.hung_up(&ringing, SOON);
            server.api().record(&call.id);
        }
        _ => {}
    }
    call
}

fn cut_off_at(moment: Moment) {
    let mut server = Server::usual();
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let agent_at = |n| Phone::udp(server.net.agent(n), server.sip(), "1001").of("alpha.test");
    let mut agent = agent_at(0).registered();
    let call = bring(&server, &mut caller, &mut agent, moment);
    server.kill9();
    server.restart();

    let api = server.api();
    let records = api.records();
    let of_call = |record: &&serde_json::Value| record["caller_sip_call_id"] == call.id.as_str();
    let mine: Vec<_> = records.iter().filter(of_call).collect();
    match (moment, &mine[..]) {
        // The INVITE may not have been read yet.
        (Moment::Dialled, []) => {}
        (Moment::Recorded | Moment::HungUp, [record]) => {
            assert_eq!(record["reason"], "normal_clearing", "{moment:?}: {record:#}");
            assert_eq!(record["released_by"], "caller", "{moment:?}: {record:#}");
        }
        (_, [record]) => {
            assert_eq!(record["reason"], "server_restart", "{moment:?}: {record:#}");
            assert_eq!(record["released_by"], "system", "{moment:?}: {record:#}");
            assert_eq!(record["dialled"], "123451", "{moment:?}: {record:#}");
            assert_ne!(record["released"], json!(null), "{moment:?}: {record:#}");
            let agent = if moment >= Moment::Answered { json!("1001") } else { json!(null) };
            if moment != Moment::Answered {
                assert_eq!(record["agent"], agent, "{moment:?}: {record:#}");
            }
        }
        (_, records) => panic!("{moment:?}: {} records: {records:#?}", records.len()),
    }
    assert_eq!(records.len(), mine.len(), "{moment:?}: records of calls that never were");
    assert_eq!(api.calls().len(), 0, "{moment:?}");
    assert_eq!(api.agent("1001")["registrations"].as_array().map(Vec::len), Some(1), "{moment:?}");
    api.until_agent_is("1001", "idle");

    // The next call goes to the agent, whatever was before.
    agent.forget();
    let mut next = Phone::udp(server.net.carrier(1), server.sip(), "4001");
    let mut call = next.invite("123451", next.local);
    next.answered(&mut call);
    let ringing = agent.ringing(SOON);
    agent.answer(&ringing, agent.local);
    assert_eq!(next.hang_up(&mut call), 200);
    agent.hung_up(&ringing, SOON);
    assert_eq!(api.record(&call.id)["reason"], "normal_clearing", "{moment:?}");

    // Once more without anything in progress: nothing is written twice.
    let count = api.records().len();
    server.kill9();
    server.restart();
    assert_eq!(server.api().records().len(), count, "{moment:?}");
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Moment) -> Option<std::cmp::Ordering> {
        let place = |moment: &Moment| MOMENTS.iter().position(|known| known == moment);
        place(self).partial_cmp(&place(other))
    }
}

#[test]
fn a_server_cut_off_at_any_moment_of_a_call_has_one_record_of_it() {
    std::thread::scope(|scope| {
        let running = MOMENTS.map(|moment| (moment, scope.spawn(move || cut_off_at(moment))));
        for (moment, running) in running {
            if let Err(panic) = running.join() {
                eprintln!("cut off at {moment:?}");
                std::panic::resume_unwind(panic);
            }
        }
    });
}

#[test]
fn a_dozen_calls_in_all_states_are_each_closed_once() {
    let mut server = Server::usual();
    let mut agents: Vec<_> = [("1001", 0), ("1002", 1)]
        .map(|(number, n)| {
            Phone::udp(server.net.agent(n), server.sip(), number).of("alpha.test").registered()
        })
        .into();
    let mut ids = Vec::new();
    let mut callers = Vec::new();
    for n in 0..12 {
        let mut caller = Phone::udp(server.net.carrier(n), server.sip(), &format!("40{n:02}"));
        let audio = caller.local;
        let mut call = caller.invite("123451", audio);
        caller.answered(&mut call);
        ids.push(call.id.clone());
        callers.push(caller);
    }
    let ringing = agents[0].ringing(SOON);
    let audio = agents[0].local;
    agents[0].answer(&ringing, audio);
    agents[1].ringing(SOON);
    // Some moment between two packets.
    during(ms(7));
    server.kill9();
    server.restart();
    let records = server.api().records();
    let mut found: Vec<_> = records
        .iter()
        .map(|record| record["caller_sip_call_id"].as_str().unwrap_or_default().to_owned())
        .collect();
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
    assert!(records.iter().all(|record| record["reason"] == "server_restart"));
    server.api().until_waiting("support", 0);
}

#[test]
fn states_that_agents_chose_outlive_the_server() {
    let mut server = Server::usual();
    let _first =
        Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    let _second =
        Phone::udp(server.net.agent(1), server.sip(), "1002").of("alpha.test").registered();
    let api = server.api();
    assert_eq!(api.post("agents/1001/busy", &json!({})).0, 200);
    assert_eq!(api.post("agents/1002/sign-out", &json!({})).0, 200);
    server.kill9();
    server.restart();
    assert_eq!(api.agent_state("1001"), "busy (chosen)");
    assert_eq!(api.agent_state("1002"), "signed_out");
    assert_eq!(api.agent("1002")["registrations"].as_array().map(Vec::len), Some(1));
}
