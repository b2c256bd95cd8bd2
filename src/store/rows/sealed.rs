//! Sealed days: the results of one service and UTC day as compressed columns, for who would rather have room than SQL.
//!
//! A day is sealed or it lies in `check_result`, never both, and what is sealed is older than the newest row of its
//! service. How days become sealed, and rows again: [`super::sealing`].

use super::{
    column::{self, Owner},
    main_table::{self, needed},
    row::Row,
    walk::{Columns, Direction, Walk},
};
use crate::{
    domain::{
        check::{Outcome, PhaseTimes},
        time::{DAY_MS, UnixMs},
    },
    live::ServiceId,
    store::{Result, StoreError},
};
use rusqlite::{Connection, OptionalExtension};
use std::ops::ControlFlow;

/// A sealed day, as far as it is known without its columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) service: ServiceId,
    pub(super) day: UnixMs,
    pub(super) first_at: UnixMs,
    pub(super) last_at: UnixMs,
    pub(super) results: usize,
    pub(super) outcomes: u8,
}

pub(super) const PLACE: &str = "id, service_id, day, first_at, last_at, results, outcomes";

/// What the table requires of its rows, too. A damaged file need not keep to it: a walk passes over what is no day as
/// if it were not there, and `verify` reports it.
pub(super) const IS_DAY: &str = "day % 86400000 = 0 AND day BETWEEN -9000000000000000 AND 9000000000000000
    AND first_at >= day AND last_at BETWEEN first_at AND day + 86399999
    AND results BETWEEN 1 AND 1000000 AND outcomes BETWEEN 1 AND 15";

/// Days with more results stay rows: what a file says must not fill the memory.
pub(super) const MOST: usize = 1_000_000;

impl Place {
    /// From the columns [`PLACE`].
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Place> {
        Ok(Place {
            id: row.get(0)?,
            service: ServiceId(row.get(1)?),
            day: UnixMs(row.get(2)?),
            first_at: UnixMs(row.get(3)?),
            last_at: UnixMs(row.get(4)?),
            results: row.get::<_, u32>(5)? as usize,
            outcomes: row.get(6)?,
        })
    }

    /// The first moment after it.
    pub(super) fn end(&self) -> UnixMs {
        self.day.plus(DAY_MS)
    }

    pub(super) fn unreadable(&self, conn: &Connection) -> StoreError {
        let name = "SELECT name FROM service WHERE id = ?1";
        let name = conn.query_row(name, [self.service.0], |row| row.get::<_, String>(0)).unwrap_or_default();
        StoreError::Content(format!(
            "a sealed day that cannot be read: {} of “{name}”, with {} results; `verify` says more",
            self.day.utc().format("%Y-%m-%d"),
            self.results
        ))
    }
}

/// The nearest sealed day that a walk comes by.
pub(super) fn next(conn: &Connection, walk: Walk, direction: Direction) -> Result<Option<Place>> {
    let order = match direction {
        Direction::Forward => "ASC",
        Direction::Backward => "DESC",
    };
    let sql = format!(
        "SELECT {PLACE} FROM sealed_day WHERE service_id = ?1 AND day BETWEEN ?2 AND ?3
           AND last_at >= ?4 AND first_at <= ?3 AND outcomes & ?5 AND {IS_DAY} ORDER BY day {order} LIMIT 1"
    );
    let arguments = [walk.service.0, day_of(walk.from), walk.to, walk.from, i64::from(walk.outcomes.0)];
    Ok(conn.prepare_cached(&sql)?.query_row(arguments, Place::read).optional()?)
}

/// The beginning of the day that a moment lies in.
fn day_of(at: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(DAY_MS))
}

impl Walk {
    /// The part of it that lies in the day that it begins in, and what comes after; `None` where it has no beginning.
    fn first_day(self, direction: Direction) -> Option<(Walk, Walk)> {
        match direction {
            Direction::Forward => {
                let end = day_of(self.from).checked_add(DAY_MS)?;
                let there_is = self.from > i64::MIN;
                there_is.then_some((Walk { to: self.to.min(end - 1), ..self }, Walk { from: end, ..self }))
            }
            Direction::Backward => {
                let begin = day_of(self.to);
                let there_is = self.to < i64::MAX && begin > i64::MIN;
                there_is.then(|| (Walk { from: self.from.max(begin), ..self }, Walk { to: begin - 1, ..self }))
            }
        }
    }

