//! Services that report by themselves, on a clock that the test moves: what comes, what comes late, and what nobody could
//! hear.

mod configuration;
mod exec;
mod interface;
mod pages;
mod program;

use crate::support::{
    history::{Answer, ask},
    world::{World, begin},
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::domain::time::UnixMs;
use serde_json::{Value, json};

const TOKEN: &str = "correct-horse-battery-staple";

/// So many seconds after the beginning, as the interface says it.
fn time(seconds: f64) -> String {
    begin().plus((seconds * 1000.0).round() as i64).to_string()
}

fn job(keys: &str) -> String {
    format!("[[checks.endpoints]]\nname = \"backup\"\ntype = \"push\"\ntoken = \"{TOKEN}\"\n{keys}\n")
}

const EVERY_MINUTE: &str = "interval_secs = 60\ngrace = \"10s\"";

/// Sends a report; a second passes.
async fn send(world: &World, method: &str, path: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
    answered(world, request).await
}

/// The answer to a request, which is taken in before time goes on; a second passes.
async fn answered(world: &World, request: Request<Body>) -> Answer {
    let then = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        world.pass(1.0).await;
    };
    let (answer, ()) = tokio::join!(ask(&world.app().site, request), then);
    answer
}

/// Sends what ends with this, and has it accepted.
#[track_caller]
fn push<'a>(world: &'a World, ending: &'a str) -> impl Future<Output = ()> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let answer = send(world, "POST", &format!("/api/v1/push/{TOKEN}{ending}"), Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.text().trim()), (200, "OK"), "{caller}");
    }
}

/// Lets time pass until so many seconds after the beginning.
async fn at(world: &World, seconds: f64) {
    assert!(world.now() <= seconds, "it is {}", world.now());
    world.pass(seconds - world.now()).await;
}

async fn items(world: &World, path: &str) -> Vec<Value> {
    world.committed().await;
    let mut items = world.get(path).await.ok()["items"].as_array().unwrap().clone();
    items.reverse();
    items
}

/// The results, oldest first: when each began, its outcome and how long it took.
async fn results(world: &World) -> Vec<(f64, String, Option<f64>)> {
    let seconds = |text: &str| UnixMs::parse(text).unwrap().since(begin()) as f64 / 1000.0;
    let one = |check: &Value| {
        let outcome = check["outcome"].as_str().unwrap().to_owned();
        (seconds(check["at"].as_str().unwrap()), outcome, check["response_time_ms"].as_f64())
    };
    items(world, "/api/v1/services/backup/checks?window=7d&limit=500").await.iter().map(one).collect()
}

/// The incidents, oldest first: when each began, was confirmed and ended.
async fn incidents(world: &World) -> Vec<(Value, Value, Value)> {
    let one = |i: &Value| (i["started_at"].clone(), i["confirmed_at"].clone(), i["resolved_at"].clone());
    items(world, "/api/v1/incidents").await.iter().map(one).collect()
}

async fn status(world: &World) -> String {
    let health = world.get("/health?verbose=1").await.json();
    health["services"]["backup"]["status"].as_str().unwrap().to_owned()
}

async fn gaps(world: &World) -> Vec<Value> {
    world.committed().await;
    world.get("/api/v1/export?from=2026-11-16").await.ok()["gaps"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn before_its_first_report_nothing_is_known_of_a_service_and_nothing_is_late() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    world.pass(600.0).await;
    assert_eq!(status(&world).await, "pending");
    assert_eq!(results(&world).await, []);
    push(&world, "").await;
    assert_eq!(status(&world).await, "up");
}

#[tokio::test(start_paused = true)]
async fn a_report_is_a_check_result_with_the_duration_that_it_says() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    at(&world, 5.0).await;
    push(&world, "?duration_ms=1500").await;
    push(&world, "?status=up&msg=OK&ping=").await;
    push(&world, "?status=down&msg=disk%20full").await;
    let taken = results(&world).await;
    // It began before it was reported.
    let expected = [(3.5, "up", Some(1500.0)), (6.0, "up", None), (7.0, "down", None)];
    assert_eq!(taken, expected.map(|(at, outcome, took)| (at, outcome.to_owned(), took)));
    // It is confirmed at once.
    assert_eq!(incidents(&world).await, [(json!(time(7.0)), json!(time(7.0)), Value::Null)]);
    let incident = &items(&world, "/api/v1/incidents").await[0];
    assert_eq!((&incident["cause"]["class"], &incident["cause"]["message"]), (&json!("content"), &json!("disk full")));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_does_not_come_is_an_outage_since_it_was_due() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    at(&world, 5.0).await;
    push(&world, "").await;
    at(&world, 74.8).await;
    assert_eq!((status(&world).await.as_str(), results(&world).await.len()), ("up", 1), "within its grace");
    at(&world, 76.0).await;
    assert_eq!(status(&world).await, "down");
    let [(started_at, confirmed_at, resolved_at)] = &incidents(&world).await[..] else { panic!("no incident") };
    assert_eq!((started_at, resolved_at), (&json!(time(65.0)), &Value::Null));
    let confirmed = UnixMs::parse(confirmed_at.as_str().unwrap()).unwrap().since(begin());
    assert!((75_000..75_200).contains(&confirmed), "{confirmed}");
    let incident = &items(&world, "/api/v1/incidents").await[0];
    assert_eq!(incident["cause"]["class"], "timeout");
    assert_eq!(incident["cause"]["message"], "no report within 1 min and 10 s of grace");
    // While it lasts there is a result in every interval, and so no gap.
    at(&world, 500.0).await;
    let missed: Vec<f64> = results(&world).await.iter().skip(1).map(|(at, ..)| at.round()).collect();
    assert_eq!(missed, [65.0, 135.0, 195.0, 255.0, 315.0, 375.0, 435.0, 495.0]);
    assert_eq!((gaps(&world).await, incidents(&world).await.len()), (vec![], 1));
    push(&world, "").await;
    assert_eq!(status(&world).await, "up");
    assert_eq!(incidents(&world).await[0].2, json!(time(500.0)));
}

