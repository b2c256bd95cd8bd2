//! The command probe: a program whose exit code is the answer.
//!
//! The program and all that it starts are one process group. When the check ends, the whole group is killed: because the
//! time is up, because the check is dropped, or because the program has ended and has left something running. Only that
//! last may be wanted (`detach`). A child that made itself a daemon is in a group of its own and outlives the check; it
//! may keep the program's output open: the check ends with the program, not with its output.

use super::{
    plugin,
    spec::{CommandSpec, RunAs, UnknownIs},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        sanitize::{LONGEST_MESSAGE, one_line},
    },
    probe::{
        conditions::{Absence, Condition, Facts, Name, Type, Value},
        diagnose::Place,
        error::ProbeError,
        fault,
        runner::Runner,
        shared::Shared,
        text::{Scrubber, seconds},
        trace::{Fault, Trace},
    },
};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, geteuid, kill_process_group, waitid};
use serde_json::Value as Json;
use std::{
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{self, Child},
    runtime::Handle,
    signal::unix::{self, SignalKind},
};

/// How much of the output is kept. The rest is read and forgotten, so that the program is not held up by it.
const OUTPUT_BYTES: usize = 4 * 1024;
/// How much of the output is read as fast as it comes. A program that writes on is slowed down: it must not take the
/// monitor's time from all others.
const FAST_BYTES: u64 = 1024 * 1024;
const BREAK: Duration = Duration::from_millis(1);
/// How much of the output is read at all.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What conditions on a command may name.
pub(super) const NAMES: &[Name] = &[
    Name::new("exit_code", Type::Number),
    Name::new("output", Type::Text),
    Name::new("perf", Type::Anything),
    Name::measured("response_time_ms"),
];

/// A command, ready to be run.
#[derive(Debug)]
pub(crate) struct Command {
    spec: CommandSpec,
    scrubber: Arc<Scrubber>,
}

impl Runner for Command {
    type Spec = CommandSpec;

