//! What the kernel says about a process: processor time of all its threads, resident memory.

use std::time::Duration;

/// What `/proc` counts processor time in (USER_HZ: 100 a second on every Linux).
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all threads of a process since it began, those that have ended
/// included.
pub fn cpu(pid: u32) -> Result<Duration, String> {
    let stat = read(pid, "stat")?;
    // The second field is the name in parentheses, which may itself hold spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |place: usize| fields.split_whitespace().nth(place)?.parse::<u32>().ok();
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok(TICK * (user + system)),
        _ => Err(format!("/proc/{pid}/stat: not understood")),
    }
}

/// Resident memory of a process, in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64, String> {
    let status = read(pid, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1_024).ok_or(format!("/proc/{pid}/status: no VmRSS"))
}

/// How many files and sockets a process started here may have open.
pub fn descriptors_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1_024)
}

fn read(pid: u32, file: &str) -> Result<String, String> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::time::Instant;

    #[test]
    fn work_is_seen_as_processor_time() {
        let pid = std::process::id();
        let before = cpu(pid).unwrap();
        let began = Instant::now();
        let mut sum = 0u64;
        // A busy machine may give this thread little of the time; other tests' threads may add theirs.
        while cpu(pid).unwrap() - before < Duration::from_millis(30) {
            (0..100_000).for_each(|_| sum = black_box(sum.wrapping_add(1)));
            assert!(began.elapsed() < Duration::from_secs(20), "no processor time is seen");
        }
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(descriptors_max() >= 64);
    }
}
