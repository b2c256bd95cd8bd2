//! The files of a history: itself, and what lies beside it under its name.

use super::{Result, StoreError};
use std::{
    ffi::OsString,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What a history in use has beside it: SQLite's log with its index and its journal, the lock of whoever writes it, and who was
/// told what while it could not be written.
const BESIDE: [&str; 5] = ["-wal", "-shm", "-journal", ".lock", super::ahead::SUFFIX];

/// `history.db` and `.lock` make `history.db.lock`.
pub(super) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Where a file is put together before it takes its place: a broken one is never taken for it.
pub fn part(path: &Path) -> PathBuf {
    with(path, ".part")
}

/// Refuses to have something else written in the place of a history or of what lies beside it: whoever uses it would go on
/// with a file that nobody finds any more.
///
/// # Errors
/// When `target` is one of these files, under whatever name.
pub fn refuse_own(history: &Path, target: &Path) -> Result<()> {
    if same(history, target) {
        return Err(StoreError::Place(format!("{} is the history itself: name another file", target.display())));
    }
    let part = part(target);
    let beside = BESIDE.map(|suffix| with(history, suffix));
    if same(history, &part) || beside.iter().any(|file| same(file, target) || same(file, &part)) {
        return Err(StoreError::Place(format!("{} belongs to the history: name another file", target.display())));
    }
    Ok(())
}

/// Whether two paths lead to one file, which need not be there yet.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    if let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) {
        return (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    matches!((place(one), place(other)), (Some(one), Some(other)) if one == other)
}

/// The folder that a path leads to, and the name in it.
fn place(path: &Path) -> Option<(PathBuf, OsString)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some((folder.canonicalize().ok()?, path.file_name()?.to_owned()))
}
