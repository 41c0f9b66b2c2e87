//! The stage of the tests with agents who have nothing but a telephone: the server, the carrier,
//! the agent behind it, a customer; what they press and hear.
//!
//! Owns: the centre, signing in, instruments for prompts, keys and three tones at once. The tests
//! themselves are beside it.

use hotline_media::tone;
use hotline_tests::audio::{self, read_wav, sounds, told};
use hotline_tests::phone::{Call, SOON};
use hotline_tests::rtp::{Rtp, samples};
use hotline_tests::{Centre, Net, Phone, Server, Setup, ms, root, s, within};
use serde_json::json;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// What the agent on the telephone says, in Hz.
pub const AGENT_HZ: u32 = 1_000;
/// What the customer says.
pub const CUSTOMER_HZ: u32 = 700;
/// What the consulted colleague says.
pub const COLLEAGUE_HZ: u32 = 1_300;
/// What a line between calls hears.
pub const LINE_HZ: u32 = 262;
/// The queue's hold tone.
pub const HOLD_HZ: u32 = 392;
/// The payload type of the test's phones for RFC 4733.
pub const EVENTS: u8 = 101;
/// The agent's mobile, behind the carrier.
pub const MOBILE: &str = "5550101";
/// The number of the tenant's that mobiles are shown.
pub const SHOWN: &str = "5559000";
/// Long enough for a PIN to be compared on a machine with much to do, and a prompt.
pub const LATER: Duration = s(20);

/// A server with agents who sign in at 12345 9, and their customers at 12345 1.
pub struct Stage {
    pub server: Server,
    /// What 1001 types.
    pub pin: String,
    /// What 1003 types.
    pub other_pin: String,
    /// The carrier's line to the agent's telephone: calls from there, and calls to it.
    pub mobile: Phone,
    /// What the agent's telephone says and hears.
    pub line: Rtp,
    /// The customer's phone, behind the same carrier.
    pub customer: Phone,
    /// What the customer says and hears.
    pub near: Rtp,
}

/// How a stage is to be.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Keys of the tenant's `single_phone`, beginning with a comma.
    pub single_phone: &'static str,
    /// A further setting of the tenant.
    pub tenant: &'static str,
    /// Keys of the trunk, as lines.
    pub trunk: &'static str,
    /// Wrap-up of the queue, in s.
    pub wrap_up_s: u32,
    /// The carrier's address at which mobiles are rung.
    pub rung_at: u8,
}

impl Default for Wishes {
    fn default() -> Wishes {
        Wishes { single_phone: "", tenant: "", trunk: "", wrap_up_s: 60, rung_at: 0 }
    }
}

/// Eight digits nobody knows.
fn random_pin() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:08}", random % 100_000_000)
}

/// A tone as a file.
fn tone_file(hz: u32) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("tone.wav");
    audio::write_tone(&path, hz, 2);
    std::fs::read(path).expect("the file just written")
}

fn centre(net: &Net, wishes: Wishes, pins: [&str; 2]) -> Centre {
    let queue = format!(
        "wrap_up_s = {}\nmobile_offer_time_s = 5\nmax_waiting_time_s = 600\nhold = {{ tone = \"hold\" }}",
        wishes.wrap_up_s
    );
    let single_phone = format!(
        "single_phone = {{ trunk = \"carrier\", number_shown = \"{SHOWN}\"{} }}",
        wishes.single_phone
    );
    let agent = |id: &str, number: &str| {
        format!(
            "employee_id = \"{id}\"\ntype = \"audio\"\nrole = \"common\"\n\
             mobile_number = \"{number}\"\nskill_queues = [{{ queue = \"support\" }}]\n\
             single_phone = {{ enabled = true, pin = {{ file = \"pins/{id}\" }} }}"
        )
    };
    let target = format!("target = \"{}:5060\"", net.carrier(wishes.rung_at));
    let peers = format!("name = \"carrier\"\npeers = [\"{}\"]", net.carrier_network());
    let flow = std::fs::read(root().join("conf/demo/flows/sign_in.toml")).expect("the demo");
    Centre::new("alpha")
        .setting("languages = [\"en\", \"zh\", \"es\"]")
        .setting(&single_phone)
        .setting(wishes.tenant)
        .queue("support", &queue)
        .queue("second", "wrap_up_s = 60\noffer_time_s = 20")
        .queue("brief", "max_waiting_time_s = 2\non_timeout = { release = true }")
        .route("12345", "1", "support")
        .route("12345", "2", "second")
        .route("12345", "3", "brief")
        .route_to("12345", "9", "flow = \"sign_in\"")
        .object("agent", &agent("1001", MOBILE))
        .object("agent", &agent("1003", "5550103"))
        .agent("1002", "second", "")
        .agent_by_api("1004", "brief", "")
        .object("trunk", &format!("{peers}\n{target}\n{}", wishes.trunk))
        .file("flows/sign_in.toml", flow)
        .file("tones/hold.wav", tone_file(HOLD_HZ))
        .file("tones/line.wav", tone_file(LINE_HZ))
        .file("pins/1001", pins[0])
        .file("pins/1003", pins[1])
}

