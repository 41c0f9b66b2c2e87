//! Agents who have nothing but a mobile: how they sign in, what they press, and what must hold of
//! them whatever happens.
//!
//! Owns: their habits, who is behind a carrier's address, who has pressed the key that accepts a
//! call, the search for PINs in what the engines say. Does not own: time and the ways messages
//! take ([`crate::world`]), what keys mean (the engine).

use crate::centre::{Centre, PIN_BEGINS, SIGN_IN};
use crate::invariants::{Fault, fault};
use crate::peers::{Act, DIALLED, Peer, Who};
use crate::world::{Happening, World};
use hotline_base::Partition;
use hotline_engine::effect::{Effect, EffectDone};
use hotline_engine::input::{Reply, Request};
use hotline_media::command::{Command, DigitSource, Event as MediaEvent, LegRef};
use hotline_media::sdp::SessionDescription;
use hotline_sip::{Message, Method};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The key that accepts a call.
const ACCEPTS: char = '1';

/// What is remembered of mobiles; see the module.
#[derive(Debug, Default)]
pub(crate) struct Mobiles {
    /// Who is behind a carrier's address, by number.
    numbers: BTreeMap<String, usize>,
    /// Whom a call through a carrier reached, by SIP Call-ID.
    called: BTreeMap<String, usize>,
    /// The legs of mobiles that we rang, by engine: whether the key was pressed.
    rung: BTreeMap<(usize, LegRef), bool>,
    /// Agents by whose call a line may have ended.
    hung_up: Vec<(Partition, String)>,
}

impl Mobiles {
    /// Who is reached by a message that leaves for this address, if that is a carrier's.
    pub fn behind(&mut self, remote: SocketAddr, message: &Message) -> Option<usize> {
        let tenant = (0..8).find(|tenant| Centre::carrier(*tenant) == remote)?;
        let call_id = text_of(message);
        if let Some(peer) = self.called.get(&call_id) {
            return Some(*peer);
        }
        let uri = message.request_uri().ok()?;
        let peer = self.numbers.get(&uri.user_text()?);
        // Numbers that nobody has: an announcement answers, or somebody.
        let peer = *peer.or_else(|| self.numbers.get(&Centre::outside_number(tenant)))?;
        self.called.insert(call_id, peer);
        Some(peer)
    }

    /// A key has reached an engine.
    pub fn pressed(&mut self, engine: usize, event: &MediaEvent) {
        if let MediaEvent::Digit { leg, digit: ACCEPTS, .. } = event
            && let Some(accepted) = self.rung.get_mut(&(engine, *leg))
        {
            *accepted = true;
        }
    }

    /// A customer is never connected to a mobile on which nobody has pressed the key.
    ///
    /// # Errors
    /// Nobody has.
    pub fn connected(&self, engine: usize, command: &Command) -> Result<(), Fault> {
        let legs = match command {
            Command::Bridge { a, b } => vec![*a, *b],
            Command::Conference { legs } => legs.clone(),
            _ => return Ok(()),
        };
        let silent = |leg: &&LegRef| self.rung.get(&(engine, **leg)) == Some(&false);
        match legs.iter().find(silent) {
            Some(leg) => Err(fault("only_the_key_answers", format!("{leg:?}: {command:?}"))),
            None => Ok(()),
        }
    }

    /// The call by which an agent signed in is over.
    pub fn over(&mut self, partition: Partition, agent: &str) {
        self.hung_up.push((partition, agent.to_owned()));
    }
}

/// No PIN is in what an engine says.
///
/// # Errors
/// One is.
pub(crate) fn without_pin(what: &str, bytes: &[u8]) -> Result<(), Fault> {
    match String::from_utf8_lossy(bytes).contains(PIN_BEGINS) {
        true => Err(fault("the_pin_is_nowhere", what)),
        false => Ok(()),
    }
}

