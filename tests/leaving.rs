//! Histories that leave and arrive: random lives, exported, imported, merged.

use crate::support::history::{export, import, seal, sealed_days, unseal, watched};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::{CheckResult, Class, Outcome, Phase, PhaseTimes, Reason},
        health::Health,
        maintenance::Overlay,
        service::{CheckSchedule, Kind, Service, Thresholds},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
    },
    interchange::export::Format,
    store::{OutageFilter, OutageKind, Record, RetentionPolicy, Store},
};
use proptest::prelude::*;
use rusqlite::{Connection, types::Value};
use std::path::Path;

mod files;

/// A stretch of one run of the monitor.
#[derive(Clone, Debug)]
struct Run {
    pause_ms: i64,
    interval_ms: i64,
    failure: u32,
    success: u32,
    /// Which of the two services are configured.
    services: [bool; 2],
    enabled: bool,
    /// Which service, how long after the one before, what, how slow.
    checks: Vec<(usize, i64, Outcome, u32)>,
    /// Which outage (counted from the latest), and what is written down about it.
    notes: Vec<(u32, Option<u8>)>,
}

const ALL: OutageFilter =
    OutageFilter { service: None, window: None, kind: OutageKind::All, state: None, class: None, lasted: None };

/// What a monitor went through.
#[derive(Clone, Debug)]
struct Life {
    runs: Vec<Run>,
    /// Old results are retired at the end.
    retires: bool,
}

fn run() -> impl Strategy<Value = Run> {
    let step = prop_oneof![
        8 => 1..=MINUTE_MS,
        4 => MINUTE_MS..=20 * MINUTE_MS,
        1 => HOUR_MS..=30 * HOUR_MS,
    ];
    let outcome = prop_oneof![
        6 => Just(Outcome::Up),
        1 => Just(Outcome::Degraded),
        6 => Just(Outcome::Down),
        1 => Just(Outcome::Unknown),
    ];
    // A step of whole seconds now and then, so that two lives have results of the same moment.
    let step = (step, any::<bool>()).prop_map(|(ms, whole)| if whole { (ms / 1000 + 1) * 1000 } else { ms });
    let checks = prop::collection::vec((0..2usize, step, outcome, 1..5_000_000u32), 0..60);
    let pause = prop_oneof![3 => 0..=5 * MINUTE_MS, 1 => HOUR_MS..=60 * HOUR_MS];
    let services = prop_oneof![4 => Just([true, true]), 1 => Just([true, false]), 1 => Just([false, true])];
    let notes = prop::collection::vec((0..4u32, prop::option::weighted(0.7, 0..5u8)), 0..3);
    (pause, 1_000..=10 * MINUTE_MS, 1..=4u32, 1..=3u32, services, prop::bool::weighted(0.9), checks, notes).prop_map(
        |(pause_ms, interval_ms, failure, success, services, enabled, checks, notes)| Run {
            pause_ms,
            interval_ms,
            failure,
            success,
            services,
            enabled,
            checks,
            notes,
        },
    )
}

fn life(runs: std::ops::Range<usize>) -> impl Strategy<Value = Life> {
    (prop::collection::vec(run(), runs), prop::bool::weighted(0.3)).prop_map(|(runs, retires)| Life { runs, retires })
}

fn service(run: &Run, n: usize) -> Service {
    Service {
        name: ["web", "über \"api\""][n].into(),
        group: (n == 1).then(|| "Customers".into()),
        description: None,
        kind: [Kind::Http, Kind::Tcp][n],
        target: format!("http://web:{}/", run.interval_ms).into(),
        critical: true,
        enabled: run.enabled,
        cadence: CheckSchedule {
            interval_ms: run.interval_ms,
            timeout_ms: run.interval_ms / 2,
            retry_interval_ms: 1_000,
        },
        thresholds: Thresholds { failure: run.failure, success: run.success },
        degraded_after_ms: (run.failure == 2).then_some(800),
        is_degraded_when_unusual: false,
        at_most: None,
        objective: None,
    }
}

