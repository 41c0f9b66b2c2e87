//! Queued call: INVITE…BYE, both legs, an idle agent, no announcement, no talk, no RTP.

use crate::bench::{Bench, us_each};
use crate::centre;
use crate::figure::{Figure, Goal, Reference};
use crate::load::audio::Audio;
use crate::load::phones::{Manners, Phones, Tally};
use crate::reference::{Pace, echo_us};
use crate::server::Server;
use std::time::Duration;

const GOAL_US: f64 = 200.0;
/// How many agents are signed in: the cost should not depend on it.
const AGENTS: [usize; 2] = [100, 2_000];
/// Calls a second, if there are ports enough.
const RATE: f64 = 700.0;
/// How long a port rests after a call, in s, with something to spare.
const PORT_REST_S: f64 = 6.0;
/// Nothing heard for so long means that what is missing is lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// The writing of records may lag behind the calls; its cost belongs to them.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let sizes = bench.sizes(&AGENTS, &[20]);
    sizes.into_iter().map(|agents| measure_with(bench, agents)).collect()
}

fn measure_with(bench: &Bench, agents: usize) -> Result<Figure, String> {
    let mut figure =
        Figure::new(format!("queued call, {agents} agents"), "µs", Goal::AtMost(GOAL_US));
    let server = Server::start(bench, agents)?;
    let rate =
        RATE.min(server.pairs as f64 / 2.0 / PORT_REST_S) * if bench.quick { 0.2 } else { 1.0 };
    let manners = Manners { ring: Duration::ZERO, talk: Some(Duration::ZERO) };
    let mut phones = Phones::new(server.sip, agents, centre::QUIET, manners, None::<Audio>, 0)
        .map_err(|error| server.with_log(&error))?;
    server.wait_metric("hotline_agents_signed_in", agents as u64, PATIENCE)?;
    let mut datagrams = 0.0;
    for run in 0..bench.runs {
        let (before, cpu) = (phones.tally.clone(), server.cpu()?);
        let stop = bench.stop(bench.cpu);
        let mut enough = |placed: u64| {
            placed.is_multiple_of(64) && server.cpu().is_ok_and(|now| stop.reached(now - cpu))
        };
        phones.place(rate, PATIENCE, &mut enough, &mut |tally| tally.open() == 0)?;
        std::thread::sleep(SETTLE);
        let placed = phones.tally.placed - before.placed;
        if let Some(fault) = fault(&phones.tally) {
            figure.faults.push(server.with_log(&format!("run {run}: {fault}")));
            return Ok(figure);
        }
        server.wait_metric("hotline_calls", 0, PATIENCE)?;
        figure.runs.push(us_each(server.cpu()? - cpu, placed));
        datagrams = (phones.tally.datagrams - before.datagrams) as f64 / placed as f64;
    }
    drop(server);
    let echo = echo_us(bench, Pace::Rate(rate * datagrams / 2.0))?;
    figure.reference =
        Some(Reference { what: "µs: as many echoes", value: echo * datagrams / 2.0 });
    figure.notes.push(format!("{rate:.0} calls a second, {datagrams:.1} datagrams a call"));
    Ok(figure)
}

/// What is wrong with calls that should all be over; every one must have been connected.
pub fn fault(tally: &Tally) -> Option<String> {
    let Tally { placed, connected, customers_done, agents_done, repeated, .. } = tally;
    let whole = [connected, customers_done, agents_done].iter().all(|count| *count == placed);
    (!whole || *repeated > 0).then(|| format!("calls lost, refused or repeated: {tally:?}"))
}
