//! The look back on a week, as JSON, as a page, as Markdown and as a file.

use crate::support::{
    browser::plain,
    history::{History, service},
};
use healthcheck_dashboard::domain::{
    service::Service,
    time::{DAY_MS, HOUR_MS, UnixMs},
};

/// The Monday of week 46.
const BEGIN: &str = "2026-11-09T00:00:00Z";

fn at(ms: i64) -> UnixMs {
    UnixMs::parse(BEGIN).unwrap().plus(ms)
}

/// Two weeks of two services, seen on the Tuesday after: `web` failed for 30 s in week 46 and for 50 s in week 47, and
/// `api` with it in the latter.
async fn two_weeks() -> History {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    let minute = ".......";
    history.checks("web", at(DAY_MS), &format!("{minute}xxx{minute}"));
    history.checks("api", at(DAY_MS), &format!("{minute}...{minute}"));
    history.checks("web", at(8 * DAY_MS), &format!("{minute}xxxxx{minute}"));
    history.checks("api", at(8 * DAY_MS + 20_000), &format!("{minute}xxx{minute}"));
    history.committed().await;
    history.at(at(15 * DAY_MS + HOUR_MS));
    history
}

#[tokio::test(start_paused = true)]
async fn the_last_full_week_is_compared_with_the_week_before() {
    let history = two_weeks().await;
    let review = history.get("/api/v1/review").await.ok();
    assert_eq!(review["period"], "2026-W47");
    assert_eq!(
        (&review["from"], &review["to"]),
        (&"2026-11-16T00:00:00.000Z".into(), &"2026-11-23T00:00:00.000Z".into())
    );
    assert_eq!(review["before"]["from"], "2026-11-09T00:00:00.000Z");
    let names: Vec<&String> = review["services"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["web", "api"], "worst first");
    let web = &review["services"]["web"];
    assert_eq!((web["uptime"]["down_ms"].as_i64(), web["before"]["down_ms"].as_i64()), (Some(50_000), Some(30_000)));
    // The same figures as anywhere else.
    let alone = history.get("/api/v1/services/web/uptime?from=2026-11-16&to=2026-11-23").await.ok();
    assert_eq!(web["uptime"], alone);
    assert_eq!(review["longest"][0]["service"], "web");
    assert_eq!(review["longest"][0]["also_failed"], serde_json::json!(["api"]));
    assert_eq!(review["most_at_once"], serde_json::json!({"hour": "2026-11-17T00:00:00.000Z", "services": 2}));
}

