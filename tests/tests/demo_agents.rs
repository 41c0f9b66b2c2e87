//! Agents with nothing but a telephone in the demo centre as it is in the binary: baresip behind the
//! demo's own trunk signs in by its keys, with the PIN that was generated at the first start, takes
//! three calls in each mode, and does in them what keys can do. What it hears is overheard.

use hotline_tests::audio::Sound;
use hotline_tests::baresip::{Baresip, Options};
use hotline_tests::caller::{Caller, Way};
use hotline_tests::capture::Capture;
use hotline_tests::phone::{Call, SOON};
use hotline_tests::rtp::Rtp;
use hotline_tests::speech::Listener;
use hotline_tests::{Phone, Server, demo, s};
use std::sync::Arc;

const MOBILE_HZ: u32 = 1_000;
const CUSTOMER_HZ: u32 = 700;
const COLLEAGUE_HZ: u32 = 1_300;
/// The number that only 1001 serves of those who are signed in here.
const SALES: &str = "123452";

/// The demo with a wrap-up that nobody waits for, 1001's mobile and 1002's softphone.
struct Stage {
    server: Server,
    pin: String,
    mobile: Baresip,
    /// What the mobile hears.
    ear: Listener,
    colleague: Phone,
    far: Arc<Rtp>,
}

impl Stage {
    fn new() -> Stage {
        let server = Server::start(demo::embedded());
        let pin = demo::secret(&server, "1001.pin");
        let at = server.net.carrier(0);
        let target = format!("target = \"{at}:5060\"");
        let changes =
            [("wrap_up_s = 5", "wrap_up_s = 60"), ("target = \"127.0.0.1:5070\"", &target)];
        demo::change(&server, &changes);
        assert_eq!(demo::secret(&server, "1001.pin"), pin, "what was generated stays");
        let capture = Arc::new(Capture::start(server.net.server(), server.dir()));
        let options = Options { number: "5550101", transport: "udp", tone_hz: MOBILE_HZ };
        let mobile = Baresip::caller(&server, at, options);
        let ear = mobile.ear(&capture);
        let colleague = demo::softphone(&server, "1002");
        let far = Arc::new(Rtp::open(colleague.local.ip()));
        Stage { server, pin, mobile, ear, colleague, far }
    }

    /// 1001 dials the sign-in number and types who it is.
    fn calls_in(&mut self) {
        self.mobile.dial("12300", &self.server);
        self.ear.until_heard("en", "sign_in_employee_id");
        self.mobile.press("1001#");
        self.ear.until_heard("en", "sign_in_pin");
        let pin = format!("{}#", self.pin);
        self.mobile.press(&pin);
    }

    fn signs_in(&mut self, choice: &str) {
        self.calls_in();
        self.ear.until_heard_within("en", "sign_in_mode", s(20));
        self.mobile.press(choice);
        self.ear.until_heard("en", "signed_in");
        self.until_agent_is("idle");
    }

    fn until_agent_is(&self, state: &str) {
        self.server.api().until_agent_is_within("1001", state, s(10));
    }

    fn both_talk(&mut self, customer: &mut Caller) {
        self.ear.forget();
        customer.ear.forget();
        self.ear.until_tone(CUSTOMER_HZ);
        customer.ear.until_tone(MOBILE_HZ);
        self.until_agent_is("talking");
    }

    /// The customer hears the hold tone, and nobody else.
    fn is_held(customer: &mut Caller) {
        customer.ear.until_sounds(Sound::WaitTone, &[]);
        customer.ear.forget();
        customer.ear.until_sounds(Sound::WaitTone, &[]);
        let heard = hotline_tests::audio::sounds(
            &customer.ear.rest(),
            &[MOBILE_HZ, COLLEAGUE_HZ].map(f64::from),
        );
        assert!(!heard.contains(&Sound::Tone(0)) && !heard.contains(&Sound::Tone(1)), "{heard:?}");
    }

    /// 1001 consults 1002, who answers, while the customer hears the hold tone.
    fn consults(&mut self, customer: &mut Caller) -> Call {
        self.ear.forget();
        customer.ear.forget();
        self.mobile.press("*21002#");
        let ring = self.colleague_answers();
        self.ear.until_tone(COLLEAGUE_HZ);
        Stage::is_held(customer);
        ring
    }

    fn colleague_answers(&mut self) -> Call {
        let ring = self.colleague.ringing(s(10));
        self.colleague.answer(&ring, self.far.address);
        self.far.talk(ring.audio.expect("an offer"), COLLEAGUE_HZ);
        ring
    }

    fn colleague_is_left(&mut self, ring: &Call) {
        self.colleague.hung_up(ring, SOON);
        self.far.fall_silent();
    }

    /// Customer and colleague talk, and 1001 is wrapping up; it ends that by its key.
    fn handed_over(&mut self, mut customer: Caller, ring: &Call) {
        customer.ear.forget();
        customer.ear.until_tone(COLLEAGUE_HZ);
        let mut far = Listener::to(Arc::clone(&self.far));
        far.forget();
        far.until_tone(CUSTOMER_HZ);
        self.until_agent_is("wrap_up");
        let record = customer.hangs_up(&self.server);
        self.colleague_is_left(ring);
        assert_eq!(record["transfers"][0]["to"], "agent \"1002\"", "{record:#}");
        assert_eq!(record["transfers"][0]["outcome"], "transferred", "{record:#}");
        assert_eq!(record["agent"], "1001", "{record:#}");
    }
}