    /// The part of it before a sealed day, and the part after it.
    fn around(self, place: Place, direction: Direction) -> (Walk, Walk) {
        let (before, after) = (Walk { to: place.day.0 - 1, ..self }, Walk { from: place.end().0, ..self });
        match direction {
            Direction::Forward => (before, after),
            Direction::Backward => (after, before),
        }
    }

    fn is_empty(&self) -> bool {
        self.from > self.to
    }
}

/// Hands `each` the rows that are sealed and those of `check_result`, in the order of time.
pub(super) fn walk(
    conn: &Connection,
    walk: Walk,
    direction: Direction,
    each: &mut impl FnMut(Row) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut rest = walk;
    // Most walks stay within a day of which there are rows: it is not sealed, and no query is needed.
    if let Some((day, after)) = walk.first_day(direction) {
        let mut seen = false;
        let mut take = |row| {
            seen = true;
            each(row)
        };
        if main_table::walk(conn, day, direction, &mut take)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if seen {
            rest = after;
        }
    }
    while !rest.is_empty() {
        let Some(place) = next(conn, rest, direction)? else { return main_table::walk(conn, rest, direction, each) };
        let (before, after) = rest.around(place, direction);
        if !before.is_empty() && main_table::walk(conn, before, direction, each)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut rows = read(conn, place, walk.need)?;
        rows.retain(|row| walk.has(row));
        if direction == Direction::Backward {
            rows.reverse();
        }
        for row in rows {
            if each(row)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        rest = after;
    }
    Ok(ControlFlow::Continue(()))
}

/// How many sealed rows belong to a walk.
pub(super) fn count(conn: &Connection, walk: Walk) -> Result<u64> {
    let (mut rest, mut count) = (walk, 0);
    while let Some(place) = next(conn, rest, Direction::Forward)? {
        let whole =
            walk.from <= place.first_at.0 && place.last_at.0 <= walk.to && place.outcomes & !walk.outcomes.0 == 0;
        count += match whole {
            true => place.results,
            false => read(conn, place, Columns::Outcome)?.iter().filter(|row| walk.has(row)).count(),
        };
        rest.from = place.end().0;
    }
    Ok(count as u64)
}

/// The rows of a sealed day, with the columns that are needed.
pub(super) fn read(conn: &Connection, place: Place, need: Columns) -> Result<Vec<Row>> {
    let names = needed(need);
    let mut statement = conn.prepare_cached(&format!("SELECT {names} FROM sealed_day WHERE id = ?1"))?;
    let mut found = statement.query([place.id])?;
    let Some(found) = found.next()? else { return Err(place.unreadable(conn)) };
    let mut numbers = Vec::new();
    for (index, name) in names.split(", ").enumerate() {
        let owner = Owner { service: place.service, day: place.day, name };
        numbers.push(match found.get_ref(index)?.as_blob_or_null().map_err(|_| place.unreadable(conn))? {
            Some(bytes) => column::decode(bytes, place.results, owner).ok_or_else(|| place.unreadable(conn))?,
            None => Vec::new(),
        });
    }
    (0..place.results).map(|n| row(&numbers, n)).collect::<Option<Vec<Row>>>().ok_or_else(|| place.unreadable(conn))
}

/// The row of this place in columns that are those of [`needed`]; `None` where a number is none that its column can have.
fn row(columns: &[Vec<Option<i64>>], n: usize) -> Option<Row> {
    let number = |column: usize| columns.get(column).and_then(|numbers| numbers.get(n)).copied().flatten();
    fn small<T: TryFrom<i64>>(number: Option<i64>) -> Option<Option<T>> {
        match number {
            Some(number) => T::try_from(number).ok().map(Some),
            None => Some(None),
        }
    }
    Some(Row {
        at: UnixMs(number(0)?),
        outcome: Outcome::from_code(number(1)?)?,
        latency_us: small(number(2))?,
        phases: PhaseTimes {
            dns_us: small(number(3))?,
            connect_us: small(number(4))?,
            tls_us: small(number(5))?,
            ttfb_us: small(number(6))?,
        },
        recheck: number(7) == Some(1),
        http_status: small(number(8))?,
        certificate_days: small(number(9))?,
        reason: number(10),
    })
}
