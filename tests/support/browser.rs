//! A real browser: Debian's chromium, driven by its chromedriver.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{LazyLock, Mutex},
    time::Duration,
};
use thirtyfour::{prelude::*, session::handle::SessionHandle};

/// What a reader has before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) script: bool,
    pub(crate) dark: bool,
}

pub(crate) const DESK: Screen = Screen { width: 1440, height: 1000, script: true, dark: false };
pub(crate) const PHONE: Screen = Screen { width: 390, height: 844, script: true, dark: false };

/// A browser and its driver.
///
/// It takes a second of work to start one. So a test that has come to its end leaves its browser, wiped, to the next one
/// that wants such a screen; a test that failed takes its browser with it.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    screen: Screen,
    address: String,
    _process: Process,
}

/// What a browser is for its whole life.
#[derive(Clone, Copy, PartialEq)]
struct Kind {
    phone: bool,
    script: bool,
}

/// Browsers that a test has done with.
static IDLE: Mutex<Vec<(Kind, Browser)>> = Mutex::new(Vec::new());

/// Speaks with drivers. A connection belongs to the runtime of the test that made it and is not kept for another.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    // It wants one although it speaks plain HTTP. This fails where another test was faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(120)).build().unwrap()
});

impl Screen {
    /// Windows are never narrower than 500 pixels; phones are.
    fn kind(self) -> Kind {
        Kind { phone: self.width < 500, script: self.script }
    }
}

impl Browser {
    pub(crate) async fn open(screen: Screen) -> Browser {
        let idle = {
            let mut idle = IDLE.lock().unwrap();
            let fits = idle.iter().position(|(kind, _)| *kind == screen.kind());
            fits.map(|at| idle.swap_remove(at).1)
        };
        let browser = match idle {
            Some(browser) => Browser { screen, ..browser },
            None => Browser::start(screen).await,
        };
        if !screen.kind().phone {
            browser.driver.set_window_rect(0, 0, screen.width, screen.height).await.unwrap();
        }
        // A page that came after another one may not have the focus, without which nothing in it has.
        browser.devtools("Emulation.setFocusEmulationEnabled", json!({"enabled": true})).await;
        if screen.dark {
            let features = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
            browser.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
        }
        browser
    }

