//! What an answer of a service means.

use super::{
    super::place::{Place, Receipt},
    metadata::{Equals, Metadata},
};
use std::collections::BTreeMap;

/// What an answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::notify) enum Answer {
    Accepted,
    Refused { why: Option<String> },
    Later { why: Option<String>, after_s: Option<u64> },
}

impl Metadata {
    /// What the answer to a message that was sent to `place` means. `body` is its beginning.
    pub(super) fn judge(&self, place: &Place, status: u16, body: &str) -> Answer {
        let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
        let at = |path: &str| json.as_ref().and_then(|json| json.pointer(&pointer(path)));
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // What a proxy answers is a page.
        let is_words = json.is_none() && !body.trim().is_empty() && !body.trim_start().starts_with('<');
        let why = match self.error.as_deref() {
            Some("") => match &json {
                Some(serde_json::Value::String(text)) => Some(text.clone()),
                _ => is_words.then(|| body.trim().to_owned()),
            },
            path => path.and_then(at).map(text),
        };
        let why = why.or_else(|| self.meanings.get(&status.to_string()).cloned());
        let number = |path: &Option<String>| path.as_deref().and_then(at).and_then(serde_json::Value::as_f64);
        let after_s = number(&self.retry_after);
        let after_s = after_s.or_else(|| number(&self.retry_after_ms).map(|ms| ms / 1000.0));
        let later = |why| Answer::Later { why, after_s: after_s.map(|s| s.clamp(0.0, 86_400.0).ceil() as u64) };
        let unchanged = self.update.as_ref().filter(|_| matches!(place, Place::Edit(_)));
        let unchanged = unchanged.and_then(|update| update.unchanged.as_deref());
        if unchanged.zip(why.as_deref()).is_some_and(|(text, why)| why.contains(text)) {
            return Answer::Accepted;
        }
        if self.accepted.contain(status) {
            return match &self.accepted_if {
                Some(Equals { path, value }) if at(path) != Some(value) => {
                    let is_later = why.as_ref().is_some_and(|why| self.later_errors.contains(why));
                    if is_later { later(why) } else { Answer::Refused { why } }
                }
                _ => Answer::Accepted,
            };
        }
        if self.refused.contain(status) { Answer::Refused { why } } else { later(why) }
    }
    /// What an answer names the message by; `None` where a part is missing.
    pub(super) fn receipt(&self, body: &str) -> Option<Receipt> {
        if self.receipt.is_empty() {
            return None;
        }
        let json: serde_json::Value = serde_json::from_str(body).ok()?;
        let part = |(name, path): (&String, &String)| Some((name.clone(), json.pointer(&pointer(path))?.clone()));
        Receipt::new(self.receipt.iter().map(part).collect::<Option<BTreeMap<_, _>>>()?)
    }
}

/// `error.message` as JSON pointers say it.
fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}
