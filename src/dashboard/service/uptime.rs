//! Uptime over the range of a service's page: with its doubt, its budget, and where the time went.

use super::subject::Subject;
use crate::{
    chart::BoundsScale,
    domain::{
        time::{DAY_MS, UnixMs},
        uptime::{Budget, Uptime},
        window::Window,
    },
    format::{self, zone::Zone},
    history::{
        as_of::Snapshot,
        cached_stats::{CachedStats, StatsCache},
        figures,
    },
    http::state::AppState,
    render::view_model::Kind,
    store::StoreError,
};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct BudgetShown {
    objective: String,
    said: String,
    left: String,
    /// Of the budget, for the bar.
    share: String,
    overspent: bool,
    burn: String,
}

/// The figures as the page has them.
#[derive(Serialize)]
pub(super) struct UptimeShown {
    budget: Option<BudgetShown>,
    figure: String,
    none: bool,
    others: Vec<(&'static str, String)>,
    worst: String,
    best: String,
    certain: bool,
    scale: Option<BoundsScale>,
    interval: String,
    coverage: String,
    checks: String,
    failures: String,
    mttr: Option<String>,
    mtbf: Option<String>,
    p50: Option<String>,
    p95: Option<String>,
    p99: Option<String>,
    ledger: Vec<(Kind, &'static str, String)>,
    gap: String,
    total: String,
    widened: Option<String>,
    watched_since: Option<String>,
}

pub(super) fn uptime_shown(
    app: &AppState,
    snapshot: &Snapshot,
    subject: &Subject,
    uptime: &Uptime,
    asked: Window,
    watched_from: Option<UnixMs>,
    zone: Zone,
) -> Result<UptimeShown, StoreError> {
    let now = snapshot.at;
    // Figures of the past are seldom requested, and not cached.
    let figures = match snapshot.past {
        true => Arc::new(CachedStats::read(&app.reader, subject.id, now)?),
        false => StatsCache::get(&app.figures, &app.reader, subject.id, now)?,
    };
    let others = ["24 h", "7 d", "30 d", "90 d"]
        .into_iter()
        .zip(&figures.shares)
        .map(|(window, u)| (window, format::percent(u.uptime, 3)))
        .collect();
    let scale = match (uptime.worst, uptime.uptime, uptime.best) {
        (Some(worst), Some(at), Some(best)) => BoundsScale::new(worst, at, best),
        _ => None,
    };
    let time = |ms: Option<f64>| ms.map(|ms| format::response_time(ms * 1000.0));
    let widened = (uptime.window != asked).then(|| {
        let (from, to) = (zone.dated(uptime.window.from(), now).text, zone.dated(uptime.window.to(), now).text);
        format!("Single checks of that time are no longer kept, so these figures are of {from} to {to}.")
    });
    Ok(UptimeShown {
        budget: budget(app, subject, now)?,
        figure: format::percent(uptime.uptime, 4),
        none: uptime.uptime.is_none(),
        others,
        worst: format::percent(uptime.worst, 4),
        best: format::percent(uptime.best, 4),
        certain: uptime.worst == uptime.best,
        scale,
        interval: format::duration(subject.interval_ms()),
        coverage: format::percent(uptime.coverage, 2),
        checks: format::count(uptime.checks),
        failures: format::count(uptime.failures),
        mttr: uptime.mttr_ms.map(format::duration),
        mtbf: uptime.mtbf_ms.map(format::duration),
        p50: time(uptime.p50_ms),
        p95: time(uptime.p95_ms),
        p99: time(uptime.p99_ms),
        ledger: vec![
            (Kind::Up, "Up", format::duration(uptime.up_ms)),
            (Kind::Degraded, "Degraded", format::duration(uptime.degraded_ms)),
            (Kind::Down, "Down", format::duration(uptime.down_ms)),
            (Kind::Unknown, "Not judged", format::duration(uptime.unknown_ms)),
            (Kind::Maintenance, "Maintenance", format::duration(uptime.maintenance_ms)),
        ],
        gap: format::duration(uptime.gap_ms),
        total: format::duration(uptime.window.length_ms()),
        widened,
        watched_since: watched_from.map(|at| zone.long_day(at, now)),
    })
}

/// The error budget of the last 30 days, where there is an objective.
fn budget(app: &AppState, subject: &Subject, now: UnixMs) -> Result<Option<BudgetShown>, StoreError> {
    let Some(objective) = subject.now.as_ref().and_then(|s| s.service.objective) else { return Ok(None) };
    let window = Window::ending(now, 30 * DAY_MS);
    let spent = figures::confirmed_down_ms(&app.reader, subject.id, window, now)?;
    let budget = Budget::new(objective, window.length_ms(), spent);
    let left = budget.left_ms();
    Ok(Some(BudgetShown {
        objective: format::trimmed(objective),
        said: format!("{} of {} spent", format::duration(spent), format::duration(budget.total_ms)),
        left: if left >= 0 {
            format!("{} left", format::duration(left))
        } else {
            format!("overspent by {}", format::duration(-left))
        },
        share: format!("{:.2}%", (budget.burn_rate * 100.0).min(100.0)),
        overspent: left < 0,
        burn: format!("{:.2}", budget.burn_rate),
    }))
}
