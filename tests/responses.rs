//! What people do about alerts: acknowledgements and silences, by the interface, the pages and the links in messages. Real
//! receivers, on a clock that the test moves.

use crate::support::{
    binary::{Serving, program, stderr, stdout},
    history::{ask, export, import},
    past::folder,
    target::Does,
    world::World,
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::interchange::export::Format;
use serde_json::{Value, json};

fn config(alerts: &str) -> String {
    format!(
        "[dashboard]\ntoken = \"a-long-enough-token\"\npublic_url = \"https://status.example\"\n\
         [checks]\ninterval_secs = 10\n[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n\
         [[checks.endpoints]]\nname = \"api\"\nurl = \"http://TARGET/api\"\n[alerts]\nenabled = true\n{alerts}\
         [[alerts.channels]]\nname = \"ops\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/ops\"\n"
    )
}

struct Said {
    status: u16,
    text: String,
    location: Option<String>,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

/// Sends something that waits for the writer, and the writer for time to pass.
async fn send(world: &World, method: &str, path: &str, token: bool, kind: &str, body: &str) -> Said {
    let mut request = Request::builder().method(method).uri(path).header("content-type", kind);
    if token {
        request = request.header("authorization", "Bearer a-long-enough-token");
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let (answer, ()) = tokio::join!(ask(&world.app().site, request), world.pass(5.0));
    let location = answer.headers.get("location").map(|value| value.to_str().unwrap().to_owned());
    Said { status: answer.status.as_u16(), text: answer.text().to_owned(), location }
}

async fn post(world: &World, path: &str, body: &Value) -> Said {
    send(world, "POST", path, true, "application/json", &body.to_string()).await
}

async fn form(world: &World, path: &str, body: &str) -> Said {
    send(world, "POST", path, false, "application/x-www-form-urlencoded", body).await
}

fn bodies(world: &World) -> Vec<Value> {
    world.target.seen("/ops").iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

fn titles(world: &World) -> Vec<String> {
    bodies(world).iter().map(|body| body["title"].as_str().unwrap().to_owned()).collect()
}

fn incidents(world: &World) -> Vec<i64> {
    let sql = world.sql();
    let mut statement = sql.prepare("SELECT id FROM outage WHERE confirmed_at IS NOT NULL ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

async fn fail(world: &World, path: &str) -> i64 {
    let before = incidents(world).len();
    world.target.set(path, Does::Answer(503));
    world.until("an incident", |w| incidents(w).len() > before).await;
    *incidents(world).last().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_incident_sends_no_reminders_until_the_acknowledgement_ends() {
    let mut world = World::start(&config("remind_after = \"1m\"\n")).await;
    let id = fail(&world, "/web").await;
    world.until("the alert", |w| w.target.count("/ops") == 1).await;
    let path = format!("/api/v1/incidents/{id}/acknowledge");
    assert_eq!(send(&world, "POST", &path, false, "application/json", "{}").await.status, 401);
    let said = post(&world, &path, &json!({"author": "ada", "duration": "5m", "note": "on <it>"})).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let acknowledged = said.json()["acknowledgements"][0].clone();
    assert_eq!((&acknowledged["author"], &acknowledged["note"]), (&json!("ada"), &json!("on <it>")));
    world.pass(200.0).await;
    world.restart().await;
    assert_eq!(world.target.count("/ops"), 1, "{:?}", titles(&world));
    world.until("a reminder once it has ended", |w| w.target.count("/ops") == 2).await;
    let page = world.get(&format!("/dashboard/incidents/{id}")).await;
    assert!(page.text().contains("acknowledged by ada until") && page.text().contains("on &lt;it&gt;"));
    // Taken back, it is as before.
    assert_eq!(post(&world, &path, &json!({})).await.status, 200);
    let said = send(&world, "DELETE", &format!("{path}?author=bob"), true, "application/json", "").await;
    assert_eq!(said.json()["acknowledgements"].as_array().unwrap().len(), 3);
    world.target.set("/web", Does::Answer(200));
    world.until("the end", |w| titles(w).last().unwrap().starts_with("[UP]")).await;
    let said = post(&world, &path, &json!({"author": "ada"})).await;
    assert_eq!(said.status, 409, "{}", said.text);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_the_link_of_a_message_acknowledges_what_it_is_about_and_looking_changes_nothing() {
    let world = World::start(&config("group_wait = \"0s\"\nremind_after = \"1m\"\n")).await;
    let id = fail(&world, "/web").await;
    world.until("the alert", |w| w.target.count("/ops") == 1).await;
    let link = bodies(&world)[0]["acknowledge_url"].as_str().unwrap().to_owned();
    let link = link.strip_prefix("https://status.example").unwrap();
    let page = world.get(link).await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(page.text().contains("Who takes care of web?") && !page.text().contains("Token"), "{}", page.text());
    let acknowledgements =
        || world.sql().query_row("SELECT count(*) FROM acknowledgement", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(acknowledgements(), 0, "programs look at links before people do");
    // A link that was changed asks for the token.
    let changed = link.replace(&format!("incidents={id}"), &format!("incidents={}", id + 1));
    assert_eq!(world.get(&changed).await.status.as_u16(), 404);
    let changed = link.replace("channel=ops", "channel=boss");
    assert!(world.get(&changed).await.text().contains("This link is not whole"));
    assert_eq!(form(&world, &changed, "author=eve").await.status, 401);
    assert_eq!(acknowledgements(), 0);
    let said = form(&world, link, "author=&hours=0&note=").await;
    assert_eq!(said.status, 303, "{}", said.text);
    assert_eq!(said.location.as_deref(), Some(format!("/dashboard/incidents/{id}").as_str()));
    let incident = world.get(&format!("/api/v1/incidents/{id}")).await.ok();
    assert_eq!(incident["acknowledgements"][0]["author"], "whoever was told by ops");
    world.pass(200.0).await;
    assert_eq!(world.target.count("/ops"), 1, "no reminder: {:?}", titles(&world));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_what_is_silenced_until_the_silence_ends() {
    let mut world = World::start(&config("group_wait = \"0s\"\n")).await;
    world.pass(12.0).await;
    let said = post(
        &world,
        "/api/v1/silences",
        &json!({
            "service": ["we*"], "duration": "3m", "author": "ada", "reason": "new switch"
        }),
    )
    .await;
    assert_eq!(said.status, 201, "{}", said.text);
    assert_eq!(said.json()["state"], "active");
    let id = fail(&world, "/web").await;
    fail(&world, "/api").await;
    world.until("the other alert", |w| w.target.count("/ops") == 1).await;
    assert_eq!(titles(&world), ["[DOWN] api"]);
    let page = world.get("/dashboard/alerts").await;
    assert!(page.text().contains("service we*") && page.text().contains("new switch"));
    // Also a restart later.
    world.restart().await;
    world.pass(30.0).await;
    assert_eq!(world.target.count("/ops"), 1);
    world.until("the end of the silence", |w| w.target.count("/ops") == 2).await;
    assert!(titles(&world)[1].starts_with("[DOWN] web for "), "{:?}", titles(&world));
    assert!(world.now() >= 190.0, "{}", world.now());
    let late = bodies(&world)[1]["details"].as_array().unwrap().iter().any(|detail| detail["label"] == "why now");
    assert!(late, "{}", bodies(&world)[1]);
    let incident = world.get(&format!("/api/v1/incidents/{id}")).await.ok();
    assert_eq!(incident["silences"][0]["author"], "ada");
    assert!(incident["silences"][0]["told_at"].is_string(), "{incident}");
    world.target.set("/web", Does::Answer(200));
    world.until("its end", |w| w.target.count("/ops") == 3).await;
    assert!(titles(&world)[2].starts_with("[UP] web after "), "{:?}", titles(&world));
}

#[tokio::test(start_paused = true)]
async fn what_begins_and_ends_within_a_silence_is_never_told_and_stays_in_the_log() {
    let world = World::start(&config("group_wait = \"0s\"\n")).await;
    world.pass(12.0).await;
    let said = post(&world, "/api/v1/silences", &json!({"service": ["web"], "duration": "1h"})).await;
    let silence = said.json()["id"].as_str().unwrap().to_owned();
    let id = fail(&world, "/web").await;
    world.target.set("/web", Does::Answer(200));
    world
        .until("its end", |w| {
            w.sql().query_row("SELECT ended_at IS NOT NULL FROM outage WHERE id = ?1", [id], |row| row.get(0)).unwrap()
        })
        .await;
    // Ended early, it covers nothing more.
    let said = send(&world, "DELETE", &format!("/api/v1/silences/{silence}"), true, "application/json", "").await;
    assert_eq!((said.status, said.json()["state"].as_str()), (200, Some("over")), "{}", said.text);
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 0);
    fail(&world, "/web").await;
    world.until("the next one", |w| w.target.count("/ops") == 1).await;
    assert_eq!(world.get("/api/v1/silences").await.ok()["items"], json!([]));
    assert_eq!(world.get("/api/v1/silences?state=all").await.ok()["items"].as_array().unwrap().len(), 1);
    assert!(
        world.get(&format!("/dashboard/incidents/{id}")).await.text().contains("silenced by whoever has the token")
    );
}

#[tokio::test(start_paused = true)]
async fn a_silence_without_an_end_or_of_nothing_is_refused_with_what_to_do() {
    let world = World::start(&config("")).await;
    for (body, status, says) in [
        (json!({"service": ["web"]}), 422, "a silence has an end"),
        (json!({"duration": "1h"}), 422, "service, group, class or severity"),
        (json!({"service": ["web"], "duration": "1y"}), 422, "is no duration"),
        (json!({"service": ["web"], "duration": "100d"}), 422, "90 days at most"),
        (json!({"service": ["web"], "until": "2026-01-01T00:00:00Z"}), 422, "is over already"),
        (json!({"service": ["web"], "class": ["slow-ish"], "duration": "1h"}), 422, "“slow-ish” is no class"),
        (json!({"servise": ["web"], "duration": "1h"}), 400, "unknown field `servise`"),
        (json!({"service": ["web"], "duration": "1h", "author": "a".repeat(65)}), 422, "more than 64"),
    ] {
        let said = post(&world, "/api/v1/silences", &body).await;
        assert!(said.status == status && said.text.contains(says), "{body}: {} {}", said.status, said.text);
    }
    let said = form(&world, "/dashboard/silences/new", "service=web&hours=x&token=a-long-enough-token").await;
    assert!(said.status == 422 && said.text.contains("How long is a number of hours"), "{}", said.text);
    let said = form(&world, "/dashboard/silences/new", "service=web&hours=2&reason=r&token=a-long-enough-token").await;
    assert_eq!((said.status, said.location.as_deref()), (303, Some("/dashboard/alerts")));
    assert_eq!(world.get("/api/v1/silences").await.ok()["items"][0]["reason"], "r");
}

#[tokio::test(start_paused = true)]
async fn what_people_did_is_part_of_the_history_wherever_it_goes() {
    let world = World::start(&config("group_wait = \"0s\"\n")).await;
    world.pass(12.0).await;
    post(&world, "/api/v1/silences", &json!({"service": ["web"], "duration": "2m", "author": "ada", "reason": "r"}))
        .await;
    let id = fail(&world, "/web").await;
    let path = format!("/api/v1/incidents/{id}/acknowledge");
    assert_eq!(post(&world, &path, &json!({"author": "bob", "note": "mine"})).await.status, 200);
    let until = world.clock.now().plus(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [("a.db", Format::Ndjson), ("b.db", Format::Json)] {
        let left = export(&world.path(), format, until);
        for part in
            ["\"acknowledgements\":1", "\"silences\":1", "\"silenced\":1", "\"author\":\"bob\"", "\"reason\":\"r\""]
        {
            assert!(left.contains(part), "{part} in {left}");
        }
        let there = folder.path().join(name);
        import(&there, &[&left]);
        import(&there, &[&left]);
        let again = export(&there, format, until);
        let rows = |document: &str| {
            let lines = document.replace("},{", "}\n{");
            let of_it = ["bob", "ada", "\"told_at\""];
            lines
                .lines()
                .filter(|line| of_it.iter().any(|part| line.contains(part)))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(&again), rows(&left));
        assert_eq!(rows(&again).len(), 3, "{:?}", rows(&again));
    }
    // Where nobody did anything an export says nothing of it.
    let quiet = World::start(&config("")).await;
    quiet.pass(12.0).await;
    assert!(!export(&quiet.path(), Format::Json, until).contains("silence"));
}

#[test]
fn the_command_line_has_the_running_service_send_again_what_was_given_up() {
    let alerts = "[alerts]\nenabled = true\nwebhook = \"http://127.0.0.1:9/hook\"\n";
    let checks = "[[checks.endpoints]]\nname = \"job\"\ncommand = \"true\"\n";
    let folder = folder(&format!("{checks}{alerts}[dashboard]\ntoken = \"a-long-enough-token\"\n"));
    let serving = Serving::start(folder.path());
    let retry = |arguments: &[&str]| {
        let arguments = [&["alerts", "retry"], arguments].concat();
        program(folder.path()).args(arguments).env("DASHBOARD_PORT", serving.port.to_string()).output().unwrap()
    };
    let output = retry(&["webhook"]);
    assert!(output.status.success() && stdout(&output).contains("is sent again"), "{}", stderr(&output));
    let output = retry(&["hook"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there is no channel named “hook”: there are webhook"), "{}", stderr(&output));
    std::fs::write(folder.path().join("config.toml"), format!("{checks}{alerts}")).unwrap();
    let output = retry(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("set `token` below [dashboard]"), "{}", stderr(&output));
}
