//! What every row is given: how long and how often to run, where the server is, which core is whose.

use crate::machine::Cores;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest run of a row whose load is so light that the processor time would take longer.
const RUN_MAX: Duration = Duration::from_secs(120);

/// The settings of this run of the benchmarks.
#[derive(Clone, Debug)]
pub struct Bench {
    /// How the cores are shared out.
    pub cores: Cores,
    /// The server's binary.
    pub server: PathBuf,
    /// Where the servers' directories are made.
    pub work_dir: PathBuf,
    /// How often each row is measured.
    pub runs: usize,
    /// Processor time of the measured process in one run, at least.
    pub cpu: Duration,
    /// Small sizes and short runs: to see that everything works.
    pub quick: bool,
}

impl Bench {
    /// Processor time for a reference: it varies less.
    pub fn reference_cpu(&self) -> Duration {
        self.cpu / 4
    }

    /// A stop that is reached when the processor time or the wall time is.
    pub fn stop(&self, cpu: Duration) -> Stop {
        let most = if self.quick { RUN_MAX / 10 } else { RUN_MAX };
        Stop { began: Instant::now(), most, cpu }
    }

    /// `full`, or `quick` in a quick run.
    pub fn sizes(&self, full: &[usize], quick: &[usize]) -> Vec<usize> {
        if self.quick { quick.to_vec() } else { full.to_vec() }
    }

    /// Says on standard error what is being done.
    pub fn say(&self, what: &str) {
        eprintln!("  {what}");
    }
}

/// When a run has lasted long enough.
pub struct Stop {
    began: Instant,
    most: Duration,
    cpu: Duration,
}

impl Stop {
    /// Whether this much processor time is enough, or it has taken too long.
    pub fn reached(&self, used: Duration) -> bool {
        used >= self.cpu || self.began.elapsed() >= self.most
    }

    /// Waits until reached, looking at the processor time ten times a second; gives it.
    pub fn wait(&self, used: &dyn Fn() -> Result<Duration, String>) -> Result<Duration, String> {
        loop {
            let now = used()?;
            if self.reached(now) {
                return Ok(now);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Microseconds of processor time for each of so many.
pub fn us_each(cpu: Duration, count: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / count as f64
}