    async fn start(screen: Screen) -> Browser {
        let (process, profile, port) = start_driver();
        let address = format!("http://127.0.0.1:{port}");
        let mut caps = DesiredCapabilities::chrome();
        for arg in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--lang=en-GB",
        ] {
            caps.add_arg(arg).unwrap();
        }
        caps.add_arg(&format!("--user-data-dir={}", profile.display())).unwrap();
        if screen.kind().phone {
            // The driver's taps do not end on a page that may not run scripts: there it clicks.
            let touch = screen.script;
            let metrics = json!({"width": screen.width, "height": screen.height, "pixelRatio": 1.0, "touch": touch});
            caps.add_experimental_option("mobileEmulation", json!({"deviceMetrics": metrics})).unwrap();
        }
        if !screen.script {
            let prefs = json!({"profile.managed_default_content_settings.javascript": 2});
            caps.add_experimental_option("prefs", prefs).unwrap();
        }
        caps.set("goog:loggingPrefs", json!({"browser": "ALL"})).unwrap();
        // On a machine that is busy with other tests a browser may not be there in the time that its driver gives it.
        let mut driver = Err(String::new());
        for _ in 0..3 {
            let asked = WebDriver::builder(&address, caps.clone()).client(CLIENT.clone());
            driver = asked.await.map_err(|error| error.to_string());
            if driver.is_ok() {
                break;
            }
        }
        let driver = driver.unwrap_or_else(|error| panic!("no browser: {error}"));
        Browser { driver, screen, address, _process: process }
    }

    /// Leaves it to the next test, with nothing of this one: its page ends, and what the page was and had is forgotten.
    pub(crate) async fn close(self) {
        // A page of its own has its own history, its own emulated line and screen, and its own storage of a session.
        let old = self.driver.window().await.unwrap();
        let new = self.driver.new_tab().await.unwrap();
        self.driver.switch_to_window(old).await.unwrap();
        self.driver.close_window().await.unwrap();
        self.driver.switch_to_window(new).await.unwrap();
        let everything = json!({"origin": "*", "storageTypes": "all"});
        self.devtools("Storage.clearDataForOrigin", everything).await;
        self.devtools("Network.clearBrowserCookies", json!({})).await;
        self.devtools("Network.clearBrowserCache", json!({})).await;
        self.complaints().await;
        IDLE.lock().unwrap().push((self.screen.kind(), self));
    }

    async fn devtools(&self, command: &str, params: Value) -> Value {
        let said = self.post("goog/cdp/execute", json!({"cmd": command, "params": params})).await;
        assert!(said["value"].get("error").is_none(), "{command}: {said}");
        said
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let handle: &SessionHandle = &self.driver;
        let url = format!("{}/session/{}/{path}", self.address, handle.session_id());
        let body = serde_json::to_vec(&body).unwrap();
        let answer = CLIENT.post(url).body(body).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// What the console has said since the last time: breaches of the content policy and errors of the script stand here.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"})).await;
        let entries = log["value"].as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|e| e["level"] == "SEVERE" || e["level"] == "WARNING");
        severe.map(|e| e["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) async fn go(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// The text of the first thing that matches, as it is rendered. A page that renews itself may replace a thing after it
    /// was found: then it is looked for again.
    pub(crate) async fn text(&self, css: &str) -> String {
        let mut last = String::new();
        for _ in 0..20 {
            match self.find(css).await.text().await {
                Ok(text) => return plain(&text),
                Err(error) => last = error.to_string(),
            }
        }
        panic!("{css} cannot be read: {last}");
    }

    pub(crate) async fn find(&self, css: &str) -> WebElement {
        match self.driver.find(By::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("there is no {css} on {}: {error}", self.driver.current_url().await.unwrap()),
        }
    }

    /// The moments that some `<time>` elements name.
    pub(crate) async fn find_all_times(&self, css: &str) -> Vec<String> {
        let found = self.run(&format!("return [...document.querySelectorAll('{css}')].map(t => t.dateTime)")).await;
        found.as_array().unwrap().iter().map(|time| time.as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn count(&self, css: &str) -> usize {
        self.driver.find_all(By::Css(css)).await.unwrap().len()
    }

    /// Clicks a link by what it says.
    pub(crate) async fn click(&self, said: &str) {
        self.click_on(By::LinkText(said)).await;
    }

    /// Clicks. A page that renews itself may replace a thing after it was found: then it is looked for again, as a reader
    /// would not even notice.
    pub(crate) async fn click_on(&self, by: By) {
        let mut last = String::new();
        for _ in 0..20 {
            match self.driver.find(by.clone()).await {
                Ok(element) => match element.click().await {
                    Ok(()) => return,
                    Err(error) => last = error.to_string(),
                },
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{by:?} cannot be clicked: {last}");
    }

    /// Waits until a text has become another one, half a minute at most.
    pub(crate) async fn until_other(&self, css: &str, than: &str) {
        for _ in 0..300 {
            if let Ok(element) = self.driver.find(By::Css(css)).await
                && let Ok(text) = element.text().await
                && plain(&text) != than
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{css} still says “{than}”");
    }

    /// Waits until so many things match, half a minute at most.
    pub(crate) async fn until_count(&self, css: &str, wanted: usize) {
        let mut last = 0;
        for _ in 0..300 {
            last = self.driver.find_all(By::Css(css)).await.map_or(last, |found| found.len());
            if last == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{last} × {css} instead of {wanted} on {}", self.driver.current_url().await.unwrap());
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.unwrap().json().clone()
    }

    /// Waits until a text shows up, half a minute at most.
    pub(crate) async fn until(&self, css: &str, wanted: &str) {
        let mut last = String::new();
        for _ in 0..300 {
            if let Ok(element) = self.driver.find(By::Css(css)).await
                && let Ok(text) = element.text().await
            {
                last = plain(&text);
                if last.contains(wanted) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{css} never said “{wanted}”, but “{last}”");
    }

    /// Waits until a script returns `true`, half a minute at most; also across a change of the page.
    pub(crate) async fn until_true(&self, script: &str) {
        for _ in 0..300 {
            if let Ok(said) = self.driver.execute(script, vec![]).await
                && said.json() == &Value::Bool(true)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never true on {}: {script}", self.driver.current_url().await.unwrap());
    }

    /// What axe-core says against the page: a line for each rule that is broken, with the first place.
    pub(crate) async fn violations(&self) -> Vec<String> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/npm/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(path).expect("axe-core is missing: tests/run installs it");
        let script = format!(
            "{axe}; const done = arguments[arguments.length - 1];
             axe.run(document, {{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }})
                .then(r => done(r.violations.map(v => v.id + ': ' + v.nodes.length + ' × ' + v.nodes[0].html.slice(0, 160) + ' | ' + (v.nodes[0].failureSummary || '').slice(0, 300))))
                .catch(e => done(['axe failed: ' + e]))"
        );
        let said = self.driver.execute_async(&script, vec![]).await.unwrap();
        said.json().as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    /// How far the page is wider than the screen, in pixels.
    pub(crate) async fn overflow(&self) -> i64 {
        let wider =
            self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        wider.as_i64().unwrap()
    }

    /// Has everything come as slowly as over a bad telephone line, and some addresses not at all.
    pub(crate) async fn on_a_slow_line(&self, blocked: &[&str]) {
        let line = json!({"offline": false, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 90_000});
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.emulateNetworkConditions", line).await;
        self.devtools("Network.setCacheDisabled", json!({"cacheDisabled": true})).await;
        self.devtools("Network.setBlockedURLs", json!({ "urls": blocked })).await;
    }

    /// How much of what is seen has moved how far since the page was asked for, as browsers measure it.
    pub(crate) async fn moved(&self) -> f64 {
        let script = "const done = arguments[arguments.length - 1];
            let sum = 0;
            new PerformanceObserver(list => { for (const shift of list.getEntries()) sum += shift.value; })
                .observe({ type: 'layout-shift', buffered: true });
            setTimeout(() => done(sum), 1000);";
        let sum = self.driver.execute_async(script, vec![]).await.unwrap();
        sum.json().as_f64().unwrap()
    }

    /// Gives the page a window of a size in pixels.
    async fn measured(&self, width: u32, height: u32) {
        let mobile = width < 500;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Keeps a picture for people to look at.
    pub(crate) async fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        std::fs::create_dir_all(&folder).unwrap();
        // All of the page, or as much of it as somebody would scroll through.
        let whole = self.run("return document.documentElement.scrollHeight").await.as_i64().unwrap().min(5000);
        let Screen { width, height, .. } = self.screen;
        self.measured(width, u32::try_from(whole).unwrap().max(height)).await;
        self.driver.screenshot(&folder.join(format!("{name}.png"))).await.unwrap();
        self.measured(width, height).await;
    }
}

/// A driver and its browser. Both end, and their folder goes, with this, or with the process of the tests: idle browsers
/// are never dropped.
struct Process {
    shell: Child,
    /// Open as long as the driver is, which might have something to say.
    _said: BufReader<ChildStdout>,
}

/// Runs the driver, whose child the browser is, until nobody is at the other end of the standard input.
const DRIVER: &str = r#"
    set -m
    chromedriver --port=0 2>/dev/null </dev/null &
    exec >&-
    read -r
    kill -KILL -- -$! 2>/dev/null
    wait
    rm -rf "$0"
"#;

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Starts a driver and waits until it says at which port it listens; and the folder that its browser may fill.
///
/// It takes a free port of its own: one that was found free here might be taken before it is there. But it takes the
/// port for IPv6 first and ends if a server of another test has the same port for IPv4, so it is started again.
fn start_driver() -> (Process, PathBuf, u16) {
    let mut all = String::new();
    for _ in 0..20 {
        let profile = tempfile::tempdir().unwrap().keep();
        let mut shell = Command::new("bash")
            .args(["-c", DRIVER])
            .arg(&profile)
            // What ends the tests by hand does not end it before them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this needs bash");
        let mut said = BufReader::new(shell.stdout.take().unwrap());
        let port = port_of(&mut said, &mut all);
        let process = Process { shell, _said: said };
        if let Some(port) = port {
            return (process, profile, port);
        }
    }
    panic!("chromedriver did not start, or is missing (tests/run installs it): {all}");
}

/// The port that a driver says it listens at; nothing if it ends before. What it said is added to `all`.
fn port_of(driver: &mut impl BufRead, all: &mut String) -> Option<u16> {
    let mut line = String::new();
    while driver.read_line(&mut line).unwrap() > 0 {
        all.push_str(&line);
        if let Some((_, port)) = line.trim_end().rsplit_once("started successfully on port ") {
            return Some(port.trim_end_matches('.').parse().unwrap());
        }
        line.clear();
    }
    None
}

/// A text with ordinary spaces.
pub(crate) fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}
