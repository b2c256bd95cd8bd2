//! The command transport: a program that gets the notice as JSON on its standard input.

use super::{
    config::CommandSpec,
    delivery::{Delivered, Failure},
    notice::Notice,
};
use crate::domain::{
    sanitize::{LONGEST_MESSAGE, one_line},
    secret::{Secret, scrub},
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

/// How long a program may take. Then it is killed, with all that it started.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of its output that are read, at most. A program that writes more waits until it is killed.
const LONGEST_OUTPUT: u64 = 64 * 1024;

/// A program that is run for every message.
#[derive(Clone, Debug)]
pub(super) struct CommandChannel {
    argv: Vec<Secret>,
    secrets: Vec<Secret>,
}

impl CommandChannel {
    pub(super) fn new(spec: CommandSpec) -> CommandChannel {
        let CommandSpec { argv, secrets } = spec;
        CommandChannel { argv, secrets }
    }

    /// Runs the program. It took the message when its exit code is 0.
    pub(super) async fn deliver(&self, notice: &Notice) -> Result<Delivered, Failure> {
        let json = serde_json::to_vec(notice).map_err(|error| Failure::Refused { why: error.to_string() })?;
        let [program, arguments @ ..] = self.argv.as_slice() else {
            return Err(Failure::Refused { why: "the channel has no command".to_owned() });
        };
        let mut child = Command::new(program.expose())
            .args(arguments.iter().map(Secret::expose))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::later(self.shown(&format!("the command could not be started: {error}"))))?;
        // Whatever happens from here on, also that nobody waits any more: nothing is left running.
        let _group = Group(child.id());
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut written, mut complained) = (Vec::new(), Vec::new());
        let run = async {
            let give = async {
                if let Some(mut input) = input {
                    // A program that does not read is not at fault.
                    let _ = input.write_all(&json).await;
                }
            };
            let read = async {
                if let Some(output) = output {
                    let _ = output.take(LONGEST_OUTPUT).read_to_end(&mut written).await;
                }
            };
            let hear = async {
                if let Some(errors) = errors {
                    let _ = errors.take(LONGEST_OUTPUT).read_to_end(&mut complained).await;
                }
            };
            tokio::join!(give, read, hear);
            child.wait().await
        };
        let ended = timeout(PATIENCE, run).await;
        let said = if complained.is_empty() { written } else { complained };
        let said = String::from_utf8_lossy(&said);
        match ended {
            Err(_) => Err(Failure::later(format!("the command did not end within {} s", PATIENCE.as_secs()))),
            Ok(Err(error)) => Err(Failure::later(format!("the command was lost: {error}"))),
            Ok(Ok(status)) if status.success() => {
                Ok(Delivered { answer: self.shown(&format!("exit code 0 {said}")), receipt: None })
            }
            Ok(Ok(status)) => {
                let code = status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"));
                Err(Failure::later(self.shown(&format!("the command failed with {code}: {said}"))))
            }
        }
    }

    fn shown(&self, text: &str) -> String {
        one_line(&scrub(text, &self.secrets), LONGEST_MESSAGE)
    }
}

/// The process group of a program, which ends with this.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // The call fails where no process is left to kill.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample::notice, *};

    fn channel(argv: &[&str]) -> CommandChannel {
        let argv: Vec<Secret> = argv.iter().map(|word| Secret::new(*word)).collect();
        CommandChannel::new(CommandSpec { argv, secrets: vec![Secret::new("hunter2")] })
    }

    #[tokio::test]
    async fn a_program_gets_the_notice_on_its_standard_input() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("got");
        let channel = channel(&["/bin/sh", "-c", "cat > \"$0\"; echo thanks hunter2", place.to_str().unwrap()]);
        let notice = notice("incident.confirmed");
        assert_eq!(channel.deliver(&notice).await.unwrap().answer, "exit code 0 thanks •••");
        assert_eq!(std::fs::read(&place).unwrap(), serde_json::to_vec(&notice).unwrap());
    }

    #[tokio::test]
    async fn a_program_that_fails_says_why_and_is_tried_again() {
        let failed = channel(&["/bin/sh", "-c", "echo no hunter2 >&2; exit 3"]).deliver(&notice("test")).await;
        assert_eq!(failed, Err(Failure::later("the command failed with exit code 3: no •••")));
        let missing = channel(&["/nowhere/hunter2"]).deliver(&notice("test")).await.unwrap_err();
        assert!(missing.why().starts_with("the command could not be started"), "{missing:?}");
    }
}
