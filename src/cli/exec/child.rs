//! The command: it gets our signals, its output passes through us, and the end of that is kept.

use super::complaint::complain;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::VecDeque,
    ffi::OsString,
    future::Future,
    io::{self, ErrorKind, IsTerminal},
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    process::{Child, Command},
    signal::unix::{self, SignalKind, signal},
    task::JoinSet,
    time::{Instant, timeout},
};

/// How much of the output is kept: as much as a monitor keeps of it.
const LOG_BYTES: usize = 100_000;
/// How long its output is waited for when the command has ended. Somebody else may hold it open.
const REST: Duration = Duration::from_millis(500);
/// The exit codes of a shell for what cannot be started.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// How the command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: u8,
    /// What the exit code does not say.
    pub(super) why: Option<String>,
    pub(super) took: Duration,
    /// The end of its output.
    pub(super) log: Vec<u8>,
}

/// The last bytes of two streams, in the order in which they came.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn bytes(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, new: &[u8]) {
        let mut bytes = self.bytes();
        bytes.extend(new);
        let excess = bytes.len().saturating_sub(LOG_BYTES);
        bytes.drain(..excess);
    }
}

/// Starts the command; what comes back resolves when it has ended.
///
/// # Errors
/// When no signals can be listened to. That it cannot be started is an end of the command.
pub(super) fn start(command: &[OsString], keeps_log: bool) -> anyhow::Result<impl Future<Output = Ended> + use<>> {
    // Before the child is there: what comes early is kept for it.
    let mut signals = Signals::new()?;
    let begun = Instant::now();
    let program = command[0].clone();
    let output = || if keeps_log { Stdio::piped() } else { Stdio::inherit() };
    let started = Command::new(&program).args(&command[1..]).stdout(output()).stderr(output()).spawn();
    Ok(async move {
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return not_started(&program, &error),
        };
        let tail = Tail::default();
        let mut copies = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            copies.spawn(copy(stdout, tokio::io::stdout(), tail.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            copies.spawn(copy(stderr, tokio::io::stderr(), tail.clone()));
        }
        let status = signals.pass_on_until_the_end(&mut child).await;
        let took = begun.elapsed();
        let _ = timeout(REST, async { while copies.join_next().await.is_some() {} }).await;
        let log = tail.bytes().drain(..).collect();
        match status {
            Ok(status) => ended(status, took, log),
            Err(error) => Ended { code: 1, why: Some(format!("the command was lost: {error}")), took, log },
        }
    })
}

fn ended(status: ExitStatus, took: Duration, log: Vec<u8>) -> Ended {
    let (code, why) = match (status.code(), status.signal()) {
        (Some(code), _) => (u8::try_from(code).unwrap_or(1), None),
        // What a shell makes of a program that a signal ended.
        (None, Some(signal)) => {
            (128u8.saturating_add(u8::try_from(signal).unwrap_or(0)), Some(format!("ended by signal {signal}")))
        }
        (None, None) => (1, None),
    };
    Ended { code, why, took, log }
}

fn not_started(program: &OsString, error: &io::Error) -> Ended {
    let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    let why = format!("cannot start {}: {error}", program.display());
    complain(&why);
    Ended { code, why: Some(why), took: Duration::ZERO, log: Vec::new() }
}

/// Hands on what the command prints, and keeps the end of it.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, tail: Tail) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(got @ 1..) = from.read(&mut buffer).await {
        tail.push(&buffer[..got]);
        // Where nobody reads it, the command has to notice as it would without us: its own stream is closed then.
        if to.write_all(&buffer[..got]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// The signals that the command is to get.
struct Signals {
    all: Vec<(unix::Signal, Signal)>,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        let mut all = vec![
            (signal(SignalKind::terminate())?, Signal::TERM),
            (signal(SignalKind::hangup())?, Signal::HUP),
            (signal(SignalKind::user_defined1())?, Signal::USR1),
            (signal(SignalKind::user_defined2())?, Signal::USR2),
        ];
        // From a terminal these go to all that runs in it: the command has them already. We only stay.
        let has_them = io::stdin().is_terminal();
        for (kind, passed_on) in [(SignalKind::interrupt(), Signal::INT), (SignalKind::quit(), Signal::QUIT)] {
            let heard = signal(kind)?;
            if !has_them {
                all.push((heard, passed_on));
            }
        }
        Ok(Signals { all })
    }

    async fn pass_on_until_the_end(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        loop {
            tokio::select! {
                status = child.wait() => return status,
                passed_on = next(&mut self.all) => if let Some(pid) = pid {
                    // It fails where the command has just ended.
                    let _ = kill_process(pid, passed_on);
                },
            }
        }
    }
}

/// The next of some signals.
async fn next(signals: &mut [(unix::Signal, Signal)]) -> Signal {
    let all = signals.iter_mut().map(|(heard, passed_on)| {
        let passed_on = *passed_on;
        Box::pin(async move {
            heard.recv().await;
            passed_on
        })
    });
    futures_util::future::select_all(all).await.0
}

/// Returns when somebody wants us to end.
pub(super) async fn asked_to_end() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_kept() {
        let tail = Tail::default();
        (0..30_000).for_each(|i| tail.push(format!("{i:05}\n").as_bytes()));
        let kept: Vec<u8> = tail.bytes().iter().copied().collect();
        assert_eq!(kept.len(), LOG_BYTES);
        assert!(kept.ends_with(b"29998\n29999\n"));
    }
}
