//! Channels: what goes where, and how events become messages. Real receivers, on a clock that the test moves.

mod messages;

use crate::support::{
    binary::{run, stdout},
    history::ask,
    smtp::mail_server,
    target::{Does, Seen},
    world::World,
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::config;
use serde_json::Value;
use std::{path::Path, process::Output};

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

/// What the API says of a channel.
async fn health(world: &World, channel: &str) -> Value {
    let answer = world.get("/api/v1/alerts/channels").await.ok();
    answer["items"].as_array().unwrap().iter().find(|item| item["name"] == channel).unwrap().clone()
}

/// Runs the program beside a server in this process.
async fn run_beside(folder: &Path, arguments: &[&str]) -> Output {
    let (folder, arguments) = (folder.to_owned(), arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
    let run = move || run(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn post(world: &World, path: &'static str, token: &'static str) -> u16 {
    let request = Request::post(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    // What is to be written waits for the writer, and the writer for time to pass.
    let (answer, ()) = tokio::join!(ask(&world.app().site, request), world.pass(5.0));
    answer.status.as_u16()
}

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
    let (ops, dead) = (health(&world, "ops").await, health(&world, "dead").await);
    assert_eq!((ops["sent"].as_u64(), ops["failed"].as_u64(), ops["waiting"].as_u64()), (Some(1), Some(0), Some(0)));
    assert!(dead["failed"].as_u64() > Some(1) && dead["waiting"] == 1, "{dead}");
    assert!(dead["failing_since"].is_string() && dead["last_error"] == "no answer within 10 s", "{dead}");
    let metrics = world.get("/metrics").await.text().to_owned();
    assert!(metrics.contains("healthcheck_alerts_waiting{channel=\"dead\"} 1\n"), "{metrics}");
    assert!(metrics.contains("healthcheck_alerts_sent_total{channel=\"ops\"} 1\n"), "{metrics}");
    let line = "Alerts do not arrive by dead.";
    assert!(!world.get("/dashboard").await.text().contains(line));
    world.pass(600.0).await;
    assert!(world.get("/dashboard").await.text().contains(line));
    let page = world.get("/dashboard/alerts").await.text().to_owned();
    assert!(page.contains("1 channel fails") && page.contains("no answer within 10 s"), "{page}");
}

/// A channel whose receiver refuses a message for good with 400.
fn strict(folder: &Path, more: &str) -> String {
    let template = format!(
        "title = \"Strict\"\nurl = \"{{{{ channel.webhook }}}}\"\naccepted = \"200\"\nrefused = \"400\"\n{more}\
         [settings.webhook]\nhelp = \"an address\"\n+++\n{{\"said\": {{{{ title }}}}}}"
    );
    let place = folder.join("strict.template");
    std::fs::write(&place, template).unwrap();
    format!(
        "[[alerts.channels]]\nname = \"ops\"\ntemplate = {:?}\nwebhook = \"http://TARGET/ops\"\ngroup_wait = \"0s\"\n",
        place.to_str().unwrap()
    )
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_given_up_holds_nothing_up_and_can_be_retried() {
    let folder = tempfile::tempdir().unwrap();
    let channel = strict(folder.path(), "");
    let world = World::start(&format!("{}[dashboard]\ntoken = \"0123456789abcdef\"\n", channels(&channel))).await;
    world.target.set("/ops", Does::Answer(400));
    fail(&world, &["/web"]).await;
    world.until("the message to be given up", |w| unsettled(w) == 0).await;
    assert_eq!(world.target.count("/ops"), 4);
    world.target.set("/ops", Does::Answer(200));
    fail(&world, &["/api"]).await;
    world.until("the next message", |w| w.target.count("/ops") == 5 && unsettled(w) == 0).await;
    assert_eq!(health(&world, "ops").await["given_up"], 1);
    let retry = |token: &'static str, path: &'static str| post(&world, path, token);
    assert_eq!(retry("0123456789abcdee", "/api/v1/alerts/retry").await, 401);
    assert_eq!(retry("0123456789abcdef", "/api/v1/alerts/retry?channel=nobody").await, 404);
    assert_eq!(retry("0123456789abcdef", "/api/v1/alerts/retry?channel=ops").await, 204);
    world.until("what was given up", |w| w.target.count("/ops") == 6 && unsettled(w) == 0).await;
    assert_eq!(health(&world, "ops").await["given_up"], 0);
    assert_eq!(body(&world.target.seen("/ops")[5]), serde_json::json!({"said": "[DOWN] web"}));
}

#[tokio::test(start_paused = true)]
async fn what_is_retried_after_its_end_leaves_nobody_with_its_beginning() {
    for (more, retried) in [("", &["[UP] web"][..]), ("keeps_state = true\n", &["[DOWN] web", "[UP] web"])] {
        let folder = tempfile::tempdir().unwrap();
        let channel = strict(folder.path(), more);
        let world = World::start(&format!("{}[dashboard]\ntoken = \"0123456789abcdef\"\n", channels(&channel))).await;
        world.target.set("/ops", Does::Answer(400));
        fail(&world, &["/web"]).await;
        world.until("the message to be given up", |w| unsettled(w) == 0).await;
        ["/ops", "/web"].iter().for_each(|path| world.target.set(path, Does::Answer(200)));
        world.until("the end", |w| w.target.count("/ops") == 5 && unsettled(w) == 0).await;
        assert_eq!(post(&world, "/api/v1/alerts/retry?channel=ops", "0123456789abcdef").await, 204);
        world.until("what was given up", |w| w.target.count("/ops") == 5 + retried.len() && unsettled(w) == 0).await;
        world.pass(60.0).await;
        let said: Vec<String> = world.target.seen("/ops").iter().map(|seen| seen.body.clone()).collect();
        assert_eq!(said.len(), 5 + retried.len(), "{said:?}");
        for (said, title) in said[5..].iter().zip(retried) {
            assert!(said.contains(title), "{said:?}");
        }
    }
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
    let told = |seen: &Seen| body(seen)["events"].clone();
    let chat: Vec<String> = world.target.seen("/chat").iter().map(|seen| told(seen).to_string()).collect();
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

#[tokio::test(start_paused = true)]
async fn the_heartbeat_comes_every_minute_while_results_are_stored() {
    let config = format!("{ENDPOINTS}[alerts]\nheartbeat_url = \"http://TARGET/beat/s3cret\"\n");
    let world = World::start(&config).await;
    world.pass(190.0).await;
    assert_eq!(world.target.count("/beat/s3cret"), 3);
    assert!(world.target.seen("/beat/s3cret")[0].head.starts_with("GET "));
    // The history cannot be written any more.
    world.sql().execute_batch("ALTER TABLE check_result RENAME TO gone; ALTER TABLE run RENAME TO gone_too").unwrap();
    world.until("the trouble", |w| w.app().site.writer.trouble().is_some()).await;
    let before = world.target.count("/beat/s3cret");
    world.pass(300.0).await;
    assert_eq!(world.target.count("/beat/s3cret"), before);
}

fn mail(port: u16) -> String {
    format!(
        "[alerts]\nenabled = true\n[[alerts.channels]]\nname = \"mail\"\ntype = \"email\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         security = \"none\"\nuser = \"checks\"\npassword = \"hunter2\"\nfrom = \"Checks <checks@example.com>\"\n\
         to = [\"ops@example.com\", \"else@example.com\"]\n"
    )
}

#[tokio::test]
async fn a_test_message_reaches_every_recipient_by_mail() {
    let folder = tempfile::tempdir().unwrap();
    // The user and the password as PLAIN has them.
    let (port, heard) = mail_server("AGNoZWNrcwBodW50ZXIy").await;
    std::fs::write(folder.path().join("config.toml"), mail(port)).unwrap();
    let output = run_beside(folder.path(), &["alerts", "test", "mail"]).await;
    assert_eq!((stdout(&output), output.status.code()), ("mail: delivered. 250 taken\n", Some(0)));
    let heard = heard.await.unwrap();
    for expected in ["RCPT TO:<ops@example.com>", "RCPT TO:<else@example.com>", "Subject: [TEST] health checks"] {
        assert!(heard.iter().any(|line| line == expected), "{expected}: {heard:#?}");
    }
    let (port, _) = mail_server("another").await;
    std::fs::write(folder.path().join("config.toml"), mail(port)).unwrap();
    let output = run_beside(folder.path(), &["alerts", "test"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).starts_with("mail: NOT delivered. ") && stdout(&output).contains("535"),
        "{}",
        stdout(&output)
    );
    assert!(!stdout(&output).contains("hunter2"));
}

#[tokio::test]
async fn where_an_alert_would_go_is_shown_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "[[alerts.routes]]\nservice = \"we*\"\nhours = \"22:00-06:00\"\nchannels = [\"ops\"]\n";
    let text = channels(&format!("zone = \"Europe/Berlin\"\n{}{}{routes}", webhook("ops"), webhook("chat")));
    std::fs::write(folder.path().join("config.toml"), text.replace("TARGET", "127.0.0.1:9")).unwrap();
    for (at, expected) in [
        ("2026-11-30T23:30", "route 1 matches: ops\nNotified: ops.\n"),
        (
            "2026-11-30T12:00:00Z",
            "route 1 does not match: outside its days and hours\nno route matches: every channel\nNotified: ops and chat.\n",
        ),
    ] {
        let output = run_beside(folder.path(), &["alerts", "route", "--service", "web", "--at", at]).await;
        assert_eq!(stdout(&output), expected);
    }
    let output = run_beside(folder.path(), &["alerts", "route", "--service", "nobody"]).await;
    assert_eq!(output.status.code(), Some(2));
}

/// What is reported of this section of channels.
fn report(section: &str) -> String {
    let text = format!("{ENDPOINTS}[alerts]\nenabled = true\n{section}").replace("TARGET", "127.0.0.1:9");
    config::parse(&text, std::path::Path::new("config.toml"), &|_| None).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_with_a_channel_is_said_where_it_stands() {
    let channel = |text: &str| format!("[[alerts.channels]]\nname = \"ops\"\n{text}\n");
    let hook = "type = \"webhook\"\nwebhook = \"http://x/\"";
    for (section, expected) in [
        (channel("type = \"webhok\""), "did you mean `webhook`?"),
        (channel(""), "`type` is missing"),
        (channel("type = \"webhook\""), "`webhook` is missing"),
        (channel("type = \"webhook\"\nwebhook = \"nonsense hunter2\""), "is no address that alerts can be sent to"),
        (channel(&format!("{hook}\nkinds = [\"dwon\"]")), "did you mean `down`?"),
        (channel(&format!("{hook}\nheaders = {{ \"a b\" = \"c\" }}")), "this is no header that can be sent"),
        (channel("type = \"command\""), "`command` is missing"),
        (channel("type = \"email\"\nhost = \"m\"\nfrom = \"a@b.example\""), "`to` is missing"),
        (channel("type = \"email\"\nhost = \"m\"\nfrom = \"nobody\"\nto = \"a@b.example\""), "is no mail address"),
        (channel(&format!("{hook}\ntemplate = \"nowhere.template\"")), "cannot be read"),
        (format!("{}{}", channel(hook), channel(hook)), "two channels are named"),
        (format!("{}[[alerts.routes]]\nchannels = [\"op\"]", channel(hook)), "did you mean `ops`?"),
        (format!("{}[[alerts.routes]]\nservice = \"wbe\"\nchannels = []", channel(hook)), "did you mean `web`?"),
        (format!("{}[[alerts.routes]]\nhours = \"8-18\"\nchannels = []", channel(hook)), "are no hours"),
        (format!("{}[[alerts.routes]]\ndays = \"moonday\"\nchannels = []", channel(hook)), "is no day of the week"),
    ] {
        let report = report(&section);
        assert!(report.contains(expected), "{section}\n{report}");
        assert!(!report.contains("hunter2"), "{report}");
    }
}

#[test]
fn a_template_of_ones_own_is_tried_before_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("own.template");
    std::fs::write(&place, "title = \"Own\"\nurl = \"http://x/\"\naccepted = \"200\"\n+++\n{\"a\":\n {{ titel }}}")
        .unwrap();
    let report = report(&format!("[[alerts.channels]]\nname = \"own\"\ntemplate = {:?}\n", place.to_str().unwrap()));
    assert!(report.contains("own.template:6:5: `titel` is no variable of templates"), "{report}");
}
