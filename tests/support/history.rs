//! Histories made by hand through the real writer, and the real router over them.

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    calendar::Planned,
    clock::Clock,
    domain::{
        check::{CheckResult, Class, Outcome, Phase, PhaseTimes, Reason},
        health::{Changes, Confirmed},
        maintenance::Overlay,
        service::{CheckSchedule, Commands, Kind, Service, Thresholds},
        time::{DAY_MS, HOUR_MS, UnixMs},
        window::Window,
    },
    history::cached_stats::StatsCache,
    http::state::AppState,
    interchange::{
        export::{self, Format, Order},
        import,
    },
    live::ServiceId,
    scheduler::SchedulerHealth,
    server,
    store::{
        Configured, MaintenanceTasks, Merge, Reader, Record, ResumePoint, RetentionPolicy, Retiring, Store,
        WatchedService,
    },
};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const KEEP: RetentionPolicy = RetentionPolicy::FOREVER;

/// Checked every 10 s with a timeout of 5 s: a result speaks for 25 s at most. Down at 3 failures, up at 2 passes.
pub(crate) fn service(name: &str) -> Service {
    Service {
        name: name.into(),
        group: None,
        description: None,
        kind: Kind::Http,
        target: "http://web:3000/".into(),
        critical: true,
        enabled: true,
        cadence: CheckSchedule { interval_ms: 10_000, timeout_ms: 5_000, retry_interval_ms: 2_000 },
        thresholds: Thresholds { failure: 3, success: 2 },
        degraded_after_ms: None,
        is_degraded_when_unusual: false,
        at_most: None,
        objective: None,
    }
}

pub(crate) fn watched(service: Service) -> WatchedService {
    WatchedService {
        configured: Configured { service, renamed_from: None, depends_on: Vec::new() },
        settings: serde_json::json!({"interval_ms": 10_000}).into(),
    }
}

/// What a check of this letter says: `.` up, `~` degraded, `x` down, `?` unknown.
pub(crate) fn result(letter: char, at: UnixMs) -> CheckResult {
    let reason = |class, phase, message: &str| Some(Reason { class, phase, message: message.to_owned() });
    let (outcome, latency_us, http_status, reason) = match letter {
        '.' => (Outcome::Up, Some(24_400), Some(200), None),
        '~' => (Outcome::Degraded, Some(900_000), Some(200), reason(Class::Slow, None, "slower than 800 ms")),
        'x' => {
            let why = reason(Class::HttpStatus, Some(Phase::Ttfb), "HTTP 503, expected 200–399");
            (Outcome::Down, Some(31_000), Some(503), why)
        }
        '?' => (Outcome::Unknown, None, None, reason(Class::Monitor, None, "the check started too late to count")),
        other => panic!("{other:?} is no outcome"),
    };
    let ran = latency_us.is_some();
    let phases = PhaseTimes {
        dns_us: ran.then_some(400),
        connect_us: ran.then_some(900),
        tls_us: None,
        ttfb_us: ran.then_some(20_000),
    };
    CheckResult { at, outcome, latency_us, phases, http_status, certificate_days: None, reason, recheck: false }
}

/// A check result that says no more than this.
pub(crate) fn bare_result(at: UnixMs, outcome: Outcome, latency_us: u32) -> CheckResult {
    let (class, message) = match outcome {
        Outcome::Degraded => (Class::Slow, "slower than 800 ms".to_owned()),
        _ => (Class::HttpStatus, format!("HTTP {}", 500 + latency_us % 3)),
    };
    CheckResult {
        at,
        outcome,
        latency_us: Some(latency_us),
        phases: PhaseTimes::default(),
        http_status: None,
        certificate_days: None,
        reason: (outcome != Outcome::Up).then_some(Reason { class, phase: None, message }),
        recheck: false,
    }
}

/// What the writer is told of a check result that left nothing else.
pub(crate) fn record(service: ServiceId, result: CheckResult, changes: Changes, confirmed: Confirmed) -> Record {
    Record { service, result, excerpt: None, certificate_expires_at: None, changes, confirmed }
}

