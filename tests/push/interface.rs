//! How reports are taken: addresses, answers, logs, and what is refused.

use super::{EVERY_MINUTE, TOKEN, answered, at, incidents, items, job, push, results, send, status};
use crate::support::{
    history::{Answer, ask},
    world::World,
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::http::rate_limit::TAKEN_OF_PUSHES;
use serde_json::json;

fn path(ending: &str) -> String {
    format!("/api/v1/push/{TOKEN}{ending}")
}

async fn get(world: &World, path: &str) -> Answer {
    send(world, "GET", path, Body::empty()).await
}

#[tokio::test(start_paused = true)]
async fn whatever_method_a_client_has_it_can_report_and_is_told_how_in_its_form() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    for method in ["GET", "POST", "HEAD"] {
        let answer = send(&world, method, &path(""), Body::empty()).await;
        let text = if method == "HEAD" { "" } else { "OK\n" };
        assert_eq!((answer.status.as_u16(), answer.text()), (200, text));
        assert_eq!(
            (answer.header("cache-control"), answer.header("content-type")),
            ("no-store", "text/plain; charset=utf-8")
        );
    }
    assert_eq!(results(&world).await.len(), 3);
    let request = Request::get(path("/1")).header("accept", "application/json").body(Body::empty()).unwrap();
    let answer = answered(&world, request).await;
    let expected = json!({"ok": true, "service": "backup", "recorded": "written", "outcome": "down"});
    assert_eq!(answer.ok(), expected);
    assert_eq!(send(&world, "DELETE", &path(""), Body::empty()).await.status, 405);
}

#[tokio::test(start_paused = true)]
async fn an_exit_code_and_a_failure_keep_the_log_of_the_job_without_its_token() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    push(&world, "/0").await;
    let log = format!("+ curl https://monitor/api/v1/push/{TOKEN}/start\nno space left on device\n");
    let answer = send(&world, "POST", &path("/3?message=rsync"), log).await;
    assert_eq!(answer.status, 200);
    let incident = &items(&world, "/api/v1/incidents").await[0];
    assert_eq!(
        (&incident["cause"]["class"], &incident["cause"]["message"]),
        (&json!("exit_code"), &json!("exit code 3: rsync"))
    );
    let kept = incident["cause"]["excerpt"].as_str().unwrap();
    assert_eq!(kept, "+ curl https://monitor/api/v1/push/•••/start\nno space left on device");
    push(&world, "").await;
    push(&world, "/fail").await;
    let incident = &items(&world, "/api/v1/incidents").await[1];
    assert_eq!(incident["cause"]["message"], "it reported a failure");
}

#[tokio::test(start_paused = true)]
async fn of_a_long_log_the_first_100_kilobytes_are_kept_and_one_without_end_is_refused() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    push(&world, "").await;
    // More than other bodies may have.
    let answer = send(&world, "POST", &path("/fail"), "0123456789".repeat(20_000)).await;
    assert_eq!(answer.status, 200);
    let incident = items(&world, "/api/v1/incidents").await.remove(0);
    let kept = incident["cause"]["excerpt"].as_str().unwrap();
    assert!(kept.len() == 100_000 && kept.ends_with("0123456789"), "{}", kept.len());
    // The export has it, too, and an import takes it.
    let export = world.get("/api/v1/export?format=json&window=7d").await;
    assert!(export.text().contains(kept));
    let before = results(&world).await.len();
    let answer = send(&world, "POST", &path(""), vec![b'x'; 10_000_001]).await;
    assert_eq!((answer.status.as_u16(), results(&world).await.len()), (413, before));
}

