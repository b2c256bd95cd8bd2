//! The configuration from outside: what a file gives, and what its mistakes look like.

use healthcheck_dashboard::{
    config::{self, Config},
    domain::{secret::Secret, service::Kind},
    probe::{
        Spec,
        http::{Auth, HttpSpec},
        postgres::{Expected, PostgresSpec, SslMode},
    },
    settings::{ConfigError, network::IpVersion},
};
use proptest::prelude::*;
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
fn what_is_wrong_with_an_address_is_said_beside_a_wrong_type() {
    let error = read("[checks]\nendpoints = [{ name = 1, url = 2, type = 3 }]").unwrap_err();
    let said = error.to_string();
    for key in ["name", "url", "type"] {
        assert!(said.contains(&format!("`{key}` has to be a string")), "{said}");
    }
    assert_eq!(error.count(), 3, "{said}");
    let error = read("[checks]\nendpoints = [{ name = \"web\", url = \"\", type = \"htttp\" }]").unwrap_err();
    assert_eq!(error.count(), 2, "{error}");
    let error = read("[checks]\nendpoints = [{ name = \"web\", url = 2 }]").unwrap_err();
    assert_eq!(error.count(), 1, "{error}");
}

#[test]
fn every_mistake_is_reported_at_once() {
    let error = read(
        r#"[checks]
intervall_secs = 10

[[checks.endpoints]]
name = "web"
url = "postgres://myuser:mypassword@db/mydb"
type = "http"
timeout_secs = 15

[[checks.endpoints]]
name = "web"
type = "htttp"

[dashbord]
port = 9100
"#,
    )
    .unwrap_err();
    assert_eq!(error.count(), 6);
    assert_eq!(
        error.to_string(),
        r#"error: unknown key `intervall_secs`
 --> config.toml:2:1
  |
2 | intervall_secs = 10
  | ^^^^^^^^^^^^^^ did you mean `interval_secs`?

error: this URL does not fit the type http
 --> config.toml:6:7
  |
6 | url = "postgres://myuser:••••••••••@db/mydb"
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ as `http://api:8000/health`
  |
  = help: for this URL, write type = "postgres"

error: `timeout_secs` is longer than the interval
 --> config.toml:8:16
  |
8 | timeout_secs = 15
  |                ^^ 15 s; at most 10 s
  |
  = help: `interval_secs` is 10 unless you set it

error: two endpoints are named `web`
  --> config.toml:11:8
   |
 5 | name = "web"
   |        ----- the first one
...
11 | name = "web"
   |        ^^^^^ a name is an identity: give this one another

error: unknown type `htttp`
  --> config.toml:12:8
   |
12 | type = "htttp"
   |        ^^^^^^^ did you mean "http"?

error: unknown table `dashbord`
  --> config.toml:14:2
   |
14 | [dashbord]
   |  ^^^^^^^^ did you mean `dashboard`?

6 mistakes in config.toml"#
    );
}

#[test]
fn a_mistake_against_toml_looks_the_same() {
    let error = read("[checks]\ninterval_secs = soon\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"error: this is not TOML
 --> config.toml:2:17
  |
2 | interval_secs = soon
  |                 ^^^^ string values must be quoted, expected literal string

1 mistake in config.toml"#
    );
    // A list that does not end is one mistake, whatever the parser makes of the rest.
    assert_eq!(read("[checks]\nwitness = [1, 2\ninterval_secs = 3\n[dashboard]\nport = 4").unwrap_err().count(), 1);
    // A key that is there twice leaves the rest readable.
    assert_eq!(read("[dashboard]\nport = 1\nport = 2\ntitel = \"x\"").unwrap_err().count(), 2);
}

#[test]
fn a_key_of_another_kind_says_whose_it_is() {
    assert_eq!(
        report("url = \"http://web/\"\nquery = \"select 1\""),
        r#"error: `query` belongs to postgres endpoints
 --> config.toml:4:1
  |
4 | query = "select 1"
  | ^^^^^ this is an http endpoint

1 mistake in config.toml"#
    );
    assert!(
        report("command = [\"true\"]\nurl = \"http://web/\"")
            .contains("`url` belongs to http, tcp and postgres endpoints")
    );
}

#[test]
fn a_missing_variable_is_named_and_pointed_at() {
    assert_eq!(
        report("url = \"http://${API_HOST}/\""),
        r#"error: the environment variable `API_HOST` is not set
 --> config.toml:3:15
  |
3 | url = "http://${API_HOST}/"
  |               ^^^^^^^^^^^ set it, or give a default
  |
  = help: `${NAME:-default}` gives a default, `$$` is a plain `$`

1 mistake in config.toml"#
    );
}

#[test]
fn a_variable_that_is_not_utf_8_is_said_to_be_that_and_not_shown() {
    use std::os::unix::ffi::OsStringExt;
    let folder = tempfile::tempdir().unwrap();
    for written in ["${API_HOST}", "${API_HOST:-web}"] {
        let text = format!("[[checks.endpoints]]\nname = \"x\"\nurl = \"http://{written}/\"\n");
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let value = std::ffi::OsString::from_vec(b"caf\xe9-hunter2".to_vec());
        let output =
            crate::support::binary::program(folder.path()).arg("validate").env("API_HOST", value).output().unwrap();
        let said = crate::support::binary::stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("the environment variable `API_HOST` is not UTF-8 text"), "{said}");
        assert!(!said.contains("is not set") && !said.contains("hunter2") && !said.contains("caf"), "{said}");
    }
}

#[test]
fn names_that_look_the_same_are_refused_with_both_of_their_lines() {
    let named = |first: &str, second: &str| {
        let entry = |name: &str| format!("[[checks.endpoints]]\nname = \"{name}\"\nurl = \"http://web/\"\n");
        read(&[entry(first), entry(second)].concat())
    };
    for (first, second) in [("caf\u{e9}", "cafe\u{301}"), ("\u{212b}", "\u{c5}"), ("\u{ac00}", "\u{1100}\u{1161}")] {
        let said = named(first, second).unwrap_err().to_string();
        assert!(said.contains("two endpoints have names that look the same"), "{said}");
        assert!(said.contains("\n2 | name") && said.contains("\n5 | name"), "{said}");
        assert!(said.contains("1 mistake in"), "{said}");
    }
    assert!(named("caf\u{e9}", "cafe").is_ok());
    let said = named("a", "a").unwrap_err().to_string();
    assert!(said.contains("two endpoints are named `a`") && !said.contains("look the same"), "{said}");
}

