//! The command line: one file per command.

mod alerts;
mod arguments;
mod backup;
mod check;
mod demo;
mod exec;
mod exit;
mod export;
mod healthcheck;
mod history;
mod import;
mod output;
mod own_server;
mod pack;
mod progress;
mod replay;
mod report;
mod restore;
mod serve;
mod terminal;
mod validate;
mod verify;

use crate::{
    config::{self, Config},
    store,
};
use clap::{Parser, Subcommand};
use std::{ffi::OsString, io::Write, path::PathBuf, process::ExitCode};
pub use terminal::colors;
use terminal::err;

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
    Serve(serve::Args),
    /// Run every probe once, now, and show what they say; exit code 1 if a service is down, 2 if one is unknown
    Check(check::Args),
    /// Show the dashboard alive: built-in services that misbehave, and 90 days of made-up history; no configuration
    Demo(demo::Args),
    /// Read the configuration and say what is wrong with it; exit code 2 if something is
    Validate,
    /// Try the channels that alerts go to, and see where an alert would go
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Write the history as JSON, NDJSON or CSV, the same bytes as the API
    Export(export::Args),
    /// Write a week, a month or any stretch as one HTML file, as Markdown or as JSON
    Report(report::Args),
    /// Prove that sums, incidents and gaps follow from the check results; exit code 1 if something does not
    ///
    /// Every hour and day sum, every incident, blip and gap is computed again from the check results and compared, and SQLite
    /// checks the file and its references.
    ///
    /// It reads beside a running service: what is compared of one service is one moment of the history. Where check results
    /// have been retired, only what follows from those that are left can be computed again; it says from when on that is.
    ///
    /// Exit code 0: everything follows from the check results, and the file is sound. 1: something does not, or it is
    /// damaged. 2: it could not be found out.
    Verify(verify::Args),
    /// Show the incidents you would have had with other thresholds, beside those you had
    ///
    /// The stored check results run through the same state machine again. What you do not name stays as it was set at the
    /// time, so that without any option the incident log comes out as it is.
    ///
    /// Mind that the checks stay the ones that were made. After a failure the next checks follow at the retry interval, until
    /// the thresholds of that time were met: with others these rechecks would have been made at other moments, or not at all.
    /// A higher --failure-threshold than was set is therefore met later here than it would have been live.
    ///
    /// Nothing is changed: not the history, and not the configuration.
    Replay(replay::Args),
    /// Look after the history itself: what it has, what goes, what it takes
    #[command(subcommand)]
    History(history::Command),
    /// Take in what export wrote: twice is as good as once, and in any order
    Import(import::Args),
    /// Copy the history to a file, while the service runs, and make sure that the copy is whole
    Backup(backup::Args),
    /// Put a backup in the place of the history; what was there stays beside it
    Restore(restore::Args),
    /// Run a command and report it to a monitor: its start, its exit code, how long it took and the end of its output
    ///
    /// The signals that come here go on to the command, and its exit code is that of exec (127 or 126 where it cannot be
    /// started, 128 and the number of the signal that ended it). A monitor that cannot be reached is complained of, and
    /// changes nothing for the command.
    #[command(override_usage = "healthcheck_dashboard exec <--url <URL>|--service <NAME>> [--no-log] -- <COMMAND>...")]
    Exec(exec::Args),
    /// Ask the running service whether it is alive, for a container's health check
    Healthcheck,
}

impl Cli {
    /// What the arguments ask for. Help and the version end here, as mistakes do.
    ///
    /// # Errors
    /// The exit code, where there is nothing to carry out.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
        Cli::try_parse_from(arguments).map_err(|said| {
            let printed = said.print().and_then(|()| std::io::stdout().flush());
            match printed {
                Err(error) if !said.use_stderr() => terminal::exit_code(&error),
                _ => ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2)),
            }
        })
    }

    /// Carries the command out.
    pub fn run(self) -> ExitCode {
        let command = self.command.unwrap_or(Command::Serve(serve::Args::default()));
        if let Command::Demo(args) = command {
            let given = self.config.is_some() || args.config.is_some();
            return on_runtime(async move {
                match given {
                    true => Err(exit::usage("demo makes a configuration of its own: it takes no --config")),
                    false => demo::run().await,
                }
            });
        }
        let env = config::environment;
        let path = self.config.unwrap_or_else(|| config::locate(&env));
        // A mistake in the configuration is no reason for a job not to run.
        if let Command::Exec(args) = command {
            return on_runtime(async move { exec::run(args, &path).await });
        }
        let config = match config::load(&path, &env) {
            Ok(config) => config,
            Err(error) => {
                err!("{}", error.render(colors()));
                return ExitCode::from(2);
            }
        };
        if let Some(mode) = config.storage.mode {
            store::set_mode(mode);
        }
        on_runtime(carry_out(command, config))
    }
}

fn on_runtime(command: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            err!("error: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(command);
    // A blocking question that still runs must not hold up the end.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}

async fn carry_out(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(config, &args).await,
        Command::Check(args) => check::run(config, args).await.map_err(exit::not_one),
        Command::Validate => Ok(validate::run(&config)),
        Command::Alerts(command) => alerts::run(config, command).await,
        Command::Export(args) => export::run(&config, args).await,
        Command::Verify(args) => verify::run(&config, args).await,
        Command::Replay(args) => replay::run(&config, args).await,
        Command::History(command) => history::run(config, command).await,
        Command::Import(args) => import::run(config, args).await,
        Command::Backup(args) => backup::run(config, args).await,
        Command::Restore(args) => restore::run(config, args).await,
        Command::Demo(_) => demo::run().await,
        Command::Exec(_) => Err(exit::usage("exec is carried out before the configuration is read")),
        Command::Report(args) => report::run(config, args).await,
        Command::Healthcheck => healthcheck::run(&config).await,
    }
}
