//! README's first call, as it is written there: its commands are run one after the other, with the
//! addresses they have by themselves, and the ladder that comes of it is the one that it shows.
//!
//! The commands run in a network of their own, so that the usual ports are free: as root.

use hotline_tests::audio::{Sound, first_ms, read_wav, sounds, told, total_ms};
use hotline_tests::process::Process;
use hotline_tests::speech::{hears, prompt};
use hotline_tests::{binary, root, s};
use std::process::Command;

/// Where in README the call is.
const CHAPTER: &str = "## Your first call in five minutes";

/// The indented text between fences of one kind, in order.
fn blocks<'a>(chapter: &'a str, kind: &str) -> Vec<&'a str> {
    let opening = format!("```{kind}\n");
    let parts = chapter.split(opening.as_str()).skip(1);
    parts.filter_map(|part| part.split("```").next()).collect()
}

/// The lines of a ladder in order of their words, without times and ports: what happens on two sides
/// at once may be told in either order.
fn lines(ladder: &str) -> Vec<String> {
    let plain = |line: &str| {
        let mut parts = line.split("127.0.0.1:");
        let first = parts.next().unwrap_or_default().to_owned();
        let without_port =
            |part: &str| part.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
        let line =
            parts.fold(first, |line, part| format!("{line}127.0.0.1:{}", without_port(part)));
        // A time begins the line, if anything does.
        let words = line.split_whitespace();
        words
            .skip_while(|word| word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut lines: Vec<_> = ladder.lines().filter(|line| !line.is_empty()).map(plain).collect();
    lines.sort();
    lines
}

/// `cargo run --release -- COMMAND` is the binary under test; each of README's lines is run as it is.
fn script(serve: &str, agent: &str, dial: &str, trace: &str) -> String {
    format!(
        "set -eu\nip link set lo up\n\
         cargo() {{ shift 2; if [ $# -gt 0 ]; then shift; fi; exec \"$HOTLINE\" \"$@\"; }}\n\
         until_said() {{ for _ in $(seq 300); do grep -q \"$1\" \"$2\" && return; sleep 0.1; done; \
         cat \"$2\"; exit 1; }}\n\
         {serve} >server.log 2>&1 & server=$!\n\
         for _ in $(seq 300); do (cargo run --release -- status) >/dev/null 2>&1 && break; \
         sleep 0.1; done\n\
         {agent} >agent.log 2>&1 & agent=$!\n\
         until_said 'registered' agent.log\n\
         ({dial}) >dial.log 2>&1\n\
         echo LADDER\n({trace}\n)\n\
         kill $agent; wait $agent || true\n\
         kill $server; wait $server || true\n\
         echo END\n"
    )
}

#[test]
fn the_first_call_goes_as_it_is_written() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let chapter = readme.split(CHAPTER).nth(1).expect("the chapter");
    let commands: Vec<_> =
        blocks(chapter, "sh").into_iter().flat_map(str::lines).map(str::trim).collect();
    let command = |part: &str| -> &str {
        let found = commands.iter().find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no {part:?} in {commands:#?}"))
    };
    let (agent, dial) = (command("-- agent "), command("-- dial "));
    let text = script("cargo run --release", agent, dial, command("-- trace last"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("call.sh"), text).expect("a file");
    let mut shell = Command::new("unshare");
    // What it starts ends with it.
    shell.args(["--net", "--pid", "--fork", "--kill-child", "bash", "call.sh"]);
    shell.current_dir(dir.path()).env("HOTLINE", binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HOTLINE_")) {
        shell.env_remove(name);
    }
    let mut shell = Process::start("first-call", shell, dir.path());
    shell.until_said("END", s(90));
    let output = shell.output();
    let ladder = output.split("LADDER\n").nth(1).and_then(|rest| rest.split("END").next());
    let ladder = ladder.unwrap_or_else(|| panic!("no ladder in {output}"));
    let shown = blocks(chapter, "text").into_iter().find(|block| block.contains("INVITE"));
    let shown = shown.expect("a ladder in README.md");
    assert_eq!(lines(shown), lines(ladder), "README.md shows\n{shown}\nbut it is\n{ladder}");
    // And it is heard what README says there is to hear.
    let heard = read_wav(&dir.path().join("customer.wav"));
    let place = hears(&heard, &prompt("en", "you_are_number"));
    let who = hears(&heard, &prompt("en", "employee_id"));
    let agent = first_ms(&sounds(&heard, &[600.0]), Sound::Tone(0));
    let order = [place, who, agent];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?}");
    let heard = sounds(&read_wav(&dir.path().join("agent.wav")), &[440.0]);
    assert!(total_ms(&heard, Sound::Tone(0)) > 5_000, "{}", told(&heard));
}
