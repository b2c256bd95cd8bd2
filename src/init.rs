//! Process 1 of a container: runs the program as its child, passes signals on, and reaps child processes.
//!
//! A command that is watched may leave processes behind, by intent or because it was killed. Their parent is then
//! process 1, which has to ask for their ends: otherwise each stays in the table of processes for ever. The program
//! itself cannot do it, because asking for anybody's end would take away the ends of its own children.

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use std::{
    io,
    process::{Command, ExitCode},
};
use tokio::signal::unix::{SignalKind, signal};

/// Whether this is process 1.
pub fn is_called_for() -> bool {
    std::process::id() == 1
}

/// Runs this program again with the same arguments, as a child; its exit code.
///
/// # Errors
/// When the program cannot be started.
pub fn run() -> io::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        // Before the child is there: what comes early is kept for it.
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (mut quit, mut hangup) = (signal(SignalKind::quit())?, signal(SignalKind::hangup())?);
        let (mut user1, mut user2) = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
        let mut ended = signal(SignalKind::child())?;
        let child = Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).spawn()?;
        let child = Pid::from_child(&child);
        loop {
            tokio::select! {
                _ = terminate.recv() => pass_on(child, Signal::TERM),
                _ = interrupt.recv() => pass_on(child, Signal::INT),
                _ = quit.recv() => pass_on(child, Signal::QUIT),
                _ = hangup.recv() => pass_on(child, Signal::HUP),
                _ = user1.recv() => pass_on(child, Signal::USR1),
                _ = user2.recv() => pass_on(child, Signal::USR2),
                _ = ended.recv() => if let Some(status) = bury(child)? { return Ok(exit_code(status)) },
            }
        }
    })
}

/// The call fails where the child has just ended, and then no process is left to notify.
fn pass_on(child: Pid, signal: Signal) {
    let _ = kill_process(child, signal);
}

/// Takes note of all that have ended; how the child did, if it is among them.
fn bury(child: Pid) -> io::Result<Option<WaitStatus>> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => return Ok(Some(status)),
            Ok(Some(_orphan)) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// As a shell says it: 128 and the signal's number where a signal ended it.
fn exit_code(status: WaitStatus) -> ExitCode {
    let code = status.exit_status().or_else(|| Some(128 + status.terminating_signal()?)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
