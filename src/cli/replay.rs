//! `replay`: the incidents that one would have had with other thresholds.

use super::{exit::usage, progress, terminal::out};
use crate::{
    clock::Clock,
    config::Config,
    domain::{incident::Outage, time::UnixMs, window::Window},
    format,
    history::replay::{self, ReplayOutcome, Replayed, Rules},
    store::{Reader, StoredService},
};
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Failed checks in a row that make an incident
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    failure_threshold: Option<u32>,
    /// Passed checks in a row that end one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    success_threshold: Option<u32>,
    /// Passed checks slower than this are degraded. It makes no incidents, but degraded time
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(1..))]
    degraded_after_ms: Option<i64>,
    /// Only these services (may be repeated)
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// How far back from now, such as 24h, 7d or 2w; everything without it and without --from
    #[arg(long, conflicts_with_all = ["from", "to"], value_parser = crate::cli::arguments::duration)]
    window: Option<i64>,
    /// Incidents that last at or after this time or date (UTC), such as 2026-11-16 or 2026-11-16T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = crate::cli::arguments::moment)]
    from: Option<UnixMs>,
    /// Incidents that began before this time
    #[arg(long, value_name = "TIME", value_parser = crate::cli::arguments::moment)]
    to: Option<UnixMs>,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let (path, now) = (config.storage.path.clone(), Clock::system().now());
    tokio::task::spawn_blocking(move || replay(&Reader::open(&path)?, &args, now)).await??;
    Ok(ExitCode::SUCCESS)
}

fn replay(reader: &Reader, args: &Args, now: UnixMs) -> anyhow::Result<()> {
    let window = match args.window {
        Some(length) => Window::ending(now, length),
        None => {
            let (from, to) = (args.from.unwrap_or(UnixMs::MIN), args.to.unwrap_or(now).min(now));
            Window::new(from, to).ok_or_else(|| usage(format!("this window ends before it begins: {from} to {to}")))?
        }
    };
    let rules = Rules {
        failure_threshold: args.failure_threshold,
        success_threshold: args.success_threshold,
        degraded_after_ms: args.degraded_after_ms,
    };
    let mut services = reader.services()?;
    for name in &args.services {
        if !services.iter().any(|s| &s.name == name) {
            return Err(usage(format!("there is no service named “{name}” in the history")));
        }
    }
    services.retain(|s| args.services.is_empty() || args.services.contains(&s.name));
    let bar = progress::bar(Some(services.len() as u64), "replaying {wide_bar} {pos}/{len} {msg}");
    let mut all = Vec::new();
    for service in services {
        bar.set_message(service.name.clone());
        if let Some(replayed) = replay::replay(reader, service.id, window, rules, now)? {
            all.push((service, replayed));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    reader.finish()?;
    match args.json {
        true => out!("{}", document(&all, window, rules)),
        false => tell(&all, window, rules),
    }
    Ok(())
}

/// The sums of one side.
#[derive(Clone, Copy, Default)]
struct Sums {
    incidents: u64,
    blips: u64,
    /// What the failed checks of incidents, and of blips, speak for.
    incidents_ms: i64,
    blips_ms: i64,
    detect_ms: i64,
    degraded_ms: i64,
}

impl Sums {
    fn of<'a>(tellings: impl Iterator<Item = &'a ReplayOutcome>) -> Sums {
        let mut sums = Sums::default();
        for telling in tellings {
            sums.degraded_ms += telling.degraded_ms;
            for outage in &telling.outages {
                match outage.confirmed_at {
                    Some(confirmed) => {
                        sums.incidents += 1;
                        sums.incidents_ms += outage.down_ms;
                        sums.detect_ms += confirmed.since(outage.started_at);
                    }
                    None if outage.is_blip() => {
                        sums.blips += 1;
                        sums.blips_ms += outage.down_ms;
                    }
                    None => {}
                }
            }
        }
        sums
    }

    fn mttd_ms(&self) -> Option<i64> {
        (self.incidents > 0).then(|| self.detect_ms / self.incidents as i64)
    }
}

fn both(all: &[(StoredService, Replayed)]) -> (Sums, Sums) {
    (Sums::of(all.iter().map(|(_, r)| &r.had)), Sums::of(all.iter().map(|(_, r)| &r.would)))
}

/// An incident of either side, with what the other has in its place: the outage that began with the same check.
fn pairs(replayed: &Replayed) -> Vec<(Option<&Outage>, Option<&Outage>)> {
    let (had, would) = (&replayed.had.outages, &replayed.would.outages);
    let at = |all: &'_ [Outage], start: UnixMs| all.iter().position(|o| o.started_at == start);
    let mut starts: Vec<UnixMs> = had.iter().chain(would).filter(|o| o.is_incident()).map(|o| o.started_at).collect();
    starts.sort();
    starts.dedup();
    starts.into_iter().map(|start| (at(had, start).map(|i| &had[i]), at(would, start).map(|i| &would[i]))).collect()
}

fn in_words(outage: Option<&Outage>) -> String {
    let Some(outage) = outage else { return "part of another, or nothing".to_owned() };
    let kind = match (outage.is_incident(), outage.is_blip()) {
        (true, _) => "incident",
        (_, true) => "blip",
        _ => "failing, not confirmed",
    };
    let length = match outage.ended_at {
        Some(ended) => format::duration(ended.since(outage.started_at)),
        None => "it lasts".to_owned(),
    };
    let found =
        outage.confirmed_at.map(|at| format!(", confirmed after {}", format::duration(at.since(outage.started_at))));
    format!("{kind}, {length}{}", found.unwrap_or_default())
}

fn tell(all: &[(StoredService, Replayed)], window: Window, rules: Rules) {
    let mut said = Vec::new();
    for (name, value) in [
        ("failure threshold", rules.failure_threshold.map(i64::from)),
        ("success threshold", rules.success_threshold.map(i64::from)),
        ("degraded after ms", rules.degraded_after_ms),
    ] {
        said.extend(value.map(|value| format!("{name} {value}")));
    }
    let rules = if said.is_empty() { "as it was set at the time".to_owned() } else { said.join(", ") };
    out!("replayed with: {rules}; up to {}", window.to());
    for (service, replayed) in all {
        match replayed.from {
            Some(from) if from > window.from() && window.from() > UnixMs::MIN => {
                out!("  {}: only from {from} on", service.name);
            }
            Some(_) => {}
            None => out!("  {}: nothing to replay", service.name),
        }
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["service", "started", "had", "would have had"]);
    let mut rows = 0;
    for (service, replayed) in all {
        for (had, would) in pairs(replayed) {
            let start = had.or(would).map_or(String::new(), |o| o.started_at.to_string());
            table.add_row([format::clipped(&service.name, 200), start, in_words(had), in_words(would)]);
            rows += 1;
        }
    }
    if rows > 0 {
        out!("\n{table}");
    }
    let (had, would) = both(all);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["", "had", "would have had"]);
    let mut row = |name: &str, of: &dyn Fn(&Sums) -> String| {
        let cell = |sums| Cell::new(of(sums)).set_alignment(CellAlignment::Right);
        table.add_row([Cell::new(name), cell(&had), cell(&would)]);
    };
    row("incidents", &|s| format::count(s.incidents));
    row("blips", &|s| format::count(s.blips));
    row("downtime in incidents", &|s| format::duration(s.incidents_ms));
    row("downtime in blips", &|s| format::duration(s.blips_ms));
    row("mean time to detect", &|s| s.mttd_ms().map_or("no incident".to_owned(), format::duration));
    row("degraded", &|s| format::duration(s.degraded_ms));
    out!("\n{table}");
}

