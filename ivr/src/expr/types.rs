//! What type an expression has, or why it has none.
//!
//! Owns: the types of operators and of the names every flow knows. Does not own: the variables.

use super::{Binary, Op};
use crate::model::Type;

/// The names every flow knows, and their types.
#[rustfmt::skip]
pub const FIXED_NAMES: &[(&str, Type)] = &[
    ("call.caller", Type::Text),
    ("call.dialled", Type::Text),
    ("call.access_code", Type::Text),
    ("call.extension_code", Type::Text),
    ("call.language", Type::Text),
    ("queue.name", Type::Text),
    ("queue.position", Type::Number),
    ("queue.agents", Type::Number),
    ("queue.waited_s", Type::Number),
    ("now", Type::Time),
];

/// What names of attached data begin with.
pub const DATA_PREFIX: &str = "data.";

/// Words that cannot name a variable.
pub const RESERVED: &[&str] =
    &["and", "or", "not", "true", "false", "now", "call", "queue", "data"];

/// Why an expression has no type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeFault {
    /// No such name.
    #[error("there is no variable {0}")]
    Unknown(String),
    /// An operator or a function on values it is not for.
    #[error("{what} takes {takes}, not {given}")]
    Mismatch {
        /// The operator or function.
        what: String,
        /// What it takes.
        takes: String,
        /// What it was given.
        given: String,
    },
}

/// The name of a type, as written in a file.
pub const fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Text => "text",
        Type::Number => "number",
        Type::Flag => "flag",
        Type::Time => "time",
    }
}

/// The type of code.
pub fn kind(code: &[Op], names: &dyn Fn(&str) -> Option<Type>) -> Result<Type, TypeFault> {
    let mut stack: Vec<Type> = Vec::new();
    let pop = |stack: &mut Vec<Type>| stack.pop().unwrap_or(Type::Text);
    for op in code {
        let kind = match op {
            Op::Push(value) => value.kind(),
            Op::Name(name) => type_of_name(name, names)?,
            Op::Not => expect("not", Type::Flag, pop(&mut stack))?,
            Op::Negate => expect("-", Type::Number, pop(&mut stack))?,
            Op::Binary(op) => {
                let right = pop(&mut stack);
                binary(*op, pop(&mut stack), right)?
            }
            Op::Decide { on, .. } => {
                expect(if *on { "or" } else { "and" }, Type::Flag, pop(&mut stack))?;
                continue;
            }
            Op::Flag => expect("and, or", Type::Flag, pop(&mut stack))?,
            Op::Call(function, given) => {
                let first = stack.len().saturating_sub(*given);
                for (index, given) in stack.drain(first..).enumerate() {
                    if let Some(takes) = function.parameter(index) {
                        expect(function.usage(), takes, given)?;
                    }
                }
                function.gives()
            }
        };
        stack.push(kind);
    }
    Ok(pop(&mut stack))
}

fn type_of_name(name: &str, names: &dyn Fn(&str) -> Option<Type>) -> Result<Type, TypeFault> {
    if name.starts_with(DATA_PREFIX) {
        return Ok(Type::Text);
    }
    let fixed = FIXED_NAMES.iter().find(|(fixed, _)| *fixed == name).map(|(_, kind)| *kind);
    fixed.or_else(|| names(name)).ok_or_else(|| TypeFault::Unknown(name.to_owned()))
}

fn expect(what: &str, takes: Type, given: Type) -> Result<Type, TypeFault> {
    if takes == given {
        return Ok(given);
    }
    Err(mismatch(what, type_name(takes), type_name(given)))
}

fn mismatch(what: &str, takes: &str, given: &str) -> TypeFault {
    TypeFault::Mismatch { what: what.into(), takes: takes.into(), given: given.into() }
}

fn binary(op: Binary, left: Type, right: Type) -> Result<Type, TypeFault> {
    use Binary::{Add, Equal, NotEqual, Subtract};
    let given = || format!("{} and {}", type_name(left), type_name(right));
    match (op, left, right) {
        (Equal | NotEqual, left, right) if left == right => Ok(Type::Flag),
        (Equal | NotEqual, ..) => Err(mismatch(sign(op), "two of one type", &given())),
        (Add, Type::Text, Type::Text) => Ok(Type::Text),
        (Add, Type::Number, Type::Number) => Ok(Type::Number),
        (Add, ..) => Err(mismatch("+", "two numbers or two texts", &given())),
        (Subtract, Type::Time, Type::Time) => Ok(Type::Number),
        (Subtract, Type::Number, Type::Number) => Ok(Type::Number),
        (Subtract, ..) => Err(mismatch("-", "two numbers or two times", &given())),
        (Binary::Multiply | Binary::Divide | Binary::Remainder, Type::Number, Type::Number) => {
            Ok(Type::Number)
        }
        (Binary::Multiply | Binary::Divide | Binary::Remainder, ..) => {
            Err(mismatch(sign(op), "two numbers", &given()))
        }
        (_, left, right) if left == right && left != Type::Flag => Ok(Type::Flag),
        _ => Err(mismatch(sign(op), "two numbers, two times or two texts", &given())),
    }
}

const fn sign(op: Binary) -> &'static str {
    match op {
        Binary::Equal => "==",
        Binary::NotEqual => "!=",
        Binary::Less => "<",
        Binary::LessOrEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterOrEqual => ">=",
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Remainder => "%",
    }
}
