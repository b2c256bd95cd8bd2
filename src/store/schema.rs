//! The file itself: where it may lie, who may have it, and what is in it.

use super::{Result, StoreError};
use include_dir::{Dir, include_dir};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use rusqlite_migration::Migrations;
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// Marks the file as ours: "HCDH".
const APPLICATION_ID: i64 = 0x4843_4448;

/// The exclusive right to write a history; given back when it is dropped, also by a crash.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Creates the folder where it is missing and takes the right to write the history at `path`.
///
/// # Errors
/// When the folder cannot be made, lies on a network file system, or another process holds the history.
pub(super) fn lock(path: &Path) -> Result<Lock> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .map_err(|e| StoreError::Place(format!("the folder {} cannot be made: {e}", folder.display())))?;
    refuse_network(folder)?;
    let lock_path = beside(path, "lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(|e| StoreError::Place(format!("{} cannot be written: {e}", lock_path.display())))?;
    if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        return Err(StoreError::Held { path: path.to_owned(), pid: holder.trim().to_owned() });
    }
    // The holder's id is for the message above only: a failure to write it harms nothing.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(Lock { _file: file })
}

/// `history.db` and `lock` make `history.db.lock`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// SQLite's write-ahead log needs shared memory between processes, which network file systems do not have: it corrupts.
fn refuse_network(folder: &Path) -> Result<()> {
    let Ok(fs) = rustix::fs::statfs(folder) else { return Ok(()) };
    let name = match fs.f_type as u32 {
        0x6969 => "NFS",
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => "SMB",
        0x5346_414F => "AFS",
        0x00C3_6400 => "Ceph",
        _ => return Ok(()),
    };
    Err(StoreError::Place(format!(
        "{} lies on a network file system ({name}), where SQLite can lose data: choose a local disk for [storage] path",
        folder.display()
    )))
}

/// Opens the history for writing, new or brought up to date.
///
/// # Errors
/// When it cannot be opened, is not ours, comes from a newer version, or a migration fails (the old one is then left
/// as it was).
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    let mut conn = Connection::open(path).map_err(|e| StoreError::open(path, e))?;
    conn.busy_timeout(Duration::from_secs(5))?;
    identify(&conn, path)?;
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    conn.pragma_update(None, "journal_mode", "WAL").map_err(|e| StoreError::open(path, e))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "journal_size_limit", 16 << 20)?;
    conn.set_prepared_statement_cache_capacity(64);
    migrate(&mut conn, path)?;
    Ok(conn)
}

/// Sizes the writer's memory and its log for so many services.
///
/// Each service's next row goes to a leaf page of its own. Where those do not stay in memory, each row reads a page; where
/// the log is brought into the file before a service comes round again, each row writes one twice.
///
/// # Errors
/// When the connection fails.
pub(super) fn size_for(conn: &Connection, services: usize) -> Result<()> {
    let services = services as i64;
    // 2 to 64 MB: two pages a service, of which one is a share of what lies above the leaves and of rollups.
    conn.pragma_update(None, "cache_size", -(8 * services).clamp(2_000, 64_000))?;
    // 4 to 160 MB of log, four rounds of checks, which a start after a crash reads once.
    let pages = (4 * services).clamp(1_000, 40_000);
    conn.pragma_update(None, "wal_autocheckpoint", pages)?;
    conn.pragma_update(None, "journal_size_limit", (pages * 4096).max(16 << 20))?;
    Ok(())
}

/// Opens the history for reading only.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare_reader(&conn)?;
    Ok(conn)
}

/// What every reading connection is set to.
pub(super) fn prepare_reader(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -4096)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Refuses what is not a history, or comes from a newer version of this program.
///
/// # Errors
/// As said.
pub(super) fn identify(conn: &Connection, path: &Path) -> Result<()> {
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
    if version > 0 {
        let copy = beside(path, &format!("before-{:02}", version + 1));
        // A copy that stands there already is of the same state: a migration that failed left it behind.
        if !copy.exists() {
            conn.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
        }
    }
    let migrations = Migrations::from_directory(&MIGRATIONS).map_err(|e| StoreError::Migration(e.to_string()))?;
    migrations.to_latest(conn).map_err(|e| StoreError::Migration(e.to_string()))?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (name, text) in &all[version as usize..] {
        tx.execute(
            "INSERT INTO fact VALUES (?1, ?2)",
            [format!("migration {name}"), format!("{:016x}", checksum(text))],
        )?;
    }
    tx.commit()?;
    Ok(())
}

/// A migration that has run must never change: its text is compared with what ran.
fn verify_checksums(conn: &Connection, ran: &[(String, &str)]) -> Result<()> {
    for (name, text) in ran {
        let stored: Option<String> = conn
            .query_row("SELECT value FROM fact WHERE name = ?1", [format!("migration {name}")], |row| row.get(0))
            .optional()?;
        if stored.is_some_and(|stored| stored != format!("{:016x}", checksum(text))) {
            return Err(StoreError::Migration(format!("{name} is not the migration that this history was made with")));
        }
    }
    Ok(())
}

/// FNV-1a, 64 bit: it guards against mistakes, not against malice.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
