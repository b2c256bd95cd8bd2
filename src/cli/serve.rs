//! `serve`: watch and answer until told to stop.

use crate::{app::App, clock::Clock, config::Config, shutdown};
use std::process::ExitCode;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    // Before anything is begun, so that there is no moment at which a signal would break it off.
    let signals = shutdown::signals()?;
    let app = App::start(config, Clock::system()).await?;
    let signal = signals.await;
    tracing::info!("{signal}: stopping");
    app.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
