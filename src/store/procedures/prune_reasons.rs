//! Reasons that nothing refers to any more: their results have been retired or forgotten.

use crate::{
    domain::time::{DAY_MS, UnixMs},
    store::Result,
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params, params_from_iter};

/// Deletes the reasons that nothing refers to; how many. Every table is read once, from end to end.
pub(in crate::store) fn prune(conn: &mut Connection) -> Result<usize> {
    let referring = referring(conn)?;
    unchecked(conn, |conn| delete_others(conn, &referring))
}

/// With its own check SQLite would read every table once for each reason that is deleted.
fn unchecked<T>(conn: &mut Connection, delete: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
    conn.pragma_update(None, "foreign_keys", false)?;
    let deleted = delete(conn);
    conn.pragma_update(None, "foreign_keys", true)?;
    deleted
}

/// The search for reasons that nothing refers to, while the service runs: it reads all that refers to reasons in small
/// pieces and notes which ones are in use; those that are not go, a few at a time.
///
/// In the meantime triggers note every reference that is written, so that it does not matter where rows move to. A
/// reference that there is at the end was there from the beginning and has been come by, or it was noted. Both the notes
/// and the triggers are of this connection and in memory: a search that is broken off leaves nothing behind.
#[derive(Default, Debug)]
pub(in crate::store) struct Pruning {
    stage: Stage,
    bounds: Bounds,
}

#[derive(Default, Debug)]
enum Stage {
    #[default]
    Idle,
    Reading {
        /// What has to be read still.
        columns: Vec<Column>,
        /// The key in the last one of them up to which it was read.
        after: Vec<i64>,
        begun: Begun,
    },
    Deleting {
        after: i64,
        begun: Begun,
    },
}

/// When a search began, and the newest reason of then.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: UnixMs,
    newest: i64,
}

/// What one step does at most: some milliseconds.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Rows read.
    rows: usize,
    /// Reasons of which the unused ones are deleted.
    reasons: usize,
    /// From so many reasons on a search is worth it,
    worth: i64,
    /// and so long after the one before it began.
    every_ms: i64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { rows: 1_000, reasons: 200, worth: 1_000, every_ms: 7 * DAY_MS }
    }
}

/// A column that refers to reasons, and what its table is sorted by: numbers.
#[derive(Debug)]
struct Column {
    table: String,
    name: String,
    keys: Vec<String>,
}

impl Pruning {
    /// Goes on with the search, or begins one where it is worth it; whether there is more to do.
    pub(in crate::store) fn step(&mut self, conn: &mut Connection, now: UnixMs) -> Result<bool> {
        let next = match std::mem::take(&mut self.stage) {
            Stage::Idle => self.begin(conn, now),
            Stage::Reading { columns, after, begun } => self.read(conn, columns, after, begun),
            Stage::Deleting { after, begun } => self.delete(conn, after, begun),
        };
        match next {
            Ok(stage) => self.stage = stage,
            Err(error) => {
                let _ = forget(conn);
                return Err(error);
            }
        }
        Ok(!matches!(self.stage, Stage::Idle))
    }

