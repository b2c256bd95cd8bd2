//! Channels: what goes where, and how events become messages. Real receivers, on a clock that the test moves.

use crate::support::{
    target::{Does, Seen},
    world::World,
};
use serde_json::Value;

const ENDPOINTS: &str = r#"
[checks]
interval_secs = 10
[[checks.endpoints]]
name = "web"
group = "shop"
url = "http://TARGET/web"
[[checks.endpoints]]
name = "api"
group = "shop"
url = "http://TARGET/api"
[[checks.endpoints]]
name = "mail"
critical = false
url = "http://TARGET/mail"
"#;

fn channels(text: &str) -> String {
    format!("{ENDPOINTS}[alerts]\nenabled = true\n{text}")
}

fn webhook(name: &str) -> String {
    format!("[[alerts.channels]]\nname = \"{name}\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/{name}\"\n")
}

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

/// The titles of what a channel got, in order.
fn titles(world: &World, channel: &str) -> Vec<String> {
    let title = |seen: &Seen| body(seen)["title"].as_str().unwrap().to_owned();
    world.target.seen(&format!("/{channel}")).iter().map(title).collect()
}

fn confirmed(world: &World) -> i64 {
    world.sql().query_row("SELECT count(*) FROM outage WHERE confirmed_at IS NOT NULL", [], |row| row.get(0)).unwrap()
}

fn unsettled(world: &World) -> i64 {
    world.sql().query_row("SELECT count(*) FROM outbox WHERE settled_at IS NULL", [], |row| row.get(0)).unwrap()
}

async fn fail(world: &World, paths: &[&str]) {
    let before = confirmed(world);
    paths.iter().for_each(|path| world.target.set(path, Does::Answer(503)));
    world.until("the incidents", |w| confirmed(w) == before + paths.len() as i64).await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_together_is_one_message_and_what_ends_together_another() {
    let world = World::start(&channels(&webhook("ops"))).await;
    world.pass(12.0).await;
    fail(&world, &["/web", "/api"]).await;
    assert_eq!(world.target.count("/ops"), 0, "the message waits for others");
    world.until("the message", |w| w.target.count("/ops") == 1).await;
    ["/web", "/api"].iter().for_each(|path| world.target.set(path, Does::Answer(200)));
    world.until("the second message", |w| w.target.count("/ops") == 2 && unsettled(w) == 0).await;
    let titles = titles(&world, "ops");
    assert!(titles[0].starts_with("[DOWN] 2 services: "), "{titles:?}");
    assert!(titles[1].starts_with("[UP] 2 services: "), "{titles:?}");
    let first = body(&world.target.seen("/ops")[0]);
    assert_eq!((first["event"].as_str(), first["count"].as_u64()), (Some("incidents"), Some(2)));
    let common = first["details"].as_array().unwrap().iter().find(|detail| detail["label"] == "in common").unwrap();
    assert_eq!(common["value"], "group shop (2 of 2); HTTP 503, expected 200–399 (2 of 2)");
    assert_eq!(first["events"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_is_over_before_it_was_told_is_one_message() {
    let world = World::start(&channels(&format!("group_wait = \"2m\"\n{}", webhook("ops")))).await;
    fail(&world, &["/web"]).await;
    world.target.set("/web", Does::Answer(200));
    world.until("the message", |w| w.target.count("/ops") == 1 && unsettled(w) == 0).await;
    world.pass(300.0).await;
    let seen = world.target.seen("/ops");
    assert_eq!(seen.len(), 1);
    assert!(titles(&world, "ops")[0].starts_with("[UP] web after "), "{:?}", titles(&world, "ops"));
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_a_group_goes_on_across_a_restart() {
    let config = channels(&format!("group_wait = \"60s\"\n{}", webhook("ops")));
    let mut world = World::start(&config).await;
    fail(&world, &["/web"]).await;
    world.pass(20.0).await;
    world.restart().await;
    fail(&world, &["/api"]).await;
    assert_eq!(world.target.count("/ops"), 0);
    world.until("the message", |w| w.target.count("/ops") == 1).await;
    world.pass(200.0).await;
    let titles = titles(&world, "ops");
    assert!(titles.len() == 1 && titles[0].starts_with("[DOWN] 2 services"), "{titles:?}");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_hangs_delays_no_other_and_a_dead_one_shows_in_its_figures() {
    let world = World::start(&channels(&format!("{}{}", webhook("ops"), webhook("dead")))).await;
    world.target.set("/dead", Does::Hang);
    fail(&world, &["/web"]).await;
    world.until("the message", |w| w.target.count("/ops") == 1).await;
    world.pass(120.0).await;
    let health = world.app().site.reader.channels().unwrap();
    let of = |name: &str| health.iter().find(|health| health.name == name).unwrap();
    assert_eq!((of("ops").sent, of("ops").failed, of("ops").waiting), (1, 0, 0));
    assert!(of("dead").failed > 1 && of("dead").waiting == 1, "{health:?}");
    assert!(of("dead").failing_since.is_some() && of("dead").last_error.is_some(), "{health:?}");
}

#[tokio::test(start_paused = true)]
async fn routes_and_services_choose_channels() {
    let routes = r#"
[[alerts.routes]]
service = "we*"
channels = ["ops"]
[[alerts.routes]]
severity = "warning"
channels = []
"#;
    let all = format!("group_wait = \"0s\"\n{}{}{routes}", webhook("ops"), webhook("chat"));
    let world = World::start(&channels(&all)).await;
    fail(&world, &["/web", "/api", "/mail"]).await;
    world.until("the outbox to be empty", |w| unsettled(w) == 0 && w.target.count("/chat") > 0).await;
    world.pass(120.0).await;
    assert_eq!(titles(&world, "ops").iter().filter(|title| title.contains("web")).count(), 1);
    let chat: Vec<String> = world.target.seen("/chat").iter().map(|seen| seen.body.clone()).collect();
    // What no route matches goes to everybody; what a route without channels matches goes to nobody.
    assert!(chat.iter().all(|text| !text.contains("\"mail\"") && !text.contains("\"web\"")), "{chat:?}");
    assert!(chat.iter().any(|text| text.contains("\"api\"")), "{chat:?}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_at_most_three_messages_a_channel() {
    let endpoint = |n: usize| format!("[[checks.endpoints]]\nname = \"s{n}\"\nurl = \"http://TARGET/s{n}\"\n");
    let endpoints: String = (0..200).map(endpoint).collect();
    let config = format!("[checks]\ninterval_secs = 10\n{endpoints}[alerts]\nenabled = true\n{}", webhook("ops"));
    let world = World::start(&config).await;
    world.pass(12.0).await;
    let paths: Vec<String> = (0..200).map(|n| format!("/s{n}")).collect();
    fail(&world, &paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.until("the outbox to be empty", |w| unsettled(w) == 0).await;
    world.pass(300.0).await;
    let titles = titles(&world, "ops");
    assert!((1..=3).contains(&titles.len()), "{titles:?}");
    let told: u64 = world.target.seen("/ops").iter().map(|seen| body(seen)["count"].as_u64().unwrap()).sum();
    assert_eq!(told, 200);
}
