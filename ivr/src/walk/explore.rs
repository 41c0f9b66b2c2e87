//! Trying every path of a flow: [`explore`].
//!
//! Owns: what may be decided on a walk (keys, nothing, hanging up, answers, failures, the time and
//! what is known of the call), the order in which decisions are tried, and which nodes and edges were
//! taken. Does not own: walking itself ([`super::Walk`]).
//!
//! A path is the list of its decisions. Each path begins others that differ from it in one decision
//! more; decisions never made before come first, so that a bounded number of paths covers much.
//! Constants of expressions are tried as answers and as digits: `amount > 100` is tried with 99,
//! 100 and 101.

use super::{Act, Walk, World};
use crate::model::{Name, Node, Type};
use crate::program::{Flows, Program};
use crate::run::io::{Done, Effect, Exit, Facts, Failure, QueueStatus, Sound};
use crate::run::{Run, Start, StartFault};
use crate::schedule::WorkingTime;
use hotline_base::{Now, Wall};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Most values tried at one place.
const TRIED_MAX: usize = 8;
/// Most paths waiting to be tried.
const OPEN_MAX: usize = 200_000;
/// How long a path may take, in its own time.
const PATH_MAX: Duration = Duration::from_secs(4 * 3_600);
const LENGTH: Duration = Duration::from_millis(500);

/// Bounds of an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most paths.
    pub paths: usize,
    /// Most decisions of one path; then the caller hangs up.
    pub decisions: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { paths: 10_000, decisions: 40 }
    }
}

/// What an exploration found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Paths walked.
    pub paths: usize,
    /// Whether there were more.
    pub more: bool,
    /// Nodes by flow and name.
    pub nodes: BTreeMap<(Name, Name), Coverage>,
    /// How often the flow ended how.
    pub exits: BTreeMap<String, usize>,
}

/// How often a node was entered, and its edges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Times entered.
    pub entered: usize,
    /// Whether only `on_fault` leads here: then it need not be entered.
    pub only_on_fault: bool,
    /// Edges by the node they lead to. Edges that lead to the same node count together.
    pub edges: BTreeMap<Name, EdgeCoverage>,
}

/// How often an edge was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeCoverage {
    /// Keys under which it is written: `keys.1`, `on_timeout`.
    pub keys: Vec<String>,
    /// Times taken.
    pub taken: usize,
}

impl Report {
    /// Nodes never entered and edges never taken, as `flow.node` and `flow.node: keys → node`.
    pub fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let expected = self.nodes.iter().filter(|(_, coverage)| !coverage.only_on_fault);
        for ((flow, node), coverage) in expected {
            if coverage.entered == 0 {
                missed.push(format!("{flow}.{node}"));
            }
            for (to, edge) in coverage.edges.iter().filter(|(_, edge)| edge.taken == 0) {
                missed.push(format!("{flow}.{node}: {} → {to}", edge.keys.join(", ")));
            }
        }
        missed
    }
}

/// Tries the paths of a flow from a start.
///
/// # Errors
/// The flow cannot be started.
pub fn explore(
    flows: &Arc<Flows>,
    name: &str,
    start: &Start,
    now: Now,
    bounds: Bounds,
) -> Result<Report, StartFault> {
    let program = flows.get(name, true).ok_or_else(|| StartFault::NoFlow(name.into()))?;
    let reached = reached(flows, program);
    let hints = Arc::new(Hints::of(&reached));
    let mut report = Report { nodes: nodes(&reached), ..Report::default() };
    let mut open = VecDeque::from([Vec::new()]);
    let mut seen: BTreeSet<(String, usize)> = BTreeSet::new();
    while let Some(prefix) = open.pop_front() {
        if report.paths == bounds.paths {
            report.more = true;
            break;
        }
        report.paths += 1;
        let given = prefix.len();
        let mut choices = Choices { prefix, made: Vec::new(), max: bounds.decisions };
        let (start, now) = begin(&mut choices, start, now, &hints);
        let run = Run::start(flows, name, true, start, now)?;
        let mut walk = Walk::new(run, Explorer { choices, hints: Arc::clone(&hints) }, now);
        walk.go(PATH_MAX);
        account(&mut report, &walk);
        let made = std::mem::take(&mut walk.world.choices.made);
        for (place, (point, chosen, of)) in made.iter().enumerate().skip(given) {
            seen.insert((point.clone(), *chosen));
            let before = || made.iter().take(place).map(|(_, chosen, _)| *chosen);
            for other in (0..*of).filter(|other| other != chosen) {
                let path = before().chain([other]).collect();
                if seen.insert((point.clone(), other)) {
                    open.push_front(path);
                } else if open.len() < OPEN_MAX {
                    open.push_back(path);
                }
            }
        }
    }
    Ok(report)
}

