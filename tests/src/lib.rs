//! What the tests of the whole server share: how it is started, and the peers it meets.
//!
//! Owns: the server as a process with an address range, centre and data directory of its own
//! ([`Server`]), its API as a client sees it ([`api`]), peers (a scripted phone [`Phone`] and a
//! customer with one, [`caller`]; the command line's phones [`cli`], [`sipp`], [`baresip`]) and
//! instruments ([`audio`], [`speech`], [`capture`]).
//! The tests themselves are in `tests/tests/`, one file per subject.
//!
//! Nothing here uses code of the server but the codecs' tables: what both sides got wrong the same way would be found by
//! nobody. Every wait is for a condition and has a limit.
#![forbid(unsafe_code)]

pub mod api;
pub mod audio;
pub mod baresip;
pub mod caller;
pub mod capture;
pub mod centre;
pub mod cli;
pub mod demo;
pub mod digest;
pub mod net;
pub mod phone;
pub mod process;
pub mod rtp;
pub mod server;
pub mod sip;
pub mod sipp;
pub mod speech;
pub mod web;

pub use centre::Centre;
pub use net::Net;
pub use phone::Phone;
pub use server::{Server, Setup};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The server's binary of the profile these tests were built with: `target/PROFILE/hotline`.
///
/// Builds nothing: `cargo xtask test` builds it before it runs the tests.
///
/// # Panics
/// If it is not there, saying how to build it.
pub fn binary() -> PathBuf {
    // A test program is target/PROFILE/deps/NAME-HASH.
    let program = std::env::current_exe().expect("the path of this test program");
    let mut profile = program.parent().expect("a program is in a directory");
    if profile.ends_with("deps") {
        profile = profile.parent().unwrap_or(profile);
    }
    let binary = profile.join(format!("hotline{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.is_file(),
        "{} is missing: run the tests with `cargo xtask test`, or `cargo build -p hotline{}` first",
        binary.display(),
        if profile.ends_with("release") { " --release" } else { "" },
    );
    binary
}

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until `look` gives something, at most `limit`; `None` if it never did.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// If it does not within `limit`, naming what was waited for.
pub fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let held = within(limit, || holds().then_some(()));
    assert!(held.is_some(), "waited {limit:?} in vain: {what}");
}

/// Lets time pass that is itself part of a scenario: a conversation, a pause to listen in. Never
/// the way to wait for something to happen.
pub fn during(time: Duration) {
    std::thread::sleep(time);
}

/// Seconds.
pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
