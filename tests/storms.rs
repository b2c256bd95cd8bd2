//! When much fails at once, and when the clock is set meanwhile: real receivers, on a clock that the test moves.

use crate::support::{target::Does, world::World};
use serde_json::Value;

fn number(world: &World, sql: &str) -> i64 {
    world.sql().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn confirmed(world: &World) -> i64 {
    number(world, "SELECT count(*) FROM outage WHERE confirmed_at IS NOT NULL")
}

fn unsettled(world: &World) -> i64 {
    number(world, "SELECT count(*) FROM outbox WHERE settled_at IS NULL")
}

fn bodies(world: &World, path: &str) -> Vec<Value> {
    world.target.seen(path).iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

/// Two services and a channel, which waits for others.
fn waiting(extra: &str) -> String {
    format!(
        "[checks]\ninterval_secs = 10\n[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n\
         [[checks.endpoints]]\nname = \"api\"\nurl = \"http://TARGET/api\"\n[alerts]\nenabled = true\n\
         [[alerts.channels]]\nname = \"ops\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/ops\"\n{extra}"
    )
}

async fn fail(world: &World, path: &str) {
    let before = confirmed(world);
    world.target.set(path, Does::Answer(503));
    world.until("an incident", |w| confirmed(w) > before).await;
}

/// Far sooner than by how much the clock was set.
async fn told_soon_and_once(world: &World) {
    let before = world.now();
    world.until("the message", |w| w.target.count("/ops") == 1 && unsettled(w) == 0).await;
    assert!(world.now() - before < 300.0, "it took {} s", world.now() - before);
    world.pass(120.0).await;
    assert_eq!((world.target.count("/ops"), unsettled(world)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_a_group_wait_no_longer() {
    let world = World::start(&waiting("")).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.pass(5.0).await;
    world.clock.step(-3_600_000);
    told_soon_and_once(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_while_the_monitor_is_off_makes_a_group_wait_once_more() {
    let config = waiting("");
    let mut world = World::start(&config).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.stop().await;
    world.clock.step(-3_600_000);
    world.start_again_with(&config).await;
    told_soon_and_once(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_tells_a_group_at_once_and_once() {
    let world = World::start(&waiting("")).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.clock.step(3_600_000);
    told_soon_and_once(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_resolve_goes_where_its_trigger_went_though_the_hours_are_over() {
    let routes = "[[alerts.channels]]\nname = \"day\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/day\"\n\
                  [[alerts.routes]]\nzone = \"Europe/Berlin\"\nhours = \"22:00-01:02\"\nchannels = [\"ops\"]\n\
                  [[alerts.routes]]\nchannels = [\"day\"]\n";
    // Midnight in UTC is one o'clock in Berlin.
    let world = World::start(&waiting(routes)).await;
    fail(&world, "/web").await;
    world.pass(180.0).await;
    fail(&world, "/api").await;
    ["/web", "/api"].iter().for_each(|path| world.target.set(path, Does::Answer(200)));
    world.until("the ends", |w| number(w, "SELECT count(*) FROM outage WHERE ended_at IS NULL") == 0).await;
    world.until("the messages", |w| unsettled(w) == 0).await;
    let told = |path: &str| {
        let said = |message: Value| {
            let events = message["events"].as_array().unwrap().iter();
            let said =
                |event: &Value| format!("{} {}", event["service"].as_str().unwrap(), event["event"].as_str().unwrap());
            events.map(said).collect::<Vec<_>>()
        };
        bodies(&world, path).into_iter().flat_map(said).collect::<Vec<_>>()
    };
    assert_eq!(told("/ops"), ["web incident.confirmed", "web incident.resolved"]);
    assert!(told("/day").iter().all(|said| said.starts_with("api ")), "{:?}", told("/day"));
}
