//! A file that a command makes of the history.

use crate::store;
use anyhow::Context;
use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Writes a file beside its place and puts it there when it is whole, so that a broken one is never taken for it. What is
/// no file (a pipe, a terminal) is written to as it is.
///
/// # Errors
/// When the place cannot be written, or is the history's own.
pub(super) fn to_file<E>(history: &Path, path: &Path, write: impl FnOnce(File) -> Result<File, E>) -> anyhow::Result<()>
where
    E: From<io::Error> + std::error::Error + Send + Sync + 'static,
{
    store::refuse_own(history, path)?;
    let cannot = || format!("{} cannot be written", path.display());
    if path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let file = OpenOptions::new().write(true).open(path).with_context(cannot)?;
        return write(file).map(drop).with_context(cannot);
    }
    // Where a link leads to, and not in its place.
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let part = store::part(&place);
    let file = File::create(&part).with_context(cannot)?;
    let written = write(file).and_then(|file| Ok(file.sync_all()?)).and_then(|()| Ok(std::fs::rename(&part, &place)?));
    if written.is_err() {
        // What is wrong is said below; a part that stays harms nothing.
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(cannot)
}
