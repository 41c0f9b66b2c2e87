//! [`Flow`]: an IVR flow as it is written, in TOML or JSON. As JSON ([`Serialize`]) it is what
//! [`crate::read::flow`] reads again.
//!
//! Owns: the node kinds and their fields, with units, ranges and defaults. Does not own: reading
//! them with good errors ([`crate::read`]), what is wrong between nodes ([`crate::check`]), what
//! they do ([`crate::run`]).
//!
//! An *edge* is the name of a node. An *expression* is text in the language of [`crate::expr`].

mod visit;
mod written;

use crate::expr::Expr;
use serde::Serialize;
use std::collections::BTreeMap;

/// Name of a node, a variable, a flow: 1–64 of `a-z 0-9 _`, not starting with a digit.
pub type Name = String;

/// A flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Flow {
    /// For people: 0–255 characters.
    pub description: String,
    /// Languages it can speak; every prompt must be there in each. Empty: the tenant's language.
    pub languages: Vec<String>,
    /// The first node.
    pub start: Name,
    /// Its variables by name.
    pub variables: BTreeMap<Name, Variable>,
    /// Variables that a calling flow may set (`subflow.with`).
    pub parameters: Vec<Name>,
    /// Variables that a calling flow may read afterwards (`subflow.into`).
    pub results: Vec<Name>,
    /// Where the flow goes on, unheard, when the caller hangs up. Runs once.
    pub on_hang_up: Option<Name>,
    /// Where it goes when a node fails that has no edge of its own for it.
    pub on_fault: Option<Name>,
    /// Its nodes by name.
    pub node: BTreeMap<Name, Node>,
}

/// A variable. A secret is masked in logs, traces, records and events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Variable {
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: Type,
    /// What it holds first; without it the variable must be set before it is read.
    pub value: Option<Value>,
    /// Whether it must never be seen.
    pub secret: bool,
}

/// What a variable holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Characters: at most 1,024.
    Text,
    /// A whole number (64 bits) or an amount in hundredths; arithmetic is checked.
    Number,
    /// `true` or `false`.
    Flag,
    /// A point in time, in ms since 1970 UTC.
    Time,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Characters.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Milliseconds since 1970 UTC.
    Time(i64),
}

impl Value {
    /// Its type.
    pub const fn kind(&self) -> Type {
        match self {
            Value::Text(_) => Type::Text,
            Value::Number(_) => Type::Number,
            Value::Flag(_) => Type::Flag,
            Value::Time(_) => Type::Time,
        }
    }
}

/// One thing that is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Speech {
    /// A recorded prompt; as plain text in a file.
    Prompt(String),
    /// Text, digit by digit.
    Digits(Expr),
    /// A whole number in words.
    Number(Expr),
    /// How many people, in words: with its measure word where the language has one.
    People(Expr),
    /// A date.
    Date(Expr),
    /// A time of day.
    Time(Expr),
    /// A duration in seconds.
    Duration(Expr),
    /// An amount in hundredths of a currency (ISO 4217).
    Amount {
        /// Hundredths.
        amount: Expr,
        /// `EUR`, `CNY`, `USD`.
        currency: String,
    },
    /// Silence, ms: 10–10,000.
    SilenceMs(u32),
}

/// A digit menu's or collection's manners, shared by all nodes that listen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listening {
    /// What is said first.
    pub say: Vec<Speech>,
    /// What is said at the first, second, … retry; the last one repeats. Empty: `say` again.
    pub retry_say: Vec<Vec<Speech>>,
    /// The same where nothing was pressed. Empty: `retry_say`.
    pub no_input_say: Vec<Vec<Speech>>,
    /// The same where something else was pressed than was asked for. Empty: `retry_say`.
    pub no_match_say: Vec<Vec<Speech>>,
    /// Retries after time-out or no match: 0–10, default 2.
    pub retries: u8,
    /// A digit stops what is said. Default true.
    pub barge_in: bool,
    /// Digits typed before the node are thrown away. Default false: they are kept.
    pub flush: bool,
    /// Wait for the first digit after what is said has ended, ms: 500–60,000, default 5,000.
    pub first_digit_ms: u32,
    /// Wait between digits, ms: 200–30,000, default 3,000.
    pub inter_digit_ms: u32,
}

