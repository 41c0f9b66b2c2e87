//! `hotline flow run`: a flow without a phone: what a caller would hear, or every path of it.
//!
//! Owns: the surroundings of one file (a centre directory, if it is in one), the keys on the command
//! line, the account in words and as JSON, the table of what was taken. Does not own: the walk
//! ([`hotline_ivr::walk`]).

use super::Failure;
use super::flow::read;
use crate::clock::Clock;
use crate::config::schema::is_pin_text;
use crate::config::tree::Node;
use crate::prompts;
use clap::Args;
use hotline_base::Now;
use hotline_base::calendar::TimeZone;
use hotline_ivr::model::{self as ivr, Flow};
use hotline_ivr::program::Flows;
use hotline_ivr::run::io::{Done, Effect, Exit, Facts, Failure as TransferFailure, Sound};
use hotline_ivr::run::{Run, Start};
use hotline_ivr::schedule::WorkingTime;
use hotline_ivr::walk::explore::{Bounds, Report, explore};
use hotline_ivr::walk::{Act, Event, Walk, World};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Between two keys that are typed without a pause.
const BETWEEN_KEYS: Duration = Duration::from_millis(100);
/// A comma among the keys.
const COMMA: Duration = Duration::from_secs(1);
/// How long an effect takes.
const ANSWER_AFTER: Duration = Duration::from_millis(200);
/// A prompt whose recording is not at hand.
const UNRECORDED: Duration = Duration::from_secs(1);
/// Of 8 kHz, 16 bits.
const WAV_BYTES_A_S: u64 = 16_000;
const WAV_HEADER: u64 = 44;
/// Wrong PINs that lock an employee ID, as a tenant has it by default.
const WRONG_PINS_MAX: u8 = 5;
/// How long a message is that a caller leaves.
const MESSAGE_MS: u32 = 5_000;

