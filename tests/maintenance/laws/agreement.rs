//! The answers of the store, compared with the naive walk.

use super::{Known, Row, lies_in};
use crate::support::history::windows_within;
use healthcheck_dashboard::{
    domain::{
        check::Outcome,
        time::{DAY_MS, HOUR_MS, UnixMs},
        window::Window,
    },
    history::figures,
    store::{Maintenance, OutageFilter, OutageKind, Reader, Source, StoredService},
};
use proptest::prelude::*;
use rusqlite::Connection;
use std::path::Path;

pub(super) fn everything_agrees(
    path: &Path,
    rows: &[Row],
    now: UnixMs,
    windows: &[(i64, i64)],
) -> Result<(), TestCaseError> {
    let reader = Reader::open(path).unwrap();
    let stored = reader.service("web").unwrap().unwrap();
    let log = reader.maintenance_log(None).unwrap();
    let counting = || log.iter().filter(|one| one.taken_back_at.is_none());
    let span = |one: &Maintenance| (one.window.from().0, one.window.to().0);
    let known = Known {
        rows,
        maintenance: counting().map(span).collect(),
        announced: counting().filter(|one| one.source == Source::Config).map(span).collect(),
    };
    let begin = rows[0].at - DAY_MS;
    let asked = windows_within(begin, now, windows);
    for window in asked {
        let u = figures::uptime(&reader, stored.id, window, now).unwrap();
        let [up, degraded, down, unknown, doubt_up, doubt_down, maintenance] = known.naive(window, now);
        prop_assert_eq!(
            (u.up_ms, u.degraded_ms, u.down_ms, u.unknown_ms, u.maintenance_ms),
            (up, degraded, down, unknown, maintenance),
            "{:?}",
            window
        );
        let sum = u.up_ms + u.degraded_ms + u.down_ms + u.unknown_ms + u.maintenance_ms + u.gap_ms;
        prop_assert_eq!(sum, window.length_ms());
        prop_assert!(u.gap_ms >= 0);
        let inside = rows.iter().filter(|r| window.contains(UnixMs(r.at)) && !lies_in(r.at, &known.maintenance));
        prop_assert_eq!(u.checks, inside.clone().count() as u64);
        prop_assert_eq!(u.failures, inside.filter(|r| r.outcome == Outcome::Down).count() as u64);
        let judged = up + degraded + down;
        prop_assert_eq!(u.uptime.is_some(), judged > 0);
        prop_assert_eq!(u.coverage.is_some(), maintenance < window.length_ms());
        if let Some(coverage) = u.coverage {
            let share = judged as f64 / (window.length_ms() - maintenance) as f64 * 100.0;
            prop_assert!((coverage - share).abs() < 2e-4, "{} is not {}", coverage, share);
        }
        if let (Some(worst), Some(uptime), Some(best)) = (u.worst, u.uptime, u.best) {
            prop_assert!(worst <= uptime && uptime <= best);
            let share = |good: i64| (good as f64 / judged as f64 * 1e6).floor() / 1e4;
            prop_assert!((worst - share(up + degraded - doubt_up)).abs() < 2e-4);
            prop_assert!((best - share(up + degraded + doubt_down)).abs() < 2e-4);
            prop_assert_eq!(uptime == 100.0, down == 0);
        }
    }
    outages_agree(&reader, &known, &stored, now)?;
    buckets_agree(&reader, &known, &stored, now)?;
    rollups_agree(path, &known)?;
    gaps_agree(&reader, rows, &stored, now)
}

