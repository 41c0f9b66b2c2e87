//! Running cargo from the root of the workspace, with the command line shown first.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace: where `Cargo.toml` and `deny.toml` are.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A cargo command about to run.
pub struct Cargo {
    command: Command,
    shown: String,
}

/// The cargo that runs this program, with `arguments`, in the root.
pub fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Cargo {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).stdin(Stdio::null());
    let mut shown = String::from("cargo");
    for argument in arguments {
        command.arg(argument);
        shown.push(' ');
        shown.push_str(argument);
    }
    Cargo { command, shown }
}

impl Cargo {
    /// Sets a variable of the command's environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown = format!("{name}='{value}' {}", self.shown);
        self
    }

    /// Runs it; whether it succeeded.
    pub fn run(mut self) -> bool {
        self.show();
        match self.command.status() {
            Ok(status) => status.success(),
            Err(error) => self.cannot_run(&error),
        }
    }

    /// Runs it, passing each line of its standard output on and to `look` as well.
    pub fn run_looking(mut self, mut look: impl FnMut(&str)) -> bool {
        self.show();
        let mut child = match self.command.stdout(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => return self.cannot_run(&error),
        };
        if let Some(output) = child.stdout.take() {
            // Tests may print anything, so lines are bytes first.
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                look(&line);
            }
        }
        child.wait().is_ok_and(|status| status.success())
    }

    /// Runs it in silence and gives its standard output; `None` if it failed.
    pub fn output(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::inherit()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn show(&self) {
        eprintln!("+ {}", self.shown);
    }

    fn cannot_run(&self, error: &std::io::Error) -> bool {
        eprintln!("{}: {error}", self.shown);
        false
    }
}
