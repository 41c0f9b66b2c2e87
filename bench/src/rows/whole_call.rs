//! Whole call: 10 s on the wait tone, the employee ID, and two-way talk, with audio all the time.

use super::queued_call::fault;
use crate::bench::{Bench, us_each};
use crate::centre;
use crate::figure::{Figure, Goal, Reference};
use crate::load::audio::Audio;
use crate::load::phones::{Manners, Phones};
use crate::reference::{Pace, echo_us, relay, sender_us};
use crate::server::Server;
use std::time::Duration;

/// Calls a second.
const RATE: f64 = 20.0;
/// How long the agent's phone rings: the customer hears the wait tone.
const RING: Duration = Duration::from_secs(10);
/// From the agent's ACK to its BYE: the announcement of the employee ID (some 5 s), then talk.
const TALK: Duration = Duration::from_secs(15);
/// Room for a call to end before its agent is needed again.
const SPARE: f64 = 1.3;
/// Nothing heard for so long means that what is missing is lost.
const PATIENCE: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_millis(1_500);
/// A call that was not cut short has heard at least so many packets of tone and speech.
const PLAYED_MIN: f64 = 450.0;
/// And its two sides have heard at least so many of each other: 8 s.
const FORWARDED_MIN: f64 = 800.0;

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figure = Figure::new("whole call", "ms", Goal::Report);
    let rate = if bench.quick { RATE / 10.0 } else { RATE };
    let agents = (rate * (RING + TALK).as_secs_f64() * SPARE) as usize + 1;
    let server = Server::start(bench, agents)?;
    let manners = Manners { ring: RING, talk: Some(TALK) };
    let audio = Audio::open(2 * agents)?;
    let mut phones =
        Phones::new(server.sip, agents, centre::SPOKEN, manners, Some(audio), 2 * agents)
            .map_err(|error| server.with_log(&error))?;
    server.wait_metric("hotline_agents_signed_in", agents as u64, PATIENCE)?;
    let (mut forwarded, mut played, mut datagrams) = (0.0, 0.0, 0.0);
    for run in 0..bench.runs {
        let (tally, cpu, counts) = (phones.tally.clone(), server.cpu()?, phones.audio()?.counts());
        let stop = bench.stop(bench.cpu);
        let mut enough = |placed: u64| {
            placed.is_multiple_of(8) && server.cpu().is_ok_and(|now| stop.reached(now - cpu))
        };
        phones.place(rate, PATIENCE, &mut enough, &mut |tally| tally.open() == 0)?;
        std::thread::sleep(SETTLE);
        let calls = phones.tally.placed - tally.placed;
        let heard = phones.audio()?.counts().since(counts);
        forwarded = heard.forwarded as f64 / calls as f64;
        played = heard.played as f64 / calls as f64;
        datagrams = (phones.tally.datagrams - tally.datagrams) as f64 / calls as f64;
        let silent = forwarded < FORWARDED_MIN || played < PLAYED_MIN;
        let fault = fault(&phones.tally).or(silent.then(|| {
            format!("a call heard {played:.0} packets played and {forwarded:.0} forwarded only")
        }));
        if let Some(fault) = fault {
            figure.faults.push(server.with_log(&format!("run {run}: {fault}")));
            return Ok(vec![figure]);
        }
        figure.runs.push(us_each(server.cpu()? - cpu, calls) / 1e3);
    }
    drop(server);
    let talking = (rate * TALK.as_secs_f64()) as usize;
    let (relayed, _) = relay(bench, talking)?;
    let sent = sender_us(bench, talking)?;
    let echoed = echo_us(bench, Pace::Rate(rate * datagrams / 2.0))?;
    let us = forwarded * relayed + played * sent + datagrams / 2.0 * echoed;
    figure.reference = Some(Reference { what: "ms: relay, sender and echo", value: us / 1e3 });
    figure.notes.push(format!(
        "{rate:.0} calls a second, {agents} agents; a call: {played:.0} packets played, \
         {forwarded:.0} forwarded, {datagrams:.1} SIP datagrams"
    ));
    Ok(vec![figure])
}
