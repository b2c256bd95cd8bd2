//! Who is told of incidents, and how often: a real receiver of webhooks, on a clock that the test moves.

use crate::support::{
    target::{Does, Seen},
    world::World,
};
use healthcheck_dashboard::domain::time::UnixMs;
use serde_json::{Value, json};

const HOOK: &str = "/hook?token=s3cret";
const CONFIG: &str = r#"
[checks]
interval_secs = 10
[[checks.endpoints]]
name = "web"
url = "http://TARGET/web"
[[checks.endpoints]]
name = "api"
url = "http://TARGET/api"
[alerts]
enabled = true
webhook = "http://TARGET/hook?token=s3cret"
"#;

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

/// The events that were told, by service and name, in order.
fn told(world: &World) -> Vec<String> {
    let said =
        |seen: &Seen| format!("{} {}", body(seen)["service"].as_str().unwrap(), body(seen)["event"].as_str().unwrap());
    world.target.seen(HOOK).iter().map(said).collect()
}

/// Lets `web` fail until its outage is confirmed.
async fn fail(world: &World, path: &str) {
    let before = incidents(world).len();
    world.target.set(path, Does::Answer(503));
    world.until("an incident", |w| incidents(w).len() > before).await;
}

/// The confirmed outages, as the history has them.
fn incidents(world: &World) -> Vec<i64> {
    let sql = world.sql();
    let mut statement = sql.prepare("SELECT id FROM outage WHERE confirmed_at IS NOT NULL").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Events that the outbox has not settled.
fn unsettled(world: &World) -> i64 {
    world.sql().query_row("SELECT count(*) FROM outbox WHERE settled_at IS NULL", [], |row| row.get(0)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_told_when_it_is_confirmed_and_when_it_is_resolved() {
    let world = World::start(CONFIG).await;
    world.pass(12.0).await;
    // A blip is nobody's business.
    world.target.set("/web", Does::Answer(503));
    world.pass(9.0).await;
    world.target.set("/web", Does::Answer(200));
    world.pass(20.0).await;
    assert_eq!(told(&world), Vec::<String>::new());
    fail(&world, "/web").await;
    world.until("the first alert", |w| w.target.count(HOOK) == 1).await;
    world.target.set("/web", Does::Answer(200));
    world.until("the second alert", |w| w.target.count(HOOK) == 2).await;
    world.pass(120.0).await;
    assert_eq!(told(&world), ["web incident.confirmed", "web incident.resolved"]);
    assert_eq!(unsettled(&world), 0);
    let seen = world.target.seen(HOOK);
    let incident = world.get("/api/v1/incidents?service=web").await.ok()["items"][0].clone();
    let (first, second) = (body(&seen[0]), body(&seen[1]));
    assert_eq!(
        first["incident"],
        json!({
            "id": incident["id"], "status": "open", "last_ok_at": incident["last_ok_at"],
            "started_at": incident["started_at"], "confirmed_at": incident["confirmed_at"], "resolved_at": null,
            "duration_ms": null,
            "cause": {"class": "http_status", "phase": incident["cause"]["phase"], "message": "HTTP 503, expected 200–399", "http_status": 503},
        })
    );
    assert!(first["text"].as_str().unwrap().starts_with("web is down since 2026-11-16 00:00:"), "{first}");
    assert_eq!(second["incident"]["resolved_at"], incident["resolved_at"]);
    assert_eq!(second["incident"]["duration_ms"], incident["duration_ms"]);
    assert!(second["text"].as_str().unwrap().starts_with("web is up again after "), "{second}");
    // Its id is in a header too, and no event has another's.
    for (seen, body) in seen.iter().zip([&first, &second]) {
        let id = body["event_id"].as_str().unwrap();
        assert!(seen.head.to_ascii_lowercase().contains(&format!("idempotency-key: {}\r\n", id.to_ascii_lowercase())));
        assert!(seen.head.starts_with("POST "));
    }
    assert_ne!(first["event_id"], second["event_id"]);
}

/// Milliseconds between one and the next.
fn pauses(times: &[UnixMs]) -> Vec<i64> {
    times.windows(2).map(|pair| pair[1].since(pair[0])).collect()
}

/// What a message says beside the name of a detail.
fn detail(body: &Value, label: &str) -> Option<String> {
    let all = body["details"].as_array().unwrap();
    let found = all.iter().find(|detail| detail["label"] == label);
    found.map(|detail| detail["value"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_message_says_how_it_was_confirmed_what_else_fails_and_what_failed_first() {
    let world = World::start(CONFIG).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.until("the first alert", |w| w.target.count(HOOK) == 1).await;
    fail(&world, "/api").await;
    world.until("the second alert", |w| w.target.count(HOOK) == 2).await;
    let [web, api] = [0, 1].map(|i| body(&world.target.seen(HOOK)[i]));
    assert!(detail(&web, "confirmed").unwrap().ends_with(" UTC, after 3 failed checks in a row"), "{web}");
    assert_eq!((detail(&web, "also failing"), detail(&web, "failed first")), (None, None));
    assert_eq!(detail(&api, "also failing").as_deref(), Some("web"), "{api}");
    let began = detail(&web, "first failed check").unwrap();
    assert_eq!(detail(&api, "failed first"), Some(format!("web, {began}")));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_says_what_failed_when_it_was_confirmed() {
    let world = World::start(CONFIG).await;
    world.pass(12.0).await;
    fail(&world, "/api").await;
    world.until("the first alert", |w| w.target.count(HOOK) == 1).await;
    world.target.set(HOOK, Does::Answer(500));
    fail(&world, "/web").await;
    world.until("the first attempt", |w| w.target.count(HOOK) == 2).await;
    world.target.set("/api", Does::Answer(200));
    world.pass(60.0).await;
    world.target.set(HOOK, Does::Answer(200));
    world.until("another attempt", |w| unsettled(w) == 0).await;
    let of_web: Vec<Value> = world
        .target
        .seen(HOOK)
        .iter()
        .map(body)
        .filter(|body| body["event_id"].as_str().unwrap().ends_with("-2-confirmed"))
        .collect();
    assert!(of_web.len() > 1 && of_web.iter().all(|body| *body == of_web[0]), "{of_web:#?}");
    assert_eq!(detail(&of_web[0], "also failing").as_deref(), Some("api"));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_refuses_is_asked_again_ever_more_seldom_with_the_same_event() {
    for refusal in [Does::Answer(500), Does::Close, Does::Answer(302)] {
        let world = World::start(CONFIG).await;
        world.target.set(HOOK, refusal);
        fail(&world, "/web").await;
        world.until("the fifth attempt", |w| w.target.count(HOOK) == 5).await;
        // Another event rings meanwhile; it waits for its turn, and the pause is kept.
        fail(&world, "/api").await;
        world.until("the seventh attempt", |w| w.target.count(HOOK) == 7).await;
        let seen = world.target.seen(HOOK);
        assert!(seen.windows(2).all(|pair| pair[0].body == pair[1].body), "{refusal:?}");
        let pauses = pauses(&world.target.times(HOOK));
        for (i, pause) in pauses.iter().enumerate() {
            assert!(*pause >= 1000 << i, "{refusal:?}: {pauses:?}");
        }
        world.target.set(HOOK, Does::Answer(204));
        world.until("the outbox to be empty", |w| w.target.count(HOOK) == 9 && unsettled(w) == 0).await;
        world.pass(60.0).await;
        assert_eq!(told(&world)[7..], ["web incident.confirmed", "api incident.confirmed"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_delays_neither_checks_nor_health() {
    let world = World::start(CONFIG).await;
    world.target.set(HOOK, Does::Hang);
    fail(&world, "/web").await;
    world.until("the first attempt", |w| w.target.count(HOOK) == 1).await;
    let before = world.target.count("/api");
    world.target.set("/web", Does::Answer(200));
    world.pass(100.0).await;
    assert_eq!(world.target.count("/api") - before, 10);
    let answer = world.get("/health").await;
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str().unwrap()), (200, "healthy"));
    assert_eq!(world.get("/readyz").await.status, 200);
    assert!(world.target.most_at_once(HOOK) == 1 && world.target.count(HOOK) > 2);
    // Told of the end only after the beginning.
    world.target.set(HOOK, Does::Answer(200));
    world.until("the outbox to be empty", |w| unsettled(w) == 0).await;
    let told = told(&world);
    let (last, others) = told.split_last().unwrap();
    assert_eq!(last, "web incident.resolved");
    assert!(others.iter().all(|event| event == "web incident.confirmed"));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_told_is_told_by_a_later_run_under_the_same_id() {
    let mut world = World::start(CONFIG).await;
    world.target.set(HOOK, Does::Answer(500));
    fail(&world, "/web").await;
    world.until("the fourth attempt", |w| w.target.count(HOOK) == 4).await;
    world.pass(1.0).await;
    world.restart().await;
    world.pass(2.0).await;
    assert_eq!(world.target.count(HOOK), 4, "its pause holds across the restart");
    world.target.set(HOOK, Does::Answer(200));
    world.until("the delivery", |w| unsettled(w) == 0).await;
    let seen = world.target.seen(HOOK);
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|s| s.body == seen[0].body));
    world.restart().await;
    world.restart().await;
    world.pass(120.0).await;
    assert_eq!(world.target.count(HOOK), 5);
    world.target.set("/web", Does::Answer(200));
    world.until("the end", |w| w.target.count(HOOK) == 6).await;
    assert_eq!(told(&world)[5], "web incident.resolved");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_under_way_at_the_end_is_waited_for() {
    let mut world = World::start(CONFIG).await;
    world.target.set(HOOK, Does::Late(2_500));
    fail(&world, "/web").await;
    world.until("the request", |w| w.target.count(HOOK) == 1).await;
    world.stop().await;
    assert_eq!(unsettled(&world), 0);
    world.start_again_with(CONFIG).await;
    world.pass(60.0).await;
    assert_eq!(told(&world), ["web incident.confirmed"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_told_while_the_history_failed_is_not_told_twice() {
    let mut world = World::start(CONFIG).await;
    world.target.set(HOOK, Does::Late(1_000));
    fail(&world, "/web").await;
    world.until("the request", |w| w.target.count(HOOK) == 1).await;
    // Between the request and its answer the outbox becomes unreadable and unwritable.
    world.sql().execute_batch("ALTER TABLE outbox RENAME TO gone").unwrap();
    world.target.set("/web", Does::Answer(200));
    world.pass(90.0).await;
    assert_eq!(world.get("/readyz").await.status, 503);
    assert!(world.get("/readyz").await.json()["reason"].as_str().unwrap().contains("outbox"));
    world.sql().execute_batch("ALTER TABLE gone RENAME TO outbox").unwrap();
    world.until("the end", |w| w.target.count(HOOK) >= 2 && w.app().site.writer.trouble().is_none()).await;
    assert_eq!((told(&world).len(), unsettled(&world)), (2, 0));
    assert_eq!(told(&world), ["web incident.confirmed", "web incident.resolved"]);
    assert_eq!(world.get("/readyz").await.status, 200);
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!(world.target.count(HOOK), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_postpones_no_alert() {
    let world = World::start(CONFIG).await;
    world.pass(30.0).await;
    world.target.set(HOOK, Does::Answer(500));
    fail(&world, "/web").await;
    world.until("two attempts", |w| w.target.count(HOOK) == 2).await;
    world.clock.step(-3_600_000);
    world.target.set(HOOK, Does::Answer(200));
    world.pass(60.0).await;
    assert_eq!(world.target.count(HOOK), 3);
    assert_eq!(unsettled(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_by_a_week_silences_nobody() {
    let world = World::start(CONFIG).await;
    world.pass(30.0).await;
    world.target.set(HOOK, Does::Answer(500));
    fail(&world, "/web").await;
    world.until("two attempts", |w| w.target.count(HOOK) == 2).await;
    world.clock.step(8 * 86_400_000);
    world.until("further attempts", |w| w.target.count(HOOK) == 5).await;
    world.target.set(HOOK, Does::Answer(200));
    world.until("the outbox to be empty", |w| unsettled(w) == 0).await;
    let seen = world.target.seen(HOOK);
    assert!(seen.len() >= 6 && seen.iter().all(|s| s.body == seen[0].body));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_what_happened_while_alerts_were_off() {
    let off = CONFIG.replace("enabled = true", "enabled = false");
    let mut world = World::start(&off).await;
    fail(&world, "/web").await;
    world.stop().await;
    world.start_again_with(CONFIG).await;
    world.pass(30.0).await;
    assert_eq!(world.target.count(HOOK), 0);
    // Its end is news.
    world.target.set("/web", Does::Answer(200));
    world.until("the end", |w| w.target.count(HOOK) == 1).await;
    assert_eq!(told(&world), ["web incident.resolved"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_many_lines_from_an_earlier_version_is_told_in_one_sentence() {
    let world = World::start(CONFIG).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.until("the first alert", |w| w.target.count(HOOK) == 1).await;
    let long = format!("exit code 3: a\n\nb\u{1b}[2J\r\n{}", "c".repeat(4000));
    world.sql().execute("UPDATE reason SET message = ?1 WHERE message LIKE 'HTTP 503%'", [long]).unwrap();
    world.target.set("/web", Does::Answer(200));
    world.until("the second alert", |w| w.target.count(HOOK) == 2).await;
    let text = body(&world.target.seen(HOOK)[1])["text"].as_str().unwrap().to_owned();
    let (_, why) = text.split_once(" UTC: ").unwrap();
    assert!(why.starts_with("exit code 3: a · b · ccc") && why.ends_with("c…"), "{text}");
    assert_eq!(why.chars().count(), 200);
}
