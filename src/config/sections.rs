//! `[storage]` and `[dashboard]`.

use super::types::{Backup, Dashboard, Endpoint, PublicService, Storage};
use crate::{
    domain::{
        secret::Secret,
        service::Commands,
        time::{DAY_MS, MINUTE_MS},
        window::LONGEST_MS,
    },
    settings::{
        address,
        error::{Mistake, quoted},
        nearest, network,
        reader::{Table, Value},
    },
};
use std::{net::IpAddr, path::PathBuf};

/// The keys of `[storage]`.
pub(super) const STORAGE: [&str; 8] =
    ["path", "mode", "keep_checks_days", "keep_hours_days", "keep_days_days", "seal_after_days", "scrub", "backup"];

/// The keys of `backup`.
pub(super) const BACKUP: [&str; 3] = ["dir", "every", "keep"];

/// The keys of `[dashboard]`. An entry of `public_services` has a `name` and a `title`.
pub(super) const DASHBOARD: [&str; 11] = [
    "enabled",
    "port",
    "bind",
    "title",
    "base_path",
    "public_url",
    "public",
    "public_services",
    "token",
    "show_commands",
    "trusted_proxies",
];

/// Reads `[storage]`.
pub(super) fn storage(root: &Table<'_>) -> Storage {
    let mut storage = Storage {
        path: PathBuf::from("data/history.db"),
        mode: None,
        keep_checks_days: Some(90),
        keep_hours_days: Some(730),
        keep_days_days: None,
        seal_after_days: None,
        backup: None,
        scrub_every_ms: Some(DAY_MS),
    };
    let Some(table) = root.table("storage") else { return storage };
    if let Some(path) = table.filled("path") {
        storage.path = PathBuf::from(path.value);
    }
    storage.mode = mode(&table);
    let checks = keep(&table, "keep_checks_days");
    let hours = keep(&table, "keep_hours_days");
    let days = keep(&table, "keep_days_days");
    storage.seal_after_days = table.integer("seal_after_days", 1..=36_500).and_then(|days| u32::try_from(days).ok());
    storage.backup = table.table("backup").as_ref().and_then(backup);
    if let Some(every_ms) = table.get("scrub").and_then(|value| scrub(&value)) {
        storage.scrub_every_ms = every_ms;
    }
    table.finish(|_| None);
    storage.keep_checks_days = checks.unwrap_or(storage.keep_checks_days);
    // A default is never shorter than what it has to outlast.
    storage.keep_hours_days = hours.unwrap_or_else(|| longer(storage.keep_hours_days, storage.keep_checks_days));
    storage.keep_days_days = days.unwrap_or(storage.keep_days_days);
    check_seal(&table, &storage);
    check_order(&table, ("keep_checks_days", storage.keep_checks_days), ("keep_hours_days", storage.keep_hours_days));
    check_order(&table, ("keep_hours_days", storage.keep_hours_days), ("keep_days_days", storage.keep_days_days));
    storage
}

/// Reads `mode`: octal, as chmod's. What its owner cannot write, or everybody can, is no place for a history.
fn mode(table: &Table<'_>) -> Option<u32> {
    let value = table.get("mode")?;
    let text = value.filled()?;
    let word = text.value.trim();
    let digits = word.strip_prefix("0o").unwrap_or(word);
    let read = digits.len() >= 3 && digits.len() <= 4 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = read.then(|| u32::from_str_radix(digits, 8).ok()).flatten();
    let said = mode.filter(|mode| mode & 0o600 == 0o600 && mode & !0o664 == 0);
    if said.is_none() {
        let mistake = value.mistake(format!("{} is no mode for the history's files", text.quoted()));
        table.source.report(mistake.label(
            "\"0600\": its owner alone; \"0640\": its group reads it, too; \"0660\": and writes it; \"0644\": everybody reads it",
        ));
    }
    said
}

/// Reads `backup = { dir, every, keep }`.
fn backup(table: &Table<'_>) -> Option<Backup> {
    let dir = table.filled("dir");
    let every = table.get("every").map(|value| value.duration(MINUTE_MS..=LONGEST_MS, "from 1m to 36525d (100 years)"));
    let keep = table.get("keep").map(|value| value.integer(1..=10_000));
    if dir.is_none() && table.peek("dir").is_none() {
        table.missing("dir", "the folder that backups go to, as dir = \"backups\"");
    }
    table.finish(|_| None);
    Some(Backup {
        dir: PathBuf::from(dir?.value),
        every_ms: every.unwrap_or(Some(DAY_MS))?,
        keep: u32::try_from(keep.unwrap_or(Some(7))?).ok()?,
    })
}

/// Reads `scrub`: a duration, or `Some(None)` for "off"; `None` where the value is invalid.
fn scrub(value: &Value<'_>) -> Option<Option<i64>> {
    if value.filled()?.value.trim() == "off" {
        return Some(None);
    }
    value.duration(MINUTE_MS..=LONGEST_MS, "from 1m to 36525d (100 years), or \"off\"").map(Some)
}

