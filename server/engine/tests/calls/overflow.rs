//! Callers whom a queue does not keep: the announcement, then the cause.

use crate::peers::*;
use crate::world::*;
use hotline_engine::record::{ReleaseReason, ReleasedBy};
use hotline_sip::header::HeaderName;

#[test]
fn nobody_is_signed_in() {
    let mut w = World::new(centre());
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    assert!(w.hears(leg).is_some() && !w.hears_wait_tone(leg), "the announcement");
    w.run(u64::from(PROMPT_MS) - 1);
    assert!(!w.was_sent(CARRIER, "BYE"));
    w.run(1);
    let bye = caller.hung_up(&mut w);
    assert_eq!(header(&bye, HeaderName::Reason), "Q.850;cause=20;text=\"Subscriber absent\"");
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::NoAgents));
    assert_eq!((record.q850, record.released_by), (20, Some(ReleasedBy::System)));
    assert_eq!(record.queued, None, "it was never put into the queue");
}

#[test]
fn the_queue_is_full() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut first = call(&mut w, "123457");
    first.answered(&mut w);
    let mut second = call(&mut w, "123457");
    second.answered(&mut w);
    w.run(u64::from(PROMPT_MS));
    let bye = second.hung_up(&mut w);
    assert!(header(&bye, HeaderName::Reason).starts_with("Q.850;cause=17"));
    rings(&mut w, 11).answer(&mut w);
    first.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
    let reasons: Vec<_> = w.records().iter().map(|record| record.reason).collect();
    assert_eq!(reasons, [Some(ReleaseReason::QueueBusy), Some(ReleaseReason::NormalClearing)]);
}

#[test]
fn the_longest_wait_is_over_but_a_running_offer_is_waited_for() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123455");
    caller.answered(&mut w);
    let ring = rings(&mut w, 11);
    ring.respond(&mut w, 180);
    w.run(5_000);
    assert!(!w.was_sent(CARRIER, "BYE"), "3 s are over, but the phone rings");
    ring.respond(&mut w, 486);
    w.take(11, "ACK");
    w.run(u64::from(PROMPT_MS));
    let bye = caller.hung_up(&mut w);
    assert!(header(&bye, HeaderName::Reason).starts_with("Q.850;cause=18"));
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::QueueTimeout));
    assert_eq!(record.queues[0].outcome.as_deref(), Some("timeout"));
    assert_eq!(record.waiting_ms, 5_000, "without the announcement");
}

#[test]
fn with_answer_supervision_the_announcement_is_early_media_and_the_failure_reaches_the_carrier() {
    // 480: nobody signed in.
    let mut w = World::new(centre());
    let mut caller = call(&mut w, "123453");
    caller.expect(&mut w, 183);
    w.run(u64::from(PROMPT_MS));
    let failed = caller.expect(&mut w, 480);
    assert!(header(&failed, HeaderName::Reason).starts_with("Q.850;cause=20"));
    caller.ack_failure(&mut w);
    let record = w.record();
    assert_eq!((record.sip_status, record.q850), (Some(480), 20));

    // 408: the longest wait is over.
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    let mut caller = call(&mut w, "123456");
    caller.expect(&mut w, 183);
    w.run(3_000 + u64::from(PROMPT_MS));
    let failed = caller.expect(&mut w, 408);
    assert!(header(&failed, HeaderName::Reason).starts_with("Q.850;cause=18"));
    caller.ack_failure(&mut w);
    first.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn without_early_media_or_without_the_prompt_the_failure_comes_at_once() {
    let mut config = centre();
    config.trunks[0].early_media = false;
    let mut w = World::new(config);
    let mut caller = call(&mut w, "123453");
    caller.expect(&mut w, 480);
    caller.ack_failure(&mut w);
    w.quiet();

    let mut config = centre();
    config.prompts.clear();
    let mut w = World::new(config);
    let mut caller = call(&mut w, "123451");
    caller.expect(&mut w, 480);
    caller.ack_failure(&mut w);
    assert_eq!(w.notices, ["prompt en/no_agents is missing; it was left out"]);
    w.quiet();
}

#[test]
fn the_caller_hangs_up_during_the_announcement() {
    let mut w = World::new(centre());
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.run(100);
    caller.bye(&mut w);
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::NoAgents), "that is what the caller was told");
    assert_eq!(record.released_by, Some(ReleasedBy::Caller));
}

#[test]
fn an_announcement_that_never_ends_does_not_keep_the_call() {
    let mut w = World::new(centre());
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.media_stalls();
    w.run(u64::from(PROMPT_MS) + 4_999);
    assert!(!w.was_sent(CARRIER, "BYE"));
    w.run(1);
    caller.hung_up(&mut w);
    w.quiet();
}

#[test]
fn the_last_agent_signs_out_while_a_caller_waits() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.register_for(udp(11), "1001", 0);
    w.run(1_000);
    assert!(w.bridged(), "a call in progress goes on");
    ring.bye(&mut w);
    first.hung_up(&mut w);
    w.run(u64::from(PROMPT_MS));
    caller.hung_up(&mut w);
    w.quiet();
    assert!(w.records().iter().any(|record| record.reason == Some(ReleaseReason::NoAgents)));
}
