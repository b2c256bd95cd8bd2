//! `history services`: what the history has of whom.

use crate::format::bytes;
use crate::{
    cli::terminal::out,
    config::Config,
    domain::time::UnixMs,
    format,
    store::{Examiner, ServiceUsage},
};
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde_json::json;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let mut examiner = Examiner::open(&config.storage.path)?;
    let services = examiner.services()?;
    let all = services.into_iter().map(|service| examiner.usage(service)).collect::<Result<Vec<ServiceUsage>, _>>()?;
    let space = examiner.space()?;
    examiner.finish()?;
    let time = |at: Option<UnixMs>| at.map(|at| at.to_string());
    if args.json {
        let one = |s: &ServiceUsage| {
            json!({
                "service": s.service.name, "first_at": time(s.first_at), "last_at": time(s.last_at),
                "results": s.results, "sealed_results": s.sealed, "results_bytes_estimated": s.bytes, "incidents": s.incidents, "blips": s.blips,
                "removed_at": time(s.service.removed_at),
            })
        };
        let services: Vec<_> = all.iter().map(one).collect();
        out!("{}", json!({"bytes": space.bytes, "free_bytes": space.free_bytes, "services": services}));
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "service",
        "first",
        "last",
        "results",
        "about",
        "incidents",
        "blips",
        "",
    ]);
    for stock in &all {
        let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let second =
            |at: Option<UnixMs>| at.map_or("none".to_owned(), |at| at.utc().format("%Y-%m-%d %H:%M").to_string());
        table.add_row([
            Cell::new(format::clipped(&stock.service.name, 200)),
            Cell::new(second(stock.first_at)),
            Cell::new(second(stock.last_at)),
            number(format::count(stock.results)),
            number(bytes(stock.bytes)),
            number(format::count(stock.incidents)),
            number(format::count(stock.blips)),
            Cell::new(remarks(stock).join(", ")),
        ]);
    }
    out!("{table}");
    out!(
        "\n{} takes {}, of which {} are free",
        config.storage.path.display(),
        bytes(space.bytes),
        bytes(space.free_bytes)
    );
    Ok(ExitCode::SUCCESS)
}

fn remarks(stock: &ServiceUsage) -> Vec<String> {
    let sealed = (stock.sealed > 0).then(|| format!("{} sealed", format::count(stock.sealed)));
    let removed = stock.service.removed_at.map(|_| "not in the configuration".to_owned());
    sealed.into_iter().chain(removed).collect()
}
