//! [`Fault`]: one thing wrong with a configuration, in one line a person can act on.

use std::fmt;

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// File name, empty when it came through the API.
    pub file: String,
    /// Line, 0 for none.
    pub line: u32,
    /// `skill_queue "support"`.
    pub object: String,
    /// Field, empty when it is about the object as a whole.
    pub field: String,
    /// The value as written, empty when the field is missing.
    pub value: String,
    /// What is allowed, or what to do.
    pub allowed: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}", self.file)?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            f.write_str(": ")?;
        }
        if !self.object.is_empty() {
            write!(f, "{}: ", self.object)?;
        }
        match (self.field.is_empty(), self.value.is_empty()) {
            (true, _) => write!(f, "{}", self.allowed),
            (false, true) => write!(f, "{} is missing; {}", self.field, self.allowed),
            (false, false) => {
                write!(f, "{} = {}; allowed {}", self.field, self.value, self.allowed)
            }
        }
    }
}

/// Everything that is wrong, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}
