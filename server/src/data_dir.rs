//! The data directory's lock: one process writes to it at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

/// Holds the lock for as long as it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "dropping it unlocks")] File);

/// Makes the data directory if it is not there, and locks it.
///
/// # Errors
/// One line: who has it, or why it cannot be made.
pub fn lock(dir: &Path) -> Result<Lock, String> {
    let say = |error: std::io::Error| {
        format!(
            "data directory {}: {error}; give it to the server's user, or set [node] data_dir",
            dir.display()
        )
    };
    std::fs::create_dir_all(dir).map_err(say)?;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join("lock"))
        .map_err(say)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(format!(
            "data directory {}: another hotline uses it; stop that one, or set [node] data_dir",
            dir.display()
        )),
        Err(TryLockError::Error(error)) => Err(say(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        assert!(lock(dir.path()).unwrap_err().contains("another hotline uses it"));
        drop(first);
        assert!(lock(dir.path()).is_ok());
    }
}
