//! The history cannot be written: the checks go on, and what they see is shown from memory, marked as not stored.

mod laws;
mod no_room;
mod notified;

use crate::support::{
    history::{History, ask, service},
    target::Does,
    world::World,
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::{
    domain::time::UnixMs,
    live::{Change, StateChange},
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};

const BEGIN: &str = "2026-11-16T00:00:00Z";

fn begin() -> UnixMs {
    UnixMs::parse(BEGIN).unwrap()
}

/// Makes every commit fail, and heals it.
fn fails(path: &Path) {
    Connection::open(path).unwrap().execute_batch("ALTER TABLE run RENAME TO gone").unwrap();
}

fn heals(path: &Path) {
    Connection::open(path).unwrap().execute_batch("ALTER TABLE gone RENAME TO run").unwrap();
}

/// Lets time pass until something holds; the clock of the history reads what it read before.
async fn until(history: &History, what: &str, mut holds: impl FnMut() -> bool) {
    let now = history.clock.now();
    for _ in 0..100_000 {
        if holds() {
            history.at(now);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} does not come");
}

/// Until the live state shows the result of this time of a service.
async fn shown(history: &History, name: &str, at: UnixMs) {
    let live = history.store.live.clone();
    let last = || live.get(name).unwrap().last.clone().map(|last| last.at);
    until(history, "the result", || last() == Some(at)).await;
}

/// An event in short.
fn short(news: &StateChange) -> String {
    let text = match &news.change {
        Change::Check { service, result } => format!("{} {}", service.name, result.at.since(begin()) / 10_000),
        Change::Status { service, before, now, .. } => {
            format!("{} {}>{}", service.name, before.as_str(), now.as_str())
        }
        Change::Incident { outage, resolved_at } => {
            format!("{} incident {}{}", outage.service, outage.id, if resolved_at.is_some() { " over" } else { "" })
        }
    };
    if news.pending_store { format!("({text})") } else { text }
}

#[tokio::test(start_paused = true)]
async fn what_the_checks_see_is_shown_marked_and_told_once_while_it_cannot_be_stored() {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    let mut news = history.store.live.listen(None).coming.unwrap();
    let mut heard =
        || std::iter::from_fn(|| news.try_recv().ok()).map(|n: Arc<StateChange>| short(&n)).collect::<Vec<_>>();
    history.checks("web", begin(), "..");
    history.committed().await;
    shown(&history, "web", begin().plus(10_000)).await;
    assert_eq!(heard(), ["web 1", "web pending>up"]);
    fails(&history.path());
    for at in [20_000, 30_000, 40_000].map(|ms| begin().plus(ms)) {
        history.checks("web", at, "x");
        shown(&history, "web", at).await;
    }
    history.checks("api", begin().plus(20_000), "..");
    shown(&history, "api", begin().plus(30_000)).await;
    history.at(begin().plus(41_000));

    // In short: exactly what there always is.
    let answer = history.get("/health").await;
    assert_eq!(answer.status, 503);
    let services = json!({"web": {"ok": false, "response_time_ms": 31}, "api": {"ok": true, "response_time_ms": 24}});
    assert_eq!(
        answer.json(),
        json!({"timestamp": "2026-11-16T00:00:41Z", "status": "unhealthy", "services": services})
    );
    assert_eq!(history.get("/health/api").await.status, 200);
    // At length: marked.
    let verbose = history.get("/health?verbose=1").await.json();
    let (web, api) = (&verbose["services"]["web"], &verbose["services"]["api"]);
    assert_eq!((&web["status"], &web["since"]), (&json!("down"), &json!("2026-11-16T00:00:20.000Z")));
    assert_eq!((&api["status"], &web["pending_store"], &api["pending_store"]), (&json!("up"), &json!(3), &json!(2)));
    assert_eq!(verbose["pending_store"], 5);
    let request = Request::get("/health").header("accept", "application/health+json").body(Body::empty()).unwrap();
    let draft = ask(&history.site(), request).await.json();
    assert_eq!(
        (&draft["pending_store"], &draft["checks"]["web:responseTime"][0]["pending_store"]),
        (&json!(5), &json!(3))
    );
    assert!(draft["notes"][0].as_str().unwrap().contains("not stored yet: 5 results"), "{draft}");
    let items = history.get("/api/v1/services").await.ok()["items"].clone();
    assert_eq!((&items[0]["status"], &items[0]["pending_store"]), (&json!("down"), &json!(3)));
    let open = history.get("/api/v1/services/web").await.ok()["open_incident"].clone();
    assert_eq!(open["checks_failed"], 3);
    let page = history.get("/dashboard").await;
    assert!(page.text().contains("5 results wait to be stored"), "{}", page.text());
    assert!(page.text().contains("web</a>") && page.text().contains("down"), "{}", page.text());
    // Of the monitor only this speaks.
    assert_eq!(history.get("/readyz").await.status, 503);
    let ready = history.get("/readyz?verbose=1").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["pending_store"]), (503, &json!(5)));
    assert_eq!(history.get("/livez").await.status, 200);

    // What is counted is what is stored.
    assert_eq!(history.get("/api/v1/incidents").await.ok()["items"], json!([]));
    assert_eq!(history.get("/api/v1/services/web/uptime?from=2026-11-16").await.ok()["down_ms"], 0);
    // Its number may be known already: it is not there yet.
    let id = open["id"].as_i64().unwrap();
    assert_eq!(history.get(&format!("/api/v1/incidents/{id}")).await.status, 503);
    let page = history.get(&format!("/dashboard/incidents/{id}")).await;
    assert!(page.status == 503 && page.text().contains("is not stored yet"), "{}", page.text());
    assert_eq!(history.get(&format!("/dashboard/incidents/{}", id + 1)).await.status, 404);

    history.checks("web", begin().plus(50_000), "..");
    shown(&history, "web", begin().plus(60_000)).await;
    let mut said = heard();
    said.sort_unstable_by_key(|line| !line.contains("api"));
    assert_eq!(
        said,
        [
            "(api 3)",
            "(api pending>up)",
            "(web 2)",
            "(web 3)",
            "(web 4)",
            "(web up>down)",
            &format!("(web incident {id})"),
            "(web 6)",
            "(web down>up)",
            &format!("(web incident {id} over)")
        ]
    );

    // Written, it is the same, and nothing is told again.
    heals(&history.path());
    history.committed().await;
    let live = history.store.live.clone();
    until(&history, "the mark to go", || live.all().iter().all(|s| s.pending_store == 0)).await;
    assert_eq!(heard(), Vec::<String>::new());
    let log = history.get("/api/v1/incidents").await.ok()["items"].clone();
    assert_eq!(
        (&log[0]["id"], &log[0]["checks_failed"], &log[0]["started_at"]),
        (&json!(id), &json!(3), &web["since"])
    );
    let verbose = history.get("/health?verbose=1").await.json();
    assert_eq!((&verbose["pending_store"], &verbose["services"]["web"]["status"]), (&json!(0), &json!("up")));
    assert!(!history.get("/dashboard").await.text().contains("wait to be stored"));
    assert_eq!(history.get("/readyz?verbose=1").await.json(), json!({"status": "ok", "pending_store": 0}));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_was_seen_and_is_refused_is_taken_back() {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    history.checks("web", begin(), ".");
    history.committed().await;
    fails(&history.path());
    history.checks("web", begin().plus(10_000), "xxx");
    history.checks("api", begin(), ".");
    shown(&history, "web", begin().plus(30_000)).await;
    history.at(begin().plus(31_000));
    assert_eq!(history.get("/health?verbose=1").await.json()["services"]["web"]["status"], "down");
    // The history refuses the last one.
    let refuse = format!(
        "CREATE TRIGGER no BEFORE INSERT ON check_result WHEN new.at = {} BEGIN SELECT raise(ABORT, 'no'); END",
        begin().plus(30_000).0
    );
    Connection::open(history.path()).unwrap().execute_batch(&refuse).unwrap();
    heals(&history.path());
    history.committed().await;
    shown(&history, "web", begin().plus(20_000)).await;
    history.at(begin().plus(31_000));
    let verbose = history.get("/health?verbose=1").await.json();
    assert_eq!((&verbose["services"]["web"]["status"], &verbose["pending_store"]), (&json!("up"), &json!(0)));
}

const CONFIG: &str = r#"
[checks]
interval_secs = 10
[[checks.endpoints]]
name = "web"
url = "http://TARGET/web"
[[checks.endpoints]]
name = "api"
url = "http://TARGET/api"
"#;

async fn health(world: &World) -> (u16, Value) {
    let answer = world.get("/health").await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test(start_paused = true)]
async fn healthy_services_stay_in_the_load_balancer_for_as_long_as_the_disk_is_full() {
    let world = World::start(CONFIG).await;
    world.pass(15.0).await;
    world.committed().await;
    fails(&world.path());
    world.until("trouble", |w| w.app().site.writer.trouble().is_some()).await;
    world.pass(10.0).await;
    for _ in 0..10 {
        world.pass(60.0).await;
        let (code, body) = health(&world).await;
        assert_eq!((code, &body["status"]), (200, &json!("healthy")), "{body}");
    }
    world.target.set("/web", Does::Answer(503));
    world.pass(30.0).await;
    let (code, body) = health(&world).await;
    assert_eq!(
        (code, &body["services"]["web"]["ok"], &body["services"]["api"]["ok"]),
        (503, &json!(false), &json!(true))
    );
    world.target.set("/web", Does::Answer(200));
    world.pass(30.0).await;
    assert_eq!(health(&world).await.0, 200);
    assert_eq!(world.get("/readyz").await.status, 503);
    heals(&world.path());
    world.committed().await;
    world.pass(10.0).await;
    assert_eq!((world.get("/readyz").await.status.as_u16(), health(&world).await.0), (200, 200));
    let incidents = world.get("/api/v1/incidents").await.ok();
    assert_eq!(incidents["items"].as_array().unwrap().len(), 1);
}

const HOOK: &str = "/hook";

async fn with_alerts() -> World {
    let alerts = "[alerts]\nenabled = true\nwebhook = \"http://TARGET/hook\"\n";
    let world = World::start(&format!("{CONFIG}{alerts}")).await;
    world.pass(15.0).await;
    world.committed().await;
    world
}

/// What was told: service, event, number of the incident, id.
fn told(world: &World) -> Vec<(String, i64, String)> {
    let short = |body: Value| {
        let event = body["event"].as_str().unwrap().trim_start_matches("incident.");
        let said = format!("{} {event}", body["service"].as_str().unwrap());
        (said, body["incident"]["id"].as_i64().unwrap(), body["event_id"].as_str().unwrap().to_owned())
    };
    world.target.seen(HOOK).iter().map(|seen| short(serde_json::from_str(&seen.body).unwrap())).collect()
}

fn said(world: &World) -> Vec<String> {
    told(world).into_iter().map(|(said, ..)| said).collect()
}

/// The numbers of the incidents in the history.
fn incidents(world: &World) -> Vec<i64> {
    let sql = world.sql();
    let mut statement = sql.prepare("SELECT id FROM outage WHERE confirmed_at IS NOT NULL ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The ids of the events in the outbox; none waits.
fn outbox(world: &World) -> Vec<String> {
    let sql = world.sql();
    let mut statement = sql.prepare("SELECT event_id, settled_at FROM outbox ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?))).unwrap();
    rows.map(Result::unwrap)
        .inspect(|(id, settled)| assert!(settled.is_some(), "{id} waits"))
        .map(|row| row.0)
        .collect()
}

/// Lets `web` fail while nothing can be stored until that is told; then the program ends without having stored it.
async fn told_and_lost(world: &mut World) {
    fails(&world.path());
    world.target.set("/web", Does::Answer(503));
    world.until("the alert", |w| w.target.count(HOOK) == 1).await;
    end(world).await;
}

async fn end(world: &mut World) {
    world.pass(5.0).await;
    world.stop().await;
    heals(&world.path());
    assert_eq!(incidents(world), Vec::<i64>::new(), "it was not stored");
}

async fn start(world: &mut World) {
    let alerts = "[alerts]\nenabled = true\nwebhook = \"http://TARGET/hook\"\n";
    world.start_again_with(&format!("{CONFIG}{alerts}")).await;
}
