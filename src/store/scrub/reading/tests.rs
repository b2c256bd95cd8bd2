//! Every kind of damage, made in a real file, is found; what is no damage is not.

use super::*;
use crate::{
    domain::time::{DAY_MS, UnixMs},
    live::ServiceId,
    store::connection,
};
use std::{collections::BTreeMap, fs::File, os::unix::fs::FileExt, path::PathBuf};
use tempfile::TempDir;

/// So little that a round has many pieces, and all that SQLite finds by itself is found by us.
const LITTLE: Bounds = Bounds { rows: 100, bytes: 4_000, pages: 0 };
const DAY: i64 = 20_000 * DAY_MS;

struct History {
    folder: TempDir,
    writer: Connection,
}

impl History {
    /// Three services with 1,000 results each, a sealed day of each, and some of all else.
    fn new() -> History {
        let folder = tempfile::tempdir().unwrap();
        let writer = connection::open_writer(&folder.path().join("history.db")).unwrap();
        let history = History { folder, writer };
        for service in 1..=3 {
            history.run(&format!(
                "INSERT INTO service (id, name, kind, target, added_at) VALUES ({service}, 'web {service}', 'http', 'x', 0);
                 INSERT INTO reason VALUES ({service}, 'http_status', 'ttfb', 'HTTP {service}');
                 INSERT INTO tail_part VALUES ({service})"
            ));
            history.results(service, DAY, 1_000);
            assert_eq!(sealing::seal(&history.writer, ServiceId(service), UnixMs(DAY)).unwrap(), 1_000);
            history.results(service, DAY + DAY_MS, 1_000);
            history.run(&format!(
                "WITH n AS (SELECT value v FROM generate) INSERT INTO tail SELECT {service}, {service}, v, 0, 0, 1,
                     200, 1, 1, 1, 1, 1, NULL FROM n LIMIT 200;
                 WITH n AS (SELECT value v FROM generate) INSERT INTO outage (service_id, started_at, ended_at, down_ms,
                     checks_failed, reason_id, last_reason_id, excerpt)
                     SELECT {service}, v, nullif(v, 200), 1, 1, {service}, {service}, printf('%.300c', '-')
                     FROM n LIMIT 200;
                 WITH n AS (SELECT value v FROM generate) INSERT INTO outbox (event_id, channel, event, outage_id,
                     created_at, next_at, settled_at)
                     SELECT printf('%d-%d', {service}, v), 'webhook', 'resolved', 1, 1, v, nullif(v % 3, 0)
                     FROM n LIMIT 200;
                 WITH n AS (SELECT value v FROM generate) INSERT INTO rollup_hour SELECT {service}, v, 1, 1, 1, 1, 1, 1,
                     1, 1, NULL, NULL, zeroblob(100) FROM n LIMIT 200"
            ));
        }
        history.run("PRAGMA wal_checkpoint(TRUNCATE)");
        history
    }

    fn run(&self, sql: &str) {
        let numbers = "(WITH RECURSIVE r(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM r LIMIT 1000)
                       SELECT value FROM r)";
        self.writer.execute_batch(&sql.replace("generate", numbers)).unwrap();
    }

    fn results(&self, service: i64, from: i64, results: i64) {
        self.run(&format!(
            "INSERT OR IGNORE INTO check_result SELECT {service}, {from} + value * 1000, 0, 0, value * 7919 % 100000, 200,
                 1, 2, NULL, value * 31 % 1000, NULL, CASE value % 9 WHEN 0 THEN {service} END
             FROM generate LIMIT {results}"
        ));
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    fn reading(&self, bounds: Bounds) -> Reading {
        Reading { bounds, ..Reading::of(&self.path()).unwrap() }
    }

    /// What is done to the file on the disk, past SQLite.
    fn overwrite(&self, page: i64, at: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(bytes, (page as u64 - 1) * 4096 + at).unwrap();
    }

    fn page(&self, page: i64) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        File::open(self.path()).unwrap().read_exact_at(&mut bytes, (page as u64 - 1) * 4096).unwrap();
        bytes
    }

    /// The pages of every table and index.
    fn pages(&self) -> BTreeMap<String, Vec<i64>> {
        let mut pages: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let sql = "SELECT name, pageno FROM dbstat ORDER BY path";
        for (name, page) in listed(&self.writer, sql, "", |row| Ok((row.get(0)?, row.get(1)?))).unwrap() {
            pages.entry(name).or_default().push(page);
        }
        pages
    }
}

