//! Keys by which messages find their transactions (RFC 3261 §17.1.3, §17.2.3, §8.2.2.2).
//!
//! A key is a 128-bit SipHash under a secret seed: no allocation per message, and nobody who does
//! not know the seed can make two keys collide.

use hotline_base::Rng;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// A secret hash of the parts of a message that name a transaction or a dialog.
pub type Key = u128;

/// Makes keys; two makers with different seeds make different keys.
#[derive(Clone)]
pub struct KeyMaker(SipHasher13);

impl std::fmt::Debug for KeyMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyMaker(…)")
    }
}

/// What a key names, so that keys of two kinds never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A server transaction by branch, sent-by and method.
    Branch = 1,
    /// A server transaction of an RFC 2543 client.
    Rfc2543 = 2,
    /// A request by Call-ID, From tag and CSeq, to find merged ones.
    Merge = 3,
    /// A 2xx by its dialog and CSeq, to find it when its ACK comes.
    Ack = 4,
}

impl KeyMaker {
    /// A maker with a seed from `rng`.
    pub fn new(rng: &mut Rng) -> KeyMaker {
        KeyMaker(SipHasher13::new_with_keys(rng.next_u64(), rng.next_u64()))
    }

    /// Begins a key.
    pub fn begin(&self, kind: KeyKind) -> KeyBuilder {
        let mut hasher = self.0;
        hasher.write_u8(kind as u8);
        KeyBuilder(hasher)
    }
}

/// A key in the making. Parts are separated, so `ab` + `c` is not `a` + `bc`.
pub struct KeyBuilder(SipHasher13);

impl KeyBuilder {
    /// Adds a part compared byte for byte.
    pub fn exact(mut self, part: &[u8]) -> Self {
        self.0.write(part);
        self.0.write_usize(part.len());
        self
    }

    /// Adds a part compared without case (tokens, host names).
    pub fn folded(mut self, part: &[u8]) -> Self {
        for chunk in part.chunks(64) {
            let mut buffer = [0; 64];
            for (to, &from) in buffer.iter_mut().zip(chunk) {
                *to = fold(from);
            }
            self.0.write(buffer.get(..chunk.len()).unwrap_or(&buffer));
        }
        self.0.write_usize(part.len());
        self
    }

    /// Adds a number.
    pub fn number(mut self, number: u32) -> Self {
        self.0.write_u32(number);
        self
    }

    /// The key.
    pub fn end(self) -> Key {
        self.0.finish128().as_u128()
    }
}

/// A byte in lower case.
pub(crate) fn fold(byte: u8) -> u8 {
    byte.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together_and_case_counts_only_where_it_should() {
        let maker = KeyMaker::new(&mut Rng::from_number(1));
        let key = |a: &str, b: &str| {
            maker.begin(KeyKind::Ack).exact(a.as_bytes()).folded(b.as_bytes()).end()
        };
        assert_eq!(key("ab", "Cd"), key("ab", "cD"));
        assert_ne!(key("ab", "c"), key("aB", "c"));
        assert_ne!(key("ab", "c"), key("a", "bc"));
        let other = KeyMaker::new(&mut Rng::from_number(2));
        assert_ne!(maker.begin(KeyKind::Ack).end(), other.begin(KeyKind::Ack).end());
        assert_ne!(maker.begin(KeyKind::Ack).end(), maker.begin(KeyKind::Merge).end());
        let long = "X".repeat(200);
        assert_eq!(key("", &long), key("", &long.to_lowercase()));
    }
}