impl Stage {
    pub fn new(wishes: Wishes) -> Stage {
        Stage::of(wishes, |setup| setup)
    }

    /// The same with further settings of the node.
    pub fn of(wishes: Wishes, settle: impl FnOnce(Setup) -> Setup) -> Stage {
        let [pin, other_pin] = [random_pin(), random_pin()];
        let setup = Setup::with(|net| vec![centre(net, wishes, [&pin, &other_pin])]);
        let server = Server::start(settle(setup));
        let mobile = Phone::udp(server.net.carrier(0), server.sip(), MOBILE);
        let customer = Phone::udp(server.net.carrier(1), server.sip(), "15550042");
        let (line, near) = (Rtp::open(mobile.local.ip()), Rtp::open(customer.local.ip()));
        Stage { server, pin, other_pin, mobile, line, customer, near }
    }

    /// The agent's telephone calls the number where agents sign in.
    pub fn calls_in(&mut self) -> Call {
        let mut call = self.mobile.invite("123459", self.line.address);
        self.mobile.answered(&mut call);
        self.line.talk(call.audio.expect("an answer"), AGENT_HZ);
        call
    }

    /// 1001 signs in by its PIN and chooses.
    pub fn signs_in(&mut self, choice: &str) -> Call {
        let call = self.calls_in();
        self.line.press(&format!("1001#{}#", self.pin), EVENTS);
        self.until_said(&self.line, "sign_in_mode");
        self.line.press(choice, EVENTS);
        self.until_said(&self.line, "signed_in");
        if choice == "2" {
            self.mobile.hung_up(&call, LATER);
            self.line.fall_silent();
        }
        self.server.api().until_agent_is_within("1001", "idle", LATER);
        call
    }

    /// The agent's telephone presses keys by INFO, each when the one before was taken.
    pub fn presses_by_info(&mut self, call: &mut Call, keys: &str) {
        for key in keys.chars() {
            let body = format!("Signal={key}\r\nDuration=100\r\n");
            assert_eq!(self.mobile.info(call, "application/dtmf-relay", &body), 200, "{key}");
        }
    }

    /// A customer calls and waits.
    pub fn customer_calls(&mut self) -> Call {
        self.forget();
        let mut call = self.customer.invite("123451", self.near.address);
        self.customer.answered(&mut call);
        self.near.talk(call.audio.expect("an answer"), CUSTOMER_HZ);
        call
    }

    /// A customer calls and talks to the agent on the line.
    pub fn customer_talks(&mut self) -> Call {
        let call = self.customer_calls();
        self.both_talk();
        self.server.api().until_agent_is("1001", "talking");
        call
    }

    /// Agent and customer hear each other.
    pub fn both_talk(&self) {
        self.forget();
        self.line.until_heard(f64::from(CUSTOMER_HZ));
        self.near.until_heard(f64::from(AGENT_HZ));
    }

    /// The mobile rings and answers; it is not connected yet.
    pub fn mobile_answers(&mut self) -> Call {
        let ring = self.mobile.ringing(SOON);
        self.mobile.answer(&ring, self.line.address);
        self.line.talk(ring.audio.expect("an offer"), AGENT_HZ);
        ring
    }

    /// What was heard up to now counts no more.
    pub fn forget(&self) {
        self.line.forget();
        self.near.forget();
    }

    /// Waits until a standard prompt is heard.
    pub fn until_said(&self, audio: &Rtp, prompt: &str) {
        let said = within(LATER, || has_prompt(&heard(audio), prompt).then_some(()));
        assert!(said.is_some(), "{prompt} is not said: {}", told(&sounds(&heard(audio), &[])));
    }

