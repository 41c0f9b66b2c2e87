//! PINs of single-phone agents: as written in a file, and as stored (an Argon2id hash only).
//!
//! Owns: reading, hashing, comparing, generating. Does not own: when a PIN is asked for, nor how
//! often it may be wrong (the engine's).

use super::schema::is_pin_text;
use super::tree::{Node, Value};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params};
use hotline_base::{Redacted, Rng};
use serde_json::{Value as Json, json};
use std::fmt;
use std::path::Path;

/// Most memory a hash may ask for, in KiB: about twice that of our own. Every sign-in pays for it,
/// also those of strangers who guess.
const MEMORY_KIB_MAX: u32 = 2 * Params::DEFAULT_M_COST;
/// Most passes of a hash: twice ours.
const PASSES_MAX: u32 = 2 * Params::DEFAULT_T_COST;
/// Most lanes of a hash: twice ours.
const LANES_MAX: u32 = 2 * Params::DEFAULT_P_COST;

/// A PIN as written.
#[derive(Clone)]
pub enum Pin {
    /// Known here, for the length of this run.
    Plain(Redacted<String>),
    /// Only its hash is known.
    Hash(String),
    /// To be generated when the agent has none yet.
    Generate,
}

/// Neither digits nor what they could be guessed from.
impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pin::Plain(_) => "Plain(…)",
            Pin::Hash(_) => "Hash(…)",
            Pin::Generate => "Generate",
        })
    }
}

impl Pin {
    /// Reads a PIN as written; files are relative to the centre directory.
    ///
    /// # Errors
    /// What to do about it, in words that hold no secret.
    pub fn read(node: &Node, dir: Option<&Path>) -> Result<Pin, String> {
        if let Value::Text(text) = &node.value {
            return Ok(Pin::Plain(Redacted::new(text.clone())));
        }
        if let Some(hash) = node.text_of("hash") {
            return match is_hash(hash) {
                true => Ok(Pin::Hash(hash.into())),
                false => Err(format!(
                    "an Argon2id hash in PHC form, $argon2id$v=19$m=…, with m at most \
                     {MEMORY_KIB_MAX}, t at most {PASSES_MAX} and p at most {LANES_MAX}"
                )),
            };
        }
        let checked = |text: &str, from: &str| match is_pin_text(text) {
            true => Ok(Pin::Plain(Redacted::new(text.into()))),
            false => Err(format!("a PIN of 4–12 digits (in {from})")),
        };
        match outside(node, dir)? {
            Some((text, from)) => checked(text.expose(), &from),
            None => Ok(Pin::Generate),
        }
    }
}

/// A secret that stands in a file (`{ file }`, relative to the centre directory) or in the
/// environment (`{ env }`), and where; `None` when neither is written.
///
/// # Errors
/// What to do about it, in words that hold no secret.
pub fn outside(
    node: &Node,
    dir: Option<&Path>,
) -> Result<Option<(Redacted<String>, String)>, String> {
    if let Some(path) = node.text_of("file") {
        let Some(dir) = dir else {
            return Err("the value itself: files are read by `hotline apply` only".into());
        };
        let text = std::fs::read_to_string(dir.join(path))
            .map_err(|error| format!("a file that can be read: {path}: {error}"))?;
        let text = text.trim_end_matches(['\r', '\n']).to_string();
        return Ok(Some((Redacted::new(text), path.into())));
    }
    if let Some(name) = node.text_of("env") {
        let text = std::env::var(name)
            .map_err(|_| format!("an environment variable that is set: {name}"))?;
        return Ok(Some((Redacted::new(text), name.into())));
    }
    Ok(None)
}

/// The hash of a PIN.
///
/// # Errors
/// The machine gave no memory or no randomness for it.
pub fn hash(pin: &Redacted<String>) -> Result<String, String> {
    let hash = Argon2::default().hash_password(pin.expose().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| format!("a PIN cannot be hashed: {error}"))
}

/// Whether a text is a hash of this kind that costs no more than it may.
pub fn is_hash(text: &str) -> bool {
    affordable(text).is_some()
}

