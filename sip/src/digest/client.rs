//! The client's side: reading a challenge and answering it.

use super::fields::Fields;
use super::{Algorithm, Transcript, ha1};
use std::fmt::Write as _;

/// A challenge that we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The protection domain, to show and to choose the password by.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// Sent back as it came.
    pub opaque: Option<String>,
    /// MD5 when none is named.
    pub algorithm: Algorithm,
    /// Whether the server offers qop=auth; without it the answer has the RFC 2069 form.
    pub qop_auth: bool,
    /// The password was right, only the nonce is used up: answer again without asking.
    pub stale: bool,
}

impl Challenge {
    /// Reads the value of a WWW-Authenticate or Proxy-Authenticate header; `None` if it is not
    /// Digest or asks for an algorithm or qop that we do not have.
    pub fn parse(value: &[u8]) -> Option<Challenge> {
        let mut fields = Fields::parse(value)?;
        let (mut realm, mut nonce, mut opaque) = (None, None, None);
        let (mut algorithm, mut qop, mut stale) = (None, None, false);
        for (name, value) in &mut fields {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "nonce" => nonce = Some(value),
                "opaque" => opaque = Some(value),
                "algorithm" => algorithm = Some(value),
                "qop" => qop = Some(value),
                "stale" => stale = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        let auth = |qop: &str| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"));
        if fields.malformed || qop.is_some_and(|qop| !auth(qop)) {
            return None;
        }
        Some(Challenge {
            realm: realm?.to_owned(),
            nonce: nonce?.to_owned(),
            opaque: opaque.map(str::to_owned),
            algorithm: algorithm.map_or(Some(Algorithm::Md5), Algorithm::named)?,
            qop_auth: qop.is_some(),
            stale,
        })
    }

    /// The first challenge of a response that we can answer: servers list them in their order of
    /// preference (RFC 8760 §2.4).
    pub fn choose<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Challenge> {
        values.into_iter().find_map(Challenge::parse)
    }
}

/// The value of the Authorization (or Proxy-Authorization) header that answers a challenge.
/// `nc` counts the requests made with this nonce, from 1; `cnonce` is our own random token.
pub fn answer(
    challenge: &Challenge,
    method: &str,
    uri: &str,
    user: &str,
    password: &str,
    cnonce: &str,
    nc: u32,
) -> String {
    let Challenge { realm, nonce, opaque, algorithm, qop_auth, .. } = challenge;
    let nc = format!("{nc:08x}");
    let counted = qop_auth.then_some((nc.as_str(), cnonce));
    let transcript = Transcript { method, uri, nonce, counted };
    let response = transcript.response(*algorithm, &ha1(user, realm, password));
    let mut value = format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{}\", algorithm={}",
        response.as_str(),
        algorithm.as_str()
    );
    // Writing to a String cannot fail.
    if qop_auth == &true {
        let _ = write!(value, ", qop=auth, nc={nc}, cnonce=\"{cnonce}\"");
    }
    if let Some(opaque) = opaque {
        let _ = write!(value, ", opaque=\"{opaque}\"");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_challenge_we_understand_is_answered() {
        let values: [&[u8]; 4] = [
            b"Basic realm=\"x\"",
            b"Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256, qop=\"auth\"",
            b"Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
            b"Digest realm=\"r\", nonce=\"n\", opaque=\"o\", stale=TRUE, qop=\"auth,auth-int\"",
        ];
        let challenge = Challenge::choose(values).unwrap();
        assert!(challenge.stale && challenge.qop_auth);
        let value = answer(&challenge, "INVITE", "sip:b@h", "a", "p", "c", 11);
        assert!(value.ends_with(", qop=auth, nc=0000000b, cnonce=\"c\", opaque=\"o\""), "{value}");
    }
}
