//! Menu: callers of a running server who press keys, and how soon the prompt that follows is heard.

use crate::bench::{Bench, us_each};
use crate::centre;
use crate::figure::{Figure, Goal, short};
use crate::load::keypads::Keypads;
use crate::load::phones::{Manners, Phones};
use crate::server::Server;
use std::time::{Duration, Instant};

/// The delay that 99 of 100 keys do not exceed, in ms.
const GOAL_MS: f64 = 100.0;
const CALLERS: [usize; 1] = [1_000];
/// Between two keys of a caller.
const PERIOD: Duration = Duration::from_secs(3);
/// Calls set up a second.
const RATE: f64 = 200.0;
const PATIENCE: Duration = Duration::from_secs(10);
/// Until everything of setting up has passed.
const QUIET: Duration = Duration::from_secs(2);
/// How long callers are watched who press nothing.
const IDLE: Duration = Duration::from_secs(3);

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for callers in bench.sizes(&CALLERS, &[20]) {
        figures.extend(measure_with(bench, callers)?);
    }
    Ok(figures)
}

fn measure_with(bench: &Bench, callers: usize) -> Result<[Figure; 2], String> {
    let name = format!("menu, key to prompt, p99, {callers} callers");
    let mut delay = Figure::new(name, "ms", Goal::AtMost(GOAL_MS));
    let mut cost = Figure::new(format!("menu, a key, {callers} callers"), "µs", Goal::Report);
    let server = Server::start(bench, 0)?;
    let manners = Manners { ring: Duration::ZERO, talk: None };
    let keypads = Keypads::open(callers, PERIOD)?;
    let mut phones = Phones::new(server.sip, 0, centre::MENU, manners, Some(keypads), callers)
        .map_err(|error| server.with_log(&error))?;
    let wanted = callers as u64;
    phones.place(RATE, PATIENCE, &mut |placed| placed == wanted, &mut |tally| {
        tally.admitted == wanted
    })?;
    if phones.tally.admitted != wanted {
        let what = format!("callers not in the menu: {:?}", phones.tally);
        delay.faults.push(server.with_log(&what));
        cost.faults.push(what);
        return Ok([delay, cost]);
    }
    std::thread::sleep(QUIET);
    let (began, cpu) = (Instant::now(), server.cpu()?);
    std::thread::sleep(IDLE);
    let share = (server.cpu()? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let idle = format!("while nobody presses, the server takes {:.1} % of a core", 100.0 * share);
    cost.notes.push(idle);
    let keypads = phones.audio_mut()?;
    for run in 0..bench.runs {
        let (cpu, stop, began) = (server.cpu()?, bench.stop(bench.cpu), Instant::now());
        let presses = keypads.press(&mut || Ok(stop.reached(server.cpu()? - cpu)))?;
        let (used, took) = (server.cpu()? - cpu, began.elapsed());
        if let Some(fault) = presses.fault() {
            let what = format!("run {run}: {fault}");
            delay.faults.push(server.with_log(&what));
            cost.faults.push(what);
            return Ok([delay, cost]);
        }
        delay.runs.push(presses.delays.per_mille(990).as_secs_f64() * 1e3);
        cost.runs.push(us_each(used, presses.keys));
        let (words, late) = (presses.delays.words(), presses.late);
        delay.notes.push(format!(
            "run {run}: {} keys; {words}; the load was late {late} times",
            presses.keys
        ));
        let (cpu, wall) = (short(used.as_secs_f64()), short(took.as_secs_f64()));
        let packets = presses.played as f64 / presses.keys as f64;
        cost.notes.push(format!(
            "run {run}: {cpu} CPU-s in {wall} s; 8 packets heard and {packets:.1} sent a key, silence included"
        ));
    }
    Ok([delay, cost])
}
