//! The frame: how one event stands in a segment file.
//!
//! ```text
//! crc32 u32 │ length u32 │ sequence u64 │ payload (length bytes)      all little-endian
//!           └──────────── the checksum covers ─────────────┘
//! ```
//! Owns: writing and finding frames in bytes. The sequence number stands in each frame, so that
//! reading can go on behind damage and say how many events were lost. Does not own: files, what a
//! payload means.

/// Bytes before the payload.
pub const HEAD: usize = 16;

/// Longest payload; a longer event is refused (a checkpoint is about 1 KiB, never truncated).
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Farthest that a sequence number found behind damage may lie ahead to be believed.
const JUMP_MAX: u64 = 1 << 32;

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'b> {
    /// A whole frame.
    Frame {
        /// Its sequence number.
        sequence: u64,
        /// Its payload.
        payload: &'b [u8],
        /// Its length with the head.
        length: usize,
    },
    /// The bytes end before the frame does.
    Incomplete,
    /// No frame.
    Damaged,
}

/// Reads the frame at the beginning of `bytes`.
pub fn read(bytes: &[u8]) -> Found<'_> {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Found::Incomplete };
    let length = u32_at(head, 4) as usize;
    if length == 0 || length > PAYLOAD_BYTES_MAX {
        return Found::Damaged;
    }
    let whole = HEAD + length;
    let (Some(covered), Some(payload)) = (bytes.get(4..whole), bytes.get(HEAD..whole)) else {
        return Found::Incomplete;
    };
    if crc32fast::hash(covered) != u32_at(head, 0) {
        return Found::Damaged;
    }
    Found::Frame { sequence: sequence_of(head), payload, length: whole }
}

/// The offset of the next whole frame in `bytes` whose sequence number is at least `expected`.
pub fn find(bytes: &[u8], expected: u64) -> Option<usize> {
    (0..bytes.len().saturating_sub(HEAD)).find(|&at| {
        let rest = bytes.get(at..).unwrap_or_default();
        let plausible = rest.first_chunk::<HEAD>().is_some_and(|head| {
            let sequence = sequence_of(head);
            sequence >= expected && sequence - expected < JUMP_MAX
        });
        plausible && matches!(read(rest), Found::Frame { .. })
    })
}

/// Leaves room for a head at the end of `bytes`; the payload is to follow. Gives its offset.
pub fn begin(bytes: &mut Vec<u8>) -> usize {
    let at = bytes.len();
    bytes.resize(at + HEAD, 0);
    at
}

/// Fills in the head of the frame at the beginning of `frame`, which ends where it ends.
pub fn seal(frame: &mut [u8], sequence: u64) {
    let length = u32::try_from(frame.len().saturating_sub(HEAD)).unwrap_or(0);
    if let Some(head) = frame.first_chunk_mut::<HEAD>() {
        head[4..8].copy_from_slice(&length.to_le_bytes());
        head[8..16].copy_from_slice(&sequence.to_le_bytes());
    }
    let checksum = crc32fast::hash(frame.get(4..).unwrap_or_default());
    if let Some(first) = frame.first_chunk_mut::<4>() {
        *first = checksum.to_le_bytes();
    }
}

fn sequence_of(head: &[u8; HEAD]) -> u64 {
    let [_, _, _, _, _, _, _, _, sequence @ ..] = *head;
    u64::from_le_bytes(sequence)
}

fn u32_at(head: &[u8; HEAD], at: usize) -> u32 {
    head[at..].first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
