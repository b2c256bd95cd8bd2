//! What a round looks at, and how it announces something.

use super::ledger::Ledger;
use crate::{
    alerts::{Context, compose},
    config::AlertRules,
    domain::time::UnixMs,
    live::ServiceNow,
    routing::{Announcement, ChannelName, Facts},
    store::Announce,
};
use std::sync::Arc;

/// Services that a text names; the others are counted.
pub(super) const NAMED: usize = 20;

/// What a round looks at.
pub(super) struct Round<'a> {
    pub(super) context: &'a Context,
    pub(super) rules: &'a AlertRules,
    pub(super) ledger: &'a mut Ledger,
    pub(super) services: &'a [Arc<ServiceNow>],
    pub(super) now: UnixMs,
}

impl Round<'_> {
    /// The channels that something of these facts goes to.
    pub(super) fn recipients(&self, facts: &Facts<'_>) -> Vec<ChannelName> {
        self.context.writer.recipients(facts, self.now)
    }

    /// Announces it, unless it was announced before. What nobody is to be notified of is not announced, and is when
    /// somebody is.
    pub(super) fn announce(&mut self, event_id: String, announcement: Announcement, channels: Vec<ChannelName>) {
        if channels.is_empty() || self.ledger.has(&event_id) {
            return;
        }
        tracing::info!(kind = announcement.kind.as_str(), "announced: {}", announcement.text);
        self.ledger.note(&event_id, self.now);
        self.context.writer.announce(Announce { event_id, announcement, channels });
    }

    /// A moment by the clocks of `[alerts] zone`.
    pub(super) fn time(&self, at: UnixMs) -> String {
        compose::time(self.context.zone, at)
    }

    /// The service of this number.
    pub(super) fn service(&self, id: i64) -> Option<&ServiceNow> {
        self.services.iter().find(|service| service.id.0 == id).map(|service| &**service)
    }
}

/// Names of services for a sentence: the first, and how many more.
pub(super) fn named(names: &[String], most: usize) -> String {
    let named = names.len().min(most);
    crate::format::listed_with(&names[..named], names.len() - named)
}
