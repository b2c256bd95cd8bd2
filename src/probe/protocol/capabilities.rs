//! What a server says that it can do, and has to.

use crate::{
    domain::check::Class,
    probe::{connection::Connection, text::Scrubber, trace::Fault},
    settings::reader::Table,
};
use serde_json::{Map, Value as Json, json};

/// Reads a list of words, or one of them.
pub(in crate::probe) fn read(table: &Table<'_>, key: &'static str, shown: &mut Map<String, Json>) -> Vec<String> {
    let entries = table.get(key).map_or_else(Vec::new, |value| value.one_or_many());
    let words: Vec<String> = entries.iter().filter_map(|entry| entry.filled()).map(|text| text.value).collect();
    shown.insert(key.to_owned(), json!((!words.is_empty()).then_some(&words)));
    words
}

/// Fails where one of the `expected` is not offered, whatever its case. The excerpt is all that is offered.
pub(in crate::probe) fn check(
    connection: &Connection<'_>,
    expected: &[String],
    offered: &[String],
    scrubber: &Scrubber,
) -> Result<(), Fault> {
    let Some(missing) = expected.iter().find(|word| !offered.iter().any(|other| other.eq_ignore_ascii_case(word)))
    else {
        return Ok(());
    };
    let excerpt = scrubber.excerpt(&offered.join("\n"), true);
    let message = format!("the server does not offer {missing}");
    Err(connection.failure(Class::Content, message).with_excerpt(excerpt))
}
