//! The limits of the message layer, each with the status that answers it.

/// Largest message, in bytes, on any transport: 513 (Message Too Large), and a stream is closed.
/// One less than 64 KiB, so that every offset fits 16 bits.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Most header lines in a message: 400.
pub const HEADERS_MAX: usize = 256;

/// Longest header line with its folds, in bytes: 400.
pub const HEADER_LINE_BYTES_MAX: usize = 16 * 1024;

/// Longest start line, in bytes: 414 (Request-URI Too Long).
pub const START_LINE_BYTES_MAX: usize = 8 * 1024;

/// Most Via values in a message that is acted upon: 400 (with 70 hops allowed, a message carries
/// no more; a few more are tolerated).
pub const VIAS_MAX: usize = 100;
