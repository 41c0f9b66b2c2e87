//! Hold in every form that phones know, by the agent and by the caller, and what the other side
//! hears meanwhile. RFC 3264 §8.4, RFC 3311, RFC 6337 §5.3.

use crate::in_dialog::{end, talking};
use crate::peers::*;
use crate::world::*;
use hotline_engine::config::Prompt;
use hotline_media::command::{AssetId, Direction};
use hotline_routing::config::HoldMethod;
use hotline_sip::Method;
use hotline_sip::build::RequestBuilder;

/// One side of a conversation, whichever it is.
trait Party {
    fn host(&self) -> u8;
    fn next_request(&mut self, method: Method) -> RequestBuilder;
    fn request_out(&mut self, w: &mut World, request: RequestBuilder);
    fn acks(&mut self, w: &mut World, sdp: Option<String>);
}

impl Party for Caller {
    fn host(&self) -> u8 {
        self.peer
    }
    fn next_request(&mut self, method: Method) -> RequestBuilder {
        self.next(method)
    }
    fn request_out(&mut self, w: &mut World, request: RequestBuilder) {
        self.send(w, request);
    }
    fn acks(&mut self, w: &mut World, sdp: Option<String>) {
        self.ack(w, sdp);
    }
}

impl Party for Ring {
    fn host(&self) -> u8 {
        self.peer
    }
    fn next_request(&mut self, method: Method) -> RequestBuilder {
        self.next(method)
    }
    fn request_out(&mut self, w: &mut World, request: RequestBuilder) {
        self.send(w, request);
    }
    fn acks(&mut self, w: &mut World, sdp: Option<String>) {
        self.ack(w, sdp);
    }
}

/// How an offer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Reinvite,
    Update,
    /// A re-INVITE without an offer: ours is in the 200, theirs in the ACK.
    LateOffer,
}

const WAYS: [By; 3] = [By::Reinvite, By::Update, By::LateOffer];

/// Offers this description; gives what we answered (or, with a late offer, offered).
fn offers(w: &mut World, party: &mut impl Party, by: By, sdp: &str) -> String {
    let (method, ok) = match by {
        By::Update => (Method::Update, "200 UPDATE"),
        By::Reinvite | By::LateOffer => (Method::Invite, "200 INVITE"),
    };
    let mut request = party.next_request(method);
    if by != By::LateOffer {
        request = request.body("application/sdp", sdp.to_owned());
    }
    party.request_out(w, request);
    let ok = body(&w.take(party.host(), ok));
    match by {
        By::Reinvite => party.acks(w, None),
        By::LateOffer => party.acks(w, Some(sdp.to_owned())),
        By::Update => {}
    }
    ok
}

