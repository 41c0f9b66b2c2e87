//! `cargo xtask test`: the checks, then every test, then one line that sums up.

use crate::check;
use crate::command::cargo;

/// Runs everything, also after something has failed, and prints `N passed, N failed` last. A check
/// or a build that failed, or a test program that died, counts as one failure.
pub fn test(rest: &[String]) -> bool {
    let mut tally = Tally { passed: 0, failed: check::check().len() as u64, ignored: 0 };
    // The whole-server tests start the server as its own process, from the same profile.
    let release = rest.iter().take_while(|a| *a != "--").any(|a| a == "--release" || a == "-r");
    let build = ["build", "--package", "hotline", "--bins"];
    if cargo(build.into_iter().chain(release.then_some("--release"))).run() {
        let before = tally.failed;
        let command = ["test", "--workspace", "--no-fail-fast"];
        let succeeded = cargo(command.into_iter().chain(rest.iter().map(String::as_str)))
            .run_looking(|line| tally.add(line));
        if !succeeded && tally.failed == before {
            tally.failed += 1;
        }
    } else {
        tally.failed += 1;
    }
    if tally.ignored > 0 {
        println!("{} ignored", tally.ignored);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    tally.failed == 0
}

/// The sum of the results of many test programs.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Adds `test result: ok. 12 passed; 0 failed; 1 ignored; …`; other lines say nothing.
    fn add(&mut self, line: &str) {
        // Behind what a test has printed without ending its line, too.
        let Some((_, result)) = line.split_once("test result: ") else { return };
        let Some((_, counts)) = result.split_once(". ") else { return };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up_and_other_lines_say_nothing() {
        let mut tally = Tally { passed: 0, failed: 0, ignored: 0 };
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s",
            "left overtest result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "test the_words_5_passed ... ok",
        ] {
            tally.add(line);
        }
        assert_eq!(tally, Tally { passed: 14, failed: 3, ignored: 1 });
    }
}
