//! Opening a history only to read it, also where this user can write neither it nor its folder.
//!
//! Reading a database with a write-ahead log needs the log's index (`-shm`), which readers write too. Where a history was
//! stopped cleanly there is neither log nor index, and a user who may not make them reads the file as it lies (SQLite's
//! `immutable`): right for as long as nobody writes, which is looked after.

use super::{
    files,
    place::{Identity, identity_of},
    schema,
};
use crate::store::{Result, StoreError};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access, FlockOperation, access, flock};
use std::{
    fs::File,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// A history to be read, and how.
#[derive(Clone, Debug)]
pub(in crate::store) struct Source {
    path: PathBuf,
    /// The file that was found, and its log.
    files: (Option<Identity>, Option<Identity>),
    /// Whether this user can make and write what lies beside it.
    writable: bool,
    /// What the file was when it was found that nobody writes it; it is read as it lies.
    immutable: Option<Stamp>,
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Source {
    /// Looks at a history that exists, and decides how it is read.
    ///
    /// # Errors
    /// When there is none, or this user may not read it.
    pub(in crate::store) fn of(path: &Path) -> Result<Source> {
        files::present(path)?;
        if let Err(error) = access(path, Access::READ_OK) {
            return Err(unreadable(path, error));
        }
        let log = files::log(path);
        let writable = access(path, Access::WRITE_OK).is_ok() && access(files::folder(&log), Access::WRITE_OK).is_ok();
        let immutable = if writable || has_log(path) || is_held(path) { None } else { Stamp::of(path) };
        let files = (identity_of(path), identity_of(&log));
        Ok(Source { path: path.to_owned(), files, writable, immutable })
    }

    /// A connection that can change nothing.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(in crate::store) fn open(&self) -> Result<Connection> {
        let opened = Connection::open_with_flags(self.name(), self.flags()).and_then(|conn| {
            schema::prepare_reader(&conn)?;
            // The first question is what opens the log.
            conn.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))?;
            Ok(conn)
        });
        opened.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) if !self.writable => self.needs(),
            _ => StoreError::open(&self.path, error),
        })
    }

    /// The same for a pool of connections.
    pub(in crate::store) fn manager(&self) -> SqliteConnectionManager {
        let (path, log, (file, _)) = (self.path.clone(), files::log(&self.path), self.files);
        // As it is by now: the first connection may have made a log, or have put one in the place of a log that was left.
        let log_file = identity_of(&log);
        SqliteConnectionManager::file(self.name()).with_flags(self.flags()).with_init(move |conn| {
            // Another file under the same name must not answer for this one, nor a log that is not its own.
            if identity_of(&path) != file || (log_file.is_some() && identity_of(&log) != log_file) {
                return Err(rusqlite::Error::InvalidPath(path.clone()));
            }
            schema::prepare_reader(conn)
        })
    }

    /// Makes sure that what was read since is right: where the file is read as it lies, nobody has written it.
    ///
    /// # Errors
    /// When somebody has.
    pub(in crate::store) fn unchanged(&self) -> Result<()> {
        match self.immutable {
            Some(stamp) if has_log(&self.path) || Stamp::of(&self.path) != Some(stamp) => {
                Err(StoreError::Place(format!(
                    "the history {} was written while it was read (has the service been started?): run this again",
                    self.path.display()
                )))
            }
            _ => Ok(()),
        }
    }

    fn flags(&self) -> OpenFlags {
        match self.immutable {
            Some(_) => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
            // Readers write the shared index beside the file, so the file is opened for writing and forbidden to be.
            None => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        }
    }

    fn name(&self) -> PathBuf {
        match self.immutable {
            Some(_) => immutable(&self.path).into(),
            None => self.path.clone(),
        }
    }

    /// What keeps this user from reading, and what to do about it.
    fn needs(&self) -> StoreError {
        let (path, log, index) = (&self.path, files::with(&self.path, "-wal"), files::with(&self.path, "-shm"));
        StoreError::Place(match has_log(path) {
            true => format!(
                "the history {} cannot be read by this user as it is: its latest changes lie in {}, and to read those \
                 needs {}, which this user can neither make nor use. Start the service, run this as the user that it \
                 belongs to, or copy both files into a folder that you may write",
                path.display(),
                log.display(),
                index.display()
            ),
            false => format!(
                "the history {} cannot be read at this moment: somebody is about to write it, and {} is not there yet. \
                 Run this again",
                path.display(),
                index.display()
            ),
        })
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let there = path.metadata().ok()?;
        Some(Stamp {
            device: there.dev(),
            inode: there.ino(),
            size: there.size(),
            modified: (there.mtime(), there.mtime_nsec()),
        })
    }
}

/// Whether there is something in the log beside it, or this is not known.
fn has_log(path: &Path) -> bool {
    match files::log(path).metadata() {
        Ok(log) => log.len() > 0,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Whether somebody has the right to write it just now.
fn is_held(path: &Path) -> bool {
    File::open(files::with(path, ".lock")).is_ok_and(|lock| {
        flock(&lock, FlockOperation::NonBlockingLockShared).is_err_and(|error| error == rustix::io::Errno::WOULDBLOCK)
    })
}

fn unreadable(path: &Path, error: rustix::io::Errno) -> StoreError {
    let whose = path.metadata().map_or(String::new(), |there| {
        format!(" (its mode is {:04o}, its owner the user {})", there.mode() & 0o7777, there.uid())
    });
    StoreError::Place(format!(
        "the history {} may not be read by this user{whose}: run this as its owner, or let its group read it with \
         [storage] mode = \"0640\": {}",
        path.display(),
        std::io::Error::from(error)
    ))
}

/// The file as it lies, without a log, an index or locks, as SQLite's URI.
fn immutable(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = "file://".to_owned();
    for &byte in whole.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connection;

    #[test]
    fn any_path_can_be_read_as_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["history.db", "a b%20c?x=1#y.db", "größe&.db"] {
            let path = folder.path().join(name);
            drop(connection::open_writer(&path).unwrap());
            let files = (identity_of(&path), None);
            let source = Source { path: path.clone(), files, writable: false, immutable: Stamp::of(&path) };
            let conn = source.open().unwrap();
            schema::identify_current(&conn, &path).unwrap();
            conn.execute("DELETE FROM fact", []).unwrap_err();
            source.unchanged().unwrap();
            // Somebody writes it meanwhile.
            let writer = connection::open_writer(&path).unwrap();
            writer.execute("INSERT INTO fact VALUES ('told', 'once')", []).unwrap();
            assert!(source.unchanged().unwrap_err().to_string().contains("run this again"));
        }
    }
}
