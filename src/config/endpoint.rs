//! One entry of `[checks].endpoints`: what every kind has, and which kind it is.

use super::{
    command, http, postgres, postgres_connection,
    rhythm::{Effective, Rhythm},
    tcp,
    types::Endpoint,
};
use crate::{
    domain::{
        secret::Secret,
        service::{Kind, Service},
    },
    probe::spec::Spec,
    settings::{
        error::{Mistake, Span, quoted},
        nearest,
        reader::{Table, Value},
        text::Text,
        url_variables,
    },
};
use serde_json::{Map, Value as Json, json};

/// The keys that not every kind has, and the kinds that have them.
const KEYS: [(&str, &[Kind]); 28] = [
    ("url", &[Kind::Http, Kind::Tcp, Kind::Postgres]),
    ("ip_version", &[Kind::Http, Kind::Tcp, Kind::Postgres]),
    ("allow_metadata", &[Kind::Http, Kind::Tcp, Kind::Postgres]),
    ("tls", &[Kind::Http, Kind::Postgres]),
    ("method", &[Kind::Http]),
    ("headers", &[Kind::Http]),
    ("body", &[Kind::Http]),
    ("expect_status", &[Kind::Http]),
    ("expect_body", &[Kind::Http]),
    ("expect_body_regex", &[Kind::Http]),
    ("expect_json", &[Kind::Http]),
    ("basic_auth", &[Kind::Http]),
    ("bearer_token", &[Kind::Http]),
    ("max_redirects", &[Kind::Http]),
    ("send", &[Kind::Tcp]),
    ("expect", &[Kind::Tcp]),
    ("host", &[Kind::Postgres]),
    ("port", &[Kind::Postgres]),
    ("user", &[Kind::Postgres]),
    ("password", &[Kind::Postgres]),
    ("database", &[Kind::Postgres]),
    ("query", &[Kind::Postgres]),
    ("expect_rows", &[Kind::Postgres]),
    ("expect_value", &[Kind::Postgres]),
    ("expect_null", &[Kind::Postgres]),
    ("sslmode", &[Kind::Postgres]),
    ("degraded_exit_codes", &[Kind::Command]),
    ("detach", &[Kind::Command]),
];

/// Whether endpoints of some kind have a key of this name that `[checks]` has not.
pub(super) fn is_key(key: &str) -> bool {
    const COMMON: [&str; 9] =
        ["name", "type", "group", "description", "critical", "enabled", "renamed_from", "command", "headers"];
    COMMON.contains(&key) || KEYS.iter().any(|(k, _)| *k == key)
}

/// The names of an endpoint, which have to be judged together with those of the others.
pub(super) struct Named {
    pub(super) name: Option<Text>,
    pub(super) renamed_from: Option<Text>,
}

/// What a kind makes of its keys.
pub(super) struct Built {
    pub(super) probe: Spec,
    /// What is watched, without credentials.
    pub(super) target: String,
    pub(super) secrets: Vec<Secret>,
    /// Its keys as the API shows them.
    pub(super) shown: Map<String, Json>,
}

