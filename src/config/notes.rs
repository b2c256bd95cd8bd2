//! `[[incident_notes]]`: what is written down about incidents.

use super::maintenance;
use crate::{
    domain::incident::{self, StatedNote},
    settings::reader::{Table, Value},
};

/// The keys of the table.
pub(super) const KEYS: [&str; 4] = ["service", "at", "note", "zone"];

const TABLES: &str = "a list of tables: `[[incident_notes]]`, in two brackets";

/// Reads `[[incident_notes]]`. Whether there is such an incident the history knows.
pub(super) fn read(root: &Table<'_>) -> Vec<StatedNote> {
    let entries = root.get("incident_notes").and_then(|value| value.list(TABLES)).unwrap_or_default();
    entries.iter().filter_map(Value::table).filter_map(|table| one(&table)).collect()
}

fn one(table: &Table<'_>) -> Option<StatedNote> {
    for (key, help) in [
        ("service", "the name of the service, also of one that is not watched any more"),
        ("at", "any moment within the incident, as \"2026-11-20T03:12:07Z\""),
        ("note", "the text of the note"),
    ] {
        if table.peek(key).is_none() {
            table.missing(key, help);
        }
    }
    let service = table.filled("service").map(|text| text.value);
    let at = table.get("at").and_then(|value| maintenance::moment(table, &value));
    let text = table.get("note").and_then(|value| {
        let text = value.filled()?;
        match incident::note(&text.value) {
            Ok(text) => text,
            Err(why) => {
                table.source.report(value.mistake("`note` is no note").label(why));
                None
            }
        }
    });
    // Without a moment nothing has requested this key: `finish` would report it as unknown.
    table.get("zone");
    table.finish(|_| None);
    Some(StatedNote { service: service?, at: at?, text: text? })
}
