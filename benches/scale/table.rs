//! Times, and the table they are printed in.

use comfy_table::{CellAlignment, Table as Printed, presets::ASCII_MARKDOWN};
use rustix::time::{ClockId, clock_gettime};
use std::{path::Path, time::Instant};

/// The figures so far.
#[derive(Default, Debug)]
pub(crate) struct Table(Vec<[String; 5]>);

/// Times of one question, in milliseconds, sorted.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) wall: Vec<f64>,
    pub(crate) cpu: Vec<f64>,
}

/// CPU time used so far, in milliseconds: of this thread, or of the whole process.
pub(crate) fn cpu_ms(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

impl Times {
    /// Asks a question `runs` times.
    pub(crate) fn of(runs: usize, mut ask: impl FnMut(usize) -> anyhow::Result<()>) -> anyhow::Result<Times> {
        let mut times = Times { wall: Vec::new(), cpu: Vec::new() };
        for run in 0..runs {
            let (wall, cpu) = (Instant::now(), cpu_ms(ClockId::ThreadCPUTime));
            ask(run)?;
            times.cpu.push(cpu_ms(ClockId::ThreadCPUTime) - cpu);
            times.wall.push(wall.elapsed().as_secs_f64() * 1e3);
        }
        times.wall.sort_by(f64::total_cmp);
        times.cpu.sort_by(f64::total_cmp);
        Ok(times)
    }
}

/// The value that a share of sorted ones does not exceed.
pub(crate) fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1]
}

impl Table {
    /// Adds the times of a question with its target for the 99th percentile, in milliseconds.
    pub(crate) fn times(&mut self, what: &str, target_ms: f64, times: &Times) {
        let (wall, cpu) = (at(&times.wall, 0.99), at(&times.cpu, 0.99));
        let pair = |sorted: &[f64]| format!("{} / {}", short(at(sorted, 0.5)), short(at(sorted, 0.99)));
        let met = match () {
            () if wall <= target_ms => "met",
            () if cpu <= target_ms => "met in CPU time",
            () => "NOT met",
        };
        self.add(what, &format!("≤ {target_ms} ms"), &format!("{} ms", pair(&times.wall)), &pair(&times.cpu), met);
    }

    /// Adds one figure.
    pub(crate) fn figure(&mut self, what: &str, target: f64, value: f64, unit: &str) {
        let met = if value <= target { "met" } else { "NOT met" };
        self.add(what, &format!("≤ {target} {unit}"), &format!("{} {unit}", short(value)), "", met);
    }

    /// Adds a figure that has no target.
    pub(crate) fn note(&mut self, what: &str, value: &str) {
        self.add(what, "", value, "", "");
    }

    /// Takes over the figures of another one.
    pub(crate) fn append(&mut self, mut other: Table) {
        self.0.append(&mut other.0);
    }

    fn add(&mut self, what: &str, target: &str, measured: &str, cpu: &str, met: &str) {
        eprintln!("{what}: {measured} (CPU {cpu}), {target}: {met}");
        self.0.push([what, target, measured, cpu, met].map(str::to_owned));
    }
}

fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        v => format!("{v:.3}"),
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut printed = Printed::new();
        printed.load_preset(ASCII_MARKDOWN).set_header(["", "target", "p50 / p99", "CPU ms", ""]).add_rows(&self.0);
        for column in 1..4 {
            printed.column_mut(column).into_iter().for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        }
        write!(f, "{printed}")
    }
}

/// What this is measured on.
pub(crate) fn machine(folder: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let disk = rustix::fs::statfs(folder).map_or(String::new(), |fs| match fs.f_type as u32 {
        0xEF53 => "ext4".into(),
        0x9123_683E => "btrfs".into(),
        0x5846_5342 => "xfs".into(),
        0x0102_1994 => "tmpfs".into(),
        other => format!("file system {other:x}"),
    });
    format!(
        "{cores} cores ({}), {disk}, SQLite {}, load at the beginning {}",
        model.trim_start_matches([':', ' ', '\t']),
        rusqlite::version(),
        load.split(' ').next().unwrap_or("unknown"),
    )
}
