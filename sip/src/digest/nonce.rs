//! Nonces that carry their own proof, and the counts they were used with.
//!
//! A nonce is (milliseconds of wall time, salt, HMAC-SHA256 over both, the partition, the realm and
//! the network it was sent to), in hexadecimal: whoever holds the secret recognises it without
//! having stored it. Who comes back with it has received it: nobody can use one in the name of an
//! address that is not its own. The proof covers the start of the process too: what a nonce of an
//! earlier one was used for is not known, so it is not ours any more. What must be stored is how often it was *used*: [`NonceCounts`] keeps a window of counts for the
//! youngest nonces. When it is full the oldest is forgotten, and a floor rises: a nonce issued at
//! or before the floor that is not in the table may have been used, so it counts as stale.

use super::Hex;
use hotline_base::{Partition, Redacted, Rng, Wall};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use subtle::ConstantTimeEq;

const ISSUED: usize = 6;
const SALT: usize = 6;
const MAC: usize = 12;
const NONCE: usize = ISSUED + SALT + MAC;

/// When a nonce was issued (milliseconds of wall time) and its salt: its name in the table.
pub(super) type NonceId = (u64, u64);

/// The network that one customer usually has: an IPv4 address, or an IPv6 /64.
pub fn source_network(source: IpAddr) -> u128 {
    match source.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) | u128::from(u64::MAX),
    }
}

/// For whom a nonce is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipient<'a> {
    pub partition: Partition,
    pub realm: &'a str,
    /// From where it asked.
    pub source: IpAddr,
}

/// Mints and recognises nonces.
pub(super) struct NonceMint {
    /// Has taken in the key and the start.
    inner: Sha256,
    outer: Sha256,
}

impl NonceMint {
    /// `start` is different at each start with the same secret.
    pub(super) fn new(secret: &Redacted<[u8; 32]>, start: &[u8]) -> NonceMint {
        let padded = |pad: u8| {
            let mut block = [pad; 64];
            for (to, from) in block.iter_mut().zip(secret.expose()) {
                *to ^= from;
            }
            Sha256::new().chain_update(block)
        };
        NonceMint { inner: padded(0x36).chain_update(start), outer: padded(0x5c) }
    }

    pub(super) fn mint(&self, wall: Wall, recipient: Recipient<'_>, rng: &mut Rng) -> Hex {
        let mut nonce = [0; NONCE];
        let issued = u64::try_from(wall.as_ms()).unwrap_or(0).to_be_bytes();
        let salt = rng.next_u64().to_be_bytes();
        let head = issued.iter().skip(8 - ISSUED).chain(salt.iter().skip(8 - SALT));
        for (to, &from) in nonce.iter_mut().zip(head) {
            *to = from;
        }
        let (head, mac) = nonce.split_at_mut(ISSUED + SALT);
        let proof = self.proof(head, recipient);
        for (to, from) in mac.iter_mut().zip(proof) {
            *to = from;
        }
        Hex::of(&nonce)
    }