/// The pieces of a round, and what is done after each.
fn round(reading: &mut Reading, mut then: impl FnMut(Piece)) -> Result<(), String> {
    reading.begin();
    loop {
        match reading.piece() {
            Ok(piece) => {
                then(piece);
                if piece.is_last {
                    return Ok(());
                }
            }
            Err(Fault::Damage(how)) => return Err(how),
            Err(Fault::Unknown(error)) => panic!("{error}"),
        }
    }
}

#[test]
fn every_row_of_every_table_and_index_is_read_in_small_pieces_that_hold_nothing_up() {
    let history = History::new();
    let mut reading = history.reading(LITTLE);
    for _ in 0..5 {
        let (mut rows, mut pieces) = (0, 0);
        round(&mut reading, |piece| {
            assert!(piece.rows <= LITTLE.rows && piece.bytes < 2 * LITTLE.bytes || piece.rows == 1, "{piece:?}");
            (rows, pieces) = (rows + piece.rows, pieces + 1);
            // The log can be written back to the last page, and be begun anew.
            history.run("UPDATE run SET alive_at = alive_at + 1");
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let busy: i64 = history.writer.query_row(sql, [], |row| row.get(0)).unwrap();
            assert_eq!(busy, 0);
        })
        .unwrap();
        let count = |tree: &Tree| {
            let filter = tree.filter.as_deref().unwrap_or("1");
            let sql = format!("SELECT count(*) FROM {} WHERE {filter}", tree.source);
            history.writer.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() as usize
        };
        assert_eq!(rows, reading.trees.iter().map(count).sum::<usize>());
        assert!(rows > 6_000 && pieces > rows / LITTLE.rows);
    }
}

