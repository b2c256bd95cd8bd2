//! Through the past by keys, with a script and without one; along a chart by keys.

use super::{demonstration, renewed};
use crate::support::browser::{Browser, DESK, PHONE, Screen};
use thirtyfour::prelude::*;

const AT: &str = "return new URLSearchParams(location.search).get('at')";

/// A key for whatever has the focus.
async fn press(browser: &Browser, keys: impl Into<TypingData>) {
    browser.driver.action_chain().send_keys(keys).perform().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_is_scrubbed_by_keys() {
    let running = demonstration().await;
    let browser = Browser::open(DESK).await;
    browser.go(&running.page("/dashboard?sort=name")).await;
    browser.run("window.mark = 'the same page'; return null").await;
    browser.click_on(By::Css("#travel summary")).await;
    browser.run("document.querySelector('#moment').focus(); return null").await;
    press(&browser, Key::PageDown).await;
    browser.until(".then", "What was known on").await;
    let moment = browser.run("return Number(document.querySelector('#moment').value)").await.as_i64().unwrap();
    let end = browser.run("return Number(document.querySelector('#moment').max)").await.as_i64().unwrap();
    assert!((end - moment - 3_600_000).abs() <= 60_000, "an hour back: {moment} of {end}");
    assert_eq!(browser.run(&format!("{AT} === new Date({moment}).toISOString()")).await, true);
    assert_eq!(browser.run("return new URLSearchParams(location.search).get('sort')").await, "name");
    // The words around it have changed too, and the page is not replaced as a whole.
    assert!(browser.text("[data-live=connection]").await.starts_with("As it was at"));
    assert!(browser.find(".nav a").await.prop("href").await.unwrap().unwrap().contains("at="));
    assert_eq!(browser.run("return window.mark").await, "the same page");
    assert_eq!(browser.run("return document.activeElement.id").await, "moment");
    // A minute on, then a day back.
    press(&browser, Key::Right).await;
    browser.until_true(&format!("{AT} === new Date({moment} + 60000).toISOString()")).await;
    let keys = browser.driver.action_chain().key_down(Key::Shift).send_keys(Key::PageDown);
    keys.key_up(Key::Shift).perform().await.unwrap();
    browser.until_true(&format!("{AT} === new Date({moment} + 60000 - 86400000).toISOString()")).await;
    let said = browser.run("return document.querySelector('#moment').getAttribute('aria-valuetext')").await;
    assert!(said.as_str().unwrap().contains(':'), "{said}");
    // What is over does not go on: nothing ticks, and it is not asked for again.
    browser.until_true("return 'past' in document.body.dataset && !('refresh' in document.body.dataset)").await;
    // To an incident, which was open then, and step by step with the focus where it was.
    browser.run("document.querySelector('#incident-before').focus(); return null").await;
    press(&browser, Key::Enter).await;
    browser.until("[data-live=open]", "open incident").await;
    assert_eq!(browser.run("return document.activeElement.id").await, "incident-before");
    assert_eq!(browser.run("return window.mark").await, "the same page");
    // The end of the slider is now, and the page is live again.
    browser.run("document.querySelector('#moment').focus(); return null").await;
    press(&browser, Key::End).await;
    browser.until("[data-live=connection]", "Live").await;
    assert_eq!(browser.run(AT).await, serde_json::Value::Null);
    assert_eq!(browser.count(".then").await, 0);
    renewed(&browser).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_is_reached_without_a_script() {
    let running = demonstration().await;
    let browser = Browser::open(Screen { script: false, ..DESK }).await;
    browser.go(&running.page("/dashboard")).await;
    browser.click("Travel back").await;
    browser.until(".then", "What was known on").await;
    browser.click("Previous incident").await;
    browser.until("[data-live=open]", "open incident").await;
    let then = browser.text(".then b").await;
    // To the incident as it was, and from there to its service.
    browser.click("See how it began").await;
    browser.until("h1", "had been down for").await;
    browser.until(".past-bar", &then).await;
    browser.click_on(By::Css(".where a + a")).await;
    browser.until_count("svg[data-chart=history]", 1).await;
    browser.until(".past-bar", &then).await;
    browser.click("Then").await;
    browser.until(".past-bar", &then).await;
    browser.click("− 1 day").await;
    browser.until_other(".then b", &then).await;
    // A moment by its time.
    let at = browser.text(".then b").await;
    browser.click("+ 1 h").await;
    browser.until_other(".then b", &at).await;
    let at = browser.text(".then b").await;
    browser.click_on(By::Css(".travel button")).await;
    browser.until(".past-bar", &at).await;
    browser.click("Back to now").await;
    browser.until_count(".then", 0).await;
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_beginning_of_an_outage_is_found_in_the_past_on_a_phone_without_a_script() {
    let running = demonstration().await;
    let browser = Browser::open(Screen { script: false, ..PHONE }).await;
    browser.go(&running.page("/dashboard")).await;
    browser.click("Travel back").await;
    browser.click("Previous incident").await;
    browser.until("[data-live=open]", "open incident").await;
    assert_eq!(browser.overflow().await, 0);
    browser.picture("phone-no-script-then").await;
    // Before it all was well, an hour at a time; and forth again.
    browser.click("− 1 h").await;
    browser.until_count("[data-live=open]", 0).await;
    browser.click("Next incident").await;
    browser.click("See how it began").await;
    browser.until("h1", "had been down for").await;
    let shown = browser.find_all_times(".answer time").await;
    let service = browser.text(".where a + a").await;
    let of_it = running.get(&format!("/api/v1/incidents?service={service}&limit=500")).await;
    let one = of_it["items"].as_array().unwrap().iter().find(|one| one["started_at"] == shown[1].as_str());
    let one = one.unwrap_or_else(|| panic!("{shown:?} is no beginning of an incident of {service}"));
    assert_eq!(one["last_ok_at"], shown[0].as_str());
    // Asked now: the demonstration goes on, and on a busy machine its services fail for real.
    let latest = running.get("/api/v1/incidents?limit=1").await["items"][0].clone();
    assert!(one["started_at"].as_str() <= latest["started_at"].as_str());
    assert_eq!(browser.overflow().await, 0);
    browser.picture("phone-no-script-then-incident").await;
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_is_walked_along_by_keys_and_looked_at_more_closely() {
    let running = demonstration().await;
    let browser = Browser::open(DESK).await;
    browser.go(&running.page("/dashboard/services/api?window=7d")).await;
    browser.run("document.querySelector('svg[data-chart=history]').focus(); return null").await;
    browser.until("[data-readout]", "Arrow keys step through it").await;
    let at = "const c = document.querySelector('svg[data-chart=history]');
              return [Number(c.getAttribute('aria-valuenow')), Number(c.getAttribute('aria-valuemax'))]";
    let step = async |key: Key, expected: i64| {
        press(&browser, key).await;
        let there = format!(
            "const [now, max] = (() => {{ {at} }})(); return now === (({expected}) < 0 ? max + 1 + ({expected}) : {expected})"
        );
        browser.until_true(&there).await;
        // Seen and heard are the same.
        browser
            .until_true(
                "const c = document.querySelector('svg[data-chart=history]');
                 return c.getAttribute('aria-valuetext') === document.querySelector('[data-readout]').textContent",
            )
            .await;
    };
    // A renewal between two keys would move the range, and with it the numbers of its steps.
    browser.run("delete document.body.dataset.refresh; return null").await;
    step(Key::End, -1).await;
    browser.until("[data-readout]", "p50").await;
    step(Key::Left, -2).await;
    step(Key::PageDown, -12).await;
    step(Key::Home, 0).await;
    step(Key::Left, 0).await;
    step(Key::PageUp, 10).await;
    step(Key::Right, 11).await;
    let said = browser.text("[data-readout]").await;
    browser.run("document.body.dataset.refresh = 'always'; return null").await;
    // A renewal takes neither the focus nor the place away.
    renewed(&browser).await;
    assert_eq!(browser.run("return document.activeElement.dataset.chart").await, "history");
    let after = browser.text("[data-readout]").await;
    // The range ends a moment later now: its steps lie a moment later too.
    assert_eq!(said.split(',').next(), after.split(',').next());
    assert!(after.contains("p50"), "{after}");
    press(&browser, Key::Enter).await;
    browser.until_true("return new URLSearchParams(location.search).has('from')").await;
    browser.until_true("return document.activeElement.matches('svg[data-zoom]')").await;
    press(&browser, Key::Escape).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    running.stop().await;
}
