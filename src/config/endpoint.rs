//! One entry of `[checks].endpoints`: what every kind has, and which kind it is.

use super::{
    channel_names, dependencies,
    schedule::{EffectiveSchedule, Schedule},
    types::Endpoint,
};
use crate::{
    domain::service::{CheckSchedule, Kind, Service},
    probe::{self, Descriptor, KINDS, Spec, push::PushSpec},
    settings::{
        error::quoted,
        nearest,
        reader::{Table, Value},
        text::Text,
    },
};
use serde_json::{Map, Value as Json, json};

/// The keys that every endpoint has and `[checks]` has not.
pub(super) const KEYS: [&str; 10] = [
    "name",
    "type",
    "group",
    "description",
    "critical",
    "enabled",
    "renamed_from",
    "alerts",
    "depends_on",
    "depends_on_groups",
];

/// Whether endpoints of some kind have a key of this name that `[checks]` has not.
pub(super) fn is_key(key: &str) -> bool {
    KEYS.contains(&key) || KINDS.iter().any(|kind| kind.keys.contains(&key))
}

/// The names of an endpoint, which have to be checked together with those of the others.
pub(super) struct Named {
    pub(super) name: Option<Text>,
    pub(super) renamed_from: Option<Text>,
    pub(super) depends_on: dependencies::Named,
}

