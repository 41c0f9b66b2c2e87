//! The ladder of one call, from the journal's events.
//!
//! Owns: how a ladder looks. Does not own: where the events come from.

use hotline_base::calendar::TimeZone;
use hotline_engine::event::{Event, EventKind, TracedMessage};
use serde_json::{Value as Json, json};

/// Width of one column between two lifelines.
const COLUMN: usize = 34;
/// Legs a ladder shows; the rest are named in a line of their own.
const LEGS_MAX: u16 = 6;

/// The events of one call as JSON and as a ladder in text.
pub fn render(events: &[Event], zone: &TimeZone) -> Json {
    let legs = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Message { message, .. } => Some(message.leg),
            _ => None,
        })
        .max()
        .unwrap_or(0)
        .min(LEGS_MAX - 1);
    let mut ladder = header(events, legs);
    let mut rows = Vec::new();
    for event in events {
        let time = zone.rfc3339(event.at);
        let clock = time.get(11..23).unwrap_or("-");
        match &event.kind {
            EventKind::Message { message, .. } => {
                ladder.push_str(&arrow(clock, message, legs));
                rows.push(json!({
                    "at": time, "leg": message.leg, "sent": message.sent, "peer": message.peer,
                    "start_line": message.start_line, "cseq": message.cseq, "note": message.note,
                }));
            }
            other => {
                if let Some(text) = words(other) {
                    ladder.push_str(&format!("{clock}  * {text}\n"));
                    rows.push(json!({ "at": time, "event": text }));
                }
            }
        }
    }
    json!({ "ladder": ladder, "rows": rows })
}

fn header(events: &[Event], legs: u16) -> String {
    let peer = |leg: u16| {
        events.iter().find_map(|event| match &event.kind {
            EventKind::Message { message, .. } if message.leg == leg => Some(message.peer.as_str()),
            _ => None,
        })
    };
    let mut line = format!("{:12}  {:<COLUMN$}", "", format!("caller {}", peer(0).unwrap_or("")));
    line.push_str(&format!("{:<COLUMN$}", "hotline"));
    for leg in 1..=legs {
        line.push_str(&format!("{:<COLUMN$}", format!("leg {leg} {}", peer(leg).unwrap_or(""))));
    }
    format!("{}\n", line.trim_end())
}

/// One arrow: the caller stands left of us, the other legs right.
fn arrow(clock: &str, message: &TracedMessage, legs: u16) -> String {
    let leg = message.leg.min(LEGS_MAX - 1);
    let label = if message.note.is_empty() {
        message.start_line.clone()
    } else {
        format!("{} ({})", message.start_line, message.note)
    };
    let columns = usize::from(legs) + 1;
    // Lifelines: caller, hotline, leg 1, leg 2, …; the arrow spans from ours to the leg's.
    let (from, to, rightwards) = match (leg, message.sent) {
        (0, false) => (0, 1, true),
        (0, true) => (0, 1, false),
        (leg, sent) => (1, usize::from(leg) + 1, sent),
    };
    let width = (to - from) * COLUMN - 1;
    let label: String = label.chars().take(width.saturating_sub(4)).collect();
    let dashes = width.saturating_sub(label.chars().count() + 3);
    let span = if rightwards {
        format!("-{label} {}>", "-".repeat(dashes))
    } else {
        format!("<{} {label}-", "-".repeat(dashes))
    };
    let mut line = format!("{clock}  ");
    let mut column = 0;
    while column <= columns {
        line.push('|');
        if column == from {
            line.push_str(&span);
            column = to;
            continue;
        }
        if column < columns {
            line.push_str(&" ".repeat(COLUMN - 1));
        }
        column += 1;
    }
    format!("{}\n", line.trim_end())
}

/// An event that is no message, in words; `None` for those a ladder does not show.
fn words(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::CallArrived { record } => format!(
            "call {} arrived: dialled {}{}{}",
            record.call,
            record.dialled,
            record.trunk.as_ref().map(|trunk| format!(" over trunk {trunk:?}")).unwrap_or_default(),
            record.route.as_ref().map(|route| format!(", route to {route}")).unwrap_or_default(),
        ),
        EventKind::Queued { queue, position, .. } => {
            format!("queued in {queue:?} at place {position}")
        }
        EventKind::Offered { agent, .. } => format!("offered to agent {agent}"),
        EventKind::OfferEnded { agent, outcome, .. } => {
            format!("offer to agent {agent}: {outcome}")
        }
        EventKind::Answered { agent, .. } => format!("answered by agent {agent}"),
        EventKind::Connected { .. } => "connected".into(),
        EventKind::FlowStep { flow, node, .. } => format!("flow {flow}: {node}"),
        EventKind::MessageBegun { mailbox, .. } => format!("a message for {mailbox:?} begins"),
        EventKind::MessageLeft { mailbox, duration_ms, .. } => {
            format!("message of {} s left in {mailbox:?}", duration_ms / 1_000)
        }
        EventKind::AgentState { agent, from, to, .. } => format!("agent {agent}: {from} → {to}"),
        EventKind::Released { record } => format!(
            "released by {}: {} (Q.850 cause {})",
            record.released_by.map_or("-", |by| match by {
                hotline_engine::record::ReleasedBy::Caller => "the caller",
                hotline_engine::record::ReleasedBy::Agent => "the agent",
                hotline_engine::record::ReleasedBy::System => "the system",
            }),
            record
                .reason
                .and_then(|reason| serde_json::to_value(reason).ok())
                .and_then(|reason| reason.as_str().map(String::from))
                .unwrap_or_default(),
            record.q850,
        ),
        _ => return None,
    })
}

/// Whether an event is about a call.
pub fn concerns(event: &Event, call: hotline_engine::CallId) -> bool {
    match &event.kind {
        EventKind::CallArrived { record } | EventKind::Released { record } => record.call == call,
        EventKind::Queued { call: of, .. }
        | EventKind::Offered { call: of, .. }
        | EventKind::OfferEnded { call: of, .. }
        | EventKind::Answered { call: of, .. }
        | EventKind::Connected { call: of }
        | EventKind::FlowStep { call: of, .. }
        | EventKind::MessageBegun { call: of, .. }
        | EventKind::MessageLeft { call: of, .. }
        | EventKind::Message { call: of, .. } => *of == call,
        EventKind::AgentState { call: of, .. } | EventKind::Decision { call: of, .. } => {
            *of == Some(call)
        }
        EventKind::Checkpoint { checkpoint } => checkpoint.call == call,
        EventKind::BindingAdded { .. }
        | EventKind::BindingRemoved { .. }
        | EventKind::LanguageRemembered { .. }
        | EventKind::SignInTried { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_points_from_who_sent_to_who_received() {
        let message = |leg, sent| TracedMessage {
            leg,
            sent,
            peer: "udp 127.0.0.1:5070".into(),
            start_line: "INVITE".into(),
            cseq: "1 INVITE".into(),
            note: String::new(),
        };
        let from_caller = arrow("12:00:00.000", &message(0, false), 1);
        assert!(from_caller.starts_with("12:00:00.000  |-INVITE ---"), "{from_caller}");
        assert!(from_caller.trim_end().ends_with('|'), "{from_caller}");
        let to_agent = arrow("12:00:00.000", &message(1, true), 1);
        assert!(to_agent.contains("|-INVITE -") && to_agent.contains(">|"), "{to_agent}");
        let from_agent = arrow("12:00:00.000", &message(1, false), 1);
        assert!(from_agent.contains("|<---"), "{from_agent}");
        assert_eq!(from_caller.chars().count(), to_agent.chars().count());
    }
}
