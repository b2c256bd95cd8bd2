//! `history unseal`: rows again of what is sealed.

use super::bytes;
use crate::{
    cli::progress,
    config::Config,
    store::{Examiner, Upkeep},
    web::words,
};
use anyhow::bail;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// Only of this service; else of all
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let mut examiner = Examiner::open(&config.storage.path)?;
    let mut services = examiner.services()?;
    if let Some(name) = &args.service {
        services.retain(|service| &service.name == name);
        if services.is_empty() {
            bail!("there is no service named “{name}” in the history; `history services` lists them");
        }
    }
    let of = args.service.as_ref().and(services.first()).map(|service| service.id);
    let mut sealed = 0;
    for service in services {
        sealed += examiner.stock(service)?.sealed;
    }
    drop(examiner);
    let mut upkeep = Upkeep::open(&config.storage.path)?;
    let before = upkeep.space()?;
    let bar = progress::bar(Some(sealed), "unsealing {wide_bar} {pos}/{len}");
    let (mut days, mut results) = (0, 0);
    while let Some(some) = upkeep.unseal_some(of)? {
        (days, results) = (days + 1, results + some);
        bar.inc(some);
    }
    bar.finish_and_clear();
    let after = upkeep.space()?;
    println!(
        "{} check results of {} sealed {} are rows again; {} takes {}, {} before",
        words::count(results),
        words::count(days),
        if days == 1 { "day" } else { "days" },
        config.storage.path.display(),
        bytes(after.bytes),
        bytes(before.bytes)
    );
    if let Some(after) = config.storage.seal_after_days.filter(|_| days > 0) {
        println!(
            "The configuration says seal_after_days = {after}: the service seals them again unless this is taken out of it."
        );
    }
    Ok(ExitCode::SUCCESS)
}