/// One step of a flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Node {
    /// Says something.
    Play {
        /// What.
        say: Vec<Speech>,
        /// A digit stops it (the digit is kept). Default true.
        barge_in: bool,
        /// Edge.
        next: Name,
    },
    /// Waits, with a tone or in silence: in-queue flows do this between announcements.
    Wait {
        /// How long, s: 1–3,600.
        for_s: u32,
        /// A tone of the tenant, `default` for the wait tone; silence if none.
        tone: Option<String>,
        /// A digit ends it and is kept. Default false.
        barge_in: bool,
        /// Edge.
        next: Name,
    },
    /// Takes a key (1–4 digits) and goes where it says.
    Menu {
        /// Manners.
        #[serde(flatten)]
        listening: Listening,
        /// Edges by key.
        keys: BTreeMap<String, Name>,
        /// Edge: nothing pressed, retries used up.
        on_timeout: Name,
        /// Edge: wrong keys, retries used up.
        on_no_match: Name,
    },
    /// Takes digits into a text variable.
    Collect {
        /// Manners.
        #[serde(flatten)]
        listening: Listening,
        /// The variable; a secret one keeps what was typed out of sight.
        into: Name,
        /// Fewest digits: 0–64.
        min: u8,
        /// Most digits: 1–64.
        max: u8,
        /// The digit that ends it, not part of it; default `#`, none if empty.
        #[serde(serialize_with = "written::terminator")]
        terminator: Option<char>,
        /// What must hold of the variable; else it counts as no match.
        valid: Option<Expr>,
        /// Edge.
        next: Name,
        /// Edge: nothing pressed, retries used up.
        on_timeout: Name,
        /// Edge: too few, or not valid, retries used up.
        on_no_match: Name,
    },
    /// Goes to the first case that holds.
    Branch {
        /// Cases in order.
        cases: Vec<Case>,
        /// Edge: none holds.
        otherwise: Name,
    },
    /// Sets variables, and data that travel with the call.
    Set {
        /// Variables and their new values, in order.
        #[serde(serialize_with = "written::ordered")]
        values: Vec<(Name, Expr)>,
        /// Attached data (1–32 keys of 1–32 characters, values of at most 256), in order.
        #[serde(serialize_with = "written::ordered")]
        data: Vec<(String, Expr)>,
        /// Edge.
        next: Name,
    },
    /// Goes to `body` a number of times, then on; the body leads back to this node.
    Loop {
        /// How often: 1–100.
        times: u8,
        /// Edge.
        body: Name,
        /// Edge: after the last time.
        next: Name,
    },
    /// Changes the language of what is said from here on.
    Language {
        /// The language, `en`.
        language: Expr,
        /// Whether the caller is remembered to speak it (by calling number).
        remember: bool,
        /// Edge.
        next: Name,
        /// Edge: the flow does not speak it.
        on_unknown: Name,
    },
    /// Is it within a working time?
    WorkingTime {
        /// Name of the working time.
        working_time: String,
        /// Edge.
        open: Name,
        /// Edge.
        closed: Name,
    },
    /// Asks a web service.
    Http {
        /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`.
        method: String,
        /// The address: text with `{expression}`; each is percent-encoded.
        url: String,
        /// Header values: text with `{expression}` and `{secret:NAME}` (from configuration).
        headers: BTreeMap<String, String>,
        /// A JSON body by field; none if empty.
        body: BTreeMap<String, Expr>,
        /// Deadline for all tries together, ms: 100–30,000, default 3,000.
        timeout_ms: u32,
        /// Retries, only of GET, PUT and DELETE: 0–3, default 0.
        retries: u8,
        /// Variables filled from the JSON answer, by JSON pointer (RFC 6901).
        into: BTreeMap<Name, String>,
        /// Edge: 2xx and every pointer found and of its variable's type.
        next: Name,
        /// Edge: anything else.
        on_error: Name,
    },
    /// Sends the caller elsewhere. Does not come back unless it has failed.
    Transfer {
        /// Where to.
        to: Target,
        /// Priority in a queue: 0–100; unset: the route's.
        priority: Option<Expr>,
        /// Edge: the target could not take the call. Without it: `on_fault`.
        on_failure: Option<Name>,
    },
    /// Runs another flow and comes back.
    Subflow {
        /// The flow.
        flow: Name,
        /// Its parameters.
        with: BTreeMap<Name, Expr>,
        /// Variables of ours from its results: ours → its.
        into: BTreeMap<Name, Name>,
        /// Edge.
        next: Name,
    },
    /// Reads a queue's state into variables (number).
    QueueStatus {
        /// The queue.
        queue: String,
        /// Callers waiting.
        waiting: Option<Name>,
        /// Agents signed in.
        agents: Option<Name>,
        /// Agents idle.
        idle: Option<Name>,
        /// Edge.
        next: Name,
    },
    /// Changes the caller's priority in the queue it waits in, or will wait in.
    Priority {
        /// 0–100.
        priority: Expr,
        /// Edge.
        next: Name,
    },
    /// Records a message of the caller.
    Message {
        /// What is said before the tone.
        say: Vec<Speech>,
        /// Which box it goes to: 1–64 characters.
        mailbox: String,
        /// Longest, s: 1–600, default 120.
        max_s: u32,
        /// Shorter ones are thrown away, s: 0–10, default 1.
        min_s: u32,
        /// Silence that ends it, s: 1–30, default 5; 0 never.
        silence_s: u32,
        /// Digits that end it; default `#`.
        stop_on: String,
        /// Edge: a message was left (also by hanging up: then `on_hang_up` runs).
        next: Name,
        /// Edge: nothing was left.
        on_empty: Name,
    },
    /// Signs a single-phone agent in: asks for employee ID and PIN, checks them, asks how calls
    /// are to be taken. Nothing of it is ever in a variable.
    AgentSignIn {
        /// Prompts by part; defaults are the standard ones.
        prompts: SignInPrompts,
        /// How calls are taken.
        mode: SignInMode,
        /// Tries before `on_failure`: 1–5, default 3.
        tries: u8,
        /// Edge: signed in to be rung. (Who holds the line leaves the flow.)
        next: Name,
        /// Edge: wrong employee ID or PIN, tries used up.
        on_failure: Name,
        /// Edge: locked out.
        on_locked: Name,
    },
    /// The end of the call, or of a sub-flow.
    End {
        /// What is said before.
        say: Vec<Speech>,
        /// Q.850 cause: 1–127, default 16.
        cause: u8,
    },
}

