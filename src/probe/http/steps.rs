//! `steps = [{ name = "log in", url = "/login", … }, …]`: several requests, one after the other.

use super::{
    headers::{is_harmless, same_owner},
    names::NAMES,
    placeholder::{is_name, places},
    request::{OF_A_REQUEST, Request},
    spec::{HttpSpec, Keep, KeepFrom, Spelling, Step},
};
use crate::{
    domain::secret::Secret,
    probe::conditions::section,
    settings::{
        error::{Mistake, Span},
        reader::{Table, Value},
        text::{Text, place_of},
        url_variables,
        weburl::{self, WebUrl},
    },
};
use regex::Regex;
use reqwest::{
    Method, Url,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Map, Value as Json, json};
use toml::de::DeValue;

/// How many steps there are at most, and how many values one of them keeps.
const MOST: usize = 20;
/// The most characters of a name.
const LONGEST_NAME: usize = 60;
/// The keys of a step that kept values may go into.
const FILLED: [&str; 5] = ["url", "headers", "body", "form", "multipart"];

/// The steps of an endpoint, before it is known where it is.
pub(super) struct Steps(Vec<Raw>);

struct Raw {
    name: String,
    url: Option<(StepUrl, Span)>,
    request: Request,
    /// Each with how it is shown, and what must not be seen of it.
    keep: Vec<(Keep, Json, Vec<Secret>)>,
    always: Option<bool>,
}

enum StepUrl {
    Whole(WebUrl),
    /// A path on the endpoint's host.
    Path(Text),
}

impl Steps {
    pub(super) fn read(endpoint: &Table<'_>, value: &Value<'_>) -> Steps {
        for key in OF_A_REQUEST {
            if let Some(other) = endpoint.peek(key) {
                let mistake = Mistake::at(other.key, format!("`{key}` beside `steps`"));
                let mistake = mistake.label("it belongs into a step").also(value.key.clone(), "these are the steps");
                endpoint.source.report(mistake);
            }
        }
        if let Some(headers) = endpoint.peek("headers") {
            // All steps have them, and the first has nothing that was kept.
            known_names_only(&headers, headers.value, headers.span.clone(), &[]);
        }
        let entries = value.list("a list of steps, as `[{ name = \"log in\", url = \"/login\" }]`").unwrap_or_default();
        if value.value.is_array() && !(1..=MOST).contains(&entries.len()) {
            let mistake = value.mistake(format!("{} steps", entries.len()));
            value.source.report(mistake.label(format!("from 1 to {MOST}")));
        }
        let (mut steps, mut names, mut kept): (Vec<Raw>, Vec<(String, Span)>, Vec<String>) = Default::default();
        for entry in entries {
            let Some(table) = entry.table() else { continue };
            let name = name(&table, &names);
            for key in FILLED {
                if let Some(value) = table.peek(key) {
                    known_names_only(&value, value.value, value.span.clone(), &kept);
                }
            }
            let step = Raw {
                name: name.as_ref().map(Text::shown).unwrap_or_default(),
                url: url(&table),
                request: Request::read(&table),
                keep: keep(&table),
                always: table.boolean("always"),
            };
            table.finish(|_| None);
            if step.request.method() == Method::HEAD
                && let Some(value) = table.peek("keep")
                && step.keep.iter().any(|(keep, ..)| keep.source.is_in_the_body())
            {
                let mistake = Mistake::at(value.key, "`keep` finds nothing in a body with the method HEAD");
                value.source.report(mistake.label("an answer to HEAD has no body"));
            }
            names.extend(name.map(|name| (name.value, name.span)));
            kept.extend(step.keep.iter().map(|(keep, ..)| keep.name.clone()));
            steps.push(step);
        }
        Steps(steps)
    }

