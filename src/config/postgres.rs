//! `type = "postgres"`.

use super::{
    address,
    endpoint::{self, Built, both},
    error::Mistake,
    postgres_connection::{self, ssl_mode, unknown_ssl_mode, word},
    reader::{Table, Value},
    text::Text,
    tls,
};
use crate::{
    domain::secret::{Secret, scrub},
    probe::spec::{PostgresSpec, Spec, SslMode},
};
use serde_json::{Map, json};
use toml::de::DeValue;

pub(super) fn read(table: &Table<'_>) -> Option<Built> {
    let connection = postgres_connection::read(table);
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
        both(table, ("an sslmode in the URL", place), ("`sslmode`", &value.key), "say it once");
    }
    let sslmode = from_key.or(from_url.map(|(mode, _)| mode)).unwrap_or_default();
    let query = table.filled("query");
    let expect_rows = table.integer("expect_rows", 0..=i64::MAX).and_then(|n| u64::try_from(n).ok());
    let expect_value = table.get("expect_value").and_then(|value| expected_value(&value));
    let tls = tls::read(table);
    judge_tls(table, sslmode, tls.spec.skip_verify);
    let ip_version = endpoint::ip_version(table);

    let connection = connection?;
    let address = address::joined(&connection.host, connection.port);
    let mut secrets = connection.named;
    // The database is named like the user unless it is said.
    let target = scrub(&format!("postgres://{address}/{}", connection.database), &secrets);
    let user = scrub(&connection.user, &secrets);
    secrets.extend(connection.password.iter().chain(&connection.spelled).cloned());
    secrets.extend(query.iter().flat_map(Text::secrets));
    // What is expected is quoted where something else is found.
    secrets.extend(expect_value.iter().filter(|(value, shown)| value != shown).map(|(value, _)| Secret::new(value)));
    let mut shown = Map::new();
    shown.insert("url".to_owned(), json!(target));
    shown.insert("user".to_owned(), json!(user));
    if connection.password.is_some() {
        shown.insert("password".to_owned(), json!(crate::domain::secret::REDACTED));
    }
    shown.insert("sslmode".to_owned(), json!(word(sslmode)));
    shown.insert("query".to_owned(), json!(query.as_ref().map_or_else(|| QUERY.to_owned(), Text::shown)));
    shown.insert("expect_rows".to_owned(), json!(expect_rows));
    shown.insert("expect_value".to_owned(), json!(expect_value.as_ref().map(|(_, shown)| shown)));
    shown.insert("tls".to_owned(), tls.shown);
    shown.insert("ip_version".to_owned(), endpoint::ip_version_shown(ip_version));
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
        ip_version,
    };
    Some(Built { probe: Spec::Postgres(Box::new(spec)), target, secrets, shown })
}

const QUERY: &str = "select 1";

/// What `tls` and `sslmode` say of each other.
fn judge_tls(table: &Table<'_>, sslmode: SslMode, skip_verify: bool) {
    let Some(value) = table.peek("tls") else { return };
    if sslmode == SslMode::Disable {
        let mistake = Mistake::at(value.key, "`tls` has no effect");
        table.source.report(mistake.label("with the sslmode \"disable\" there is no TLS"));
    } else if skip_verify && matches!(sslmode, SslMode::VerifyCa | SslMode::VerifyFull) {
        let mistake = Mistake::at(value.key, "`skip_verify` contradicts the sslmode");
        table.source.report(mistake.label(format!("\"{}\" verifies; \"require\" does not", word(sslmode))));
    }
}

/// A string, a whole number or a boolean, as the text that PostgreSQL gives for it; and the same for everyone's eyes.
fn expected_value(value: &Value<'_>) -> Option<(String, String)> {
    match value.value {
        DeValue::String(_) => value.string().map(|text| (text.value.clone(), text.shown())),
        DeValue::Integer(_) => value.integer(i64::MIN..=i64::MAX).map(|n| (n.to_string(), n.to_string())),
        DeValue::Boolean(b) => Some((b.to_string(), b.to_string())),
        _ => {
            value.wrong_type("a string, a whole number, or true or false");
            None
        }
    }
}
