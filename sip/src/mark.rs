//! [`Mark`]: the ownership that our tags, branches and Call-IDs carry.
//!
//! Owns: minting identifiers that are unguessable and say whose they are, and reading that back,
//! so that any node can send a response, an ACK or an in-dialog request to its owner without a
//! table. Does not own: the decision what to do with an unmarked or foreign message.
//!
//! An identifier is `h`, seven characters of partition, seven of epoch (not in a Call-ID), then
//! random characters, all from a 32-letter lower-case alphabet without look-alikes: tokens are
//! compared without case (RFC 3261 §7.3.1), so no bit may hide in the case of a letter.

use crate::transaction::key::fold;
use compact_str::CompactString;
use hotline_base::{Epoch, Partition, Rng};

/// The magic cookie of RFC 3261 §8.1.1.7.
pub const COOKIE: &str = "z9hG4bK";

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const KIND: u8 = b'h';
const NUMBER: usize = 7;
const RANDOM: usize = 13;
const TAG: usize = 1 + 2 * NUMBER + RANDOM;
const CALL_ID: usize = 1 + NUMBER + 2 * RANDOM;

/// Whose an identifier is: the partition and the epoch of the owner that minted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The tenant or trunk group that the identifier belongs to.
    pub partition: Partition,
    /// The fencing epoch of the owner at the time of minting.
    pub epoch: Epoch,
}

/// A branch that we minted, read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Whose it is.
    pub mark: Mark,
    /// Its 64 random bits, unique enough to name the client transaction.
    pub random: u64,
}

impl Branch {
    /// A new branch of an owner.
    pub fn mint(mark: Mark, rng: &mut Rng) -> Branch {
        Branch { mark, random: rng.next_u64() }
    }

    /// The value of the Via `branch` parameter, cookie included.
    pub fn text(&self) -> CompactString {
        let mut text = CompactString::with_capacity(COOKIE.len() + TAG);
        text.push_str(COOKIE);
        self.mark.write(&mut text, self.random);
        text
    }

    /// The branch as we minted it; `None` for anybody else's.
    pub fn read(branch: &str) -> Option<Branch> {
        let bytes = branch.as_bytes();
        let (cookie, rest) = bytes.split_at_checked(COOKIE.len())?;
        if !cookie.eq_ignore_ascii_case(COOKIE.as_bytes()) {
            return None;
        }
        let (mark, random) = Mark::read(rest)?;
        Some(Branch { mark, random })
    }
}

impl Mark {
    /// A new From or To tag (28 characters, 64 random bits).
    pub fn mint_tag(self, rng: &mut Rng) -> CompactString {
        let mut text = CompactString::with_capacity(TAG);
        self.write(&mut text, rng.next_u64());
        text
    }

    /// A new Via branch (35 characters, 64 random bits).
    pub fn mint_branch(self, rng: &mut Rng) -> CompactString {
        Branch::mint(self, rng).text()
    }

    /// A new Call-ID (34 characters, 128 random bits), with `@host` unless `host` is empty.
    pub fn mint_call_id(self, rng: &mut Rng, host: &str) -> CompactString {
        let mut text = CompactString::with_capacity(CALL_ID + 1 + host.len());
        text.push(char::from(KIND));
        write_number(&mut text, u64::from(self.partition.0), NUMBER);
        write_number(&mut text, rng.next_u64(), RANDOM);
        write_number(&mut text, rng.next_u64(), RANDOM);
        if !host.is_empty() {
            text.push('@');
            text.push_str(host);
        }
        text
    }

    /// Whose branch it is; `None` if we did not mint it.
    pub fn of_branch(branch: &str) -> Option<Mark> {
        Branch::read(branch).map(|branch| branch.mark)
    }

    /// Whose tag it is; `None` if we did not mint it.
    pub fn of_tag(tag: &str) -> Option<Mark> {
        Mark::read(tag.as_bytes()).map(|(mark, _)| mark)
    }

