//! One command per habit: `cargo xtask check | test | sim | bench | docs`.
//!
//! Owns the order of the steps and the verdict; each step is a command anybody could type, and is
//! printed before it runs. Continuous integration runs the same commands.
#![forbid(unsafe_code)]

mod check;
mod command;
mod licences;
mod test;

use command::cargo;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask check           formatting, clippy, licences and sources of what we depend on
cargo xtask test [ARGS…]    check, then every test of the workspace; ARGS go to cargo test
cargo xtask sim [N | A..B]   the simulator: a thousand worlds, those of a range, or one with its log
cargo xtask bench [ARGS…]   the benchmarks, in release; ARGS go to hotline-bench
cargo xtask docs            the API documentation, without a warning";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let habit = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let passed = match (habit.as_str(), rest.is_empty()) {
        ("check", true) => check::check().is_empty(),
        ("test", _) => test::test(&rest),
        ("sim", _) if rest.len() <= 1 => sim(rest.first()),
        ("bench", _) => bench(&rest),
        ("docs", true) => docs(),
        ("help" | "--help" | "-h", _) => {
            println!("{USAGE}");
            true
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn sim(seeds: Option<&String>) -> bool {
    let command = cargo(["test", "--package", "hotline-sim", "--", "--nocapture"]);
    match seeds {
        None => command.run(),
        Some(range) if range.contains("..") => command.with("HOTLINE_SEEDS", range).run(),
        Some(seed) => command.with("HOTLINE_SEED", seed).run(),
    }
}

fn bench(rest: &[String]) -> bool {
    let command = ["run", "--release", "--package", "hotline-bench", "--"];
    cargo(command.into_iter().chain(rest.iter().map(String::as_str))).run()
}

fn docs() -> bool {
    cargo(["doc", "--workspace", "--no-deps"]).with("RUSTDOCFLAGS", "-D warnings").run()
}