/// Each line is a mistake in an endpoint, with a part of the report that it has to give.
#[test]
fn each_mistake_in_an_endpoint_is_found_and_says_what_would_be_right() {
    for (keys, part) in [
        ("", "`url` is missing"),
        ("url = \"web:80\"", "`type` is missing"),
        ("url = \"ftp://web\"\ntype = \"http\"", "does not fit the type http"),
        ("url = \"http://\"\ntype = \"http\"", "this is no URL"),
        ("url = \"http://web:99999/\"", "invalid port number"),
        ("url = \"\"", "`url` is empty"),
        ("url = 5", "`url` has to be a string"),
        ("type = \"command\"", "`command` is missing"),
        ("type = \"\"\nurl = \"http://web/\"", "`type` is empty"),
        ("type = \"postgresql\"\nurl = \"postgres://u@h\"", "did you mean \"postgres\"?"),
        ("type = \"icmp\"\nurl = \"http://web/\"", "http, tcp, postgres or command"),
        ("url = \"http://web/\"\ninterval_secs = 0", "from 0.1 to"),
        ("url = \"http://web/\"\ninterval_secs = -1.5", "`interval_secs` is out of range"),
        ("url = \"http://web/\"\ninterval_secs = nan", "`interval_secs` is out of range"),
        ("url = \"http://web/\"\ninterval_secs = inf", "`interval_secs` is out of range"),
        ("url = \"http://web/\"\ninterval_secs = \"10\"", "has to be a number of seconds"),
        ("url = \"http://web/\"\ninterval_secs = 2\ntimeout_secs = 3", "3 s; at most 2 s"),
        ("url = \"http://web/\"\ninterval_secs = 2\nretry_interval_secs = 2.5", "2.5 s; at most 2 s"),
        ("url = \"http://web/\"\nfailure_threshold = 0", "from 1 to 1000"),
        ("url = \"http://web/\"\nfailure_threshold = 1.5", "has to be a whole number"),
        ("url = \"http://web/\"\ndegraded_after_ms = 0", "`degraded_after_ms` is out of range"),
        ("url = \"http://web/\"\nobjective = 100", "above 0 and below 100"),
        ("url = \"http://web/\"\nobjective = \"high\"", "has to be a percentage"),
        ("url = \"http://web/\"\ncritical = \"yes\"", "has to be true or false"),
        ("url = \"http://web/\"\nmethod = \"GTE\"", "did you mean \"GET\"?"),
        ("url = \"http://web/\"\nmethod = \"HEAD\"\nexpect_body = \"x\"", "an answer to HEAD has no body"),
        ("url = \"http://web/\"\nexpect_status = 42", "`expect_status` is out of range"),
        ("url = \"http://web/\"\nexpect_status = \"299-200\"", "is no range of statuses"),
        ("url = \"http://web/\"\nexpect_status = [200, true]", "an entry of `expect_status` has to be a status"),
        ("url = \"http://web/\"\nexpect_status = []", "`expect_status` is empty"),
        ("url = \"http://web/\"\nexpect_body = \"\"", "`expect_body` is empty"),
        ("url = \"http://web/\"\nexpect_body_regex = \"(\"", "unclosed group"),
        ("url = \"http://web/\"\nexpect_json = { path = \"status\", value = 1 }", "this is no JSON path"),
        ("url = \"http://web/\"\nexpect_json = { path = \"$.a\" }", "`value` is missing"),
        ("url = \"http://web/\"\nexpect_json = { path = \"$.a\", value = 1, vale = 2 }", "did you mean `value`?"),
        ("url = \"http://web/\"\nexpect_json = { path = \"$.a\", value = 1979-05-27 }", "a date is a string there"),
        ("url = \"http://web/\"\nheaders = { \"a b\" = \"c\" }", "cannot be the name of a header"),
        ("url = \"http://web/\"\nheaders = { a = \"c\\n\" }", "no line breaks"),
        ("url = \"http://web/\"\nheaders = { a = \"1\", A = \"2\" }", "is given twice"),
        ("url = \"http://web/\"\nheaders = [\"a: b\"]", "`headers` has to be a table"),
        (
            "url = \"http://web/\"\nbearer_token = \"t\"\nbasic_auth = { user = \"u\", password = \"p\" }",
            "both `basic_auth` and `bearer_token`",
        ),
        ("url = \"http://u:p@web/\"\nbearer_token = \"t\"", "both `bearer_token` and a user in the URL"),
        ("url = \"http://web/\"\nbasic_auth = { user = \"u\" }", "`password` is missing"),
        ("url = \"http://web/\"\nmax_redirects = 11", "from 0 to 10"),
        ("url = \"http://web/\"\nip_version = 5", "4 or 6"),
        ("url = \"http://web/\"\ntls = { ca = \"no/such.pem\" }", "`no/such.pem` cannot be read"),
        ("url = \"http://web/\"\ntls = { ca = \"Cargo.toml\" }", "no certificate in this file"),
        ("url = \"http://web/\"\ntls = { expiry_warning_days = -1 }", "from 0 to 3650"),
        ("url = \"tcp://web\"", "the port is missing"),
        ("url = \"tcp://web:0\"", "a port is a number from 1 to 65535"),
        ("url = \"tcp://::1:80\"", "needs brackets"),
        ("url = \"tcp://web:80\"\nexpect = \"\"", "`expect` is empty"),
        ("url = \"postgres://db/x\"", "the user is missing"),
        ("url = \"postgres://u@/x\"", "the host is missing"),
        ("url = \"postgres://u@/x?host=db\"", "the host is missing: what stands behind the `?` belongs before it"),
        ("url = \"postgres://u@:5433/x?hostaddr=10.0.0.1\"", "the host is missing: what stands behind the `?`"),
        ("url = \"postgres:///x?host=db&user=u\"", "the user and the host are missing: what stands behind the `?`"),
        ("url = \"postgres://db/x?user=u\"", "the user is missing: what stands behind the `?` belongs before it"),
        ("url = \"postgres://u@/x?host=/run/postgresql\"", "a Unix socket cannot be watched"),
        ("url = \"postgres://u@/x?host=%2Frun%2Fpostgresql\"", "a Unix socket cannot be watched"),
        ("url = \"postgres://u@db1,db2/x\"", "one host, not several: each gets an entry of its own"),
        ("url = \"postgres://u:p@db1:5432,db2:5433/x\"", "one host, not several: each gets an entry of its own"),
        ("url = \"postgres://u:p@[::1]:5432,[::2]/x\"", "one host, not several: each gets an entry of its own"),
        ("url = \"tcp://a:1,b:2\"", "one host, not several: each gets an entry of its own"),
        ("type = \"postgres\"\nhost = \"a,b\"\nuser = \"u\"", "one host, not several: each gets an entry of its own"),
        (
            "url = \"postgres://u@db/x?sslmode=allow\"",
            "\"allow\" is not supported: \"prefer\" uses TLS where the server has it",
        ),
        ("url = \"postgres://u@db/x\"\nsslmode = \"allow\"", "\"allow\" is not supported: \"prefer\" uses TLS"),
        ("url = \"postgres://u:p/w@db/x\"", "this is no PostgreSQL URL"),
        ("url = \"postgres://u:p%@db/x\"", "percent-encoded"),
        ("url = \"postgres://u:p@db/x?sslmode=verify_full\"", "did you mean \"verify-full\"?"),
        ("url = \"postgres://u:p@db/x?connect_timeout=3\"", "`timeout_secs` is the deadline of the whole check"),
        ("url = \"postgres://u:p@db/x?foo=3\"", "unknown parameter in this URL"),
        ("url = \"postgres://u:p@db/x?sslmode=require\"\nsslmode = \"disable\"", "say it once"),
        ("url = \"postgres://u:p@db/x\"\nsslmode = \"on\"", "unknown sslmode `on`"),
        ("url = \"postgres://u:p@db/x\"\nsslmode = \"disable\"\ntls = {}", "`tls` has no effect"),
        (
            "url = \"postgres://u:p@db/x\"\nsslmode = \"verify-ca\"\ntls = { skip_verify = true }",
            "contradicts the sslmode",
        ),
        ("url = \"postgres://u:p@db/x\"\nexpect_rows = -1", "at least 0"),
        ("url = \"postgres://u:p@db/x\"\nexpect_value = [1]", "has to be a string, a number"),
        ("url = \"postgres://u:p@db/x\"\nexpect_value = nan", "a finite number"),
        (
            "url = \"postgres://u:p@db/x\"\nexpect_value = 1\nexpect_null = true",
            "both `expect_value` and `expect_null`",
        ),
        ("host = \"db\"\nuser = \"u\"", "go with type = \"postgres\""),
        ("type = \"postgres\"\nhost = \"db\"", "`user` is missing"),
        ("type = \"postgres\"\nuser = \"u\"", "`host` is missing"),
        ("type = \"postgres\"\nuser = \"u\"\nhost = \"db:5432\"", "`host` is no host"),
        ("type = \"postgres\"\nuser = \"u\"\nhost = \"db\"\nport = 0", "from 1 to 65535"),
        ("url = \"postgres://u:p@db/x\"\npassword = \"q\"", "both `url` and `password`"),
        ("url = \"http://web/\"\npassword = \"q\"", "`password` belongs to postgres endpoints"),
        ("command = []", "a program is needed"),
        ("command = \" \"", "`command` is empty"),
        ("command = [\"a\", 1]", "an entry of `command` has to be a string"),
        ("command = [\"a\\u0000\"]", "NUL"),
        ("command = \"x\"\ndegraded_exit_codes = [0]", "from 1 to 255"),
        ("url = \"http://web/\"\nrenamed_from = \"x\"", "this is its name already"),
        ("url = \"http://web/\"\nrenamed_from = \"\"", "`renamed_from` is empty"),
        ("url = \"http://web/\"\ngroup = 5", "`group` has to be a string"),
        ("url = \"http://web/\"\ninterval = 5", "did you mean `interval_secs`?"),
    ] {
        let report = report(keys);
        assert!(report.contains(part), "{keys}\n{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{keys}\n{report}");
    }
}

