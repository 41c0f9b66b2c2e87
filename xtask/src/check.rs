//! What must hold before a test is worth running: formatting, clippy, licences.

use crate::command::cargo;
use crate::licences;
use std::process::{Command, Stdio};

/// Runs every check, also after one has failed; gives the names of those that did.
pub fn check() -> Vec<&'static str> {
    let mut failed = Vec::new();
    let mut step = |name, passed: bool| {
        if !passed {
            failed.push(name);
        }
    };
    step("formatting", formatting());
    step("clippy", clippy());
    step("licences", licences());
    for name in &failed {
        eprintln!("check failed: {name}");
    }
    failed
}

fn formatting() -> bool {
    cargo(["fmt", "--all", "--check"]).run()
}

fn clippy() -> bool {
    cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()
}

fn licences() -> bool {
    let mut probe = Command::new("cargo-deny");
    let probe = probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return cargo(["deny", "check", "licenses", "bans", "sources"]).run();
    }
    eprintln!("+ licences, bans and sources of deny.toml by our own check (no cargo-deny here)");
    match licences::audit() {
        Ok(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            faults.is_empty()
        }
        Err(error) => {
            eprintln!("{error}");
            false
        }
    }
}
