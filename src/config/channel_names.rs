//! The names of channels: those that there are, and those that lists choose.

use crate::{
    routing::ChannelName,
    settings::{
        error::quoted,
        nearest,
        reader::{Table, Value},
    },
};
use toml::de::DeValue;

/// The names that the file has for its channels, those with other mistakes in them among them: one mistake is not to be
/// reported twice.
pub(super) fn written(root: &Table<'_>) -> Vec<String> {
    let Some(DeValue::Table(alerts)) = root.peek("alerts").map(|alerts| alerts.value) else { return Vec::new() };
    let mut names: Vec<String> = alerts.get("webhook").map(|_| "webhook".to_owned()).into_iter().collect();
    let Some(DeValue::Array(entries)) = alerts.get("channels").map(|list| list.get_ref()) else { return names };
    for entry in entries {
        if let DeValue::Table(entry) = entry.get_ref()
            && let Some(DeValue::String(name)) = entry.get("name").map(|value| value.get_ref())
        {
            names.push(name.to_string());
        }
    }
    names
}

/// The names of channels that a list has. `None`: one is none of them, which was reported.
pub(super) fn chosen(value: &Value<'_>, written: &[String]) -> Option<Vec<ChannelName>> {
    let one = |entry: &Value<'_>| {
        let text = entry.filled()?;
        let name = text.value.trim();
        if written.iter().any(|known| known == name) {
            return Some(ChannelName::from(name));
        }
        let mistake = entry.mistake(format!("there is no channel named {}", text.quoted()));
        value.source.report(match nearest(name, written.iter().map(String::as_str)) {
            Some(near) => mistake.label(format!("did you mean {}?", quoted(near))),
            None if written.is_empty() => mistake.label("there is no `[[alerts.channels]]`"),
            None => mistake.label(format!("there are {}", written.join(", "))),
        });
        None
    };
    let named: Vec<_> = value.one_or_many().iter().map(one).collect();
    named.into_iter().collect()
}
