//! A service that becomes slower than it is at this hour in other weeks: `latency = "unusual"`.

use crate::support::{
    target::Does,
    world::{World, begin},
};
use healthcheck_dashboard::domain::{
    check::{CheckResult, Class, Outcome},
    histogram::Histogram,
    time::{DAY_MS, HOUR_MS},
    window::Window,
};
use rusqlite::params;

/// Checked every minute: a quarter of an hour is fifteen checks. The other service does not ask.
const CONFIG: &str = r#"
[checks]
interval_secs = 60
[[checks.endpoints]]
name = "shop"
url = "http://TARGET/shop"
latency = "unusual"
[[checks.endpoints]]
name = "other"
url = "http://TARGET/shop"
[alerts]
enabled = true
degraded_after = "2m"
[[alerts.channels]]
name = "ops"
type = "webhook"
webhook = "http://TARGET/ops"
group_wait = "0s"
"#;

/// A world whose services took 100 to 109 ms in every hour of so many weeks.
async fn after(weeks: i64) -> World {
    let mut world = World::start(CONFIG).await;
    world.stop().await;
    let mut latency = Histogram::default();
    (0..60).for_each(|n| latency.add(100_000 + n % 10 * 1_000));
    let conn = world.sql();
    for back in 1..=weeks * 7 * 24 {
        let hour = begin().plus(-back * HOUR_MS);
        for service in 1..=2 {
            conn.execute(
                "INSERT INTO rollup_hour (service_id, start, up_ms, degraded_ms, down_ms, unknown_ms, doubt_up_ms,
                   doubt_down_ms, checks, failures, min_us, max_us, latency)
                 VALUES (?1, ?2, 3600000, 0, 0, 0, 0, 0, 60, 0, 100000, 109000, ?3)",
                params![service, hour.0, latency.to_bytes()],
            )
            .unwrap();
        }
    }
    drop(conn);
    let target = world.target.clone();
    world.leave_hanging(move || target.late());
    world.start_again_with(CONFIG).await;
    world
}

/// The results of a service, oldest first.
fn results(world: &World, service: &str) -> Vec<CheckResult> {
    let reader = &world.app().site.reader;
    let id = reader.service(service).unwrap().unwrap().id;
    reader.checks_forward(id, Window::new(begin(), begin().plus(DAY_MS)).unwrap(), 1000).unwrap()
}

fn degraded(world: &World, service: &str) -> usize {
    results(world, service).iter().filter(|result| result.outcome == Outcome::Degraded).count()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_slower_than_in_past_weeks_is_degraded_until_it_is_not_any_more() {
    let mut world = after(4).await;
    world.target.set("/shop", Does::Late(100));
    world.pass(8.0 * 60.0).await;
    world.target.set("/shop", Does::Late(450));
    world.until("it is degraded", |world| degraded(world, "shop") == 1).await;
    let found = results(&world, "shop");
    let slow = found.iter().filter(|result| result.latency_us >= Some(400_000)).count();
    assert_eq!(slow, 8, "more than half of fifteen checks");
    let reason = found.last().unwrap().reason.clone().unwrap();
    assert_eq!(
        (reason.class, reason.message.as_str()),
        (Class::Slow, "takes 5 times what it takes on Mondays at this hour")
    );
    // The history of the phases goes back no further than the rows, so none is named.
    world.pass(4.0 * 60.0).await;
    assert_eq!(world.target.count("/ops"), 1);
    let body: serde_json::Value = serde_json::from_str(&world.target.seen("/ops")[0].body).unwrap();
    let text = body["text"].as_str().unwrap().replace('\u{a0}', " ");
    assert!(text.ends_with(": takes 5 times what it takes on Mondays at this hour."), "{text}");
    // A restart is no transition, but for the checks that are made before the past is read.
    world.restart().await;
    world.pass(3.0 * 60.0).await;
    assert_eq!(results(&world, "shop").last().unwrap().outcome, Outcome::Degraded);
    world.target.set("/shop", Does::Late(100));
    world.pass(4.0 * 60.0).await;
    assert_eq!(results(&world, "shop").last().unwrap().outcome, Outcome::Up);
    world.pass(4.0 * 60.0).await;
    assert_eq!(world.target.count("/ops"), 2, "once for its beginning, once for its end");
    assert_eq!(degraded(&world, "other"), 0, "who does not ask is not compared");
    assert!(degraded(&world, "shop") < results(&world, "shop").len() / 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_in_two_weeks_only_says_nothing() {
    let world = after(2).await;
    world.target.set("/shop", Does::Late(900));
    world.pass(20.0 * 60.0).await;
    assert_eq!(degraded(&world, "shop"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_normal_is_drawn_for_the_service_that_is_compared_with_it() {
    let world = after(4).await;
    for (service, window, is_drawn) in
        [("shop", "1h", true), ("shop", "7d", true), ("shop", "90d", false), ("other", "7d", false)]
    {
        let answer = world.get(&format!("/dashboard/services/{service}?window={window}")).await;
        let page = answer.text();
        assert_eq!(page.contains("class=\"norm\""), is_drawn, "{service} {window}");
        assert_eq!(page.contains("degraded when slower than normal"), service == "shop");
    }
}
