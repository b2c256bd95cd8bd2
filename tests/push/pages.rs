//! What the pages show of services that report by themselves.

use super::{EVERY_FIVE_MINUTES, EVERY_MINUTE, TOKEN, at, items, job, push, send};
use crate::support::world::World;

async fn page(world: &World, path: &str) -> String {
    world.committed().await;
    let answer = world.get(path).await;
    assert_eq!(answer.status, 200, "{path}");
    let text = answer.text().replace('\u{a0}', " ").replace("&#x2f;", "/");
    assert!(!text.contains("horse"), "{path}");
    text
}

#[tokio::test(start_paused = true)]
async fn before_the_first_report_a_page_says_what_it_waits_for_and_how_to_send_it() {
    let world = World::start(&job(EVERY_MINUTE)).await;
    world.pass(30.0).await;
    assert!(page(&world, "/dashboard").await.contains("1 service, waiting for its first report"));
    let service = page(&world, "/dashboard/services/backup").await;
    assert!(service.contains("waits for its first report"));
    assert!(service.contains("<details open><summary>How it reports</summary>"));
    assert!(service.contains("@job.log http://localhost/api/v1/push/TOKEN/$?"));
    assert!(service.contains("reports every 1 min, late after 10 s more"));
    push(&world, "").await;
    let service = page(&world, "/dashboard/services/backup").await;
    assert!(service.contains("up for") && service.contains("<details><summary>How it reports</summary>"));
    assert!(service.contains("<h2 id=\"c-h\">Reports</h2>"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_and_its_log_are_shown() {
    let world = World::start(&job(EVERY_FIVE_MINUTES)).await;
    at(&world, 2.0).await;
    push(&world, "").await;
    send(&world, "POST", &format!("/api/v1/push/{TOKEN}/3"), "first line\nno space left on device").await;
    let service = page(&world, "/dashboard/services/backup").await;
    assert!(service.contains("reports when */5 * * * * in Europe/Berlin, late after 1 min more"));
    assert!(service.contains("exit code 3"));
    let id = items(&world, "/api/v1/incidents").await[0]["id"].clone();
    assert!(page(&world, &format!("/dashboard/incidents/{id}")).await.contains("no space left on device</pre>"));
    assert!(page(&world, "/dashboard").await.contains("first line"));
}