/// The programs that can be reached from one.
fn reached(flows: &Flows, program: &Arc<Program>) -> BTreeMap<Name, Arc<Program>> {
    let mut reached = BTreeMap::new();
    let mut open = vec![Arc::clone(program)];
    while let Some(program) = open.pop() {
        for (_, step) in program.steps() {
            let other = match &step.node {
                Node::Subflow { flow, .. } => flow,
                Node::Transfer { to: crate::model::Target::Flow(flow), .. } => flow,
                _ => continue,
            };
            if !reached.contains_key(other) {
                open.extend(flows.get(other, true).cloned());
            }
        }
        reached.insert(program.name().to_string(), program);
    }
    reached
}

fn nodes(reached: &BTreeMap<Name, Arc<Program>>) -> BTreeMap<(Name, Name), Coverage> {
    let mut nodes = BTreeMap::new();
    for (flow, program) in reached {
        let begins = [Some(&program.flow().start), program.flow().on_hang_up.as_ref()];
        let expected = closure(program, begins.into_iter().flatten());
        for (_, step) in program.steps() {
            let only_on_fault = !expected.contains(step.name.as_ref());
            let mut coverage = Coverage { only_on_fault, ..Coverage::default() };
            for (key, to) in step.node.edges() {
                coverage.edges.entry(to.clone()).or_default().keys.push(key);
            }
            nodes.insert((flow.clone(), step.name.to_string()), coverage);
        }
    }
    nodes
}

/// The nodes that edges lead to from some.
fn closure<'a>(program: &'a Program, from: impl Iterator<Item = &'a Name>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Name> = from.collect();
    while let Some(name) = open.pop() {
        let step = program.find(name).and_then(|node| program.step(node));
        if let Some(step) = step
            && found.insert(name.as_str())
        {
            open.extend(step.node.edges().into_iter().map(|(_, to)| to));
        }
    }
    found
}

fn account(report: &mut Report, walk: &Walk<Explorer>) {
    // The node last entered of each flow: after a sub-flow the way goes on from the one that called.
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for (_, event) in &walk.events {
        let super::Event::Entered { flow, node } = event else { continue };
        let entered = |name: &str| (flow.to_string(), name.to_owned());
        if let Some(coverage) = report.nodes.get_mut(&entered(node)) {
            coverage.entered += 1;
        }
        if let Some(from) = last.insert(flow, node)
            && let Some(coverage) = report.nodes.get_mut(&entered(from))
            && let Some(edge) = coverage.edges.get_mut(node.as_ref())
        {
            edge.taken += 1;
        }
    }
    let exit = match walk.exit() {
        Some(Exit::SkillQueue(queue)) => format!("queue {queue}"),
        Some(Exit::Agent(_)) => "agent".into(),
        Some(Exit::Number { trunk, .. }) => format!("number through {trunk}"),
        Some(Exit::HoldTheLine { .. }) => "holds the line".into(),
        Some(Exit::AtKeys { .. }) => "says by keys what it wants".into(),
        Some(Exit::Release { cause }) => format!("released, cause {cause}"),
        Some(Exit::Fault(why)) => format!("fault: {why}"),
        None => "still running".into(),
    };
    *report.exits.entry(exit).or_default() += 1;
}

/// The decisions of one path.
struct Choices {
    prefix: Vec<usize>,
    /// Where, what was chosen, of how many.
    made: Vec<(String, usize, usize)>,
    max: usize,
}

