//! A demonstration: a few services of its own that misbehave on a script, and 90 days of a plausible past.

mod history;
mod past;
mod servers;

use crate::{
    app::App,
    clock::Clock,
    config::{self, Config},
    domain::incident::OutageState,
    store::{OutageFilter, StoreError},
};
use anyhow::Context;
use std::path::Path;

pub use past::DAYS;

/// The configuration of the demonstration, with its own servers' ports and its folder left open.
const CONFIG: &str = include_str!("config.toml");

/// Makes the past in `folder`, starts the servers and watches them, at the port that `env` has as `DASHBOARD_PORT`.
/// `adjust` has the last word on the configuration.
///
/// # Errors
/// When the folder or the port cannot be used.
pub async fn start(
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    adjust: impl FnOnce(&mut Config),
    clock: Clock,
) -> anyhow::Result<App> {
    let servers = servers::start().await?;
    let mut config = configuration(folder, env, &servers)?;
    adjust(&mut config);
    let (past, at) = (config.clone(), clock.clone());
    tokio::task::spawn_blocking(move || history::make(&past, &at)).await??;
    let app = App::start(config, clock).await?;
    annotate(&app).await;
    Ok(app)
}

/// What somebody wrote down about the latest outage of the database. Without it the demonstration is whole all the same.
async fn annotate(app: &App) {
    let reader = app.site.reader.clone();
    let found = tokio::task::spawn_blocking(move || {
        let service = reader.service("postgres-main")?.map(|service| service.id);
        let filter = OutageFilter { service, state: Some(OutageState::Resolved), ..OutageFilter::default() };
        Ok::<_, StoreError>(reader.outages(&filter, None, 1)?.into_iter().next())
    });
    if let Ok(Ok(Some(outage))) = found.await {
        app.site.writer.note_incident(outage.id, Some(NOTE.to_owned())).await;
    }
}

const NOTE: &str = "The primary ran out of connections after the release of the shop.\n\
                    Rolled back; the pool is limited to 40 now. Follow-up: INFRA-218.";

fn configuration(
    folder: &Path,
    outside: &dyn Fn(&str) -> Option<String>,
    servers: &servers::Servers,
) -> anyhow::Result<Config> {
    let database = folder.join("history.db").display().to_string();
    let (http, mail, database_port) =
        (servers.http.to_string(), servers.mail.to_string(), servers.database.to_string());
    let env = |name: &str| match name {
        "DATABASE_FILE" => Some(database.clone()),
        "HTTP" => Some(http.clone()),
        "MAIL" => Some(mail.clone()),
        "DATABASE" => Some(database_port.clone()),
        "DASHBOARD_PORT" => outside(name),
        _ => None,
    };
    config::parse(CONFIG, Path::new("demo.toml"), &env)
        .map_err(|error| anyhow::anyhow!("{}", error.render(false)))
        .context("the demonstration's own configuration")
}
