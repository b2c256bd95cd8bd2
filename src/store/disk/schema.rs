//! The file itself: where it may lie, who may have it, and what is in it.

use super::{checksum::fnv1a, files};
use crate::store::{Result, StoreError};
use include_dir::{Dir, include_dir};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use rusqlite_migration::Migrations;
use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::Path,
    time::Duration,
};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// Statements that a connection keeps compiled.
const STATEMENTS: usize = 128;

/// Marks the file as ours: "HCDH".
const APPLICATION_ID: i64 = 0x4843_4448;

/// The exclusive right to write a history; given back when it is dropped, also by a crash.
#[derive(Debug)]
pub(in crate::store) struct Lock {
    _file: File,
}

/// Creates the folder where it is missing and takes the right to write the history at `path`.
///
/// # Errors
/// When the folder cannot be made, lies on a network file system, or another process holds the history.
pub(in crate::store) fn lock(path: &Path) -> Result<Lock> {
    let folder = files::folder(path);
    files::make_folder(folder)
        .map_err(|e| StoreError::Place(format!("the folder {} cannot be made: {e}", folder.display())))?;
    refuse_network(folder)?;
    let lock_path = files::with(path, ".lock");
    let mut file = files::make_missing(&lock_path)
        .map_err(|e| StoreError::Place(format!("{} cannot be written: {e}", lock_path.display())))?;
    if !take(&file, Duration::from_millis(200)) {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        let pid = holder.trim().to_owned();
        // Where it was we who had it, it is such a command, on a machine that has much else to do.
        let own = pid == std::process::id().to_string();
        if !(own && take(&file, Duration::from_secs(3))) {
            return Err(StoreError::Held { path: path.to_owned(), pid });
        }
    }
    files::settle_history(path);
    // The holder's id is for the message above only: a failure to write it harms nothing.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(Lock { _file: file })
}

/// Takes the lock, with more than one attempt: a process that has released the lock may have started a command in that
/// very moment. The child process holds the lock until it has become that command.
fn take(file: &File, patience: Duration) -> bool {
    let pause = Duration::from_millis(20);
    (0..patience.as_millis() / pause.as_millis()).any(|attempt| {
        if attempt > 0 {
            std::thread::sleep(pause);
        }
        rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}

/// SQLite's write-ahead log needs shared memory between processes, which network file systems do not have: it corrupts.
fn refuse_network(folder: &Path) -> Result<()> {
    let Ok(fs) = rustix::fs::statfs(folder) else { return Ok(()) };
    let Some(name) = network(fs.f_type as u32) else { return Ok(()) };
    Err(StoreError::Place(format!(
        "{} lies on a network file system ({name}), where SQLite can lose data: choose a local disk for [storage] path",
        folder.display()
    )))
}

/// The network file system of this number (`f_type` of statfs(2)). FUSE and 9p are not among them: both are what local
/// folders are made of in containers and virtual machines, and nothing distinguishes those from others.
fn network(f_type: u32) -> Option<&'static str> {
    Some(match f_type {
        0x6969 => "NFS",
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => "SMB",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x00C3_6400 => "Ceph",
        0x7375_7245 => "Coda",
        0x564C => "NCP",
        0x0BD0_0BD0 => "Lustre",
        0x4750_4653 => "GPFS",
        _ => return None,
    })
}

/// Opens the history for writing, new or brought up to date.
///
/// # Errors
/// When it cannot be opened, is not ours, comes from a newer version, or a migration fails (the old one is then left
/// as it was).
pub(in crate::store) fn open(path: &Path) -> Result<Connection> {
    files::refuse_remains(path)?;
    // What SQLite makes beside it has its mode.
    files::make_missing(path).map_err(|e| StoreError::Place(format!("{} cannot be written: {e}", path.display())))?;
    let mut conn = Connection::open(path).map_err(|e| StoreError::open(path, e))?;
    conn.busy_timeout(Duration::from_secs(5))?;
    identify(&conn, path)?;
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    conn.pragma_update(None, "journal_mode", "WAL").map_err(|e| StoreError::open(path, e))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "journal_size_limit", 16 << 20)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    migrate(&mut conn, path)?;
    Ok(conn)
}

