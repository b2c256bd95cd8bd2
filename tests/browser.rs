//! The dashboard in a real browser.

mod jobs;
mod screens;
mod travel;

use crate::support::{
    browser::{Browser, DESK, PHONE},
    target::{Does, Target},
};
use healthcheck_dashboard::{app::App, clock::Clock, config, demo};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::{OnceCell, oneshot};

/// A running service, and the folder of its history where it is this test's own.
struct Running {
    address: String,
    own: Option<(App, TempDir)>,
}

impl Running {
    fn page(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Value {
        // Whichever test comes first; the browser's driver wants it too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answer = reqwest::get(self.page(path)).await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    async fn stop(self) {
        if let Some((app, _folder)) = self.own {
            app.stop().await;
        }
    }
}

/// The demonstration, which has 90 days of history: one for all tests that only look at it, since its history takes
/// seconds to make.
async fn demonstration() -> Running {
    static ADDRESS: OnceCell<String> = OnceCell::const_new();
    let start = async || {
        let (started, address) = oneshot::channel();
        // It outlives the test that needed it first, and that test's runtime.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                // Nobody removes it at the end: the next run does.
                let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demonstration");
                let _ = std::fs::remove_dir_all(&folder);
                std::fs::create_dir_all(&folder).unwrap();
                let (app, address) = start_demonstration(&folder).await;
                started.send(address).unwrap();
                std::future::pending::<()>().await;
                drop(app);
            });
        });
        address.await.expect("the demonstration starts")
    };
    Running { address: ADDRESS.get_or_init(start).await.clone(), own: None }
}

async fn start_demonstration(folder: &Path) -> (App, String) {
    let adjust = |config: &mut config::Config| config.dashboard.port = 0;
    let app = demo::start(folder, &|_| None, adjust, Clock::system()).await.unwrap();
    let address = format!("http://{}", app.address);
    (app, address)
}

/// What a test watches: this configuration, in which TARGET stands for a server that does as it is told.
async fn watching(configuration: &str) -> (Running, Target) {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::start(Clock::system()).await;
    let text = configuration.replace("TARGET", &target.address.to_string());
    let mut config = config::parse(&text, Path::new("config.toml"), &|_| None).unwrap();
    config.storage.path = folder.path().join("history.db");
    config.dashboard.bind = [127, 0, 0, 1].into();
    config.dashboard.port = 0;
    let app = App::start(config, Clock::system()).await.unwrap();
    (Running { address: format!("http://{}", app.address), own: Some((app, folder)) }, target)
}

const FAST: &str = r#"
    [checks]
    interval_secs = 0.4
    timeout_secs = 0.3
    retry_interval_secs = 0.1
"#;

/// The rows of tables whose content reaches into the row above: a bar would stand beside another's name.
const ROWS_THAT_OVERLAP: &str = "
    const edge = (row, side, worst) => worst(...[...row.querySelectorAll('a, svg.chart, td, th')]
        .map(part => part.getBoundingClientRect()).filter(box => box.height > 1).map(box => box[side]));
    return [...document.querySelectorAll('.matrix tbody tr + tr, .week tbody tr + tr')]
        .filter(row => edge(row.previousElementSibling, 'bottom', Math.max) > edge(row, 'top', Math.min) + 2)
        .map(row => row.innerText);";

