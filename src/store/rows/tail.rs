//! The tail: where many services are watched, their newest rows lie in the order in which they came.
//!
//! In `check_result` the next row of each service belongs to a page of its own, so that a round of checks of ten
//! thousand services would write ten thousand pages. In the tail a commit writes its rows side by side, into a part:
//! rows of some seconds, sorted by service. Small parts are joined into larger ones, so that a query reads few; and
//! when enough rows of each service lie there, those of some services at a time move to where they stay, many a page.

use super::{
    main_table::{self, condition, needed},
    row::{Row, columns},
    walk::Walk,
};
use crate::{live::ServiceId, store::Result};
use rusqlite::{Connection, TransactionBehavior, params, params_from_iter};
use std::{ops::ControlFlow, sync::Arc};

/// From so many services on the tail pays: below, most of what a commit writes is not rows.
pub(in crate::store) const PAYS_FROM: usize = 500;

/// How much lies where.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// A part takes rows until it has so many.
    part: usize,
    /// So many parts are joined into one.
    joined: usize,
    /// Rows of each service that lie in the tail on average.
    rows_a_service: usize,
    /// The services move in so many pieces.
    pieces: usize,
}

const SIZES: Sizes = Sizes { part: 2_000, joined: 16, rows_a_service: 30, pieces: 32 };

/// The state of the tail of a running history.
#[derive(Clone, Debug)]
pub(in crate::store) struct Tail {
    sizes: Sizes,
    /// The services, sorted.
    services: Arc<[ServiceId]>,
    /// The part that takes rows, and how many it has. Its number is even; a joined part has the odd one after its last.
    part: i64,
    filled: usize,
    /// Parts that are full and not joined yet.
    full: usize,
    rows: usize,
    /// The first service of the piece that moves next, by its place.
    next: usize,
}

impl Tail {
    /// A tail for these services, where one pays. It has to be empty, which it is once [`settle`] has run.
    pub(in crate::store) fn over(services: impl Iterator<Item = ServiceId>) -> Option<Tail> {
        let services: Vec<ServiceId> = services.collect();
        (services.len() >= PAYS_FROM).then(|| Tail::new(services, SIZES))
    }

    fn new(mut services: Vec<ServiceId>, sizes: Sizes) -> Tail {
        services.sort();
        Tail { sizes, services: services.into(), part: 0, filled: 0, full: 0, rows: 0, next: 0 }
    }

    /// Makes the part that takes the rows of the next commit ready.
    pub(in crate::store) fn begin(&mut self, conn: &Connection) -> Result<()> {
        if self.part == 0 || self.filled >= self.sizes.part {
            self.full += usize::from(self.part > 0);
            self.part += 2;
            self.filled = 0;
            conn.prepare_cached("INSERT INTO tail_part VALUES (?1)")?.execute([self.part])?;
        }
        Ok(())
    }

    /// Writes a row that is later than all of its service. See [`Tail::begin`].
    pub(in crate::store) fn add(&mut self, conn: &Connection, service: ServiceId, row: &Row) -> Result<()> {
        let sql =
            concat!("INSERT INTO tail (", columns!(), ", part) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)");
        conn.prepare_cached(sql)?
            .execute(params_from_iter(row.values(service).into_iter().chain([Some(self.part)])))?;
        self.filled += 1;
        self.rows += 1;
        Ok(())
    }

    /// Moves all rows of one service to where they stay.
    pub(in crate::store) fn settle_one(&mut self, conn: &Connection, service: ServiceId) -> Result<()> {
        self.rows -= move_rows(conn, service, service)?.min(self.rows);
        Ok(())
    }

    /// Whether it is time for [`Tail::compact`].
    pub(in crate::store) fn needs_compaction(&self) -> bool {
        self.full >= self.sizes.joined || self.rows >= self.sizes.rows_a_service * self.services.len()
    }

