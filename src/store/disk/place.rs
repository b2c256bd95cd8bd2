//! Whether the path of the history still leads to the file that is open. A file that was deleted or replaced takes what is
//! written without a word, and nobody finds it again.

use super::files;
use crate::store::{Result, StoreError};
use rusqlite::Connection;
use std::{
    fs::Metadata,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What identifies a file: its device and its inode.
pub(in crate::store) type Identity = (u64, u64);

/// The files of an open history as they were when it was opened.
#[derive(Debug)]
pub(in crate::store) struct Place {
    path: PathBuf,
    file: Identity,
    /// The most that it had: only `history compact` makes it shorter, and not while it is open.
    size: u64,
    log: PathBuf,
    log_file: Option<Identity>,
    lost: Option<Lost>,
}

/// What has happened to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) enum Lost {
    /// The open file, whole as it is, has no name any more.
    File,
    /// A part of the open file has gone.
    Content,
    /// Its log has no name any more.
    Log,
}

impl Place {
    /// Of a history that has just been opened.
    pub(in crate::store) fn of(path: &Path) -> Option<Place> {
        let there = path.metadata().ok()?;
        let log = files::log(path);
        Some(Place {
            path: path.to_owned(),
            file: identity(&there),
            size: there.len(),
            log_file: log.metadata().ok().map(|log| identity(&log)),
            log,
            lost: None,
        })
    }

    /// # Errors
    /// When the path leads elsewhere, or the file has become shorter.
    pub(in crate::store) fn look(&mut self) -> Result<()> {
        let found = self.find();
        self.lost = found.as_ref().map(|(lost, _)| *lost);
        match found {
            Some((_, what)) => Err(StoreError::Gone(what)),
            None => Ok(()),
        }
    }

    fn find(&mut self) -> Option<(Lost, String)> {
        let said = |path: &Path, what: &str| format!("{} {what} while it was in use", path.display());
        let there = match self.path.metadata() {
            Ok(there) => there,
            Err(error) if is_gone(&error) => return Some((Lost::File, said(&self.path, "was deleted"))),
            // Whether it has changed is not known.
            Err(_) => return None,
        };
        if identity(&there) != self.file {
            return Some((Lost::File, said(&self.path, "was replaced by another file")));
        }
        if there.len() < self.size {
            let what = format!("was truncated (from {} to {} bytes)", self.size, there.len());
            return Some((Lost::Content, said(&self.path, &what)));
        }
        self.size = there.len();
        let is_other = match self.log.metadata() {
            Ok(log) => self.log_file.is_some_and(|known| known != identity(&log)),
            Err(error) => self.log_file.is_some() && is_gone(&error),
        };
        is_other.then(|| (Lost::Log, said(&self.log, "was deleted or replaced")))
    }

    /// What was found when it was last looked.
    pub(in crate::store) fn lost(&self) -> Option<Lost> {
        self.lost
    }

    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }
}

/// Which file a path leads to.
pub(in crate::store) fn identity_of(path: &Path) -> Option<Identity> {
    path.metadata().ok().map(|there| identity(&there))
}

fn identity(there: &Metadata) -> Identity {
    (there.dev(), there.ino())
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Lets go of a connection to files that have lost their names, without closing it: SQLite would delete the log by its name,
/// which may be another history's by now. The process is about to end, or keeps one connection too many.
pub(in crate::store) fn abandon(conn: Connection) {
    std::mem::forget(conn);
}
