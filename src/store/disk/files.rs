//! The files of a history: itself, and what lies beside it under its name.

use crate::store::{Result, StoreError};
use std::{
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// What is noted ahead of a commit: its name, after the history's.
pub(in crate::store) const TOLD: &str = "-told";

/// What a history in use has beside it: SQLite's log with its index and its journal, the lock of whoever writes it, and
/// the record of the notifications that were sent while the history could not be written.
const BESIDE: [&str; 5] = ["-wal", "-shm", "-journal", ".lock", TOLD];

/// What of it is SQLite's: a part of the history, and of no other one.
pub(in crate::store) const OF_SQLITE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Copies that are kept beside a history begin with these, and a time or a number follows.
const KEPT: [&str; 4] = [".before-", ".replaced-", SAVED, ".damaged-"];

/// What was saved of a history that lost its file: such copies begin with this.
const SAVED: &str = ".saved-";

/// Who may read and write the files that we make, where nothing else is configured: their owner. A history holds what
/// services answered.
const PRIVATE: u32 = 0o600;
/// Marks that nobody has set a mode.
const UNSAID: u32 = 1 << 31;

/// As the umask, this is of the process and of everything that it makes: there is one configuration.
static MODE: AtomicU32 = AtomicU32::new(UNSAID | PRIVATE);

/// Sets who may read and write the files that are made from now on, and those of a history that is opened.
pub fn set_mode(mode: u32) {
    MODE.store(mode & 0o666, Relaxed);
}

fn mode() -> u32 {
    MODE.load(Relaxed) & 0o666
}

/// Makes a folder, and those above it that are missing. One that is there already stays as it is: others may use it too.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let mode = mode();
    // Who may read what is in a folder may enter it.
    let mode = 0o700 | mode | (mode & 0o444) >> 2;
    let missing: Vec<_> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for made in missing {
        // Kept is what it has of the folder above it (the group's bit).
        let had = made.metadata()?.mode() & 0o7000;
        let _ = std::fs::set_permissions(made, Permissions::from_mode(had | mode));
    }
    Ok(())
}

/// Makes a file that was not there. What lies in its place by chance or by malice is not followed, and goes. Where it is to
/// take the place of another one, it may be read by whom that one may be read by.
///
/// # Errors
/// When it cannot be made.
pub fn make_file(path: &Path, instead_of: Option<&Path>) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)?;
    let replaced = instead_of.and_then(|other| Some(other.metadata().ok()?.mode() & 0o777));
    // A file system without modes refuses: nothing is lost by that.
    let _ = file.set_permissions(Permissions::from_mode(replaced.unwrap_or_else(mode)));
    Ok(file)
}

/// Makes the history, empty, and what locks it, where it is missing.
pub(in crate::store) fn make_missing(path: &Path) -> io::Result<File> {
    match OpenOptions::new().read(true).write(true).create_new(true).mode(PRIVATE).open(path) {
        Ok(file) => {
            let _ = file.set_permissions(Permissions::from_mode(mode()));
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().read(true).write(true).open(path)
        }
        Err(error) => Err(error),
    }
}

/// Makes sure that nobody can read a history, and what is kept of it beside it, but whom it is for. Logs every change
/// that this needed.
pub(in crate::store) fn settle_history(path: &Path) {
    let mut all = vec![path.to_owned()];
    all.extend(BESIDE.map(|suffix| with(path, suffix)));
    all.extend(beside(path, |rest| KEPT.iter().any(|kept| rest.starts_with(kept))));
    settle_modes(all);
}

/// The files beside a history whose names begin with its own, and whose rest `is_meant` accepts.
fn beside(path: &Path, is_meant: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let folder = folder(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let there = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let meant = |other: &OsString| other.to_str()?.strip_prefix(&*name).filter(|rest| is_meant(rest)).map(|_| ());
    there
        .map(|entry| entry.file_name())
        .filter(|other| meant(other).is_some())
        .map(|other| folder.join(other))
        .collect()
}

/// Refuses to begin a history where parts of another one are left: SQLite would delete its log, and nobody would look for
/// the rest.
///
/// # Errors
/// As described above.
pub(in crate::store) fn refuse_remains(path: &Path) -> Result<()> {
    let is_empty = path.metadata().is_ok_and(|there| there.len() == 0);
    let is_missing = !path.exists();
    let log = log(path);
    let has_log = log.metadata().is_ok_and(|log| log.len() > 0);
    let what = match () {
        () if has_log && (is_missing || is_empty) => format!(
            "{} is there, and {} is missing or empty: the history was deleted or moved, and its latest results are in \
             that log. Put the file back beside it",
            log.display(),
            path.display()
        ),
        () if is_missing => match beside(path, |rest| rest.starts_with(SAVED) && rest.ends_with(".db")).iter().max() {
            Some(saved) => format!(
                "{} is missing: it was lost while it was in use, and what it held was saved as {}. `restore` that",
                path.display(),
                saved.display()
            ),
            None => return Ok(()),
        },
        () => return Ok(()),
    };
    Err(StoreError::Place(format!(
        "{what}, `restore` a backup, or begin a new history with `serve --new`, which keeps what is there under another name"
    )))
}

/// The same for files of ours that lie elsewhere.
pub fn settle_modes(files: impl IntoIterator<Item = PathBuf>) {
    let (wanted, said) = (mode(), MODE.load(Relaxed) & UNSAID == 0);
    let mut changed: Vec<PathBuf> = Vec::new();
    for file in files {
        // A link is somebody's decision, and what it leads to may be another's.
        let Ok(there) = file.symlink_metadata() else { continue };
        let now = there.mode() & 0o777;
        let right = if said { wanted } else { now & wanted };
        if !there.is_file() || now == right {
            continue;
        }
        match std::fs::set_permissions(&file, Permissions::from_mode(right)) {
            Ok(()) => changed.push(file),
            Err(error) if now & !wanted != 0 => {
                tracing::warn!(
                    "{} can be read by others than {wanted:04o} allows (it is {now:04o}), and this cannot be changed: {error}",
                    file.display()
                );
            }
            Err(_) => {}
        }
    }
    if let Some(first) = changed.first() {
        tracing::info!(
            files = changed.len(),
            "{} and what belongs to it is {wanted:04o} from now on; [storage] mode says who may read it",
            first.display()
        );
    }
}

/// Refuses where there is no history, and where nobody could look whether there is one.
///
/// # Errors
/// As described above.
pub(in crate::store) fn present(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Missing(path.to_owned())),
        Err(error) => Err(StoreError::Place(format!("the history {} cannot be looked at: {error}", path.display()))),
    }
}

/// The folder that a file lies in.
pub(in crate::store) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether there is a history, or a part of one.
pub(in crate::store) fn history_or_log(path: &Path) -> bool {
    path.exists() || OF_SQLITE.iter().any(|suffix| with(path, suffix).exists())
}

/// Where SQLite's log of a history is: beside what the path leads to, where that is a link.
pub(in crate::store) fn log(path: &Path) -> PathBuf {
    with(&path.canonicalize().unwrap_or_else(|_| path.to_owned()), "-wal")
}

/// `history.db` and `.lock` make `history.db.lock`.
pub(in crate::store) fn with(path: &Path, suffix: &str) -> PathBuf {
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
pub(in crate::store) fn same(one: &Path, other: &Path) -> bool {
    if let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) {
        return (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    matches!((place(one), place(other)), (Some(one), Some(other)) if one == other)
}

/// The folder that a path leads to, and the name in it.
fn place(path: &Path) -> Option<(PathBuf, OsString)> {
    Some((folder(path).canonicalize().ok()?, path.file_name()?.to_owned()))
}