/// Walks a flow in virtual time.
#[derive(Debug, Args)]
pub struct RunFlow {
    /// The flow. In a centre directory (DIR/flows/NAME.toml) the centre's other flows, working
    /// times, prompts and queues are used; alone, all working times are open.
    file: PathBuf,
    /// Keys that the caller presses from the beginning on; a comma waits a second.
    #[arg(long, default_value = "")]
    digits: String,
    /// Local time at which the call comes, as in 2026-12-24T23:59; now if not given.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Calling number.
    #[arg(long, default_value = "")]
    caller: String,
    /// Number as dialled.
    #[arg(long, default_value = "")]
    dialled: String,
    /// Language spoken first; the tenant's if not given.
    #[arg(long)]
    language: Option<String>,
    /// Place in the queue, for a flow that runs in one.
    #[arg(long, default_value_t = 0)]
    position: u32,
    /// Agents signed in to that queue.
    #[arg(long, default_value_t = 0)]
    agents: u32,
    /// What a web service answers, in order, the last one again and again; `fail`: it does not.
    #[arg(long, value_name = "JSON")]
    http_answer: Vec<String>,
    /// The PIN that is right where an agent signs in: any other is refused, and the fifth wrong one
    /// locks the employee ID. Without this every PIN is right.
    #[arg(long, value_name = "PIN")]
    pin: Option<String>,
    /// Transfers fail.
    #[arg(long)]
    transfer_fails: bool,
    /// The caller hangs up after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    hang_up_after: Option<f64>,
    /// How long it may take in virtual time.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    seconds: u64,
    /// Try every path (at most 10,000), and tell which nodes and edges were taken.
    #[arg(long)]
    all: bool,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

/// `hotline flow run …`.
pub fn perform(options: &RunFlow) -> Result<(), Failure> {
    let centre = Centre::around(&options.file)?;
    let presses = presses(&options.digits).map_err(Failure::Usage)?;
    let answers = answers(&options.http_answer).map_err(Failure::Usage)?;
    let now = centre.now(options.at.as_deref()).map_err(Failure::Usage)?;
    let flows = Arc::new(Flows::build(&centre.flows, &BTreeMap::new()));
    let start = Start {
        facts: Facts {
            caller: options.caller.clone(),
            dialled: options.dialled.clone(),
            position: options.position,
            agents: options.agents,
            ..Facts::default()
        },
        language: options.language.clone().unwrap_or_else(|| centre.language.clone()),
        default_language: centre.language.clone(),
        time_zone: centre.zone.clone(),
        working_times: Arc::new(centre.working_times.clone()),
    };
    let fault = |fault| Failure::Failed(format!("{}: {fault}", options.file.display()));
    if options.all {
        let report = explore(&flows, &centre.name, &start, now, Bounds::default());
        return tell_all(options, &report.map_err(fault)?);
    }
    let run = Run::start(&flows, &centre.name, false, start, now).map_err(fault)?;
    if options.pin.as_deref().is_some_and(|pin| !is_pin_text(pin)) {
        return Err(Failure::Usage("--pin: allowed 4–12 digits".into()));
    }
    let scripted = Scripted {
        centre: &centre,
        answers,
        pin: options.pin.as_deref(),
        wrong_pins: 0,
        transfer_fails: options.transfer_fails,
    };
    let mut walk = Walk::new(run, scripted, now);
    walk.press_at(presses);
    if let Some(after) = options.hang_up_after {
        let after = Duration::try_from_secs_f64(after);
        walk.hang_up_at(after.map_err(|error| {
            Failure::Usage(format!("--hang-up-after: {error}; allowed 0 and more (seconds)"))
        })?);
    }
    walk.go(Duration::from_secs(options.seconds));
    tell(options, &walk)
}

/// What is around the file: a centre, or nothing but it.
struct Centre {
    name: String,
    flows: BTreeMap<String, Flow>,
    language: String,
    zone: TimeZone,
    working_times: BTreeMap<String, WorkingTime>,
    /// None: there is no centre, and every queue is taken to be there.
    queues: Option<BTreeSet<String>>,
    prompts: Option<PathBuf>,
}

impl Centre {
    fn around(file: &Path) -> Result<Centre, Failure> {
        let (name, flow) = read(file)?;
        let mut centre = Centre {
            name,
            flows: BTreeMap::new(),
            language: "en".into(),
            zone: TimeZone::utc(),
            working_times: BTreeMap::new(),
            queues: None,
            prompts: None,
        };
        let flows = file.parent().filter(|dir| dir.file_name().is_some_and(|name| name == "flows"));
        let dir = flows.map(|flows| flows.join(".."));
        let written = dir.as_ref().map(|dir| dir.join("centre.toml")).filter(|file| file.exists());
        if let (Some(flows), Some(dir), Some(written)) = (flows, dir, written) {
            centre.read_flows(flows)?;
            centre.read_centre(&written)?;
            centre.prompts = Some(dir.join("prompts"));
        } else {
            centre.open_always(&flow);
        }
        centre.flows.insert(centre.name.clone(), flow);
        Ok(centre)
    }

    /// Without a centre it is within every working time.
    fn open_always(&mut self, flow: &Flow) {
        for node in flow.node.values() {
            if let ivr::Node::WorkingTime { working_time: name, .. } = node {
                let always = WorkingTime::constant(name, true);
                self.working_times.insert(name.clone(), always);
            }
        }
    }

    fn read_flows(&mut self, dir: &Path) -> Result<(), Failure> {
        let failed = |error| Failure::Failed(format!("{}: {error}", dir.display()));
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_flow = path.extension().is_some_and(|extension| extension == "toml");
            if is_flow && path.file_stem().is_some_and(|stem| stem != self.name.as_str()) {
                let (name, flow) = read(&path)?;
                self.flows.insert(name, flow);
            }
        }
        Ok(())
    }

