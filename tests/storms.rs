//! When much fails at once, and when the clock is set meanwhile: real receivers, on a clock that the test moves.

use crate::support::{
    target::{Does, Target},
    world::{World, begin},
};
use healthcheck_dashboard::clock::Clock;
use serde_json::Value;

fn number(world: &World, sql: &str) -> i64 {
    world.sql().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn confirmed(world: &World) -> i64 {
    number(world, "SELECT count(*) FROM outage WHERE confirmed_at IS NOT NULL")
}

fn unsettled(world: &World) -> i64 {
    number(world, "SELECT count(*) FROM outbox WHERE settled_at IS NULL")
}

fn bodies(world: &World, path: &str) -> Vec<Value> {
    world.target.seen(path).iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

/// The lines of a message under this label.
fn lines<'a>(message: &'a Value, label: &str) -> Vec<&'a str> {
    let details = message["details"].as_array().unwrap().iter();
    details.filter(|detail| detail["label"] == label).map(|detail| detail["value"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_services_that_fail_by_ten_causes_are_three_messages_a_channel_at_most() {
    const HOSTS: usize = 10;
    const OF_EACH: usize = 100;
    let mut hosts = Vec::new();
    for n in 1..=HOSTS {
        hosts.push(Target::start_at(&format!("127.0.0.{n}"), Clock::pinned(begin())).await);
    }
    let mut config = "[checks]\ninterval_secs = 30\n".to_owned();
    for n in 0..HOSTS * OF_EACH {
        let (host, group) = (hosts[n % HOSTS].address, n % 3);
        config +=
            &format!("[[checks.endpoints]]\nname = \"s{n}\"\ngroup = \"g{group}\"\nurl = \"http://{host}/s{n}\"\n");
    }
    config += "[alerts]\nenabled = true\n\
        [[alerts.channels]]\nname = \"ops\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/ops\"\n\
        [[alerts.channels]]\nname = \"chat\"\ntype = \"slack\"\nwebhook = \"http://TARGET/chat\"\n\
        [[alerts.channels]]\nname = \"pager\"\ntype = \"pagerduty\"\nrouting_key = \"k\"\nserver = \"http://TARGET\"\n";
    let (ops, chat, pager) = ("/ops", "/chat", "/v2/enqueue");
    let world = World::start(&config).await;
    world.target.set(pager, Does::Answer(202));
    world.pass(31.0).await;
    // Each host fails in its own way.
    let all = |does: &dyn Fn(usize) -> Does| {
        (0..HOSTS * OF_EACH).for_each(|n| hosts[n % HOSTS].set(&format!("/s{n}"), does(n % HOSTS)));
    };
    all(&|host| if host == 9 { Does::Close } else { Does::Answer(500 + host as u16) });
    world.until("the incidents", |w| confirmed(w) == 1000).await;
    world.until("the messages", |w| unsettled(w) == 0).await;
    for path in [ops, chat, pager] {
        assert!((1..=3).contains(&world.target.count(path)), "{path}: {}", world.target.count(path));
    }
    let told = bodies(&world, ops);
    assert_eq!(told.iter().map(|message| message["count"].as_u64().unwrap()).sum::<u64>(), 1000);
    assert_eq!(
        world.get("/api/v1/incidents?status=open&limit=5000").await.ok()["items"].as_array().unwrap().len(),
        1000
    );
    let first: String = world
        .sql()
        .query_row(
            "SELECT s.name FROM outage o JOIN service s ON s.id = o.service_id ORDER BY o.started_at, o.id LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(lines(&told[0], "failed first")[0].starts_with(&format!("{first}, 2026-11-16 ")), "{:#}", told[0]);
    for message in &told {
        let common = lines(message, "in common");
        assert_eq!(common.len(), 1, "{common:?}");
        let hosts = common[0].matches("; host 127.0.0.").count();
        assert!(hosts == 3 && common[0].contains(": HTTP 50") && common[0].ends_with("; 7 more places"), "{common:?}");
    }
    let text = bodies(&world, chat)[0].to_string();
    assert!(text.contains("failed first") && text.contains("in common"), "{text}");

    // And back: nobody is left with an open alert.
    let before = [ops, chat, pager].map(|path| world.target.count(path));
    all(&|_| Does::Answer(200));
    world.until("the ends", |w| number(w, "SELECT count(*) FROM outage WHERE ended_at IS NULL") == 0).await;
    world.until("the messages", |w| unsettled(w) == 0).await;
    for (path, before) in [ops, chat, pager].into_iter().zip(before) {
        assert!((1..=3).contains(&(world.target.count(path) - before)), "{path}: {}", world.target.count(path));
    }
    let key = |action: &str| {
        let of_it = bodies(&world, pager).into_iter().filter(|event| event["event_action"] == action);
        of_it.map(|event| event["dedup_key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(key("trigger"), key("resolve"));
}

/// Two services and a channel, which waits for others.
fn waiting(extra: &str) -> String {
    format!(
        "[checks]\ninterval_secs = 10\n[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n\
         [[checks.endpoints]]\nname = \"api\"\nurl = \"http://TARGET/api\"\n[alerts]\nenabled = true\n\
         [[alerts.channels]]\nname = \"ops\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/ops\"\n{extra}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_told_while_the_history_failed_is_resolved_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("pager.template");
    let template = "title = \"Pager\"\nurl = \"{{ channel.webhook }}\"\naccepted = \"200\"\nkeeps_state = true\n\
                    [settings.webhook]\nhelp = \"an address\"\n+++\n{{ notice|safe }}";
    std::fs::write(&place, template).unwrap();
    let pager = format!(
        "[[alerts.channels]]\nname = \"pager\"\ntemplate = {:?}\nwebhook = \"http://TARGET/pager\"\n",
        place.to_str().unwrap()
    );
    let mut world = World::start(&waiting(&pager)).await;
    world.pass(12.0).await;
    world.sql().execute_batch("ALTER TABLE check_result RENAME TO gone; ALTER TABLE run RENAME TO gone_too").unwrap();
    world.until("the trouble", |w| w.app().site.writer.trouble().is_some()).await;
    ["/web", "/api"].iter().for_each(|path| world.target.set(path, Does::Answer(503)));
    world.until("the trigger", |w| w.target.count("/pager") == 1).await;
    world.sql().execute_batch("ALTER TABLE gone RENAME TO check_result; ALTER TABLE gone_too RENAME TO run").unwrap();
    world.until("the end of the trouble", |w| w.app().site.writer.trouble().is_none() && unsettled(w) == 0).await;
    world.restart().await;
    ["/web", "/api"].iter().for_each(|path| world.target.set(path, Does::Answer(200)));
    world.until("the ends", |w| number(w, "SELECT count(*) FROM outage WHERE ended_at IS NULL") == 0).await;
    world.until("the resolve", |w| w.target.count("/pager") == 2 && unsettled(w) == 0).await;
    let told = bodies(&world, "/pager");
    assert_eq!((&told[0]["count"], &told[1]["status"]), (&2.into(), &"resolved".into()));
    assert_eq!(told[0]["key"], told[1]["key"]);
}

async fn fail(world: &World, path: &str) {
    let before = confirmed(world);
    world.target.set(path, Does::Answer(503));
    world.until("an incident", |w| confirmed(w) > before).await;
}

/// Far sooner than by how much the clock was set.
async fn told_soon_and_once(world: &World) {
    let before = world.now();
    world.until("the message", |w| w.target.count("/ops") == 1 && unsettled(w) == 0).await;
    assert!(world.now() - before < 300.0, "it took {} s", world.now() - before);
    world.pass(120.0).await;
    assert_eq!((world.target.count("/ops"), unsettled(world)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_a_group_wait_no_longer() {
    let world = World::start(&waiting("")).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.pass(5.0).await;
    world.clock.step(-3_600_000);
    told_soon_and_once(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_while_the_monitor_is_off_makes_a_group_wait_once_more() {
    let config = waiting("");
    let mut world = World::start(&config).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.stop().await;
    world.clock.step(-3_600_000);
    world.start_again_with(&config).await;
    told_soon_and_once(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_tells_a_group_at_once_and_once() {
    let world = World::start(&waiting("")).await;
    world.pass(12.0).await;
    fail(&world, "/web").await;
    world.clock.step(3_600_000);
    told_soon_and_once(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_resolve_goes_where_its_trigger_went_though_the_hours_are_over() {
    let routes = "[[alerts.channels]]\nname = \"day\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/day\"\n\
                  [[alerts.routes]]\nzone = \"Europe/Berlin\"\nhours = \"22:00-01:02\"\nchannels = [\"ops\"]\n\
                  [[alerts.routes]]\nchannels = [\"day\"]\n";
    // Midnight in UTC is one o'clock in Berlin.
    let world = World::start(&waiting(routes)).await;
    fail(&world, "/web").await;
    world.pass(180.0).await;
    fail(&world, "/api").await;
    ["/web", "/api"].iter().for_each(|path| world.target.set(path, Does::Answer(200)));
    world.until("the ends", |w| number(w, "SELECT count(*) FROM outage WHERE ended_at IS NULL") == 0).await;
    world.until("the messages", |w| unsettled(w) == 0).await;
    let told = |path: &str| {
        let said = |message: Value| {
            let events = message["events"].as_array().unwrap().iter();
            let said =
                |event: &Value| format!("{} {}", event["service"].as_str().unwrap(), event["event"].as_str().unwrap());
            events.map(said).collect::<Vec<_>>()
        };
        bodies(&world, path).into_iter().flat_map(said).collect::<Vec<_>>()
    };
    assert_eq!(told("/ops"), ["web incident.confirmed", "web incident.resolved"]);
    assert!(told("/day").iter().all(|said| said.starts_with("api ")), "{:?}", told("/day"));
}
