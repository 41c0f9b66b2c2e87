//! Played packet: the wait tone to callers who wait for the one agent, who is busy with a call.

use super::capacity::{Outcome, Watch, greatest, lost};
use crate::bench::{Bench, us_each};
use crate::centre;
use crate::figure::{Figure, Goal, Reference, short};
use crate::load::audio::Audio;
use crate::load::phones::{Manners, Phones};
use crate::reference::sender_us;
use crate::server::Server;
use std::time::{Duration, Instant};

const GOAL_US: f64 = 6.0;
/// Listeners of each figure: the first of these that one core carries.
const LISTENERS: [&[usize]; 3] = [&[100], &[1_000], &[4_000, 3_000, 2_000]];
/// Calls set up a second.
const RATE: f64 = 200.0;
const PATIENCE: Duration = Duration::from_secs(10);
/// Packets a second to a listener.
const PACKETS_PER_S: f64 = 50.0;
/// Share of the packets that must have come for the figure to be one.
const HEARD_MIN: f64 = 0.99;

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let sizes: &[&[usize]] = if bench.quick { &[&[20]] } else { &LISTENERS };
    let measure_one = |sizes: &&[usize]| {
        greatest(sizes, PACKETS_PER_S, &mut |listeners| measure_with(bench, listeners), &empty)
    };
    sizes.iter().map(measure_one).collect()
}

fn empty(listeners: usize) -> Figure {
    let name = format!("played packet, {listeners} listeners");
    Figure::new(name, "µs", Goal::AtMost(GOAL_US))
}

fn measure_with(bench: &Bench, listeners: usize) -> Result<Outcome, String> {
    let mut figure = empty(listeners);
    let server = Server::start(bench, 1)?;
    let watch = Watch::new(&server);
    let mut phones = waiting_room(&server, listeners).map_err(|error| server.with_log(&error))?;
    if let Err(error) = admit(&mut phones, listeners + 1) {
        return Ok(lost(figure, &server, watch.most()?, &error));
    }
    drop(watch);
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
            let full = used.as_secs_f64() / took.as_secs_f64();
            return Ok(lost(figure, &server, full, &what));
        }
        figure.runs.push(us_each(used, played));
        let (cpu, wall) = (short(used.as_secs_f64()), short(took.as_secs_f64()));
        figure.notes.push(format!("run {run}: {cpu} CPU-s in {wall} s"));
    }
    drop(phones);
    drop(server);
    let value = sender_us(bench, listeners)?;
    figure.reference = Some(Reference { what: "µs: plain sender", value });
    Ok(Outcome::Measured(figure))
}

/// Phones for one agent and so many who will wait; nobody talks.
pub fn waiting_room(server: &Server, waiting: usize) -> Result<Phones<Audio>, String> {
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
pub fn admit(phones: &mut Phones<Audio>, calls: usize) -> Result<(), String> {
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
