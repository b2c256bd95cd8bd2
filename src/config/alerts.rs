//! `[alerts]`: who is notified of what.

use super::{
    channel_names, report,
    types::{AlertRules, Alerts, Checks},
};
use crate::{
    domain::{
        check::Class,
        secret::Secret,
        time::{DAY_MS, MINUTE_MS, SECOND_MS},
    },
    notify::{
        ChannelSpec,
        config::{self as channel, Defaults},
    },
    routing::{AlertKind, Escalation, Hours, Matchers, Recipient, Route, Routing, Severity},
    settings::{
        error::{Mistake, quoted},
        nearest,
        reader::{Table, Value},
        url_variables,
        zone::zone,
    },
};
use chrono_tz::Tz;

/// The keys of `[alerts]`.
pub(super) const KEYS: [&str; 15] = [
    "enabled",
    "heartbeat_url",
    "webhook",
    "channels",
    "routes",
    "zone",
    "group_wait",
    "group_interval",
    "max_per_hour",
    "remind_after",
    "report",
    "degraded_after",
    "certificate_days",
    "gap_after",
    "drill",
];

/// The keys of `[[alerts.routes]]`.
pub(super) const ROUTE: [&str; 12] = [
    "service",
    "group",
    "kind",
    "class",
    "severity",
    "days",
    "hours",
    "zone",
    "channels",
    "escalate_after",
    "escalate_to",
    "continue",
];

const CHANNELS: &str = "a list of tables: `[[alerts.channels]]`, in two brackets";
const ROUTES: &str = "a list of tables: `[[alerts.routes]]`, in two brackets";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Reads `[alerts]`, with what the endpoints of `checks` say of their own.
pub(super) fn read(root: &Table<'_>, checks: &Checks) -> Alerts {
    let none = Alerts {
        zone: Tz::UTC,
        heartbeat: None,
        channels: Vec::new(),
        routing: Routing::default(),
        report: None,
        rules: AlertRules::default(),
        drill: None,
    };
    let Some(table) = root.table("alerts") else { return none };
    let enabled = table.get("enabled").and_then(|value| value.boolean().map(|enabled| (enabled, value.key)));
    let webhook = table.get("webhook").and_then(|value| value.string()).map(url_variables::literal);
    let heartbeat = table.get("heartbeat_url").and_then(|value| heartbeat(&value));
    let zone = table.get("zone").and_then(|value| zone(&value));
    let rules = rules(&table);
    let defaults = Defaults { zone: zone.unwrap_or(Tz::UTC), ..Defaults::OURS.read(&table) };
    let written = channel_names::written(root);
    let mut channels = Vec::new();
    let mut routing = Routing::default();
    let entries = table.get("channels").and_then(|value| value.list(CHANNELS)).unwrap_or_default();
    let (has_channels, mut taken) = (!entries.is_empty(), Vec::new());
    if webhook.as_ref().is_some_and(|text| !text.value.trim().is_empty()) {
        taken.push("webhook".to_owned());
    }
    for entry in &entries {
        let Some(entry) = entry.table() else { continue };
        let Some((channel, recipient)) = channel::read(&entry, defaults) else { continue };
        if taken.iter().any(|name| **name == *channel.name)
            && let Some(name) = entry.peek("name")
        {
            let mistake = name.mistake(format!("two channels are named {}", quoted(&channel.name)));
            table.source.report(mistake.label("a name is what routes and the outbox know a channel by"));
        }
        taken.push(channel.name.to_string());
        channels.push(channel);
        routing.channels.push(recipient);
    }
    for entry in table.get("routes").and_then(|value| value.list(ROUTES)).unwrap_or_default() {
        let Some(entry) = entry.table() else { continue };
        routing.routes.extend(route(&entry, checks, &written, zone));
    }
    let report = table.table("report").and_then(|own| report::read(&own, &written, &channels, zone));
    let drill = table.get("drill").and_then(|value| report::drill(&value));
    table.finish(|_| None);
    let webhook_is_empty = webhook.as_ref().is_none_or(|text| text.value.trim().is_empty());
    if let Some(text) = webhook.as_ref().filter(|_| !webhook_is_empty) {
        // The message must not quote the address: it may be a credential from its first character to its last.
        let address = text.value.trim();
        if !channel::is_web_address(address) {
            let mistake = Mistake::at(text.span.clone(), "`webhook` is no address that alerts can be posted to");
            table.source.report(mistake.label("an `https://` or `http://` URL is needed"));
        }
    }
    let zone = zone.unwrap_or(Tz::UTC);
    let Some((true, enabled)) = enabled else { return Alerts { heartbeat, ..none } };
    // A webhook that could not be read was reported; it is not empty.
    if !has_channels && webhook_is_empty && (webhook.is_some() || table.peek("webhook").is_none()) {
        let mistake = Mistake::at(enabled, "alerts are enabled, but `webhook` is empty");
        let mistake = mistake.label("nobody would be notified");
        table.source.report(match &webhook {
            Some(text) => mistake.also(text.span.clone(), "an address to post to is needed here"),
            None => mistake.help("write webhook = \"https://…\" below it, or an `[[alerts.channels]]`"),
        });
    }
    if let Some(text) = webhook.filter(|_| !webhook_is_empty) {
        match ChannelSpec::of_webhook(Secret::new(text.value.trim())) {
            Ok(channel) => {
                // What reads it was written when there were no other kinds.
                let kinds = Some(vec![AlertKind::Down, AlertKind::Resolved, AlertKind::Monitor]);
                routing.channels.insert(0, Recipient { name: channel.name.clone(), kinds, remind_after_ms: None });
                channels.insert(0, channel);
            }
            Err(why) => table.source.report(Mistake::elsewhere(why)),
        }
    }
    for endpoint in &checks.endpoints {
        if endpoint.flapping {
            routing.flapping.insert(endpoint.service.name.clone());
        }
        if let Some(own) = &endpoint.alerts {
            routing.services.insert(endpoint.service.name.clone(), own.clone());
        }
    }
    Alerts { zone, heartbeat, channels, routing, report, drill, rules }
}

