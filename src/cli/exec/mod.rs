//! `exec`: runs a command and reports it to a monitor. Whatever becomes of the reports, the command runs, and its exit code
//! is ours.
//!
//! - `child`: the command, its output, its signals
//! - `monitor`: where it is reported

mod child;
mod complaint;
mod monitor;

use super::own_server;
use crate::{config, domain::secret::Secret, probe::Spec};
use complaint::complain;
use monitor::Monitor;
use std::{ffi::OsString, path::Path, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Where to report: https://monitor.example/api/v1/push/TOKEN. In the environment nobody sees it in the list of processes
    #[arg(long, value_name = "URL", env = "HEALTHCHECK_PUSH_URL", hide_env_values = true)]
    url: Option<Secret>,
    /// Report as this service of the configuration, to the monitor that runs with it on this machine
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    service: Option<String>,
    /// Send nothing of what the command prints
    #[arg(long)]
    no_log: bool,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, last = true)]
    command: Vec<OsString>,
}

pub(super) async fn run(args: Args, config: &Path) -> anyhow::Result<ExitCode> {
    // The command does not wait for anything of ours.
    let running = child::start(&args.command, !args.no_log)?;
    let monitor = match address(&args, config).and_then(|url| Monitor::new(&url)) {
        Ok(monitor) => Some(monitor),
        Err(why) => {
            complain(&why);
            None
        }
    };
    let begun = async {
        if let Some(monitor) = &monitor {
            monitor.begins().await;
        }
    };
    let (ended, ()) = tokio::join!(running, begun);
    if let Some(monitor) = &monitor {
        // Who asks us to end a second time does not want to wait for the monitor.
        tokio::select! {
            () = monitor.ends(&ended) => {}
            () = child::asked_to_end() => complain("asked to end before the monitor knew how the command did"),
        }
    }
    Ok(ExitCode::from(ended.code))
}

/// Where to report.
fn address(args: &Args, config: &Path) -> Result<Secret, String> {
    if let Some(url) = &args.url {
        return Ok(url.clone());
    }
    let Some(name) = &args.service else {
        return Err("neither --url nor --service says where to report".to_owned());
    };
    let config = config::load(config, &config::environment).map_err(|error| error.to_string())?;
    let endpoint = config.checks.endpoints.iter().find(|endpoint| &endpoint.service.name == name);
    let endpoint =
        endpoint.ok_or_else(|| format!("there is no service named “{name}” in {}", config.path.display()))?;
    if !matches!(endpoint.probe, Spec::Push(_)) {
        return Err(format!(
            "the service “{name}” does not report by itself: its type is {}",
            endpoint.service.kind.as_str()
        ));
    }
    let token = endpoint.secrets.first();
    let token =
        token.ok_or_else(|| format!("the configuration has only the hash of the token of “{name}”: name the --url"))?;
    let (address, base) = (own_server::address(&config), &config.dashboard.base_path);
    Ok(Secret::new(format!("http://{address}{base}/api/v1/push/{}", token.expose())))
}
