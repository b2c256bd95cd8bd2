//! The kinds of messages happen: real checks and a real receiver, on a clock that the test moves. What it receives is what was
//! read, but for moments and durations.

use super::{KINDS, is_update, kept, place};
use crate::support::{
    target::Does,
    tls::{Authority, https, since_1970},
    world::World,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::collections::BTreeSet;

/// A name that would notify everybody, or be markup, where it is not made harmless.
const HOSTILE: &str = "<!channel> *x* _y_";

const HEAD: &str = "[dashboard]\npublic_url = \"https://status.example.com\"\n[checks]\ninterval_secs = 10\n";

fn endpoint(name: &str, keys: &str) -> String {
    format!("[[checks.endpoints]]\nname = \"{name}\"\ngroup = \"shop\"\n{keys}\n")
}

fn at_the_target(name: &str, path: &str) -> String {
    endpoint(name, &format!("url = \"http://TARGET/{path}\""))
}

fn channel(name: &str, keys: &str) -> String {
    format!("[[alerts.channels]]\nname = \"{name}\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/{name}\"\n{keys}\n")
}

/// What a channel was told.
fn told(world: &World, channel: &str) -> Vec<Value> {
    let seen = world.target.seen(&format!("/{channel}"));
    seen.iter().map(|seen| plain(world, &seen.body)).collect()
}

/// A body without what is another in each run.
fn plain(world: &World, body: &str) -> Value {
    let id = world.app().site.writer.history_id().to_string();
    let folder = world.path().parent().unwrap().to_str().unwrap().to_owned();
    let text =
        body.replace(&folder, "data").replace(&id, "h").replace(&world.target.address.to_string(), "shop.example.com");
    let text = text.replace("127.0.0.1", "shop.example.com").replace("localhost", "shop.example.com");
    let mut parts = text.split("signature=");
    let mut all = parts.next().unwrap().to_owned();
    for part in parts {
        all.push_str(&format!("signature={}{}", "5e9f".repeat(16), &part[64..]));
    }
    serde_json::from_str(&all).unwrap()
}

/// The first message that has such a title.
fn titled(messages: &[Value], event: &str, title: &str) -> Value {
    let is_it = |body: &&Value| body["event"] == event && body["title"].as_str().unwrap().starts_with(title);
    messages.iter().find(is_it).unwrap_or_else(|| panic!("{event} {title}: {messages:#?}")).clone()
}

async fn until_told(world: &World, channel: &str, event: &str, title: &str) {
    let is_it = |body: &Value| body["event"] == event && body["title"].as_str().unwrap().starts_with(title);
    world.until(title, |w| told(w, channel).iter().any(is_it)).await;
}

/// Holds what happened to what somebody has read.
#[track_caller]
fn is_as_read(kind: &str, happened: &Value) {
    assert!(KINDS.contains(&kind));
    if is_update() {
        let text = serde_json::to_string_pretty(happened).unwrap();
        std::fs::write(place("notices", &format!("{kind}.json")), format!("{text}\n")).unwrap();
    }
    let (read, now) = (shape(&kept(kind)), shape(happened));
    assert!(read == now, "{kind} is another: UPDATE_SNAPSHOTS=1 writes it, to be read\n{read:#}\n{now:#}");
}

/// A value without the figures: moments and durations are others in each run.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_figures(text)),
        Value::Number(_) => Value::from(0),
        Value::Array(all) => all.iter().map(shape).collect(),
        Value::Object(all) => all.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        other => other.clone(),
    }
}

fn without_figures(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('0') => {}
            '0'..='9' => out.push('0'),
            c => out.push(c),
        }
    }
    let mut out = out.replace("0.0", "0");
    for unit in ["d", "h", "min", "s", "ms"] {
        for after in ["", " ", ":", ";", ",", ".", ")", "-"] {
            out = out.replace(&format!("0\u{a0}{unit}{after}"), &format!("0 t{after}"));
        }
    }
    while out.contains("0 t 0 t") {
        out = out.replace("0 t 0 t", "0 t");
    }
    out
}

#[test]
fn a_shape_is_a_text_without_moments_and_durations() {
    let one = without_figures("[UP] web2 after 1\u{a0}min 10\u{a0}s, 2026-11-16 00:00:07 UTC: 0.5 of 43.25");
    assert_eq!(one, "[UP] web0 after 0 t, 0-0-0 0:0:0 UTC: 0 of 0");
}

