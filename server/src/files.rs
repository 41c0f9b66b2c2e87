//! Files that are replaced whole or not at all, whatever moment the process or the machine ends in.
//!
//! Owns: the file beside it that is written first, what is waited for on the disk, who may read it.
//! Does not own: what is in them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Whoever may read its directory, by the usual mask.
    Usual,
    /// Its owner alone; so are the directories that are made for it.
    Owner,
}

/// A file that is on the disk, but not in its place yet. It is taken away again when it is dropped
/// before [`Staged::keep`].
#[derive(Debug)]
pub struct Staged {
    partial: PathBuf,
    to: PathBuf,
    kept: bool,
}

/// Writes what is to be a file's content beside it.
///
/// # Errors
/// It cannot be written; the file is as it was.
pub fn stage(to: &Path, bytes: &[u8], readers: Readers) -> io::Result<Staged> {
    let name = to.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    let mut directories = DirBuilder::new();
    if readers == Readers::Owner {
        // Those that are there already keep the mode that somebody gave them.
        directories.mode(0o700);
    }
    if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        directories.recursive(true).create(parent)?;
    }
    // A name that no file of ours has: it begins with a dot.
    let partial = to.with_file_name(format!(".{name}.partial"));
    let staged = Staged { partial, to: to.into(), kept: false };
    let mut options = OpenOptions::new();
    if readers == Readers::Owner {
        options.mode(0o600);
    }
    let mut file = options.write(true).create(true).truncate(true).open(&staged.partial)?;
    if readers == Readers::Owner {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(staged)
}

/// Writes a file.
///
/// # Errors
/// It cannot be written; it is as it was.
pub fn write(to: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    stage(to, bytes, readers)?.keep()
}

impl Staged {
    /// Where it goes.
    pub fn to(&self) -> &Path {
        &self.to
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// It cannot be put there; the file is as it was.
    pub fn keep(mut self) -> io::Result<()> {
        fs::rename(&self.partial, &self.to)?;
        self.kept = true;
        // The name must outlive a loss of power too.
        let parent = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            let _never_written = fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().flatten();
        names.map(|file| file.file_name().into_string().unwrap()).collect()
    }

    /// A password was emptied before its new text was written: a process that was killed in between
    /// left neither.
    #[test]
    fn a_file_is_as_it_was_until_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("made/1001");
        write(&file, b"old", Readers::Owner).unwrap();
        let staged = stage(&file, b"new", Readers::Owner).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"old");
        drop(staged);
        assert_eq!(names(&dir.path().join("made")), ["1001"], "what is given up leaves nothing");
        stage(&file, b"new", Readers::Owner).unwrap().keep().unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(names(&dir.path().join("made")), ["1001"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&dir.path().join("made"))), (0o600, 0o700));
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "there").unwrap();
        assert!(write(&dir.path().join("file/below"), b"x", Readers::Usual).is_err());
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write(&dir.path().join("taken"), b"x", Readers::Usual).is_err());
        let mut left = names(dir.path());
        left.sort();
        assert_eq!(left, ["file", "taken"]);
    }
}