/// When channels are notified of something beside incidents.
fn rules(table: &Table<'_>) -> AlertRules {
    let ours = AlertRules::default();
    let duration = |key| table.get(key)?.duration(10 * SECOND_MS..=7 * DAY_MS, "from 10s to 7d");
    AlertRules {
        degraded_after_ms: duration("degraded_after").unwrap_or(ours.degraded_after_ms),
        certificate_days: match table.get("certificate_days") {
            Some(value) => value.one_or_many().iter().filter_map(|days| days.integer(1..=365)).collect(),
            None => ours.certificate_days,
        },
        gap_after_ms: duration("gap_after").unwrap_or(ours.gap_after_ms),
    }
}

/// The address that is called while the monitor makes progress. An empty variable is one that nobody sets.
fn heartbeat(value: &Value<'_>) -> Option<ChannelSpec> {
    let text = value.string().map(url_variables::literal)?;
    let address = text.value.trim();
    if address.is_empty() && !text.fills.is_empty() {
        return None;
    }
    if !channel::is_web_address(address) {
        let mistake = value.mistake("`heartbeat_url` is no address that can be called");
        value.source.report(mistake.label("an `https://` or `http://` URL is needed"));
        return None;
    }
    match ChannelSpec::of_heartbeat(Secret::new(address)) {
        Ok(spec) => Some(spec),
        Err(why) => {
            value.source.report(Mistake::elsewhere(why));
            None
        }
    }
}