/// Sizes the writer's memory and its log for so many services.
///
/// Without a tail each service's next row goes to a leaf page of its own. Where those do not stay in memory, each row reads
/// a page; where the log is brought into the file before a service comes round again, each row writes one twice.
///
/// # Errors
/// When the connection fails.
pub(in crate::store) fn size_for(conn: &Connection, services: usize) -> Result<()> {
    let services = services as i64;
    // 2 to 8 MB: two pages a service, of which one is a share of what lies above the leaves and of rollups; no more than a
    // tail needs. In a file of less than 1 GiB most commits have SQLite look at each page in memory: to put split pages in
    // order it numbers one as that at 1 GiB for a moment, and so believes that some lie beyond the end.
    conn.pragma_update(None, "cache_size", -(8 * services).clamp(2_000, 8_000))?;
    // 4 to 160 MB of log, four rounds of checks, which a start after a crash reads once.
    let pages = (4 * services).clamp(1_000, 40_000);
    conn.pragma_update(None, "wal_autocheckpoint", pages)?;
    conn.pragma_update(None, "journal_size_limit", (pages * 4096).max(16 << 20))?;
    Ok(())
}

/// What every reading connection is set to.
pub(in crate::store) fn prepare_reader(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -4096)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Refuses what is not a history, or comes from a newer version of this program.
///
/// # Errors
/// As described above.
pub(in crate::store) fn identify(conn: &Connection, path: &Path) -> Result<()> {
    let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) =
        (number("application_id").map_err(|e| StoreError::open(path, e))?, number("user_version")?);
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let known = embedded().len() as i64;
    match () {
        () if tables > 0 && application != APPLICATION_ID => Err(StoreError::Foreign(path.to_owned())),
        () if version > known => Err(StoreError::Newer { path: path.to_owned(), version, known }),
        () => Ok(()),
    }
}

/// Refuses also what an older version left behind: who only reads cannot bring it up to date.
///
/// # Errors
/// As described above.
pub(in crate::store) fn identify_current(conn: &Connection, path: &Path) -> Result<()> {
    identify(conn, path)?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match embedded().len() as i64 {
        known if version < known => Err(StoreError::Older { path: path.to_owned(), version, known }),
        _ => Ok(()),
    }
}

/// The embedded migrations, in order: name and text.
fn embedded() -> Vec<(String, &'static str)> {
    let mut all: Vec<_> = MIGRATIONS
        .dirs()
        .filter_map(|dir| {
            let file = dir.get_file(dir.path().join("up.sql"))?;
            Some((dir.path().display().to_string(), file.contents_utf8()?))
        })
        .collect();
    all.sort();
    all
}

fn migrate(conn: &mut Connection, path: &Path) -> Result<()> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let all = embedded();
    verify_checksums(conn, &all[..version as usize])?;
    if version as usize == all.len() {
        return Ok(());
    }
    // One that only adds leaves nothing to go back for if it fails: all of them are one transaction. A copy of years of
    // results would keep the checks waiting for minutes.
    if version > 0 && !all[version as usize..].iter().all(|(_, text)| only_adds(text)) {
        let copy = files::with(path, &format!(".before-{:02}", version + 1));
        // A copy that exists already is of the same state: a migration that failed left it behind. Under this name
        // there is never an incomplete copy.
        if !copy.exists() {
            keep_copy(conn, &copy)?;
        }
    }
    let migrations = Migrations::from_directory(&MIGRATIONS).map_err(|e| StoreError::Migration(e.to_string()))?;
    migrations.to_latest(conn).map_err(|e| match e {
        // Its own words show the whole migration.
        rusqlite_migration::Error::RusqliteError { err, .. } => {
            StoreError::Migration(StoreError::Sqlite(err).to_string())
        }
        other => StoreError::Migration(other.to_string()),
    })?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (name, text) in &all[version as usize..] {
        tx.execute(
            "INSERT INTO fact VALUES (?1, ?2)",
            [format!("migration {name}"), format!("{:016x}", fnv1a(text.bytes()))],
        )?;
    }
    tx.commit()?;
    Ok(())
}

