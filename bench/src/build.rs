//! Building the server that is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The server's release binary, next to this program's own; built if Cargo started this program.
pub fn server() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let binary = own.with_file_name("hotline");
    if let Some(cargo) = std::env::var_os("CARGO") {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let mut command = Command::new(cargo);
        command
            .args(["build", "--release", "--package", "hotline", "--manifest-path"])
            .arg(manifest);
        let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
        if !status.success() {
            return Err("the server does not build; name a binary with --server".into());
        }
    }
    match binary.is_file() {
        true => Ok(binary),
        false => Err(format!("{}: not there; name a binary with --server", binary.display())),
    }
}
