//! [`Plan`]: what one seed means: the size of its world and how badly it behaves.

use hotline_base::Rng;

/// Random choices in the words of a plan.
#[derive(Debug)]
pub struct Dice(Rng);

impl Dice {
    /// Dice that draw from a generator.
    pub fn new(rng: Rng) -> Dice {
        Dice(rng)
    }

    /// True so many times in a thousand.
    pub fn permille(&mut self, times: u64) -> bool {
        self.0.below(1000) < times
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.0.below(100) < times
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high.saturating_sub(low) + 1)
    }

    /// One of these; of none, nothing.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.0.below(of.len().max(1) as u64) as usize)
    }

    /// A generator of its own stream.
    pub fn fork(&mut self) -> Rng {
        self.0.fork()
    }
}

/// What one seed means.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Datagrams lost, in a thousand.
    pub loss_permille: u64,
    /// Datagrams doubled, in a thousand.
    pub duplicate_permille: u64,
    /// Shortest and longest delay of a datagram, in ms; equal: nothing is reordered.
    pub delay_ms: (u64, u64),
    /// Engines that share the node.
    pub engines: u16,
    /// Tenants, with equal agent numbers.
    pub tenants: u32,
    /// Whether tenants have equal access codes and are told apart by trunk.
    pub equal_codes: bool,
    /// Agents of each tenant.
    pub agents: u32,
    /// Calls in all.
    pub calls: u64,
    /// Length of the script, in ms.
    pub script_ms: u64,
    /// Port pairs the media workers lend each engine.
    pub ports: u16,
    /// Whether the wall clock jumps.
    pub wall_jumps: bool,
    /// Orders through the API.
    pub orders: u64,
    /// Changes of the configuration.
    pub changes: u64,
    /// Times new calls are turned away for a while.
    pub freezes: u64,
    /// Times the node drains for a while.
    pub drains: u64,
    /// Whether all calls are released at once, some time.
    pub release_all: bool,
    /// What happens to phones' registrations, connections and lives.
    pub troubles: u64,
    /// How the agents answer.
    pub temper: Temper,
    /// Callers whose ACK never arrives, in a hundred.
    pub never_ack_percent: u64,
    /// Callers who vanish, in a hundred.
    pub vanish_percent: u64,
    /// Longest patience of a caller, in ms.
    pub patience_ms: u64,
    /// Keys that are pressed, by anybody.
    pub keys: u64,
    /// Web services that answer, in a hundred; some of them too late.
    pub answers_percent: u64,
    /// Agents of each tenant who have nothing but a mobile.
    pub mobiles: u32,
}

/// How agents answer, in a hundred; what is left answers.
#[derive(Clone, Copy, Debug)]
pub struct Temper {
    /// Rejects with 486, 603, 480 or 503.
    pub rejects: u64,
    /// Lets it ring.
    pub ignores: u64,
    /// Answers at about the end of the offer.
    pub late: u64,
    /// Answers at the moment in which a CANCEL is on its way, when one is.
    pub crosses: u64,
    /// Vanishes while it rings or talks.
    pub vanishes: u64,
}

impl Plan {
    /// The plan of a seed.
    pub fn draw(seed: u64) -> Plan {
        let dice = &mut Dice::new(Rng::from_number(seed));
        let perfect = dice.percent(25);
        let wild = dice.percent(50);
        let delay_ms = match (perfect, wild) {
            (true, _) => (5, 5),
            (false, false) => (1, 20),
            (false, true) => (1, 700),
        };
        let faults = |dice: &mut Dice, most| if perfect { 0 } else { dice.between(0, most) };
        let calm = dice.percent(20);
        let some = |dice: &mut Dice, most| if calm { 0 } else { dice.between(0, most) };
        Plan {
            seed,
            loss_permille: faults(dice, 150),
            duplicate_permille: faults(dice, 100),
            delay_ms,
            engines: if dice.percent(40) { 2 } else { 1 },
            tenants: if dice.percent(60) { 2 } else { 1 },
            equal_codes: dice.percent(50),
            agents: dice.between(1, 5) as u32,
            calls: if dice.percent(20) { dice.between(20, 60) } else { dice.between(3, 20) },
            script_ms: dice.between(20_000, 150_000),
            ports: if dice.percent(20) { 4 } else { 64 },
            wall_jumps: dice.percent(15),
            orders: some(dice, 20),
            changes: if dice.percent(30) { some(dice, 6) } else { 0 },
            freezes: if dice.percent(20) { some(dice, 2) } else { 0 },
            release_all: !calm && dice.percent(5),
            troubles: some(dice, 12),
            temper: Temper {
                rejects: some(dice, 25),
                ignores: some(dice, 25),
                late: some(dice, 20),
                crosses: some(dice, 80),
                vanishes: some(dice, 8),
            },
            never_ack_percent: if calm { 0 } else { dice.between(0, 10) },
            vanish_percent: some(dice, 8),
            patience_ms: dice.between(2_000, 60_000),
            drains: if dice.percent(20) { some(dice, 2) } else { 0 },
            keys: dice.between(0, 120),
            answers_percent: dice.between(0, 100),
            mobiles: if dice.percent(35) { dice.between(1, 3) as u32 } else { 0 },
        }
    }
}
