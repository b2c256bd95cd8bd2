//! `history unseal`: rows again of what is sealed.

use crate::format::bytes;
use crate::{
    cli::{
        exit::usage,
        progress,
        terminal::{err, out},
    },
    config::Config,
    domain::time::UnixMs,
    format,
    store::{Examiner, MaintenanceTasks, StoreError, Unsealed},
};
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// Only of this service; else of all
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Delete the days that are damaged, so that an import can bring them back
    ///
    /// Only where there is such an import. What followed from the results (incidents, gaps, sums) stays; `verify --repair`
    /// would delete it, too.
    #[arg(long)]
    drop_damaged: bool,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let mut examiner = Examiner::open(&config.storage.path)?;
    let mut services = examiner.services()?;
    if let Some(name) = &args.service {
        services.retain(|service| &service.name == name);
        if services.is_empty() {
            return Err(usage(format!(
                "there is no service named “{name}” in the history; `history services` lists them"
            )));
        }
    }
    let mut sealed = 0;
    for service in &services {
        sealed += examiner.usage(service.clone())?.sealed;
    }
    drop(examiner);
    let mut upkeep = MaintenanceTasks::open(&config.storage.path)?;
    let before = upkeep.space()?;
    let bar = progress::bar(Some(sealed), "unsealing {wide_bar} {pos}/{len}");
    let (mut days, mut results, mut damaged) = (0, 0, Vec::new());
    for service in &services {
        let mut newer = UnixMs(i64::MAX);
        while let Some(Unsealed { day, results: some }) = upkeep.unseal_next(service.id, newer)? {
            newer = day;
            match some {
                Ok(some) => {
                    (days, results) = (days + 1, results + some);
                    bar.inc(some);
                }
                Err(_) if args.drop_damaged => match upkeep.drop_sealed(service.id, day) {
                    Ok(gone) => damaged.push(format!("deleted: {} of “{}”, {gone} results", date(day), service.name)),
                    Err(why @ StoreError::Content(_)) => damaged.push(format!("still sealed: {why}")),
                    Err(error) => return Err(error.into()),
                },
                Err(why) => damaged.push(format!("still sealed: {why}")),
            }
        }
    }
    bar.finish_and_clear();
    let after = upkeep.space()?;
    out!(
        "{} check results of {} are rows again; {} takes {}, {} before",
        format::count(results),
        format::counted(days, "sealed day", "sealed days"),
        config.storage.path.display(),
        bytes(after.bytes),
        bytes(before.bytes)
    );
    if let Some(after) = config.storage.seal_after_days.filter(|_| days > 0) {
        out!(
            "The configuration has seal_after_days = {after}: the service seals these days again unless you remove that line."
        );
    }
    if damaged.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for what in &damaged {
        err!("{what}");
    }
    err!(
        "{}",
        if args.drop_damaged {
            "Import an export of a backup that has what was deleted. `verify --repair` without it would also delete what followed from it."
        } else {
            "A backup may have them whole: restore it, or export from it, delete them here with --drop-damaged, and import."
        }
    );
    Ok(ExitCode::FAILURE)
}

fn date(day: UnixMs) -> String {
    day.utc().format("%Y-%m-%d").to_string()
}