/// The same for whole files.
#[test]
fn outsiders_see_what_is_listed_for_them() {
    let config = r#"
        [checks]
        endpoints = [{ name = "web", url = "http://web/" }, { name = "api", url = "http://api/" }]
        [dashboard]
        public = true
        public_services = ["web", { name = "api", title = "Our API" }]
    "#;
    let public = read(config).unwrap().dashboard.public.unwrap();
    let shown: Vec<_> = public.iter().map(|p| (p.name.as_str(), p.title.as_str())).collect();
    assert_eq!(shown, [("web", "web"), ("api", "Our API")]);
    assert_eq!(read(&config.replace("public = true", "public = false")).unwrap().dashboard.public, None);
    for (list, wanted) in [
        ("[\"wbe\"]", "did you mean `web`?"),
        ("[]", "`public` shows nothing"),
        ("[\"web\", \"web\"]", "is listed twice"),
        ("[{ title = \"x\" }]", "`name` is missing"),
        ("\"web\"", "has to be a list of names"),
    ] {
        let changed = config.replace("[\"web\", { name = \"api\", title = \"Our API\" }]", list);
        let said = read(&changed).unwrap_err().render(false);
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
}

#[test]
fn each_mistake_elsewhere_is_found_and_says_what_would_be_right() {
    for (text, part) in [
        ("checks = 1", "`checks` has to be a table"),
        ("[checks]\nendpoints = 1", "has to be a list of tables"),
        ("[checks.endpoints]\nname = \"x\"", "has to be a list of tables: `[[checks.endpoints]]`"),
        ("[checks]\nendpoints = [\"http://web\"]", "an entry of `endpoints` has to be a table"),
        ("[checks]\nurl = \"http://web\"", "move it below a `[[checks.endpoints]]`"),
        ("[checks]\nwitness = [\"1.1.1.1\"]", "the port is missing"),
        ("[checks]\nmax_concurrent = 0", "`max_concurrent` is out of range"),
        ("[checks]\ninterval_secs = 5\ntimeout_secs = 6", "6 s; at most 5 s"),
        ("[[endpoints]]\nname = \"x\"", "write `[[checks.endpoints]]`"),
        ("[[checks.endpoints]]\nurl = \"http://web\"", "`name` is missing"),
        ("[[checks.endpoints]]\nname = \"\"\nurl = \"http://web\"", "`name` is empty"),
        ("[[checks.endpoints]]\nname = \"a\\nb\"\nurl = \"http://web\"", "no control characters"),
        ("[[checks.endpoints]]\nname = \" a\"\nurl = \"http://web\"", "no space before or after it"),
        ("[[checks.endpoints]]\nname = \"..\"\nurl = \"http://web\"", "cannot be a name"),
        ("[[checks.endpoints]]\nname = \"a\\u202eb\"\nurl = \"http://web\"", "turn the direction of writing"),
        (
            "[checks]\nendpoints = [{ name = \"a\", url = \"http://a\" }, { name = \"b\", url = \"http://b\", renamed_from = \"a\" }]",
            "an endpoint of this name is still configured",
        ),
        (
            "[checks]\nendpoints = [{ name = \"a\", url = \"http://a\", renamed_from = \"c\" }, { name = \"b\", url = \"http://b\", renamed_from = \"c\" }]",
            "a history can be carried over once",
        ),
        ("[storage]\npath = \"\"", "`path` is empty"),
        ("[storage]\nkeep_checks_days = 0", "from 1 to 36500"),
        ("[storage]\nbackup = { every = \"24h\" }", "`dir` is missing"),
        ("[storage]\nbackup = { dir = \"b\", every = \"5 minutes\" }", "numbers with units (s, m, h, d or w)"),
        ("[storage]\nbackup = { dir = \"b\", every = \"59s\" }", "from 1m to 36525d"),
        ("[storage]\nbackup = { dir = \"b\", keep = 0 }", "from 1 to 10000"),
        ("[storage]\nbackup = { dir = \"b\", kep = 3 }", "did you mean `keep`?"),
        ("[storage]\nbackup = \"b\"", "a table"),
        ("[storage]\nscrub = \"59s\"", "from 1m to 36525d (100 years), or \"off\""),
        ("[storage]\nscrub = \"daily\"", "`daily` is no duration"),
        ("[storage]\nscrub = \"\"", "`scrub` is empty"),
        ("[storage]\nscrub = false", "`scrub` has to be"),
        ("[storage]\nkeep_checks_days = \"for ever\"", "a number of days, or \"forever\""),
        (
            "[storage]\nkeep_checks_days = 90\nkeep_hours_days = 30",
            "`keep_hours_days` is shorter than `keep_checks_days`",
        ),
        ("[storage]\nkeep_days_days = 30", "`keep_days_days` is shorter than `keep_hours_days`"),
        ("[storage]\nmode = \"640x\"", "`640x` is no mode for the history's files"),
        ("[storage]\nmode = \"0666\"", "`0666` is no mode for the history's files"),
        ("[storage]\nmode = \"0400\"", "`0400` is no mode for the history's files"),
        ("[storage]\nmode = \"0750\"", "`0750` is no mode for the history's files"),
        ("[storage]\nmode = 640", "`mode` has to be"),
        ("[storage]\nseal_after_days = 0", "from 1 to 36500"),
        ("[storage]\nseal_after_days = \"forever\"", "`seal_after_days` has to be a whole number"),
        ("[storage]\nseal_after_days = 90", "`seal_after_days` is not shorter than `keep_checks_days`"),
        (
            "[storage]\nkeep_checks_days = 14\nseal_after_days = 30",
            "deleted after 14 days, before they would be sealed",
        ),
        ("[dashboard]\nport = 0", "from 1 to 65535"),
        ("[dashboard]\nport = \"9100\"", "`port` has to be a whole number"),
        ("[dashboard]\nbind = \"localhost\"", "`localhost` is no IP address"),
        ("[dashboard]\nbase_path = \"status\"", "it begins with a `/`"),
        ("[dashboard]\nbase_path = \"/a//b\"", "no empty part"),
        ("[dashboard]\nbase_path = \"/a b\"", "letters, digits"),
        ("[dashboard]\ntitle = \"\"", "`title` is empty"),
        ("port = 9100", "it belongs below `[dashboard]`"),
        ("[alerts]\nenabled = true", "alerts are enabled, but `webhook` is empty"),
        ("[alerts]\nenabled = true\nwebhook = \"\"", "alerts are enabled, but `webhook` is empty"),
        ("[alerts]\nwebhook = \"slack\"", "an `https://` or `http://` URL is needed"),
        ("[colours]\nred = 1", "known here: alerts, checks, dashboard, incident_notes, maintenance, storage"),
    ] {
        let report = read(text).map(|_| ()).unwrap_err().to_string();
        assert!(report.contains(part), "{text}\n{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{text}\n{report}");
    }
}

#[test]
fn no_report_shows_a_credential() {
    for keys in [
        "url = \"postgres://u:hunter2@db/x?foo=1\"",
        "url = \"postgres://u:hunter2/@db/x\"",
        "url = \"postgres://u:p@hunter2/@db/x\"",
        "url = \"postgres:\\u002f/u:hunter2@db/x?foo=1\"",
        "url = \"postgres://u:hunter2@db/x",
        "url = postgres://u:hunter2@db/x",
        "url = \"http://u:hunter2@web:99999/\"",
        "url = \"http://hunter2@web:99999/\"",
        "url = \"http://web:99999/?token=hunter2\"",
        "url = \"http://me:hunter2/\"",
        "url = \"//me:hunter2@web/\"\ntype = \"http\"",
        "url = \"me:hunter2@web:80\"\ntype = \"tcp\"",
        "url = \"http://web/\"\ntype = \"postgres://me:hunter2@db/x\"",
        "url = \"http://web/\"\nmethod = \"http://me:hunter2@web/\"",
        "url = \"http://web/\"\nexpect_status = \"Bearer hunter2\"",
        "url = \"http://web/\"\ntls = { ca = \"http://me:hunter2@web/\" }",
        "url = \"http://web/\"\n\"http://me:hunter2@web/\" = 1",
        "url = \"http://web/\"\nbearer_token = \"hunter2\\n\"",
        "url = \"http://web/\"\nbearer_token = [\"hunter2\"]",
        "url = \"http://web/\"\nbearer_tokn = \"hunter2\"",
        "url = \"http://web/\"\nbearer_token = hunter2",
        "url = \"http://web/\"\nbearer_token = \"hunter2",
        "url = \"http://web/\"\nbasic_auth = { user = \"u\", passwort = \"hunter2\" }",
        "url = \"http://web/\"\nbasic_auth = { user = \"u\", password = \"hunter2\", x = 1 }",
        "url = \"http://web/\"\nbasic_auth = \"u:hunter2\"",
        "url = \"http://web/\"\nheaders = { X-Thing = \"hunter2\\n\" }",
        "url = \"http://web/\"\nheader = { X-Thing = \"hunter2\" }",
        "url = \"http://web/\"\nheaders = \"X-Thing: hunter2\"",
        "url = \"http://web/\"\nheaders = { Authorization = \"Bearer hunter2\", a = 1 }",
        "url = \"tcp://web:80\"\nheaders = { X-Thing = \"hunter2\" }",
        "url = \"tcp://web:80\"\nsend = { a = \"hunter2\" }",
        "command = [\"x\", \"--password\", \"hunter2\", 5]",
        "command = [\"x\", \"--password=hunter2\", 5]",
        "command = [\"x\", \"PGPASSWORD=hunter2\", 5]",
        "command = [\"curl\", \"https://u:hunter2@x\", 5]",
    ] {
        let report = report(keys);
        assert!(!report.contains("hunter2"), "{report}");
        assert!(report.contains('•'), "{report}");
    }
    let report = read("[alerts]\nenabled = true\nwebhook = \"hunter2\"").unwrap_err();
    assert!(!format!("{report:?}").contains("hunter2"), "{report}");
}

#[test]
fn no_report_shows_what_a_variable_stands_for() {
    let env = [("V", "hunter2"), ("W", "\u{7}hunter2(")];
    for keys in [
        "url = \"${V}\"",
        "url = \"http://web:${V}/\"",
        "url = \"tcp://${W}\"",
        "url = \"postgres://u:p@db/x?${V}=1\"",
        "url = \"postgres://u:p@db/x?sslmode=${V}\"",
        "url = \"postgres://u:p@${W}/x\"",
        "url = \"http://web/\"\ntype = \"${V}\"",
        "url = \"http://web/\"\nmethod = \"${V}\"",
        "url = \"http://web/\"\ninterval_secs = \"${V}\"",
        "url = \"http://web/\"\ncritical = \"${V}\"",
        "url = \"http://web/\"\nrenamed_from = \"${W}\"",
        "url = \"http://web/\"\nexpect_status = \"${V}\"",
        "url = \"http://web/\"\nexpect_body_regex = \"${W}\"",
        "url = \"http://web/\"\nexpect_json = { path = \"${V}\", value = 1 }",
        "url = \"http://web/\"\nheaders = { a = \"${W}\" }",
        "url = \"http://web/\"\ntls = { ca = \"${V}\" }",
        "url = \"postgres://u:p@db/x\"\nsslmode = \"${V}\"",
    ] {
        let report = report_with(keys, &env);
        assert!(!report.contains("hunter2"), "{report}");
    }
    for text in
        ["[storage]\nkeep_hours_days = \"${V}\"", "[dashboard]\nbind = \"${V}\"", "[dashboard]\nbase_path = \"${V}\""]
    {
        let report = read_with(text, &env).unwrap_err().to_string();
        assert!(!report.contains("hunter2"), "{report}");
    }
}

#[test]
fn the_type_is_told_by_the_url_or_by_the_command() {
    for (keys, kind) in [
        ("url = \"http://web\"", Kind::Http),
        ("url = \"HTTPS://web\"", Kind::Http),
        ("url = \"tcp://web:80\"", Kind::Tcp),
        ("url = \"web:80\"\ntype = \"tcp\"", Kind::Tcp),
        ("url = \"postgres://u@db\"", Kind::Postgres),
        ("url = \"postgresql://u@db\"", Kind::Postgres),
        ("command = \"true\"", Kind::Command),
    ] {
        assert_eq!(endpoint(keys).service.kind, kind, "{keys}");
    }
}

#[test]
fn a_timeout_that_is_inherited_gives_way_to_a_shorter_interval() {
    let config = read(
        "[checks]\ninterval_secs = 60\ntimeout_secs = 30\nretry_interval_secs = 10\nfailure_threshold = 5\n\
         [[checks.endpoints]]\nname = \"a\"\nurl = \"http://a\"\n\
         [[checks.endpoints]]\nname = \"b\"\nurl = \"http://b\"\ninterval_secs = 0.5\nfailure_threshold = 1\n\
         [[checks.endpoints]]\nname = \"c\"\nurl = \"http://c\"\ninterval_secs = 120\ntimeout_secs = 90\n",
    )
    .unwrap();
    let cadence = |i: usize| {
        let cadence = config.checks.endpoints[i].service.cadence;
        (cadence.interval_ms, cadence.timeout_ms, cadence.retry_interval_ms)
    };
    assert_eq!(cadence(0), (60_000, 30_000, 10_000));
    assert_eq!(cadence(1), (500, 500, 500));
    assert_eq!(cadence(2), (120_000, 90_000, 10_000));
    assert_eq!(config.checks.endpoints[0].service.thresholds.failure, 5);
    assert_eq!(config.checks.endpoints[1].service.thresholds.failure, 1);
    assert_eq!(endpoint(&format!("{HTTP}interval_secs = 3")).service.cadence.timeout_ms, 3_000);
}

#[test]
fn an_http_endpoint_is_read_whole() {
    let spec = http(
        r#"url = "https://me:p%40ss@web:8443/x?y=1#z"
method = "post"
headers = { Accept = "text/plain" }
body = "hello"
expect_status = [204, "300-302"]
expect_json = [{ path = "$.a", value = [1, "b", { c = true }] }]
ip_version = 6
allow_metadata = true
max_redirects = 0
tls = { skip_verify = true, expiry_warning_days = 0 }"#,
    );
    assert_eq!(spec.url.as_str(), "https://web:8443/x?y=1");
    assert_eq!(spec.method, "POST");
    assert_eq!(spec.headers[0].0, "accept");
    assert_eq!(spec.body.as_deref(), Some("hello"));
    assert_eq!(spec.expect_status.0, [204..=204, 300..=302]);
    assert_eq!(spec.expect_json[0].value, serde_json::json!([1, "b", { "c": true }]));
    assert_eq!((spec.ip_version, spec.max_redirects), (IpVersion::V6, 0));
    assert!(spec.tls.skip_verify && spec.tls.expiry_warning_days == 0);
    let Some(Auth::Basic { user, password }) = spec.auth else { panic!("no authentication") };
    assert_eq!((user.as_str(), password.expose()), ("me", "p@ss"));

    let plain = http(HTTP);
    assert!(spec.allow_metadata && !plain.allow_metadata);
    assert_eq!(plain.expect_status.0, [200..=399]);
    assert_eq!((plain.method.as_str(), plain.max_redirects, plain.tls.expiry_warning_days), ("GET", 10, 14));
}

#[test]
fn a_postgres_url_is_taken_apart() {
    let spec = postgres("url = \"postgresql://m%40e:p%2Fw@[::1]/my%20db?sslmode=verify-full\"\nexpect_value = true");
    assert_eq!((spec.user.as_str(), spec.host.as_str(), spec.port), ("m@e", "::1", 5432));
    assert_eq!(spec.password.as_ref().map(Secret::expose), Some("p/w"));
    assert_eq!((spec.database.as_str(), spec.sslmode), ("my db", SslMode::VerifyFull));
    assert_eq!((spec.query.as_str(), spec.expect_value), ("select 1", Some(Expected::Boolean(true))));
    let spec = postgres("url = \"postgres://u:a@b@db:6000\"\nsslmode = \"disable\"\nexpect_rows = 0");
    assert_eq!((spec.database.as_str(), spec.port, spec.sslmode), ("u", 6000, SslMode::Disable));
    assert_eq!(spec.password.as_ref().map(Secret::expose), Some("a@b"));
    assert_eq!(spec.expect_rows, Some(0));
    assert_eq!(postgres(PG).sslmode, SslMode::Prefer);
}

#[test]
fn a_postgres_endpoint_may_have_keys_of_its_own_in_the_place_of_a_url() {
    let keys = "type = \"postgres\"\nhost = \"${HOST}\"\nport = 6000\nuser = \"m@e:x\"\npassword = \"p/w%41?#@\"\ndatabase = \"my db\"";
    let endpoint = endpoint_with(keys, &[("HOST", "::1")]);
    assert_eq!(endpoint.service.target.whole(), "postgres://[::1]:6000/my db");
    assert_eq!(exposed(&endpoint.secrets), ["p/w%41?#@"]);
    assert_eq!((&endpoint.shown["user"], &endpoint.shown["password"]), (&"m@e:x".into(), &"•••".into()));
    let Spec::Postgres(spec) = endpoint.probe else { panic!("no postgres") };
    assert_eq!((spec.host.as_str(), spec.port, spec.user.as_str()), ("::1", 6000, "m@e:x"));
    assert_eq!(spec.password.as_ref().map(Secret::expose), Some("p/w%41?#@"));
    assert_eq!(spec.database, "my db");
    let spec = postgres("type = \"postgres\"\nhost = \"db\"\nuser = \"app\"\nsslmode = \"require\"");
    assert_eq!((spec.port, spec.database.as_str(), spec.sslmode), (5432, "app", SslMode::Require));
    assert!(spec.password.is_none());
}

#[test]
fn tcp_and_command_endpoints_are_read() {
    let Spec::Tcp(tcp) = endpoint("url = \"TCP://[::1]:6379/\"\nsend = \"PING\\r\\n\"\nexpect = \"+PONG\"").probe
    else {
        panic!("no tcp")
    };
    assert_eq!((tcp.host.as_str(), tcp.port, tcp.send.as_deref()), ("::1", 6379, Some("PING\r\n")));
    let shell = endpoint("command = \"test -e /tmp\"\ndegraded_exit_codes = 3");
    let Spec::Command(spec) = shell.probe else { panic!("no command") };
    assert_eq!(spec.argv, ["/bin/sh", "-c", "test -e /tmp"]);
    assert_eq!((spec.degraded_exit_codes, spec.detach), (vec![3], false));
    let Spec::Command(spec) = endpoint("command = \"x\"\ndetach = true").probe else { panic!("no command") };
    assert!(spec.detach);
    assert_eq!(shell.service.target.whole(), "test -e /tmp");
}

#[test]
fn targets_and_settings_show_no_credentials_and_secrets_have_them_all() {
    let env = [("TOKEN", "t0ps3cret"), ("WHERE", "/srv/data"), ("HOST", "web.internal"), ("LONG", "abcdefghijklmnop")];
    for (keys, target, hidden) in [
        ("url = \"https://u:hunter2@web/x\"", "https://web/x", vec!["hunter2"]),
        ("url = \"https://web/x?token=hunter2&q=1\"", "https://web/x?token=•••&q=1", vec!["hunter2"]),
        ("url = \"https://web/x?q=${TOKEN}\"", "https://web/x?q=•••", vec!["t0ps3cret"]),
        ("url = \"https://${HOST}/x\"", "https://web.internal/x", vec![]),
        ("url = \"https://web/${LONG}/x\"", "https://web/•••/x", vec!["abcdefghijklmnop"]),
        ("url = \"https://web/x\"\nbearer_token = \"hunter2\"", "https://web/x", vec!["hunter2"]),
        (
            "url = \"https://web/x\"\nheaders = { Authorization = \"Bearer hunter2\", X-A = \"${HOST}\" }",
            "https://web/x",
            vec!["Bearer hunter2", "hunter2", "web.internal"],
        ),
        (
            "url = \"https://web/x\"\nbody = \"a=${TOKEN}&password=hunter2\"",
            "https://web/x",
            vec!["t0ps3cret", "hunter2"],
        ),
        ("url = \"postgres://u:hun%24ter@db/d\"", "postgres://db:5432/d", vec!["hun$ter", "hun%24ter"]),
        ("url = \"postgres://u:${TOKEN}@db/d\"", "postgres://db:5432/d", vec!["t0ps3cret"]),
        ("url = \"tcp://web:80\"\nsend = \"AUTH ${TOKEN}\"", "tcp://web:80", vec!["t0ps3cret"]),
        ("url = \"tcp://web:80\"\nexpect = \"${TOKEN}\"", "tcp://web:80", vec!["t0ps3cret"]),
        ("url = \"https://web/x\"\nexpect_body = \"id=${TOKEN}\"", "https://web/x", vec!["t0ps3cret"]),
        ("url = \"https://web/x\"\nexpect_body_regex = \"id=${TOKEN}\"", "https://web/x", vec!["t0ps3cret"]),
        (
            "url = \"https://web/x\"\nexpect_json = { path = \"$.a\", value = [1, { b = \"${TOKEN}\" }] }",
            "https://web/x",
            vec!["t0ps3cret"],
        ),
        ("url = \"postgres://u@db/d\"\nexpect_value = \"${TOKEN}\"", "postgres://db:5432/d", vec!["t0ps3cret"]),
        (
            "command = [\"check\", \"${WHERE}\", \"--token\", \"hunter2\"]",
            "check ••• --token •••",
            vec!["/srv/data", "hunter2"],
        ),
        (
            "command = \"PGPASSWORD=hunter2 psql -h ${HOST}\"",
            "PGPASSWORD=••• psql -h •••",
            vec!["hunter2", "web.internal"],
        ),
    ] {
        let endpoint = endpoint_with(keys, &env);
        assert_eq!(endpoint.service.target.whole(), target, "{keys}");
        let secrets = exposed(&endpoint.secrets);
        let shown = endpoint.shown.to_string();
        for secret in hidden {
            assert!(secrets.contains(&secret), "{keys}: {secrets:?}");
            assert!(!shown.contains(secret), "{keys}: {shown}");
        }
        assert!(!format!("{:?}", endpoint.secrets).contains("hunter2"));
    }
}

#[test]
fn a_command_is_kept_from_saying_the_credentials_of_others() {
    let text = "[checks]\nendpoints = [{ name = \"c\", command = \"env\" }, { name = \"d\", url = \"postgres://u:${P}@${H}/d\" },\n\
                { name = \"e\", url = \"http://e\", bearer_token = \"in the file\" }]\n\
                [alerts]\nenabled = true\nwebhook = \"${W}\"";
    let config = read_with(text, &[("P", "hunter2"), ("H", "db"), ("W", "https://chat/hook")]).unwrap();
    assert_eq!(exposed(&config.checks.endpoints[0].secrets), ["hunter2", "https://chat/hook"]);
    assert_eq!(exposed(&config.checks.endpoints[1].secrets), ["hunter2"]);
}

#[test]
fn the_settings_that_are_shown_are_those_in_force() {
    let shown = endpoint("url = \"tcp://web:80\"\ninterval_secs = 2.5\ngroup = \"G\"").shown;
    assert_eq!(
        shown,
        serde_json::json!({
            "name": "x", "type": "tcp", "group": "G", "critical": true, "enabled": true, "url": "tcp://web:80",
            "interval_secs": 2.5, "timeout_secs": 2.5, "retry_interval_secs": 2,
            "failure_threshold": 3, "success_threshold": 2,
        })
    );
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
fn a_webhook_is_kept_while_alerts_are_enabled_and_never_printed() {
    let config = read("[alerts]\nenabled = true\nwebhook = \"https://hooks.example/hunter2\"").unwrap();
    let secrets = config.alerts.channels[0].secrets();
    assert_eq!(exposed(&secrets), ["https://hooks.example/hunter2"]);
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(read("[alerts]\nwebhook = \"https://hooks.example/\"").unwrap().alerts.channels.is_empty());
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

const EXAMPLE: &str = include_str!("../config.toml");

fn example_env(name: &str) -> Option<String> {
    ["SEARCH_API_KEY", "SEARCH_TOKEN", "INTRANET_PASSWORD", "DB_PASSWORD"].contains(&name).then(|| "secret".to_owned())
}

fn uncommented(line: &str) -> &str {
    line.strip_prefix("#: ").unwrap_or(line)
}

#[test]
fn the_configuration_that_we_ship_is_valid_without_any_variable() {
    let config = config::parse(EXAMPLE, Path::new("config.toml"), &no_env).unwrap();
    let services: Vec<_> = config.checks.endpoints.iter().map(|e| (e.service.name.as_str(), e.service.kind)).collect();
    assert_eq!(services, [("dashboard", Kind::Http), ("dashboard port", Kind::Tcp), ("disk", Kind::Command)]);
    assert_eq!(config.checks.endpoints[0].service.target.whole(), "http://127.0.0.1:9100/livez");
}

#[test]
fn the_command_that_we_ship_runs() {
    let config = config::parse(EXAMPLE, Path::new("config.toml"), &no_env).unwrap();
    let Spec::Command(command) = &config.checks.endpoints[2].probe else { panic!("no command") };
    let output = std::process::Command::new(&command.argv[0]).args(&command.argv[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("% of the disk are used"), "{output:?}");
    assert!([0, 1, 75].contains(&output.status.code().unwrap()), "{output:?}");
}

#[test]
fn the_examples_that_we_ship_are_valid_together() {
    let folder = folder_with_certificates();
    let text: String = EXAMPLE.lines().map(|line| format!("{}\n", uncommented(line))).collect();
    let config = config::parse(&text, &folder.path().join("config.toml"), &example_env).unwrap();
    assert_eq!(config.checks.endpoints.len(), 13);
    let intranet = config.checks.endpoints.iter().find(|e| e.service.name == "intranet").unwrap();
    let Spec::Http(spec) = &intranet.probe else { panic!("no http") };
    assert!(spec.tls.client.is_some() && spec.tls.ca.len() == 1);
}

#[test]
fn each_example_that_we_ship_is_valid_alone() {
    let folder = folder_with_certificates();
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let starts =
        (0..lines.len()).filter(|i| lines[*i].starts_with("#: ") && (*i == 0 || !lines[i - 1].starts_with("#: ")));
    let mut count = 0;
    for start in starts {
        let length = lines[start..].iter().take_while(|line| line.starts_with("#: ")).count();
        let uncomment = |(i, line): (usize, &&str)| {
            let line = if (start..start + length).contains(&i) { uncommented(line) } else { line };
            format!("{line}\n")
        };
        let text: String = lines.iter().enumerate().map(uncomment).collect();
        if let Err(error) = config::parse(&text, &folder.path().join("config.toml"), &example_env) {
            panic!("the example in line {}:\n{error}", start + 1);
        }
        count += 1;
    }
    assert_eq!(count, 20);
}

#[test]
fn a_key_that_does_not_go_with_its_certificate_is_found() {
    let folder = folder_with_certificates();
    let text = "[[checks.endpoints]]\nname = \"x\"\nurl = \"https://x\"\n\
                tls = { client_cert = \"certs/client.pem\", client_key = \"certs/other.key\" }";
    let report = config::parse(text, &folder.path().join("config.toml"), &no_env).unwrap_err().to_string();
    assert!(report.contains("does not go with `client_cert`"), "{report}");
    let text = text.replace("certs/other.key", "certs/ca.pem").replace("certs/client.pem", "certs/client.key");
    let report = config::parse(&text, &folder.path().join("config.toml"), &no_env).unwrap_err().to_string();
    assert!(report.contains("there is no certificate in this file"), "{report}");
    assert!(report.contains("there is no private key in this file"), "{report}");
    let text = "[[checks.endpoints]]\nname = \"x\"\nurl = \"https://x\"\ntls = { client_cert = \"certs/client.pem\" }";
    let report = config::parse(text, &folder.path().join("config.toml"), &no_env).unwrap_err().to_string();
    assert!(report.contains("`client_cert` without `client_key`"), "{report}");
}

/// Lines that are nearly right, in any order: what a person writes, and then some.
fn nearly_toml() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("[checks]".to_owned()),
        Just("[[checks.endpoints]]".to_owned()),
        Just("endpoints = [{ name = \"a\", url = \"http://é:x@b\" }, {}]".to_owned()),
        Just("headers = { a = \"é\\n\", b = 1 }".to_owned()),
        Just("expect_json = { path = \"$[\", value = [1.5, { a = 1 }] }".to_owned()),
        "(name|url|type|send|query|command|webhook|password|body|tls|port|x) = [\"'\\[{]?(\\$\\{[A-Z]?|http://|postgres://|tcp://|é|•|@|:|/|%|[a-z0-9\\\\\t]){0,8}[\"'\\]}]?",
        "\\PC{0,20}",
        Just("\r".to_owned()),
    ];
    prop::collection::vec(word, 0..12).prop_map(|lines| lines.join("\n"))
}

/// The examples that we ship, with a few places overwritten: what a slip of the hand makes of a right file.
fn slightly_broken() -> impl Strategy<Value = String> {
    let text: String = EXAMPLE.lines().map(|line| format!("{}\n", uncommented(line))).collect();
    let slip = (any::<prop::sample::Index>(), 0usize..12, "([a-z\"'\\[\\]{}=,.$é\n-]|[0-9]{1,3}){0,3}");
    prop::collection::vec(slip, 1..6).prop_map(move |slips| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, length, inserted) in slips {
            let at = at.index(chars.len());
            let end = (at + length).min(chars.len());
            chars.splice(at..end, inserted.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(crate::support::law(256, "tests/proptest-regressions/config.txt"))]

    #[test]
    fn no_text_makes_the_reader_panic(text in prop_oneof![any::<String>(), nearly_toml()], value in ".{0,8}") {
        let env = |name: &str| (name == "A").then(|| value.clone());
        if let Err(error) = config::parse(&text, Path::new(FILE), &env) {
            prop_assert!(error.count() > 0);
            prop_assert!(error.render(true).ends_with("in config.toml"));
            error.render(false);
        }
    }

    #[test]
    fn no_slip_in_a_right_file_shows_what_a_variable_stands_for(text in slightly_broken()) {
        let env = |_: &str| Some("hunter2".to_owned());
        match config::parse(&text, Path::new(FILE), &env) {
            Ok(config) => prop_assert!(config.checks.endpoints.len() <= 13),
            // The port is shown: it is no variable in the file, and a wrong one has to be found.
            Err(error) => prop_assert!(!error.to_string().replace("DASHBOARD_PORT` is `hunter2`", "").contains("hunter2")),
        }
    }
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

/// The maintenance of a file with a few endpoints.
fn maintenance(keys: &str) -> Result<Vec<healthcheck_dashboard::calendar::Planned>, String> {
    let text = format!(
        "[[checks.endpoints]]\nname = \"web\"\ngroup = \"Front end\"\nurl = \"http://a/\"\n\
         [[checks.endpoints]]\nname = \"db-main\"\nurl = \"tcp://a:1\"\n\
         [[maintenance]]\n{keys}\n"
    );
    read(&text).map(|config| config.maintenance).map_err(|error| error.to_string())
}

#[test]
fn maintenance_happens_once_or_comes_again() {
    use healthcheck_dashboard::domain::{time::UnixMs, window::Window};
    let windows = |keys: &str, from: &str, to: &str| {
        let planned = maintenance(keys).unwrap().remove(0);
        let asked = Window::new(UnixMs::parse(from).unwrap(), UnixMs::parse(to).unwrap()).unwrap();
        let said = |w: &Window| format!("{} {}", w.from().to_string().replace(":00.000", ""), w.length_ms() / 60_000);
        planned.rule.windows(asked).iter().map(said).collect::<Vec<_>>()
    };
    let (year, next) = ("2026-01-01", "2027-01-01");
    for (keys, expected) in [
        ("from = \"2026-11-20T03:00:00Z\"\nto = \"2026-11-20T05:00:00+01:00\"", ["2026-11-20T03:00Z 60"].as_slice()),
        ("from = 2026-11-20T03:00:00Z\nto = 2026-11-20T04:30:00Z", &["2026-11-20T03:00Z 90"]),
        ("from = \"2026-07-20T03:00\"\nto = \"2026-07-20 04:00\"\nzone = \"Europe/Berlin\"", &["2026-07-20T01:00Z 60"]),
        ("from = 2026-07-20\nto = 2026-07-21\nzone = \"America/New_York\"", &["2026-07-20T04:00Z 1440"]),
        // Clocks never show half past two: it begins when they jump to three.
        ("from = \"2026-03-29T02:30\"\nto = \"2026-03-29T04:00\"\nzone = \"Europe/Berlin\"", &["2026-03-29T01:00Z 60"]),
    ] {
        assert_eq!(windows(keys, year, next), expected, "{keys}");
    }
    let sundays = "cron = \"0 2 * * SUN\"\nduration = \"1h 30m\"\nzone = \"Europe/Berlin\"";
    assert_eq!(
        windows(sundays, "2026-03-20", "2026-04-06"),
        ["2026-03-22T01:00Z 90", "2026-03-29T01:00Z 90", "2026-04-05T00:00Z 90"]
    );
    let all = maintenance(sundays).unwrap().remove(0);
    assert_eq!((all.services, all.reason.as_str()), (None, "planned maintenance"));
    let some = maintenance(&format!("{sundays}\nservices = \"db-main\"\ngroups = [\"Front end\"]\nreason = \"disks\""));
    let some = some.unwrap().remove(0);
    assert_eq!((some.services, some.reason.as_str()), (Some(vec!["web".into(), "db-main".into()]), "disks"));
    assert!(read("[checks]\n").unwrap().maintenance.is_empty());
}

#[test]
fn every_mistake_about_maintenance_is_shown_where_it_stands() {
    let night = "cron = \"0 2 * * *\"\nzone = \"Europe/Berlin\"\nduration = \"1h\"\n";
    for (keys, said) in [
        ("reason = \"x\"", vec!["never happens", "no `from` and no `cron`"]),
        ("from = \"2026-11-20T03:00:00Z\"", vec!["`to` is missing"]),
        ("to = \"2026-11-20T03:00:00Z\"", vec!["`from` is missing"]),
        (
            "from = \"2026-11-20T03:00:00Z\"\nto = \"2026-11-20T02:00:00Z\"",
            vec!["ends before it begins", "it is 2026-11-20T02:00:00.000Z", "it begins at", "config.toml:10:6"],
        ),
        ("from = \"2026-11-20T03:00\"\nto = \"2026-11-20T04:00:00Z\"", vec!["does not say in which time zone"]),
        (
            "from = \"soon\"\nto = 7",
            vec!["`soon` is no time", "`to` has to be a date and time", "this is a whole number"],
        ),
        (
            "from = \"2026-11-20T03:00\"\nto = \"2026-11-20T04:00\"\nzone = \"Europe/Berlni\"",
            vec!["no time zone named `Europe/Berlni`", "did you mean `Europe/Berlin`?"],
        ),
        (
            "from = \"2026-11-20T03:00:00Z\"\nto = \"2029-11-20T03:00:00Z\"",
            vec!["longer than a year", "enabled = false"],
        ),
        ("cron = \"0 2 * * *\"", vec!["`duration` is missing", "`zone` is missing"]),
        (
            "cron = \"0 25 * * *\"\nduration = \"1h\"\nzone = \"UTC\"",
            vec!["`0 25 * * *` is no cron expression", "minute, hour, day of the month"],
        ),
        ("cron = \"0 0 31 2 *\"\nduration = \"1h\"\nzone = \"UTC\"", vec!["never happens", "there is no such day"]),
        (
            "cron = \"0 * * * *\"\nduration = \"60m\"\nzone = \"UTC\"",
            vec!["would never end", "shorter than 1h", "it comes again after 1h"],
        ),
        ("cron = \"0 2 * * *\"\nduration = \"1 fortnight\"\nzone = \"UTC\"", vec!["is no duration", "1h 30m"]),
        ("cron = \"0 2 * * *\"\nduration = \"40d\"\nzone = \"UTC\"", vec!["`duration` is out of range", "31d"]),
        (&format!("{night}from = \"2026-11-20T03:00:00Z\""), vec!["not both", "this happens once", "this comes again"]),
        ("from = \"2026-11-20T03:00:00Z\"\nduration = \"1h\"", vec!["`duration` belongs to `cron`"]),
        (&format!("{night}services = [\"wbe\"]"), vec!["no service named `wbe`", "did you mean `web`?"]),
        (&format!("{night}services = [\"db_main\"]"), vec!["did you mean `db-main`?"]),
        (&format!("{night}groups = [\"Front-end\"]"), vec!["no group named `Front-end`", "did you mean `Front end`?"]),
        (&format!("{night}services = []"), vec!["`services` is empty", "of all services"]),
        (&format!("{night}service = \"web\""), vec!["unknown key `service`", "did you mean `services`?"]),
        (&format!("{night}reason = \"\""), vec!["`reason` is empty"]),
    ] {
        let report = maintenance(keys).unwrap_err();
        for part in said {
            assert!(report.contains(part), "{part} is not in\n{report}");
        }
        assert!(report.contains("config.toml:") && report.contains('^'), "{report}");
    }
    // A name that belongs to an endpoint with another mistake in it is a known one.
    let report = read(
        "[[checks.endpoints]]\nname = \"web\"\n[[maintenance]]\nfrom = 2026-01-01T00:00:00Z\nto = 2026-01-02T00:00:00Z\nservices = [\"web\"]\n",
    );
    let report = report.unwrap_err();
    assert_eq!(report.count(), 1, "{report}");
    assert!(read("maintenance = 7\n").unwrap_err().to_string().contains("`[[maintenance]]`, in two brackets"));
}

#[test]
fn a_token_for_notes_is_long_comes_from_the_environment_and_is_never_shown() {
    let config = read_with("[dashboard]\ntoken = \"${T}\"", &[("T", "correct-horse-battery")]).unwrap();
    assert_eq!(config.dashboard.token, Some(Secret::new("correct-horse-battery")));
    assert!(!format!("{config:?}").contains("horse"));
    assert_eq!(read_with("[dashboard]\ntoken = \"${T:-}\"", &[]).unwrap().dashboard.token, None, "nobody set it");
    for bad in ["short", "has spaces in the middle", "exactly15chars!", "ünicode-is-no-header-value"] {
        let said = read(&format!("[dashboard]\ntoken = \"{bad}\"")).unwrap_err().to_string();
        assert!(said.contains("`token`") && !said.contains(bad), "{said}");
    }
    assert!(read("[dashboard]\ntoken = \"\"").is_err(), "an empty one is a mistake where no variable is");
    assert!(read("token = \"0123456789abcdef\"").unwrap_err().to_string().contains("[dashboard]"));
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
