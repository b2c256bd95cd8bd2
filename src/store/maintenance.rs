//! Maintenance in the history: what the configuration announced, noted when it happens, and what was marked afterwards.
//!
//! An overlay: no check result is changed by it. What is a function of the results (sums, downtime) is recomputed where
//! a mark changes it. What was announced also holds the state machine (no incident begins in it), so it stays what it
//! was; a mark only changes figures, so it can be taken back.

use super::{Result, results, rows::Walk, services};
use crate::{
    board::ServiceId,
    calendar::{Planned, Rule, Timetable},
    domain::{
        maintenance::Overlay,
        time::{HOUR_MS, UnixMs},
        window::Window,
    },
};
use rusqlite::{Connection, params};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Who said that it is maintenance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// The configuration, beforehand.
    Config,
    /// Somebody, afterwards.
    Hand,
}

impl Source {
    /// Its word in the exports and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Config => "config",
            Source::Hand => "hand",
        }
    }

    /// The source that a word names.
    pub fn parse(word: &str) -> Option<Source> {
        [Source::Config, Source::Hand].into_iter().find(|source| source.as_str() == word)
    }
}

/// A window of maintenance as the history has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Maintenance {
    pub id: i64,
    pub window: Window,
    pub source: Source,
    /// The names of its services, in order; `None`: all.
    pub services: Option<Vec<String>>,
    pub reason: String,
    /// When it was written down.
    pub noted_at: UnixMs,
    /// When it was taken back: it does not count any more.
    pub taken_back_at: Option<UnixMs>,
}

/// Which maintenance is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// What was announced: it holds the state machine.
    Announced,
    /// All that counts: figures leave it out.
    All,
}

/// The maintenance of one service that shares time with the window; each stretch as long as it is.
pub(super) fn overlay(conn: &Connection, service: ServiceId, window: Window, which: Which) -> Result<Overlay> {
    let mut statement = conn.prepare_cached(
        "SELECT from_at, to_at FROM maintenance m
         WHERE to_at > ?2 AND from_at < ?3 AND taken_back_at IS NULL AND (?4 OR source = 'config')
           AND (everything OR EXISTS (SELECT 1 FROM maintenance_of WHERE maintenance_id = m.id AND service_id = ?1))",
    )?;
    let rows = statement.query_map(params![service.0, window.from().0, window.to().0, which == Which::All], |row| {
        Ok((UnixMs(row.get(0)?), UnixMs(row.get(1)?)))
    })?;
    let spans = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Overlay::new(spans.into_iter().filter_map(|(from, to)| Window::new(from, to))))
}

/// The maintenance of one service that `at` lies in.
pub(super) fn at(conn: &Connection, service: ServiceId, at: UnixMs, which: Which) -> Result<Option<Window>> {
    match Window::new(at, at.plus(1)) {
        Some(moment) => Ok(overlay(conn, service, moment, which)?.at(at)),
        None => Ok(None),
    }
}

/// The same, with the windows that touch it, up to a number of them.
pub(super) fn whole_at(conn: &Connection, service: ServiceId, moment: UnixMs, which: Which) -> Result<Overlay> {
    let Some(mut found) = at(conn, service, moment, which)? else { return Ok(Overlay::NONE) };
    for _ in 0..64 {
        let before = at(conn, service, found.from().plus(-1), which)?;
        let after = at(conn, service, found.to(), which)?;
        let longer = Window::new(before.map_or(found.from(), |w| w.from()), after.map_or(found.to(), |w| w.to()))
            .unwrap_or(found);
        if longer == found {
            break;
        }
        found = longer;
    }
    Ok(Overlay::new([found]))
}