/// A number of days, or `Some(None)` for "forever"; `None` where the key is missing or invalid.
fn keep(table: &Table<'_>, key: &'static str) -> Option<Option<u32>> {
    let value = table.get(key)?;
    if value.value.as_str().is_some_and(|word| !word.contains("${")) {
        let word = value.string()?;
        if word.value == "forever" {
            return Some(None);
        }
        let mistake = value.mistake(format!("{} is no time to keep something", word.quoted()));
        table.source.report(mistake.label("a number of days, or \"forever\""));
        return None;
    }
    if value.value.as_str().is_some() && value.string()?.value.trim() == "forever" {
        return Some(None);
    }
    value.integer(1..=36_500).and_then(|days| u32::try_from(days).ok()).map(Some)
}

fn longer(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.zip(other).map(|(one, other)| one.max(other))
}

/// What sums something up has to outlast it: a window that reaches further back is answered from it.
fn check_order(table: &Table<'_>, fine: (&str, Option<u32>), coarse: (&str, Option<u32>)) {
    if longer(fine.1, coarse.1) == coarse.1 {
        return;
    }
    let Some(at) = table.peek(coarse.0).or_else(|| table.peek(fine.0)) else { return };
    let shown = |days: Option<u32>| days.map_or("\"forever\"".to_owned(), |days| days.to_string());
    let mistake = at.mistake(format!("`{}` is shorter than `{}`", coarse.0, fine.0));
    let label = format!("{}; at least {}", shown(coarse.1), shown(fine.1));
    let mistake = mistake.label(label).help("what sums the history up has to outlast what it sums up");
    table.source.report(match table.peek(fine.0) {
        Some(fine) if fine.span != at.span => mistake.also(fine.span, "this is longer"),
        _ => mistake,
    });
}

/// Nobody who wants to save room means that nothing is ever sealed.
fn check_seal(table: &Table<'_>, storage: &Storage) {
    let (Some(after), Some(keep)) = (storage.seal_after_days, storage.keep_checks_days) else { return };
    let Some(at) = table.peek("seal_after_days").filter(|_| after >= keep) else { return };
    let mistake = at.mistake("`seal_after_days` is not shorter than `keep_checks_days`".to_owned());
    let mistake =
        mistake.label(format!("{after}; check results are deleted after {keep} days, before they would be sealed"));
    table.source.report(match table.peek("keep_checks_days") {
        Some(keep) => mistake.also(keep.span, "they are deleted after this"),
        None => mistake.help("keep_checks_days = \"forever\" keeps every check"),
    });
}

/// Reads `[dashboard]`, and `DASHBOARD_PORT`, which wins over it.
pub(super) fn dashboard(root: &Table<'_>, endpoints: &[Endpoint]) -> Dashboard {
    let mut dashboard = Dashboard {
        enabled: true,
        bind: IpAddr::from([0, 0, 0, 0]),
        port: 9100,
        title: "Healthcheck".to_owned(),
        base_path: String::new(),
        public_url: None,
        public: None,
        token: None,
        commands: Commands::Program,
        trusted_proxies: Vec::new(),
    };
    if let Some(table) = root.table("dashboard") {
        dashboard.enabled = table.boolean("enabled").unwrap_or(true);
        if let Some(port) = table.integer("port", 1..=65_535).and_then(|n| u16::try_from(n).ok()) {
            dashboard.port = port;
        }
        if let Some(bind) = bind(&table) {
            dashboard.bind = bind;
        }
        if let Some(title) = table.filled("title") {
            if title.value.chars().any(char::is_control) {
                let mistake = Mistake::at(title.span.clone(), "`title` cannot be shown");
                table.source.report(mistake.label("no control characters, line breaks among them"));
            }
            dashboard.title = title.value;
        }
        dashboard.base_path = base_path(&table).unwrap_or_default();
        dashboard.public_url = public_url(&table);
        dashboard.public = public(&table, endpoints);
        dashboard.token = token(&table);
        if table.boolean("show_commands") == Some(true) {
            dashboard.commands = Commands::Whole;
        }
        dashboard.trusted_proxies = network::networks(&table, "trusted_proxies");
        table.finish(|_| None);
    }
    // An empty variable is one that a compose file names and nobody sets.
    if let Some(word) = (root.source.env)("DASHBOARD_PORT").filter(|word| !word.trim().is_empty()) {
        match address::port(word.trim()) {
            Ok(port) => dashboard.port = port,
            Err(why) => {
                let title = format!("the environment variable `DASHBOARD_PORT` is {}", quoted(&word));
                root.source.report(Mistake::elsewhere(title).help(why));
            }
        }
    }
    dashboard
}

