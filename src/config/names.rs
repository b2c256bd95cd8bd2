//! The names of services and groups that other parts of the file choose from.

use super::types::Checks;
use crate::settings::{
    error::{Mistake, quoted},
    nearest,
    reader::{Source, Table},
    text::Text,
};
use toml::de::DeValue;

/// The names and groups that the file has for its endpoints, those with other mistakes in them among them: one mistake is
/// not to be reported twice.
pub(super) struct Written {
    pub(super) names: Vec<String>,
    pub(super) groups: Vec<String>,
}

impl Written {
    pub(super) fn read(root: &Table<'_>, checks: &Checks) -> Written {
        let mut written = Written { names: Vec::new(), groups: Vec::new() };
        for endpoint in &checks.endpoints {
            written.names.push(endpoint.service.name.clone());
            written.groups.extend(endpoint.service.group.clone());
        }
        if let Some(DeValue::Table(table)) = root.peek("checks").map(|checks| checks.value)
            && let Some(DeValue::Array(entries)) = table.get("endpoints").map(|list| list.get_ref())
        {
            for entry in entries {
                let DeValue::Table(entry) = entry.get_ref() else { continue };
                let text = |key: &str| match entry.get(key).map(|value| value.get_ref()) {
                    Some(DeValue::String(text)) if !text.contains("${") => Some(text.to_string()),
                    _ => None,
                };
                written.names.extend(text("name"));
                written.groups.extend(text("group"));
            }
        }
        for known in [&mut written.names, &mut written.groups] {
            known.sort_unstable();
            known.dedup();
        }
        written
    }
}

/// Whether a text is one of the known names of services or of groups (`noun`). That it is not is reported.
pub(super) fn is_known(source: &Source<'_>, text: &Text, noun: &str, known: &[String]) -> bool {
    if known.contains(&text.value) {
        return true;
    }
    let lower: Vec<String> = known.iter().map(|name| name.to_lowercase().replace('-', "_")).collect();
    let near = nearest(&text.value, lower.iter().map(String::as_str))
        .and_then(|near| lower.iter().position(|name| name == near))
        .and_then(|index| known.get(index));
    let mistake = Mistake::at(text.span.clone(), format!("there is no {noun} named {}", text.quoted()));
    source.report(match near {
        Some(near) => mistake.label(format!("did you mean {}?", quoted(near))),
        None if known.is_empty() => mistake.label(format!("no endpoint has a {noun}")),
        None => mistake.label(format!("no endpoint has this {}", if noun == "group" { noun } else { "name" })),
    });
    false
}
