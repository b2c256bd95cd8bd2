//! The built program as a process of its own.

use super::net::own_port;
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// How long anything is waited for, at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, with nothing of this process's environment that it listens to.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_healthcheck_dashboard"));
    command
        .current_dir(folder)
        .env_remove("HEALTHCHECK_CONFIG")
        .env_remove("DASHBOARD_PORT")
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1");
    command
}

/// Runs it to its end. Where it is to serve and cannot, another program on the usual port must not be the reason.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = program(folder);
    if matches!(arguments, [] | ["serve", ..]) {
        command.env("DASHBOARD_PORT", own_port().to_string());
    }
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What it wrote to its standard output.
pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs it with an end to how large a file may be, in KiB: as on a full disk.
pub(crate) fn cramped(folder: &Path, kib: u64, arguments: &[&str]) -> Output {
    let plain = program(folder);
    let mut command = Command::new("bash");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"")]);
    command.arg(plain.get_program()).args(arguments).current_dir(folder).stdin(Stdio::null());
    for name in ["HEALTHCHECK_CONFIG", "DASHBOARD_PORT", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

/// The JSON that it printed.
#[track_caller]
pub(crate) fn document(output: &Output) -> Value {
    serde_json::from_str(stdout(output)).unwrap_or_else(|e| panic!("{e}: {} {}", stdout(output), stderr(output)))
}

/// Waits until something is there.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(it) = there() {
            return it;
        }
        assert!(since.elapsed() < PATIENCE, "{what} does not come");
        // A pause between two looks, so that what is waited for has the processor.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The serving program.
pub(crate) struct Serving {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
}

impl Serving {
    /// Starts it in `folder`, which holds a `config.toml`; returns when it answers.
    pub(crate) fn start(folder: &Path) -> Serving {
        Serving::start_as(folder, program(folder))
    }

    /// The same, with a command that runs it in its own way.
    pub(crate) fn start_as(folder: &Path, mut command: Command) -> Serving {
        let port = own_port();
        let log = folder.join("log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = command
            .env("DASHBOARD_PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut serving = Serving { child, port, log };
        wait_for("an answer", || {
            let ended = serving.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended ({ended:?}):\n{}", serving.log());
            get(port, "/livez").filter(|(status, _)| *status == 200)
        });
        serving
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// What it has logged, this run and those before.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.port, path).unwrap_or_else(|| panic!("no answer:\n{}", self.log()))
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert!(status == 200 || path.starts_with("/health"), "{path}: {status} {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        self.json(path)["items"].as_array().unwrap().clone()
    }

    /// Ends it without giving it a chance.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal; the exit status and how long it took to the end.
    pub(crate) fn signal(mut self, signal: rustix::process::Signal) -> (ExitStatus, Duration) {
        let since = Instant::now();
        rustix::process::kill_process(self.pid(), signal).unwrap();
        let status = wait_for("its end", || self.child.try_wait().unwrap());
        (status, since.elapsed())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body; `None` where nobody answers.
pub(crate) fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let head_end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..head_end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut body = answer[head_end + 4..].to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunked(&body)?;
    }
    Some((status, String::from_utf8(body).ok()?))
}

/// A body without the sizes of its chunks; `None` when it ends too early.
pub(crate) fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = bytes.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(bytes.get(line + 2..line + 2 + size)?);
        bytes = bytes.get(line + 4 + size..)?;
    }
}