    /// Joins small parts, or moves the rows of some services to where they stay, where it is time for it: one short
    /// transaction. On failure nothing is changed, neither in the file nor in mind.
    pub(in crate::store) fn compact(&mut self, conn: &mut Connection) -> Result<()> {
        if self.full >= self.sizes.joined {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let last = self.part - 2;
            join(&tx, last - 2 * (self.full as i64 - 1), last)?;
            tx.commit()?;
            self.full = 0;
        } else if self.rows >= self.sizes.rows_a_service * self.services.len() {
            let piece = self.services.len().div_ceil(self.sizes.pieces);
            let end = (self.next + piece).min(self.services.len());
            if let [first, .., last] | [first @ last] = &self.services[self.next..end] {
                let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let moved = move_rows(&tx, *first, *last)?;
                tx.execute(
                    "DELETE FROM tail_part WHERE id < ?1 AND NOT EXISTS (SELECT 1 FROM tail WHERE part = tail_part.id)",
                    [self.part],
                )?;
                tx.commit()?;
                self.rows -= moved.min(self.rows);
            }
            self.next = if end == self.services.len() { 0 } else { end };
        }
        Ok(())
    }
}

/// Joins the parts from `first` to `last` into the part after it.
fn join(conn: &Connection, first: i64, last: i64) -> Result<()> {
    conn.prepare_cached("INSERT INTO tail_part VALUES (?1)")?.execute([last + 1])?;
    conn.prepare_cached(concat!(
        "INSERT INTO tail (part, ",
        columns!(),
        ") SELECT ?3, ",
        columns!(),
        " FROM tail WHERE part BETWEEN ?1 AND ?2 ORDER BY service_id, at"
    ))?
    .execute([first, last, last + 1])?;
    conn.prepare_cached("DELETE FROM tail WHERE part BETWEEN ?1 AND ?2")?.execute([first, last])?;
    conn.prepare_cached("DELETE FROM tail_part WHERE id BETWEEN ?1 AND ?2")?.execute([first, last])?;
    Ok(())
}

/// Moves the rows of these services, both ends included, to where they stay; how many.
fn move_rows(conn: &Connection, first: ServiceId, last: ServiceId) -> Result<usize> {
    let moved = conn
        .prepare_cached(concat!(
            "INSERT INTO check_result (",
            columns!(),
            ") SELECT ",
            columns!(),
            " FROM tail_part p CROSS JOIN tail t ON t.part = p.id AND t.service_id BETWEEN ?1 AND ?2
             ORDER BY service_id, at"
        ))?
        .execute([first.0, last.0])?;
    let gone = conn
        .prepare_cached("DELETE FROM tail WHERE part IN (SELECT id FROM tail_part) AND service_id BETWEEN ?1 AND ?2")?
        .execute([first.0, last.0])?;
    debug_assert_eq!(moved, gone);
    Ok(moved)
}

/// Services whose rows move together when all do.
const AT_ONCE: u32 = 500;

/// Moves all there is to where it stays, in short transactions: what reads and writes a history in any other way than the
/// running service has no tail to think of.
pub(in crate::store) fn settle(conn: &mut Connection) -> Result<()> {
    let any = |conn: &Connection| conn.query_row("SELECT EXISTS (SELECT 1 FROM tail_part)", [], |row| row.get(0));
    let mut done = i64::MIN;
    while any(conn)? {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last: Option<i64> = tx.query_row(
            "SELECT max(id) FROM (SELECT id FROM service WHERE id > ?1 ORDER BY id LIMIT ?2)",
            params![done, AT_ONCE],
            |row| row.get(0),
        )?;
        match last {
            Some(last) => {
                move_rows(&tx, ServiceId(done.saturating_add(1)), ServiceId(last))?;
                done = last;
            }
            None => {
                tx.execute("DELETE FROM tail_part", [])?;
            }
        }
        tx.commit()?;
    }
    Ok(())
}

fn sql(walk: Walk, order: &str) -> String {
    let (columns, condition) = (needed(walk.need), condition(walk.outcomes));
    format!(
        "SELECT {columns} FROM tail_part p CROSS JOIN tail t ON t.part = p.id
         WHERE t.service_id = ?1 AND t.at BETWEEN ?2 AND ?3 {condition} ORDER BY p.id {order}, t.at {order}"
    )
}

pub(super) fn forward(
    conn: &Connection,
    walk: Walk,
    each: &mut impl FnMut(Row) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    main_table::run(conn, &sql(walk, "ASC"), walk, each)
}

pub(super) fn backward(
    conn: &Connection,
    walk: Walk,
    each: &mut impl FnMut(Row) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    main_table::run(conn, &sql(walk, "DESC"), walk, each)
}