impl Choices {
    /// One of so many; the first one, if nothing else was given.
    fn choose(&mut self, point: String, of: usize) -> usize {
        if of < 2 {
            return 0;
        }
        let chosen = self.prefix.get(self.made.len()).copied().unwrap_or(0).min(of - 1);
        self.made.push((point, chosen, of));
        chosen
    }

    fn one<T: Clone>(&mut self, point: String, of: &[T]) -> Option<T> {
        let chosen = self.choose(point, of.len());
        of.get(chosen).cloned()
    }

    fn are_spent(&self) -> bool {
        self.made.len() >= self.max
    }
}

/// What the expressions of flows may be about.
#[derive(Default)]
struct Hints {
    texts: BTreeSet<String>,
    numbers: BTreeSet<i64>,
    first_keys: BTreeSet<char>,
    languages: BTreeSet<String>,
    working_times: BTreeSet<String>,
    words: String,
    /// Flows that do something when the caller hangs up.
    hang_ups: bool,
}

impl Hints {
    fn of(reached: &BTreeMap<Name, Arc<Program>>) -> Hints {
        let mut hints = Hints::default();
        for program in reached.values() {
            hints.languages.extend(program.flow().languages.iter().cloned());
            hints.hang_ups |= program.flow().on_hang_up.is_some();
            for (_, step) in program.steps() {
                match &step.node {
                    Node::Menu { keys, .. } => {
                        hints.first_keys.extend(keys.keys().filter_map(|key| key.chars().next()));
                    }
                    Node::WorkingTime { working_time, .. } => {
                        hints.working_times.insert(working_time.clone());
                    }
                    _ => {}
                }
                if let Ok(written) = serde_json::to_value(&step.node) {
                    hints.take(&written);
                }
            }
        }
        hints
    }

    fn take(&mut self, written: &Json) {
        match written {
            Json::String(text) => self.take_text(text),
            Json::Array(items) => items.iter().for_each(|item| self.take(item)),
            Json::Object(fields) => fields.values().for_each(|field| self.take(field)),
            _ => {}
        }
    }

    fn take_text(&mut self, text: &str) {
        for quote in ['\'', '"'] {
            self.texts.extend(text.split(quote).skip(1).step_by(2).map(str::to_owned));
        }
        let numbers = text.split(|character: char| !character.is_ascii_digit());
        for number in numbers.filter_map(|digits| digits.parse::<i64>().ok()) {
            self.numbers.extend([number - 1, number, number + 1]);
        }
        self.words.push_str(text);
        self.words.push('\n');
    }

    /// Numbers to be tried, `first` before all others.
    fn numbers_to_try(&self, first: i64) -> Vec<i64> {
        let mut tried = vec![first];
        for number in [0, 1, 2].into_iter().chain(self.numbers.iter().copied()) {
            if !tried.contains(&number) && number >= 0 && tried.len() < TRIED_MAX {
                tried.push(number);
            }
        }
        tried
    }

    fn texts_to_try(&self, first: &str) -> Vec<String> {
        let mut tried = vec![first.to_owned()];
        for text in self.texts.iter().map(String::as_str).chain([""]) {
            if !tried.iter().any(|known| known == text) && tried.len() < TRIED_MAX {
                tried.push(text.to_owned());
            }
        }
        tried
    }

    fn mentions(&self, word: &str) -> bool {
        self.words.contains(word)
    }
}

