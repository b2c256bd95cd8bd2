//! What a service was set to over time. The table has this one reader.

use crate::{
    domain::{
        service::{Service, Thresholds},
        time::UnixMs,
    },
    live::ServiceId,
    store::Result,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

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

impl Setting {
    pub(in crate::store) fn of(service: &Service) -> Setting {
        Setting {
            enabled: service.enabled,
            interval_ms: service.cadence.interval_ms,
            timeout_ms: service.cadence.timeout_ms,
            thresholds: service.thresholds,
            degraded_after_ms: service.degraded_after_ms,
            critical: Some(service.critical),
        }
    }

    /// How long a result is valid, in milliseconds.
    pub(crate) fn validity_ms(&self) -> i64 {
        self.interval_ms.saturating_mul(2).saturating_add(self.timeout_ms)
    }
}

/// Time in which nothing was observed, and whether the service was paused then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) from: UnixMs,
    pub(crate) to: UnixMs,
    pub(crate) paused: bool,
}

/// All that a service was ever set to, each with the moment since when, in the order of time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Settings(Vec<(UnixMs, Setting)>);

macro_rules! columns {
    () => {
        "since, enabled, interval_ms, timeout_ms, failure_threshold, success_threshold, degraded_after_ms, critical"
    };
}

fn read(row: &Row<'_>) -> rusqlite::Result<(UnixMs, Setting)> {
    let setting = Setting {
        enabled: row.get(1)?,
        interval_ms: row.get(2)?,
        timeout_ms: row.get(3)?,
        thresholds: Thresholds { failure: row.get(4)?, success: row.get(5)? },
        degraded_after_ms: row.get(6)?,
        critical: row.get(7)?,
    };
    Ok((UnixMs(row.get(0)?), setting))
}

impl Settings {
    pub(in crate::store) fn of(conn: &Connection, service: ServiceId) -> Result<Settings> {
        let sql = concat!("SELECT ", columns!(), " FROM setting WHERE service_id = ?1 ORDER BY since");
        let mut statement = conn.prepare_cached(sql)?;
        let rows = statement.query_map([service.0], read)?;
        Ok(Settings(rows.collect::<rusqlite::Result<_>>()?))
    }

    /// Each with the moment since when.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &(UnixMs, Setting)> {
        self.0.iter()
    }

    /// What was in force at this moment. Before the first settings the first hold; `None` where there are none at all.
    pub(crate) fn at(&self, at: UnixMs) -> Option<&Setting> {
        let later = self.0.partition_point(|&(since, _)| since <= at);
        self.0.get(later.saturating_sub(1)).map(|(_, setting)| setting)
    }

    /// How long a result of this moment is valid, in milliseconds.
    pub(crate) fn validity_ms(&self, at: UnixMs) -> i64 {
        self.at(at).map_or(0, Setting::validity_ms)
    }

    /// Time in which nothing was observed, cut where the service was paused in it or was watched again: one piece where
    /// neither happened. What a service is watched again for ends with its first check: until one is overdue it is still
    /// the pause that there is none.
    pub(crate) fn cut(&self, from: UnixMs, to: UnixMs) -> Vec<Piece> {
        let within: Vec<&(UnixMs, Setting)> = self.0.iter().filter(|(at, _)| from < *at && *at < to).collect();
        let mut piece = Piece { from, to, paused: self.at(from).is_some_and(|s| !s.enabled) };
        let mut pieces = Vec::new();
        for (n, (since, setting)) in within.iter().enumerate() {
            if setting.enabled != piece.paused {
                continue;
            }
            let until = within[n..].iter().find(|(_, s)| !s.enabled).map_or(to, |(since, _)| *since);
            if setting.enabled && until.since(*since) <= setting.validity_ms() {
                continue;
            }
            pieces.push(Piece { to: *since, ..piece });
            piece = Piece { from: *since, to, paused: !setting.enabled };
        }
        pieces.push(piece);
        pieces
    }
}

/// The latest settings of a service, with the moment since when.
pub(in crate::store) fn last(conn: &Connection, service: ServiceId) -> Result<Option<(UnixMs, Setting)>> {
    let sql = concat!("SELECT ", columns!(), " FROM setting WHERE service_id = ?1 ORDER BY since DESC LIMIT 1");
    Ok(conn.prepare_cached(sql)?.query_row([service.0], read).optional()?)
}

/// Writes the settings of a service from a moment on, in the place of those of the same moment.
pub(in crate::store) fn write(conn: &Connection, service: ServiceId, since: UnixMs, setting: &Setting) -> Result<()> {
    let sql = concat!(
        "INSERT OR REPLACE INTO setting (service_id, ",
        columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    );
    let Setting { enabled, interval_ms, timeout_ms, thresholds, degraded_after_ms, critical } = setting;
    conn.prepare_cached(sql)?.execute(params![
        service.0,
        since.0,
        enabled,
        interval_ms,
        timeout_ms,
        thresholds.failure,
        thresholds.success,
        degraded_after_ms,
        critical
    ])?;
    Ok(())
}
