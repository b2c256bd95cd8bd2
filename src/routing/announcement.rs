//! Events that are not the beginning or the end of an incident.

use super::{AlertKind, Severity};
use serde::{Deserialize, Serialize};

/// What channels are notified of beside incidents. It says all that a message says of it, and is fixed when it happens: a
/// message that is tried again days later says the same.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Announcement {
    pub kind: AlertKind,
    /// What it announced before is over.
    pub is_over: bool,
    /// The same for a beginning and its end: what receivers deduplicate by.
    pub key: String,
    /// `None`: it is about the monitor, or about many.
    pub service: Option<String>,
    pub group: Option<String>,
    pub severity: Severity,
    /// A subject: short, sorts and reads alone.
    pub title: String,
    /// One sentence for people.
    pub text: String,
    /// What else is known: label and value.
    #[serde(default)]
    pub details: Vec<(String, String)>,
    /// The page that shows it, below `[dashboard] public_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Of a report: what mails and machines get of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<serde_json::Value>,
}

impl Announcement {
    /// Whether it is always a message of its own: nothing else is to be found in it, and nothing waits for it.
    pub fn stands_alone(&self) -> bool {
        matches!(self.kind, AlertKind::Report | AlertKind::Drill)
    }
}
