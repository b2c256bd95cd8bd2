//! The metadata of a template: what a service says of itself, how it is reached, and what its answers mean.

use serde::Deserialize;
use std::{collections::BTreeMap, num::NonZeroU32};

/// What a service says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    /// What people call it.
    pub(super) title: String,
    /// Where the service describes the request.
    #[serde(rename = "source")]
    pub(super) _source: Option<String>,
    #[serde(default = "post")]
    pub(super) method: String,
    /// Where messages are sent to.
    pub(super) url: String,
    #[serde(default)]
    pub(super) body: Body,
    /// Statuses that mean that a message was taken.
    pub(super) accepted: Statuses,
    /// Statuses that mean that this message will never be taken. All others mean: later.
    #[serde(default)]
    pub(super) refused: Statuses,
    /// Where an answer that is JSON says that the message was taken, although its status does.
    pub(super) accepted_if: Option<Equals>,
    /// Errors of such an answer that mean: later.
    #[serde(default)]
    pub(super) later_errors: Vec<String>,
    /// Where an answer that is JSON says what is wrong, as `error.message`; `""` where the answer itself is the text.
    pub(super) error: Option<String>,
    /// What a status means whose answers say nothing, as `204 = "nothing is stored under this key"`.
    #[serde(default)]
    pub(super) meanings: BTreeMap<String, String>,
    /// Where it says in how many seconds to try again. The header `Retry-After` is read in any case.
    pub(super) retry_after: Option<String>,
    /// The same in milliseconds.
    pub(super) retry_after_ms: Option<String>,
    /// What an answer, which is JSON, names the message by: parts, and where they are, as `ts = "message.ts"`. A later
    /// message can name it, as the one that it follows, or as the one that it replaces.
    #[serde(default)]
    pub(super) receipt: BTreeMap<String, String>,
    /// How a message is replaced that was delivered. What is not said here is as for a new one.
    pub(super) update: Option<Update>,
    /// The service keeps an alert by its key until it is resolved.
    #[serde(default)]
    pub(super) keeps_state: bool,
    /// The service makes groups of alerts by itself: it gets each event at once, as a message of its own.
    #[serde(default)]
    pub(super) groups: bool,
    /// It forgets alerts: those of incidents are sent again after so many seconds, for as long as they are open.
    pub(super) repeat_s: Option<NonZeroU32>,
    /// The keys of the channel's section.
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Setting>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
}

fn post() -> String {
    "POST".to_owned()
}

/// How a message is replaced.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    #[serde(default = "post")]
    pub(super) method: String,
    pub(super) url: String,
    /// An error that has this text means that the message is as it should be.
    pub(super) unchanged: Option<String>,
}

impl Metadata {
    /// What contradicts itself.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        if self.repeat_s.is_some() && !(self.keeps_state && self.groups) {
            return Some("`repeat_s` is for what keeps alerts, one by one: it needs `keeps_state` and `groups`");
        }
        match &self.update {
            None => None,
            Some(_) if self.receipt.is_empty() => Some("`update` needs a `receipt`, which names the message"),
            Some(_) if self.keeps_state => Some("what keeps alerts (`keeps_state`) has no messages to `update`"),
            Some(_) => None,
        }
    }
}

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::notify) enum Body {
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    Text,
}

/// A key of a channel's section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::notify) struct Setting {
    /// What it is and where to find it.
    pub(in crate::notify) help: String,
    #[serde(default)]
    pub(in crate::notify) optional: bool,
    /// The value where the setting is left out.
    pub(in crate::notify) default: Option<String>,
    /// The value is an `http://` or `https://` URL.
    #[serde(default)]
    pub(in crate::notify) url: bool,
    /// The value is a whole number from the first to the second.
    pub(in crate::notify) integer: Option<(i64, i64)>,
    /// No credential: it may be in a receipt, which is kept. Numbers and `one_of` are none in any case.
    #[serde(default)]
    pub(in crate::notify) public: bool,
    /// What the value can be; anything, where none is named.
    #[serde(default)]
    pub(in crate::notify) one_of: Vec<String>,
}

impl Setting {
    /// Whether the value may be a credential.
    pub(in crate::notify) fn is_secret(&self) -> bool {
        !self.public && self.integer.is_none() && self.one_of.is_empty()
    }
}

/// A place in an answer and the value expected there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Equals {
    pub(super) path: String,
    pub(super) value: serde_json::Value,
}

/// `200-299, 409`
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Statuses(Vec<(u16, u16)>);

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
    pub(super) fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}
