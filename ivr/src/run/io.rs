//! What goes into a running flow and what comes out: data both ways.
//!
//! ```text
//! run.handle(now, input);  while let Some(output) = run.poll() { … }  run.deadline()
//! ```
//! The engine performs what comes out in order. A play, an effect or an exit is answered once; an
//! answer to something that is over is ignored.

use hotline_base::Redacted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One thing that happened to a running flow.
#[derive(Clone, PartialEq)]
pub enum Input {
    /// The caller pressed a key: `0-9*#A-D`, each press once.
    Digit(char),
    /// A play has come to its end by itself, or could not be played.
    PlayEnded {
        /// Which.
        play: u32,
    },
    /// An effect is done, or its deadline has passed ([`Done::Failed`]).
    Done {
        /// Which.
        effect: u32,
        /// What it came to.
        done: Done,
    },
    /// The transfer the flow left by has failed and the call is the flow's again.
    TransferFailed(Failure),
    /// The caller hung up: the hang-up branch runs, unheard, once.
    HungUp,
    /// A waiting flow is cut off: an agent is about to be heard. It keeps its place. (A recording it
    /// has asked for is the engine's to stop.)
    Suspend,
    /// A waiting flow goes on from the node it was cut off at (what it said begins again).
    Resume,
    /// What the flow may know of the call has changed.
    Changed(Facts),
    /// Something is due: see the deadline.
    Expire,
}

/// A key is not shown: it may be one of a PIN.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Digit(_) => f.write_str("Digit(…)"),
            Input::PlayEnded { play } => write!(f, "PlayEnded {{ play: {play} }}"),
            Input::Done { effect, done } => {
                write!(f, "Done {{ effect: {effect}, done: {done:?} }}")
            }
            Input::TransferFailed(failure) => write!(f, "TransferFailed({failure:?})"),
            Input::HungUp => f.write_str("HungUp"),
            Input::Suspend => f.write_str("Suspend"),
            Input::Resume => f.write_str("Resume"),
            Input::Changed(facts) => write!(f, "Changed({facts:?})"),
            Input::Expire => f.write_str("Expire"),
        }
    }
}

/// What a flow may know of the call and its queue: `call.…`, `queue.…` in expressions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// `call.caller`: calling number, empty if withheld.
    pub caller: String,
    /// `call.dialled`: number as dialled.
    pub dialled: String,
    /// `call.access_code`.
    pub access_code: String,
    /// `call.extension_code`, empty if none.
    pub extension_code: String,
    /// `call.language`: what is spoken now.
    pub language: String,
    /// `queue.name`, empty outside a queue.
    pub queue: String,
    /// `queue.position`, from 1; 0 outside a queue.
    pub position: u32,
    /// `queue.agents`: signed in.
    pub agents: u32,
    /// `queue.waited_s`.
    pub waited_s: u32,
    /// `data.KEY`: attached data.
    pub data: BTreeMap<String, String>,
}

/// One thing to be done for a running flow.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Say this; it replaces what is being said. Its end is told by [`Input::PlayEnded`].
    Play {
        /// Names the play.
        play: u32,
        /// What, in order. Never empty.
        sounds: Vec<Sound>,
        /// Again and again until stopped.
        repeat: bool,
    },
    /// Stop saying it: no [`Input::PlayEnded`] is expected.
    Stop {
        /// Which.
        play: u32,
    },
    /// Do this; answered by [`Input::Done`].
    Effect {
        /// Names the effect.
        effect: u32,
        /// What.
        what: Effect,
        /// From now; then it has failed.
        within: Duration,
    },
    /// Attach this to the call.
    Data {
        /// Key.
        key: String,
        /// Value.
        value: String,
    },
    /// From here on this language is spoken.
    Language(String),
    /// The caller's priority, 0–100.
    Priority(u8),
    /// Remember that this caller speaks the current language.
    RememberLanguage,
    /// Whether digits from here on are secret: kept out of traces, logs and the other side.
    Secret(bool),
    /// A node is entered: for the trace of the call. Never holds a value.
    Entered {
        /// Flow.
        flow: Arc<str>,
        /// Node.
        node: Arc<str>,
    },
    /// Something did not work and the flow goes on by its edge for that: for the trace of the call.
    /// One line that never holds a value.
    Trouble(String),
    /// The flow is over; nothing comes after it unless a transfer fails. What it last said has been
    /// stopped.
    Exit(Exit),
}