    /// The partition of a Call-ID that we minted; `None` for anybody else's.
    pub fn partition_of_call_id(call_id: &str) -> Option<Partition> {
        let local = call_id.split('@').next()?.as_bytes();
        if local.len() != CALL_ID || fold(*local.first()?) != KIND {
            return None;
        }
        let partition = read_u32(local.get(1..1 + NUMBER)?)?;
        read_number(local.get(1 + NUMBER..1 + NUMBER + RANDOM)?)?;
        read_number(local.get(1 + NUMBER + RANDOM..)?)?;
        Some(Partition(partition))
    }

    /// A tag with given random bits: for answers that must be the same each time.
    pub(crate) fn tag_of(self, random: u64) -> CompactString {
        let mut text = CompactString::with_capacity(TAG);
        self.write(&mut text, random);
        text
    }

    fn write(self, text: &mut CompactString, random: u64) {
        text.push(char::from(KIND));
        write_number(text, u64::from(self.partition.0), NUMBER);
        write_number(text, u64::from(self.epoch.0), NUMBER);
        write_number(text, random, RANDOM);
    }

    fn read(bytes: &[u8]) -> Option<(Mark, u64)> {
        if bytes.len() != TAG || fold(*bytes.first()?) != KIND {
            return None;
        }
        let partition = Partition(read_u32(bytes.get(1..1 + NUMBER)?)?);
        let epoch = Epoch(read_u32(bytes.get(1 + NUMBER..1 + 2 * NUMBER)?)?);
        let random = read_number(bytes.get(1 + 2 * NUMBER..)?)?;
        Some((Mark { partition, epoch }, random))
    }
}

fn write_number(text: &mut CompactString, number: u64, width: usize) {
    for position in (0..width).rev() {
        let five_bits = (u128::from(number) >> (5 * position)) & 31;
        text.push(char::from(ALPHABET[five_bits as usize]));
    }
}

fn read_number(bytes: &[u8]) -> Option<u64> {
    let mut number = 0u128;
    for &byte in bytes {
        let byte = fold(byte);
        let digit = ALPHABET.iter().position(|&letter| letter == byte)?;
        number = (number << 5) | digit as u128;
    }
    u64::try_from(number).ok()
}

fn read_u32(bytes: &[u8]) -> Option<u32> {
    u32::try_from(read_number(bytes)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { partition: Partition(0xfedc_ba98), epoch: Epoch(7) };

    #[test]
    fn what_we_mint_says_whose_it_is_also_when_a_peer_changed_the_case() {
        let mut rng = Rng::from_number(1);
        let tag = MARK.mint_tag(&mut rng);
        let branch = MARK.mint_branch(&mut rng);
        let call_id = MARK.mint_call_id(&mut rng, "pbx.example.com");
        assert_eq!(Mark::of_tag(&tag), Some(MARK));
        assert_eq!(Mark::of_tag(&tag.to_uppercase()), Some(MARK));
        assert_eq!(Mark::of_branch(&branch), Some(MARK));
        assert_eq!(Mark::of_branch(&branch.to_uppercase()), Some(MARK));
        assert_eq!(Mark::partition_of_call_id(&call_id), Some(MARK.partition));
        assert_eq!(Branch::read(&branch).unwrap().text(), branch);
        assert!(branch.starts_with(COOKIE) && call_id.ends_with("@pbx.example.com"));
        assert_ne!(MARK.mint_tag(&mut rng), MARK.mint_tag(&mut rng));
    }

    #[test]
    fn what_others_mint_is_nobodys() {
        for foreign in [
            "",
            "h",
            "as58f4201b",
            "z9hG4bK",
            "z9hG4bK776asdhds",
            "🦀🦀🦀🦀🦀🦀🦀",
            "z9hG4b\u{e9}K",
        ] {
            assert_eq!(Mark::of_tag(foreign), None, "{foreign}");
            assert_eq!(Mark::of_branch(foreign), None, "{foreign}");
            assert_eq!(Mark::partition_of_call_id(foreign), None, "{foreign}");
        }
        // Right length and letters, but the number is over 32 bits.
        assert_eq!(Mark::of_tag("hzzzzzzz00000000000000000000"), None);
    }
}