/// A case of a [`Node::Branch`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// What must hold.
    #[serde(rename = "if")]
    pub condition: Expr,
    /// Edge.
    pub then: Name,
}

/// Most digits of an outside number, without `+`.
pub const OUTSIDE_DIGITS_MAX: usize = 24;

/// Where a [`Node::Transfer`] leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A skill queue by name.
    SkillQueue(String),
    /// An agent by employee ID (an expression of type text).
    Agent(Expr),
    /// Another flow by name.
    Flow(Name),
    /// An outside number (an expression of type text) through a trunk by name.
    Number {
        /// The number: 1–24 digits, with or without `+` before them.
        number: Expr,
        /// The trunk.
        trunk: String,
    },
}

/// What an agent hears at sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignInPrompts {
    /// "Enter your employee ID": `sign_in_employee_id`.
    pub employee_id: String,
    /// "Enter your PIN": `sign_in_pin`.
    pub pin: String,
    /// "That was not right": `sign_in_wrong`.
    pub wrong: String,
    /// "Press 1 to hold the line, 2 to be called": `sign_in_mode`.
    pub mode: String,
    /// "You are signed in": `signed_in`.
    pub signed_in: String,
    /// "That is not possible now", of how it wants to take calls: `not_possible`.
    pub not_possible: String,
}

impl Default for SignInPrompts {
    fn default() -> SignInPrompts {
        SignInPrompts {
            employee_id: "sign_in_employee_id".into(),
            pin: "sign_in_pin".into(),
            wrong: "sign_in_wrong".into(),
            mode: "sign_in_mode".into(),
            signed_in: "signed_in".into(),
            not_possible: "not_possible".into(),
        }
    }
}

/// How a single-phone agent takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInMode {
    /// It is asked: 1 holds the line, 2 is rung.
    #[default]
    Ask,
    /// It stays connected.
    HoldTheLine,
    /// It is rung on its mobile number.
    BeRung,
}
