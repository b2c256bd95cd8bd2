//! What becomes of a note when histories are joined, repaired, or lose what is old.

use super::{BEGIN, open_door, s, state, stated, two_incidents, write};
use crate::support::history::{History, export, import, result, service};
use healthcheck_dashboard::{
    domain::{time::UnixMs, window::Window},
    history::repair,
    interchange::{export::Format, import},
    store::{IncidentNote, MaintenanceTasks, Merge, Reader, Source},
};
use std::path::Path;

pub(super) fn always() -> Window {
    Window::new(UnixMs::MIN, s(1_000_000)).unwrap()
}

pub(super) fn notes(path: &Path) -> Vec<(i64, Option<String>, UnixMs)> {
    let reader = Reader::open(path).unwrap();
    let id = reader.service("web").unwrap().unwrap().id;
    let one = |note: IncidentNote| (note.started_at.since(s(0)) / 1000, note.text, note.noted_at);
    reader.notes(id, always()).unwrap().into_iter().map(one).collect()
}

#[tokio::test(start_paused = true)]
async fn of_two_notes_of_one_incident_the_later_one_stays_whichever_history_came_first() {
    let history = two_incidents().await;
    let site = open_door(&history);
    write(&site, 1, "early").await.ok();
    write(&site, 2, "removed later").await.ok();
    let folder = tempfile::tempdir().unwrap();
    let (early, late) = (export(&history.path(), Format::Ndjson, s(1_000_000)), {
        history.at(s(900));
        write(&site, 1, "late").await.ok();
        write(&site, 2, "").await.ok();
        export(&history.path(), Format::Ndjson, s(1_000_000))
    });
    let mut results = Vec::new();
    for (name, order) in [("a", [&early, &late]), ("b", [&late, &early])] {
        let path = folder.path().join(name);
        import(&path, &[order[0], order[1]]);
        results.push(notes(&path));
        let before = export(&path, Format::Ndjson, s(1_000_000));
        import(&path, &[&early, &late]);
        assert_eq!(export(&path, Format::Ndjson, s(1_000_000)), before, "twice is as good as once");
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0][0].1.as_deref(), Some("late"));
    assert_eq!((results[0][1].0, results[0][1].1.as_deref()), (80, None), "an older history does not bring it back");
    // Two that were written in the same millisecond.
    let same = |text: &str| late.replace("\"note\":\"late\"", &format!("\"note\":\"{text}\""));
    let (one, other) = (same("one"), same("two"));
    let (a, b) = (folder.path().join("c"), folder.path().join("d"));
    import(&a, &[&one, &other]);
    import(&b, &[&other, &one]);
    assert_eq!(notes(&a), notes(&b));
}

#[tokio::test(start_paused = true)]
async fn a_note_stays_with_its_incident_when_that_gets_another_number() {
    let history = two_incidents().await;
    write(&open_door(&history), 1, "about the first").await.ok();
    let left = export(&history.path(), Format::Ndjson, s(1_000_000));
    // There, other incidents have these numbers.
    let mut there = History::new(BEGIN, vec![service("other")]);
    there.checks("other", s(0), "..xxx...xxx..");
    there.committed().await;
    let (there, ()) = there.meanwhile(vec![service("other")], |path| import(path, &[&left])).await;
    let items = there.get("/api/v1/incidents?service=web").await.ok()["items"].clone();
    let first = items.as_array().unwrap().iter().find(|i| i["started_at"] == s(20).to_string()).unwrap().clone();
    assert_eq!(first["note"], "about the first");
    assert!(there.get("/api/v1/incidents?service=other").await.ok()["items"].to_string().contains("\"note\":null"));
}

