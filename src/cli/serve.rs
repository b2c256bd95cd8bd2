//! `serve`: watch and answer until told to stop.

use crate::{app::App, clock::Clock, config::Config, shutdown};
use std::process::ExitCode;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let app = App::start(config, Clock::system()).await?;
    let signal = shutdown::signal().await?;
    tracing::info!("{signal}: stopping");
    app.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
