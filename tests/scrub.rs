//! A history that is damaged on the disk while nobody reads that part of it: the real file, the real program.

use crate::support::{
    binary::{Serving, wait_for},
    history::{History, result, service},
    target::Target,
};
use healthcheck_dashboard::{clock::Clock, domain::time::UnixMs, shutdown, store::Scrub};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Ten minutes.
const EVERY_MS: i64 = 600_000;

/// A page of a history, and what was there before it was overwritten. The file is as long as it was.
struct Damage {
    path: PathBuf,
    at: u64,
    before: [u8; 4096],
}

impl Damage {
    /// In the middle of the check results.
    fn to(path: &Path) -> Damage {
        let conn = Connection::open(path).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let mut statement =
            conn.prepare("SELECT pageno FROM dbstat WHERE name = 'check_result' ORDER BY path").unwrap();
        let pages: Vec<u64> =
            statement.query_map([], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs())).unwrap().flatten().collect();
        assert!(pages.len() > 10);
        let at = (pages[pages.len() / 2] - 1) * 4096;
        let mut before = [0; 4096];
        let file = File::options().read(true).write(true).open(path).unwrap();
        file.read_exact_at(&mut before, at).unwrap();
        file.write_all_at(&[0xA5; 4096], at).unwrap();
        Damage { path: path.to_owned(), at, before }
    }

    fn mend(self) {
        File::options().write(true).open(self.path).unwrap().write_all_at(&self.before, self.at).unwrap();
    }
}

/// Lets time pass until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    panic!("{what} does not come");
}

#[tokio::test(start_paused = true)]
async fn damage_that_nobody_met_is_found_in_the_next_round_told_once_and_over_when_all_is_sound() {
    let begin = UnixMs::parse("2026-11-16T00:00:00Z").unwrap();
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web")]);
    history.checks("web", begin, &".".repeat(2_000));
    history.at(begin.plus(2_000 * 10_000));
    history.committed().await;
    let (scrub, (trigger, token)) = (Arc::new(Scrub::default()), shutdown::channel());
    let (running, path, writer, clock) =
        (scrub.clone(), history.path(), history.store.writer.clone(), history.clock.clone());
    let task = tokio::spawn(async move { running.run(&path, EVERY_MS, &writer, clock, token).await });
    until("the first reading", || scrub.state().last.is_some()).await;
    assert_eq!(scrub.state().damage, None);
    let site = healthcheck_dashboard::http::state::AppState { scrub: scrub.clone(), ..history.site() };
    let get = async |path: &str| crate::support::history::get(&site, path).await;
    let sound = get("/readyz?verbose=1").await.json();
    assert!(sound["scrub"]["last"].is_string() && sound["scrub"]["damage"].is_null(), "{sound}");
    assert!(!get("/dashboard").await.text().contains("is damaged"));

    let damage = Damage::to(&history.path());
    until("the damage", || scrub.state().damage.is_some()).await;
    let found = history.clock.now();
    // It takes writes: nobody is sent elsewhere for it.
    assert_eq!(get("/readyz").await.json(), json!({"status": "ok"}));
    let said = get("/readyz?verbose=1").await.json();
    assert!(said["scrub"]["damage"].as_str().unwrap().contains("check_result"), "{said}");
    assert!(get("/dashboard").await.text().contains("The history is damaged in "));
    assert!(get("/metrics").await.text().contains("healthcheck_history_damaged 1"));
    let alarm = history.store.writer.next_alarm(0).unwrap();
    assert!(!alarm.is_over && alarm.text.contains("check_result") && alarm.text.contains("restore"), "{}", alarm.text);
    // Checks go on and are stored, and nobody is told a second time.
    history.check("web", result('.', found));
    history.committed().await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(history.store.writer.next_alarm(alarm.number), None);
    assert_eq!(history.store.writer.figures().committed, 2_001);

    damage.mend();
    until("the end of it", || scrub.state().damage.is_none()).await;
    let alarm = history.store.writer.next_alarm(alarm.number).unwrap();
    assert!(alarm.is_over && alarm.text.contains("not damaged any more"), "{}", alarm.text);
    assert!(get("/metrics").await.text().contains("healthcheck_history_damaged 0"));
    trigger.fire();
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_tells_of_a_page_of_noise_and_watches_on() {
    let target = Target::start(Clock::system()).await;
    let folder = tempfile::tempdir().unwrap();
    let config = |storage: &str| {
        let config = format!(
            "[checks]\ninterval_secs = 0.1\n[[checks.endpoints]]\nname = \"web\"\nurl = \"http://{0}/web\"\n\
             [dashboard]\nbind = \"127.0.0.1\"\n[alerts]\nenabled = true\nwebhook = \"http://{0}/hook\"\n{storage}",
            target.address
        );
        fs::write(folder.path().join("config.toml"), config).unwrap();
    };
    let start = async || {
        let place = folder.path().to_owned();
        tokio::task::spawn_blocking(move || Serving::start(&place)).await.unwrap()
    };
    let stored = |serving: &Serving| serving.items("/api/v1/services/web/checks?window=1h&limit=5000").len();
    let path = folder.path().join("data/history.db");
    config("");
    let serving = start().await;
    wait_for("a result", || (stored(&serving) > 0).then_some(()));
    serving.signal(Signal::TERM);
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 5000)
         INSERT INTO check_result (service_id, at, outcome, recheck, latency_us)
         SELECT 1, (SELECT min(at) FROM check_result) - 40 * 86400000 + n * 1000, 0, 0, n FROM n",
    )
    .unwrap();
    drop(conn);
    let _damage = Damage::to(&path);
    let serving = start().await;
    let said = wait_for("the damage", || {
        let said = serving.json("/readyz?verbose=1");
        said["scrub"]["damage"].is_string().then_some(said)
    });
    assert_eq!((serving.json("/readyz"), &said["status"]), (json!({"status": "ok"}), &json!("ok")));
    assert!(serving.get("/dashboard").1.contains("The history is damaged in "));
    wait_for("the alert", || (target.count("/hook") > 0).then_some(()));
    let told: Vec<Value> = target.seen("/hook").iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect();
    assert_eq!((told.len(), &told[0]["event"]), (1, &json!("monitor.failing")));
    assert!(told[0]["text"].as_str().unwrap().contains("the history is damaged in "), "{}", told[0]);
    let log = serving.log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.len() == 1 && errors[0].contains("verify") && errors[0].contains("restore"), "{log}");
    let so_far = stored(&serving);
    wait_for("more results", || (stored(&serving) > so_far + 3).then_some(()));
    serving.signal(Signal::TERM);

    config("[storage]\nscrub = \"off\"\n");
    let serving = start().await;
    assert_eq!(serving.json("/readyz?verbose=1").get("scrub"), None);
    assert!(!serving.get("/metrics").1.contains("history_damaged"));
}
