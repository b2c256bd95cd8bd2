//! The four jobs that the dashboard is for, done by clicking.

use super::{ROWS_THAT_OVERLAP, Running, WORDS_OF_THE_BEGINNING, demonstration};
use crate::support::browser::{Browser, DESK, PHONE, Screen};
use serde_json::Value;

/// The outage of `api` on the last Tuesday, as the interface has it.
async fn tuesdays_outage(running: &Running) -> Value {
    let incidents = running.get("/api/v1/incidents?service=api&limit=500").await;
    let tuesday = incidents["items"].as_array().unwrap().iter().find(|i| i["duration_ms"].as_i64() > Some(760_000));
    tuesday.expect("the demonstration has an outage of almost 13 minutes").clone()
}

/// When did last Tuesday's outage of api begin? From the overview in two clicks, by what is read on the way.
async fn find_tuesdays_outage(running: &Running, browser: &Browser, name: &str) {
    let tuesday = tuesdays_outage(running).await;
    browser.go(&running.page("/dashboard")).await;
    browser.click("Incidents").await;
    browser.picture(&format!("{name}-log")).await;
    // Below the heading of that day (today may be a Tuesday too, and something down already) the row that says api.
    let day = tuesday["started_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let day = day.format("%A, %-d %B").to_string();
    let nbsp = '\u{a0}';
    let row = format!(
        "//tbody[tr[@class='grp'][contains(., '{day}')]]//tr[td[contains(@class, 'c-service')][.='api']][contains(., '12{nbsp}min')]"
    );
    browser.click_on(thirtyfour::By::XPath(format!("{row}//td[contains(@class, 'c-began')]//a"))).await;
    assert!(browser.text("h1").await.contains("api was down for 12 min 50 s on Tuesday"));
    let times: Vec<&str> = ["last_ok_at", "started_at"].iter().map(|key| tuesday[key].as_str().unwrap()).collect();
    let shown = browser.find_all_times(".answer time").await;
    assert_eq!(shown, times, "between which checks it began is what one sees");
    assert_eq!(browser.run(WORDS_OF_THE_BEGINNING).await, serde_json::json!([]));
    browser.picture(&format!("{name}-incident")).await;
}

/// See it now, find when it started, review the week, take the history home: each by looking and clicking.
async fn do_the_four_jobs(running: &Running, screen: Screen) {
    let name = format!(
        "{}{}{}",
        if screen.width < 500 { "phone" } else { "desk" },
        if screen.dark { "-dark" } else { "" },
        if screen.script { "" } else { "-no-script" }
    );
    let browser = Browser::open(screen).await;
    browser.go(&running.page("/dashboard")).await;
    // Now.
    assert!(!browser.text("h1").await.is_empty());
    assert_eq!(browser.count("tr[data-service]").await, 11);
    browser.picture(&format!("{name}-now")).await;
    find_tuesdays_outage(running, &browser, &name).await;

    // How was last week?
    browser.click("api").await;
    browser.click("7 d").await;
    assert!(browser.text("aside h2").await.contains("Uptime, 7 days"));
    assert!(browser.text(".big").await.ends_with('%'));
    assert!(browser.text(".ledger .sum").await.contains("7 d"));
    // What stands beside the chart is as important as the rest.
    let colours =
        "const of = part => getComputedStyle(document.querySelector(part)).color; return of('.big') === of('h1')";
    assert_eq!(browser.run(colours).await, true);
    browser.picture(&format!("{name}-service")).await;
    browser.click("Week").await;
    // Which it was depends on the day: the worst of the made-up past was yesterday.
    let said = browser.text("h1").await;
    assert!(
        said.contains("missed") && said.contains("objective") || said.contains("every objective was met"),
        "{said}"
    );
    assert_eq!(browser.count(".matrix tbody tr").await, 11, "ten services, and how many of them failed at once");
    assert_eq!(browser.run(ROWS_THAT_OVERLAP).await, serde_json::json!([]));
    browser.picture(&format!("{name}-review")).await;
    browser.click_on(thirtyfour::By::Css(".week th a[href*='/services/api']")).await;

    // The history, please.
    let link = browser.driver.find(thirtyfour::By::LinkText("Export JSON")).await.unwrap();
    let address = link.prop("href").await.unwrap().unwrap();
    let export: Value = serde_json::from_slice(&reqwest::get(address).await.unwrap().bytes().await.unwrap()).unwrap();
    assert!(export["checks"].as_array().unwrap().len() > 10_000);
    assert!(export["checks"].as_array().unwrap().iter().all(|check| check["service"] == "api"));

    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
}

/// With a script and without one, light and dark: of one running demonstration, two browsers at a time.
async fn do_the_four_jobs_in_every_way(screen: Screen) {
    let running = demonstration().await;
    for script in [true, false] {
        let light = Screen { script, dark: false, ..screen };
        tokio::join!(do_the_four_jobs(&running, light), do_the_four_jobs(&running, Screen { dark: true, ..light }));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_four_jobs_are_done_by_clicking_with_and_without_a_script_in_light_and_dark() {
    do_the_four_jobs_in_every_way(DESK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_four_jobs_are_done_on_a_phone_with_and_without_a_script_in_light_and_dark() {
    do_the_four_jobs_in_every_way(PHONE).await;
}
