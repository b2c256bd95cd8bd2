//! How long the program takes from its start to its first page.

use crate::table::{Table, Times};
use healthcheck_dashboard::store::Reader;
use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    net::{TcpListener, TcpStream},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Stops the program also when the measuring breaks off.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

pub(crate) fn measure(path: &Path, table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("config.toml");
    let ((port, _taken), target) = (own_port()?, TcpListener::bind("127.0.0.1:0")?);
    let mut text = format!(
        "[storage]\npath = {path:?}\nkeep_checks_days = \"forever\"\n[dashboard]\nport = {port}\nbind = \"127.0.0.1\"\n[checks]\ninterval_secs = 10\n"
    );
    for service in Reader::open(path)?.services()?.iter().filter(|s| s.name.starts_with("service ")) {
        writeln!(text, "[[checks.endpoints]]\nname = {:?}\nurl = \"tcp://{}\"", service.name, target.local_addr()?)?;
    }
    std::fs::write(&config, text)?;
    let mut times = Times { wall: Vec::new(), cpu: Vec::new() };
    for _ in 0..5 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_healthcheck_dashboard"));
        let child = command.arg("--config").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let running = Running(child);
        let begun = Instant::now();
        while !first_page(port).unwrap_or(false) {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(60), "no page within a minute");
            std::thread::sleep(Duration::from_millis(1));
        }
        times.wall.push(begun.elapsed().as_secs_f64() * 1e3);
        times.cpu.push(cpu_ms(running.0.id())?);
    }
    times.wall.sort_by(f64::total_cmp);
    times.cpu.sort_by(f64::total_cmp);
    table.times("from the start to the first page, 100 services", 300.0, &times);
    Ok(())
}

/// A port for the program, while the name is kept: none that the kernel gives to whoever asks for any, and named so that no
/// test takes it.
fn own_port() -> anyhow::Result<(u16, UnixListener)> {
    let (first, all) = (16_384, 16_384);
    for at in 0..all {
        let port = first + (std::process::id() as u16).wrapping_add(at) % all;
        let name = SocketAddr::from_abstract_name(format!("healthcheck-dashboard-test-port-{port}"))?;
        let Ok(taken) = UnixListener::bind_addr(&name) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok((port, taken));
        }
    }
    anyhow::bail!("no port is free")
}

/// CPU time of another process, in milliseconds, to the 10 ms that Linux tells.
fn cpu_ms(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks * 1e3 / 100.0)
}

fn first_page(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /dashboard HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
