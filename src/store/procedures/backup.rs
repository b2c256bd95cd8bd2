//! Copies of the history: made while it is written, and put back.
//!
//! The copy is made page by page by SQLite's backup interface within one read transaction: it is of one moment, the
//! writer goes on meanwhile (what it writes waits in the log), and it can be stopped between any two steps. `VACUUM
//! INTO` costs about the same and gives a somewhat smaller file, but it is one statement: nobody can stop it, or report
//! how far it has come.

use crate::{
    domain::time::UnixMs,
    store::{
        Result, StoreError,
        disk::{files, schema, source::Source},
        rows,
    },
};
use rusqlite::{
    Connection, OptionalExtension,
    backup::{Backup, StepResult},
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

/// Pages copied in one step: 8 MB.
const PAGES: i32 = 2048;

/// How far a copy has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied {
    pub pages: u64,
    pub of: u64,
}

/// What has to be the same in a copy and in the history that it was made of.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stamp {
    /// The database's own id.
    id: Option<String>,
    schema: i64,
    results: i64,
    services: i64,
    outages: i64,
    last: Option<i64>,
}

/// A copy that was made and found whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Check results in it, and the time of the latest.
    pub results: u64,
    pub last: Option<UnixMs>,
    pub bytes: u64,
}

/// Copies the history at `path` to `target`, which appears when it is whole and has been verified. `step` is called
/// with the progress of the copy and returns whether to go on.
///
/// # Errors
/// When there is no history, `target` is the history itself, or is there and not to be `replaced`, it cannot be
/// written, or is not what it should be. Nothing is left of a copy that failed.
pub fn backup(path: &Path, target: &Path, replace: bool, mut step: impl FnMut(Copied) -> bool) -> Result<Verified> {
    files::present(path)?;
    files::refuse_own(path, target)?;
    refuse_present(target, replace)?;
    let source = Source::of(path)?;
    let conn = source.open()?;
    schema::identify(&conn, path)?;
    let part = Part::beside(target, Some(target));
    let verified = copy(&conn, &part, &mut step)?;
    source.unchanged()?;
    refuse_present(target, replace)?;
    part.become_file(target)?;
    Ok(verified)
}

fn refuse_present(target: &Path, replace: bool) -> Result<()> {
    match target.exists() && !replace {
        true => Err(StoreError::Place(format!("{} is there already; --force replaces it", target.display()))),
        false => Ok(()),
    }
}