    /// The name of a nonce that this mint made for the recipient.
    pub(super) fn recognise(&self, nonce: &str, recipient: Recipient<'_>) -> Option<NonceId> {
        let mut bytes = [0; NONCE];
        if nonce.len() != 2 * NONCE {
            return None;
        }
        for (to, pair) in bytes.iter_mut().zip(nonce.as_bytes().chunks_exact(2)) {
            *to = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        let (head, mac) = bytes.split_at(ISSUED + SALT);
        let proof = self.proof(head, recipient);
        if !bool::from(proof.get(..MAC)?.ct_eq(mac)) {
            return None;
        }
        let number = |part: &[u8]| part.iter().fold(0, |n, &byte| (n << 8) | u64::from(byte));
        let (issued, salt) = head.split_at(ISSUED);
        Some((number(issued), number(salt)))
    }

    fn proof(&self, head: &[u8], recipient: Recipient<'_>) -> [u8; 32] {
        let mut inner = self.inner.clone();
        inner.update(head);
        inner.update(recipient.partition.0.to_be_bytes());
        inner.update(source_network(recipient.source).to_be_bytes());
        inner.update(recipient.realm.as_bytes());
        let mut outer = self.outer.clone();
        outer.update(inner.finalize());
        outer.finalize().into()
    }
}

/// The counts seen with a nonce: the highest, and which of the 64 up to it.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Window {
    /// Notes a count; `false` if it was seen before or is too old to know.
    fn note(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let Some(bit) = 1u64.checked_shl(self.highest - count) else { return false };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

/// What a count says of a nonce that is ours and not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountVerdict {
    /// Never seen with this nonce: noted.
    Fresh,
    /// Seen before.
    Replayed,
    /// Nobody can tell any more, or the first use was not seen.
    Unknown,
}

/// A bounded memory of used nonces; see the module.
#[derive(Debug)]
pub(super) struct NonceCounts {
    windows: BTreeMap<NonceId, Window>,
    limit: usize,
    floor_ms: u64,
}

impl NonceCounts {
    pub(super) fn new(limit: usize) -> NonceCounts {
        NonceCounts { windows: BTreeMap::new(), limit: limit.max(1), floor_ms: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    pub(super) fn note(&mut self, nonce: NonceId, count: u32) -> CountVerdict {
        if let Some(window) = self.windows.get_mut(&nonce) {
            return if window.note(count) { CountVerdict::Fresh } else { CountVerdict::Replayed };
        }
        if nonce.0 <= self.floor_ms || count != 1 {
            return CountVerdict::Unknown;
        }
        if self.windows.len() >= self.limit {
            self.forget_oldest();
            if nonce.0 <= self.floor_ms {
                return CountVerdict::Unknown;
            }
        }
        self.windows.insert(nonce, Window { highest: 1, seen: 1 });
        CountVerdict::Fresh
    }

    /// Forgets the nonces issued before `issued_ms`: they are expired.
    pub(super) fn forget_before(&mut self, issued_ms: u64) {
        while self.windows.first_key_value().is_some_and(|(id, _)| id.0 < issued_ms) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(((issued_ms, _), _)) = self.windows.pop_first() {
            self.floor_ms = self.floor_ms.max(issued_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3 (test case 2), by the same construction.
    #[test]
    fn the_proof_is_hmac_sha256() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mint = NonceMint::new(&Redacted::new(key), &[]);
        let mut inner = mint.inner.clone();
        inner.update(b"what do ya want for nothing?");
        let mut outer = mint.outer.clone();
        outer.update(inner.finalize());
        let proof: [u8; 32] = outer.finalize().into();
        assert_eq!(
            Hex::of(&proof).as_str(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_nonce_is_recognised_only_where_it_was_issued() {
        let mut rng = Rng::from_number(1);
        let mint = NonceMint::new(&Redacted::new([7; 32]), b"first start");
        let at = |partition, realm, source: &str| Recipient {
            partition: Partition(partition),
            realm,
            source: source.parse().unwrap(),
        };
        let phone = at(1, "demo", "192.0.2.1");
        let nonce = mint.mint(Wall::from_s(1_000), phone, &mut rng);
        let nonce = nonce.as_str();
        assert_eq!(mint.recognise(nonce, phone).map(|id| id.0), Some(1_000_000));
        assert!(mint.recognise(nonce, at(1, "demo", "::ffff:192.0.2.1")).is_some());
        assert_eq!(mint.recognise(nonce, at(2, "demo", "192.0.2.1")), None);
        assert_eq!(mint.recognise(nonce, at(1, "other", "192.0.2.1")), None);
        assert_eq!(mint.recognise(nonce, at(1, "demo", "192.0.2.2")), None);
        for (secret, start) in [([8; 32], &b"first start"[..]), ([7; 32], b"second start")] {
            let other = NonceMint::new(&Redacted::new(secret), start);
            assert_eq!(other.recognise(nonce, phone), None);
        }
        for foreign in ["", "zz", "é", &"+1".repeat(NONCE), &"é".repeat(NONCE)] {
            assert_eq!(mint.recognise(foreign, phone), None);
        }
        // One IPv6 customer may speak from any address of its /64.
        let nonce = mint.mint(Wall::from_s(1), at(1, "demo", "2001:db8::1"), &mut rng);
        assert!(mint.recognise(nonce.as_str(), at(1, "demo", "2001:db8::2")).is_some());
        assert_eq!(mint.recognise(nonce.as_str(), at(1, "demo", "2001:db8:0:1::1")), None);
    }

    #[test]
    fn counts_may_come_out_of_order_but_never_twice() {
        use CountVerdict::{Fresh, Replayed, Unknown};
        let mut counts = NonceCounts::new(8);
        for (count, expected) in [
            (2, Unknown),
            (1, Fresh),
            (1, Replayed),
            (3, Fresh),
            (2, Fresh),
            (2, Replayed),
            (0, Fresh),
            (70, Fresh),
            (4, Replayed),
            (10, Fresh),
            (u32::MAX, Fresh),
            (70, Replayed),
        ] {
            assert_eq!(counts.note((5, 5), count), expected, "nc={count}");
        }
    }

    #[test]
    fn a_forgotten_nonce_is_unknown_never_fresh_again() {
        use CountVerdict::{Fresh, Unknown};
        let mut counts = NonceCounts::new(2);
        assert_eq!(counts.note((11, 1), 1), Fresh);
        assert_eq!(counts.note((12, 1), 1), Fresh);
        assert_eq!(counts.note((13, 1), 1), Fresh, "11 is evicted");
        assert_eq!(counts.len(), 2);
        assert_eq!(counts.note((11, 1), 1), Unknown);
        assert_eq!(counts.note((11, 1), 2), Unknown);
        assert_eq!(counts.note((12, 1), 2), Fresh);
        counts.forget_before(13);
        assert_eq!(counts.len(), 1);
        assert_eq!(counts.note((12, 1), 3), Unknown);
    }
}
