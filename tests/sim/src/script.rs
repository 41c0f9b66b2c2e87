//! What people do: when they call, how they answer, and what goes wrong around them.
//!
//! Owns: the choices of the script and their end when the world heals. Does not own: time and the
//! ways messages take ([`crate::world`]).

use crate::centre::{Centre, EXTENSIONS};
use crate::invariants::Fault;
use crate::peers::{Act, DIALLED, Peer, Who};
use crate::world::{Happening, World};
use hotline::phone::Event;
use hotline_base::Partition;
use hotline_engine::Input;
use hotline_engine::input::{AgentVerb, Reply, Request};
use hotline_media::command::{DigitSource, Event as MediaEvent};
use std::time::Duration;

/// What happens besides calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// An order through the API.
    Order,
    /// A change of the configuration.
    Change,
    /// New calls are turned away and nobody is offered any, or no longer.
    Freeze(bool),
    /// New calls are turned away, or no longer; who waits is offered.
    Drain(bool),
    /// Every call is released.
    ReleaseAll,
    /// The wall clock jumps.
    WallJump,
    /// An agent's phone does something of its own.
    Phone,
    /// Somebody presses a key.
    Key,
}

/// A ringing phone gives up by itself.
const RINGS_MS_MAX: u64 = 150_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl World<'_> {
    /// Agents with their phones, callers, and all that is going to happen.
    pub fn people(&mut self) {
        let plan = self.plan;
        for tenant in 0..plan.tenants {
            for agent in 0..plan.agents {
                let contacts = if self.dice.percent(25) { 2 } else { 1 };
                for contact in 0..contacts {
                    self.agent_joins((tenant, Partition(tenant + 1)), (agent, contact));
                }
            }
        }
        self.mobiles_join();
        for number in 0..plan.calls {
            self.caller_joins(number as u32);
        }
        let troubles = [
            (plan.orders, Trouble::Order),
            (plan.changes, Trouble::Change),
            (plan.freezes, Trouble::Freeze(true)),
            (u64::from(plan.release_all), Trouble::ReleaseAll),
            (u64::from(plan.wall_jumps) * 3, Trouble::WallJump),
            (plan.troubles, Trouble::Phone),
            (plan.drains, Trouble::Drain(true)),
            (plan.keys, Trouble::Key),
        ];
        for (times, trouble) in troubles {
            for _ in 0..times {
                let at = ms(self.dice.between(0, plan.script_ms));
                self.later(at, Happening::Trouble(trouble));
            }
        }
    }

    fn agent_joins(&mut self, tenant: (u32, Partition), agent: (u32, u32)) {
        let connection = self.dice.percent(30).then(|| self.connect());
        let register_s = self.dice.between(20, 120) as u32;
        let rng = self.dice.fork();
        let peer = self.join(Peer::agent(tenant, agent, connection, register_s, rng));
        let at = ms(self.dice.between(0, 5_000));
        self.later(at, Happening::Act(peer, None, Act::Register));
    }

    fn caller_joins(&mut self, number: u32) {
        let plan = self.plan;
        let tenant = self.dice.between(0, u64::from(plan.tenants) - 1) as u32;
        let connection = self.dice.percent(20).then(|| self.connect());
        let mut caller = Peer::caller(tenant, number, connection, self.dice.fork());
        caller.never_acks = self.dice.percent(plan.never_ack_percent);
        let peer = self.join(caller);
        let extension = self.dice.pick(EXTENSIONS).map_or("", |(extension, _)| extension);
        let extension = if self.dice.percent(3) { "99" } else { extension };
        let dialled = format!("{}{extension}", self.centre.access_code(tenant));
        let at = self.dice.between(0, plan.script_ms);
        self.later(ms(at), Happening::Act(peer, None, Act::Dial(dialled)));
        // Any moment: while calling, queued, ringing, announced, talking, or after the end.
        let longest = if self.dice.percent(20) { 500 } else { plan.patience_ms };
        let patience = self.dice.between(0, longest);
        let vanishes = self.dice.percent(plan.vanish_percent);
        let last = if vanishes { Act::Vanish } else { Act::HangUp };
        self.later(ms(at + patience), Happening::Act(peer, None, last));
    }

    /// A phone reports something.
    pub fn heard(&mut self, peer: usize, event: Event) -> Result<(), Fault> {
        let who = self.peers[peer].who.clone();
        match (event, who) {
            (Event::Ringing { .. }, Who::Outside) => {
                self.peers[peer].turn += 1;
                self.rings(peer, 0);
            }
            (Event::Ringing { from, .. }, Who::Agent(tenant, _) | Who::Mobile(tenant, ..)) => {
                self.peers[peer].turn += 1;
                // The display ends in the caller's number.
                let number = from.rsplit(' ').next().unwrap_or_default();
                self.peers[peer].engaged = Some(number.to_owned());
                self.rings(peer, tenant);
            }
            (Event::Up, Who::Agent(..) | Who::Outside) => self.talks(peer),
            (Event::Up, Who::Mobile(tenant, agent, _)) => self.mobile_talks(peer, tenant, agent),
            (Event::RegistrationFailed(status, _), Who::Agent(..))
                if (400..500).contains(&status) && status != 408 && !self.switched_off =>
            {
                let after = ms(self.dice.between(5_000, 10_000));
                self.later(after, Happening::Act(peer, None, Act::Register));
            }
            (Event::Ended(_), who) => {
                self.peers[peer].turn += 1;
                self.peers[peer].engaged = None;
                self.peers[peer].crosses = false;
                if let Who::Mobile(tenant, ..) = who {
                    self.mobile_is_free(peer, tenant);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What an agent does whose phone rings.
    fn rings(&mut self, peer: usize, tenant: u32) {
        let turn = Some(self.peers[peer].turn);
        let temper = self.plan.temper;
        if self.dice.percent(80) {
            let after = ms(self.dice.between(20, 200));
            self.later(after, Happening::Act(peer, turn, Act::Ring));
        }
        self.later(ms(RINGS_MS_MAX), Happening::Act(peer, turn, Act::HangUp));
        if self.healing {
            let after = ms(self.dice.between(100, 1_500));
            return self.later(after, Happening::Act(peer, turn, Act::Answer));
        }
        self.peers[peer].crosses = self.dice.percent(temper.crosses);
        let offer_ms = u64::from(self.centre.offer_time_s(tenant)) * 1_000;
        let slow = 2 * self.plan.delay_ms.1 + 20;
        let roll = self.dice.between(0, 99);
        let mut until = temper.rejects;
        if roll < until {
            let status = *self.dice.pick(&[486, 603, 480, 503, 500]).unwrap_or(&486);
            let after = ms(self.dice.between(0, 3_000));
            return self.later(after, Happening::Act(peer, turn, Act::Reject(status)));
        }
        until += temper.ignores;
        if roll < until {
            return;
        }
        until += temper.late;
        if roll < until {
            let at = (offer_ms + slow / 2).saturating_sub(self.dice.between(0, slow));
            return self.later(ms(at), Happening::Act(peer, turn, Act::Answer));
        }
        if roll < until + temper.vanishes {
            let after = ms(self.dice.between(0, 8_000));
            self.later(after, Happening::Act(peer, turn, Act::Vanish));
        }
        let after = ms(self.dice.between(100, 6_000));
        self.later(after, Happening::Act(peer, turn, Act::Answer));
    }

    /// What an agent does whose call is up.
    fn talks(&mut self, peer: usize) {
        let turn = Some(self.peers[peer].turn);
        let longest = if self.healing { 3_000 } else { 15_000 };
        let talk_ms = self.dice.between(100, longest);
        self.later(ms(talk_ms), Happening::Act(peer, turn, Act::HangUp));
        if self.dice.percent(20) {
            let held = self.dice.between(0, talk_ms);
            self.later(ms(held), Happening::Act(peer, turn, Act::Hold(true)));
            let back = self.dice.between(held, talk_ms);
            self.later(ms(back), Happening::Act(peer, turn, Act::Hold(false)));
        }
    }

    /// Somebody does something.
    pub fn act(&mut self, peer: usize, act: Act) -> Result<(), Fault> {
        let now = self.now();
        self.log.add(|| format!("{} {}: {act:?}", self.stamp(), self.name(peer)));
        let one = &mut self.peers[peer];
        if !one.alive && !matches!(act, Act::Return) {
            return Ok(());
        }
        match act {
            Act::Dial(number) => {
                one.phone.dial(now, &number);
                if one.phone.is_busy() && one.engaged.is_none() {
                    one.engaged = one.agent_key().map(|_| DIALLED.to_owned());
                }
            }
            Act::Press(keys) => self.press(peer, &keys),
            Act::AskByKeys => self.ask_by_keys(peer),
            Act::Ring => one.phone.ring(now),
            Act::Answer => one.phone.answer(now),
            Act::Reject(status) => one.phone.reject(now, status),
            Act::HangUp => one.phone.hang_up(now),
            Act::Hold(on) => one.phone.hold(now, on),
            Act::Register => one.phone.register(now),
            Act::Unregister => one.phone.unregister(now),
            Act::Vanish => return self.vanish(peer),
            Act::Return => return self.come_back(peer),
            Act::Disconnect => return self.disconnected(peer),
        }
        self.attend(peer)
    }

    fn vanish(&mut self, peer: usize) -> Result<(), Fault> {
        let one = &mut self.peers[peer];
        one.alive = false;
        one.engaged = None;
        one.turn += 1;
        let media = one.media();
        one.deadline = None;
        let agent = one.agent_key().is_some() || matches!(one.who, Who::Outside);
        let now = self.now().mono;
        self.workers.iter_mut().for_each(|workers| workers.fall_silent(now, media));
        if agent {
            let after = ms(self.dice.between(3_000, 40_000));
            self.later(after, Happening::Act(peer, None, Act::Return));
        }
        Ok(())
    }

    fn come_back(&mut self, peer: usize) -> Result<(), Fault> {
        if self.peers[peer].alive || self.switched_off {
            return Ok(());
        }
        let old = self.peers[peer].connection();
        let connection = old.map(|_| self.connect());
        let rng = self.dice.fork();
        self.peers[peer].restart(connection, rng);
        self.reconnected(peer);
        if let Some(old) = old {
            self.disconnect(old);
        }
        let media = self.peers[peer].media();
        self.workers.iter_mut().for_each(|workers| workers.speak_again(media));
        match self.peers[peer].who {
            Who::Agent(..) => self.act(peer, Act::Register),
            Who::Mobile(tenant, ..) => {
                self.mobile_is_free(peer, tenant);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn disconnected(&mut self, peer: usize) -> Result<(), Fault> {
        let Some(old) = self.peers[peer].connection() else { return Ok(()) };
        let connection = self.connect();
        self.disconnect(old);
        let now = self.now();
        self.peers[peer].reconnect(now, connection);
        // What rang over the broken connection is over for the server, and the phone does not
        // know: what it sees of that call no longer counts.
        self.peers[peer].engaged = None;
        self.reconnected(peer);
        self.attend(peer)?;
        self.act(peer, Act::Register)
    }

    /// Something besides calls happens.
    pub fn trouble(&mut self, trouble: Trouble) -> Result<(), Fault> {
        self.log.add(|| format!("{} {trouble:?}", self.stamp()));
        match trouble {
            Trouble::Order => self.order(),
            Trouble::Change => {
                let what = self.centre.change(&mut self.dice);
                self.log.add(|| format!("{} {what}", self.stamp()));
                self.configure()
            }
            Trouble::Freeze(frozen) => {
                if frozen {
                    let after = ms(self.dice.between(1_000, 20_000));
                    self.later(after, Happening::Trouble(Trouble::Freeze(false)));
                }
                self.freeze(frozen)
            }
            Trouble::Drain(draining) => {
                if draining {
                    let after = ms(self.dice.between(1_000, 20_000));
                    self.later(after, Happening::Trouble(Trouble::Drain(false)));
                }
                self.drain(draining)
            }
            Trouble::ReleaseAll => self.feed_all(|| Input::ReleaseAll),
            Trouble::WallJump => {
                let by = self.dice.between(0, 7_200) as i64 - 3_600;
                self.wall_us += by * 1_000_000;
                Ok(())
            }
            Trouble::Phone => self.phone_trouble(),
            Trouble::Key => self.key(),
        }
    }

    /// Somebody presses a key: it comes by telephone-events, as a tone, or by both.
    fn key(&mut self) -> Result<(), Fault> {
        let engine = self.dice.between(0, self.workers.len() as u64 - 1) as usize;
        let legs = self.workers[engine].legs();
        let Some(&leg) = self.dice.pick(&legs) else { return Ok(()) };
        if self.is_of_mobile(engine, leg) && self.dice.percent(90) {
            return Ok(());
        }
        let digit = *self.dice.pick(&['1', '2', '3', '4', '5', '6', '7', '8', '#']).unwrap_or(&'1');
        let duration_ms = self.dice.between(40, 400) as u32;
        let both = self.dice.percent(20);
        for source in
            [DigitSource::Rtp, DigitSource::InBand].into_iter().take(1 + usize::from(both))
        {
            let event = MediaEvent::Digit { leg, digit, duration_ms, source };
            let after = ms(self.dice.between(0, 60));
            self.later(after, Happening::Report(engine, event));
        }
        Ok(())
    }

    fn freeze(&mut self, frozen: bool) -> Result<(), Fault> {
        self.invariants.freeze(self.now(), frozen);
        self.feed_all(|| Input::Freeze(frozen))
    }

    fn drain(&mut self, draining: bool) -> Result<(), Fault> {
        self.invariants.drain(draining);
        self.feed_all(|| Input::Drain(draining))
    }

    fn phone_trouble(&mut self) -> Result<(), Fault> {
        let agents: Vec<usize> =
            (0..self.peers.len()).filter(|peer| self.peers[*peer].registers()).collect();
        let Some(&peer) = self.dice.pick(&agents) else { return Ok(()) };
        let act = match self.dice.between(0, 6) {
            0 => Act::Register,
            1 => {
                let after = ms(self.dice.between(0, 15_000));
                self.later(after, Happening::Act(peer, None, Act::Register));
                Act::Unregister
            }
            2 => Act::Vanish,
            3 => Act::Disconnect,
            4 => Act::HangUp,
            _ => {
                let tenant = match self.peers[peer].who {
                    Who::Agent(tenant, _) => tenant,
                    _ => 0,
                };
                let extension = *self.dice.pick(&["1", "4", "2"]).unwrap_or(&"1");
                let number = match self.dice.percent(50) {
                    true => format!("{}{extension}", self.centre.access_code(tenant)),
                    false => Centre::employee_id(self.dice.between(0, 3) as u32),
                };
                let after = ms(self.dice.between(500, 20_000));
                self.later(after, Happening::Act(peer, None, Act::HangUp));
                Act::Dial(number)
            }
        };
        self.act(peer, act)
    }

    /// An order through the API, for a random agent or call.
    fn order(&mut self) -> Result<(), Fault> {
        let partitions = self.partitions();
        let Some(&partition) = self.dice.pick(&partitions) else { return Ok(()) };
        let employee_id = match self.plan.mobiles > 0 && self.dice.percent(30) {
            true => Centre::mobile_id(self.dice.between(0, 2) as u32),
            false => Centre::employee_id(self.dice.between(0, 4) as u32),
        };
        let verb = match self.dice.between(0, 9) {
            0 | 1 => AgentVerb::SignIn { queues: vec![], force: self.dice.percent(50) },
            2 => AgentVerb::SignOut,
            3 => AgentVerb::Busy,
            4 => AgentVerb::Rest { reason: "lunch".into(), planned_s: Some(600) },
            5 | 6 => AgentVerb::Idle,
            7 => AgentVerb::WrapUp { extend_s: 0 },
            8 => AgentVerb::WrapUp { extend_s: 5 },
            _ => return self.other_order(partition, employee_id),
        };
        self.log.add(|| format!("{} order: {employee_id} {verb:?}", self.stamp()));
        let reply = self.ask(partition, Request::AgentVerb { employee_id, verb })?;
        self.log.add(|| format!("{} reply: {reply:?}", self.stamp()));
        Ok(())
    }

    fn other_order(&mut self, partition: Partition, employee_id: String) -> Result<(), Fault> {
        if self.dice.percent(50) {
            return self.ask(partition, Request::Unregister { employee_id }).map(drop);
        }
        let calls = match self.ask(partition, Request::Calls)? {
            Ok(Reply::Calls(calls)) => calls,
            _ => return Ok(()),
        };
        match self.dice.pick(&calls).map(|view| view.call) {
            Some(call) => self.ask(partition, Request::Release { call }).map(drop),
            None => Ok(()),
        }
    }

    /// From now on everybody behaves, and nothing is lost.
    pub fn heal(&mut self) -> Result<(), Fault> {
        self.log.add(|| format!("{} everything heals", self.stamp()));
        self.healing = true;
        self.network.heal();
        self.keep_happenings(|happening| {
            !matches!(
                happening,
                Happening::Trouble(_) | Happening::Act(_, _, Act::Vanish | Act::Dial(_))
            )
        });
        self.centre.heal();
        self.freeze(false)?;
        self.drain(false)?;
        self.configure()?;
        for peer in 0..self.peers.len() {
            if self.peers[peer].agent_key().is_some()
                || matches!(self.peers[peer].who, Who::Outside)
            {
                self.come_back(peer)?;
            }
            match self.peers[peer].registers() {
                true => {}
                false => {
                    let after = ms(self.dice.between(0, 30_000));
                    self.later(after, Happening::Act(peer, None, Act::HangUp));
                }
            }
        }
        Ok(())
    }

    /// The agents go home: some sign off, some pull the plug.
    pub fn switch_off(&mut self) -> Result<(), Fault> {
        self.log.add(|| format!("{} everybody goes home", self.stamp()));
        self.switched_off = true;
        self.keep_happenings(|happening| !matches!(happening, Happening::Act(..)));
        for peer in 0..self.peers.len() {
            if self.peers[peer].registers() {
                let act = if self.dice.percent(50) { Act::Unregister } else { Act::Vanish };
                self.act(peer, act)?;
            }
        }
        Ok(())
    }
}
