//! [`Peer`]: a phone with somebody at it.
//!
//! Owns: a [`Phone`], its address and connection, what its user has in mind. Does not own: the
//! network and the clock ([`crate::world`] carries what it sends and wakes it).

use crate::centre::{Centre, PASSWORD};
use hotline::phone::{Phone, Settings};
use hotline_base::{Mono, Now, Partition, Redacted, Rng};
use hotline_media::command::Codec;
use hotline_sip::{ConnectionId, Flow, Transport};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the server is.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);

/// What [`Peer::engaged`] says of a phone that has dialled.
pub const DIALLED: &str = "dialled";

/// What the user of a phone does at some moment.
#[derive(Clone, Debug)]
pub enum Act {
    /// Dials.
    Dial(String),
    /// Lets it be heard that it rings.
    Ring,
    /// Answers.
    Answer,
    /// Rejects with this status.
    Reject(u16),
    /// Hangs up, whatever there is to hang up.
    HangUp,
    /// Presses these keys, one after the other.
    Press(String),
    /// Asks for something by keys, and goes on doing so.
    AskByKeys,
    /// Puts the call on hold, or takes it back.
    Hold(bool),
    /// Registers.
    Register,
    /// Takes its registration back.
    Unregister,
    /// Loses power.
    Vanish,
    /// Comes back without memory and registers.
    Return,
    /// Its connection breaks.
    Disconnect,
}

/// Who sits at a phone.
#[derive(Clone, Debug)]
pub enum Who {
    /// A customer behind a tenant's trunk.
    Caller,
    /// An agent: its tenant's number, partition and employee ID.
    Agent(u32, (Partition, String)),
    /// An agent who has nothing but a mobile: its tenant's number, which one, and its key.
    Mobile(u32, u32, (Partition, String)),
    /// Somebody behind a tenant's trunk whom agents call.
    Outside,
}

/// A phone with somebody at it; see the module.
pub struct Peer {
    /// Who.
    pub who: Who,
    /// The phone.
    pub phone: Phone,
    /// How it is set up; a phone that returns begins with this.
    pub settings: Settings,
    /// Whether it has power.
    pub alive: bool,
    /// Its ACKs never arrive.
    pub never_acks: bool,
    /// Answers at the moment in which it is being cancelled.
    pub crosses: bool,
    /// Grows with each call, so that what was meant for the one before is dropped.
    pub turn: u64,
    /// Who is heard or rings at an agent's phone: the caller's number, or [`DIALLED`].
    pub engaged: Option<String>,
    /// When [`Phone::expire`] is due.
    pub deadline: Option<Mono>,
}

impl Peer {
    /// A customer with a number of its own, calling by a tenant's trunk.
    pub fn caller(tenant: u32, number: u32, connection: Option<u64>, rng: Rng) -> Peer {
        let host = Ipv4Addr::new(10, 9, tenant as u8, (number % 250) as u8 + 1);
        let settings = Settings {
            user: format!("7{number:06}"),
            display_name: None,
            domain: SERVER.to_string(),
            password: None,
            ..settings(host, 5060 + (number / 250) as u16, connection)
        };
        Peer::new(Who::Caller, settings, rng)
    }

    /// The mobile of an agent.
    pub fn mobile(tenant: u32, partition: Partition, agent: u32, rng: Rng) -> Peer {
        let host = Ipv4Addr::new(10, 9, tenant as u8, 252);
        let settings = Settings {
            user: Centre::mobile_number(tenant, agent),
            domain: SERVER.to_string(),
            ..settings(host, 5060 + agent as u16, None)
        };
        Peer::new(Who::Mobile(tenant, agent, (partition, Centre::mobile_id(agent))), settings, rng)
    }

    /// Somebody outside.
    pub fn outside(tenant: u32, rng: Rng) -> Peer {
        let host = Ipv4Addr::new(10, 9, tenant as u8, 253);
        let settings = Settings {
            user: Centre::outside_number(tenant),
            domain: SERVER.to_string(),
            ..settings(host, 5060, None)
        };
        Peer::new(Who::Outside, settings, rng)
    }

    /// One phone of an agent.
    pub fn agent(
        (tenant, partition): (u32, Partition),
        (agent, contact): (u32, u32),
        connection: Option<u64>,
        register_s: u32,
        rng: Rng,
    ) -> Peer {
        let host = Ipv4Addr::new(10, 1 + tenant as u8, agent as u8, contact as u8 + 1);
        let employee_id = Centre::employee_id(agent);
        let settings = Settings {
            user: employee_id.clone(),
            domain: Centre::domain(tenant),
            password: Some(Redacted::new(PASSWORD.to_owned())),
            register_s,
            ..settings(host, 5060, connection)
        };
        Peer::new(Who::Agent(tenant, (partition, employee_id)), settings, rng)
    }

    fn new(who: Who, settings: Settings, rng: Rng) -> Peer {
        Peer {
            who,
            phone: Phone::new(settings.clone(), rng),
            settings,
            alive: true,
            never_acks: false,
            crosses: false,
            turn: 0,
            engaged: None,
            deadline: None,
        }
    }

    /// The phone begins anew, on another connection if it had one.
    pub fn restart(&mut self, connection: Option<u64>, rng: Rng) {
        if let Some(connection) = connection {
            self.settings.flow = flow(self.settings.flow.local, Some(connection));
        }
        self.phone = Phone::new(self.settings.clone(), rng);
        self.alive = true;
        self.turn += 1;
        self.engaged = None;
    }

    /// Its connection broke and another was made: a call that is up goes on.
    pub fn reconnect(&mut self, now: Now, connection: u64) {
        self.settings.flow = flow(self.settings.flow.local, Some(connection));
        self.phone.moved(now, self.settings.flow);
    }

    /// The address of its signalling.
    pub fn address(&self) -> SocketAddr {
        self.settings.flow.local
    }

    /// The address of its media.
    pub fn media(&self) -> SocketAddr {
        SocketAddr::new(self.settings.media.0, self.settings.media.1)
    }

    /// Its connection, if it has one.
    pub fn connection(&self) -> Option<u64> {
        self.settings.flow.connection.map(|connection| connection.0)
    }

    /// Its flow as the server sees it.
    pub fn flow_at_server(&self) -> Flow {
        let Flow { transport, local, remote, connection } = self.settings.flow;
        Flow { transport, local: remote, remote: local, connection }
    }

    /// Whether it registers.
    pub fn registers(&self) -> bool {
        matches!(self.who, Who::Agent(..))
    }

    /// The agent it belongs to.
    pub fn agent_key(&self) -> Option<&(Partition, String)> {
        match &self.who {
            Who::Agent(_, key) | Who::Mobile(_, _, key) => Some(key),
            Who::Caller | Who::Outside => None,
        }
    }
}

fn settings(host: Ipv4Addr, port: u16, connection: Option<u64>) -> Settings {
    Settings {
        user: String::new(),
        display_name: None,
        domain: String::new(),
        password: None,
        flow: flow(SocketAddr::new(host.into(), port), connection),
        media: (host.into(), port + 10_000),
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        register_s: 120,
    }
}

fn flow(local: SocketAddr, connection: Option<u64>) -> Flow {
    let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
    Flow { transport, local, remote: SERVER, connection: connection.map(ConnectionId) }
}
