//! From text to words: names, literals, operators.
//!
//! Owns: what a word is, and hints for words of other languages. Does not own: their order.

use super::{Binary, ParseFault, SOURCE_MAX};

/// A word and where it begins, in characters from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub at: u32,
    pub word: Word,
}

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    Number(i64),
    Text(String),
    /// `account`, `call.caller`, `length`.
    Name(String),
    True,
    False,
    And,
    Or,
    Not,
    Binary(Binary),
    Open,
    Close,
    Comma,
}

/// The words of a text.
pub fn tokens(text: &str) -> Result<Vec<Token>, ParseFault> {
    let characters: Vec<char> = text.chars().take(SOURCE_MAX + 1).collect();
    if characters.len() > SOURCE_MAX {
        return Err(fault(SOURCE_MAX, format!("longer than {SOURCE_MAX} characters")));
    }
    let mut lexer = Lexer { characters, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

fn fault(at: usize, problem: impl Into<String>) -> ParseFault {
    ParseFault { at: at as u32 + 1, problem: problem.into() }
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(character) = self.peek().filter(|character| keep(*character)) {
            taken.push(character);
            self.at += 1;
        }
        taken
    }

    fn next(&mut self) -> Result<Option<Token>, ParseFault> {
        self.take_while(char::is_whitespace);
        let at = self.at;
        let Some(first) = self.peek() else { return Ok(None) };
        let word = match first {
            '0'..='9' => self.number()?,
            '\'' | '"' => self.text(first)?,
            'a'..='z' | 'A'..='Z' | '_' => self.name()?,
            _ => self.operator(first)?,
        };
        Ok(Some(Token { at: at as u32 + 1, word }))
    }

    fn number(&mut self) -> Result<Word, ParseFault> {
        let at = self.at;
        let digits = self.take_while(|character| character.is_ascii_digit());
        match self.peek() {
            Some('.') => {
                return Err(fault(at, "numbers are whole (amounts in hundredths: 1250 is 12.50)"));
            }
            Some(next) if next.is_alphanumeric() || next == '_' => {
                return Err(fault(self.at, format!("'{next}' right after a number")));
            }
            _ => {}
        }
        digits
            .parse()
            .map(Word::Number)
            .map_err(|_| fault(at, "a number of more than 64 bits (at most 9223372036854775807)"))
    }

    fn text(&mut self, quote: char) -> Result<Word, ParseFault> {
        let at = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(&self.take_while(|character| character != quote));
            if self.peek().is_none() {
                return Err(fault(at, format!("text without its closing {quote}")));
            }
            self.at += 1;
            // Two quotes in a row are one quote in the text.
            if self.peek() != Some(quote) {
                return Ok(Word::Text(text));
            }
            text.push(quote);
            self.at += 1;
        }
    }

    fn name(&mut self) -> Result<Word, ParseFault> {
        let part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let mut name = self.take_while(part);
        while self.peek() == Some('.') {
            self.at += 1;
            let rest = self.take_while(part);
            if rest.is_empty() {
                return Err(fault(self.at, format!("a name after \"{name}.\"")));
            }
            name.push('.');
            name.push_str(&rest);
        }
        Ok(match name.as_str() {
            "true" => Word::True,
            "false" => Word::False,
            "and" => Word::And,
            "or" => Word::Or,
            "not" => Word::Not,
            _ => Word::Name(name),
        })
    }

    fn operator(&mut self, first: char) -> Result<Word, ParseFault> {
        let at = self.at;
        let second = self.characters.get(at + 1).copied();
        let (word, length) = match (first, second) {
            ('=', Some('=')) => (Word::Binary(Binary::Equal), 2),
            ('!', Some('=')) => (Word::Binary(Binary::NotEqual), 2),
            ('<', Some('=')) => (Word::Binary(Binary::LessOrEqual), 2),
            ('>', Some('=')) => (Word::Binary(Binary::GreaterOrEqual), 2),
            ('<', Some('>')) => return Err(fault(at, "\"<>\"; write \"!=\"")),
            ('&', Some('&')) => return Err(fault(at, "\"&&\"; write \"and\"")),
            ('|', Some('|')) => return Err(fault(at, "\"||\"; write \"or\"")),
            ('=', _) => return Err(fault(at, "\"=\"; write \"==\" to compare")),
            ('!', _) => return Err(fault(at, "\"!\"; write \"not\"")),
            ('<', _) => (Word::Binary(Binary::Less), 1),
            ('>', _) => (Word::Binary(Binary::Greater), 1),
            ('+', _) => (Word::Binary(Binary::Add), 1),
            ('-', _) => (Word::Binary(Binary::Subtract), 1),
            ('*', _) => (Word::Binary(Binary::Multiply), 1),
            ('/', _) => (Word::Binary(Binary::Divide), 1),
            ('%', _) => (Word::Binary(Binary::Remainder), 1),
            ('(', _) => (Word::Open, 1),
            (')', _) => (Word::Close, 1),
            (',', _) => (Word::Comma, 1),
            _ => return Err(fault(at, format!("{first:?} has no meaning here"))),
        };
        self.at += length;
        Ok(word)
    }
}
