//! How people are notified. A channel gets a [`Notice`] and says whether it was delivered; when and how often it is tried is
//! decided elsewhere.
//!
//! A transport is a file here; a notification service that takes HTTP is a template with metadata in `services/`.

mod http;
mod template;

use serde::Serialize;

pub use http::HttpChannel;

/// What somebody is notified of: the same at every attempt.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Notice {
    /// The same at every attempt, and in no other history: a receiver that has seen it can drop the repetition.
    pub event_id: String,
    /// `incident.confirmed` or `incident.resolved`; of the monitor itself `monitor.failing` or `monitor.recovered`.
    pub event: String,
    /// One sentence for people.
    pub text: String,
    /// `None`, and no incident, where it is about the monitor itself.
    pub service: Option<String>,
    pub incident: serde_json::Value,
}

/// A way to notify somebody.
#[derive(Clone, Debug)]
pub enum Channel {
    Http(HttpChannel),
}

impl Channel {
    /// Its name in the outbox.
    pub fn name(&self) -> &'static str {
        match self {
            Channel::Http(channel) => channel.name(),
        }
    }

    /// Delivers a notice, within a few seconds.
    ///
    /// # Errors
    /// Why it was not delivered, in words that hold no credential.
    pub async fn deliver(&self, notice: &Notice) -> Result<(), String> {
        match self {
            Channel::Http(channel) => channel.deliver(notice).await,
        }
    }
}
