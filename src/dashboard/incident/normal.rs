//! The phases of the first failed check against those of the day before.

use crate::{
    chart::{NormalAxis, NormalBar},
    domain::{check::Usual, incident::Outage, time::DAY_MS, window::Window},
    format,
    http::state::AppState,
    store::{StoreError, StoredService},
};
use serde::Serialize;

/// A phase of the first failed check against the day before.
#[derive(Serialize)]
pub(super) struct Normal {
    phase: &'static str,
    this: Option<String>,
    before: String,
    bar: NormalBar,
    verdict: String,
    bad: bool,
}

/// The phases of the first failed check, and what was usual on the day before.
pub(super) fn normal(app: &AppState, service: &StoredService, outage: &Outage) -> Result<Vec<Normal>, StoreError> {
    let Some(window) = Window::new(outage.started_at.plus(-DAY_MS), outage.started_at) else { return Ok(Vec::new()) };
    let usual = app.reader.usual(service.id, window)?;
    let p = outage.cause.phases;
    let rest = outage.cause.latency_us.map(|whole| u64::from(whole).saturating_sub(p.sum_us()) as u32);
    // What is left of a check that broke is the phase that broke, not the body.
    let body = rest.filter(|_| p.ttfb_us.is_some());
    let these = [p.dns_us, p.connect_us, p.tls_us, p.ttfb_us, body];
    let words = ["DNS", "Connect", "TLS", "First byte", "The rest"];
    let times = usual.iter().flatten().flat_map(|u| [u.p5_us, u.p95_us]).chain(these.into_iter().flatten());
    let axis = NormalAxis::new(times);
    let said = |us: u32| format::response_time(f64::from(us));
    let row = |((phase, usual), this): ((&'static str, &Option<Usual>), Option<u32>)| {
        let usual = usual.as_ref()?;
        let times = this.map(|us| f64::from(us) / f64::from(usual.p50_us.max(1)));
        let (verdict, bad) = match (this, times) {
            (Some(us), Some(times)) if us > usual.p95_us && times >= 2.0 => (format!("{times:.0} times"), true),
            (Some(us), _) if us > usual.p95_us => ("slower than usual".to_owned(), false),
            (Some(us), _) if us < usual.p5_us => ("faster than usual".to_owned(), false),
            (Some(_), _) => ("normal".to_owned(), false),
            (None, _) => ("did not happen".to_owned(), false),
        };
        Some(Normal {
            phase,
            this: this.map(said),
            before: format!("{} to {}", said(usual.p5_us), said(usual.p95_us)),
            bar: axis.bar(usual, this),
            verdict,
            bad,
        })
    };
    Ok(words.into_iter().zip(&usual).zip(these).filter_map(row).collect())
}
