//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760; RFC 2617 forms without qop).
//!
//! Owns: the arithmetic, reading and writing of challenges and credentials, stateless nonces with
//! remembered counts ([`Authenticator`]), and answers as a client ([`answer`]). Does not own: who
//! the users are (it is given HA1s, never a password, by the server side), limits on guessing,
//! and which requests must be authenticated.
//!
//! ```text
//! phone                         server
//!   REGISTER ─────────────────→   challenge(): nonce = time, salt, HMAC of them and whose they are
//!   ←──────────────────── 401
//!   REGISTER, nc=1 ───────────→   check(): response right, nonce ours and young, count new
//!   ←──────────────────── 200
//! ```

mod authenticator;
mod client;
mod fields;
mod nonce;

pub use authenticator::{Authenticator, AuthenticatorSettings, Protected, Verdict};
pub use client::{Challenge, answer};
pub use fields::Authorization;
pub use nonce::source_network;

use hotline_base::Redacted;
use md5::Md5;
use sha2::Sha256;

/// A hash that digest may use (RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Algorithm {
    /// RFC 2617's only one; every phone knows it.
    #[serde(rename = "MD5")]
    Md5,
    /// RFC 8760.
    #[serde(rename = "SHA-256")]
    Sha256,
}

impl Algorithm {
    /// As written in `algorithm=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Recognises a name in any case; `None` for others, the `-sess` forms included.
    pub fn named(name: &str) -> Option<Algorithm> {
        [Algorithm::Md5, Algorithm::Sha256]
            .into_iter()
            .find(|algorithm| name.eq_ignore_ascii_case(algorithm.as_str()))
    }
}

/// What a server knows of a user: H(user:realm:password) under each algorithm, never the password.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Credentials {
    /// HA1 by MD5.
    pub ha1_md5: Redacted<[u8; 16]>,
    /// HA1 by SHA-256.
    pub ha1_sha256: Redacted<[u8; 32]>,
}

/// The credentials of a user in a realm.
pub fn ha1(user: &str, realm: &str, password: &str) -> Credentials {
    let parts: [&[u8]; 3] = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
    Credentials {
        ha1_md5: Redacted::new(joined::<Md5>(&parts).into()),
        ha1_sha256: Redacted::new(joined::<Sha256>(&parts).into()),
    }
}

/// A hash in hexadecimal, at most 64 characters, without allocation.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    text: [u8; 64],
    len: usize,
}

impl Hex {
    pub(crate) fn of(bytes: &[u8]) -> Hex {
        let mut hex = Hex { text: [0; 64], len: 0 };
        for (pair, byte) in hex.text.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[nibble(byte >> 4), nibble(byte & 15)]);
            hex.len += 2;
        }
        hex
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

fn nibble(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// What the response is computed over, besides HA1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transcript<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    pub nonce: &'a str,
    /// `(nc as written, cnonce)` with qop=auth; `None` for the RFC 2069 form.
    pub counted: Option<(&'a str, &'a str)>,
}

impl Transcript<'_> {
    /// The response parameter (RFC 7616 §3.4.1).
    pub(crate) fn response(&self, algorithm: Algorithm, credentials: &Credentials) -> Hex {
        match algorithm {
            Algorithm::Md5 => self.compute::<Md5>(credentials.ha1_md5.expose()),
            Algorithm::Sha256 => self.compute::<Sha256>(credentials.ha1_sha256.expose()),
        }
    }

    fn compute<H: md5::Digest>(&self, ha1: &[u8]) -> Hex {
        let ha1 = Hex::of(ha1);
        let ha2 = Hex::of(&joined::<H>(&[self.method.as_bytes(), self.uri.as_bytes()]));
        let (ha1, nonce, ha2) = (ha1.as_bytes(), self.nonce.as_bytes(), ha2.as_bytes());
        let hash = match self.counted {
            Some((nc, cnonce)) => {
                joined::<H>(&[ha1, nonce, nc.as_bytes(), cnonce.as_bytes(), b"auth", ha2])
            }
            None => joined::<H>(&[ha1, nonce, ha2]),
        };
        Hex::of(&hash)
    }
}

/// H(a:b:c).
fn joined<H: md5::Digest>(parts: &[&[u8]]) -> md5::digest::Output<H> {
    let mut hash = H::new();
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7616 §3.9.1, and of RFC 2617 §3.5 for the form without qop.
    #[test]
    fn the_examples_of_the_rfcs() {
        let transcript = Transcript {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            counted: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        };
        let mufasa = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
        let md5 = transcript.response(Algorithm::Md5, &mufasa);
        assert_eq!(md5.as_str(), "8ca523f5e9506fed4657c9700eebdbec");
        let sha256 = transcript.response(Algorithm::Sha256, &mufasa);
        assert_eq!(
            sha256.as_str(),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        let without_qop = Transcript {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            counted: None,
        };
        let old = ha1("Mufasa", "testrealm@host.com", "Circle Of Life");
        let response = without_qop.response(Algorithm::Md5, &old);
        assert_eq!(response.as_str(), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn algorithms_have_their_names() {
        assert_eq!(Algorithm::named("md5"), Some(Algorithm::Md5));
        assert_eq!(Algorithm::named("sha-256"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::named("MD5-sess"), None);
    }
}
