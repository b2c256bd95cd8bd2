//! `import`: takes in what `export` wrote. All of it or nothing: it is one transaction.

use super::{pack, progress, terminal::out};
use crate::{
    clock::Clock,
    config::Config,
    domain::time::{DAY_MS, MINUTE_MS},
    format,
    interchange::import,
    store::{Merge, Merged},
};
use anyhow::Context;
use indicatif::ProgressBar;
use std::{fs::File, io, path::PathBuf, process::ExitCode};

/// The clocks of two machines may differ by so much.
const AHEAD_MS: i64 = MINUTE_MS;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Files that export wrote, json or ndjson, also compressed; - is the standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    let merged = tokio::task::spawn_blocking({
        let path = config.storage.path.clone();
        move || {
            let mut merge = Merge::open(&path)?;
            for file in &args.files {
                take_in(&mut merge, file).with_context(|| format!("{}: nothing was imported", file.display()))?;
            }
            anyhow::Ok(merge.commit()?)
        }
    })
    .await??;
    say(&config, &merged);
    Ok(ExitCode::SUCCESS)
}

fn take_in(merge: &mut Merge, file: &PathBuf) -> anyhow::Result<()> {
    let template = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    if file.as_os_str() == "-" {
        let bar = progress::bar(None, "{spinner} {bytes}, {bytes_per_sec}");
        return read(merge, bar.wrap_read(io::stdin().lock()), &bar);
    }
    let source = File::open(file)?;
    let bar = progress::bar(source.metadata().ok().map(|m| m.len()), template);
    read(merge, bar.wrap_read(source), &bar)
}

fn read(merge: &mut Merge, source: impl io::Read, bar: &ProgressBar) -> anyhow::Result<()> {
    import::read(&mut pack::unpack(source)?, merge, Clock::system().now().plus(AHEAD_MS))?;
    bar.finish_and_clear();
    let services = progress::bar(None, "{spinner} outages, gaps and sums of {msg}");
    merge.end(|name| {
        services.set_message(name.to_owned());
        services.tick();
    })?;
    services.finish_and_clear();
    Ok(())
}

fn say(config: &Config, merged: &Merged) {
    let Merged { services, added, known, replaced, renumbered, oldest_added } = *merged;
    out!("{added} check results are new, {known} were there already");
    if services > 0 {
        out!("{services} services were not known here");
    }
    if replaced > 0 {
        out!("{replaced} check results were replaced by a worse result of the same moment");
    }
    if renumbered > 0 {
        out!("{renumbered} incidents got another number: a later incident has theirs now");
    }
    let kept_from = config.storage.keep_checks_days.map(|days| Clock::system().now().plus(-i64::from(days) * DAY_MS));
    if let (Some(oldest), Some(from), Some(days)) = (oldest_added, kept_from, config.storage.keep_checks_days)
        && oldest < from
    {
        out!(
            "the oldest is of {oldest}: results older than {} will be retired when the service runs, and only \
             their sums will stay; set keep_checks_days in [storage] to keep them",
            format::counted(days.into(), "day", "days")
        );
    }
}
