//! For tests: what every walk should find, computed in the simplest way.

use super::{Columns, Outcomes, Row, Walk, count_all};
use crate::{
    domain::{
        check::{Outcome, PhaseTimes},
        time::UnixMs,
    },
    live::ServiceId,
    store::connection,
};
use rusqlite::Connection;
use std::{collections::BTreeMap, ops::ControlFlow, path::Path};

/// A new history of so many services.
pub(super) fn open(folder: &Path, services: i64) -> Connection {
    let conn = connection::open_writer(&folder.join("history.db")).unwrap();
    conn.pragma_update(None, "synchronous", "OFF").unwrap();
    for id in 1..=services {
        let sql = "INSERT INTO service (id, name, kind, target, added_at) VALUES (?1, ?1, 'tcp', '', 0)";
        conn.execute(sql, [id]).unwrap();
    }
    conn
}

pub(super) fn row(at: i64, code: u8) -> Row {
    let latency_us = (code < 3).then_some(1000 + u32::from(code));
    let phases = PhaseTimes { dns_us: latency_us, ..PhaseTimes::default() };
    Row {
        at: UnixMs(at),
        outcome: Outcome::from_code(i64::from(code)).unwrap(),
        recheck: at % 3 == 0,
        latency_us,
        phases,
        http_status: (at % 2 == 0).then_some(200),
        certificate_days: (at % 5 == 0).then_some(-3),
        reason: None,
    }
}

/// What every walk should find, of the rows that were written.
pub(super) fn compare(conn: &Connection, written: &BTreeMap<i64, Vec<Row>>, around: i64) {
    for (&service, rows) in written {
        let every = Walk::over(ServiceId(service)).with(Columns::Everything);
        let walks = [
            (every, rows.clone()),
            (every.from(UnixMs(around)), rows.iter().filter(|r| r.at.0 >= around).copied().collect()),
            (every.before(UnixMs(around)), rows.iter().filter(|r| r.at.0 < around).copied().collect()),
            (
                every.only(Outcomes::FAILED).from(UnixMs(around / 2)).before(UnixMs(around)),
                rows.iter()
                    .filter(|r| r.outcome == Outcome::Down && r.at.0 >= around / 2 && r.at.0 < around)
                    .copied()
                    .collect::<Vec<Row>>(),
            ),
        ];
        for (walk, mut expected) in walks {
            let mut found = Vec::new();
            let mut take = |row| {
                found.push(row);
                Ok(ControlFlow::Continue(()))
            };
            walk.forward(conn, &mut take).unwrap();
            assert_eq!(found, expected, "{walk:?}");
            assert_eq!(walk.count(conn).unwrap(), expected.len() as u64, "{walk:?}");
            assert_eq!(walk.first(conn).unwrap(), expected.first().copied(), "{walk:?}");
            assert_eq!(walk.last(conn).unwrap(), expected.last().copied(), "{walk:?}");
            let mut found = Vec::new();
            let mut take = |row| {
                found.push(row);
                Ok(ControlFlow::Continue(()))
            };
            walk.backward(conn, &mut take).unwrap();
            expected.reverse();
            assert_eq!(found, expected, "{walk:?}, backward");
        }
    }
    assert_eq!(count_all(conn).unwrap(), written.values().map(|rows| rows.len() as u64).sum::<u64>());
}
