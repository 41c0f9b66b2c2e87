//! Softphone passwords: as written in a file, and as stored (HA1 only).

use super::tree::{Node, Value};
use hotline_base::Redacted;
use hotline_sip::digest;
use serde_json::{Value as Json, json};
use std::path::Path;

/// A password as written.
#[derive(Clone, Debug)]
pub enum Password {
    /// Known here, for the length of this run.
    Plain(Redacted<String>),
    /// Only its hashes are known, in hexadecimal: MD5, and SHA-256 if given.
    Ha1(String, Option<String>),
    /// To be generated when the agent has none yet.
    Generate,
}

impl Password {
    /// Reads a password as written; files are relative to the centre directory.
    ///
    /// # Errors
    /// What to do about it, in words that hold no secret.
    pub fn read(node: &Node, dir: Option<&Path>) -> Result<Password, String> {
        if let Value::Text(text) = &node.value {
            return Ok(Password::Plain(Redacted::new(text.clone())));
        }
        if let Some(path) = node.text_of("file") {
            let Some(dir) = dir else {
                return Err("a password or ha1: files are read by `hotline apply` only".into());
            };
            let text = std::fs::read_to_string(dir.join(path))
                .map_err(|error| format!("a file that can be read: {path}: {error}"))?;
            return checked(text.trim_end_matches(['\r', '\n']), path);
        }
        if let Some(name) = node.text_of("env") {
            let text = std::env::var(name)
                .map_err(|_| format!("an environment variable that is set: {name}"))?;
            return checked(&text, name);
        }
        if let Some(ha1) = node.text_of("ha1") {
            let sha256 = node.text_of("ha1_sha256").map(str::to_ascii_lowercase);
            return Ok(Password::Ha1(ha1.to_ascii_lowercase(), sha256));
        }
        Ok(Password::Generate)
    }
}

fn checked(text: &str, from: &str) -> Result<Password, String> {
    if (8..=128).contains(&text.chars().count()) {
        Ok(Password::Plain(Redacted::new(text.into())))
    } else {
        Err(format!("a password of 8–128 characters (in {from})"))
    }
}

/// The softphone as stored: number and HA1s, or the wish to generate.
pub fn stored(number: &str, realm: &str, password: &Password) -> Json {
    match password {
        Password::Plain(plain) => {
            let credentials = digest::ha1(number, realm, plain.expose());
            json!({
                "number": number,
                "ha1_md5": hex(credentials.ha1_md5.expose()),
                "ha1_sha256": hex(credentials.ha1_sha256.expose()),
            })
        }
        Password::Ha1(md5, Some(sha256)) => {
            json!({ "number": number, "ha1_md5": md5, "ha1_sha256": sha256 })
        }
        Password::Ha1(md5, None) => json!({ "number": number, "ha1_md5": md5 }),
        Password::Generate => json!({ "number": number, "generate": true }),
    }
}

/// A stored softphone in the form files have.
pub fn written(stored: &Json) -> Json {
    let number = stored.get("number").cloned().unwrap_or_default();
    let password = match (stored.get("ha1_md5"), stored.get("ha1_sha256")) {
        (Some(md5), Some(sha256)) => json!({ "ha1": md5, "ha1_sha256": sha256 }),
        (Some(md5), None) => json!({ "ha1": md5 }),
        _ => json!({ "generate": true }),
    };
    json!({ "number": number, "password": password })
}

/// A new password: 20 characters that survive being read out, about 100 bits.
pub fn generate(rng: &mut hotline_base::Rng) -> Redacted<String> {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let text = (0..20)
        .filter_map(|_| LETTERS.get(rng.below(LETTERS.len() as u64) as usize))
        .map(|byte| char::from(*byte))
        .collect();
    Redacted::new(text)
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal as bytes of an exact number.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}
