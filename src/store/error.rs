//! What can be wrong with the history.

use std::path::{Path, PathBuf};

/// A failure of the store, in words for the log and for `/readyz`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or is damaged.
    #[error("the history {} cannot be opened: {reason}", path.display())]
    Open { path: PathBuf, reason: String, damaged: bool },
    /// The place does not do.
    #[error("{0}")]
    Place(String),
    /// It is a database of something else.
    #[error("{} is a database, but not a history of this program; choose another [storage] path", .0.display())]
    Foreign(PathBuf),
    /// It was written by a newer version.
    #[error(
        "{} was written by a newer version of this program (schema {version}, this one knows {known}): run that one, or restore an older copy",
        path.display()
    )]
    Newer { path: PathBuf, version: i64, known: i64 },
    /// It was written by an older version, and who only reads cannot bring it up to date.
    #[error(
        "{} was written by an older version of this program (schema {version}, this one has {known}): start the service once, or run `verify --repair`, which bring it up to date",
        path.display()
    )]
    Older { path: PathBuf, version: i64, known: i64 },
    /// Another process has it.
    #[error(
        "the history {} is held by another process{}: only one may write it",
        path.display(),
        if pid.is_empty() { String::new() } else { format!(" (process id {pid})") }
    )]
    Held { path: PathBuf, pid: String },
    /// It could not be brought up to date; it is as it was.
    #[error("the history could not be brought up to date and was left as it was: {0}")]
    Migration(String),
    /// It can be done, but would not be right; the text says why.
    #[error("{0}")]
    Refused(String),
    /// A row holds something that cannot be.
    #[error("the history holds something that cannot be: {0}")]
    Content(String),
    /// SQLite reports an error. It is not a source: our message contains its words already, and would repeat them.
    #[error("{}", in_words(.0))]
    Sqlite(rusqlite::Error),
    /// No connection to read with.
    #[error("no connection to the history: {0}")]
    Pool(#[from] r2d2::Error),
    /// Whoever made the query does not wait for the answer any more.
    #[error("whoever asked has gone")]
    GivenUp,
    /// The open file is not the one that is found under its name any more.
    #[error("{0}")]
    Gone(String),
    /// There is no history yet.
    #[error("there is no history at {}; run `healthcheck_dashboard` first, or name another with --config", .0.display())]
    Missing(PathBuf),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError::Sqlite(error)
    }
}

/// A result of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    pub(super) fn open(path: &Path, error: rusqlite::Error) -> StoreError {
        StoreError::Open { path: path.to_owned(), reason: in_words(&error), damaged: is_damage(&error) }
    }

    /// Whether the file itself is at fault: it holds something that cannot be, or it is no whole database.
    pub fn is_damage(&self) -> bool {
        match self {
            StoreError::Open { damaged, .. } => *damaged,
            StoreError::Content(_) => true,
            StoreError::Sqlite(error) => is_damage(error),
            _ => false,
        }
    }

    /// Whether another attempt cannot help: what is stored in the history, or should be, is at fault, and neither the
    /// disk nor somebody else who uses it.
    pub(super) fn is_of_data(&self) -> bool {
        use rusqlite::ErrorCode::{ConstraintViolation, DatabaseCorrupt, TypeMismatch};
        match self {
            StoreError::Content(_) => true,
            StoreError::Sqlite(error) => match error.sqlite_error_code() {
                Some(code) => matches!(code, ConstraintViolation | DatabaseCorrupt | TypeMismatch),
                // A value that cannot be read.
                None => true,
            },
            _ => false,
        }
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// The common failures in plain words.
fn in_words(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly, SystemIoFailure,
    };
    // Its own words show the whole statement.
    if let rusqlite::Error::SqlInputError { msg, .. } = error {
        return msg.clone();
    }
    let said = match error.sqlite_error_code() {
        Some(DiskFull) => "the disk is full",
        Some(ReadOnly) => "the file or its file system is read-only",
        Some(SystemIoFailure) => "the disk could not be read or written",
        Some(CannotOpen) => "the file cannot be opened: is its folder there, and may this user write to it?",
        Some(DatabaseCorrupt) => "the file is damaged: restore a backup",
        Some(NotADatabase) => "the file is not an SQLite database",
        Some(DatabaseBusy) => "another process keeps the database locked",
        _ => return error.to_string(),
    };
    format!("{said} ({error})")
}
