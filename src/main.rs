//! Arguments, logging, exit code.

use clap::Parser;
use healthcheck_dashboard::{cli::Cli, init};
use std::{io::IsTerminal, process::ExitCode};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    if init::is_called_for() {
        return init::run().unwrap_or_else(|error| {
            eprintln!("error: the program cannot be started from process 1: {error}");
            ExitCode::FAILURE
        });
    }
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // Where the log has no room either, the subscriber would say so on the same stream and panic: no line of a log
        // is worth a check.
        .log_internal_errors(false)
        .init();
    cli.run()
}
