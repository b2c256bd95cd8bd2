//! Readers and the record: whoever asks, however much and however rudely, takes nothing from checks and commits.

use crate::support::{
    history::{History, ask, get, service},
    net,
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::{
    app::App,
    clock::Clock,
    config,
    domain::time::UnixMs,
    http::state::AppState,
    threads::{Load, Outcome, Pool},
};
use std::{
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// How long anything is waited for, at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps every thread of a pool busy until this is dropped.
struct Occupied {
    _ends: Vec<mpsc::Sender<()>>,
    _work: Vec<Outcome<()>>,
}

fn occupy(pool: &Pool, threads: usize) -> Occupied {
    let mut ends = Vec::new();
    let mut work = Vec::new();
    for _ in 0..threads {
        let (end, ended) = mpsc::channel::<()>();
        work.push(
            pool.run(move |_| {
                let _ = ended.recv();
            })
            .unwrap(),
        );
        ends.push(end);
    }
    Occupied { _ends: ends, _work: work }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = std::time::Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// On a runtime like the program's, but with a single thread for blocking work.
fn on_a_runtime_with_one_blocking_thread(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(1).enable_all().build();
    runtime.unwrap().block_on(test);
}

async fn started(folder: &Path, config: &str) -> App {
    let mut config = config::parse(config, Path::new("config.toml"), &|_| None).unwrap();
    config.storage.path = folder.join("history.db");
    config.dashboard.bind = [127, 0, 0, 1].into();
    config.dashboard.port = 0;
    App::start(config, Clock::system()).await.unwrap()
}

#[test]
fn checks_names_commits_alerts_and_answers_need_no_thread_that_others_can_take() {
    on_a_runtime_with_one_blocking_thread(async {
        let (hooked, mut hooks) = tokio::sync::mpsc::unbounded_channel();
        let hook = net::serve(move |mut stream| {
            let hooked = hooked.clone();
            async move {
                net::read_head(&mut stream).await;
                let _ = stream.write_all(&net::http("200 OK", &[], "")).await;
                let _ = hooked.send(());
            }
        })
        .await;
        // It fails after its first two answers.
        let asked = Arc::new(AtomicUsize::new(0));
        let web = net::serve(move |mut stream| {
            let status = if asked.fetch_add(1, Relaxed) < 2 { "200 OK" } else { "500 No" };
            async move {
                net::read_head(&mut stream).await;
                let _ = stream.write_all(&net::http(status, &[], "")).await;
            }
        })
        .await;
        // For ever.
        let (end, ended) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || {
            let _ = ended.recv();
        });
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[alerts]\nenabled = true\nwebhook = \"http://{hook}/\"\n[checks]\ninterval_secs = 1\ntimeout_secs = 1\nfailure_threshold = 1\n\
             [[checks.endpoints]]\nname = \"web\"\nurl = \"http://localhost:{}/\"\n",
            web.port()
        );
        let app = started(folder.path(), &config).await;
        until("a commit", || app.site.writer.figures().committed > 0).await;
        tokio::time::timeout(PATIENCE, hooks.recv()).await.expect("an alert");
        for path in ["/api/v1/services/web/history", "/api/v1/export", "/dashboard", "/dashboard/review"] {
            let answer = tokio::time::timeout(PATIENCE, get(&app.site, path)).await.expect(path);
            assert_eq!(answer.status, 200, "{path}");
        }
        tokio::time::timeout(PATIENCE, app.stop()).await.expect("the end");
        drop(end);
    });
}

/// One thread for reading, and room for two questions that wait for it.
async fn cramped() -> (History, AppState) {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web")]);
    let begin = UnixMs::parse("2026-11-16T00:00:00Z").unwrap();
    history.checks("web", begin, "..xxx..");
    history.at(begin.plus(70_000));
    history.committed().await;
    let site = AppState { reading: Pool::new("read", 1, 2), exporting: Pool::new("export", 1, 0), ..history.site() };
    (history, site)
}

const QUESTION: &str = "/api/v1/services/web/history";

#[tokio::test]
async fn what_finds_no_place_is_refused_at_once_and_how_things_are_is_still_told() {
    let (_history, site) = cramped().await;
    let occupied = occupy(&site.reading, 1);
    until("a busy thread", || site.reading.load().running == 1).await;
    let asked = |path| {
        let site = site.clone();
        tokio::spawn(async move { get(&site, path).await })
    };
    let (first, second) = (asked(QUESTION), asked("/api/v1/uptime"));
    until("two that wait", || site.reading.load().waiting == 2).await;

    for path in [QUESTION, "/api/v1/review", "/api/v1/incidents", "/api/v1/export", "/health?at=2026-11-16T00:00:30Z"] {
        let refused = get(&site, path).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("content-type")),
            (503, "application/problem+json"),
            "{path}"
        );
        assert_eq!(refused.header("retry-after"), "5", "{path}");
        assert!(refused.text().contains("too many queries"), "{}", refused.text());
    }
    for path in ["/dashboard/services/web", "/dashboard/incidents", "/dashboard/review"] {
        let refused = get(&site, path).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "5"), "{path}");
        assert!(refused.text().contains("Too many queries"), "{}", refused.text());
    }
    for path in ["/livez", "/readyz", "/readyz?verbose=1", "/health", "/health/web", "/health?verbose=1", "/metrics"] {
        let answer = get(&site, path).await;
        assert!(answer.status == 200 || path == "/livez", "{path}: {} {}", answer.status, answer.text());
    }
    assert_eq!(site.reading.load(), Load { running: 1, waiting: 2 });

    drop(occupied);
    assert_eq!((first.await.unwrap().status.as_u16(), second.await.unwrap().status.as_u16()), (200, 200));
    assert_eq!(get(&site, QUESTION).await.status, 200);
}

