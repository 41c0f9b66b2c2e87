//! Flow steps: what a node of a running flow costs, on one core.
//!
//! A caller goes round a menu: a branch, a prompt with a value, a menu, a key, a variable set. A step
//! is a node entered; the digits, the end of the prompt and the reading of all outputs are in it.

use super::in_process;
use crate::bench::Bench;
use crate::figure::{Figure, Goal};
use hotline_base::calendar::TimeZone;
use hotline_base::{Mono, Now, Wall};
use hotline_ivr::program::Flows;
use hotline_ivr::run::io::{Facts, Input, Output};
use hotline_ivr::run::{Run, Start};
use serde_json::json;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

/// Rounds of one batch: some milliseconds.
const ROUNDS: u64 = 2_000;

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figure = Figure::new("flow steps", "million a second and core", Goal::Report);
    let mut call = Call::begin()?;
    for _ in 0..bench.runs {
        let us_a_step = in_process(bench, &mut || (0..ROUNDS).map(|_| call.round()).sum())?;
        figure.runs.push(1.0 / us_a_step);
    }
    if call.run.is_over() {
        figure.faults.push("the flow has ended".into());
    }
    figure.notes.push("a menu flow; a step is a node entered".into());
    Ok(vec![figure])
}

struct Call {
    run: Run,
    ms: u64,
    play: u32,
}

impl Call {
    fn begin() -> Result<Call, String> {
        let document = json!({
            "start": "who",
            "variables": {
                "choice": { "type": "text", "value": "none" },
                "rounds": { "type": "number", "value": 0 },
            },
            "node": {
                "who": { "kind": "branch", "cases": [{ "if": "call.caller == ''", "then": "menu" }],
                         "otherwise": "hello" },
                "hello": { "kind": "play", "say": ["welcome", { "number": "rounds % 100" }],
                           "next": "menu" },
                "menu": { "kind": "menu", "say": ["menu_main"],
                          "keys": { "1": "chosen", "12": "chosen", "2": "chosen" },
                          "on_timeout": "who", "on_no_match": "who" },
                "chosen": { "kind": "set", "next": "who",
                            "values": [{ "rounds": "rounds + 1" }, { "choice": "'sales'" }] },
            },
        });
        let flow = hotline_ivr::read::flow(&document)
            .map_err(|faults| format!("the flow of the row: {}", faults.len()))?;
        let flows = Flows::build(&[("main".to_string(), flow)].into(), &BTreeMap::new());
        let start = Start {
            facts: Facts { caller: "+15550001111".into(), ..Facts::default() },
            language: "en".into(),
            default_language: "en".into(),
            time_zone: TimeZone::utc(),
            working_times: Arc::default(),
        };
        let now = Now { mono: Mono::from_ms(1), wall: Wall(0) };
        let run = Run::start(&Arc::new(flows), "main", false, start, now)
            .map_err(|fault| fault.to_string())?;
        Ok(Call { run, ms: 1, play: 0 })
    }

    /// Once round the menu; the nodes entered.
    fn round(&mut self) -> u64 {
        let play = self.play;
        self.input(Input::PlayEnded { play }) + self.input(Input::Digit('2'))
    }

    fn input(&mut self, input: Input) -> u64 {
        self.ms += 20;
        let wall = Wall::from_s(1_800_000_000);
        self.run.handle(Now { mono: Mono::from_ms(self.ms), wall }, input);
        let mut entered = 0;
        while let Some(output) = self.run.poll() {
            match black_box(output) {
                Output::Entered { .. } => entered += 1,
                Output::Play { play, .. } => self.play = play,
                _ => {}
            }
        }
        entered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_enters_four_nodes_again_and_again() {
        let mut call = Call::begin().unwrap();
        // The first play is there already: the start has entered who and hello.
        while call.run.poll().is_some() {}
        call.play = 1;
        for _ in 0..100 {
            assert_eq!(call.round(), 4);
        }
    }
}
