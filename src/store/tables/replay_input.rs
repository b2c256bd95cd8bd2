//! The stored results as a history is told again from them: each with the settings of its time.

use crate::{
    domain::{
        check::Class,
        maintenance::Overlay,
        replay::{Input, Why},
        service::Thresholds,
        time::UnixMs,
    },
    live::ServiceId,
    store::{
        Result,
        rows::{Columns, Outcomes, Walk},
    },
};
use rusqlite::Connection;
use std::{collections::HashSet, ops::ControlFlow};

/// What a service was set to from a moment on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) struct Setting {
    pub(in crate::store) since: UnixMs,
    pub(in crate::store) enabled: bool,
    pub(in crate::store) validity_ms: i64,
    pub(in crate::store) thresholds: Thresholds,
    pub(in crate::store) degraded_after_ms: Option<i64>,
}

/// Time in which nothing was observed, and whether the service was paused then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) struct Piece {
    pub(in crate::store) from: UnixMs,
    pub(in crate::store) to: UnixMs,
    pub(in crate::store) paused: bool,
}

/// All that a service was ever set to, in the order of time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::store) struct Settings(pub(in crate::store) Vec<Setting>);

impl Settings {
    pub(in crate::store) fn of(conn: &Connection, service: ServiceId) -> Result<Settings> {
        let mut statement = conn.prepare_cached(
            "SELECT since, enabled, 2 * interval_ms + timeout_ms, failure_threshold, success_threshold, degraded_after_ms
             FROM setting WHERE service_id = ?1 ORDER BY since",
        )?;
        let rows = statement.query_map([service.0], |row| {
            Ok(Setting {
                since: UnixMs(row.get(0)?),
                enabled: row.get(1)?,
                validity_ms: row.get(2)?,
                thresholds: Thresholds { failure: row.get(3)?, success: row.get(4)? },
                degraded_after_ms: row.get(5)?,
            })
        })?;
        Ok(Settings(rows.collect::<rusqlite::Result<_>>()?))
    }

    /// Time in which nothing was observed, cut where the service was paused in it or was watched again: one piece where
    /// neither happened. What a service is watched again for ends with its first check: until one is overdue it is still
    /// the pause that there is none.
    pub(in crate::store) fn cut(&self, from: UnixMs, to: UnixMs) -> Vec<Piece> {
        let within: Vec<&Setting> = self.0.iter().filter(|s| from < s.since && s.since < to).collect();
        let mut piece = Piece { from, to, paused: self.at(from).is_some_and(|s| !s.enabled) };
        let mut pieces = Vec::new();
        for (n, setting) in within.iter().enumerate() {
            if setting.enabled != piece.paused {
                continue;
            }
            let until = within[n..].iter().find(|s| !s.enabled).map_or(to, |s| s.since);
            if setting.enabled && until.since(setting.since) <= setting.validity_ms {
                continue;
            }
            pieces.push(Piece { to: setting.since, ..piece });
            piece = Piece { from: setting.since, to, paused: !setting.enabled };
        }
        pieces.push(piece);
        pieces
    }

    /// What was in force at this moment. Before the first settings the first hold; `None` where there are none at all.
    pub(in crate::store) fn at(&self, at: UnixMs) -> Option<&Setting> {
        let later = self.0.partition_point(|s| s.since <= at);
        self.0.get(later.saturating_sub(1))
    }
}

/// Hands `each` the results of a service from `from` on, oldest first, with what was in force when they were made, until
/// it has had enough.
pub(in crate::store) fn each(
    conn: &Connection,
    service: ServiceId,
    settings: &Settings,
    from: UnixMs,
    mut each: impl FnMut(Input, &Setting) -> Result<ControlFlow<()>>,
) -> Result<()> {
    Walk::over(service).from(from).with(Columns::Everything).forward(conn, |row| {
        let Some(setting) = settings.at(row.at) else { return Ok(ControlFlow::Continue(())) };
        let told = Input {
            at: row.at,
            outcome: row.outcome,
            latency_us: row.latency_us,
            phases: row.phases,
            why: row.reason.map(|reason| Why { reason, http_status: row.http_status }),
            validity_ms: setting.validity_ms,
            thresholds: setting.thresholds,
        };
        each(told, setting)
    })
}

/// The first of the last `count` results in a row before `at` that passed: from it on the story can be told without
/// knowing what was before. `None` when there were never so many. In announced maintenance none counts, and no run carries
/// over its beginning.
pub(in crate::store) fn calm_before(
    conn: &Connection,
    service: ServiceId,
    at: UnixMs,
    count: u32,
    announced: &Overlay,
) -> Result<Option<UnixMs>> {
    let (mut in_a_row, mut later, mut found) = (0, at, None);
    Walk::over(service).before(at).only(Outcomes::JUDGED).backward(conn, |row| {
        if announced.contains(row.at) {
            return Ok(ControlFlow::Continue(()));
        }
        if announced.first_start(row.at, later).is_some() {
            in_a_row = 0;
        }
        later = row.at;
        in_a_row = if row.outcome.passed() == Some(true) { in_a_row + 1 } else { 0 };
        if in_a_row < count {
            return Ok(ControlFlow::Continue(()));
        }
        found = Some(row.at);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// The numbers of the reasons that say that a check was slow, and nothing worse.
pub(in crate::store) fn slow_reasons(conn: &Connection) -> Result<HashSet<i64>> {
    let mut statement = conn.prepare_cached("SELECT id FROM reason WHERE class = ?1")?;
    let rows = statement.query_map([Class::Slow.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