/// Lives on from `now`; gives the end.
async fn live(path: &Path, life: &Life, mut now: UnixMs) -> UnixMs {
    let forever = RetentionPolicy::FOREVER;
    for run in &life.runs {
        now = now.plus(run.pause_ms);
        let present: Vec<usize> = (0..2).filter(|n| run.services[*n]).collect();
        let services = present.iter().map(|n| watched(service(run, *n))).collect();
        let store =
            Store::open(path, services, Vec::new(), Routing::to_all(["webhook"]), forever, Clock::pinned(now)).unwrap();
        let mut health: Vec<Health> = store.resume_points.iter().map(|p| p.health).collect();
        for &(n, step_ms, outcome, latency_us) in &run.checks {
            now = now.plus(step_ms);
            let Some(place) = present.iter().position(|p| *p == n) else { continue };
            let position = store.resume_points[place].clone();
            let at = now.max(position.last_at.map_or(now, |last| last.plus(1)));
            let thresholds = Thresholds { failure: run.failure, success: run.success };
            let changes = health[place].observe(thresholds, at, outcome, &Overlay::NONE);
            let reason = (outcome != Outcome::Up).then(|| Reason {
                class: if outcome == Outcome::Degraded { Class::Slow } else { Class::HttpStatus },
                phase: (latency_us % 2 == 0).then_some(Phase::Ttfb),
                message: format!("HTTP {}, \"quoted\"\n", 500 + latency_us % 3),
            });
            store.writer.record(Record {
                service: position.id,
                result: CheckResult {
                    at,
                    outcome,
                    latency_us: Some(latency_us),
                    phases: PhaseTimes { dns_us: Some(latency_us / 7), ..PhaseTimes::default() },
                    http_status: (latency_us % 5 > 0).then_some(500 + (latency_us % 2) as u16),
                    certificate_days: (latency_us % 11 == 0).then_some(-3),
                    reason,
                    recheck: latency_us % 3 == 0,
                },
                excerpt: (outcome == Outcome::Down && latency_us % 4 > 0).then(|| format!("<p>{latency_us}</p>")),
                certificate_expires_at: (latency_us % 13 == 0).then(|| at.plus(DAY_MS)),
                changes,
                confirmed: health[place].confirmed,
            });
        }
        for &(back, text) in &run.notes {
            let outages = store.reader.outages(&ALL, None, back + 1).unwrap();
            if let Some(outage) = outages.last() {
                assert!(store.writer.note_incident(outage.id, text.map(|n| format!("note {n}"))).await);
            }
        }
        store.stop().await;
    }
    if life.retires {
        let keep = RetentionPolicy { checks: Some(1), hours: Some(2), ..RetentionPolicy::FOREVER };
        let store = Store::open(path, Vec::new(), Vec::new(), Routing::default(), keep, Clock::pinned(now)).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(1200)).await;
        store.stop().await;
        now = now.plus(1_200_000);
    }
    now
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(work)
}

fn begin() -> UnixMs {
    UnixMs::parse("2026-03-28T20:17:03.250Z").unwrap()
}

/// A moment after everything.
fn end() -> UnixMs {
    begin().plus(400 * DAY_MS)
}

