//! The data directory's lock: one process writes to it at a time, and what it writes there is for
//! its own user alone: the store holds what is as good as the phones' passwords, the journal who
//! called whom.

use std::fs::{File, TryLockError};
use std::path::Path;

/// Holds the lock for as long as it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "dropping it unlocks")] File);

/// Makes the data directory if it is not there, and locks it. Every file and directory that the
/// process makes from here on is its user's alone.
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
    let _before = crate::net::keep_files_private();
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

    /// The database and the journal lay open to every user of the machine.
    #[test]
    fn what_is_made_in_it_is_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let _lock = lock(&dir).unwrap();
        std::fs::write(dir.join("any"), "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join("lock")), 0o600);
        assert_eq!(mode(&dir.join("any")), 0o600);
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        assert!(lock(dir.path()).unwrap_err().contains("another hotline uses it"));
        drop(first);
        assert!(lock(dir.path()).is_ok());
    }
}