/// The forms of hold, with what we answer to each.
fn forms(host: u8) -> [(String, &'static str); 4] {
    let zero =
        |sdp: String| sdp.replace(&format!("c=IN IP4 198.51.100.{host}"), "c=IN IP4 0.0.0.0");
    [
        (sdp(host, "sendonly"), "a=recvonly"),
        (sdp(host, "inactive"), "a=inactive"),
        (zero(sdp(host, "sendrecv")), "a=recvonly"),
        (zero(sdp(host, "sendonly")), "a=recvonly"),
    ]
}

#[test]
fn an_agent_holds_and_resumes_in_every_form_and_is_seen_holding() {
    for by in WAYS {
        for (hold, answered) in forms(11) {
            let (mut w, caller, mut ring) = talking();
            let (customer, agent) = (w.legs()[0], w.legs()[1]);
            let ok = offers(&mut w, &mut ring, by, &hold);
            if by != By::LateOffer {
                assert!(ok.contains(answered), "{by:?} {hold}\n{ok}");
            }
            assert!(w.hears_wait_tone(customer), "{by:?} {hold}");
            assert_eq!(w.hears(agent), None);
            assert_eq!(w.agent("1001"), "holding");
            // The same again, as some phones repeat it.
            offers(&mut w, &mut ring, by, &hold);
            assert!(w.hears_wait_tone(customer));
            let ok = offers(&mut w, &mut ring, by, &sdp(11, "sendrecv"));
            assert!(ok.contains("a=sendrecv"), "{by:?}\n{ok}");
            assert_eq!(w.hears(customer), None, "{by:?} {hold}");
            assert_eq!(w.directions(agent).last(), Some(&Direction::SendRecv));
            assert_eq!(w.agent("1001"), "talking");
            assert!(!w.was_sent(CARRIER, "INVITE"), "the other side is not asked");
            end(w, caller);
        }
    }
}

#[test]
fn a_caller_holds_and_resumes_in_every_form_and_the_agent_hears_the_tone() {
    for by in WAYS {
        for (hold, _) in forms(CARRIER) {
            let (mut w, mut caller, _) = talking();
            let (customer, agent) = (w.legs()[0], w.legs()[1]);
            offers(&mut w, &mut caller, by, &hold);
            assert!(w.hears_wait_tone(agent), "{by:?} {hold}");
            assert_eq!(w.hears(customer), None);
            assert_eq!(w.agent("1001"), "talking", "it is not the agent who holds");
            offers(&mut w, &mut caller, by, &sdp(CARRIER, "sendrecv"));
            assert_eq!(w.hears(agent), None);
            assert_eq!(w.directions(customer).last(), Some(&Direction::SendRecv));
            end(w, caller);
        }
    }
}

/// A hold of one form is resumed by another: a phone holds with `c=0.0.0.0` by re-INVITE and
/// resumes by UPDATE.
#[test]
fn forms_may_be_mixed() {
    let (mut w, caller, mut ring) = talking();
    let customer = w.legs()[0];
    for (hold, _) in forms(11) {
        for (one, other) in [(By::Reinvite, By::Update), (By::Update, By::LateOffer)] {
            offers(&mut w, &mut ring, one, &hold);
            assert!(w.hears_wait_tone(customer));
            offers(&mut w, &mut ring, other, &sdp(11, "sendrecv"));
            assert_eq!(w.hears(customer), None);
        }
    }
    end(w, caller);
}

#[test]
fn both_hold_and_one_resumes() {
    let (mut w, mut caller, mut ring) = talking();
    let (customer, agent) = (w.legs()[0], w.legs()[1]);
    offers(&mut w, &mut ring, By::Reinvite, &sdp(11, "sendonly"));
    offers(&mut w, &mut caller, By::Reinvite, &sdp(CARRIER, "inactive"));
    assert!(w.hears_wait_tone(customer) && w.hears_wait_tone(agent));
    // What reaches neither: we may send to nobody.
    assert_eq!(w.directions(customer).last(), Some(&Direction::Inactive));
    assert_eq!(w.directions(agent).last(), Some(&Direction::RecvOnly));
    offers(&mut w, &mut ring, By::Update, &sdp(11, "sendrecv"));
    assert_eq!(w.hears(customer), None, "the agent holds no longer");
    assert!(w.hears_wait_tone(agent), "the caller still does");
    assert_eq!(w.agent("1001"), "talking");
    offers(&mut w, &mut caller, By::Update, &sdp(CARRIER, "sendrecv"));
    assert_eq!((w.hears(customer), w.hears(agent)), (None, None));
    end(w, caller);
}

#[test]
fn the_caller_hangs_up_while_it_is_held_or_just_as_the_agent_holds() {
    let (mut w, mut caller, mut ring) = talking();
    offers(&mut w, &mut ring, By::Reinvite, &sdp(11, "sendonly"));
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    assert_eq!(w.agent("1001"), "wrap_up");
    let hold = |line: &str| line.contains("holding");
    assert!(w.states("1001").iter().any(|line| hold(line)), "{:?}", w.states("1001"));
    w.quiet();

    // The re-INVITE crosses our BYE.
    let (mut w, mut caller, mut ring) = talking();
    caller.bye(&mut w);
    ring.reinvite(&mut w, Some(sdp(11, "sendonly")));
    w.take(11, "481 INVITE");
    hung_up(&mut w, 11);
    assert_eq!(w.agent("1001"), "wrap_up");
    w.quiet();

    // Our 200 to it is not acknowledged yet.
    let (mut w, mut caller, mut ring) = talking();
    ring.reinvite(&mut w, Some(sdp(11, "sendonly")));
    w.take(11, "200 INVITE");
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    ring.ack(&mut w, None);
    w.quiet();
    assert_eq!(w.records().len(), 1);
}

#[test]
fn the_agent_hangs_up_while_it_holds_and_its_next_call_is_not_held() {
    let (mut w, mut caller, mut ring) = talking();
    offers(&mut w, &mut ring, By::Reinvite, &sdp(11, "sendonly"));
    ring.bye(&mut w);
    caller.hung_up(&mut w);
    w.run(6_000);
    let mut again = call(&mut w, "123451");
    again.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    assert_eq!(w.agent("1001"), "talking");
    again.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

/// A held side sends nothing for as long as it is held: that is no dead peer. Whoever holds may be
/// silent too.
#[test]
fn silence_while_held_does_not_end_the_call() {
    let (mut w, caller, mut ring) = talking();
    offers(&mut w, &mut ring, By::Reinvite, &sdp(11, "inactive"));
    w.silent(w.legs()[1]);
    assert!(w.bridged());
    assert!(!w.was_sent(CARRIER, "BYE"));
    end(w, caller);
}

#[test]
fn a_custom_hold_tone_plays_and_is_replaced_while_it_is_heard() {
    let mut config = centre();
    let tone = |asset: u32| Prompt { asset: AssetId(asset), duration_ms: 3_000 };
    config.tones.insert("hold".into(), tone(800));
    queue_with(&mut config, "support", |queue| queue.hold = HoldMethod::Tone("hold".into()));
    let mut w = World::new(config.clone());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let customer = w.legs()[0];
    assert!(w.hears_wait_tone(customer), "waiting is another matter");
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    offers(&mut w, &mut ring, By::Reinvite, &sdp(11, "sendonly"));
    assert_eq!(w.tone(customer), Some(AssetId(800)));
    config.version = 2;
    config.tones.insert("hold".into(), tone(801));
    w.configure(config.clone());
    assert_eq!(w.tone(customer), Some(AssetId(801)));
    assert_eq!(w.notices, [""; 0]);
    config.version = 3;
    config.tones.clear();
    w.configure(config);
    assert!(w.hears_wait_tone(customer));
    assert_eq!(w.notices, ["tone \"hold\" is missing; the default tone plays"]);
    assert_eq!(w.agent("1001"), "holding");
    offers(&mut w, &mut ring, By::Update, &sdp(11, "sendrecv"));
    assert_eq!(w.hears(customer), None);
    end(w, caller);
}