/// Reads one endpoint. No endpoint comes back where something was wrong, which has been reported then.
pub(super) fn read(table: &Table<'_>, parent: &Schedule, channels: &[String]) -> (Named, Option<Endpoint>) {
    let name = identity(table, "name");
    if table.peek("name").is_none() {
        table.missing("name", "a name is unique, and what the history is kept under");
    }
    let depends_on = dependencies::Named::read(table);
    let named = Named { name, renamed_from: identity(table, "renamed_from"), depends_on };
    let alerts = table.get("alerts").map(|value| channel_names::chosen(&value, channels));
    let schedule = Schedule::read(table);
    let group = table.filled("group").map(|text| text.value);
    let description = table.filled("description").map(|text| text.value);
    let critical = table.boolean("critical").unwrap_or(true);
    let enabled = table.boolean("enabled").unwrap_or(true);

    let kind = kind(table);
    let parsed = kind.and_then(|kind| probe::read(kind, table));
    let effective = match parsed.as_ref().map(|parsed| &parsed.probe) {
        Some(Spec::Push(reports)) => schedule.resolve_reports(table, parent, reports),
        // What is wrong with the kind was reported, and what a report's times have to fit is not known.
        None if kind.is_some_and(|kind| kind.kind == Kind::Push) => None,
        Some(Spec::Group(_)) => Some(schedule.resolve_group(table, parent)),
        _ => Some(schedule.resolve(table, parent)),
    };
    finish(table, kind);

    let endpoint = match (&named.name, kind, parsed.zip(effective)) {
        (Some(name), Some(kind), Some((parsed, effective))) => {
            let EffectiveSchedule {
                cadence,
                thresholds,
                degraded_after_ms,
                is_degraded_when_unusual,
                at_most,
                objective,
                flapping,
            } = effective;
            let service = Service {
                name: name.value.clone(),
                group,
                description,
                kind: kind.kind,
                target: parsed.target.into(),
                critical,
                enabled,
                cadence,
                thresholds,
                degraded_after_ms,
                is_degraded_when_unusual,
                at_most,
                objective,
            };
            let renamed_from = named.renamed_from.as_ref().map(|text| text.value.clone());
            let mut shown = shown(&service, &renamed_from, named.depends_on.shown(), parsed.shown);
            if let (Spec::Push(reports), Json::Object(shown)) = (&parsed.probe, &mut shown) {
                shown_of_reports(shown, reports, &service.cadence, table.peek("timeout_secs").is_some());
            }
            let mut secrets = parsed.secrets;
            secrets.retain(|secret| !secret.expose().is_empty());
            // The longest first: one that contains another has to be found while it is still whole.
            secrets.sort_by(|a, b| (b.expose().len(), b.expose()).cmp(&(a.expose().len(), a.expose())));
            secrets.dedup();
            let (probe, alerts) = (parsed.probe, alerts.flatten());
            let depends_on = Vec::new();
            Some(Endpoint { service, probe, renamed_from, depends_on, alerts, flapping, secrets, shown: shown.into() })
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

/// Which kind of endpoint this is: by its `type`, by the key that only this kind has, or by the scheme of its `url`.
/// Reports a mistake where none of these gives the kind.
fn kind(table: &Table<'_>) -> Option<&'static Descriptor> {
    let has = |key: &str| table.peek(key).is_some();
    if let Some(value) = table.get("type") {
        let word = value.filled();
        let kind = word.as_ref().and_then(|word| KINDS.iter().find(|kind| kind.name() == word.value));
        if kind.is_none() {
            if let Some(word) = word {
                report_unknown_kind(&value, &word);
            }
            // No kind will read it: what is wrong with it for every kind is reported here.
            let _ = table.filled("url");
        }
        return kind;
    }
    if let Some(kind) = KINDS.iter().find(|kind| kind.own_key.is_some_and(has)) {
        return Some(kind);
    }
    let Some(url) = table.peek("url") else {
        if let Some(kind) = KINDS.iter().find(|kind| kind.instead_of_url.iter().any(|key| has(key))) {
            let keys = kind.instead_of_url.iter().map(|key| format!("`{key}`"));
            table.missing("type", &format!("{} go with type = \"{}\"", listed(keys, "and"), kind.name()));
            return None;
        }
        let in_its_place = |kind: &'static Descriptor| {
            let key = kind.own_key?;
            Some(format!("{} {} endpoint has a `{key}` in its place", kind.article, kind.name()))
        };
        table.missing("url", &KINDS.iter().filter_map(in_its_place).collect::<Vec<_>>().join("; "));
        return None;
    };
    // What cannot be filled in is reported here, and only here: no kind will read it again.
    let text = url.filled()?;
    let kind = text.value.split_once("://").and_then(|(scheme, _)| KINDS.of_scheme(scheme));
    if kind.is_none() {
        let schemes = KINDS.iter().flat_map(|kind| kind.schemes).map(|scheme| format!("`{scheme}://`"));
        table.missing("type", &format!("{}; an {} URL tells it too", names(), listed(schemes, "or")));
    }
    kind
}

fn report_unknown_kind(value: &Value<'_>, word: &Text) {
    let lower = word.value.to_lowercase();
    let alias = KINDS.iter().find(|kind| kind.aliases.contains(&lower.as_str())).map(Descriptor::name);
    let label = match alias.or_else(|| nearest(&word.value, KINDS.iter().map(Descriptor::name))) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => names(),
    };
    value.source.report(value.mistake(format!("unknown type {}", word.quoted())).label(label));
}

/// The names of all kinds, for a sentence.
fn names() -> String {
    listed(KINDS.iter().map(|kind| kind.name().to_owned()), "or")
}

/// Reports unknown keys, and those of another kind.
fn finish(table: &Table<'_>, kind: Option<&'static Descriptor>) {
    if kind.is_none() {
        // That it has no kind was reported. Until it has one, the keys of every kind may be right.
        KINDS.iter().flat_map(|kind| kind.keys).for_each(|key| drop(table.get(key)));
    }
    table.finish(|key| {
        let kind = kind?;
        let owners = KINDS.iter().filter(|owner| owner.keys.contains(&key)).map(|owner| owner.name().to_owned());
        let owners = listed(owners, "and");
        let title = format!("{} belongs to {owners} endpoints", quoted(key));
        (!owners.is_empty()).then(|| (title, format!("this is {} {} endpoint", kind.article, kind.name())))
    });
}

/// "a, b and c".
fn listed(words: impl Iterator<Item = String>, conjunction: &str) -> String {
    let words: Vec<String> = words.collect();
    match words.as_slice() {
        [all @ .., last] if !all.is_empty() => format!("{} {conjunction} {last}", all.join(", ")),
        _ => words.concat(),
    }
}

/// What a service has that reports by itself, in the place of the times of checks.
fn shown_of_reports(shown: &mut Map<String, Json>, reports: &PushSpec, cadence: &CheckSchedule, is_bounded: bool) {
    shown.remove("retry_interval_secs");
    shown.insert("grace_secs".to_owned(), seconds(reports.grace_ms(cadence.interval_ms)));
    if reports.cron.is_some() {
        shown.remove("interval_secs");
    }
    match is_bounded {
        true => shown.insert("timeout_secs".to_owned(), seconds(reports.run_ms(cadence))),
        false => shown.remove("timeout_secs"),
    };
}

fn seconds(ms: i64) -> Json {
    if ms % 1000 == 0 { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) }
}

/// The effective settings as the API shows them.
fn shown(
    service: &Service,
    renamed_from: &Option<String>,
    [depends_on, depends_on_groups]: [Option<Vec<String>>; 2],
    of_kind: Map<String, Json>,
) -> Json {
    let common = json!({
        "name": service.name,
        "type": service.kind.as_str(),
        "group": service.group,
        "description": service.description,
        "critical": service.critical,
        "enabled": service.enabled,
        "renamed_from": renamed_from,
        "depends_on": depends_on.map(Json::from),
        "depends_on_groups": depends_on_groups.map(Json::from),
        "interval_secs": seconds(service.cadence.interval_ms),
        "timeout_secs": seconds(service.cadence.timeout_ms),
        "retry_interval_secs": seconds(service.cadence.retry_interval_ms),
        "failure_threshold": service.thresholds.failure,
        "success_threshold": service.thresholds.success,
        "degraded_after_ms": service.degraded_after_ms,
        "latency": service.is_degraded_when_unusual.then_some("unusual"),
        "at_most": service.at_most.map(|rule| rule.to_string()),
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
