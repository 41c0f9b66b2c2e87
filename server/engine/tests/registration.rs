//! Registration as phones and operators see it: bindings, digest, sign-in, restarts, reloads.

mod world;

use hotline_engine::config::DigestAlgorithm;
use hotline_engine::input::{AgentVerb, Reply, Request};
use hotline_engine::{EventKind, Input};
use hotline_sip::ConnectionId;
use std::sync::Arc;
use std::time::Duration;
use world::{DEMO, OTHER, PHONE, World, directory, header, status_of, tcp, udp};

#[test]
fn a_phone_registers_with_digest_signs_its_agent_in_and_out() {
    let mut world = World::new();
    let first = world.register("demo", "1001", "<sip:1001@192.0.2.50:5062>");
    let challenge = world.receive(udp(PHONE), &first.text()).remove(0);
    assert_eq!(status_of(&challenge), 401);
    assert!(header(&challenge, "WWW-Authenticate").unwrap().contains("realm=\"demo\""));
    assert_eq!(world.engine.counts().server_transactions, 0, "a challenge leaves nothing behind");
    assert_eq!(world.engine.counts().refused_total, 0, "being asked is no refusal");

    let second = world.proved(&first, &challenge, "1001", "demo-1001");
    world.order.clear();
    let accepted = world.receive(udp(PHONE), &second.text()).remove(0);
    assert_eq!(status_of(&accepted), 200);
    assert_eq!(header(&accepted, "Contact"), Some("<sip:1001@192.0.2.50:5062>;expires=600"));
    assert_eq!(world.order.find('S'), Some(world.order.len() - 1), "{}", world.order);
    assert!(world.order.starts_with("JJ"), "the journal knows before the phone does");
    assert_eq!(
        world.news(),
        ["p1 + 1001 sip:1001@192.0.2.50:5062", "p1 agent 1001 signed_out → idle (registered)"]
    );

    let again = world.receive(udp(PHONE), &second.text());
    assert_eq!(again, [accepted], "a retransmission gets the same answer and is no replay");

    let mut replay = second.clone();
    replay.branch.push('y');
    let stale = world.receive(udp(PHONE), &replay.text()).remove(0);
    assert_eq!(status_of(&stale), 401);
    assert!(header(&stale, "WWW-Authenticate").unwrap().contains("stale=true"));

    world.pass(Duration::from_secs(601));
    assert_eq!(
        world.news(),
        [
            "p1 - 1001 sip:1001@192.0.2.50:5062",
            "p1 agent 1001 idle → signed_out (registration_lost)"
        ]
    );
    let counts = world.engine.counts();
    assert_eq!((counts.bindings, counts.timers, counts.server_transactions), (0, 0, 0));
    assert_eq!(world.engine.deadline(), None);
}

#[test]
fn refreshes_are_written_behind_and_moves_go_into_the_journal() {
    let mut world = World::new();
    world.sign_on(tcp(PHONE, 1), "demo", "1001", "<sip:1001@192.0.2.50:5062;transport=tcp>");
    world.news();
    world.sign_on(tcp(PHONE, 1), "demo", "1001", "<sip:1001@192.0.2.50:5062;transport=tcp>");
    assert_eq!((world.news().len(), world.refreshed.len()), (0, 1));
    let moved = "192.0.2.50:6000";
    world.sign_on(tcp(moved, 2), "demo", "1001", "<sip:1001@192.0.2.50:5062;transport=tcp>");
    assert_eq!(world.news(), ["p1 + 1001 sip:1001@192.0.2.50:5062;transport=tcp"]);
    world.feed(Input::FlowClosed { connection: ConnectionId(1) });
    assert_eq!(world.news(), Vec::<String>::new(), "the old connection holds nothing any more");
    world.feed(Input::FlowClosed { connection: ConnectionId(2) });
    assert_eq!(
        world.news(),
        [
            "p1 - 1001 sip:1001@192.0.2.50:5062;transport=tcp",
            "p1 agent 1001 idle → signed_out (registration_lost)"
        ]
    );
}