#[tokio::test(start_paused = true)]
async fn a_restart_makes_no_outage_of_what_could_not_arrive_and_what_does_not_come_after_it_is_noticed() {
    let mut world = World::start(&job(EVERY_MINUTE)).await;
    at(&world, 5.0).await;
    push(&world, "").await;
    at(&world, 50.0).await;
    world.stop().await;
    // The report of 65 s finds nobody.
    at(&world, 70.0).await;
    world.start_again_with(&job(EVERY_MINUTE)).await;
    at(&world, 125.0).await;
    assert_eq!((status(&world).await.as_str(), results(&world).await.len()), ("up", 1));
    push(&world, "").await;
    world.restart().await;
    let since = world.now();
    assert_eq!(incidents(&world).await, []);
    // Heard at 125 s, and due a minute later, whatever happened in between.
    at(&world, 197.0).await;
    assert!(since < 150.0 && status(&world).await == "down", "{since}");
    assert_eq!(incidents(&world).await[0].0, json!(time(185.0)));
    assert_eq!(gaps(&world).await, Vec::<Value>::new());
    // What was late before a restart is late after it, and the same incident.
    world.restart().await;
    world.pass(200.0).await;
    assert_eq!((status(&world).await.as_str(), incidents(&world).await.len()), ("down", 1));
    assert_eq!(gaps(&world).await, Vec::<Value>::new());
    push(&world, "").await;
    assert_eq!(status(&world).await, "up");
}

#[tokio::test(start_paused = true)]
async fn a_long_absence_of_the_monitor_is_a_gap_and_no_outage() {
    let mut world = World::start(&job(EVERY_MINUTE)).await;
    at(&world, 5.0).await;
    push(&world, "").await;
    at(&world, 20.0).await;
    world.stop().await;
    at(&world, 1000.0).await;
    world.start_again_with(&job(EVERY_MINUTE)).await;
    assert_eq!(status(&world).await, "unknown");
    at(&world, 1058.0).await;
    push(&world, "").await;
    assert_eq!((status(&world).await.as_str(), incidents(&world).await.len()), ("up", 0));
    let [gap] = &gaps(&world).await[..] else { panic!("no gap") };
    assert_eq!((&gap["from"], &gap["to"], &gap["reason"]), (&json!(time(135.0)), &json!(time(1058.0)), &json!("off")));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_and_a_clock_that_was_set_make_no_outage() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    at(&world, 5.0).await;
    push(&world, "").await;
    at(&world, 30.0).await;
    world.clock.sleep_machine(3_600_000);
    world.pass(58.0).await;
    assert_eq!(incidents(&world).await, []);
    push(&world, "").await;
    // The clock that counts the interval cannot be set.
    world.pass(10.0).await;
    world.clock.step(1_800_000);
    world.pass(40.0).await;
    assert_eq!(incidents(&world).await, []);
    world.clock.step(-1_800_000);
    world.pass(15.0).await;
    assert_eq!((status(&world).await.as_str(), incidents(&world).await.len()), ("up", 0));
    world.pass(10.0).await;
    assert_eq!(status(&world).await, "down");
}

const EVERY_FIVE_MINUTES: &str = "cron = \"*/5 * * * *\"\nzone = \"Europe/Berlin\"\ngrace = \"1m\"";

