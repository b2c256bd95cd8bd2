//! Sealed days: the results of one service and UTC day as compressed columns, for who would rather have room than SQL.
//!
//! A day is sealed or it lies in `check_result`, never both, and what is sealed is older than the newest row of its
//! service. Who writes into a sealed day makes rows of it first ([`unseal`]).

use super::{
    Need, Outcomes, Row, Stock, Walk, column,
    settled::{self, needed},
};
use crate::{
    board::ServiceId,
    domain::{
        check::{Outcome, PhaseTimes},
        time::{DAY_MS, UnixMs},
    },
    store::{Result, StoreError, schema},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::{collections::BTreeSet, ops::ControlFlow};

/// Days with fewer results stay rows: as columns they would hardly be smaller.
pub(in crate::store) const WORTH_SEALING: usize = 16;

/// The columns of rows, in the order of [`Columns`].
const COLUMNS: &str =
    "at, outcome, latency_us, dns_us, connect_us, tls_us, ttfb_us, recheck, http_status, certificate_days, reason_id";

/// Which way a walk goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// A sealed day, as far as it is told without its columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) struct Place {
    id: i64,
    pub(in crate::store) day: UnixMs,
    pub(in crate::store) first_at: UnixMs,
    pub(in crate::store) last_at: UnixMs,
    pub(in crate::store) results: usize,
    outcomes: u8,
}

impl Place {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Place> {
        Ok(Place {
            id: row.get(0)?,
            day: UnixMs(row.get(1)?),
            first_at: UnixMs(row.get(2)?),
            last_at: UnixMs(row.get(3)?),
            results: usize::try_from(row.get::<_, u32>(4)?).unwrap_or(usize::MAX),
            outcomes: row.get(5)?,
        })
    }

    /// The first moment after it.
    fn end(&self) -> UnixMs {
        self.day.plus(DAY_MS)
    }

    fn unreadable(&self) -> StoreError {
        StoreError::Content(format!(
            "a sealed day that cannot be read ({} of {} results): a backup may have it whole",
            self.day, self.results
        ))
    }
}

const PLACE: &str = "id, day, first_at, last_at, results, outcomes";

/// The nearest sealed day of a walk.
fn next(conn: &Connection, walk: Walk, direction: Direction) -> Result<Option<Place>> {
    let order = match direction {
        Direction::Forward => "ASC",
        Direction::Backward => "DESC",
    };
    let sql = format!(
        "SELECT {PLACE} FROM sealed_day WHERE service_id = ?1 AND day BETWEEN ?2 AND ?3
           AND last_at >= ?4 AND first_at <= ?3 AND outcomes & ?5 ORDER BY day {order} LIMIT 1"
    );
    let from = day_of(walk.from);
    let arguments = [walk.service.0, from, walk.to, walk.from, i64::from(walk.outcomes.0)];
    Ok(conn.prepare_cached(&sql)?.query_row(arguments, Place::read).optional()?)
}

/// The beginning of the day that a moment lies in.
fn day_of(at: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(DAY_MS))
}

/// Hands `each` the rows that are sealed and those of `check_result`, in the order of time.
///
/// A walk that stays within a day in which there is a row asks for no sealed ones: there are none.
pub(super) fn walk(
    conn: &Connection,
    walk: Walk,
    direction: Direction,
    each: &mut impl FnMut(Row) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut rest = walk;
    // Between the beginning of the walk and here lies no sealed day that has not been walked over. As long as none has
    // been asked for: the end of the first day, for a row before it says that this day is not sealed.
    let mut fence = match direction {
        Direction::Forward => day_of(rest.from).saturating_add(DAY_MS),
        Direction::Backward => day_of(rest.to),
    };
    let beyond = |at: i64, fence: i64| match direction {
        Direction::Forward => at >= fence,
        Direction::Backward => at < fence,
    };
    let mut place: Option<Place> = None;
    let (mut asked, mut seen) = (false, false);
    loop {
        let mut fenced = false;
        let mut take = |row: Row| {
            if beyond(row.at.0, fence) && !asked {
                place = next(conn, rest, direction)?;
                fence = fence_of(place, direction);
                asked = true;
            }
            fenced = beyond(row.at.0, fence);
            if fenced {
                return Ok(ControlFlow::Break(()));
            }
            seen = true;
            each(row)
        };
        let went = match direction {
            Direction::Forward => settled::forward(conn, rest, &mut take)?,
            Direction::Backward => settled::backward(conn, rest, &mut take)?,
        };
        if went.is_break() && !fenced {
            return Ok(went);
        }
        if !asked {
            let within_a_day = day_of(rest.from) == day_of(rest.to);
            if seen && within_a_day {
                return Ok(ControlFlow::Continue(()));
            }
            place = next(conn, rest, direction)?;
            asked = true;
        }
        let Some(here) = place else { return Ok(ControlFlow::Continue(())) };
        if over(conn, here, walk, direction, each)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match direction {
            Direction::Forward => rest.from = here.end().0,
            Direction::Backward => rest.to = here.day.0 - 1,
        }
        if rest.from > rest.to {
            return Ok(ControlFlow::Continue(()));
        }
        place = next(conn, rest, direction)?;
        fence = fence_of(place, direction);
    }
}