/// Copies one moment of an open history into a new file, and compares them.
fn copy(source: &Connection, part: &Part, step: &mut impl FnMut(Copied) -> bool) -> Result<Verified> {
    // Everything below sees the history as it is at this moment, and the copy need not begin again when it changes.
    let moment = source.unchecked_transaction()?;
    let stamp = stamp(&moment)?;
    let cannot = |error: rusqlite::Error| StoreError::open(&part.path, error);
    files::make_file(&part.path, part.replaces.as_deref())
        .map_err(|e| StoreError::Place(format!("{} cannot be written: {e}", part.path.display())))?;
    let mut target = Connection::open(&part.path).map_err(cannot)?;
    // It is worth nothing before it is whole: it goes to the disk once, at the end.
    target.pragma_update(None, "synchronous", "OFF").map_err(cannot)?;
    {
        let backup = Backup::new(&moment, &mut target)?;
        loop {
            let result = backup.step(PAGES).map_err(cannot)?;
            let progress = backup.progress();
            let of = u64::from(progress.pagecount.unsigned_abs());
            if !step(Copied { pages: of - u64::from(progress.remaining.unsigned_abs()), of }) {
                return Err(StoreError::Place("stopped before it was whole; nothing is left of it".to_owned()));
            }
            match result {
                StepResult::Done => break,
                StepResult::More => {}
                // Somebody opens or checkpoints the history just now.
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
    // One file, and no log beside it.
    target.pragma_update(None, "journal_mode", "DELETE").map_err(cannot)?;
    drop(target);
    drop(moment);
    File::open(&part.path)
        .and_then(|file| file.sync_all())
        .map_err(|e| StoreError::Place(format!("{} cannot be written: {e}", part.path.display())))?;
    let (found, verified) = examine(&part.path)?;
    if found != stamp {
        return Err(StoreError::Content(format!(
            "a copy that is not what it was made of: {found:?} and not {stamp:?}"
        )));
    }
    Ok(verified)
}

/// Reads a copy from end to end.
///
/// # Errors
/// When it is no history, comes from a newer version, or is damaged.
pub fn verify(path: &Path) -> Result<Verified> {
    Ok(examine(path)?.1)
}

fn examine(path: &Path) -> Result<(Stamp, Verified)> {
    if !path.exists() {
        return Err(StoreError::Place(format!("there is no file {}", path.display())));
    }
    let damaged = |error: rusqlite::Error| StoreError::open(path, error);
    let source = Source::of(path)?;
    let conn = source.open()?;
    schema::identify(&conn, path)?;
    let schema: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(damaged)?;
    if schema == 0 {
        return Err(StoreError::Foreign(path.to_owned()));
    }
    let said: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if said != "ok" {
        let reason = format!("the file is damaged: {said}");
        return Err(StoreError::Open { path: path.to_owned(), reason, damaged: true });
    }
    let stamp = stamp(&conn)?;
    source.unchanged()?;
    let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    let verified = Verified { results: stamp.results.unsigned_abs(), last: stamp.last.map(UnixMs), bytes };
    Ok((stamp, verified))
}

fn stamp(conn: &Connection) -> Result<Stamp> {
    let count = |table: &str| conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
    Ok(Stamp {
        id: conn.query_row("SELECT value FROM fact WHERE name = 'id'", [], |row| row.get(0)).optional()?,
        schema: conn.pragma_query_value(None, "user_version", |row| row.get(0))?,
        results: rows::count_all(conn)? as i64,
        services: count("service")?,
        outages: count("outage")?,
        last: rows::last_of_all(conn)?,
    })
}

/// What a restoration did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    pub verified: Verified,
    /// Where the history is that was there before.
    pub before: Option<PathBuf>,
}

/// Puts the copy at `from` in the place of the history at `path`, which stays beside it. Nobody may use it meanwhile.
///
/// # Errors
/// When another process holds the history, or the copy is none or damaged: the history is as it was then.
pub fn restore(path: &Path, from: &Path, now: UnixMs, mut step: impl FnMut(Copied) -> bool) -> Result<Restored> {
    let _lock = schema::lock(path)?;
    if files::same(path, from) {
        return Err(StoreError::Place(format!("{} is the history itself", from.display())));
    }
    examine(from)?;
    let source = Source::of(from)?;
    let part = Part::beside(path, None);
    let verified = copy(&source.open()?, &part, &mut step)?;
    source.unchanged()?;
    // Also a log without its history: SQLite would take it for that of the copy.
    let is_there = files::history_or_log(path);
    let before = if is_there { Some(set_aside(path, "replaced", now)?) } else { None };
    part.become_file(path)?;
    Ok(Restored { verified, before })
}

/// Copies an open history whose file has lost its name, to where that was, under a name with the time.
pub(in crate::store) fn save(conn: &Connection, path: &Path, now: UnixMs) -> Result<PathBuf> {
    let folder = files::folder(path);
    files::make_folder(folder)
        .map_err(|e| StoreError::Place(format!("the folder {} cannot be made: {e}", folder.display())))?;
    let target = free_name(path, "saved", ".db", now)?;
    let part = Part::beside(&target, None);
    copy(conn, &part, &mut |_| true)?;
    part.become_file(&target)?;
    Ok(target)
}

/// A name beside a history that nothing has, with a word and the time.
fn free_name(path: &Path, word: &str, ending: &str, now: UnixMs) -> Result<PathBuf> {
    let stem = files::with(path, &format!(".{word}-{}", now.utc().format("%Y%m%dT%H%M%SZ")));
    (0..1000)
        .map(|n| if n == 0 { files::with(&stem, ending) } else { files::with(&stem, &format!("-{n}{ending}")) })
        .find(|name| !name.exists())
        .ok_or_else(|| StoreError::Place(format!("{} is there already", stem.display())))
}

/// Keeps a damaged history, with all that belongs to it, under another name; which. The next start begins a new one.
///
/// # Errors
/// When another process holds it, or it cannot be moved.
pub fn set_damaged_aside(path: &Path, now: UnixMs) -> Result<PathBuf> {
    let _lock = schema::lock(path)?;
    let told = files::with(path, files::TOLD);
    let aside = set_aside(path, "damaged", now)?;
    // The notifications recorded in this file are about outages of that history alone. Where the file stays, nobody
    // reads it.
    if told.exists() {
        let _ = std::fs::rename(told, files::with(&aside, files::TOLD));
    }
    Ok(aside)
}

/// Keeps what is left of a history whose file has gone under another name, where there is something; which. Then there is
/// an empty one.
///
/// # Errors
/// When another process holds it, or it cannot be moved.
pub fn begin_anew(path: &Path, now: UnixMs) -> Result<Option<PathBuf>> {
    let _lock = schema::lock(path)?;
    if files::refuse_remains(path).is_ok() {
        return Ok(None);
    }
    let aside = if files::history_or_log(path) { Some(set_aside(path, "replaced", now)?) } else { None };
    files::make_missing(path).map_err(|e| StoreError::Place(format!("{} cannot be made: {e}", path.display())))?;
    Ok(aside)
}

/// Moves a history and its log aside, under a name with a word and the time.
fn set_aside(path: &Path, word: &str, now: UnixMs) -> Result<PathBuf> {
    let aside = free_name(path, word, "", now)?;
    let cannot = |e: std::io::Error| StoreError::Place(format!("{} cannot be moved aside: {e}", path.display()));
    // The log first: with it gone and the file still there, nothing but the log would be lost, and it is not gone.
    for suffix in files::OF_SQLITE {
        if files::with(path, suffix).exists() {
            std::fs::rename(files::with(path, suffix), files::with(&aside, suffix)).map_err(cannot)?;
        }
    }
    match std::fs::rename(path, &aside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(files::with(&aside, "-wal")),
        Err(error) => Err(cannot(error)),
        Ok(()) => Ok(aside),
    }
}

/// A file in the making, which is removed unless it becomes one.
struct Part {
    path: PathBuf,
    /// A file whose mode it takes over.
    replaces: Option<PathBuf>,
}

impl Part {
    fn beside(target: &Path, replaces: Option<&Path>) -> Part {
        let part = Part { path: files::part(target), replaces: replaces.map(Path::to_owned) };
        part.remove();
        part
    }

    fn remove(&self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(files::with(&self.path, suffix));
        }
    }

    fn become_file(self, target: &Path) -> Result<()> {
        let folder = files::folder(target);
        std::fs::rename(&self.path, target)
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|e| StoreError::Place(format!("{} cannot be written: {e}", target.display())))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.remove();
    }
}
