//! Services that depend on others: what fails behind a failed dependency is shown as such, and nobody is told of it. Real
//! receivers, on a clock that the test moves.

use crate::support::{target::Does, world::World};
use serde_json::{Value, json};

/// Endpoints by name, each with other keys, and one channel.
fn config(endpoints: &[(&str, &str)], alerts: &str) -> String {
    let endpoint = |(name, keys): &(&str, &str)| {
        format!("[[checks.endpoints]]\nname = \"{name}\"\nurl = \"http://TARGET/{name}\"\n{keys}\n")
    };
    format!(
        "[checks]\ninterval_secs = 10\n{}[alerts]\nenabled = true\n{alerts}\
         [[alerts.channels]]\nname = \"ops\"\ntype = \"webhook\"\nwebhook = \"http://TARGET/ops\"\ngroup_wait = \"0s\"\n",
        endpoints.iter().map(endpoint).collect::<String>()
    )
}

const CHAIN: [(&str, &str); 3] =
    [("web", "depends_on = \"api\""), ("api", "depends_on = [\"db\"]"), ("db", "interval_secs = 60")];

fn titles(world: &World) -> Vec<String> {
    // Without how long it lasts, or lasted.
    let title = |body: Value| body["title"].as_str().unwrap().split([':', '\u{2014}']).next().unwrap().to_owned();
    let short = |title: String| title.split(" for ").next().unwrap().to_owned();
    world.target.seen("/ops").iter().map(|seen| short(title(serde_json::from_str(&seen.body).unwrap()))).collect()
}