/// Reads one endpoint. No endpoint comes back where something was wrong, which has been reported then.
pub(super) fn read(table: &Table<'_>, parent: &Rhythm) -> (Named, Option<Endpoint>) {
    let name = identity(table, "name");
    if table.peek("name").is_none() {
        table.missing("name", "a name is unique, and what the history is kept under");
    }
    let named = Named { name, renamed_from: identity(table, "renamed_from") };
    let effective = Rhythm::read(table).settle(table, parent);
    let group = table.filled("group").map(|text| text.value);
    let description = table.filled("description").map(|text| text.value);
    let critical = table.boolean("critical").unwrap_or(true);
    let enabled = table.boolean("enabled").unwrap_or(true);

    let kind = kind(table);
    let built = kind.and_then(|kind| match kind {
        Kind::Http => http::read(table),
        Kind::Tcp => tcp::read(table),
        Kind::Postgres => postgres::read(table),
        Kind::Command => command::read(table),
    });
    finish(table, kind);

    let endpoint = match (&named.name, kind, built) {
        (Some(name), Some(kind), Some(built)) => {
            let Effective { cadence, thresholds, degraded_after_ms, objective } = effective;
            let service = Service {
                name: name.value.clone(),
                group,
                description,
                kind,
                target: built.target.into(),
                critical,
                enabled,
                cadence,
                thresholds,
                degraded_after_ms,
                objective,
            };
            let renamed_from = named.renamed_from.as_ref().map(|text| text.value.clone());
            let shown = shown(&service, &renamed_from, built.shown);
            let mut secrets = built.secrets;
            secrets.retain(|secret| !secret.expose().is_empty());
            // The longest first: one that contains another has to be found while it is still whole.
            secrets.sort_by(|a, b| (b.expose().len(), b.expose()).cmp(&(a.expose().len(), a.expose())));
            secrets.dedup();
            Some(Endpoint { service, probe: built.probe, renamed_from, secrets, shown })
        }
        _ => None,
    };
    (named, endpoint)
}

/// A name that the history is kept under.
fn identity(table: &Table<'_>, key: &'static str) -> Option<Text> {
    const LONGEST: usize = 200;
    let value = table.get(key)?;
    let text = value.filled()?;
    // Marks that turn the direction of writing would turn the rest of a line, on a page and in a terminal.
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let label = if text.value.chars().any(char::is_control) {
        "no control characters, line breaks among them"
    } else if text.value.chars().any(turns) {
        "no marks that turn the direction of writing"
    } else if text.value.trim() != text.value {
        "no space before or after it"
    } else if text.value.chars().count() > LONGEST {
        "at most 200 characters"
    } else if text.value == "." || text.value == ".." {
        "it is part of an address, where dots alone mean something else"
    } else {
        return Some(text);
    };
    table.source.report(value.mistake(format!("{} cannot be a name", text.quoted())).label(label));
    None
}

/// Which kind of endpoint this is: by its `type`, its `command`, or the scheme of its `url`. Reported where it cannot
/// be told.
fn kind(table: &Table<'_>) -> Option<Kind> {
    if let Some(value) = table.get("type") {
        let word = value.filled();
        let kind = word.as_ref().and_then(|word| Kind::parse(&word.value));
        if kind.is_none() {
            if let Some(word) = word {
                report_unknown_kind(&value, &word);
            }
            // No kind will read it: what is wrong with it whatever the kind is said here, with all else.
            let _ = table.filled("url");
        }
        return kind;
    }
    if table.peek("command").is_some() {
        return Some(Kind::Command);
    }
    let Some(url) = table.peek("url") else {
        if postgres_connection::KEYS.iter().any(|key| table.peek(key).is_some()) {
            table.missing("type", "`host`, `port`, `user`, `password` and `database` go with type = \"postgres\"");
            return None;
        }
        let help = "a command endpoint has a `command` in its place";
        table.missing("url", help);
        return None;
    };
    // What cannot be filled in is reported here, and only here: no kind will read it again.
    let text = url.filled()?;
    let kind = text.value.split_once("://").and_then(|(scheme, _)| kind_of_scheme(scheme));
    if kind.is_none() {
        table.missing(
            "type",
            "http, tcp, postgres or command; an `http://`, `https://`, `tcp://` or `postgres://` URL tells it too",
        );
    }
    kind
}

fn report_unknown_kind(value: &Value<'_>, word: &Text) {
    let meant = match word.value.to_lowercase().as_str() {
        "https" | "url" | "web" => Some("http"),
        "port" | "socket" => Some("tcp"),
        "pg" | "db" | "database" | "sql" => Some("postgres"),
        "exec" | "shell" | "script" | "sh" | "cmd" => Some("command"),
        _ => nearest(&word.value, Kind::ALL.map(Kind::as_str)),
    };
    let label = match meant {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "http, tcp, postgres or command".to_owned(),
    };
    value.source.report(value.mistake(format!("unknown type {}", word.quoted())).label(label));
}

