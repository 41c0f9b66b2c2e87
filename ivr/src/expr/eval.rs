//! What code comes to: a stack of values, one pass from front to back.
//!
//! Owns: operators and their limits. Does not own: functions, names.

use super::{Binary, Budget, EvalFault, Op, Scope, TEXT_MAX, functions, types::DATA_PREFIX};
use crate::model::Value;
use std::cmp::Ordering;

/// Runs code. Each operation is one step; there is no way back, so it ends.
pub fn eval(code: &[Op], scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalFault> {
    let mut stack: Vec<Value> = Vec::with_capacity(8);
    let mut at = 0;
    while let Some(op) = code.get(at) {
        budget.spend()?;
        at += 1;
        let value = match op {
            Op::Push(value) => value.clone(),
            Op::Name(name) => look_up(name, scope)?,
            Op::Not => Value::Flag(!flag(pop(&mut stack)?)?),
            Op::Negate => number_of(number(pop(&mut stack)?)?.checked_neg())?,
            Op::Binary(op) => {
                let right = pop(&mut stack)?;
                binary(*op, pop(&mut stack)?, right)?
            }
            Op::Decide { on, skip } => {
                if flag(pop(&mut stack)?)? != *on {
                    continue;
                }
                at += skip;
                Value::Flag(*on)
            }
            Op::Flag => Value::Flag(flag(pop(&mut stack)?)?),
            Op::Call(function, given) => {
                let first = stack.len().checked_sub(*given).ok_or(EvalFault::WrongType)?;
                let given: Vec<Value> = stack.drain(first..).collect();
                functions::call(*function, given, scope)?
            }
        };
        stack.push(value);
    }
    pop(&mut stack)
}

fn pop(stack: &mut Vec<Value>) -> Result<Value, EvalFault> {
    stack.pop().ok_or(EvalFault::WrongType)
}

fn look_up(name: &str, scope: &dyn Scope) -> Result<Value, EvalFault> {
    if name == "now" {
        return Ok(Value::Time(scope.now_ms()));
    }
    match scope.get(name) {
        Some(Value::Text(text)) => short(text),
        Some(value) => Ok(value),
        None if name.starts_with(DATA_PREFIX) => Ok(Value::Text(String::new())),
        None => Err(EvalFault::NoValue(name.to_owned())),
    }
}

/// A text, if it is not too long.
pub fn short(text: String) -> Result<Value, EvalFault> {
    // Bytes are an upper bound of characters, and cheap.
    if text.len() > TEXT_MAX && text.chars().count() > TEXT_MAX {
        return Err(EvalFault::TooLong);
    }
    Ok(Value::Text(text))
}

pub fn flag(value: Value) -> Result<bool, EvalFault> {
    match value {
        Value::Flag(flag) => Ok(flag),
        _ => Err(EvalFault::WrongType),
    }
}

pub fn number(value: Value) -> Result<i64, EvalFault> {
    match value {
        Value::Number(number) => Ok(number),
        _ => Err(EvalFault::WrongType),
    }
}

/// A number, if it is one of 64 bits.
pub fn number_of(checked: Option<i64>) -> Result<Value, EvalFault> {
    checked.map(Value::Number).ok_or(EvalFault::OutOfRange)
}

fn binary(op: Binary, left: Value, right: Value) -> Result<Value, EvalFault> {
    match op {
        Binary::Equal => compare(&left, &right).map(|order| Value::Flag(order.is_eq())),
        Binary::NotEqual => compare(&left, &right).map(|order| Value::Flag(order.is_ne())),
        Binary::Less => ordered(&left, &right).map(|order| Value::Flag(order.is_lt())),
        Binary::LessOrEqual => ordered(&left, &right).map(|order| Value::Flag(order.is_le())),
        Binary::Greater => ordered(&left, &right).map(|order| Value::Flag(order.is_gt())),
        Binary::GreaterOrEqual => ordered(&left, &right).map(|order| Value::Flag(order.is_ge())),
        _ => arithmetic(op, left, right),
    }
}

fn compare(left: &Value, right: &Value) -> Result<Ordering, EvalFault> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Ok(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => Ok(left.cmp(right)),
        (Value::Flag(left), Value::Flag(right)) => Ok(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Ok(left.cmp(right)),
        _ => Err(EvalFault::WrongType),
    }
}

fn ordered(left: &Value, right: &Value) -> Result<Ordering, EvalFault> {
    match left {
        Value::Flag(_) => Err(EvalFault::WrongType),
        _ => compare(left, right),
    }
}

fn arithmetic(op: Binary, left: Value, right: Value) -> Result<Value, EvalFault> {
    match (op, left, right) {
        (Binary::Add, Value::Text(left), Value::Text(right)) => short(left + &right),
        (Binary::Subtract, Value::Time(left), Value::Time(right)) => {
            number_of(left.checked_sub(right).map(|ms| ms / 1_000))
        }
        (_, Value::Number(left), Value::Number(right)) => {
            let divides = matches!(op, Binary::Divide | Binary::Remainder);
            if divides && right == 0 {
                return Err(EvalFault::DivisionByZero);
            }
            number_of(match op {
                Binary::Add => left.checked_add(right),
                Binary::Subtract => left.checked_sub(right),
                Binary::Multiply => left.checked_mul(right),
                Binary::Divide => left.checked_div(right),
                Binary::Remainder => left.checked_rem(right),
                _ => None,
            })
        }
        _ => Err(EvalFault::WrongType),
    }
}
