//! [`Fault`]: one thing wrong with a flow, in one line that a person can act on.

use crate::model::Name;
use std::fmt;

/// One thing wrong. Its place is a path of keys and of places in lists (from 0), joined by dots:
/// `node.menu.keys.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The flow; empty as long as nobody has said which.
    pub flow: Name,
    /// Where in it; empty for the flow as a whole.
    pub path: String,
    /// What kind of fault it is: how [`Fault::allowed`] is to be read.
    pub problem: Problem,
    /// The value as written, shortened; empty if there is none.
    pub value: String,
    /// What is allowed, or what is wrong and what to do.
    pub allowed: String,
    /// Whether it can be published all the same.
    pub severity: Severity,
}

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The value is not what is allowed.
    NotAllowed,
    /// Something that must be there is not.
    Missing,
    /// What is written can be read, but makes no sense where it is: the text is a sentence.
    Wrong,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Callers would notice: it cannot be published.
    Error,
    /// It may be meant.
    Warning,
}

/// Longest value shown, in characters.
const SHOWN_MAX: usize = 80;

impl Fault {
    /// A value that is not allowed.
    pub fn not_allowed(path: &str, value: impl fmt::Display, allowed: impl Into<String>) -> Fault {
        Fault::of(path, Problem::NotAllowed, shortened(&value.to_string()), allowed.into())
    }

    /// Something that must be there.
    pub fn missing(path: &str, allowed: impl Into<String>) -> Fault {
        Fault::of(path, Problem::Missing, String::new(), allowed.into())
    }

    /// Something that makes no sense.
    pub fn wrong(path: &str, what: impl Into<String>) -> Fault {
        Fault::of(path, Problem::Wrong, String::new(), what.into())
    }

    fn of(path: &str, problem: Problem, value: String, allowed: String) -> Fault {
        let (flow, path) = (Name::new(), path.to_owned());
        Fault { flow, path, problem, value, allowed, severity: Severity::Error }
    }

    /// The same, as a warning.
    pub fn warning(self) -> Fault {
        Fault { severity: Severity::Warning, ..self }
    }

    /// The same, of a flow.
    pub fn in_flow(self, flow: &str) -> Fault {
        Fault { flow: flow.to_owned(), ..self }
    }

    /// The object it is in: `node "menu"`; empty if it is the flow itself.
    pub fn object(&self) -> String {
        match self.split() {
            (Some(node), _) => format!("node \"{node}\""),
            (None, _) => String::new(),
        }
    }

    /// Where in the object: `keys.1`; empty if it is about the object as a whole.
    pub fn field(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (Option<&str>, &str) {
        match self.path.strip_prefix("node.") {
            Some(rest) => {
                let (node, field) = rest.split_once('.').unwrap_or((rest, ""));
                (Some(node), field)
            }
            None => (None, &self.path),
        }
    }
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!("{}…", value.get(..cut).unwrap_or_default()),
        None => value.to_owned(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.flow.is_empty() {
            write!(f, "flow \"{}\": ", self.flow)?;
        }
        let object = self.object();
        if !object.is_empty() {
            write!(f, "{object}: ")?;
        }
        let Fault { value, allowed, .. } = self;
        match (self.problem, self.field()) {
            (Problem::NotAllowed, "") => write!(f, "{value}; allowed {allowed}"),
            (Problem::NotAllowed, field) => write!(f, "{field} = {value}; allowed {allowed}"),
            (Problem::Missing, field) => write!(f, "{field} is missing; {allowed}"),
            (Problem::Wrong, "") => f.write_str(allowed),
            (Problem::Wrong, field) => write!(f, "{field}: {allowed}"),
        }
    }
}