    fn begin(&self, conn: &Connection, now: UnixMs) -> Result<Stage> {
        let last: Option<i64> = conn
            .query_row("SELECT CAST(value AS INTEGER) FROM fact WHERE name = 'reasons_pruned'", [], |row| row.get(0))
            .optional()?;
        if last.is_some_and(|last| now.since(UnixMs(last)).abs() < self.bounds.every_ms) {
            return Ok(Stage::Idle);
        }
        let sql = "SELECT coalesce(max(id), 0), (SELECT count(*) FROM (SELECT 1 FROM reason LIMIT ?1)) FROM reason";
        let (newest, count): (i64, i64) =
            conn.query_row(sql, [self.bounds.worth], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if count < self.bounds.worth {
            return Ok(Stage::Idle);
        }
        forget(conn)?;
        conn.execute_batch("PRAGMA temp_store = MEMORY")?;
        let tx = conn.unchecked_transaction()?;
        tx.execute_batch("CREATE TEMP TABLE reason_in_use (id INTEGER PRIMARY KEY)")?;
        let mut columns = Vec::new();
        for (table, name) in referring(conn)? {
            for (when, of) in [("INSERT", "INSERT".to_owned()), ("UPDATE", format!("UPDATE OF {name}"))] {
                tx.execute_batch(&format!(
                    "CREATE TEMP TRIGGER {table}_{name}_{when} AFTER {of} ON main.{table} WHEN NEW.{name} IS NOT NULL BEGIN
                       INSERT INTO reason_in_use SELECT NEW.{name}
                         WHERE NOT EXISTS (SELECT 1 FROM reason_in_use WHERE id = NEW.{name});
                     END"
                ))?;
            }
            let mut keys = conn.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
            let keys = keys.query_map([&table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            columns.push(Column { table, name, keys });
        }
        tx.commit()?;
        Ok(reading(columns, Begun { at: now, newest }))
    }

    fn read(&self, conn: &Connection, mut columns: Vec<Column>, after: Vec<i64>, begun: Begun) -> Result<Stage> {
        let Some(Column { table, name, keys }) = columns.last() else {
            return Ok(Stage::Deleting { after: i64::MIN, begun });
        };
        let (names, marks) = (keys.join(", "), vec!["?"; keys.len()].join(", "));
        let sql = format!(
            "SELECT {name}, {names} FROM {table} WHERE ({names}) > ({marks}) ORDER BY {names} LIMIT {}",
            self.bounds.rows
        );
        let (mut count, mut last) = (0, after.clone());
        let tx = conn.unchecked_transaction()?;
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&after))?;
        while let Some(row) = rows.next()? {
            count += 1;
            for (key, place) in last.iter_mut().zip(1..) {
                *key = row.get(place)?;
            }
            if let Some(id) = row.get::<_, Option<i64>>(0)? {
                tx.prepare_cached("INSERT OR IGNORE INTO temp.reason_in_use VALUES (?1)")?.execute([id])?;
            }
        }
        drop(rows);
        drop(statement);
        tx.commit()?;
        if count < self.bounds.rows {
            columns.pop();
            return Ok(reading(columns, begun));
        }
        Ok(Stage::Reading { columns, after: last, begun })
    }

    /// The newest one stays: its number would be that of another one next, while somebody still reads what it was.
    fn delete(&self, conn: &mut Connection, after: i64, begun: Begun) -> Result<Stage> {
        let last: Option<i64> = conn
            .prepare_cached(
                "SELECT max(id) FROM (SELECT id FROM reason WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3)",
            )?
            .query_row(params![after, begun.newest, self.bounds.reasons as i64], |row| row.get(0))?;
        let Some(last) = last else {
            conn.execute(
                "INSERT INTO fact VALUES ('reasons_pruned', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
                [begun.at.0.to_string()],
            )?;
            forget(conn)?;
            return Ok(Stage::Idle);
        };
        unchecked(conn, |conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tx.prepare_cached(
                "DELETE FROM reason WHERE id > ?1 AND id <= ?2
                 AND NOT EXISTS (SELECT 1 FROM temp.reason_in_use u WHERE u.id = reason.id)",
            )?
            .execute([after, last])?;
            Ok(tx.commit()?)
        })?;
        Ok(Stage::Deleting { after: last, begun })
    }
}

/// Reads the last one of these columns from its beginning.
fn reading(columns: Vec<Column>, begun: Begun) -> Stage {
    let after = columns.last().map_or(Vec::new(), |column| vec![i64::MIN; column.keys.len()]);
    Stage::Reading { columns, after, begun }
}

