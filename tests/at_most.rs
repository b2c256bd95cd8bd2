//! A service whose checks fail now and then, and never in a row: `at_most`.

use crate::support::{target::Does, world::World};

const CONFIG: &str = r#"
[checks]
interval_secs = 10
[[checks.endpoints]]
name = "web"
url = "http://TARGET/web"
at_most = "10 % of 20"
"#;

/// How many checks failed so far, as the history has them.
fn failed(world: &World) -> i64 {
    world.sql().query_row("SELECT coalesce(sum(checks_failed), 0) FROM outage", [], |row| row.get(0)).unwrap()
}

/// One check fails, and the next one passes.
async fn fail_once(world: &World) {
    let before = failed(world);
    world.target.set("/web", Does::Answer(503));
    world.until("a failure", |w| failed(w) > before).await;
    world.target.set("/web", Does::Answer(200));
    world.pass(30.0).await;
}

async fn status(world: &World) -> (String, String) {
    let service = world.get("/api/v1/services/web").await.json();
    (service["status"].as_str().unwrap().to_owned(), service["last_check"]["note"]["message"].to_string())
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_now_and_then_is_degraded_also_after_a_restart_until_it_does_so_no_more() {
    let mut world = World::start(CONFIG).await;
    world.pass(12.0).await;
    fail_once(&world).await;
    fail_once(&world).await;
    assert_eq!(status(&world).await.0, "up", "two of twenty may fail");
    fail_once(&world).await;
    let (now, why) = status(&world).await;
    assert_eq!(now, "degraded");
    assert!(why.contains("3 of the last 20 checks failed, at most 2 may"), "{why}");
    world.restart().await;
    world.pass(12.0).await;
    assert_eq!(status(&world).await.0, "degraded");
    // The first failure is older than twenty checks then.
    world.pass(200.0).await;
    assert_eq!(status(&world).await.0, "up");
    let incidents: i64 = world
        .sql()
        .query_row("SELECT count(*) FROM outage WHERE confirmed_at IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(incidents, 0);
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_not_told_a_second_time_as_too_many_failures() {
    let mut world = World::start(CONFIG).await;
    world.pass(12.0).await;
    world.target.set("/web", Does::Answer(503));
    world.pass(120.0).await;
    world.target.set("/web", Does::Answer(200));
    world.pass(30.0).await;
    assert_eq!(status(&world).await.0, "up");
    world.restart().await;
    world.pass(12.0).await;
    assert_eq!(status(&world).await.0, "up");
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_maintenance_takes_no_other_checks_place_also_after_a_restart() {
    let maintenance = "[[maintenance]]\nfrom = \"2026-11-16T00:02:40Z\"\nto = \"2026-11-16T00:05:40Z\"\n";
    let mut world = World::start(&format!("{CONFIG}\n{maintenance}")).await;
    world.pass(12.0).await;
    for _ in 0..3 {
        fail_once(&world).await;
    }
    world.pass(165.0 - world.now()).await;
    world.target.set("/web", Does::Answer(503));
    world.pass(332.0 - world.now()).await;
    world.target.set("/web", Does::Answer(200));
    world.pass(355.0 - world.now()).await;
    assert_eq!(status(&world).await.0, "degraded");
    world.restart().await;
    world.pass(12.0).await;
    assert_eq!(status(&world).await.0, "degraded");
}