    fn read_centre(&mut self, file: &Path) -> Result<(), Failure> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::Failed(format!("{shown}: {error}")))?;
        let root = Node::from_toml(&text)
            .map_err(|(line, what)| Failure::Failed(format!("{shown}:{line}: {what}")))?;
        if let Some(tenant) = root.get("tenant") {
            self.language = tenant.text_of("language").unwrap_or("en").to_owned();
            let zone = tenant.text_of("time_zone").unwrap_or("UTC");
            self.zone = TimeZone::named(zone).ok_or_else(|| {
                let line = tenant.at("time_zone").line;
                Failure::Failed(format!("{shown}:{line}: there is no time zone \"{zone}\""))
            })?;
        }
        for node in root.get("working_time").map(Node::items).unwrap_or_default() {
            let times: WorkingTime = serde_json::from_value(node.to_json()).map_err(|error| {
                Failure::Failed(format!("{shown}:{}: working_time: {error}", node.line))
            })?;
            self.working_times.insert(times.name().to_owned(), times);
        }
        let queues = root.get("skill_queue").map(Node::items).unwrap_or_default();
        let names = queues.iter().filter_map(|queue| queue.text_of("name"));
        self.queues = Some(names.map(str::to_owned).collect());
        Ok(())
    }

    fn now(&self, at: Option<&str>) -> Result<Now, String> {
        let now = Clock.now();
        let Some(text) = at else { return Ok(now) };
        let wall = local(text, &self.zone);
        let wall = wall.ok_or_else(|| {
            format!("--at \"{text}\"; allowed YYYY-MM-DDTHH:MM, as in 2026-12-24T23:59")
        })?;
        Ok(Now { wall, ..now })
    }

    /// How long a prompt is, by its recording.
    fn length(&self, language: &str, name: &str) -> Duration {
        let own = self.prompts.as_ref().map(|dir| dir.join(language).join(format!("{name}.wav")));
        if let Some(file) = own.filter(|file| file.exists())
            && let Ok(samples) = prompts::read_wav(&file)
        {
            return Duration::from_micros(samples.len() as u64 * 125);
        }
        let standard = |language: &str| prompts::standard_bytes(language, name);
        let found = standard(language).or_else(|| standard(&self.language));
        found.or_else(|| standard("en")).map_or(UNRECORDED, |wav| {
            let bytes = (wav.len() as u64).saturating_sub(WAV_HEADER);
            Duration::from_millis(bytes * 1_000 / WAV_BYTES_A_S)
        })
    }
}

/// `YYYY-MM-DDTHH:MM` in a zone.
fn local(text: &str, zone: &TimeZone) -> Option<hotline_base::Wall> {
    let (date, time) = text.split_once(['T', ' '])?;
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (hour, minute) = time.split_once(':')?;
    if date.next().is_some() {
        return None;
    }
    let small = |text: &str| text.parse::<u8>().ok();
    zone.instant(year.parse().ok()?, small(month)?, small(day)?, small(hour)?, small(minute)?)
}

fn presses(digits: &str) -> Result<Vec<(Duration, char)>, String> {
    let mut at = Duration::ZERO;
    let mut presses = Vec::new();
    for key in digits.chars().filter(|key| !key.is_whitespace()) {
        match key {
            ',' => at += COMMA,
            '0'..='9' | '*' | '#' | 'A'..='D' => {
                presses.push((at, key));
                at += BETWEEN_KEYS;
            }
            other => return Err(format!("--digits: '{other}'; allowed 0-9 * # A-D and commas")),
        }
    }
    Ok(presses)
}

fn answers(given: &[String]) -> Result<VecDeque<Done>, String> {
    let answer = |text: &String| match text.as_str() {
        "fail" => Ok(Done::Failed("the web service failed (--http-answer fail)".into())),
        text => serde_json::from_str(text)
            .map(Done::Http)
            .map_err(|error| format!("--http-answer: {error}; allowed JSON or fail")),
    };
    given.iter().map(answer).collect()
}

/// The world as the command line says.
struct Scripted<'a> {
    centre: &'a Centre,
    answers: VecDeque<Done>,
    /// None: every PIN is right.
    pin: Option<&'a str>,
    wrong_pins: u8,
    transfer_fails: bool,
}

impl Scripted<'_> {
    fn verify(&mut self, pin: &str) -> Done {
        if self.wrong_pins >= WRONG_PINS_MAX {
            return Done::Locked;
        }
        if self.pin.is_none_or(|right| right == pin) {
            return Done::Verified;
        }
        self.wrong_pins += 1;
        if self.wrong_pins == WRONG_PINS_MAX { Done::Locked } else { Done::Refused }
    }
}

