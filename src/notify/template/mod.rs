//! A notification service that takes HTTP is one file: a few lines of metadata (TOML), a line `+++`, and the template of the
//! body. No Rust: whatever file lies in `services/` is a service, under its name; users can bring their own.
//!
//! Templates name the fields of a [`Notice`] (`title`, `text`, `details`, `status`, …), the settings of the channel
//! (`channel.token`), `headline`, the title and why, for services that show no more, `plain`, the whole message as plain text, and `message`, the same without title and links; `links` has
//! these on lines of their own, for the end of a text, and `acknowledge` the one to acknowledge alone, for services that make a
//! button of the other; `link_text` is what a link to `url` says. In a JSON body `{{ text }}` is written as JSON, quotes and all, and in a form
//! percent-encoded; `|safe` writes it as it is. In the URL and in headers it is written as it is; a header of nothing is left
//! out. A variable that does not exist is an error.
//! Where the metadata has a `receipt`, `thread` holds that of the message that this one follows, and `edit`, where there is an
//! `update`, that of the message that this one replaces; otherwise they are none.
//! Filters: `cut(n)` and `cut_bytes(n)` for limits, `markdown` and `html` for texts from others, `base64`, `urlencode`.

mod answer;
mod filters;
mod metadata;
#[cfg(test)]
mod tests;

pub(super) use self::{answer::Answer, metadata::Setting};
use self::{
    filters::{base64, cut, cut_bytes, html, markdown, plus},
    metadata::{Body, Metadata},
};
use super::{
    notice::Notice,
    place::{Place, Receipt},
};
use include_dir::{Dir, include_dir};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, value::Serde};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
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

/// What a template may name.
#[derive(Serialize)]
struct Context<'a> {
    /// The settings of the channel.
    channel: &'a BTreeMap<String, Option<String>>,
    #[serde(flatten)]
    fields: &'a Notice,
    /// All fields as JSON.
    notice: String,
    /// The title, and why.
    headline: String,
    /// The whole message as plain text.
    plain: String,
    /// The same without title and links.
    message: String,
    /// Below it: the links, and the one to acknowledge alone. Each begins with a line break; nothing, where there is none.
    links: String,
    acknowledge: String,
    /// What names the message that this one follows.
    thread: Option<BTreeMap<String, serde_json::Value>>,
    /// What names the message that this one replaces.
    edit: Option<BTreeMap<String, serde_json::Value>>,
    /// What a link to `url` says.
    link_text: &'static str,
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
        if let Some(what) = metadata.contradiction() {
            return Err(TemplateError::new(what));
        }
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
        environment.add_filter("plus", plus);
        let before = head.matches('\n').count() + 2;
        let mut add = |name: &str, text: &str, before: usize| {
            let added = environment.add_template_owned(name.to_owned(), text.to_owned());
            added.map_err(|error| at_its_place(&error, text, before))
        };
        add("body", body, before)?;
        let update = metadata.update.as_ref().map(|update| ("update.url", &update.url));
        for (name, url) in [("url", &metadata.url)].into_iter().chain(update) {
            add(name, url, 0).map_err(|error| TemplateError::new(format!("{name}: {}", error.what)))?;
        }
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

    /// How long after an alert it is sent again while it is open.
    pub(super) fn repeats_after(&self) -> Option<Duration> {
        self.metadata.repeat_s.map(|seconds| Duration::from_secs(seconds.get().into()))
    }

    /// The keys of a channel's section.
    pub(super) fn settings(&self) -> &BTreeMap<String, Setting> {
        &self.metadata.settings
    }

    /// What the answer to a message that was sent to a place means. `body` is its beginning.
    pub(super) fn judge(&self, place: &Place, status: u16, body: &str) -> Answer {
        self.metadata.judge(place, status, body)
    }

    /// What an answer names the message by that was taken, where the service says so.
    pub(super) fn receipt(&self, body: &str) -> Option<Receipt> {
        self.metadata.receipt(body)
    }

    /// Whether a message can be replaced that was delivered.
    pub(super) fn can_edit(&self) -> bool {
        self.metadata.update.is_some()
    }

    /// Writes a message for a channel with these settings; those that are left out are `None`.
    ///
    /// # Errors
    /// When the template asks for something that there is not. The message holds no value.
    pub(super) fn render(
        &self,
        notice: &Notice,
        settings: &BTreeMap<String, Option<String>>,
        place: &Place,
    ) -> Result<Message, TemplateError> {
        let context = self.context(notice, settings, place)?;
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
        let (method, url) = match (place, &self.metadata.update) {
            (Place::Edit(_), Some(update)) => (&update.method, "update.url"),
            (Place::Edit(_), None) => return Err(TemplateError::new("the template has no `update`")),
            _ => (&self.metadata.method, "url"),
        };
        Ok(Message { method: method.clone(), url: render(url)?, headers, body: render("body")? })
    }

    fn context<'a>(
        &self,
        fields: &'a Notice,
        channel: &'a BTreeMap<String, Option<String>>,
        place: &Place,
    ) -> Result<Context<'a>, TemplateError> {
        let notice = serde_json::to_string(fields).map_err(|error| TemplateError::new(error.to_string()))?;
        let whole = |receipt: &Receipt| {
            let parts = receipt.parts();
            self.metadata.receipt.keys().all(|name| parts.contains_key(name)).then_some(parts)
        };
        let (thread, edit) = match place {
            Place::New => (None, None),
            Place::Below(receipt) => (whole(receipt), None),
            Place::Edit(receipt) => {
                let parts = whole(receipt).ok_or_else(|| TemplateError::new("the message to replace is not known"))?;
                (None, Some(parts))
            }
        };
        let (plain, message, link_text) = (fields.plain(), fields.message(), fields.link_text());
        let (headline, links, acknowledge) = (fields.headline(), fields.links(), fields.acknowledge());
        Ok(Context { channel, fields, notice, headline, plain, message, links, acknowledge, thread, edit, link_text })
    }

    /// Where its messages can appear, and how that is called.
    fn places(&self) -> impl Iterator<Item = (Place, &'static str)> {
        let part = |name: &String| (name.clone(), serde_json::Value::from("1"));
        let receipt = Receipt::new(self.metadata.receipt.keys().map(part).collect());
        let receipt = receipt.filter(|_| !self.metadata.receipt.is_empty());
        let edit = receipt.clone().filter(|_| self.can_edit()).map(|receipt| (Place::Edit(receipt), " as an edit"));
        let below = receipt.map(|receipt| (Place::Below(receipt), " in a thread"));
        [(Place::New, "")].into_iter().chain(below).chain(edit)
    }

    /// Tries a template with a notice of every kind, in every place. `text` is the file, for the place of what is wrong.
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
        for (notice, (place, what)) in notices.iter().flat_map(|notice| self.places().map(move |place| (notice, place)))
        {
            let context = self.context(notice, settings, &place)?;
            let template = self.environment.get_template("body");
            let rendered = template.and_then(|template| template.render(Serde(&context)));
            let rendered = rendered.map_err(|error| at_its_place(&error, body, before))?;
            if self.metadata.body == Body::Json
                && let Err(error) = serde_json::from_str::<serde_json::Value>(&rendered)
            {
                let what = format!("the body for `{}`{what} is no JSON: {error}", notice.event);
                return Err(TemplateError { what, line: Some(before + 1), column: None });
            }
            self.render(notice, settings, &place)?;
        }
        Ok(())
    }
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