pub(super) fn count(conn: &Connection, walk: Walk) -> Result<u64> {
    let condition = condition(walk.outcomes);
    let sql = format!(
        "SELECT count(*) FROM tail_part p CROSS JOIN tail t ON t.part = p.id
         WHERE t.service_id = ?1 AND t.at BETWEEN ?2 AND ?3 {condition}"
    );
    let arguments = [walk.service.0, walk.from, walk.to, i64::from(walk.outcomes.0)];
    let count: i64 = conn.prepare_cached(&sql)?.query_row(arguments, |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::naive::{compare, open, row};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A commit: which services have a row, of which outcome, and whether it is rolled back.
    fn commits() -> impl Strategy<Value = Vec<(Vec<Option<u8>>, bool)>> {
        let one = proptest::collection::vec(proptest::option::weighted(0.6, 0_u8..4), 5);
        proptest::collection::vec((one, proptest::bool::weighted(0.1)), 1..60)
    }

    proptest! {
        #![proptest_config(crate::domain::law(40))]

        #[test]
        fn wherever_rows_lie_every_walk_finds_them(commits in commits(), settled in 0_usize..60) {
            let folder = tempfile::tempdir().unwrap();
            let mut conn = open(folder.path(), 5);
            let services = (1..=5).map(ServiceId).collect();
            let mut tail = Tail::new(services, Sizes { part: 4, joined: 3, rows_a_service: 4, pieces: 2 });
            let mut written: BTreeMap<i64, Vec<Row>> = (1..=5).map(|id| (id, Vec::new())).collect();
            for (n, (rows, rolled_back)) in commits.iter().enumerate() {
                let (mut next, mut new) = (tail.clone(), Vec::new());
                let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
                next.begin(&tx).unwrap();
                for (service, code) in (1..).zip(rows) {
                    if let Some(code) = code {
                        let row = row(n as i64 * 10 + service, *code);
                        next.add(&tx, ServiceId(service), &row).unwrap();
                        new.push((service, row));
                    }
                }
                if !rolled_back {
                    tx.commit().unwrap();
                    tail = next;
                    for (service, row) in new {
                        written.get_mut(&service).unwrap().push(row);
                    }
                } else {
                    drop(tx);
                }
                if n == settled {
                    tail.settle_one(&conn, ServiceId(3)).unwrap();
                }
                tail.compact(&mut conn).unwrap();
                if n % 7 == 0 {
                    compare(&conn, &written, n as i64 * 5);
                }
            }
            compare(&conn, &written, commits.len() as i64 * 5);
            settle(&mut conn).unwrap();
            compare(&conn, &written, commits.len() as i64 * 5);
            let left: i64 = conn
                .query_row("SELECT (SELECT count(*) FROM tail) + (SELECT count(*) FROM tail_part)", [], |row| row.get(0))
                .unwrap();
            prop_assert_eq!(left, 0);
        }
    }

    #[test]
    fn a_full_disk_in_the_middle_of_a_join_or_a_move_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = open(folder.path(), 5);
        let sizes = Sizes { part: 500, joined: 3, rows_a_service: 600, pieces: 2 };
        let mut tail = Tail::new((1..=5).map(ServiceId).collect(), sizes);
        let mut written: BTreeMap<i64, Vec<Row>> = (1..=5).map(|id| (id, Vec::new())).collect();
        let room = |conn: &Connection, pages: i64| {
            conn.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0)).unwrap()
        };
        let (mut joins, mut moves) = (0, 0);
        for n in 0..1000 {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            tail.begin(&tx).unwrap();
            for (service, rows) in &mut written {
                rows.push(row(n * 10 + service, 0));
                tail.add(&tx, ServiceId(*service), rows.last().unwrap()).unwrap();
            }
            tx.commit().unwrap();
            // There is no page left to write to.
            let joins_now = tail.full >= sizes.joined;
            room(&conn, 1);
            if let Err(error) = tail.compact(&mut conn) {
                assert!(error.to_string().contains("the disk is full"), "{error}");
                *(if joins_now { &mut joins } else { &mut moves }) += 1;
                compare(&conn, &written, n * 5);
            }
            room(&conn, 1 << 30);
            tail.compact(&mut conn).unwrap();
            if n % 100 == 0 {
                compare(&conn, &written, n * 5);
            }
        }
        compare(&conn, &written, 5_000);
        assert!(joins > 0 && moves > 0, "{joins} joins and {moves} moves found no room");
    }
}
