//! What names stand for in a running flow, and what expressions come to there.
//!
//! Owns: `call.…`, `queue.…`, `data.…`, variables. Does not own: the language ([`crate::expr`]).

use super::Run;
use super::fault::Fault;
use crate::expr::{Expr, Scope, text_of};
use crate::model::Value;
use hotline_base::Now;
use hotline_base::calendar::TimeZone;

struct Names<'a> {
    run: &'a Run,
    now_ms: i64,
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        let facts = &self.run.facts;
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let number = |number: u32| Some(Value::Number(number.into()));
        match name {
            "call.caller" => text(&facts.caller),
            "call.dialled" => text(&facts.dialled),
            "call.access_code" => text(&facts.access_code),
            "call.extension_code" => text(&facts.extension_code),
            "call.language" => text(&facts.language),
            "queue.name" => text(&facts.queue),
            "queue.position" => number(facts.position),
            "queue.agents" => number(facts.agents),
            "queue.waited_s" => number(facts.waited_s),
            _ => match name.strip_prefix(crate::expr::DATA_PREFIX) {
                Some(key) => text(facts.data.get(key).map_or("", String::as_str)),
                None => self.run.top.values.get(name).cloned(),
            },
        }
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn zone(&self) -> &TimeZone {
        &self.run.zone
    }
}

impl Run {
    pub(super) fn eval(&self, now: Now, expr: &Expr) -> Result<Value, Fault> {
        let names = Names { run: self, now_ms: now.wall.as_ms() };
        let allowed = self.row.budget();
        let mut budget = allowed;
        let value = expr.eval(&names, &mut budget);
        self.row.spent(allowed.left().saturating_sub(budget.left()));
        Ok(value?)
    }

    pub(super) fn eval_flag(&self, now: Now, expr: &Expr) -> Result<bool, Fault> {
        match self.eval(now, expr)? {
            Value::Flag(flag) => Ok(flag),
            _ => Err(Fault::NotA { wanted: "flag" }),
        }
    }

    pub(super) fn eval_number(&self, now: Now, expr: &Expr) -> Result<i64, Fault> {
        match self.eval(now, expr)? {
            Value::Number(number) => Ok(number),
            _ => Err(Fault::NotA { wanted: "number" }),
        }
    }

    pub(super) fn eval_time_ms(&self, now: Now, expr: &Expr) -> Result<i64, Fault> {
        match self.eval(now, expr)? {
            Value::Time(ms) => Ok(ms),
            _ => Err(Fault::NotA { wanted: "time" }),
        }
    }

    pub(super) fn eval_text(&self, now: Now, expr: &Expr) -> Result<String, Fault> {
        match self.eval(now, expr)? {
            Value::Text(text) => Ok(text),
            value => Ok(text_of(&value, &self.zone)),
        }
    }
}
