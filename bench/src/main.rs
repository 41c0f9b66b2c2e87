//! The benchmarks of docs/performance.md: one command that prints the table.
//!
//! Owns: the load, the references, the runs and the table. Does not own: the server, which it
//! starts as a process of its own.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod centre;
mod figure;
mod instructions;
mod load;
mod machine;
mod process;
mod reference;
mod rows;
mod server;

use bench::Bench;
use clap::Parser;
use figure::{Figure, Verdict};
use machine::Cores;
use reference::role::Role;
use rows::Row;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Processor time of a run, in s.
const CPU_S: u64 = 10;
/// The same with `--quick`, in ms.
const QUICK_CPU: Duration = Duration::from_millis(500);

/// Measures what docs/performance.md names, and prints the table.
#[derive(Debug, Parser)]
#[command(name = "hotline-bench")]
struct Options {
    /// Rows to measure, or parts of their names; all if none is named.
    names: Vec<String>,
    /// One short run of small sizes: to see that everything works. Its figures are none.
    #[arg(long)]
    quick: bool,
    /// The server's binary; built in release and used if not given.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// How often each row is measured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: Option<u16>,
    /// Processor time of the server in one run.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=600))]
    cpu: Option<u16>,
    /// Prints JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Counts the instructions of one parse and of one packet forwarded by the media worker with
    /// valgrind, and measures nothing.
    #[arg(long)]
    instructions: bool,
    /// The rows there are.
    #[arg(long)]
    list: bool,
    /// What this process does for another one of this program.
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// How many sockets it does it with.
    #[arg(long, hide = true, default_value_t = 1)]
    size: usize,
    /// Parses so many messages and ends: what valgrind counts.
    #[arg(long, hide = true)]
    parse_only: Option<u64>,
    /// Forwards so many packets and ends: what valgrind counts.
    #[arg(long, hide = true)]
    forward_only: Option<u64>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every row that was measured has a figure.
fn run(options: &Options) -> Result<bool, String> {
    if let Some(role) = options.role {
        return role.play(options.size).map(|()| true).map_err(|error| error.to_string());
    }
    if let Some(messages) = options.parse_only {
        rows::parse::parse_many(messages);
        return Ok(true);
    }
    if let Some(packets) = options.forward_only {
        return rows::worker::forward_many(packets).map(|()| true);
    }
    if options.list {
        rows::ROWS.iter().for_each(|row| println!("{:16} {}", row.name, row.what));
        return Ok(true);
    }
    if options.instructions {
        println!("{}", instructions::lines()?);
        return Ok(true);
    }
    let rows = chosen(&options.names)?;
    let bench = prepare(options, &rows)?;
    let machine = machine::describe(&bench.cores);
    eprintln!("{machine}");
    let mut figures = Vec::new();
    for row in rows {
        eprintln!("{}: {}", row.name, row.what);
        figures.extend((row.measure)(&bench).unwrap_or_else(|error| {
            let failed = Figure::new(row.name, "", figure::Goal::Report);
            vec![Figure { faults: vec![error], ..failed }]
        }));
    }
    print(options, &machine, &bench, &figures);
    Ok(figures.iter().all(|figure| figure.verdict() != Verdict::NoFigure))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Row>, String> {
    let unknown =
        names.iter().find(|name| !rows::ROWS.iter().any(|row| row.name.contains(name.as_str())));
    if let Some(name) = unknown {
        return Err(format!("{name}: there is no such row; --list names them"));
    }
    let wanted =
        |row: &&Row| names.is_empty() || names.iter().any(|name| row.name.contains(name.as_str()));
    Ok(rows::ROWS.iter().filter(wanted).collect())
}

fn prepare(options: &Options, rows: &[&Row]) -> Result<Bench, String> {
    let server = match &options.server {
        Some(server) => {
            server.canonicalize().map_err(|error| format!("{}: {error}", server.display()))?
        }
        None if rows.iter().any(|row| row.needs_server) => build::server()?,
        None => PathBuf::new(),
    };
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // Beside the binaries, so that the store is on a disk whatever /tmp is.
    let work_dir = own.parent().map(|dir| dir.join("bench-runs")).ok_or("no directory")?;
    std::fs::create_dir_all(&work_dir)
        .map_err(|error| format!("{}: {error}", work_dir.display()))?;
    let runs = options.runs.unwrap_or(if options.quick { 1 } else { 5 });
    let cpu = match options.cpu {
        Some(seconds) => Duration::from_secs(seconds.into()),
        None if options.quick => QUICK_CPU,
        None => Duration::from_secs(CPU_S),
    };
    let cores = Cores::part();
    Ok(Bench { cores, server, work_dir, runs: runs.into(), cpu, quick: options.quick })
}

fn print(options: &Options, machine: &str, bench: &Bench, figures: &[Figure]) {
    let runs = format!(
        "{} runs of at least {} s of processor time each (less where a note says so){}",
        bench.runs,
        bench.cpu.as_secs_f64(),
        if bench.quick { "; quick: these are no figures" } else { "" },
    );
    if options.json {
        let figures: Vec<_> = figures.iter().map(Figure::to_json).collect();
        let all = serde_json::json!({ "machine": machine, "runs": runs, "figures": figures });
        println!("{all:#}");
    } else {
        println!("{machine}\n{runs}\n\n{}", figure::table(figures));
    }
}
