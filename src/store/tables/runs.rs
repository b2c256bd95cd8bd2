//! The monitor's own life: its runs, what interrupted them, and the gaps that follow from it.

use super::{
    maintenance::{self, Which},
    services::StoredService,
    settings::{Piece, Settings},
};
use crate::{
    domain::{
        incident::{Gap, GapReason},
        maintenance::Overlay,
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::{Result, rows::Walk},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// One run of the monitor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub started_at: UnixMs,
    pub alive_at: UnixMs,
    /// `None`: it runs, or did not stop cleanly.
    pub stopped_at: Option<UnixMs>,
}

/// A run of the monitor, as an export has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RunHead {
    pub started_at: UnixMs,
    pub alive_at: UnixMs,
    /// `None`: it runs, or did not stop cleanly.
    pub stopped_at: Option<UnixMs>,
    pub version: String,
}

/// Time in which the monitor ran and could not observe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interruption {
    pub from: UnixMs,
    pub to: UnixMs,
    pub why: GapReason,
    /// Results that were made and not kept.
    pub results: u64,
}

/// Writes the beginning of a run; its number.
pub(in crate::store) fn begin_run(conn: &Connection, now: UnixMs) -> Result<i64> {
    conn.execute(
        "INSERT INTO run (started_at, alive_at, version) VALUES (?1, ?1, ?2)",
        params![now.0, env!("CARGO_PKG_VERSION")],
    )?;
    Ok(conn.last_insert_rowid())
}

/// Notes that a run is alive, or (with `stopped`) that it ended cleanly.
pub(in crate::store) fn note_alive(conn: &Connection, run: i64, now: UnixMs, stopped: bool) -> Result<()> {
    conn.prepare_cached("UPDATE run SET alive_at = ?2, stopped_at = CASE WHEN ?3 THEN ?2 END WHERE id = ?1")?
        .execute(params![run, now.0, stopped])?;
    Ok(())
}

/// The latest run.
pub(in crate::store) fn last_run(conn: &Connection) -> Result<Option<Run>> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Run {
            started_at: UnixMs(row.get(0)?),
            alive_at: UnixMs(row.get(1)?),
            stopped_at: row.get::<_, Option<i64>>(2)?.map(UnixMs),
        })
    };
    let sql = "SELECT started_at, alive_at, stopped_at FROM run ORDER BY id DESC LIMIT 1";
    Ok(conn.prepare_cached(sql)?.query_row([], read).optional()?)
}