/// Downtime is the outages' time; they do not overlap, begin with a failure outside announced maintenance, end with a
/// pass or with the beginning of maintenance, and are told once.
fn outages_agree(reader: &Reader, known: &Known<'_>, stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let rows = known.rows;
    let filter = OutageFilter { service: Some(stored.id), kind: OutageKind::All, ..OutageFilter::default() };
    let mut outages = reader.outages(&filter, None, u32::MAX).unwrap();
    outages.reverse();
    let whole = Window::new(UnixMs(rows[0].at), now).unwrap();
    let down = known.naive(whole, now)[2];
    // An outage under way counts up to its latest check; the last result goes on speaking.
    let last = rows[rows.len() - 1];
    let since_last = Window::new(UnixMs(last.at), now).unwrap();
    let tail = known.naive(since_last, now)[2];
    prop_assert_eq!(outages.iter().map(|o| o.down_ms).sum::<i64>() + tail, down);
    let failed = |r: &&Row| r.outcome == Outcome::Down && !lies_in(r.at, &known.announced);
    prop_assert_eq!(outages.iter().map(|o| o.checks_failed).sum::<u64>(), rows.iter().filter(failed).count() as u64);
    let said = |at: UnixMs| rows.iter().find(|r| r.at == at.0).and_then(|r| r.outcome.passed());
    let announced = |at: UnixMs| lies_in(at.0, &known.announced);
    let begins = |at: UnixMs| known.announced.iter().any(|&(from, _)| from == at.0);
    for outage in &outages {
        prop_assert_eq!(said(outage.started_at), Some(false));
        prop_assert!(!announced(outage.started_at));
        prop_assert!(outage.last_ok_at.is_none_or(|at| said(at) == Some(true) && at < outage.started_at));
        if let Some(end) = outage.ended_at {
            prop_assert!(end > outage.started_at);
            let passed = said(end) == Some(true) && !announced(end);
            prop_assert!(passed || (!outage.is_incident() && begins(end)), "{:?}", outage);
        }
        prop_assert!(outage.down_ms <= outage.duration_ms(now));
    }
    for pair in outages.windows(2) {
        prop_assert!(pair[0].ended_at.is_some_and(|end| end < pair[1].started_at));
    }
    Ok(())
}

/// Charts say what the rows say, whatever the size of their buckets.
fn buckets_agree(reader: &Reader, known: &Known<'_>, stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let window = Window::new(UnixMs(known.rows[0].at - HOUR_MS), now).unwrap();
    for count in [1, 7, 60] {
        let buckets = figures::buckets(reader, stored.id, window, count, now).unwrap();
        for (part, tally) in buckets.iter() {
            let sums = known.naive(part, now);
            let told = [
                tally.up_ms,
                tally.degraded_ms,
                tally.down_ms,
                tally.unknown_ms,
                tally.doubt_up_ms,
                tally.doubt_down_ms,
                tally.maintenance_ms,
            ];
            prop_assert_eq!(told, sums, "{:?} of {} buckets", part, count);
        }
    }
    Ok(())
}

/// Every stored rollup is what its rows add up to, and no settled hour is missing.
fn rollups_agree(path: &Path, known: &Known<'_>) -> Result<(), TestCaseError> {
    let rows = known.rows;
    let conn = Connection::open(path).unwrap();
    let last_judged = rows.iter().rev().find(|r| known.judged(r).passed().is_some()).map_or(0, |r| r.at);
    for (table, size) in [("rollup_hour", HOUR_MS), ("rollup_day", DAY_MS)] {
        let mut statement = conn
            .prepare(&format!(
                "SELECT start, up_ms, degraded_ms, down_ms, unknown_ms, doubt_up_ms, doubt_down_ms, checks FROM {table}"
            ))
            .unwrap();
        let stored: std::collections::BTreeMap<i64, [i64; 7]> = statement
            .query_map([], |r| {
                Ok((r.get(0)?, [r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?]))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let mut start = rows[0].at / size * size;
        while start + size <= last_judged {
            let window = Window::new(UnixMs(start), UnixMs(start + size)).unwrap();
            let mut sums = known.naive(window, UnixMs(i64::MAX));
            let counts = |r: &&Row| window.contains(UnixMs(r.at)) && !lies_in(r.at, &known.maintenance);
            // How long maintenance was is not in the rollups.
            sums[6] = rows.iter().filter(counts).count() as i64;
            let kept = stored.get(&start).copied().unwrap_or_default();
            prop_assert_eq!(kept, sums, "{} at {}", table, UnixMs(start));
            start += size;
        }
        prop_assert!(stored.keys().all(|start| start + size <= last_judged));
    }
    Ok(())
}

/// Gaps are the time outside maintenance that nothing speaks for, exactly.
fn gaps_agree(reader: &Reader, rows: &[Row], stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let window = Window::new(UnixMs(rows[0].at), now).unwrap();
    let gaps = reader.gaps(stored.id, window, now).unwrap();
    let total: i64 = gaps.iter().map(|gap| gap.to.unwrap_or(now).since(gap.from)).sum();
    prop_assert_eq!(total, figures::uptime(reader, stored.id, window, now).unwrap().gap_ms);
    Ok(())
}
