//! [`Sipp`]: SIPp with one of the scenarios of `tests/sipp`.

use crate::process::Process;
use crate::{Server, root, s, within};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// SIPp that runs.
#[derive(Debug)]
pub struct Sipp {
    process: Process,
    dir: PathBuf,
    statistics: PathBuf,
}

/// What SIPp has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls begun.
    pub created: u64,
    /// Calls that went as written.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Calls that go on.
    pub current: u64,
}

impl Sipp {
    /// Plays a scenario at an address, port 5060, towards `remote` if given. Its receives wait for
    /// `wait`.
    pub fn start(
        dir: &Path,
        scenario: &str,
        local: IpAddr,
        remote: Option<SocketAddr>,
        wait: Duration,
        arguments: &[&str],
    ) -> Sipp {
        let dir = (0..1_000)
            .map(|n| dir.join(format!("sipp-{scenario}-{n}")))
            .find(|dir| std::fs::create_dir(dir).is_ok())
            .expect("a directory for SIPp");
        let statistics = dir.join("statistics.csv");
        let ip = local.to_string();
        let mut command = Command::new("sipp");
        command
            .current_dir(&dir)
            .args(remote.map(|remote| remote.to_string()))
            .arg("-sf")
            .arg(root().join("tests/sipp").join(scenario).with_extension("xml"))
            .args(["-i", &ip, "-p", "5060", "-mi", &ip, "-mp", "6000", "-nostdin", "-trace_err"])
            .args(["-buff_size", "1000000", "-max_socket", "2000"])
            .args(["-recv_timeout", &wait.as_millis().to_string()])
            .args(["-trace_stat", "-fd", "1", "-stf"])
            .arg(&statistics)
            .args(arguments);
        Sipp { process: Process::start(scenario, command, &dir), dir, statistics }
    }

    /// A caller who presses keys as the scenario does, once: 12345 is dialled.
    pub fn menu(server: &Server, n: u8, scenario: &str, arguments: &[&str]) -> Sipp {
        let number = format!("400{n}");
        let dialled = ["-s", "12345", "-key", "from", &number, "-m", "1"];
        let arguments: Vec<_> = dialled.iter().chain(arguments).copied().collect();
        let (dir, at) = (server.dir(), server.net.carrier(n));
        Sipp::start(dir, scenario, at, Some(server.sip()), s(60), &arguments)
    }

    /// A caller of one trunk address: plays a caller's scenario `-m` times.
    pub fn caller(
        dir: &Path,
        scenario: &str,
        local: IpAddr,
        remote: SocketAddr,
        wait: Duration,
        arguments: &[&str],
    ) -> Sipp {
        let number = ["-s", "123451", "-key", "from", "4000"];
        let arguments: Vec<_> = number.iter().chain(arguments).copied().collect();
        Sipp::start(dir, scenario, local, Some(remote), wait, &arguments)
    }

    /// Waits for its end: every call must have gone as written.
    ///
    /// # Panics
    /// If one has not, with SIPp's own words about it.
    pub fn succeed(&mut self, limit: Duration) -> Counts {
        let status = self.process.wait(limit);
        assert!(status.success(), "{status}\n{}{}", self.errors(), self.process.tail());
        self.counts()
    }

    /// What it has counted, at most a second ago.
    pub fn counts(&self) -> Counts {
        let text = std::fs::read_to_string(&self.statistics).unwrap_or_default();
        let mut lines = text.lines();
        let names: Vec<_> = lines.next().unwrap_or_default().split(';').collect();
        let last: Vec<_> = lines.next_back().unwrap_or_default().split(';').collect();
        let value = |name: &str| {
            let place = names.iter().position(|found| *found == name);
            place.and_then(|place| last.get(place)?.parse().ok()).unwrap_or_default()
        };
        Counts {
            created: value("TotalCallCreated"),
            successful: value("SuccessfulCall(C)"),
            failed: value("FailedCall(C)"),
            current: value("CurrentCall"),
        }
    }

    /// Waits until no call is left in a scenario that has no end of its own; what it has counted.
    ///
    /// # Panics
    /// If calls are left after `limit`.
    pub fn until_idle(&mut self, limit: Duration) -> Counts {
        let idle = within(limit, || {
            let counts = self.counts();
            (counts.current == 0 && counts.created > 0).then_some(counts)
        });
        idle.unwrap_or_else(|| panic!("calls are left: {:?}\n{}", self.counts(), self.errors()))
    }

    /// What it has written about failures.
    pub fn errors(&self) -> String {
        let files = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let errors = files.map(|file| file.path()).find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_errors.log"))
        });
        let text = errors.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        // Time-outs are how a scenario waits, see tests/sipp/README: they would hide the rest.
        let told = text.split_inclusive('\n').filter(|line| !line.contains("receive timeout"));
        told.flat_map(str::chars).take(4_000).collect()
    }
}

/// Registers agents by SIPp, at the address and port where the agents' scenario is played
/// afterwards: a registration's calls come to where it came from.
///
/// # Panics
/// If one of them cannot register.
pub fn register(
    dir: &Path,
    local: IpAddr,
    remote: SocketAddr,
    domain: &str,
    numbers: &[String],
    transport: &str,
) {
    let file = dir.join("agents.csv");
    let lines = numbers.iter().map(|number| {
        let password = crate::centre::password(number);
        format!("{number};{domain};[authentication username={number} password={password}]\n")
    });
    std::fs::write(&file, format!("SEQUENTIAL\n{}", lines.collect::<String>())).expect("a file");
    let (file, calls) = (file.display().to_string(), numbers.len().to_string());
    // Else SIPp names the address it talks to, which is not the URI of its REGISTER.
    let arguments = ["-inf", &file, "-m", &calls, "-t", transport, "-auth_uri", domain];
    let keys = ["-key", "contact_port", "5060", "-key", "expires", "600"];
    let arguments: Vec<_> = arguments.iter().chain(&keys).copied().collect();
    let mut sipp = Sipp::start(dir, "agent_register", local, Some(remote), s(5), &arguments);
    let counts = sipp.succeed(s(20));
    assert_eq!(counts.successful, numbers.len() as u64);
}