#[tokio::test]
async fn exports_have_an_end_in_number_of_their_own() {
    let (_history, site) = cramped().await;
    let occupied = occupy(&site.exporting, 1);
    let refused = get(&site, "/api/v1/export").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "5"));
    assert_eq!(get(&site, QUESTION).await.status, 200);
    drop(occupied);
    until("a free thread", || site.exporting.load().running == 0).await;
    assert_eq!(get(&site, "/api/v1/export").await.status, 200);
}

#[test]
fn a_client_that_hangs_up_gives_its_place_back() {
    on_a_runtime_with_one_blocking_thread(async {
        let folder = tempfile::tempdir().unwrap();
        let config = "[[checks.endpoints]]\nname = \"web\"\nurl = \"http://127.0.0.1:9/\"\ninterval_secs = 3600\n";
        let app = started(folder.path(), config).await;
        let occupied = occupy(&app.site.reading, 4);
        let paths = [QUESTION, "/dashboard/services/web", "/badge/web/uptime.svg", "/api/v1/export"];
        let mut clients = Vec::new();
        for path in paths {
            let mut client = TcpStream::connect(app.address).await.unwrap();
            client.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
            clients.push(client);
        }
        until("questions that wait", || app.site.reading.load().waiting == paths.len()).await;
        drop(clients);
        until("an empty queue", || app.site.reading.load().waiting == 0).await;
        drop(occupied);
        assert_eq!(get(&app.site, QUESTION).await.status, 200);
        app.stop().await;
    });
}

#[tokio::test]
async fn a_note_is_refused_while_nothing_can_be_asked() {
    let (_history, site) = cramped().await;
    let site = AppState { token: Some(healthcheck_dashboard::domain::secret::Secret::new("let-me-in")), ..site };
    let _occupied = occupy(&site.reading, 3);
    let request = Request::patch("/api/v1/incidents/1")
        .header("authorization", "Bearer let-me-in")
        .header("content-type", "application/json");
    let answer = ask(&site, request.body(Body::from(r#"{"note":"seen"}"#)).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"), "{}", answer.text());
}
