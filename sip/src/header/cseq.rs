//! CSeq (RFC 3261 §20.16).

use std::fmt;

use super::{Expected, HeaderError, HeaderName};
use crate::grammar::{is_space, number, trim};
use crate::method::Method;

/// The command sequence: a number below 2³¹ and the method of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// 0 to 2³¹−1 (RFC 3261 §8.1.1.5); 2³¹ and more up to 2³²−1 is read, never sent.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// Reads `number LWS method`.
    pub fn parse(text: &[u8]) -> Result<Self, HeaderError> {
        let error = |expected| HeaderError::new(HeaderName::CSeq, expected);
        let text = trim(text);
        let split = text.iter().position(|&b| is_space(b)).ok_or(error(Expected::CSeq))?;
        let (digits, rest) = text.split_at(split);
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(error(Expected::CSeq));
        }
        let number = number(digits)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(error(Expected::NumberUpTo(u64::from(u32::MAX))))?;
        let method = Method::from_bytes(trim(rest)).ok_or(error(Expected::CSeq))?;
        Ok(Self { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_methods() {
        let read = |text: &str| CSeq::parse(text.as_bytes());
        assert_eq!(read("0009    INVITE"), Ok(CSeq { number: 9, method: Method::Invite }));
        let error = |expected| Err(HeaderError::new(HeaderName::CSeq, expected));
        assert_eq!(read("1"), error(Expected::CSeq));
        assert_eq!(read("INVITE 1"), error(Expected::CSeq));
        assert_eq!(read("1 IN VITE"), error(Expected::CSeq));
        let beyond = error(Expected::NumberUpTo(u64::from(u32::MAX)));
        assert_eq!(read("36893488147419103232 REGISTER"), beyond);
    }
}
