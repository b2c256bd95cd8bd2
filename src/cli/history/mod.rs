//! `history`: what can be done to a history itself.

mod compact;
mod forget;
mod maintenance;
mod retention;
mod services;
mod unseal;

use crate::config::Config;
use std::process::ExitCode;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Show every service that the history knows: what it has of it, and whether it is still watched
    Services(services::Args),
    /// Show or delete what is older than `[storage]` says, and seal what it says
    ///
    /// The running service does this by itself, every hour. The command is for a service that is stopped, and --dry-run, also
    /// while it runs, to see what the settings would do before it is started with them.
    Retention(retention::Args),
    /// Remove a service and all that is known of it, after asking
    ///
    /// Its check results, sums, incidents, blips, gaps and alerts: there is no way back but a backup. A service that is
    /// configured and enabled is refused, also with --yes: take it out of the configuration first, or set `enabled = false`.
    /// Not while the service runs.
    Forget(forget::Args),
    /// Give the space of what was deleted back to the file system
    ///
    /// In small steps, so that it can be broken off. Not while the service runs, and seldom worth it: the space is used
    /// again by what comes.
    Compact,
    /// Make rows again of the days that are sealed, so that SQL can read them
    ///
    /// Day by day, so that it can be broken off. Rows take four to ten times as much room. Not while the service runs.
    Unseal(unseal::Args),
    /// Mark past time as maintenance, list what is marked, or take a mark back
    #[command(subcommand)]
    Maintenance(maintenance::Command),
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let done = tokio::task::spawn_blocking(move || match command {
        Command::Services(args) => services::run(&config, &args),
        Command::Retention(args) => retention::run(&config, &args),
        Command::Forget(args) => forget::run(&config, &args),
        Command::Compact => compact::run(&config),
        Command::Unseal(args) => unseal::run(&config, &args),
        Command::Maintenance(command) => maintenance::run(&config, command),
    });
    done.await?
}