    fn new(spec: &CommandSpec, scrubber: Arc<Scrubber>, _: &Shared) -> Result<Command, ProbeError> {
        if spec.argv.is_empty() {
            return Err(ProbeError::EmptyCommand);
        }
        Ok(Command { spec: spec.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        trace.enter(Phase::Body);
        if let Some(user) = &self.spec.user
            && !is_ours(user)
            && !geteuid().is_root()
        {
            let message = format!("the command cannot run as {}: the monitor does not run as root", user.name);
            return Err(Fault::ours(Some(Phase::Body), message));
        }
        if let Some(directory) = self.spec.directory.as_ref().filter(|directory| !directory.is_dir()) {
            let message = format!("the command's working_directory {} is not there", directory.display());
            return Err(Fault::new(Class::ExitCode, Some(Phase::Body), message));
        }
        let (mut group, mut output) = self.start().map_err(|error| self.not_started(&error))?;
        let mut text = Vec::new();
        let mut buffer = vec![0; OUTPUT_BYTES];
        let (mut open, mut came) = (true, 0);
        let status = loop {
            tokio::select! {
                status = group.wait() => break status,
                read = read(&mut output, &mut buffer, came), if open => match read {
                    Ok(got @ 1..) => {
                        keep(&mut text, &buffer[..got]);
                        came += got as u64;
                        if came > FAST_BYTES && buffer.len() == OUTPUT_BYTES {
                            buffer.resize(16 * OUTPUT_BYTES, 0);
                        }
                        if came > MOST_BYTES {
                            let message = "the command wrote more than 64 MiB, and was killed";
                            return Err(Fault::new(Class::Protocol, Some(Phase::Body), message));
                        }
                    }
                    _ => open = false,
                },
            }
        };
        let status =
            status.map_err(|error| Fault::ours(Some(Phase::Body), format!("the command was lost: {error}")))?;
        trace.end();
        // What the program wrote before it ended is there by now; whoever else holds the pipe is not waited for.
        let mut buffer = [0; 4096];
        while text.len() < OUTPUT_BYTES
            && let Ok(got @ 1..) = output.try_read(&mut buffer)
        {
            keep(&mut text, &buffer[..got]);
        }
        let (output, complete) = (String::from_utf8_lossy(&text), text.len() < OUTPUT_BYTES);
        let degraded = self.outcome(status, &output, complete)?;
        let unmet = self.conditions(trace, status, &output, complete)?;
        Ok(degraded.or(unmet))
    }

    /// The command was killed with the deadline.
    fn late(_: &Trace, deadline: Duration) -> Fault {
        let message = format!("the command was not finished within {}, and was killed", seconds(deadline));
        Fault::new(Class::Timeout, Some(Phase::Body), message)
    }
}

impl Command {
    fn start(&self) -> io::Result<(Group, pipe::Receiver)> {
        // One pipe for both, so that the lines come in the order in which they were written.
        let (reader, writer) = io::pipe()?;
        // Subscribed before the first signal can arrive.
        let changes = unix::signal(SignalKind::child())?;
        let mut command = process::Command::new(&self.spec.argv[0]);
        if let Some(directory) = &self.spec.directory {
            command.current_dir(directory);
        }
        if let Some(user) = self.spec.user.as_ref().filter(|user| !is_ours(user)) {
            // Without the groups of the monitor: the library sets those to none with the user.
            command.uid(user.uid).gid(user.gid);
            command.envs([("HOME", &user.home), ("USER", &user.name), ("LOGNAME", &user.name)]);
        }
        let child = command
            .args(&self.spec.argv[1..])
            .envs(self.spec.environment.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        let group = Group { child: Some(child), changes, detach: self.spec.detach };
        Ok((group, pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?))
    }

    fn not_started(&self, error: &io::Error) -> Fault {
        // Where somebody wrote a whole line in the place of the program, the rest of it is for nobody's eyes.
        let argv0 = self.spec.argv[0].trim_start();
        let program = argv0.split_whitespace().next().unwrap_or(argv0);
        let program = if program.len() < argv0.len() { format!("{program}…") } else { program.to_owned() };
        let message = match error.kind() {
            io::ErrorKind::NotFound => format!("cannot start {program}: there is no such program"),
            io::ErrorKind::PermissionDenied => format!("cannot start {program}: it may not be executed"),
            io::ErrorKind::WouldBlock => return Fault::ours(Some(Phase::Body), "no process left on this machine"),
            _ => match fault::ours(error) {
                Some(message) => return Fault::ours(Some(Phase::Body), message),
                None => format!("cannot start {program}: {error}"),
            },
        };
        Fault::new(Class::ExitCode, Some(Phase::Body), message)
    }

    /// `complete` is false where there may have been more output than was kept.
    fn outcome(&self, status: ExitStatus, output: &str, complete: bool) -> Result<Option<Reason>, Fault> {
        let end = match (status.code(), status.signal()) {
            (Some(0), _) => return Ok(None),
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {}", signal_name(signal)),
            (None, None) => "ended without an exit code".to_owned(),
        };
        let said = if self.spec.plugin.is_some() { plugin::text(output) } else { output.to_owned() };
        let [output, said] = [output, &said].map(|output| self.scrubber.excerpt(output, complete));
        let message = match &said {
            None => end,
            Some(output) => {
                // A last line that was cut is none of its own.
                let whole = output.strip_suffix('…').and_then(|cut| cut.rsplit_once('\n'));
                let said = one_line(whole.map_or(output, |(whole, _)| whole), LONGEST_MESSAGE);
                one_line(&format!("{end}: {said}"), LONGEST_MESSAGE)
            }
        };
        let code = status.code();
        match (self.spec.plugin, code) {
            (Some(_), Some(1)) | (Some(UnknownIs::Degraded), Some(3)) => {
                return Ok(Some(Reason { class: Class::ExitCode, phase: Some(Phase::Body), message }));
            }
            (Some(UnknownIs::Unknown), Some(3)) => return Err(Fault::ours(Some(Phase::Body), message)),
            _ => {}
        }
        if code.is_some_and(|code| self.spec.degraded_exit_codes.contains(&code)) {
            return Ok(Some(Reason { class: Class::ExitCode, phase: Some(Phase::Body), message }));
        }
        // Kept where the message, which is one short line, does not have all of it.
        let rest = output.filter(|output| !message.ends_with(output.as_str()));
        Err(Fault::new(Class::ExitCode, Some(Phase::Body), message).with_excerpt(rest))
    }
}

impl Command {
    /// What is expected of a command whose exit code is good.
    fn conditions(
        &self,
        trace: &Trace,
        status: ExitStatus,
        output: &str,
        complete: bool,
    ) -> Result<Option<Reason>, Fault> {
        if self.spec.expect.is_empty() && self.spec.degraded.is_empty() {
            return Ok(None);
        }
        let perf = Json::Object(plugin::performance(if complete { output } else { plugin::whole(output) }));
        let found = Found { code: status.code().unwrap_or_default(), output, perf, trace };
        let scrub = |text: &str| self.scrubber.message(text);
        let unmet =
            |conditions: &[Condition]| conditions.iter().find_map(|condition| condition.judge(&found, &scrub).err());
        if let Some(message) = unmet(&self.spec.expect) {
            let excerpt = self.scrubber.excerpt(output, complete);
            return Err(Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(excerpt));
        }
        Ok(unmet(&self.spec.degraded).map(|message| Reason {
            class: Class::Content,
            phase: Some(Phase::Body),
            message,
        }))
    }
}

/// What a command said.
struct Found<'a> {
    code: i32,
    output: &'a str,
    perf: Json,
    trace: &'a Trace,
}

impl Facts for Found<'_> {
    fn fact(&self, name: &str) -> Result<Value<'_>, Absence> {
        match name {
            "exit_code" => Ok(Value::whole(self.code)),
            "output" => Ok(Value::text(self.output.trim())),
            "perf" => Ok(Value::json(&self.perf)),
            "response_time_ms" => Ok(Value::milliseconds(self.trace.latency_us())),
            _ => Err(Absence::Unknown(format!("{name} stands for nothing"))),
        }
    }
}

