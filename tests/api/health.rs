//! `/health`, and whether the monitor itself is well.

use super::{ODD, begin, five_minutes, time};
use crate::support::history::{Answer, History, ask, get, result, service};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::{
    calendar::{Planned, Rule, When},
    domain::{
        service::Service,
        time::{DAY_MS, UnixMs},
        window::Window,
    },
};
use std::{
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
};

#[tokio::test(start_paused = true)]
async fn the_body_is_the_requests_shape_to_the_byte() {
    let mut history = History::new(super::BEGIN, vec![service("web"), service("api"), service("db")]);
    history.checks("web", begin(), ".");
    history.checks("api", begin(), ".");
    history.at(begin().plus(5_321));
    history.committed().await;
    let answer = history.get("/health").await;
    assert_eq!(
        answer.text(),
        r#"{"timestamp":"2026-11-16T00:00:05Z","status":"unknown","services":{"web":{"ok":true,"response_time_ms":24},"api":{"ok":true,"response_time_ms":24},"db":{"ok":false,"response_time_ms":null}}}"#
    );
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    history.checks("db", begin(), ".");
    history.committed().await;
    let answer = history.get("/health").await;
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str().unwrap()), (200, "healthy"));
}

/// The overall status and the HTTP status, for services with these results (and whether they are critical).
async fn overall(services: &[(&str, bool)]) -> (String, u16) {
    let name = |i: usize| format!("s{i}");
    let all = services.iter().enumerate().map(|(i, s)| Service { critical: s.1, ..service(&name(i)) }).collect();
    let mut history = History::new(super::BEGIN, all);
    for (i, (letters, _)) in services.iter().enumerate() {
        history.checks(&name(i), begin(), letters);
    }
    history.at(begin().plus(50_000));
    history.committed().await;
    let answer = history.get("/health").await;
    (answer.json()["status"].as_str().unwrap().to_owned(), answer.status.as_u16())
}

#[tokio::test(start_paused = true)]
async fn the_whole_is_as_bad_as_its_worst_critical_service() {
    let expect = |word: &str, code| (word.to_owned(), code);
    assert_eq!(overall(&[(".....", true), (".....", true)]).await, expect("healthy", 200));
    assert_eq!(overall(&[(".....", true), ("....~", true)]).await, expect("degraded", 200));
    assert_eq!(overall(&[("....~", true), ("", true)]).await, expect("unknown", 503));
    assert_eq!(overall(&[(".....", true), ("..", true)]).await, expect("unknown", 503));
    assert_eq!(overall(&[("", true), ("..xxx", true)]).await, expect("unhealthy", 503));
    // Failing, but not confirmed yet, and recovering, but not confirmed either.
    assert_eq!(overall(&[("...xx", true)]).await, expect("healthy", 200));
    assert_eq!(overall(&[(".xxx.", true)]).await, expect("unhealthy", 503));
    // A service that is not critical makes the whole degraded at worst.
    assert_eq!(overall(&[("..xxx", false)]).await, expect("degraded", 200));
    assert_eq!(overall(&[("", false), (".....", true)]).await, expect("degraded", 200));
    assert_eq!(overall(&[]).await, expect("healthy", 200));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_no_longer_speaks_makes_a_service_unknown_and_not_ok() {
    let mut history = History::new(super::BEGIN, vec![service("web")]);
    history.checks("web", begin(), ".");
    // What a check and its commit may take at the most is 5 s more than its 25 s of validity.
    history.at(begin().plus(29_999));
    history.committed().await;
    assert_eq!(history.get("/health").await.status, 200);
    history.at(begin().plus(30_000));
    let answer = history.get("/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["services"]["web"], serde_json::json!({"ok": false, "response_time_ms": 24}));
}

#[tokio::test(start_paused = true)]
async fn verbose_says_why_and_since_when() {
    let history = five_minutes().await;
    let body = history.get("/health?verbose=1").await.json();
    assert_eq!(
        body["services"]["flap b"],
        serde_json::json!({
            "ok": false, "response_time_ms": 31, "status": "down", "since": time(300.0), "last_check": time(300.0),
            "last_check_age_ms": 10_000,
            "failure": {"class": "http_status", "phase": "ttfb", "message": "HTTP 503, expected 200–399"},
            "certificate_days": null, "critical": true, "pending_store": 0,
        })
    );
    assert_eq!(body["services"]["web"]["since"], time(140.0));
    assert_eq!(body["services"]["paused"]["status"], "paused");
    let brief = history.get("/health?verbose=0").await.json();
    assert_eq!(brief["services"]["flap b"].as_object().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_health_json_gets_the_drafts_form() {
    let history = five_minutes().await;
    let request =
        |path: &str| Request::get(path).header("accept", "application/health+json").body(Body::empty()).unwrap();
    let answer = ask(&history.site(), request("/health")).await;
    assert_eq!(answer.header("content-type"), "application/health+json");
    assert_eq!(answer.status, 503);
    let body = answer.json();
    assert_eq!(body["status"], "fail");
    assert_eq!(body["checks"]["flap b:responseTime"][0]["status"], "fail");
    assert_eq!(body["checks"]["web:responseTime"][0]["status"], "pass");
    assert_eq!(body["checks"]["web:responseTime"][0]["observedUnit"], "ms");
    let answer = ask(&history.site(), request("/health/web")).await;
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str().unwrap()), (200, "pass"));
}

#[tokio::test(start_paused = true)]
async fn one_service_is_found_by_its_percent_encoded_name() {
    let history = five_minutes().await;
    let answer = history.get("/health/a%2Fb%20%C3%BC%3F").await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["services"].as_object().unwrap().keys().collect::<Vec<_>>(), [ODD]);
    assert_eq!(history.get("/health/flap%20b").await.status, 503);
    let answer = history.get("/health/nothing").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.json()["detail"].as_str().unwrap().contains("nothing"));
}

