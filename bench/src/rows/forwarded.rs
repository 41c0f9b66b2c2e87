//! Forwarded packet: G.711 of 20 ms through bridged calls, both sides talking.

use super::capacity::{Outcome, Watch, greatest, lost};
use crate::bench::{Bench, us_each};
use crate::centre;
use crate::figure::{Figure, Goal, Reference, short};
use crate::load::audio::Audio;
use crate::load::phones::{Manners, Phones};
use crate::reference::relay;
use crate::server::Server;
use std::time::{Duration, Instant};

/// Times the plain relay of the same run.
const GOAL_TIMES: f64 = 1.5;
/// Calls of each figure: the first of these that one core carries.
const CALLS: [&[usize]; 3] = [&[100], &[500], &[1_500, 1_000, 750]];
/// Packets a second of a call.
const PACKETS_PER_S: f64 = 100.0;
/// Calls set up a second.
const RATE: f64 = 200.0;
const PATIENCE: Duration = Duration::from_secs(10);
/// Until everything of before has passed, or what is under way has arrived.
const QUIET: Duration = Duration::from_millis(300);

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let sizes: &[&[usize]] = if bench.quick { &[&[20]] } else { &CALLS };
    let measure_one = |sizes: &&[usize]| {
        greatest(sizes, PACKETS_PER_S, &mut |calls| measure_with(bench, calls), &empty)
    };
    sizes.iter().map(measure_one).collect()
}

fn empty(calls: usize) -> Figure {
    let name = format!("forwarded packet, {calls} calls");
    Figure::new(name, "µs", Goal::TimesReference(GOAL_TIMES))
}

fn measure_with(bench: &Bench, calls: usize) -> Result<Outcome, String> {
    let mut figure = empty(calls);
    let server = Server::start(bench, calls)?;
    let watch = Watch::new(&server);
    let manners = Manners { ring: Duration::ZERO, talk: None };
    let audio = Audio::open(2 * calls)?;
    let mut phones = Phones::new(server.sip, calls, centre::QUIET, manners, Some(audio), 2 * calls)
        .map_err(|error| server.with_log(&error))?;
    server.wait_metric("hotline_agents_signed_in", calls as u64, PATIENCE)?;
    let wanted = calls as u64;
    phones.place(RATE, PATIENCE, &mut |placed| placed == wanted, &mut |tally| {
        tally.connected == wanted
    })?;
    if phones.tally.connected != wanted || phones.tally.admitted != wanted {
        let what = format!("calls not connected: {:?}", phones.tally);
        return Ok(lost(figure, &server, watch.most()?, &what));
    }
    drop(watch);
    // Sources are learned and both sides bridged.
    std::thread::sleep(Duration::from_secs(2));
    let audio = phones.audio()?;
    for run in 0..bench.runs {
        audio.pause(true);
        std::thread::sleep(QUIET);
        let _before = audio.take_delays();
        let (cpu, counts, began) = (server.cpu()?, audio.counts(), Instant::now());
        audio.pause(false);
        bench.stop(bench.cpu).wait(&|| Ok(server.cpu()? - cpu))?;
        let share = (server.cpu()? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
        audio.pause(true);
        std::thread::sleep(QUIET);
        let (used, counts) = (server.cpu()? - cpu, audio.counts().since(counts));
        if counts.forwarded != counts.sent || counts.sent == 0 {
            let what = format!(
                "run {run}: {} of {} packets arrived; the load was late {} times",
                counts.forwarded, counts.sent, counts.late
            );
            return Ok(lost(figure, &server, share, &what));
        }
        figure.runs.push(us_each(used, counts.forwarded));
        let late = if counts.late > 0 {
            format!("; the load was late {} times", counts.late)
        } else {
            String::new()
        };
        let delays = audio.take_delays().words();
        figure
            .notes
            .push(format!("run {run}: {} CPU-s; {delays}{late}", short(used.as_secs_f64())));
    }
    drop(phones);
    drop(server);
    let (value, delays) = relay(bench, calls)?;
    figure.reference = Some(Reference { what: "µs: plain relay", value });
    figure.notes.push(format!("plain relay: {}", delays.words()));
    Ok(Outcome::Measured(figure))
}
