//! A file that a command makes of the history.

use super::exit::{Stop, usage};
use crate::store;
use anyhow::Context;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The file that `--output` and the like name, or none where it is the standard output.
pub(super) fn named(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| path.as_os_str() != "-")
}

/// What the end of a file's name says of its form; `None` where it has none and for what is no file.
///
/// # Errors
/// When it says something that is not written here (`known`): what is in a file should not be another thing than its name
/// says.
pub(super) fn form_of<T>(path: &Path, known: &str, read: impl FnOnce(&str) -> Option<T>) -> anyhow::Result<Option<T>> {
    let Some(end) = path.extension().filter(|_| !path.starts_with("/dev")) else { return Ok(None) };
    match end.to_str().and_then(read) {
        Some(form) => Ok(Some(form)),
        None => {
            let end = end.display();
            Err(usage(format!("unknown file format “.{end}”: end the name in {known}, or give --format")))
        }
    }
}

/// A file that takes no more once its writing is to be broken off.
pub(super) struct Target {
    file: File,
    stop: Stop,
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stop.is_asked_for() {
            true => Err(io::Error::other("broken off")),
            false => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file beside its place and puts it there when it is whole, so that a broken one is never taken for it. What is
/// no file (a pipe, a terminal) is written to as it is.
///
/// # Errors
/// When the place cannot be written, or is the history's own.
pub(super) fn to_file<E>(
    history: &Path,
    path: &Path,
    stop: Stop,
    write: impl FnOnce(Target) -> Result<Target, E>,
) -> anyhow::Result<()>
where
    E: From<io::Error> + std::error::Error + Send + Sync + 'static,
{
    store::refuse_own(history, path)?;
    let cannot = || format!("{} cannot be written", path.display());
    if path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let file = OpenOptions::new().write(true).open(path).with_context(cannot)?;
        return write(Target { file, stop }).map(drop).with_context(cannot);
    }
    // Where a link leads to, and not in its place.
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let part = store::part(&place);
    let file = store::make_file(&part, Some(&place)).with_context(cannot)?;
    let written = write(Target { file, stop });
    let written =
        written.and_then(|target| Ok(target.file.sync_all()?)).and_then(|()| Ok(std::fs::rename(&part, &place)?));
    if written.is_err() {
        // The error is reported below; a partial file that stays harms nothing.
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(cannot)
}
