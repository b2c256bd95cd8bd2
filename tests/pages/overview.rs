//! What the overview says: the headline, filters, groups.

use super::{BEGIN, page, s, seen, words};
use crate::support::history::{Answer, History, get, service};
use healthcheck_dashboard::{domain::service::Service, http::state::AppState};

#[tokio::test(start_paused = true)]
async fn the_overview_begins_with_the_truth() {
    for (services, truth) in [
        (vec![("web", "....."), ("api", ".....")], "All 2 services are up"),
        (vec![("web", ".....")], "web is up"),
        (vec![("web", "..xxx"), ("api", ".....")], "web has been down for 23 s: HTTP 503"),
        (vec![("web", "..xxx"), ("api", ".xxxx")], "2 services are down: api failed first, 33 s ago"),
        (vec![("web", "...~~"), ("api", ".....")], "web has been degraded for 13 s: slower than 800 ms"),
        (vec![("web", "...~~"), ("api", "....~")], "2 services are degraded"),
        (vec![("web", "....."), ("api", ".    ")], "api has had no result for 18 s"),
        (vec![("web", ""), ("api", "")], "2 services, first results within 10 s"),
    ] {
        let history = seen(&services, s(43)).await;
        let said = page(&history.site(), "/dashboard").await;
        assert!(said.contains(truth), "{truth} is not in {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_overview_says_what_else_is_wrong_and_when_something_failed_last() {
    let history = seen(&[("web", "..xxx"), ("api", "...~~"), ("db", ".    ")], s(43)).await;
    let said = page(&history.site(), "/dashboard").await;
    assert!(said.contains("Also: api has been degraded for 13 s, db has had no result for 18 s."), "{said}");
    let history = seen(&[("web", "..xxx...")], s(73)).await;
    let said = page(&history.site(), "/dashboard").await;
    assert!(said.contains("Nothing has failed since Monday, 16 November, 00:00."), "{said}");
    let history = seen(&[("web", "....x")], s(43)).await;
    let said = page(&history.site(), "/dashboard").await;
    assert!(said.contains("web is up"), "one failed check is no outage: {said}");
    assert!(said.contains("web failed the latest check and is being checked again."), "{said}");
}

/// Seventy services in two groups, `Bulk` of sixty-nine and `Few` of one; in `Few` it goes as the letters say.
async fn many(few: &str) -> History {
    let grouped = |name: String, group: &str| Service { group: Some(group.into()), ..service(&name) };
    let mut all: Vec<Service> = (0..69).map(|i| grouped(format!("bulk-{i:02}"), "Bulk")).collect();
    all.push(grouped("lonely".into(), "Few & far"));
    let mut history = History::new(BEGIN, all);
    (0..69).for_each(|i| history.checks(&format!("bulk-{i:02}"), s(0), "....."));
    history.checks("lonely", s(0), few);
    history.at(s(43));
    history.committed().await;
    history
}

/// The services of the table.
pub(super) async fn listed(site: &AppState, query: &str) -> usize {
    get(site, &format!("/dashboard{query}")).await.text().matches("<tr class=\"").count()
}

#[tokio::test(start_paused = true)]
async fn many_services_are_folded_by_group_while_all_of_a_group_is_up() {
    let history = many(".....").await;
    let site = history.site();
    let answer = get(&site, "/dashboard").await;
    let said = words(&answer);
    assert!(said.contains("Bulk 69 up 100 %") && said.contains("Few & far 1 up 100 %"), "{said}");
    let rows = |answer: &Answer| answer.text().matches("data-service=").count();
    assert_eq!(rows(&answer), 0, "both are folded");
    assert_eq!(answer.text().matches("aria-expanded=\"false\"").count(), 2);
    // Its days are there all the same, the worst of all its services.
    assert_eq!(answer.text().matches("class=\"d90\"").count(), 2);
    assert!(said.contains("something failed on 0 of 1 days"), "{said}");
    // The address opens one, and the link there folds it again.
    let link = |answer: &Answer, name: &str| {
        let id = format!("id=\"group-{name}\" href=\"");
        let rest = answer.text().split(&id).nth(1).unwrap().split('"').next().unwrap().to_owned();
        rest.replace("&amp;", "&").replace("&#x2f;", "/")
    };
    let opened = get(&site, &format!("/dashboard{}", link(&answer, "Few%20%26%20far"))).await;
    assert_eq!(rows(&opened), 1);
    assert!(opened.text().contains("data-service=\"lonely\"") && opened.text().contains("aria-expanded=\"true\""));
    assert_eq!(rows(&get(&site, &format!("/dashboard{}", link(&opened, "Few%20%26%20far"))).await), 0);
    // Whoever searches sees what is found, and whoever filters.
    assert_eq!(rows(&get(&site, "/dashboard?q=bulk-07").await), 1);
    assert_eq!(rows(&get(&site, "/dashboard?state=up").await), 70);
    assert_eq!(rows(&get(&site, "/dashboard?group=Bulk").await), 69);
}

#[tokio::test(start_paused = true)]
async fn a_group_with_a_service_that_is_not_up_is_never_folded() {
    for (letters, word) in [("..xxx", "1 down"), ("...~~", "1 degraded"), (".    ", "1 stale"), ("     ", "1 pending")]
    {
        let history = many(letters).await;
        for query in ["", "?fold=Few+%26+far", "?open=Few+%26+far", "?open=Few+%26+far&fold=Few+%26+far"] {
            let answer = get(&history.site(), &format!("/dashboard{query}")).await;
            assert!(answer.text().contains("data-service=\"lonely\""), "{letters} {query}");
            assert!(words(&answer).contains(&format!("Few & far {word}")), "{letters}: {}", words(&answer));
            assert!(!answer.text().contains("id=\"group-Few"), "there is nothing to fold");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn few_services_are_shown_until_a_group_is_folded() {
    let grouped = |name: &str, group: &str| Service { group: Some(group.into()), ..service(name) };
    let mut history = History::new(BEGIN, vec![grouped("web", "A"), grouped("api", "B"), service("db")]);
    for name in ["web", "api", "db"] {
        history.checks(name, s(0), ".....");
    }
    history.at(s(43));
    history.committed().await;
    let site = history.site();
    assert_eq!(listed(&site, "").await, 3 + 3, "three services below three headings");
    assert_eq!(listed(&site, "?fold=A").await, 3 + 2);
    assert_eq!(listed(&site, "?fold=A&fold=Other").await, 3 + 1);
    assert_eq!(listed(&site, "?open=A").await, 3 + 3);
}
