//! When checks happen, and what the outcomes add up to, on a clock that the test moves.

use crate::support::{
    events::Client,
    net::closed_port,
    target::Does,
    world::{World, begin},
};
use healthcheck_dashboard::domain::time::UnixMs;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many seconds after the beginning, as the interface says it.
fn time(seconds: f64) -> String {
    begin().plus((seconds * 1000.0).round() as i64).to_string()
}

fn seconds(times: &[UnixMs]) -> Vec<f64> {
    times.iter().map(|at| at.since(begin()) as f64 / 1000.0).collect()
}

fn one(keys: &str) -> String {
    format!("[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n{keys}\n")
}

async fn items(world: &World, path: &str) -> Vec<Value> {
    world.committed().await;
    world.get(path).await.ok()["items"].as_array().unwrap().clone()
}

/// The log, oldest first.
async fn incidents(world: &World) -> Vec<Value> {
    let mut items = items(world, "/api/v1/incidents").await;
    items.reverse();
    items
}

#[tokio::test(start_paused = true)]
async fn first_checks_are_spread_over_one_interval_and_every_interval_follows_suit() {
    let mut config = String::from("checks.interval_secs = 10\n");
    for i in 0..20 {
        config += &format!("[[checks.endpoints]]\nname = \"s{i}\"\nurl = \"http://TARGET/{i}\"\n");
    }
    let world = World::start(&config).await;
    world.pass(34.9).await;
    let all: Vec<Vec<f64>> = (0..20).map(|i| seconds(&world.target.times(&format!("/{i}")))).collect();
    for (i, times) in all.iter().enumerate() {
        // Two of them in each second.
        let first = (i / 2) as f64;
        let expected: Vec<f64> = (0..4).map(|n| first + 10.0 * f64::from(n)).filter(|t| *t < 34.9).collect();
        assert_eq!(times, &expected, "service {i}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_checked_once_an_hour_is_seen_at_once_too() {
    let mut config = String::from("checks.interval_secs = 3600\nchecks.timeout_secs = 5\n");
    for i in 0..4 {
        config += &format!("[[checks.endpoints]]\nname = \"s{i}\"\nurl = \"http://TARGET/{i}\"\n");
    }
    let world = World::start(&config).await;
    world.pass(10.0).await;
    assert!((0..4).all(|i| world.target.count(&format!("/{i}")) == 1));
}

#[tokio::test(start_paused = true)]
async fn checks_of_one_service_never_overlap_and_a_hanging_one_delays_no_other() {
    let config = "checks.interval_secs = 1\nchecks.timeout_secs = 1\nchecks.retry_interval_secs = 0.5\n".to_owned()
        + "[[checks.endpoints]]\nname = \"slow\"\nurl = \"http://TARGET/slow\"\n"
        + "[[checks.endpoints]]\nname = \"fine\"\nurl = \"http://TARGET/fine\"\n";
    let world = World::start(&config).await;
    world.target.set("/slow", Does::Hang);
    world.pass(20.0).await;
    // Each took its timeout of a second. (When the server learns that one was given up is not the monitor's to say.)
    let slow = seconds(&world.target.times("/slow"));
    assert!(slow.windows(2).all(|pair| pair[1] - pair[0] >= 1.0), "{slow:?}");
    assert!(slow.len() >= 10, "{slow:?}");
    let times = seconds(&world.target.times("/fine"));
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 1.0), "{times:?}");
    assert!(times.len() >= 20, "{times:?}");
    let down = items(&world, "/api/v1/services/slow/checks?window=1h&outcome=down").await;
    assert!(down.iter().all(|check| check["failure"]["class"] == "timeout" && check["failure"]["phase"] == "ttfb"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_for_as_long_as_its_interval_stays_down_and_keeps_its_pace() {
    let world = World::start(&one("interval_secs = 5\ntimeout_secs = 5")).await;
    world.target.set("/web", Does::Hang);
    // The first check had passed; those at 5, 10 and 15 s hang, and the last of them confirms.
    world.pass(21.5).await;
    for _ in 0..600 {
        world.pass(0.1).await;
        let web = world.get("/health?verbose=1").await.json()["services"]["web"].clone();
        assert_eq!((&web["status"], &web["since"]), (&json!("down"), &json!(time(5.0))), "at {}", world.now());
    }
    let times = seconds(&world.target.times("/web"));
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 5.2), "{times:?}");
    assert_eq!(gaps(&world).await, Vec::<Value>::new());
}

const MANY: &str = r#"
checks.timeout_secs = 1
checks.retry_interval_secs = 0.5
[[checks.endpoints]]
name = "hung"
url = "http://TARGET/hung"
interval_secs = 1
[[checks.endpoints]]
name = "flaps"
url = "http://TARGET/flaps"
interval_secs = 2
[[checks.endpoints]]
name = "seldom"
url = "http://TARGET/seldom"
interval_secs = 3600
[[checks.endpoints]]
name = "cared"
url = "http://TARGET/cared"
interval_secs = 3600
[[checks.endpoints]]
name = "off"
url = "http://TARGET/off"
enabled = false
[[maintenance]]
from = "2026-11-16T00:00:15Z"
to = "2026-11-16T00:00:25Z"
services = ["cared"]
"#;

/// The status of every service in every answer that shows it.
async fn shown(world: &World) -> Vec<(&'static str, BTreeMap<String, String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let health = world.get("/health?verbose=1").await.json();
    let health = health["services"].as_object().unwrap().iter().map(|(name, one)| (name.clone(), text(&one["status"])));
    let health: BTreeMap<String, String> = health.collect();
    let listed = world.get("/api/v1/services").await.ok();
    let listed = listed["items"].as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["status"])));
    let listed: BTreeMap<String, String> = listed.collect();
    let metrics = world.get("/metrics").await;
    let metrics = metrics.text().lines().filter_map(|line| {
        let (name, status) = line.strip_prefix("healthcheck_service_status{service=\"")?.split_once("\",status=\"")?;
        Some((name.to_owned(), status.strip_suffix("\"} 1")?.to_owned()))
    });
    let metrics: BTreeMap<String, String> = metrics.collect();
    let wall = world.get("/dashboard/wall").await;
    let on_wall = |name: &str| {
        let (_, tile) = wall.text().split_once(&format!("{name}</b><span class=\"")).unwrap();
        let word = tile.split_once('>').unwrap().1.split(['<', ' ']).next().unwrap().to_lowercase();
        if word == "stale" { "unknown".to_owned() } else { word }
    };
    let on_wall = health.keys().map(|name| (name.clone(), on_wall(name))).collect();
    let mut badges = BTreeMap::new();
    for name in health.keys() {
        let badge = world.get(&format!("/badge/{name}/status.svg")).await;
        let (_, said) = badge.text().rsplit_once("</text>").unwrap().0.rsplit_once('>').unwrap();
        badges.insert(name.clone(), said.to_owned());
    }
    vec![("health", health), ("list", listed), ("metrics", metrics), ("wall", on_wall), ("badges", badges)]
}

