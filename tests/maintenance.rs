//! Maintenance from outside: nobody is alarmed, checks go on, figures leave it out, and the past can be marked.

mod laws;

use crate::support::{
    binary::{Serving, run, stderr, stdout, wait_for},
    history::{History, get, result, service},
    target::{Does, Target},
    world::{World, begin},
};
use healthcheck_dashboard::{
    calendar::{Planned, Rule, When},
    clock::Clock,
    domain::{
        time::{HOUR_MS, UnixMs},
        window::Window,
    },
    store::{MaintenanceMarker, Mark, StoreError},
};
use serde_json::{Value, json};
use std::sync::Arc;

const HOOK: &str = "/hook";

fn s(seconds: i64) -> UnixMs {
    begin().plus(seconds * 1000)
}

/// Seconds since the beginning.
fn w(from: i64, to: i64) -> Window {
    Window::new(s(from), s(to)).unwrap()
}

fn once(window: Window, services: Option<&[&str]>) -> Planned {
    Planned {
        rule: Arc::new(Rule::new(When::Once(window))),
        services: services.map(|names| names.iter().map(ToString::to_string).collect()),
        reason: "new disks".into(),
    }
}

/// `web` and `api` every ten seconds; `web` is in maintenance from second 60 to second 180.
const CONFIG: &str = r#"
[checks]
interval_secs = 10
[[checks.endpoints]]
name = "web"
group = "Front"
url = "http://TARGET/web"
[[checks.endpoints]]
name = "api"
url = "http://TARGET/api"
[alerts]
enabled = true
webhook = "http://TARGET/hook"
[[maintenance]]
from = "2026-11-16T00:01:00Z"
to = "2026-11-16T00:03:00Z"
groups = ["Front"]
reason = "new disks"
"#;

/// The events that were told, by service and name, in order.
fn told(world: &World) -> Vec<String> {
    let body = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let said = |body: Value| format!("{} {}", body["service"].as_str().unwrap(), body["event"].as_str().unwrap());
    world.target.seen(HOOK).iter().map(|seen| said(body(&seen.body))).collect()
}