fn affordable(text: &str) -> Option<PasswordHash> {
    let hash = PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let good = hash.algorithm == Algorithm::Argon2id.ident()
        && hash.hash.is_some()
        && params.m_cost() <= MEMORY_KIB_MAX
        && params.t_cost() <= PASSES_MAX
        && params.p_cost() <= LANES_MAX;
    good.then_some(hash)
}

/// Whether a PIN fits a hash. What is no hash, or costs too much, fits nothing.
pub fn fits(hash: &str, pin: &Redacted<String>) -> bool {
    affordable(hash).is_some_and(|hash| {
        Argon2::default().verify_password(pin.expose().as_bytes(), &hash).is_ok()
    })
}

/// A new PIN: eight digits.
pub fn generate(rng: &mut Rng) -> Redacted<String> {
    Redacted::new(format!("{:08}", rng.below(100_000_000)))
}

/// A stored `single_phone` in the form files have; `plain` is the PIN where it is known.
pub fn written(stored: &Json, plain: Option<&Redacted<String>>) -> Json {
    let mut written =
        json!({ "enabled": stored.get("enabled").cloned().unwrap_or(Json::Bool(false)) });
    let pin = match (plain, stored.get("pin_hash")) {
        (Some(plain), _) => Some(json!(plain.expose())),
        (None, Some(hash)) => Some(json!({ "hash": hash })),
        (None, None) => stored.get("generate").map(|_| json!({ "generate": true })),
    };
    if let Some(pin) = pin {
        written["pin"] = pin;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_fits_its_own_hash_and_no_other_and_two_hashes_of_it_differ() {
        let pin = Redacted::new("20394857".to_string());
        let (one, two) = (hash(&pin).unwrap(), hash(&pin).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$") && !one.contains(pin.expose()));
        assert!(fits(&one, &pin) && fits(&two, &pin));
        assert!(!fits(&one, &Redacted::new("20394856".to_string())));
        assert!(!fits("20394857", &pin), "what is no hash fits nothing");
    }

    /// A file with `m=4000000,t=100` was taken, and each sign-in of that agent then asked for 4 GB
    /// and minutes of a core.
    #[test]
    fn a_hash_that_costs_much_more_than_ours_is_refused_and_fits_nothing() {
        let ours = hash(&Redacted::new("20394857".to_string())).unwrap();
        let read = |hash: &str| {
            let node = Node::from_toml(&format!("hash = \"{hash}\"")).unwrap();
            Pin::read(&node, None)
        };
        assert!(matches!(read(&ours), Ok(Pin::Hash(hash)) if hash == ours));
        let cost = ours.split('$').nth(3).unwrap();
        for (wrong, why) in [
            (ours.replace(cost, "m=4000000,t=2,p=1"), "memory"),
            (ours.replace(cost, "m=19456,t=100,p=1"), "passes"),
            (ours.replace(cost, "m=19456,t=2,p=16"), "lanes"),
            (ours.replace("argon2id", "argon2i"), "algorithm"),
            (ours.replace("argon2id", "argon2d"), "algorithm"),
            ("$argon2id$v=19$m=19456,t=2,p=1".to_string(), "no hash in it"),
            ("20394857".to_string(), "no hash at all"),
        ] {
            let fault = read(&wrong).expect_err(why);
            assert!(fault.contains("m at most 38912") && !fault.contains('\n'), "{fault}");
            assert!(!fits(&wrong, &Redacted::new("20394857".to_string())), "{why}");
        }
    }

    #[test]
    fn the_debug_form_of_a_pin_shows_neither_digits_nor_hash() {
        let plain = Pin::Plain(Redacted::new("20394857".to_string()));
        let hashed = Pin::Hash("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into());
        assert_eq!(
            format!("{plain:?} {hashed:?} {:?}", Pin::Generate),
            "Plain(…) Hash(…) Generate"
        );
    }

    #[test]
    fn a_generated_pin_has_eight_digits_whatever_the_dice_say() {
        let mut rng = Rng::from_seed([3; 32]);
        for _ in 0..200 {
            let pin = generate(&mut rng);
            assert!(pin.expose().len() == 8 && is_pin_text(pin.expose()), "{}", pin.expose());
        }
    }
}
