//! `[[maintenance]]`: when things may fail.

use super::{
    names::{self, Written},
    types::Checks,
};
use crate::{
    calendar::{self, LONGEST_MS, Planned, Recurrence, Rule, When},
    domain::{
        time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs},
        window::Window,
    },
    settings::{
        error::{Mistake, Span, quoted},
        reader::{Table, Value},
        text::Text,
        zone::zone,
    },
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use std::sync::Arc;
use toml::de::DeValue;

/// The keys of the table.
pub(super) const KEYS: [&str; 8] = ["from", "to", "cron", "duration", "zone", "services", "groups", "reason"];

const REASON: &str = "planned maintenance";
const TABLES: &str = "a list of tables: `[[maintenance]]`, in two brackets";

/// Reads `[[maintenance]]`, of the services of `checks`.
pub(super) fn read(root: &Table<'_>, checks: &Checks) -> Vec<Planned> {
    let entries = root.get("maintenance").and_then(|value| value.list(TABLES)).unwrap_or_default();
    let written = Written::read(root, checks);
    entries.iter().filter_map(Value::table).filter_map(|table| one(&table, checks, &written)).collect()
}

fn one(table: &Table<'_>, checks: &Checks, written: &Written) -> Option<Planned> {
    let zone = table.get("zone").map(|value| zone(&value));
    let (from, to) = (table.get("from"), table.get("to"));
    let (cron, duration) = (table.get("cron"), table.get("duration"));
    let services = services(table, checks, written);
    let reason = table.get("reason").map(|value| value.filled().map(|text| text.value));
    table.finish(|_| None);
    let when = match (&cron, from.as_ref().or(to.as_ref())) {
        (Some(cron), Some(once)) => {
            let mistake = cron.mistake("a window happens once or comes again, not both").label("this comes again");
            table.source.report(mistake.also(once.key.clone(), "this happens once"));
            return None;
        }
        (Some(cron), None) => recurring(table, cron, duration.as_ref(), zone)?,
        (None, _) if from.is_some() || to.is_some() => {
            if let Some(duration) = &duration {
                let mistake = Mistake::at(duration.key.clone(), "`duration` belongs to `cron`");
                table.source.report(mistake.label("a window that happens once ends at its `to`"));
                return None;
            }
            once(table, from.as_ref(), to.as_ref(), zone)?
        }
        (None, _) => {
            let mistake = Mistake::at(table.span.clone(), "this maintenance never happens");
            let help = "write `from` and `to` for one that happens once, or `cron`, `duration` and `zone` for one that comes again";
            table.source.report(mistake.label("no `from` and no `cron`").help(help));
            return None;
        }
    };
    Some(Planned {
        rule: Arc::new(Rule::new(when)),
        services: services?,
        reason: match reason {
            None => REASON.to_owned(),
            Some(reason) => reason?,
        },
    })
}

/// The services of a window; the inner `None` is all of them. The outer one means that it was reported.
fn services(table: &Table<'_>, checks: &Checks, written: &Written) -> Option<Option<Vec<String>>> {
    let (services, groups) =
        (chosen(table, "services", "service", &written.names), chosen(table, "groups", "group", &written.groups));
    if services.is_none() && groups.is_none() {
        return Some(None);
    }
    let (services, groups) = (services.unwrap_or(Some(Vec::new()))?, groups.unwrap_or(Some(Vec::new()))?);
    let member = |e: &&super::Endpoint| {
        services.contains(&e.service.name) || e.service.group.as_ref().is_some_and(|group| groups.contains(group))
    };
    Some(Some(checks.endpoints.iter().filter(member).map(|e| e.service.name.clone()).collect()))
}

/// The names that a key holds. The outer `None` means that it is not there, the inner one that it was reported.
fn chosen(table: &Table<'_>, key: &'static str, noun: &str, known: &[String]) -> Option<Option<Vec<String>>> {
    let value = table.get(key)?;
    let entries = value.one_or_many();
    if value.value.as_array().is_some_and(|list| list.is_empty()) {
        let mistake = value.mistake(format!("`{key}` is empty")).label(format!("name a {noun}, or leave the key out"));
        table.source.report(mistake.help("without `services` and `groups` it is maintenance of all services"));
        return Some(None);
    }
    let mut names = Vec::new();
    let mut complete = true;
    for entry in entries {
        match entry.filled() {
            Some(text) if names::is_known(table.source, &text, noun, known) => names.push(text.value),
            _ => complete = false,
        }
    }
    Some(complete.then_some(names))
}

/// A moment of the file: with its own offset, or by the clocks of the zone that stands beside it.
pub(super) fn moment(table: &Table<'_>, value: &Value<'_>) -> Option<UnixMs> {
    let zone = table.get("zone").map(|value| zone(&value));
    stated(value).and_then(|stated| placed(table, stated, value, zone))
}

/// A moment of the file, with its own offset or by the clocks of a zone.
enum Stated {
    Moment(UnixMs),
    Local(NaiveDateTime),
}

const TIME: &str = "as \"2026-11-20T03:00:00Z\", or \"2026-11-20T03:00\" with a `zone`";