/// Where others reach the pages: scheme, host, and whatever path a proxy puts before `base_path`.
fn public_url(table: &Table<'_>) -> Option<String> {
    let value = table.get("public_url")?;
    let text = value.filled()?;
    let address = text.value.trim().trim_end_matches('/');
    let is_plain = |url: &reqwest::Url| {
        ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    if reqwest::Url::parse(address).is_ok_and(|url| is_plain(&url)) {
        return Some(address.to_owned());
    }
    let mistake = value.mistake("`public_url` is no address that a link can begin with");
    table.source.report(mistake.label("as \"https://status.example.com\", with `base_path` where there is one"));
    None
}

/// `public = true`, and who is on that page.
fn public(table: &Table<'_>, endpoints: &[Endpoint]) -> Option<Vec<PublicService>> {
    let wanted = table.boolean("public").unwrap_or(false);
    let listed = table.get("public_services");
    let mut published: Vec<PublicService> = Vec::new();
    for value in listed.as_ref().and_then(|value| value.list("a list of names")).unwrap_or_default() {
        let (name, title) = if value.is_table() {
            let Some(entry) = value.table() else { continue };
            let (name, title) = (entry.filled("name"), entry.filled("title"));
            if name.is_none() && entry.peek("name").is_none() {
                entry.missing("name", "the name of an endpoint");
            }
            entry.finish(|_| None);
            (name, title.map(|text| text.value))
        } else {
            (value.filled(), None)
        };
        let Some(name) = name else { continue };
        if !endpoints.iter().any(|endpoint| endpoint.service.name == name.value) {
            let mistake = Mistake::at(name.span.clone(), format!("no endpoint is named {}", name.quoted()));
            let names = endpoints.iter().map(|endpoint| endpoint.service.name.as_str());
            table.source.report(match nearest(&name.value, names) {
                Some(near) => mistake.label(format!("did you mean {}?", quoted(near))),
                None => mistake.label("`public_services` lists names of endpoints"),
            });
        } else if published.iter().any(|other| other.name == name.value) {
            let mistake = Mistake::at(name.span.clone(), format!("{} is listed twice", name.quoted()));
            table.source.report(mistake.label("once is enough"));
        }
        published.push(PublicService { title: title.unwrap_or_else(|| name.value.clone()), name: name.value });
    }
    if wanted
        && published.is_empty()
        && listed.is_none_or(|value| value.list("a list of names").is_some_and(|l| l.is_empty()))
    {
        if let Some(at) = table.peek("public") {
            let mistake = at.mistake("`public` shows nothing");
            table.source.report(mistake.label("list what outsiders may see: `public_services = [\"…\"]`"));
        }
        return None;
    }
    wanted.then_some(published)
}

/// The shortest token that is taken, in characters: what can be guessed is none.
const SHORTEST_TOKEN: usize = 16;

/// The token that opens the door to notes. An empty variable is one that a compose file names and nobody sets.
fn token(table: &Table<'_>) -> Option<Secret> {
    let value = table.get("token")?;
    let text = value.string()?;
    let token = text.value.trim();
    if token.is_empty() && !text.fills.is_empty() {
        return None;
    }
    let label = if !token.bytes().all(|b| b.is_ascii_graphic()) {
        "letters, digits and signs of ASCII, without spaces: it is sent in a header"
    } else if token.len() < SHORTEST_TOKEN {
        "at least 16 characters, as `openssl rand -hex 16` makes them"
    } else {
        return Some(Secret::new(token));
    };
    // The message must not quote the token.
    table.source.report(value.mistake("`token` is no token that could be relied on").label(label));
    None
}

fn bind(table: &Table<'_>) -> Option<IpAddr> {
    let value = table.get("bind")?;
    let text = value.filled()?;
    match text.value.trim().parse() {
        Ok(address) => Some(address),
        Err(_) => {
            let mistake = value.mistake(format!("{} is no IP address", text.quoted()));
            let mistake = mistake.label("as \"0.0.0.0\", \"127.0.0.1\" or \"::\"");
            table.source.report(mistake.help("an address of this machine, without a port: `port` is a key of its own"));
            None
        }
    }
}

/// A path without its trailing slash; empty for the root.
fn base_path(table: &Table<'_>) -> Option<String> {
    let value = table.get("base_path")?;
    let text = value.string()?;
    let path = text.value.trim_end_matches('/');
    if text.value.is_empty() || path.is_empty() {
        return Some(String::new());
    }
    let label = if !path.starts_with('/') {
        "it begins with a `/`, as \"/status\""
    } else if path[1..].split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        "no empty part, no `.` and no `..`"
    } else if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b)) {
        "letters, digits, `-`, `.`, `_` and `~`, as \"/status\""
    } else {
        return Some(path.to_owned());
    };
    table.source.report(value.mistake(format!("{} is no base path", text.quoted())).label(label));
    None
}