fn document(all: &[(StoredService, Replayed)], window: Window, rules: Rules) -> Value {
    let item = |outage: &Outage| {
        json!({
            "id": Some(outage.id).filter(|id| *id > 0), "started_at": outage.started_at.to_string(),
            "last_ok_at": outage.last_ok_at.map(|t| t.to_string()),
            "confirmed_at": outage.confirmed_at.map(|t| t.to_string()),
            "resolved_at": outage.ended_at.map(|t| t.to_string()),
            "kind": if outage.is_incident() { "incident" } else if outage.is_blip() { "blip" } else { "unconfirmed" },
            "down_ms": outage.down_ms, "checks_failed": outage.checks_failed,
            "message": outage.cause.reason.message,
        })
    };
    let sums = |sums: Sums| {
        json!({
            "incidents": sums.incidents, "blips": sums.blips, "incidents_down_ms": sums.incidents_ms,
            "blips_down_ms": sums.blips_ms, "mttd_ms": sums.mttd_ms(), "degraded_ms": sums.degraded_ms,
        })
    };
    let side = |telling: &ReplayOutcome| {
        let mut side = sums(Sums::of(std::iter::once(telling)));
        side["outages"] = telling.outages.iter().map(item).collect();
        side
    };
    let services: serde_json::Map<String, Value> = all
        .iter()
        .map(|(service, replayed)| {
            let from = replayed.from.map(|from| from.to_string());
            let value = json!({
                "from": from, "results": replayed.results, "had": side(&replayed.had), "would": side(&replayed.would),
            });
            (service.name.clone(), value)
        })
        .collect();
    let (had, would) = both(all);
    json!({
        "from": window.from().to_string(), "to": window.to().to_string(),
        "rules": {
            "failure_threshold": rules.failure_threshold, "success_threshold": rules.success_threshold,
            "degraded_after_ms": rules.degraded_after_ms,
        },
        "totals": {"had": sums(had), "would": sums(would)},
        "services": services,
    })
}
