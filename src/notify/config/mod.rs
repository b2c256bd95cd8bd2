//! `[[alerts.channels]]`: one channel.

mod smtp;

pub(super) use smtp::{Security, SmtpSpec};

use super::{
    delivery::{Batching, ChannelInfo},
    sample,
    template::{Setting, Template},
};
use crate::{
    domain::{
        secret::Secret,
        time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS},
    },
    routing::{AlertKind, ChannelName, Hours, Recipient},
    settings::{
        error::{Mistake, quoted},
        masking::{announces_a_credential, assigned_by_an_argument},
        nearest,
        reader::{Table, Value},
        text::Text,
        url_variables, weburl,
    },
};
use chrono_tz::Tz;
use reqwest::{Url, header::HeaderName};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

/// The keys of every channel.
pub(crate) const KEYS: [&str; 9] = [
    "name",
    "type",
    "kinds",
    "group_wait",
    "group_interval",
    "max_per_hour",
    "remind_after",
    "quiet_hours",
    "template",
];
/// The keys of all services that take HTTP, beside those of each.
const HTTP_KEYS: [&str; 1] = ["headers"];
/// The request of a heartbeat.
const HEARTBEAT: &str = "title = \"Heartbeat\"\nmethod = \"GET\"\nurl = \"{{ channel.url }}\"\nbody = \"text\"\naccepted = \"200-299\"\n+++\n";
/// The keys of `command`.
const COMMAND_KEYS: [&str; 1] = ["command"];

/// A channel as the configuration describes it.
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    pub name: ChannelName,
    pub batching: Batching,
    pub(super) transport: TransportSpec,
}

#[derive(Clone, Debug)]
pub(super) enum TransportSpec {
    Http(HttpSpec),
    Smtp(SmtpSpec),
    Command(CommandSpec),
}

#[derive(Clone, Debug)]
pub(super) struct HttpSpec {
    pub(super) template: Template,
    pub(super) settings: BTreeMap<String, Option<Secret>>,
    pub(super) headers: Vec<(String, Secret)>,
}

#[derive(Clone, Debug)]
pub(super) struct CommandSpec {
    pub(super) argv: Vec<Secret>,
    pub(super) secrets: Vec<Secret>,
}

/// What `[alerts]` says for all its channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Defaults {
    pub(crate) group_wait_ms: i64,
    pub(crate) group_interval_ms: i64,
    pub(crate) max_per_hour: u32,
    pub(crate) remind_after_ms: Option<i64>,
    /// The zone of quiet hours.
    pub(crate) zone: Tz,
}

impl Defaults {
    /// Twenty seconds, a minute, thirty messages an hour, no reminders.
    pub(crate) const OURS: Defaults = Defaults {
        group_wait_ms: 20 * SECOND_MS,
        group_interval_ms: 60 * SECOND_MS,
        max_per_hour: 30,
        remind_after_ms: None,
        zone: Tz::UTC,
    };

    /// Reads what a table says otherwise.
    pub(crate) fn read(self, table: &Table<'_>) -> Defaults {
        let duration = |key| {
            let value = table.get(key)?;
            match value.value.as_str().map(str::trim) {
                // No duration elsewhere.
                Some("0" | "0s") => Some(0),
                _ => value.duration(1..=HOUR_MS, "from 1s to 1h, or \"0s\" for not at all"),
            }
        };
        let remind_after = table.get("remind_after").map(|value| match value.value.as_str().map(str::trim) {
            Some("0" | "0s") => None,
            _ => value.duration(MINUTE_MS..=7 * DAY_MS, "from 1m to 7d, or \"0s\" for no reminders"),
        });
        Defaults {
            zone: self.zone,
            remind_after_ms: remind_after.unwrap_or(self.remind_after_ms),
            group_wait_ms: duration("group_wait").unwrap_or(self.group_wait_ms),
            group_interval_ms: duration("group_interval").unwrap_or(self.group_interval_ms),
            max_per_hour: table
                .integer("max_per_hour", 1..=10_000)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(self.max_per_hour),
        }
    }
}

impl ChannelSpec {
    /// The webhook of `[alerts] webhook`: each event a message of its own, at once.
    ///
    /// # Errors
    /// When its template is wrong, which a test keeps from happening.
    pub fn of_webhook(address: Secret) -> Result<ChannelSpec, String> {
        let template = Template::built_in("webhook").ok_or("the webhook has no template")?;
        let template = template.map_err(|error| error.what)?;
        let settings = BTreeMap::from([("webhook".to_owned(), Some(address))]);
        Ok(ChannelSpec {
            name: "webhook".into(),
            batching: Batching {
                each: true,
                keeps_state: false,
                group_wait: Duration::ZERO,
                group_interval: Duration::ZERO,
                max_per_hour: u32::MAX,
                quiet: None,
            },
            transport: TransportSpec::Http(HttpSpec { template, settings, headers: Vec::new() }),
        })
    }