/// Whatever a connection has that is temporary goes when it is to lie elsewhere: the triggers together with what they need.
fn forget(conn: &Connection) -> Result<()> {
    Ok(conn.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA temp_store = DEFAULT")?)
}

/// What refers to reasons, as the schema says: each table with its column.
fn referring(conn: &Connection) -> Result<Vec<(String, String)>> {
    let mut statement = conn.prepare(
        "SELECT t.name, f.\"from\" FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f
         WHERE t.type = 'table' AND f.\"table\" = 'reason'",
    )?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn delete_others(conn: &mut Connection, referring: &[(String, String)]) -> Result<usize> {
    let used: Vec<String> = referring
        .iter()
        .map(|(table, column)| format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL"))
        .collect();
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let pruned = tx.execute(&format!("DELETE FROM reason WHERE id NOT IN ({})", used.join(" UNION ")), [])?;
    tx.commit()?;
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::check::{Class, Outcome, PhaseTimes, Reason},
        live::ServiceId,
        store::{
            connection,
            rows::{self, Row, sealing, tail::Tail},
            tables::reasons,
        },
    };
    use proptest::prelude::*;
    use std::path::Path;

    /// What the writer does meanwhile.
    #[derive(Clone, Debug)]
    enum Step {
        /// So many steps of the search.
        Prune(usize),
        /// A result later than all, in the tail or beside it; most texts are new.
        Write(i64, u8, bool),
        /// One that fails and is rolled back.
        Fail(u8),
        /// One earlier than most.
        Late(i64, i64, u8),
        Outage(i64, u8, u8),
        EndOutages,
        Settle(i64),
        Seal(i64, i64),
        Unseal(i64, i64),
        Retire(i64, i64),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        let (service, day) = (1_i64..=2, 0_i64..4);
        prop_oneof![
            6 => (1_usize..6).prop_map(Step::Prune),
            8 => (service.clone(), 0_u8..20, any::<bool>()).prop_map(|(s, text, tail)| Step::Write(s, text, tail)),
            1 => (0_u8..20).prop_map(Step::Fail),
            2 => (service.clone(), day.clone(), 0_u8..20).prop_map(|(s, day, text)| Step::Late(s, day, text)),
            1 => (service.clone(), 0_u8..20, 0_u8..20).prop_map(|(s, one, other)| Step::Outage(s, one, other)),
            1 => Just(Step::EndOutages),
            1 => service.clone().prop_map(Step::Settle),
            2 => (service.clone(), day.clone()).prop_map(|(s, day)| Step::Seal(s, day)),
            1 => (service.clone(), day.clone()).prop_map(|(s, day)| Step::Unseal(s, day)),
            2 => (service, day).prop_map(|(s, day)| Step::Retire(s, day)),
            1 => Just(Step::Restart),
        ]
    }

    /// A running history.
    struct Running {
        conn: Connection,
        tail: Tail,
        pruning: Pruning,
        next_at: i64,
    }

    impl Running {
        fn open(path: &Path, next_at: i64) -> Running {
            let mut conn = connection::open_writer(path).unwrap();
            conn.pragma_update(None, "synchronous", "OFF").unwrap();
            rows::tail::settle(&mut conn).unwrap();
            let services = (1..=rows::tail::PAYS_FROM as i64).map(ServiceId);
            let bounds = Bounds { rows: 3, reasons: 2, worth: 0, every_ms: 0 };
            let pruning = Pruning { bounds, ..Pruning::default() };
            Running { conn, tail: Tail::over(services).unwrap(), pruning, next_at }
        }

        fn row(&self, at: i64, text: u8) -> Row {
            let reason = Reason { class: Class::Connect, phase: None, message: format!("text {text}") };
            let reason = (text > 0).then(|| reasons::id(&self.conn, &reason).unwrap());
            Row {
                at: UnixMs(at),
                outcome: Outcome::Unknown,
                recheck: false,
                latency_us: None,
                phases: PhaseTimes::default(),
                http_status: None,
                certificate_days: None,
                reason,
            }
        }

        fn take(&mut self, step: &Step) {
            let at = |day: i64| UnixMs(day * DAY_MS + 5);
            match *step {
                Step::Prune(steps) => {
                    for _ in 0..steps {
                        self.pruning.step(&mut self.conn, UnixMs(0)).unwrap();
                    }
                }
                Step::Write(service, text, tail) => {
                    self.next_at += DAY_MS / 48;
                    let row = self.row(self.next_at, text);
                    if tail {
                        self.tail.begin(&self.conn).unwrap();
                        self.tail.add(&self.conn, ServiceId(service), &row).unwrap();
                    } else {
                        self.tail.settle_one(&self.conn, ServiceId(service)).unwrap();
                        rows::insert(&self.conn, ServiceId(service), &row).unwrap();
                    }
                }
                Step::Fail(text) => {
                    self.conn.execute_batch("BEGIN IMMEDIATE").unwrap();
                    let row = self.row(self.next_at + 1, text);
                    rows::insert(&self.conn, ServiceId(1), &row).unwrap();
                    self.conn.execute_batch("ROLLBACK").unwrap();
                }
                Step::Late(service, day, text) => {
                    sealing::unseal(&self.conn, ServiceId(service), at(day)).unwrap();
                    let row = self.row(at(day).0, text);
                    rows::insert(&self.conn, ServiceId(service), &row).unwrap();
                }
                Step::Outage(service, one, other) => {
                    let id = |text: u8| self.row(0, text + 1).reason;
                    let sql = "INSERT INTO outage (service_id, started_at, ended_at, down_ms, checks_failed, reason_id,
                        last_reason_id) VALUES (?1, ?2, ?2, 0, 1, ?3, ?3)";
                    self.conn.execute(sql, params![service, self.next_at, id(one)]).unwrap();
                    let outage = self.conn.last_insert_rowid();
                    self.conn.execute("UPDATE outage SET last_reason_id = ?2", params![outage, id(other)]).unwrap();
                    let sql = "INSERT INTO cause_change VALUES (?1, 1, ?2, NULL, NULL)";
                    self.conn.execute(sql, params![outage, id(other)]).unwrap();
                }
                Step::EndOutages => {
                    self.conn.execute("DELETE FROM outage", []).unwrap();
                }
                Step::Settle(service) => self.tail.settle_one(&self.conn, ServiceId(service)).unwrap(),
                Step::Seal(service, day) => {
                    sealing::seal(&self.conn, ServiceId(service), UnixMs(day * DAY_MS)).unwrap();
                }
                Step::Unseal(service, day) => {
                    sealing::unseal(&self.conn, ServiceId(service), at(day)).unwrap();
                }
                Step::Retire(service, day) => {
                    rows::delete_oldest(&self.conn, ServiceId(service), at(day), 7).unwrap();
                }
                Step::Restart => {}
            }
        }

        fn broken(&self) -> bool {
            self.conn.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap()
        }

        /// How many reasons there are that nothing refers to, but for the newest one.
        fn unused(&self) -> i64 {
            let used: Vec<String> = referring(&self.conn)
                .unwrap()
                .iter()
                .map(|(table, column)| format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL"))
                .collect();
            let sql = format!(
                "SELECT count(*) FROM reason WHERE id < (SELECT max(id) FROM reason) AND id NOT IN ({})",
                used.join(" UNION ")
            );
            self.conn.query_row(&sql, [], |row| row.get(0)).unwrap()
        }
    }

    proptest! {
        #![proptest_config(crate::domain::law(60))]

        #[test]
        fn whatever_happens_meanwhile_the_reasons_that_are_in_use_stay_and_the_others_go(
            before in 0_i64..60,
            steps in prop::collection::vec(step(), 1..150),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("history.db");
            let mut running = Running::open(&path, 0);
            for id in 1..=2 {
                let sql = "INSERT INTO service (id, name, kind, target, added_at) VALUES (?1, ?1, 'tcp', '', 0)";
                running.conn.execute(sql, [id]).unwrap();
            }
            for n in 0..before {
                running.take(&Step::Write(1 + n % 2, (n % 20) as u8, n % 3 == 0));
            }
            for step in &steps {
                if let Step::Restart = step {
                    let next_at = running.next_at;
                    drop(running);
                    running = Running::open(&path, next_at);
                }
                running.take(step);
                prop_assert!(!running.broken(), "after {:?}", step);
            }
            // The search that is under way ends, and then another one.
            while running.pruning.step(&mut running.conn, UnixMs(0)).unwrap() {}
            while running.pruning.step(&mut running.conn, UnixMs(0)).unwrap() {}
            prop_assert!(!running.broken());
            prop_assert_eq!(running.unused(), 0);
            let sql = "SELECT count(*) FROM temp.sqlite_schema";
            prop_assert_eq!(running.conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        }
    }

    #[test]
    fn only_reasons_that_nothing_refers_to_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = connection::open_writer(&folder.path().join("history.db")).unwrap();
        let tables = referring(&conn).unwrap();
        for known in ["check_result", "tail", "outage", "cause_change", "sealed_reason"] {
            assert!(tables.iter().any(|(table, _)| table == known), "{known} in {tables:?}");
        }
        // A reason for each table and column, and one for none.
        conn.execute_batch("INSERT INTO service (id, name, kind, target, added_at) VALUES (1, 'web', 'tcp', '', 0)")
            .unwrap();
        for id in 1..=tables.len() as i64 + 1 {
            conn.execute("INSERT INTO reason VALUES (?1, 'connect', '', 'for ' || ?1)", [id]).unwrap();
        }
        conn.execute_batch(
            "INSERT INTO check_result (service_id, at, outcome, recheck, reason_id) VALUES (1, 10, 2, 0, 1), (1, 20, 0, 0, NULL);
             INSERT INTO tail (part, service_id, at, outcome, recheck, reason_id) VALUES (2, 1, 30, 2, 0, 2);
             INSERT INTO outage (id, service_id, started_at, down_ms, checks_failed, reason_id, last_reason_id)
               VALUES (1, 1, 10, 0, 1, 3, 4);
             INSERT INTO cause_change VALUES (1, 10, 5, NULL, NULL);
             INSERT INTO sealed_day (id, service_id, day, first_at, last_at, results, outcomes, checksum, at, outcome, recheck)
               VALUES (1, 1, 0, 0, 0, 1, 4, 0, x'', x'', x'');
             INSERT INTO sealed_reason VALUES (1, 6);",
        )
        .unwrap();
        assert_eq!(prune(&mut conn).unwrap(), tables.len() - 5);
        let left = "SELECT group_concat(id) FROM (SELECT id FROM reason ORDER BY id)";
        let left: String = conn.query_row(left, [], |row| row.get(0)).unwrap();
        assert_eq!(left, "1,2,3,4,5,6");
        // References are looked after again.
        conn.execute("DELETE FROM reason WHERE id = 3", []).unwrap_err();
        conn.execute_batch("DELETE FROM outage; DELETE FROM check_result").unwrap();
        assert_eq!(prune(&mut conn).unwrap(), 4);
        assert_eq!(prune(&mut conn).unwrap(), 0);
    }
}
