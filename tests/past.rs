//! Time travel: what was known at a moment of the past.

use crate::support::{
    history::{Answer, History, get, result, service},
    target::Does,
    world::{World, begin},
};
use healthcheck_dashboard::{
    calendar::{Planned, Rule, When},
    domain::{
        service::{Service, Thresholds},
        time::{DAY_MS, HOUR_MS, UnixMs},
        window::Window,
    },
    store::{MaintenanceMarker, Mark},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn s(seconds: i64) -> UnixMs {
    begin().plus(seconds * 1000)
}

/// A body without what tells the moment at which it was made.
fn timeless(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    body["timestamp"] = Value::Null;
    for service in body["services"].as_object_mut().unwrap().values_mut() {
        if let Some(age) = service.get_mut("last_check_age_ms") {
            *age = Value::Null;
        }
    }
    (answer.status.as_u16(), body)
}

const BEFORE: &str = r#"
[checks]
interval_secs = 5
[[checks.endpoints]]
name = "web"
url = "http://TARGET/web"
[[checks.endpoints]]
name = "api"
url = "http://TARGET/api"
critical = false
[[checks.endpoints]]
name = "leaving"
url = "http://TARGET/leaving"
[[checks.endpoints]]
name = "off"
url = "http://TARGET/off"
enabled = false
[[maintenance]]
from = "2026-11-16T00:02:30Z"
to = "2026-11-16T00:03:00Z"
services = ["web"]
"#;

const AFTER: &str = r#"
[checks]
interval_secs = 5
failure_threshold = 2
[[checks.endpoints]]
name = "coming"
url = "http://TARGET/coming"
[[checks.endpoints]]
name = "web"
url = "http://TARGET/web"
[[checks.endpoints]]
name = "api"
url = "http://TARGET/api"
[[checks.endpoints]]
name = "off"
url = "http://TARGET/off"
[[maintenance]]
from = "2026-11-16T00:02:30Z"
to = "2026-11-16T00:03:00Z"
services = ["web"]
"#;

/// Whether each thing that is said is said by one of the others: while results wait, what the clock alone decides (that
/// maintenance has begun, that a result no longer speaks) is of this moment, and what results decide of one before it.
fn mixed(said: &Value, others: &[(u16, Value)]) -> bool {
    let services = said["services"].as_object().unwrap();
    others.len() > 1
        && services.iter().all(|(name, service)| {
            let says =
                |key: &str, value: &Value| others.iter().any(|(_, other)| &other["services"][name][key] == value);
            service.as_object().unwrap().iter().all(|(key, value)| says(key, value))
        })
}

/// Live answers, one every tenth of a second.
#[derive(Default)]
struct Recorded {
    live: Vec<Live>,
    /// Since when results wait for their commit, also from one watch to the next.
    waiting_since: Option<UnixMs>,
}

struct Live {
    at: UnixMs,
    answer: Answer,
    /// When the results that wait for their commit began to.
    waiting_since: Option<UnixMs>,
}

impl Recorded {
    async fn watch(&mut self, world: &World, seconds: f64) {
        for _ in 0..(seconds * 10.0) as i64 {
            let before = world.clock.now();
            world.pass(0.1).await;
            match world.app().site.writer.figures().waiting {
                0 => self.waiting_since = None,
                _ => self.waiting_since = self.waiting_since.or(Some(before)),
            }
            let answer = world.get("/health?verbose=1").await;
            self.live.push(Live { at: world.clock.now(), answer, waiting_since: self.waiting_since });
        }
    }
}

/// The live state changes with the commit: what is shown is what is stored. A commit gathers for 0.2 s and takes a moment, so
/// a result is shown up to about 0.3 s after it is known. Exactly that is allowed here: while results wait for their
/// commit, the live answer may be one of the moments since the first of them came. At any other time it is that of its
/// own moment.
#[tokio::test(start_paused = true)]
async fn every_live_answer_is_found_again_by_its_moment() {
    let mut world = World::start(BEFORE).await;
    let mut live = Recorded::default();
    // Before a start nobody was watched: of what a start itself finds, there is no moment before it.
    world.pass(0.3).await;
    live.watch(&world, 23.0).await;
    // A blip of one service, an outage of another, both over, then one that outlasts a restart.
    world.target.set("/api", Does::Answer(503));
    live.watch(&world, 3.0).await;
    world.target.set("/api", Does::Answer(200));
    world.target.set("/web", Does::Answer(500));
    live.watch(&world, 20.0).await;
    world.target.set("/web", Does::Answer(200));
    live.watch(&world, 15.0).await;
    world.target.set("/api", Does::Answer(502));
    live.watch(&world, 15.0).await;
    world.stop().await;
    // The monitor is off until what it knew is stale. What is tuned and who is watched changes with the restart.
    world.pass(30.0).await;
    world.start_again_with(AFTER).await;
    world.pass(0.3).await;
    live.watch(&world, 20.0).await;
    world.target.set("/web", Does::Answer(503));
    live.watch(&world, 75.0).await;
    world.target.set("/api", Does::Answer(200));
    world.target.set("/web", Does::Answer(200));
    live.watch(&world, 15.0).await;
    world.committed().await;
    let mut statuses = std::collections::BTreeSet::new();
    let mut behind = 0;
    for Live { at, answer, waiting_since } in &live.live {
        let expected = timeless(answer);
        for service in expected.1["services"].as_object().unwrap().values() {
            statuses.insert(service["status"].as_str().unwrap().to_owned());
        }
        let mut found = Vec::new();
        for back in (0..=at.since(waiting_since.unwrap_or(*at))).step_by(100) {
            let answer = world.get(&format!("/health?verbose=1&at={}", at.plus(-back))).await;
            assert_eq!(answer.header("cache-control"), "no-store");
            found.push(timeless(&answer));
        }
        behind += usize::from(found[0] != expected);
        assert!(
            found.contains(&expected) || mixed(&expected.1, &found),
            "at {at}: {expected:#?} is none of {found:#?}"
        );
    }
    for status in ["pending", "up", "down", "unknown", "maintenance", "paused"] {
        assert!(statuses.contains(status), "{status} is not among {statuses:?}");
    }
    assert!(behind > 0 && behind < live.live.len() / 4, "{behind} of {} were behind", live.live.len());
    // Who was watched then, and who was not yet or no longer.
    let names = |answer: &Answer| answer.json()["services"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let then = world.get(&format!("/health?at={}", s(60))).await;
    assert_eq!(names(&then), ["web", "api", "off", "leaving"]);
    assert_eq!(then.json()["timestamp"], "2026-11-16T00:01:00Z");
    assert_eq!(world.get(&format!("/health/leaving?at={}", s(60))).await.status, 200);
    assert_eq!(world.get("/health/leaving").await.status, 404);
    assert_eq!(world.get(&format!("/health/coming?at={}", s(60))).await.status, 404);
    let listed = world.get(&format!("/api/v1/services?at={}", s(60))).await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 4);
    assert_eq!(world.get(&format!("/api/v1/services/coming?at={}", s(60))).await.status, 404);
}

/// What happens next in a history.
#[derive(Clone, Debug)]
enum Step {
    /// So much later a service is checked, with this outcome.
    Check(i64, usize, char),
    /// So much later somebody looks.
    Look(i64),
    /// So much later the monitor starts again, with these thresholds.
    Restart(i64, u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let letter = prop::sample::select(vec!['.', '.', '.', '~', 'x', 'x', 'x', '?']);
    let wait = prop_oneof![8 => 1_000..12_000i64, 1 => 12_000..90_000i64];
    prop_oneof![
        12 => (wait.clone(), 0..2usize, letter).prop_map(|(ms, which, letter)| Step::Check(ms, which, letter)),
        3 => wait.clone().prop_map(Step::Look),
        1 => (wait, 1..4u32, 1..3u32).prop_map(|(ms, failure, success)| Step::Restart(ms, failure, success)),
    ]
}

const NAMES: [&str; 2] = ["web", "api"];

fn pair(failure: u32, success: u32) -> Vec<Service> {
    let thresholds = Thresholds { failure, success };
    NAMES.iter().map(|name| Service { thresholds, critical: *name == "web" || failure > 1, ..service(name) }).collect()
}

/// What is said of the services, by `/health` to the byte, and by `/api/v1/services` as far as it is no figure.
async fn said(history: &History, at: Option<UnixMs>) -> (String, Vec<Value>) {
    let query = at.map(|at| format!("at={at}")).unwrap_or_default();
    let health = get(&history.site(), &format!("/health?verbose=1&{query}")).await;
    let mut services = Vec::new();
    for name in NAMES {
        let one = get(&history.site(), &format!("/api/v1/services/{name}?{query}")).await.ok();
        let keys = ["status", "since", "last_check", "open_incident", "critical", "interval_ms"];
        services.push(json!(keys.map(|key| one[key].clone())));
        // When it will end is announced, and may come otherwise.
        services.push(one["maintenance"]["from"].clone());
    }
    (health.text().to_owned(), services)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 100, ..crate::support::law(12, "tests/proptest-regressions/past.txt") })]

    /// Where a commit comes at once, what was said live and what is said of that moment later are the same to the byte.
    #[test]
    fn what_was_known_then_is_what_was_said_then(
        steps in prop::collection::vec(step(), 1..60), windows in prop::collection::vec((0..600i64, 1..120i64), 0..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let once = |&(from, length): &(i64, i64)| Planned {
                rule: Arc::new(Rule::new(When::Once(Window::new(s(from), s(from + length)).unwrap()))),
                services: (length % 2 == 0).then(|| vec!["web".to_owned()]),
                reason: "planned".into(),
            };
            let planned = windows.iter().map(once).collect();
            let mut history = History::announced("2026-11-16T00:00:00Z", pair(2, 2), planned);
            let mut now = begin();
            let mut live = Vec::new();
            for step in steps {
                match step {
                    Step::Check(ms, which, letter) => {
                        now = now.plus(ms);
                        let result = result(letter, now);
                        let took = i64::from(result.latency_us.unwrap_or(0) / 1000);
                        history.at(now);
                        history.check(NAMES[which], result);
                        now = now.plus(took);
                        history.at(now);
                        history.committed().await;
                    }
                    Step::Look(ms) => {
                        now = now.plus(ms);
                        history.at(now);
                    }
                    Step::Restart(ms, failure, success) => {
                        now = now.plus(ms);
                        history.at(now);
                        history = history.restart(pair(failure, success)).await;
                        history.at(now);
                    }
                }
                live.push((now, said(&history, None).await));
            }
            let now = now.plus(1);
            history.at(now);
            for (at, expected) in &live {
                let then = said(&history, Some(*at)).await;
                prop_assert_eq!(&then, expected, "at {}", at);
            }
            // What is marked afterwards was not known then.
            let Some(window) = Window::new(begin(), now) else { return Ok(()) };
            let mark = Mark { window, services: None, reason: "afterwards".into() };
            let (history, _) = history
                .meanwhile(pair(2, 2), |path| MaintenanceMarker::open(path).unwrap().add(&mark, now, |_, _| ()).unwrap())
                .await;
            history.at(now);
            for (at, expected) in &live {
                let (health, _) = said(&history, Some(*at)).await;
                prop_assert_eq!(&health, &expected.0, "marked, at {}", at);
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_moment_that_cannot_be_told_is_refused_with_the_reason() {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web")]);
    history.checks("web", s(0), "..");
    history.at(s(30));
    history.committed().await;
    for path in ["/health", "/health/web", "/api/v1/services", "/api/v1/services/web", "/dashboard"] {
        for (at, status) in [("yesterday", 400), ("2026-11-16T00:00:31Z", 422), ("2026-11-16T00:00:20Z", 200)] {
            let answer = history.get(&format!("{path}?at={at}")).await;
            assert_eq!(answer.status.as_u16(), status, "{path} at {at}: {}", answer.text());
        }
    }
    let problem = history.get("/health?at=2027-01-01").await.json();
    assert!(problem["detail"].as_str().unwrap().contains("lies in the future"), "{problem}");
    let problem = history.get("/health?at=soon").await.json();
    assert_eq!(problem["parameter"], "at");
}

#[tokio::test(start_paused = true)]
async fn a_moment_before_the_history_is_not_told_to_have_been_well() {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web")]);
    history.checks("web", s(0), "..");
    history.at(s(30));
    history.committed().await;
    // Watched one day later, and the only one from then on.
    let history = history.restart(Vec::new()).await;
    history.at(s(0).plus(DAY_MS));
    let history = history.restart(vec![service("late")]).await;
    history.at(s(0).plus(DAY_MS + HOUR_MS));
    for path in ["/health", "/health/web", "/health/nobody", "/api/v1/services", "/api/v1/services/web"] {
        let answer = history.get(&format!("{path}?at=2026-11-15T23:59:59.999Z")).await;
        assert_eq!(answer.status, 422, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("begins with 2026-11-16T00:00:00.000Z"), "{path}: {detail}");
    }
    // Within the history a service may be missing, and all of them: that is what was said then.
    assert_eq!(history.get("/health?at=2026-11-16T00:00:00Z").await.json()["status"], "unknown");
    assert_eq!(history.get("/health/late?at=2026-11-16T00:00:20Z").await.status, 404);
    let none = history.get("/health?at=2026-11-16T12:00:00Z").await.ok();
    assert_eq!((&none["status"], &none["services"]), (&json!("healthy"), &json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_history_in_which_nothing_was_watched_yet_has_no_past() {
    let history = History::new("2026-11-16T00:00:00Z", Vec::new());
    history.at(s(60));
    for path in ["/health", "/health/web", "/api/v1/services", "/dashboard"] {
        let answer = history.get(&format!("{path}?at=2026-11-16T00:00:30Z")).await;
        assert_eq!(answer.status, 422, "{path}: {}", answer.text());
        assert!(answer.text().to_lowercase().contains("nothing has been watched yet"), "{path}: {}", answer.text());
    }
    // The first service comes in later: still nothing is said of the time before it.
    let history = history.restart(vec![service("web")]).await;
    assert_eq!(history.get("/health?at=2026-11-16T00:00:30Z").await.status, 422);
    assert_eq!(history.get("/health?at=2026-11-16T00:01:00Z").await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_kept_is_no_longer_told() {
    let (history, late) = History::with_a_retired_past("2026-11-16T00:00:00Z").await;
    let answer = history.get("/health?at=2026-11-16T00:00:25Z").await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("single checks are kept from 2026-11-20T00:00:00.000Z on"), "{}", answer.text());
    assert_eq!(history.get("/dashboard?at=2026-11-16T00:00:25Z").await.status, 422);
    assert_eq!(history.get(&format!("/health?at={}", late.plus(25_000))).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_overview_is_shown_as_it_was() {
    let api = Service { group: Some("Public".into()), ..service("api") };
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web"), api]);
    history.checks("web", s(0), "..xxxxx......");
    history.checks("api", s(0), ".............");
    history.at(s(125));
    history.committed().await;
    let site = history.site();
    let live = get(&site, "/dashboard").await;
    assert!(live.text().contains("All 2 services are up") && live.text().contains("data-refresh"));
    assert!(!live.text().contains("What was known on"), "{}", live.text());

    let then = get(&site, "/dashboard?at=2026-11-16T00:01:03Z&sort=name").await;
    let text = then.text().replace("&#x2f;", "/");
    assert_eq!(then.status, 200);
    assert!(text.contains("What was known on <b>16 November at 00:01:03</b>."), "{text}");
    assert!(text.contains("<a href=\"?sort=name\">Back to now</a>"), "{text}");
    assert!(text.contains(">web</a> had been <em>down for"), "the truth is said in the past: {text}");
    assert!(text.contains("43\u{a0}s</time></em>: HTTP\u{a0}503"), "{text}");
    assert!(text.contains("data-past") && !text.contains("data-refresh") && !text.contains("http-equiv=\"refresh\""));
    assert!(text.contains("As it was at 00:01:03"), "{text}");
    // The incident was open then, with five failed checks, and is over now.
    assert!(text.contains("1 open incident") && text.contains("5 failed checks"), "{text}");
    assert!(text.contains("answered 503 unhealthy"), "{text}");
    // Filters stay in the past, and so do links to other pages.
    assert!(text.contains("href=\"?at=2026-11-16T00%3A01%3A03Z&amp;sort=name&amp;state=down\""), "{text}");
    assert!(text.contains("name=\"at\" value=\"2026-11-16T00:01:03.000Z\""), "{text}");
    for link in ["/dashboard/services/api", "/dashboard/incidents", "/dashboard/incidents/1", "/dashboard/review"] {
        assert!(text.contains(&format!("href=\"{link}?at=2026-11-16T00%3A01%3A03.000Z\"")), "{link}: {text}");
    }

    let calm = get(&site, "/dashboard?at=2026-11-16T00:00:15Z").await;
    assert!(calm.text().contains("All 2 services were up"), "{}", calm.text());
    assert!(calm.text().contains("Nothing had failed since this history began."), "{}", calm.text());
    let failing = get(&site, "/dashboard?at=2026-11-16T00:00:32Z").await;
    assert!(failing.text().contains(" had failed the latest check and was being checked again."), "{}", failing.text());
    let berlin = get(&site, "/dashboard?at=2026-11-16T01:01:03&tz=Europe/Berlin").await;
    assert!(berlin.text().contains("on <b>16 November at 01:01:03</b>."), "{}", berlin.text());
    // Its figures end then.
    let listed = history.get("/api/v1/services?at=2026-11-16T00:00:20Z").await.ok();
    let web = &listed["items"][0];
    assert_eq!((&web["name"], &web["uptime"]["24h"]), (&json!("web"), &json!(100.0)));
    let one = history.get("/api/v1/services/web?at=2026-11-16T00:01:03Z").await.ok();
    assert_eq!((&one["status"], &one["uptime"]["24h"]), (&json!("down"), &json!(31.7460)));
    assert_eq!((&one["open_incident"]["checks_failed"], &one["open_incident"]["down_ms"]), (&json!(5), &json!(40_000)));
    assert_eq!(one["open_incident"]["resolved_at"], Value::Null);
    assert_eq!(one["configuration"]["failure_threshold"], 3);
}
