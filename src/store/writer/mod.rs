//! The one writer of a running service: services enter and resume, results are taken in, gathered and committed.
//!
//! While the writer cannot commit, it shows what waits and notifies channels ahead of the commit (`pending`, `pending_state`,
//! `ahead`).

pub(super) mod ahead;
pub(super) mod alarms;
pub(super) mod attempts;
pub(super) mod backfill;
pub(super) mod commit;
pub(super) mod context;
pub(super) mod enter;
pub(super) mod handle;
pub(super) mod latest;
mod lost_file;
pub(super) mod noted;
pub(super) mod notified;
pub(super) mod numbers;
pub(super) mod open;
pub(super) mod orphans;
pub(super) mod pending;
pub(super) mod pending_state;
pub(super) mod plan;
pub(super) mod recipients;
pub(super) mod refused;
pub(super) mod rescue;
pub(super) mod respond;
pub(super) mod resume;
pub(super) mod slots;
pub(super) mod task;
pub(super) mod track;
