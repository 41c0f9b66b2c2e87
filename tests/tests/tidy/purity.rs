//! What pure crates never reach: `(now, input)` goes in, outputs come out, and nothing else moves.
//!
//! Two nets: this scan of the sources, which knows groups of names and covers macros and whole
//! modules of `std`, and clippy's `disallowed-*` lists, which know what a name resolves to.

use super::source::{Source, line_of, occurrences, root, rust_sources};

/// A crate that does no IO and reads no clock.
pub struct PureCrate {
    pub name: &'static str,
    directory: &'static str,
}

pub const PURE_CRATES: &[PureCrate] = &[
    PureCrate { name: "hotline-base", directory: "base" },
    PureCrate { name: "hotline-sip", directory: "sip" },
    PureCrate { name: "hotline-media", directory: "media" },
    PureCrate { name: "hotline-ivr", directory: "ivr" },
    PureCrate { name: "hotline-routing", directory: "routing" },
    PureCrate { name: "hotline-engine", directory: "server/engine" },
];

const CLOCK: &str = "take `now: hotline_base::Now` as an argument";
const SHELL: &str = "make it an output that the server performs";
const RANDOM: &str = "draw from the `hotline_base::Rng` the owner was given";
const OWNED: &str = "state is owned by one engine or worker, not locked";
const SAY: &str = "say it as data: an event, an error or a `why`";
const UNORDERED: &str = "use SecretMap (keyed by peers) or BTreeMap (needs order)";
const SYNC: &str = "pure code is called, it does not wait";

/// What must not stand in a pure crate, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("Instant", CLOCK),
    ("SystemTime", CLOCK),
    ("Timestamp::now", CLOCK),
    ("Zoned::now", CLOCK),
    ("std::env", SHELL),
    ("std::fs", SHELL),
    ("std::io::stdin", SHELL),
    ("std::io::stdout", SHELL),
    ("std::io::stderr", SHELL),
    ("std::process", SHELL),
    ("std::thread", SHELL),
    ("UdpSocket", SHELL),
    ("TcpStream", SHELL),
    ("TcpListener", SHELL),
    ("ToSocketAddrs", SHELL),
    ("std::os", SHELL),
    ("tokio", SHELL),
    ("mio", SHELL),
    ("socket2", SHELL),
    ("libc", SHELL),
    ("getrandom", RANDOM),
    ("OsRng", RANDOM),
    ("SysRng", RANDOM),
    ("RandomState", RANDOM),
    ("DefaultHasher", RANDOM),
    ("HashMap", UNORDERED),
    ("HashSet", UNORDERED),
    ("Mutex", OWNED),
    ("RwLock", OWNED),
    ("Condvar", OWNED),
    ("mpsc", OWNED),
    ("thread_local!", OWNED),
    ("static mut", OWNED),
    ("println!", SAY),
    ("eprintln!", SAY),
    ("print!", SAY),
    ("eprint!", SAY),
    ("async", SYNC),
    (".await", SYNC),
];

/// Where one of them may stand, and why.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("base/src/map.rs", "HashMap", "SecretMap is made of one, with a secret seed, unordered")];

/// Each use of something banned, outside tests.
pub fn faults_of_calls() -> Vec<String> {
    let sources: Vec<Source> = PURE_CRATES
        .iter()
        .flat_map(|pure| rust_sources(&format!("{}/src", pure.directory)))
        .collect();
    let mut faults: Vec<String> = sources.iter().flat_map(faults_of_source).collect();
    for (path, pattern, _) in EXCEPTIONS {
        let used = sources.iter().any(|source| {
            source.path == *path && !occurrences(&source.product, pattern).is_empty()
        });
        if !used {
            faults.push(format!(
                "{path}: no longer uses {pattern}; take it out of EXCEPTIONS (tests/tests/tidy/purity.rs)"
            ));
        }
    }
    faults
}

