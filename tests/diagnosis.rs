//! What is found out when a service begins to fail: each address of its host by itself, beside its checks. Real connections,
//! on a clock that the test moves.

use crate::support::{
    history::{export, import},
    net::closed_port,
    target::Does,
    world::World,
};
use healthcheck_dashboard::interchange::export::Format;
use serde_json::{Value, json};

fn config(url: &str) -> String {
    format!(
        "[checks]\ninterval_secs = 10\nwitness = \"TARGET\"\n[[checks.endpoints]]\nname = \"web\"\nurl = \"{url}\"\n\
         [[checks.endpoints]]\nname = \"cmd\"\ncommand = [\"false\"]\n"
    )
}

fn count(world: &World) -> i64 {
    world.sql().query_row("SELECT count(*) FROM diagnosis", [], |row| row.get(0)).unwrap()
}

async fn incident(world: &World) -> Value {
    world.until("a diagnosis", |w| count(w) == 1).await;
    let confirmed = "SELECT count(*) FROM outage WHERE confirmed_at IS NOT NULL";
    world.until("incidents", |w| w.sql().query_row(confirmed, [], |row| row.get::<_, i64>(0)).unwrap() == 2).await;
    let all = world.get("/api/v1/incidents?service=web").await.json();
    let id = all["items"][0]["id"].as_i64().unwrap();
    let page = world.get(&format!("/dashboard/incidents/{id}")).await;
    assert!(page.text().contains("What was found out then"), "{}", page.text());
    let mut incident = world.get(&format!("/api/v1/incidents/{id}")).await.json();
    incident["page"] = json!(page.text());
    incident
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_found_at_its_address_and_the_witness_answered() {
    let port = closed_port().port();
    let world = World::start(&config(&format!("http://localhost:{port}/"))).await;
    let incident = incident(&world).await;
    let found = &incident["diagnosis"];
    assert_eq!((&found["host"], &found["port"]), (&json!("localhost"), &json!(port)));
    assert!(found["lookup_ms"].is_number() && found["lookup_error"].is_null(), "{found}");
    let address = found["addresses"].as_array().unwrap().iter().find(|one| one["address"] == "127.0.0.1").unwrap();
    assert_eq!(address["error"], format!("connection refused by 127.0.0.1:{port}"), "{found}");
    assert!(address["connect_ms"].is_null() && found["witness"]["connect_ms"].is_number(), "{found}");
    // A command connects to nothing; and what goes on to fail is not looked at again.
    world.pass(60.0).await;
    assert_eq!(count(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn what_answers_wrongly_was_reached_and_an_export_takes_it_along() {
    let mut world = World::start(&config("http://TARGET/web")).await;
    world.target.set("/web", Does::Answer(503));
    let incident = incident(&world).await;
    let found = &incident["diagnosis"];
    let address = &found["addresses"][0];
    assert!(address["connect_ms"].is_number() && address["error"].is_null() && found["lookup_ms"].is_null(), "{found}");
    assert!(incident["page"].as_str().unwrap().contains("It took a connection."));
    let now = world.clock.now();
    world.stop().await;
    let folder = tempfile::tempdir().unwrap();
    for (n, format) in [Format::Json, Format::Ndjson].into_iter().enumerate() {
        let left = export(&world.path(), format, now);
        let there = folder.path().join(format!("{n}.db"));
        import(&there, &[&left, &left]);
        assert!(left.contains("\"lookup_error\":null"), "{left}");
        assert_eq!(export(&there, format, now), left);
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_that_connects_is_diagnosed() {
    let port = closed_port().port();
    let keys = [
        "url = \"http://ADDRESS/\"",
        "url = \"tcp://ADDRESS\"",
        "url = \"tls://ADDRESS\"",
        "url = \"postgres://me@ADDRESS/db\"",
        "url = \"redis://ADDRESS\"",
        "url = \"smtp://ADDRESS\"",
        "url = \"imap://ADDRESS\"",
        "url = \"pop3://ADDRESS\"",
        "url = \"ssh://ADDRESS\"",
        "url = \"ldap://ADDRESS\"",
        "url = \"mysql://ADDRESS\"",
        "url = \"nats://ADDRESS\"",
        "url = \"mqtt://ADDRESS\"",
        "url = \"amqp://ADDRESS\"",
        "url = \"kafka://ADDRESS\"",
        "url = \"memcached://ADDRESS\"",
        "url = \"ws://ADDRESS/\"",
        "url = \"grpc://ADDRESS\"",
        "type = \"prometheus\"\nurl = \"http://ADDRESS\"\npromql = \"up\"",
    ];
    let endpoint = |(i, keys): (usize, &&str)| format!("[[checks.endpoints]]\nname = \"s{i:02}\"\n{keys}\n");
    let endpoints: String = keys.iter().enumerate().map(endpoint).collect();
    let config = format!("[checks]\ninterval_secs = 10\n{endpoints}").replace("ADDRESS", &format!("127.0.0.1:{port}"));
    let mut world = World::start(&config).await;
    world.until("a diagnosis of each", |w| count(w) == keys.len() as i64).await;
    world.stop().await;
}
