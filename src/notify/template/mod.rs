//! A notification service that takes HTTP is one file: a few lines of metadata (TOML), a line `+++`, and the template of the
//! body. No Rust: whatever file lies in `services/` is a service, under its name; users can bring their own.
//!
//! Templates name the fields of a [`Notice`] (`title`, `text`, `details`, `status`, …), the settings of the channel
//! (`channel.token`), `plain`, the whole message as plain text, and `message`, the same without title and link. In a JSON
//! body `{{ text }}` is written as JSON, quotes and all, and in a form percent-encoded; `|safe` writes it as it is. In the
//! URL and in headers it is written as it is; a header of nothing is left out. A variable that does not exist is an error.
//! Filters: `cut(n)` and `cut_bytes(n)` for limits, `markdown` and `html` for texts from others, `base64`, `urlencode`.

mod filters;
#[cfg(test)]
mod tests;

use self::filters::{base64, cut, cut_bytes, html, markdown};
use super::notice::Notice;
use include_dir::{Dir, include_dir};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, value::Serde};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

static SERVICES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/notify/services");

/// The services that the program brings, by name.
static BUILT_IN: LazyLock<BTreeMap<&'static str, Result<Template, TemplateError>>> = LazyLock::new(|| {
    let name = |path: &'static std::path::Path| path.file_name()?.to_str()?.strip_suffix(".template");
    let files = SERVICES.files().filter_map(|file| Some((name(file.path())?, file.contents_utf8()?)));
    files.map(|(name, text)| (name, Template::parse(text))).collect()
});

/// The line between metadata and body.
const SEPARATOR: &str = "\n+++\n";

/// What a service says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    /// What people call it.
    title: String,
    /// Where the service describes the request.
    #[serde(rename = "source")]
    _source: Option<String>,
    #[serde(default = "post")]
    method: String,
    /// Where messages are sent to.
    url: String,
    #[serde(default)]
    body: Body,
    /// Statuses that mean that a message was taken.
    accepted: Statuses,
    /// Statuses that mean that this message will never be taken. All others mean: later.
    #[serde(default)]
    refused: Statuses,
    /// Where an answer that is JSON says that the message was taken, although its status does.
    accepted_if: Option<Equals>,
    /// Errors of such an answer that mean: later.
    #[serde(default)]
    later_errors: Vec<String>,
    /// Where an answer that is JSON says what is wrong, as `error.message`; `""` where the answer itself is the text.
    error: Option<String>,
    /// Where it says in how many seconds to try again. The header `Retry-After` is read in any case.
    retry_after: Option<String>,
    /// The same in milliseconds.
    retry_after_ms: Option<String>,
    /// The service keeps an alert by its key until it is resolved.
    #[serde(default)]
    keeps_state: bool,
    /// The service makes groups of alerts by itself: it gets each event at once, as a message of its own.
    #[serde(default)]
    groups: bool,
    /// The keys of the channel's section.
    #[serde(default)]
    settings: BTreeMap<String, Setting>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

fn post() -> String {
    "POST".to_owned()
}

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Body {
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    Text,
}

/// A key of a channel's section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    /// What it is and where to find it.
    pub(super) help: String,
    #[serde(default)]
    pub(super) optional: bool,
    /// The value where the setting is left out.
    pub(super) default: Option<String>,
    /// The value is an `http://` or `https://` URL.
    #[serde(default)]
    pub(super) url: bool,
    /// The value is a whole number from the first to the second.
    pub(super) integer: Option<(i64, i64)>,
    /// What the value can be; anything, where none is named.
    #[serde(default)]
    pub(super) one_of: Vec<String>,
}

/// A place in an answer and the value expected there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Equals {
    path: String,
    value: serde_json::Value,
}

/// `200-299, 409`
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Statuses(Vec<(u16, u16)>);

impl TryFrom<String> for Statuses {
    type Error = String;

    fn try_from(text: String) -> Result<Statuses, String> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (first.trim().parse(), last.trim().parse()) {
                (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
                _ => Err(format!("“{text}” is no list of HTTP statuses such as 200-299, 409")),
            }
        };
        text.split(',').map(range).collect::<Result<_, _>>().map(Statuses)
    }
}

impl Statuses {
    fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// How messages are written for a service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    metadata: Arc<Metadata>,
    environment: Arc<Environment<'static>>,
}

/// What is wrong with a template, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TemplateError {
    pub(crate) what: String,
    /// From 1, in the file.
    pub(crate) line: Option<usize>,
    /// From 1, in characters.
    pub(crate) column: Option<usize>,
}

impl TemplateError {
    fn new(what: impl Into<String>) -> TemplateError {
        TemplateError { what: what.into(), line: None, column: None }
    }

