//! Where a PostgreSQL session goes: one URL, or keys of their own.

use super::spec::SslMode;
use crate::{
    domain::secret::Secret,
    probe::descriptor::Section,
    settings::{
        Parts, address,
        error::{Mistake, Span, quoted},
        is_postgres_parameter, nearest,
        reader::Table,
        text::{Text, place_of},
    },
};
use percent_encoding::percent_decode_str;

/// Where a session goes, and who opens it.
pub(super) struct Connection {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    /// The password as the URL spells it.
    pub(super) spelled: Option<Secret>,
    pub(super) database: String,
    /// The mode, where the URL has one, and its place in the file.
    pub(super) sslmode: Option<(SslMode, Span)>,
    /// What variables say that are named like credentials.
    pub(super) named: Vec<Secret>,
}

/// The keys that stand in the place of a URL.
pub(super) const KEYS: [&str; 5] = ["host", "port", "user", "password", "database"];

const PORT: u16 = 5432;

/// Reads the `url`, or the keys in its place.
pub(super) fn read(section: &Section<'_>) -> Option<Connection> {
    let table = section.table;
    let Some(key) = KEYS.into_iter().find_map(|key| table.peek(key)) else {
        return section.url().and_then(|text| from_url(table, &text));
    };
    if let Some(url) = table.get("url") {
        KEYS.into_iter().for_each(|key| drop(table.get(key)));
        table.both(("`url`", &url.key), (&key.what, &key.key), "one URL, or keys of their own");
        return None;
    }
    from_keys(table)
}

/// Nothing in these is text of a URL: each is what it says.
fn from_keys(table: &Table<'_>) -> Option<Connection> {
    let text = |key: &'static str| {
        let value = table.get(key)?;
        let text = value.filled()?;
        if text.value.contains('\0') {
            table
                .source
                .report(value.mistake(format!("`{key}` cannot be sent")).label("there is a NUL character in it"));
            return None;
        }
        Some(text)
    };
    let host = text("host").and_then(|text| match address::bare_host(&text.value) {
        Ok(host) => Some((host, text)),
        Err(why) => {
            table.source.report(Mistake::at(text.span.clone(), "`host` is no host").label(why));
            None
        }
    });
    let port = table.get("port").map(|value| value.integer(1..=65_535));
    let user = text("user");
    let password = table.get("password").map(|value| {
        value.string().filter(|text| {
            let valid = !text.value.contains('\0');
            if !valid {
                table.source.report(value.mistake("`password` cannot be sent").label("there is a NUL character in it"));
            }
            valid
        })
    });
    let database = table.peek("database").map(|_| text("database"));
    for (key, help) in [("host", "as host = \"db\""), ("user", "as user = \"monitor\"")] {
        if table.peek(key).is_none() {
            table.missing(key, help);
        }
    }
    let port = match port {
        Some(port) => u16::try_from(port?).ok()?,
        None => PORT,
    };
    let (host, user) = (host?, user?);
    let database = match database {
        Some(database) => Some(database?),
        None => None,
    };
    let password = match password {
        Some(password) => Some(password?),
        None => None,
    };
    Some(Connection {
        named: [Some(&host.1), Some(&user), database.as_ref()].into_iter().flatten().flat_map(named).collect(),
        host: host.0,
        port,
        database: database.map_or_else(|| user.value.clone(), |text| text.value),
        user: user.value,
        password: password.filter(|text| !text.value.is_empty()).map(|text| Secret::new(text.value)),
        spelled: None,
        sslmode: None,
    })
}

/// A host or a database from the environment is no secret, but a variable that is named like one is.
fn named(text: &Text) -> Vec<Secret> {
    let fills = text.fills.iter().filter(|fill| fill.names_a_credential());
    let parts = fills.map(|fill| &text.value[fill.range.clone()]);
    parts.flat_map(|part| [Some(part.to_owned()), decoded(part)]).flatten().map(Secret::new).collect()
}

const HELP: &str = "a URL looks like `postgres://user:password@host:5432/database`; in a user name or a password, `@` is written %40, `/` %2F, `:` %3A, `#` %23, `?` %3F, `%` %25; `${NAME}` before the `@` is taken as it is";

/// Takes a URL apart. Every mistake in it is reported; its words quote nothing but the names of parameters.
fn from_url(table: &Table<'_>, text: &Text) -> Option<Connection> {
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
    if let Some(why) = missing(user, address, parameters) {
        report(&why);
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
        sslmode: sslmode.map(|mode| (mode, place_of("sslmode", &table.source.text[text.span.clone()], &text.span))),
        named: named(text),
    })
}

/// What every URL needs and this one has not, or has where libpq reads it and we do not.
fn missing(user: &str, address: &str, parameters: &str) -> Option<String> {
    let no_host = address.is_empty() || address.starts_with(':');
    let what = match (user.is_empty(), no_host) {
        (true, true) => "the user and the host are missing",
        (true, false) => "the user is missing",
        (false, true) => "the host is missing",
        (false, false) => return None,
    };
    let parameter = |key: &str| parameters.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let host = parameter("host").or(parameter("hostaddr")).filter(|_| no_host);
    let socket = host.is_some_and(|host| host.starts_with('/') || host.to_lowercase().starts_with("%2f"));
    Some(match () {
        () if socket => format!("{what}: a Unix socket cannot be watched, only a host that is reached over TCP"),
        () if host.is_some() || (user.is_empty() && parameter("user").is_some()) => {
            format!("{what}: what stands behind the `?` belongs before it")
        }
        () => what.to_owned(),
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

pub(super) fn ssl_mode(word: &str) -> Option<SslMode> {
    SSL_MODES.iter().find(|(name, _)| *name == word).map(|(_, mode)| *mode)
}

pub(super) fn word(mode: SslMode) -> &'static str {
    SSL_MODES.iter().find(|(_, m)| *m == mode).map_or("", |(name, _)| name)
}

pub(super) fn unknown_ssl_mode(mistake: Mistake, word: &str) -> Mistake {
    let names = SSL_MODES.map(|(name, _)| name);
    if word == "allow" {
        // It asks for TLS only where the server insists, and shows the password to whoever listens elsewhere.
        return mistake
            .label("\"allow\" is not supported: \"prefer\" uses TLS where the server has it, \"disable\" never");
    }
    mistake.label(match nearest(&word.replace('_', "-"), names) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("one of {}", names.join(", ")),
    })
}
