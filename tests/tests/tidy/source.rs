//! Rust sources as tidy sees them: which files there are, and their code without comments,
//! literals and tests.

use std::path::{Path, PathBuf};

const TEST_MARKER: &str = "#[cfg(test)]";

/// The root of the repository.
pub fn root() -> PathBuf {
    hotline_tests::root()
}

/// One file.
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
    /// `text` with comments and the insides of literals blanked; same length, same lines.
    pub code: String,
    /// `code` with everything under `#[cfg(test)]` blanked as well; empty for a file of tests.
    pub product: String,
}

/// The Rust files under a directory, in order of path.
pub fn rust_sources(directory: &str) -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join(directory), &mut files, &|path| path.extension() == Some("rs".as_ref()));
    let mut sources: Vec<_> = files.into_iter().map(|(path, text)| read(path, text)).collect();
    let test_modules: Vec<String> = sources.iter().flat_map(test_module_files).collect();
    for source in &mut sources {
        let in_test_module = test_modules.iter().any(|module| {
            source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
        });
        if in_test_module || is_test_path(&source.path) {
            source.product.clear();
        }
    }
    sources
}

/// Every text file of the repository that people write: path and text, in order of path.
pub fn texts() -> Vec<(String, String)> {
    const KINDS: [&str; 10] = ["rs", "toml", "md", "sh", "xml", "yml", "yaml", "sql", "ts", "html"];
    let mut files = Vec::new();
    collect(&root(), &mut files, &|path| {
        path.extension().is_none_or(|kind| KINDS.iter().any(|known| kind == *known))
    });
    files
}

fn read(path: String, text: String) -> Source {
    let code = blank_comments_and_literals(&text);
    let product = blank_tests(&code);
    Source { path, text, code, product }
}

fn collect(directory: &Path, into: &mut Vec<(String, String)>, wanted: &dyn Fn(&Path) -> bool) {
    const SKIPPED: [&str; 4] = ["target", "node_modules", "data", "dist"];
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            let hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
            if !hidden && !SKIPPED.contains(&name.as_ref()) {
                collect(&path, into, wanted);
            }
        } else if name != ".git"
            && wanted(&path)
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let short = path.strip_prefix(root()).unwrap_or(&path);
            into.push((short.to_string_lossy().replace('\\', "/"), text));
        }
    }
}

fn is_test_path(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Where the files of `#[cfg(test)] mod name;` are, without `.rs`.
fn test_module_files(source: &Source) -> Vec<String> {
    let (parent, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    let directory = match stem {
        "lib" | "main" | "mod" => String::from(parent),
        _ => format!("{parent}/{stem}"),
    };
    let mut modules = Vec::new();
    for (at, marker) in source.code.match_indices(TEST_MARKER) {
        let item = source.code[at + marker.len()..].trim_start().trim_start_matches("pub ");
        if let Some((name, _)) = item.strip_prefix("mod ").and_then(|rest| rest.split_once(';'))
            && !name.contains('{')
        {
            modules.push(format!("{directory}/{}", name.trim()));
        }
    }
    modules
}

/// The end of the item that begins at `from`: behind its `;`, or its closing brace.
pub fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in code[from..].bytes().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return from + offset + 1;
                }
            }
            b';' if depth == 0 => return from + offset + 1,
            _ => {}
        }
    }
    code.len()
}

fn blank_tests(code: &str) -> String {
    let mut product = String::with_capacity(code.len());
    let mut rest = 0;
    for (at, marker) in code.match_indices(TEST_MARKER) {
        if at < rest {
            continue;
        }
        product.push_str(&code[rest..at]);
        let end = item_end(code, at + marker.len());
        product.extend(code[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = end;
    }
    product.push_str(&code[rest..]);
    product
}

/// Blanks comments and what is inside string and character literals; keeps lines and offsets.
pub fn blank_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let Some((from, end)) = comment_or_literal(bytes, at) else {
            at += 1;
            continue;
        };
        for byte in out[from..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        // A literal's closing quote is not inside it.
        at = if from == at { end } else { end + 1 };
    }
    String::from_utf8(out).expect("blanking whole literals keeps UTF-8")
}

/// The comment that begins at `at`, or the inside of the literal that does.
fn comment_or_literal(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let behind_word = at > 0 && is_word(bytes[at - 1]);
    match bytes[at] {
        b'/' if bytes[at..].starts_with(b"//") => Some((at, line_end(bytes, at))),
        b'/' if bytes[at..].starts_with(b"/*") => Some((at, block_comment_end(bytes, at))),
        b'"' => Some((at + 1, string_end(bytes, at + 1))),
        b'r' | b'b' | b'c' if !behind_word => raw_string(bytes, at),
        b'\'' => char_end(bytes, at).map(|end| (at + 1, end)),
        _ => None,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_comment_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// The closing quote of a string whose inside begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// The inside of `r"…"`, `br#"…"#` and the like.
fn raw_string(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut open = at;
    while matches!(bytes.get(open)?, b'b' | b'c') {
        open += 1;
    }
    if bytes.get(open)? != &b'r' {
        return None;
    }
    open += 1;
    let hashes = bytes[open..].iter().take_while(|&&b| b == b'#').count();
    open += hashes;
    if bytes.get(open)? != &b'"' {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let inside = open + 1;
    let length = bytes[inside..].windows(close.len()).position(|window| window == close);
    Some((inside, length.map_or(bytes.len(), |length| inside + length)))
}

/// The closing quote of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1)? == &b'\\' {
        let close = bytes[at + 3..].iter().position(|&b| b == b'\'')?;
        return Some(at + 3 + close);
    }
    // One character of up to four bytes.
    let close = bytes[at + 1..].iter().take(5).position(|&b| b == b'\'')?;
    let inside = std::str::from_utf8(&bytes[at + 1..at + 1 + close]).ok()?;
    (inside.chars().count() == 1).then_some(at + 1 + close)
}

/// Where `pattern` stands in `code` as whole words.
pub fn occurrences(code: &str, pattern: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let word_at = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|&b| is_word(b));
    let starts_with_word = pattern.bytes().next().is_some_and(is_word);
    let ends_with_word = pattern.bytes().last().is_some_and(is_word);
    code.match_indices(pattern)
        .map(|(at, _)| at)
        .filter(|&at| !(starts_with_word && word_at(at.checked_sub(1))))
        .filter(|&at| !(ends_with_word && word_at(Some(at + pattern.len()))))
        .collect()
}

/// The line of an offset, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|&&b| b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_is_kept() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("\"b\\", 'c', '\'', b"d")"#, r#"f("     ", ' ', '  ', b" ")"#),
            (r##"f(r#"a"b"#, br"c\")"##, r##"f(r#"   "#, br"  ")"##),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("let r#type = '–';", "let r#type = '   ';"),
            ("barber\"x\"", "barber\" \""),
        ] {
            assert_eq!(blank_comments_and_literals(text), code);
        }
    }

    #[test]
    fn tests_are_no_part_of_the_product() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n";
        let product = blank_tests(code);
        assert!(product.contains("fn a") && product.contains("fn c") && !product.contains("fn b"));
        assert_eq!(product.len(), code.len());
        let source = read(String::from("sip/src/uri.rs"), "#[cfg(test)]\nmod cases;\n".into());
        assert_eq!(test_module_files(&source), ["sip/src/uri/cases"]);
    }

    #[test]
    fn a_pattern_is_found_as_whole_words_only() {
        assert_eq!(occurrences("Instant MyInstant Instants x::Instant", "Instant"), [0, 30]);
        assert_eq!(occurrences("eprintln!() println!()", "println!"), [12]);
    }
}