/// Where the next sealed day begins, in the direction of the walk.
fn fence_of(place: Option<Place>, direction: Direction) -> i64 {
    match (place, direction) {
        (Some(place), Direction::Forward) => place.day.0,
        (Some(place), Direction::Backward) => place.end().0,
        (None, Direction::Forward) => i64::MAX,
        (None, Direction::Backward) => i64::MIN,
    }
}

/// Hands `each` the rows of one sealed day that belong to the walk.
fn over(
    conn: &Connection,
    place: Place,
    walk: Walk,
    direction: Direction,
    each: &mut impl FnMut(Row) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
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
    Ok(ControlFlow::Continue(()))
}

/// How many sealed rows belong to a walk.
pub(super) fn count(conn: &Connection, walk: Walk) -> Result<u64> {
    let (mut rest, mut count) = (walk, 0);
    while let Some(place) = next(conn, rest, Direction::Forward)? {
        let whole =
            walk.from <= place.first_at.0 && place.last_at.0 <= walk.to && place.outcomes & !walk.outcomes.0 == 0;
        if whole {
            count += place.results as u64;
        } else {
            count += read(conn, place, Need::Outcome)?.iter().filter(|row| walk.has(row)).count() as u64;
        }
        rest.from = place.end().0;
    }
    Ok(count)
}

/// The rows of a sealed day, with the columns that are needed.
fn read(conn: &Connection, place: Place, need: Need) -> Result<Vec<Row>> {
    let sql = format!("SELECT {} FROM sealed_day WHERE id = ?1", needed(need));
    let mut statement = conn.prepare_cached(&sql)?;
    let columns = statement.column_count();
    let mut found = statement.query([place.id])?;
    let Some(found) = found.next()? else { return Err(place.unreadable()) };
    let mut numbers = Vec::with_capacity(columns);
    for index in 0..columns {
        numbers.push(match found.get_ref(index)?.as_blob_or_null().map_err(|_| place.unreadable())? {
            Some(bytes) => column::decode(bytes, place.results).ok_or_else(|| place.unreadable())?,
            None => Vec::new(),
        });
    }
    (0..place.results).map(|n| row(&numbers, n)).collect::<Option<Vec<Row>>>().ok_or_else(|| place.unreadable())
}

/// The row of this place; `None` where a number is none that its column can have.
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

/// The numbers of a row, in the order of [`COLUMNS`].
fn numbers(row: &Row) -> [Option<i64>; 11] {
    let PhaseTimes { dns_us, connect_us, tls_us, ttfb_us } = row.phases;
    [
        Some(row.at.0),
        Some(row.outcome.code()),
        row.latency_us.map(i64::from),
        dns_us.map(i64::from),
        connect_us.map(i64::from),
        tls_us.map(i64::from),
        ttfb_us.map(i64::from),
        Some(row.recheck.into()),
        row.http_status.map(i64::from),
        row.certificate_days.map(i64::from),
        row.reason,
    ]
}