/// One piece of what is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// A prompt in a language.
    Prompt {
        /// Language.
        language: String,
        /// Name.
        name: String,
    },
    /// A tone of the tenant; `default` is the wait tone.
    Tone(String),
    /// Silence, ms.
    Silence(u32),
}

/// Something that takes time and is done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// An HTTP request.
    Http(HttpRequest),
    /// A queue's state.
    QueueStatus {
        /// Name.
        queue: String,
    },
    /// Record the caller, after a short tone.
    Record {
        /// Box.
        mailbox: String,
        /// Longest, s.
        max_s: u32,
        /// Shorter ones are thrown away, s.
        min_s: u32,
        /// Silence that ends it, s; 0 never.
        silence_s: u32,
        /// Digits that end it.
        stop_on: String,
    },
    /// Is this an agent's employee ID and PIN? Takes the same time whether or not it is.
    VerifyAgent {
        /// Employee ID as typed.
        employee_id: String,
        /// PIN as typed.
        pin: Redacted<String>,
    },
    /// Sign the verified agent in.
    SignIn {
        /// Employee ID.
        employee_id: String,
        /// Whether it holds the line (else it is rung).
        hold_the_line: bool,
    },
}

/// An HTTP request of a flow. What a caller typed may be anywhere in it, so all of it but the
/// method is redacted. Secrets of the configuration are still names (`{secret:NAME}` in header
/// values, put there by the flow's author only): who performs it fills them in.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRequest {
    /// Method.
    pub method: String,
    /// Address, filled in.
    pub url: Redacted<String>,
    /// Headers by name, filled in but for secrets; no value has control characters.
    pub headers: Vec<(String, Redacted<String>)>,
    /// JSON body; `content-type: application/json` is the performer's to add.
    pub body: Option<Redacted<String>>,
    /// Retries.
    pub retries: u8,
}

/// What an effect came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// A web service's 2xx answer, parsed.
    Http(serde_json::Value),
    /// A queue's state; `None`: there is no such queue.
    QueueStatus(Option<QueueStatus>),
    /// A recording has ended; how long it is, ms. 0: nothing was kept.
    Recorded {
        /// Length, ms.
        ms: u32,
    },
    /// Employee ID and PIN fit.
    Verified,
    /// They fit, and the agent is signed in already, to be rung.
    VerifiedRung,
    /// They do not.
    Refused,
    /// Too many tries, of this agent or from this number.
    Locked,
    /// The agent is signed in.
    SignedIn,
    /// It did not work, or not in time; why in one line without personal data.
    Failed(String),
}

/// A queue's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStatus {
    /// Callers waiting.
    pub waiting: u32,
    /// Agents signed in.
    pub agents: u32,
    /// Agents idle.
    pub idle: u32,
}

/// How a flow leaves its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Into a queue.
    SkillQueue(String),
    /// To an agent by employee ID.
    Agent(String),
    /// To an outside number through a trunk.
    Number {
        /// The number.
        number: String,
        /// The trunk.
        trunk: String,
    },
    /// The agent that has signed in holds the line.
    HoldTheLine {
        /// Employee ID.
        employee_id: String,
    },
    /// An agent who is signed in to be rung says by keys what it wants.
    AtKeys {
        /// Employee ID.
        employee_id: String,
        /// Whether it may hold the line from now on.
        may_hold: bool,
    },
    /// Release the call with this Q.850 cause. After [`Input::HungUp`]: the flow has come to rest.
    Release {
        /// Cause.
        cause: u8,
    },
    /// The flow cannot go on: the tenant's fault prompt, then release. Why in one line.
    Fault(String),
}

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// There is no such queue, agent or trunk, or the number is not allowed.
    Unknown,
    /// Busy or declined.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// Not reachable, not signed in.
    Unavailable,
}
