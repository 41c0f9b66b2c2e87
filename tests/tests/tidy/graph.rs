//! Who may know whom: the crate graph of ARCHITECTURE.md, from `cargo metadata --no-deps`.

use super::source::root;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Each crate of ours and the crates of ours it may depend on.
const GRAPH: &[(&str, &[&str])] = &[
    ("hotline-base", &[]),
    ("hotline-sip", &["hotline-base"]),
    ("hotline-media", &["hotline-base"]),
    ("hotline-ivr", &["hotline-base"]),
    ("hotline-routing", &["hotline-base"]),
    ("hotline-engine", LEAVES),
    (
        "hotline",
        &[
            "hotline-base",
            "hotline-sip",
            "hotline-media",
            "hotline-ivr",
            "hotline-routing",
            "hotline-engine",
        ],
    ),
    // Tests of a running server know nothing of its code but how a codec sounds.
    ("hotline-tests", &["hotline-media"]),
    ("hotline-sim", ALL),
    // The load and the server are two processes; what is measured in process needs no engine.
    ("hotline-bench", LEAVES),
    ("xtask", &[]),
];

const LEAVES: &[&str] =
    &["hotline-base", "hotline-sip", "hotline-media", "hotline-ivr", "hotline-routing"];

const ALL: &[&str] = &[
    "hotline-base",
    "hotline-sip",
    "hotline-media",
    "hotline-ivr",
    "hotline-routing",
    "hotline-engine",
    "hotline",
];

/// What pure crates may use from outside: code that computes, and neither reads a clock nor does
/// IO nor draws randomness of its own.
const PURE_EXTERNALS: &[&str] = &[
    "bytes",
    "memchr",
    "smallvec",
    "compact_str",
    "slab",
    "thiserror",
    "md-5",
    "sha2",
    "subtle",
    "rand_core",
    "rand_chacha",
    "siphasher",
    "serde",
    "serde_json",
];

/// Externals for one crate only: `jiff` knows time zones, but it can also read the clock, so its
/// one user is `base::calendar`.
const PURE_EXTERNALS_OF: &[(&str, &str)] = &[("hotline-base", "jiff")];

/// What the tests of pure crates may use besides.
const PURE_TEST_EXTERNALS: &[&str] = &["proptest", "toml"];

/// One crate of the workspace.
pub struct Package {
    pub name: String,
    directory: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    ours: bool,
    test: bool,
}

/// The crates of the workspace with what their manifests name.
pub fn packages() -> Vec<Package> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            directory: directory_of(&text(&package["manifest_path"])),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    ours: dependency["path"].is_string(),
                    test: dependency["kind"] == "dev",
                })
                .collect(),
        })
        .collect()
}

/// The directory of a manifest, from the root.
fn directory_of(manifest: &str) -> String {
    let directory = Path::new(manifest).parent().unwrap_or(Path::new(""));
    directory.strip_prefix(root()).unwrap_or(directory).display().to_string()
}

/// Dependencies that no source of their crate names.
pub fn faults_of_unused(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let inner = |path: &str| {
            packages.iter().any(|other| {
                other.directory.starts_with(&format!("{}/", package.directory))
                    && path.starts_with(&format!("{}/", other.directory))
            })
        };
        let sources = super::source::rust_sources(&package.directory);
        for dependency in &package.dependencies {
            let name = match dependency.name.as_str() {
                "md-5" => "md5".to_owned(),
                name => name.replace('-', "_"),
            };
            let used = sources.iter().filter(|source| !inner(&source.path)).any(|source| {
                source.code.match_indices(&name).any(|(at, _)| {
                    let before = source.code[..at].chars().next_back();
                    let after = source.code[at + name.len()..].chars().next();
                    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                    !part(before) && !part(after)
                })
            });
            if !used {
                faults.push(format!(
                    "{}: depends on {} and does not use it; take it out of its Cargo.toml",
                    package.name, dependency.name
                ));
            }
        }
    }
    faults
}

/// Dependencies among our crates that are not in the graph.
pub fn faults_of_ours(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let Some((_, allowed)) = GRAPH.iter().find(|(name, _)| *name == package.name) else {
            faults.push(format!(
                "{}: a new crate; give it its place in GRAPH (tests/tests/tidy/graph.rs) and in \
                 ARCHITECTURE.md",
                package.name
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.ours) {
            if !allowed.contains(&dependency.name.as_str()) {
                faults.push(format!(
                    "{}: must not know {}; what both need goes down into hotline-base, what joins \
                     them goes up into hotline-engine",
                    package.name, dependency.name
                ));
            }
        }
    }
    for (name, _) in GRAPH {
        if !packages.iter().any(|package| package.name == *name) {
            faults.push(format!("{name}: in GRAPH, but not in the workspace"));
        }
    }
    faults
}

/// Dependencies of pure crates on crates from outside that are not known to be pure.
pub fn faults_of_externals(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages
        .iter()
        .filter(|package| super::purity::PURE_CRATES.iter().any(|pure| pure.name == package.name))
    {
        for dependency in package.dependencies.iter().filter(|dependency| !dependency.ours) {
            let name = dependency.name.as_str();
            let known = PURE_EXTERNALS.contains(&name)
                || PURE_EXTERNALS_OF.contains(&(package.name.as_str(), name))
                || (dependency.test && PURE_TEST_EXTERNALS.contains(&name));
            if !known {
                faults.push(format!(
                    "{}: {name} is not known to be pure; if it reads no clock, does no IO and \
                     draws no randomness, add it to PURE_EXTERNALS (tests/tests/tidy/graph.rs), \
                     else use it in the server",
                    package.name
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_edge_and_an_impure_crate_are_found() {
        let dependency = |name: &str, ours| Dependency { name: name.into(), ours, test: false };
        let mut crates = packages();
        let sip = crates.iter_mut().find(|package| package.name == "hotline-sip").unwrap();
        sip.dependencies = vec![
            dependency("hotline-base", true),
            dependency("hotline-media", true),
            dependency("tokio", false),
            dependency("jiff", false),
            dependency("proptest", false),
        ];
        crates.retain(|package| package.name != "hotline-ivr");
        let unused = faults_of_unused(&crates);
        assert!(unused[0].starts_with("hotline-sip: depends on hotline-media and"), "{unused:?}");
        let ours = faults_of_ours(&crates);
        assert!(ours[0].starts_with("hotline-sip: must not know hotline-media"), "{ours:?}");
        assert_eq!(ours[1..], ["hotline-ivr: in GRAPH, but not in the workspace"]);
        let externals = faults_of_externals(&crates);
        for (fault, name) in externals.iter().zip(["tokio", "jiff", "proptest"]) {
            assert!(fault.starts_with(&format!("hotline-sip: {name} is not")), "{fault}");
        }
        assert_eq!(externals.len(), 3);
    }
}
