//! As process 1, which it is in a container: in a process namespace of its own.

use crate::support::net::own_port;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

/// The program as process 1; killed when it is dropped.
struct Container {
    /// `unshare`, whose only child is process 1.
    outside: Child,
    log: BufReader<ChildStderr>,
}

impl Container {
    fn start(folder: &Path, endpoints: &str) -> Container {
        let config = folder.join("config.toml");
        let port = own_port();
        let text = format!(
            "{endpoints}\n[dashboard]\nport = {port}\nbind = \"127.0.0.1\"\n[storage]\npath = {:?}\n",
            folder.join("history.db")
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::getuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let mut outside = command
            .args(["--pid", "--fork", "--kill-child", env!("CARGO_BIN_EXE_healthcheck_dashboard"), "--config"])
            .arg(&config)
            .env("RUST_LOG", "debug")
            .env_remove("DASHBOARD_PORT")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this test needs unshare (util-linux)");
        let log = BufReader::new(outside.stderr.take().unwrap());
        let mut container = Container { outside, log };
        container.wait_for("watching");
        container
    }

    /// Reads the log up to a line that has these words.
    fn wait_for(&mut self, words: &str) {
        let mut all = String::new();
        loop {
            let from = all.len();
            let got = self.log.read_line(&mut all).unwrap();
            assert!(got > 0, "“{words}” was never said, but:\n{all}");
            if all[from..].contains(words) {
                return;
            }
        }
    }

    /// Process 1, by its number outside.
    fn first(&self) -> u32 {
        children(self.outside.id())[0]
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // With --kill-child, process 1 goes with it, and all others with that.
        let _ = self.outside.kill();
        let _ = self.outside.wait();
    }
}

fn children(of: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn is_dead(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}

#[test]
fn what_a_killed_command_leaves_behind_is_buried() {
    let folder = tempfile::tempdir().unwrap();
    let mut container = Container::start(
        folder.path(),
        "[checks]\ninterval_secs = 0.2\ntimeout_secs = 0.1\nretry_interval_secs = 0.1\n\
         [[checks.endpoints]]\nname = \"hangs\"\ncommand = \"sleep 1000 & sleep 1000\"\n",
    );
    for _ in 0..10 {
        container.wait_for("was killed");
    }
    // Two processes are left behind by each; those of the latest may still be on their way.
    let dead = children(container.first()).into_iter().filter(|&child| is_dead(child)).count();
    assert!(dead <= 4, "{dead} dead processes of 20 are still in the table");
}

#[test]
fn sigterm_to_process_1_ends_the_program_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let mut container =
        Container::start(folder.path(), "[[checks.endpoints]]\nname = \"well\"\ncommand = [\"true\"]\n");
    let first = rustix::process::Pid::from_raw(container.first() as i32).unwrap();
    rustix::process::kill_process(first, rustix::process::Signal::TERM).unwrap();
    container.wait_for("SIGTERM: stopping");
    container.wait_for("stopped");
    assert!(container.outside.wait().unwrap().success());
}
