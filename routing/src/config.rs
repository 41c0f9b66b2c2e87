//! The routing view of a tenant's configuration: immutable, shared as `Arc<Config>`.
//!
//! Owns: the fields that decide where a call goes and who is offered it, with the keys of docs/centre.md,
//! defaults and ranges. Inheritance (agent > organisation > tenant) is already resolved here.
//! Does not own: files, secrets, credentials, prompts, or what a flow does. What is wrong with a
//! configuration is said by [`Config::validate`] (in [`crate::validate`]).

use crate::number::NumberRules;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything routing knows of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Settings of the tenant as a whole.
    pub settings: Settings,
    /// Skill queues; names are unique.
    pub queues: Vec<SkillQueue>,
    /// Agents; employee IDs are unique.
    pub agents: Vec<Agent>,
    /// Access codes allotted to the tenant.
    pub access_codes: Vec<AccessCode>,
    /// Called routes; (access code, extension code) is unique.
    pub called_routes: Vec<CalledRoute>,
    /// Names of the flows that are published; what may be referred to.
    pub flows: Vec<String>,
    /// The queues that flows transfer callers to by name, flow by flow: overflow to a flow may come
    /// back through them.
    pub flow_queues: BTreeMap<String, Vec<String>>,
    /// Names of the working times; what may be referred to.
    pub working_times: Vec<String>,
    /// Languages that the tenant speaks; what may be referred to. Empty: not known, any may be.
    pub languages: Vec<String>,
    /// How a dialled number is normalised when the trunk has no rules of its own.
    pub number_rules: NumberRules,
}

/// Settings of the tenant as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Rules for names and descriptions.
    pub limits: Limits,
    /// Skill queues allowed: 1–5000.
    pub skill_queues_max: u32,
    /// Unanswered offers in a row that make an agent busy (no_answer): 1–100.
    pub no_answer_limit: u8,
    /// How long an agent is left alone after a rejection, seconds: 0–3600.
    pub rejection_pause_s: u32,
    /// What becomes of an agent whose last registration is lost.
    pub lost_registration: LostRegistration,
    /// Moves by overflow, to queues and flows together, allowed to one call: 1–100.
    pub hop_limit: u8,
    /// Seconds of waiting that raise a caller by one priority; 0: age never raises. 0–3600.
    pub priority_raise_s: u32,
    /// Overflow to another queue carries waiting time and place along.
    pub overflow_keeps_place: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            limits: Limits::Classic,
            skill_queues_max: 1000,
            no_answer_limit: 3,
            rejection_pause_s: 10,
            lost_registration: LostRegistration::SignedOut,
            hop_limit: 10,
            priority_raise_s: 0,
            overflow_keeps_place: false,
        }
    }
}

/// Which rules names and descriptions follow (`limits`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// Queue name 1–20 characters without white space, description 1–50.
    #[default]
    Classic,
    /// Queue name 1–100 characters without white space and special characters, description 0–255.
    Extended,
}

/// What becomes of an agent whose last registration is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostRegistration {
    /// Signed out.
    #[default]
    SignedOut,
    /// Busy (phone_unavailable).
    Busy,
}

/// A skill queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SkillQueue {
    /// Name, mandatory, unique in the tenant.
    pub name: String,
    /// Description, mandatory with classic limits.
    pub description: String,
    /// Media type of the queue.
    #[serde(rename = "type")]
    pub kind: QueueType,
    /// Longest wait before `on_timeout`, seconds: 1–60000.
    pub max_waiting_time_s: u32,
    /// Callers allowed, those being offered included: 1–10000.
    pub max_calls_in_queue: u32,
    /// Wrap-up after a call of this queue, seconds: 0–3600.
    pub wrap_up_s: u32,
    /// What happens when `max_waiting_time_s` is over.
    pub on_timeout: Policy,
    /// What happens on arrival when the queue is busy.
    pub on_busy: Policy,
    /// When the queue counts as busy.
    pub busy_when: BusyWhen,
    /// What happens when nobody is signed in.
    pub on_no_agents: Policy,
    /// `on_no_agents` also takes those waiting when the last agent signs out.
    pub no_agents_while_waiting: bool,
    /// What a waiting caller hears.
    pub waiting: WaitMethod,
    /// What a held caller hears.
    pub hold: HoldMethod,
    /// What a caller hears first when an agent answers.
    pub announce_on_answer: AnnounceOnAnswer,
    /// Which idle agent is chosen.
    pub distribution: Distribution,
    /// How long a phone rings, seconds: 1–120.
    pub offer_time_s: u32,
    /// How long a mobile rings, seconds: 1–120.
    pub mobile_offer_time_s: u32,
    /// An agent of several queues takes the heaviest first: 0–1000.
    pub weight: u32,
    /// Template of the offer's display name, `{queue}` and `{caller}` filled in.
    pub display_name: String,
    /// Calls are recorded.
    pub record: bool,
    /// Answered within this time counts for the service level, seconds: 1–3600.
    pub service_level_s: u32,
    /// Callers gone sooner do not count as abandoned, seconds: 0–3600.
    pub short_abandon_s: u32,
    /// How often a waiting caller is told `announce`, seconds: 0 (never, default) or 5–3600; first
    /// after that time.
    pub announce_every_s: u32,
    /// What a waiting caller is told.
    pub announce: QueueAnnouncement,
    /// Only test callers may wait here; for everybody else there is no such queue.
    pub draft: bool,
}

