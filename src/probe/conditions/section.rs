//! `expect = ["status == 200"]`, `degraded = […]`: lists of conditions in the configuration.

use super::{condition::Condition, expression::Expression, flaw::Flaw, names::Name};
use crate::{
    domain::secret::Secret,
    settings::{
        error::{Mistake, Span},
        reader::{Source, Table, Value as TomlValue},
        text::Text,
    },
};
use serde_json::{Value as Json, json};
use std::ops::Range;

/// The conditions under a key, and what must not be seen of them.
pub(in crate::probe) fn read(
    table: &Table<'_>,
    key: &'static str,
    names: &'static [Name],
) -> (Vec<Condition>, Vec<Secret>) {
    let (mut conditions, mut secrets) = (Vec::new(), Vec::new());
    let Some(value) = table.get(key) else {
        return (conditions, secrets);
    };
    let values = value.one_or_many();
    if values.is_empty() && value.value.is_array() {
        let mistake = value.mistake(format!("`{key}` is empty"));
        table.source.report(mistake.label("remove the key, or write a condition"));
    }
    for value in values {
        let Some(text) = value.filled() else { continue };
        secrets.extend(text.secrets());
        match Condition::parse(&text.value, text.shown(), names) {
            Ok(condition) => conditions.push(condition),
            Err(flaw) => report(table.source, &text, flaw),
        }
    }
    (conditions, secrets)
}

/// A value to carry on, as `json.session.token`.
pub(in crate::probe) fn expression(value: &TomlValue<'_>, names: &'static [Name]) -> Option<Expression> {
    let text = value.filled()?;
    match Expression::parse(&text.value, text.shown(), names) {
        Ok(expression) => Some(expression),
        Err(flaw) => {
            report(value.source, &text, flaw);
            None
        }
    }
}

fn report(source: &Source<'_>, text: &Text, flaw: Flaw) {
    let place = place(text, &source.text[text.span.clone()], &flaw.span);
    // Words of the text may have come from the environment.
    let title = if text.is_guarded() { "this condition cannot be read".to_owned() } else { flaw.title };
    let mut mistake = Mistake::at(place, title).label(text.detail(flaw.label));
    if let Some(help) = flaw.help {
        mistake = mistake.help(help);
    }
    source.report(mistake);
}

/// The conditions as the API shows them.
pub(in crate::probe) fn shown(conditions: &[Condition]) -> Json {
    match conditions {
        [] => Json::Null,
        all => all.iter().map(|condition| json!(condition.shown())).collect(),
    }
}

/// Where a part of a string is in the file; the whole string where escapes or variables are in the way.
fn place(text: &Text, raw: &str, part: &Range<usize>) -> Span {
    let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| raw.starts_with(*quotes)).map_or(0, str::len);
    let inner = raw.get(quotes..raw.len().saturating_sub(quotes)).unwrap_or_default();
    let start = text.span.start + quotes;
    // As long as the beginning is as it is written, so are the places in it; the same holds from the end.
    if inner.starts_with(&text.value[..part.end]) {
        start + part.start..start + part.end
    } else if inner.ends_with(&text.value[part.start..]) {
        let begin = start + inner.len() - (text.value.len() - part.start);
        begin..begin + part.len()
    } else {
        text.span.clone()
    }
}
