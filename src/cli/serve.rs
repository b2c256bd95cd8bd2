//! `serve`: watch and answer until a signal stops it.

use crate::{
    app::App,
    clock::Clock,
    config::Config,
    shutdown,
    store::{self, StoreError},
};
use std::process::ExitCode;

#[derive(clap::Args, Default, Debug)]
pub(super) struct Args {
    /// Begin a new history where only parts of one are left (its log, a saved copy), which are kept under another name
    #[arg(long)]
    new: bool,
    /// Where the history is damaged and the start would be refused: keep it under another name, and begin a new one
    #[arg(long)]
    set_aside: bool,
}

pub(super) async fn run(config: Config, args: &Args) -> anyhow::Result<ExitCode> {
    // Before anything is begun, so that there is no moment at which a signal would break it off.
    let signals = shutdown::signals()?;
    let app = start(config, args).await?;
    let signal = signals.await;
    tracing::info!("{signal}: stopping");
    app.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn start(config: Config, args: &Args) -> anyhow::Result<App> {
    let (path, clock) = (config.storage.path.clone(), Clock::system());
    if args.new
        && let Some(aside) = store::begin_anew(&path, clock.now())?
    {
        tracing::warn!("a new history begins; the files of the previous history are kept as {}", aside.display());
    }
    let again = args.set_aside.then(|| config.clone());
    let error = match App::start(config, clock.clone()).await {
        Err(error) if error.downcast_ref().is_some_and(StoreError::is_damage) => error,
        other => return other,
    };
    let Some(config) = again else {
        return Err(anyhow::anyhow!(
            "{error}. To watch without the past, start with `serve --set-aside`: it keeps {} under another name and begins \
             a new history",
            path.display()
        ));
    };
    let aside = store::set_damaged_aside(&path, clock.now())?;
    tracing::error!("{error}; the damaged file is kept as {}, and a new history begins", aside.display());
    App::start(config, clock).await
}