    /// The address of `[alerts] heartbeat_url`: a GET without a body.
    ///
    /// # Errors
    /// When its template is wrong, which a test keeps from happening.
    pub fn of_heartbeat(address: Secret) -> Result<ChannelSpec, String> {
        let template = Template::parse(HEARTBEAT).map_err(|error| error.what)?;
        let settings = BTreeMap::from([("url".to_owned(), Some(address.clone()))]);
        let transport = TransportSpec::Http(HttpSpec { template, settings, headers: Vec::new() });
        Ok(ChannelSpec { name: "heartbeat".into(), transport, ..ChannelSpec::of_webhook(address)? })
    }

    /// What people see of it.
    pub fn info(&self) -> ChannelInfo {
        let service = match &self.transport {
            TransportSpec::Http(spec) => spec.template.title(),
            TransportSpec::Smtp(_) => "Email",
            TransportSpec::Command(_) => "Command",
        };
        ChannelInfo { name: self.name.clone(), service: service.to_owned() }
    }

    /// What must not be seen of it.
    pub fn secrets(&self) -> Vec<Secret> {
        match &self.transport {
            TransportSpec::Http(spec) => {
                let headers = spec.headers.iter().map(|(_, value)| value);
                spec.settings.values().flatten().chain(headers).cloned().collect()
            }
            TransportSpec::Smtp(spec) => spec.login.iter().map(|(_, password)| password.clone()).collect(),
            TransportSpec::Command(spec) => spec.secrets.clone(),
        }
    }
}

/// The keys that the section of a channel can have.
pub(crate) fn keys() -> &'static [&'static str] {
    static ALL: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let of_services = Template::names().filter_map(Template::built_in).filter_map(Result::ok);
        let of_services =
            of_services.flat_map(|template| template.settings().keys().map(|key| interned(key)).collect::<Vec<_>>());
        let all = KEYS.into_iter().chain(HTTP_KEYS).chain(smtp::KEYS).chain(COMMAND_KEYS).chain(of_services);
        all.collect::<BTreeSet<_>>().into_iter().collect()
    });
    &ALL
}

/// The types of channels.
pub(crate) fn types() -> Vec<&'static str> {
    let mut types: Vec<&str> = Template::names().chain(["email", "command"]).collect();
    types.sort_unstable();
    types
}

/// A key that lives as long as the program: a template of a user may name any.
fn interned(key: &str) -> &'static str {
    static KEYS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = keys.get(key) {
        return known;
    }
    let new: &'static str = Box::leak(key.to_owned().into_boxed_str());
    keys.insert(new);
    new
}

/// Reads one `[[alerts.channels]]`.
pub(crate) fn read(table: &Table<'_>, defaults: Defaults) -> Option<(ChannelSpec, Recipient)> {
    let name = name(table);
    let kinds = table.get("kinds").map(|value| kinds(&value));
    let defaults = defaults.read(table);
    let quiet = table.get("quiet_hours").map(|value| hours(&value));
    let template = table.get("template");
    let kind = match table.get("type") {
        Some(kind) => Some(kind.filled()?.value.trim().to_owned()),
        None if template.is_some() => None,
        None => {
            table.missing("type", &format!("one of {}", types().join(", ")));
            return None;
        }
    };
    let transport = match (kind.as_deref(), template) {
        (Some("email"), None) => smtp::read(table).map(TransportSpec::Smtp),
        (Some("command"), None) => command(table).map(TransportSpec::Command),
        (Some("email" | "command"), Some(template)) => {
            let mistake = Mistake::at(template.key.clone(), "`template` is for services that take HTTP");
            table.source.report(mistake.label("this channel does not"));
            None
        }
        (_, Some(value)) => own_template(&value).and_then(|(template, file, text)| {
            let spec = http(table, template)?;
            try_out(&value, &spec, &file, &text).then_some(TransportSpec::Http(spec))
        }),
        (Some(kind), None) => match Template::built_in(kind) {
            Some(Ok(template)) => http(table, template).map(TransportSpec::Http),
            Some(Err(error)) => {
                table.source.report(Mistake::elsewhere(format!("the template of {kind}: {}", error.what)));
                None
            }
            None => {
                let value = table.peek("type")?;
                let mistake = value.mistake(format!("there is no type of channel named {}", quoted(kind)));
                table.source.report(match nearest(kind, types()) {
                    Some(near) => mistake.label(format!("did you mean `{near}`?")),
                    None => mistake.label("not one of ours").help(format!(
                        "there are {}; any other that takes HTTP is a `template` of yours",
                        types().join(", ")
                    )),
                });
                // Which keys it has cannot be known.
                return None;
            }
        },
        (None, None) => None,
    };
    table.finish(|_| None);
    let (name, transport) = (ChannelName::from(name?), transport?);
    let keeps_state = matches!(&transport, TransportSpec::Http(spec) if spec.template.keeps_state());
    let groups = matches!(&transport, TransportSpec::Http(spec) if spec.template.groups());
    let millis = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    let batching = Batching {
        each: groups,
        keeps_state,
        group_wait: millis(defaults.group_wait_ms),
        group_interval: millis(defaults.group_interval_ms),
        max_per_hour: defaults.max_per_hour,
        quiet: match quiet {
            Some(read) => Some(Hours { days: [true; 7], minutes: Some(read?), zone: defaults.zone }),
            None => None,
        },
    };
    // Whoever keeps an alert until it is resolved reminds by itself.
    let remind_after_ms = defaults.remind_after_ms.filter(|_| !keeps_state);
    let recipient = Recipient { name: name.clone(), kinds: kinds.unwrap_or(Some(None))?, remind_after_ms };
    Some((ChannelSpec { name, batching, transport }, recipient))
}