#[tokio::test(start_paused = true)]
async fn every_unknown_token_gets_the_same_answer_and_whoever_tries_many_waits() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    let mut answers = Vec::new();
    for token in
        ["x", "correct-horse-battery-stapl", "correct-horse-battery-staplf", "%ff", "..%2f..", &"a".repeat(5_000)]
    {
        for ending in ["", "/start", "/nonsense", "?nonsense=1"] {
            let answer = get(&world, &format!("/api/v1/push/{token}{ending}")).await;
            answers.push((answer.status.as_u16(), answer.text().to_owned()));
        }
    }
    answers.dedup();
    let [(404, problem)] = &answers[..] else { panic!("{answers:?}") };
    assert!(problem.contains("there is no service with this token"), "{problem}");
    for _ in 0..TAKEN_OF_PUSHES {
        get(&world, "/api/v1/push/guess").await;
    }
    let answer = get(&world, "/api/v1/push/guess").await;
    assert_eq!(answer.status, 429);
    assert!((1..=60).contains(&answer.header("retry-after").parse::<i64>().unwrap()));
    assert_eq!(get(&world, &path("")).await.status, 429, "what cannot be told from a guess is not looked at");
    world.pass(60.0).await;
    push(&world, "").await;
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    for (ending, status) in [
        ("?status=broken", 400),
        ("?duration_ms=-1", 400),
        ("?ping=soon", 400),
        ("?mesage=x", 400),
        ("?rid=a%20b", 400),
        ("?status=up&status=down", 400),
        ("/start?status=down", 400),
        ("/256", 404),
        ("/-1", 404),
        ("/finish", 404),
    ] {
        assert_eq!(get(&world, &path(ending)).await.status, status, "{ending}");
    }
    assert_eq!(results(&world).await, []);
}

#[tokio::test(start_paused = true)]
async fn more_reports_than_anybody_needs_are_refused_for_the_rest_of_the_minute() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    let site = &world.app().site;
    let all = futures_util::future::join_all((0..130).map(|_| {
        let request = Request::get(path("")).body(Body::empty()).unwrap();
        ask(site, request)
    }));
    let (answers, ()) = tokio::join!(all, world.pass(2.0));
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((refused, results(&world).await.len()), (10, 120));
    world.pass(60.0).await;
    push(&world, "").await;
}

#[tokio::test(start_paused = true)]
async fn a_report_of_a_paused_service_is_accepted_and_counts_for_nothing() {
    let world = World::start(&job(&format!("{EVERY_MINUTE}\nenabled = false"))).await;
    let answer = get(&world, &path("/fail")).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "OK (not recorded: this service is paused)\n"));
    assert_eq!((results(&world).await, status(&world).await.as_str()), (vec![], "paused"));
}

#[tokio::test(start_paused = true)]
async fn while_the_history_cannot_be_written_reports_are_accepted_and_shown_and_written_later() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    push(&world, "").await;
    world.committed().await;
    world.sql().execute_batch("ALTER TABLE run RENAME TO gone").unwrap();
    let request = Request::get(path("/1")).body(Body::empty()).unwrap();
    let (answer, ()) = tokio::join!(ask(&world.app().site, request), world.pass(10.0));
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert!(answer.text().starts_with("OK, but the history cannot be written right now"), "{}", answer.text());
    assert_eq!(status(&world).await, "down");
    world.sql().execute_batch("ALTER TABLE gone RENAME TO run").unwrap();
    assert_eq!(incidents(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_answer_shows_a_token() {
    let hashed = "[[checks.endpoints]]\nname = \"other\"\ntype = \"push\"\ninterval_secs = 60\n\
         token_sha256 = \"0e7b79e1c9b1f3f8d7e1cb2f4b0f5e0f9b1a3c5d7e9f0a1b2c3d4e5f60718293\"\n";
    let world = World::start(&(job(EVERY_MINUTE) + hashed)).await;
    push(&world, "").await;
    at(&world, 90.0).await;
    for path in [
        "/api/v1/services",
        "/api/v1/services/backup",
        "/api/v1/services/other",
        "/api/v1/export?format=json&window=7d",
        "/dashboard",
        "/dashboard/service/backup",
        "/metrics",
        "/health?verbose=1",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.text().find("correct-horse"), None, "{path}");
        assert_eq!(answer.text().find("0e7b79e1"), None, "{path}");
    }
    let settings = world.get("/api/v1/services/backup").await.ok()["configuration"].clone();
    assert_eq!((&settings["token"], &settings["grace_secs"]), (&json!("•••"), &json!(10)));
    let settings = world.get("/api/v1/services/other").await.ok()["configuration"].clone();
    assert_eq!((&settings["token_sha256"], &settings["grace_secs"]), (&json!("•••"), &json!(6)));
}