fn incidents(world: &World) -> Vec<(String, i64)> {
    let sql = world.sql();
    let mut statement = sql
        .prepare("SELECT s.name, o.id FROM outage o JOIN service s ON s.id = o.service_id WHERE o.confirmed_at IS NOT NULL ORDER BY s.name")
        .unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn id_of(world: &World, service: &str) -> i64 {
    incidents(world).into_iter().find(|(name, _)| name == service).unwrap().1
}

fn all(world: &World, names: &[&str], status: u16) {
    names.iter().for_each(|name| world.target.set(&format!("/{name}"), Does::Answer(status)));
}

#[tokio::test(start_paused = true)]
async fn of_a_chain_that_fails_together_only_the_first_cause_is_told() {
    let mut world = World::start(&config(&CHAIN, "")).await;
    all(&world, &["web", "api", "db"], 503);
    world.until("three incidents", |w| incidents(w).len() == 3).await;
    world.pass(60.0).await;
    assert_eq!(titles(&world), ["[DOWN] db"]);
    // It is the same after a restart.
    world.restart().await;
    world.pass(60.0).await;
    assert_eq!(titles(&world), ["[DOWN] db"]);

    let services = world.get("/api/v1/services").await.json();
    let behind = |name: &str| {
        let all = services["items"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["behind"].clone()
    };
    assert_eq!((behind("web"), behind("api"), behind("db")), (json!(["db"]), json!(["db"]), json!([])));
    let overview = world.get("/dashboard").await;
    assert!(overview.text().contains("behind db: HTTP 503"), "{}", overview.text());
    assert!(overview.text().contains("and what depends on it"), "{}", overview.text());
    let web = id_of(&world, "web");
    let page = world.get(&format!("/dashboard/incidents/{web}")).await;
    assert!(page.text().contains("not told: db, which it depends on, had failed too"), "{}", page.text());
    assert!(page.text().contains("It depends on db, which failed"), "{}", page.text());
    let incident = world.get(&format!("/api/v1/incidents/{web}")).await.json();
    assert_eq!(incident["behind"], json!([{ "service": "db", "told_at": null }]));

    all(&world, &["web", "api", "db"], 200);
    world.until("the end", |w| titles(w).len() > 1).await;
    world.pass(60.0).await;
    assert_eq!(titles(&world).len(), 2, "{:?}", titles(&world));
    assert!(titles(&world)[1].starts_with("[UP] db"), "{:?}", titles(&world));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_alone_is_told_as_soon_as_any_other() {
    let world = World::start(&config(&CHAIN, "")).await;
    world.pass(70.0).await;
    all(&world, &["web"], 503);
    world.until("an incident", |w| incidents(w).len() == 1).await;
    let held = world.sql().query_row("SELECT count(*) FROM silenced", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(held, 0, "nothing waits for its dependencies: they were checked when it began to fail");
    world.until("it is told", |w| titles(w) == ["[DOWN] web"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_to_fail_when_its_dependency_is_up_again_is_told_then() {
    let world = World::start(&config(&CHAIN, "")).await;
    all(&world, &["web", "api", "db"], 503);
    world.until("three incidents", |w| incidents(w).len() == 3).await;
    all(&world, &["db", "web"], 200);
    world.until("its dependency is up", |w| titles(w).len() == 2).await;
    world.pass(20.0).await;
    assert_eq!(titles(&world).len(), 2, "it has a moment to recover: {:?}", titles(&world));
    world.until("it is told", |w| titles(w).len() == 3).await;
    assert_eq!(titles(&world)[2], "[DOWN] api");
    let seen = world.target.seen("/ops");
    assert!(seen[2].body.contains("what it depends on does not fail"), "{}", seen[2].body);
    all(&world, &["api"], 200);
    world.until("its end is told", |w| titles(w).len() == 4).await;
    assert!(titles(&world)[3].starts_with("[UP] api"), "{:?}", titles(&world));
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_is_waited_for_before_anybody_is_told_of_what_depends_on_it() {
    let endpoints =
        [("web", "failure_threshold = 1\ndepends_on = \"db\""), ("db", "interval_secs = 60\ntimeout_secs = 4")];
    let world = World::start(&config(&endpoints, "")).await;
    world.pass(70.0).await;
    world.target.set("/db", Does::Hang);
    all(&world, &["web"], 503);
    world.until("an incident", |w| incidents(w).len() == 1).await;
    assert_eq!(incidents(&world)[0].0, "web");
    world.until("both", |w| incidents(w).len() == 2).await;
    world.pass(30.0).await;
    assert_eq!(titles(&world), ["[DOWN] db"]);
}

#[tokio::test(start_paused = true)]
async fn a_dependency_of_which_nobody_is_told_keeps_nobody_quiet() {
    let routes = "[[alerts.routes]]\nservice = \"db\"\nchannels = []\n";
    let world = World::start(&config(&[("web", "depends_on = \"db\""), ("db", "")], routes)).await;
    all(&world, &["web", "db"], 503);
    world.until("two incidents", |w| incidents(w).len() == 2).await;
    world.pass(30.0).await;
    assert_eq!(titles(&world), ["[DOWN] web"]);
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_a_group_depends_on_each_of_its_services() {
    let endpoints =
        [("web", "depends_on_groups = \"net\""), ("router", "group = \"net\""), ("switch", "group = \"net\"")];
    let world = World::start(&config(&endpoints, "")).await;
    all(&world, &["web", "switch"], 503);
    world.until("two incidents", |w| incidents(w).len() == 2).await;
    world.pass(30.0).await;
    assert_eq!(titles(&world), ["[DOWN] switch"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_because_its_dependency_is_in_maintenance_is_not_told() {
    let maintenance =
        "[[maintenance]]\nfrom = \"2026-11-16T00:00:00Z\"\nto = \"2026-11-16T00:10:00Z\"\nservices = \"db\"\n";
    let text = config(&[("web", "depends_on = \"db\""), ("db", "")], "") + maintenance;
    let world = World::start(&text).await;
    all(&world, &["web", "db"], 503);
    world.until("an incident", |w| incidents(w).len() == 1).await;
    world.pass(60.0).await;
    assert_eq!(titles(&world), Vec::<String>::new());
    all(&world, &["db"], 200);
    world.until("it is told", |w| titles(w).len() == 1).await;
    assert_eq!(titles(&world), ["[DOWN] web"]);
}
