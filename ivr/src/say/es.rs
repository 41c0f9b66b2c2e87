//! Spanish: digits; other values digit by digit.
//!
//! Owns: its table.

use super::rules::{Language, digits_only};

pub(super) static LANGUAGE: Language = digits_only("es");
