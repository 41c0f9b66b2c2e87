//! Waiting call: the slope of resident memory over the number of callers hearing the wait tone.

use super::played::{admit, waiting_room};
use crate::bench::Bench;
use crate::figure::{Figure, Goal};
use crate::load::audio::Audio;
use crate::load::phones::Phones;
use crate::server::Server;
use std::time::{Duration, Instant};

const GOAL_KIB: f64 = 30.0;
/// From so many callers to so many.
const FROM_TO: [usize; 2] = [500, 4_500];
/// Until what setting up needed is given back.
const SETTLE: Duration = Duration::from_secs(5);
/// Packets a second to a listener.
const PACKETS_PER_S: f64 = 50.0;

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figure = Figure::new("waiting call", "KiB", Goal::AtMost(GOAL_KIB));
    let sizes = bench.sizes(&FROM_TO, &[50, 250]);
    let &[from, to] = &sizes[..] else { return Err("two sizes are needed".into()) };
    for run in 0..bench.runs {
        bench.say(&format!("run {run}"));
        let server = Server::start(bench, 1)?;
        let mut phones = waiting_room(&server, to).map_err(|error| server.with_log(&error))?;
        let empty = server.resident_bytes()?;
        let few = resident(&server, &mut phones, from + 1)?;
        let many = resident(&server, &mut phones, to - from)?;
        figure.runs.push((many - few) / 1_024.0 / (to - from) as f64);
        let heard = heard(&phones, to)?;
        let mib = |bytes: f64| bytes / 1_048_576.0;
        let (empty, few, many) = (mib(empty as f64), mib(few), mib(many));
        figure.notes.push(format!(
            "run {run}: {empty:.1} MiB without calls, {few:.1} with {from}, {many:.1} with {to}, \
             who hear {:.0} % of the tone; sockets are the kernel's and not in it",
            100.0 * heard
        ));
    }
    Ok(vec![figure])
}

/// Resident memory after so many more have called, in bytes.
fn resident(server: &Server, phones: &mut Phones<Audio>, more: usize) -> Result<f64, String> {
    admit(phones, more).map_err(|error| server.with_log(&error))?;
    std::thread::sleep(SETTLE);
    Ok(server.resident_bytes()? as f64)
}

/// The share of the wait tone's packets that come in two seconds.
fn heard(phones: &Phones<Audio>, listeners: usize) -> Result<f64, String> {
    let audio = phones.audio()?;
    let (before, began) = (audio.counts(), Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let played = audio.counts().since(before).played as f64;
    Ok(played / (listeners as f64 * PACKETS_PER_S * began.elapsed().as_secs_f64()))
}
