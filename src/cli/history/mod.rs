//! `history`: what can be done to a history itself.

mod maintenance;

use crate::config::Config;
use std::process::ExitCode;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Mark past time as maintenance, list what is marked, or take a mark back
    #[command(subcommand)]
    Maintenance(maintenance::Command),
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Maintenance(command) => maintenance::run(config, command).await,
    }
}
