//! [`Process`]: a child process whose output is kept and that never outlives its test.

use crate::{s, within};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Lines of output shown when a test fails.
const TAIL_LINES: usize = 60;

/// A child process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a command, its output into a new file in `dir`.
    ///
    /// # Panics
    /// If it cannot be started, saying what to install.
    pub fn start(name: &str, mut command: Command, dir: &Path) -> Process {
        let output = (0..1_000)
            .map(|n| dir.join(format!("{name}-{n}.log")))
            .find(|path| !path.exists())
            .expect("a name for a log file");
        let file = File::create(&output).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log file"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{:?}: {error}; tests/setup installs it", command.get_program())
            });
        Process { name: name.into(), child, output, ended: None }
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it has said so far.
    pub fn output(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.output) {
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of what it has said, for a failure's message.
    pub fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        format!("--- the end of {} ---\n{tail}\n---", self.output.display())
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
        }
        self.ended
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// If it does not within `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        match within(limit, || self.ended()) {
            Some(status) => status,
            None => panic!("{} did not end within {limit:?}\n{}", self.name, self.tail()),
        }
    }

    /// Waits until its output has `text`.
    ///
    /// # Panics
    /// If it does not within `limit`, or ends before.
    pub fn until_said(&mut self, text: &str, limit: Duration) {
        let said = within(limit, || {
            let ended = self.ended().is_some();
            if self.output().contains(text) { Some(true) } else { ended.then_some(false) }
        });
        assert_eq!(said, Some(true), "{} did not say {text:?}\n{}", self.name, self.tail());
    }

    /// Sends a signal (`TERM`, `KILL`, `USR1`, …).
    pub fn signal(&mut self, signal: &str) {
        if self.ended().is_some() {
            return;
        }
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status().expect("kill runs");
        assert!(status.success() || self.ended().is_some(), "kill -s {signal} {id}");
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// Asks it to end, then makes it.
    pub fn stop(&mut self, limit: Duration) {
        self.signal("TERM");
        if within(limit, || self.ended()).is_none() {
            self.kill();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}

/// Runs a command to its end; its exit code and everything it said.
///
/// # Panics
/// If it takes longer than 30 s.
pub fn run(name: &str, command: Command, dir: &Path) -> (i32, String) {
    let mut process = Process::start(name, command, dir);
    let status = process.wait(s(30));
    (status.code().unwrap_or(-1), process.output())
}
