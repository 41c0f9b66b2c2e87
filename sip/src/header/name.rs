//! Header field names: recognised once when a message is parsed, compact forms included
//! (RFC 3261 §7.3.1, §7.3.3 and the IANA registry).

use std::fmt;

macro_rules! header_names {
    ($( $(#[$doc:meta])* $variant:ident, $canonical:literal, $compact:literal, $shape:ident; )*) => {
        /// A header field this crate knows by name, or [`HeaderName::Other`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum HeaderName {
            $( $(#[$doc])* $variant, )*
            /// Any other header: kept byte for byte, found by its text.
            Other,
        }

        /// Canonical name, compact form (0: none), may it be a comma-separated list, the name.
        const NAMES: &[(&str, u8, bool, HeaderName)] = &[
            $( ($canonical, $compact, shape::$shape, HeaderName::$variant), )*
        ];
    };
}

mod shape {
    pub(super) const LIST: bool = true;
    pub(super) const SINGLE: bool = false;
}

header_names! {
    /// RFC 3261 §20.1
    Accept, "Accept", 0, LIST;
    /// RFC 3841
    AcceptContact, "Accept-Contact", b'a', LIST;
    /// RFC 3261 §20.2
    AcceptEncoding, "Accept-Encoding", 0, LIST;
    /// RFC 3261 §20.3
    AcceptLanguage, "Accept-Language", 0, LIST;
    /// RFC 3261 §20.4
    AlertInfo, "Alert-Info", 0, LIST;
    /// RFC 3261 §20.5
    Allow, "Allow", 0, LIST;
    /// RFC 6665
    AllowEvents, "Allow-Events", b'u', LIST;
    /// RFC 5373
    AnswerMode, "Answer-Mode", 0, SINGLE;
    /// RFC 3261 §20.6
    AuthenticationInfo, "Authentication-Info", 0, SINGLE;
    /// RFC 3261 §20.7
    Authorization, "Authorization", 0, SINGLE;
    /// RFC 3261 §20.8
    CallId, "Call-ID", b'i', SINGLE;
    /// RFC 3261 §20.9
    CallInfo, "Call-Info", 0, LIST;
    /// RFC 3261 §20.10
    Contact, "Contact", b'm', LIST;
    /// RFC 3261 §20.11
    ContentDisposition, "Content-Disposition", 0, SINGLE;
    /// RFC 3261 §20.12
    ContentEncoding, "Content-Encoding", b'e', LIST;
    /// RFC 3261 §20.13
    ContentLanguage, "Content-Language", 0, LIST;
    /// RFC 3261 §20.14
    ContentLength, "Content-Length", b'l', SINGLE;
    /// RFC 3261 §20.15
    ContentType, "Content-Type", b'c', SINGLE;
    /// RFC 3261 §20.16
    CSeq, "CSeq", 0, SINGLE;
    /// RFC 3261 §20.17
    Date, "Date", 0, SINGLE;
    /// RFC 5806
    Diversion, "Diversion", 0, LIST;
    /// RFC 3261 §20.18
    ErrorInfo, "Error-Info", 0, LIST;
    /// RFC 6665
    Event, "Event", b'o', SINGLE;
    /// RFC 3261 §20.19
    Expires, "Expires", 0, SINGLE;
    /// RFC 3261 §20.20
    From, "From", b'f', SINGLE;
    /// RFC 7044
    HistoryInfo, "History-Info", 0, LIST;
    /// RFC 8224
    Identity, "Identity", b'y', SINGLE;
    /// RFC 6086
    InfoPackage, "Info-Package", 0, SINGLE;
    /// RFC 3261 §20.21
    InReplyTo, "In-Reply-To", 0, LIST;
    /// RFC 3911
    Join, "Join", 0, SINGLE;
    /// RFC 3261 §20.22
    MaxForwards, "Max-Forwards", 0, SINGLE;
    /// RFC 3261 §20.23
    MinExpires, "Min-Expires", 0, SINGLE;
    /// RFC 4028
    MinSE, "Min-SE", 0, SINGLE;
    /// RFC 3261 §20.24
    MimeVersion, "MIME-Version", 0, SINGLE;
    /// RFC 3261 §20.25
    Organization, "Organization", 0, SINGLE;
    /// RFC 3325
    PAssertedIdentity, "P-Asserted-Identity", 0, LIST;
    /// RFC 7315
    PCalledPartyId, "P-Called-Party-ID", 0, SINGLE;
    /// RFC 3325
    PPreferredIdentity, "P-Preferred-Identity", 0, LIST;
    /// RFC 3327
    Path, "Path", 0, LIST;
    /// RFC 3261 §20.26
    Priority, "Priority", 0, SINGLE;
    /// RFC 3323
    Privacy, "Privacy", 0, SINGLE;
    /// RFC 3261 §20.27
    ProxyAuthenticate, "Proxy-Authenticate", 0, SINGLE;
    /// RFC 3261 §20.28
    ProxyAuthorization, "Proxy-Authorization", 0, SINGLE;
    /// RFC 3261 §20.29
    ProxyRequire, "Proxy-Require", 0, LIST;
    /// RFC 3262
    RAck, "RAck", 0, SINGLE;
    /// RFC 3262
    RSeq, "RSeq", 0, SINGLE;
    /// RFC 3326
    Reason, "Reason", 0, LIST;
    /// RFC 3261 §20.30
    RecordRoute, "Record-Route", 0, LIST;
    /// RFC 6086
    RecvInfo, "Recv-Info", 0, LIST;
    /// RFC 3515
    ReferTo, "Refer-To", b'r', SINGLE;
    /// RFC 3892
    ReferredBy, "Referred-By", b'b', SINGLE;
    /// Its predecessor of RFC 3325, still sent by some trunks.
    RemotePartyId, "Remote-Party-ID", 0, LIST;
    /// RFC 3891
    Replaces, "Replaces", 0, SINGLE;
    /// RFC 3261 §20.31
    ReplyTo, "Reply-To", 0, SINGLE;
    /// RFC 3261 §20.32
    Require, "Require", 0, LIST;
    /// RFC 3261 §20.33
    RetryAfter, "Retry-After", 0, SINGLE;
    /// RFC 3261 §20.34
    Route, "Route", 0, LIST;
    /// RFC 3261 §20.35
    Server, "Server", 0, SINGLE;
    /// RFC 3608
    ServiceRoute, "Service-Route", 0, LIST;
    /// RFC 4028
    SessionExpires, "Session-Expires", b'x', SINGLE;
    /// RFC 3903
    SipETag, "SIP-ETag", 0, SINGLE;
    /// RFC 3903
    SipIfMatch, "SIP-If-Match", 0, SINGLE;
    /// RFC 3261 §20.36
    Subject, "Subject", b's', SINGLE;
    /// RFC 6665
    SubscriptionState, "Subscription-State", 0, SINGLE;
    /// RFC 3261 §20.37
    Supported, "Supported", b'k', LIST;
    /// RFC 3261 §20.38
    Timestamp, "Timestamp", 0, SINGLE;
    /// RFC 3261 §20.39
    To, "To", b't', SINGLE;
    /// RFC 3261 §20.40
    Unsupported, "Unsupported", 0, LIST;
    /// RFC 3261 §20.41
    UserAgent, "User-Agent", 0, SINGLE;
    /// RFC 7433
    UserToUser, "User-to-User", 0, LIST;
    /// RFC 3261 §20.42
    Via, "Via", b'v', LIST;
    /// RFC 3261 §20.43
    Warning, "Warning", 0, LIST;
    /// RFC 3261 §20.44
    WwwAuthenticate, "WWW-Authenticate", 0, SINGLE;
}

/// The end of a chain through `NEXT`; recognition compares one or two names.
const NONE: u8 = u8::MAX;

/// First and last letter and the length; the factors were searched for few collisions.
const fn bucket(first: u8, last: u8, length: usize) -> usize {
    (((first | 0x20) as usize) * 33 + ((last | 0x20) as usize) * 59 + length * 17) & 255
}

const INDEX: ([u8; 256], [u8; NAMES.len()]) = {
    let mut heads = [NONE; 256];
    let mut next = [NONE; NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        let name = NAMES[at].0.as_bytes();
        let slot = bucket(name[0], name[name.len() - 1], name.len());
        next[at] = heads[slot];
        heads[slot] = at as u8;
        at += 1;
    }
    (heads, next)
};

const COMPACT: [HeaderName; 32] = {
    let mut table = [HeaderName::Other; 32];
    let mut at = 0;
    while at < NAMES.len() {
        if NAMES[at].1 != 0 {
            table[(NAMES[at].1 & 31) as usize] = NAMES[at].3;
        }
        at += 1;
    }
    table
};

static HEADS: [u8; 256] = INDEX.0;
static NEXT: [u8; NAMES.len()] = INDEX.1;

impl HeaderName {
    /// Recognises a name in any case or its compact form; anything else is
    /// [`HeaderName::Other`].
    pub fn from_bytes(name: &[u8]) -> Self {
        match name {
            [] => Self::Other,
            [letter] if letter.is_ascii_alphabetic() => COMPACT[(letter & 31) as usize],
            [_] => Self::Other,
            [first, .., last] => {
                let mut at = HEADS[bucket(*first, *last, name.len())];
                while let Some((canonical, _, _, found)) = NAMES.get(at as usize) {
                    if canonical.as_bytes().eq_ignore_ascii_case(name) {
                        return *found;
                    }
                    at = NEXT[at as usize];
                }
                Self::Other
            }
        }
    }

    /// The canonical spelling; empty for [`HeaderName::Other`].
    pub fn as_str(self) -> &'static str {
        NAMES.get(self as usize).map_or("", |entry| entry.0)
    }

    /// Whether the grammar allows several values in one line, separated by commas. The
    /// authentication headers do not: their commas separate parameters (RFC 3261 §7.3.1).
    pub fn is_list(self) -> bool {
        NAMES.get(self as usize).is_some_and(|entry| entry.2)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Other { "(other header)" } else { self.as_str() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_recognised_in_any_case_and_compact() {
        for (position, (canonical, compact, _, name)) in NAMES.iter().enumerate() {
            assert_eq!(*name as usize, position);
            assert_eq!(HeaderName::from_bytes(canonical.as_bytes()), *name);
            assert_eq!(HeaderName::from_bytes(canonical.to_uppercase().as_bytes()), *name);
            assert_eq!(HeaderName::from_bytes(canonical.to_lowercase().as_bytes()), *name);
            if *compact != 0 {
                assert_eq!(HeaderName::from_bytes(&[*compact]), *name);
                assert_eq!(HeaderName::from_bytes(&[compact.to_ascii_uppercase()]), *name);
            }
        }
        for other in ["", "X-Vendor", "z", "1", "C%6Fntact", "Vi", "Viaa"] {
            assert_eq!(HeaderName::from_bytes(other.as_bytes()), HeaderName::Other, "{other}");
        }
    }
}