/// Whether the monitor runs as this user itself.
fn is_ours(user: &RunAs) -> bool {
    geteuid().as_raw() == user.uid
}

/// A running program, the leader of its process group. When it is dropped before the program ended, the whole group
/// is killed, and the program reaped.
struct Group {
    child: Option<Child>,
    /// Says that some child of this process ended.
    changes: unix::Signal,
    /// What is left running when the program has ended goes on.
    detach: bool,
}

impl Group {
    /// Waits for the program, and ends what it has left running.
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        let Some(child) = &mut self.child else { return Err(io::ErrorKind::NotFound.into()) };
        if !self.detach
            && let Some(pid) = pid_of(child)
        {
            // `waitid` only looks at the child and does not reap it: so long its number, which is that of its group, is
            // no other's.
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), look)?.is_none() {
                self.changes.recv().await;
            }
            // The call fails where no process is left to kill, and then all is well.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        child.wait().await
    }
}

/// The program's number, as long as it was not reaped: so long it belongs to no other process.
fn pid_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let Some(pid) = pid_of(&child) else { return };
        let _ = kill_process_group(pid, Signal::KILL);
        // Reaped at once where that is possible; else tokio does it when the next child ends.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { child.wait().await });
        }
    }
}

/// Reads once; 0 at the end of the output. What `came` before says how soon.
async fn read(output: &mut pipe::Receiver, buffer: &mut [u8], came: u64) -> io::Result<usize> {
    if came > FAST_BYTES {
        tokio::time::sleep(BREAK).await;
    }
    output.read(buffer).await
}

fn keep(text: &mut Vec<u8>, more: &[u8]) {
    text.extend_from_slice(&more[..more.len().min(OUTPUT_BYTES - text.len())]);
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return signal.to_string(),
    };
    format!("{signal} ({name})")
}
