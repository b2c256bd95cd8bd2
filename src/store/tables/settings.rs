//! What a service was set to over time, and what changed.

use crate::{
    domain::{service::Thresholds, time::UnixMs},
    live::ServiceId,
    store::Result,
};
use rusqlite::{Connection, params};

/// What the arithmetic depends on, as the configuration had it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    pub enabled: bool,
    pub interval_ms: i64,
    pub timeout_ms: i64,
    pub thresholds: Thresholds,
    pub degraded_after_ms: Option<i64>,
    /// `None`: not recorded yet at that time.
    pub critical: Option<bool>,
}

/// All that a service was ever set to, each with the moment since when, in the order of time.
pub(in crate::store) fn settings(conn: &Connection, service: ServiceId) -> Result<Vec<(UnixMs, Setting)>> {
    let mut statement = conn.prepare_cached(
        "SELECT since, enabled, interval_ms, timeout_ms, failure_threshold, success_threshold, degraded_after_ms, critical
         FROM setting WHERE service_id = ?1 ORDER BY since",
    )?;
    let rows = statement.query_map(params![service.0], |r| {
        let setting = Setting {
            enabled: r.get(1)?,
            interval_ms: r.get(2)?,
            timeout_ms: r.get(3)?,
            thresholds: Thresholds { failure: r.get(4)?, success: r.get(5)? },
            degraded_after_ms: r.get(6)?,
            critical: r.get(7)?,
        };
        Ok((UnixMs(r.get(0)?), setting))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