/// Every run with the version that ran, in no order.
pub(in crate::store) fn heads(conn: &Connection) -> Result<Vec<RunHead>> {
    let mut statement = conn.prepare_cached("SELECT started_at, alive_at, stopped_at, version FROM run")?;
    let rows = statement.query_map([], |row| {
        Ok(RunHead {
            started_at: UnixMs(row.get(0)?),
            alive_at: UnixMs(row.get(1)?),
            stopped_at: row.get::<_, Option<i64>>(2)?.map(UnixMs),
            version: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What interrupted the observation, by time, each once.
pub(in crate::store) fn interruptions(conn: &Connection) -> Result<Vec<Interruption>> {
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

/// What interrupted the observation and was noted after the one of this number, with its own number; without what ended
/// before a moment.
pub(in crate::store) fn interruptions_after(
    conn: &Connection,
    after: i64,
    from: UnixMs,
) -> Result<Vec<(i64, Interruption)>> {
    let sql = "SELECT id, from_at, to_at, why, results FROM interruption WHERE id > ?1 AND to_at >= ?2 ORDER BY id";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([after, from.0], |row| {
        let why = GapReason::parse(row.get_ref(3)?.as_str()?).unwrap_or(GapReason::Stalled);
        let (from, to, results) = (UnixMs(row.get(1)?), UnixMs(row.get(2)?), row.get::<_, i64>(4)?.unsigned_abs());
        Ok((row.get(0)?, Interruption { from, to, why, results }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes what interrupted the observation.
pub(in crate::store) fn note_interruption(conn: &Connection, interruption: &Interruption) -> Result<()> {
    conn.execute(
        "INSERT INTO interruption (from_at, to_at, why, results) VALUES (?1, ?2, ?3, ?4)",
        params![interruption.from.0, interruption.to.0, interruption.why.as_str(), interruption.results as i64],
    )?;
    Ok(())
}

/// Writes a gap of one service.
pub(in crate::store) fn note_gap(
    conn: &Connection,
    service: ServiceId,
    from: UnixMs,
    to: UnixMs,
    why: GapReason,
) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO gap VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        service.0,
        from.0,
        to.0,
        why.as_str()
    ])?;
    Ok(())
}

/// The gap of a service that begins at a moment is none.
pub(in crate::store) fn delete_gap(conn: &Connection, service: ServiceId, from: UnixMs) -> Result<()> {
    conn.prepare_cached("DELETE FROM gap WHERE service_id = ?1 AND from_at = ?2")?.execute([service.0, from.0])?;
    Ok(())
}

/// Deletes the gaps of a service.
pub(in crate::store) fn delete_gaps(conn: &Connection, service: ServiceId) -> Result<()> {
    conn.prepare_cached("DELETE FROM gap WHERE service_id = ?1")?.execute([service.0])?;
    Ok(())
}

/// The gaps of a service as they are stored: by their start, with their end and the word of their reason.
pub(in crate::store) fn stored_gaps(
    conn: &Connection,
    service: ServiceId,
) -> Result<BTreeMap<UnixMs, (UnixMs, String)>> {
    let mut statement = conn.prepare_cached("SELECT from_at, to_at, why FROM gap WHERE service_id = ?1")?;
    let rows = statement.query_map([service.0], |row| Ok((UnixMs(row.get(0)?), (UnixMs(row.get(1)?), row.get(2)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The gaps of one service that overlap the window, oldest first, with the one that lasts at `now`.
pub(in crate::store) fn gaps(
    conn: &Connection,
    service: &StoredService,
    window: Window,
    now: UnixMs,
) -> Result<Vec<Gap>> {
    let mut statement = conn.prepare_cached(
        "SELECT from_at, to_at, why FROM gap WHERE service_id = ?1 AND from_at < ?2 AND to_at > ?3 ORDER BY from_at",
    )?;
    let rows = statement.query_map([service.id.0, window.to().0, window.from().0], |row| {
        let why: String = row.get(2)?;
        Ok(Gap {
            service: service.name.clone(),
            from: UnixMs(row.get(0)?),
            to: Some(UnixMs(row.get(1)?)),
            why: GapReason::parse(&why).unwrap_or(GapReason::Stalled),
        })
    })?;
    let mut gaps = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let overlaps = |gap: &Gap| gap.from < window.to() && gap.to.is_none_or(|to| to > window.from());
    gaps.extend(open_gap(conn, service, now)?.into_iter().filter(overlaps));
    outside_maintenance(conn, service, gaps, now)
}

/// What of some gaps is not maintenance.
fn outside_maintenance(conn: &Connection, service: &StoredService, gaps: Vec<Gap>, now: UnixMs) -> Result<Vec<Gap>> {
    let whole = |gap: &Gap| Window::new(gap.from, gap.to.unwrap_or(now));
    let (Some(first), Some(last)) = (gaps.first(), gaps.last()) else { return Ok(gaps) };
    let Some(reach) = Window::new(first.from, last.to.unwrap_or(now)) else { return Ok(gaps) };
    let maintenance = maintenance::overlay(conn, service.id, reach, Which::All)?;
    if maintenance == Overlay::NONE {
        return Ok(gaps);
    }
    let mut left = Vec::with_capacity(gaps.len());
    for gap in gaps {
        let Some(whole) = whole(&gap) else { continue };
        left.extend(maintenance.outside(whole).map(|part| Gap {
            from: part.from(),
            to: gap.to.map_or_else(|| Some(part.to()).filter(|to| *to < whole.to()), |_| Some(part.to())),
            ..gap.clone()
        }));
    }
    Ok(left)
}

/// The gap that began when the last result of a service ceased to be valid, in pieces where it has several causes.
pub(in crate::store) fn open_gap(conn: &Connection, service: &StoredService, now: UnixMs) -> Result<Vec<Gap>> {
    let Some(last) = Walk::over(service.id).last_at(conn)? else { return Ok(Vec::new()) };
    let settings = Settings::of(conn, service.id)?;
    let validity_ms = settings.validity_ms(last);
    let from = last.plus(validity_ms);
    if from >= now {
        return Ok(Vec::new());
    }
    let gap = |from, to, why| Gap { service: service.name.clone(), from, to, why };
    let pieces = settings.cut(from, now);
    let mut gaps = Vec::new();
    if pieces.len() > 1 {
        let mut causes = Runs::of(conn)?.causes(from, now, &settings, validity_ms);
        causes.pop();
        gaps.extend(causes.iter().map(|cause| gap(cause.from, Some(cause.to), cause.reasons[0])));
    }
    if let Some(piece) = pieces.last() {
        let run = last_run(conn)?;
        let why = if service.removed_at.is_some() || piece.paused {
            GapReason::Paused
        } else if run.is_none_or(|run| run.stopped_at.is_some() || run.alive_at < piece.from) {
            GapReason::Off
        } else {
            GapReason::Stalled
        };
        gaps.push(gap(piece.from, None, why));
    }
    Ok(gaps)
}

/// When the monitor ran and what interrupted it, ever.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    /// The starts of its runs, in the order of time,
    starts: Vec<UnixMs>,
    /// and until when each of them was alive.
    runs: Vec<(UnixMs, UnixMs)>,
    interruptions: Vec<Interruption>,
    /// Whether no run began before the end of the one before it, so that the order of time is the order of runs.
    in_order: bool,
}

/// A piece of a gap that has one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cause {
    pub(crate) from: UnixMs,
    pub(crate) to: UnixMs,
    /// The reasons that it can have, the most likely one first; never empty.
    pub(crate) reasons: Vec<GapReason>,
}

impl Runs {
    pub(in crate::store) fn of(conn: &Connection) -> Result<Runs> {
        let mut statement = conn.prepare_cached("SELECT started_at, alive_at FROM run ORDER BY id")?;
        let runs = statement.query_map([], |row| Ok((UnixMs(row.get(0)?), UnixMs(row.get(1)?))))?;
        let runs = runs.collect::<rusqlite::Result<Vec<(UnixMs, UnixMs)>>>()?;
        let in_order = runs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].0);
        let mut starts: Vec<UnixMs> = runs.iter().map(|(started_at, _)| *started_at).collect();
        starts.sort();
        let mut statement = conn.prepare_cached("SELECT from_at, to_at, why, results FROM interruption ORDER BY id")?;
        let interruptions = statement.query_map([], |row| {
            Ok(Interruption {
                from: UnixMs(row.get(0)?),
                to: UnixMs(row.get(1)?),
                why: GapReason::parse(&row.get::<_, String>(2)?).unwrap_or(GapReason::Stalled),
                results: row.get::<_, i64>(3)?.unsigned_abs(),
            })
        })?;
        Ok(Runs { starts, runs, interruptions: interruptions.collect::<rusqlite::Result<_>>()?, in_order })
    }

    /// Whether what happened can be derived from the order of time. Settings begin with the run that has them, unless
    /// they had to wait for a clock that was set back.
    fn steady(&self, settings: &Settings) -> bool {
        self.in_order && settings.iter().all(|(since, _)| self.starts.binary_search(since).is_ok())
    }

    /// What a gap is made of: pieces that follow each other, and why nothing was observed in each. `validity_ms` is how
    /// long the result before it was valid at most.
    pub(crate) fn causes(&self, from: UnixMs, to: UnixMs, settings: &Settings, validity_ms: i64) -> Vec<Cause> {
        let pieces = settings.cut(from, to);
        let reasons = |n: usize, piece: &Piece| match piece.paused {
            _ if pieces.len() == 1 => self.reasons(from, to, settings, validity_ms),
            true => vec![GapReason::Paused],
            false if n + 1 == pieces.len() => self.reasons(piece.from, to, settings, validity_ms),
            false => self.before_a_pause(piece, settings, validity_ms),
        };
        let cause = |(n, piece): (usize, &Piece)| Cause { from: piece.from, to: piece.to, reasons: reasons(n, piece) };
        pieces.iter().enumerate().map(cause).collect()
    }

    /// The reasons of a piece that a pause ended: that the monitor was off, if it was for most of it.
    fn before_a_pause(&self, piece: &Piece, settings: &Settings, validity_ms: i64) -> Vec<GapReason> {
        let within = |from: UnixMs, to: UnixMs| to.min(piece.to).since(from.max(piece.from)).max(0);
        let alive: i64 = self.runs.iter().map(|(start, alive)| within(*start, *alive)).sum();
        let interrupted = self.interrupted(piece.from, piece.to, validity_ms);
        let first = match interrupted.first() {
            _ if 2 * alive <= piece.to.since(piece.from) => GapReason::Off,
            Some(why) => *why,
            None => GapReason::Stalled,
        };
        match self.steady(settings) {
            true => vec![first],
            false => {
                [first, GapReason::Off, GapReason::Paused, GapReason::Stalled].into_iter().chain(interrupted).collect()
            }
        }
    }

    /// Why the monitor could not observe in a window, what took longest first.
    fn interrupted(&self, from: UnixMs, to: UnixMs, validity_ms: i64) -> Vec<GapReason> {
        let end = |i: &Interruption| match i.why {
            // A result that was not kept would have spoken for a while.
            GapReason::NotStored => i.to.plus(validity_ms),
            _ => i.to,
        };
        let overlap = |i: &&Interruption| end(i).min(to).since(i.from.max(from));
        let mut overlapping: Vec<&Interruption> = self.interruptions.iter().filter(|i| overlap(i) > 0).collect();
        overlapping.sort_by_key(|i| -overlap(i));
        overlapping.iter().map(|i| i.why).collect()
    }

    /// The reasons that a gap can have that no pause divides, the most likely one first. In most gaps it is the only
    /// one; nothing records which interruptions were known when a gap was written, so that of a run may also have none
    /// of them.
    pub(crate) fn reasons(&self, from: UnixMs, to: UnixMs, settings: &Settings, validity_ms: i64) -> Vec<GapReason> {
        let (mut reasons, steady) = (Vec::new(), self.steady(settings));
        let began = self.starts[..self.starts.partition_point(|&start| start <= to)].last().copied();
        let off = |began: UnixMs| {
            let before = settings.iter().rev().find(|(since, _)| *since < began);
            if before.is_some_and(|(_, s)| !s.enabled) { GapReason::Paused } else { GapReason::Off }
        };
        if let Some(began) = began.filter(|began| *began > from) {
            reasons.push(off(began));
            if steady {
                return reasons;
            }
            reasons.extend([GapReason::Off, GapReason::Paused]);
        }
        reasons.extend(self.interrupted(from, to, validity_ms));
        // Where a run began while the last result of the run before it was still valid.
        if let Some(began) = began.filter(|began| *began > from.plus(-validity_ms)) {
            reasons.push(off(began));
            if steady {
                return reasons;
            }
            reasons.extend([GapReason::Off, GapReason::Paused]);
        }
        reasons.push(GapReason::Stalled);
        reasons
    }
}