impl World for Scripted<'_> {
    fn act(&mut self, _: &Run) -> Act {
        Act::Listen
    }

    fn length(&self, sound: &Sound) -> Duration {
        match sound {
            Sound::Prompt { language, name } => self.centre.length(language, name),
            Sound::Silence(ms) => Duration::from_millis((*ms).into()),
            Sound::Tone(_) => UNRECORDED,
        }
    }

    fn answer(&mut self, _: &Run, effect: &Effect) -> (Duration, Done) {
        let done = match effect {
            Effect::Http(_) => match self.answers.len() {
                0 => Done::Failed("no web service here; give --http-answer".into()),
                1 => self.answers.front().cloned().unwrap_or(Done::Refused),
                _ => self.answers.pop_front().unwrap_or(Done::Refused),
            },
            Effect::QueueStatus { queue } => {
                let known = self.centre.queues.as_ref().is_none_or(|all| all.contains(queue));
                Done::QueueStatus(known.then(Default::default))
            }
            Effect::Record { .. } => {
                return (
                    Duration::from_millis(MESSAGE_MS.into()),
                    Done::Recorded { ms: MESSAGE_MS },
                );
            }
            Effect::VerifyAgent { pin, .. } => self.verify(pin.expose()),
            Effect::SignIn { .. } => Done::SignedIn,
        };
        (ANSWER_AFTER, done)
    }

    fn transfer(&mut self, run: &Run, exit: &Exit) -> Option<TransferFailure> {
        let goes_on = run.node().is_some();
        match (exit, &self.centre.queues) {
            (Exit::SkillQueue(queue), Some(queues)) if !queues.contains(queue) => {
                goes_on.then_some(TransferFailure::Unknown)
            }
            (Exit::SkillQueue(_) | Exit::Agent(_) | Exit::Number { .. }, _) => {
                // Once: a flow may try the same again and again.
                std::mem::take(&mut self.transfer_fails).then_some(TransferFailure::Busy)
            }
            _ => None,
        }
    }
}

fn tell(options: &RunFlow, walk: &Walk<Scripted<'_>>) -> Result<(), Failure> {
    let exit = walk.exit();
    if options.json {
        let events: Vec<Json> = walk.events.iter().map(|(at, event)| as_json(*at, event)).collect();
        let exit = exit.map_or(Json::Null, |exit| Json::String(exit_words(exit)));
        println!(
            "{}",
            json!({ "events": events, "exit": exit, "s": walk.elapsed().as_secs_f64() })
        );
    } else {
        for (at, event) in &walk.events {
            println!("{:>9.3} s  {}", at.as_secs_f64(), words(event));
        }
        if exit.is_none() {
            println!("{:>9.3} s  still running", walk.elapsed().as_secs_f64());
        }
    }
    match exit {
        Some(Exit::Fault(why)) => Err(Failure::Failed(format!("the flow failed: {why}"))),
        _ => Ok(()),
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Entered { flow, node } => format!("{flow}.{node}"),
        Event::Hears { sounds, repeat } => {
            let sounds: Vec<String> = sounds.iter().map(sound_words).collect();
            let again = if *repeat { ", again and again" } else { "" };
            format!("  hears    {}{again}", sounds.join(" "))
        }
        Event::Stopped => "  silence".into(),
        Event::Pressed(Some(key)) => format!("  presses  {key}"),
        Event::Pressed(None) => "  presses  a key that is not shown".into(),
        Event::Asked(what) => format!("  asks     {what}"),
        Event::Data(key, value) => format!("  data     {key} = {value}"),
        Event::Language(language) => format!("  language {language}"),
        Event::Priority(priority) => format!("  priority {priority}"),
        Event::Remembered => "  remembers the language".into(),
        Event::Trouble(why) => format!("  trouble  {why}"),
        Event::HungUp => "  hangs up".into(),
        Event::Exit(exit) => format!("  leaves   {}", exit_words(exit)),
        Event::TransferFailed(_) => "  comes back: the transfer has failed".into(),
    }
}

fn sound_words(sound: &Sound) -> String {
    match sound {
        Sound::Prompt { language, name } => format!("{language}/{name}"),
        Sound::Tone(name) => format!("tone {name}"),
        Sound::Silence(ms) => format!("({ms} ms)"),
    }
}

fn exit_words(exit: &Exit) -> String {
    match exit {
        Exit::SkillQueue(queue) => format!("to skill queue {queue}"),
        Exit::Agent(employee_id) => format!("to agent {employee_id}"),
        Exit::Number { number, trunk } => format!("to {number} through trunk {trunk}"),
        Exit::HoldTheLine { employee_id } => format!("agent {employee_id} holds the line"),
        Exit::AtKeys { employee_id, .. } => {
            format!("agent {employee_id} says what it wants by keys")
        }
        Exit::Release { cause } => format!("released, cause {cause}"),
        Exit::Fault(why) => format!("fault: {why}"),
    }
}