#[tokio::test(start_paused = true)]
async fn one_service_that_is_asked_for_by_name_is_answered_200_exactly_while_it_is_ok() {
    let lesser = Service { critical: false, ..service("lesser") };
    let idle = Service { critical: false, ..service("idle") };
    let off = Service { enabled: false, ..service("off") };
    let whole_day = UnixMs::parse(super::BEGIN).unwrap();
    let cared_for = Planned {
        rule: Arc::new(Rule::new(When::Once(Window::new(whole_day, whole_day.plus(DAY_MS)).unwrap()))),
        services: Some(vec!["cared for".into()]),
        reason: "new disks".into(),
    };
    let services = vec![service("web"), service("slow"), service("down"), lesser, idle, off, service("cared for")];
    let mut history = History::announced(super::BEGIN, services, vec![cared_for]);
    for (name, letters) in
        [("web", "....."), ("slow", "....~"), ("down", "..xxx"), ("lesser", "..xxx"), ("cared for", ".....")]
    {
        history.checks(name, begin(), letters);
    }
    history.at(begin().plus(50_000));
    history.committed().await;
    for (name, code, word, status, draft) in [
        ("web", 200, "healthy", "up", "pass"),
        ("slow", 200, "degraded", "degraded", "warn"),
        ("down", 503, "unhealthy", "down", "fail"),
        ("lesser", 503, "unhealthy", "down", "fail"),
        ("idle", 503, "unknown", "pending", "fail"),
        ("off", 503, "unknown", "paused", "fail"),
        ("cared%20for", 503, "unknown", "maintenance", "fail"),
    ] {
        for at in ["", "&at=2026-11-16T00:00:50Z"] {
            let answer = history.get(&format!("/health/{name}?verbose=1{at}")).await;
            let body = answer.json();
            let of_it = body["services"].as_object().unwrap().values().next().unwrap();
            assert_eq!((answer.status.as_u16(), &body["status"]), (code, &word.into()), "{name}: {body}");
            assert_eq!((&of_it["status"], &of_it["ok"]), (&status.into(), &(code == 200).into()), "{name}: {body}");
        }
        let request = Request::get(format!("/health/{name}")).header("accept", "application/health+json");
        let answer = ask(&history.site(), request.body(Body::empty()).unwrap()).await;
        let body = answer.json();
        let check = &body["checks"].as_object().unwrap().values().next().unwrap()[0];
        assert_eq!((answer.status.as_u16(), &body["status"], &check["status"]), (code, &draft.into(), &draft.into()));
    }
    // The body is of the same form as that of all, with this service alone.
    let body = history.get("/health/off").await;
    assert_eq!(
        body.text(),
        r#"{"timestamp":"2026-11-16T00:00:50Z","status":"unknown","services":{"off":{"ok":false,"response_time_ms":null}}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn what_health_shows_is_what_is_committed() {
    let mut history = History::new(super::BEGIN, vec![service("web")]);
    history.checks("web", begin(), ".");
    history.committed().await;
    // Nothing commits while another connection holds the write lock.
    let other = rusqlite::Connection::open(history.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    history.check("web", result('~', begin().plus(10_000)));
    let body = history.get("/health?verbose=1").await.json();
    assert_eq!(body["services"]["web"]["status"], "up");
    other.execute_batch("COMMIT").unwrap();
    history.committed().await;
    let body = history.get("/health?verbose=1").await.json();
    assert_eq!(body["services"]["web"]["status"], "degraded");
}

#[tokio::test(start_paused = true)]
async fn livez_and_readyz_speak_of_the_monitor_and_not_of_its_targets() {
    let history = five_minutes().await;
    let site = history.site();
    for path in ["/livez", "/readyz"] {
        let answer = get(&site, path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, r#"{"status":"ok"}"#), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    // Its scheduler has not beaten for half a minute.
    tokio::time::advance(std::time::Duration::from_secs(40)).await;
    let answer = get(&site, "/livez").await;
    assert_eq!(answer.status, 503);
    assert!(answer.json()["reason"].as_str().unwrap().contains("scheduler"));
    assert_eq!(get(&site, "/readyz").await.status, 200);
}

/// What `/metrics` answers to a scraper with this `Accept`.
async fn scraped(history: &History, accept: Option<&str>) -> Answer {
    let request = Request::get("/metrics");
    let request = accept.map_or(Request::get("/metrics"), |accept| request.header("accept", accept));
    ask(&history.site(), request.body(Body::empty()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn the_metrics_are_in_the_format_that_the_scraper_asks_for() {
    let mut history = History::new(super::BEGIN, vec![service("a\"b\\c"), service("web")]);
    history.checks("a\"b\\c", begin(), ".x");
    history.committed().await;
    let sample = regex::Regex::new(
        r#"^([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? -?[0-9.e+-]+$"#,
    )
    .unwrap();
    let (plain, open) =
        ("text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for (accept, content_type) in [
        (None, plain),
        (Some("*/*"), plain),
        (Some("text/plain"), plain),
        (Some("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), open),
    ] {
        let answer = scraped(&history, accept).await;
        assert_eq!((answer.header("content-type"), answer.header("vary")), (content_type, "accept"), "{accept:?}");
        let text = answer.text();
        assert_eq!(text.ends_with("# EOF\n"), content_type == open);
        assert_eq!(text.contains("# UNIT "), content_type == open);
        // Each sample follows the lines that describe it, by the name that the format gives its family.
        let (mut helped, mut typed) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, sentence) = help.split_once(' ').unwrap();
                assert!(sentence.len() > 3 && sentence.ends_with('.'), "{line}");
                helped = name.to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                typed = kind.to_owned();
            } else if !line.starts_with('#') {
                let found = sample.captures(line).unwrap_or_else(|| panic!("{line}"));
                let name = &found[1];
                let (family, kind) = typed.split_once(' ').unwrap();
                assert_eq!(family, helped, "{line}");
                let end = if kind == "counter" && content_type == open { "_total" } else { "" };
                assert_eq!(name, format!("{family}{end}"), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            }
        }
        assert!(text.contains("{service=\"a\\\"b\\\\c\"} 1\n"), "{text}");
        for sample in
            ["healthcheck_results_stored_total 2", "healthcheck_results_lost_total 0", "healthcheck_store_failing 0.0"]
        {
            assert!(text.lines().any(|line| line == sample), "{sample} is not in\n{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn promtool_has_no_objection_to_the_metrics() {
    let history = History::new(super::BEGIN, vec![service("web")]);
    let text = scraped(&history, None).await.text().to_owned();
    let promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    // It comes with Prometheus, which is much to install for one test: the test above knows the same rules.
    let Ok(mut promtool) = promtool else { return };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
