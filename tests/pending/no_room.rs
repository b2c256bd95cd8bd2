//! Results that find no room among those that wait.

use super::{HOOK, fails, heals, health, incidents, outbox, said, start, told, with_alerts};
use crate::support::{target::Does, world::World};
use serde_json::{Value, json};

/// Lets the buffer overflow: nothing can be written, and no more results may wait.
async fn overflows(world: &World) {
    fails(&world.path());
    world.until("trouble", |w| w.app().site.writer.trouble().is_some()).await;
    world.app().site.writer.limit_waiting(0);
}

/// What the history holds follows from its results; there are gaps, and they say why.
async fn agrees(world: &mut World) {
    world.committed().await;
    let gaps = world.get("/api/v1/export?from=2026-11-16").await.ok()["gaps"].clone();
    let why: Vec<&Value> = gaps.as_array().unwrap().iter().map(|gap| &gap["reason"]).collect();
    assert!(!why.is_empty() && why.iter().all(|why| **why == "not_stored"), "{gaps}");
    let shown = |world: &World| -> Vec<_> {
        world.app().site.live.all().iter().map(|s| (s.confirmed, s.since, s.outage.clone())).collect()
    };
    let before = shown(world);
    world.stop().await;
    assert_eq!(crate::support::past::differences(&world.path()), vec![]);
    start(world).await;
    assert_eq!(shown(world), before);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_shown_and_told_all_the_same() {
    let mut world = with_alerts().await;
    overflows(&world).await;
    for _ in 0..10 {
        world.pass(60.0).await;
        let (code, body) = health(&world).await;
        assert_eq!((code, &body["status"]), (200, &json!("healthy")), "{body}");
    }
    world.target.set("/web", Does::Answer(503));
    world.until("the alert", |w| w.target.count(HOOK) == 1).await;
    assert_eq!(health(&world).await.0, 503);
    assert_eq!(world.get("/readyz").await.status, 503);
    assert_eq!(world.get("/health?verbose=1").await.json()["services"]["web"]["status"], "down");
    // It goes on when there is room again: it is the incident that was told of.
    heals(&world.path());
    world.app().site.writer.limit_waiting(1_000);
    world.until("the incident", |w| incidents(w).len() == 1).await;
    let api = |world: &World| world.app().site.live.get("api").unwrap().status(world.clock.now()).as_str();
    assert_eq!(api(&world), "up");
    world.pass(60.0).await;
    world.target.set("/web", Does::Answer(200));
    world.until("the end to be told", |w| w.target.count(HOOK) == 2).await;
    world.pass(60.0).await;
    let told = told(&world);
    assert_eq!(said(&world), ["web confirmed", "web resolved"]);
    assert_eq!((incidents(&world), told[1].1), (vec![told[0].1], told[0].1));
    assert_eq!(outbox(&world), [told[0].2.clone(), told[1].2.clone()]);
    agrees(&mut world).await;
    world.pass(60.0).await;
    assert_eq!(world.target.count(HOOK), 2);
}

#[tokio::test(start_paused = true)]
async fn of_what_found_no_room_and_is_over_the_end_is_told() {
    let mut world = with_alerts().await;
    overflows(&world).await;
    world.target.set("/web", Does::Answer(503));
    world.until("the alert", |w| w.target.count(HOOK) == 1).await;
    world.target.set("/web", Does::Answer(200));
    world.pass(60.0).await;
    assert_eq!(health(&world).await.0, 200);
    heals(&world.path());
    world.app().site.writer.limit_waiting(1_000);
    world.until("the end to be told", |w| w.target.count(HOOK) == 2).await;
    world.pass(60.0).await;
    assert_eq!((said(&world), incidents(&world)), (vec!["web confirmed".into(), "web resolved".into()], vec![]));
    agrees(&mut world).await;
    world.target.set("/web", Does::Answer(503));
    world.until("the next alert", |w| w.target.count(HOOK) == 3).await;
    let told = told(&world);
    assert!(told[2].1 > told[0].1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_began_with_room_and_was_confirmed_without_is_one_incident() {
    let mut world = with_alerts().await;
    fails(&world.path());
    world.until("trouble", |w| w.app().site.writer.trouble().is_some()).await;
    let failed = |w: &World| w.app().site.live.get("web").unwrap().outage.as_ref().map_or(0, |o| o.checks_failed);
    world.target.set("/web", Does::Answer(503));
    world.until("the first failure", |w| failed(w) == 1).await;
    world.app().site.writer.limit_waiting(0);
    world.until("the alert", |w| w.target.count(HOOK) == 1).await;
    heals(&world.path());
    world.app().site.writer.limit_waiting(1_000);
    world.until("the incident", |w| incidents(w).len() == 1).await;
    world.target.set("/web", Does::Answer(200));
    world.until("the end to be told", |w| w.target.count(HOOK) == 2).await;
    world.pass(60.0).await;
    let told = told(&world);
    assert_eq!(said(&world), ["web confirmed", "web resolved"]);
    assert_eq!((incidents(&world), told[1].1), (vec![told[0].1], told[0].1));
    world.committed().await;
    world.stop().await;
    assert_eq!(crate::support::past::differences(&world.path()), vec![]);
}