/// The words beside the line of an outage's beginning that cover each other, or stand outside of the page.
const WORDS_OF_THE_BEGINNING: &str = "
    const words = [...document.querySelectorAll('svg.onset text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    if (words.length < 5) return ['there are ' + words.length];
    const cover = (a, b) => a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom;
    return words.filter(([, box], i) => box.left < 0 || box.right > document.documentElement.clientWidth
        || words.some(([, other], j) => i !== j && cover(box, other))).map(([said]) => said);";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_is_wider_than_a_phone() {
    let running = demonstration().await;
    let browser = Browser::open(PHONE).await;
    let incident = &running.get("/api/v1/incidents?status=resolved").await["items"][0];
    let then = format!("?at={}", incident["confirmed_at"].as_str().unwrap());
    for path in [
        "/dashboard",
        &format!("/dashboard{then}"),
        &format!("/dashboard/services/api{then}"),
        "/dashboard/incidents",
        "/dashboard/incidents/1",
        "/dashboard/services/api",
        "/dashboard/services/search?window=90d",
        "/dashboard/services/nothing",
        "/dashboard/review",
        "/dashboard/wall",
        "/dashboard/alerts",
    ] {
        browser.go(&running.page(path)).await;
        assert_eq!(browser.overflow().await, 0, "{path}");
    }
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_one_long_word_makes_no_page_wider() {
    // Several, because the first open incident is shown in another way than the others.
    let names: Vec<String> = ["a", "b", "c", "d", "e"].map(|letter| letter.repeat(200)).into();
    let one = |name: &String| format!("{{ name = \"{name}\", group = \"{name}\", command = \"echo {name}; exit 1\" }}");
    let endpoints: Vec<String> = names.iter().map(one).collect();
    let (running, _target) = watching(&format!("{FAST}\nendpoints = [{}]", endpoints.join(", "))).await;
    for screen in [PHONE, DESK] {
        let browser = Browser::open(screen).await;
        browser.go(&running.page("/dashboard")).await;
        browser.until("h1", "5 services are down").await;
        let incident = running.get("/api/v1/incidents").await["items"][0]["id"].as_i64().unwrap();
        for path in [
            "/dashboard".to_owned(),
            "/dashboard/incidents".to_owned(),
            format!("/dashboard/incidents/{incident}"),
            format!("/dashboard/services/{}", names[0]),
        ] {
            browser.go(&running.page(&path)).await;
            assert_eq!(browser.overflow().await, 0, "{path} at {} pixels", screen.width);
        }
        // In the log two lines of it, and all of it for whoever asks.
        browser.go(&running.page("/dashboard/incidents")).await;
        let cut = "const link = document.querySelector('.log .c-service a'), line = parseFloat(getComputedStyle(link).lineHeight);
            return [link.title, Math.round(link.getBoundingClientRect().height / line)]";
        let cut = browser.run(cut).await;
        assert!(names.iter().any(|name| *name == cut[0]) && cut[1] == 2, "{cut} at {} pixels", screen.width);
        browser.close().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_stays_fresh_and_says_when_it_is_cut_off() {
    let (running, target) =
        watching(&format!("{FAST}\nendpoints = [{{ name = \"web\", url = \"http://TARGET/web\" }}]")).await;
    let browser = Browser::open(DESK).await;
    browser.go(&running.page("/dashboard")).await;
    browser.until("h1", "web is up").await;
    browser.run("window.mark = 'the same page'").await;
    target.set("/web", Does::Answer(503));
    browser.until("h1", "web has been down for").await;
    browser.until("h1", "HTTP 503").await;
    assert!(browser.text("[data-live=open]").await.contains("1 open incident"));
    // What a screen reader is told.
    let told = browser.run("return document.querySelector('[data-live=announce]').textContent").await;
    assert!(told.as_str().unwrap().contains("web has been"), "{told}");
    target.set("/web", Does::Answer(200));
    browser.until("h1", "web is up").await;
    assert_eq!(browser.run("return window.mark").await, "the same page");
    running.stop().await;
    browser.until("[data-live=connection]", "Not live since").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_named_like_a_script_is_harmless_on_every_page() {
    let evil = "<script>document.title='owned'</script>\\\"'><img src=x onerror=alert(1)>";
    let (running, target) = watching(&format!(
        "{FAST}\n[[checks.endpoints]]\nname = \"{evil}\"\ngroup = \"<b>group</b>\"\ndescription = \"<i>what</i>\"\n\
         url = \"http://TARGET/evil\"\nexpect_body = \"<script>\"\n[dashboard]\ntitle = \"<u>title</u>\""
    ))
    .await;
    target.set("/evil", Does::Answer(200));
    let browser = Browser::open(DESK).await;
    browser.go(&running.page("/dashboard")).await;
    browser.until("h1", "<script>").await;
    browser.until("h1", "down for").await;
    let incident = running.get("/api/v1/incidents").await["items"][0]["id"].as_i64().unwrap();
    let service = browser.find(".services th a").await.prop("href").await.unwrap().unwrap();
    for page in [
        running.page("/dashboard"),
        service,
        running.page("/dashboard/incidents"),
        running.page(&format!("/dashboard/incidents/{incident}")),
    ] {
        browser.go(&page).await;
        assert!(browser.text("main").await.contains("<script>document.title='owned'</script>"), "{page}");
        let made = browser
            .run("return document.querySelectorAll('main script, main img, main b b, main i, .mark u').length")
            .await;
        assert_eq!(made, 0, "{page}");
        assert_ne!(browser.driver.title().await.unwrap(), "owned");
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    running.stop().await;
}

/// Has an open page renew itself now, and returns when it has: the mark on the old content is gone.
async fn renewed(browser: &Browser) {
    browser.run("document.querySelector('#main').dataset.mark = 'old'; return null").await;
    browser.run("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })); return null").await;
    browser.until_true("return !('mark' in document.querySelector('#main').dataset)").await;
}

/// The middle of a thing, in whole pixels of the window.
async fn middle(browser: &Browser, css: &str) -> (i64, i64) {
    let script = format!(
        "const box = document.querySelector('{css}').getBoundingClientRect();
         return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]"
    );
    let found = browser.run(&script).await;
    (found[0].as_i64().unwrap(), found[1].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_says_exact_values_and_is_looked_at_more_closely_by_dragging() {
    let running = demonstration().await;
    let browser = Browser::open(DESK).await;
    browser.go(&running.page("/dashboard/services/api?window=7d")).await;
    // By its place, not by its element: the page may renew itself meanwhile.
    let (x, y) = middle(&browser, "svg[data-chart=history]").await;
    browser.driver.action_chain().move_to(x, y).perform().await.unwrap();
    browser.until("[data-readout]", "p50").await;
    // The page renews itself under a pointer that rests: what it reads stays.
    renewed(&browser).await;
    assert!(browser.text("[data-readout]").await.contains("p50"));
    assert_eq!(
        browser.run("return document.querySelector('[data-cursor]').getAttribute('visibility')").await,
        "visible"
    );
    // And ends when the pointer leaves.
    browser.driver.action_chain().move_to(x, y - 400).perform().await.unwrap();
    browser.until("[data-readout]", "One step is 30 min.").await;
    let drag = browser.driver.action_chain().move_to(x - 50, y).click_and_hold();
    drag.move_to(x + 50, y).release().perform().await.unwrap();
    browser.until_true("return new URLSearchParams(location.search).has('from')").await;
    let address = browser.driver.current_url().await.unwrap();
    let times: Vec<_> = address.query_pairs().filter(|(name, _)| name == "from" || name == "to").collect();
    assert_eq!(times.len(), 2, "{address}");
    // And back.
    browser.driver.back().await.unwrap();
    browser.until_true("return location.search === '?window=7d'").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_is_said_over_the_chart_by_pointer_and_by_keys() {
    let running = demonstration().await;
    let browser = Browser::open(DESK).await;
    browser.go(&running.page("/dashboard/services/search?window=90d")).await;
    let change = "degraded when slower than 500 ms instead of 1 000 ms";
    assert!(browser.text(".changes").await.contains(change), "{}", browser.text(".changes").await);
    // The sign below the chart, under the pointer.
    let (x, y) = middle(&browser, ".note-mark path").await;
    browser.driver.action_chain().move_to(x, y).perform().await.unwrap();
    browser.until("[data-readout]", change).await;
    // Maintenance is a stretch: its words come with the pointer as well.
    browser.go(&running.page("/dashboard/services/api?window=7d")).await;
    browser.until_true("return document.querySelector('svg[data-chart]').getAttribute('role') === 'slider'").await;
    let said = browser.run("return document.querySelector('.said title').textContent").await;
    assert!(said.as_str().unwrap().contains("PostgreSQL 16 to 17"), "{said}");
    let (x, y) = middle(&browser, ".said").await;
    browser.driver.action_chain().move_to(x, y).perform().await.unwrap();
    browser.until("[data-readout]", "maintenance").await;
    // The last step is when this program began to check more often than the past was checked.
    browser.run("document.querySelector('svg[data-chart=history]').focus(); return null").await;
    browser.driver.action_chain().send_keys(thirtyfour::Key::End).perform().await.unwrap();
    browser.until("[data-readout]", "checked every 5 s instead of 30 s").await;
    let heard = browser.run("return document.querySelector('svg[data-chart]').getAttribute('aria-valuetext')").await;
    assert!(heard.as_str().unwrap().contains("instead of 30"), "{heard}");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_found_while_one_types() {
    let running = demonstration().await;
    let browser = Browser::open(DESK).await;
    browser.go(&running.page("/dashboard")).await;
    // To whatever has the focus: the page may renew itself meanwhile, and gives it back.
    browser.click_on(thirtyfour::By::Css("#q")).await;
    browser.driver.action_chain().send_keys("redis").perform().await.unwrap();
    let shown = "return [...document.querySelectorAll('tr[data-service]')].filter(r => r.offsetParent).map(r => r.dataset.service)";
    assert_eq!(browser.run(shown).await, serde_json::json!(["redis"]));
    assert!(browser.driver.current_url().await.unwrap().as_str().ends_with("?q=redis"));
    // The server answers the same address with the same list, and goes on from there.
    browser.driver.refresh().await.unwrap();
    assert_eq!(browser.run(shown).await, serde_json::json!(["redis"]));
    browser.go(&running.page("/dashboard?q=nothing-like-it")).await;
    browser.click("Show all 11").await;
    assert_eq!(browser.count("tr[data-service]").await, 11);
    browser.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_breaks_a_rule_of_accessibility() {
    let running = demonstration().await;
    let mut broken = Vec::new();
    // When an incident was open.
    let incident = &running.get("/api/v1/incidents?status=resolved").await["items"][0];
    let then = |page: &str| format!("{page}?at={}", incident["confirmed_at"].as_str().unwrap());
    for (screen, theme) in [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")] {
        let browser = Browser::open(screen).await;
        for path in [
            "/dashboard",
            "/dashboard?state=down&q=nothing",
            "/dashboard/incidents",
            "/dashboard/incidents/1",
            "/dashboard/incidents/1/note",
            "/dashboard/incidents?class=connect&min_duration=5m",
            "/dashboard?fold=Data&fold=Public+API",
            "/dashboard/services/search?window=30d",
            "/dashboard/services/api?window=1h",
            "/dashboard/review",
            "/dashboard/wall",
            "/dashboard/alerts",
            "/dashboard/silences/new",
            "/dashboard/acknowledge?incidents=1",
            "/dashboard/services/nothing",
            "/dashboard/services/checkout?window=7d",
            "/public",
            &then("/dashboard"),
            &then("/dashboard/services/api"),
            &then("/dashboard/incidents"),
        ] {
            browser.go(&running.page(path)).await;
            browser.run(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
            let here = format!("{path} ({theme}, {} px)", screen.width);
            broken.extend(browser.violations().await.into_iter().map(|rule| format!("{here}: {rule}")));
        }
        browser.close().await;
    }
    assert!(broken.is_empty(), "{broken:#?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_is_written_by_hand_and_open_pages_have_it_at_once() {
    let (running, target) = watching(&format!(
        "{FAST}\nendpoints = [{{ name = \"web\", url = \"http://TARGET/web\" }}]\n[dashboard]\ntoken = \"0123456789abcdef\""
    ))
    .await;
    let (reader, writer) = (Browser::open(DESK).await, Browser::open(PHONE).await);
    target.set("/web", Does::Answer(503));
    reader.go(&running.page("/dashboard")).await;
    reader.until("h1", "web has been down for").await;
    target.set("/web", Does::Answer(200));
    reader.until("h1", "web is up").await;
    let incident = running.get("/api/v1/incidents?status=resolved").await["items"][0]["id"].clone();
    let page = running.page(&format!("/dashboard/incidents/{incident}"));
    reader.go(&page).await;
    reader.run("window.mark = 'the same page'").await;
    writer.go(&page).await;
    writer.click("Write a note").await;
    writer.find("#note").await.send_keys("<b>the switch</b>\nwas replaced").await.unwrap();
    writer.find("#token").await.send_keys("a wrong one").await.unwrap();
    writer.click_on(thirtyfour::By::Css(".write button")).await;
    writer.until("#refused", "This is not the token that is configured.").await;
    assert_eq!(writer.overflow().await, 0);
    assert_eq!(writer.run("return document.querySelector('#note').value").await, "<b>the switch</b>\nwas replaced");
    writer.find("#token").await.send_keys("0123456789abcdef").await.unwrap();
    writer.click_on(thirtyfour::By::Css(".write button")).await;
    writer.until(".written", "<b>the switch</b>").await;
    // The page of an incident that is over does not change by the clock: it was told.
    reader.until(".written", "<b>the switch</b>").await;
    assert_eq!(reader.run("return window.mark").await, "the same page");
    // The refusal is an answer like any other, of which the browser tells its console.
    let complaints = [reader.complaints().await, writer.complaints().await].concat();
    assert!(complaints.iter().all(|line| line.contains("401")), "{complaints:?}");
    writer.close().await;
    reader.close().await;
    running.stop().await;
}

/// That of the README. Nothing is written: there is no such incident.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_takes_notes_from_whoever_has_its_token() {
    let running = demonstration().await;
    let page = running.page("/api/v1/incidents/999999999");
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (token, status) in [("demonstration-only", 404), ("demonstration-else", 401)] {
        let request = reqwest::Client::new().patch(&page).bearer_auth(token);
        let answer = request.header("content-type", "application/json").body(r#"{"note": "x"}"#).send().await.unwrap();
        assert_eq!(answer.status(), status, "{token}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_stays_folded_while_the_page_is_renewed_and_opens_when_something_in_it_fails() {
    let (running, target) = watching(&format!(
        "{FAST}\n[[checks.endpoints]]\nname = \"web\"\ngroup = \"Shop\"\nurl = \"http://TARGET/web\"\n\
         [[checks.endpoints]]\nname = \"api\"\ngroup = \"Platform\"\nurl = \"http://TARGET/api\""
    ))
    .await;
    target.set("/web", Does::Answer(200));
    target.set("/api", Does::Answer(200));
    let browser = Browser::open(DESK).await;
    browser.go(&running.page("/dashboard")).await;
    browser.until("h1", "All 2 services are up").await;
    browser.run("window.mark = 'the same page'").await;
    browser.click("Shop").await;
    browser.until("#group-Shop[aria-expanded=false]", "Shop").await;
    assert_eq!(browser.count("tr[data-service]").await, 1);
    assert_eq!(browser.run("return document.activeElement.id").await, "group-Shop", "the focus stays where it was");
    // A renewal: api goes down and comes back.
    target.set("/api", Does::Answer(503));
    browser.until("h1", "api has been down for").await;
    assert_eq!(browser.count("#group-Shop[aria-expanded=false]").await, 1);
    target.set("/web", Does::Answer(503));
    browser.until("h1", "2 services are down").await;
    assert_eq!(browser.count("tr[data-service]").await, 2, "nothing that is down hides");
    assert_eq!(browser.run("return window.mark").await, "the same page");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    running.stop().await;
}
