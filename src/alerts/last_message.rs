//! The last message of a channel, for as long as what happens can still be added to it.
//!
//! This lies in memory: after a restart what waits becomes a message of its own, so that no message of a configuration that
//! has changed is edited, and no edit is sent that a run before this one may have sent.

use super::plan::MOST;
use crate::{
    notify::Receipt,
    store::{DueEvent, Event},
};
use std::time::Duration;
use tokio::time::Instant;

/// The least time from a message to its first edit, and from one edit to the next.
const APART: Duration = Duration::from_secs(5);
/// How long a message can be edited. Nobody looks at older ones.
const FRESH: Duration = Duration::from_secs(3600);
/// An edit that failed so often is given up.
pub(super) const ATTEMPTS: u32 = 4;

/// A message about the beginning of incidents, which can be edited.
#[derive(Debug)]
pub(super) struct LastMessage {
    pub(super) events: Vec<DueEvent>,
    pub(super) receipt: Receipt,
    sent_at: Instant,
    /// When it got the text that it has.
    written_at: Instant,
}

impl LastMessage {
    /// `None` where the message is about more than the beginning of incidents.
    pub(super) fn new(events: Vec<DueEvent>, receipt: Receipt, now: Instant) -> Option<LastMessage> {
        are_beginnings(&events).then_some(LastMessage { events, receipt, sent_at: now, written_at: now })
    }

    /// Whether people may still look at it.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.sent_at) < FRESH
    }

    /// When events that wait can be added to it; `None`: they become a message of their own.
    pub(super) fn editable_at(&self, waiting: &[DueEvent], now: Instant) -> Option<Instant> {
        let fits = self.events.len() + waiting.len() <= MOST;
        (fits && self.is_fresh(now) && are_beginnings(waiting)).then_some(self.written_at + APART)
    }

    /// These are in it now.
    pub(super) fn add(&mut self, events: Vec<DueEvent>, now: Instant) {
        self.events.extend(events);
        self.written_at = now;
    }
}

/// Whether all of them are incidents that began just now: people have to notice the end of one, and whatever else there is.
fn are_beginnings(events: &[DueEvent]) -> bool {
    let is_beginning = |event: &DueEvent| {
        let incident = event.incident();
        incident.is_some_and(|incident| incident.event == Event::Confirmed && incident.late.is_none())
    };
    events.iter().all(is_beginning)
}
