//! The configuration from outside: what a file gives, and what its mistakes look like.

mod conditions;
mod endpoints;
mod kinds;
mod maintenance;
mod mistakes;
mod names;
mod requests;
mod secrets;
mod shipped;

use healthcheck_dashboard::{
    config::{self, Config},
    domain::{secret::Secret, service::Kind},
    probe::{Spec, http::HttpSpec, postgres::PostgresSpec},
    settings::ConfigError,
};
use std::path::Path;

const FILE: &str = "config.toml";

fn no_env(_: &str) -> Option<String> {
    None
}

fn read(text: &str) -> Result<Config, ConfigError> {
    config::parse(text, Path::new(FILE), &no_env)
}

fn read_with(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    config::parse(text, Path::new(FILE), &env)
}

/// An endpoint with these keys, in a file of its own.
fn endpoint(keys: &str) -> config::Endpoint {
    endpoint_with(keys, &[])
}

fn endpoint_with(keys: &str, env: &[(&str, &str)]) -> config::Endpoint {
    let mut config = read_with(&format!("[[checks.endpoints]]\nname = \"x\"\n{keys}\n"), env).unwrap();
    config.checks.endpoints.remove(0)
}

fn http(keys: &str) -> HttpSpec {
    match endpoint(keys).probe {
        Spec::Http(spec) => *spec,
        other => panic!("{other:?}"),
    }
}

fn postgres(keys: &str) -> PostgresSpec {
    match endpoint(keys).probe {
        Spec::Postgres(spec) => *spec,
        other => panic!("{other:?}"),
    }
}

/// The report on an endpoint with these keys.
fn report(keys: &str) -> String {
    report_with(keys, &[])
}

fn report_with(keys: &str, env: &[(&str, &str)]) -> String {
    let text = format!("[[checks.endpoints]]\nname = \"x\"\n{keys}\n");
    match read_with(&text, env) {
        Ok(_) => panic!("no mistake was found in\n{text}"),
        Err(error) => error.to_string(),
    }
}

fn exposed(secrets: &[Secret]) -> Vec<&str> {
    secrets.iter().map(Secret::expose).collect()
}

const HTTP: &str = "url = \"http://web/\"\n";

const PG: &str = "url = \"postgres://u:p@db/d\"\n";

#[test]
fn the_example_of_the_request_works_unchanged() {
    let config = read(
        r#"
  [checks]
  interval_secs = 10
  endpoints = [
    { name = "web", url = "http://web:3000/", type = "http" },
    { name = "api", url = "http://api:8000/health", type = "http" },
    { name = "db",  url = "postgres://myuser:mypassword@db:5432/mydb", type = "postgres" }
  ]

  [dashboard]
  enabled = true
  port = 9100

  [alerts]
  enabled = false
  webhook = ""
"#,
    )
    .unwrap();
    let services: Vec<_> = config.checks.endpoints.iter().map(|e| &e.service).collect();
    assert_eq!(services.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["web", "api", "db"]);
    assert_eq!(services[2].kind, Kind::Postgres);
    assert_eq!(services[2].target.whole(), "postgres://db:5432/mydb");
    assert!(services.iter().all(|s| s.critical && s.enabled && s.cadence.interval_ms == 10_000));
    assert!(services.iter().all(|s| s.cadence.timeout_ms == 5_000 && s.cadence.retry_interval_ms == 2_000));
    assert!(services.iter().all(|s| (s.thresholds.failure, s.thresholds.success) == (3, 2)));
    assert_eq!(exposed(&config.checks.endpoints[2].secrets), ["mypassword"]);
    assert_eq!((config.dashboard.enabled, config.dashboard.port), (true, 9100));
    assert!(config.alerts.channels.is_empty());
}

