//! What the tests of the whole server share.
//!
//! Owns: finding the server's binary and the repository's files. The tests themselves are in
//! `tests/tests/`, one file per subject.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

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
