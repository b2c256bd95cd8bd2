//! What must not be seen of a file because of its place.

use super::{
    address::host_and_port,
    masking::{
        announces_a_credential, assigned_by_an_argument, begins_with_a_scheme, credentials_in_whole, names_a_credential,
    },
    vocabulary::Vocabulary,
};
use std::ops::Range;
use toml::de::DeValue;

/// Finds what must be hidden of the source by its place: values of keys that hold credentials, headers, and
/// what is sent.
pub(crate) fn hidden_by_place(
    source: &str,
    vocabulary: &Vocabulary,
    span: Range<usize>,
    value: &DeValue<'_>,
    found: &mut Vec<Range<usize>>,
) {
    match value {
        DeValue::Table(table) => {
            for (key, value) in table.iter() {
                let name = key.get_ref().as_ref();
                let own_table = names_a_credential(name) && value.get_ref().is_table();
                if is_bare(vocabulary, name, value.get_ref()) || vocabulary.holds_a_credential(name) && !own_table {
                    scalars(value.span(), value.get_ref(), found);
                }
                hidden_by_place(source, vocabulary, value.span(), value.get_ref(), found);
            }
        }
        DeValue::Array(values) => {
            let mut flagged = false;
            for value in values.iter() {
                if flagged {
                    scalars(value.span(), value.get_ref(), found);
                }
                let argument = value.get_ref().as_str();
                if argument.and_then(assigned_by_an_argument).is_some() {
                    scalars(value.span(), value.get_ref(), found);
                }
                flagged = argument.is_some_and(announces_a_credential);
                hidden_by_place(source, vocabulary, value.span(), value.get_ref(), found);
            }
        }
        DeValue::String(text) => {
            let credentials = credentials_in_whole(text);
            match source[span.clone()].find(text.as_ref()) {
                Some(at) => {
                    found.extend(credentials.iter().map(|r| span.start + at + r.start..span.start + at + r.end))
                }
                // Written with escapes, it has other places.
                None if !credentials.is_empty() => found.push(span),
                None => {}
            }
        }
        _ => {}
    }
}

/// Whether this is an address that lost its scheme. It may still hold user information, but nothing shows where.
fn is_bare(vocabulary: &Vocabulary, key: &str, value: &DeValue<'_>) -> bool {
    let bare =
        |text: &str| !begins_with_a_scheme(text) && (text.contains('@') || host_and_port(text, Some(1)).is_err());
    match value {
        DeValue::String(text) => vocabulary.holds_an_address(key) && bare(text),
        DeValue::Array(values) => values.iter().any(|value| is_bare(vocabulary, key, value.get_ref())),
        _ => false,
    }
}

/// The ranges of everything at or below a value that is neither a table nor a list.
pub(crate) fn scalars(span: Range<usize>, value: &DeValue<'_>, found: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(table) => table.values().for_each(|v| scalars(v.span(), v.get_ref(), found)),
        DeValue::Array(values) => values.iter().for_each(|v| scalars(v.span(), v.get_ref(), found)),
        DeValue::Boolean(_) => {}
        _ => found.push(span),
    }
}
