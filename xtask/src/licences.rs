//! The licences, bans and sources of `deny.toml`, checked without cargo-deny.
//!
//! Reads the lists of `deny.toml` and the packages of `cargo metadata`. Does not look for licence
//! texts in the packages, as cargo-deny does: it believes their manifests.

use crate::command::{cargo, root};
use serde_json::Value;

/// What `deny.toml` says, as far as this check reads it.
struct Policy {
    licences: Vec<String>,
    banned: Vec<String>,
    registries: Vec<String>,
}

/// One line per fault; an error if the lists or the packages cannot be read.
pub fn audit() -> Result<Vec<String>, String> {
    let file = root().join("deny.toml");
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let policy = Policy::read(&text).map_err(|error| format!("deny.toml: {error}"))?;
    let metadata = cargo(["metadata", "--format-version", "1", "--all-features"])
        .output()
        .ok_or("cargo metadata failed")?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata: no packages")?;
    Ok(packages.iter().flat_map(|package| policy.faults(package)).collect())
}

impl Policy {
    fn read(text: &str) -> Result<Policy, String> {
        let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
        let list = |section: &str, key: &str| -> Result<Vec<toml::Value>, String> {
            let list = table.get(section).and_then(|section| section.get(key));
            let list = list.and_then(toml::Value::as_array).cloned();
            list.ok_or_else(|| format!("no list {key} in [{section}]"))
        };
        let text = |value: &toml::Value| value.as_str().map(String::from);
        Ok(Policy {
            licences: list("licenses", "allow")?.iter().filter_map(text).collect(),
            banned: list("bans", "deny")?
                .iter()
                .filter_map(|entry| text(entry.get("crate").unwrap_or(entry)))
                .collect(),
            registries: list("sources", "allow-registry")?.iter().filter_map(text).collect(),
        })
    }

    fn faults(&self, package: &Value) -> Vec<String> {
        let name = package["name"].as_str().unwrap_or("?");
        let version = package["version"].as_str().unwrap_or("?");
        let mut faults = Vec::new();
        if self.banned.iter().any(|banned| banned == name) {
            faults.push(format!("{name} {version}: banned by deny.toml"));
        }
        match package["license"].as_str() {
            Some(licence) if self.permits(licence) => {}
            Some(licence) => faults.push(format!(
                "{name} {version}: licence \"{licence}\" is not in deny.toml's allow list"
            )),
            None => faults.push(format!("{name} {version}: names no licence")),
        }
        // A package of the workspace has no source.
        if let Some(source) = package["source"].as_str() {
            let registry = source.strip_prefix("registry+").unwrap_or(source);
            if !self.registries.iter().any(|allowed| allowed == registry) {
                faults.push(format!("{name} {version}: comes from {source}"));
            }
        }
        faults
    }

    /// Whether an SPDX expression can be met with the allowed licences alone.
    fn permits(&self, expression: &str) -> bool {
        // `/` is how older manifests write OR.
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        self.either(&mut rest) == Some(true) && rest.is_empty()
    }

    fn either(&self, rest: &mut &[&str]) -> Option<bool> {
        let mut met = self.both(rest)?;
        while let ["OR", tail @ ..] = *rest {
            *rest = tail;
            met |= self.both(rest)?;
        }
        Some(met)
    }

    fn both(&self, rest: &mut &[&str]) -> Option<bool> {
        let mut met = self.one(rest)?;
        while let ["AND", tail @ ..] = *rest {
            *rest = tail;
            met &= self.one(rest)?;
        }
        Some(met)
    }

    fn one(&self, rest: &mut &[&str]) -> Option<bool> {
        if let ["(", tail @ ..] = *rest {
            *rest = tail;
            let met = self.either(rest)?;
            let [")", tail @ ..] = *rest else { return None };
            *rest = tail;
            return Some(met);
        }
        let name = match *rest {
            [licence, "WITH", exception, tail @ ..] => {
                *rest = tail;
                format!("{licence} WITH {exception}")
            }
            [licence, tail @ ..] => {
                *rest = tail;
                String::from(*licence)
            }
            [] => return None,
        };
        Some(self.licences.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy() -> Policy {
        Policy::read(
            r#"
            [licenses]
            allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]
            [bans]
            deny = [{ crate = "openssl", reason = "no" }, "native-tls"]
            [sources]
            allow-registry = ["https://index"]
            "#,
        )
        .unwrap()
    }

    #[test]
    fn an_expression_is_permitted_if_some_choice_in_it_is() {
        for (expression, permitted) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only OR MIT", true),
            ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
            ("MIT AND GPL-3.0-only OR Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT AND (GPL-3.0-only OR ISC)", false),
            ("MIT WITH LLVM-exception", false),
            ("GPL-3.0-only", false),
            ("(MIT", false),
            ("MIT OR", false),
            ("", false),
        ] {
            assert_eq!(policy().permits(expression), permitted, "{expression}");
        }
    }

    #[test]
    fn each_fault_of_a_package_is_one_line() {
        let package = |name: &str, licence: Value, source: &str| json!({ "name": name, "version": "1.0.0", "license": licence, "source": source });
        for (package, faults) in [
            (package("bytes", json!("MIT"), "registry+https://index"), vec![]),
            (
                package("native-tls", json!("MIT"), "registry+https://index"),
                vec!["native-tls 1.0.0: banned by deny.toml"],
            ),
            (
                package("openssl", Value::Null, "git+https://elsewhere"),
                vec![
                    "openssl 1.0.0: banned by deny.toml",
                    "openssl 1.0.0: names no licence",
                    "openssl 1.0.0: comes from git+https://elsewhere",
                ],
            ),
            (
                package("b", json!("AGPL-3.0"), "registry+https://index"),
                vec!["b 1.0.0: licence \"AGPL-3.0\" is not in deny.toml's allow list"],
            ),
        ] {
            assert_eq!(policy().faults(&package), faults);
        }
    }
}
