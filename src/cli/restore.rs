//! `restore`: puts a backup in the place of the history.

use super::{
    backup::contents,
    exit::{self, usage},
    progress,
    terminal::out,
};
use crate::{clock::Clock, config::Config, store};
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The backup to put in the place of the history, which stays beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    if args.file.as_os_str() == "-" {
        return Err(usage("a backup is examined before it is taken, so it has to be a file and not a pipe (-)"));
    }
    let name = args.file.display().to_string();
    let path = config.storage.path.clone();
    let restored = exit::interruptible(move |stop| {
        let bar = progress::bar(Some(0), "{bar:30} {percent} %, {eta} left");
        let done = store::restore(&config.storage.path, &args.file, Clock::system().now(), |copied| {
            bar.set_length(copied.of);
            bar.set_position(copied.pages);
            !stop.is_asked_for()
        });
        bar.finish_and_clear();
        Ok(done?)
    })
    .await?;
    out!("{} is now what {name} holds: {}", path.display(), contents(&restored.verified));
    if let Some(before) = restored.before {
        out!("what was there before is {}", before.display());
    }
    Ok(ExitCode::SUCCESS)
}
