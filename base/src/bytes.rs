//! Bytes as one piece in serialised forms.
//!
//! serde takes a `Vec<u8>` for a list and writes it element by element. These write it whole; a
//! format without bytes of its own, or one that writes both alike (postcard), reads it as before.

use serde::{Serialize, Serializer};

struct Whole<'b>(&'b [u8]);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// For `#[serde(serialize_with)]` on a `Vec<u8>`.
///
/// # Errors
/// The format's.
pub fn whole<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// For `#[serde(serialize_with)]` on an `Option<Vec<u8>>`.
///
/// # Errors
/// The format's.
pub fn whole_if_some<S: Serializer>(
    bytes: &Option<Vec<u8>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    bytes.as_deref().map(Whole).serialize(serializer)
}

/// For `#[serde(serialize_with)]` on a `Vec<Vec<u8>>`.
///
/// # Errors
/// The format's.
pub fn whole_each<S: Serializer>(list: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().map(|bytes| Whole(bytes)))
}