#[tokio::test(start_paused = true)]
async fn incidents_are_told_as_they_were_read() {
    let services = format!(
        "{}{}{}{}",
        at_the_target("checkout", "checkout"),
        at_the_target("cart", "cart"),
        at_the_target("orders-db", "orders"),
        at_the_target(HOSTILE, "hostile")
    );
    let routes = "[[alerts.routes]]\nchannels = [\"ops\"]\nescalate_after = \"6m\"\nescalate_to = [\"boss\"]\n";
    let channels = format!("{}{}", channel("ops", "remind_after = \"5m\""), channel("boss", ""));
    let world = World::start(&format!("{HEAD}{services}[alerts]\nenabled = true\n{channels}{routes}")).await;
    world.pass(12.0).await;
    let full = Does::Say(503, "upstream connect error: the connection pool is exhausted (50 of 50 in use)");
    world.target.set("/checkout", full);
    until_told(&world, "boss", "incident.confirmed", "[DOWN] checkout").await;
    let ops = told(&world, "ops");
    is_as_read("trigger", &titled(&ops, "incident.confirmed", "[DOWN] checkout"));
    is_as_read("reminder", &titled(&ops, "incident.reminder", "[DOWN] checkout for "));
    is_as_read("escalation", &told(&world, "boss")[0]);
    world.target.set("/checkout", Does::Answer(200));
    until_told(&world, "ops", "incident.resolved", "[UP] checkout").await;
    is_as_read("resolve", &titled(&told(&world, "ops"), "incident.resolved", "[UP] checkout"));
    world.pass(60.0).await;
    for path in ["/cart", "/orders", "/hostile"] {
        world.target.set(path, Does::Answer(503));
    }
    until_told(&world, "ops", "incidents", "[DOWN] 3 services").await;
    is_as_read("group", &titled(&told(&world, "ops"), "incidents", "[DOWN] 3 services"));
    for path in ["/cart", "/orders", "/hostile"] {
        world.target.set(path, Does::Answer(200));
    }
    until_told(&world, "ops", "incidents", "[UP] 3 services").await;
    is_as_read("group-resolve", &titled(&told(&world, "ops"), "incidents", "[UP] 3 services"));
    world.pass(120.0).await;
    world.target.set("/hostile", full);
    until_told(&world, "ops", "incident.confirmed", "[DOWN] <!channel>").await;
    is_as_read("hostile", &titled(&told(&world, "ops"), "incident.confirmed", "[DOWN] <!channel>"));
    world.pass(120.0).await;
    world.target.set("/hostile", Does::Answer(200));
    world.target.set("/orders", Does::Close);
    until_told(&world, "ops", "incidents", "[DOWN] 1 service: orders-db; 1 up again").await;
    is_as_read("mixed", &titled(&told(&world, "ops"), "incidents", "[DOWN] 1 service: orders-db"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_degraded_is_told_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tired");
    let keys = format!("degraded_exit_codes = [1]\ncommand = [\"test\", \"!\", \"-e\", {:?}]", file.to_str().unwrap());
    let alerts = format!("[alerts]\nenabled = true\ndegraded_after = \"1m\"\n{}", channel("ops", ""));
    let world = World::start(&format!("{HEAD}{}{alerts}", endpoint("checkout", &keys))).await;
    std::fs::write(&file, "").unwrap();
    until_told(&world, "ops", "degraded", "[DEGRADED]").await;
    std::fs::remove_file(&file).unwrap();
    until_told(&world, "ops", "degraded.resolved", "[OK]").await;
    // What a run of a program takes is not the clock's.
    let [first, second] = [("degraded", "[DEGRADED]"), ("degraded.resolved", "[OK]")]
        .map(|(event, title)| titled(&told(&world, "ops"), event, title));
    is_as_read("degraded", &first);
    is_as_read("degraded-end", &second);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_flaps_is_told_as_it_was_read() {
    let checks = "[checks]\nfailure_threshold = 1\nsuccess_threshold = 1\n";
    let alerts = format!("[alerts]\nenabled = true\n{}", channel("ops", "kinds = [\"flapping\"]"));
    let config = format!("{HEAD}{}{alerts}", at_the_target("checkout", "checkout"));
    let world = World::start(&config.replace("[checks]\n", checks)).await;
    world.pass(12.0).await;
    for status in [503, 200].repeat(7) {
        let before = world.target.count("/checkout");
        world.target.set("/checkout", Does::Answer(status));
        world.until("a check", |w| w.target.count("/checkout") > before).await;
        world.committed().await;
    }
    until_told(&world, "ops", "flapping", "[FLAPPING]").await;
    is_as_read("flapping", &told(&world, "ops")[0]);
    world.target.set("/checkout", Does::Answer(503));
    until_told(&world, "ops", "flapping.resolved", "").await;
    is_as_read("flapping-end", &told(&world, "ops")[1]);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_ends_is_told_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let shared = authority.issue(&["localhost"], 5);
    let ca = folder.path().join("ca.pem");
    let pem = STANDARD.encode(authority.der());
    std::fs::write(&ca, format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n")).unwrap();
    let mut services = String::new();
    for name in ["checkout", "cart"] {
        let port = https(&shared, None).await.port();
        let keys = format!("url = \"https://localhost:{port}/\"\ntls = {{ ca = {:?} }}", ca.to_str().unwrap());
        services.push_str(&endpoint(name, &keys));
    }
    let alerts = format!("[alerts]\nenabled = true\n{}", channel("ops", "kinds = [\"certificate\"]"));
    let world = World::start(&format!("{HEAD}{services}{alerts}")).await;
    // Certificates are judged by the real clock.
    world.clock.step(since_1970().as_millis() as i64 - world.clock.now().0);
    until_told(&world, "ops", "certificate", "[CERTIFICATE]").await;
    is_as_read("certificate", &told(&world, "ops")[0]);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_was_away_is_told_as_it_was_read() {
    let alerts = format!("[alerts]\nenabled = true\ngap_after = \"5m\"\n{}", channel("ops", "kinds = [\"gap\"]"));
    let services = format!("{}{}", at_the_target("checkout", "checkout"), at_the_target("cart", "cart"));
    let config = format!("{HEAD}{services}{alerts}");
    let mut world = World::start(&config).await;
    world.pass(60.0).await;
    world.stop().await;
    world.clock.step(4_320_000);
    world.start_again_with(&config).await;
    until_told(&world, "ops", "gap", "[GAP]").await;
    is_as_read("gap", &told(&world, "ops")[0]);
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_spent_too_fast_is_told_as_it_was_read() {
    let keys = "url = \"http://TARGET/checkout\"\nobjective = 99.9";
    let alerts = format!("[alerts]\nenabled = true\n{}", channel("ops", "kinds = [\"slo\"]"));
    let world = World::start(&format!("{HEAD}{}{alerts}", endpoint("checkout", keys))).await;
    world.pass(12.0).await;
    world.target.set("/checkout", Does::Answer(503));
    until_told(&world, "ops", "slo", "[SLO]").await;
    is_as_read("slo", &told(&world, "ops")[0]);
    world.target.set("/checkout", Does::Answer(200));
    world.pass(120.0).await;
    world.clock.step(3_600_000);
    until_told(&world, "ops", "slo.resolved", "[OK]").await;
    is_as_read("slo-end", &told(&world, "ops")[1]);
}

#[tokio::test(start_paused = true)]
async fn the_monitors_own_trouble_is_told_as_it_was_read() {
    let channels = format!("{}{}", channel("ops", "kinds = [\"monitor\"]"), channel("pager", "kinds = [\"down\"]"));
    let services = at_the_target("checkout", "checkout");
    let world = World::start(&format!("{HEAD}{services}[alerts]\nenabled = true\n{channels}")).await;
    world.target.set("/pager", Does::Answer(500));
    world.target.set("/checkout", Does::Answer(503));
    until_told(&world, "ops", "monitor.failing", "[DOWN]").await;
    world.target.set("/pager", Does::Answer(200));
    until_told(&world, "ops", "monitor.recovered", "[UP]").await;
    is_as_read("monitor", &told(&world, "ops")[0]);
    is_as_read("monitor-end", &told(&world, "ops")[1]);
    std::fs::remove_file(world.path()).unwrap();
    world.until("the trouble", |w| w.target.count("/ops") == 3).await;
    is_as_read("history", &told(&world, "ops")[2]);
}

#[tokio::test(start_paused = true)]
async fn a_drill_is_told_as_it_was_read() {
    // Ten o'clock in Brisbane is midnight in UTC.
    let alerts = "[alerts]\nenabled = true\ndrill = \"monthly\"\nzone = \"Australia/Brisbane\"\n";
    let services = at_the_target("checkout", "checkout");
    let world = World::start(&format!("{HEAD}{services}{alerts}{}", channel("ops", "kinds = [\"down\"]"))).await;
    world.pass(120.0).await;
    world.clock.step(healthcheck_dashboard::domain::time::DAY_MS);
    until_told(&world, "ops", "drill", "[DRILL]").await;
    is_as_read("drill", &told(&world, "ops")[0]);
}

#[test]
fn every_notice_that_is_kept_is_one_that_happens() {
    let kept: BTreeSet<String> = std::fs::read_dir(place("notices", ""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".json").to_owned())
        .collect();
    assert_eq!(kept, KINDS.map(str::to_owned).into());
    let source = include_str!("happen.rs");
    for kind in KINDS {
        assert!(source.contains(&format!("is_as_read(\"{kind}\"")), "{kind} does not happen");
    }
}
