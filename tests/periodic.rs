//! What is sent by itself, once in a period: reports and drills. Real receivers, on a clock that the test moves.

use crate::support::{target::Seen, world::World};
use healthcheck_dashboard::domain::time::{DAY_MS, HOUR_MS};
use serde_json::Value;

/// The world begins on a Monday, at midnight in UTC. Its channels are told of nothing else that a clock that is set brings with
/// it; reports and drills go where they are sent, whatever a channel is for.
fn config(alerts: &str, rest: &str) -> String {
    format!(
        "[checks]\ninterval_secs = 10\n[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n\
         [dashboard]\npublic_url = \"https://status.example.com\"\n[alerts]\nenabled = true\n{alerts}\n\
         [[alerts.channels]]\nname = \"ops\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/ops\"\nkinds = [\"down\"]\n\
         [[alerts.channels]]\nname = \"chat\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/chat\"\nkinds = [\"down\"]\n{rest}"
    )
}

fn report(every: &str) -> String {
    config("", &format!("[alerts.report]\nevery = \"{every}\"\nchannels = [\"ops\"]\n"))
}

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_report_is_sent_once_for_each_period_whatever_restarts_and_however_clocks_are_set() {
    let mut world = World::start(&report("daily 00:02")).await;
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 0, "the day before is none that was to be reported");
    world.until("the report", |w| w.target.count("/ops") == 1).await;
    assert!((120.0..180.0).contains(&world.now()), "{}", world.now());
    let first = body(&world.target.seen("/ops")[0]);
    assert_eq!((first["event"].as_str(), first["status"].as_str()), (Some("report"), Some("resolved")));
    assert!(first["title"].as_str().unwrap().starts_with("[REPORT] Day to Mon 16 Nov: "), "{first}");
    assert_eq!(first["report"]["to"], "2026-11-16T00:02:00.000Z");
    assert!(first["url"].as_str().unwrap().starts_with("https://status.example.com/dashboard/review?from="), "{first}");
    world.restart().await;
    world.pass(60.0).await;
    world.clock.step(-HOUR_MS);
    world.pass(60.0).await;
    world.restart().await;
    world.pass(60.0).await;
    world.clock.step(HOUR_MS);
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 1);
    world.clock.step(DAY_MS);
    world.until("the next report", |w| w.target.count("/ops") == 2).await;
    let second = body(&world.target.seen("/ops")[1]);
    assert_ne!(second["event_id"], first["event_id"]);
    assert_eq!(second["report"]["from"], first["report"]["to"]);
    assert_eq!(world.target.count("/chat"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_was_due_while_the_monitor_was_off_is_sent_late_and_says_so() {
    let mut world = World::start(&report("monday 00:02")).await;
    world.pass(30.0).await;
    world.stop().await;
    world.clock.step(5 * HOUR_MS);
    world.start_again_with(&report("monday 00:02")).await;
    world.until("the report", |w| w.target.count("/ops") == 1).await;
    let late = body(&world.target.seen("/ops")[0])["details"][0].clone();
    assert_eq!(late["value"], "This report is late: it was due Mon 16 Nov, 00:02.");
    // The next one is due when nobody is there, and nobody wants it two days later.
    world.stop().await;
    world.clock.step(9 * DAY_MS);
    world.start_again_with(&report("monday 00:02")).await;
    world.pass(120.0).await;
    assert_eq!(world.target.count("/ops"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drill_proves_every_channel_once_a_month() {
    // Ten o'clock in Brisbane is midnight in UTC.
    let pager = "[[alerts.channels]]\nname = \"pager\"\ntype = \"alertmanager\"\nserver = \"http://TARGET\"\nkinds = [\"down\"]\n";
    let config = config("drill = \"monthly\"\nzone = \"Australia/Brisbane\"", pager);
    let mut world = World::start(&config).await;
    world.pass(120.0).await;
    assert_eq!(world.target.count("/ops"), 0, "it was not configured when this morning's hour came");
    world.clock.step(DAY_MS);
    let pages = "/api/v2/alerts";
    let all = |w: &World, n: usize| {
        [("/ops", n), ("/chat", n), (pages, 2 * n)].iter().all(|(path, n)| w.target.count(path) == *n)
    };
    world.until("the drills", |w| all(w, 1)).await;
    let drill = body(&world.target.seen("/ops")[0]);
    assert_eq!((drill["event"].as_str(), drill["status"].as_str()), (Some("drill"), Some("resolved")));
    assert_eq!(drill["title"], "[DRILL] health checks");
    assert!(drill["text"].as_str().unwrap().starts_with("This is a drill. Nothing is wrong"), "{drill}");
    // Who keeps alerts gets one, and its end.
    let pages: Vec<Value> = world.target.seen(pages).iter().map(body).collect();
    assert!(
        pages[0][0]["endsAt"].as_str().unwrap().starts_with("2026-11-18")
            && pages[0][0]["labels"] == pages[1][0]["labels"]
    );
    assert!(pages[0][0]["labels"].as_object().unwrap().values().all(Value::is_string), "{pages:?}");
    assert!(pages[1][0]["endsAt"].as_str().unwrap().starts_with("2026-11-17"), "{pages:?}");
    // It is the proof that the page shows.
    world.pass(5.0).await;
    let channels = world.get("/api/v1/alerts/channels").await.ok();
    let proofs = channels["items"].as_array().unwrap().iter().filter(|channel| channel["last_success_at"].is_string());
    assert_eq!(proofs.count(), 3, "{channels}");
    world.restart().await;
    world.clock.step(DAY_MS);
    world.pass(130.0).await;
    assert!(all(&world, 1), "once in a month");
    // Nobody is drilled at a weekend: the 5th of December is a Saturday.
    world.clock.step(17 * DAY_MS);
    world.pass(130.0).await;
    assert!(all(&world, 1));
    world.clock.step(2 * DAY_MS);
    world.until("the drills of December", |w| all(w, 2)).await;
}
