//! Two who talk: what reaches the other side though the two are unlike each other (another codec,
//! another number for the keys, another transport), and numbers that lead nowhere.

use hotline_tests::phone::{Call, SOON};
use hotline_tests::rtp::{PCMA, Rtp};
use hotline_tests::sip::{Message, sdp_of};
use hotline_tests::{Centre, Phone, Server, Setup, until};

const CALLER_HZ: u32 = 700;
const AGENT_HZ: u32 = 1_000;

/// Both phones and both audio sides of a call.
struct Talk {
    caller: Phone,
    agent: Phone,
    near: Rtp,
    far: Rtp,
    call: Call,
    ringing: Call,
    /// What the server answered the caller, and offered the agent.
    answer: Message,
    offer: Message,
}

impl Talk {
    /// The caller offers these codecs, the agent answers with those, by their names.
    fn begin(
        mut caller: Phone,
        mut agent: Phone,
        offered: &[(u8, &str)],
        answered: &[&str],
    ) -> Talk {
        let (near, far) = (Rtp::open(caller.local.ip()), Rtp::open(agent.local.ip()));
        let invite = caller.invitation("123451", &sdp_of(near.address, "sendrecv", offered));
        let mut call = caller.dial(invite);
        let answer = caller.answered(&mut call);
        let ringing = agent.ringing(SOON);
        let offer = ringing.invite.clone();
        // An answer has the numbers of its offer (RFC 3264 §6.1).
        let codecs: Vec<_> = answered
            .iter()
            .map(|name| (offer.payload_type(name).expect("a codec that was offered"), *name))
            .collect();
        let sdp = sdp_of(far.address, "sendrecv", &codecs);
        agent.respond(&ringing, &offer, "200 OK", &sdp);
        agent.expect("ACK", SOON);
        Talk { caller, agent, near, far, call, ringing, answer, offer }
    }

    fn end(&mut self) {
        assert_eq!(self.caller.hang_up(&mut self.call), 200);
        self.agent.hung_up(&self.ringing, SOON);
    }
}

fn phones(server: &Server) -> (Phone, Phone) {
    let caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let agent = Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    (caller, agent)
}

#[test]
fn sides_that_share_no_codec_hear_each_other_converted() {
    let server = Server::usual();
    let (caller, agent) = phones(&server);
    let mut talk = Talk::begin(caller, agent, &[(0, "PCMU")], &["PCMA"]);
    assert_eq!(talk.answer.payload_type("PCMA"), None, "{:#?}", talk.answer);
    talk.near.talk_in_mu_law(talk.call.audio.unwrap(), CALLER_HZ);
    talk.far.talk(talk.ringing.audio.unwrap(), AGENT_HZ);
    talk.near.until_heard(AGENT_HZ.into());
    talk.far.until_heard(CALLER_HZ.into());
    let types = |rtp: &Rtp| {
        let mut types: Vec<_> = rtp.heard().iter().map(|heard| heard.payload_type).collect();
        types.sort_unstable();
        types.dedup();
        types
    };
    assert_eq!((types(&talk.near), types(&talk.far)), (vec![0], vec![PCMA]));
    talk.end();
}

#[test]
fn keys_reach_the_other_side_with_the_number_it_has_for_them() {
    let server = Server::usual();
    let (caller, agent) = phones(&server);
    let offered = [(8, "PCMA"), (96, "telephone-event")];
    let mut talk = Talk::begin(caller, agent, &offered, &["PCMA", "telephone-event"]);
    assert_eq!(talk.answer.payload_type("telephone-event"), Some(96), "{:#?}", talk.answer);
    let number = talk.offer.payload_type("telephone-event").unwrap();
    talk.near.talk(talk.call.audio.unwrap(), CALLER_HZ);
    talk.far.talk(talk.ringing.audio.unwrap(), AGENT_HZ);
    talk.near.until_heard(AGENT_HZ.into());
    talk.far.until_heard(CALLER_HZ.into());
    talk.near.press("12#", 96);
    talk.far.press("*90", number);
    until("the keys of both", SOON, || {
        (talk.far.keys_heard(number).as_str(), talk.near.keys_heard(96).as_str()) == ("12#", "*90")
    });
    // And the voices are there again.
    talk.near.forget();
    talk.far.forget();
    talk.near.until_heard(AGENT_HZ.into());
    talk.far.until_heard(CALLER_HZ.into());
    talk.end();
}

#[test]
fn a_caller_over_tcp_and_an_agent_over_udp_and_the_other_way_round_talk() {
    for (caller_by_tcp, agent_by_tcp) in [(true, false), (false, true)] {
        let server = Server::start(Setup::with(|net| {
            // A connection comes from this machine's own address, which is a trunk's in the usual
            // centre: here only if the caller makes one.
            let own = if caller_by_tcp { "127.0.0.1" } else { "127.255.255.1" };
            vec![
                Centre::new("alpha")
                    .queue("support", "wrap_up_s = 0\noffer_time_s = 5")
                    .route("12345", "1", "support")
                    .agent("1001", "support", "")
                    .trunk("carrier", &[&net.carrier_network(), own]),
            ]
        }));
        let caller = match caller_by_tcp {
            true => Phone::tcp(server.sip(), "4000"),
            false => Phone::udp(server.net.carrier(0), server.sip(), "4000"),
        };
        let agent = match agent_by_tcp {
            true => Phone::tcp(server.sip(), "1001"),
            false => Phone::udp(server.net.agent(0), server.sip(), "1001"),
        };
        let agent = agent.of("alpha.test").registered();
        let mut talk = Talk::begin(caller, agent, &[(8, "PCMA")], &["PCMA"]);
        talk.near.talk(talk.call.audio.unwrap(), CALLER_HZ);
        talk.far.talk(talk.ringing.audio.unwrap(), AGENT_HZ);
        talk.near.until_heard(AGENT_HZ.into());
        talk.far.until_heard(CALLER_HZ.into());
        talk.end();
        assert_eq!(server.api().record(&talk.call.id)["reason"], "normal_clearing");
    }
}

#[test]
fn a_number_that_leads_nowhere_gets_404_and_route_says_why() {
    let server = Server::usual();
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    for number in ["99999", "123459", "12345"] {
        let call = caller.invite(number, caller.local);
        let refused = caller.refused(&call, SOON);
        assert_eq!(refused.status(), Some(404), "{number}: {refused:#?}");
        assert_eq!(refused.q850(), Some(1), "{number}: {refused:#?}");
        let (code, told) = server.command(&["route", number]);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(&format!("{number} leads nowhere")), "{told}");
    }
    let (code, told) = server.command(&["route", "123451"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("skill_queue \"support\""), "{told}");
    assert!(told.contains("12345"), "{told}");
}
