//! What the file says, and what the program may rely on.
//!
//! [`load`] reads a `config.toml` and gives a [`Config`] without a mistake in it, or a [`ConfigError`] with every
//! mistake at once. The way through this room: `toml` parses the text into a tree that knows the place of every value;
//! [`crate::settings`] asks it typed questions; one file per section (`checks`, `sections`) asks
//! them. What is an endpoint's own because of its kind is in [`crate::probe`], in the folder of the kind.
//!
//! Two things hold everywhere here. A value that came from the environment is in no error. A credential is in no
//! error, in no target and in no setting that is shown (`settings::masking`).

mod alerts;
mod channel_names;
mod checks;
mod dependencies;
mod endpoint;
mod maintenance;
mod members;
mod names;
mod notes;
mod report;
mod schedule;
mod sections;
mod types;

pub use crate::settings::ConfigError;
pub use types::{AlertRules, Alerts, Checks, Config, Dashboard, Drill, Endpoint, PublicService, ReportPlan, Storage};

use crate::{
    domain::secret::Secret,
    notify::{ChannelSpec, config as channel},
    probe::{self, KINDS},
    settings::{
        error::Mistake,
        hidden, masking,
        reader::{Source, Table},
        syntax, text, tls,
        vocabulary::Vocabulary,
    },
};
use std::{
    cell::RefCell,
    io,
    path::{Path, PathBuf},
};
use toml::de::{DeTable, DeValue};

/// The file that `HEALTHCHECK_CONFIG` names, or `config.toml` in the working directory.
pub fn locate(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let named = env("HEALTHCHECK_CONFIG").filter(|name| !name.is_empty());
    PathBuf::from(named.unwrap_or_else(|| "config.toml".to_owned()))
}

/// Reads the file at `path`, with `env` in the place of the environment.
///
/// # Errors
///
/// A file that cannot be read, and every mistake in one that can.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let unreadable = |mistake: Mistake| ConfigError::new(path.display().to_string(), "", Vec::new(), vec![mistake]);
    let bytes = std::fs::read(path).map_err(|error| unreadable(not_read(path, &error)))?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&text, path, env),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|b| **b == b'\n').count() + 1;
            let title = format!("{} is not UTF-8 text, from line {line} on", path.display());
            Err(unreadable(Mistake::elsewhere(title).help("save the file as UTF-8")))
        }
    }
}

/// A variable of the process's environment, as [`parse`] asks for it. What is not UTF-8 is marked, and refused where it is
/// used.
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.into_string().unwrap_or_else(|_| text::NOT_TEXT.to_owned()))
}

fn not_read(path: &Path, error: &io::Error) -> Mistake {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if error.kind() == io::ErrorKind::NotFound {
        return Mistake::elsewhere(format!("there is no configuration at {}", full.display())).help(
            "put a `config.toml` there, or name another file with the environment variable `HEALTHCHECK_CONFIG`",
        );
    }
    Mistake::elsewhere(format!("{} cannot be read: {error}", full.display()))
        .help("it has to be a file that the user who runs this may read")
}

/// Reads the text of a file. `path` is its name in the report, and its folder is where the files that it names are
/// looked for.
///
/// # Errors
///
/// Every mistake in it.
pub fn parse(text: &str, path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let mut hidden = masking::credentials_in(text);
    let folder = path.parent().unwrap_or(Path::new(""));
    let values = RefCell::new(Vec::new());
    let env = |name: &str| {
        let value = env(name);
        values.borrow_mut().extend(value.clone());
        value
    };
    let vocabulary = vocabulary();
    let source = Source::new(text, folder, &env, &vocabulary);
    let syntax = syntax::check(text, &errors, &vocabulary);
    syntax.mistakes.into_iter().for_each(|mistake| source.report(mistake));
    hidden.extend(syntax.hidden);
    let whole = DeValue::Table(tree.into_inner());
    hidden::hidden_by_place(text, &vocabulary, 0..0, &whole, &mut hidden);
    let config = match &whole {
        DeValue::Table(root) if syntax.readable => Some(read(&Table::new(&source, 0..0, root), path)),
        _ => None,
    };
    let (mistakes, unknown) = source.into_findings();
    hidden.extend(unknown);
    match config {
        Some(mut config) if mistakes.is_empty() => {
            guard_the_environment(&mut config, &values.borrow());
            Ok(config)
        }
        _ => Err(ConfigError::new(path.display().to_string(), text, hidden, mistakes)),
    }
}

/// The tables of the file.
const TABLES: [&str; 6] = ["checks", "storage", "dashboard", "alerts", "maintenance", "incident_notes"];

