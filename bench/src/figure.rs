//! A figure: its runs, the reference beside it, its goal, and whether it is one at all.

use serde_json::{Value as Json, json};

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Nothing yet: it is only reported.
    Report,
    /// At most this, in the figure's unit.
    AtMost(f64),
    /// At most this many times the reference of the same run.
    TimesReference(f64),
}

/// Something known measured in the same run, in the figure's unit.
#[derive(Clone, Debug)]
pub struct Reference {
    /// What it is.
    pub what: &'static str,
    /// How much.
    pub value: f64,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Figure {
    /// As in docs/performance.md, with the size if there are several.
    pub name: String,
    /// What the numbers count.
    pub unit: &'static str,
    /// One value a run.
    pub runs: Vec<f64>,
    /// What it stands beside.
    pub reference: Option<Reference>,
    /// What it should be.
    pub goal: Goal,
    /// What else is worth knowing: rates, delays, processor time a run.
    pub notes: Vec<String>,
    /// What went wrong in a run: then there is no figure.
    pub faults: Vec<String>,
    /// Why this machine cannot show it, which is nobody's fault.
    pub beyond: Option<String>,
}

/// Whether a goal is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// There is no goal.
    Reported,
    /// A run failed, so there is no figure.
    NoFigure,
    /// It takes a larger machine.
    Beyond,
}

impl Figure {
    /// A figure without runs yet.
    pub fn new(name: impl Into<String>, unit: &'static str, goal: Goal) -> Figure {
        Figure {
            name: name.into(),
            unit,
            runs: Vec::new(),
            reference: None,
            goal,
            notes: Vec::new(),
            faults: Vec::new(),
            beyond: None,
        }
    }

    /// The middle of the runs; between two, their mean.
    pub fn median(&self) -> f64 {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    /// The lowest and the highest run.
    pub fn range(&self) -> (f64, f64) {
        let low = self.runs.iter().copied().fold(f64::INFINITY, f64::min);
        (low, self.runs.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    }

    /// What the goal comes to, if it can be known.
    fn limit(&self) -> Option<f64> {
        match self.goal {
            Goal::Report => None,
            Goal::AtMost(limit) => Some(limit),
            Goal::TimesReference(times) => self.reference.as_ref().map(|known| known.value * times),
        }
    }

    /// Whether the goal is met.
    pub fn verdict(&self) -> Verdict {
        if self.faults.is_empty() && self.beyond.is_some() {
            return Verdict::Beyond;
        }
        if self.runs.is_empty() || !self.faults.is_empty() {
            return Verdict::NoFigure;
        }
        match (self.goal, self.limit()) {
            (Goal::Report, _) => Verdict::Reported,
            (_, None) => Verdict::NoFigure,
            (_, Some(limit)) if self.median() <= limit => Verdict::Met,
            _ => Verdict::Missed,
        }
    }

    fn cells(&self) -> [String; 5] {
        let (low, high) = self.range();
        let figure = match self.verdict() {
            Verdict::NoFigure => "no figure".into(),
            Verdict::Beyond => "needs more cores".into(),
            _ => format!("{} {} ({}–{})", short(self.median()), self.unit, short(low), short(high)),
        };
        let reference = self.reference.as_ref();
        let reference = reference
            .map_or("–".into(), |known| format!("{} {}", short(known.value), known.what));
        let goal = match (self.goal, self.limit()) {
            (Goal::Report, _) => "report".into(),
            (Goal::TimesReference(times), None) => format!("{times} × reference"),
            (Goal::TimesReference(times), Some(limit)) => {
                format!("{times} × reference = {}", short(limit))
            }
            (Goal::AtMost(limit), _) => short(limit),
        };
        let verdict = match self.verdict() {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Reported | Verdict::Beyond => "–",
            Verdict::NoFigure => "failed",
        };
        [self.name.clone(), figure, reference, goal, verdict.into()]
    }

    /// As JSON.
    pub fn to_json(&self) -> Json {
        let (low, high) = self.range();
        let verdict = self.verdict();
        let known = !matches!(verdict, Verdict::NoFigure | Verdict::Beyond);
        json!({
            "name": self.name,
            "unit": self.unit,
            "median": known.then(|| self.median()),
            "min": known.then_some(low),
            "max": known.then_some(high),
            "runs": self.runs,
            "reference": self.reference.as_ref().map(|known| json!({ "what": known.what, "value": known.value })),
            "goal": self.limit(),
            "met": match verdict {
                Verdict::Met => Some(true),
                Verdict::Missed => Some(false),
                Verdict::Reported | Verdict::NoFigure | Verdict::Beyond => None,
            },
            "notes": self.notes,
            "faults": self.faults,
            "beyond": self.beyond,
        })
    }
}

/// The table in Markdown, notes and faults below it.
pub fn table(figures: &[Figure]) -> String {
    let head = ["name", "median (min–max)", "reference", "goal", "verdict"].map(String::from);
    let rows: Vec<_> = std::iter::once(head).chain(figures.iter().map(Figure::cells)).collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(widths) {
            out.push_str(&format!("| {cell:width$} "));
        }
        out.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| out.push_str(&format!("| {} ", "-".repeat(*width))));
            out.push_str("|\n");
        }
    }
    out.push('\n');
    for figure in figures {
        let notes = figure.notes.iter().map(|note| format!("- {}: {note}\n", figure.name));
        out.extend(notes);
        out.extend(figure.beyond.iter().map(|why| format!("- {}: {why}\n", figure.name)));
        out.extend(
            figure.faults.iter().map(|fault| format!("- {}: FAILED: {fault}\n", figure.name)),
        );
    }
    out
}

/// Three digits that count.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(runs: &[f64], goal: Goal) -> Figure {
        Figure { runs: runs.to_vec(), ..Figure::new("f", "µs", goal) }
    }

    #[test]
    fn the_median_is_judged_not_the_best_run() {
        let reference = Some(Reference { what: "relay", value: 4.0 });
        let cases = [
            ("below", figure(&[9.0, 1.0, 2.0], Goal::AtMost(2.0)), Verdict::Met),
            ("above", figure(&[9.0, 1.0, 2.5], Goal::AtMost(2.0)), Verdict::Missed),
            ("two runs", figure(&[1.0, 4.0], Goal::AtMost(2.4)), Verdict::Missed),
            ("none", figure(&[], Goal::AtMost(2.0)), Verdict::NoFigure),
            ("report", figure(&[1.0], Goal::Report), Verdict::Reported),
            ("no reference", figure(&[1.0], Goal::TimesReference(1.5)), Verdict::NoFigure),
            (
                "1.5 times",
                Figure {
                    reference: reference.clone(),
                    ..figure(&[6.0], Goal::TimesReference(1.5))
                },
                Verdict::Met,
            ),
            (
                "over 1.5 times",
                Figure { reference, ..figure(&[6.1], Goal::TimesReference(1.5)) },
                Verdict::Missed,
            ),
            (
                "a run lost calls",
                Figure { faults: vec!["2 calls lost".into()], ..figure(&[1.0], Goal::Report) },
                Verdict::NoFigure,
            ),
        ];
        for (name, figure, verdict) in cases {
            assert_eq!(figure.verdict(), verdict, "{name}");
        }
    }

    #[test]
    fn a_failed_run_shows_no_number() {
        let failed = Figure { faults: vec!["2 calls lost".into()], ..figure(&[1.0], Goal::Report) };
        let text = table(std::slice::from_ref(&failed));
        assert!(text.contains("no figure") && text.contains("f: FAILED: 2 calls lost"), "{text}");
        assert!(failed.to_json()["median"].is_null());
    }
}
