//! Messages that follow others, in Slack, which has threads.

use super::{body, channels, fail, unsettled};
use crate::support::{target::Does, world::World};
use serde_json::Value;

const POST: &str = "/api/chat.postMessage";
/// https://docs.slack.dev/reference/methods/chat.postMessage
const TAKEN: Does = Does::Say(200, r#"{"ok": true, "channel": "C01", "ts": "1503435956.000247"}"#);

async fn slack(options: &str) -> World {
    let slack = "[[alerts.channels]]\nname = \"ops\"\ntype = \"slack_api\"\ntoken = \"xoxb-hunter2\"\nchannel = \"C01\"\n\
                 server = \"http://TARGET\"\n";
    let world = World::start(&channels(&format!("{slack}{options}"))).await;
    world.target.set(POST, TAKEN);
    world
}

/// What Slack was asked, in order.
fn asked(world: &World, path: &str) -> Vec<Value> {
    world.target.seen(path).iter().map(body).collect()
}

fn thread(message: &Value) -> Option<&str> {
    message["thread_ts"].as_str()
}

fn works(world: &World, paths: &[&str]) {
    paths.iter().for_each(|path| world.target.set(path, Does::Answer(200)));
}

#[tokio::test(start_paused = true)]
async fn a_resolve_is_in_the_thread_of_its_trigger_also_after_a_restart() {
    let mut world = slack("").await;
    fail(&world, &["/web"]).await;
    world.until("the trigger", |w| unsettled(w) == 0).await;
    world.restart().await;
    works(&world, &["/web"]);
    world.until("the resolve", |w| w.target.count(POST) == 2 && unsettled(w) == 0).await;
    // A new incident is a new message.
    fail(&world, &["/web"]).await;
    world.until("the second trigger", |w| w.target.count(POST) == 3 && unsettled(w) == 0).await;
    let asked = asked(&world, POST);
    assert_eq!([0, 1, 2].map(|n| thread(&asked[n])), [None, Some("1503435956.000247"), None]);
    // No credential is kept.
    let kept: String =
        world.sql().query_row("SELECT group_concat(receipt) FROM receipt", [], |row| row.get(0)).unwrap();
    assert!(kept.contains("1503435956.000247") && !kept.contains("hunter2"), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn the_resolves_of_one_message_are_in_its_thread_and_those_of_several_are_by_themselves() {
    let world = slack("").await;
    fail(&world, &["/web", "/api"]).await;
    world.until("the trigger of two", |w| w.target.count(POST) == 1 && unsettled(w) == 0).await;
    world.pass(300.0).await;
    works(&world, &["/web", "/api"]);
    world.until("their resolve", |w| w.target.count(POST) == 2 && unsettled(w) == 0).await;
    world.pass(300.0).await;
    fail(&world, &["/web"]).await;
    world.until("a trigger", |w| w.target.count(POST) == 3 && unsettled(w) == 0).await;
    world.pass(300.0).await;
    fail(&world, &["/api"]).await;
    world.until("another", |w| w.target.count(POST) == 4 && unsettled(w) == 0).await;
    works(&world, &["/web", "/api"]);
    world.until("the resolve of both", |w| w.target.count(POST) == 5 && unsettled(w) == 0).await;
    let asked = asked(&world, POST);
    assert_eq!([1, 4].map(|n| thread(&asked[n]).is_some()), [true, false], "{asked:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_as_a_reply_is_sent_by_itself() {
    let world = slack("").await;
    fail(&world, &["/web"]).await;
    world.until("the trigger", |w| unsettled(w) == 0).await;
    world.target.set(POST, Does::Say(200, r#"{"ok": false, "error": "thread_not_found"}"#));
    works(&world, &["/web"]);
    world.until("two attempts", |w| w.target.count(POST) >= 3).await;
    world.target.set(POST, TAKEN);
    world.until("the resolve", |w| unsettled(w) == 0).await;
    let asked = asked(&world, POST);
    assert_eq!([1, 2].map(|n| thread(&asked[n]).is_some()), [true, false], "{asked:#?}");
    assert_eq!((&asked[1]["text"], &asked[1]["blocks"]), (&asked[2]["text"], &asked[2]["blocks"]));
    let given_up = "SELECT count(*) FROM outbox WHERE last_error IS NOT NULL";
    assert_eq!(world.sql().query_row::<i64, _, _>(given_up, [], |row| row.get(0)).unwrap(), 0);
}