#[tokio::test(start_paused = true)]
async fn a_report_is_due_when_its_expression_says() {
    let mut world = World::start(&job(EVERY_FIVE_MINUTES)).await;
    at(&world, 2.0).await;
    push(&world, "").await;
    for due in [300.0, 600.0] {
        at(&world, due + 50.0).await;
        push(&world, "").await;
    }
    // Three seconds early by its own clock: that is the one that is due.
    at(&world, 897.0).await;
    push(&world, "").await;
    at(&world, 1259.0).await;
    assert_eq!((status(&world).await.as_str(), incidents(&world).await.len()), ("up", 0));
    at(&world, 1262.0).await;
    assert_eq!(status(&world).await, "down");
    let [(started_at, confirmed_at, _)] = &incidents(&world).await[..] else { panic!("no incident") };
    assert_eq!((started_at, confirmed_at), (&json!(time(1200.0)), &json!(time(1260.0))));
    let incident = &items(&world, "/api/v1/incidents").await[0];
    assert_eq!(incident["cause"]["message"], "no report within 1 min of when it was due (*/5 * * * *, Europe/Berlin)");
    at(&world, 1870.0).await;
    let missed: Vec<f64> = results(&world).await.iter().skip(4).map(|(at, ..)| *at).collect();
    assert_eq!((missed, gaps(&world).await), (vec![1200.0, 1500.0, 1800.0], vec![]));
    push(&world, "").await;
    assert_eq!(status(&world).await, "up");
    // What was due while nobody could hear it is not held against the job; what is due then is.
    at(&world, 2090.0).await;
    world.stop().await;
    at(&world, 2110.0).await;
    world.start_again_with(&job(EVERY_FIVE_MINUTES)).await;
    at(&world, 2400.0).await;
    assert_eq!((status(&world).await.as_str(), incidents(&world).await.len()), ("up", 1));
    at(&world, 2462.0).await;
    assert_eq!((status(&world).await.as_str(), incidents(&world).await.len()), ("down", 2));
    assert_eq!(incidents(&world).await[1].0, json!(time(2400.0)));
}

#[tokio::test(start_paused = true)]
async fn a_run_is_measured_from_its_start_to_its_end() {
    let world =
        World::start(&job("interval_secs = 60\ngrace = \"10s\"\ntimeout_secs = 100\ndegraded_after_ms = 90000")).await;
    at(&world, 5.0).await;
    push(&world, "/start").await;
    at(&world, 85.0).await;
    assert_eq!(status(&world).await, "pending", "it runs, and is not late");
    push(&world, "").await;
    push(&world, "/start?rid=a").await;
    at(&world, 100.0).await;
    push(&world, "/start?rid=b").await;
    at(&world, 120.0).await;
    push(&world, "/0?rid=b").await;
    at(&world, 182.0).await;
    push(&world, "/0?rid=a").await;
    let one = |at: f64, outcome: &str, took: f64| (at, outcome.to_owned(), Some(took));
    let results = results(&world).await;
    assert_eq!(results[..2], [one(5.0, "up", 80_000.0), one(100.0, "up", 20_000.0)]);
    // The one that began first ended last: it comes after the one that was known before it, and took as long as it took.
    assert_eq!(results[2..], [one(120.0, "degraded", 96_000.0)]);
    assert_eq!(incidents(&world).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_end_is_late_and_what_it_said_is_kept() {
    let world = World::start(&job("interval_secs = 600\ngrace = \"10s\"\ntimeout_secs = 30")).await;
    at(&world, 5.0).await;
    push(&world, "").await;
    at(&world, 10.0).await;
    push(&world, "/start").await;
    let path = format!("/api/v1/push/{TOKEN}/log");
    let answer = send(&world, "POST", &path, "copying the third of four").await;
    assert_eq!(answer.text(), "OK (kept should the run that is under way fail)\n");
    at(&world, 39.8).await;
    assert_eq!(status(&world).await, "up");
    at(&world, 42.0).await;
    assert_eq!(status(&world).await, "down");
    let incident = &items(&world, "/api/v1/incidents").await[0];
    assert_eq!(incident["started_at"], time(10.0));
    assert_eq!(incident["cause"]["message"], "the run has not ended within 30 s");
    assert_eq!(incident["cause"]["excerpt"], "copying the third of four");
    // It ends after all.
    push(&world, "").await;
    assert_eq!(status(&world).await, "up");
    assert_eq!(incidents(&world).await[0].2, json!(time(42.0)));
}

#[tokio::test(start_paused = true)]
async fn in_maintenance_nothing_that_is_missing_is_an_outage() {
    let maintenance = "[[maintenance]]\nfrom = \"2026-11-16T00:01:00Z\"\nto = \"2026-11-16T00:05:00Z\"\n";
    let world = World::start(&(job(EVERY_MINUTE) + maintenance)).await;
    at(&world, 5.0).await;
    push(&world, "").await;
    at(&world, 299.0).await;
    assert_eq!((status(&world).await.as_str(), incidents(&world).await.len()), ("maintenance", 0));
    at(&world, 400.0).await;
    assert_eq!((status(&world).await.as_str(), incidents(&world).await.len()), ("down", 1));
}
