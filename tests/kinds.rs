//! What channels are told of beside incidents: real receivers, on a clock that the test moves.

use crate::support::{
    binary::{run, stdout},
    target::{Does, Seen},
    tls::{Authority, https, since_1970},
    world::World,
};
use healthcheck_dashboard::domain::time::DAY_MS;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

const ENDPOINTS: &str = r#"
[checks]
interval_secs = 5
[[checks.endpoints]]
name = "web"
group = "shop"
url = "http://TARGET/web"
[[checks.endpoints]]
name = "api"
url = "http://TARGET/api"
"#;

/// Where events for PagerDuty go.
const PAGER: &str = "/v2/enqueue";

/// A configuration with this in `[alerts]`.
fn config(alerts: &str) -> String {
    format!("{ENDPOINTS}[alerts]\nenabled = true\n{alerts}")
}

/// A channel that gets each message at once.
fn channel(name: &str, more: &str) -> String {
    format!(
        "[[alerts.channels]]\nname = \"{name}\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/{name}\"\n\
         group_wait = \"0s\"\n{more}\n"
    )
}

/// A service that is degraded while a file is there.
struct Tired(tempfile::TempDir);

impl Tired {
    fn new() -> Tired {
        Tired(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("tired")
    }

    /// Its section, and the others, with this in `[alerts]`.
    fn config(&self, alerts: &str) -> String {
        let endpoint = format!(
            "[[checks.endpoints]]\nname = \"tired\"\ngroup = \"shop\"\ndegraded_exit_codes = [1]\ncommand = [\"test\", \"!\", \"-e\", {:?}]\n",
            self.file().to_str().unwrap()
        );
        config(alerts).replace("[alerts]", &format!("{endpoint}[alerts]"))
    }

    fn set(&self, is_degraded: bool) {
        match is_degraded {
            true => std::fs::write(self.file(), "").unwrap(),
            false => std::fs::remove_file(self.file()).unwrap(),
        }
    }
}

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

/// What a channel was told.
fn told(world: &World, channel: &str) -> Vec<Value> {
    world.target.seen(&format!("/{channel}")).iter().map(body).collect()
}

/// What of it, as event and title.
fn titles(world: &World, channel: &str) -> Vec<String> {
    let title = |body: &Value| format!("{} {}", body["event"].as_str().unwrap(), body["title"].as_str().unwrap());
    told(world, channel).iter().map(|body| title(body).replace('\u{a0}', " ")).collect()
}

fn text(body: &Value) -> String {
    body["text"].as_str().unwrap().replace('\u{a0}', " ")
}

/// The value of a detail.
fn detail(body: &Value, label: &str) -> Option<String> {
    let detail = body["details"].as_array().unwrap().iter().find(|detail| detail["label"] == label)?;
    Some(detail["value"].as_str().unwrap().replace('\u{a0}', " "))
}

async fn told_so_often(world: &World, channel: &str, times: usize) {
    let path = format!("/{channel}");
    world.until("the message", |w| w.target.count(&path) == times).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stays_degraded_is_told_once_and_so_is_its_end() {
    let only_down = channel("pager", "kinds = [\"down\", \"resolved\"]");
    let table = "degraded_after = \"40s\"\nwebhook = \"http://TARGET/hook\"\n";
    let alerts = format!("{table}{}{only_down}", channel("ops", ""));
    let public = "[dashboard]\npublic_url = \"https://status.example.com\"\n";
    let tired = Tired::new();
    let mut world = World::start(&format!("{}{public}", tired.config(&alerts))).await;
    tired.set(true);
    world.pass(30.0).await;
    // Slow for a moment is nobody's business.
    assert_eq!(world.target.count("/ops"), 0);
    told_so_often(&world, "ops", 1).await;
    let first = told(&world, "ops").remove(0);
    assert!(titles(&world, "ops")[0].starts_with("degraded [DEGRADED] tired for 4"), "{first}");
    assert!(text(&first).starts_with("tired passes its checks, and has been degraded for 4"), "{first}");
    assert!(text(&first).ends_with(" s: exit code 1."), "{first}");
    assert_eq!(first["url"], "https://status.example.com/dashboard/services/tired");
    assert_eq!((first["severity"].as_str(), first["status"].as_str()), (Some("warning"), Some("firing")));
    assert_eq!(detail(&first, "group").as_deref(), Some("shop"));
    world.pass(60.0).await;
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 1, "it goes on, and was told");
    tired.set(false);
    world.restart().await;
    told_so_often(&world, "ops", 2).await;
    let second = told(&world, "ops").remove(1);
    assert!(titles(&world, "ops")[1].starts_with("degraded.resolved [OK] tired after "), "{second}");
    assert_eq!((&second["key"], second["status"].as_str()), (&first["key"], Some("resolved")));
    world.pass(60.0).await;
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!((world.target.count("/ops"), world.target.count("/pager"), world.target.count("/hook")), (2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_good_check_among_slow_ones_ends_nothing() {
    let tired = Tired::new();
    let world = World::start(&tired.config(&format!("degraded_after = \"40s\"\n{}", channel("ops", "")))).await;
    tired.set(true);
    told_so_often(&world, "ops", 1).await;
    for _ in 0..4 {
        tired.set(false);
        world.pass(20.0).await;
        tired.set(true);
        world.pass(60.0).await;
    }
    assert_eq!(world.target.count("/ops"), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_that_a_service_in_maintenance_is_degraded() {
    let maintenance =
        "[[maintenance]]\nfrom = \"2026-11-16T00:00:00Z\"\nto = \"2026-11-16T00:03:00Z\"\nservices = [\"tired\"]\n";
    let alerts = format!("degraded_after = \"40s\"\n{}{maintenance}", channel("ops", ""));
    let tired = Tired::new();
    let world = World::start(&tired.config(&alerts)).await;
    tired.set(true);
    world.pass(170.0).await;
    assert_eq!(world.target.count("/ops"), 0);
    told_so_often(&world, "ops", 1).await;
    assert!(world.now() >= 180.0);
}

/// A configuration of services over TLS.
fn over_tls(folder: &Path, authority: &Authority, services: &[(&str, u16)], alerts: &str) -> String {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let endpoint = |(name, port): &(&str, u16)| {
        format!(
            "[[checks.endpoints]]\nname = \"{name}\"\nurl = \"https://localhost:{port}/\"\ntls = {{ ca = {:?} }}\n",
            ca.to_str().unwrap()
        )
    };
    let endpoints: String = services.iter().map(endpoint).collect();
    format!("[checks]\ninterval_secs = 10\n{endpoints}[alerts]\nenabled = true\n{alerts}")
}

/// Sets the clock to the real one, by which certificates are judged.
fn to_the_real_clock(world: &World) {
    world.clock.step(since_1970().as_millis() as i64 - world.clock.now().0);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_ends_is_told_once_for_each_number_of_days_whatever_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (shared, other) = (authority.issue(&["localhost"], 5), authority.issue(&["localhost"], 90));
    let ports =
        [https(&shared, None).await.port(), https(&shared, None).await.port(), https(&other, None).await.port()];
    let services = [("api", ports[0]), ("web", ports[1]), ("mail", ports[2])];
    let pager = "[[alerts.channels]]\nname = \"pager\"\ntype = \"pagerduty\"\nserver = \"http://TARGET\"\n\
                 routing_key = \"0123456789abcdef0123456789abcdef\"\ngroup_wait = \"0s\"\n";
    let alerts = format!("{}{pager}", channel("ops", ""));
    let mut world = World::start(&over_tls(folder.path(), &authority, &services, &alerts)).await;
    world.target.set(PAGER, Does::Answer(202));
    to_the_real_clock(&world);
    told_so_often(&world, "ops", 1).await;
    let first = told(&world, "ops").remove(0);
    assert_eq!(titles(&world, "ops"), ["certificate [CERTIFICATE] api and web: 5 days left"]);
    assert!(text(&first).starts_with("The certificate of api and web ends in 5 days, on "), "{first}");
    assert!(text(&first).ends_with("; after that their checks fail."), "{first}");
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 1);
    // Two days later.
    world.clock.step(2 * DAY_MS + 3_700_000);
    told_so_often(&world, "ops", 2).await;
    assert_eq!(titles(&world, "ops")[1], "certificate [CERTIFICATE] api and web: 2 days left");
    assert_eq!(told(&world, "ops")[1]["key"], first["key"]);
    // Renewed, which is nobody's business.
    let renewed = authority.issue(&["localhost"], 60);
    let ports = [https(&renewed, None).await.port(), https(&renewed, None).await.port(), ports[2]];
    let services = [("api", ports[0]), ("web", ports[1]), ("mail", ports[2])];
    world.stop().await;
    let again = over_tls(folder.path(), &authority, &services, &alerts);
    world.start_again_with(&again).await;
    // But to receivers that keep alerts: both were one, which is over.
    world.until("the resolve", |w| w.target.count(PAGER) == 3).await;
    world.pass(60.0).await;
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!((world.target.count("/ops"), world.target.count(PAGER)), (2, 3));
    let paged: Vec<Value> = world.target.seen(PAGER).iter().map(body).collect();
    let actions: Vec<&str> = paged.iter().map(|body| body["event_action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["trigger", "trigger", "resolve"]);
    assert!(paged.iter().all(|body| body["dedup_key"] == first["key"]), "{paged:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_was_away_says_so_when_it_is_back_and_a_restart_tells_nobody() {
    let mut world = World::start(&config(&format!("gap_after = \"5m\"\n{}", channel("ops", "")))).await;
    world.pass(60.0).await;
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 0);
    world.stop().await;
    world.clock.step(4_320_000);
    let config = config(&format!("gap_after = \"5m\"\n{}", channel("ops", "")));
    world.start_again_with(&config).await;
    told_so_often(&world, "ops", 1).await;
    let first = told(&world, "ops").remove(0);
    assert_eq!(titles(&world, "ops"), ["gap [GAP] the monitor was away for 1 h 12 min"]);
    assert!(text(&first).starts_with("The monitor was not running from 2026-11-16 00:02:"), "{first}");
    assert!(text(&first).contains(" UTC (1 h 12 min): 2 services were not watched, "), "{first}");
    assert_eq!(detail(&first, "how it ended").as_deref(), Some("it was stopped as it should be"));
    world.pass(60.0).await;
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_and_a_process_that_stood_still_are_told_apart() {
    let world = World::start(&config(&format!("gap_after = \"2m\"\n{}", channel("ops", "")))).await;
    world.pass(30.0).await;
    world.clock.sleep_machine(600_000);
    told_so_often(&world, "ops", 1).await;
    assert!(text(&told(&world, "ops")[0]).starts_with("The monitor slept with its machine from "));
    world.pass(60.0).await;
    // Nothing ran for a while, and every clock went on.
    tokio::time::advance(Duration::from_secs(300)).await;
    told_so_often(&world, "ops", 2).await;
    assert!(text(&told(&world, "ops")[1]).starts_with("The monitor ran and made no check from "));
    world.pass(120.0).await;
    assert_eq!(world.target.count("/ops"), 2);
}

#[tokio::test(start_paused = true)]
async fn results_that_could_not_be_kept_are_told_when_they_can_be_again() {
    let world = World::start(&config(&format!("gap_after = \"1m\"\n{}", channel("ops", "kinds = [\"gap\"]")))).await;
    world.pass(30.0).await;
    world.app().site.writer.limit_waiting(4);
    world.sql().execute_batch("ALTER TABLE run RENAME TO gone").unwrap();
    world.pass(240.0).await;
    assert_eq!(world.target.count("/ops"), 0);
    world.sql().execute_batch("ALTER TABLE gone RENAME TO run").unwrap();
    told_so_often(&world, "ops", 1).await;
    let first = told(&world, "ops").remove(0);
    assert!(text(&first).starts_with("The monitor could not write its history from "), "{first}");
    assert!(detail(&first, "results that were not kept").is_some_and(|count| count.parse::<u32>().unwrap() > 20));
}

#[tokio::test(start_paused = true)]
async fn the_others_are_told_of_a_channel_that_has_been_failing_for_ten_minutes() {
    let alerts = format!("{}{}", channel("ops", "kinds = [\"monitor\"]"), channel("dead", "kinds = [\"down\"]"));
    let mut world = World::start(&config(&alerts)).await;
    world.target.set("/dead", Does::Answer(500));
    world.target.set("/api", Does::Answer(503));
    world.pass(500.0).await;
    assert_eq!(world.target.count("/ops"), 0);
    told_so_often(&world, "ops", 1).await;
    let first = told(&world, "ops").remove(0);
    assert_eq!(titles(&world, "ops"), ["monitor.failing [DOWN] the channel dead: alerts do not arrive"]);
    assert!(
        text(&first).starts_with("The monitor itself: no alert has arrived by the channel dead for 10 min"),
        "{first}"
    );
    world.pass(60.0).await;
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!(world.target.count("/ops"), 1);
    world.target.set("/dead", Does::Answer(200));
    told_so_often(&world, "ops", 2).await;
    assert_eq!(titles(&world, "ops")[1], "monitor.recovered [UP] the channel dead: alerts arrive again");
    assert_eq!(told(&world, "ops")[1]["key"], first["key"]);
    world.restart().await;
    world.pass(120.0).await;
    assert_eq!(world.target.count("/ops"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_spent_too_fast_is_told_once_for_an_incident_and_so_is_its_end() {
    let alerts = format!("{}{}", channel("ops", "kinds = [\"slo\"]"), channel("pager", "kinds = [\"down\"]"));
    let config = config(&alerts).replace("name = \"api\"", "name = \"api\"\nobjective = 99.9");
    let mut world = World::start(&config).await;
    world.pass(12.0).await;
    world.target.set("/api", Does::Answer(503));
    // It has no objective.
    world.target.set("/web", Does::Answer(503));
    world.until("the incident", |w| w.target.count("/pager") > 0).await;
    world.pass(30.0).await;
    assert_eq!(world.target.count("/ops"), 0, "half a minute is less than is lost in an hour 14.4 times too fast");
    told_so_often(&world, "ops", 1).await;
    let first = told(&world, "ops").remove(0);
    assert!(titles(&world, "ops")[0].starts_with("slo [SLO] api: the error budget lasts "), "{first}");
    assert!(text(&first).starts_with("api was down for "), "{first}");
    assert!(text(&first).contains(" in the last 1 h, which spends its error budget "), "{first}");
    assert_eq!(detail(&first, "objective").as_deref(), Some("99.9 % over 30 days"));
    assert_eq!(first["severity"], "critical");
    world.pass(120.0).await;
    world.restart().await;
    world.target.set("/api", Does::Answer(200));
    world.pass(120.0).await;
    assert_eq!(world.target.count("/ops"), 1, "an hour has to have passed");
    world.clock.step(3_600_000);
    told_so_often(&world, "ops", 2).await;
    let second = told(&world, "ops").remove(1);
    assert_eq!(titles(&world, "ops")[1], "slo.resolved [OK] api: the error budget is not spent too fast any more");
    assert_eq!((&second["key"], second["status"].as_str()), (&first["key"], Some("resolved")));
    // Over six hours and three days it was too fast, too: one incident is told once.
    world.pass(150.0).await;
    world.restart().await;
    world.pass(150.0).await;
    assert_eq!(world.target.count("/ops"), 2);
}

/// Lets `web` pass and fail by turns, so many times each.
async fn flap(world: &World, times: usize) {
    for _ in 0..times {
        for status in [503, 200] {
            let before = world.target.count("/web");
            world.target.set("/web", Does::Answer(status));
            world.until("a check", |w| w.target.count("/web") > before).await;
            world.committed().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_flaps_is_told_once_and_what_it_is_when_it_is_steady() {
    let table = "webhook = \"http://TARGET/hook\"\n";
    let config = config(&format!("{table}{}", channel("ops", "")));
    let config = config.replace("[checks]", "[checks]\nfailure_threshold = 1\nsuccess_threshold = 1");
    let mut world = World::start(&config).await;
    world.pass(12.0).await;
    flap(&world, 7).await;
    world.until("the announcement", |w| titles(w, "ops").iter().any(|title| title.starts_with("flapping "))).await;
    let before = titles(&world, "ops").len();
    let flapping = told(&world, "ops").into_iter().find(|body| body["event"] == "flapping").unwrap();
    assert!(flapping["title"].as_str().unwrap().starts_with("[FLAPPING] web changed "), "{flapping}");
    flap(&world, 3).await;
    world.restart().await;
    flap(&world, 3).await;
    assert_eq!(titles(&world, "ops").len(), before, "nobody is told of each: {:?}", titles(&world, "ops"));
    // The webhook of old is told of no flapping, and so of every incident.
    let hook = |world: &World, event: &str| told(world, "hook").iter().filter(|body| body["event"] == event).count();
    world.until("the webhook", |w| hook(w, "incident.resolved") == 13).await;
    assert_eq!(hook(&world, "incident.confirmed"), 13);
    let log = world.get("/api/v1/incidents?service=web").await.ok();
    assert_eq!(log["items"].as_array().unwrap().len(), 13, "each is in the log");
    let latest = log["items"][0]["id"].as_i64().unwrap();
    let detail = world.get(&format!("/api/v1/incidents/{latest}")).await.ok();
    assert_eq!((&detail["flapped"], &detail["silences"]), (&json!(true), &json!([])), "nobody silenced it");
    let page = world.get(&format!("/dashboard/incidents/{latest}")).await;
    assert!(page.text().contains("told only to channels that are not told that the service flaps"));
    // It stays down.
    world.target.set("/web", Does::Answer(503));
    // Both may be one message.
    let events = |w: &World| -> Vec<String> {
        let items = told(w, "ops")[before..]
            .iter()
            .flat_map(|body| body["events"].as_array().unwrap().clone())
            .collect::<Vec<_>>();
        items.iter().map(|item| format!("{} {}", item["event"].as_str().unwrap(), text(item))).collect()
    };
    let has = |w: &World, start: &str| events(w).iter().filter(|event| event.starts_with(start)).count();
    world.until("the incident", |w| has(w, "flapping.resolved") == 1 && has(w, "incident.confirmed") == 1).await;
    assert!(events(&world).iter().any(|event| event.ends_with(": it is down.")), "{:?}", events(&world));
    let page = world.get(&format!("/dashboard/incidents/{}", latest + 1)).await;
    assert!(page.text().contains("told, because the service did not flap any more"));
    world.target.set("/web", Does::Answer(200));
    world.until("its end", |w| has(w, "incident.resolved") == 1).await;
    world.pass(30.0).await;
    assert_eq!(hook(&world, "incident.confirmed"), 14);
    assert_eq!(hook(&world, "incident.resolved"), 14);
}

#[tokio::test(start_paused = true)]
async fn where_flapping_is_off_every_incident_is_told() {
    let config = config(&channel("ops", ""));
    let config = config.replace("[checks]", "[checks]\nfailure_threshold = 1\nsuccess_threshold = 1\nflapping = false");
    let world = World::start(&config).await;
    world.pass(12.0).await;
    flap(&world, 8).await;
    let is_down = |title: &&String| title.starts_with("incident.confirmed");
    world.until("all", |w| titles(w, "ops").iter().filter(is_down).count() == 8).await;
    assert!(!titles(&world, "ops").iter().any(|title| title.contains("flap")));
}

#[tokio::test]
async fn where_each_kind_would_go_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "[[alerts.routes]]\nkind = [\"degraded\", \"certificate\", \"slo\"]\nchannels = [\"chat\"]\n\
                  [[alerts.routes]]\nkind = \"gap\"\nchannels = []\n";
    let text = config(&format!("{}{}{routes}", channel("ops", ""), channel("chat", "")));
    std::fs::write(folder.path().join("config.toml"), text.replace("TARGET", "127.0.0.1:9")).unwrap();
    for (arguments, last) in [
        (&["--service", "web", "--kind", "degraded"] as &[&str], "Notified: chat."),
        (&["--service", "web", "--kind", "certificate"], "Notified: chat."),
        (&["--service", "web", "--kind", "slo"], "Notified: chat."),
        (&["--service", "web", "--kind", "flapping"], "Notified: ops and chat."),
        (&["--kind", "gap"], "Nobody would be notified."),
        (&["--kind", "monitor"], "Notified: ops and chat."),
    ] {
        let output = run(folder.path(), &[&["alerts", "route"], arguments].concat());
        assert_eq!(stdout(&output).lines().last(), Some(last), "{arguments:?}");
    }
    assert_eq!(run(folder.path(), &["alerts", "route", "--kind", "slo"]).status.code(), Some(2));
}
