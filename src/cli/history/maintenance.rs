//! `history maintenance`: time of the past that was maintenance, an overlay over the results.

use crate::{
    api::maintenance,
    cli::{
        exit::usage,
        terminal::{self, out},
    },
    clock::Clock,
    config::Config,
    domain::{time::UnixMs, window::Window},
    format,
    store::{MaintenanceMarker, Mark, Reader, Source},
};
use comfy_table::{Table, presets};
use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

#[derive(clap::Subcommand, Debug)]
pub(in crate::cli) enum Command {
    /// Mark past time as maintenance: it stands on neither side of uptime from then on
    ///
    /// No check result is changed, and incidents that were opened stay in the log; their time in the window is no
    /// downtime any more. The service must not be running. Maintenance that is still to come is announced in the
    /// configuration, with [[maintenance]].
    Add(Add),
    /// List all maintenance, with its number: what was announced and what was marked
    List(List),
    /// Take a mark back by its number; it stays in the list
    Remove(Remove),
}

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Add {
    /// From this time or date (UTC) on, such as 2026-11-16T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = crate::cli::arguments::moment)]
    from: UnixMs,
    /// Up to, and not including, this time; not later than now
    #[arg(long, value_name = "TIME", value_parser = crate::cli::arguments::moment)]
    to: UnixMs,
    /// Only of this service (may be repeated); without --service and --group of all
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// Only of the services of this group (may be repeated)
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// What was done
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct List {
    /// One JSON object per window and line, instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Remove {
    /// The number of the mark, as listed
    #[arg(value_name = "ID")]
    id: i64,
}

pub(super) fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    let (path, now) = (&config.storage.path, Clock::system().now());
    match command {
        Command::Add(args) => add(path, args, now),
        Command::List(args) => list(path, &args),
        Command::Remove(args) => remove(path, &args, now),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn add(path: &Path, args: Add, now: UnixMs) -> anyhow::Result<()> {
    let window = Window::new(args.from, args.to)
        .ok_or_else(|| usage(format!("this window ends before it begins: {} to {}", args.from, args.to)))?;
    if args.reason.trim().is_empty() {
        return Err(usage("the reason is empty: describe what was done"));
    }
    let mut services = args.services;
    if !args.groups.is_empty() {
        let known = Reader::open(path)?.services()?;
        for group in &args.groups {
            let members = known.iter().filter(|s| s.group.as_ref() == Some(group)).map(|s| s.name.clone());
            let before = services.len();
            services.extend(members);
            if services.len() == before {
                return Err(usage(format!("there is no group named “{group}” in the history")));
            }
        }
    }
    services.sort();
    services.dedup();
    let mark = Mark { window, services: Some(services).filter(|s| !s.is_empty()), reason: args.reason };
    let id = MaintenanceMarker::open(path)?.add(&mark, now, progress)?;
    out!("{}", sentence(id, "is marked", &mark.window, mark.services.as_deref()));
    Ok(())
}

fn remove(path: &Path, args: &Remove, now: UnixMs) -> anyhow::Result<()> {
    let one = MaintenanceMarker::open(path)?.take_back(args.id, now, progress)?;
    out!("{}", sentence(one.id, "is taken back", &one.window, one.services.as_deref()));
    Ok(())
}

fn sentence(id: i64, done: &str, window: &Window, services: Option<&[String]>) -> String {
    format!("maintenance {id} {done}: {} to {}, {}", window.from(), window.to(), of(services))
}

fn of(services: Option<&[String]>) -> String {
    services.map_or("all services".to_owned(), |names| names.join(", "))
}

/// Says on a terminal how far it is.
fn progress(done: usize, all: usize) {
    let mut stderr = io::stderr();
    if all > 1 && terminal::moves() {
        let end = if done == all { "\r\u{1b}[K" } else { "" };
        // Whether anybody sees it changes nothing.
        let _ = write!(stderr, "\r{done} of {all} services{end}").and_then(|()| stderr.flush());
    }
}

fn list(path: &Path, args: &List) -> anyhow::Result<()> {
    let reader = Reader::open(path)?;
    let log = reader.maintenance_log(None)?;
    reader.finish()?;
    if args.json {
        for one in &log {
            out!("{}", maintenance::as_json(one));
        }
        return Ok(());
    }
    if log.is_empty() {
        out!("there is no maintenance in this history");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["id", "from", "to", "services", "by", "reason"]);
    for one in &log {
        let by = match (one.source, one.taken_back_at) {
            (_, Some(at)) => format!("taken back {at}"),
            (Source::Config, None) => "configuration".to_owned(),
            (Source::Hand, None) => format!("hand, {}", one.noted_at),
        };
        table.add_row([
            one.id.to_string(),
            one.window.from().to_string(),
            one.window.to().to_string(),
            format::clipped(&of(one.services.as_deref()), 1000),
            by,
            format::clipped(&one.reason, 1000),
        ]);
    }
    out!("{table}");
    Ok(())
}