/// All of a history, as it was known at `now`.
pub(crate) fn export(path: &Path, format: Format, now: UnixMs) -> String {
    let reader = Reader::open(path).unwrap();
    let services = reader.services().unwrap();
    let window = Window::new(UnixMs::MIN, now.plus(400 * DAY_MS)).unwrap();
    let mut bytes = Vec::new();
    export::write(&reader, &Order { format, window, services, commands: Commands::Whole, now }, &mut bytes, |_| ())
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Takes exports in, one after the other, all or none.
pub(crate) fn import(path: &Path, documents: &[&str]) {
    let mut merge = Merge::open(path).unwrap();
    for document in documents {
        import::read(&mut document.as_bytes(), &mut merge, UnixMs(i64::MAX)).unwrap();
        merge.end(|_| ()).unwrap();
    }
    merge.commit().unwrap();
}

/// Seals every day of a history that can be; how many are sealed then.
pub(crate) fn seal(path: &Path) -> i64 {
    let keep = RetentionPolicy { rows: Some(1), ..KEEP };
    let (mut upkeep, mut retiring) = (MaintenanceTasks::open(path).unwrap(), Retiring::default());
    while upkeep.retire(&mut retiring, keep, UnixMs::MAX).unwrap() {}
    drop(upkeep);
    sealed_days(path)
}

/// Makes rows again of every sealed day.
pub(crate) fn unseal(path: &Path) {
    let mut upkeep = MaintenanceTasks::open(path).unwrap();
    for service in upkeep.services().unwrap() {
        while let Some(day) = upkeep.unseal_next(service.id, UnixMs(i64::MAX)).unwrap() {
            day.results.unwrap();
        }
    }
}

pub(crate) fn sealed_days(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM sealed_day", [], |row| row.get(0)).unwrap()
}

/// A history under way.
pub(crate) struct History {
    pub(crate) store: Store,
    /// Moved by [`History::at`] and by nothing else.
    pub(crate) clock: Clock,
    positions: HashMap<String, (Service, ResumePoint)>,
    folder: TempDir,
    keep: RetentionPolicy,
    planned: Vec<Planned>,
}

impl History {
    /// A new one, that begins at this time.
    pub(crate) fn new(begin: &str, services: Vec<Service>) -> History {
        History::kept(begin, services, KEEP)
    }

    /// A new one that does not keep everything.
    pub(crate) fn kept(begin: &str, services: Vec<Service>, keep: RetentionPolicy) -> History {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::pinned(UnixMs::parse(begin).unwrap());
        History::open(folder, clock, services.into_iter().map(watched).collect(), keep, Vec::new())
    }

    fn open(
        folder: TempDir,
        clock: Clock,
        all: Vec<WatchedService>,
        keep: RetentionPolicy,
        planned: Vec<Planned>,
    ) -> History {
        let services: Vec<Service> = all.iter().map(|watched| watched.configured.service.clone()).collect();
        let path = folder.path().join("history.db");
        let store =
            Store::open(&path, all, planned.clone(), Routing::to_all(["webhook"]), keep, clock.clone()).unwrap();
        let positions =
            services.iter().zip(&store.resume_points).map(|(s, p)| (s.name.clone(), (s.clone(), p.clone()))).collect();
        History { store, clock, positions, folder, keep, planned }
    }

    /// A new one with maintenance that is announced.
    pub(crate) fn announced(begin: &str, services: Vec<Service>, planned: Vec<Planned>) -> History {
        let clock = Clock::pinned(UnixMs::parse(begin).unwrap());
        let services = services.into_iter().map(watched).collect();
        History::open(tempfile::tempdir().unwrap(), clock, services, KEEP, planned)
    }

    /// Stops the monitor and starts it again, with these services.
    pub(crate) async fn restart(self, services: Vec<Service>) -> History {
        self.restart_as(services.into_iter().map(watched).collect()).await
    }

    /// A new one of `web` that keeps single checks for a day: of three at its begin only the sums are left, three are of
    /// the moment that is given too, and it is an hour later.
    pub(crate) async fn with_a_retired_past(begin: &str) -> (History, UnixMs) {
        let keep = RetentionPolicy { checks: Some(1), ..RetentionPolicy::FOREVER };
        let mut history = History::kept(begin, vec![service("web")], keep);
        let begin = UnixMs::parse(begin).unwrap();
        let late = begin.plus(5 * DAY_MS);
        for from in [begin, late] {
            history.checks("web", from, "...");
        }
        history.at(late.plus(HOUR_MS));
        history.committed().await;
        // Old rows are retired a minute after a start at the earliest.
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        history.at(late.plus(HOUR_MS));
        (history, late)
    }

    /// The same, with whatever goes with the services.
    pub(crate) async fn restart_as(self, services: Vec<WatchedService>) -> History {
        let planned = self.planned.clone();
        let (folder, clock, keep) = self.stop().await;
        History::open(folder, clock, services, keep, planned)
    }

    /// Stops the monitor, does something to the file, and starts it again.
    pub(crate) async fn meanwhile<T>(self, services: Vec<Service>, what: impl FnOnce(&Path) -> T) -> (History, T) {
        let planned = self.planned.clone();
        let (folder, clock, keep) = self.stop().await;
        let done = what(&folder.path().join("history.db"));
        (History::open(folder, clock, services.into_iter().map(watched).collect(), keep, planned), done)
    }

    async fn stop(self) -> (TempDir, Clock, RetentionPolicy) {
        let History { store, clock, folder, keep, .. } = self;
        let now = clock.now();
        store.stop().await;
        clock.step(now.since(clock.now()));
        (folder, clock, keep)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    /// Sets the clock.
    pub(crate) fn at(&self, time: UnixMs) {
        self.clock.step(time.since(self.clock.now()));
    }

    /// One result.
    pub(crate) fn check(&mut self, name: &str, result: CheckResult) {
        self.check_with(name, result, None);
    }

    /// One result of a failed check, with the beginning of the answer.
    pub(crate) fn check_with(&mut self, name: &str, result: CheckResult, excerpt: Option<&str>) {
        let (service, position) = self.positions.get_mut(name).unwrap();
        let since = position.health.last_at.unwrap_or(result.at);
        let maintenance = position.timetable.announced(Window::new(since, result.at.plus(1)).unwrap());
        let changes = position.health.observe(service.thresholds, result.at, result.outcome, &maintenance);
        let record = record(position.id, result, changes, position.health.confirmed);
        self.store.writer.record(Record { excerpt: excerpt.map(str::to_owned), ..record });
    }

    /// One result that finds no room.
    pub(crate) fn record_dropped(&self, name: &str, result: CheckResult) {
        let (service, position) = &self.positions[name];
        let mut health = position.health;
        let changes = health.observe(service.thresholds, result.at, result.outcome, &Overlay::NONE);
        self.store.writer.record_dropped(record(position.id, result, changes, health.confirmed));
    }

    /// A result every 10 s from `from` on, one for each letter; a space is a check that did not happen.
    pub(crate) fn checks(&mut self, name: &str, from: UnixMs, letters: &str) {
        for (i, letter) in letters.chars().enumerate().filter(|(_, letter)| *letter != ' ') {
            self.check(name, result(letter, from.plus(i as i64 * 10_000)));
        }
    }

    /// Returns when everything is committed; the clock reads what it read before.
    pub(crate) async fn committed(&self) {
        let now = self.clock.now();
        while self.store.writer.figures().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.at(now);
    }

    pub(crate) fn site(&self) -> AppState {
        AppState {
            attempts: Arc::default(),
            live: self.store.live.clone(),
            reader: self.store.reader.clone(),
            limits: Arc::default(),
            reading: AppState::reading(),
            exporting: AppState::exporting(),
            writer: self.store.writer.clone(),
            scheduler: Arc::new(SchedulerHealth::default()),
            clock: self.clock.clone(),
            backups: Arc::default(),
            scrub: Arc::default(),
            channels: Arc::from([]),
            channels_health: healthcheck_dashboard::alerts::ChannelsHealth::default(),
            title: "Healthcheck".into(),
            base_path: "".into(),
            figures: Arc::new(StatsCache::default()),
            templates: healthcheck_dashboard::render::Templates::new(),
            pages: Arc::default(),
            public: None,
            dashboard: true,
            commands: Commands::Program,
            token: None,
            pushes: Arc::default(),
            push_attempts: Arc::default(),
            trusted: Arc::from([]),
            started_at: self.clock.now(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(&self.site(), path).await
    }
}

/// An answer of the router.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {}: {:?}", self.status, self.text()))
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }
}

pub(crate) async fn get(site: &AppState, path: &str) -> Answer {
    ask(site, Request::get(path).body(Body::empty()).unwrap()).await
}

pub(crate) async fn send(site: &AppState, method: Method, path: &str) -> Answer {
    ask(site, Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
}

pub(crate) async fn ask(site: &AppState, request: Request<Body>) -> Answer {
    let response = server::router(site.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Windows between `begin` and `now`: the whole, and of each pair (in millionths of the whole) three, of which one has whole
/// hours and one begins with a day.
pub(crate) fn windows_within(begin: i64, now: UnixMs, pairs: &[(i64, i64)]) -> Vec<Window> {
    let whole = i128::from(now.0 - begin);
    let at = |share: i64| UnixMs(begin + (whole * i128::from(share) / 1_000_000) as i64);
    let mut windows = vec![Window::new(UnixMs(begin), now).unwrap()];
    for &(a, b) in pairs {
        let (from, to) = (at(a.min(b)), at(a.max(b)).plus(1));
        windows.extend(Window::new(from, to.min(now)));
        windows.extend(Window::new(from.floor(HOUR_MS), to.floor(HOUR_MS)));
        windows.extend(Window::new(from.floor(DAY_MS), to.min(now)));
    }
    windows
}
