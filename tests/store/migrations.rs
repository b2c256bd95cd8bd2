//! Every migration runs on a history that is not empty: each comes with rows for the tables that it made, under
//! `tests/data/migrations/`, and none of them may be lost on the way to the newest schema.

use super::open;
use healthcheck_dashboard::{
    domain::{time::UnixMs, window::Window},
    store::Reader,
};
use rusqlite::{Connection, types::Value};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The migrations in order: name, statements, rows.
fn migrations() -> Vec<(String, String, String)> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(root().join("migrations")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}; every migration has one", path.display()))
    };
    folders
        .into_iter()
        .map(|folder| {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let rows = read(root().join(format!("tests/data/migrations/{name}.sql")));
            (name, read(folder.join("up.sql")), rows)
        })
        .collect()
}

/// [`counts`] as they are after a clean stop, which gives what is in the tail its place among the other results.
fn settled(mut counts: BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    counts.remove("tail_part");
    let newest = counts.remove("tail").unwrap_or(0);
    *counts.entry("check_result".to_owned()).or_default() += newest;
    counts
}

/// How many rows each table has.
fn counts(conn: &Connection) -> BTreeMap<String, i64> {
    let mut statement =
        conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let count = |name: &String| conn.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0)).unwrap();
    names.iter().map(|name| (name.clone(), count(name))).collect()
}

#[tokio::test]
async fn a_history_of_any_older_version_is_brought_up_to_date_with_all_its_rows() {
    let all = migrations();
    for version in 1..=all.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let conn = Connection::open(&path).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        for (_, up, rows) in &all[..version] {
            conn.execute_batch(up).unwrap();
            conn.execute_batch(rows).unwrap();
        }
        conn.pragma_update(None, "user_version", version as i64).unwrap();
        let before = counts(&conn);
        for (table, count) in &before {
            assert!(*count > 0, "the rows of {} leave {table} empty", all[version - 1].0);
        }
        drop(conn);
        if version < all.len() {
            let said = Reader::open(&path).unwrap_err().to_string();
            assert!(said.contains("an older version") && said.contains("verify --repair"), "{said}");
        }

        open(&path).unwrap().stop().await;

        let conn = Connection::open(&path).unwrap();
        let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "from version {version}");
        let broken = conn.prepare("PRAGMA foreign_key_check").unwrap().query([]).unwrap().next().unwrap().is_some();
        assert!(!broken, "from version {version}");
        let current: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(current, all.len() as i64);
        let after = settled(counts(&conn));
        for (table, count) in &settled(before) {
            let left = after.get(table).copied().unwrap_or_else(|| panic!("{table} has gone since version {version}"));
            assert!(left >= *count, "{table} had {count} rows in version {version} and has {left}");
        }
        // A sealed day can still be read.
        let reader = Reader::open(&path).unwrap();
        let web = reader.service("web").unwrap().unwrap();
        let window = Window::new(UnixMs::MIN, UnixMs::MAX).unwrap();
        let read = reader.checks(web.id, window, None, None, 1_000).unwrap().len() as i64;
        let results = "SELECT (SELECT count(*) FROM check_result WHERE service_id = ?1)
                         + (SELECT coalesce(sum(results), 0) FROM sealed_day WHERE service_id = ?1)";
        assert_eq!(read, conn.query_row(results, [web.id.0], |row| row.get::<_, i64>(0)).unwrap());
        // What is there reads through the view for people, whatever the version it was written by.
        let mut statement = conn.prepare("SELECT * FROM history").unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            (0..columns).for_each(|i| drop(row.get::<_, Value>(i).unwrap()));
        }
        // No migration so far changes what is there: none is worth a wait for a copy.
        let copy = folder.path().join(format!("history.db.before-{:02}", version + 1));
        assert!(!copy.exists(), "a copy was made of version {version}");
    }
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_ran_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    open(&path).unwrap().stop().await;
    let conn = Connection::open(&path).unwrap();
    let changed =
        conn.execute("UPDATE fact SET value = '0123456789abcdef' WHERE name = 'migration 01-history'", []).unwrap();
    assert_eq!(changed, 1);
    drop(conn);
    let said = super::refusal(&path);
    assert!(said.contains("01-history"), "{said}");
}
