//! Notifications of what cannot be stored: nobody is notified twice, and no incident takes the number of another.

use super::{
    BEGIN, HOOK, begin, end, fails, heals, incidents, outbox, said, start, told, told_and_lost, until, with_alerts,
};
use crate::support::{
    history::{History, service},
    target::Does,
    world::World,
};
use rusqlite::Connection;
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_is_confirmed_while_nothing_can_be_stored_is_told_at_once_and_under_the_id_that_it_keeps() {
    let world = with_alerts().await;
    fails(&world.path());
    world.target.set("/web", Does::Answer(503));
    world.until("the alert", |w| w.target.count(HOOK) == 1).await;
    world.target.set("/api", Does::Answer(503));
    world.until("the second alert", |w| w.target.count(HOOK) == 2).await;
    world.target.set("/web", Does::Answer(200));
    world.until("the third alert", |w| w.target.count(HOOK) == 3).await;
    world.pass(120.0).await;
    assert_eq!(said(&world), ["web confirmed", "api confirmed", "web resolved"]);
    assert_eq!((incidents(&world), outbox(&world)), (vec![], vec![]));
    heals(&world.path());
    world.committed().await;
    world.pass(120.0).await;
    // Written, they are the same, and nobody is told again.
    let told = told(&world);
    assert_eq!(told.len(), 3);
    let mut ids: Vec<String> = told.iter().map(|(.., id)| id.clone()).collect();
    ids.sort_unstable();
    let mut stored = outbox(&world);
    stored.sort_unstable();
    assert_eq!(stored, ids);
    assert_eq!((told[0].1, told[2].1), (1, 1));
    assert_eq!(incidents(&world), [1, 2]);
    // And it goes on as ever.
    world.target.set("/api", Does::Answer(200));
    world.until("the end to be told", |w| w.target.count(HOOK) == 4).await;
    world.pass(60.0).await;
    assert_eq!((said(&world)[3].as_str(), outbox(&world).len()), ("api resolved", 4));
}

