//! Logs: events with fields, one line per thing that matters to an operator.
//!
//! Owns: the choice of form (text for people, JSON for machines) and level. Log lines go to
//! standard error; standard output belongs to the commands' answers.

use crate::config::node::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging for the process; a second call changes nothing.
///
/// `level` is a level (`info`) or a filter (`info,hotline::net=debug`).
///
/// # Errors
/// The filter cannot be read; the text says which part.
pub fn start(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        format!("[log]: level = {level:?}; allowed a level or filter ({error})")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let _already = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
