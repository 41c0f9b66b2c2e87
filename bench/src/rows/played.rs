//! Played packet: the wait tone to callers who wait for the one agent, who is busy with a call.

use crate::bench::{Bench, us_each};
use crate::centre;
use crate::figure::{Figure, Goal, Reference, short};
use crate::load::audio::Audio;
use crate::load::phones::{Manners, Phones};
use crate::reference::sender_us;
use crate::server::Server;
use std::time::{Duration, Instant};

const GOAL_US: f64 = 6.0;
const LISTENERS: [usize; 3] = [100, 1_000, 4_000];
/// Calls set up a second.
const RATE: f64 = 200.0;
const PATIENCE: Duration = Duration::from_secs(10);
/// Packets a second to a listener.
const PACKETS_PER_S: f64 = 50.0;
/// Share of the packets that must have come for the figure to be one.
const HEARD_MIN: f64 = 0.99;

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let sizes = bench.sizes(&LISTENERS, &[20]);
    sizes.into_iter().map(|listeners| measure_with(bench, listeners)).collect()
}

fn measure_with(bench: &Bench, listeners: usize) -> Result<Figure, String> {
    let name = format!("played packet, {listeners} listeners");
    let mut figure = Figure::new(name, "µs", Goal::AtMost(GOAL_US));
    let server = Server::start(bench, 1)?;
    let mut phones = waiting_room(&server, listeners).map_err(|error| server.with_log(&error))?;
    if let Err(error) = admit(&mut phones, listeners + 1) {
        figure.faults.push(server.with_log(&error));
        return Ok(figure);
    }
    std::thread::sleep(Duration::from_secs(2));
    let audio = phones.audio()?;
    for run in 0..bench.runs {
        let (cpu, counts, began) = (server.cpu()?, audio.counts(), Instant::now());
        bench.stop(bench.cpu).wait(&|| Ok(server.cpu()? - cpu))?;
        let (used, took) = (server.cpu()? - cpu, began.elapsed());
        let played = audio.counts().since(counts).played;
        let share = played as f64 / (listeners as f64 * PACKETS_PER_S * took.as_secs_f64());
        if share < HEARD_MIN {
            let what = format!("run {run}: {:.1} % of the packets came", 100.0 * share);
            figure.faults.push(server.with_log(&what));
            return Ok(figure);
        }
        figure.runs.push(us_each(used, played));
        let (cpu, wall) = (short(used.as_secs_f64()), short(took.as_secs_f64()));
        figure.notes.push(format!("run {run}: {cpu} CPU-s in {wall} s"));
    }
    drop(phones);
    drop(server);
    let value = sender_us(bench, listeners)?;
    figure.reference = Some(Reference { what: "µs: plain sender", value });
    Ok(figure)
}

/// Phones for one agent and so many who will wait; nobody talks.
pub fn waiting_room(server: &Server, waiting: usize) -> Result<Phones, String> {
    let manners = Manners { ring: Duration::ZERO, talk: None };
    // The agent's, the customer's who has the agent, and those who wait.
    let count = waiting + 2;
    let audio = Audio::open(count)?;
    audio.pause(true);
    let phones = Phones::new(server.sip, 1, centre::QUIET, manners, Some(audio), count)?;
    server.wait_metric("hotline_agents_signed_in", 1, PATIENCE)?;
    Ok(phones)
}

/// Lets so many more call; the very first is connected, the others wait.
pub fn admit(phones: &mut Phones, calls: usize) -> Result<(), String> {
    let before = phones.tally.admitted;
    let wanted = calls as u64;
    let settled = before + wanted;
    phones.place(RATE, PATIENCE, &mut |placed| placed == wanted, &mut |tally| {
        tally.admitted == settled && tally.connected == 1
    })?;
    let tally = &phones.tally;
    match tally.admitted == settled && tally.connected == 1 && tally.offered == 1 {
        true => Ok(()),
        false => Err(format!("expected {settled} calls, one of them connected: {tally:?}")),
    }
}
