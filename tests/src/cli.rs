//! The command line's own phones: `hotline dial` and `hotline agent`.

use crate::process::Process;
use crate::{Centre, Server, audio, centre, s};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A phone of the command line that runs.
#[derive(Debug)]
pub struct CliPhone {
    /// Its process.
    pub process: Process,
    recording: PathBuf,
}

impl CliPhone {
    /// `hotline dial NUMBER`, which records what it hears.
    pub fn dial(server: &Server, name: &str, number: &str, arguments: &[&str]) -> CliPhone {
        CliPhone::start(server, name, &["dial", number], arguments)
    }

    /// `hotline agent --user NUMBER`, registered in a centre, which records what it hears.
    pub fn agent(server: &Server, of: &Centre, number: &str, arguments: &[&str]) -> CliPhone {
        let file = server.dir().join(format!("password-of-{number}"));
        std::fs::write(&file, centre::password(number)).expect("a file");
        let (file, domain) = (file.display().to_string(), of.domain());
        let first = ["agent", "--user", number, "--domain", &domain, "--password-file", &file];
        let mut phone = CliPhone::start(server, &format!("agent-{number}"), &first, arguments);
        phone.process.until_said("registered", s(10));
        phone
    }

    fn start(server: &Server, name: &str, first: &[&str], arguments: &[&str]) -> CliPhone {
        let recording = server.dir().join(format!("heard-by-{name}.wav"));
        let mut command = server.bare_command();
        command
            .args(first)
            .args(["--sip", &server.sip().to_string(), "--record"])
            .arg(&recording)
            .args(arguments);
        CliPhone { process: Process::start(name, command, server.dir()), recording }
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait(limit)
    }

    /// What it has heard, once it has ended.
    pub fn heard(&self) -> Vec<i16> {
        audio::read_wav(&self.recording)
    }

    /// The longest gap between packets it has heard, as it says at its end, in ms.
    pub fn longest_gap_ms(&self) -> u64 {
        let output = self.process.output();
        let said = output.split("longest gap ").nth(1).and_then(|rest| rest.split(' ').next());
        said.and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("no longest gap in {output}"))
    }
}
