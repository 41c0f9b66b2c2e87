//! How files look: what they say first, how long they get, where `unsafe` is, what is left over.

use super::source::{Source, item_end, line_of, occurrences, root, rust_sources, texts};
use std::collections::BTreeMap;

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// Files longer than the limit, with their length. This list only shrinks.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions longer than the limit, as `path: fn name`, with their length. This list only shrinks.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// The one module that may use `unsafe`; each block in it says why it is sound.
const UNSAFE_MODULE: &str = "server/src/net/sys.rs";

/// The directories of our crates.
const CRATES: [&str; 10] = [
    "base",
    "sip",
    "media",
    "ivr",
    "routing",
    "server/engine",
    "server",
    "tests",
    "bench",
    "xtask",
];

fn all_sources() -> Vec<Source> {
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    for directory in CRATES {
        for source in rust_sources(directory) {
            sources.insert(source.path.clone(), source);
        }
    }
    sources.into_values().collect()
}

pub fn faults_of_unsafe_code() -> Vec<String> {
    let mut faults = Vec::new();
    for directory in CRATES {
        // The crate of the unsafe module cannot forbid it; it is denied there, by the workspace.
        if UNSAFE_MODULE.starts_with(&format!("{directory}/src/")) {
            continue;
        }
        for file in ["lib.rs", "main.rs"] {
            let path = format!("{directory}/src/{file}");
            let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
            if !text.contains("#![forbid(unsafe_code)]") {
                faults.push(format!("{path}: add #![forbid(unsafe_code)] below the module's doc"));
            }
        }
    }
    for source in all_sources() {
        for offset in occurrences(&source.code, "unsafe") {
            let line = line_of(&source.code, offset);
            if source.path != UNSAFE_MODULE {
                faults.push(format!(
                    "{}:{line}: unsafe; do it in safe code, or in {UNSAFE_MODULE}",
                    source.path
                ));
            } else if !explained(&source.text, line) {
                faults.push(format!(
                    "{}:{line}: unsafe without a `// SAFETY:` comment above it",
                    source.path
                ));
            }
        }
    }
    faults
}

/// Whether the comment right above a line says why it is sound.
fn explained(text: &str, line: usize) -> bool {
    let above: Vec<&str> = text.lines().take(line - 1).collect();
    above
        .iter()
        .rev()
        .take_while(|above| above.trim_start().starts_with("//"))
        .any(|above| above.contains("SAFETY:") || above.contains("# Safety"))
}

pub fn faults_of_module_docs() -> Vec<String> {
    let undocumented = |source: &Source| {
        let first = source.text.lines().find(|line| !line.trim().is_empty());
        !first.is_some_and(|line| line.starts_with("//! "))
    };
    all_sources()
        .iter()
        .filter(|source| undocumented(source))
        .map(|source| format!("{}:1: begin with a //! line: what it owns", source.path))
        .collect()
}

pub fn faults_of_length() -> Vec<String> {
    let mut files = BTreeMap::new();
    let mut functions = BTreeMap::new();
    for source in all_sources() {
        files.insert(source.path.clone(), source.text.lines().count());
        for (name, lines) in functions_of(&source.product) {
            // Of several with one name, the longest counts.
            let longest = functions.entry(format!("{}: fn {name}", source.path)).or_insert(0);
            *longest = lines.max(*longest);
        }
    }
    let mut faults = ratchet(&files, LONG_FILES, FILE_LINES_MAX);
    faults.extend(ratchet(&functions, LONG_FUNCTIONS, FUNCTION_LINES_MAX));
    faults
}

/// Lengths over `max` that are not known, and known ones that are not what they are any more.
fn ratchet(lengths: &BTreeMap<String, usize>, known: &[(&str, usize)], max: usize) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, &lines) in lengths.iter().filter(|(_, lines)| **lines > max) {
        match known.iter().find(|(known, _)| known == name) {
            None => faults.push(format!(
                "{name}: {lines} lines, more than {max}: which second concept has moved in? Give \
                 it a place of its own"
            )),
            Some(&(_, before)) if lines > before => {
                faults.push(format!("{name}: grew from {before} to {lines} lines; it may only shrink"));
            }
            Some(&(_, before)) if lines < before => faults.push(format!(
                "{name}: well done; now write {lines} instead of {before} in tests/tests/tidy/shape.rs"
            )),
            Some(_) => {}
        }
    }
    for (name, _) in known {
        if lengths.get(*name).is_none_or(|&lines| lines <= max) {
            faults.push(format!("{name}: well done; now take it out of tests/tests/tidy/shape.rs"));
        }
    }
    faults
}