/// The words of the configuration, as those say who read them.
fn vocabulary() -> Vocabulary {
    let sections: [&[&str]; 14] = [
        &TABLES,
        &checks::KEYS,
        &schedule::KEYS,
        &endpoint::KEYS,
        &tls::KEYS,
        &sections::STORAGE,
        &sections::BACKUP,
        &sections::DASHBOARD,
        &alerts::KEYS,
        &alerts::ROUTE,
        &report::KEYS,
        channel::keys(),
        &maintenance::KEYS,
        &notes::KEYS,
    ];
    let values = Vocabulary::default().with(&["true", "false", "forever", "off"]);
    let ours = sections.into_iter().fold(values, Vocabulary::with);
    // The address of a heartbeat is all that is needed to send one.
    let ours = ours.with_sent(&["heartbeat_url"]);
    let ours = ours.with_addresses(&[
        "url",
        "witness",
        "group_witness",
        "bind",
        "trusted_proxies",
        "allow_networks",
        "deny_networks",
    ]);
    KINDS.iter().fold(ours, |all, kind| all.with(kind.keys).with(kind.inner_keys).with_sent(kind.sent_keys))
}

fn read(root: &Table<'_>, path: &Path) -> Config {
    let checks = checks::read(root, &channel_names::written(root));
    let dashboard = sections::dashboard(root, &checks.endpoints);
    let config = Config {
        path: path.to_owned(),
        maintenance: maintenance::read(root, &checks),
        notes: notes::read(root),
        storage: sections::storage(root),
        alerts: alerts::read(root, &checks),
        dashboard,
        checks,
    };
    root.finish(|key| Some((format!("`{key}` is in no table"), place(key)?)));
    config
}

/// Where a key belongs that was written outside of all tables.
fn place(key: &str) -> Option<String> {
    if ["endpoints", "endpoint"].contains(&key) {
        return Some("write `[[checks.endpoints]]`".to_owned());
    }
    let tables: [(&str, &[&str]); 7] = [
        ("`[checks]`", &checks::KEYS),
        ("`[checks]`", &schedule::KEYS),
        ("`[storage]`", &sections::STORAGE),
        ("`[dashboard]`", &sections::DASHBOARD),
        ("`[alerts]`", &alerts::KEYS),
        ("a `[[maintenance]]`", &maintenance::KEYS),
        ("an `[[incident_notes]]`", &notes::KEYS),
    ];
    let mut found = tables.iter().filter(|(_, keys)| keys.contains(&key));
    match (found.next(), found.next()) {
        (Some((table, _)), None) => Some(format!("it belongs below {table}")),
        // A key that several tables have does not show where it belongs.
        _ => None,
    }
}

/// What some kinds run gets our environment, and with it the credentials of other services that are in there: `values`.
fn guard_the_environment(config: &mut Config, values: &[String]) {
    let endpoints = &mut config.checks.endpoints;
    let of_channels: Vec<Secret> =
        config.alerts.channels.iter().chain(&config.alerts.heartbeat).flat_map(ChannelSpec::secrets).collect();
    let all =
        endpoints.iter().flat_map(|endpoint| &endpoint.secrets).chain(&of_channels).chain(&config.dashboard.token);
    let mut given: Vec<Secret> = Vec::new();
    for secret in all.filter(|secret| values.iter().any(|value| value.contains(secret.expose()))) {
        if !given.contains(secret) {
            given.push(secret.clone());
        }
    }
    for endpoint in endpoints {
        if probe::descriptor(endpoint.service.kind).inherits_environment {
            endpoint.secrets.extend(given.iter().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_outside_of_its_table_is_reported_with_its_table() {
        for (key, table) in [
            ("endpoints", "write `[[checks.endpoints]]`"),
            ("max_concurrent", "it belongs below `[checks]`"),
            ("objective", "it belongs below `[checks]`"),
            ("scrub", "it belongs below `[storage]`"),
            ("token", "it belongs below `[dashboard]`"),
            ("cron", "it belongs below a `[[maintenance]]`"),
            ("note", "it belongs below an `[[incident_notes]]`"),
        ] {
            assert_eq!(place(key).as_deref(), Some(table), "{key}");
        }
        for key in ["enabled", "zone", "url", "colour"] {
            assert_eq!(place(key), None, "{key}");
        }
    }

    #[test]
    fn a_broken_line_shows_the_keys_of_every_section_and_nothing_else() {
        for (line, shown) in [
            ("token \"hunter2\"", "token \"•••••••\""),
            ("trusted_proxies \"hunter2\"", "trusted_proxies \"•••••••\""),
            ("expect_null hunter2", "expect_null •••••••"),
            ("client_cert hunter2", "client_cert •••••••"),
        ] {
            let report = parse(line, Path::new("config.toml"), &|_| None).unwrap_err().to_string();
            assert!(report.contains(shown) && !report.contains("hunter2"), "{report}");
        }
    }
}
