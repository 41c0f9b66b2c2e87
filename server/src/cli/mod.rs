//! The command line: what others script against.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 usage, 3 the server cannot be reached.

mod centre;
mod client;
mod doctor;
mod flow;
mod flow_graph;
mod flow_run;
mod phone;
mod query;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// A SIP and media server that runs a whole contact centre.
#[derive(Debug, Parser)]
#[command(name = "hotline", version, about)]
struct Cli {
    /// The node file.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (also without any command).
    Serve,
    /// Write a commented starter centre.
    Init {
        /// The new directory.
        dir: PathBuf,
    },
    /// Check a centre directory.
    Check {
        /// The directory with centre.toml.
        dir: PathBuf,
    },
    /// Make a tenant equal to a centre directory, and print the plan.
    Apply {
        /// The directory with centre.toml.
        dir: PathBuf,
        /// Only print the plan.
        #[arg(long)]
        dry_run: bool,
        /// Delete what the directory does not have.
        #[arg(long)]
        prune: bool,
        #[command(flatten)]
        api: Api,
    },
    /// What the server is doing: tenants, queues, agents, calls.
    Status {
        #[command(flatten)]
        api: Api,
    },
    /// Where a call to this number would go, and why.
    Route {
        /// Number as dialled.
        number: String,
        /// Calling number: test callers reach drafts.
        #[arg(long)]
        from: Option<String>,
        /// When: 2026-12-24T23:59 as clocks of the tenant show it, or with an offset.
        #[arg(long)]
        at: Option<String>,
        #[command(flatten)]
        api: Api,
    },
    /// A command-line phone: places a call.
    Dial(phone::Dial),
    /// A scripted softphone: registers and answers.
    Agent(phone::Agent),
    /// The ladder of one call.
    Trace {
        /// Our id, a SIP Call-ID, or `last`.
        call: String,
        #[command(flatten)]
        api: Api,
    },
    /// The records of calls.
    Records {
        /// How far back, as in 30m, 1h, 7d.
        #[arg(long, default_value = "1h")]
        last: String,
        /// As comma-separated values.
        #[arg(long)]
        csv: bool,
        #[command(flatten)]
        api: Api,
    },
    /// Flows: files that say what callers hear.
    Flow {
        #[command(subcommand)]
        command: flow::Flow,
    },
    /// Check ports, clock, disk, store and server, each with its remedy.
    Doctor {
        #[command(flatten)]
        api: Api,
    },
}

/// Where the server's API is.
#[derive(Clone, Debug, Args)]
pub struct Api {
    /// The server's API; the node file's address if not given.
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// The file with the token; the node file's if not given.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Which tenant; the default one if not given.
    #[arg(long)]
    tenant: Option<String>,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

/// How a command ended badly.
#[derive(Debug)]
pub enum Failure {
    /// Refused or failed.
    Failed(String),
    /// Wrong use.
    Usage(String),
    /// The server cannot be reached.
    Unreachable(String),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable(_) => 3,
        }
    }

    fn text(&self) -> &str {
        match self {
            Failure::Failed(text) | Failure::Usage(text) | Failure::Unreachable(text) => text,
        }
    }
}

/// Runs the command line; gives the exit code.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match perform(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.text());
            ExitCode::from(failure.code())
        }
    }
}

fn perform(cli: Cli) -> Result<(), Failure> {
    let config = cli.config.as_deref();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            crate::serve::run(load(config)?, cli.config.clone()).map_err(Failure::Failed)
        }
        Command::Init { dir } => centre::init(&dir),
        Command::Check { dir } => centre::check(&dir),
        Command::Apply { dir, dry_run, prune, api } => {
            centre::apply(&dir, dry_run, prune, &api, load(config)?)
        }
        Command::Status { api } => query::status(&api, &load(config)?),
        Command::Route { number, from, at, api } => {
            query::route(&number, from.as_deref(), at.as_deref(), &api, &load(config)?)
        }
        Command::Dial(dial) => phone::dial(&dial),
        Command::Agent(agent) => phone::agent(&agent),
        Command::Trace { call, api } => query::trace(&call, &api, &load(config)?),
        Command::Records { last, csv, api } => query::records(&last, csv, &api, &load(config)?),
        Command::Flow { command } => flow::perform(&command),
        Command::Doctor { api } => doctor::doctor(&api, config),
    }
}

fn load(config: Option<&std::path::Path>) -> Result<crate::config::NodeConfig, Failure> {
    crate::config::NodeConfig::load(config).map_err(|faults| Failure::Failed(faults.to_string()))
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    /// Somebody scripts against every command and option: none is without a word.
    #[test]
    fn the_page_of_the_command_line_names_every_command_and_option() {
        let page = include_str!("../../../docs/command-line.md");
        let mut commands = vec![(String::from("hotline"), Cli::command())];
        while let Some((name, command)) = commands.pop() {
            assert!(page.contains(&format!("`{name}")), "{name} is not named");
            for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
                let named = page.contains(&format!("`--{option}"));
                assert!(named || matches!(option, "help" | "version"), "{name}: --{option}");
            }
            let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
            commands
                .extend(inner.map(|inner| (format!("{name} {}", inner.get_name()), inner.clone())));
        }
    }
}
