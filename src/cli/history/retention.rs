//! `history retention`: what is older than it has to be kept.

use super::{bytes, keep};
use crate::{
    cli::progress,
    clock::Clock,
    config::Config,
    store::{Examiner, Overdue, Retiring, Upkeep},
    web::words,
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
    let overdue = Examiner::open(&config.storage.path)?.overdue(keep, now)?;
    if !args.dry_run {
        let mut upkeep = Upkeep::open(&config.storage.path)?;
        let bar = progress::bar(None, "{spinner} deleting, {elapsed}");
        let mut retiring = Retiring::default();
        while upkeep.retire(&mut retiring, keep, now)? {
            bar.tick();
        }
        bar.finish_and_clear();
    }
    if args.json {
        let one = |o: &Overdue| {
            json!({
                "kind": o.kind, "rows": o.rows, "from": o.from.map(|t| t.to_string()), "to": o.to.map(|t| t.to_string()),
                "bytes_estimated": o.bytes,
            })
        };
        let kinds: Vec<_> = overdue.iter().map(one).collect();
        println!("{}", json!({"deleted": !args.dry_run, "kinds": kinds}));
        return Ok(ExitCode::SUCCESS);
    }
    let days = |days: Option<u32>| days.map_or("for ever".to_owned(), |days| format!("{days} days"));
    println!(
        "kept: check results {}, hour sums {}, day sums, incidents and gaps {}",
        days(keep.checks),
        days(keep.hours),
        days(keep.days)
    );
    let mut table = Table::new();
    let went = if args.dry_run { "would go" } else { "went" };
    table.load_preset(presets::NOTHING).set_header(["", went, "from", "to", "about"]);
    for kind in &overdue {
        let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let day = |at: Option<crate::domain::time::UnixMs>| {
            at.map_or(String::new(), |at| at.utc().format("%Y-%m-%d").to_string())
        };
        table.add_row([
            Cell::new(kind.kind),
            number(words::count(kind.rows)),
            Cell::new(day(kind.from)),
            Cell::new(day(kind.to)),
            number(bytes(kind.bytes)),
        ]);
    }
    println!("\n{table}");
    println!("\nThe space is used again by what comes; `history compact` gives it back to the file system.");
    Ok(ExitCode::SUCCESS)
}
