//! What can be asked of any node: its kind, its edges, what it says.

use super::{Flow, Name, Node, Speech};

impl Node {
    /// Its kind, as written: `agent_sign_in`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Node::Play { .. } => "play",
            Node::Wait { .. } => "wait",
            Node::Menu { .. } => "menu",
            Node::Collect { .. } => "collect",
            Node::Branch { .. } => "branch",
            Node::Set { .. } => "set",
            Node::Loop { .. } => "loop",
            Node::Language { .. } => "language",
            Node::WorkingTime { .. } => "working_time",
            Node::Http { .. } => "http",
            Node::Transfer { .. } => "transfer",
            Node::Subflow { .. } => "subflow",
            Node::QueueStatus { .. } => "queue_status",
            Node::Priority { .. } => "priority",
            Node::Message { .. } => "message",
            Node::AgentSignIn { .. } => "agent_sign_in",
            Node::End { .. } => "end",
        }
    }

    /// Whether it has no meaning without a caller: a hang-up branch ends there.
    pub const fn needs_caller(&self) -> bool {
        matches!(
            self,
            Node::Wait { .. }
                | Node::Menu { .. }
                | Node::Collect { .. }
                | Node::Transfer { .. }
                | Node::Message { .. }
                | Node::AgentSignIn { .. }
        )
    }

    /// Its edges: the key under which each is written (`keys.1`, `cases.0.then`), and the node it
    /// leads to.
    pub fn edges(&self) -> Vec<(String, &Name)> {
        let edge = |key: &str, edge| (key.to_owned(), edge);
        match self {
            Node::Play { next, .. }
            | Node::Wait { next, .. }
            | Node::Set { next, .. }
            | Node::Subflow { next, .. }
            | Node::QueueStatus { next, .. }
            | Node::Priority { next, .. } => vec![edge("next", next)],
            Node::Menu { keys, on_timeout, on_no_match, .. } => {
                let keys = keys.iter().map(|(key, to)| (format!("keys.{key}"), to));
                keys.chain([edge("on_timeout", on_timeout), edge("on_no_match", on_no_match)])
                    .collect()
            }
            Node::Collect { next, on_timeout, on_no_match, .. } => {
                vec![
                    edge("next", next),
                    edge("on_timeout", on_timeout),
                    edge("on_no_match", on_no_match),
                ]
            }
            Node::Branch { cases, otherwise } => {
                let cases = cases.iter().enumerate();
                let cases = cases.map(|(at, case)| (format!("cases.{at}.then"), &case.then));
                cases.chain([edge("otherwise", otherwise)]).collect()
            }
            Node::Loop { body, next, .. } => vec![edge("body", body), edge("next", next)],
            Node::Language { next, on_unknown, .. } => {
                vec![edge("next", next), edge("on_unknown", on_unknown)]
            }
            Node::WorkingTime { open, closed, .. } => {
                vec![edge("open", open), edge("closed", closed)]
            }
            Node::Http { next, on_error, .. } => {
                vec![edge("next", next), edge("on_error", on_error)]
            }
            Node::Transfer { on_failure, .. } => {
                on_failure.iter().map(|to| edge("on_failure", to)).collect()
            }
            Node::Message { next, on_empty, .. } => {
                vec![edge("next", next), edge("on_empty", on_empty)]
            }
            Node::AgentSignIn { next, on_failure, on_locked, .. } => {
                vec![
                    edge("next", next),
                    edge("on_failure", on_failure),
                    edge("on_locked", on_locked),
                ]
            }
            Node::End { .. } => Vec::new(),
        }
    }

    /// Everything it may say: the key under which each piece is written, and the piece.
    pub fn speech(&self) -> Vec<(String, &Speech)> {
        let (say, listening) = match self {
            Node::Play { say, .. } | Node::Message { say, .. } | Node::End { say, .. } => {
                (say, None)
            }
            Node::Menu { listening, .. } | Node::Collect { listening, .. } => {
                (&listening.say, Some(listening))
            }
            _ => return Vec::new(),
        };
        let first = say.iter().enumerate().map(|(at, piece)| (format!("say.{at}"), piece));
        let retries = listening.into_iter().flat_map(|listening| {
            let said = [
                ("retry_say", &listening.retry_say),
                ("no_input_say", &listening.no_input_say),
                ("no_match_say", &listening.no_match_say),
            ];
            said.into_iter().flat_map(|(key, retries)| {
                retries.iter().enumerate().flat_map(move |(retry, say)| {
                    let pieces = say.iter().enumerate();
                    pieces.map(move |(at, piece)| (format!("{key}.{retry}.{at}"), piece))
                })
            })
        });
        first.chain(retries).collect()
    }
}

impl Flow {
    /// The edges that no node has: `start`, `on_hang_up`, `on_fault`.
    pub fn roots(&self) -> Vec<(&'static str, &Name)> {
        let optional = [("on_hang_up", &self.on_hang_up), ("on_fault", &self.on_fault)];
        let optional =
            optional.into_iter().filter_map(|(key, edge)| edge.as_ref().map(|edge| (key, edge)));
        [("start", &self.start)].into_iter().chain(optional).collect()
    }
}