/// Everything that is stored, in a form that does not depend on internal numbers.
fn everything(path: &Path) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let reason =
        |column: &str| format!("(SELECT class || '/' || phase || '/' || message FROM reason WHERE id = {column})");
    let name = "(SELECT name FROM service WHERE id = t.service_id)";
    let queries = [
        "SELECT name, kind, target, group_name, added_at, removed_at, rolled_until, certificate_expires_at FROM service ORDER BY name".to_owned(),
        format!("SELECT {name}, t.* FROM setting t ORDER BY 1, since"),
        format!("SELECT {name}, {}, t.* FROM check_result t ORDER BY 1, at", reason("reason_id")),
        format!("SELECT {name}, {}, {}, t.* FROM outage t ORDER BY id", reason("reason_id"), reason("last_reason_id")),
        format!("SELECT {}, t.* FROM cause_change t ORDER BY outage_id, at", reason("reason_id")),
        format!("SELECT {name}, t.* FROM incident_note t ORDER BY 1, started_at"),
        format!("SELECT {name}, t.* FROM gap t ORDER BY 1, from_at"),
        format!("SELECT {name}, t.* FROM rollup_hour t ORDER BY 1, start"),
        format!("SELECT {name}, t.* FROM rollup_day t ORDER BY 1, start"),
        "SELECT DISTINCT from_at, to_at, why, results FROM interruption ORDER BY 1, 2, 3, 4".to_owned(),
        "SELECT started_at, alive_at, stopped_at, version FROM run ORDER BY 1, 2, 3".to_owned(),
    ];
    let mut lines = Vec::new();
    for sql in queries {
        let mut statement = conn.prepare(&sql).unwrap();
        let columns: Vec<String> = statement.column_names().iter().map(ToString::to_string).collect();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let fields = columns
                .iter()
                .enumerate()
                .filter(|(_, column)| !["service_id", "reason_id", "last_reason_id"].contains(&column.as_str()));
            let fields = fields.map(|(i, column)| format!("{column}={:?}", row.get::<_, Value>(i).unwrap()));
            lines.push(fields.collect::<Vec<_>>().join(" "));
        }
    }
    let broken = conn.prepare("PRAGMA foreign_key_check").unwrap().query([]).unwrap().next().unwrap().is_some();
    assert!(!broken);
    lines
}

#[track_caller]
fn same(what: &str, one: &[String], other: &[String]) -> Result<(), TestCaseError> {
    let differ = one.iter().filter(|line| !other.contains(line)).map(|line| format!("- {line}"));
    let differ = differ.chain(other.iter().filter(|line| !one.contains(line)).map(|line| format!("+ {line}")));
    let differ: Vec<String> = differ.take(20).collect();
    prop_assert!(one == other, "{}:\n{}", what, differ.join("\n"));
    Ok(())
}

