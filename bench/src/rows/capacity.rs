//! The greatest size that the server's core carries: what is larger is told in words, and is no
//! failure of the server.
//!
//! Owns: watching how full the core is, going down from a size that is too large. Does not own:
//! the measuring.

use crate::figure::{Figure, short};
use crate::process;
use crate::server::Server;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// From this share of a core on it is full: what is lost is lost for want of time.
pub const FULL: f64 = 0.9;
/// The share is taken over so long.
const WINDOW: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(50);

/// What came of a size.
pub enum Outcome {
    /// A figure, or a fault that is the server's or the load's.
    Measured(Figure),
    /// Something was lost, and the server's core was full: what was lost.
    Full(String),
}

/// Something was lost: whether for want of a core, or by a fault.
pub fn lost(mut figure: Figure, server: &Server, share: f64, what: &str) -> Outcome {
    if share >= FULL {
        return Outcome::Full(format!("{what}, the server's core {:.0} % full", 100.0 * share));
    }
    figure.faults.push(server.with_log(what));
    Outcome::Measured(figure)
}

/// Measures the first of `sizes` that one core carries, the greatest first. `packets_per_s` is what
/// each of a size takes.
pub fn greatest(
    sizes: &[usize],
    packets_per_s: f64,
    measure: &mut dyn FnMut(usize) -> Result<Outcome, String>,
    empty: &dyn Fn(usize) -> Figure,
) -> Result<Figure, String> {
    let mut full = Vec::new();
    for &size in sizes {
        match measure(size)? {
            Outcome::Full(what) => full.push((size, what)),
            Outcome::Measured(figure) if figure.runs.is_empty() => return Ok(figure),
            Outcome::Measured(mut figure) => {
                let cost_us = figure.median();
                figure.notes.extend(full.into_iter().map(|(size, what)| {
                    let packets = size as f64 * packets_per_s;
                    let cores = short(packets * cost_us / 1e6);
                    format!(
                        "{size} are more than one core of this machine carries ({what}): at this \
                         cost {packets:.0} packets a second need {cores} cores"
                    )
                }));
                return Ok(figure);
            }
        }
    }
    let mut figure = empty(sizes.first().copied().unwrap_or_default());
    let said: Vec<_> = full.into_iter().map(|(size, what)| format!("{size}: {what}")).collect();
    figure.beyond =
        Some(format!("more than one core of this machine carries ({})", said.join("; ")));
    Ok(figure)
}

/// Watches the processor time of a server; ends with the value.
pub struct Watch {
    ended: Arc<AtomicBool>,
    most_per_mille: Arc<AtomicU64>,
    fault: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins.
    pub fn new(server: &Server) -> Watch {
        let pid = server.pid();
        let (ended, most_per_mille) =
            (Arc::new(AtomicBool::new(false)), Arc::<AtomicU64>::default());
        let fault = Arc::<Mutex<Option<String>>>::default();
        let shared = (Arc::clone(&ended), Arc::clone(&most_per_mille), Arc::clone(&fault));
        let thread = std::thread::spawn(move || {
            let (ended, most, fault) = shared;
            if let Err(error) = watch(pid, &ended, &most) {
                *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        });
        Watch { ended, most_per_mille, fault, thread: Some(thread) }
    }

    /// The greatest share of a core that it took for a second.
    pub fn most(&self) -> Result<f64, String> {
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(self.most_per_mille.load(Relaxed) as f64 / 1e3),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn watch(pid: u32, ended: &AtomicBool, most_per_mille: &AtomicU64) -> Result<(), String> {
    let (mut began, mut before) = (Instant::now(), process::cpu(pid)?);
    while !ended.load(Relaxed) {
        std::thread::sleep(STEP);
        if began.elapsed() >= WINDOW {
            let (took, now) = (began.elapsed(), process::cpu(pid)?);
            let share = (now - before).as_secs_f64() / took.as_secs_f64();
            most_per_mille.fetch_max((share * 1e3) as u64, Relaxed);
            (began, before) = (Instant::now(), now);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Goal, Verdict};

    fn empty(size: usize) -> Figure {
        Figure::new(format!("{size} calls"), "µs", Goal::Report)
    }

    fn carried_up_to(most: usize, sizes: &[usize]) -> Figure {
        let mut measure = |size| {
            Ok(if size > most {
                Outcome::Full("5 lost".into())
            } else {
                Outcome::Measured(Figure { runs: vec![10.0], ..empty(size) })
            })
        };
        greatest(sizes, 100.0, &mut measure, &empty).unwrap()
    }

    #[test]
    fn a_size_that_needs_more_cores_is_told_and_the_greatest_carried_is_measured() {
        let all = carried_up_to(1_500, &[1_500, 1_000]);
        assert_eq!((all.name.as_str(), all.notes.len()), ("1500 calls", 0));
        let less = carried_up_to(1_000, &[1_500, 1_000]);
        assert_eq!(less.name, "1000 calls");
        assert!(less.notes[0].starts_with("1500 are more than one core"), "{:?}", less.notes);
        assert!(less.notes[0].ends_with("150000 packets a second need 1.50 cores"));
        let none = carried_up_to(10, &[1_500, 1_000]);
        assert_eq!((none.name.as_str(), none.verdict()), ("1500 calls", Verdict::Beyond));
    }
}