/// Short, and fit for a command line, a label of a metric and a URL.
fn name(table: &Table<'_>) -> Option<String> {
    let Some(text) = table.filled("name") else {
        if table.peek("name").is_none() {
            table.missing("name", "what routes, metrics and pages call this channel, as name = \"ops\"");
        }
        return None;
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.value.len() <= 64 && text.value.chars().all(fits) {
        return Some(text.value);
    }
    let mistake = Mistake::at(text.span.clone(), format!("{} cannot be the name of a channel", text.quoted()));
    table.source.report(mistake.label("up to 64 letters, digits, `-`, `_` and `.`"));
    None
}

/// The kinds that a list names; `None` where one was reported.
pub(crate) fn kinds(value: &Value<'_>) -> Option<Option<Vec<AlertKind>>> {
    let entries = value.one_or_many();
    let read = |entry: &Value<'_>| {
        let text = entry.filled()?;
        let kind = AlertKind::parse(text.value.trim());
        if kind.is_none() {
            let words = AlertKind::ALL.map(AlertKind::as_str);
            let mistake = entry.mistake(format!("{} is no kind of alert", text.quoted()));
            entry.source.report(match nearest(text.value.trim(), words) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.label(format!("one of {}", words.join(", "))),
            });
        }
        kind
    };
    let kinds: Vec<Option<AlertKind>> = entries.iter().map(read).collect();
    kinds.into_iter().collect::<Option<Vec<_>>>().map(Some)
}

/// `"22:00-06:00"`, in minutes of the day.
pub(crate) fn hours(value: &Value<'_>) -> Option<(u32, u32)> {
    let text = value.filled()?;
    let minute = |clock: &str| {
        let (hour, minute) = clock.trim().split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60 || hour == 24 && minute == 0).then_some(hour * 60 + minute)
    };
    let read = text.value.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    let read = read.filter(|(from, to)| from != to && *from < 24 * 60);
    if read.is_none() {
        let mistake = value.mistake(format!("{} are no hours", text.quoted()));
        value.source.report(mistake.label("as \"08:00-18:00\", or \"22:00-06:00\" past midnight"));
    }
    read
}

/// Reads the template file of a user.
fn own_template(value: &Value<'_>) -> Option<(Template, String, String)> {
    let text = value.filled()?;
    let place = value.source.folder.join(&text.value);
    let content = match std::fs::read_to_string(&place) {
        Ok(content) => content.replace("\r\n", "\n"),
        Err(error) => {
            let mistake = value.mistake(format!("the template {} cannot be read: {error}", text.quoted()));
            value.source.report(mistake.label("a path, relative to this file"));
            return None;
        }
    };
    match Template::parse(&content) {
        Ok(template) => Some((template, text.value, content)),
        Err(error) => {
            let mistake = value.mistake("this template cannot be used").label("it is named here");
            value.source.report(mistake.help(error.in_file(&text.value, &content)));
            None
        }
    }
}

/// Tries a template of a user with a notice of every kind.
fn try_out(value: &Value<'_>, spec: &HttpSpec, file: &str, text: &str) -> bool {
    let open = |value: &Option<Secret>| value.as_ref().map(|secret| secret.expose().to_owned());
    let settings = spec.settings.iter().map(|(name, value)| (name.clone(), open(value))).collect();
    let tried = spec.template.try_out(text, &settings, &sample::notices());
    if let Err(error) = &tried {
        let mistake = value.mistake("this template cannot be used").label("it is named here");
        value.source.report(mistake.help(error.in_file(file, text)));
    }
    tried.is_ok()
}

