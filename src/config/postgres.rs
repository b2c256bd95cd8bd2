//! `type = "postgres"`.

use super::{
    address,
    endpoint::{self, Built, both},
    error::{Mistake, quoted},
    nearest::nearest,
    reader::{Table, Value},
    text::{Text, place_of},
    tls,
    url_credentials::{Parts, is_postgres_parameter},
};
use crate::{
    domain::{
        secret::{Secret, scrub},
        service::Kind,
    },
    probe::spec::{PostgresSpec, Spec, SslMode},
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, json};
use toml::de::DeValue;

/// What a connection URL says.
struct Connection {
    host: String,
    port: u16,
    user: String,
    password: Option<Secret>,
    /// The password as the URL spells it, where that differs.
    spelled: Option<Secret>,
    database: String,
    sslmode: Option<SslMode>,
}

pub(super) fn read(table: &Table<'_>) -> Option<Built> {
    let url = endpoint::url(table, Kind::Postgres);
    let connection = url.as_ref().and_then(|text| connection(table, text));
    let from_url = connection.as_ref().and_then(|c| c.sslmode);
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
    if let (Some(_), Some(value), Some(url)) = (from_url, table.peek("sslmode"), &url) {
        let place = place_of("sslmode", &table.source.text[url.span.clone()], &url.span);
        both(table, ("an sslmode in the URL", &place), ("`sslmode`", &value.key), "say it once");
    }
    let sslmode = from_key.or(from_url).unwrap_or_default();
    let query = table.filled("query");
    let expect_rows = table.integer("expect_rows", 0..=i64::MAX).and_then(|n| u64::try_from(n).ok());
    let expect_value = table.get("expect_value").and_then(|value| expected_value(&value));
    let tls = tls::read(table);
    judge_tls(table, sslmode, tls.spec.skip_verify);
    let ip_version = endpoint::ip_version(table);

    let (connection, url) = (connection?, url?);
    let address = address::joined(&connection.host, connection.port);
    // A host or a database from the environment is no secret, but a variable that is named like one is; and the database
    // is named like the user unless the URL says otherwise.
    let named = url.fills.iter().filter(|fill| fill.names_a_credential()).map(|fill| &url.value[fill.range.clone()]);
    let mut secrets: Vec<Secret> =
        named.flat_map(|part| [Some(part.to_owned()), decoded(part)]).flatten().map(Secret::new).collect();
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

const HELP: &str = "a URL looks like `postgres://user:password@host:5432/database`; in a user name or a password, `@` is written %40, `/` %2F, `:` %3A, `#` %23, `?` %3F, `%` %25; `${NAME}` before the `@` is taken as it is";

/// Takes the URL apart. Every mistake in it is reported; its words quote nothing but the names of parameters.
fn connection(table: &Table<'_>, text: &Text) -> Option<Connection> {
    let value = text.value.trim();
    let (_, rest) = value.split_once("://")?;
    let Parts { user_information, address, tail } = Parts::of(rest);
    let (path, parameters) = tail.split_once('?').unwrap_or((tail, ""));
    let database = path.strip_prefix('/').unwrap_or(path);
    let report = |why: &str| {
        let mistake = Mistake::at(text.span.clone(), "this is no PostgreSQL URL");
        let mistake = mistake.label(text.blaming_variables(why));
        table.source.report(mistake.help(HELP));
    };
    let (user, password) = match user_information {
        Some(both) => both.split_once(':').map_or((both, None), |(user, password)| (user, Some(password))),
        None => ("", None),
    };
    if tail.contains('@') {
        report("a `/`, `?` or `#` before the `@` has to be percent-encoded");
        return None;
    }
    if user.is_empty() {
        report("the user is missing");
        return None;
    }
    let address = match address::host_and_port(address, Some(5432)) {
        Ok(address) => address,
        Err(why) => {
            report(&why);
            return None;
        }
    };
    // What follows a `#` or a second `/` would be lost without a word; most often it is a part of a password.
    if database.contains(['/', '#', '@']) {
        report("a database's name has no `/`, `#` or `@`, unless percent-encoded");
        return None;
    }
    let Some((user, database)) = decoded(user).zip(decoded(database)) else {
        report("this is not percent-encoded UTF-8");
        return None;
    };
    let password = match password.map(|p| decoded(p).ok_or(p)) {
        Some(Err(_)) => {
            report("the password is not percent-encoded UTF-8");
            return None;
        }
        Some(Ok(plain)) => Some(plain),
        None => None,
    };
    // Last: while anything else is wrong, what looks like a parameter may be a part of the password.
    let (sslmode, parameters_are_right) = read_parameters(table, text, parameters);
    let spelled = user_information.and_then(|both| both.split_once(':')).map(|(_, password)| Secret::new(password));
    parameters_are_right.then(|| Connection {
        host: address.0,
        port: address.1,
        database: if database.is_empty() { user.clone() } else { database },
        user,
        password: password.filter(|p| !p.is_empty()).map(Secret::new),
        spelled,
        sslmode,
    })
}

/// Decodes what is percent-encoded; `None` for what is not text, and for a `%` that encodes nothing.
fn decoded(text: &str) -> Option<String> {
    let encodes = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    let valid = text.split('%').skip(1).all(encodes);
    let plain = percent_decode_str(text).decode_utf8().ok()?;
    (valid && !plain.contains('\0')).then(|| plain.into_owned())
}

/// Reads what follows the `?`, and says whether all of it was right.
fn read_parameters(table: &Table<'_>, text: &Text, parameters: &str) -> (Option<SslMode>, bool) {
    let (mut mode, mut right) = (None, true);
    let raw = &table.source.text[text.span.clone()];
    for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A parameter from the environment is not in the file, and is not shown either; nor is a name that libpq does
        // not know: it may be the tail of a password.
        let written = is_postgres_parameter(key) && text.written.contains(key);
        let place = if written { place_of(key, raw, &text.span) } else { text.span.clone() };
        if key == "sslmode" {
            mode = ssl_mode(value);
            if mode.is_none() {
                table.source.report(unknown_ssl_mode(Mistake::at(place, "unknown sslmode in this URL"), value));
                right = false;
            }
            continue;
        }
        right = false;
        let label = match key {
            "connect_timeout" => "`timeout_secs` is the deadline of the whole check",
            "sslrootcert" => "write tls = { ca = \"…\" }",
            "sslcert" | "sslkey" => "write tls = { client_cert = \"…\", client_key = \"…\" }",
            "host" | "port" | "user" | "password" | "dbname" => "it belongs before the `?`",
            _ => "`sslmode` is the only one that a URL can have here",
        };
        let title = match written {
            true => format!("the parameter {} is not supported", quoted(key)),
            false => "unknown parameter in this URL".to_owned(),
        };
        table.source.report(Mistake::at(place, title).label(label));
    }
    (mode, right)
}

const SSL_MODES: [(&str, SslMode); 5] = [
    ("disable", SslMode::Disable),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

fn ssl_mode(word: &str) -> Option<SslMode> {
    SSL_MODES.iter().find(|(name, _)| *name == word).map(|(_, mode)| *mode)
}

fn word(mode: SslMode) -> &'static str {
    SSL_MODES.iter().find(|(_, m)| *m == mode).map_or("", |(name, _)| name)
}

fn unknown_ssl_mode(mistake: Mistake, word: &str) -> Mistake {
    let names = SSL_MODES.map(|(name, _)| name);
    mistake.label(match nearest(&word.replace('_', "-"), names) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("one of {}", names.join(", ")),
    })
}

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
