//! Text with expressions in it: `https://crm.example/{call.caller}?n={account}`.
//!
//! Owns: where an expression in a text begins and ends, and the names of secrets. Does not own:
//! what becomes of the values (percent-encoding is whoever's who knows the place).
//!
//! `{{` and `}}` stand for one brace.

use super::{Expr, ParseFault};

/// A text with expressions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// Its parts in order.
    pub parts: Vec<Part>,
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// The value of an expression.
    Expr(Expr),
    /// A secret of the configuration, by name: `{secret:NAME}`.
    Secret(String),
}

const SECRET_PREFIX: &str = "secret:";

impl Template {
    /// Reads a template. Positions of faults count from the beginning of the text.
    pub fn parse(text: &str) -> Result<Template, ParseFault> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.char_indices().enumerate().peekable();
        while let Some((at, (offset, character))) = rest.next() {
            let doubled = rest.peek().is_some_and(|(_, (_, next))| *next == character);
            match character {
                '{' | '}' if doubled => {
                    rest.next();
                    plain.push(character);
                }
                '{' => {
                    let inner = text.get(offset + 1..).unwrap_or_default();
                    let Some(length) = length_of_inner(inner) else {
                        return Err(fault(at, "\"{\" without its \"}\"; write \"{{\" for a brace"));
                    };
                    let inner = inner.get(..length).unwrap_or_default();
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(part(inner, at + 1)?);
                    let end = offset + 1 + length;
                    while rest.next_if(|(_, (next, _))| *next <= end).is_some() {}
                }
                '}' => {
                    return Err(fault(at, "\"}\" without its \"{\"; write \"}}\" for a brace"));
                }
                _ => plain.push(character),
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { parts })
    }

    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr(expr) => Some(expr),
            _ => None,
        })
    }

    /// The names of secrets in it.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn fault(at: usize, problem: &str) -> ParseFault {
    ParseFault { at: at as u32 + 1, problem: problem.into() }
}

fn part(inner: &str, at: usize) -> Result<Part, ParseFault> {
    if let Some(name) = inner.strip_prefix(SECRET_PREFIX) {
        return Ok(Part::Secret(name.trim().to_owned()));
    }
    let expr = Expr::parse(inner);
    expr.map(Part::Expr).map_err(|fault| ParseFault { at: fault.at + at as u32, ..fault })
}

/// The bytes up to the closing brace; braces in quoted text do not count.
fn length_of_inner(inner: &str) -> Option<usize> {
    let mut quote = None;
    for (offset, character) in inner.char_indices() {
        match (quote, character) {
            (None, '}') => return Some(offset),
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_text_expressions_and_secrets() {
        let template = Template::parse("{{a}} {left('}', 1)}-{secret: key }é{n}").unwrap();
        assert_eq!(
            template.parts,
            [
                Part::Text("{a} ".into()),
                Part::Expr(Expr::parse("left('}', 1)").unwrap()),
                Part::Text("-".into()),
                Part::Secret("key".into()),
                Part::Text("é".into()),
                Part::Expr(Expr::parse("n").unwrap()),
            ]
        );
        assert_eq!(template.secrets().collect::<Vec<_>>(), ["key"]);
        assert_eq!(template.expressions().count(), 2);
    }

    #[test]
    fn a_brace_alone_and_a_bad_expression_are_told_with_their_place() {
        assert_eq!(Template::parse("ab{c").unwrap_err().at, 3);
        assert_eq!(Template::parse("ab}c").unwrap_err().at, 3);
        assert_eq!(Template::parse("ab{1 +}").unwrap_err().at, 7);
        assert_eq!(Template::parse("").unwrap().parts, []);
    }
}
