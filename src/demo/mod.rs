//! A demonstration: a few services of its own that misbehave on a script, and 90 days of a plausible past.

mod history;
mod past;
mod servers;

use crate::{
    app::App,
    clock::Clock,
    config::{self, Config},
    domain::time::UnixMs,
};
use anyhow::Context;
use std::path::Path;

/// How far back the made-up past goes, in days.
pub const DAYS: i64 = 90;

/// The configuration of the demonstration, with its own servers' ports and its folder left open.
const CONFIG: &str = include_str!("config.toml");

/// Makes the past in `folder`, starts the servers and watches them.
///
/// # Errors
/// When the folder or the port cannot be used.
pub async fn start(folder: &Path, port: Option<String>, clock: Clock) -> anyhow::Result<App> {
    let servers = servers::start().await?;
    let config = configuration(folder, port, &servers)?;
    let (past, now) = (config.clone(), clock.now());
    tokio::task::spawn_blocking(move || history::make(&past, now)).await??;
    App::start(config, clock).await
}

/// Makes the past alone, up to `now`: for tests that want a history and no servers.
///
/// # Errors
/// When the file cannot be written.
pub fn make_past(config: &Config, now: UnixMs) -> anyhow::Result<()> {
    history::make(config, now)
}

fn configuration(folder: &Path, port: Option<String>, servers: &servers::Servers) -> anyhow::Result<Config> {
    let database = folder.join("history.db").display().to_string();
    let (http, mail, database_port) =
        (servers.http.to_string(), servers.mail.to_string(), servers.database.to_string());
    let env = |name: &str| match name {
        "DATABASE_FILE" => Some(database.clone()),
        "HTTP" => Some(http.clone()),
        "MAIL" => Some(mail.clone()),
        "DATABASE" => Some(database_port.clone()),
        "DASHBOARD_PORT" => port.clone(),
        _ => None,
    };
    config::parse(CONFIG, Path::new("demo.toml"), &env)
        .map_err(|error| anyhow::anyhow!("{}", error.render(false)))
        .context("the demonstration's own configuration")
}
