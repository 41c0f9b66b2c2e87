//! Instructions of what is too short to be timed on a busy machine, counted by valgrind.
//!
//! Owns: running this program under valgrind. Does not own: what is done ([`crate::rows`]).

use std::process::{Command, Stdio};

/// What is counted: what it is, the option that does it and ends, how often at least.
const COUNTED: [(&str, &str, u64); 2] = [
    ("an INVITE of 844 bytes parsed", "--parse-only", 1_000),
    ("a packet forwarded by the media worker", "--forward-only", 100_000),
];

/// A line each.
pub fn lines() -> Result<String, String> {
    let lines: Result<Vec<_>, String> = COUNTED
        .iter()
        .map(|(what, option, few)| {
            // Two runs, less what both do besides.
            let many = 3 * few;
            let each = (count(option, many)? - count(option, *few)?) as f64 / (many - few) as f64;
            Ok(format!("{what}: {each:.0} instructions"))
        })
        .collect();
    Ok(lines?.join("\n"))
}

fn count(option: &str, number: u64) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(own);
    command.args([option, &number.to_string()]).stdout(Stdio::null());
    let output = command.output().map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    collected
        .and_then(|(_, number)| number.trim().parse().ok())
        .ok_or(format!("valgrind said no count: {}", said.trim()))
}