#[test]
fn an_empty_file_watches_nothing_with_every_default() {
    for text in ["", "[checks]", "[checks]\nendpoints = []", "\u{feff}# only a comment\r\n"] {
        let config = read(text).unwrap();
        assert!(config.checks.endpoints.is_empty());
        assert_eq!(config.storage.path, Path::new("data/history.db"));
        assert_eq!(config.storage.keep_checks_days, Some(90));
        assert_eq!(config.storage.keep_hours_days, Some(730));
        assert_eq!(config.storage.keep_days_days, None);
        assert_eq!(config.storage.backup, None);
        assert_eq!(config.storage.scrub_every_ms, Some(24 * 3_600_000));
        assert_eq!(config.dashboard.bind.to_string(), "0.0.0.0");
        assert_eq!((config.dashboard.title.as_str(), config.dashboard.base_path.as_str()), ("Healthcheck", ""));
    }
}

#[test]
fn numbers_and_switches_may_come_from_variables() {
    let env = [("PORT", "9200"), ("ON", "false"), ("EVERY", "2.5"), ("KEEP", "forever")];
    let config = read_with(
        "[dashboard]\nport = \"${PORT}\"\nenabled = \"${ON}\"\n[checks]\ninterval_secs = \"${EVERY}\"\n\
         failure_threshold = \"${NONE:-4}\"\nendpoints = [{ name = \"a\", url = \"http://a\" }]\n\
         [storage]\nkeep_checks_days = \"${KEEP}\"",
        &env,
    )
    .unwrap();
    assert_eq!((config.dashboard.port, config.dashboard.enabled), (9200, false));
    assert_eq!(config.checks.endpoints[0].service.cadence.interval_ms, 2_500);
    assert_eq!(config.checks.endpoints[0].service.thresholds.failure, 4);
    // What sums up for ever has to outlast what is kept for ever.
    assert_eq!((config.storage.keep_checks_days, config.storage.keep_hours_days), (None, None));
}

#[test]
fn the_port_of_the_environment_wins() {
    let port = |value| read_with("[dashboard]\nport = 9000", &[("DASHBOARD_PORT", value)]).map(|c| c.dashboard.port);
    assert_eq!(port("9300").unwrap(), 9300);
    assert_eq!(port("").unwrap(), 9000);
    for bad in ["0", "http", "65536", "-1"] {
        assert!(port(bad).unwrap_err().to_string().contains("`DASHBOARD_PORT`"));
    }
}

#[test]
fn a_base_path_loses_its_trailing_slash() {
    for (written, base_path) in [("", ""), ("/", ""), ("/status/", "/status"), ("/a/b", "/a/b")] {
        let config = read(&format!("[dashboard]\nbase_path = \"{written}\"")).unwrap();
        assert_eq!(config.dashboard.base_path, base_path);
    }
}

#[test]
fn a_missing_file_says_where_it_was_looked_for_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.toml");
    let report = config::load(&path, &no_env).unwrap_err().to_string();
    assert!(report.contains(&format!("there is no configuration at {}", path.display())), "{report}");
    assert!(report.contains("HEALTHCHECK_CONFIG"), "{report}");
    let report = config::load(folder.path(), &no_env).unwrap_err().to_string();
    assert!(report.contains("cannot be read"), "{report}");
    std::fs::write(&path, b"[checks]\n# \xff").unwrap();
    let report = config::load(&path, &no_env).unwrap_err().to_string();
    assert!(report.contains("is not UTF-8 text, from line 2 on"), "{report}");
}

#[test]
fn the_environment_names_the_file() {
    assert_eq!(config::locate(&no_env), Path::new("config.toml"));
    assert_eq!(
        config::locate(&|name| (name == "HEALTHCHECK_CONFIG").then(|| "/etc/x.toml".to_owned())),
        Path::new("/etc/x.toml")
    );
}

#[test]
fn colours_are_there_when_asked_for() {
    let error = read("x = 1").unwrap_err();
    assert!(error.render(true).contains('\u{1b}'));
    assert!(!error.render(false).contains('\u{1b}'));
}

/// A folder with the files that the examples of the repository's `config.toml` name.
fn folder_with_certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let certs = folder.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    std::fs::write(certs.join("ca.pem"), made.cert.pem()).unwrap();
    std::fs::write(certs.join("client.pem"), made.cert.pem()).unwrap();
    std::fs::write(certs.join("client.key"), made.signing_key.serialize_pem()).unwrap();
    let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    std::fs::write(certs.join("other.key"), other.signing_key.serialize_pem()).unwrap();
    folder
}

