//! The queries on a history: functions of [`super::Reader`], each of which sees one moment of it.

mod checks;
pub(super) mod export;
pub(super) mod export_records;
mod incidents;
pub(super) mod services;
