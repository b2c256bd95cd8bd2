//! `[alerts.report]`, the report that is sent by itself, and `[alerts] drill`.

use super::{
    channel_names,
    types::{Drill, ReportPlan},
};
use crate::{
    calendar::moments::{Every, Moments},
    notify::ChannelSpec,
    routing::ChannelName,
    settings::{
        error::quoted,
        nearest,
        reader::{Table, Value},
        zone::zone,
    },
};
use chrono::{NaiveTime, Weekday};
use chrono_tz::Tz;

/// The keys of `[alerts.report]`.
pub(super) const KEYS: [&str; 3] = ["every", "zone", "channels"];

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const FORMS: &str = "as \"monday 08:00\", \"daily 08:00\" or \"monthly 1 08:00\"";

/// Reads the section. `written` are the names of all channels, `channels` those without a mistake.
pub(super) fn read(
    table: &Table<'_>,
    written: &[String],
    channels: &[ChannelSpec],
    default_zone: Option<Tz>,
) -> Option<ReportPlan> {
    let when = match table.get("every") {
        Some(value) => every(&value),
        None => {
            table.missing("every", FORMS);
            None
        }
    };
    let zone = table.get("zone").map(|value| zone(&value));
    let to = match table.get("channels") {
        Some(value) => recipients(&value, written, channels),
        None => {
            table.missing("channels", "where the report goes, as channels = [\"mail\"]");
            None
        }
    };
    table.finish(|_| None);
    let (every, time) = when?;
    let zone = zone.unwrap_or(Some(default_zone.unwrap_or(Tz::UTC)))?;
    Some(ReportPlan { moments: Moments { every, time, zone }, channels: to? })
}

fn recipients(value: &Value<'_>, written: &[String], channels: &[ChannelSpec]) -> Option<Vec<ChannelName>> {
    let named = channel_names::chosen(value, written)?;
    if named.is_empty() {
        let mistake = value.mistake("the report goes to no channel");
        value.source.report(mistake.label("at least one name is needed; without the section there is no report"));
        return None;
    }
    for (entry, name) in value.one_or_many().iter().zip(&named) {
        if channels.iter().any(|channel| channel.name == *name && channel.batching.keeps_state) {
            let mistake = entry.mistake(format!("{} takes alerts, and no report", quoted(name)));
            value.source.report(mistake.label("it keeps alerts until they are resolved, and would page somebody"));
            return None;
        }
    }
    Some(named)
}

/// `"monday 08:00"`, `"daily 08:00"`, `"monthly 1 08:00"`
fn every(value: &Value<'_>) -> Option<(Every, NaiveTime)> {
    let text = value.filled()?;
    let lower = text.value.to_lowercase();
    let mut words = lower.split_whitespace();
    let word = words.next().unwrap_or_default();
    let refuse = |label: String| {
        let mistake = value.mistake(format!("{} is no time for a report", text.quoted()));
        value.source.report(mistake.label(label).help(FORMS));
        None
    };
    let day = |word: &str| {
        // "mon", as in the routes
        let at = DAYS.iter().position(|day| word.len() >= 3 && day.starts_with(word))?;
        Weekday::try_from(u8::try_from(at).ok()?).ok()
    };
    let every = match (word, day(word)) {
        ("daily", _) => Every::Day,
        ("monthly", _) => match words.next().and_then(|day| day.parse().ok()) {
            Some(day @ 1..=31) => Every::Month(day),
            _ => return refuse("`monthly` needs a day from 1 to 31 after it".to_owned()),
        },
        (_, Some(day)) => Every::Week(day),
        (word, None) => {
            let known = DAYS.into_iter().chain(["daily", "monthly"]);
            return match nearest(word, known) {
                Some(near) => refuse(format!("did you mean `{near}`?")),
                None => refuse("a day of the week, `daily` or `monthly` is needed first".to_owned()),
            };
        }
    };
    let clock = words.next().unwrap_or_default();
    match NaiveTime::parse_from_str(clock, "%H:%M") {
        Ok(time) if words.next().is_none() => Some((every, time)),
        Ok(_) => refuse("nothing can come after the time".to_owned()),
        Err(_) if clock.is_empty() => refuse("the time of day is missing".to_owned()),
        Err(_) => refuse("the time of day has to be such as 08:00".to_owned()),
    }
}

/// `"weekly"`, `"monthly"`, or `"off"`
pub(super) fn drill(value: &Value<'_>) -> Option<Drill> {
    let text = value.filled()?;
    match text.value.trim() {
        "off" => None,
        "weekly" => Some(Drill::Weekly),
        "monthly" => Some(Drill::Monthly),
        other => {
            let mistake = value.mistake(format!("{} is no interval of drills", text.quoted()));
            value.source.report(match nearest(other, ["weekly", "monthly", "off"]) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.label("one of weekly, monthly, off"),
            });
            None
        }
    }
}