#[test]
fn backups_are_made_once_a_day_and_seven_are_kept_unless_said_otherwise() {
    let read = |backup: &str| {
        let text = format!("[[checks.endpoints]]\nname = \"x\"\nurl = \"tcp://x:1\"\n[storage]\nbackup = {backup}\n");
        config::parse(&text, Path::new("config.toml"), &|_| None).unwrap().storage.backup.unwrap()
    };
    let plain = read("{ dir = \"backups\" }");
    assert_eq!((plain.dir.as_path(), plain.every_ms, plain.keep), (Path::new("backups"), 24 * 3_600_000, 7));
    let own = read("{ dir = \"/mnt/b\", every = \"2w\", keep = 52 }");
    assert_eq!((own.dir.as_path(), own.every_ms, own.keep), (Path::new("/mnt/b"), 14 * 24 * 3_600_000, 52));
}

#[test]
fn the_history_is_read_in_search_of_damage_as_often_as_said_or_not_at_all() {
    for (said, every_ms) in [("1w", Some(7 * 24 * 3_600_000)), ("1m", Some(60_000)), ("off", None)] {
        let config = read(&format!("[storage]\nscrub = \"{said}\"\n")).unwrap();
        assert_eq!(config.storage.scrub_every_ms, every_ms);
    }
}

#[test]
fn proxies_are_trusted_by_address_or_network_and_by_default_nobody_is() {
    assert!(read("").unwrap().dashboard.trusted_proxies.is_empty());
    let trusted = read("[dashboard]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]").unwrap().dashboard.trusted_proxies;
    let has = |address: &str| trusted.iter().any(|network| network.contains(address.parse().unwrap()));
    assert!(has("10.9.9.9") && has("::1") && !has("11.0.0.1") && !has("::2"));
    let said = read("[dashboard]\ntrusted_proxies = [\"10.0.0.0/8\", \"10.0.0.0/40\", \"proxy\"]").unwrap_err();
    let said = said.to_string();
    assert!(said.contains("`10.0.0.0/40` is no address and no network") && said.contains("`proxy`"), "{said}");
}

#[test]
fn notes_of_incidents_name_a_service_a_moment_and_say_something() {
    let config = read(
        "[[incident_notes]]\nservice = \"gone\"\nat = \"2026-11-20T03:12:07Z\"\nnote = \"\"\"\nthe switch\nbroke\"\"\"\n\
         [[incident_notes]]\nservice = \"web\"\nat = 2026-11-20T03:00\nzone = \"Europe/Berlin\"\nnote = \"x\"",
    )
    .unwrap();
    let told: Vec<(&str, String, &str)> =
        config.notes.iter().map(|n| (n.service.as_str(), n.at.to_string(), n.text.as_str())).collect();
    assert_eq!(
        told,
        [
            ("gone", "2026-11-20T03:12:07.000Z".to_owned(), "the switch\nbroke"),
            ("web", "2026-11-20T02:00:00.000Z".to_owned(), "x")
        ]
    );
    let all = "service = \"web\"\nat = \"2026-11-20T03:00Z\"\nnote = \"x\"";
    for (from, to, said) in [
        ("note = \"x\"", "", "`note` is missing"),
        ("service = \"web\"", "", "`service` is missing"),
        ("at = \"2026-11-20T03:00Z\"", "", "`at` is missing"),
        ("2026-11-20T03:00Z", "2026-11-20T03:00", "time zone"),
        ("2026-11-20T03:00Z", "yesterday", "no time"),
        ("\"x\"", "\"\"", "`note` is empty"),
        ("note = \"x\"", "note = \"x\"\nnotes = 5", "did you mean `note`"),
    ] {
        let error = read(&format!("[[incident_notes]]\n{}", all.replace(from, to))).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    let long = format!("[[incident_notes]]\n{}", all.replace("\"x\"", &format!("\"{}\"", "x".repeat(5000))));
    assert!(read(&long).unwrap_err().to_string().contains("4096"));
}
