//! Every limit of this crate that is not a setting, each with what happens there.

/// Calls that wait or are offered in one tenant; more are refused (`TooManyCalls`).
pub const CALLS_MAX: usize = 1_000_000;
/// Characters of the reason of a rest; a longer one is refused (`OutOfRange`).
pub const REASON_MAX: usize = 100;
/// Highest priority of a caller; a higher one is refused (`OutOfRange`).
pub const PRIORITY_MAX: u8 = 100;
/// Most digits of an employee ID; a longer one is a fault of the configuration.
pub const EMPLOYEE_ID_DIGITS_MAX: usize = 20;
/// Longest wrap-up from now, seconds; an extension is cut to it.
pub const WRAP_UP_MAX_S: u32 = 3600;
/// Deadlines handled by one `Expire`; the rest stay due and the next `Expire` takes them.
pub const EXPIRE_SLICE_MAX: usize = 256;
/// Agents and queues named in one explanation; the rest are counted.
pub const EXPLAIN_MAX: usize = 16;
/// Callers sent away from a queue without agents in one step; the rest follow in the next.
pub const DRAIN_SLICE_MAX: usize = 64;
/// Offers made for one queue in one step; the rest follow in the next.
pub const MATCH_SLICE_MAX: usize = 64;
/// How long a call to an agent itself rings, seconds.
pub const AGENT_CALL_OFFER_TIME_S: u64 = 20;
/// The same on a mobile, seconds.
pub const AGENT_CALL_MOBILE_OFFER_TIME_S: u64 = 40;
/// Step of priority in nanoseconds of waiting when age does not raise: longer than any wait.
pub const PRIORITY_STEP_NS: i64 = 10 * 86_400 * 1_000_000_000;

/// After an offer that failed for want of a resource of ours: until the caller is offered again, to
/// others than the agent who lacked it.
pub const TRY_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);
/// The agent is left alone as long, twice as long after the next such failure, and so on up to this
/// many times [`TRY_AGAIN`]: the resource may be lacking for an hour.
pub const TRY_AGAIN_TIMES_MAX: u32 = 8;