impl Default for SkillQueue {
    fn default() -> Self {
        SkillQueue {
            name: String::new(),
            description: String::new(),
            kind: QueueType::Voice,
            max_waiting_time_s: 60,
            max_calls_in_queue: 100,
            wrap_up_s: 5,
            on_timeout: Policy::default(),
            on_busy: Policy::default(),
            busy_when: BusyWhen::Full,
            on_no_agents: Policy::default(),
            no_agents_while_waiting: true,
            waiting: WaitMethod::Default,
            hold: HoldMethod::Default,
            announce_on_answer: AnnounceOnAnswer::Nothing,
            distribution: Distribution::LongestIdle,
            offer_time_s: 20,
            mobile_offer_time_s: 40,
            weight: 0,
            display_name: String::from("{queue} {caller}"),
            record: false,
            service_level_s: 20,
            short_abandon_s: 5,
            announce_every_s: 0,
            announce: QueueAnnouncement::Position,
            draft: false,
        }
    }
}

/// What a waiting caller is told over the music (`announce`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueAnnouncement {
    /// Its place in the queue.
    #[default]
    Position,
    /// How many agents are signed in to the queue.
    Agents,
    /// Both.
    Both,
}

/// Media type of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueType {
    /// Telephone calls.
    #[default]
    Voice,
    /// Chats of the web channel.
    Multimedia,
    /// Video calls.
    Video,
    /// Voice from a web page.
    VoiceClickToDial,
    /// Video from a web page.
    VideoClickToDial,
}

/// What happens to a caller whom a queue does not keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// An announcement, then the cause.
    Release {
        /// The prompt; `None` is the tenant's standard announcement.
        prompt: Option<String>,
    },
    /// On to another queue.
    SkillQueue(String),
    /// On to a flow.
    Flow(String),
}

impl Default for Policy {
    fn default() -> Self {
        Policy::Release { prompt: None }
    }
}

/// When a queue counts as busy (`busy_when`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusyWhen {
    /// When it holds `max_calls_in_queue`.
    #[default]
    Full,
    /// Then, and when no agent is idle.
    NobodyIdle,
}

/// What a waiting caller hears (`waiting`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitMethod {
    /// The default tone.
    #[default]
    Default,
    /// A named tone.
    Tone(String),
    /// A flow that runs while the caller waits, cut off when an agent answers.
    Flow(String),
}

/// What a held caller hears (`hold`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldMethod {
    /// The default tone.
    #[default]
    Default,
    /// A named tone.
    Tone(String),
}

/// What a caller hears first when an agent answers (`announce_on_answer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnounceOnAnswer {
    /// Nothing.
    #[default]
    Nothing,
    /// The agent's employee ID, read out.
    EmployeeId,
}

/// Which idle agent is chosen (`distribution`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Idle longest.
    #[default]
    LongestIdle,
    /// Best level, then idle longest.
    MostSkilled,
    /// Offered a call of this queue least recently.
    RoundRobin,
    /// Fewest calls since midnight.
    FewestCalls,
    /// Least talk time since midnight.
    LeastTalkTime,
    /// All at once.
    RingAll,
    /// Always in the same order: by level, then by employee ID.
    Linear,
}