fn faults_of_source(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |offset: usize, pattern: &str, instead: &str| {
        if !EXCEPTIONS.iter().any(|(path, name, _)| *path == source.path && *name == pattern) {
            let line = line_of(&source.product, offset);
            faults.push(format!("{}:{line}: {pattern} in a pure crate: {instead}", source.path));
        }
    };
    for (pattern, instead) in BANNED {
        for offset in occurrences(&source.product, pattern) {
            fault(offset, pattern, instead);
        }
    }
    // `use std::{env, fs::File}` spells a path of `std` that the patterns do not see.
    for group in occurrences(&source.product, "std::{") {
        let names = group_of_names(&source.product[group + "std::{".len()..]);
        for (pattern, instead) in BANNED {
            let found = pattern.strip_prefix("std::").is_some_and(|path| {
                names.iter().any(|name| name == path || name.starts_with(&format!("{path}::")))
            });
            if found {
                fault(group, pattern, instead);
            }
        }
    }
    faults
}

/// The members of `{a, b::{c, d}, e}` of which the opening brace has been passed: `a`, `b::{c, d}`,
/// `e`.
fn group_of_names(inside: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    let mut name = String::new();
    for character in inside.chars().filter(|character| !character.is_whitespace()) {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ => {
                depth += i32::from(character == '{') - i32::from(character == '}');
                name.push(character);
            }
        }
    }
    names.push(name);
    names
}

/// Pure crates whose `clippy.toml` is missing or is not the common list.
pub fn faults_of_clippy_lists() -> Vec<String> {
    let list = |pure: &PureCrate| {
        std::fs::read_to_string(root().join(pure.directory).join("clippy.toml")).unwrap_or_default()
    };
    let common = list(&PURE_CRATES[0]);
    let mut faults = Vec::new();
    for name in ["std::time::Instant", "std::fs::File", "std::sync::Mutex", "std::println"] {
        if !common.contains(name) {
            faults.push(format!("base/clippy.toml: {name} is no longer disallowed"));
        }
    }
    for pure in PURE_CRATES {
        if list(pure) != common {
            faults.push(format!(
                "{0}/clippy.toml: must be base/clippy.toml; link it: ln -s {1}base/clippy.toml {0}/clippy.toml",
                pure.directory,
                "../".repeat(pure.directory.split('/').count()),
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::source::blank_comments_and_literals;
    use super::*;

    fn check(code: &str) -> Vec<String> {
        let product = blank_comments_and_literals(code);
        let source = Source {
            path: String::from("sip/src/uri.rs"),
            text: code.into(),
            code: product.clone(),
            product,
        };
        faults_of_source(&source)
    }

    #[test]
    fn what_is_banned_is_found_however_it_is_spelled() {
        for (code, pattern) in [
            ("let at = Instant::now();", "Instant"),
            ("use std::time::{Duration, SystemTime};", "SystemTime"),
            ("std::fs::read(path)", "std::fs"),
            ("use std::{\n    env,\n    fmt,\n};", "std::env"),
            ("use std::{fmt, fs::File};", "std::fs"),
            ("use std::{fmt, fs::{self, File}};", "std::fs"),
            ("struct A { b: Arc<Mutex<C>> }", "Mutex"),
            ("fn f() { println!(\"x\") }", "println!"),
            ("pub async fn f() {}", "async"),
            ("tokio::spawn(f())", "tokio"),
            ("static mut COUNT: u32 = 0;", "static mut"),
        ] {
            let faults = check(code);
            assert_eq!(faults.len(), 1, "{code}: {faults:?}");
            assert!(faults[0].contains(&format!(": {pattern} in a pure crate")), "{faults:?}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        for code in [
            "// Instant",
            "let text = \"std::fs\";",
            "use std::{fmt, time::Duration};",
            "use std::net::{IpAddr, SocketAddr};",
            "let instant = now.mono;",
            "struct MyMutexes;",
        ] {
            assert_eq!(check(code), Vec::<String>::new(), "{code}");
        }
    }
}