#[tokio::test(start_paused = true)]
async fn who_could_not_be_told_while_nothing_could_be_stored_is_told_later_in_the_order_of_events() {
    let world = with_alerts().await;
    fails(&world.path());
    world.target.set(HOOK, Does::Answer(500));
    world.target.set("/web", Does::Answer(503));
    world.until("an attempt", |w| w.target.count(HOOK) == 1).await;
    world.target.set("/web", Does::Answer(200));
    world.pass(60.0).await;
    heals(&world.path());
    world.committed().await;
    world.target.set(HOOK, Does::Answer(200));
    let settled = |w: &World| -> i64 {
        w.sql().query_row("SELECT count(*) FROM outbox WHERE settled_at IS NOT NULL", [], |row| row.get(0)).unwrap()
    };
    world.until("both to be told", |w| settled(w) == 2).await;
    world.pass(120.0).await;
    let said = said(&world);
    let (last, before) = said.split_last().unwrap();
    assert!(last == "web resolved" && before.iter().all(|said| said == "web confirmed"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn of_what_was_told_and_lost_and_goes_on_nobody_is_told_again() {
    let mut world = with_alerts().await;
    told_and_lost(&mut world).await;
    start(&mut world).await;
    world.until("the incident", |w| incidents(w).len() == 1).await;
    world.pass(120.0).await;
    assert_eq!(said(&world), ["web confirmed"]);
    world.target.set("/web", Does::Answer(200));
    world.until("the end to be told", |w| w.target.count(HOOK) == 2).await;
    world.pass(120.0).await;
    let told = told(&world);
    assert_eq!(said(&world), ["web confirmed", "web resolved"]);
    // It is the incident that was told of.
    assert_eq!((incidents(&world), told[1].1), (vec![told[0].1], told[0].1));
    assert_eq!(outbox(&world), [told[0].2.clone(), told[1].2.clone()]);
    // The next one is another one.
    world.target.set("/web", Does::Answer(503));
    world.until("the next alert", |w| w.target.count(HOOK) == 3).await;
    assert_eq!(incidents(&world), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn of_what_was_told_and_lost_and_is_over_the_end_is_told() {
    let mut world = with_alerts().await;
    told_and_lost(&mut world).await;
    world.target.set("/web", Does::Answer(200));
    start(&mut world).await;
    world.until("the end to be told", |w| w.target.count(HOOK) == 2).await;
    world.pass(120.0).await;
    let first = told(&world);
    assert_eq!(said(&world), ["web confirmed", "web resolved"]);
    assert_eq!((first[0].1, incidents(&world)), (first[1].1, vec![]), "the history knows nothing of it");
    // Also not after one more start, and its number is nobody else's.
    world.restart().await;
    world.pass(120.0).await;
    assert_eq!(world.target.count(HOOK), 2);
    world.target.set("/web", Does::Answer(503));
    world.until("the next alert", |w| w.target.count(HOOK) == 3).await;
    let (_, number, id) = told(&world)[2].clone();
    assert!(number > first[0].1 && first.iter().all(|(.., other)| *other != id), "{number} {id}");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_from_beginning_to_end_and_lost_is_over_and_its_number_is_nobody_elses() {
    let mut world = with_alerts().await;
    fails(&world.path());
    world.target.set("/web", Does::Answer(503));
    world.until("the alert", |w| w.target.count(HOOK) == 1).await;
    world.target.set("/web", Does::Answer(200));
    world.until("the end to be told", |w| w.target.count(HOOK) == 2).await;
    end(&mut world).await;
    start(&mut world).await;
    world.pass(120.0).await;
    assert_eq!(said(&world), ["web confirmed", "web resolved"]);
    world.target.set("/web", Does::Answer(503));
    world.until("the next alert", |w| w.target.count(HOOK) == 3).await;
    let told = told(&world);
    assert!(told[2].1 > told[0].1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_was_told_of_the_end_of_a_stored_incident_is_not_told_of_it_again() {
    let mut world = with_alerts().await;
    world.target.set("/web", Does::Answer(503));
    world.until("the alert", |w| w.target.count(HOOK) == 1 && incidents(w).len() == 1).await;
    world.committed().await;
    fails(&world.path());
    world.target.set("/web", Does::Answer(200));
    world.until("the end to be told", |w| w.target.count(HOOK) == 2).await;
    world.pass(5.0).await;
    world.stop().await;
    heals(&world.path());
    start(&mut world).await;
    world.pass(180.0).await;
    let resolved: i64 =
        world.sql().query_row("SELECT count(*) FROM outage WHERE ended_at IS NOT NULL", [], |row| row.get(0)).unwrap();
    assert_eq!((resolved, said(&world)), (1, vec!["web confirmed".to_owned(), "web resolved".to_owned()]));
    assert_eq!(outbox(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_what_was_told_and_lost_is_nobody_elses_once_its_end_was_told() {
    let mut world = with_alerts().await;
    told_and_lost(&mut world).await;
    world.target.set("/web", Does::Answer(200));
    start(&mut world).await;
    world.until("the end to be told", |w| w.target.count(HOOK) == 2).await;
    world.target.set("/web", Does::Answer(503));
    world.until("the next alert", |w| w.target.count(HOOK) == 3).await;
    let told = told(&world);
    assert!(told[2].1 > told[0].1 && told[..2].iter().all(|(.., id)| *id != told[2].2), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_does_not_return_hides_nothing() {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    history.checks("web", begin(), ".");
    history.committed().await;
    let other = Connection::open(history.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    history.checks("web", begin().plus(10_000), "xxx");
    history.checks("api", begin().plus(10_000), ".");
    let live = history.store.live.clone();
    let last = |name: &str| live.get(name).unwrap().last.clone().map(|last| last.at);
    // Nothing moves the clock while it is waited for the lock.
    while last("web") != Some(begin().plus(30_000)) {
        tokio::time::advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    history.at(begin().plus(31_000));
    let verbose = history.get("/health?verbose=1").await.json();
    let (web, api) = (&verbose["services"]["web"], &verbose["services"]["api"]);
    assert_eq!((&web["status"], &web["pending_store"]), (&json!("down"), &json!(3)));
    assert_eq!((&api["status"], &api["pending_store"]), (&json!("up"), &json!(1)));
    assert_eq!(history.get("/readyz").await.status, 503);
    drop(other);
    history.committed().await;
    until(&history, "the mark to go", || live.all().iter().all(|s| s.pending_store == 0)).await;
    assert_eq!(history.get("/readyz").await.status, 200);
    assert_eq!(history.get("/api/v1/incidents").await.ok()["items"][0]["checks_failed"], 3);
}
