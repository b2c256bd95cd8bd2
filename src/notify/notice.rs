//! What a message is about: the same at every attempt, and for every service that carries it.

use super::report::{self, Report};
use serde::Serialize;

/// What a sentence about the monitor itself begins with.
pub(crate) const OF_THE_MONITOR: &str = "The monitor itself: ";

/// One message. It is made of what was known when its events happened, so that every attempt says the same.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Notice {
    /// The same at every attempt, and in no other history: a receiver that has seen it can drop the repetition.
    pub event_id: String,
    /// `incident.confirmed`, `incident.reminder` or `incident.resolved`; `incidents` of several; `degraded`, `certificate`,
    /// `flapping`, `gap`, `slo` or `report`, with `.resolved` at the end of those that have one; of the monitor itself
    /// `monitor.failing` or `monitor.recovered`; `test`.
    pub event: String,
    /// One sentence for people.
    pub text: String,
    /// `None`, and no incident, where it is about several services, or the monitor itself.
    pub service: Option<String>,
    pub incident: serde_json::Value,
    pub status: Status,
    /// `critical` or `warning`: the worst of its events.
    pub severity: &'static str,
    /// A subject: short, sorts and reads alone.
    pub title: String,
    /// What else is known, for people, in the order of importance.
    pub details: Vec<Detail>,
    /// The same for the trigger and the resolve of one incident, or of one group: what receivers deduplicate by.
    pub key: String,
    /// The page of the incident, where `[dashboard] public_url` says where that is.
    pub url: Option<String>,
    /// Where whoever has this message can acknowledge what it is about, for a week.
    pub acknowledge_url: Option<String>,
    /// When the last of its events happened, RFC 3339.
    pub at: String,
    /// How many events it has. `events` holds the first hundred of them.
    pub count: usize,
    pub events: Vec<Item>,
    /// Of a report: its figures.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "report::figures")]
    pub report: Option<Box<Report>>,
}

/// Whether something is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Firing,
    Resolved,
}

/// A line such as `cause: HTTP 503`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Detail {
    pub label: String,
    pub value: String,
}

/// One event of a message.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Item {
    pub event_id: String,
    pub event: String,
    pub text: String,
    /// `None` where it is about none, or about several.
    pub service: Option<String>,
    pub group: Option<String>,
    pub severity: &'static str,
    pub incident: serde_json::Value,
    pub url: Option<String>,
}

impl Notice {
    /// What a link to its page says.
    pub(super) fn link_text(&self) -> &'static str {
        match self.event.as_str() {
            "report" => "Open the review",
            "incidents" => "Open the incidents",
            "incident.confirmed" | "incident.reminder" | "incident.resolved" => "Open the incident",
            _ if self.service.is_some() => "Open the service",
            _ => "Open the dashboard",
        }
    }

    /// The title, and why, where it names only what fails: all that a phone shows, or reads aloud, of some services' messages.
    pub(super) fn headline(&self) -> String {
        let detail = |label: &str| {
            let why = self.details.iter().find(|detail| detail.label == label);
            why.map(|why| why.value.as_str())
        };
        let why = match self.event.as_str() {
            "incident.confirmed" | "incident.reminder" => detail("cause"),
            "degraded" => detail("reason"),
            // One about a channel names it in its title.
            "monitor.failing" if self.details.is_empty() => self.text.strip_prefix(OF_THE_MONITOR),
            _ => None,
        };
        why.map_or_else(|| self.title.clone(), |why| format!("{}: {why}", self.title))
    }

    /// The title, below it the sentence and the details, and the links: the whole message as plain text.
    pub fn plain(&self) -> String {
        format!("{}\n{}{}", self.title, self.message(), self.links())
    }

    /// The link to its page and the one to acknowledge, each on a line of its own, to be put below a text. They are no part
    /// of it: what is cut has them all the same.
    pub(super) fn links(&self) -> String {
        let page = self.url.as_ref().map_or_else(String::new, |url| format!("\n{url}"));
        page + &self.acknowledge()
    }

    /// The link to acknowledge, on a line of its own.
    pub(super) fn acknowledge(&self) -> String {
        self.acknowledge_url.as_ref().map_or_else(String::new, |url| format!("\nacknowledge: {url}"))
    }

    /// The sentence and, below it, the details.
    pub fn message(&self) -> String {
        let details = self.details.iter().map(|detail| format!("{}: {}", detail.label, detail.value));
        [self.text.clone()].into_iter().chain(details).collect::<Vec<_>>().join("\n")
    }
}
