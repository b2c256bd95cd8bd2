//! `backup`: a copy of the history, made while the service runs.

use super::{
    exit::{self, usage},
    progress,
    terminal::out,
};
use crate::{config::Config, store};
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace it if it is there
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    let Args { file, force } = args;
    if file.as_os_str() == "-" {
        return Err(usage(
            "a backup is read again from end to end before it counts, so it needs a file and not a pipe (-)",
        ));
    }
    let name = file.display().to_string();
    let verified = exit::interruptible(move |stop| {
        let bar = progress::bar(Some(0), "{bar:30} {percent} %, {eta} left");
        let done = store::backup(&config.storage.path, &file, force, |copied| {
            bar.set_length(copied.of);
            bar.set_position(copied.pages);
            !stop.is_asked_for()
        });
        bar.finish_and_clear();
        Ok(done?)
    })
    .await?;
    out!("{name} is whole: {}", contents(&verified));
    Ok(ExitCode::SUCCESS)
}

/// What a copy holds, in words.
pub(super) fn contents(verified: &store::Verified) -> String {
    let megabytes = verified.bytes as f64 / 1e6;
    let latest = verified.last.map(|at| format!(", the latest of {at}")).unwrap_or_default();
    format!("{} check results{latest}; {megabytes:.1} MB, read from end to end", verified.results)
}