/// Reads the settings that a template asks for.
fn http(table: &Table<'_>, template: Template) -> Option<HttpSpec> {
    let headers = headers(table);
    let mut settings = BTreeMap::new();
    let mut complete = true;
    for (name, setting) in template.settings() {
        let (key, value) = (interned(name), table.get_own(interned(name)));
        let is_there = value.is_some();
        let given = value.and_then(|value| given(setting, &value));
        if given.is_none() && is_there {
            complete = false;
        } else if given.is_none() && !setting.optional && setting.default.is_none() {
            table.missing(key, &setting.help);
            complete = false;
        }
        let given = given.or_else(|| setting.default.clone());
        settings.insert(name.clone(), given.map(Secret::new));
    }
    complete.then_some(HttpSpec { template, settings, headers: headers? })
}

/// The value of a setting; what it cannot be is reported.
fn given(setting: &Setting, value: &Value<'_>) -> Option<String> {
    if let Some((least, most)) = setting.integer {
        return value.integer(least..=most).map(|number| number.to_string());
    }
    let text = value.filled()?;
    let given = text.value.trim().to_owned();
    if setting.url {
        return is_url(value, &text).then_some(given);
    }
    if !setting.one_of.is_empty() && !setting.one_of.contains(&given) {
        let mistake = value.mistake(format!("{} cannot be {}", value.what, text.quoted()));
        value.source.report(mistake.label(format!("one of {}", setting.one_of.join(", "))).help(&setting.help));
        return None;
    }
    Some(given)
}

/// Whether this is an address that can be posted to. The message must not quote it: it may be a credential from its first
/// character to its last.
fn is_url(value: &Value<'_>, text: &Text) -> bool {
    let text = url_variables::literal(text.clone());
    let address = text.value.trim();
    let valid = is_web_address(address);
    if !valid {
        let mistake = value.mistake(format!("{} is no address that alerts can be sent to", value.what));
        value.source.report(mistake.label("an `https://` or `http://` URL is needed"));
    }
    valid
}

/// Whether this is an address that can be reached over HTTP.
pub(crate) fn is_web_address(address: &str) -> bool {
    weburl::doubt(address).is_none()
        && Url::parse(address).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

/// Headers of one's own; `None` where one was reported.
fn headers(table: &Table<'_>) -> Option<Vec<(String, Secret)>> {
    let Some(all) = table.get("headers") else { return Some(Vec::new()) };
    let mut headers = Vec::new();
    let all = all.table()?.all();
    let many = all.len();
    for (name, value) in all {
        let Some(text) = value.string() else { continue };
        let valid = HeaderName::from_bytes(name.as_bytes()).is_ok()
            && reqwest::header::HeaderValue::from_str(text.value.trim()).is_ok();
        if valid {
            headers.push((name.to_owned(), Secret::new(text.value.trim())));
        } else {
            let mistake = Mistake::at(value.key.clone(), "this is no header that can be sent");
            value.source.report(mistake.label("letters, digits and `-` in its name, no line break in its value"));
        }
    }
    (headers.len() == many).then_some(headers)
}

fn command(table: &Table<'_>) -> Option<CommandSpec> {
    let Some(value) = table.get("command") else {
        table.missing("command", "as command = [\"/usr/local/bin/notify\", \"ops\"], or a line for the shell");
        return None;
    };
    let is_line = value.value.is_str();
    let entries = value.one_or_many();
    if entries.is_empty() {
        value.source.report(value.mistake("`command` is empty").label("a program is needed"));
        return None;
    }
    let (mut argv, mut secrets, mut announced) = (Vec::new(), Vec::new(), false);
    if is_line {
        argv.extend(["/bin/sh", "-c"].map(Secret::new));
    }
    for (n, entry) in entries.iter().enumerate() {
        let text = if n == 0 { entry.filled()? } else { entry.string()? };
        if text.value.contains('\0') {
            value.source.report(entry.mistake("a NUL character cannot be passed to a program"));
            return None;
        }
        secrets.extend(text.secrets());
        if announced {
            secrets.push(Secret::new(&text.value));
        }
        secrets.extend(assigned_by_an_argument(&text.value).map(|range| Secret::new(&text.value[range])));
        announced = announces_a_credential(&text.value);
        argv.push(Secret::new(text.value));
    }
    Some(CommandSpec { argv, secrets })
}