/// Every window that shares time with `asked`, or with `None` every one there is, in the order of time. Those that were
/// taken back are among them.
pub(super) fn list(conn: &Connection, asked: Option<Window>) -> Result<Vec<Maintenance>> {
    let (from, to) = asked.map_or((i64::MIN, i64::MAX), |w| (w.from().0, w.to().0));
    let mut statement = conn.prepare_cached(
        "SELECT id, from_at, to_at, source, everything, reason, noted_at, taken_back_at FROM maintenance
         WHERE to_at > ?1 AND from_at < ?2 ORDER BY from_at, to_at, id",
    )?;
    let rows = statement.query_map([from, to], |row| {
        let source: String = row.get(3)?;
        let found = Window::new(UnixMs(row.get(1)?), UnixMs(row.get(2)?)).map(|window| Maintenance {
            id: 0,
            window,
            source: Source::parse(&source).unwrap_or(Source::Hand),
            services: None,
            reason: String::new(),
            noted_at: UnixMs(0),
            taken_back_at: None,
        });
        let Some(found) = found else { return Ok(None) };
        let everything: bool = row.get(4)?;
        Ok(Some(Maintenance {
            id: row.get(0)?,
            services: (!everything).then(Vec::new),
            reason: row.get(5)?,
            noted_at: UnixMs(row.get(6)?),
            taken_back_at: row.get::<_, Option<i64>>(7)?.map(UnixMs),
            ..found
        }))
    })?;
    let mut found: Vec<Maintenance> = rows.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>()?;
    for one in &mut found {
        if let Some(services) = &mut one.services {
            *services = names_of(conn, one.id)?;
        }
    }
    Ok(found)
}