#[test]
fn only_the_first_contact_signs_in_and_the_last_signs_out() {
    let mut world = World::new();
    world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>");
    let both = world.sign_on(udp(PHONE), "demo", "1001", "<sip:b@192.0.2.51>");
    assert_eq!(both.matches("\r\nContact: ").count(), 2);
    world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>;expires=0");
    assert_eq!(
        world.news(),
        [
            "p1 + 1001 sip:a@192.0.2.50",
            "p1 agent 1001 signed_out → idle (registered)",
            "p1 + 1001 sip:b@192.0.2.51",
            "p1 - 1001 sip:a@192.0.2.50",
        ]
    );
    let aor = "sip:1001@demo.example";
    let all = world.call("REGISTER", "sip:demo.example", aor, aor);
    let all = all.header("Contact: *").header("Expires: 0");
    let challenge = world.receive(udp(PHONE), &all.text()).remove(0);
    let all = world.proved(&all, &challenge, "1001", "demo-1001");
    assert_eq!(world.status(udp(PHONE), &all.text()), 200);
    assert_eq!(world.agent(DEMO, "1001"), "signed_out registration_lost");
    world.sign_on(udp(PHONE), "demo", "1002", "<sip:c@192.0.2.52>");
    assert_eq!(world.agent(DEMO, "1002"), "signed_out -", "does not sign in on registration");
}

#[test]
fn what_a_register_may_not_do() {
    let mut world = World::new();
    let brief = world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>;expires=10");
    assert_eq!((status_of(&brief), header(&brief, "Min-Expires")), (423, Some("60")));

    // 1002's password does not open 1001's address.
    let theft = world.register("demo", "1001", "<sip:thief@192.0.2.66>");
    let challenge = world.receive(udp(PHONE), &theft.text()).remove(0);
    let theft = world.proved(&theft, &challenge, "1002", "demo-1002");
    assert_eq!(world.status(udp(PHONE), &theft.text()), 403);

    // A trunk's address waives nothing.
    let carrier = world.register("demo", "1001", "<sip:thief@198.51.100.7>");
    assert_eq!(world.status(udp(world::CARRIER), &carrier.text()), 401);

    let required = world.register("demo", "1001", "<sip:a@192.0.2.50>");
    let challenge = world.receive(udp(PHONE), &required.text()).remove(0);
    let required = world.proved(&required, &challenge, "1001", "demo-1001");
    let required = required.header("Require: path, gruu");
    let refusal = world.receive(udp(PHONE), &required.text()).remove(0);
    assert_eq!((status_of(&refusal), header(&refusal, "Unsupported")), (420, Some("path, gruu")));
    assert_eq!(world.engine.counts().bindings, 0);
}

