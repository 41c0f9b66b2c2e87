//! The machine the figures are of, and which core does what.

use std::process::Command;

/// The core the measured process runs on.
const MEASURED_CORE: usize = 0;

/// Whether measured process and load are kept apart, and on which cores.
#[derive(Clone, Debug)]
pub enum Cores {
    /// The measured process has one core, the load another.
    Apart {
        /// The measured process's.
        measured: usize,
        /// The load's.
        load: usize,
    },
    /// They share the machine, for this reason; the figures say so.
    Shared(String),
}

impl Cores {
    /// Puts this process (the load) on a core of its own, if there are two and `taskset` is there.
    pub fn part() -> Cores {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        if count < 2 {
            return Cores::Shared("this machine has one core".into());
        }
        let load = count - 1;
        let own = std::process::id().to_string();
        let pinned =
            Command::new("taskset").args(["-a", "-p", "-c", &load.to_string(), &own]).output();
        match pinned {
            Ok(output) if output.status.success() => Cores::Apart { measured: MEASURED_CORE, load },
            Ok(output) => Cores::Shared(format!(
                "taskset failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Err(error) => Cores::Shared(format!("taskset: {error}")),
        }
    }

    /// A command that runs `program` on the measured process's core, in this process's place: its
    /// process id is the program's.
    pub fn measured(&self, program: &std::path::Path) -> Command {
        match self {
            Cores::Apart { measured, .. } => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(measured.to_string()).arg(program);
                command
            }
            Cores::Shared(_) => Command::new(program),
        }
    }
}

/// The machine in one line, and how its cores are used.
pub fn describe(cores: &Cores) -> String {
    let first = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let processor = first("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
    let mhz = first("/proc/cpuinfo", "cpu MHz").and_then(|mhz| mhz.parse::<f64>().ok());
    let mhz = mhz.map_or(String::new(), |mhz| format!(" at {mhz:.0} MHz"));
    let count = first_count();
    let memory = first("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kib: u64 = memory.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let how = match cores {
        Cores::Apart { measured, load } => {
            format!("server on core {measured}, load on core {load}")
        }
        Cores::Shared(why) => format!("server and load share the cores: {why}"),
    };
    let kernel = kernel.trim();
    format!(
        "{processor}{mhz}, {count} cores, {} GiB, Linux {kernel}, {} descriptors; {how}",
        kib >> 20,
        crate::process::descriptors_max(),
    )
}

/// Cores of the machine, whatever this process may use of them.
fn first_count() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count().max(1)
}
