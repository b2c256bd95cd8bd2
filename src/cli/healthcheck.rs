//! `healthcheck`: asks the running service's own `/livez`, so that a container needs no curl.

use super::{own_server, terminal::out};
use crate::config::Config;
use anyhow::bail;
use std::{process::ExitCode, time::Duration};

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let answer = own_server::ask(config, "GET", "/livez", None, PATIENCE).await?;
    if answer.status != 200 {
        bail!("{} answered: {}", answer.address, answer.body);
    }
    out!("alive");
    Ok(ExitCode::SUCCESS)
}