#[tokio::test(start_paused = true)]
async fn every_answer_shows_the_status_that_was_told() {
    let world = World::start(MANY).await;
    let mut client = Client::open(&world.app().site, "?events=status", None).await;
    let live = world.app().site.live.clone();
    world.target.set("/hung", Does::Hang);
    let mut told: BTreeMap<String, String> = shown(&world).await.swap_remove(0).1;
    let mut seen = BTreeMap::new();
    while client.told().is_some() {}
    for tick in 0..500 {
        match tick {
            // Time alone makes the results of the hour old, and young again.
            300 => world.clock.step(4 * 3_600_000),
            350 => world.clock.step(-4 * 3_600_000),
            _ => world.target.set("/flaps", Does::Answer(if tick / 80 % 2 == 0 { 200 } else { 500 })),
        }
        world.pass(0.1).await;
        // What is committed while the answers are being read may be in some of them.
        let answers = loop {
            let changes = live.changes();
            let answers = shown(&world).await;
            if live.changes() == changes {
                break answers;
            }
        };
        while let Some(event) = client.told() {
            let word = |key: &str| event.data[key].as_str().unwrap().to_owned();
            let before = told.insert(word("service"), word("status"));
            assert_eq!(before, Some(word("before")), "in tick {tick}");
        }
        for (answer, statuses) in answers {
            assert_eq!(statuses, told, "{answer} in tick {tick}");
        }
        for (name, status) in &told {
            let seen: &mut Vec<String> = seen.entry(name.clone()).or_default();
            if seen.last() != Some(status) {
                seen.push(status.clone());
            }
        }
    }
    assert_eq!(seen["off"], ["paused"]);
    assert_eq!(seen["cared"], ["pending", "up", "maintenance", "up", "unknown", "up"]);
    assert_eq!(seen["seldom"], ["pending", "up", "unknown", "up"]);
    assert_eq!(seen["hung"], ["pending", "up", "down", "unknown", "down"]);
    assert_eq!(seen["flaps"][..5], ["pending", "up", "down", "up", "down"]);
}

