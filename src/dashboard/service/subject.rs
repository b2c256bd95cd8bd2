//! What the page of a service is about.

use crate::{
    domain::service::Kind,
    live::{ServiceId, ServiceNow},
    store::{Maintenance, StoredService},
};
use std::sync::Arc;

/// The service that a page is about: as it is (or was) known, or as the history knows it.
pub(super) struct Subject {
    pub(super) id: ServiceId,
    pub(super) stored: StoredService,
    pub(super) now: Option<Arc<ServiceNow>>,
}

impl Subject {
    /// Whether a window of maintenance is one of this service, and counts.
    pub(super) fn in_maintenance(&self, one: &Maintenance) -> bool {
        one.taken_back_at.is_none() && one.services.as_ref().is_none_or(|names| names.contains(&self.stored.name))
    }

    /// Whether it reports by itself, and nothing is checked.
    pub(super) fn reports(&self) -> bool {
        self.stored.kind == Kind::Push
    }

    /// How often it is checked, in milliseconds.
    pub(super) fn interval_ms(&self) -> i64 {
        self.now.as_ref().map_or(self.stored.interval_ms, |now| now.service.cadence.interval_ms)
    }
}
