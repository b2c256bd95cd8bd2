//! What is known of a channel, how its events become messages, and what became of one.

use super::place::Receipt;
use crate::routing::{ChannelName, Hours};
use std::time::Duration;

/// How the events of a channel become messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batching {
    /// Every event is a message of its own, at once: the webhook of `[alerts] webhook`.
    pub each: bool,
    /// The receiver keeps an alert by its key until it is resolved: triggers and resolves are never one message.
    pub keeps_state: bool,
    /// How long an event waits for others to join it.
    pub group_wait: Duration,
    /// The least time from a message about several events to the next one.
    pub group_interval: Duration,
    /// Messages in an hour, at most.
    pub max_per_hour: u32,
    /// When what happens waits: afterwards it is one message.
    pub quiet: Option<Hours>,
}

/// A message that a receiver took.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Delivered {
    /// What the receiver answered, in a few words, for people.
    pub answer: String,
    /// What names the message, for those that follow or replace it.
    pub receipt: Option<Receipt>,
}

/// A message that a receiver did not take. The reason holds no credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The receiver may take the message later; not before `after`, if its answer gave a time.
    Later { why: String, after: Option<Duration> },
    /// The receiver will never take this message.
    Refused { why: String },
}

impl Failure {
    pub(super) fn later(why: impl Into<String>) -> Failure {
        Failure::Later { why: why.into(), after: None }
    }

    /// The reason, in words.
    pub fn why(&self) -> &str {
        match self {
            Failure::Later { why, .. } | Failure::Refused { why } => why,
        }
    }
}

/// What people see of a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelInfo {
    pub name: ChannelName,
    /// What carries its messages, as `Slack`.
    pub service: String,
}
