//! `Digest name=value, …` as it stands in Authorization and WWW-Authenticate (RFC 7616 §3.3, §3.4).

use super::Algorithm;
use crate::message::Message;

/// More parameters than this in one header make it malformed.
const FIELDS_MAX: usize = 32;

/// The credentials of an Authorization header, borrowed from the message. Values of quoted
/// strings stand without their quotes, with escapes as written (`unq()` of RFC 7616).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Who it claims to be.
    pub username: &'a str,
    /// The realm it answers.
    pub realm: &'a str,
    /// The nonce it answers.
    pub nonce: &'a str,
    /// The request's URI as its sender hashed it.
    pub uri: &'a str,
    /// The proof, in hexadecimal.
    pub response: &'a str,
    /// The algorithm; MD5 when none is named.
    pub algorithm: Algorithm,
    /// `(nc as written, its number, cnonce)` when qop=auth.
    pub counted: Option<(&'a str, u32, &'a str)>,
}

impl<'a> Authorization<'a> {
    /// The credentials for a realm in the Authorization headers of a request; a phone may send
    /// those of several realms (RFC 3261 §22.2).
    pub fn of(request: &'a Message, realm: &str) -> Option<Authorization<'a>> {
        let mut read = request.authorization().filter_map(Authorization::parse);
        read.find(|authorization| authorization.realm == realm)
    }

    /// Reads the value of an Authorization or Proxy-Authorization header; `None` when it is not
    /// Digest, lacks a mandatory parameter, or uses a qop or algorithm that we never offer.
    pub fn parse(value: &'a [u8]) -> Option<Authorization<'a>> {
        let mut fields = Fields::parse(value)?;
        let mut found: [Option<&str>; 9] = [None; 9];
        const NAMES: [&str; 9] =
            ["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce"];
        for (name, value) in &mut fields {
            let Some(at) = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known)) else {
                continue;
            };
            match found.get_mut(at) {
                // Twice the same parameter: nobody can tell which was meant.
                Some(Some(_)) | None => return None,
                Some(slot) => *slot = Some(value),
            }
        }
        if fields.malformed {
            return None;
        }
        let [username, realm, nonce, uri, response, algorithm, qop, nc, cnonce] = found;
        let counted = match qop {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let nc = nc.filter(|nc| nc.len() == 8)?;
                Some((nc, u32::from_str_radix(nc, 16).ok()?, cnonce?))
            }
            Some(_) => return None,
        };
        Some(Authorization {
            username: username?,
            realm: realm?,
            nonce: nonce?,
            uri: uri?,
            response: response?,
            algorithm: algorithm.map_or(Some(Algorithm::Md5), Algorithm::named)?,
            counted,
        })
    }
}

/// The parameters of a `Digest` header, in order.
pub(super) struct Fields<'a> {
    rest: &'a str,
    left: usize,
    /// Set when what was read was no list of parameters.
    pub malformed: bool,
}

impl<'a> Fields<'a> {
    /// Begins after the scheme; `None` unless that is `Digest` and all is UTF-8.
    pub(super) fn parse(value: &'a [u8]) -> Option<Fields<'a>> {
        let text = std::str::from_utf8(value).ok()?.trim_ascii();
        let (scheme, rest) = text.split_at_checked("Digest".len())?;
        let separated = rest.starts_with([' ', '\t', '\r', '\n']);
        (scheme.eq_ignore_ascii_case("Digest") && separated).then_some(Fields {
            rest,
            left: FIELDS_MAX,
            malformed: false,
        })
    }

    fn read(&mut self) -> Option<(&'a str, &'a str)> {
        self.left = self.left.checked_sub(1)?;
        let (name, after) = self.rest.split_once('=')?;
        let name = name.trim_ascii();
        let token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !token(name) {
            return None;
        }
        let after = after.trim_ascii_start();
        let (value, rest) = match after.strip_prefix('"') {
            Some(inside) => {
                let end = end_of_quoted(inside.as_bytes())?;
                (inside.get(..end)?, inside.get(end + 1..)?)
            }
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after.get(..end)?.trim_ascii_end(), after.get(end..)?)
            }
        };
        let rest = rest.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        self.rest = rest;
        Some((name, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        // Empty elements of a list are allowed (RFC 3261 §7.3.1 by its grammar of COMMA).
        self.rest = self.rest.trim_start_matches([',', ' ', '\t', '\r', '\n']);
        if self.rest.is_empty() || self.malformed {
            return None;
        }
        let read = self.read();
        self.malformed = read.is_none();
        read
    }
}

fn end_of_quoted(inside: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match inside.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_phones_send() {
        let value = b"Digest  username=\"1001\",realm=\"demo\", nonce=\"abc\",uri=\"sip:a,b@c\" , \
            response=\"00ff\",algorithm=MD5, cnonce=\"x\\\"y\",qop=auth, nc=0000000A,opaque=\"\"";
        let read = Authorization::parse(value).unwrap();
        assert_eq!(read.username, "1001");
        assert_eq!(read.uri, "sip:a,b@c");
        assert_eq!(read.counted, Some(("0000000A", 10, "x\\\"y")));
        let quoted = b"Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"0\",\
            qop=\"auth\",nc=00000001,cnonce=\"c\",algorithm=\"SHA-256\"";
        assert_eq!(Authorization::parse(quoted).unwrap().algorithm, Algorithm::Sha256);
    }

    #[test]
    fn refuses_what_is_not_digest_or_not_whole() {
        for value in [
            "Basic dXNlcjpwYXNz",
            "Digest",
            "Digest username",
            "Digest username=\"u",
            "Digest username=\"u\" realm=\"r\"",
            "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\"",
            "Digest username=\"u\",username=\"v\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"0\"",
            "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"0\",qop=auth-int",
            "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"0\",qop=auth,nc=1,cnonce=\"c\"",
            "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"0\",algorithm=MD5-sess",
        ] {
            assert_eq!(Authorization::parse(value.as_bytes()), None, "{value}");
        }
        assert_eq!(Authorization::parse(b"Digest username=\"\xff\""), None);
    }
}
