//! Digest of the test's phones: RFC 2617 with MD5 and qop=auth, straight from its formulas.

use md5::{Digest, Md5};

/// The parameters of a challenge that a phone needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Realm.
    pub realm: String,
    /// Nonce.
    pub nonce: String,
    /// Opaque, if any.
    pub opaque: Option<String>,
    /// Whether only the nonce was too old.
    pub stale: bool,
}

/// One answer to a challenge.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// What was asked.
    pub challenge: &'a Challenge,
    /// User name.
    pub user: &'a str,
    /// Password.
    pub password: &'a str,
    /// Method of the request.
    pub method: &'a str,
    /// Its Request-URI.
    pub uri: &'a str,
    /// Nonce count.
    pub count: u32,
}

impl Challenge {
    /// Reads a WWW-Authenticate value that offers MD5.
    pub fn parse(value: &str) -> Option<Challenge> {
        let rest = value.trim().strip_prefix("Digest ")?;
        let field = |name: &str| {
            rest.split(',').map(str::trim).find_map(|part| {
                let (key, value) = part.split_once('=')?;
                (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
            })
        };
        if field("algorithm").is_some_and(|algorithm| algorithm != "MD5") {
            return None;
        }
        Some(Challenge {
            realm: field("realm")?,
            nonce: field("nonce")?,
            opaque: field("opaque"),
            stale: field("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

impl Answer<'_> {
    /// The value of Authorization.
    pub fn header(&self) -> String {
        let Challenge { realm, nonce, opaque, .. } = self.challenge;
        let cnonce = format!("c{:x}", self.count);
        let count = format!("{:08x}", self.count);
        let ha1 = md5_hex(&format!("{}:{realm}:{}", self.user, self.password));
        let ha2 = md5_hex(&format!("{}:{}", self.method, self.uri));
        let response = md5_hex(&format!("{ha1}:{nonce}:{count}:{cnonce}:auth:{ha2}"));
        let opaque = opaque.as_ref().map(|text| format!(", opaque=\"{text}\"")).unwrap_or_default();
        format!(
            "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{}\", \
             response=\"{response}\", algorithm=MD5, cnonce=\"{cnonce}\", qop=auth, \
             nc={count}{opaque}",
            self.user, self.uri
        )
    }
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_and_answered_as_in_rfc_2617_section_3_5() {
        let value = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
                     nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc\"";
        // A list within quotes confuses a reader that splits at commas only where it stands.
        let challenge = Challenge::parse(value).unwrap();
        assert_eq!(challenge.realm, "testrealm@host.com");
        assert_eq!(challenge.nonce, "dcd98b7102dd2f0e8b11d0f600bfb0c093");
        assert_eq!(
            md5_hex("Mufasa:testrealm@host.com:Circle Of Life"),
            "939e7578ed9e3c518a452acee763bce9"
        );
        assert_eq!(Challenge::parse("Digest realm=\"a\", nonce=\"b\", algorithm=SHA-256"), None);
    }
}
