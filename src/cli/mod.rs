//! The command line: one file per command.

mod check;
mod demo;
mod export;
mod healthcheck;
mod history;
mod serve;
mod validate;

use crate::config::{self, Config};
use clap::{Parser, Subcommand};
use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

/// A health-check service with a memory: it probes your services, writes every result down, and answers for years.
///
/// Without a command it serves: it watches what config.toml says and answers at /dashboard, /health and /api/v1.
#[derive(Parser, Debug)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// The configuration [default: what HEALTHCHECK_CONFIG names, or config.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Watch the services and answer for them (the default)
    Serve,
    /// Run every probe once, now, and show what they say; exit code 1 if a service is down
    Check(check::Args),
    /// Show the dashboard alive: built-in services that misbehave, and 90 days of made-up history; no configuration
    Demo,
    /// Read the configuration and say what is wrong with it; exit code 2 if something is
    Validate,
    /// Write the history as JSON, NDJSON or CSV, the same bytes as the API
    Export(export::Args),
    /// Change what is said of past time: maintenance
    #[command(subcommand)]
    History(history::Command),
    /// Ask the running service whether it is alive, for a container's health check
    Healthcheck,
}

impl Cli {
    /// Carries the command out.
    pub fn run(self) -> ExitCode {
        let command = self.command.unwrap_or(Command::Serve);
        if matches!(command, Command::Demo) {
            return on_runtime(demo::run());
        }
        let env = |name: &str| std::env::var(name).ok();
        let path = self.config.unwrap_or_else(|| config::locate(&env));
        let config = match config::load(&path, &env) {
            Ok(config) => config,
            Err(error) => {
                eprintln!("{}", error.render(std::io::stderr().is_terminal()));
                return ExitCode::from(2);
            }
        };
        on_runtime(carry_out(command, config))
    }
}

fn on_runtime(command: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(command);
    // A blocking question that still runs must not hold up the end.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve => serve::run(config).await,
        Command::Check(args) => check::run(config, args).await,
        Command::Validate => Ok(validate::run(&config)),
        Command::Export(args) => export::run(&config, args).await,
        Command::History(command) => history::run(&config, command).await,
        Command::Demo => demo::run().await,
        Command::Healthcheck => healthcheck::run(&config).await,
    }
}
