//! Where a message appears: alone, below another, or in the place of another.

use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of a receipt, at most.
const LONGEST: usize = 1_000;

/// What a service names a message by that it took: a few values, as one line of JSON. No credential is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt(String);

impl Receipt {
    /// `None` where that is more than names, numbers and words, or too long to be kept.
    pub(super) fn new(parts: BTreeMap<String, Value>) -> Option<Receipt> {
        let is_name = |value: &Value| match value {
            Value::String(text) => !text.is_empty(),
            Value::Number(_) => true,
            _ => false,
        };
        let json = parts.values().all(is_name).then(|| serde_json::to_string(&parts).ok())??;
        (json.len() <= LONGEST).then_some(Receipt(json))
    }

    /// One that was kept, as it was written.
    pub fn kept(json: String) -> Receipt {
        Receipt(json)
    }

    /// As it is kept.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Its parts; none where it was not written by us.
    pub(super) fn parts(&self) -> BTreeMap<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// Where a message appears.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Place {
    /// By itself.
    #[default]
    New,
    /// Below the message that it follows, as a reply or in its thread, where the service has such.
    Below(Receipt),
    /// In the place of a message that was delivered: its text is replaced.
    Edit(Receipt),
}