/// Name and number of lines of each function with a body. Rows of a table (`404 => "…",`) do not
/// count: a long table is still one concept.
fn functions_of(code: &str) -> Vec<(String, usize)> {
    let mut functions = Vec::new();
    for at in occurrences(code, "fn") {
        let rest = code[at + "fn".len()..].trim_start();
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '#';
        let name: String = rest.chars().take_while(|&c| is_name(c)).collect();
        if name.is_empty() {
            continue; // a type: fn(u32) -> u32
        }
        let end = item_end(code, at);
        if code[..end].ends_with('}') {
            let lines = code[at..end].lines().filter(|line| !is_table_row(line)).count();
            functions.push((name, lines));
        }
    }
    functions
}

/// Whether a line is a whole `match` arm from a pattern to a plain value.
fn is_table_row(line: &str) -> bool {
    line.split_once(" => ").is_some_and(|(_, value)| {
        value.ends_with(',') && !value.contains(['(', '{', '?', '.', '!'])
    })
}

/// Words that say that something is unfinished, put together so that this file has none of them.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
/// Where one machine keeps its files.
const MACHINE_PATH: &str = concat!("/wo", "rk/");

pub fn faults_of_leftovers() -> Vec<String> {
    let mut faults = Vec::new();
    for source in all_sources() {
        for (pattern, instead) in [
            ("todo!", "write it, or leave the path out"),
            ("unimplemented!", "write it, or leave the path out"),
            ("dbg!", "take it out"),
            ("#[ignore]", "say why: #[ignore = \"…\"]"),
        ] {
            for offset in occurrences(&source.code, pattern) {
                let line = line_of(&source.code, offset);
                faults.push(format!("{}:{line}: {pattern}: {instead}", source.path));
            }
        }
    }
    for (path, text) in texts() {
        for (pattern, instead) in UNFINISHED
            .map(|word| (word, "open an issue, or do it now"))
            .into_iter()
            .chain([(MACHINE_PATH, "a path of one machine: make it relative")])
        {
            for offset in occurrences(&text, pattern) {
                faults.push(format!("{path}:{}: {pattern}: {instead}", line_of(&text, offset)));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratchet_only_turns_one_way() {
        let lengths: BTreeMap<String, usize> =
            [("a", 10), ("b", 11), ("c", 12), ("d", 12), ("e", 12)]
                .map(|(name, lines)| (name.into(), lines))
                .into();
        let known = [("a", 11), ("c", 11), ("d", 12), ("e", 13), ("gone", 11)];
        let faults = ratchet(&lengths, &known, 10);
        for (fault, begin) in faults.iter().zip([
            "b: 11 lines, more than 10",
            "c: grew from 11 to 12",
            "e: well done; now write 12 instead of 13",
            "a: well done; now take it out",
            "gone: well done; now take it out",
        ]) {
            assert!(fault.starts_with(begin), "{fault}");
        }
        assert_eq!(faults.len(), 5);
    }

    #[test]
    fn functions_are_measured_with_their_signature() {
        let code = "fn a() {}\ntrait T { fn b(&self); }\nfn c<T>(\n  x: [u8; 4],\n) -> u8\nwhere T: A,\n{\n  if x { y }\n}\ntype F = fn(u8);\n";
        assert_eq!(functions_of(code), [("a".into(), 1), ("c".into(), 7)]);
        let table = "fn a(x: u16) -> B {\n  match x {\n    1 => B::C,\n    2 => f(),\n    _ => B::E,\n  }\n}";
        assert_eq!(functions_of(table), [("a".into(), 5)]);
    }

    #[test]
    fn an_unsafe_block_is_explained_right_above_it() {
        let text = "// SAFETY: no pointer is passed\n// at all.\nunsafe { f() }\n\nunsafe { g() }";
        assert!(explained(text, 3));
        assert!(!explained(text, 5));
    }
}
