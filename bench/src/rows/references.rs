//! The references by themselves: what the kernel of this machine takes for the same datagrams.

use crate::bench::Bench;
use crate::figure::{Figure, Goal};
use crate::reference::{Pace, echo_us, relay, sender_us};

const CALLS: [usize; 2] = [100, 500];
const LISTENERS: [usize; 2] = [100, 1_000];

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    let mut add = |name: String, measure: &dyn Fn() -> Result<f64, String>| {
        let mut figure = Figure::new(name, "µs", Goal::Report);
        for _ in 0..bench.runs {
            figure.runs.push(measure()?);
        }
        figures.push(figure);
        Ok::<_, String>(())
    };
    for (words, pace) in [("16 at a time", Pace::Window(16)), ("1,000 a second", Pace::Rate(1e3))] {
        add(format!("plain echo, {words}"), &|| echo_us(bench, pace))?;
    }
    for calls in bench.sizes(&CALLS, &[20]) {
        add(format!("plain relay, {calls} calls"), &|| Ok(relay(bench, calls)?.0))?;
    }
    for listeners in bench.sizes(&LISTENERS, &[20]) {
        add(format!("plain sender, {listeners} listeners"), &|| sender_us(bench, listeners))?;
    }
    Ok(figures)
}