    /// The steps at an endpoint, what must not be seen of them, and how they are shown.
    pub(super) fn onto(self, table: &Table<'_>, endpoint: &HttpSpec) -> (Vec<Step>, Vec<Secret>, Json) {
        let (mut steps, mut secrets, mut all_shown) = (Vec::new(), Vec::new(), Vec::new());
        for raw in self.0 {
            let mut shown = Map::new();
            shown.insert("name".to_owned(), json!(raw.name));
            let mut spec = endpoint.clone();
            match raw.url {
                None => {}
                Some((StepUrl::Whole(whole), _)) => {
                    secrets.extend(whole.secrets);
                    shown.insert("url".to_owned(), json!(whole.target));
                    spec.url = whole.url;
                }
                Some((StepUrl::Path(path), span)) => {
                    secrets.extend(path.secrets());
                    shown.insert("url".to_owned(), json!(path.shown()));
                    match joined(&endpoint.url, &path.value) {
                        Some(url) => spec.url = url,
                        None => table.source.report(Mistake::at(span, "this is no path")),
                    }
                }
            }
            secrets.extend(raw.request.secrets());
            raw.request.show(&mut shown);
            if !same_owner(&endpoint.url, &spec.url) {
                // What is secret about the endpoint is for its own host.
                spec.headers.retain(|(name, _)| is_harmless(name));
                spec.auth = None;
                spec.tls.client = None;
            }
            let body = spelling(&raw.request);
            if raw.request.headers.iter().any(|(name, _)| name == AUTHORIZATION) {
                spec.auth = None;
            }
            raw.request.put_into(&mut spec);
            let (mut keep, mut shown_kept) = (Vec::new(), Map::new());
            for (one, how, of_it) in raw.keep {
                shown_kept.insert(one.name.clone(), how);
                secrets.extend(of_it);
                keep.push(one);
            }
            if !keep.is_empty() {
                shown.insert("keep".to_owned(), Json::Object(shown_kept));
            }
            shown.insert("always".to_owned(), json!(raw.always));
            shown.retain(|_, value| !value.is_null());
            all_shown.push(Json::Object(shown));
            let always = raw.always.unwrap_or(false);
            steps.push(Step { name: raw.name, request: spec, body, keep, always });
        }
        (steps, secrets, Json::Array(all_shown))
    }
}

/// How values are written into the body of a request.
fn spelling(request: &Request) -> Spelling {
    let header = request.headers.iter().find(|(name, _)| name == CONTENT_TYPE).map(|(_, text)| text.value.as_str());
    let content_type = request.payload.content_type.as_deref().or(header).map(str::to_ascii_lowercase);
    match (content_type, &request.payload.body) {
        (Some(form), _) if form.starts_with("application/x-www-form-urlencoded") => Spelling::Url,
        (Some(json), _) if json.starts_with("application/json") => Spelling::Json,
        // A text may begin with what is kept.
        (_, Some(body)) if body.trim_start().starts_with(['{', '[']) && !body.trim_start().starts_with("{{") => {
            Spelling::Json
        }
        _ => Spelling::Plain,
    }
}

fn joined(endpoint: &Url, path: &str) -> Option<Url> {
    let mut url = endpoint.join(path).ok()?;
    url.set_fragment(None);
    (url.host() == endpoint.host()).then_some(url)
}

fn name(table: &Table<'_>, others: &[(String, Span)]) -> Option<Text> {
    let Some(value) = table.get("name") else {
        table.missing("name", "as `name = \"log in\"`: a failure says it");
        return None;
    };
    let text = value.filled()?;
    let label = if text.value.chars().count() > LONGEST_NAME {
        format!("at most {LONGEST_NAME} characters")
    } else if text.value.chars().any(char::is_control) {
        "no control characters, line breaks among them".to_owned()
    } else if let Some((_, span)) = others.iter().find(|(other, _)| *other == text.value) {
        let mistake = value.mistake(format!("two steps have the name {}", text.quoted()));
        table.source.report(mistake.label("the second").also(span.clone(), "the first"));
        return None;
    } else {
        return Some(text);
    };
    table.source.report(value.mistake(format!("{} cannot be the name of a step", text.quoted())).label(label));
    None
}

