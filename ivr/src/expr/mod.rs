//! The language of conditions and values in a flow: small and total.
//!
//! ```text
//! length(account) == 8 and hour(now) < 18        text → lex → parse → code → eval → value
//! ```
//! Owns: its words ([`lex`]), its grammar ([`parse`]), its types ([`types`]), what it computes
//! ([`eval`], [`functions`]) and text with expressions in it ([`template`]). Does not own: what the
//! names stand for ([`Scope`]).
//!
//! An expression is code for a stack, without jumps back: it ends after at most as many steps as it
//! has operations. Nothing from outside can make it panic, run long or grow large.

mod eval;
mod functions;
mod lex;
mod parse;
pub mod template;
#[cfg(test)]
mod tests;
mod types;

pub use functions::FUNCTIONS;
pub use types::{DATA_PREFIX, FIXED_NAMES, RESERVED, TypeFault, type_name};

use crate::model::{Type, Value};
use hotline_base::calendar::TimeZone;
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// Longest expression, in characters.
pub const SOURCE_MAX: usize = 1_024;
/// Deepest nesting of brackets, calls and signs.
pub const DEPTH_MAX: usize = 32;
/// Most steps of one evaluation.
pub const STEPS_MAX: u32 = 1_000;
/// Longest text an expression may make, in characters.
pub const TEXT_MAX: usize = 1_024;

/// A parsed expression. It keeps its text, and two with the same text are equal.
#[derive(Clone)]
pub struct Expr {
    source: Arc<str>,
    code: Arc<[Op]>,
}

/// What names stand for while an expression is evaluated.
pub trait Scope {
    /// The value of `call.caller`, of a variable, …; `None` if it has none. (`now` is not asked
    /// for; `data.KEY` without a value is empty text.)
    fn get(&self, name: &str) -> Option<Value>;
    /// Wall time, in ms since 1970 UTC.
    fn now_ms(&self) -> i64;
    /// The zone in which hours, days and months are meant: the tenant's.
    fn zone(&self) -> &TimeZone;
}

/// What an evaluation may still cost. One budget may serve several evaluations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    steps: u32,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { steps: STEPS_MAX }
    }
}

impl Budget {
    /// A budget of so many steps.
    pub const fn of(steps: u32) -> Budget {
        Budget { steps }
    }

    /// Steps left.
    pub const fn left(&self) -> u32 {
        self.steps
    }

    fn spend(&mut self) -> Result<(), EvalFault> {
        self.steps = self.steps.checked_sub(1).ok_or(EvalFault::TooManySteps)?;
        Ok(())
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {problem}")]
pub struct ParseFault {
    /// Where, in characters from 1.
    pub at: u32,
    /// What is wrong there.
    pub problem: String,
}

/// Why an evaluation came to no value. Never tells a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalFault {
    /// Division or remainder by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A number or a time outside its 64 bits or the calendar.
    #[error("a number or a time out of range")]
    OutOfRange,
    /// A text of more than [`TEXT_MAX`] characters.
    #[error("a text of more than {TEXT_MAX} characters")]
    TooLong,
    /// A name that stands for nothing, or for nothing yet.
    #[error("{0} has no value")]
    NoValue(String),
    /// `number(…)` of something else.
    #[error("a text that is not a number")]
    NotANumber,
    /// An operation on values it is not for; the checker finds these before.
    #[error("a value of the wrong type")]
    WrongType,
    /// The budget is spent.
    #[error("more than the allowed steps")]
    TooManySteps,
}

impl Expr {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Expr, ParseFault> {
        let code = parse::parse(text)?;
        Ok(Expr { source: text.into(), code: code.into() })
    }

    /// Its text, as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its value.
    pub fn eval(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalFault> {
        eval::eval(&self.code, scope, budget)
    }

    /// The type of its value, when each name has the type that `names` tells (`None`: there is no
    /// such name). Names of the call, the queue and attached data are known without asking.
    pub fn kind(&self, names: &dyn Fn(&str) -> Option<Type>) -> Result<Type, TypeFault> {
        types::kind(&self.code, names)
    }

    /// The names it reads, in order of appearance, each as often as it stands there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.code.iter().filter_map(|op| match op {
            Op::Name(name) => Some(name.as_ref()),
            _ => None,
        })
    }

    /// Its value, when it is written out.
    pub fn constant(&self) -> Option<&Value> {
        match self.code.as_ref() {
            [Op::Push(value)] => Some(value),
            _ => None,
        }
    }
}

/// A value as text: what `text(…)` gives. A time is RFC 3339 in `zone`.
pub fn text_of(value: &Value, zone: &TimeZone) -> String {
    functions::text_of(value, zone)
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.source == other.source
    }
}

impl Eq for Expr {}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({})", self.source)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

/// One operation on the stack of values.
#[derive(Clone, Debug, PartialEq)]
enum Op {
    /// Puts a value on the stack.
    Push(Value),
    /// Puts the value of a name on the stack.
    Name(Box<str>),
    /// `not` of the top.
    Not,
    /// `-` of the top.
    Negate,
    /// Of the two on top.
    Binary(Binary),
    /// Takes a flag off; if it decides an `or` (true) or an `and` (false), puts it back and leaves
    /// out the next so many operations.
    Decide { on: bool, skip: usize },
    /// The top must be a flag.
    Flag,
    /// Calls a function with so many values on top, the last one uppermost.
    Call(functions::Function, usize),
}

/// An operation on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
