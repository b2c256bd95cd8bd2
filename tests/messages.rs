//! What each service is sent of each kind of message: somebody has read all of it, as whoever is woken by it does.
//!
//! `data/notices` has one notice of each kind, as the whole product made it (`happen`); `data/messages` has what each service is
//! sent of it (`sent`). `UPDATE_SNAPSHOTS=1` writes both anew, the notices first. The test writes the whole set on one page,
//! `target/messages.html`, to be read.

mod happen;
mod page;
mod sent;

use healthcheck_dashboard::notify::{Detail, Item, Notice, Status};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What there is a notice of, in the order of the page.
const KINDS: [&str; 20] = [
    "trigger",
    "hostile",
    "reminder",
    "escalation",
    "resolve",
    "group",
    "group-resolve",
    "mixed",
    "degraded",
    "degraded-end",
    "flapping",
    "flapping-end",
    "certificate",
    "gap",
    "slo",
    "slo-end",
    "monitor",
    "monitor-end",
    "history",
    "drill",
];

fn place(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder).join(file)
}

fn is_update() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

/// A notice as a receiver of JSON gets it.
fn kept(kind: &str) -> Value {
    let text = std::fs::read_to_string(place("notices", &format!("{kind}.json")));
    let text = text.unwrap_or_else(|_| panic!("there is no notice of {kind}: UPDATE_SNAPSHOTS=1 writes it"));
    serde_json::from_str(&text).unwrap()
}

/// The notice that such a receiver was sent.
fn notice(of: &Value) -> Notice {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = |value: &Value| text(value).unwrap_or_else(|| panic!("{value} is no text"));
    let severity = |value: &Value| if value == "critical" { "critical" } else { "warning" };
    let item = |of: &Value| Item {
        event_id: all(&of["event_id"]),
        event: all(&of["event"]),
        text: all(&of["text"]),
        service: text(&of["service"]),
        group: text(&of["group"]),
        severity: severity(&of["severity"]),
        incident: of["incident"].clone(),
        url: text(&of["url"]),
    };
    let detail = |of: &Value| Detail { label: all(&of["label"]), value: all(&of["value"]) };
    Notice {
        event_id: all(&of["event_id"]),
        event: all(&of["event"]),
        text: all(&of["text"]),
        service: text(&of["service"]),
        incident: of["incident"].clone(),
        status: if of["status"] == "firing" { Status::Firing } else { Status::Resolved },
        severity: severity(&of["severity"]),
        title: all(&of["title"]),
        details: of["details"].as_array().unwrap().iter().map(detail).collect(),
        key: all(&of["key"]),
        url: text(&of["url"]),
        acknowledge_url: text(&of["acknowledge_url"]),
        at: all(&of["at"]),
        count: usize::try_from(of["count"].as_u64().unwrap()).unwrap(),
        events: of["events"].as_array().unwrap().iter().map(item).collect(),
        report: None,
    }
}

/// One of each kind, by name; the report is that of the mails.
async fn notices() -> Vec<(&'static str, Notice)> {
    let one = |kind: &'static str| {
        let (kept, made) = (kept(kind), notice(&kept(kind)));
        assert_eq!(serde_json::to_value(&made).unwrap(), kept, "{kind}: a field of the notice is missing here");
        (kind, made)
    };
    let mut notices: Vec<(&'static str, Notice)> = KINDS.into_iter().map(one).collect();
    notices.push(("report", crate::mails::report_of_a_week().await));
    notices
}
