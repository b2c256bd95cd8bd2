//! Pages of a moment of the past say what was known then, and nothing that came later.

use crate::support::{
    browser::plain,
    history::{History, get, result, service},
    world::begin,
};
use healthcheck_dashboard::{
    domain::{
        check::{Class, Reason},
        service::Service,
        time::{DAY_MS, HOUR_MS, UnixMs},
    },
    http::state::AppState,
};

fn s(seconds: i64) -> UnixMs {
    begin().plus(seconds * 1000)
}

/// The words of a page, without its markup.
async fn words(site: &AppState, path: &str) -> String {
    let answer = get(site, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let said = answer.text().split('<').skip(1).map(|piece| piece.split_once('>').map_or("", |(_, text)| text));
    plain(&said.collect::<Vec<_>>().join(" ")).replace("&#x2f;", "/").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The moment at which an outage of `web` was open, five failed checks old.
const THEN: &str = "2026-11-16T00:01:03Z";

/// An outage of `web` that was open then, changed its cause after that and is over; then one of `api` began, which `web`
/// joined. Monitored for five more days.
async fn eventful() -> History {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web"), service("api")]);
    history.checks("web", s(0), "..xxxxx");
    history.checks("api", s(0), ".......");
    let mut later = result('x', s(70));
    later.reason = Some(Reason { class: Class::Timeout, phase: None, message: "a later cause".into() });
    history.check("web", later);
    history.checks("web", s(80), "......");
    history.checks("api", s(70), "..xxxxxxxx");
    for name in ["web", "api"] {
        history.checks(name, s(200), "xxxxx....");
    }
    history.at(begin().plus(5 * DAY_MS));
    history.committed().await;
    history
}

#[tokio::test(start_paused = true)]
async fn no_page_of_the_past_says_what_came_later() {
    let history = eventful().await;
    let site = history.site();
    for path in [
        "/dashboard",
        "/dashboard/services/web",
        "/dashboard/services/web?window=1h",
        "/dashboard/services/api",
        "/dashboard/incidents",
        "/dashboard/incidents?show=open",
        "/dashboard/incidents?show=all&window=24h",
        "/dashboard/incidents/1",
        "/dashboard/review",
        "/dashboard/review?week=2026-W47",
        "/dashboard/review?from=2026-11-16&to=2026-11-20",
    ] {
        let path = format!("{path}{}at={THEN}", if path.contains('?') { '&' } else { '?' });
        let said = words(&site, &path).await;
        let answer = get(&site, &path).await;
        assert!(said.contains("What was known on 16 November at 00:01:03"), "{path}: {said}");
        for later in
            ["a later cause", "Well again", "well again", "00:01:10", "00:01:20", "00:01:30", "00:03:2", "still down"]
        {
            assert!(!said.contains(later), "{path} says “{later}”: {said}");
        }
        // Nothing goes on, and nothing is asked for again.
        let text = answer.text();
        assert!(text.contains("data-past") && !text.contains("data-refresh") && !text.contains("http-equiv"), "{path}");
        // Its own controls aside, every link to a page keeps to the moment.
        for link in text.split("href=\"").skip(1) {
            let link = link.split('"').next().unwrap().replace("&#x2f;", "/").replace("&amp;", "&");
            let page = link.starts_with("/dashboard") && !link.contains("/assets/") && !link.contains(".atom");
            if page && !link.starts_with("/dashboard/wall") {
                assert!(link.contains("at=2026-11-16T00%3A01%3A03.000Z"), "{path} links to {link}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_was_open_then_is_shown_as_open_on_every_page() {
    let history = eventful().await;
    let site = history.site();
    let page = async |path: &str| words(&site, &format!("{path}?at={THEN}")).await;
    let said = page("/dashboard/services/web").await;
    assert!(said.contains("web had been down for 43 s : HTTP 503"), "{said}");
    assert!(said.contains("1 incident in these 7 days"), "{said}");
    assert!(said.contains("43 s so far"), "{said}");
    assert!(!said.contains("mean time to repair"), "none was repaired yet: {said}");
    let said = page("/dashboard/services/api").await;
    assert!(said.contains("No incident in these 7 days") && said.contains("api had been up for"), "{said}");
    let said = page("/dashboard/incidents").await;
    assert!(said.contains("1 incident was open : web was down"), "{said}");
    assert!(said.contains("43 s so far HTTP 503, expected 200–399 5 nothing else"), "{said}");
    let said = page("/dashboard/incidents/1").await;
    assert!(said.contains("web had been down for 43 s : HTTP 503"), "{said}");
    assert!(said.contains("5 checks, which speak for 40 s"), "{said}");
    assert!(said.contains("Nothing else failed within a minute of web"), "{said}");
    assert!(!said.contains("Later incident") && !said.contains("JSON"), "{said}");
    let said = words(&site, &format!("/dashboard/review?week=2026-W47&at={THEN}")).await;
    assert!(said.contains("Longest outages") && said.contains(" 43 s "), "{said}");
    // Today it is told with its end.
    assert!(words(&site, "/dashboard/incidents/1").await.contains("web was down for 1 min on Monday, 16 November"));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_known_when_it_is_confirmed_and_over_when_that_is_sure() {
    let history = eventful().await;
    let site = history.site();
    // Two failed checks are no incident yet.
    let answer = get(&site, "/dashboard/incidents/1?at=2026-11-16T00:00:35Z").await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("Incident 1 was not known yet"), "{}", answer.text());
    let said = words(&site, "/dashboard/incidents?at=2026-11-16T00:00:35Z").await;
    assert!(said.contains("No incident was open") && said.contains("Nothing had failed long enough"), "{said}");
    let said = words(&site, "/dashboard/incidents?show=all&at=2026-11-16T00:00:35Z").await;
    assert!(said.contains("Failing web 00:00:20 .000"), "{said}");
    // One passed check does not end it: that takes two. The end, once known, is that of the first.
    let said = words(&site, "/dashboard/incidents/1?at=2026-11-16T00:01:25Z").await;
    assert!(said.contains("web had been down for 1 min 5 s"), "{said}");
    let said = words(&site, "/dashboard/incidents/1?at=2026-11-16T00:01:35Z").await;
    assert!(said.contains("web was down for 1 min on Monday"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_moment_that_cannot_be_shown_is_answered_with_where_to_go() {
    let history = eventful().await;
    let mut history = history.restart(vec![service("web"), service("late")]).await;
    history.checks("late", begin().plus(5 * DAY_MS + HOUR_MS), "..");
    history.at(begin().plus(6 * DAY_MS));
    history.committed().await;
    let site = history.site();
    for (path, status, wanted) in [
        ("/dashboard?at=2026-11-15", 422, "This moment lies before the history"),
        (
            "/dashboard/services/web?at=2026-11-15",
            422,
            "It begins with Mon 16 Nov, 00:00:00; nothing was watched before.",
        ),
        ("/dashboard/incidents?at=2027-01-01", 422, "This moment lies in the future"),
        ("/dashboard/review?at=2027-01-01", 422, "It is Sun 22 Nov, 00:00:00 now."),
        ("/dashboard/incidents/1?at=soon", 400, "“soon” is no time"),
        ("/dashboard/services/late?at=2026-11-17", 422, "late was not watched yet"),
        ("/dashboard/services/web?at=2026-11-17&from=2026-11-18", 422, "This range had not begun yet"),
        ("/dashboard/review?at=2026-11-17&week=2026-W48", 422, "This time had not come yet"),
    ] {
        let answer = get(&site, path).await;
        let said = answer.text().replace("&#x2f;", "/");
        assert_eq!(answer.status, status, "{path}: {said}");
        assert!(said.contains(wanted), "{path}: {said}");
    }
    // What has left since was watched then.
    let said = words(&site, &format!("/dashboard/services/api?at={THEN}")).await;
    assert!(said.contains("api had been up for"), "{said}");
    assert!(words(&site, "/dashboard/services/api").await.contains("is no longer watched"));
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_the_address_names_goes_along_with_the_moment() {
    let site = eventful().await.site();
    for path in
        ["/dashboard", "/dashboard/services/web", "/dashboard/incidents", "/dashboard/incidents/1", "/dashboard/review"]
    {
        let answer = get(&site, &format!("{path}?at=2026-11-16T01:01:03&tz=Europe/Berlin")).await;
        let text = answer.text().replace("&amp;", "&");
        assert_eq!(answer.status, 200, "{path}: {text}");
        assert!(text.contains("16 November at 01:01:03"), "{path}: {text}");
        assert!(text.contains("incidents?at=2026-11-16T00%3A01%3A03.000Z&tz=Europe%2FBerlin"), "{path}: {text}");
        let live = get(&site, &format!("{path}?tz=Europe/Berlin")).await;
        assert!(live.text().contains("/dashboard/incidents?tz=Europe%2FBerlin"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_overview_knows_the_way_through_the_past() {
    let calm = Service { group: None, ..service("web") };
    let young = History::new("2026-11-16T00:00:00Z", vec![calm]);
    assert!(!get(&young.site(), "/dashboard").await.text().contains("id=\"travel\""), "there is no past yet");
    let site = eventful().await.site();
    let step = |text: &str, id: &str| {
        let link = text.split(&format!("id=\"{id}\" href=\"")).nth(1)?.split('"').next()?.to_owned();
        Some(link.replace("%3A", ":"))
    };
    let live = get(&site, "/dashboard?sort=name").await;
    assert!(live.text().contains("<details id=\"travel\" hidden><summary>"), "closed while live: {}", live.text());
    assert_eq!(step(live.text(), "an-hour-earlier").unwrap(), "?sort=name&amp;at=2026-11-20T23:00:00.000Z");
    assert_eq!(step(live.text(), "an-hour-later"), None);
    assert_eq!(step(live.text(), "incident-after"), None);
    // The way leads to the second in which the incident became known.
    let back = step(live.text(), "incident-before").unwrap();
    assert_eq!(back, "?sort=name&amp;at=2026-11-16T00:03:41.000Z");
    let mut path = format!("/dashboard{}", back.replace("&amp;", "&"));
    let mut found = Vec::new();
    loop {
        let then = get(&site, &path).await;
        assert!(then.text().contains("<details id=\"travel\" open>"), "{}", then.text());
        found.push(path.rsplit("at=").next().unwrap().to_owned());
        let Some(back) = step(then.text(), "incident-before") else { break };
        path = format!("/dashboard{}", back.replace("&amp;", "&"));
    }
    assert_eq!(found, ["2026-11-16T00:03:41.000Z", "2026-11-16T00:01:51.000Z", "2026-11-16T00:00:41.000Z"]);
    let first = get(&site, &format!("/dashboard?at={}", found[2])).await;
    assert_eq!(step(first.text(), "a-day-earlier"), None, "before the history");
    assert!(step(first.text(), "incident-after").unwrap().ends_with(&found[1]), "{}", first.text());
    let last = get(&site, "/dashboard?at=2026-11-20T23:30:00Z").await;
    assert_eq!(step(last.text(), "an-hour-later").unwrap(), "?", "an hour later is now");
}
