//! How days become [`sealed`], and rows again.

use super::{
    column::{self, Owner},
    main_table,
    row::{Row, columns},
    sealed::{self, IS_DAY, MOST, PLACE, Place},
    usage::Usage,
    walk::{Columns, Direction, Outcomes, Walk},
};
use crate::{
    domain::time::{DAY_MS, UnixMs},
    live::ServiceId,
    store::{Result, StoreError, disk::checksum::fnv1a},
};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};
use std::{collections::BTreeSet, ops::ControlFlow};

/// Days with fewer results stay rows: as columns they would hardly be smaller.
const WORTH_SEALING: usize = 16;

/// Makes columns of the rows of a day; how many there were. 0 where they are too few to be worth it, or too many: they stay
/// rows.
pub(in crate::store) fn seal(conn: &Connection, service: ServiceId, day: UnixMs) -> Result<usize> {
    unseal(conn, service, day)?;
    let walk = Walk::over(service).from(day).before(day.plus(DAY_MS)).with(Columns::Everything);
    let mut rows = Vec::new();
    let _all = main_table::walk(conn, walk, Direction::Forward, &mut |row| {
        rows.push(row);
        Ok(ControlFlow::Continue(()))
    })?;
    let ([first, .., last], WORTH_SEALING..=MOST) = (&rows[..], rows.len()) else { return Ok(0) };
    let columns = encoded(service, day, &rows);
    let said = [day.0, first.at.0, last.at.0, rows.len() as i64, outcomes(&rows).into(), checksum(&columns), service.0];
    let values = said.map(Value::from).into_iter().chain(columns.into_iter().map(Value::from));
    conn.prepare_cached(concat!(
        "INSERT INTO sealed_day (day, first_at, last_at, results, outcomes, checksum, ",
        columns!(),
        ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)"
    ))?
    .execute(params_from_iter(values))?;
    let id = conn.last_insert_rowid();
    for reason in reasons(&rows) {
        conn.prepare_cached("INSERT INTO sealed_reason VALUES (?1, ?2)")?.execute([id, reason])?;
    }
    // The rows go only once it is certain that they can be had again.
    if rows_of_day(conn, service, day)?.as_ref() != Some(&rows) {
        return Err(StoreError::Content(format!("a day that does not read as it was written ({day})")));
    }
    main_table::delete_between(conn, service, first.at, last.at)?;
    Ok(rows.len())
}

/// The columns of rows, but for whose they are.
fn encoded(service: ServiceId, day: UnixMs, rows: &[Row]) -> Vec<Option<Vec<u8>>> {
    let values: Vec<_> = rows.iter().map(|row| row.values(service)).collect();
    let one = |(index, name): (usize, &str)| {
        let column: Vec<_> = values.iter().map(|row| row[index]).collect();
        column::encode(&column, Owner { service, day, name })
    };
    columns!().split(", ").enumerate().skip(1).map(one).collect()
}

fn outcomes(rows: &[Row]) -> u8 {
    rows.iter().fold(0, |mask, row| mask | Outcomes::only(row.outcome).0)
}

fn reasons(rows: &[Row]) -> BTreeSet<i64> {
    rows.iter().filter_map(|row| row.reason).collect()
}

/// Of the columns, the missing ones too.
fn checksum(columns: &[Option<Vec<u8>>]) -> i64 {
    let bytes = columns.iter().flat_map(|column| {
        let bytes = column.as_deref();
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        length.to_le_bytes().into_iter().chain(bytes.unwrap_or_default().iter().copied())
    });
    fnv1a(bytes).cast_signed()
}

/// The checksum of the columns of a sealed day, and the one that is stored.
fn checksums(conn: &Connection, place: Place) -> Result<(i64, i64)> {
    let sql = concat!("SELECT checksum, ", columns!(), " FROM sealed_day WHERE id = ?1");
    let mut statement = conn.prepare_cached(sql)?;
    let count = statement.column_count();
    Ok(statement.query_row([place.id], |row| {
        // The value after the checksum names the service. A value that is no column is as bad as a missing one.
        let columns: Vec<_> = (2..count).map(|column| row.get(column).unwrap_or_default()).collect();
        Ok((checksum(&columns), row.get(0)?))
    })?)
}

