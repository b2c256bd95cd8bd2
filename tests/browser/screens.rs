//! What a page makes of its screen: a phone, a large monitor, a wall.

use super::{FAST, demonstration, watching};
use crate::support::{
    browser::{Browser, DESK, PHONE, Screen},
    target::Does,
};

const FULL_HD: Screen = Screen { width: 1920, height: 1080, ..DESK };
const WQHD: Screen = Screen { width: 2560, height: 1440, ..DESK };
const UHD: Screen = Screen { width: 3840, height: 2160, ..DESK };

/// How far the page reaches below and beside the window, which tiles have words outside of them, which names are cut short, and how much of the room
/// for tiles has one.
const WALL: &str = "
    const page = document.documentElement, list = document.querySelector('.tiles');
    const area = (part) => { const box = part.getBoundingClientRect(); return box.width * box.height; };
    const outside = [...list.children].filter(tile => {
        const box = tile.getBoundingClientRect();
        const parts = [...tile.children].filter(part => !part.matches('.vh')).map(part => part.getBoundingClientRect());
        return parts.some(part => part.height && (part.bottom > box.bottom + 1 || part.right > box.right + 1));
    });
    return {
        scroll: [page.scrollWidth - page.clientWidth, page.scrollHeight - page.clientHeight],
        outside: outside.map(tile => tile.innerText),
        // A line that is cut is missing whole: how far letters reach out of a line is the font's.
        cut: [...list.querySelectorAll('b')].filter(name => name.scrollWidth > name.clientWidth + 1
            || name.scrollHeight > name.clientHeight + parseFloat(getComputedStyle(name).lineHeight) / 2)
            .map(name => name.innerText),
        used: [...list.children].map(area).reduce((a, b) => a + b) / area(list),
    };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wall_shows_every_service_on_one_screen_and_leaves_no_hole() {
    let mut walls = Vec::new();
    for count in [1, 4, 11, 61] {
        // The last one is down.
        let one = |i: usize| {
            let fate = if i == count && count > 1 { "false" } else { "true" };
            format!("{{ name = \"service-number-{i}\", command = \"{fate}\", interval_secs = 30 }}")
        };
        let endpoints: Vec<String> = (1..=count).map(one).collect();
        let (running, _target) = watching(&format!(
            "[checks]\ntimeout_secs = 5\nretry_interval_secs = 0.2\nendpoints = [{}]",
            endpoints.join(", ")
        ))
        .await;
        walls.push((count, running));
    }
    for screen in [FULL_HD, UHD] {
        let browser = Browser::open(screen).await;
        for (count, running) in &walls {
            browser.go(&running.page("/dashboard/wall")).await;
            browser.until("h1", if *count > 1 { "has been down for" } else { "is up" }).await;
            browser.until_true("return !document.querySelector('.tiles .pending')").await;
            let said = browser.run(WALL).await;
            let here = format!("{count} services at {} pixels: {said}", screen.width);
            assert_eq!(browser.count(".tiles li").await, *count, "{here}");
            assert_eq!(said["scroll"], serde_json::json!([0, 0]), "{here}");
            assert_eq!(said["outside"], serde_json::json!([]), "{here}");
            assert_eq!(said["cut"], serde_json::json!([]), "{here}");
            assert!(said["used"].as_f64().unwrap() > 0.84, "{here}");
            browser.picture(&format!("wall-{count}-{}", screen.width)).await;
        }
        browser.close().await;
    }
    for (_, running) in walls {
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_screen_is_used_from_side_to_side() {
    let running = demonstration().await;
    for screen in [FULL_HD, WQHD, UHD] {
        let browser = Browser::open(screen).await;
        for (name, path) in [
            ("now", "/dashboard"),
            ("service", "/dashboard/services/api?window=7d"),
            ("incident", "/dashboard/incidents/1"),
            ("log", "/dashboard/incidents"),
            ("review", "/dashboard/review"),
        ] {
            browser.go(&running.page(path)).await;
            let here = format!("{path} at {} pixels", screen.width);
            assert_eq!(browser.overflow().await, 0, "{here}");
            let share = "return document.querySelector('main .bar').getBoundingClientRect().width / innerWidth";
            let share = browser.run(share).await.as_f64().unwrap();
            assert!(share > 0.8, "{here}: {share}");
            browser.picture(&format!("{name}-{}", screen.width)).await;
        }
        // Pages that grow still know where the pointer is.
        browser.go(&running.page("/dashboard/services/api?window=7d")).await;
        browser.until_true("return document.querySelector('svg[data-chart]').getAttribute('role') === 'slider'").await;
        let (x, y) = super::middle(&browser, "svg[data-chart=history]").await;
        browser.driver.action_chain().move_to(x, y).perform().await.unwrap();
        browser.until("[data-readout]", "p50").await;
        let cursor = "return document.querySelector('[data-cursor]').getBoundingClientRect().x";
        let cursor = browser.run(cursor).await.as_f64().unwrap();
        assert!((cursor - x as f64).abs() < 12.0, "at {} pixels: {cursor} is not {x}", screen.width);
        browser.close().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_moves_while_a_page_loads_with_and_without_the_stream_of_events() {
    let (running, target) = watching(&format!(
        "{FAST}\n[[checks.endpoints]]\nname = \"web\"\nurl = \"http://TARGET/web\"\n\
         [[checks.endpoints]]\nname = \"api\"\nurl = \"http://TARGET/api\""
    ))
    .await;
    target.set("/web", Does::Answer(200));
    target.set("/api", Does::Answer(503));
    // All at the same time: most of it is waiting.
    let ways = [(PHONE, true), (PHONE, false), (DESK, true), (DESK, false)];
    let looked = ways.map(async |(screen, streams)| {
        let browser = Browser::open(screen).await;
        browser.go(&running.page("/dashboard")).await;
        browser.until("h1", "api has been down for").await;
        let incident = running.get("/api/v1/incidents").await["items"][0].clone();
        let then = format!("/dashboard?at={}", incident["confirmed_at"].as_str().unwrap());
        // So that a page is seen before its script has come.
        browser.on_a_slow_line(if streams { &[] } else { &["*/api/v1/events*"] }).await;
        for path in ["/dashboard", &then, "/dashboard/services/api", "/dashboard/incidents/1", "/dashboard/wall"] {
            browser.go(&running.page(path)).await;
            let moved = browser.moved().await;
            assert!(moved < 0.01, "{path} at {} pixels, stream {streams}: {moved}", screen.width);
        }
        browser.close().await;
    });
    futures_util::future::join_all(looked).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_a_chart_has_two_lines_at_most_on_a_phone() {
    let running = demonstration().await;
    let browser = Browser::open(PHONE).await;
    // Parts of one line begin at almost the same height.
    let lines = "return Math.max(...[...document.querySelectorAll('.legend')].map(key =>
        [...key.children].map(part => part.getBoundingClientRect().y).sort((a, b) => a - b)
            .filter((y, i, all) => i === 0 || y > all[i - 1] + 6).length))";
    for service in ["api", "search", "webhooks"] {
        for window in ["1h", "24h", "7d", "90d"] {
            browser.go(&running.page(&format!("/dashboard/services/{service}?window={window}"))).await;
            let lines = browser.run(lines).await.as_i64().unwrap();
            assert!((1..=2).contains(&lines), "{service}, {window}: {lines} lines");
        }
    }
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_the_log_has_two_lines_on_a_phone_and_its_links_can_be_hit() {
    let running = demonstration().await;
    let browser = Browser::open(PHONE).await;
    browser.go(&running.page("/dashboard/incidents")).await;
    // What failed with it, and what somebody wrote, has lines of its own.
    let rows = "return [...document.querySelectorAll('.log tr:not(.grp)')]
        .filter(row => row.querySelector('.alone') && !row.querySelector('.remark'))
        .map(row => row.getBoundingClientRect().height)";
    let rows = browser.run(rows).await;
    let heights: Vec<f64> = rows.as_array().unwrap().iter().map(|height| height.as_f64().unwrap()).collect();
    assert!(heights.len() > 20 && heights.iter().all(|height| *height < 60.0), "{heights:?}");
    let small = "return [...document.querySelectorAll('.log a')].map(link => link.getBoundingClientRect())
        .filter(box => box.height < 24).length";
    assert_eq!(browser.run(small).await, 0);
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_the_review_in_which_nothing_failed_has_three_lines_at_most_on_a_phone() {
    let running = demonstration().await;
    let browser = Browser::open(PHONE).await;
    browser.go(&running.page("/dashboard/review")).await;
    // Parts of one line end at almost the same height.
    // That not all of the week is known has one more.
    let high = "const lines = row => [...row.children]
            .map(cell => cell.getBoundingClientRect()).filter(box => box.height)
            .map(box => box.bottom).sort((a, b) => a - b)
            .filter((bottom, i, all) => i === 0 || bottom > all[i - 1] + 6).length;
        return [...document.querySelectorAll('.week tbody tr.calm')].filter(row => lines(row) > (row.querySelector('.c-coverage:not(.usual)') ? 4 : 3)).map(row => row.innerText);";
    assert_eq!(browser.run(high).await, serde_json::json!([]));
    // Figures stand below each other from row to row.
    let left = "return new Set([...document.querySelectorAll('.week tr:not(.calm) .c-mttr')]
        .map(cell => cell.getBoundingClientRect().x).filter(x => x)).size";
    assert_eq!(browser.run(left).await, 1);
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_cut_off_is_no_wider_than_a_phone_and_its_head_no_higher() {
    let (running, target) =
        watching(&format!("{FAST}\nendpoints = [{{ name = \"web\", url = \"http://TARGET/web\" }}]")).await;
    target.set("/web", Does::Answer(200));
    let browser = Browser::open(PHONE).await;
    browser.go(&running.page("/dashboard")).await;
    browser.until("h1", "web is up").await;
    let head = "return document.querySelector('.top').getBoundingClientRect().height";
    let live = browser.run(head).await;
    running.stop().await;
    browser.until("[data-live=connection]", "Not live since").await;
    assert_eq!(browser.overflow().await, 0);
    assert_eq!(browser.run(head).await, live);
    browser.close().await;
}