#[tokio::test(start_paused = true)]
async fn any_week_month_or_stretch_is_reviewed_and_nonsense_is_refused() {
    let history = two_weeks().await;
    for (query, from) in [
        ("week=2026-W46", "2026-11-09T00:00:00.000Z"),
        ("week=2026-W46&tz=Europe/Berlin", "2026-11-08T23:00:00.000Z"),
        ("month=2026-11", "2026-11-01T00:00:00.000Z"),
        ("from=2026-11-10&to=2026-11-12", "2026-11-10T00:00:00.000Z"),
    ] {
        let review = history.get(&format!("/api/v1/review?{query}")).await.ok();
        assert_eq!(review["from"], from, "{query}");
    }
    // The week under way ends now.
    let review = history.get("/api/v1/review?week=2026-W48").await.ok();
    assert_eq!(review["to"], "2026-11-24T01:00:00.000Z");
    for (query, status) in [
        ("week=2026-W99", 400),
        ("week=last", 400),
        ("month=november", 400),
        ("tz=Atlantis", 400),
        ("format=pdf", 400),
        ("week=2026-W46&month=2026-11", 400),
        ("weeks=1", 400),
        ("week=2027-W01", 422),
    ] {
        assert_eq!(history.get(&format!("/api/v1/review?{query}")).await.status, status, "{query}");
        if !query.starts_with("format") && !query.contains('&') && !query.starts_with("weeks") {
            let page = history.get(&format!("/dashboard/review?{query}")).await;
            assert_eq!(page.status, status, "{query}");
            assert!(page.header("content-type").starts_with("text/html"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_says_what_happened_first() {
    let history = two_weeks().await;
    let page = history.get("/dashboard/review").await;
    assert_eq!(page.status, 200);
    let text = plain(page.text());
    assert!(text.contains("<em>2 of 2 services failed at least once</em>"), "{text}");
    assert!(text.contains("web and api went down together on Tuesday at 00:01, for 50 s."), "{text}");
    assert!(text.contains("?week=2026-W46"), "the week before is a click away");
    assert!(text.contains("?week=2026-W48"), "and so is the one under way");
    let calm = plain(history.get("/dashboard/review?from=2026-11-12&to=2026-11-13").await.text());
    assert!(calm.contains("No incident in this time."), "{calm}");
}

#[tokio::test(start_paused = true)]
async fn a_week_in_which_nothing_was_watched_shows_no_zeros_that_would_look_like_a_good_one() {
    let history = two_weeks().await;
    for (query, said) in [
        ("week=2026-W45", "This history begins on Monday, 9 November 2026 at 00:00."),
        ("month=2026-10", "This history begins on Monday, 9 November 2026 at 00:00."),
    ] {
        let page = plain(history.get(&format!("/dashboard/review?{query}")).await.text());
        assert!(page.contains("<em>nothing was watched</em>") && page.contains(said), "{page}");
        assert!(!page.contains("Downtime, all services") && !page.contains("Longest outages"), "{page}");
        let text = history.get(&format!("/api/v1/review?format=markdown&{query}")).await.text().to_owned();
        assert!(text.contains(said) && !text.contains("Incidents") && !text.contains("| Service"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_holds_everything_it_needs() {
    let mut history = History::new(BEGIN, vec![service("</script><script>alert(1)</script>|")]);
    history.checks("</script><script>alert(1)</script>|", at(8 * DAY_MS), "...xxx...");
    history.committed().await;
    history.at(at(15 * DAY_MS));
    let html = history.get("/api/v1/review?format=html").await;
    let text = html.text();
    assert!(
        !text.contains("src=") && !text.contains("href=\"/") && !text.contains("href=\"http"),
        "nothing is asked for"
    );
    assert_eq!(text.matches("<script").count(), 1, "only the data");
    let data = text.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["services"].as_object().unwrap().len(), 1);
    let markdown = history.get("/api/v1/review?format=markdown").await;
    let row = markdown.text().lines().find(|line| line.starts_with(r"| \</script\>")).unwrap();
    assert_eq!(row.matches(" | ").count(), 9, "a name does not end its cell: {row}");
}

#[tokio::test(start_paused = true)]
async fn a_missed_objective_comes_first_and_a_budget_says_what_is_left() {
    let with = |name: &str, objective: f64| Service { objective: Some(objective), ..service(name) };
    let mut history = History::new(BEGIN, vec![with("strict", 99.99), with("lax", 50.0), service("none")]);
    for (name, letters) in [("strict", "....xxx..."), ("lax", "...xxxx..."), ("none", "xxxxxx....")] {
        history.checks(name, at(8 * DAY_MS), letters);
    }
    history.committed().await;
    history.at(at(15 * DAY_MS));
    let review = history.get("/api/v1/review").await.ok();
    let names: Vec<&String> = review["services"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["strict", "none", "lax"], "what missed its objective, then the least uptime");
    let page = plain(history.get("/dashboard/review").await.text());
    assert!(page.contains("<em>1 of 2 services missed their objective</em>"), "{page}");
    let strict = history.get("/api/v1/services/strict").await.ok();
    let objective = &strict["objective"];
    assert_eq!((objective["budget_ms"].as_i64(), objective["spent_ms"].as_i64()), (Some(259_200), Some(30_000)));
    assert_eq!(objective["left_ms"].as_i64(), Some(229_200));
    let page = plain(history.get("/dashboard/services/strict").await.text());
    assert!(page.contains("30 s of 4 min 19 s spent, <b>3 min 49 s left</b>"), "{page}");
    assert!(!history.get("/dashboard/services/none").await.text().contains("Objective"));
}

#[tokio::test(start_paused = true)]
async fn a_review_speaks_of_every_gap_that_was_the_monitors_own_doing() {
    // On the Tuesday of week 47 web was not checked for an hour, after a few seconds of the same; then the day went on.
    let mut history = History::new(BEGIN, vec![service("web")]);
    history.checks("web", at(8 * DAY_MS), ".");
    history.checks("web", at(8 * DAY_MS + 40_000), ".");
    history.checks("web", at(8 * DAY_MS + HOUR_MS + 65_000), ".");
    history.committed().await;
    history.at(at(8 * DAY_MS + HOUR_MS + 70_000));
    let day = "from=2026-11-17&to=2026-11-18";
    let gaps = history.get(&format!("/api/v1/review?{day}")).await.ok()["monitor_gaps"].clone();
    assert_eq!(
        gaps,
        serde_json::json!([{"from": "2026-11-17T00:01:05.000Z", "to": "2026-11-17T01:01:05.000Z", "reason": "stalled"}]),
        "of those that began together the longest"
    );
    let said = |text: &str| plain(text);
    let page = said(history.get(&format!("/dashboard/review?{day}")).await.text());
    assert!(page.contains("Tue 00:01: 1 h not observed") && !page.contains("no gap of the monitor"), "{page}");
    assert!(page.contains("On Tuesday at 00:01 no check was made for 1 h."), "{page}");
    let file = said(history.get(&format!("/api/v1/review?format=markdown&{day}")).await.text());
    assert!(!file.contains("no gap of the monitor"), "{file}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_no_gap_of_the_monitor() {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    let minutes = ".".repeat(30);
    for name in ["web", "api"] {
        history.checks(name, at(0), &minutes);
    }
    history.at(at(300_000));
    history.committed().await;
    let paused = Service { enabled: false, ..service("api") };
    let mut history = history.restart(vec![service("web"), paused]).await;
    history.checks("web", at(300_000), &minutes);
    history.at(at(600_000));
    history.committed().await;
    let query = "from=2026-11-09T00:00:00Z&to=2026-11-09T00:10:00Z";
    let review = history.get(&format!("/api/v1/review?{query}")).await.ok();
    assert_eq!(review["monitor_gaps"], serde_json::json!([]));
    let page = history.get("/dashboard/review?from=2026-11-09T00:00&to=2026-11-09T00:10").await;
    assert!(plain(page.text()).contains("no gap of the monitor"));
}