fn route(table: &Table<'_>, checks: &Checks, written: &[String], default_zone: Option<Tz>) -> Option<Route> {
    let services = patterns(table, "service", checks.endpoints.iter().map(|e| e.service.name.as_str()));
    let groups = patterns(table, "group", checks.endpoints.iter().filter_map(|e| e.service.group.as_deref()));
    let kinds = table.get("kind").map(|value| channel::kinds(&value));
    let classes = words(table, "class", Class::parse, &Class::ALL.map(Class::as_str));
    let severity = |word: &str| match word {
        "critical" => Some(Severity::Critical),
        "warning" => Some(Severity::Warning),
        _ => None,
    };
    let severities = words(table, "severity", severity, &["critical", "warning"]);
    let days = table.get("days").map(|value| days(&value));
    let hours = table.get("hours").map(|value| channel::hours(&value));
    let zone = table.get("zone").map(|value| zone(&value));
    let channels = match table.get("channels") {
        Some(value) => channel_names::chosen(&value, written),
        None => {
            table.missing("channels", "where these alerts go, as channels = [\"ops\"]; [] for nowhere");
            None
        }
    };
    let escalation = escalation(table, written);
    let goes_on = table.boolean("continue").unwrap_or(false);
    table.finish(|_| None);
    let hours = match (&days, &hours) {
        (None, None) => None,
        _ => Some(Hours {
            days: days.unwrap_or(Some([true; 7]))?,
            minutes: match hours {
                Some(read) => Some(read?),
                None => None,
            },
            zone: zone.unwrap_or(Some(default_zone.unwrap_or(Tz::UTC)))?,
        }),
    };
    let severity = match severities?.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let kinds = kinds.unwrap_or(Some(None))?.unwrap_or_default();
    let matchers = Matchers { services: services?, groups: groups?, kinds, classes: classes?, severity, hours };
    Some(Route { matchers, channels: channels?, escalation: escalation?, goes_on })
}

/// Who else is notified of what nobody acknowledges. `None`: something is wrong with it, which was reported.
fn escalation(table: &Table<'_>, written: &[String]) -> Option<Option<Escalation>> {
    let after = table.get("escalate_after");
    let to = table.get("escalate_to");
    match (after, to) {
        (None, None) => Some(None),
        (Some(after), Some(to)) => {
            let after_ms = after.duration(MINUTE_MS..=DAY_MS, "from 1m to 24h")?;
            Some(Some(Escalation { after_ms, to: channel_names::chosen(&to, written)? }))
        }
        (Some(_), None) => {
            table.missing("escalate_to", "who is notified then, as escalate_to = [\"phone\"]");
            None
        }
        (None, Some(_)) => {
            table.missing("escalate_after", "how long nobody has acknowledged the incident then, as \"15m\"");
            None
        }
    }
}

/// Names with `*` in them, or names that there are.
fn patterns<'a>(table: &Table<'_>, key: &'static str, known: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
    let Some(value) = table.get(key) else { return Some(Vec::new()) };
    let known: Vec<&str> = known.collect();
    let one = |entry: &Value<'_>| {
        let text = entry.filled()?;
        if text.value.contains('*') || known.contains(&text.value.as_str()) {
            return Some(text.value);
        }
        let mistake = entry.mistake(format!("there is no {key} named {}", text.quoted()));
        value.source.report(match nearest(&text.value, known.iter().copied()) {
            Some(near) => mistake.label(format!("did you mean {}?", quoted(near))),
            None => mistake.label(format!("no endpoint has this {key}; `*` stands for any characters")),
        });
        None
    };
    let named: Vec<_> = value.one_or_many().iter().map(one).collect();
    named.into_iter().collect()
}

fn words<T>(table: &Table<'_>, key: &'static str, parse: impl Fn(&str) -> Option<T>, known: &[&str]) -> Option<Vec<T>> {
    let Some(value) = table.get(key) else { return Some(Vec::new()) };
    let one = |entry: &Value<'_>| {
        let text = entry.filled()?;
        let read = parse(text.value.trim());
        if read.is_none() {
            let mistake = entry.mistake(format!("{} is no {key}", text.quoted()));
            value.source.report(match nearest(text.value.trim(), known.iter().copied()) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.label(format!("one of {}", known.join(", "))),
            });
        }
        read
    };
    let named: Vec<_> = value.one_or_many().iter().map(one).collect();
    named.into_iter().collect()
}

/// `["mon", "tue"]`, or `"mon-fri"`
fn days(value: &Value<'_>) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for entry in value.one_or_many() {
        let text = entry.filled()?;
        let day = |word: &str| DAYS.iter().position(|day| *day == word.trim().to_lowercase());
        let (first, last) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
        match (day(first), day(last)) {
            (Some(first), Some(last)) => {
                let span = (last + 7 - first) % 7;
                (first..=first + span).for_each(|day| days[day % 7] = true);
            }
            _ => {
                let mistake = entry.mistake(format!("{} is no day of the week", text.quoted()));
                value.source.report(mistake.label("as \"mon\" or \"mon-fri\""));
                return None;
            }
        }
    }
    Some(days)
}
