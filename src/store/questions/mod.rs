//! What is asked of a history: functions of [`super::Reader`], each of which sees one moment of it.

pub(super) mod as_of;
mod checks;
pub(super) mod export;
pub(super) mod export_records;
mod figures;
mod incidents;
pub(super) mod overview;
pub(super) mod replay;
mod retention_bounds;
pub(super) mod services;
