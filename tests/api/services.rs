//! The services and their figures.

use super::{ODD, five_minutes, time};
use crate::support::history::service;
use serde_json::json;

const WINDOW: &str = "from=2026-11-16T00:00:00Z&to=2026-11-16T00:05:10Z";

#[tokio::test(start_paused = true)]
async fn the_figures_of_a_window_are_exact() {
    let history = five_minutes().await;
    let u = history.get(&format!("/api/v1/services/web/uptime?{WINDOW}")).await.ok();
    let mut expected = json!({
        "from": time(0.0), "to": time(310.0),
        // Of 195 s judged, 145 passed; 20 s lie before a failure nobody saw begin, 20 s before a recovery.
        "uptime": 74.3589, "worst": 64.1025, "best": 84.6153, "coverage": 62.9032,
        "up_ms": 135_000, "degraded_ms": 10_000, "down_ms": 50_000, "unknown_ms": 10_000, "maintenance_ms": 0,
        "gap_ms": 105_000, "checks": 19, "failures": 5, "incidents": 1, "blips": 1,
        "mttr_ms": 40_000, "mtbf_ms": 145_000, "mttd_ms": 20_031,
    });
    for percentile in ["p50_ms", "p95_ms", "p99_ms"] {
        let exact = if percentile == "p50_ms" { 24.4 } else { 900.0 };
        let said = u[percentile].as_f64().unwrap();
        assert!((said / exact - 1.0).abs() <= 0.02, "{percentile}: {said}");
        expected[percentile] = u[percentile].clone();
    }
    assert_eq!(u, expected);
    let kinds = ["up_ms", "degraded_ms", "down_ms", "unknown_ms", "maintenance_ms", "gap_ms"];
    assert_eq!(kinds.iter().map(|kind| u[kind].as_i64().unwrap()).sum::<i64>(), 310_000);
    // The same figures, whoever is asked.
    let all = history.get(&format!("/api/v1/uptime?{WINDOW}")).await.ok();
    assert_eq!(all["services"]["web"], u);
    assert_eq!((&all["from"], &all["to"]), (&u["from"], &u["to"]));
    assert_eq!(
        all["services"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["web", ODD, "fresh", "paused", "flap a", "flap b"]
    );
    let two = history.get(&format!("/api/v1/uptime?{WINDOW}&service=web&service=fresh")).await.ok();
    assert_eq!(two["services"].as_object().unwrap().keys().collect::<Vec<_>>(), ["web", "fresh"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_observed_has_no_percentage() {
    let history = five_minutes().await;
    let u = history.get(&format!("/api/v1/services/fresh/uptime?{WINDOW}")).await.ok();
    assert_eq!((&u["uptime"], &u["worst"], &u["best"]), (&json!(null), &json!(null), &json!(null)));
    assert_eq!((&u["gap_ms"], &u["coverage"]), (&json!(310_000), &json!(0.0)));
    // Before the history began, too.
    let u = history.get("/api/v1/services/web/uptime?from=2025-01-01&to=2025-01-02").await.ok();
    assert_eq!((&u["uptime"], &u["gap_ms"]), (&json!(null), &json!(86_400_000)));
}

#[tokio::test(start_paused = true)]
async fn a_window_cuts_what_reaches_over_its_ends() {
    let history = five_minutes().await;
    let u =
        history.get("/api/v1/services/web/uptime?from=2026-11-16T00:02:05.500Z&to=2026-11-16T00:02:42.250Z").await.ok();
    let kinds = [&u["down_ms"], &u["up_ms"], &u["unknown_ms"]].map(|v| v.as_i64().unwrap());
    assert_eq!(kinds, [14_500, 20_000, 2_250]);
    assert_eq!((u["checks"].as_i64(), u["failures"].as_i64(), u["incidents"].as_i64()), (Some(4), Some(1), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn every_service_is_listed_with_how_it_is_and_how_it_did() {
    let history = five_minutes().await;
    let body = history.get("/api/v1/services").await.ok();
    let items = body["items"].as_array().unwrap();
    let names: Vec<&str> = items.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web", ODD, "fresh", "paused", "flap a", "flap b"]);
    let of = |name: &str| &items[names.iter().position(|n| *n == name).unwrap()];
    let states = ["web", ODD, "fresh", "paused", "flap b"].map(|name| of(name)["status"].as_str().unwrap());
    assert_eq!(states, ["up", "up", "pending", "paused", "down"]);
    let web = of("web");
    assert_eq!(web["type"], "http");
    assert_eq!(web["target"], "http://web:3000/");
    assert_eq!(web["interval_ms"], 10_000);
    assert_eq!(web["since"], time(140.0));
    assert_eq!(web["last_check"]["at"], time(300.0));
    assert_eq!(web["uptime"].as_object().unwrap().keys().collect::<Vec<_>>(), ["24h", "7d", "30d", "90d"]);
    assert_eq!(web["uptime"]["24h"], 74.3589);
    assert_eq!(of(ODD)["group"], "Odd");
    assert_eq!(of("fresh")["uptime"]["90d"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn one_service_comes_with_its_open_incident_and_its_configuration() {
    let history = five_minutes().await;
    let body = history.get("/api/v1/services/flap%20b").await.ok();
    assert_eq!(body["open_incident"]["started_at"], time(300.0));
    assert_eq!(body["open_incident"]["status"], "open");
    assert_eq!(body["configuration"], json!({"interval_ms": 10_000}));
    let body = history.get("/api/v1/services/a%2Fb%20%C3%BC%3F").await.ok();
    assert_eq!((&body["name"], &body["open_incident"]), (&json!(ODD), &json!(null)));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_left_the_configuration_keeps_its_history() {
    let history = five_minutes().await.restart(vec![service("web")]).await;
    let body = history.get("/api/v1/services/flap%20a").await.ok();
    assert_eq!((&body["status"], &body["since"]), (&json!("removed"), &json!(time(310.0))));
    let u = history.get(&format!("/api/v1/services/flap%20a/uptime?{WINDOW}")).await.ok();
    assert_eq!((&u["down_ms"], &u["incidents"]), (&json!(50_000), &json!(5)));
    let all = history.get(&format!("/api/v1/uptime?{WINDOW}")).await.ok();
    assert_eq!(all["services"].as_object().unwrap().keys().collect::<Vec<_>>(), ["web"]);
    assert_eq!(history.get("/health/flap%20a").await.status, 404);
}