#[tokio::test(start_paused = true)]
async fn a_broken_note_in_an_export_is_refused_with_its_line() {
    let history = two_incidents().await;
    write(&open_door(&history), 1, "fine").await.ok();
    let left = export(&history.path(), Format::Ndjson, s(1_000_000));
    let folder = tempfile::tempdir().unwrap();
    for (from, to, said) in [
        (
            "\"note\":\"fine\",\"noted_at\":\"2026-11-16T00:01:43",
            "\"note\":\"a\\u0007b\",\"noted_at\":\"2026-11-16T00:01:43",
            "control",
        ),
        ("\"source\":\"hand\"", "\"source\":\"foot\"", "foot"),
        ("\"type\":\"note\",\"service\":\"web\"", "\"type\":\"note\",\"service\":\"nobody\"", "nobody"),
        ("\"notes\":1", "\"notes\":2", "notes"),
    ] {
        let broken = left.replace(from, to);
        assert_ne!(broken, left, "{from}");
        let mut merge = Merge::open(&folder.path().join(format!("{}.db", said))).unwrap();
        let error = import::read(&mut broken.as_bytes(), &mut merge, UnixMs(i64::MAX)).unwrap_err().to_string();
        assert!(error.contains(said) && error.starts_with("line "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_keeps_notes_and_forgetting_removes_them() {
    let history = two_incidents().await;
    write(&open_door(&history), 1, "kept").await.ok();
    let services = vec![service("web"), service("api")];
    let (history, ()) = history
        .meanwhile(services, |path| {
            rusqlite::Connection::open(path).unwrap().execute("DELETE FROM outage WHERE id = 1", []).unwrap();
            let mut upkeep = MaintenanceTasks::open(path).unwrap();
            for service in upkeep.services().unwrap() {
                repair::service(&mut upkeep, service.id).unwrap();
            }
        })
        .await;
    let items = history.get("/api/v1/incidents?service=web&status=resolved").await.ok();
    assert_eq!(items["items"][0]["note"], "kept", "{items}");
    let (history, left) = history
        .meanwhile(vec![service("api")], |path| {
            let mut upkeep = MaintenanceTasks::open(path).unwrap();
            upkeep.forget("web", UnixMs(0)).unwrap();
            drop(upkeep);
            rusqlite::Connection::open(path)
                .unwrap()
                .query_row("SELECT count(*) FROM incident_note", [], |row| row.get::<_, i64>(0))
                .unwrap()
        })
        .await;
    assert_eq!(left, 0);
    drop(history);
}

#[tokio::test(start_paused = true)]
async fn a_note_goes_with_its_incident_when_that_is_too_old() {
    let keep = healthcheck_dashboard::store::RetentionPolicy {
        checks: Some(1),
        hours: Some(1),
        days: Some(1),
        ..healthcheck_dashboard::store::RetentionPolicy::FOREVER
    };
    let mut history = History::kept(BEGIN, vec![service("web")], keep);
    history.checks("web", s(0), "..xxx..");
    history.committed().await;
    write(&open_door(&history), 1, "old").await.ok();
    let late = s(5 * 86_400);
    history.checks("web", late, "..xxx..");
    history.at(late.plus(100_000));
    history.committed().await;
    write(&open_door(&history), 2, "new").await.ok();
    for _ in 0..300 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let texts: Vec<Option<String>> = notes(&history.path()).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts, [Some("new".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_source_has_a_word_for_both_ways() {
    let history = two_incidents().await;
    write(&open_door(&history), 1, "x").await.ok();
    state(&history, vec![stated("web", 90, "y")]).await;
    let reader = &history.store.reader;
    let all = reader.notes(reader.service("web").unwrap().unwrap().id, always()).unwrap();
    assert_eq!(all.iter().map(|n| n.source).collect::<Vec<_>>(), [Source::Hand, Source::Config]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_more_does_not_take_the_note_away() {
    let mut history = two_incidents().await;
    write(&open_door(&history), 2, "on it").await.ok();
    history.check("web", result('x', s(110)));
    history.committed().await;
    assert_eq!(history.get("/api/v1/services/web").await.ok()["open_incident"]["note"], "on it");
}