/// What is decided before the first node: the time, and what is known of the call.
fn begin(choices: &mut Choices, start: &Start, now: Now, hints: &Hints) -> (Start, Now) {
    let mut walls = vec![now.wall];
    let mut working_times = Arc::clone(&start.working_times);
    for name in &hints.working_times {
        let times = start.working_times.get(name);
        let next = times.and_then(|times| times.next_change(now.wall, &start.time_zone));
        if let (Some(times), Some(next)) = (times, next) {
            walls.extend(
                [Some(next), times.next_change(next, &start.time_zone)].into_iter().flatten(),
            );
            continue;
        }
        // It never changes, or is not known: what if it were otherwise?
        let is_open = times.is_none_or(|times| times.is_open(now.wall, &start.time_zone));
        let as_it_is = choices.choose(format!("working time {name}"), 2) == 0;
        let other = WorkingTime::constant(name, is_open == as_it_is);
        Arc::make_mut(&mut working_times).insert(name.clone(), other);
    }
    if hints.mentions("now") {
        let later = |hours: u64| now.wall + Duration::from_secs(hours * 3_600);
        walls.extend((1..24).chain((1..7).map(|days| days * 24)).map(later));
    }
    let wall = choices.one("at".into(), &walls).unwrap_or(now.wall);
    let mut facts = start.facts.clone();
    vary(choices, hints, &mut facts);
    let mut start = Start { facts, working_times, ..start.clone() };
    if hints.mentions("call.language") {
        let languages: Vec<String> = [start.language.clone()]
            .into_iter()
            .chain(hints.languages.iter().filter(|other| **other != start.language).cloned())
            .collect();
        start.language = choices.one("call.language".into(), &languages).unwrap_or_default();
    }
    (start, Now { wall: Wall(wall.0), ..now })
}

fn vary(choices: &mut Choices, hints: &Hints, facts: &mut Facts) {
    let numbers: [(&str, &mut u32); 3] = [
        ("queue.position", &mut facts.position),
        ("queue.agents", &mut facts.agents),
        ("queue.waited_s", &mut facts.waited_s),
    ];
    for (name, number) in numbers.into_iter().filter(|(name, _)| hints.mentions(name)) {
        let tried = hints.numbers_to_try((*number).into());
        let tried = choices.one(name.into(), &tried).and_then(|tried| u32::try_from(tried).ok());
        *number = tried.unwrap_or_default();
    }
    let texts: [(&str, &mut String); 5] = [
        ("call.caller", &mut facts.caller),
        ("call.dialled", &mut facts.dialled),
        ("call.access_code", &mut facts.access_code),
        ("call.extension_code", &mut facts.extension_code),
        ("queue.name", &mut facts.queue),
    ];
    for (name, text) in texts.into_iter().filter(|(name, _)| hints.mentions(name)) {
        let tried = hints.texts_to_try(text);
        *text = choices.one(name.into(), &tried).unwrap_or_default();
    }
}

/// A caller and a world that try one path.
struct Explorer {
    choices: Choices,
    hints: Arc<Hints>,
}

impl Explorer {
    fn acts(&self, node: &Node) -> Vec<Act> {
        let press = |keys: &str| Act::Press(keys.to_owned());
        let mut acts = vec![Act::Listen];
        match node {
            Node::Wait { barge_in: true, .. } => {
                acts.extend(self.hints.first_keys.iter().map(|key| press(&key.to_string())));
                acts.push(Act::HangUp);
            }
            Node::Wait { .. } => acts.push(Act::HangUp),
            Node::Menu { keys, .. } => {
                acts.extend(keys.keys().map(|key| press(key)));
                let no_key = "0123456789*#"
                    .chars()
                    .find(|digit| !keys.keys().any(|key| key.starts_with(*digit)));
                acts.extend(no_key.map(|digit| press(&digit.to_string())));
            }
            Node::Collect { min, max, terminator, .. } => {
                acts.extend(self.collected(*min, *max, *terminator).iter().map(|keys| press(keys)));
            }
            Node::AgentSignIn { .. } => {
                acts.extend([press("1001#1234#1"), press("1001#1234#2")]);
            }
            _ => {}
        }
        if self.hints.hang_ups && !acts.contains(&Act::HangUp) {
            acts.push(Act::HangUp);
        }
        acts
    }