async fn status(world: &World, service: &str) -> String {
    let body = world.get("/health?verbose=1").await.json();
    body["services"][service]["status"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn in_maintenance_checks_go_on_and_nobody_is_alarmed() {
    let world = World::start(CONFIG).await;
    world.pass(61.0).await;
    world.target.set("/web", Does::Answer(503));
    let before = world.target.count("/web");
    world.pass(60.0).await;
    let health = world.get("/health?verbose=1").await;
    assert_eq!(health.status, 200, "{}", health.text());
    assert_eq!(health.json()["status"], "healthy");
    let web = &health.json()["services"]["web"];
    assert_eq!((&web["status"], &web["ok"]), (&json!("maintenance"), &json!(false)));
    assert_eq!(web["since"], s(60).to_string());
    // One that is checked in maintenance has nothing to be confirmed: no check is repeated early.
    assert_eq!(world.target.count("/web") - before, 6);
    world.target.set("/web", Does::Answer(200));
    world.pass(80.0).await;
    assert_eq!(status(&world, "web").await, "up");
    world.committed().await;
    assert_eq!(told(&world), Vec::<String>::new());
    assert_eq!(world.get("/api/v1/incidents").await.ok()["items"], json!([]));
    let outages: i64 = world.sql().query_row("SELECT count(*) FROM outage", [], |row| row.get(0)).unwrap();
    assert_eq!(outages, 0, "not even a blip");
    let failed = world.get("/api/v1/services/web/checks?outcome=down").await.ok();
    assert!(failed["items"].as_array().unwrap().len() >= 6, "the rows are kept as they are");
    let u = world.get("/api/v1/services/web/uptime?from=2026-11-16").await.ok();
    assert_eq!((&u["maintenance_ms"], &u["down_ms"], &u["failures"]), (&json!(120_000), &json!(0), &json!(0)));
    assert_eq!((&u["uptime"], &u["coverage"], &u["blips"]), (&json!(100.0), &json!(100.0), &json!(0)));
    let api = world.get("/api/v1/services/api/uptime?from=2026-11-16").await.ok();
    assert_eq!(api["maintenance_ms"], 0, "it is in no group that is in maintenance");
}

#[tokio::test(start_paused = true)]
async fn what_still_fails_after_maintenance_is_an_incident_of_its_own() {
    let patient = CONFIG.replace("interval_secs = 10", "interval_secs = 10\nfailure_threshold = 6");
    let world = World::start(&patient).await;
    world.pass(45.0).await;
    // Five failures before maintenance, not confirmed by those in it.
    world.target.set("/web", Does::Answer(503));
    world.pass(70.0).await;
    assert_eq!(told(&world), Vec::<String>::new());
    world.until("the alert", |w| w.target.count(HOOK) == 1).await;
    assert!(world.now() > 180.0 && world.now() < 205.0, "{}", world.now());
    let incident = &world.get("/api/v1/incidents").await.ok()["items"][0].clone();
    let started = UnixMs::parse(incident["started_at"].as_str().unwrap()).unwrap();
    assert!((s(180)..s(191)).contains(&started), "{started}");
    let mut outages = world.sql();
    let outages = outages.transaction().unwrap();
    let ends: (i64, Option<i64>) = outages
        .query_row("SELECT ended_at, confirmed_at FROM outage ORDER BY id LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(ends, (s(60).0, None), "the failures before it ended, as a blip, where maintenance began");
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_is_open_when_maintenance_begins_is_paused_and_its_end_is_told_after_it() {
    let mut world = World::start(CONFIG).await;
    world.pass(25.0).await;
    world.target.set("/web", Does::Answer(503));
    world.until("the alert", |w| w.target.count(HOOK) == 1).await;
    world.pass(60.0).await;
    assert_eq!(status(&world, "web").await, "maintenance");
    let open = world.get("/api/v1/incidents?status=open").await.ok()["items"][0].clone();
    // It is well again long before maintenance is over, and the monitor starts again in the middle.
    world.target.set("/web", Does::Answer(200));
    world.pass(20.0).await;
    world.restart().await;
    world.pass(20.0).await;
    assert_eq!(status(&world, "web").await, "maintenance");
    assert_eq!(told(&world), ["web incident.confirmed"]);
    world.until("the other alert", |w| w.target.count(HOOK) == 2).await;
    assert!(world.now() > 180.0, "{}", world.now());
    assert_eq!(told(&world), ["web incident.confirmed", "web incident.resolved"]);
    let incident = world.get("/api/v1/incidents").await.ok()["items"][0].clone();
    assert_eq!(incident["id"], open["id"]);
    let time = |name: &str| UnixMs::parse(incident[name].as_str().unwrap()).unwrap();
    assert!((s(180)..s(191)).contains(&time("resolved_at")), "the first pass after maintenance");
    // It was down from its first failure up to where maintenance began.
    assert_eq!(incident["down_ms"], s(60).since(time("started_at")));
    world.pass(30.0).await;
    world.committed().await;
    let u = world.get("/api/v1/services/web/uptime?from=2026-11-16").await.ok();
    assert_eq!((&u["down_ms"], &u["maintenance_ms"]), (&incident["down_ms"], &json!(120_000)));
    // The window is in the history once, though two runs of the monitor saw it.
    assert_eq!(world.app().site.reader.maintenance_log(None).unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_leaves_the_configuration_while_it_lasts_ends_there() {
    let mut world = World::start(CONFIG).await;
    world.pass(90.0).await;
    world.stop().await;
    let stopped = world.clock.now();
    world.start_again_with(CONFIG.split("[[maintenance]]").next().unwrap()).await;
    let log = world.app().site.reader.maintenance_log(None).unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].window.from(), log[0].taken_back_at), (s(60), None));
    assert!((stopped..=world.clock.now()).contains(&log[0].window.to()), "{}", log[0].window.to());
    world.pass(15.0).await;
    assert_eq!(status(&world, "web").await, "up");
    // And one that enters it late does not rewrite what was seen before.
    world.stop().await;
    let stopped = world.clock.now();
    world.start_again_with(CONFIG).await;
    let log = world.app().site.reader.maintenance_log(None).unwrap();
    assert_eq!((log.len(), log[1].window.to()), (2, s(180)));
    assert!(log[1].window.from() > s(90) && log[1].window.from() <= stopped.plus(1), "{}", log[1].window.from());
    assert_eq!(status(&world, "web").await, "maintenance");
}

#[tokio::test(start_paused = true)]
async fn a_window_that_came_while_the_monitor_was_off_is_noted_when_it_comes_back() {
    let planned = vec![once(w(60, 120), Some(&["web"])), once(w(-600, -300), None)];
    let mut history = History::announced("2026-11-16T00:00:00Z", vec![service("web"), service("api")], planned);
    history.checks("web", s(0), "....");
    history.checks("api", s(0), "....");
    history.at(s(40));
    history.committed().await;
    history.at(s(200));
    let mut history = history.restart(vec![service("web"), service("api")]).await;
    history.checks("web", s(200), "..");
    history.checks("api", s(200), "..");
    history.at(s(215));
    history.committed().await;
    let u = history.get("/api/v1/services/web/uptime?from=2026-11-16").await.ok();
    assert_eq!((&u["maintenance_ms"], &u["gap_ms"]), (&json!(60_000), &json!(85_000)), "55 s to 60, 120 s to 200");
    let api = history.get("/api/v1/services/api/uptime?from=2026-11-16").await.ok();
    assert_eq!((&api["maintenance_ms"], &api["gap_ms"]), (&json!(0), &json!(145_000)));
    // What had been over before anything was watched never happened here.
    assert_eq!(history.store.reader.maintenance_log(None).unwrap().len(), 1);
    let export = history.get("/api/v1/export?from=2026-11-16").await.ok();
    let gaps: Vec<_> = export["gaps"].as_array().unwrap().iter().filter(|g| g["service"] == "web").collect();
    assert_eq!(gaps.len(), 2);
    assert_eq!((&gaps[0]["to"], &gaps[1]["from"]), (&json!(s(60).to_string()), &json!(s(120).to_string())));
}

/// A day of `web` and `api`, five minutes of it with `web` down (an incident) and one failed check of `api` (a blip).
async fn a_day() -> History {
    let slow = |name: &str| {
        let mut service = service(name);
        service.cadence.interval_ms = 60_000;
        service
    };
    let mut history = History::new("2026-11-16T00:00:00Z", vec![slow("web"), slow("api")]);
    for i in 0..(26 * 60) {
        let letter = |down: std::ops::Range<i64>| if down.contains(&i) { 'x' } else { '.' };
        history.check("web", result(letter(600..605), s(i * 60)));
        history.check("api", result(letter(700..701), s(i * 60 + 30)));
    }
    history.at(s(26 * 3600));
    history.committed().await;
    history
}

fn slow_pair() -> Vec<healthcheck_dashboard::domain::service::Service> {
    let mut pair = vec![service("web"), service("api")];
    pair.iter_mut().for_each(|service| service.cadence.interval_ms = 60_000);
    pair
}

const DAY: &str = "/api/v1/services/web/uptime?from=2026-11-16&to=2026-11-17";

#[tokio::test(start_paused = true)]
async fn the_past_can_be_marked_and_the_mark_taken_back() {
    let history = a_day().await;
    let rows = |history: &History| -> (i64, i64) {
        let sql = rusqlite::Connection::open(history.path()).unwrap();
        sql.query_row("SELECT count(*), sum(at * (outcome + 1)) FROM check_result", [], |r| Ok((r.get(0)?, r.get(1)?)))
            .unwrap()
    };
    let stored = rows(&history);
    let before = history.get(DAY).await.ok();
    assert_eq!((&before["down_ms"], &before["incidents"]), (&json!(300_000), &json!(1)));
    let mark = Mark { window: w(599 * 60, 603 * 60), services: Some(vec!["web".into()]), reason: "it was us".into() };
    let now = s(26 * 3600);
    let (history, id) = history
        .meanwhile(slow_pair(), |path| MaintenanceMarker::open(path).unwrap().add(&mark, now, |_, _| ()).unwrap())
        .await;
    assert_eq!(rows(&history), stored, "no row is changed");
    let during = history.get(DAY).await.ok();
    assert_eq!((&during["down_ms"], &during["maintenance_ms"]), (&json!(120_000), &json!(240_000)));
    assert_eq!((&during["incidents"], &during["failures"]), (&json!(1), &json!(2)));
    let incident = history.get("/api/v1/incidents").await.ok()["items"][0].clone();
    assert_eq!((&incident["down_ms"], &incident["duration_ms"]), (&json!(120_000), &json!(300_000)));
    assert_eq!(incident["checks_failed"], 5, "what was seen and told stays what it was");
    let hour = "/api/v1/services/web/history?from=2026-11-16T10:00:00Z&to=2026-11-16T11:00:00Z&buckets=1";
    let bucket = history.get(hour).await.ok()["buckets"][0].clone();
    assert_eq!((&bucket["down_ms"], &bucket["maintenance_ms"]), (&json!(120_000), &json!(180_000)));
    let api = history.get("/api/v1/services/api/uptime?from=2026-11-16&to=2026-11-17").await.ok();
    assert_eq!((&api["maintenance_ms"], &api["down_ms"]), (&json!(0), &json!(60_000)));
    let export = history.get("/api/v1/export?from=2026-11-16&to=2026-11-17").await.ok();
    let shown = &export["maintenance"][0];
    assert_eq!((&shown["services"], &shown["source"]), (&json!(["web"]), &json!("hand")));
    assert_eq!((&shown["reason"], &shown["taken_back_at"]), (&json!("it was us"), &Value::Null));
    let other = history.get("/api/v1/export?from=2026-11-16&to=2026-11-17&service=api").await.ok();
    assert_eq!(other["maintenance"], json!([]));
    let listed = history.get("/api/v1/maintenance?service=web&from=2026-11-16&to=2026-11-17").await.ok();
    let one = &listed["items"][0];
    assert_eq!(
        (&one["services"], &one["source"], &one["reason"]),
        (&json!(["web"]), &json!("hand"), &json!("it was us"))
    );
    assert_eq!(one["from"], "2026-11-16T09:59:00.000Z");
    for empty in ["service=api", "from=2026-11-17&to=2026-11-18"] {
        assert_eq!(history.get(&format!("/api/v1/maintenance?{empty}")).await.ok()["items"], json!([]), "{empty}");
    }
    assert_eq!(history.get("/api/v1/maintenance?service=nobody").await.status, 404);
    let (history, taken) = history
        .meanwhile(slow_pair(), |path| {
            let mut marking = MaintenanceMarker::open(path).unwrap();
            let taken = marking.take_back(id, now, |_, _| ()).unwrap();
            let again = marking.take_back(id, now, |_, _| ()).unwrap_err().to_string();
            assert!(again.contains("taken back before"), "{again}");
            taken
        })
        .await;
    assert_eq!(taken.taken_back_at, Some(now));
    assert_eq!(history.get(DAY).await.ok(), before);
    let log = history.store.reader.maintenance_log(None).unwrap();
    assert_eq!((log.len(), log[0].taken_back_at), (1, Some(now)), "taken back, and not deleted");
    assert_eq!(history.get("/api/v1/maintenance").await.ok()["items"], json!([]), "it does not count");
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_lay_in_maintenance_as_a_whole_is_none_that_counts() {
    let history = a_day().await;
    let mark = Mark { window: w(590 * 60, 620 * 60), services: None, reason: "the network".into() };
    let (history, _) = history
        .meanwhile(slow_pair(), |path| {
            MaintenanceMarker::open(path).unwrap().add(&mark, s(26 * 3600), |_, _| ()).unwrap()
        })
        .await;
    let u = history.get(DAY).await.ok();
    assert_eq!((&u["incidents"], &u["down_ms"], &u["uptime"]), (&json!(0), &json!(0), &json!(100.0)));
    assert_eq!((&u["mttr_ms"], &u["worst"], &u["coverage"]), (&Value::Null, &json!(100.0), &json!(100.0)));
    let log = history.get("/api/v1/incidents").await.ok();
    assert_eq!(log["items"].as_array().unwrap().len(), 1, "it is still in the log");
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_refused_where_it_would_not_be_right() {
    let (history, late) = History::with_a_retired_past("2026-11-16T00:00:00Z").await;
    let (_, said) = history
        .meanwhile(vec![service("web")], |path| {
            let mut marking = MaintenanceMarker::open(path).unwrap();
            let now = late.plus(HOUR_MS);
            let mut said = |window: Window, services: Option<Vec<String>>| {
                let mark = Mark { window, services, reason: "x".into() };
                match marking.add(&mark, now, |_, _| ()) {
                    Err(StoreError::Refused(said)) => said,
                    other => panic!("{other:?}"),
                }
            };
            let future = Window::new(late, now.plus(1)).unwrap();
            [
                said(future, None),
                said(w(0, 10), None),
                said(Window::new(late, now).unwrap(), Some(vec!["nobody".into()])),
            ]
        })
        .await;
    assert!(said[0].contains("still to come") && said[0].contains("[[maintenance]]"), "{}", said[0]);
    assert!(said[1].contains("single checks are kept from 2026-11-20T00:00:00.000Z on"), "{}", said[1]);
    assert!(said[2].contains("no service named “nobody”"), "{}", said[2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_announced_stays_what_it_was() {
    let mut history = History::announced("2026-11-16T00:00:00Z", vec![service("web")], vec![once(w(20, 40), None)]);
    history.checks("web", s(0), "..xx..");
    history.at(s(60));
    history.committed().await;
    let (_, said) = history
        .meanwhile(vec![service("web")], |path| {
            let mut marking = MaintenanceMarker::open(path).unwrap();
            (marking.take_back(1, s(60), |_, _| ()).unwrap_err(), marking.take_back(7, s(60), |_, _| ()).unwrap_err())
        })
        .await;
    assert!(said.0.to_string().contains("announced by the configuration"), "{}", said.0);
    assert!(said.1.to_string().contains("there is no maintenance 7"), "{}", said.1);
}

#[tokio::test(start_paused = true)]
async fn whoever_listens_hears_that_maintenance_began_and_ended() {
    use healthcheck_dashboard::live::Change;
    let planned = vec![once(w(20, 40), Some(&["web"]))];
    let mut history = History::announced("2026-11-16T00:00:00Z", vec![service("web")], planned);
    let mut listening = history.store.live.listen(None);
    for i in 0..6 {
        history.at(s(i * 10));
        history.check("web", result('.', s(i * 10)));
        history.committed().await;
    }
    let mut said = Vec::new();
    while let Ok(news) = listening.coming.as_mut().unwrap().try_recv() {
        if let Change::Status { before, now, .. } = &news.change {
            said.push((before.as_str(), now.as_str()));
        }
    }
    assert_eq!(said, [("pending", "up"), ("up", "maintenance"), ("maintenance", "up")]);
}

#[tokio::test(start_paused = true)]
async fn the_pages_show_maintenance() {
    let planned = vec![once(w(20, 400), Some(&["web"]))];
    let mut history = History::announced("2026-11-16T00:00:00Z", vec![service("web"), service("api")], planned);
    history.checks("web", s(0), "..xxxx");
    history.checks("api", s(0), "......");
    history.at(s(55));
    history.committed().await;
    let site = history.site();
    let overview = get(&site, "/dashboard").await;
    let text = overview.text();
    assert!(text.contains("api</a> is <em>up"), "{text}");
    assert!(text.contains("web</a> is in maintenance."), "{text}");
    assert!(text.contains("Maintenance 1</a>") && text.contains("#s-maintenance"), "a chip with its glyph: {text}");
    assert!(text.contains("failing: HTTP 503"), "{text}");
    assert!(!text.contains("open incident"), "{text}");
    let only = get(&site, "/dashboard?state=maintenance").await;
    assert!(only.text().contains("data-service=\"web\"") && !only.text().contains("data-service=\"api\""));
    let page = get(&site, "/dashboard/services/web?window=1h").await;
    let text = page.text();
    assert!(text.contains("in maintenance for") && text.contains(", until 00:06:40"), "{text}");
    assert!(text.contains("wash-maintenance") && text.contains("new disks"), "{text}");
    let ledger = text.split("Where the time went").nth(1).unwrap();
    assert!(ledger.split("Maintenance</b>").nth(1).unwrap().contains("35\u{a0}s"), "{ledger}");
    let wide = get(&site, "/dashboard/services/web?window=7d").await;
    assert!(wide.text().contains("data-maintenance"), "a box in the strip");
    let metrics = get(&site, "/metrics").await;
    assert!(
        metrics.text().contains("healthcheck_service_status{service=\"web\",status=\"maintenance\"} 1"),
        "{}",
        metrics.text()
    );
    let api = get(&site, "/api/v1/services/web").await.ok();
    assert_eq!(api["status"], "maintenance");
    assert_eq!(api["maintenance"], json!({"from": s(20).to_string(), "to": s(400).to_string()}));
    let badge = get(&site, "/badge/web/status.svg").await;
    assert!(badge.text().contains("web: maintenance"), "{}", badge.text());
    let wall = get(&site, "/dashboard/wall").await;
    assert!(wall.text().contains("#s-maintenance"), "{}", wall.text());
    let list = vec![healthcheck_dashboard::config::PublicService { name: "web".into(), title: "Shop".into() }];
    let outside =
        get(&healthcheck_dashboard::http::state::AppState { public: Some(list.into()), ..history.site() }, "/public")
            .await;
    assert!(outside.text().contains("Planned work is under way") && outside.text().contains("#s-maintenance"));
    let draft = axum::http::Request::get("/health").header("accept", "application/health+json");
    let draft = crate::support::history::ask(&site, draft.body(axum::body::Body::empty()).unwrap()).await.ok();
    assert_eq!((&draft["status"], &draft["checks"]["web:responseTime"][0]["status"]), (&json!("pass"), &json!("warn")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_marks_lists_and_takes_back_while_nobody_else_writes() {
    let target = Target::start(Clock::system()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.toml"),
        format!(
            "[checks]\ninterval_secs = 0.1\n\
             [[checks.endpoints]]\nname = \"web\"\ngroup = \"Front\"\nurl = \"http://{0}/web\"\n\
             [[checks.endpoints]]\nname = \"api\"\nurl = \"http://{0}/api\"\n",
            target.address
        ),
    )
    .unwrap();
    let path = folder.path().to_owned();
    let done = tokio::task::spawn_blocking(move || {
        let command = |arguments: &[&str]| run(&path, &[&["history", "maintenance"], arguments].concat());
        let none = command(&["list"]);
        assert_eq!(none.status.code(), Some(1));
        assert!(stderr(&none).contains("there is no history at"), "{}", stderr(&none));
        let began = Clock::system().now();
        let serving = Serving::start(&path);
        wait_for("checks", || (!serving.items("/api/v1/services/web/checks?window=1h").is_empty()).then_some(()));
        let (from, to) = (began.to_string(), Clock::system().now().to_string());
        let add = ["add", "--from", &from, "--to", &to, "--group", "Front", "--reason", "new disks"];
        let held = command(&add);
        assert_eq!(held.status.code(), Some(1));
        assert!(stderr(&held).contains("is held by another process"), "{}", stderr(&held));
        assert_eq!(stdout(&command(&["list"])), "there is no maintenance in this history\n");
        serving.signal(rustix::process::Signal::TERM);
        let added = command(&add);
        assert_eq!(added.status.code(), Some(0), "{}", stderr(&added));
        assert_eq!(stdout(&added), format!("maintenance 1 is marked: {from} to {to}, web\n"));
        let listed = command(&["list", "--json"]);
        let one: Value = serde_json::from_str(stdout(&listed).trim()).unwrap();
        assert_eq!((&one["id"], &one["services"], &one["source"]), (&json!(1), &json!(["web"]), &json!("hand")));
        assert!(stdout(&command(&["list"])).contains("new disks"));
        for (wrong, said) in [
            (vec!["add", "--from", &to, "--to", &from, "--reason", "x"], "ends before it begins"),
            (vec!["add", "--from", &from, "--to", "2999-01-01", "--reason", "x"], "still to come"),
            (vec!["add", "--from", &from, "--to", &to, "--group", "Back", "--reason", "x"], "no group named “Back”"),
            (vec!["add", "--from", &from, "--to", &to, "--service", "wbe", "--reason", "x"], "no service named “wbe”"),
            (vec!["add", "--from", &from, "--to", &to, "--reason", " "], "reason is empty"),
            (vec!["remove", "9"], "there is no maintenance 9"),
        ] {
            let output = command(&wrong);
            assert_eq!(output.status.code(), Some(2), "{wrong:?}");
            assert!(stderr(&output).contains(said), "{said} is not in {}", stderr(&output));
        }
        let removed = command(&["remove", "1"]);
        assert_eq!(stdout(&removed), format!("maintenance 1 is taken back: {from} to {to}, web\n"));
        assert!(stdout(&command(&["list"])).contains("taken back"));
        // What somebody wrote does not paint the terminal, nor add lines to the table.
        let added = command(&["add", "--from", &from, "--to", &to, "--reason", "two\u{1b}[2J\nlines"]);
        assert_eq!(added.status.code(), Some(0), "{}", stderr(&added));
        let listed = command(&["list"]);
        assert!(stdout(&listed).contains("two · lines") && !stdout(&listed).contains('\u{1b}'), "{}", stdout(&listed));
        assert_eq!(command(&["add", "--from", "soon"]).status.code(), Some(2));
    });
    done.await.unwrap();
}