/// Makes columns of the rows of a day; how many there were. 0 where there are too few to be worth it: they stay rows.
pub(in crate::store) fn seal(conn: &Connection, service: ServiceId, day: UnixMs) -> Result<usize> {
    unseal(conn, service, day)?;
    let walk = Walk::over(service).from(day).before(day.plus(DAY_MS)).with(Need::Everything);
    let mut rows = Vec::new();
    let _all = settled::forward(conn, walk, &mut |row| {
        rows.push(row);
        Ok(ControlFlow::Continue(()))
    })?;
    let ([first, .., last], WORTH_SEALING..) = (&rows[..], rows.len()) else { return Ok(0) };
    let numbers: Vec<_> = rows.iter().map(numbers).collect();
    let columns: Vec<Option<Vec<u8>>> =
        (0..11).map(|column| column::encode(&numbers.iter().map(|row| row[column]).collect::<Vec<_>>())).collect();
    let outcomes = rows.iter().fold(0, |mask, row| mask | Outcomes::only(row.outcome).0);
    conn.prepare_cached(&format!(
        "INSERT INTO sealed_day (service_id, day, first_at, last_at, results, outcomes, checksum, {COLUMNS})
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)"
    ))?
    .execute(params![
        service.0,
        day.0,
        first.at.0,
        last.at.0,
        rows.len() as i64,
        outcomes,
        checksum(columns.iter().map(Option::as_deref)),
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        columns[4],
        columns[5],
        columns[6],
        columns[7],
        columns[8],
        columns[9],
        columns[10],
    ])?;
    let id = conn.last_insert_rowid();
    for reason in reasons(&rows) {
        conn.prepare_cached("INSERT INTO sealed_reason VALUES (?1, ?2)")?.execute([id, reason])?;
    }
    // The rows go only once it is certain that they can be had again.
    let sealed = of_day(conn, service, day)?.map(|place| read(conn, place, Need::Everything)).transpose()?;
    if sealed.as_ref() != Some(&rows) {
        return Err(StoreError::Content(format!("a day that does not read as it was written ({day})")));
    }
    settled::delete_between(conn, service, first.at, last.at)?;
    Ok(rows.len())
}

fn reasons(rows: &[Row]) -> BTreeSet<i64> {
    rows.iter().filter_map(|row| row.reason).collect()
}

/// Of the columns, the missing ones too.
fn checksum<'a>(columns: impl Iterator<Item = Option<&'a [u8]>>) -> i64 {
    let bytes = columns.flat_map(|column| {
        let length = column.map_or(u64::MAX, |bytes| bytes.len() as u64);
        length.to_le_bytes().into_iter().chain(column.unwrap_or_default().iter().copied())
    });
    schema::checksum(bytes).cast_signed()
}