    /// Ends the wrap-up by the API, for agents without a line.
    pub fn end_wrap_up(&self) {
        self.server.api().until_agent_is("1001", "wrap_up");
        assert_eq!(self.server.api().post("agents/1001/wrap-up", &json!({})).0, 200);
    }

    /// A softphone of 1002, registered and idle.
    pub fn colleague(&self) -> (Phone, Rtp) {
        let phone = Phone::udp(self.server.net.agent(0), self.server.sip(), "1002");
        let phone = phone.of("alpha.test").registered();
        self.server.api().until_agent_is("1002", "idle");
        let audio = Rtp::open(phone.local.ip());
        (phone, audio)
    }
}

/// All that was heard, as samples.
pub fn heard(audio: &Rtp) -> Vec<i16> {
    audio.heard().iter().flat_map(|one| samples(one.payload_type, &one.payload)).collect()
}

/// Whether a standard prompt was heard: its loudest 150 ms are found sample by sample.
pub fn has_prompt(heard: &[i16], prompt: &str) -> bool {
    const COARSE: usize = 160;
    const PART: usize = 1_200;
    let whole = read_wav(&root().join(format!("prompts/en/{prompt}.wav")));
    let loudest = (0..whole.len().saturating_sub(PART))
        .step_by(40)
        .max_by_key(|&at| energy(&whole[at..at + PART]) as i64)
        .unwrap_or_default();
    let part = &whole[loudest..(loudest + PART).min(whole.len())];
    heard.windows(part.len()).any(|window| {
        likeness(&window[..COARSE], &part[..COARSE]) > 0.8 && likeness(window, part) > 0.95
    })
}

fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum()
}

/// 1 for the same sound, whatever its level.
fn likeness(one: &[i16], other: &[i16]) -> f64 {
    let product: f64 = one.iter().zip(other).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    product / (energy(one) * energy(other)).sqrt().max(1.0)
}

/// Waits until two tones are heard at once, 100 ms on end.
pub fn until_both_heard(audio: &Rtp, tones: [u32; 2]) {
    let both = within(SOON, || {
        let heard = heard(audio);
        let loud = |window: &[i16]| {
            tones.iter().all(|&hz| tone::level_dbm0(window, f64::from(hz)) > -20.0)
        };
        let windows: Vec<bool> = heard.chunks_exact(160).map(loud).collect();
        windows.windows(5).any(|five| five.iter().all(|both| *both)).then_some(())
    });
    assert!(both.is_some(), "{tones:?} Hz are not heard together");
}

/// The keys that sound in the audio itself: windows in which one row and one column of the keypad
/// are nearly all there is.
pub fn keys_in_band(heard: &[i16]) -> usize {
    let [rows @ .., _, _, _, _] = tone::dtmf_rows_and_columns_hz();
    let [_, _, _, _, columns @ ..] = tone::dtmf_rows_and_columns_hz();
    let loudest = |window: &[i16], tones: [f64; 4]| {
        tones.map(|hz| tone::level_dbm0(window, hz)).into_iter().fold(f64::MIN, f64::max)
    };
    let is_key = |window: &&[i16]| {
        let (row, column) = (loudest(window, rows), loudest(window, columns));
        let both = 10.0 * (10f64.powf(row / 10.0) + 10f64.powf(column / 10.0)).log10();
        row.min(column) > -35.0 && both > tone::loudness_dbm0(window) - 1.0
    };
    heard.chunks_exact(160).filter(is_key).count()
}

/// Lets a phone whose number is challenged dial; the call, answered.
pub fn dials_as_agent(phone: &mut Phone, number: &str, audio: &Rtp) -> Call {
    use hotline_tests::digest::Challenge;
    let call = phone.invite(number, audio.address);
    let refused = phone.refused(&call, SOON);
    assert_eq!(refused.status(), Some(401), "{refused:#?}");
    let challenge = Challenge::parse(refused.header("WWW-Authenticate")).expect("a challenge");
    let again = phone.again(&call.invite, &challenge, 1);
    let mut call = phone.dial(again);
    phone.answered(&mut call);
    audio.talk(call.audio.expect("an answer"), AGENT_HZ);
    call
}

/// Nothing of this kind for a while that is part of the scenario.
pub const A_WHILE: Duration = ms(500);