fn names_of(conn: &Connection, id: i64) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.name FROM maintenance_of o JOIN service s ON s.id = o.service_id WHERE o.maintenance_id = ?1 ORDER BY 1",
    )?;
    let rows = statement.query_map([id], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes a window down; its number.
pub(super) fn write(
    conn: &Connection,
    window: Window,
    source: Source,
    services: Option<&[ServiceId]>,
    reason: &str,
    now: UnixMs,
) -> Result<i64> {
    conn.prepare_cached(
        "INSERT INTO maintenance (from_at, to_at, source, everything, reason, noted_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![window.from().0, window.to().0, source.as_str(), services.is_none(), reason, now.0])?;
    let id = conn.last_insert_rowid();
    for service in services.unwrap_or_default() {
        conn.prepare_cached("INSERT OR IGNORE INTO maintenance_of VALUES (?1, ?2)")?.execute([id, service.0])?;
    }
    Ok(id)
}

/// Names the services of each window that is for all of them: others are about to arrive.
pub(super) fn name_all(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "INSERT OR IGNORE INTO maintenance_of SELECT m.id, s.id FROM maintenance m, service s WHERE m.everything;
         UPDATE maintenance SET everything = 0 WHERE everything;",
    )?;
    Ok(())
}

/// Takes in a window that another history says; the services whose maintenance it changes. One window, as it was known at
/// two moments or of some services only, is one: it is for all of these services, it ends when it was known to end
/// first, and it is taken back where that was known.
///
/// `seen` are the windows that the same document has spoken of before: this is none of them.
pub(super) fn unite(
    conn: &Connection,
    new: &Maintenance,
    everything: bool,
    services: &[ServiceId],
    seen: &mut HashSet<i64>,
) -> Result<Vec<ServiceId>> {
    let mut known: Vec<(i64, i64, Option<i64>, bool)> = conn
        .prepare_cached(
            "SELECT id, to_at, taken_back_at, everything FROM maintenance
             WHERE from_at = ?1 AND source = ?2 AND reason = ?3 AND noted_at = ?4 ORDER BY id",
        )?
        .query_map(params![new.window.from().0, new.source.as_str(), new.reason, new.noted_at.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    known.retain(|(id, ..)| !seen.contains(id));
    // Several can begin and be noted at one moment. The same one has the same services and the same end; or the same
    // services, when it was cut short; or the same end, when it was said of some services only.
    let mut sorted = services.to_vec();
    sorted.sort();
    let mut best = None;
    for one in known {
        let same_services = match one.3 {
            true => everything,
            false => !everything && services_of(conn, one.0, true)?.as_deref() == Some(&sorted),
        };
        let same_end = one.1 == new.window.to().0;
        let likeness = 2 * u8::from(same_services) + u8::from(same_end);
        if likeness > best.map_or(0, |(best, _)| best) {
            best = Some((likeness, one));
        }
    }
    let Some((_, (id, to, taken_back_at, was_everything))) = best else {
        let id = write(conn, new.window, new.source, (!everything).then_some(services), &new.reason, new.noted_at)?;
        conn.prepare_cached("UPDATE maintenance SET taken_back_at = ?2 WHERE id = ?1")?
            .execute(params![id, new.taken_back_at.map(|at| at.0)])?;
        seen.insert(id);
        return Ok(services.to_vec());
    };
    seen.insert(id);
    let end = to.min(new.window.to().0);
    let back = taken_back_at.max(new.taken_back_at.map(|at| at.0));
    let mut changed = services.to_vec();
    if (end, back.is_some()) != (to, taken_back_at.is_some()) {
        changed.extend(match was_everything {
            true => services::all(conn)?.into_iter().map(|s| s.id).collect(),
            false => services_of(conn, id, true)?.unwrap_or_default(),
        });
    }
    conn.prepare_cached(
        "UPDATE maintenance SET to_at = ?2, taken_back_at = ?3, everything = everything OR ?4 WHERE id = ?1",
    )?
    .execute(params![id, end, back, everything])?;
    match was_everything || everything {
        true => {
            conn.prepare_cached("DELETE FROM maintenance_of WHERE maintenance_id = ?1")?.execute([id])?;
        }
        false => {
            for service in services {
                conn.prepare_cached("INSERT OR IGNORE INTO maintenance_of VALUES (?1, ?2)")?
                    .execute([id, service.0])?;
            }
        }
    }
    Ok(changed)
}

/// What the configuration announces, with the numbers of the services, and up to when it has been noted.
#[derive(Debug)]
pub(super) struct Plan {
    planned: Vec<(Planned, Option<Vec<ServiceId>>)>,
    noted_until: UnixMs,
}

impl Plan {
    /// Nothing is announced.
    pub(super) fn none() -> Plan {
        Plan { planned: Vec::new(), noted_until: UnixMs(0) }
    }

    /// At the beginning of a run: notes what is on now, and what happened since `seen_until`, up to which the runs before
    /// this one have seen and judged: that must not be judged anew. What had been noted and is announced no longer ends
    /// now.
    pub(super) fn begin(
        conn: &Connection,
        planned: Vec<Planned>,
        ids: &HashMap<String, ServiceId>,
        seen_until: Option<UnixMs>,
        now: UnixMs,
    ) -> Result<Plan> {
        let planned: Vec<(Planned, Option<Vec<ServiceId>>)> = planned
            .into_iter()
            .map(|planned| {
                let services = planned.services.as_ref().map(|names| {
                    let mut numbers: Vec<ServiceId> = names.iter().filter_map(|name| ids.get(name).copied()).collect();
                    numbers.sort();
                    numbers
                });
                (planned, services)
            })
            .collect();
        let since = seen_until.unwrap_or(now).min(now);
        let Some(missed) = Window::new(since, now.plus(1)) else {
            return Ok(Plan { planned, noted_until: now.plus(1) });
        };
        let mut expected: Vec<(Window, &Planned, &Option<Vec<ServiceId>>)> = planned
            .iter()
            .flat_map(|(planned, services)| {
                planned.rule.windows(missed).into_iter().map(move |w| (w, planned, services))
            })
            .collect();
        for one in list(conn, Some(missed))? {
            if one.source != Source::Config || one.taken_back_at.is_some() {
                continue;
            }
            let services = services_of(conn, one.id, one.services.is_some())?;
            let same = expected.iter().position(|(w, planned, expected)| {
                w.to() == one.window.to()
                    && w.from() <= one.window.from()
                    && planned.reason == one.reason
                    && **expected == services
            });
            match same {
                Some(same) => drop(expected.swap_remove(same)),
                None if one.window.to() > now => cut(conn, &one, now)?,
                None => {}
            }
        }
        expected.sort_by_key(|(w, ..)| (w.from(), w.to()));
        for (window, planned, services) in expected {
            if let Some(window) = Window::new(window.from().max(since), window.to()) {
                write(conn, window, Source::Config, services.as_deref(), &planned.reason, now)?;
            }
        }
        Ok(Plan { planned, noted_until: now.plus(1) })
    }

    /// The timetable of one service from now on. What was noted is needed from `from` on.
    pub(super) fn timetable(&self, conn: &Connection, service: ServiceId, from: UnixMs) -> Result<Timetable> {
        // Windows that touch are one, also where the first of them are over.
        let begun = whole_at(conn, service, from, Which::Announced)?;
        let from = begun.windows().first().map_or(from, |window| window.from().min(from));
        let Some(noted) = Window::new(from, UnixMs::MAX) else { return Ok(Timetable::default()) };
        let announced = overlay(conn, service, noted, Which::Announced)?;
        let all = overlay(conn, service, noted, Which::All)?;
        let rules: Vec<Arc<Rule>> = self
            .planned
            .iter()
            .filter(|(_, services)| services.as_ref().is_none_or(|services| services.contains(&service)))
            .map(|(planned, _)| planned.rule.clone())
            .collect();
        Ok(Timetable::new(announced, all, self.noted_until, rules))
    }

    /// Notes the windows that begin before `until` and have not been noted; up to when it is noted then.
    pub(super) fn note(&self, conn: &Connection, until: UnixMs, now: UnixMs) -> Result<UnixMs> {
        let Some(passed) = Window::new(self.noted_until, until) else { return Ok(self.noted_until) };
        for (planned, services) in &self.planned {
            for window in planned.rule.windows(passed).into_iter().filter(|w| passed.contains(w.from())) {
                write(conn, window, Source::Config, services.as_deref(), &planned.reason, now)?;
            }
        }
        Ok(until)
    }

    /// After the commit: up to here everything is noted.
    pub(super) fn noted(&mut self, until: UnixMs) {
        self.noted_until = until;
    }
}

/// The services of a window, in order; `None`: all.
pub(super) fn services_of(conn: &Connection, id: i64, named: bool) -> Result<Option<Vec<ServiceId>>> {
    if !named {
        return Ok(None);
    }
    let mut statement =
        conn.prepare_cached("SELECT service_id FROM maintenance_of WHERE maintenance_id = ?1 ORDER BY 1")?;
    let rows = statement.query_map([id], |row| Ok(ServiceId(row.get(0)?)))?;
    Ok(Some(rows.collect::<rusqlite::Result<_>>()?))
}

/// A window that is announced no longer ends now; one that would only begin is taken back.
fn cut(conn: &Connection, one: &Maintenance, now: UnixMs) -> Result<()> {
    if one.window.from() < now {
        conn.execute("UPDATE maintenance SET to_at = ?2 WHERE id = ?1", [one.id, now.0])?;
    } else {
        conn.execute("UPDATE maintenance SET taken_back_at = ?2 WHERE id = ?1", [one.id, now.0])?;
    }
    Ok(())
}

/// The hours whose sums a window of maintenance bears on: its own, those before it as far as a result speaks into it or
/// was in doubt until it, and those that the last result in it speaks into.
pub(super) fn hours_around(conn: &Connection, service: ServiceId, window: Window) -> Result<Option<Window>> {
    let before = results::last_judged(conn, service, window.from(), Which::All)?.map_or(window.from(), |(at, _)| at);
    let speaks = match Walk::over(service).before(window.to()).last_at(conn)? {
        Some(at) => at.plus(results::Validities::of(conn, service)?.at(at)),
        None => window.to(),
    };
    Ok(Window::new(before.min(window.from()).floor(HOUR_MS), speaks.max(window.to()).ceil(HOUR_MS)))
}