impl Distribution {
    /// Whether this version distributes so; [`Config::validate`] refuses the others.
    pub const fn is_implemented(self) -> bool {
        match self {
            Distribution::LongestIdle
            | Distribution::MostSkilled
            | Distribution::RoundRobin
            | Distribution::Linear => true,
            Distribution::FewestCalls | Distribution::LeastTalkTime | Distribution::RingAll => {
                false
            }
        }
    }
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// Digits, unique in the tenant; read out to callers.
    pub employee_id: String,
    /// Whose it is, by a name of the tenant's own directory (`account`). Decides nothing here.
    pub account: Option<String>,
    /// Type of the agent.
    #[serde(rename = "type")]
    pub kind: AgentType,
    /// The queues it can serve.
    pub skill_queues: Vec<Skill>,
    /// Signs in when its bindings go from none to one.
    pub sign_in_on_registration: bool,
    /// Whether it chooses its queues at sign-in.
    pub queue_sign_in: QueueSignIn,
    /// How its phone answers; inheritance is resolved.
    pub answer_mode: AnswerMode,
}

impl Default for Agent {
    fn default() -> Self {
        Agent {
            employee_id: String::new(),
            account: None,
            kind: AgentType::Audio,
            skill_queues: Vec::new(),
            sign_in_on_registration: false,
            queue_sign_in: QueueSignIn::Specified,
            answer_mode: AnswerMode::Automatic,
        }
    }
}

/// An agent's skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skill {
    /// Name of the skill queue.
    pub queue: String,
    /// 1 (best) – 10.
    #[serde(default = "default_level")]
    pub level: u8,
}

fn default_level() -> u8 {
    1
}

/// Type of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentType {
    /// Voice.
    #[default]
    Audio,
    /// Video.
    Video,
    /// Chats.
    Multimedia,
    /// All of them.
    Versatile,
}

/// Whether an agent chooses its queues at sign-in (`queue_sign_in`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueSignIn {
    /// Chosen at sign-in; a sign-in that cannot ask takes all.
    #[default]
    Specified,
    /// Always all of its queues.
    Automatic,
}

/// How an agent's phone answers (`answer_mode`), inheritance resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// By itself.
    #[default]
    Automatic,
    /// By hand.
    Manual,
}

/// An access code allotted to the tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessCode {
    /// Digits: E.164 without `+`, or short. 1–20.
    pub code: String,
    /// Media type.
    #[serde(rename = "type")]
    pub kind: AccessCodeType,
    /// An unknown extension code takes the route of the code alone instead of 404.
    pub unknown_extension_allowed: bool,
    /// Language of prompts of calls to it, where the route names none; `None`: what the caller is
    /// remembered to speak, else the tenant's.
    pub language: Option<String>,
}

/// Media type of an access code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessCodeType {
    /// Telephone calls.
    #[default]
    Voice,
    /// Video calls.
    Video,
    /// Chats.
    Multimedia,
    /// Calls from a web page.
    ClickToDial,
}

/// Where calls to an access code with an extension code go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledRoute {
    /// The access code.
    pub access_code: String,
    /// 1–12 of `0-9 * #`; `None` is the code alone.
    #[serde(default)]
    pub extension_code: Option<String>,
    /// Where to.
    pub destination: Destination,
    /// 0 (default) – 100, most urgent highest.
    #[serde(default)]
    pub priority: u8,
    /// Language of prompts; `None` is the access code's.
    #[serde(default)]
    pub language: Option<String>,
    /// When the caller's call is answered.
    #[serde(default)]
    pub answer_supervision: AnswerSupervision,
    /// The working time outside which `out_of_hours` counts; `None`: always open.
    #[serde(default)]
    pub working_time: Option<String>,
    /// Where to outside the working time; `None`: the standard announcement, then release.
    #[serde(default)]
    pub out_of_hours: Option<Destination>,
    /// Only test callers may take it; for everybody else there is no such route.
    #[serde(default)]
    pub draft: bool,
}

impl CalledRoute {
    /// A route with every option at its default.
    pub fn new(access_code: &str, extension_code: Option<&str>, destination: Destination) -> Self {
        CalledRoute {
            access_code: access_code.to_owned(),
            extension_code: extension_code.map(str::to_owned),
            destination,
            priority: 0,
            language: None,
            answer_supervision: AnswerSupervision::AtOnce,
            working_time: None,
            out_of_hours: None,
            draft: false,
        }
    }
}

/// Where a called route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// A skill queue, by name.
    SkillQueue(String),
    /// A flow, by name.
    Flow(String),
    /// An agent, by employee ID.
    Agent(String),
}

/// When the caller's call is answered (`answer_supervision`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerSupervision {
    /// 200 once the call is admitted to the queue or a prompt must play.
    #[default]
    AtOnce,
    /// 200 when an agent answers.
    WhenAgentAnswers,
}
