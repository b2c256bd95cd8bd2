//! An incident of which somebody was told, and whose end an import brings.

use crate::support::history::{History, export, import, service};
use healthcheck_dashboard::{domain::time::UnixMs, interchange::export::Format};
use rusqlite::Connection;
use std::path::Path;

fn outbox(path: &Path) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let mut statement = conn.prepare("SELECT channel || ' ' || event FROM outbox ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_was_told_of_an_incident_is_told_of_an_end_that_an_import_brings() {
    let begin = UnixMs::parse("2026-11-16").unwrap();
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web")]);
    history.checks("web", begin, "..xxx");
    history.at(begin.plus(41_000));
    history.committed().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("history.db");
    let (mut history, _) = history.meanwhile(vec![service("web")], |path| std::fs::copy(path, &copy).unwrap()).await;
    assert_eq!(outbox(&copy), ["webhook confirmed"]);
    history.checks("web", begin.plus(50_000), "..");
    history.at(begin.plus(61_000));
    history.committed().await;
    let (history, rest) =
        history.meanwhile(vec![service("web")], |path| export(path, Format::Ndjson, begin.plus(61_000))).await;
    // Once: what was told, or is to be told, is not told again.
    for _ in 0..2 {
        import(&copy, &[&rest]);
        assert_eq!(outbox(&copy), ["webhook confirmed", "webhook resolved"]);
    }
    // Who was told of nothing is told of no end.
    let fresh = folder.path().join("fresh.db");
    import(&fresh, &[&rest]);
    assert_eq!(outbox(&fresh), Vec::<String>::new());
    drop(history);
}