/// Says the first lines that differ.
fn same_document(what: &str, one: &str, other: &str) -> Result<(), TestCaseError> {
    let differ = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    prop_assert!(one == other, "{what}:\n- {}\n+ {}", differ.map_or("", |d| d.0), differ.map_or("", |d| d.1));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..crate::support::law(30, "tests/proptest-regressions/leaving.txt") })]

    #[test]
    fn what_left_and_arrived_is_what_was_there(life in life(1..5)) {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (folder.path().join("here.db"), folder.path().join("there.db"));
        block(live(&here, &life, begin()));
        for format in [Format::Ndjson, Format::Json] {
            let left = export(&here, format, end());
            let _ = std::fs::remove_file(&there);
            import(&there, &[&left]);
            same_document("from here", &left, &export(&there, format, end()))?;
        }
        // Not only what is shown of it: the sums, too, and every change of cause.
        if !life.retires {
            same("arrived", &everything(&here), &everything(&there))?;
        }
        // Sealed days leave and arrive like others, and stay sealed where what arrives is here already.
        let left = export(&here, Format::Ndjson, end());
        let sealed = seal(&here);
        same_document("from here", &left, &export(&here, Format::Ndjson, end()))?;
        std::fs::remove_file(&there).unwrap();
        import(&there, &[&export(&here, Format::Ndjson, end())]);
        same_document("from here", &left, &export(&there, Format::Ndjson, end()))?;
        import(&here, &[&left]);
        same_document("from here", &left, &export(&here, Format::Ndjson, end()))?;
        prop_assert_eq!(sealed_days(&here), sealed);
        // What is here already changes nothing.
        let (before, left) = (everything(&here), export(&here, Format::Json, end()));
        import(&here, &[&left]);
        same_document("from here", &left, &export(&here, Format::Json, end()))?;
        if !life.retires {
            same("into itself", &before, &everything(&here))?;
        }
    }

    #[test]
    fn merged_in_either_order_two_histories_are_the_same(common in life(0..3), one in life(0..3), other in life(0..3), apart_ms in 0..2 * DAY_MS, sealed in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let (a, b) = (file("a.db"), file("b.db"));
        block(async {
            let common = Life { retires: false, ..common };
            let now = live(&a, &Life { runs: [&common.runs[..], &[]].concat(), retires: false }, begin()).await;
            // One goes on as a copy of the other.
            match common.runs.is_empty() {
                true => drop(Store::open(&b, Vec::new(), Vec::new(), Routing::default(), RetentionPolicy::FOREVER, Clock::pinned(now)).unwrap()),
                false => drop(std::fs::copy(&a, &b).unwrap()),
            }
            live(&a, &one, now).await;
            live(&b, &other, now.plus(apart_ms / 1000 * 1000)).await;
        });
        if !a.exists() {
            drop(block(async { Store::open(&a, Vec::new(), Vec::new(), Routing::default(), RetentionPolicy::FOREVER, Clock::pinned(begin())).unwrap() }));
        }
        let (of_a, of_b) = (export(&a, Format::Ndjson, end()), export(&b, Format::Ndjson, end()));
        if sealed {
            seal(&a);
        }
        import(&a, &[&of_b]);
        import(&b, &[&of_a]);
        let merged = export(&a, Format::Ndjson, end());
        same_document("either order", &merged, &export(&b, Format::Ndjson, end()))?;
        if sealed {
            unseal(&a);
        }
        // Sums that are not kept any more may still be here or there.
        let retired = one.retires || other.retires;
        if !retired {
            same("either order", &everything(&a), &everything(&b))?;
        }
        // Again, and all at once into nothing.
        let before = everything(&a);
        import(&a, &[&of_b, &of_a]);
        same_document("twice", &merged, &export(&a, Format::Ndjson, end()))?;
        if !retired {
            same("twice", &before, &everything(&a))?;
        }
        let (c, d) = (file("c.db"), file("d.db"));
        import(&c, &[&of_a, &of_b]);
        import(&d, &[&of_b, &of_a]);
        same_document("into nothing", &merged, &export(&c, Format::Ndjson, end()))?;
        same_document("into nothing, in the other order", &merged, &export(&d, Format::Ndjson, end()))?;
    }
}

/// One of the two recorded the reason when the gap ended, the other tells it of the gap that lasts for it.
#[test]
fn a_gap_that_lasts_in_one_of_two_histories_has_one_reason_in_either_order() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.db"), folder.path().join("b.db"));
    let run = |at_ms| Run {
        pause_ms: 0,
        interval_ms: 1000,
        failure: 1,
        success: 1,
        services: [false, true],
        enabled: true,
        checks: vec![(1, at_ms, Outcome::Up, 1)],
        notes: Vec::new(),
    };
    block(async {
        let now = live(&a, &Life { runs: vec![run(1)], retires: false }, begin()).await;
        std::fs::copy(&a, &b).unwrap();
        live(&a, &Life { runs: vec![run(57_064_000)], retires: false }, now).await;
        // Here the service is removed at the moment of that check.
        live(&b, &Life { runs: Vec::new(), retires: true }, now.plus(57_064_000)).await;
    });
    let (of_a, of_b) = (export(&a, Format::Ndjson, end()), export(&b, Format::Ndjson, end()));
    let gap = |reason: &str| format!("\"to\":\"2026-03-29T12:08:07.251Z\",\"reason\":\"{reason}\"");
    assert!(of_a.contains(&gap("stalled")) && of_b.contains(&gap("off")), "{of_a}\n{of_b}");
    import(&a, &[&of_b]);
    import(&b, &[&of_a]);
    assert_eq!(export(&a, Format::Ndjson, end()), export(&b, Format::Ndjson, end()));
}
