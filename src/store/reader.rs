//! Every question that is asked of the history, one named function each.

use crate::{
    board::ServiceId,
    domain::{
        check::{CheckResult, Outcome},
        incident::{CauseChange, Gap, Outage},
        service::Kind,
        time::UnixMs,
        timeline::Buckets,
        uptime::Uptime,
        window::Window,
    },
};

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

pub type Result<T> = std::result::Result<T, StoreError>;

/// A service as the history knows it, whether or not the configuration still has it.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredService {
    pub id: ServiceId,
    pub name: String,
    pub kind: Kind,
    pub target: String,
    pub group: Option<String>,
    /// When it was first configured.
    pub added_at: UnixMs,
    /// When it was found to have left the configuration.
    pub removed_at: Option<UnixMs>,
}

/// A check result with the service that it belongs to.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredCheck {
    pub service: ServiceId,
    pub result: CheckResult,
}

/// Which outages are asked for.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct OutageFilter {
    pub service: Option<ServiceId>,
    /// Those that overlap it.
    pub window: Option<Window>,
    pub kind: OutageKind,
    /// Only those that last (`Some(true)`), only those that ended (`Some(false)`).
    pub open: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OutageKind {
    #[default]
    Incidents,
    Blips,
    /// Incidents, blips and what is failing right now unconfirmed.
    All,
}

/// Where a page of outages ended: those that started before it, or at it with a smaller id, follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    pub started_at: UnixMs,
    pub id: i64,
}

/// The read-only side of the history. Cheap to clone; its functions block: call them with `spawn_blocking`.
#[derive(Clone, Debug)]
pub struct Reader;

impl Reader {
    /// Every service ever configured, by name.
    pub fn services(&self) -> Result<Vec<StoredService>> { todo!() }
    /// The service of this name.
    pub fn service(&self, name: &str) -> Result<Option<StoredService>> { todo!() }
    /// The figures of one service over a window. `to` of the window is at most `now`.
    pub fn uptime(&self, service: ServiceId, window: Window, now: UnixMs) -> Result<Uptime> { todo!() }
    /// A window in at most about `buckets` equal buckets, aligned so that rollups can answer: from six hours a bucket
    /// on they are whole hours. The window of the answer may be a little larger than the one asked for.
    pub fn history(&self, service: ServiceId, window: Window, buckets: u32, now: UnixMs) -> Result<Buckets> { todo!() }
    /// Check results of the window, newest first, at most `limit`, older than `before` where that is given.
    pub fn checks(&self, service: ServiceId, window: Window, outcome: Option<Outcome>, before: Option<UnixMs>, limit: u32) -> Result<Vec<StoredCheck>> { todo!() }
    /// Outages, newest first, at most `limit`, after `cursor` where that is given.
    pub fn outages(&self, filter: &OutageFilter, cursor: Option<Cursor>, limit: u32) -> Result<Vec<Outage>> { todo!() }
    /// One outage.
    pub fn outage(&self, id: i64) -> Result<Option<Outage>> { todo!() }
    /// Each change of cause while it lasted, oldest first.
    pub fn cause_changes(&self, outage: i64) -> Result<Vec<CauseChange>> { todo!() }
    /// Outages of other services that failed with this one, by start.
    pub fn failed_with(&self, outage: &Outage) -> Result<Vec<Outage>> { todo!() }
    /// The gaps of one service that overlap the window, oldest first; also the one that lasts at `now`, and the time
    /// before the first result is not among them.
    pub fn gaps(&self, service: ServiceId, window: Window, now: UnixMs) -> Result<Vec<Gap>> { todo!() }
}
