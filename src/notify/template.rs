//! A notification service that takes HTTP is one file in `services/`: a few lines of metadata (TOML), a line `+++`, and the
//! template of the body. No Rust: whatever file lies there is a service, under its name.
//!
//! In the body `{{ text }}` is written as JSON, quotes and all; `|safe` writes it as it is. In the URL and in headers it is
//! written as it is. A variable that does not exist is an error.

use super::Notice;
use include_dir::{Dir, include_dir};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, value::Serde};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

static SERVICES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/notify/services");

/// The line between metadata and body.
const SEPARATOR: &str = "\n+++\n";

/// What a service says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    /// Where notices are posted to.
    url: String,
    /// The first and the last status that mean that a notice was taken.
    accepted: Range,
    headers: BTreeMap<String, String>,
}

/// `200-299`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Range {
    first: u16,
    last: u16,
}

impl TryFrom<String> for Range {
    type Error = String;

    fn try_from(text: String) -> Result<Range, String> {
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Range { first, last }),
            _ => Err(format!("“{text}” is no range of HTTP statuses such as 200-299")),
        }
    }
}

/// How notices are written for a service. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Template {
    metadata: Arc<Metadata>,
    environment: Arc<Environment<'static>>,
}

/// What a template may name.
#[derive(Serialize)]
struct Context<'a> {
    address: &'a str,
    /// `event_id`, `event`, `text`, `service`, `incident`
    #[serde(flatten)]
    fields: &'a Notice,
    /// All of them as JSON.
    notice: String,
}

/// A notice as the service wants it. It cannot be printed: its URL may hold a credential.
pub(super) struct Message {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Template {
    /// That of the service of this name, `None` where there is none.
    ///
    /// # Errors
    /// When its file is wrong, which a test keeps from happening.
    pub(super) fn of(service: &str) -> Option<Result<Template, String>> {
        let file = SERVICES.get_file(format!("{service}.template"))?;
        Some(Template::parse(file.contents_utf8().unwrap_or_default()).map_err(|error| format!("{service}: {error}")))
    }

    fn parse(text: &str) -> Result<Template, String> {
        let (metadata, body) = text.split_once(SEPARATOR).ok_or("no line +++ between metadata and body")?;
        let metadata: Metadata = toml::from_str(metadata).map_err(|error| error.to_string())?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| match name {
            "body" => AutoEscape::Json,
            _ => AutoEscape::None,
        });
        let mut add = |name: &str, text: &str| {
            let added = environment.add_template_owned(name.to_owned(), text.to_owned());
            added.map_err(|error| format!("{error:#}"))
        };
        add("body", body)?;
        add("url", &metadata.url)?;
        for (header, value) in &metadata.headers {
            add(&format!("header {header}"), value)?;
        }
        Ok(Template { metadata: Arc::new(metadata), environment: Arc::new(environment) })
    }

    /// Writes a notice for a receiver at `address`.
    ///
    /// # Errors
    /// When the template asks for something that the notice does not have. The message holds no value.
    pub(super) fn render(&self, notice: &Notice, address: &str) -> Result<Message, String> {
        let json = serde_json::to_string(notice).map_err(|error| error.to_string())?;
        let context = Context { address, fields: notice, notice: json };
        let render = |name: &str| {
            let rendered = self.environment.get_template(name).and_then(|template| template.render(Serde(&context)));
            rendered.map_err(|error| format!("the template of its {name} cannot be rendered: {:?}", error.kind()))
        };
        let header = |name: &String| Ok((name.clone(), render(&format!("header {name}"))?));
        Ok(Message {
            url: render("url")?,
            headers: self.metadata.headers.keys().map(header).collect::<Result<_, String>>()?,
            body: render("body")?,
        })
    }

    /// Whether a status means that the notice was taken.
    pub(super) fn accepts(&self, status: u16) -> bool {
        (self.metadata.accepted.first..=self.metadata.accepted.last).contains(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn notices() -> Vec<Notice> {
        let incident = json!({"id": 7, "status": "open", "cause": {"message": "a \"quoted\" <b>answer</b>\n"}});
        let notice = |event: &str, service: Option<&str>, incident: Value| Notice {
            event_id: "h-7-confirmed".to_owned(),
            event: event.to_owned(),
            text: "web “is” \"down\" \\ <!channel>\n".to_owned(),
            service: service.map(str::to_owned),
            incident,
        };
        vec![
            notice("incident.confirmed", Some("web"), incident.clone()),
            notice("incident.resolved", Some("web"), incident),
            notice("monitor.failing", None, Value::Null),
            notice("monitor.recovered", None, Value::Null),
        ]
    }

    #[test]
    fn every_service_writes_every_notice() {
        let mut services = 0;
        for file in SERVICES.files() {
            let template = Template::parse(file.contents_utf8().unwrap()).unwrap_or_else(|error| panic!("{error}"));
            for notice in notices() {
                let message = template.render(&notice, "https://example.com/hook").unwrap();
                let _: Value = serde_json::from_str(&message.body).unwrap();
                assert!(message.url.starts_with("https://"), "{}", message.url);
            }
            services += 1;
        }
        assert!(services > 0);
        assert!(Template::of("nobody").is_none());
    }

    #[test]
    fn a_webhook_gets_the_notice_as_it_is() {
        let template = Template::of("webhook").unwrap().unwrap();
        for notice in notices() {
            let message = template.render(&notice, "https://example.com/a?b=c&d").unwrap();
            assert_eq!(message.body, serde_json::to_string(&notice).unwrap());
            assert_eq!(message.url, "https://example.com/a?b=c&d");
            assert_eq!(
                message.headers,
                [
                    ("content-type".to_owned(), "application/json".to_owned()),
                    ("idempotency-key".to_owned(), "h-7-confirmed".to_owned())
                ]
            );
        }
        assert!(template.accepts(200) && template.accepts(299) && !template.accepts(301) && !template.accepts(199));
    }

    #[test]
    fn words_of_others_cannot_leave_their_place() {
        let text = "url = \"{{ address }}\"\naccepted = \"200\"\n[headers]\n+++\n{\"text\": {{ text }}, \"of\": {{ service }}}";
        let template = Template::parse(text).unwrap();
        for notice in notices() {
            let body: Value = serde_json::from_str(&template.render(&notice, "https://x").unwrap().body).unwrap();
            assert_eq!(body, json!({"text": notice.text, "of": notice.service}));
        }
    }

    #[test]
    fn what_is_wrong_with_a_template_is_said() {
        let wrong = |text: &str| Template::parse(text).unwrap_err();
        assert!(wrong("url = \"\"").contains("+++"));
        assert!(wrong("url = \"\"\naccepted = \"ok\"\n[headers]\n+++\n").contains("no range of HTTP statuses"));
        assert!(wrong("url = \"\"\naccepted = \"200\"\nretries = 3\n[headers]\n+++\n").contains("retries"));
        assert!(wrong("url = \"\"\naccepted = \"200\"\n[headers]\n+++\n{{ text").contains("syntax error"));
        let unknown = Template::parse("url = \"\"\naccepted = \"200\"\n[headers]\n+++\n{{ texts }}").unwrap();
        let error = unknown.render(&notices()[0], "https://secret.example/").err().unwrap();
        assert_eq!(error, "the template of its body cannot be rendered: UndefinedError");
    }
}