fn stated(value: &Value<'_>) -> Option<Stated> {
    let (written, shown) = match value.value {
        DeValue::Datetime(written) => (written.to_string(), quoted(&written.to_string())),
        DeValue::String(_) => {
            let text: Text = value.filled()?;
            (text.value.trim().to_owned(), text.quoted())
        }
        _ => {
            value.wrong_type(&format!("a date and time, {TIME}"));
            return None;
        }
    };
    if let Ok(moment) = DateTime::parse_from_rfc3339(&written) {
        let at = UnixMs(moment.timestamp_millis());
        if (UnixMs::MIN..=UnixMs::MAX).contains(&at) {
            return Some(Stated::Moment(at));
        }
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(&written, form).ok());
    let midnight = || NaiveDate::parse_from_str(&written, "%Y-%m-%d").ok().map(|date| date.and_time(NaiveTime::MIN));
    match local.or_else(midnight) {
        Some(local) => Some(Stated::Local(local)),
        None => {
            let mistake = match UnixMs::is_beyond(&written) {
                true => value.mistake(format!("{shown} is out of range")).label("from 1970 to the end of 9999, in UTC"),
                false => value.mistake(format!("{shown} is no time")).label(TIME),
            };
            value.source.report(mistake);
            None
        }
    }
}

/// When it is. The outer `None` of the zone is that none is written, the inner one that what is written is none.
fn placed(table: &Table<'_>, stated: Stated, value: &Value<'_>, zone: Option<Option<Tz>>) -> Option<UnixMs> {
    match (stated, zone) {
        (Stated::Moment(at), _) => Some(at),
        // A zone that is none was reported.
        (Stated::Local(_), Some(None)) => None,
        (Stated::Local(local), Some(Some(zone))) => calendar::moment(zone, local),
        (Stated::Local(_), None) => {
            let mistake = value.mistake(format!("{} does not say in which time zone", value.what));
            table.source.report(mistake.label("end it in `Z` for UTC, or write `zone = \"Europe/Berlin\"` beside it"));
            None
        }
    }
}

fn once(table: &Table<'_>, from: Option<&Value<'_>>, to: Option<&Value<'_>>, zone: Option<Option<Tz>>) -> Option<When> {
    let (Some(from), Some(to)) = (from, to) else {
        table.missing(if from.is_none() { "from" } else { "to" }, TIME);
        return None;
    };
    let (begins, ends) = (stated(from), stated(to));
    let (begins, ends) =
        (begins.and_then(|at| placed(table, at, from, zone)), ends.and_then(|at| placed(table, at, to, zone)));
    let (begins, ends) = (begins?, ends?);
    let Some(window) = Window::new(begins, ends) else {
        let mistake = to.mistake("this maintenance ends before it begins").label(format!("it is {ends}"));
        table.source.report(mistake.also(from.span.clone(), format!("it begins at {begins}")));
        return None;
    };
    if window.length_ms() > 12 * LONGEST_MS {
        let mistake = to
            .mistake("this maintenance is longer than a year")
            .label("a service that is not to be watched has `enabled = false`");
        table.source.report(mistake.also(from.span.clone(), "it begins here"));
        return None;
    }
    Some(When::Once(window))
}

fn recurring(
    table: &Table<'_>,
    cron: &Value<'_>,
    duration: Option<&Value<'_>>,
    zone: Option<Option<Tz>>,
) -> Option<When> {
    let expression = cron.filled();
    let length = match duration {
        Some(value) => value.duration(SECOND_MS..=LONGEST_MS, "from 1s to 31d").map(|ms| (ms, value.span.clone())),
        None => {
            table.missing("duration", "how long each window is, as \"2h\" or \"1h 30m\"");
            None
        }
    };
    if zone.is_none() {
        table.missing("zone", "whose clocks the expression speaks of, as \"Europe/Berlin\" or \"UTC\"");
    }
    let expression = expression?;
    // Mistakes in the expression can be reported without knowing the rest.
    let (ms, known_zone) = (length.as_ref().map_or(1, |(ms, _)| *ms), zone.flatten());
    let recurrence = match Recurrence::new(&expression.value, ms, known_zone.unwrap_or(Tz::UTC)) {
        Ok(recurrence) => recurrence,
        Err(why) => {
            let mistake = cron.mistake(format!("{} is no cron expression", expression.quoted()));
            let help = "minute, hour, day of the month, month, day of the week: \"0 2 * * SUN\" is 2:00 every Sunday";
            table.source.report(mistake.label(expression.detail(why)).help(help));
            return None;
        }
    };
    if !recurrence.comes() {
        table.source.report(cron.mistake("this maintenance never happens").label("there is no such day"));
        return None;
    }
    let (ms, span) = length?;
    check_length(table, cron.span.clone(), span, ms, recurrence.period_ms())?;
    known_zone?;
    Some(When::Recurring(Box::new(recurrence)))
}

/// A window has to be over before it comes again.
fn check_length(table: &Table<'_>, cron: Span, span: Span, ms: i64, period_ms: Option<i64>) -> Option<()> {
    match period_ms {
        Some(period) if ms >= period => {
            let mistake = Mistake::at(span, "this maintenance would never end");
            let mistake = mistake.label(format!("shorter than {}", in_words(period)));
            table.source.report(mistake.also(cron, format!("it comes again after {}", in_words(period))));
            None
        }
        _ => Some(()),
    }
}

fn in_words(ms: i64) -> String {
    for (unit, size) in [("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS)] {
        if ms % size == 0 {
            return format!("{}{unit}", ms / size);
        }
    }
    format!("{}s", ms / SECOND_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_said_in_its_largest_unit() {
        assert_eq!((in_words(DAY_MS), in_words(90 * MINUTE_MS)), ("1d".into(), "90m".into()));
    }
}