fn url(table: &Table<'_>) -> Option<(StepUrl, Span)> {
    let value = table.get("url")?;
    let text = url_variables::literal(value.filled()?);
    let span = text.span.clone();
    if text.value.starts_with('/') && !text.value.starts_with("//") {
        return Some((StepUrl::Path(text), span));
    }
    let scheme = text.value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        let mistake = value.mistake("a step cannot be sent to this");
        table.source.report(mistake.label("as `/login`, or `https://login.example.com/`"));
        return None;
    }
    let whole = weburl::read(table, &text)?;
    // What a server answers must not choose who gets our headers.
    if !places(whole.url.host_str().unwrap_or_default()).is_empty() {
        let mistake = value.mistake("a step's host cannot be kept from an answer");
        table.source.report(mistake.label("write the host; what was kept may stand in the path and behind it"));
        return None;
    }
    if whole.user_information.is_some() {
        let mistake = value.mistake("a user in the URL of a step");
        table.source.report(mistake.label("`basic_auth` of the endpoint, or a header of the step, says who we are"));
        return None;
    }
    Some((StepUrl::Whole(whole), span))
}

/// `keep = { token = "json.token", csrf = { regex = "…" } }`
fn keep(table: &Table<'_>) -> Vec<(Keep, Json, Vec<Secret>)> {
    let Some(value) = table.get("keep") else { return Vec::new() };
    let Some(entries) = value.table() else { return Vec::new() };
    let all = entries.all();
    if all.is_empty() || all.len() > MOST {
        value
            .source
            .report(value.mistake(format!("`keep` has {} values", all.len())).label(format!("from 1 to {MOST}")));
    }
    all.into_iter().filter_map(|(name, value)| kept(name, &value)).collect()
}

fn kept(name: &str, value: &Value<'_>) -> Option<(Keep, Json, Vec<Secret>)> {
    if !is_name(name) {
        let mistake = Mistake::at(value.key.clone(), format!("nothing can be kept as {}", value.what));
        value.source.report(mistake.label("letters, digits and `_`, not beginning with a digit"));
        return None;
    }
    let name = name.to_owned();
    if !value.is_table() {
        let expression = section::expression(value, NAMES)?;
        let shown = json!(expression.shown());
        return Some((Keep { name, source: KeepFrom::Value(expression) }, shown, Vec::new()));
    }
    let table = value.table()?;
    let regex = table.get("regex");
    if regex.is_none() {
        table.missing("regex", "as `{ regex = 'name=\"csrf\" value=\"([^\"]+)\"' }`");
    }
    table.finish(|_| None);
    let regex = regex?;
    let text = regex.filled()?;
    let shown = json!({ "regex": text.shown() });
    match Regex::new(&text.value) {
        Ok(found) if found.captures_len() == 2 => {
            // It is quoted where the answer does not match it.
            Some((Keep { name, source: KeepFrom::Match(found) }, shown, text.secrets().collect()))
        }
        Ok(_) => {
            let mistake = regex.mistake("what is kept is not clear").label("one group is needed: `(…)`");
            value.source.report(mistake.help("a group that is not meant is written `(?:…)`"));
            None
        }
        Err(error) => {
            let message = error.to_string();
            let message = message.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_owned();
            let mistake = regex.mistake("this is no regular expression").label(text.detail(message));
            value.source.report(mistake.help("in '…' (single quotes) a backslash needs no second one"));
            None
        }
    }
}

/// Reports names in `{{…}}` that no step before keeps.
fn known_names_only(whole: &Value<'_>, value: &DeValue<'_>, span: Span, kept: &[String]) {
    match value {
        DeValue::String(text) => {
            for (place, name) in places(text).into_iter().filter(|(_, name)| !kept.iter().any(|known| known == name)) {
                let span = place_of(&text[place], &whole.source.text[span.clone()], &span);
                let label = match crate::settings::nearest(name, kept.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "a step before this one has to `keep` it".to_owned(),
                };
                whole.source.report(Mistake::at(span, format!("no step before keeps `{name}`")).label(label));
            }
        }
        DeValue::Table(entries) => {
            entries.values().for_each(|v| known_names_only(whole, v.get_ref(), v.span(), kept));
        }
        _ => {}
    }
}
