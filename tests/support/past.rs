//! Histories of a past that is written down at once, and what is in their files.

use super::history::{result, service, watched};
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::CheckResult,
        health::Health,
        maintenance::Overlay,
        service::{CheckSchedule, Service},
        time::{DAY_MS, SECOND_MS, UnixMs},
    },
    history::verify::{self, Difference},
    store::{Backfill, Examiner, Record},
};
use rusqlite::{Connection, types::Value as Sql};
use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::LazyLock};
use tempfile::TempDir;

pub(crate) const BEGIN: &str = "2026-11-16T00:00:00Z";

pub(crate) fn begin() -> UnixMs {
    UnixMs::parse(BEGIN).unwrap()
}

/// A folder with a configuration that names one service which nothing is known of, and `[storage]` as given.
pub(crate) fn folder(storage: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[storage]\npath = \"history.db\"\n{storage}\n[[checks.endpoints]]\nname = \"new\"\nurl = \"tcp://127.0.0.1:1\"\n"
    );
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    folder
}

/// Results at these times.
pub(crate) type Past = Vec<CheckResult>;

/// A result every `step_ms` from `from` on, one for each letter; a space is a check that did not happen.
pub(crate) fn past(from: UnixMs, step_ms: i64, letters: &str) -> Past {
    let with_letter = letters.chars().enumerate().filter(|(_, letter)| *letter != ' ');
    with_letter
        .map(|(i, letter)| {
            let mut result = result(letter.to_ascii_lowercase(), from.plus(i as i64 * step_ms));
            // A failure of another kind.
            if letter == 'X' {
                result.http_status = Some(500);
                result.reason.as_mut().unwrap().message = "HTTP 500, expected 200–399".to_owned();
            }
            result
        })
        .collect()
}

/// Writes the past of some services, as one run of the monitor.
pub(crate) fn write(path: &Path, services: &[(Service, Past)], began_at: UnixMs) {
    let all = services.iter().map(|(service, _)| watched(service.clone())).collect();
    let mut backfill = Backfill::open(path, all, began_at).unwrap();
    let mut last = began_at;
    for (index, (service, past)) in services.iter().enumerate() {
        let id = backfill.ids[index];
        let mut health = Health::NEW;
        for some in past.chunks(5_000) {
            let records: Vec<Record> = some
                .iter()
                .map(|result| {
                    let changes = health.observe(service.thresholds, result.at, result.outcome, &Overlay::NONE);
                    Record {
                        service: id,
                        result: result.clone(),
                        excerpt: (result.reason.is_some()).then(|| "sorry".to_owned()),
                        certificate_expires_at: None,
                        changes,
                        confirmed: health.confirmed,
                    }
                })
                .collect();
            backfill.write(&records).unwrap();
        }
        last = last.max(past.last().map_or(last, |result| result.at));
    }
    backfill.finish(last).unwrap();
}

/// The file of a history that many tests begin with: it is made once.
fn made(make: fn(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    make(&path);
    assert!(!folder.path().join("history.db-wal").exists(), "all of it is in the file");
    std::fs::read(path).unwrap()
}

/// Writes such a file as the program would have left it: for its owner only.
fn lay_down(path: &Path, made: &[u8]) {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(made).unwrap();
}

/// Two services over two days: incidents with changing causes, one that lasts, blips, gaps, unknown time.
pub(crate) fn troubled(path: &Path) {
    static MADE: LazyLock<Vec<u8>> = LazyLock::new(|| made(make_troubled));
    lay_down(path, &MADE);
}

fn make_troubled(path: &Path) {
    let day = "...........~~..xxXxX..?..x.....   ....xx..xXx.x..".repeat(180);
    let web = past(begin(), 10 * SECOND_MS, &(day.clone() + ".xxx"));
    let api = past(begin().plus(3_000), 20 * SECOND_MS, &day);
    write(path, &[(service("web"), web), (service("api"), api)], begin());
    // Somebody was told of an incident.
    Connection::open(path)
        .unwrap()
        .execute_batch(
            "INSERT INTO outbox (event_id, channel, event, outage_id, created_at, next_at)
             SELECT 'e-' || id, 'webhook', 'confirmed', id, started_at, started_at FROM outage
             WHERE confirmed_at IS NOT NULL LIMIT 5",
        )
        .unwrap();
}

/// Every row of a table, in words.
pub(crate) fn rows(path: &Path, table: &str) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let mut statement = conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3")).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        Ok((0..columns).map(|i| format!("{:?}", row.get::<_, Sql>(i).unwrap())).collect::<Vec<_>>().join("|"))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

pub(crate) const TABLES: [&str; 9] =
    ["check_result", "outage", "cause_change", "gap", "rollup_hour", "rollup_day", "service", "setting", "outbox"];

pub(crate) fn differences(path: &Path) -> Vec<Difference> {
    let mut examiner = Examiner::open(path).unwrap();
    let mut all = verify::file(&examiner, false).unwrap();
    for service in examiner.services().unwrap() {
        verify::service(&mut examiner, service.id, |difference| all.push(difference)).unwrap();
    }
    all
}

pub(crate) fn sql(path: &Path, statements: &str) {
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "foreign_keys", false).unwrap();
    conn.execute_batch(statements).unwrap();
}

/// How many results there are, sealed or not.
pub(crate) const RESULTS: &str =
    "SELECT (SELECT count(*) FROM check_result) + (SELECT coalesce(sum(results), 0) FROM sealed_day)";

pub(crate) fn number(path: &Path, query: &str) -> i64 {
    Connection::open(path).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

/// A history that keeps a command busy for some tenths of a second.
pub(crate) fn large(path: &Path) {
    static MADE: LazyLock<Vec<u8>> = LazyLock::new(|| made(make_large));
    lay_down(path, &MADE);
}

fn make_large(path: &Path) {
    let now = Clock::system().now().floor(DAY_MS);
    let from = now.plus(-30 * DAY_MS);
    let day = "...........~~..xxXxX..?..x.....   ....xx..xXx.x..".repeat(29);
    let cadence = CheckSchedule { interval_ms: 60_000, timeout_ms: 5_000, retry_interval_ms: 2_000 };
    let named = |name: &str| Service { cadence, ..service(name) };
    let services = ["web", "api"].map(|name| (named(name), past(from, 60_000, &day.repeat(25))));
    write(path, &services, from);
}
