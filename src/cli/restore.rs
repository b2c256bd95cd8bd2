//! `restore`: puts a backup in the place of the history.

use super::{backup::contents, progress};
use crate::{clock::Clock, config::Config, store};
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The backup to put in the place of the history, which stays beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    let name = args.file.display().to_string();
    let path = config.storage.path.clone();
    let restored = tokio::task::spawn_blocking(move || {
        let bar = progress::bar(Some(0), "{bar:30} {percent} %, {eta} left");
        let done = store::restore(&config.storage.path, &args.file, Clock::system().now(), |copied| {
            bar.set_length(copied.of);
            bar.set_position(copied.pages);
            true
        });
        bar.finish_and_clear();
        done
    })
    .await??;
    println!("{} is now what {name} holds: {}", path.display(), contents(&restored.verified));
    if let Some(before) = restored.before {
        println!("what was there before is {}", before.display());
    }
    Ok(ExitCode::SUCCESS)
}
