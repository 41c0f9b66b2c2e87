//! Where expressions stand in a node, what type is wanted there, and who gets to see the value.

use crate::expr::Expr;
use crate::expr::template::Template;
use crate::model::{Flow, Name, Node, Speech, Target, Type};

/// An expression in its place.
pub struct Use<'a> {
    /// Its key in the node: `say.1.digits`.
    pub key: String,
    /// The expression.
    pub expr: Expr,
    /// What type it must have; `None`: any.
    pub wants: Option<Type>,
    /// Where its value goes.
    pub sink: Sink<'a>,
}

/// Where a value goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sink<'a> {
    /// It decides, and is gone.
    Decision,
    /// Into a variable of this flow.
    Variable(&'a Name),
    /// Into a variable of a sub-flow.
    Parameter(&'a Name, &'a Name),
    /// Into a header or the body of a request: not logged.
    Request,
    /// Somewhere it can be seen or heard; where, for a person.
    Seen(&'static str),
}

/// The expressions of a node, in the order in which they are evaluated.
pub fn uses<'a>(flow: &Flow, node: &'a Node) -> Vec<Use<'a>> {
    let mut uses: Vec<Use<'a>> = node.speech().into_iter().filter_map(spoken).collect();
    let mut add = |key: String, expr: &Expr, wants: Option<Type>, sink: Sink<'a>| {
        uses.push(Use { key, expr: expr.clone(), wants, sink });
    };
    match node {
        Node::Collect { valid: Some(valid), .. } => {
            add("valid".into(), valid, Some(Type::Flag), Sink::Decision);
        }
        Node::Branch { cases, .. } => {
            for (at, case) in cases.iter().enumerate() {
                add(format!("cases.{at}.if"), &case.condition, Some(Type::Flag), Sink::Decision);
            }
        }
        Node::Set { values, data, .. } => {
            for (name, expr) in values {
                let wants = flow.variables.get(name).map(|variable| variable.kind);
                add(format!("values.{name}"), expr, wants, Sink::Variable(name));
            }
            for (key, expr) in data {
                add(format!("data.{key}"), expr, None, Sink::Seen("attached data are recorded"));
            }
        }
        Node::Language { language, .. } => {
            let sink = Sink::Seen("the language is recorded");
            add("language".into(), language, Some(Type::Text), sink);
        }
        Node::Priority { priority, .. } => {
            let sink = Sink::Seen("the priority is recorded");
            add("priority".into(), priority, Some(Type::Number), sink);
        }
        Node::Http { url, headers, body, .. } => {
            for expr in expressions(url) {
                add("url".into(), &expr, None, Sink::Seen("addresses are logged"));
            }
            for (name, value) in headers {
                for expr in expressions(value) {
                    add(format!("headers.{name}"), &expr, None, Sink::Request);
                }
            }
            for (field, expr) in body {
                add(format!("body.{field}"), expr, None, Sink::Request);
            }
        }
        Node::Transfer { to, priority, .. } => {
            let seen = Sink::Seen("where calls go is recorded");
            match to {
                Target::Agent(expr) => add("to.agent".into(), expr, Some(Type::Text), seen),
                Target::Number { number, .. } => {
                    add("to.number".into(), number, Some(Type::Text), seen);
                }
                Target::SkillQueue(_) | Target::Flow(_) => {}
            }
            if let Some(priority) = priority {
                let sink = Sink::Seen("the priority is recorded");
                add("priority".into(), priority, Some(Type::Number), sink);
            }
        }
        Node::Subflow { flow, with, .. } => {
            for (name, expr) in with {
                add(format!("with.{name}"), expr, None, Sink::Parameter(flow, name));
            }
        }
        _ => {}
    }
    uses
}

fn spoken<'a>((key, speech): (String, &Speech)) -> Option<Use<'a>> {
    let (what, expr, wants) = match speech {
        Speech::Prompt(_) | Speech::SilenceMs(_) => return None,
        Speech::Digits(expr) => ("digits", expr, Type::Text),
        Speech::Number(expr) => ("number", expr, Type::Number),
        Speech::People(expr) => ("people", expr, Type::Number),
        Speech::Date(expr) => ("date", expr, Type::Time),
        Speech::Time(expr) => ("time", expr, Type::Time),
        Speech::Duration(expr) => ("duration", expr, Type::Number),
        Speech::Amount { amount, .. } => ("amount", amount, Type::Number),
    };
    let sink = Sink::Seen("it would be said aloud");
    Some(Use { key: format!("{key}.{what}"), expr: expr.clone(), wants: Some(wants), sink })
}

fn expressions(template: &str) -> Vec<Expr> {
    let template = Template::parse(template).unwrap_or_default();
    template.expressions().cloned().collect()
}