    /// The message with the line of the file and a caret, as `validate` prints it.
    pub(crate) fn in_file(&self, file: &str, text: &str) -> String {
        let Some(line) = self.line else { return format!("{file}: {}", self.what) };
        let shown = text.lines().nth(line - 1).unwrap_or_default();
        let column = self.column.unwrap_or(1);
        let caret = format!("{}^", " ".repeat(column.saturating_sub(1)));
        format!("{file}:{line}:{column}: {}\n{shown}\n{caret}", self.what)
    }
}

/// What an answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Accepted,
    Refused { why: Option<String> },
    Later { why: Option<String>, after_s: Option<u64> },
}

/// What a template may name.
#[derive(Serialize)]
struct Context<'a> {
    /// The settings of the channel.
    channel: &'a BTreeMap<String, Option<String>>,
    #[serde(flatten)]
    fields: &'a Notice,
    /// All fields as JSON.
    notice: String,
    /// The whole message as plain text.
    plain: String,
    /// The same without title and link.
    message: String,
}

impl<'a> Context<'a> {
    fn new(fields: &'a Notice, channel: &'a BTreeMap<String, Option<String>>) -> serde_json::Result<Context<'a>> {
        let notice = serde_json::to_string(fields)?;
        Ok(Context { channel, fields, notice, plain: fields.plain(), message: fields.message() })
    }
}

/// A message as the service wants it. It cannot be printed: its URL may hold a credential.
pub(super) struct Message {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Template {
    /// The names of the services that the program brings.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.keys().copied()
    }

    /// That of a service that the program brings, `None` where there is none of this name.
    pub(crate) fn built_in(service: &str) -> Option<Result<Template, TemplateError>> {
        BUILT_IN.get(service).cloned()
    }