#[test]
fn a_piece_begins_at_its_key_and_reads_no_other() {
    let history = History::new();
    let mut reading = history.reading(LITTLE);
    round(&mut reading, |_| ()).unwrap();
    let names: Vec<_> = reading.trees.iter().map(|tree| &*tree.name).collect();
    for name in ["the table sealed_day", "the index outage_open", "the index sqlite_autoindex_service_1"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for tree in &reading.trees {
        for goes_on in [false, true] {
            let plan = listed(
                &reading.conn,
                &format!("EXPLAIN QUERY PLAN {}", tree.sql(goes_on).replace('?', "0")),
                "",
                |row| row.get::<_, String>(3),
            )
            .unwrap();
            assert!(plan.len() == 1 && (!goes_on || plan[0].starts_with("SEARCH")), "{} {plan:?}", tree.name);
        }
        // What has no value is not behind any key.
        let has_values =
            |column: &str| tree.filter.as_ref().is_some_and(|filter| filter.contains(&format!("{column} IS NOT NULL")));
        let may_have_none = |key: &usize| tree.columns[*key].nullable && !has_values(&tree.columns[*key].name);
        assert!(!tree.keys.iter().any(may_have_none), "{tree:?}");
    }
}

#[test]
fn a_page_of_noise_is_found_wherever_it_is() {
    let history = History::new();
    let mut reading = history.reading(Bounds { pages: 0, ..BOUNDS });
    for (name, pages) in history.pages() {
        let page = pages[pages.len() / 2];
        let before = history.page(page);
        history.overwrite(page, if page == 1 { 100 } else { 0 }, &[0xA5; 3_000]);
        let found = round(&mut reading, |_| ()).unwrap_err();
        assert!(name == "sqlite_schema" || found.contains(&name), "{name}: {found}");
        // A file that is put back is whole, for the same reader.
        history.overwrite(page, 0, &before);
        assert_eq!(round(&mut reading, |_| ()), Ok(()), "{name}");
    }
}

#[test]
fn a_sealed_day_that_is_not_as_it_was_sealed_is_found() {
    let history = History::new();
    for change in ["latency_us = zeroblob(length(latency_us))", "http_status = NULL"] {
        history.run(&format!("BEGIN; UPDATE sealed_day SET {change} WHERE id = 2"));
        history.run("COMMIT");
        let found = round(&mut history.reading(BOUNDS), |_| ()).unwrap_err();
        assert!(found.contains("in the table sealed_day") && found.contains("of “web 2”"), "{found}");
    }
}

#[test]
fn what_a_table_does_not_allow_is_found() {
    let history = History::new();
    history.run("PRAGMA ignore_check_constraints = ON; UPDATE check_result SET outcome = 7 WHERE at % 5000 = 0");
    let found = round(&mut history.reading(LITTLE), |_| ()).unwrap_err();
    assert!(found.contains("in the table check_result") && found.contains("does not allow"), "{found}");
}

#[test]
fn a_history_that_is_written_meanwhile_is_sound() {
    let history = History::new();
    let mut reading = history.reading(LITTLE);
    for bounds in [LITTLE, BOUNDS, LITTLE] {
        reading.bounds = bounds;
        round(&mut reading, |_| {
            let (service, day) = (between(1, 3), DAY + between(0, 5) * DAY_MS);
            match between(0, 5) {
                0 | 1 => {
                    // As the writer does: a row that arrives for a sealed day makes rows of it first.
                    sealing::unseal(&history.writer, ServiceId(service), UnixMs(day)).unwrap();
                    history.results(service, day + between(0, 2_000_000), 300);
                }
                2 => {
                    let of_day = format!("service_id = {service} AND at BETWEEN {day} AND {day} + 86399999");
                    history.run(&format!("DELETE FROM check_result WHERE {of_day} AND at % 3 = 0"));
                }
                3 => {
                    let tx = history.writer.unchecked_transaction().unwrap();
                    if sealing::unseal(&tx, ServiceId(service), UnixMs(day)).unwrap() == 0 {
                        sealing::seal(&tx, ServiceId(service), UnixMs(day)).unwrap();
                    }
                    tx.commit().unwrap();
                }
                4 => history.run(&format!(
                    "DELETE FROM outage WHERE id % 5 = {service}; DELETE FROM tail WHERE part = {service}; \
                     UPDATE outbox SET settled_at = 1 WHERE id % 7 = {service}"
                )),
                _ => history.run("PRAGMA wal_checkpoint(TRUNCATE)"),
            }
        })
        .unwrap();
    }
}

#[test]
fn a_file_that_is_cut_short_or_replaced_is_no_damage() {
    let history = History::new();
    let mut reading = history.reading(LITTLE);
    round(&mut reading, |_| ()).unwrap();
    File::options().write(true).open(history.path()).unwrap().set_len(4096).unwrap();
    assert!(matches!(reading.piece(), Err(Fault::Unknown(StoreError::Gone(_)))));
}

#[test]
fn no_place_of_a_table_is_never_entered() {
    let history = History::new();
    let reading = history.reading(LITTLE);
    let all = trees(&reading.conn).unwrap();
    let results = all.iter().find(|tree| tree.name == "the table check_result").unwrap();
    let last = results.key(&reading.conn, "1", &[], "DESC").unwrap().unwrap();
    let places: std::collections::BTreeSet<_> = (0..300)
        .map(|_| match results.somewhere(&reading.conn, &last).unwrap().as_deref() {
            Some([Value::Integer(service), Value::Integer(at)]) => (*service, (at - DAY - DAY_MS) / 250_001),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(places.len(), 12, "{places:?}");
    let mut numbers: Vec<_> = (0..100).map(|_| between(-1, 1)).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers, [-1, 0, 1]);
    let _ = between(i64::MIN, i64::MAX);
}
