//! What an HTTP answer has to be.

use super::{
    names::STATUS,
    spec::{JsonExpectation, StatusSet},
};
use crate::{
    domain::secret::Secret,
    probe::conditions::Condition,
    settings::{
        reader::{Table, Value},
        text::Text,
    },
};
use regex::Regex;
use serde_json::{Value as Json, json};
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// `expect_status`: a number, a range, or a list of them. Without it, conditions on the status decide alone.
pub(super) fn status(table: &Table<'_>, conditions: &[Condition]) -> StatusSet {
    let Some(value) = table.get("expect_status") else {
        let decided = conditions.iter().any(|condition| condition.names(STATUS));
        return StatusSet(vec![if decided { 100..=999 } else { 200..=399 }]);
    };
    let entries = value.one_or_many();
    if entries.is_empty() && value.value.is_array() {
        let mistake = value.mistake("`expect_status` is empty");
        table.source.report(mistake.label("no status could be right: remove the key, or name one"));
    }
    StatusSet(entries.iter().filter_map(status_range).collect())
}

fn status_range(value: &Value<'_>) -> Option<RangeInclusive<u16>> {
    const RANGE: RangeInclusive<i64> = 100..=999;
    if value.value.is_integer() {
        let status = u16::try_from(value.integer(RANGE)?).ok()?;
        return Some(status..=status);
    }
    if !value.value.is_str() {
        value.wrong_type("a status or a range of them");
        return None;
    }
    let text = value.filled()?;
    let (from, to) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
    let bound = |word: &str| word.trim().parse::<u16>().ok().filter(|n| RANGE.contains(&i64::from(*n)));
    match (bound(from), bound(to)) {
        (Some(from), Some(to)) if from <= to => Some(from..=to),
        _ => {
            let mistake = value.mistake(format!("{} is no range of statuses", text.quoted()));
            value.source.report(mistake.label("as \"200-299\", the lower one first, from 100 to 999"));
            None
        }
    }
}

pub(super) fn status_shown(set: &StatusSet) -> Json {
    let range = |range: &RangeInclusive<u16>| match range.start() == range.end() {
        true => json!(range.start()),
        false => json!(format!("{}-{}", range.start(), range.end())),
    };
    set.0.iter().map(range).collect()
}

/// `expect_body_regex`.
pub(super) fn body_regex(table: &Table<'_>) -> Option<(Regex, Text)> {
    let value = table.get("expect_body_regex")?;
    let text = value.filled()?;
    match Regex::new(&text.value) {
        Ok(regex) => Some((regex, text)),
        Err(error) => {
            // The error is a drawing of its own; its last line is what it says.
            let message = error.to_string();
            let message = message.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_owned();
            let mistake = value.mistake("this is no regular expression").label(text.detail(message));
            table.source.report(mistake.help("in '…' (single quotes) a backslash needs no second one"));
            None
        }
    }
}

/// `expect_json`: one expectation or a list of them, each with its value, redacted.
pub(super) fn json(table: &Table<'_>) -> Vec<(JsonExpectation, Json)> {
    let entries = table.get("expect_json").map(|value| value.one_or_many()).unwrap_or_default();
    entries.iter().filter_map(|entry| expectation(&entry.table()?)).collect()
}

fn expectation(table: &Table<'_>) -> Option<(JsonExpectation, Json)> {
    const HELP: &str = "as `{ path = \"$.status\", value = \"ok\" }`";
    let path = table.get("path").and_then(|value| {
        let text = value.filled()?;
        match serde_json_path::JsonPath::parse(&text.value) {
            Ok(path) => Some((path, text)),
            Err(error) => {
                let place = format!("it can be followed up to its character {}", error.position());
                let mistake = value.mistake("this is no JSON path").label(text.detail(place));
                table.source.report(mistake.help("a JSON path begins with `$`, as `$.checks[0].status`"));
                None
            }
        }
    });
    let value = table.get("value").and_then(|value| json_value(&value));
    for key in ["path", "value"] {
        if table.peek(key).is_none() {
            table.missing(key, HELP);
        }
    }
    table.finish(|_| None);
    let ((path, text), (value, shown)) = (path?, value?);
    Some((JsonExpectation { text: text.written.clone(), path, value }, json!({ "path": text.shown(), "value": shown })))
}

/// A TOML value as JSON: for comparison, and redacted.
fn json_value(value: &Value<'_>) -> Option<(Json, Json)> {
    let twice = |json: Json| Some((json.clone(), json));
    match value.value {
        DeValue::String(_) => value.string().map(|text| (json!(text.value), json!(text.shown()))),
        DeValue::Integer(_) => twice(json!(value.integer(i64::MIN..=i64::MAX)?)),
        DeValue::Boolean(b) => twice(json!(b)),
        DeValue::Float(written) => match written.as_str().parse::<f64>().ok().filter(|n| n.is_finite()) {
            Some(number) => twice(json!(number)),
            None => {
                value.source.report(value.mistake("JSON has no such number").label("a finite number is needed"));
                None
            }
        },
        DeValue::Datetime(_) => {
            value.wrong_type("a value that JSON has (a date is a string there)");
            None
        }
        DeValue::Array(_) => {
            let values: Vec<_> = value.list("a list")?.iter().map(json_value).collect::<Option<_>>()?;
            Some(values.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()).map(|(a, b)| (Json::from(a), Json::from(b)))
        }
        DeValue::Table(_) => {
            let mut both = (serde_json::Map::new(), serde_json::Map::new());
            for (key, value) in value.table()?.all() {
                let (real, shown) = json_value(&value)?;
                both.0.insert(key.to_owned(), real);
                both.1.insert(key.to_owned(), shown);
            }
            Some((Json::Object(both.0), Json::Object(both.1)))
        }
    }
}

/// The values of an expectation that are secret.
pub(super) fn json_secrets(expectation: &JsonExpectation, shown: &Json) -> Vec<Secret> {
    fn collect(real: &Json, shown: &Json, found: &mut Vec<Secret>) {
        match (real, shown) {
            (Json::String(real), Json::String(shown)) if real != shown => found.push(Secret::new(real)),
            (Json::Array(real), Json::Array(shown)) => {
                real.iter().zip(shown).for_each(|(real, shown)| collect(real, shown, found));
            }
            (Json::Object(real), Json::Object(shown)) => {
                real.iter()
                    .filter_map(|(key, real)| Some((real, shown.get(key)?)))
                    .for_each(|(r, s)| collect(r, s, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&expectation.value, &shown["value"], &mut found);
    found
}

pub(super) fn json_shown(expectations: &[(JsonExpectation, Json)]) -> Json {
    match expectations {
        [] => Json::Null,
        all => all.iter().map(|(_, shown)| shown.clone()).collect(),
    }
}
