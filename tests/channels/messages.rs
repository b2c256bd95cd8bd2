//! Messages that follow others or are added to, in services that have threads and edits.

use super::{body, channels, fail, unsettled};
use crate::support::{target::Does, world::World};
use healthcheck_dashboard::domain::time::UnixMs;
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

const POST: &str = "/api/chat.postMessage";
/// https://docs.slack.dev/reference/methods/chat.postMessage
const TAKEN: Does = Does::Say(200, r#"{"ok": true, "channel": "C01", "ts": "1503435956.000247"}"#);
/// https://docs.slack.dev/reference/methods/chat.update
const EDIT: &str = "/api/chat.update";
const EDITED: Does = Does::Say(200, r#"{"ok": true, "channel": "C01", "ts": "1503435956.000247", "text": "x"}"#);

async fn slack(options: &str) -> World {
    let slack = "[[alerts.channels]]\nname = \"ops\"\ntype = \"slack_api\"\ntoken = \"xoxb-hunter2\"\nchannel = \"C01\"\n\
                 server = \"http://TARGET\"\n";
    let world = World::start(&channels(&format!("{slack}{options}"))).await;
    world.target.set(POST, TAKEN);
    world.target.set(EDIT, EDITED);
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

/// Two services are down, and the channel was notified in one message.
async fn told_of_two(options: &str) -> World {
    let world = slack(&format!("group_interval = \"5m\"\n{options}")).await;
    fail(&world, &["/web", "/api"]).await;
    world.until("the message", |w| w.target.count(POST) == 1 && unsettled(w) == 0).await;
    world
}

fn header(message: &Value) -> &str {
    message["blocks"][0]["text"]["text"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_begins_while_the_next_message_has_to_wait_is_added_to_the_last_one() {
    let world = told_of_two("").await;
    fail(&world, &["/mail"]).await;
    let confirmed_at = world.now();
    world.until("the edit", |w| w.target.count(EDIT) == 1 && unsettled(w) == 0).await;
    assert!(world.now() - confirmed_at < 7.0, "{} s", world.now() - confirmed_at);
    let edit = asked(&world, EDIT).remove(0);
    assert_eq!((&edit["channel"], &edit["ts"]), (&"C01".into(), &"1503435956.000247".into()));
    assert!(header(&edit).starts_with("[DOWN] 3 services: "), "{edit:#}");
    let ids = "SELECT DISTINCT substr(message_id, -12) FROM outbox";
    assert_eq!(world.sql().query_row::<String, _, _>(ids, [], |row| row.get(0)).unwrap(), "-confirmed+2");
    // The end of all of them is told in the thread of that message.
    works(&world, &["/web", "/api", "/mail"]);
    world.until("the resolve", |w| w.target.count(POST) == 2 && unsettled(w) == 0).await;
    let resolve = asked(&world, POST).remove(1);
    assert_eq!(thread(&resolve), Some("1503435956.000247"));
    assert!(header(&resolve).starts_with("[UP] 3 services: "), "{resolve:#}");
    assert_eq!(world.target.count(EDIT), 1);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_is_refused_or_never_taken_becomes_a_new_message() {
    for (answer, edits) in [
        (Does::Say(200, r#"{"ok": false, "error": "message_not_found"}"#), 1),
        (Does::Say(200, r#"{"ok": false, "error": "internal_error"}"#), 4),
    ] {
        let world = told_of_two("").await;
        world.target.set(EDIT, answer);
        fail(&world, &["/mail"]).await;
        world.until("a new message", |w| w.target.count(POST) == 2 && unsettled(w) == 0).await;
        assert_eq!(header(&asked(&world, POST)[1]), "[DOWN] mail");
        let attempts = asked(&world, EDIT);
        assert_eq!(attempts.len(), edits);
        assert!(attempts.iter().all(|attempt| *attempt == attempts[0]), "{attempts:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_something_is_over_or_the_program_was_restarted_a_new_message_comes() {
    let world = told_of_two("").await;
    works(&world, &["/web"]);
    let over = "SELECT count(*) FROM outage WHERE ended_at IS NOT NULL";
    world.until("the end", |w| w.sql().query_row::<i64, _, _>(over, [], |row| row.get(0)).unwrap() == 1).await;
    fail(&world, &["/mail"]).await;
    world.until("a message of both", |w| w.target.count(POST) == 2 && unsettled(w) == 0).await;
    assert_eq!(world.target.count(EDIT), 0);
    assert!(header(&asked(&world, POST)[1]).contains("1 up again"));

    let mut world = told_of_two("").await;
    world.restart().await;
    fail(&world, &["/mail"]).await;
    world.until("a new message", |w| w.target.count(POST) == 2 && unsettled(w) == 0).await;
    assert_eq!((world.target.count(EDIT), header(&asked(&world, POST)[1])), (0, "[DOWN] mail"));
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_sent_again_before_alertmanager_forgets_it_and_what_is_over_is_not() {
    let alertmanager = "[[alerts.channels]]\nname = \"am\"\ntype = \"alertmanager\"\nserver = \"http://TARGET\"\n";
    let mut world = World::start(&channels(alertmanager)).await;
    let path = "/api/v2/alerts";
    fail(&world, &["/web", "/api"]).await;
    world.until("two alerts", |w| unsettled(w) == 0).await;
    world.pass(640.0).await;
    let count = world.target.count(path);
    assert!((6..=8).contains(&count), "{count} requests");
    // A run does not know when the one before it sent them.
    world.restart().await;
    world.until("both again", |w| w.target.count(path) == count + 2).await;
    works(&world, &["/web"]);
    world.until("the resolve", |w| unsettled(w) == 0 && w.target.count(path) == count + 3).await;
    world.pass(640.0).await;
    let of = |service: &str| -> Vec<(i64, Value)> {
        let seen = world.target.seen(path);
        let all = seen.iter().map(|seen| (seen.at.0, body(seen)[0].clone()));
        all.filter(|(_, alert)| alert["labels"]["service"] == service).collect()
    };
    let ends_in = |(at, alert): &(i64, Value)| UnixMs::parse(alert["endsAt"].as_str().unwrap()).unwrap().0 - at;
    let (web, api) = (of("web"), of("api"));
    let (resolve, open) = web.split_last().unwrap();
    assert!(ends_in(resolve) <= 0, "{resolve:?}");
    for alert in open.iter().chain(&api) {
        assert!((30 * 60_000..=60 * 60_000).contains(&ends_in(alert)), "{alert:?}");
    }
    for of_one in [&web, &api] {
        assert!(of_one.iter().all(|(_, alert)| alert["labels"] == of_one[0].1["labels"]), "{of_one:#?}");
        assert!(of_one.iter().all(|(_, alert)| alert["startsAt"] == of_one[0].1["startsAt"]), "{of_one:#?}");
    }
    assert!(api.len() > web.len());
    // Nothing of it is an event.
    assert_eq!(world.sql().query_row::<i64, _, _>("SELECT sent FROM channel", [], |row| row.get(0)).unwrap(), 3);
}

/// Six services beside each other, and these channels.
fn six(channels: &str) -> String {
    let one = |n: i32| format!("[[checks.endpoints]]\nname = \"s{n}\"\nurl = \"http://TARGET/{n}\"\n");
    let services: String = (0..6).map(one).collect();
    format!("[checks]\ninterval_secs = 10\n{services}[alerts]\nenabled = true\n{channels}")
}

#[tokio::test(start_paused = true)]
async fn edits_are_seconds_apart_and_no_earlier_than_the_service_wishes() {
    let discord = "[[alerts.channels]]\nname = \"ops\"\ntype = \"discord\"\nwebhook = \"http://TARGET/hook\"\n\
                   group_interval = \"10m\"\n";
    let world = World::start(&six(discord)).await;
    world.target.set("/hook?wait=true", Does::Say(200, r#"{"id": "7", "type": 0}"#));
    let edits = "/hook/messages/7";
    world.target.set(edits, Does::Say(200, r#"{"id": "7", "type": 0}"#));
    fail(&world, &["/0", "/1"]).await;
    world.until("the message", |w| w.target.count("/hook?wait=true") == 1 && unsettled(w) == 0).await;
    for path in ["/2", "/3", "/4"] {
        world.target.set(path, Does::Answer(503));
        world.pass(3.0).await;
    }
    world.until("three more", |w| super::confirmed(w) == 5 && unsettled(w) == 0).await;
    let times = world.target.times(edits);
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) >= 5_000), "{times:?}");
    // https://docs.discord.com/developers/topics/rate-limits
    world.target.set(
        edits,
        Does::Say(429, r#"{"message": "You are being rate limited.", "retry_after": 40.5, "global": false}"#),
    );
    let before = times.len();
    fail(&world, &["/5"]).await;
    world.until("the attempt", |w| w.target.count(edits) == before + 1).await;
    world.target.set(edits, Does::Say(200, r#"{"id": "7", "type": 0}"#));
    world.until("the edit", |w| unsettled(w) == 0).await;
    let seen = world.target.seen(edits);
    let [.., refused, taken] = seen.as_slice() else { panic!("{seen:?}") };
    assert!(taken.at.since(refused.at) >= 41_000, "{} ms", taken.at.since(refused.at));
    assert_eq!(body(refused), body(taken));
    assert!(body(taken)["embeds"][0]["title"].as_str().unwrap().contains("6 services"), "{}", taken.body);
    assert_eq!(world.target.count("/hook?wait=true"), 1);
}

/// A template of one's own, which tells all that there is to tell.
fn own(folder: &Path) -> String {
    let place = folder.join("own.template");
    let text = "title = \"Own\"\nurl = \"{{ channel.server }}/new\"\naccepted = \"200\"\nrefused = \"404\"\n\
                receipt = { id = \"id\" }\n[update]\nurl = \"{{ channel.server }}/edit\"\n\
                [settings.server]\nhelp = \"where it is\"\nurl = true\n+++\n{{ notice|safe }}";
    std::fs::write(&place, text).unwrap();
    let place = place.to_str().unwrap();
    six(&format!(
        "[[alerts.channels]]\nname = \"ops\"\ntemplate = {place:?}\nserver = \"http://TARGET\"\ngroup_wait = \"5s\"\n\
         group_interval = \"2m\"\n"
    ))
}

#[tokio::test(start_paused = true)]
async fn an_event_is_told_at_least_once_and_no_message_has_two_contents_whatever_becomes_of_edits() {
    let mut edited = 0;
    for seed in 1..=4_u64 {
        let mut state = seed;
        let mut draw = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::start(&own(folder.path())).await;
        let taken = Does::Say(200, r#"{"id": "7"}"#);
        world.target.set("/new", taken);
        world.target.set("/edit", taken);
        for _ in 0..40 {
            match draw(12) {
                n @ 0..5 => [n, n + 1].iter().for_each(|n| world.target.set(&format!("/{n}"), Does::Answer(503))),
                5..8 => world.target.set(&format!("/{}", draw(6)), Does::Answer(200)),
                8 => world.target.set("/edit", Does::Answer(404)),
                9 => world.target.set("/edit", [Does::Answer(503), Does::Close][draw(2) as usize]),
                10 => world.target.set("/edit", taken),
                _ if draw(3) == 0 => world.restart().await,
                _ => world.target.set("/new", [Does::Answer(503), taken, taken][draw(3) as usize]),
            }
            world.pass(draw(15) as f64).await;
        }
        world.target.set("/new", taken);
        world.target.set("/edit", taken);
        world.until("all messages", |w| unsettled(w) == 0).await;
        let (mut contents, mut told) = (HashMap::new(), HashSet::new());
        let (new, edits) = (world.target.seen("/new"), world.target.seen("/edit"));
        for message in new.iter().chain(&edits) {
            let content = body(message);
            let id = content["event_id"].as_str().unwrap().to_owned();
            let items = content["events"].as_array().unwrap().clone();
            told.extend(items.iter().map(|item| item["event_id"].as_str().unwrap().to_owned()));
            let known = contents.entry(id).or_insert_with(|| content.clone());
            assert_eq!(*known, content, "seed {seed}");
        }
        let sql = world.sql();
        let mut events = sql.prepare("SELECT event_id FROM outbox").unwrap();
        let events: Vec<String> = events.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(
            events.len() > 5 && events.iter().all(|event| told.contains(event)),
            "seed {seed}: {events:?}\n{told:?}"
        );
        edited += edits.len();
    }
    assert!(edited > 0);
}
