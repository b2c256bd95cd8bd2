//! Notification services, each against a receiver that checks what its documentation asks for, and answers as it says.

mod chat;
mod edits;
mod paging;
mod push;

use crate::support::net::{http, read_head, serve};
use healthcheck_dashboard::{
    config,
    notify::{Channel, Detail, Failure, Item, Notice, Status},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the documentation of a service says.
struct Documented {
    name: &'static str,
    /// Where it says so.
    source: &'static str,
    /// The channel's section. SERVER stands for the receiver's address, `hunter2` for a credential.
    section: &'static str,
    method: &'static str,
    path: fn(&Notice) -> String,
    headers: &'static [(&'static str, &'static str)],
    /// Holds a payload to the published schema.
    payload: fn(&Notice, &str),
    /// The status and the body of an answer that means that a message was taken.
    taken: (u16, &'static str),
    /// Answers that mean that this message will never be taken, and what of them people are told.
    refused: &'static [(u16, &'static str, &'static str)],
    /// Answers that mean: later. A header, the body, and the pause in seconds that it asks for.
    later: &'static [(u16, &'static str, &'static str, Option<u64>)],
}

/// A name that would notify everybody, or be markup, where it is not made harmless.
const HOSTILE: &str = "<!channel> @everyone @channel *x* _y_ `z` ```c``` [a](http://b) {{ 1 }} <b>\"&\\";

const ACKNOWLEDGE: &str =
    "https://status.example.com/dashboard/acknowledge?incidents=7&channel=ops&expires=1&signature=0";

/// A request as it came.
#[derive(Clone, Default)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What the receiver answers, and what it was asked last.
#[derive(Clone, Default)]
pub(crate) struct Receiver(Arc<Mutex<(Vec<u8>, Request)>>);

impl Receiver {
    pub(crate) async fn start() -> (Receiver, SocketAddr) {
        let receiver = Receiver::default();
        let shared = receiver.clone();
        let address = serve(move |mut stream| {
            let shared = shared.clone();
            async move {
                let head = read_head(&mut stream).await;
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                stream.read_exact(&mut body).await.unwrap();
                let answer = {
                    let mut state = shared.0.lock().unwrap();
                    state.1 = Request { head, body: String::from_utf8(body).unwrap() };
                    state.0.clone()
                };
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        })
        .await;
        (receiver, address)
    }

    pub(crate) fn answers(&self, status: u16, header: &str, body: &str) {
        let headers = ["connection: close", header];
        let headers = if header.is_empty() { &headers[..1] } else { &headers[..] };
        self.0.lock().unwrap().0 = http(&format!("{status} Said"), headers, body);
    }

    pub(crate) fn asked(&self) -> Request {
        self.0.lock().unwrap().1.clone()
    }
}

/// The channel of a section, as the program builds it.
fn channel(documented: &Documented, address: SocketAddr) -> Channel {
    channel_of(documented.name, documented.section, address)
}

/// The same of such keys.
pub(crate) fn channel_of(name: &str, section: &str, address: SocketAddr) -> Channel {
    let section = section.replace("SERVER", &format!("http://{address}"));
    let text = format!(
        "[[checks.endpoints]]\nname = \"web\"\nurl = \"http://localhost/\"\n[alerts]\nenabled = true\n\
         [[alerts.channels]]\nname = \"ops\"\ntype = \"{name}\"\n{section}\n"
    );
    let config = config::parse(&text, Path::new("config.toml"), &|_| None).unwrap_or_else(|e| panic!("{name}: {e}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    Channel::new(config.alerts.channels[0].clone(), tls).unwrap()
}

fn detail(label: &str, value: &str) -> Detail {
    Detail { label: label.to_owned(), value: value.to_owned() }
}

fn item(n: i64, event: &str) -> Item {
    let resolved_at = (event == "incident.resolved").then_some("2026-11-30T03:04:00Z");
    Item {
        event_id: format!("h-{n}-confirmed"),
        event: event.to_owned(),
        text: format!("web {n} {HOSTILE} is down since 2026-11-30 03:00:00 UTC: HTTP 503"),
        service: Some(format!("web {n} {HOSTILE}")),
        group: Some("shop".to_owned()),
        severity: "critical",
        incident: json!({"id": n, "started_at": "2026-11-30T03:00:00Z", "resolved_at": resolved_at}),
        url: Some(format!("https://status.example.com/dashboard/incidents/{n}")),
    }
}

/// A message of one incident.
fn notice(event: &str, status: Status) -> Notice {
    let tag = if status == Status::Firing { "[DOWN]" } else { "[UP]" };
    let one = item(7, event);
    Notice {
        acknowledge_url: (status == Status::Firing).then(|| ACKNOWLEDGE.to_owned()),
        event_id: format!("h-7-{}", event.trim_start_matches("incident.")),
        event: event.to_owned(),
        text: one.text.clone(),
        service: one.service.clone(),
        incident: one.incident.clone(),
        status,
        severity: "critical",
        title: format!("{tag} web {HOSTILE}"),
        details: vec![
            detail("cause", &format!("HTTP 503, expected 200–399 {HOSTILE}")),
            detail("first failed check", "2026-11-30 03:00:00 UTC"),
            detail("response", &format!("the pool is exhausted {HOSTILE}")),
        ],
        key: "h-7-confirmed".to_owned(),
        url: one.url.clone(),
        at: "2026-11-30T03:01:00Z".to_owned(),
        count: 1,
        events: vec![one],
        report: None,
    }
}

/// A trigger, its resolve, several in one, the monitor's own trouble, and one that is longer than any limit.
fn notices() -> Vec<Notice> {
    let several = Notice {
        event_id: "h-7-confirmed+2".to_owned(),
        key: "h-7-confirmed+2".to_owned(),
        service: None,
        incident: Value::Null,
        title: "[DOWN] 3 services: web, api, mail".to_owned(),
        text: "3 services failed at 2026-11-30 03:00:00 UTC.".to_owned(),
        details: vec![
            detail("failed first", "web, 2026-11-30 03:00:00 UTC"),
            detail("in common", "HTTP 503 (3 of 3)"),
            detail("down", &format!("web {HOSTILE} since 2026-11-30 03:00:00 UTC: HTTP 503")),
            detail("down", "api since 2026-11-30 03:00:00 UTC: HTTP 503"),
        ],
        count: 3,
        events: (7..10).map(|n| item(n, "incident.confirmed")).collect(),
        ..notice("incidents", Status::Firing)
    };
    let monitor = Notice {
        event_id: "m-1-failing".to_owned(),
        key: "m-1-failing".to_owned(),
        service: None,
        incident: Value::Null,
        title: "[DOWN] the monitor itself".to_owned(),
        text: "The monitor itself: the history cannot be written: HTTP 503".to_owned(),
        details: Vec::new(),
        url: None,
        acknowledge_url: None,
        events: Vec::new(),
        ..notice("monitor.failing", Status::Firing)
    };
    let long = "HTTP 503 ÄÖ*_@everyone<!channel>\"\\ ".repeat(100);
    let longest = Notice {
        title: format!("[DOWN] {long}"),
        text: long.clone(),
        service: Some(long.clone()),
        details: (0..70).map(|_| detail("down", &long)).collect(),
        count: 100,
        events: (0..100).map(|n| item(n, "incident.confirmed")).collect(),
        ..notice("incidents", Status::Firing)
    };
    vec![
        notice("incident.confirmed", Status::Firing),
        notice("incident.resolved", Status::Resolved),
        several,
        monitor,
        longest,
        beside("report", Status::Resolved),
        beside("drill", Status::Firing),
        beside("drill", Status::Resolved),
    ]
}

/// A message that is about no incident.
fn beside(event: &str, status: Status) -> Notice {
    let url =
        Some("https://status.example.com/dashboard/review?from=2026-11-23T07:00:00.000Z&tz=Europe/Berlin".to_owned());
    let text = match event {
        "report" => "Week to Mon 30 Nov: 1 of 2 services missed their objective. web was down for 2 h: HTTP 503.",
        _ => "This is a drill. Nothing is wrong: once a month this message shows that alerts reach you here.",
    };
    let of_it = Item { service: None, group: None, incident: Value::Null, url: url.clone(), ..item(7, event) };
    Notice {
        event_id: format!("h-{event}-7"),
        key: format!("h-{event}-7"),
        service: None,
        incident: Value::Null,
        title: format!("[{}] health checks", event.to_uppercase()),
        text: text.to_owned(),
        details: vec![detail("worst", &format!("web {HOSTILE}: 98.8 %, down 2 h, 1 incident"))],
        url,
        events: vec![Item { text: text.to_owned(), ..of_it }],
        ..notice(event, status)
    }
}

/// Holds a service to its documentation.
async fn holds(documented: Documented) {
    let name = documented.name;
    assert!(documented.source.starts_with("https://"), "{name}");
    let (receiver, address) = Receiver::start().await;
    let channel = channel(&documented, address);
    let (status, body) = documented.taken;
    receiver.answers(status, "", body);
    for notice in notices() {
        let delivered = channel.deliver(&notice).await.unwrap_or_else(|e| panic!("{name}, {}: {e:?}", notice.event));
        assert!(!delivered.answer.contains("hunter2"), "{name}: {delivered:?}");
        let request = receiver.asked();
        let mut line = request.head.lines().next().unwrap().split(' ');
        assert_eq!(line.next(), Some(documented.method), "{name}");
        assert_eq!(line.next(), Some((documented.path)(&notice).as_str()), "{name}");
        for (header, value) in documented.headers {
            let there = request.head.lines().any(|line| line == format!("{header}: {value}"));
            assert!(there, "{name}: {header}: {value}\n{}", request.head);
        }
        (documented.payload)(&notice, &request.body);
    }
    let trigger = &notices()[0];
    for (status, body, told) in documented.refused {
        receiver.answers(*status, "", body);
        match channel.deliver(trigger).await {
            Err(Failure::Refused { why }) => {
                assert!(why.contains(told) && !why.contains("hunter2"), "{name}: {status} {body}: {why}");
            }
            other => panic!("{name}: {status} {body}: {other:?}"),
        }
    }
    for (status, header, body, pause) in documented.later {
        receiver.answers(*status, header, body);
        match channel.deliver(trigger).await {
            Err(Failure::Later { after, .. }) => {
                assert_eq!(after, pause.map(Duration::from_secs), "{name}: {status} {body}");
            }
            other => panic!("{name}: {status} {body}: {other:?}"),
        }
    }
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// The fields of a form.
pub(crate) fn form(body: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn field(form: &[(String, String)], name: &str) -> Option<String> {
    form.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// The text at a place, which has so many characters at most.
#[track_caller]
fn text(value: &Value, most: usize) -> &str {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
    assert!((1..=most).contains(&text.chars().count()), "{} characters, {most} at most: {text}", text.chars().count());
    text
}

/// All texts of a payload.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(all) => all.iter().map(words).collect(),
        Value::Object(all) => all.values().map(words).collect(),
        _ => String::new(),
    }
}

/// Whoever reads this at night knows what happened, and where to look.
#[track_caller]
fn says_what_happened(notice: &Notice, words: &str) {
    let (tag, fact) = match (notice.event.as_str(), notice.status) {
        ("report", _) => ("REPORT", "HTTP 503"),
        ("drill", _) => ("DRILL", "Nothing is wrong"),
        (_, Status::Firing) => ("DOWN", "HTTP 503"),
        (_, Status::Resolved) => ("UP", "HTTP 503"),
    };
    assert!(words.contains(tag) && words.contains(fact), "{words}");
    if let Some(url) = &notice.url {
        assert!(words.replace("&amp;", "&").contains(url), "{words}");
    }
}

/// No markup of Markdown and no mention is left of what others said.
#[track_caller]
fn no_markdown(words: &str) {
    for markup in ["@everyone", "@channel", "*x*", "_y_", "`z`", "[a](", " <b>"] {
        assert!(!words.contains(markup), "{markup}: {words}");
    }
}

#[test]
fn every_service_that_the_program_brings_is_held_to_its_documentation() {
    let tests = [
        include_str!("notify_services/chat.rs"),
        include_str!("notify_services/paging.rs"),
        include_str!("notify_services/push.rs"),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notify/services");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".template").unwrap();
        let is_held = tests.iter().any(|text| text.contains(&format!("name: \"{name}\"")));
        // The program's own: `tests/channels.rs`.
        assert!(is_held || name == "webhook", "{file} has no test");
    }
}

/// What `validate` says of a channel.
fn mistakes(section: &str) -> String {
    let text = format!(
        "[[checks.endpoints]]\nname = \"web\"\nurl = \"http://localhost/\"\n[alerts]\nenabled = true\n\
         [[alerts.channels]]\nname = \"ops\"\n{section}\n"
    );
    config::parse(&text, Path::new("config.toml"), &|_| None).unwrap_err().to_string()
}

#[test]
fn a_wrong_setting_is_found_before_the_first_alert_and_the_message_says_what_to_do() {
    let missing = mistakes("type = \"slack\"");
    assert!(missing.contains("`webhook` is missing") && missing.contains("Incoming Webhooks"), "{missing}");
    let wrong = mistakes("type = \"slack\"\nwebhook = \"hooks.slack.com/hunter2\"");
    assert!(wrong.contains("no address that alerts can be sent to") && !wrong.contains("hunter2"), "{wrong}");
    let number = mistakes("type = \"ntfy\"\ntopic = \"ops\"\npriority = 9");
    assert!(number.contains("`priority` is out of range") && number.contains("from 1 to 5"), "{number}");
    let word = mistakes("type = \"opsgenie\"\napi_key = \"hunter2\"\npriority = \"high\"");
    assert!(word.contains("`priority` cannot be") && word.contains("P1, P2") && !word.contains("hunter2"), "{word}");
    let unknown = mistakes("type = \"pagerduty\"\nrouting_key = \"hunter2\"\ntopic = \"ops\"");
    assert!(unknown.contains("topic") && !unknown.contains("hunter2"), "{unknown}");
}