/// Makes rows of a sealed day again; how many. 0 where the day of this moment is not sealed.
pub(in crate::store) fn unseal(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<usize> {
    let Some(place) = of_day(conn, service, at)? else { return Ok(0) };
    for row in read(conn, place, Need::Everything)? {
        settled::insert(conn, service, &row)?;
    }
    delete(conn, place)?;
    Ok(place.results)
}

/// The rows of the day of this moment, where it is sealed.
pub(in crate::store) fn rows_of_day(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<Vec<Row>>> {
    of_day(conn, service, at)?.map(|place| read(conn, place, Need::Everything)).transpose()
}

fn of_day(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<Place>> {
    let sql = format!("SELECT {PLACE} FROM sealed_day WHERE service_id = ?1 AND day = ?2");
    let day = at.floor(DAY_MS);
    Ok(conn.prepare_cached(&sql)?.query_row([service.0, day.0], Place::read).optional()?)
}

/// The oldest sealed day of a service.
pub(super) fn oldest(conn: &Connection, service: ServiceId) -> Result<Option<Place>> {
    next(conn, Walk::over(service), Direction::Forward)
}

pub(super) fn delete(conn: &Connection, place: Place) -> Result<()> {
    // A merge, which checks no references until its end, deletes nothing by itself.
    conn.prepare_cached("DELETE FROM sealed_reason WHERE sealed_id = ?1")?.execute([place.id])?;
    conn.prepare_cached("DELETE FROM sealed_day WHERE id = ?1")?.execute([place.id])?;
    Ok(())
}

/// Days that are looked at in one transaction for one that is worth sealing.
const LOOKED_AT: usize = 50;

/// Seals the oldest day of a service that begins at `from` or later and ends by `until`: up to where the days have been
/// dealt with now. `None` when there is none left.
///
/// The day of the newest row stays open: what comes next is later than all that is sealed.
pub(in crate::store) fn seal_next(
    conn: &Connection,
    service: ServiceId,
    from: UnixMs,
    until: UnixMs,
) -> Result<Option<UnixMs>> {
    let edge = |walk: Walk, direction: Direction| -> Result<Option<UnixMs>> {
        let mut found = None;
        let mut take = |row: Row| {
            found = Some(row.at.floor(DAY_MS));
            Ok(ControlFlow::Break(()))
        };
        let _found = match direction {
            Direction::Forward => settled::forward(conn, walk, &mut take)?,
            Direction::Backward => settled::backward(conn, walk, &mut take)?,
        };
        Ok(found)
    };
    let Some(newest) = edge(Walk::over(service), Direction::Backward)? else { return Ok(None) };
    let until = until.min(newest);
    let mut from = from;
    for _ in 0..LOOKED_AT {
        let day = edge(Walk::over(service).from(from).before(until), Direction::Forward)?;
        let Some(day) = day.filter(|day| day.plus(DAY_MS) <= until) else { return Ok(None) };
        from = day.plus(DAY_MS);
        if seal(conn, service, day)? > 0 {
            break;
        }
    }
    Ok(Some(from))
}

/// The rows from a moment on that [`seal_next`] would seal, sooner or later.
pub(in crate::store) fn unsealed(conn: &Connection, service: ServiceId, from: UnixMs, until: UnixMs) -> Result<Stock> {
    let newest: Option<i64> = conn
        .prepare_cached("SELECT max(at) FROM check_result WHERE service_id = ?1")?
        .query_row([service.0], |row| row.get(0))?;
    let until = newest.map_or(until, |newest| until.min(UnixMs(newest))).floor(DAY_MS);
    let sql = "SELECT coalesce(sum(n), 0), min(first), max(last) FROM (
                 SELECT count(*) AS n, min(at) AS first, max(at) AS last FROM check_result
                 WHERE service_id = ?1 AND at >= ?2 AND at < ?3 GROUP BY at / ?4 HAVING n >= ?5)";
    let arguments = [service.0, from.0, until.0, DAY_MS, WORTH_SEALING as i64];
    Ok(conn.prepare_cached(sql)?.query_row(arguments, Stock::read)?)
}

/// What is sealed of a service in days whose results are all older than a moment.
pub(in crate::store) fn before(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Stock> {
    let bytes: Vec<String> = COLUMNS.split(", ").map(|column| format!("coalesce(length({column}), 0)")).collect();
    let sql = format!(
        "SELECT coalesce(sum(results), 0), min(first_at), max(last_at), coalesce(sum({}), 0)
         FROM sealed_day WHERE service_id = ?1 AND last_at < ?2",
        bytes.join(" + ")
    );
    let read = |row: &rusqlite::Row<'_>| Ok(Stock { bytes: row.get::<_, i64>(3)?.unsigned_abs(), ..Stock::read(row)? });
    Ok(conn.prepare_cached(&sql)?.query_row([service.0, before.0], read)?)
}

/// The newest sealed day of these services: whose it is, and when it begins.
pub(in crate::store) fn newest(conn: &Connection, of: Option<ServiceId>) -> Result<Option<(ServiceId, UnixMs)>> {
    let sql = "SELECT service_id, day FROM sealed_day WHERE ?1 IS NULL OR service_id = ?1
               ORDER BY service_id DESC, day DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((ServiceId(row.get(0)?), UnixMs(row.get(1)?)));
    Ok(conn.prepare_cached(sql)?.query_row([of.map(|id| id.0)], read).optional()?)
}

/// What is wrong with a sealed day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::store) struct Fault {
    pub(in crate::store) day: UnixMs,
    pub(in crate::store) what: &'static str,
    pub(in crate::store) stored: String,
    pub(in crate::store) recomputed: String,
    /// Whether its rows can be read: they tell the rest.
    pub(in crate::store) readable: bool,
}

/// Compares what is said of the sealed days of a service with their columns.
pub(in crate::store) fn faults(conn: &Connection, service: ServiceId) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for place in places(conn, service)? {
        let mut differs = |what, stored: String, recomputed: String, readable| {
            if stored != recomputed {
                faults.push(Fault { day: place.day, what, stored, recomputed, readable });
            }
        };
        let (columns, stored): (i64, i64) = sums(conn, place)?;
        differs("checksum", format!("{stored:016x}"), format!("{columns:016x}"), false);
        let rows = match read(conn, place, Need::Everything) {
            Ok(rows) => rows,
            Err(StoreError::Content(_)) => {
                differs("results", "something that cannot be read".to_owned(), "results".to_owned(), false);
                continue;
            }
            Err(error) => return Err(error),
        };
        let ascending = rows.windows(2).all(|pair| pair[0].at < pair[1].at);
        differs("order", ascending.to_string(), true.to_string(), false);
        let (first, last) = (rows.first().map_or(place.day, |row| row.at), rows.last().map_or(place.day, |row| row.at));
        differs("first result", place.first_at.to_string(), first.to_string(), true);
        differs("last result", place.last_at.to_string(), last.to_string(), true);
        let outcomes = rows.iter().fold(0, |mask, row| mask | Outcomes::only(row.outcome).0);
        differs("outcomes", format!("{:04b}", place.outcomes), format!("{outcomes:04b}"), true);
        differs("reasons", format!("{:?}", named(conn, place)?), format!("{:?}", reasons(&rows)), true);
        let beside = settled::count(conn, Walk::over(service).from(place.day).before(place.end()))?;
        differs("rows beside it", beside.to_string(), 0.to_string(), true);
    }
    Ok(faults)
}

/// All sealed days of a service, whatever is said of them.
fn places(conn: &Connection, service: ServiceId) -> Result<Vec<Place>> {
    let sql = format!("SELECT {PLACE} FROM sealed_day WHERE service_id = ?1 ORDER BY day");
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_map([service.0], Place::read)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The checksum of the columns, and the one that is stored.
fn sums(conn: &Connection, place: Place) -> Result<(i64, i64)> {
    let mut statement = conn.prepare_cached(&format!("SELECT checksum, {COLUMNS} FROM sealed_day WHERE id = ?1"))?;
    let count = statement.column_count();
    Ok(statement.query_row([place.id], |row| {
        let columns = (1..count)
            .map(|column| row.get_ref(column).map(|value| value.as_blob_or_null().unwrap_or_default()))
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok((checksum(columns.into_iter()), row.get(0)?))
    })?)
}

/// The reasons that a sealed day says that it names.
fn named(conn: &Connection, place: Place) -> Result<BTreeSet<i64>> {
    let mut statement = conn.prepare_cached("SELECT reason_id FROM sealed_reason WHERE sealed_id = ?1")?;
    let found = statement.query_map([place.id], |row| row.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        results,
        rows::{
            delete_oldest,
            naive::{compare, open, row},
        },
    };
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What happens to the rows of some days.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Seal(i64),
        Unseal(i64),
        /// One at this share of the time, in thousandths.
        Write(i64),
        Delete(i64),
        SealAll(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..DAYS).prop_map(Step::Seal),
            1 => (0..DAYS).prop_map(Step::Unseal),
            1 => (0..1000_i64).prop_map(Step::Write),
            1 => (0..1000_i64).prop_map(Step::Delete),
            1 => (0..=DAYS).prop_map(Step::SealAll),
        ]
    }

    const DAYS: i64 = 6;
    /// The days before the first and after the last one are days too.
    const FIRST: i64 = -2 * DAY_MS;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn sealed_or_not_every_walk_finds_the_same(
            days in prop::collection::vec(prop_oneof![1 => 0..4_usize, 4 => 14..40_usize], DAYS as usize),
            codes in prop::collection::vec(0_u8..4, 1..300),
            steps in prop::collection::vec(step(), 1..14),
            around in prop::collection::vec(0..1000_i64, 3),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let conn = open(folder.path(), 2);
            let share = |share: i64| FIRST + share * DAYS * DAY_MS / 1000;
            let mut written: BTreeMap<i64, Vec<Row>> = BTreeMap::from([(1, Vec::new()), (2, Vec::new())]);
            let (mut code, reason) = (codes.iter().cycle(), results::reason_id(&conn, &refused()).unwrap());
            let mut make = |at: i64| {
                let row = row(at, *code.next().unwrap());
                Row { reason: (row.outcome == Outcome::Down).then_some(reason), ..row }
            };
            for (day, count) in (0..).zip(&days) {
                for n in 0..*count as i64 {
                    let row = make(FIRST + day * DAY_MS + n * (DAY_MS / 40) + n % 7);
                    for service in [1, 2] {
                        prop_assert!(settled::insert(&conn, ServiceId(service), &row).unwrap());
                        written.get_mut(&service).unwrap().push(row);
                    }
                }
            }
            for step in steps {
                let service = ServiceId(1);
                let rows = written.get_mut(&1).unwrap();
                match step {
                    Step::Seal(day) => {
                        let day = UnixMs(FIRST + day * DAY_MS);
                        let count = rows.iter().filter(|row| row.at.floor(DAY_MS) == day).count();
                        let sealed = seal(&conn, service, day).unwrap();
                        prop_assert_eq!(sealed, if count < WORTH_SEALING { 0 } else { count });
                    }
                    Step::Unseal(day) => {
                        unseal(&conn, service, UnixMs(FIRST + day * DAY_MS + 5)).unwrap();
                    }
                    Step::Write(at) => {
                        let row = make(share(at) + 1);
                        unseal(&conn, service, row.at).unwrap();
                        if settled::insert(&conn, service, &row).unwrap() {
                            rows.insert(rows.partition_point(|other| other.at < row.at), row);
                        }
                    }
                    Step::Delete(at) => {
                        let deleted = delete_oldest(&conn, service, UnixMs(share(at)), 5).unwrap();
                        // The oldest go, and none that is not older.
                        prop_assert!(rows.drain(..deleted).all(|row| row.at.0 < share(at)));
                    }
                    Step::SealAll(days) => {
                        let (mut from, until) = (UnixMs(i64::MIN), UnixMs(FIRST + days * DAY_MS));
                        while let Some(done) = seal_next(&conn, service, from, until).unwrap() {
                            prop_assert!(done <= until && done > from);
                            from = done;
                        }
                        // The day of the newest row, and those of few rows, stay as they are.
                        let newest = rows.last().map_or(FIRST, |row| row.at.floor(DAY_MS).0);
                        let mut per_day: BTreeMap<i64, usize> = BTreeMap::new();
                        rows.iter().for_each(|row| *per_day.entry(row.at.floor(DAY_MS).0).or_default() += 1);
                        for (day, count) in per_day {
                            let sealed = of_day(&conn, service, UnixMs(day)).unwrap().is_some();
                            let ought = day + DAY_MS <= until.0.min(newest) && count >= WORTH_SEALING;
                            prop_assert!(sealed || !ought, "day {} of {} rows", day, count);
                        }
                    }
                }
                prop_assert_eq!(&faults(&conn, service).unwrap(), &[]);
                for around in &around {
                    compare(&conn, &written, share(*around));
                }
                compare(&conn, &written, FIRST + 2 * DAY_MS);
            }
        }
    }

    fn refused() -> crate::domain::check::Reason {
        use crate::domain::check::{Class, Reason};
        Reason { class: Class::Connect, phase: None, message: "refused".into() }
    }

    /// A history with one sealed day of fifty rows.
    fn one_day(folder: &std::path::Path) -> Connection {
        let conn = open(folder, 1);
        for n in 0..50 {
            settled::insert(&conn, ServiceId(1), &row(n * 60_000, (n % 3 == 0).into())).unwrap();
        }
        assert_eq!(seal(&conn, ServiceId(1), UnixMs(0)).unwrap(), 50);
        conn
    }

    #[test]
    fn what_is_said_of_a_sealed_day_is_compared_with_what_is_in_it() {
        for (damage, what, readable) in [
            ("UPDATE sealed_day SET first_at = first_at + 1", "first result", true),
            ("UPDATE sealed_day SET last_at = last_at - 1", "last result", true),
            ("UPDATE sealed_day SET outcomes = 4", "outcomes", true),
            ("UPDATE sealed_day SET checksum = checksum + 1", "checksum", false),
            ("UPDATE sealed_day SET outcome = x'0164646464'", "checksum", false),
            ("UPDATE sealed_day SET results = 49", "results", false),
            (
                "INSERT INTO reason VALUES (7, 'refused', '', 'x'); INSERT INTO sealed_reason VALUES (1, 7)",
                "reasons",
                true,
            ),
            ("INSERT INTO check_result (service_id, at, outcome, recheck) VALUES (1, 5, 0, 0)", "rows beside it", true),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let conn = one_day(folder.path());
            assert_eq!(faults(&conn, ServiceId(1)).unwrap(), []);
            conn.execute_batch(damage).unwrap();
            let found = faults(&conn, ServiceId(1)).unwrap();
            assert!(found.iter().any(|fault| (fault.what, fault.readable) == (what, readable)), "{damage}: {found:?}");
            if readable {
                seal(&conn, ServiceId(1), UnixMs(0)).unwrap();
                assert_eq!(faults(&conn, ServiceId(1)).unwrap(), [], "{damage}");
            }
        }
    }

    #[test]
    fn a_day_that_cannot_be_read_is_an_error_that_says_which() {
        let folder = tempfile::tempdir().unwrap();
        let conn = one_day(folder.path());
        conn.execute("UPDATE sealed_day SET latency_us = x'02ff00ff'", []).unwrap();
        let walk = Walk::over(ServiceId(1));
        assert_eq!(walk.count(&conn).unwrap(), 50);
        assert!(walk.last(&conn).unwrap().is_some(), "what is not damaged can be read");
        let error = walk.with(Need::Latency).last(&conn).unwrap_err().to_string();
        assert!(error.contains("1970-01-01") && error.contains("cannot be read"), "{error}");
    }
}