#[tokio::test(start_paused = true)]
async fn what_time_alone_changes_is_told_though_nobody_asks() {
    let world = World::start(MANY).await;
    let mut client = Client::open(&world.app().site, "?events=status&service=cared", None).await;
    let mut told = Vec::new();
    let mut listen = |world: &World| {
        while let Some(event) = client.told() {
            told.push((world.now(), event.data["status"].clone(), event.data["since"].clone()));
        }
    };
    for _ in 0..300 {
        world.pass(0.1).await;
        listen(&world);
    }
    let checked = world.target.times("/cared")[0].to_string();
    world.clock.step(2 * 3_600_000);
    world.pass(2.0).await;
    listen(&world);
    let stale = world.target.times("/cared")[0].plus(2 * 3_600_000 + 1_000).to_string();
    assert_eq!(told.iter().map(|(_, status, _)| status).collect::<Vec<_>>(), ["up", "maintenance", "up", "unknown"]);
    let since: Vec<&Value> = told.iter().map(|(_, _, since)| since).collect();
    assert_eq!(since, [&json!(checked), &json!(time(15.0)), &json!(checked), &json!(stale)]);
    let at: Vec<f64> = told.iter().map(|(at, ..)| *at).collect();
    assert_eq!(at[1..3], [15.0, 25.0]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_confirmed_by_rechecks_and_starts_at_its_first_failure() {
    let world = World::start(&one("interval_secs = 10")).await;
    world.pass(25.0).await;
    world.target.set("/web", Does::Answer(503));
    world.pass(10.0).await;
    // The check at 30 s failed; two rechecks confirmed it; the next one comes in its slot again.
    assert_eq!(seconds(&world.target.times("/web")), [0.0, 10.0, 20.0, 30.0, 32.0, 34.0]);
    let log = incidents(&world).await;
    assert_eq!(log.len(), 1);
    assert_eq!((&log[0]["started_at"], &log[0]["last_ok_at"]), (&json!(time(30.0)), &json!(time(20.0))));
    assert_eq!((&log[0]["confirmed_at"], &log[0]["status"]), (&json!(time(34.0)), &json!("open")));
    assert_eq!(log[0]["cause"]["message"], "HTTP 503, expected 200–399");
    let health = world.get("/health").await;
    assert_eq!((health.status.as_u16(), health.json()["status"].as_str().unwrap()), (503, "unhealthy"));
    let checks = items(&world, "/api/v1/services/web/checks?window=1h").await;
    let rechecks: Vec<bool> = checks.iter().rev().map(|c| c["recheck"].as_bool().unwrap()).collect();
    assert_eq!(rechecks, [false, false, false, false, true, true]);
    world.target.set("/web", Does::Answer(200));
    world.pass(20.0).await;
    // It passed at 40 s and, in a recheck, at 42 s.
    assert_eq!(seconds(&world.target.times("/web"))[6..], [40.0, 42.0, 50.0]);
    let log = incidents(&world).await;
    assert_eq!((&log[0]["resolved_at"], &log[0]["duration_ms"]), (&json!(time(40.0)), &json!(10_000)));
    assert_eq!((&log[0]["down_ms"], &log[0]["checks_failed"]), (&json!(10_000), &json!(3)));
    assert_eq!(world.get("/health").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_short_failure_is_a_blip_and_counts_as_the_downtime_that_it_was() {
    let world = World::start(&one("interval_secs = 10")).await;
    world.pass(9.0).await;
    world.target.set("/web", Does::Close);
    world.pass(2.0).await;
    world.target.set("/web", Does::Answer(200));
    world.pass(20.0).await;
    assert_eq!(seconds(&world.target.times("/web")), [0.0, 10.0, 12.0, 20.0, 30.0]);
    assert_eq!(incidents(&world).await, Vec::<Value>::new());
    let u = world.get("/api/v1/services/web/uptime?from=2026-11-16").await.ok();
    assert_eq!((&u["blips"], &u["incidents"], &u["down_ms"]), (&json!(1), &json!(0), &json!(2_000)));
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_no_transition() {
    let mut world = World::start(&one("interval_secs = 10\nretry_interval_secs = 10")).await;
    world.pass(5.0).await;
    world.target.set("/web", Does::Answer(500));
    // Stopped between the second failure and the third.
    world.until("the second failure", |w| w.target.count("/web") == 3).await;
    world.restart().await;
    world.pass(1.0).await;
    let log = incidents(&world).await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!((&log[0]["started_at"], &log[0]["checks_failed"]), (&json!(time(10.0)), &json!(3)));
    let id = log[0]["id"].clone();
    // While it is down: nothing is opened, closed or told again.
    world.restart().await;
    world.restart().await;
    let log = incidents(&world).await;
    assert_eq!((log.len(), &log[0]["id"], &log[0]["status"]), (1, &id, &json!("open")));
    assert_eq!(world.get("/health").await.status, 503);
    assert_eq!(world.get("/health?verbose=1").await.json()["services"]["web"]["since"], time(10.0));
    // Between the first pass and the second.
    world.target.set("/web", Does::Answer(200));
    let before = world.target.count("/web");
    world.until("a pass", |w| w.target.count("/web") > before).await;
    let first_pass = world.target.times("/web")[before];
    world.committed().await;
    assert_eq!(incidents(&world).await[0]["status"], "open");
    world.restart().await;
    world.pass(1.0).await;
    let log = incidents(&world).await;
    assert_eq!((log.len(), &log[0]["resolved_at"]), (1, &json!(first_pass.to_string())));
    assert_eq!(world.get("/health").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn time_without_the_monitor_is_a_gap_and_pauses_are_told_apart() {
    let mut world = World::start(&one("interval_secs = 10")).await;
    world.pass(15.0).await;
    world.stop().await;
    tokio::time::advance(std::time::Duration::from_secs(600)).await;
    let off_until = world.now();
    world.start_again_with(&one("interval_secs = 10\nenabled = false")).await;
    assert_eq!(world.get("/health").await.status, 200);
    world.stop().await;
    world.start_again_with(&one("interval_secs = 10")).await;
    let back = world.now();
    world.pass(1.0).await;
    world.committed().await;
    let gaps = world.get("/api/v1/export?from=2026-11-16").await.ok()["gaps"].clone();
    // It was paused from the start of the run that knows of it.
    assert_eq!(
        gaps,
        json!([
            {"service": "web", "from": time(35.0), "to": time(off_until), "reason": "off"},
            {"service": "web", "from": time(off_until), "to": time(back), "reason": "paused"},
        ])
    );
    assert!(off_until > 600.0);
    world.stop().await;
    tokio::time::advance(std::time::Duration::from_secs(100)).await;
    let mut again = world;
    again.start_again_with(&one("interval_secs = 10")).await;
    again.pass(1.0).await;
    again.committed().await;
    let gaps = again.get("/api/v1/export?from=2026-11-16").await.ok()["gaps"].clone();
    assert_eq!((gaps.as_array().unwrap().len(), &gaps[2]["reason"]), (3, &json!("off")));
}

/// The gaps so far.
async fn gaps(world: &World) -> Vec<Value> {
    world.committed().await;
    world.get("/api/v1/export?from=2026-11-16").await.ok()["gaps"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn the_sleep_of_the_machine_is_a_gap_and_no_burst_follows() {
    let world = World::start(&one("interval_secs = 10")).await;
    world.pass(14.0).await;
    world.clock.sleep_machine(3_600_000);
    world.pass(12.0).await;
    assert_eq!(seconds(&world.target.times("/web")), [0.0, 10.0, 3620.0]);
    assert_eq!(
        gaps(&world).await,
        [json!({"service": "web", "from": time(35.0), "to": time(3620.0), "reason": "suspended"})]
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_leaves_a_gap_and_no_burst_follows() {
    let world = World::start(&one("interval_secs = 10\nretry_interval_secs = 0.3")).await;
    world.pass(19.9).await;
    world.target.set("/web", Does::Answer(503));
    world.pass(0.2).await;
    world.target.set("/web", Does::Answer(200));
    // A check is due and committed before the watch over the clocks wakes: the reason must not depend on that.
    world.clock.step(7_200_000);
    world.pass(15.0).await;
    assert_eq!(seconds(&world.target.times("/web")), [0.0, 10.0, 20.0, 7220.3, 7230.0]);
    assert_eq!(
        gaps(&world).await,
        [json!({"service": "web", "from": time(45.0), "to": time(7220.3), "reason": "clock_step"})]
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_blinds_nobody() {
    let world =
        World::start(&(one("interval_secs = 10") + "[alerts]\nenabled = true\nwebhook = \"http://TARGET/hook\"\n"))
            .await;
    world.pass(150.0).await;
    world.clock.step(-120_000);
    let before = world.target.count("/web");
    world.target.set("/web", Does::Answer(503));
    world.pass(40.0).await;
    // It goes on looking, at its pace; what it sees is believed, shown, told.
    assert!((5..=7).contains(&(world.target.count("/web") - before)));
    world.committed().await;
    assert_eq!(world.get("/health").await.status, 503);
    world.until("an alert", |w| w.target.count("/hook") == 1).await;
    world.target.set("/web", Does::Answer(200));
    world.pass(30.0).await;
    assert_eq!(world.get("/health").await.status, 200);
    // When the time has come again, history goes on as if nothing had been.
    world.pass(100.0).await;
    let log = incidents(&world).await;
    assert_eq!((log.len(), &log[0]["status"]), (1, &json!("resolved")));
    let u = world.get("/api/v1/services/web/uptime?from=2026-11-16").await.ok();
    assert_eq!(u["gap_ms"], 0);
    assert_eq!(world.app().site.writer.figures().dropped, 0);
    let noted: String =
        world.sql().query_row("SELECT group_concat(why) FROM interruption", [], |row| row.get(0)).unwrap();
    assert_eq!(noted, "clock_step");
}

#[tokio::test(start_paused = true)]
async fn with_no_witness_in_reach_nobody_is_blamed() {
    let (nobody, dead) = (closed_port(), closed_port());
    let config = format!(
        "checks.interval_secs = 10\nchecks.witness = [\"{dead}\"]\n\
         [[checks.endpoints]]\nname = \"gone\"\nurl = \"tcp://{nobody}\"\n\
         [[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n"
    );
    let mut world = World::start(&config).await;
    world.target.set("/web", Does::Answer(500));
    world.pass(60.0).await;
    let log = incidents(&world).await;
    // An answer that says no is no question of our network.
    assert_eq!(log.iter().map(|i| i["service"].as_str().unwrap()).collect::<Vec<_>>(), ["web"]);
    let checks = items(&world, "/api/v1/services/gone/checks?window=1h").await;
    assert!(
        checks.len() >= 6 && checks.iter().all(|c| c["outcome"] == "unknown" && c["failure"]["class"] == "monitor")
    );
    let u = world.get("/api/v1/services/gone/uptime?window=1h").await.ok();
    assert_eq!((&u["uptime"], &u["down_ms"]), (&json!(null), &json!(0)));
    assert_eq!(world.get("/health?verbose=1").await.json()["services"]["gone"]["status"], "pending");
    // With a witness that answers, the failure is the service's.
    world.stop().await;
    world.start_again_with(&config.replace(&dead.to_string(), "TARGET")).await;
    world.pass(30.0).await;
    let log = incidents(&world).await;
    assert!(log.iter().any(|i| i["service"] == "gone" && i["cause"]["class"] == "connect"), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_reached_another_way_has_its_own_witnesses() {
    let (nobody, dead) = (closed_port(), closed_port());
    let config = format!(
        "checks.interval_secs = 10\nchecks.witness = [\"TARGET\"]\nchecks.group_witness.East = [\"{dead}\"]\n\
         [[checks.endpoints]]\nname = \"there\"\ngroup = \"East\"\nurl = \"tcp://{nobody}\"\n\
         [[checks.endpoints]]\nname = \"here\"\nurl = \"tcp://{nobody}\"\n"
    );
    let world = World::start(&config).await;
    world.pass(60.0).await;
    let log = incidents(&world).await;
    assert_eq!(log.iter().map(|i| i["service"].as_str().unwrap()).collect::<Vec<_>>(), ["here"]);
    let checks = items(&world, "/api/v1/services/there/checks?window=1h").await;
    assert!(checks.len() >= 6 && checks.iter().all(|c| c["outcome"] == "unknown"));
}

#[tokio::test(start_paused = true)]
async fn no_more_checks_than_allowed_are_under_way_and_late_ones_say_so() {
    let mut config = String::from("checks.interval_secs = 2\nchecks.timeout_secs = 2\nchecks.max_concurrent = 2\n");
    for i in 0..6 {
        config += &format!("[[checks.endpoints]]\nname = \"s{i}\"\nurl = \"http://TARGET/{i}\"\n");
    }
    let world = World::start(&config).await;
    (0..6).for_each(|i| world.target.set(&format!("/{i}"), Does::Hang));
    world.pass(40.0).await;
    assert_eq!(world.target.most_hanging(), 2);
    assert!(world.app().site.scheduler.figures().missed > 0);
    (0..6).for_each(|i| world.target.set(&format!("/{i}"), Does::Answer(200)));
    world.pass(5.0).await;
    world.committed().await;
    let missed = world.app().site.scheduler.figures().missed;
    let metrics = world.get("/metrics").await.text().to_owned();
    assert!(metrics.contains(&format!("healthcheck_checks_missed_total {missed}\n")), "{missed} missed:\n{metrics}");
    let mut unknown = 0;
    for i in 0..6 {
        let checks = items(&world, &format!("/api/v1/services/s{i}/checks?window=1h&outcome=unknown&limit=1000")).await;
        unknown += checks.len() as u64;
        assert!(checks.iter().all(|check| check["failure"]["message"] == "the check started too late to count"));
    }
    assert_eq!(unknown, missed);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_checks_under_way_finish_and_keeps_their_results() {
    let mut world = World::start(&one("interval_secs = 10\ntimeout_secs = 3")).await;
    world.pass(5.0).await;
    world.target.set("/web", Does::Hang);
    world.until("a check under way", |w| w.target.hanging() == 1).await;
    let started = *world.target.times("/web").last().unwrap();
    world.stop().await;
    let sql = world.sql();
    let last: (i64, i64) = sql
        .query_row("SELECT at, outcome FROM check_result ORDER BY at DESC LIMIT 1", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    assert_eq!(last, (started.0, 2));
    let clean: bool = sql.query_row("SELECT stopped_at IS NOT NULL FROM run", [], |r| r.get(0)).unwrap();
    assert!(clean);
}
