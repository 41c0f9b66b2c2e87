//! The rows of the table; each file measures one.

mod capacity;
mod flow_steps;
mod forwarded;
mod menu;
mod offer_time;
pub mod parse;
mod played;
mod queued_call;
mod references;
mod registration;
mod waiting;
mod whole_call;
pub mod worker;

use crate::bench::{Bench, us_each};
use crate::figure::Figure;
use crate::process;

/// A row: how it is called and measured.
pub struct Row {
    /// As on the command line.
    pub name: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// Whether it starts a server.
    pub needs_server: bool,
    /// Measures it: a figure for each size.
    pub measure: fn(&Bench) -> Result<Vec<Figure>, String>,
}

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    Row {
        name: "parse",
        what: "an INVITE of 844 bytes with Via, From, To, CSeq and Contact typed (in process)",
        needs_server: false,
        measure: parse::measure,
    },
    Row {
        name: "registration",
        what: "REGISTER, 401, REGISTER with digest, 200; binding persisted",
        needs_server: true,
        measure: registration::measure,
    },
    Row {
        name: "queued-call",
        what: "INVITE…BYE, both legs, an idle agent, no announcement, no talk, no RTP",
        needs_server: true,
        measure: queued_call::measure,
    },
    Row {
        name: "whole-call",
        what: "10 s on the wait tone, employee ID, about 10 s of two-way talk",
        needs_server: true,
        measure: whole_call::measure,
    },
    Row {
        name: "forwarded",
        what: "a packet of a bridged call of G.711, 20 ms, both ways",
        needs_server: true,
        measure: forwarded::measure,
    },
    Row {
        name: "played",
        what: "a packet of the wait tone",
        needs_server: true,
        measure: played::measure,
    },
    Row {
        name: "menu",
        what: "a caller's key, as telephone-events, to the prompt it leads to; a key's processor time",
        needs_server: true,
        measure: menu::measure,
    },
    Row {
        name: "waiting-call",
        what: "resident memory of a caller who hears the wait tone",
        needs_server: true,
        measure: waiting::measure,
    },
    Row {
        name: "time-to-offer",
        what: "an agent becomes idle to the offer polled: 10,000 agents, 1,000 queues, 100,000 waiting (routing only)",
        needs_server: false,
        measure: offer_time::measure,
    },
    Row {
        name: "worker",
        what: "a packet forwarded and a packet played, without sockets (media worker only, in process)",
        needs_server: false,
        measure: worker::measure,
    },
    Row {
        name: "flow-steps",
        what: "a node of a running flow entered: a menu flow (in process)",
        needs_server: false,
        measure: flow_steps::measure,
    },
    Row {
        name: "references",
        what: "a plain echo, relay and sender of this machine by themselves",
        needs_server: false,
        measure: references::measure,
    },
];

/// Repeats `batch`, which gives how many it did, for a run's processor time; µs for each. A batch
/// takes some milliseconds, so that looking at the clock costs nothing.
fn in_process(bench: &Bench, batch: &mut dyn FnMut() -> u64) -> Result<f64, String> {
    let own = std::process::id();
    let _warm_up = batch();
    let stop = bench.stop(bench.cpu);
    let before = process::cpu(own)?;
    let mut count = 0;
    loop {
        count += batch();
        let used = process::cpu(own)? - before;
        if stop.reached(used) {
            return Ok(us_each(used, count));
        }
    }
}
