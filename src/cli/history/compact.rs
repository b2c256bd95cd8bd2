//! `history compact`: what was deleted leaves the file.

use crate::cli::terminal::out;
use crate::format::bytes;
use crate::{cli::progress, config::Config, store::MaintenanceTasks};
use std::process::ExitCode;

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let mut upkeep = MaintenanceTasks::open(&config.storage.path)?;
    let before = upkeep.space()?;
    let bar = progress::bar(None, "reading all check results");
    bar.tick();
    upkeep.prune_reasons()?;
    bar.finish_and_clear();
    let bar = progress::bar(Some(before.free_bytes), "compacting {wide_bar} {bytes}/{total_bytes}");
    while upkeep.compact_some()? {
        bar.set_position(before.free_bytes.saturating_sub(upkeep.space()?.free_bytes));
    }
    bar.finish_and_clear();
    let after = upkeep.space()?;
    out!(
        "{}: {} before, {} after, {} given back",
        config.storage.path.display(),
        bytes(before.bytes),
        bytes(after.bytes),
        bytes(before.bytes.saturating_sub(after.bytes))
    );
    Ok(ExitCode::SUCCESS)
}
