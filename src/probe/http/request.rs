//! What one request is, and what its answer has to be: keys of an endpoint, or of one of its steps.

use super::{
    expect,
    names::{NAMES, OF_THE_BODY},
    payload::{self, Payload},
    spec::{HttpSpec, JsonExpectation, StatusSet},
};
use crate::{
    domain::secret::{REDACTED, Secret},
    probe::conditions::{Condition, section},
    settings::{
        error::Mistake,
        masking::{credentials_in_whole, names_a_credential},
        nearest,
        reader::Table,
        text::Text,
    },
};
use regex::Regex;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::{Map, Value as Json, json};

/// The keys of one request that are not what it is sent to, and not its headers.
pub(super) const OF_A_REQUEST: [&str; 10] = [
    "method",
    "body",
    "form",
    "multipart",
    "expect_status",
    "expect_body",
    "expect_body_regex",
    "expect_json",
    "expect",
    "degraded",
];

/// A request, and what is expected of its answer.
pub(super) struct Request {
    method: Option<Method>,
    pub(super) headers: Vec<(HeaderName, Text)>,
    pub(super) payload: Payload,
    conditions: Vec<Condition>,
    degraded: Vec<Condition>,
    of_conditions: Vec<Secret>,
    expect_status: StatusSet,
    expect_body: Option<Text>,
    expect_body_regex: Option<(Regex, Text)>,
    expect_json: Vec<(JsonExpectation, Json)>,
}

impl Request {
    pub(super) fn read(table: &Table<'_>) -> Request {
        let (conditions, mut of_conditions) = section::read(table, "expect", NAMES);
        let (degraded, of_degraded) = section::read(table, "degraded", NAMES);
        of_conditions.extend(of_degraded);
        let request = Request {
            method: method(table),
            headers: headers(table),
            payload: payload::read(table),
            expect_status: expect::status(table, &conditions),
            expect_body: table.filled("expect_body"),
            expect_body_regex: expect::body_regex(table),
            expect_json: expect::json(table),
            conditions,
            degraded,
            of_conditions,
        };
        if request.method == Some(Method::HEAD) {
            request.needs_no_body(table);
        }
        request
    }

    fn needs_no_body(&self, table: &Table<'_>) {
        let needs_body = |conditions: &[Condition]| {
            conditions.iter().any(|condition| OF_THE_BODY.into_iter().any(|name| condition.names(name)))
        };
        for (key, needs_body) in [
            ("expect_body", true),
            ("expect_body_regex", true),
            ("expect_json", true),
            ("expect", needs_body(&self.conditions)),
            ("degraded", needs_body(&self.degraded)),
        ] {
            if let Some(value) = table.peek(key).filter(|_| needs_body) {
                let mistake = Mistake::at(value.key, format!("`{key}` cannot hold with the method HEAD"));
                table.source.report(mistake.label("an answer to HEAD has no body"));
            }
        }
    }

    pub(super) fn method(&self) -> Method {
        let usual = if self.payload.is_form() { Method::POST } else { Method::GET };
        self.method.clone().unwrap_or(usual)
    }

