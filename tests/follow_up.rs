//! Incidents that go on: reminders, escalation, quiet hours. Real receivers, on a clock that the test moves.

use crate::support::{target::Does, world::World};
use healthcheck_dashboard::store::MaintenanceTasks;
use serde_json::Value;

fn config(alerts: &str) -> String {
    format!(
        "[checks]\ninterval_secs = 10\n[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n\
         [[checks.endpoints]]\nname = \"api\"\nurl = \"http://TARGET/api\"\n[alerts]\nenabled = true\n{alerts}"
    )
}

fn channel(name: &str, keys: &str) -> String {
    format!("[[alerts.channels]]\nname = \"{name}\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/{name}\"\n{keys}\n")
}

fn bodies(world: &World, channel: &str) -> Vec<Value> {
    world.target.seen(&format!("/{channel}")).iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

/// Event and title of what a channel got.
fn told(world: &World, channel: &str) -> Vec<String> {
    let said = |body: &Value| format!("{} {}", body["event"].as_str().unwrap(), body["title"].as_str().unwrap());
    bodies(world, channel).iter().map(said).collect()
}

async fn fail(world: &World, path: &str) {
    world.target.set(path, Does::Answer(503));
    world
        .until("an incident", |w| {
            w.sql().query_row("SELECT count(*) FROM outbox", [], |r| r.get::<_, i64>(0)).unwrap() > 0
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_lasts_is_told_again_at_growing_distances_also_after_a_restart() {
    let mut world = World::start(&config(&channel("ops", "remind_after = \"1m\""))).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.pass(120.0).await;
    assert_eq!(
        told(&world, "ops"),
        ["incident.confirmed [DOWN] web", "incident.reminder [DOWN] web for 1\u{a0}min 5\u{a0}s"]
    );
    world.restart().await;
    // Due after three minutes.
    world.pass(120.0).await;
    assert_eq!(told(&world, "ops").len(), 3, "{:?}", told(&world, "ops"));
    assert!(
        told(&world, "ops")[2].starts_with("incident.reminder [DOWN] web for 3\u{a0}min"),
        "{:?}",
        told(&world, "ops")
    );
    let reminder = &bodies(&world, "ops")[1];
    assert!(reminder["event_id"].as_str().unwrap().ends_with("-1-reminder-1"), "{reminder}");
    assert_eq!(reminder["key"], bodies(&world, "ops")[0]["key"], "it belongs to the first message");
    world.target.set("/web", Does::Answer(200));
    world.until("the end", |w| w.target.count("/ops") == 4).await;
    world.pass(250.0).await;
    assert_eq!(world.target.count("/ops"), 4, "what is over is told no more");
}

#[tokio::test(start_paused = true)]
async fn without_remind_after_nobody_is_reminded() {
    let world = World::start(&config(&channel("ops", ""))).await;
    fail(&world, "/web").await;
    world.pass(150.0).await;
    assert_eq!(world.target.count("/ops"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_acknowledges_goes_to_others_too_and_so_does_its_end() {
    let routes = "[[alerts.routes]]\nservice = \"web\"\nchannels = [\"ops\"]\nescalate_after = \"2m\"\nescalate_to = [\"boss\"]\n\
                  [[alerts.routes]]\nchannels = [\"ops\"]\n";
    let world = World::start(&config(&format!("{}{}{routes}", channel("ops", ""), channel("boss", "")))).await;
    fail(&world, "/web").await;
    fail(&world, "/api").await;
    world.pass(90.0).await;
    assert_eq!(world.target.count("/boss"), 0);
    world.pass(60.0).await;
    assert_eq!(
        told(&world, "boss"),
        ["incident.confirmed [DOWN] web for 2\u{a0}min 5\u{a0}s"],
        "the other route does not escalate"
    );
    let details = bodies(&world, "boss")[0]["details"].clone();
    let why = details.as_array().unwrap().iter().find(|detail| detail["label"] == "why now").unwrap();
    assert_eq!(why["value"], "nobody acknowledged it within 2\u{a0}min");
    assert_eq!(bodies(&world, "boss")[0]["event_id"], bodies(&world, "ops")[0]["events"][0]["event_id"]);
    world.target.set("/web", Does::Answer(200));
    world.until("the end", |w| w.target.count("/boss") == 2).await;
    assert!(told(&world, "boss")[1].starts_with("incident.resolved [UP] web after "), "{:?}", told(&world, "boss"));
    world.pass(60.0).await;
    assert_eq!(world.target.count("/boss"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_happens_in_quiet_hours_is_one_message_when_they_are_over() {
    // The test's clock begins at midnight in UTC: an hour later in Berlin.
    let keys = "quiet_hours = \"22:00-01:06\"";
    let channels = format!("zone = \"Europe/Berlin\"\n{}{}", channel("ops", keys), channel("loud", ""));
    let mut world = World::start(&config(&channels)).await;
    fail(&world, "/web").await;
    world.pass(60.0).await;
    world.restart().await;
    world.target.set("/web", Does::Answer(200));
    fail(&world, "/api").await;
    world.until("the other channel", |w| w.target.count("/loud") >= 2).await;
    world.pass(30.0).await;
    assert_eq!(world.target.count("/ops"), 0);
    world.until("the end of the quiet hours", |w| w.target.count("/ops") > 0).await;
    assert!(world.now() >= 360.0, "{}", world.now());
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 1, "{:?}", told(&world, "ops"));
    let said = told(&world, "ops")[0].clone();
    assert!(said.starts_with("incidents [DOWN] 1 service: api; 1 up again"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_resolve_says_how_long_it_was_and_the_uptime_of_the_day() {
    let world = World::start(&config(&channel("ops", "group_wait = \"0s\""))).await;
    world.pass(100.0).await;
    fail(&world, "/web").await;
    world.pass(70.0).await;
    world.target.set("/web", Does::Answer(200));
    world.until("the end", |w| w.target.count("/ops") == 2).await;
    let details = bodies(&world, "ops")[1]["details"].clone();
    let said = |label: &str| {
        let found = details.as_array().unwrap().iter().find(|detail| detail["label"] == label);
        found.unwrap_or_else(|| panic!("{label} in {details}"))["value"].as_str().unwrap().to_owned()
    };
    assert!(said("duration").contains("min"), "{details}");
    assert!(said("failed checks").parse::<u32>().unwrap() > 5, "{details}");
    let uptime: f64 = said("uptime of the last 24 h").trim_end_matches(['%', '\u{a0}', ' ']).parse().unwrap();
    assert!((45.0..70.0).contains(&uptime), "some 80 of 180 s were down: {uptime}");
}

#[tokio::test(start_paused = true)]
async fn whoever_was_told_of_an_outage_is_told_once_that_nobody_will_see_its_end() {
    let channels = format!("group_wait = \"0s\"\n{}{}", channel("ops", ""), channel("quiet", "kinds = [\"down\"]"));
    let mut world = World::start(&config(&channels)).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.until("the alert", |w| w.target.count("/ops") == 1 && w.target.count("/quiet") == 1).await;
    // The service leaves the configuration.
    let without = config(&channels).replace("[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n", "");
    world.stop().await;
    world.start_again_with(&without).await;
    world.until("the end of it", |w| w.target.count("/ops") == 2).await;
    let said = bodies(&world, "ops")[1].clone();
    assert_eq!((said["event"].as_str(), said["status"].as_str()), (Some("incident.left_open"), Some("resolved")));
    assert_eq!(said["title"], "[NOT WATCHED] web");
    let text = said["text"].as_str().unwrap();
    assert!(text.starts_with("web is not watched any more: it left the configuration, or is paused."), "{text}");
    assert_eq!(said["key"], bodies(&world, "ops")[0]["key"], "what keeps alerts closes this one");
    world.restart().await;
    world.pass(30.0).await;
    assert_eq!((world.target.count("/ops"), world.target.count("/quiet")), (2, 1), "once, to whom it is for");
}

#[tokio::test(start_paused = true)]
async fn an_open_outage_that_is_forgotten_is_told_as_such() {
    let channels = format!("group_wait = \"0s\"\n{}", channel("ops", ""));
    let mut world = World::start(&config(&channels)).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.until("the alert", |w| w.target.count("/ops") == 1).await;
    world.stop().await;
    let mut upkeep = MaintenanceTasks::open(&world.path()).unwrap();
    upkeep.forget("web", world.clock.now()).unwrap();
    while upkeep.forget_some().unwrap() > 0 {}
    drop(upkeep);
    let without = config(&channels).replace("[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n", "");
    world.start_again_with(&without).await;
    world.until("the end of it", |w| w.target.count("/ops") == 2).await;
    let text = bodies(&world, "ops")[1]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("web is not watched any more: its history was deleted."), "{text}");
}