fn text_of(message: &Message) -> String {
    let call_id = message.call_id();
    call_id.map_or_else(|_| String::new(), |id| String::from_utf8_lossy(&id[..]).into_owned())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl World<'_> {
    /// Agents with nothing but a mobile, and whom they call outside.
    pub fn mobiles_join(&mut self) {
        let plan = self.plan;
        if plan.mobiles == 0 {
            return;
        }
        for tenant in 0..plan.tenants {
            let rng = self.dice.fork();
            let outside = self.join(Peer::outside(tenant, rng));
            self.mobiles.numbers.insert(Centre::outside_number(tenant), outside);
            for agent in 0..plan.mobiles {
                let rng = self.dice.fork();
                let peer = self.join(Peer::mobile(tenant, Partition(tenant + 1), agent, rng));
                self.mobiles.numbers.insert(Centre::mobile_number(tenant, agent), peer);
                let at = ms(self.dice.between(0, 5_000));
                self.calls_in(peer, tenant, at);
            }
        }
    }

    fn calls_in(&mut self, peer: usize, tenant: u32, after: Duration) {
        let number = format!("{}{SIGN_IN}", self.centre.access_code(tenant));
        self.later(after, Happening::Act(peer, None, Act::Dial(number)));
    }

    /// An INVITE leaves for a mobile: its leg is one that must press the key.
    pub fn mobile_is_called(&mut self, engine: usize, peer: usize, message: &Message) {
        let begins = message.is(&Method::Invite) && message.to().is_ok_and(|to| to.tag().is_none());
        if !begins || !matches!(self.peers[peer].who, Who::Mobile(..)) {
            return;
        }
        let Ok(offer) = SessionDescription::parse(message.body()) else { return };
        let ports = offer.media.iter().filter_map(|media| offer.rtp_address_of(media));
        for leg in ports.filter_map(|at| self.workers[engine].leg_at(at.port())) {
            self.mobiles.rung.entry((engine, leg)).or_insert(false);
        }
    }

    /// A mobile's call is up: one that it has made, or one that it was rung for.
    pub fn mobile_talks(&mut self, peer: usize, tenant: u32, agent: u32) {
        let turn = Some(self.peers[peer].turn);
        if self.peers[peer].engaged.as_deref() == Some(DIALLED) {
            return self.signs_in(peer, tenant, agent);
        }
        let longest = if self.healing { 3_000 } else { 30_000 };
        let ends = self.dice.between(1_000, longest);
        self.later(ms(ends), Happening::Act(peer, turn, Act::HangUp));
        let roll = if self.healing { 99 } else { self.dice.between(0, 99) };
        let accepts = self.dice.between(200, 3_000);
        match roll {
            // Voicemail: it records whatever it hears.
            0..15 => return,
            // Not now.
            15..20 => self.presses(peer, ms(accepts), "9"),
            20..30 => {
                let early = ms(self.dice.between(0, accepts));
                self.later(early, Happening::Act(peer, turn, Act::HangUp));
            }
            _ => {}
        }
        self.presses(peer, ms(accepts), "1");
        self.asks_by_keys(peer, ms(accepts));
    }

    /// Employee ID, PIN, and how calls are to come; with mistakes.
    fn signs_in(&mut self, peer: usize, tenant: u32, agent: u32) {
        let turn = Some(self.peers[peer].turn);
        let id = match self.dice.percent(5) {
            true => "9999".to_owned(),
            false => Centre::mobile_id(agent),
        };
        let pin = match self.dice.percent(10) {
            true => format!("{PIN_BEGINS}99"),
            false => Centre::pin(tenant, agent),
        };
        let mut at = self.dice.between(100, 3_000);
        self.presses(peer, ms(at), &format!("{id}#{pin}#"));
        at += 8_000;
        let mode = if self.dice.percent(65) { "1" } else { "2" };
        // It is asked for when the PIN was compared, which may take its time.
        for _ in 0..3 {
            self.presses(peer, ms(at), mode);
            at += self.dice.between(1_000, 5_000);
        }
        self.asks_by_keys(peer, ms(at));
        let longest = if self.healing { 10_000 } else { 120_000 };
        let stays = self.dice.between(1_000, longest);
        self.later(ms(stays), Happening::Act(peer, turn, Act::HangUp));
    }

    /// A mobile's call is over: who is not signed in, or was cut off, calls again some time.
    pub fn mobile_is_free(&mut self, peer: usize, tenant: u32) {
        if !self.healing && !self.switched_off && self.dice.percent(60) {
            let after = ms(self.dice.between(2_000, 30_000));
            self.calls_in(peer, tenant, after);
        }
    }

    fn presses(&mut self, peer: usize, after: Duration, keys: &str) {
        let turn = Some(self.peers[peer].turn);
        self.later(after, Happening::Act(peer, turn, Act::Press(keys.to_owned())));
    }

    fn asks_by_keys(&mut self, peer: usize, after: Duration) {
        let turn = Some(self.peers[peer].turn);
        let more = ms(self.dice.between(100, 8_000));
        self.later(after + more, Happening::Act(peer, turn, Act::AskByKeys));
    }

    /// The next key, and the others after it.
    pub fn press(&mut self, peer: usize, keys: &str) {
        let mut rest = keys.chars();
        let Some(digit) = rest.next() else { return };
        let media = self.peers[peer].media();
        let workers = self.workers.iter().enumerate();
        let mut found =
            workers.filter_map(|(engine, workers)| Some((engine, workers.leg_of(media)?)));
        if let Some((engine, leg)) = found.next() {
            let duration_ms = self.dice.between(40, 200) as u32;
            let as_tone = usize::from(self.dice.percent(10));
            let sources = [DigitSource::Rtp, DigitSource::InBand].into_iter().take(1 + as_tone);
            let event = |source| MediaEvent::Digit { leg, digit, duration_ms, source };
            self.report(engine, sources.map(event).collect());
        }
        let next = ms(self.dice.between(60, 300));
        self.presses(peer, next, rest.as_str());
    }

    /// Whether a leg is a mobile's: their keys are pressed by their agents, mostly.
    pub fn is_of_mobile(&self, engine: usize, leg: LegRef) -> bool {
        let mut mobiles = self.peers.iter().filter(|peer| matches!(peer.who, Who::Mobile(..)));
        mobiles.any(|peer| self.workers[engine].leg_of(peer.media()) == Some(leg))
    }

    /// Asks for something, now here, now there.
    pub fn ask_by_keys(&mut self, peer: usize) {
        let Who::Mobile(tenant, ..) = self.peers[peer].who else { return };
        let numbers = [
            Centre::employee_id(0),
            Centre::employee_id(1),
            Centre::mobile_id(0),
            Centre::mobile_id(1),
            format!("{}1", self.centre.access_code(tenant)),
            Centre::outside_number(tenant),
            "4711".to_owned(),
        ];
        let number = self.dice.pick(&numbers).cloned().unwrap_or_default();
        let keys = match self.dice.between(0, 24) {
            0..3 => "*1".to_owned(),
            3 => "*6".to_owned(),
            4..9 => format!("*2{number}#"),
            9 | 10 => format!("*3{number}#"),
            11 | 12 => "*3".to_owned(),
            13 | 14 => "*4".to_owned(),
            15 => "*5".to_owned(),
            16..20 => "*7".to_owned(),
            20 => "*8".to_owned(),
            21 => "*9".to_owned(),
            22 => "*0".to_owned(),
            23 if self.dice.percent(50) => "**".to_owned(),
            _ => self.dice.pick(&["*", "5", "#", "*2", "*11"]).unwrap_or(&"5").to_string(),
        };
        self.presses(peer, Duration::ZERO, &keys);
        self.asks_by_keys(peer, ms(500));
    }

    /// A PIN is compared as the shell would; in time, late, or not at all.
    pub fn compared(&mut self, effect: &Effect) -> Option<EffectDone> {
        let Effect::VerifyPin { hash, pin } = effect else { return None };
        let fits = *hash.expose() == format!("hash of {}", pin.expose());
        let story = if fits { "a PIN fits" } else { "a PIN does not fit" };
        self.invariants.tell(story);
        Some(EffectDone::Pin(fits))
    }

    /// An agent whose line is gone is signed out or rung from then on; one that is between calls
    /// has its line to itself.
    pub fn look_at_lines(&mut self) -> Result<(), Fault> {
        for (partition, agent) in std::mem::take(&mut self.mobiles.hung_up) {
            if !self.has_line(partition, &agent)?
                && self.invariants.waits_on_line(partition, &agent)
            {
                return Err(fault("no_agent_on_a_lost_line", agent));
            }
        }
        Ok(())
    }

    /// Whether a call is up by which an agent holds the line, or is going to.
    fn has_line(&mut self, partition: Partition, agent: &str) -> Result<bool, Fault> {
        let Ok(Reply::Calls(calls)) = self.ask(partition, Request::Calls)? else { return Ok(true) };
        Ok(calls.iter().any(|view| {
            view.state != "releasing" && view.record.signed_in.as_deref() == Some(agent)
        }))
    }

    /// An agent between calls is heard by nobody.
    pub fn lines_at_rest(&mut self) -> Result<(), Fault> {
        for number in 0..self.peers.len() {
            let one = &self.peers[number];
            let Who::Mobile(_, _, key) = &one.who else { continue };
            let bridged = self.workers.iter().any(|workers| {
                workers.leg_of(one.media()).is_some_and(|leg| workers.is_connected(leg))
            });
            if !bridged || !self.invariants.is_between_calls(key) {
                continue;
            }
            let (partition, employee_id) = key.clone();
            let text = format!("{key:?} is between calls and heard by somebody");
            // In wrap-up it may still talk to whom it consults.
            let Ok(Reply::Agents(views)) = self.ask(partition, Request::Agent { employee_id })?
            else {
                continue;
            };
            if views.iter().all(|view| view.call.is_none()) {
                return Err(fault("a_line_is_at_rest_or_lent", text));
            }
        }
        Ok(())
    }
}
