//! What a flow may refer to: the tenant's objects, as far as the checker needs them.

use crate::model::Name;
use std::collections::{BTreeMap, BTreeSet};

/// The tenant around its flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Languages the tenant speaks.
    pub languages: BTreeSet<String>,
    /// What is spoken where a flow names no language, and where a prompt is missing.
    pub default_language: String,
    /// Names of prompts by language, the standard ones among them.
    pub prompts: BTreeMap<String, BTreeSet<String>>,
    /// Skill queues by name.
    pub queues: BTreeMap<String, QueueType>,
    /// Agents by employee ID.
    pub agents: BTreeMap<String, AgentType>,
    /// Trunks that take our calls, each with what outside numbers may begin with there (with or
    /// without `+`; `+` alone: any).
    pub trunks: BTreeMap<String, Vec<String>>,
    /// Outside numbers that every trunk calls: emergency numbers.
    pub emergency_numbers: BTreeSet<String>,
    /// Custom tones.
    pub tones: BTreeSet<String>,
    /// Working times.
    pub working_times: BTreeSet<String>,
    /// Secrets of the configuration, for headers.
    pub secrets: BTreeSet<String>,
    /// Types of the access codes and queues from which calls come into a flow. A flow that is not
    /// named here, nor reached from one that is, is taken to get voice calls.
    pub reached_by: BTreeMap<Name, BTreeSet<Access>>,
}

/// The type of a call, by the access code it came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Voice.
    Voice,
    /// Video.
    Video,
    /// Chat.
    Multimedia,
    /// From a web page.
    ClickToDial,
}

/// The type of a skill queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueType {
    /// `voice`
    Voice,
    /// `video`
    Video,
    /// `multimedia`
    Multimedia,
    /// `voice_click_to_dial`
    VoiceClickToDial,
    /// `video_click_to_dial`
    VideoClickToDial,
}

/// The type of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentType {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `multimedia`
    Multimedia,
    /// `versatile`
    Versatile,
}

impl Access {
    /// As written in domain terms.
    pub const fn name(self) -> &'static str {
        match self {
            Access::Voice => "voice",
            Access::Video => "video",
            Access::Multimedia => "multimedia",
            Access::ClickToDial => "click_to_dial",
        }
    }

    /// Whether calls of this type may reach a queue.
    pub const fn may_reach(self, queue: QueueType) -> bool {
        matches!(
            (self, queue),
            (Access::Voice | Access::Video, QueueType::Voice)
                | (Access::Video, QueueType::Video)
                | (Access::Multimedia, QueueType::Multimedia)
                | (Access::ClickToDial, QueueType::VoiceClickToDial | QueueType::VideoClickToDial)
        )
    }

    /// Whether an agent may serve calls of this type.
    pub const fn served_by(self, agent: AgentType) -> bool {
        matches!(
            (self, agent),
            (_, AgentType::Versatile)
                | (Access::Voice, AgentType::Audio)
                | (Access::Video, AgentType::Video)
                | (Access::Multimedia, AgentType::Multimedia)
                | (Access::ClickToDial, AgentType::Audio | AgentType::Video)
        )
    }
}

impl QueueType {
    /// As written in a file.
    pub const fn name(self) -> &'static str {
        match self {
            QueueType::Voice => "voice",
            QueueType::Video => "video",
            QueueType::Multimedia => "multimedia",
            QueueType::VoiceClickToDial => "voice_click_to_dial",
            QueueType::VideoClickToDial => "video_click_to_dial",
        }
    }
}

impl AgentType {
    /// As written in a file.
    pub const fn name(self) -> &'static str {
        match self {
            AgentType::Audio => "audio",
            AgentType::Video => "video",
            AgentType::Multimedia => "multimedia",
            AgentType::Versatile => "versatile",
        }
    }
}
