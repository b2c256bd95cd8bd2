//! The questions of an export. Each is answered in a short transaction of its own, however slowly the answer is taken.

use super::{
    Reader, Result,
    life::Interruption,
    maintenance::{self, Which},
    outages,
    results::{self, Validities},
    retention,
    rollups::{self, Size},
    services::StoredService,
    transfer::{Beyond, CheckRow, Head, OutageRecord, RunHead, ServiceHead, SettingHead, SumRecord, SumSize},
};
use crate::{
    board::ServiceId,
    domain::{
        check::{Class, Outcome, Phase},
        incident::{GapReason, Outage},
        maintenance::Overlay,
        time::UnixMs,
        timeline::failed_until,
        window::Window,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

impl Reader {
    /// What an export of these services begins with.
    pub fn head(&self, services: &[StoredService]) -> Result<Head> {
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        let services = services.iter().map(|service| service_head(&tx, service)).collect::<Result<_>>()?;
        Ok(Head { services, runs: runs(&tx)?, interruptions: interruptions(&tx)? })
    }

    /// Hands `each` the check results of the window, oldest first, at most `limit`. `excerpts` are the times of those
    /// that have one, as [`Reader::excerpt_times`] says. Gives the time of the last one where there may be more.
    pub fn each_check(
        &self,
        service: ServiceId,
        window: Window,
        limit: usize,
        excerpts: &[UnixMs],
        mut each: impl FnMut(&CheckRow<'_>),
    ) -> Result<Option<UnixMs>> {
        let conn = self.conn()?;
        let mut statement = conn.prepare_cached(&format!(
            "SELECT {} FROM check_result c LEFT JOIN reason r ON r.id = c.reason_id
             WHERE c.service_id = ?1 AND c.at >= ?2 AND c.at < ?3 ORDER BY c.at LIMIT ?4",
            results::COLUMNS
        ))?;
        let mut rows = statement.query(params![service.0, window.from().0, window.to().0, limit as i64])?;
        let mut excerpts = &excerpts[excerpts.partition_point(|at| *at < window.from())..];
        let (mut count, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            let at = UnixMs(row.get(0)?);
            let reason = borrowed_reason(row)?;
            // There may be some whose row has been retired.
            while excerpts.first().is_some_and(|next| *next < at) {
                excerpts = &excerpts[1..];
            }
            let excerpt = match excerpts.first() {
                Some(next) if *next == at => excerpt(&conn, service, at)?,
                _ => None,
            };
            each(&CheckRow {
                at,
                outcome: results::outcome(row, 1)?,
                recheck: row.get(2)?,
                latency_us: row.get(3)?,
                phases: results::phases(row, 4)?,
                http_status: row.get(8)?,
                certificate_days: row.get(9)?,
                reason,
                excerpt: excerpt.as_deref(),
            });
            (count, last) = (count + 1, Some(at));
        }
        Ok(last.filter(|_| count == limit))
    }

    /// About how many check results there are in a window, by their interval: for somebody who waits.
    pub fn estimated_checks(&self, services: &[StoredService], window: Window) -> Result<u64> {
        let conn = self.conn()?;
        let mut total = 0;
        for service in services {
            let (first, last): (Option<i64>, Option<i64>) = conn
                .prepare_cached(
                    "SELECT (SELECT min(at) FROM check_result WHERE service_id = ?1 AND at >= ?2 AND at < ?3),
                            (SELECT max(at) FROM check_result WHERE service_id = ?1 AND at >= ?2 AND at < ?3)",
                )?
                .query_row([service.id.0, window.from().0, window.to().0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if let (Some(first), Some(last)) = (first, last) {
                total += ((last - first) / service.interval_ms.max(1)).unsigned_abs() + 1;
            }
        }
        Ok(total)
    }

    /// When the checks started whose answer is kept, in order.
    pub fn excerpt_times(&self, service: ServiceId, window: Window) -> Result<Vec<UnixMs>> {
        let conn = self.conn()?;
        let mut statement = conn.prepare_cached(
            "SELECT started_at AS at FROM outage WHERE service_id = ?1 AND excerpt IS NOT NULL
               AND started_at >= ?2 AND started_at < ?3
             UNION SELECT c.at FROM outage o JOIN cause_change c ON c.outage_id = o.id
               WHERE o.service_id = ?1 AND c.excerpt IS NOT NULL AND c.at >= ?2 AND c.at < ?3
             ORDER BY at",
        )?;
        let rows = statement.query_map([service.0, window.from().0, window.to().0], |row| row.get(0).map(UnixMs))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The first check result of the window.
    pub fn first_check_in(&self, service: ServiceId, window: Window) -> Result<Option<UnixMs>> {
        let first: Option<i64> = self
            .conn()?
            .prepare_cached("SELECT min(at) FROM check_result WHERE service_id = ?1 AND at >= ?2 AND at < ?3")?
            .query_row([service.0, window.from().0, window.to().0], |row| row.get(0))?;
        Ok(first.map(UnixMs))
    }

    /// An outage with what of it cannot be told from the rows from `first` on.
    pub fn outage_record(&self, service: ServiceId, outage: &Outage, first: Option<UnixMs>) -> Result<OutageRecord> {
        let beyond = match first {
            Some(first) if first <= outage.started_at => None,
            first => Some(beyond(&*self.conn()?, service, outage, first)?),
        };
        Ok(OutageRecord { outage: outage.clone(), beyond })
    }

    /// The oldest sum that is kept of a service.
    pub fn first_sum_at(&self, service: ServiceId) -> Result<UnixMs> {
        let conn = self.conn()?;
        let mut first = UnixMs::MAX;
        for size in [Size::Hour, Size::Day] {
            let table = size.table();
            let oldest: Option<i64> = conn
                .prepare_cached(&format!("SELECT min(start) FROM {table} WHERE service_id = ?1"))?
                .query_row([service.0], |row| row.get(0))?;
            first = oldest.map_or(first, |oldest| first.min(UnixMs(oldest)));
        }
        Ok(first)
    }

    /// Hands `each` the sums of the window whose rows may be gone; whether there may be more behind it.
    pub fn each_sum(
        &self,
        service: ServiceId,
        window: Window,
        size: SumSize,
        mut each: impl FnMut(SumRecord),
    ) -> Result<bool> {
        let conn = self.conn()?;
        let kept = retention::kept(&conn, service)?;
        let Some(rows_from) = kept.rows_from else { return Ok(false) };
        let (table, from) = match size {
            SumSize::Hour => (Size::Hour, kept.hours_from.map_or(window.from(), |from| from.max(window.from()))),
            SumSize::Day => (Size::Day, window.from()),
        };
        if let Some(gone) = Window::new(from, window.to().min(rows_from)) {
            rollups::each(&conn, table, service, gone, rollups::Latency::Read, |start, tally| {
                each(SumRecord { start, size, tally })
            })?;
        }
        Ok(window.to() < rows_from)
    }
}

/// Class, phase and message of a row of [`results::COLUMNS`], not copied.
fn borrowed_reason<'a>(row: &'a Row<'_>) -> rusqlite::Result<Option<(Class, Option<Phase>, &'a str)>> {
    let Some(class) = row.get_ref(10)?.as_str_or_null()? else { return Ok(None) };
    // A word of a newer version must not make the row unreadable.
    let class = Class::parse(class).unwrap_or(Class::Protocol);
    let phase = row.get_ref(11)?.as_str_or_null()?.and_then(Phase::parse);
    Ok(Some((class, phase, row.get_ref(12)?.as_str()?)))
}

fn service_head(conn: &Connection, service: &StoredService) -> Result<ServiceHead> {
    let certificate: Option<i64> = conn
        .prepare_cached("SELECT certificate_expires_at FROM service WHERE id = ?1")?
        .query_row([service.id.0], |row| row.get(0))?;
    let kept = retention::kept(conn, service.id)?;
    Ok(ServiceHead {
        name: service.name.clone(),
        kind: service.kind,
        target: service.target.clone(),
        group: service.group.clone(),
        added_at: service.added_at,
        removed_at: service.removed_at,
        certificate_expires_at: certificate.map(UnixMs),
        rows_from: kept.rows_from,
        hours_from: kept.hours_from,
        settings: settings(conn, service.id)?,
    })
}

/// The settings of a service, by time.
pub(super) fn settings(conn: &Connection, service: ServiceId) -> Result<Vec<SettingHead>> {
    let mut statement = conn.prepare_cached(
        "SELECT since, enabled, interval_ms, timeout_ms, failure_threshold, success_threshold, degraded_after_ms,
           critical
         FROM setting WHERE service_id = ?1 ORDER BY since",
    )?;
    let rows = statement.query_map([service.0], |row| {
        Ok(SettingHead {
            since: UnixMs(row.get(0)?),
            enabled: row.get(1)?,
            interval_ms: row.get(2)?,
            timeout_ms: row.get(3)?,
            failure_threshold: row.get(4)?,
            success_threshold: row.get(5)?,
            degraded_after_ms: row.get(6)?,
            critical: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The runs of the monitor, by their start.
pub(super) fn runs(conn: &Connection) -> Result<Vec<RunHead>> {
    let mut statement = conn.prepare_cached("SELECT started_at, alive_at, stopped_at, version FROM run")?;
    let rows = statement.query_map([], |row| {
        Ok(RunHead {
            started_at: UnixMs(row.get(0)?),
            alive_at: UnixMs(row.get(1)?),
            stopped_at: row.get::<_, Option<i64>>(2)?.map(UnixMs),
            version: row.get(3)?,
        })
    })?;
    Ok(once(rows.collect::<rusqlite::Result<_>>()?))
}

/// Each run once, by its start. One run, as it was known at two moments, is one: what was known later holds.
pub(super) fn once(mut runs: Vec<RunHead>) -> Vec<RunHead> {
    runs.sort();
    runs.dedup_by(|later, kept| {
        let same = later.started_at == kept.started_at && later.version == kept.version;
        if same {
            kept.alive_at = kept.alive_at.max(later.alive_at);
            kept.stopped_at = kept.stopped_at.max(later.stopped_at);
        }
        same
    });
    runs
}

/// What interrupted the observation, by time, each once.
pub(super) fn interruptions(conn: &Connection) -> Result<Vec<Interruption>> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT from_at, to_at, why, results FROM interruption ORDER BY from_at, to_at, why, results",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Interruption {
            from: UnixMs(row.get(0)?),
            to: UnixMs(row.get(1)?),
            why: GapReason::parse(row.get_ref(2)?.as_str()?).unwrap_or(GapReason::Stalled),
            results: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The beginning of the answer that a check got, where it is kept.
fn excerpt(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<String>> {
    let text = conn
        .prepare_cached(
            "SELECT excerpt FROM outage WHERE service_id = ?1 AND started_at = ?2 AND excerpt IS NOT NULL
             UNION ALL SELECT c.excerpt FROM outage o JOIN cause_change c ON c.outage_id = o.id
               WHERE o.service_id = ?1 AND c.at = ?2 AND c.excerpt IS NOT NULL AND o.started_at <= ?2
             LIMIT 1",
        )?
        .query_row([service.0, at.0], |row| row.get(0))
        .optional()?;
    Ok(text)
}

/// What of an outage the rows from `first` on do not tell.
pub(super) fn beyond(conn: &Connection, service: ServiceId, outage: &Outage, first: Option<UnixMs>) -> Result<Beyond> {
    let mut changes = outages::cause_changes(conn, outage.id)?;
    let (mut failed, mut down_ms) = (0, 0);
    if let Some(first) = first {
        changes.retain(|change| change.at < first);
        let validities = Validities::of(conn, service)?;
        let ever = Window::new(first, UnixMs::MAX);
        let overlay = |which| ever.map_or(Ok(Overlay::NONE), |ever| maintenance::overlay(conn, service, ever, which));
        let (announced, all) = (overlay(Which::Announced)?, overlay(Which::All)?);
        let mut statement = conn.prepare_cached(
            "SELECT at, outcome FROM check_result WHERE service_id = ?1 AND at >= ?2 AND at <= ?3 ORDER BY at",
        )?;
        let end = outage.ended_at.map_or(i64::MAX, |end| end.0);
        let mut rows = statement.query([service.0, first.0, end])?;
        let mut last: Option<UnixMs> = None;
        while let Some(row) = rows.next()? {
            let at = UnixMs(row.get(0)?);
            if let Some(last) = last.take() {
                let spoken_until = at.min(last.plus(validities.at(last)));
                down_ms += failed_until(last, spoken_until, &all).since(last);
            }
            if results::outcome(row, 1)? == Outcome::Down {
                failed += u64::from(!announced.contains(at));
                last = Some(at);
            }
        }
    }
    Ok(Beyond {
        checks_failed: outage.checks_failed.saturating_sub(failed),
        down_ms: (outage.down_ms - down_ms).max(0),
        changes,
    })
}