    /// What must not be seen of it.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        // What is expected is quoted where it is missing.
        let expected = self.expect_body.iter().chain(self.expect_body_regex.iter().map(|(_, text)| text));
        let mut secrets: Vec<Secret> = expected.flat_map(Text::secrets).collect();
        secrets.extend(self.payload.secrets.iter().cloned());
        let of_json = |(expectation, shown): &(JsonExpectation, Json)| expect::json_secrets(expectation, shown);
        secrets.extend(self.expect_json.iter().flat_map(of_json));
        secrets.extend(self.of_conditions.iter().cloned());
        for (name, text) in &self.headers {
            if is_guarded(name, text) {
                secrets.push(Secret::new(&text.value));
                // An echo of `Bearer …` may come without the first word.
                secrets.extend(text.value.split_once(' ').map(|(_, token)| Secret::new(token.trim())));
            }
        }
        secrets.extend(self.headers.iter().flat_map(|(_, text)| text.secrets()));
        secrets
    }

    /// Its keys as the API shows them.
    pub(super) fn show(&self, shown: &mut Map<String, Json>) {
        shown.insert("method".to_owned(), json!(self.method().as_str()));
        shown.insert("headers".to_owned(), headers_shown(&self.headers));
        shown.insert("body".to_owned(), Json::Null);
        shown.extend(self.payload.shown.clone());
        shown.insert("expect_status".to_owned(), expect::status_shown(&self.expect_status));
        shown.insert("expect_body".to_owned(), json!(self.expect_body.as_ref().map(Text::shown)));
        let regex = self.expect_body_regex.as_ref().map(|(_, text)| text.shown());
        shown.insert("expect_body_regex".to_owned(), json!(regex));
        shown.insert("expect_json".to_owned(), expect::json_shown(&self.expect_json));
        shown.insert("expect".to_owned(), section::shown(&self.conditions));
        shown.insert("degraded".to_owned(), section::shown(&self.degraded));
    }

    /// Puts it into a specification that has the way to the service.
    pub(super) fn put_into(self, spec: &mut HttpSpec) {
        spec.method = self.method();
        let own = |name: &HeaderName| self.headers.iter().any(|(other, _)| other == name);
        spec.headers.retain(|(name, _)| !own(name));
        spec.headers.extend(self.headers.into_iter().map(|(name, text)| (name, Secret::new(text.value))));
        if let Some(content_type) = self.payload.content_type.filter(|_| !spec.has_header(&CONTENT_TYPE)) {
            spec.headers.push((CONTENT_TYPE, Secret::new(content_type)));
        }
        spec.body = self.payload.body;
        spec.expect_status = self.expect_status;
        spec.expect_body = self.expect_body.map(|text| text.value);
        spec.expect_body_regex = self.expect_body_regex.map(|(regex, _)| regex);
        spec.expect_json = self.expect_json.into_iter().map(|(expectation, _)| expectation).collect();
        spec.expect = self.conditions;
        spec.degraded = self.degraded;
    }
}

fn method(table: &Table<'_>) -> Option<Method> {
    const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    let value = table.get("method")?;
    let text = value.filled()?;
    let word = text.value.to_uppercase();
    if METHODS.contains(&word.as_str()) {
        return Method::from_bytes(word.as_bytes()).ok();
    }
    let lower = METHODS.map(str::to_lowercase);
    let label = match nearest(&word, lower.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean \"{}\"?", meant.to_uppercase()),
        None => format!("one of {}", METHODS.join(", ")),
    };
    table.source.report(value.mistake(format!("unknown method {}", text.quoted())).label(label));
    None
}

fn headers(table: &Table<'_>) -> Vec<(HeaderName, Text)> {
    let mut headers: Vec<(HeaderName, Text)> = Vec::new();
    for (key, value) in table.table("headers").map(|headers| headers.all()).unwrap_or_default() {
        let Some(text) = value.string() else { continue };
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            let mistake = Mistake::at(value.key, format!("{} cannot be the name of a header", value.what));
            table.source.report(mistake.label("letters, digits and `-`"));
            continue;
        };
        if HeaderValue::from_str(&text.value).is_err() {
            let mistake = value.mistake(format!("the header {} cannot have this value", value.what));
            table.source.report(mistake.label("printable ASCII characters only, and no line breaks"));
        } else if headers.iter().any(|(other, _)| *other == name) {
            let mistake = Mistake::at(value.key, format!("the header {} is given twice", value.what));
            table.source.report(mistake.label("names of headers are the same in upper and lower case"));
        } else {
            headers.push((name, text));
        }
    }
    headers
}

/// Whether a header's value is a credential: by its name, or because it came from the environment.
fn is_guarded(name: &HeaderName, text: &Text) -> bool {
    names_a_credential(name.as_str()) || text.is_guarded()
}

fn headers_shown(headers: &[(HeaderName, Text)]) -> Json {
    let shown = |(name, text): &(HeaderName, Text)| {
        let hidden = is_guarded(name, text) || !credentials_in_whole(&text.value).is_empty();
        (name.to_string(), if hidden { json!(REDACTED) } else { json!(text.value) })
    };
    if headers.is_empty() { Json::Null } else { Json::Object(headers.iter().map(shown).collect()) }
}
