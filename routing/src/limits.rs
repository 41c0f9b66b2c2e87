//! Every limit of this crate that is not a setting, each with what happens there.

/// Calls that wait or are offered in one tenant; more are refused (`TooManyCalls`).
pub const CALLS_MAX: usize = 1_000_000;
/// Characters of the reason of a rest; a longer one is refused (`OutOfRange`).
pub const REASON_MAX: usize = 100;
/// Highest priority of a caller; a higher one is refused (`OutOfRange`).
pub const PRIORITY_MAX: u8 = 100;
/// Longest wrap-up from now, seconds; an extension is cut to it.
pub const WRAP_UP_MAX_S: u32 = 3600;
/// Deadlines handled by one `Expire`; the rest stay due and the next `Expire` takes them.
pub const EXPIRE_SLICE_MAX: usize = 256;
/// Agents and queues named in one explanation; the rest are counted.
pub const EXPLAIN_MAX: usize = 16;
