//! A service that is made of others: `type = "group"`.

use crate::support::{target::Does, world::World};

const CONFIG: &str = r#"
[checks]
interval_secs = 10
[[checks.endpoints]]
name = "shop"
type = "group"
members = ["web"]
member_groups = ["Back"]
[[checks.endpoints]]
name = "some"
type = "group"
member_groups = "Back"
at_least = "any"
[[checks.endpoints]]
name = "web"
url = "http://TARGET/web"
[[checks.endpoints]]
name = "one"
group = "Back"
url = "http://TARGET/one"
[[checks.endpoints]]
name = "two"
group = "Back"
url = "http://TARGET/two"
"#;

/// The status of a service, and why it is not up.
async fn state(world: &World, name: &str) -> (String, String) {
    let service = world.get(&format!("/api/v1/services/{name}")).await.json();
    let last = &service["last_check"];
    let why = [&last["failure"]["message"], &last["note"]["message"]].into_iter().find_map(|why| why.as_str());
    (service["status"].as_str().unwrap().to_owned(), why.unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_group_is_what_its_members_make_of_it() {
    let world = World::start(CONFIG).await;
    world.pass(30.0).await;
    assert_eq!(state(&world, "shop").await.0, "up");
    assert_eq!(state(&world, "some").await.0, "up");

    world.target.set("/one", Does::Answer(503));
    world.pass(40.0).await;
    let is = |status: &str, why: &str| (status.to_owned(), why.to_owned());
    assert_eq!(state(&world, "shop").await, is("down", "1 of 3 down: one"));
    assert_eq!(state(&world, "some").await, is("degraded", "one is down"));

    world.target.set("/two", Does::Answer(503));
    world.pass(40.0).await;
    assert_eq!(state(&world, "some").await, is("down", "2 of 2 down: one and two; 1 has to be up"));
    let page = world.get("/dashboard/services/some").await;
    assert!(page.text().contains("at least 1 of the group Back"), "{}", page.text());
    assert!(!page.text().contains("connection of its own"), "nothing is connected to");

    world.target.set("/one", Does::Answer(200));
    world.target.set("/two", Does::Answer(200));
    world.pass(60.0).await;
    assert_eq!(state(&world, "shop").await.0, "up");
    assert_eq!(state(&world, "some").await.0, "up");
}
