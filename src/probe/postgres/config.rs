//! `type = "postgres"`.

use super::{
    answer::NAMES,
    connection::{self, ssl_mode, unknown_ssl_mode, word},
    spec::{Expected, PostgresSpec, SslMode},
};
use crate::{
    domain::{
        decimal::Decimal,
        secret::{Secret, scrub},
        service::Kind,
    },
    probe::{
        conditions::section,
        descriptor::{Descriptor, ParsedEndpoint, Section},
    },
    settings::{
        address,
        error::Mistake,
        network,
        reader::{Table, Value},
        text::Text,
        tls,
    },
};
use serde_json::{Map, json};
use toml::de::DeValue;

/// What the configuration and its messages know of this kind.
pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Postgres,
    aliases: &["pg", "db", "database", "sql"],
    schemes: &["postgres"],
    scheme_aliases: &["postgresql"],
    url_example: "postgres://user:password@db:5432/name",
    instead_of_url: &connection::KEYS,
    keys: &[
        "url",
        "ip_version",
        "allow_metadata",
        "tls",
        "host",
        "port",
        "user",
        "password",
        "database",
        "query",
        "expect_rows",
        "expect_value",
        "expect_null",
        "expect",
        "degraded",
        "sslmode",
    ],
    ..Descriptor::NONE
};

pub(crate) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<PostgresSpec>> {
    let table = section.table;
    let connection = connection::read(section);
    let from_url = connection.as_ref().and_then(|c| c.sslmode.clone());
    let from_key = table.get("sslmode").and_then(|value| {
        let text = value.filled()?;
        let mode = ssl_mode(&text.value);
        if mode.is_none() {
            table
                .source
                .report(unknown_ssl_mode(value.mistake(format!("unknown sslmode {}", text.quoted())), &text.value));
        }
        mode
    });
    if let (Some((_, place)), Some(value)) = (&from_url, table.peek("sslmode")) {
        table.both(("an sslmode in the URL", place), ("`sslmode`", &value.key), "say it once");
    }
    let sslmode = from_key.or(from_url.map(|(mode, _)| mode)).unwrap_or_default();
    let query = table.filled("query");
    let expect_rows = table.integer("expect_rows", 0..=i64::MAX).and_then(|n| u64::try_from(n).ok());
    let expect_value = expected(table);
    let (expect, of_expect) = section::read(table, "expect", NAMES);
    let (degraded, of_degraded) = section::read(table, "degraded", NAMES);
    let tls = tls::read(table);
    check_tls(table, sslmode, tls.spec.skip_verify);
    let ip_version = network::ip_version(table);

    let connection = connection?;
    let address = address::joined(&connection.host, connection.port);
    let mut secrets = connection.named;
    // Without a name, the database is named like the user.
    let target = scrub(&format!("postgres://{address}/{}", connection.database), &secrets);
    let user = scrub(&connection.user, &secrets);
    secrets.extend(connection.password.iter().chain(&connection.spelled).cloned());
    secrets.extend(query.iter().flat_map(Text::secrets));
    secrets.extend(of_expect);
    secrets.extend(of_degraded);
    // What is expected is quoted where something else is found.
    secrets.extend(expect_value.iter().filter_map(|(value, shown)| match value {
        Expected::Text(text) if text != shown => Some(Secret::new(text)),
        _ => None,
    }));
    let mut shown = Map::new();
    shown.insert("url".to_owned(), json!(target));
    shown.insert("user".to_owned(), json!(user));
    if connection.password.is_some() {
        shown.insert("password".to_owned(), json!(crate::domain::secret::REDACTED));
    }
    shown.insert("sslmode".to_owned(), json!(word(sslmode)));
    shown.insert("query".to_owned(), json!(query.as_ref().map_or_else(|| QUERY.to_owned(), Text::shown)));
    shown.insert("expect_rows".to_owned(), json!(expect_rows));
    let (key, of_value) = match &expect_value {
        Some((Expected::Null, _)) => ("expect_null", json!(true)),
        Some((Expected::NotNull, _)) => ("expect_null", json!(false)),
        other => ("expect_value", json!(other.as_ref().map(|(_, shown)| shown))),
    };
    shown.insert(key.to_owned(), of_value);
    shown.insert("expect".to_owned(), section::shown(&expect));
    shown.insert("degraded".to_owned(), section::shown(&degraded));
    shown.insert("tls".to_owned(), tls.shown);
    shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
    let allow_metadata = network::allow_metadata(table, &mut shown);
    let spec = PostgresSpec {
        host: connection.host,
        port: connection.port,
        user: connection.user,
        password: connection.password,
        database: connection.database,
        sslmode,
        tls: tls.spec,
        query: query.map_or_else(|| QUERY.to_owned(), |text| text.value),
        expect_rows,
        expect_value: expect_value.map(|(value, _)| value),
        expect,
        degraded,
        ip_version,
        allow_metadata,
    };
    Some(ParsedEndpoint { probe: spec, target, secrets, shown })
}

const QUERY: &str = "select 1";

/// What `tls` and `sslmode` say of each other.
fn check_tls(table: &Table<'_>, sslmode: SslMode, skip_verify: bool) {
    let Some(value) = table.peek("tls") else { return };
    if sslmode == SslMode::Disable {
        let mistake = Mistake::at(value.key, "`tls` has no effect");
        table.source.report(mistake.label("with the sslmode \"disable\" there is no TLS"));
    } else if skip_verify && matches!(sslmode, SslMode::VerifyCa | SslMode::VerifyFull) {
        let mistake = Mistake::at(value.key, "`skip_verify` contradicts the sslmode");
        table.source.report(mistake.label(format!("\"{}\" verifies; \"require\" does not", word(sslmode))));
    }
}

/// `expect_value` or `expect_null`, and the same redacted.
fn expected(table: &Table<'_>) -> Option<(Expected, String)> {
    let value = table.get("expect_value");
    let null = table.get("expect_null");
    let read = value.as_ref().and_then(expected_value);
    let expects_null = null.as_ref().and_then(Value::boolean);
    if let (Some(value), Some(null), Some(true)) = (&value, &null, expects_null) {
        table.both(("`expect_value`", &value.key), ("`expect_null`", &null.key), "a value, or NULL");
    }
    read.or_else(|| expects_null.map(|null| (if null { Expected::Null } else { Expected::NotNull }, String::new())))
}

/// A string, a number or a boolean, which is how what comes is read.
fn expected_value(value: &Value<'_>) -> Option<(Expected, String)> {
    match value.value {
        DeValue::String(_) => value.string().map(|text| (Expected::Text(text.value.clone()), text.shown())),
        DeValue::Integer(_) => number(value.integer(i64::MIN..=i64::MAX)?.to_string()),
        DeValue::Float(written) => number(written.as_str().replace('_', "")).or_else(|| {
            let mistake = value.mistake("`expect_value` is no number that could be compared");
            value.source.report(mistake.label("a finite number; or the text \"NaN\" or \"Infinity\""));
            None
        }),
        DeValue::Boolean(b) => Some((Expected::Boolean(*b), b.to_string())),
        _ => {
            value.wrong_type("a string, a number, or true or false");
            None
        }
    }
}

fn number(written: String) -> Option<(Expected, String)> {
    let number = Decimal::parse(&written)?;
    Some((Expected::Number(written.clone(), number), written))
}
