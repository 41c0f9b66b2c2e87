//! What was wrong with a header: which one, and what was expected there.

use std::fmt;

use super::HeaderName;
use crate::uri::UriError;

/// A header that is missing or does not obey its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{header}: expected {expected}")]
pub struct HeaderError {
    /// The header.
    pub header: HeaderName,
    /// What should have stood there.
    pub expected: Expected,
}

impl HeaderError {
    pub(crate) fn new(header: HeaderName, expected: Expected) -> Self {
        Self { header, expected }
    }
}

/// What a header should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expected {
    /// It is mandatory and missing.
    Present,
    /// It may stand once, and stands several times.
    Once,
    /// A non-empty value.
    Value,
    /// `"name" <uri>;params` or `uri;params` (RFC 3261 §25.1 name-addr, addr-spec).
    NameAddr,
    /// A URI within it.
    Uri(UriError),
    /// `;name=value` parameters.
    Params,
    /// `SIP/2.0/TRANSPORT host:port;params`.
    Via,
    /// A number of at most this.
    NumberUpTo(u64),
    /// `number METHOD`.
    CSeq,
    /// A token, or a list of them.
    Token,
    /// `type/subtype`.
    MediaType,
    /// `scheme name=value, …`.
    Credentials,
    /// `*` alone.
    OnlyWildcard,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("to be present"),
            Self::Once => f.write_str("once"),
            Self::Value => f.write_str("a value"),
            Self::NameAddr => f.write_str("an address"),
            Self::Uri(error) => write!(f, "a URI ({error})"),
            Self::Params => f.write_str("parameters"),
            Self::Via => f.write_str("SIP/2.0/TRANSPORT host:port"),
            Self::NumberUpTo(max) => write!(f, "a number up to {max}"),
            Self::CSeq => f.write_str("a number and a method"),
            Self::Token => f.write_str("a token"),
            Self::MediaType => f.write_str("type/subtype"),
            Self::Credentials => f.write_str("credentials"),
            Self::OnlyWildcard => f.write_str("nothing besides *"),
        }
    }
}
