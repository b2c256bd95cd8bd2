//! `history retention`: what is older than it has to be kept.

use crate::{app::keep, format::bytes};
use crate::{
    cli::{progress, terminal::out},
    clock::Clock,
    config::Config,
    domain::time::UnixMs,
    format,
    store::{Examiner, Expired, MaintenanceTasks, Retiring},
};
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde_json::json;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// Only show what would go, for each kind of data
    #[arg(long)]
    dry_run: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let (keep, now) = (keep(config), Clock::system().now());
    let mut examiner = Examiner::open(&config.storage.path)?;
    let overdue = examiner.overdue(keep, now)?;
    let mut unsealed = keep.rows.map(|_| examiner.unsealed(keep, now)).transpose()?;
    examiner.finish()?;
    drop(examiner);
    if !args.dry_run {
        let mut upkeep = MaintenanceTasks::open(&config.storage.path)?;
        let bar = progress::bar(None, "{spinner} at work, {elapsed}");
        let mut retiring = Retiring::default();
        while upkeep.retire(&mut retiring, keep, now)? {
            bar.tick();
        }
        bar.finish_and_clear();
        drop(upkeep);
        if let Some(before) = &mut unsealed {
            // What was damaged stayed as it was.
            before.rows -= Examiner::open(&config.storage.path)?.unsealed(keep, now)?.rows.min(before.rows);
        }
    }
    if args.json {
        let time = |at: Option<UnixMs>| at.map(|at| at.to_string());
        let one = |o: &Expired| {
            json!({
                "kind": o.kind, "rows": o.rows, "from": time(o.from), "to": time(o.to),
                "bytes_estimated": o.bytes,
            })
        };
        let kinds: Vec<_> = overdue.iter().map(one).collect();
        let sealed = unsealed.map(|all| json!({"rows": all.rows, "from": time(all.from), "to": time(all.to)}));
        out!("{}", json!({"deleted": !args.dry_run, "kinds": kinds, "sealed": sealed}));
        return Ok(ExitCode::SUCCESS);
    }
    let counted = |days: u32| format::counted(days.into(), "day", "days");
    let days = |days: Option<u32>| days.map_or("for ever".to_owned(), counted);
    out!(
        "kept: check results {}, hour sums {}, day sums, incidents and gaps {}",
        days(keep.checks),
        days(keep.hours),
        days(keep.days)
    );
    let day = |at: Option<UnixMs>| at.map_or(String::new(), |at| at.utc().format("%Y-%m-%d").to_string());
    let mut table = Table::new();
    let went = if args.dry_run { "would go" } else { "went" };
    table.load_preset(presets::NOTHING).set_header(["", went, "from", "to", "about"]);
    for kind in &overdue {
        let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(kind.kind),
            number(format::count(kind.rows)),
            Cell::new(day(kind.from)),
            Cell::new(day(kind.to)),
            number(bytes(kind.bytes)),
        ]);
    }
    out!("\n{table}");
    if let (Some(after), Some(unsealed)) = (keep.rows, unsealed) {
        out!(
            "\n{} check results older than {} {}{}",
            format::count(unsealed.rows),
            counted(after),
            if args.dry_run { "would be sealed" } else { "were sealed" },
            match unsealed.rows {
                0 => String::new(),
                _ => format!(", from {} to {}", day(unsealed.from), day(unsealed.to)),
            }
        );
    }
    out!("\nThe space is used again by what comes; `history compact` gives it back to the file system.");
    Ok(ExitCode::SUCCESS)
}
