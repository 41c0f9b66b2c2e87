//! Registration: REGISTER, 401, REGISTER with digest, 200, with the binding persisted.

use crate::bench::{Bench, us_each};
use crate::figure::{Figure, Goal, Reference};
use crate::load::registrations::Registrations;
use crate::reference::{Pace, echo_us};
use crate::server::Server;
use std::net::{Ipv4Addr, UdpSocket};

const GOAL_US: f64 = 20.0;
/// Users who register again and again.
const USERS: usize = 2_000;
/// Registrations at a time.
const WINDOW: usize = 16;
/// Datagrams in and out of a registration.
const EXCHANGES: f64 = 2.0;

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let users = if bench.quick { USERS / 20 } else { USERS };
    let server = Server::start(bench, users)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let mut load = Registrations::new(&socket, server.sip, users)?;
    load.all(WINDOW).map_err(|error| server.with_log(&error))?;
    let mut figure = Figure::new("registration", "µs", Goal::AtMost(GOAL_US));
    for run in 0..bench.runs {
        let (cpu, done, stale) = (server.cpu()?, load.done, load.stale);
        let stop = bench.stop(bench.cpu);
        let mut failed = None;
        let lost = load.run(WINDOW, &mut |now| {
            // Looking costs as much as some registrations.
            now % 512 == 0
                && match server.cpu() {
                    Ok(used) => stop.reached(used - cpu),
                    Err(error) => {
                        failed = Some(error);
                        true
                    }
                }
        })?;
        figure.faults.extend(failed);
        if lost > 0 || !load.refused.is_empty() {
            let what = format!("run {run}: {lost} registrations lost, refused: {:?}", load.refused);
            figure.faults.push(server.with_log(&what));
            return Ok(vec![figure]);
        }
        let (done, stale) = (load.done - done, load.stale - stale);
        figure.runs.push(us_each(server.cpu()? - cpu, done));
        if stale > 0 {
            figure.notes.push(format!("run {run}: {stale} of {done} nonces were stale"));
        }
    }
    drop(server);
    let echo = echo_us(bench, Pace::Window(WINDOW))?;
    figure.reference = Some(Reference { what: "µs: 2 echoes", value: EXCHANGES * echo });
    figure.notes.push(format!("{users} users, {WINDOW} at a time, MD5"));
    Ok(vec![figure])
}
