//! Arguments, logging, exit code.

use healthcheck_dashboard::{
    cli::{self, Cli},
    init,
};
use std::{io::Write, process::ExitCode};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    if init::is_called_for() {
        return init::run().unwrap_or_else(|error| {
            let _ = writeln!(std::io::stderr(), "error: the program cannot be started from process 1: {error}");
            ExitCode::FAILURE
        });
    }
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(cli::colors())
        .with_writer(std::io::stderr)
        // Where the log has no room either, the subscriber would say so on the same stream and panic: no line of a log
        // is worth a check.
        .log_internal_errors(false)
        .init();
    cli.run()
}