fn as_json(at: Duration, event: &Event) -> Json {
    let (kind, value) = match event {
        Event::Entered { flow, node } => {
            ("entered", json!({ "flow": flow.as_ref(), "node": node.as_ref() }))
        }
        Event::Hears { sounds, repeat } => ("hears", json!({ "sounds": sounds, "repeat": repeat })),
        Event::Stopped => ("silence", Json::Null),
        Event::Pressed(key) => ("presses", json!(key.map(String::from))),
        Event::Asked(what) => ("asks", json!(what)),
        Event::Data(key, value) => ("data", json!({ "key": key, "value": value })),
        Event::Language(language) => ("language", json!(language)),
        Event::Priority(priority) => ("priority", json!(priority)),
        Event::Remembered => ("remembered", Json::Null),
        Event::Trouble(why) => ("trouble", json!(why)),
        Event::HungUp => ("hung_up", Json::Null),
        Event::Exit(exit) => ("exit", json!(exit_words(exit))),
        Event::TransferFailed(failure) => ("transfer_failed", json!(failure)),
    };
    json!({ "at_s": at.as_secs_f64(), "event": kind, "value": value })
}

fn tell_all(options: &RunFlow, report: &Report) -> Result<(), Failure> {
    let missed = report.missed();
    if options.json {
        let nodes = report.nodes.iter().map(|((flow, node), coverage)| {
            let edges = coverage
                .edges
                .iter()
                .map(|(to, edge)| json!({ "to": to, "keys": edge.keys, "taken": edge.taken }));
            let edges: Vec<Json> = edges.collect();
            json!({ "flow": flow, "node": node, "entered": coverage.entered, "edges": edges })
        });
        let nodes: Vec<Json> = nodes.collect();
        println!(
            "{}",
            json!({ "paths": report.paths, "more": report.more, "nodes": nodes,
                    "exits": report.exits, "missed": missed })
        );
    } else {
        for ((flow, node), coverage) in &report.nodes {
            let note = if coverage.only_on_fault { "  (only on_fault leads here)" } else { "" };
            println!("{:>9}  {flow}.{node}{note}", coverage.entered);
            for (to, edge) in &coverage.edges {
                println!("{:>9}    {} → {to}", edge.taken, edge.keys.join(", "));
            }
        }
        println!();
        for (exit, count) in &report.exits {
            println!("{count:>9}  {exit}");
        }
        let more = if report.more { " (there are more)" } else { "" };
        println!("\n{} paths{more}, {} never taken", report.paths, missed.len());
    }
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!("never taken: {}", missed.join("; "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripted<'a>(
        centre: &'a Centre,
        answers: VecDeque<Done>,
        pin: Option<&'a str>,
    ) -> Scripted<'a> {
        Scripted { centre, answers, pin, wrong_pins: 0, transfer_fails: false }
    }

    /// Every PIN was right: nobody could hear what a wrong one leads to.
    #[test]
    fn a_wrong_pin_takes_its_branch_and_the_fifth_locks() {
        let sign_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/demo/flows/sign_in.toml");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sign_in.toml");
        let text = std::fs::read_to_string(sign_in).unwrap().replace("tries = 3", "tries = 5");
        std::fs::write(&file, text).unwrap();
        let last_words = |pin: Option<&str>, digits: &str| {
            let centre = Centre::around(&file).unwrap();
            let now = centre.now(Some("2026-11-23T10:00")).unwrap();
            let flows = Arc::new(Flows::build(&centre.flows, &BTreeMap::new()));
            let start = Start {
                facts: Facts::default(),
                language: "en".into(),
                default_language: "en".into(),
                time_zone: centre.zone.clone(),
                working_times: Arc::default(),
            };
            let run = Run::start(&flows, "sign_in", false, start, now).unwrap();
            let mut walk = Walk::new(run, scripted(&centre, VecDeque::new(), pin), now);
            walk.press_at(presses(digits).unwrap());
            walk.go(Duration::from_secs(600));
            let told = walk.events.iter().rev().find_map(|(_, event)| match event {
                Event::Hears { .. } => Some(words(event).trim().to_owned()),
                _ => None,
            });
            told.unwrap_or_default()
        };
        // Each try after what is said about the one before.
        let tries = |count: usize| format!("1001#{}", ",,,,,,,,1001#4711#".repeat(count));
        let wrong = |count: usize| tries(count).replacen(",,,,,,,,1001#", "", 1);
        assert!(last_words(None, "1001#4711#,,,,,,2").contains("goodbye"));
        assert!(last_words(Some("4711"), "1001#4711#,,,,,,2").contains("goodbye"));
        let said = last_words(Some("20394857"), &wrong(1));
        assert!(!said.contains("sign_in_mode"), "{said}");
        let said = last_words(Some("20394857"), &wrong(5));
        assert!(said.contains("sign_in_locked"), "{said}");
    }

    #[test]
    fn keys_are_typed_with_pauses() {
        let ms = |ms| Duration::from_millis(ms);
        let typed = presses("1, 2#").unwrap();
        assert_eq!(typed, [(ms(0), '1'), (ms(1_100), '2'), (ms(1_200), '#')]);
        assert!(presses("1x").unwrap_err().contains("'x'"));
    }

    #[test]
    fn a_local_time_is_that_of_the_tenants_zone() {
        let zone = TimeZone::named("Europe/Stockholm").unwrap();
        let at = local("2026-12-24T23:59", &zone).unwrap();
        assert_eq!(zone.rfc3339(at), "2026-12-24T23:59:00.000+01:00");
        for wrong in ["2026-12-24", "2026-13-24T10:00", "2026-12-24T25:00", "noon"] {
            assert_eq!(local(wrong, &zone), None, "{wrong}");
        }
    }

    #[test]
    fn the_demo_welcome_is_walked_with_its_centre_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/demo/flows");
        let flows = dir.path().join("flows");
        std::fs::create_dir(&flows).unwrap();
        for flow in ["welcome", "out_of_hours", "voicemail"] {
            let name = format!("{flow}.toml");
            std::fs::copy(demo.join(&name), flows.join(&name)).unwrap();
        }
        let text = "[tenant]\nname = \"demo\"\nlanguage = \"zh\"\ntime_zone = \"Europe/Stockholm\"\n\
                    [[skill_queue]]\nname = \"sales\"\n[[working_time]]\nname = \"office\"\n\
                    workday = [[\"08:00\", \"17:00\"]]\n";
        std::fs::write(dir.path().join("centre.toml"), text).unwrap();
        let walked = |at: &str, digits: &str| {
            let centre = Centre::around(&flows.join("welcome.toml")).unwrap();
            let now = centre.now(Some(at)).unwrap();
            let flows = Arc::new(Flows::build(&centre.flows, &BTreeMap::new()));
            let start = Start {
                facts: Facts::default(),
                language: centre.language.clone(),
                default_language: centre.language.clone(),
                time_zone: centre.zone.clone(),
                working_times: Arc::new(centre.working_times.clone()),
            };
            let run = Run::start(&flows, "welcome", false, start, now).unwrap();
            let answers = VecDeque::new();
            let world = scripted(&centre, answers, None);
            let mut walk = Walk::new(run, world, now);
            walk.press_at(presses(digits).unwrap());
            walk.go(Duration::from_secs(600));
            let heard = |event: &Event| matches!(event, Event::Hears { .. } | Event::Exit(_));
            let told = walk.events.iter().map(|(_, event)| event).filter(|event| heard(event));
            told.map(|event| words(event).trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            walked("2026-11-23T10:00", ",,,2"),
            ["hears    zh/welcome", "hears    zh/menu_main", "leaves   to skill queue sales"]
        );
        let refused = walked("2026-11-23T10:00", "1");
        assert_eq!(
            refused,
            [
                "hears    zh/welcome",
                "leaves   to skill queue support",
                "hears    zh/all_busy",
                "leaves   released, cause 17"
            ],
            "the centre has no queue of that name"
        );
        let closed = walked("2026-11-21T10:00", "");
        assert_eq!(closed.first().unwrap(), "hears    zh/closed (300 ms)");
        let alone = dir.path().join("welcome.toml");
        std::fs::copy(flows.join("welcome.toml"), &alone).unwrap();
        let alone = Centre::around(&alone).unwrap();
        assert!(alone.queues.is_none() && alone.working_times.contains_key("office"));
    }
}
