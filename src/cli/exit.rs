//! How a command ends that did not do its work: its message, and its exit code.

use super::terminal::err;
use crate::{shutdown, store::StoreError};
use std::{
    fmt,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// The arguments ask for what cannot be, or the command could not find out what its exit code would say: 2, as for
/// arguments that are no arguments.
#[derive(Debug)]
pub(super) struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error with exit code 2.
pub(super) fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

/// The same, of a command whose exit code 1 says something of what it looked at, and not that it could not look.
pub(super) fn not_one(error: anyhow::Error) -> anyhow::Error {
    // A signal has an exit code of its own.
    if error.is::<Interrupted>() { error } else { usage(sentence(&error)) }
}

/// A signal ended the command before it was done.
#[derive(Debug)]
struct Interrupted(&'static str);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: stopped before it was done; nothing is left of it", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// Whether a command is to break its work off.
#[derive(Clone, Default, Debug)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn is_asked_for(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// How long broken-off work may take to put away what it has begun.
const PUT_AWAY: Duration = Duration::from_secs(10);

/// Does blocking work that leaves something behind unless it is stopped: the first signal stops it.
///
/// # Errors
/// Those of the work, and that a signal ended it.
pub(super) async fn interruptible<T: Send + 'static>(
    work: impl FnOnce(Stop) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let (signals, stop) = (shutdown::signals()?, Stop::default());
    let mut working = tokio::task::spawn_blocking({
        let stop = stop.clone();
        move || work(stop)
    });
    tokio::select! {
        done = &mut working => done?,
        signal = signals => {
            stop.0.store(true, Relaxed);
            match tokio::time::timeout(PUT_AWAY, working).await {
                // The work was done before the signal arrived.
                Ok(Ok(Ok(done))) => Ok(done),
                _ => Err(Interrupted(signal).into()),
            }
        }
    }
}

/// The same for work that waits: on the first signal it is dropped, which ends what it has begun.
///
/// # Errors
/// That a signal ended it.
pub(super) async fn until_interrupted<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let signals = shutdown::signals()?;
    tokio::select! {
        done = work => Ok(done),
        signal = signals => Err(Interrupted(signal).into()),
    }
}

/// Says what is wrong; the exit code for it.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    err!("error: {}", sentence(error));
    match error.downcast_ref::<Interrupted>() {
        // What a shell makes of a program that a signal ended.
        Some(Interrupted("SIGINT")) => ExitCode::from(130),
        Some(Interrupted("SIGQUIT")) => ExitCode::from(131),
        Some(Interrupted(_)) => ExitCode::from(143),
        None if error.is::<Usage>() => ExitCode::from(2),
        None if matches!(error.downcast_ref(), Some(StoreError::Refused(_))) => ExitCode::from(2),
        None => ExitCode::FAILURE,
    }
}

/// An error and its causes. Some errors include their cause: it is not repeated.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[derive(thiserror::Error, Debug)]
    #[error("the file cannot be written: {0}")]
    struct Says(#[source] std::io::Error);

    #[test]
    fn no_cause_is_said_twice() {
        let full = || std::io::Error::other("No space left on device");
        let error = anyhow::Error::from(Says(full())).context("a.json");
        assert_eq!(sentence(&error), "a.json: the file cannot be written: No space left on device");
        let error = Err::<(), _>(full()).context("a.json cannot be written").unwrap_err();
        assert_eq!(sentence(&error), "a.json cannot be written: No space left on device");
    }
}
