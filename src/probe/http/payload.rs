//! What a request sends: `body`, `form` or `multipart`.

use crate::{
    domain::secret::{REDACTED, Secret},
    settings::{
        error::Mistake,
        masking::names_a_credential,
        reader::{Table, Value},
        text::Text,
    },
};
use reqwest::header::HeaderValue;
use serde_json::{Map, Value as Json, json};

/// The body of a request, and how it is shown.
#[derive(Default)]
pub(super) struct Payload {
    pub(super) body: Option<String>,
    /// What it is, where that follows from the key that gives it.
    pub(super) content_type: Option<String>,
    pub(super) secrets: Vec<Secret>,
    pub(super) shown: Map<String, Json>,
}

impl Payload {
    /// Whether it is one that is posted, unless a method is given.
    pub(super) fn is_form(&self) -> bool {
        self.content_type.is_some()
    }
}

pub(super) fn read(table: &Table<'_>) -> Payload {
    let mut payload = Payload::default();
    let mut ways = Vec::new();
    if let Some(value) = table.get("body") {
        let text = value.string();
        payload.secrets.extend(text.iter().flat_map(Text::secrets));
        payload.shown.insert("body".to_owned(), json!(text.as_ref().map(Text::shown)));
        payload.body = text.map(|text| text.value);
        ways.push(("`body`", value.key));
    }
    if let Some(value) = table.get("form") {
        form(&value, &mut payload);
        ways.push(("`form`", value.key));
    }
    if let Some(value) = table.get("multipart") {
        multipart(&value, &mut payload);
        ways.push(("`multipart`", value.key));
    }
    if let [first, second, ..] = ways.as_slice() {
        table.both((first.0, &first.1), (second.0, &second.1), "a request has one body");
    }
    payload
}

impl Payload {
    /// The text of a field, which is a secret by the field's name or because it came from the environment.
    fn take(&mut self, name: &str, text: &Text) -> Json {
        self.secrets.extend(text.secrets());
        if names_a_credential(name) {
            self.secrets.push(Secret::new(&text.value));
            return json!(REDACTED);
        }
        json!(text.shown())
    }
}

/// `form = { user = "me" }`
fn form(value: &Value<'_>, payload: &mut Payload) {
    let Some(fields) = value.table() else { return };
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    let mut shown = Map::new();
    for (name, value) in fields.all() {
        let Some(text) = value.string() else { continue };
        body.append_pair(name, &text.value);
        shown.insert(name.to_owned(), payload.take(name, &text));
    }
    payload.body = Some(body.finish());
    payload.content_type = Some("application/x-www-form-urlencoded".to_owned());
    payload.shown.insert("form".to_owned(), Json::Object(shown));
}

/// A part of a multipart body.
struct Part {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    content: String,
}

/// `multipart = { note = "hello", file = { filename = "a.csv", content_type = "text/csv", content = "1;2" } }`
fn multipart(value: &Value<'_>, payload: &mut Payload) {
    let Some(fields) = value.table() else { return };
    let (mut parts, mut shown) = (Vec::new(), Map::new());
    for (name, value) in fields.all() {
        let part = if value.is_table() {
            let Some(table) = value.table() else { continue };
            let (filename, content_type) = (table.filled("filename"), table.filled("content_type"));
            let content = table.string("content");
            if table.peek("content").is_none() {
                table.missing("content", "as `{ filename = \"a.txt\", content = \"…\" }`");
            }
            table.finish(|_| None);
            if let Some(text) = content_type.as_ref().filter(|text| HeaderValue::from_str(&text.value).is_err()) {
                let mistake = Mistake::at(text.span.clone(), "no part can have this type");
                table.source.report(mistake.label("as \"text/csv\""));
            }
            let Some(content) = content else { continue };
            let file = json!({
                "filename": filename.as_ref().map(Text::shown),
                "content_type": content_type.as_ref().map(Text::shown),
                "content": payload.take(name, &content),
            });
            shown.insert(name.to_owned(), file);
            let [filename, content_type] = [filename, content_type].map(|text| text.map(|text| text.value));
            Part { name: name.to_owned(), filename, content_type, content: content.value }
        } else {
            let Some(content) = value.string() else { continue };
            shown.insert(name.to_owned(), payload.take(name, &content));
            Part { name: name.to_owned(), filename: None, content_type: None, content: content.value }
        };
        parts.push(part);
    }
    if fields.all().is_empty() {
        let mistake = value.mistake("`multipart` is empty");
        value.source.report(mistake.label("a part is needed, as `{ name = \"value\" }`"));
    }
    let boundary = boundary(&parts);
    payload.body = Some(joined(&parts, &boundary));
    payload.content_type = Some(format!("multipart/form-data; boundary={boundary}"));
    payload.shown.insert("multipart".to_owned(), Json::Object(shown));
}

/// A line that no part has in it: the same in every check.
fn boundary(parts: &[Part]) -> String {
    let fits = |boundary: &String| !parts.iter().any(|part| part.content.contains(boundary.as_str()));
    (0_u64..).map(|n| format!("healthcheck-dashboard-{n:08}")).find(fits).unwrap_or_default()
}

fn joined(parts: &[Part], boundary: &str) -> String {
    let mut body = String::new();
    for part in parts {
        body += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", escaped(&part.name));
        if let Some(filename) = &part.filename {
            body += &format!("; filename=\"{}\"", escaped(filename));
        }
        if let Some(content_type) = &part.content_type {
            body += &format!("\r\nContent-Type: {content_type}");
        }
        body += &format!("\r\n\r\n{}\r\n", part.content);
    }
    body + &format!("--{boundary}--\r\n")
}

/// A name as browsers write it into a head.
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_has_the_boundary_in_it() {
        let part = |content: &str| Part {
            name: "a\"b".to_owned(),
            filename: None,
            content_type: None,
            content: content.to_owned(),
        };
        let parts = [part("x"), part("--healthcheck-dashboard-00000000")];
        let boundary = boundary(&parts);
        assert_eq!(boundary, "healthcheck-dashboard-00000001");
        assert_eq!(
            joined(&parts[..1], &boundary),
            "--healthcheck-dashboard-00000001\r\nContent-Disposition: form-data; name=\"a%22b\"\r\n\r\nx\r\n\
             --healthcheck-dashboard-00000001--\r\n"
        );
    }
}