    /// Reads a template.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Template, TemplateError> {
        let text = text.replace("\r\n", "\n");
        let (head, body) =
            text.split_once(SEPARATOR).ok_or_else(|| TemplateError::new("no line +++ between metadata and body"))?;
        let metadata: Metadata = toml::from_str(head).map_err(|error| {
            let line = error.span().map(|span| head[..span.start.min(head.len())].matches('\n').count() + 1);
            TemplateError { what: error.message().to_owned(), line, column: None }
        })?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_debug(true);
        let kind = metadata.body;
        environment.set_auto_escape_callback(move |name| match (name, kind) {
            ("body", Body::Json) => AutoEscape::Json,
            ("body", Body::Form) => AutoEscape::Custom("form".into()),
            _ => AutoEscape::None,
        });
        environment.set_formatter(|out, state, value| match state.auto_escape() {
            AutoEscape::Custom(name) if name == "form" && !value.is_safe() => {
                let text = if value.is_none() { String::new() } else { value.to_string() };
                write!(out, "{}", utf8_percent_encode(&text, NON_ALPHANUMERIC)).map_err(minijinja::Error::from)
            }
            AutoEscape::Custom(_) => write!(out, "{value}").map_err(minijinja::Error::from),
            _ => minijinja::escape_formatter(out, state, value),
        });
        environment.add_filter("markdown", markdown);
        environment.add_filter("html", html);
        environment.add_filter("cut", cut);
        environment.add_filter("cut_bytes", cut_bytes);
        environment.add_filter("base64", base64);
        let before = head.matches('\n').count() + 2;
        let mut add = |name: &str, text: &str, before: usize| {
            let added = environment.add_template_owned(name.to_owned(), text.to_owned());
            added.map_err(|error| at_its_place(&error, text, before))
        };
        add("body", body, before)?;
        add("url", &metadata.url, 0).map_err(|error| TemplateError::new(format!("url: {}", error.what)))?;
        for (header, value) in &metadata.headers {
            add(&format!("header {header}"), value, 0)
                .map_err(|error| TemplateError::new(format!("header {header}: {}", error.what)))?;
        }
        Ok(Template { metadata: Arc::new(metadata), environment: Arc::new(environment) })
    }

    /// What people call the service.
    pub(crate) fn title(&self) -> &str {
        &self.metadata.title
    }

    /// Whether the service keeps an alert by its key until it is resolved.
    pub(super) fn keeps_state(&self) -> bool {
        self.metadata.keeps_state
    }

    /// Whether the service makes groups of alerts by itself.
    pub(super) fn groups(&self) -> bool {
        self.metadata.groups
    }

    /// The keys of a channel's section.
    pub(super) fn settings(&self) -> &BTreeMap<String, Setting> {
        &self.metadata.settings
    }

    /// Writes a message for a channel with these settings; those that are left out are `None`.
    ///
    /// # Errors
    /// When the template asks for something that there is not. The message holds no value.
    pub(super) fn render(
        &self,
        notice: &Notice,
        settings: &BTreeMap<String, Option<String>>,
    ) -> Result<Message, TemplateError> {
        let context = Context::new(notice, settings).map_err(|error| TemplateError::new(error.to_string()))?;
        let render = |name: &str| {
            let template = self.environment.get_template(name);
            let rendered = template.and_then(|template| template.render(Serde(&context)));
            rendered.map_err(|error| TemplateError {
                what: format!("the template of its {name} cannot be rendered: {}", without_values(&error)),
                line: error.line(),
                column: None,
            })
        };
        let header = |name: &String| Ok((name.clone(), render(&format!("header {name}"))?));
        let mut headers: Vec<_> = self.metadata.headers.keys().map(header).collect::<Result<_, TemplateError>>()?;
        // That of a setting that was left out.
        headers.retain(|(_, value)| !value.is_empty());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            let kind = match self.metadata.body {
                Body::Json => "application/json",
                Body::Form => "application/x-www-form-urlencoded",
                Body::Text => "text/plain; charset=utf-8",
            };
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        Ok(Message { method: self.metadata.method.clone(), url: render("url")?, headers, body: render("body")? })
    }

    /// Tries a template with a notice of every kind. `text` is the file, for the place of what is wrong.
    ///
    /// # Errors
    /// A variable that does not exist, or a body that is no JSON where it has to be.
    pub(crate) fn try_out(
        &self,
        text: &str,
        settings: &BTreeMap<String, Option<String>>,
        notices: &[Notice],
    ) -> Result<(), TemplateError> {
        let (head, body) = text.split_once(SEPARATOR).unwrap_or((text, ""));
        let before = head.matches('\n').count() + 2;
        for notice in notices {
            let context = Context::new(notice, settings).map_err(|error| TemplateError::new(error.to_string()))?;
            let template = self.environment.get_template("body");
            let rendered = template.and_then(|template| template.render(Serde(&context)));
            let rendered = rendered.map_err(|error| at_its_place(&error, body, before))?;
            if self.metadata.body == Body::Json
                && let Err(error) = serde_json::from_str::<serde_json::Value>(&rendered)
            {
                let what = format!("the body for `{}` is no JSON: {error}", notice.event);
                return Err(TemplateError { what, line: Some(before + 1), column: None });
            }
            self.render(notice, settings)?;
        }
        Ok(())
    }

    /// What an answer means. `body` is its beginning.
    pub(super) fn judge(&self, status: u16, body: &str) -> Answer {
        let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
        let at = |path: &str| json.as_ref().and_then(|json| json.pointer(&pointer(path)));
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // What a proxy answers is a page.
        let is_words = json.is_none() && !body.trim().is_empty() && !body.trim_start().starts_with('<');
        let why = match self.metadata.error.as_deref() {
            Some("") => match &json {
                Some(serde_json::Value::String(text)) => Some(text.clone()),
                _ => is_words.then(|| body.trim().to_owned()),
            },
            path => path.and_then(at).map(text),
        };
        let number = |path: &Option<String>| path.as_deref().and_then(at).and_then(serde_json::Value::as_f64);
        let after_s = number(&self.metadata.retry_after);
        let after_s = after_s.or_else(|| number(&self.metadata.retry_after_ms).map(|ms| ms / 1000.0));
        let later = |why| Answer::Later { why, after_s: after_s.map(|s| s.clamp(0.0, 86_400.0).ceil() as u64) };
        if self.metadata.accepted.contain(status) {
            return match &self.metadata.accepted_if {
                Some(Equals { path, value }) if at(path) != Some(value) => {
                    let is_later = why.as_ref().is_some_and(|why| self.metadata.later_errors.contains(why));
                    if is_later { later(why) } else { Answer::Refused { why } }
                }
                _ => Answer::Accepted,
            };
        }
        if self.metadata.refused.contain(status) { Answer::Refused { why } } else { later(why) }
    }
}

/// `error.message` as JSON pointers say it.
fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

fn at_its_place(error: &minijinja::Error, text: &str, before: usize) -> TemplateError {
    let line = error.line();
    // The name that is unknown, where its place is known.
    let range = error.range().filter(|range| range.start < range.end && text.is_char_boundary(range.start));
    let begin = range.as_ref().map(|range| text[..range.start].rfind('\n').map_or(0, |at| at + 1));
    let column = range.as_ref().zip(begin).map(|(range, begin)| text[begin..range.start].chars().count() + 1);
    let name = range.and_then(|range| text.get(range));
    let what = match (error.kind(), name) {
        (minijinja::ErrorKind::UndefinedError, Some(name)) => format!("`{name}` is no variable of templates"),
        _ => without_values(error),
    };
    TemplateError { what, line: line.map(|line| before + line), column }
}

/// What is wrong with the text of a template. No value of a variable is in it.
fn without_values(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::SyntaxError | minijinja::ErrorKind::UnknownFilter, Some(detail)) => {
            format!("{}: {detail}", error.kind())
        }
        (kind, _) => kind.to_string(),
    }
}
