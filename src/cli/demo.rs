//! `demo`: the dashboard alive, without a configuration.

use crate::{clock::Clock, demo, shutdown};
use anyhow::Context;
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    // In the place of the one that every other command takes, so that the help does not offer it.
    #[arg(long, short, hide = true)]
    pub(super) config: Option<PathBuf>,
}

pub(super) async fn run() -> anyhow::Result<ExitCode> {
    let folder = std::env::temp_dir().join(format!("healthcheck-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    tracing::info!("making 90 days of history in {}", folder.display());
    let signals = shutdown::signals()?;
    let done = async {
        let app = demo::start(&folder, &|name| std::env::var(name).ok(), |_| (), Clock::system()).await?;
        let signal = signals.await;
        tracing::info!("{signal}: stopping");
        app.stop().await;
        anyhow::Ok(())
    };
    let done = done.await;
    // It was only a demonstration.
    let _ = std::fs::remove_dir_all(&folder);
    done?;
    Ok(ExitCode::SUCCESS)
}