#[test]
fn nobody_learns_which_numbers_exist() {
    let mut world = World::new();
    let mut answers = Vec::new();
    for number in ["1001", "7777"] {
        let first = world.register("demo", number, "<sip:a@192.0.2.50>");
        let challenge = world.receive(udp(PHONE), &first.text()).remove(0);
        let guess = world.proved(&first, &challenge, number, "guess");
        let answer = world.receive(udp(PHONE), &guess.text()).remove(0);
        let shape = |text: &str| {
            let challenge = header(text, "WWW-Authenticate").unwrap().to_owned();
            let (before, rest) = challenge.split_once("nonce=\"").unwrap();
            let (_, after) = rest.split_once('"').unwrap();
            format!("{} {before}{after}", status_of(text))
        };
        answers.push((shape(&challenge), shape(&answer)));
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn guessing_ends_for_a_while() {
    let mut world = World::new();
    let first = world.register("demo", "1001", "<sip:a@192.0.2.50>");
    let challenge = world.receive(udp(PHONE), &first.text()).remove(0);
    let mut refused = 0;
    for guess in 0..100 {
        let mut tried = world.proved(&first, &challenge, "1001", &format!("guess-{guess}"));
        tried.branch = format!("z9hG4bKguess{guess}");
        refused += u32::from(world.status(udp(PHONE), &tried.text()) == 403);
    }
    assert_eq!(refused, 40, "sixty are judged");
    assert_eq!(world.engine.counts().server_transactions, 0);
    let right = world.proved(&first, &challenge, "1001", "demo-1001");
    let rests = world.receive(udp(PHONE), &right.text()).remove(0);
    assert_eq!((status_of(&rests), header(&rests, "Retry-After")), (403, Some("61")));
    let elsewhere = world.sign_on(udp("192.0.2.99:5060"), "demo", "1001", "<sip:a@192.0.2.99>");
    assert_eq!(status_of(&elsewhere), 200);
    world.pass(Duration::from_secs(62));
    assert_eq!(status_of(&world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>")), 200);
}

/// Anybody who could forge a source address sent sixty wrong answers, with a nonce made up or
/// received elsewhere, in the name of an office: nobody there was listened to for a minute.
#[test]
fn forged_packets_lock_nobody_out() {
    let mut world = World::new();
    let theirs = world.register("demo", "1001", "<sip:a@192.0.2.50>");
    let elsewhere = world.receive(udp("203.0.113.66:5060"), &theirs.text()).remove(0);
    for (kind, challenge) in
        [("made up", elsewhere.replace("nonce=\"0", "nonce=\"f")), ("another's", elsewhere)]
    {
        for guess in 0..100 {
            let mut forged = world.proved(&theirs, &challenge, "1001", "guessed");
            forged.branch = format!("z9hG4bKforged{guess}");
            let answer = world.receive(udp(PHONE), &forged.text()).remove(0);
            assert_eq!(status_of(&answer), 401, "{kind}");
            assert!(answer.contains("stale=true"), "{kind}: nothing is said of the password");
        }
    }
    assert_eq!(status_of(&world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>")), 200);
}

#[test]
fn two_tenants_with_equal_numbers_live_side_by_side() {
    let mut world = World::new();
    world.sign_on(udp(PHONE), "demo", "1001", "<sip:1001@192.0.2.50:5062>");
    world.sign_on(udp("192.0.2.60:5062"), "other", "1001", "<sip:1001@192.0.2.60:5062>");
    assert_eq!(
        world.news(),
        [
            "p1 + 1001 sip:1001@192.0.2.50:5062",
            "p1 agent 1001 signed_out → idle (registered)",
            "p2 + 1001 sip:1001@192.0.2.60:5062",
            "p2 agent 1001 signed_out → idle (registered)",
        ]
    );
    // The password of one is none of the other's.
    let first = world.register("other", "1001", "<sip:x@192.0.2.50>");
    let challenge = world.receive(udp(PHONE), &first.text()).remove(0);
    let wrong = world.proved(&first, &challenge, "1001", "demo-1001");
    assert_eq!(world.status(udp(PHONE), &wrong.text()), 401);
    let Ok(Reply::Done) = world.ask(DEMO, Request::Unregister { employee_id: "1001".into() })
    else {
        panic!("unregistered by order");
    };
    assert_eq!(world.agent(DEMO, "1001"), "signed_out registration_lost");
    assert_eq!(world.agent(OTHER, "1001"), "idle registered");
}

#[test]
fn a_bare_address_means_the_default_tenant() {
    let mut world = World::new();
    let aor = "sip:1001@192.0.2.1";
    let first = world.call("REGISTER", "sip:192.0.2.1", aor, aor).header("Contact: <sip:a@h>");
    let challenge = world.receive(udp(PHONE), &first.text()).remove(0);
    let second = world.proved(&first, &challenge, "1001", "demo-1001");
    assert_eq!(world.status(udp(PHONE), &second.text()), 200);
    assert_eq!(world.agent(DEMO, "1001"), "idle registered");
}

#[test]
fn sha_256_is_offered_first_where_it_is_wanted() {
    let mut directory = directory();
    let demo = Arc::make_mut(&mut directory.tenants[0]);
    demo.softphones.get_mut("1001").unwrap().digest =
        vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
    let mut world = World::with(directory, world::settings());
    let first = world.register("demo", "1001", "<sip:a@192.0.2.50>");
    let challenge = world.receive(udp(PHONE), &first.text()).remove(0);
    assert!(header(&challenge, "WWW-Authenticate").unwrap().contains("algorithm=SHA-256"));
    assert!(challenge.contains("algorithm=MD5"));
    let second = world.proved(&first, &challenge, "1001", "demo-1001");
    assert_eq!(world.status(udp(PHONE), &second.text()), 200);
}

#[test]
fn a_restart_takes_bindings_and_states_back_and_signs_nobody_in() {
    let mut world = World::new();
    world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>;expires=3000");
    world.sign_on(udp(PHONE), "demo", "1002", "<sip:b@192.0.2.50>;expires=60");
    let rest = AgentVerb::Rest { reason: "lunch".into(), planned_s: Some(1_800) };
    for (id, verb) in
        [("1001", rest), ("1002", AgentVerb::SignIn { queues: Vec::new(), force: false })]
    {
        let asked = Request::AgentVerb { employee_id: id.into(), verb };
        assert_eq!(world.ask(DEMO, asked), Ok(Reply::Done), "{id}");
    }
    let (mut bindings, mut agents) = (Vec::new(), Vec::new());
    for event in std::mem::take(&mut world.journal) {
        match event.kind {
            EventKind::BindingAdded { binding } => bindings.push(binding),
            EventKind::AgentState { snapshot, .. } => {
                agents.retain(|old: &hotline_routing::RestoredAgent| {
                    old.employee_id != snapshot.employee_id
                });
                agents.push(snapshot);
            }
            _ => {}
        }
    }
    let mut after = World::new();
    after.now.wall = world.now.wall + Duration::from_secs(100);
    after.feed(Input::Restore {
        partition: DEMO,
        bindings,
        agents,
        languages: Vec::new(),
        tries: Vec::new(),
    });
    assert_eq!(after.agent(DEMO, "1001"), "rest lunch");
    assert_eq!(after.agent(DEMO, "1002"), "signed_out registration_lost", "its time was over");
    assert_eq!(after.engine.counts().bindings, 1);
    assert!(after.news().contains(&"p1 - 1002 sip:b@192.0.2.50".to_owned()));
    after.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>");
    assert_eq!(after.agent(DEMO, "1001"), "rest lunch", "a refresh changes nothing");
}

/// After a long stop the bindings had been cleared away before the engine saw them: agents who were
/// signed in by their phones stayed idle and were offered calls that nobody heard.
#[test]
fn an_agent_without_its_phone_is_not_idle_after_a_restart() {
    let mut world = World::new();
    world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>");
    let states = std::mem::take(&mut world.journal).into_iter();
    let agents: Vec<_> = states
        .filter_map(|event| match event.kind {
            EventKind::AgentState { snapshot, .. } => Some(snapshot),
            _ => None,
        })
        .collect();
    assert_eq!(agents.len(), 1);
    let mut after = World::new();
    after.feed(Input::Restore {
        partition: DEMO,
        bindings: Vec::new(),
        agents,
        languages: Vec::new(),
        tries: Vec::new(),
    });
    assert_eq!(after.agent(DEMO, "1001"), "signed_out registration_lost");
}

/// A phone came back from another port, with the same instance: its binding was stored anew under
/// the new contact, and the old one stayed in the store for ever.
#[test]
fn a_contact_that_changes_takes_the_old_one_out_of_the_store() {
    let mut world = World::new();
    let contact = |port| format!("<sip:a@192.0.2.50:{port}>;+sip.instance=\"<urn:uuid:1>\"");
    world.sign_on(udp(PHONE), "demo", "1001", &contact(5062));
    world.news();
    world.sign_on(udp(PHONE), "demo", "1001", &contact(5064));
    assert_eq!(
        world.news(),
        ["p1 - 1001 sip:a@192.0.2.50:5062", "p1 + 1001 sip:a@192.0.2.50:5064"]
    );
    assert_eq!(world.engine.counts().bindings, 1);
}

#[test]
fn a_reload_acts_at_once_on_credentials_and_removals() {
    let mut world = World::new();
    world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@192.0.2.50>");
    world.sign_on(udp(PHONE), "demo", "1002", "<sip:b@192.0.2.50>");
    world.news();

    world.reload(directory());
    assert_eq!(world.news(), Vec::<String>::new(), "what stays the same stays");

    let mut changed = directory();
    let demo = Arc::make_mut(&mut changed.tenants[0]);
    demo.version = 2;
    let other_password = world::softphone("elsewhere", "1001");
    demo.softphones.get_mut("1001").unwrap().ha1_md5 = other_password.ha1_md5;
    let mut routing = (*demo.routing).clone();
    routing.agents.retain(|agent| agent.employee_id != "1002");
    demo.routing = Arc::new(routing);
    demo.softphones.remove("1002");
    world.reload(changed);
    let news = world.news();
    for expected in [
        "p1 - 1001 sip:a@192.0.2.50",
        "p1 agent 1001 idle → signed_out (registration_lost)",
        "p1 - 1002 sip:b@192.0.2.50",
    ] {
        assert!(news.contains(&expected.to_owned()), "{expected} in {news:?}");
    }
    let gone = world.ask(DEMO, Request::Agent { employee_id: "1002".into() }).unwrap_err();
    assert_eq!((gone.status, gone.code.as_str()), (404, "agent_not_found"));
    let old = world.register("demo", "1001", "<sip:a@192.0.2.50>");
    let challenge = world.receive(udp(PHONE), &old.text()).remove(0);
    let old = world.proved(&old, &challenge, "1001", "demo-1001");
    assert_eq!(world.status(udp(PHONE), &old.text()), 401, "the old password is none any more");
}

#[test]
fn tenants_come_and_go_while_the_engine_runs() {
    let mut world = World::new();
    world.sign_on(udp(PHONE), "other", "1001", "<sip:a@192.0.2.50>");
    world.pass(Duration::from_secs(40));
    world.news();
    let mut without = directory();
    without.tenants.remove(1);
    world.reload(without);
    assert!(world.news().contains(&"p2 - 1001 sip:a@192.0.2.50".to_owned()));
    let gone = world.ask(OTHER, Request::Agents).unwrap_err();
    assert_eq!((gone.status, gone.code.as_str()), (404, "tenant_not_found"));
    world.reload(directory());
    assert_eq!(status_of(&world.sign_on(udp(PHONE), "other", "1001", "<sip:a@h>")), 200);
}
