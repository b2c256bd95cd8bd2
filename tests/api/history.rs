//! Charts and the stored results.

use super::{begin, five_minutes, time};
use crate::support::history::{History, service};
use healthcheck_dashboard::domain::time::UnixMs;
use serde_json::{Value, json};

const WINDOW: &str = "from=2026-11-16T00:00:00Z&to=2026-11-16T00:05:10Z";

#[tokio::test(start_paused = true)]
async fn a_history_is_cut_into_buckets_that_add_up_to_the_window() {
    let history = five_minutes().await;
    let body = history.get(&format!("/api/v1/services/web/history?{WINDOW}&buckets=31")).await.ok();
    assert_eq!(
        (&body["from"], &body["to"], &body["bucket_ms"]),
        (&json!(time(0.0)), &json!(time(310.0)), &json!(10_000))
    );
    let buckets = body["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 31);
    for (i, bucket) in buckets.iter().enumerate() {
        assert_eq!(bucket["from"], time(i as f64 * 10.0));
        let kinds = ["up_ms", "degraded_ms", "down_ms", "unknown_ms", "maintenance_ms", "gap_ms"];
        assert_eq!(kinds.iter().map(|kind| bucket[kind].as_i64().unwrap()).sum::<i64>(), 10_000, "{bucket}");
    }
    assert_eq!((&buckets[6]["degraded_ms"], &buckets[6]["max_ms"]), (&json!(10_000), &json!(900.0)));
    assert_eq!(
        (&buckets[8]["down_ms"], &buckets[8]["failures"], &buckets[8]["p50_ms"]),
        (&json!(10_000), &json!(1), &json!(null))
    );
    assert_eq!((&buckets[0]["min_ms"], &buckets[0]["max_ms"]), (&json!(24.4), &json!(24.4)));
    // Nothing was observed here, and nothing is made up.
    for key in ["p50_ms", "p95_ms", "p99_ms", "min_ms", "max_ms"] {
        assert_eq!(buckets[25][key], json!(null));
    }
    assert_eq!((&buckets[25]["gap_ms"], &buckets[25]["checks"]), (&json!(10_000), &json!(0)));
    assert_eq!(
        history.get("/api/v1/services/web/history?window=24h").await.ok()["buckets"].as_array().unwrap().len(),
        300
    );
}

/// Every page of a list, one after the other.
pub(super) async fn pages(history: &History, path: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let body = history.get(&format!("{path}{cursor}")).await.ok();
        pages.push(body["items"].as_array().unwrap().clone());
        match body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
        assert!(pages.len() < 100, "the pages do not end");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_all_pages_gives_every_result_once_newest_first() {
    let history = five_minutes().await;
    for limit in [1, 7, 19, 1000] {
        let pages = pages(&history, &format!("/api/v1/services/web/checks?{WINDOW}&limit={limit}")).await;
        assert!(pages.iter().all(|page| page.len() <= limit));
        let times: Vec<String> = pages.concat().iter().map(|c| c["at"].as_str().unwrap().to_owned()).collect();
        let mut expected: Vec<String> = (0..18).chain([30]).map(|i| time(f64::from(i) * 10.0)).collect();
        expected.reverse();
        assert_eq!(times, expected, "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_says_all_that_is_known_of_the_check() {
    let history = five_minutes().await;
    let of = async |outcome: &str| {
        let body = history.get(&format!("/api/v1/services/web/checks?{WINDOW}&outcome={outcome}")).await.ok();
        body["items"].as_array().unwrap().clone()
    };
    let down = of("down").await;
    assert_eq!(down.len(), 5);
    assert_eq!(
        down[4],
        json!({
            "service": "web", "at": time(80.0), "outcome": "down", "response_time_ms": 31.0, "dns_ms": 0.4,
            "connect_ms": 0.9, "tls_ms": null, "ttfb_ms": 20.0, "http_status": 503, "certificate_days": null,
            "failure": {"class": "http_status", "phase": "ttfb", "message": "HTTP 503, expected 200–399"},
            "note": null, "recheck": false,
        })
    );
    let degraded = of("degraded").await;
    assert_eq!((degraded.len(), &degraded[0]["failure"]), (1, &json!(null)));
    assert_eq!(degraded[0]["note"]["class"], "slow");
    let unknown = of("unknown").await;
    assert_eq!((unknown.len(), &unknown[0]["response_time_ms"]), (1, &json!(null)));
    assert_eq!(of("up").await.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn weeks_come_from_rollups_and_say_what_the_rows_say() {
    let mut history = History::new(super::BEGIN, vec![service("web")]);
    // Two days, a result a minute less one second, so that nothing falls on an edge; each tenth failed.
    let mut at = begin();
    let mut down = 0;
    for i in 0..2880 {
        let letter = if i % 10 == 9 { 'x' } else { '.' };
        down += i32::from(letter == 'x');
        history.check("web", crate::support::history::result(letter, at));
        at = at.plus(59_000);
    }
    history.at(at);
    history.committed().await;
    let from = begin();
    let whole = Span { from, to: at }.sums(&history, 1).await;
    assert_eq!(whole.last().unwrap(), &i64::from(down));
    for buckets in [2, 48, 300, 1440] {
        assert_eq!(Span { from, to: at }.sums(&history, buckets).await, whole, "{buckets} buckets");
    }
}

struct Span {
    from: UnixMs,
    to: UnixMs,
}

impl Span {
    /// The sums over all buckets.
    async fn sums(&self, history: &History, buckets: u32) -> Vec<i64> {
        let path = format!("/api/v1/services/web/history?from={}&to={}&buckets={buckets}", self.from, self.to);
        let body = history.get(&path).await.ok();
        let sum = |key: &str| body["buckets"].as_array().unwrap().iter().map(|b| b[key].as_i64().unwrap()).sum();
        ["up_ms", "degraded_ms", "down_ms", "unknown_ms", "checks", "failures"].map(sum).to_vec()
    }
}
