//! From words to code.
//!
//! ```text
//! or:       and  { "or" and }                     comparison: sum [ ("==" | "!=" | "<" | …) sum ]
//! and:      not  { "and" not }                    sum:        product { ("+" | "-") product }
//! not:      "not" not | comparison                product:    sign { ("*" | "/" | "%") sign }
//! primary:  literal | name | name "(" … ")" | "(" or ")"      sign: "-" sign | primary
//! ```
//! Owns: the grammar and how deep it nests. Does not own: types.

use super::functions::Function;
use super::lex::{Token, Word, tokens};
use super::{Binary, DEPTH_MAX, Op, ParseFault};
use crate::model::Value;

/// The code of an expression.
pub fn parse(text: &str) -> Result<Vec<Op>, ParseFault> {
    let tokens = tokens(text)?;
    let end = text.chars().count() as u32 + 1;
    let mut parser = Parser { tokens, end, next: 0, depth: 0, code: Vec::new() };
    parser.or()?;
    match parser.tokens.get(parser.next) {
        None => Ok(parser.code),
        Some(_) => Err(parser.fault("an operator or the end was expected")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    end: u32,
    next: usize,
    depth: usize,
    code: Vec<Op>,
}

impl Parser {
    fn peek(&self) -> Option<&Word> {
        self.tokens.get(self.next).map(|token| &token.word)
    }

    fn take(&mut self, word: &Word) -> bool {
        let found = self.peek() == Some(word);
        self.next += usize::from(found);
        found
    }

    fn take_binary(&mut self, of: &[Binary]) -> Option<Binary> {
        match self.peek() {
            Some(Word::Binary(binary)) if of.contains(binary) => {
                let binary = *binary;
                self.next += 1;
                Some(binary)
            }
            _ => None,
        }
    }

    /// A fault where the next word is.
    fn fault(&self, problem: impl Into<String>) -> ParseFault {
        let at = self.tokens.get(self.next).map_or(self.end, |token| token.at);
        ParseFault { at, problem: problem.into() }
    }

    fn nested(
        &mut self,
        inner: fn(&mut Parser) -> Result<(), ParseFault>,
    ) -> Result<(), ParseFault> {
        if self.depth == DEPTH_MAX {
            return Err(self.fault(format!("nested more than {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn or(&mut self) -> Result<(), ParseFault> {
        self.chain(&Word::Or, true, Parser::and)
    }

    fn and(&mut self) -> Result<(), ParseFault> {
        self.chain(&Word::And, false, Parser::not)
    }

    /// Operands joined by a word that decides when a flag is `on`: the rest is then left out.
    fn chain(
        &mut self,
        word: &Word,
        on: bool,
        operand: fn(&mut Parser) -> Result<(), ParseFault>,
    ) -> Result<(), ParseFault> {
        operand(self)?;
        while self.take(word) {
            let decide = self.code.len();
            self.code.push(Op::Decide { on, skip: 0 });
            operand(self)?;
            self.code.push(Op::Flag);
            let skip = self.code.len() - decide - 1;
            if let Some(op) = self.code.get_mut(decide) {
                *op = Op::Decide { on, skip };
            }
        }
        Ok(())
    }

    fn not(&mut self) -> Result<(), ParseFault> {
        if self.take(&Word::Not) {
            self.nested(Parser::not)?;
            self.code.push(Op::Not);
            return Ok(());
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<(), ParseFault> {
        use Binary::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        const COMPARISONS: [Binary; 6] =
            [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual];
        self.sum()?;
        let Some(binary) = self.take_binary(&COMPARISONS) else { return Ok(()) };
        self.sum()?;
        self.code.push(Op::Binary(binary));
        match self.peek() {
            Some(Word::Binary(binary)) if COMPARISONS.contains(binary) => {
                Err(self.fault("a second comparison; join two with \"and\""))
            }
            _ => Ok(()),
        }
    }

    fn sum(&mut self) -> Result<(), ParseFault> {
        self.left_to_right(&[Binary::Add, Binary::Subtract], Parser::product)
    }

    fn product(&mut self) -> Result<(), ParseFault> {
        self.left_to_right(&[Binary::Multiply, Binary::Divide, Binary::Remainder], Parser::sign)
    }

    fn left_to_right(
        &mut self,
        of: &[Binary],
        operand: fn(&mut Parser) -> Result<(), ParseFault>,
    ) -> Result<(), ParseFault> {
        operand(self)?;
        while let Some(binary) = self.take_binary(of) {
            operand(self)?;
            self.code.push(Op::Binary(binary));
        }
        Ok(())
    }

    fn sign(&mut self) -> Result<(), ParseFault> {
        if self.take(&Word::Binary(Binary::Subtract)) {
            self.nested(Parser::sign)?;
            self.code.push(Op::Negate);
            return Ok(());
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<(), ParseFault> {
        let Some(token) = self.tokens.get(self.next).cloned() else {
            return Err(self.fault("something is missing at the end: a value was expected"));
        };
        let value = match token.word {
            Word::Number(number) => Value::Number(number),
            Word::Text(text) => Value::Text(text),
            Word::True => Value::Flag(true),
            Word::False => Value::Flag(false),
            Word::Name(name) => return self.name(name),
            Word::Open => {
                self.next += 1;
                self.nested(Parser::or)?;
                return self.close();
            }
            _ => return Err(self.fault("a value was expected: a literal, a name or a bracket")),
        };
        self.next += 1;
        self.code.push(Op::Push(value));
        Ok(())
    }

    fn close(&mut self) -> Result<(), ParseFault> {
        if self.take(&Word::Close) {
            return Ok(());
        }
        Err(self.fault("a closing bracket was expected"))
    }

    fn name(&mut self, name: String) -> Result<(), ParseFault> {
        let at = self.next;
        self.next += 1;
        if !self.take(&Word::Open) {
            self.code.push(Op::Name(name.into()));
            return Ok(());
        }
        let Some(function) = Function::named(&name) else {
            self.next = at;
            return Err(self.fault(format!("there is no function {name}")));
        };
        let mut given = 0;
        if !self.take(&Word::Close) {
            loop {
                self.nested(Parser::or)?;
                given += 1;
                if !self.take(&Word::Comma) {
                    break;
                }
            }
            self.close()?;
        }
        if !function.takes().contains(&given) {
            self.next = at;
            return Err(self.fault(format!("write {}; {given} values are given", function.usage())));
        }
        self.code.push(Op::Call(function, given));
        Ok(())
    }
}