    fn collected(&self, min: u8, max: u8, terminator: Option<char>) -> Vec<String> {
        let fits = |text: &String| {
            (usize::from(min)..=usize::from(max)).contains(&text.len())
                && text.chars().all(|character| matches!(character, '0'..='9' | '*' | '#'))
        };
        let end = terminator.map(String::from).unwrap_or_default();
        let numbers = self.hints.numbers.iter().map(ToString::to_string);
        let texts = self.hints.texts.iter().cloned();
        let plain = ["1".repeat(min.max(1).into()), "9".repeat(max.min(8).max(min).into())];
        let few = (min > 1).then(|| "1".repeat(usize::from(min) - 1));
        let whole = plain.into_iter().chain(texts).chain(numbers).filter(fits).take(TRIED_MAX);
        whole.chain(few).map(|digits| digits + &end).collect()
    }

    fn http(&mut self, run: &Run, place: &str) -> Done {
        let Some(Node::Http { into, .. }) = run.node() else { return Done::Failed(String::new()) };
        if self.choices.choose(format!("{place} answers"), 2) == 1 {
            return Done::Failed("no answer in time".into());
        }
        let mut answer = Json::Object(Map::new());
        for (variable, pointer) in into {
            let kind = run.program().flow().variables.get(variable).map(|known| known.kind);
            let point = format!("{place} {pointer}");
            let value = match kind.unwrap_or(Type::Text) {
                Type::Text => {
                    let tried = self.hints.texts_to_try("x");
                    self.choices.one(point, &tried).map_or(Json::Null, Json::from)
                }
                Type::Flag => Json::Bool(self.choices.choose(point, 2) == 0),
                Type::Number | Type::Time => {
                    let tried = self.hints.numbers_to_try(1);
                    self.choices.one(point, &tried).map_or(Json::Null, Json::from)
                }
            };
            put(&mut answer, pointer, value);
        }
        Done::Http(answer)
    }
}

/// Puts a value where a JSON pointer will find it.
fn put(answer: &mut Json, pointer: &str, value: Json) {
    let mut at = answer;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !at.is_object() {
            *at = Json::Object(Map::new());
        }
        let Json::Object(fields) = at else { return };
        at = fields.entry(part).or_insert(Json::Null);
    }
    *at = value;
}

impl World for Explorer {
    fn act(&mut self, run: &Run) -> Act {
        if self.choices.are_spent() {
            return Act::HangUp;
        }
        let (flow, node) = run.position();
        let point = format!("{flow}.{node}");
        let acts = run.node().map(|node| self.acts(node)).unwrap_or_default();
        self.choices.one(point, &acts).unwrap_or(Act::Listen)
    }

    fn length(&self, _: &Sound) -> Duration {
        LENGTH
    }

    fn answer(&mut self, run: &Run, effect: &Effect) -> (Duration, Done) {
        let (flow, node) = run.position();
        let place = format!("{flow}.{node}");
        let mut one = |done: &[Done]| {
            self.choices.one(format!("{place} comes to"), done).unwrap_or(Done::Refused)
        };
        let done = match effect {
            Effect::Http(_) => self.http(run, &place),
            Effect::Record { .. } => one(&[Done::Recorded { ms: 5_000 }, Done::Recorded { ms: 0 }]),
            Effect::VerifyAgent { .. } => one(&[Done::Verified, Done::Refused, Done::Locked]),
            Effect::SignIn { .. } => one(&[Done::SignedIn]),
            Effect::QueueStatus { .. } => {
                let tried = self.hints.numbers_to_try(0);
                let mut number = |what: &str| {
                    let tried = self.choices.one(format!("{place} {what}"), &tried);
                    tried.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
                };
                let (waiting, agents) = (number("waiting"), number("agents"));
                Done::QueueStatus(Some(QueueStatus { waiting, agents, idle: number("idle") }))
            }
        };
        (Duration::from_millis(100), done)
    }

    fn transfer(&mut self, run: &Run, _: &Exit) -> Option<Failure> {
        let Some(Node::Transfer { on_failure, .. }) = run.node() else { return None };
        let fails = on_failure.is_some() || run.program().on_fault().is_some();
        if !fails || self.choices.are_spent() {
            return None;
        }
        let (flow, node) = run.position();
        let fails = self.choices.choose(format!("{flow}.{node} fails"), 2) == 1;
        fails.then_some(Failure::Unavailable)
    }
}