/// The kind that a URL's scheme tells.
fn kind_of_scheme(scheme: &str) -> Option<Kind> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => Some(Kind::Http),
        "tcp" => Some(Kind::Tcp),
        "postgres" | "postgresql" => Some(Kind::Postgres),
        _ => None,
    }
}

/// The endpoint's `url`, if its scheme fits the kind. Anything else is reported.
pub(super) fn url(table: &Table<'_>, kind: Kind) -> Option<Text> {
    let Some(value) = table.get("url") else {
        table.missing("url", &format!("as `{}`", example(kind)));
        return None;
    };
    let text = value.filled()?;
    let scheme = text.value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let fits = match &scheme {
        Some(scheme) => kind_of_scheme(scheme) == Some(kind),
        None => kind == Kind::Tcp,
    };
    if fits {
        return Some(url_variables::literal(text));
    }
    let title = format!("this URL does not fit the type {}", kind.as_str());
    let mistake = value.mistake(title).label(format!("as `{}`", example(kind)));
    table.source.report(match scheme.as_deref().and_then(kind_of_scheme) {
        Some(other) => mistake.help(format!("for this URL, write type = \"{}\"", other.as_str())),
        None => mistake,
    });
    None
}

fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Http => "http://api:8000/health",
        Kind::Tcp => "tcp://cache:6379",
        Kind::Postgres => "postgres://user:password@db:5432/name",
        Kind::Command => "",
    }
}

/// Reports unknown keys, and those of another kind.
fn finish(table: &Table<'_>, kind: Option<Kind>) {
    if kind.is_none() {
        // That it has no kind was reported. Until it has one, the keys of every kind may be right.
        KEYS.iter().map(|(key, _)| *key).chain(["command"]).for_each(|key| drop(table.get(key)));
    }
    table.finish(|key| {
        let owners: &[Kind] = match key {
            "command" => &[Kind::Command],
            _ => KEYS.iter().find(|(k, _)| *k == key).map(|(_, kinds)| *kinds)?,
        };
        let kind = kind?;
        let words: Vec<&str> = owners.iter().map(|k| k.as_str()).collect();
        let title = format!("{} belongs to {} endpoints", quoted(key), listed(&words));
        Some((title, format!("this is {} {} endpoint", if kind == Kind::Http { "an" } else { "a" }, kind.as_str())))
    });
}

/// "a, b and c".
fn listed(words: &[&str]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => words.concat(),
    }
}

/// The effective settings as the API shows them.
fn shown(service: &Service, renamed_from: &Option<String>, of_kind: Map<String, Json>) -> Json {
    let seconds = |ms: i64| if ms % 1000 == 0 { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) };
    let common = json!({
        "name": service.name,
        "type": service.kind.as_str(),
        "group": service.group,
        "description": service.description,
        "critical": service.critical,
        "enabled": service.enabled,
        "renamed_from": renamed_from,
        "interval_secs": seconds(service.cadence.interval_ms),
        "timeout_secs": seconds(service.cadence.timeout_ms),
        "retry_interval_secs": seconds(service.cadence.retry_interval_ms),
        "failure_threshold": service.thresholds.failure,
        "success_threshold": service.thresholds.success,
        "degraded_after_ms": service.degraded_after_ms,
        "objective": service.objective,
    });
    let mut settings = of_kind;
    if let Json::Object(common) = common {
        settings.extend(common);
    }
    // What is not set says nothing.
    settings.retain(|_, value| !value.is_null());
    Json::Object(settings)
}

/// A place in the file, for a mistake about two keys that exclude each other.
pub(super) fn both(table: &Table<'_>, first: (&str, &Span), second: (&str, &Span), label: &str) {
    let mistake = Mistake::at(second.1.clone(), format!("both {} and {}", first.0, second.0));
    table.source.report(mistake.label(label).also(first.1.clone(), "this is the other"));
}
