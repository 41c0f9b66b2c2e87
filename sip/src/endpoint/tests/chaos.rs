//! Whatever comes in whatever order: no panic, no leak, and each request reaches the user once.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Peer { method: usize, branch: u8, tagged: bool },
    Request(usize),
    Answer { status: u16, tag: u8, of: usize },
    Respond { status: u16, of: usize },
    Cancel(usize),
    Ack { of: usize, tag: u8 },
    Fail,
    Pass(u64),
}

const METHODS: [&str; 6] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..METHODS.len(), 0u8..4, any::<bool>()).prop_map(|(method, branch, tagged)| Step::Peer {
            method,
            branch,
            tagged
        }),
        (0usize..3).prop_map(Step::Request),
        (100u16..700, 0u8..3, 0usize..8).prop_map(|(status, tag, of)| Step::Answer {
            status,
            tag,
            of
        }),
        (100u16..700, 0usize..8).prop_map(|(status, of)| Step::Respond { status, of }),
        (0usize..8).prop_map(Step::Cancel),
        (0usize..8, 0u8..3).prop_map(|(of, tag)| Step::Ack { of, tag }),
        Just(Step::Fail),
        (0u64..40_000).prop_map(Step::Pass),
    ]
}

fn run(lab: &mut Lab, steps: Vec<Step>) {
    let mut clients = Vec::new();
    for step in steps {
        match step {
            Step::Peer { method, branch, tagged } => {
                let branch = if branch == 0 { "-".into() } else { format!("b{branch}") };
                lab.peer(METHODS[method], &branch, if tagged { "ours" } else { "" });
            }
            Step::Request(which) => {
                let methods = [Method::Invite, Method::Bye, Method::Options];
                clients.push(lab.request(methods[which].clone()));
            }
            Step::Answer { status, tag, of } if !lab.sent.is_empty() => {
                let request = lab.sent[of % lab.sent.len()].clone();
                let response = ResponseBuilder::new(&request, status).to_tag(&format!("t{tag}"));
                let message = Message::parse(response.finish().unwrap()).unwrap();
                lab.endpoint.receive(lab.now, lab.flow, message);
            }
            Step::Respond { status, of } if !lab.servers.is_empty() => {
                let server = lab.servers[of % lab.servers.len()];
                let Some(request) = lab.endpoint.request_of(server) else { continue };
                let response = ResponseBuilder::new(request, status).to_tag("ours");
                lab.endpoint.respond(lab.now, server, response).unwrap();
            }
            Step::Cancel(of) if !clients.is_empty() => {
                lab.endpoint.cancel(lab.now, clients[of % clients.len()], None);
            }
            Step::Ack { of, tag } if !clients.is_empty() => {
                lab.ack(clients[of % clients.len()], &format!("t{tag}"));
            }
            Step::Fail => lab.endpoint.transport_failed(lab.now, lab.flow),
            Step::Pass(ms) => lab.until(lab.now.mono.as_ms() + ms),
            _ => {}
        }
        lab.drain();
    }
    // The user answers what it owes and gives up what rings for ever; then all must end.
    for client in clients {
        lab.endpoint.cancel(lab.now, client, None);
    }
    for server in lab.servers.clone() {
        if let Some(request) = lab.endpoint.request_of(server) {
            let response = ResponseBuilder::new(request, 500).to_tag("ours");
            lab.endpoint.respond(lab.now, server, response).unwrap();
        }
    }
    lab.quiet();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_panics_and_nothing_is_left(
        tcp in any::<bool>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let mut lab = Lab::new(transport);
        run(&mut lab, steps.clone());
        let count = |lab: &Lab, what: &str| lab.log.iter().filter(|l| l.contains(what)).count();
        prop_assert_eq!(count(&lab, " request "), count(&lab, "server gone") + count(&lab, "server failed"));
        let begun = steps.iter().filter(|step| matches!(step, Step::Request(_))).count();
        prop_assert_eq!(count(&lab, "client gone"), begun);
        let mut again = Lab::new(transport);
        run(&mut again, steps);
        prop_assert_eq!(&lab.log, &again.log, "the same input gives the same run");
    }
}