/// A customer of `sales` who talks.
fn customer(server: &Server) -> Caller {
    let customer = Caller::dials(server, 1, SALES, Way::Events);
    customer.says(CUSTOMER_HZ);
    customer
}

#[test]
fn on_a_held_line_baresip_takes_three_calls_holds_consults_and_transfers() {
    let mut stage = Stage::new();
    stage.signs_in("1");
    // The first: told, taken by the key, held, resumed, a colleague asked, back, and hung up.
    let mut one = customer(&stage.server);
    stage.ear.until_sounds(Sound::Tone(0), &[880.0]);
    stage.until_agent_is("offered");
    stage.mobile.press("1");
    stage.both_talk(&mut one);
    stage.mobile.press("*1");
    Stage::is_held(&mut one);
    stage.until_agent_is("holding");
    stage.mobile.press("*1");
    stage.both_talk(&mut one);
    let ring = stage.consults(&mut one);
    stage.mobile.press("*5");
    stage.colleague_is_left(&ring);
    stage.both_talk(&mut one);
    stage.mobile.press("*6");
    assert_eq!(one.audio.keys_heard(one.events), "", "codes are not for the customer");
    let record = one.ends(&stage.server, 16);
    assert_eq!(record["offers"][0]["device"], "held_line", "{record:#}");
    assert_eq!(record["released_by"], "agent", "{record:#}");
    stage.until_agent_is("wrap_up");
    stage.mobile.press("*0");
    stage.until_agent_is("idle");
    // The second: handed over after a word with the colleague.
    let mut two = customer(&stage.server);
    stage.until_agent_is("offered");
    stage.mobile.press("1");
    stage.both_talk(&mut two);
    let ring = stage.consults(&mut two);
    stage.mobile.press("*3");
    stage.handed_over(two, &ring);
    stage.mobile.press("*0");
    stage.until_agent_is("idle");
    // The third: handed over unasked.
    stage.server.api().until_agent_is_within("1002", "idle", s(10));
    let mut three = customer(&stage.server);
    stage.until_agent_is("offered");
    stage.mobile.press("1");
    stage.both_talk(&mut three);
    stage.mobile.press("*31002#");
    let ring = stage.colleague_answers();
    stage.handed_over(three, &ring);
    stage.ear.forget();
    stage.mobile.press("**");
    stage.ear.until_heard("en", "signed_out");
    stage.until_agent_is("signed_out");
}

#[test]
fn rung_baresip_takes_three_calls_consults_transfers_and_ends_its_wrap_up_by_calling_in() {
    let mut stage = Stage::new();
    stage.signs_in("2");
    let answers = |stage: &mut Stage| {
        stage.ear.forget();
        let mut customer = customer(&stage.server);
        stage.mobile.answer(s(0));
        stage.ear.until_heard("en", "to_accept_press");
        assert_eq!(stage.server.api().agent_state("1001"), "offered", "it may be a machine");
        stage.mobile.press("1");
        stage.both_talk(&mut customer);
        customer
    };
    // Held, resumed, handed over to a colleague who was asked first.
    let mut one = answers(&mut stage);
    stage.mobile.press("*1");
    Stage::is_held(&mut one);
    stage.mobile.press("*1");
    stage.both_talk(&mut one);
    let ring = stage.consults(&mut one);
    stage.mobile.press("*3");
    stage.handed_over(one, &ring);
    // The wrap-up is ended by a key, after dialling in; hanging up then, it is offered calls again.
    stage.calls_in();
    stage.ear.until_heard_within("en", "state_wrap_up", s(20));
    stage.mobile.press("*0");
    stage.ear.until_heard("en", "state_idle");
    stage.mobile.command("hangup", "");
    stage.until_agent_is("idle");
    // Handed over unasked, and no wrap-up after it.
    stage.server.api().until_agent_is_within("1002", "idle", s(10));
    let two = answers(&mut stage);
    stage.mobile.press("*0*31002#");
    let ring = stage.colleague_answers();
    let mut far = Listener::to(Arc::clone(&stage.far));
    far.forget();
    far.until_tone(CUSTOMER_HZ);
    stage.until_agent_is("idle");
    two.hangs_up(&stage.server);
    stage.colleague_is_left(&ring);
    // Signed out in the call: when it ends.
    let mut three = answers(&mut stage);
    stage.mobile.press("**");
    stage.ear.until_heard("en", "signed_out");
    assert_eq!(stage.server.api().agent_state("1001"), "talking");
    assert_eq!(three.audio.keys_heard(three.events), "", "codes are not for the customer");
    three.ear.forget();
    let record = three.hangs_up(&stage.server);
    assert_eq!(record["offers"][0]["device"], "mobile", "{record:#}");
    stage.until_agent_is("signed_out");
}