/// Reads a sealed day that is as it was sealed, to the last bit.
fn read_whole(conn: &Connection, place: Place) -> Result<Vec<Row>> {
    make_sure_of(conn, place)?;
    sealed::read(conn, place, Columns::Everything)
}

fn make_sure_of(conn: &Connection, place: Place) -> Result<()> {
    let (columns, stored) = checksums(conn, place)?;
    if columns == stored { Ok(()) } else { Err(place.unreadable(conn)) }
}

/// Makes sure that the columns of a sealed day are as they were sealed, to the last bit.
pub(in crate::store) fn make_sure(conn: &Connection, id: i64) -> Result<()> {
    let sql = format!("SELECT {PLACE} FROM sealed_day WHERE id = ?1 AND {IS_DAY}");
    match conn.prepare_cached(&sql)?.query_row([id], Place::read).optional() {
        Ok(Some(place)) => make_sure_of(conn, place),
        Ok(None) | Err(rusqlite::Error::IntegralValueOutOfRange(..)) => {
            Err(StoreError::Content("a sealed day that is none; `verify` says more".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes rows of a sealed day again; how many. 0 where the day of this moment is not sealed. One that is damaged stays.
pub(in crate::store) fn unseal(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<usize> {
    let Some(place) = of_day(conn, service, at)? else { return Ok(0) };
    for row in read_whole(conn, place)? {
        if !main_table::insert(conn, service, &row)? {
            let there = Walk::over(service).from(row.at).before(row.at.plus(1)).with(Columns::Everything);
            let mut same = false;
            let _one = main_table::walk(conn, there, Direction::Forward, &mut |there| {
                same = there == row;
                Ok(ControlFlow::Break(()))
            })?;
            if !same {
                return Err(StoreError::Content(format!(
                    "two results of one moment ({}), of which one is sealed",
                    row.at
                )));
            }
        }
    }
    delete(conn, place)?;
    Ok(place.results)
}

/// The rows of the day of this moment, where it is sealed.
pub(in crate::store) fn rows_of_day(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<Vec<Row>>> {
    of_day(conn, service, at)?.map(|place| read_whole(conn, place)).transpose()
}

fn of_day(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<Place>> {
    let sql = format!("SELECT {PLACE} FROM sealed_day WHERE service_id = ?1 AND day = ?2 AND {IS_DAY}");
    let day = at.floor(DAY_MS);
    Ok(conn.prepare_cached(&sql)?.query_row([service.0, day.0], Place::read).optional()?)
}

/// The oldest sealed day of a service.
pub(super) fn oldest(conn: &Connection, service: ServiceId) -> Result<Option<Place>> {
    sealed::next(conn, Walk::over(service), Direction::Forward)
}

pub(super) fn delete(conn: &Connection, place: Place) -> Result<()> {
    // A merge, which checks no references until its end, deletes nothing by itself.
    conn.prepare_cached("DELETE FROM sealed_reason WHERE sealed_id = ?1")?.execute([place.id])?;
    conn.prepare_cached("DELETE FROM sealed_day WHERE id = ?1")?.execute([place.id])?;
    Ok(())
}

/// Deletes a sealed day that is damaged. Returns how many results it had, by its stored description.
pub(in crate::store) fn drop_damaged(conn: &Connection, service: ServiceId, day: UnixMs) -> Result<usize> {
    let place = of_day(conn, service, day)?;
    if let Some(place) = place
        && read_whole(conn, place).is_ok()
    {
        return Err(StoreError::Content(format!("{day} is sealed and not damaged: it is not deleted")));
    }
    conn.prepare_cached(
        "DELETE FROM sealed_reason WHERE sealed_id IN (SELECT id FROM sealed_day WHERE service_id = ?1 AND day = ?2)",
    )?
    .execute([service.0, day.0])?;
    conn.prepare_cached("DELETE FROM sealed_day WHERE service_id = ?1 AND day = ?2")?.execute([service.0, day.0])?;
    Ok(place.map_or(0, |place| place.results))
}

/// Days that are looked at in one transaction for one that is worth sealing.
const LOOKED_AT: usize = 300;

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
    let Some(newest) = day_at(conn, Walk::over(service), Direction::Backward)? else { return Ok(None) };
    let until = until.min(newest);
    let mut from = from;
    for _ in 0..LOOKED_AT {
        let day = day_at(conn, Walk::over(service).from(from).before(until), Direction::Forward)?;
        let Some(day) = day.filter(|day| day.plus(DAY_MS) <= until) else { return Ok(None) };
        from = day.plus(DAY_MS);
        if seal(conn, service, day)? > 0 {
            break;
        }
    }
    Ok(Some(from))
}

/// The day of the first row of `check_result` that a walk comes by.
fn day_at(conn: &Connection, walk: Walk, direction: Direction) -> Result<Option<UnixMs>> {
    Ok(main_table::first_at(conn, walk, direction)?.map(|at| at.floor(DAY_MS)))
}

/// The rows from a moment on that [`seal_next`] would seal, sooner or later.
pub(in crate::store) fn unsealed(conn: &Connection, service: ServiceId, from: UnixMs, until: UnixMs) -> Result<Usage> {
    let newest = day_at(conn, Walk::over(service), Direction::Backward)?;
    let until = newest.map_or(until, |newest| until.min(newest)).floor(DAY_MS);
    let sql = "SELECT coalesce(sum(n), 0), min(first), max(last) FROM (
                 SELECT count(*) AS n, min(at) AS first, max(at) AS last FROM check_result
                 WHERE service_id = ?1 AND at >= ?2 AND at < ?3 GROUP BY at / ?4 HAVING n BETWEEN ?5 AND ?6)";
    let arguments = params![service.0, from.0, until.0, DAY_MS, WORTH_SEALING as i64, MOST as i64];
    Ok(conn.prepare_cached(sql)?.query_row(arguments, Usage::read)?)
}

/// What is sealed of a service in days whose results are all older than a moment.
pub(in crate::store) fn before(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Usage> {
    let length = |column: &str| format!("coalesce(length({column}), 0)");
    let bytes: Vec<String> = columns!().split(", ").skip(1).map(length).collect();
    let sql = format!(
        "SELECT coalesce(sum(results), 0), min(first_at), max(last_at), coalesce(sum({}), 0)
         FROM sealed_day WHERE service_id = ?1 AND last_at < ?2",
        bytes.join(" + ")
    );
    let read = |row: &rusqlite::Row<'_>| Ok(Usage { bytes: row.get::<_, i64>(3)?.unsigned_abs(), ..Usage::read(row)? });
    Ok(conn.prepare_cached(&sql)?.query_row([service.0, before.0], read)?)
}

/// The newest sealed day of a service that begins before a moment.
pub(in crate::store) fn newest(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
    let sql = "SELECT max(day) FROM sealed_day WHERE service_id = ?1 AND day < ?2";
    let day: Option<i64> = conn.prepare_cached(sql)?.query_row([service.0, before.0], |row| row.get(0))?;
    Ok(day.map(UnixMs))
}

/// What is wrong with a sealed day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) day: UnixMs,
    pub(crate) what: &'static str,
    pub(crate) stored: String,
    pub(crate) recomputed: String,
    /// Whether its rows can be relied on: the rest follows from them.
    pub(crate) readable: bool,
}

/// Compares the stored descriptions of the sealed days of a service with their columns. Returns the first thing that is
/// wrong with each.
pub(in crate::store) fn faults(conn: &Connection, service: ServiceId) -> Result<Vec<Fault>> {
    let sql = format!("SELECT {PLACE}, coalesce({IS_DAY}, 0) FROM sealed_day WHERE service_id = ?1 ORDER BY day");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut days = statement.query([service.0])?;
    let mut faults = Vec::new();
    while let Some(row) = days.next()? {
        faults.extend(match Place::read(row) {
            Ok(place) if row.get(7)? => fault(conn, place)?,
            _ => Some(Fault {
                day: UnixMs(row.get(2)?),
                what: "description",
                stored: format!("{} of {} results", row.get::<_, i64>(2)?, row.get::<_, i64>(5)?),
                recomputed: "a day".to_owned(),
                readable: false,
            }),
        });
    }
    Ok(faults)
}

fn fault(conn: &Connection, place: Place) -> Result<Option<Fault>> {
    let (columns, stored) = checksums(conn, place)?;
    let rows = match sealed::read(conn, place, Columns::Everything) {
        Ok(rows) => Some(rows),
        Err(StoreError::Content(_)) => None,
        Err(error) => return Err(error),
    };
    let rows = rows.unwrap_or_default();
    let ascending = rows.windows(2).all(|pair| pair[0].at < pair[1].at);
    let inside = rows.iter().all(|row| (place.day..place.end()).contains(&row.at));
    let edge = |row: Option<&Row>| row.map_or("none".to_owned(), |row| row.at.to_string());
    let beside = main_table::count(conn, Walk::over(place.service).from(place.day).before(place.end()))?;
    let compared = [
        ("checksum", format!("{stored:016x}"), format!("{columns:016x}"), false),
        ("results", place.results.to_string(), rows.len().to_string(), false),
        ("order of the results", (ascending && inside).to_string(), true.to_string(), false),
        ("first result", place.first_at.to_string(), edge(rows.first()), true),
        ("last result", place.last_at.to_string(), edge(rows.last()), true),
        ("outcomes", format!("{:04b}", place.outcomes), format!("{:04b}", outcomes(&rows)), true),
        ("reasons", format!("{:?}", named(conn, place)?), format!("{:?}", reasons(&rows)), true),
        ("rows beside it", beside.to_string(), 0.to_string(), true),
    ];
    let differing = compared.into_iter().find(|(_, stored, recomputed, _)| stored != recomputed);
    Ok(differing.map(|(what, stored, recomputed, readable)| Fault {
        day: place.day,
        what,
        stored,
        recomputed,
        readable,
    }))
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
    use crate::{
        domain::check::Outcome,
        store::{
            rows::{
                delete_oldest,
                naive::{compare, open, row},
            },
            tables::reasons,
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
        #![proptest_config(crate::domain::law(60))]

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
            let (mut code, reason) = (codes.iter().cycle(), reasons::id(&conn, &refused()).unwrap());
            let mut make = |at: i64| {
                let row = row(at, *code.next().unwrap());
                Row { reason: (row.outcome == Outcome::Down).then_some(reason), ..row }
            };
            for (day, count) in (0..).zip(&days) {
                for n in 0..*count as i64 {
                    let row = make(FIRST + day * DAY_MS + n * (DAY_MS / 40) + n % 7);
                    for service in [1, 2] {
                        prop_assert!(main_table::insert(&conn, ServiceId(service), &row).unwrap());
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
                        if main_table::insert(&conn, service, &row).unwrap() {
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
                        let mut open: BTreeMap<i64, usize> = BTreeMap::new();
                        for row in rows.iter() {
                            if of_day(&conn, service, row.at).unwrap().is_none() {
                                *open.entry(row.at.floor(DAY_MS).0).or_default() += 1;
                            }
                        }
                        // The day of the newest row, and those of few rows, stay as they are.
                        let newest = open.last_key_value().map_or(FIRST, |(day, _)| *day);
                        for (day, count) in open {
                            let ought = day + DAY_MS <= until.0.min(newest) && count >= WORTH_SEALING;
                            prop_assert!(!ought, "day {} of {} rows", day, count);
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
            main_table::insert(&conn, ServiceId(1), &row(n * 60_000, (n % 3 == 0).into())).unwrap();
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
            ("UPDATE sealed_day SET outcome = x'0000000001646464'", "checksum", false),
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
        let error = walk.with(Columns::Latency).last(&conn).unwrap_err().to_string();
        assert!(error.contains("1970-01-01") && error.contains("cannot be read"), "{error}");
    }
}