/// Whether a migration leaves all rows that are there as they are. What does not look like it does not.
fn only_adds(migration: &str) -> bool {
    // A quoted text may look like anything.
    if migration
        .lines()
        .any(|line| line.contains("--") && line.split("--").next().is_some_and(|code| code.contains('\'')))
    {
        return false;
    }
    let code: String =
        migration.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    code.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>()).all(|words| {
        matches!(words[..], [] | ["CREATE", ..] | ["DROP", "VIEW", ..] | ["ALTER", "TABLE", _, "ADD", "COLUMN", ..])
    })
}

/// Copies the history as it is before a migration.
fn keep_copy(conn: &Connection, copy: &Path) -> Result<()> {
    let part = files::part(copy);
    let cannot = |why: String| {
        let _ = std::fs::remove_file(&part);
        StoreError::Migration(format!("a copy of it could not be put at {} first: {why}", copy.display()))
    };
    files::make_file(&part, None).map_err(|e| cannot(e.to_string()))?;
    conn.execute("VACUUM INTO ?1", [part.to_string_lossy()]).map_err(|e| cannot(StoreError::Sqlite(e).to_string()))?;
    File::open(&part)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(&part, copy))
        .map_err(|e| cannot(e.to_string()))
}

/// A migration that has run must never change: its text is compared with what ran.
fn verify_checksums(conn: &Connection, ran: &[(String, &str)]) -> Result<()> {
    for (name, text) in ran {
        let stored: Option<String> = conn
            .query_row("SELECT value FROM fact WHERE name = ?1", [format!("migration {name}")], |row| row.get(0))
            .optional()?;
        if stored.is_some_and(|stored| stored != format!("{:016x}", fnv1a(text.bytes()))) {
            return Err(StoreError::Migration(format!("{name} is not the migration that this history was made with")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_that_only_adds_is_known_and_any_other_is_not_taken_for_one() {
        for (name, text) in embedded().iter().skip(1) {
            assert!(only_adds(text), "{name} rewrites what is there: it is copied first, is that meant?");
        }
        for text in [
            "UPDATE service SET name = ';CREATE'",
            "CREATE TABLE t (a); INSERT INTO t SELECT at FROM check_result;",
            "ALTER TABLE setting RENAME COLUMN a TO b;",
            "DROP TABLE gap; CREATE TABLE gap (a);",
            "-- CREATE TABLE\nDELETE FROM gap;",
            "CREATE VIEW v AS SELECT '--'; DELETE FROM gap;",
            "PRAGMA writable_schema = ON;",
        ] {
            assert!(!only_adds(text), "{text}");
        }
    }

    #[test]
    fn a_copy_is_a_whole_history() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let conn = open(&path).unwrap();
        conn.execute("INSERT INTO fact VALUES ('told', 'once')", []).unwrap();
        let copy = files::with(&path, ".before-99");
        keep_copy(&conn, &copy).unwrap();
        assert!(!files::part(&copy).exists());
        let copy = Connection::open(&copy).unwrap();
        let told: String = copy.query_row("SELECT value FROM fact WHERE name = 'told'", [], |row| row.get(0)).unwrap();
        assert_eq!(told, "once");
        identify(&copy, &path).unwrap();
    }

    #[test]
    fn network_file_systems_are_known_and_local_ones_are_not_taken_for_them() {
        for (f_type, name) in [(0x6969, "NFS"), (0xFF53_4D42, "SMB"), (0xFE53_4D42, "SMB"), (0x00C3_6400, "Ceph")] {
            assert_eq!(network(f_type), Some(name));
        }
        // ext4, xfs, btrfs, tmpfs, overlayfs, zfs, 9p, FUSE
        for f_type in
            [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0x0102_1997, 0x6573_5546]
        {
            assert_eq!(network(f_type), None, "{f_type:x}");
        }
    }
}
