//! The answers of the store, compared with a naive walk over the rows.

use super::Row;
use crate::support::history::windows_within;
use healthcheck_dashboard::{
    domain::{
        check::Outcome,
        incident::Outage,
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
        timeline::Tally,
        window::Window,
    },
    history::{
        figures, overview,
        replay::{self, Rules},
        verify::{self, Compared},
    },
    store::{Examiner, OutageFilter, OutageKind, Reader, StoredService},
};
use proptest::prelude::*;
use rusqlite::Connection;
use std::path::Path;

/// up, degraded, down, unknown, doubt of up, doubt of down: straight from the definition.
pub(super) fn naive(rows: &[Row], window: Window, now: UnixMs) -> [i64; 6] {
    let mut sums = [0; 6];
    let clip = |from: i64, to: i64| (to.min(window.to().0) - from.max(window.from().0)).max(0);
    for (i, row) in rows.iter().enumerate() {
        let next = rows.get(i + 1).map_or(now.0, |next| next.at);
        let spoken = clip(row.at, next.min(row.at + row.validity_ms));
        sums[row.outcome.code() as usize] += spoken;
        let judged_next = rows[i + 1..].iter().find_map(|later| later.outcome.passed());
        match (row.outcome.passed(), judged_next) {
            (Some(true), Some(false)) => sums[4] += spoken,
            (Some(false), Some(true)) => sums[5] += spoken,
            _ => {}
        }
    }
    sums
}

/// The days of readers in zones whose days are 23, 24, 25, 23½ and 24½ hours long about then.
fn local_days(from: i64, to: UnixMs) -> Vec<Window> {
    let mut days = Vec::new();
    for zone in [chrono_tz::Europe::Berlin, chrono_tz::Australia::Lord_Howe] {
        let first = UnixMs(from).utc().with_timezone(&zone).date_naive();
        let midnight = |day: chrono::NaiveDate| {
            let local = day.and_hms_opt(0, 0, 0).unwrap().and_local_timezone(zone).earliest().unwrap();
            UnixMs(local.timestamp_millis())
        };
        // The first fortnight: in it the clocks are set.
        let ends = first.iter_days().take(15).map(midnight).collect::<Vec<_>>();
        days.extend(ends.windows(2).filter_map(|pair| Window::new(pair[0], pair[1].min(to))));
    }
    days
}

/// Everything that is asked of a history, in these windows and some more.
pub(super) fn answers_agree(
    path: &Path,
    rows: &[Row],
    now: UnixMs,
    windows: &[(i64, i64)],
) -> Result<(), TestCaseError> {
    let Some(first) = rows.first() else { return Ok(()) };
    let reader = Reader::open(path).unwrap();
    let stored = reader.service("web").unwrap().unwrap();
    let begin = first.at - DAY_MS;
    let mut asked = windows_within(begin, now, windows);
    asked.extend(local_days(begin, now));
    for window in asked {
        let u = figures::uptime(&reader, stored.id, window, now).unwrap();
        let [up, degraded, down, unknown, doubt_up, doubt_down] = naive(rows, window, now);
        prop_assert_eq!(
            (u.up_ms, u.degraded_ms, u.down_ms, u.unknown_ms),
            (up, degraded, down, unknown),
            "{:?}",
            window
        );
        let sum = u.up_ms + u.degraded_ms + u.down_ms + u.unknown_ms + u.maintenance_ms + u.gap_ms;
        prop_assert_eq!(sum, window.length_ms());
        let inside = rows.iter().filter(|r| window.contains(UnixMs(r.at)));
        prop_assert_eq!(u.checks, inside.clone().count() as u64);
        prop_assert_eq!(u.failures, inside.filter(|r| r.outcome == Outcome::Down).count() as u64);
        let judged = up + degraded + down;
        prop_assert_eq!(u.uptime.is_some(), judged > 0);
        if let (Some(worst), Some(uptime), Some(best)) = (u.worst, u.uptime, u.best) {
            prop_assert!(worst <= uptime && uptime <= best);
            let share = |good: i64| (good as f64 / judged as f64 * 1e6).floor() / 1e4;
            prop_assert!((worst - share(up + degraded - doubt_up)).abs() < 2e-4);
            prop_assert!((best - share(up + degraded + doubt_down)).abs() < 2e-4);
            prop_assert_eq!(uptime == 100.0, down == 0);
        }
    }
    outages_agree(&reader, rows, &stored, now)?;
    glances_agree(&reader, &stored, now)?;
    buckets_agree(&reader, rows, &stored, now)?;
    rollups_agree(path, rows)?;
    gaps_agree(&reader, rows, &stored, now)?;
    stories_agree(path, &reader, rows, &stored, now)?;
    Ok(())
}

/// The proof of the history finds nothing.
pub(super) fn verified(path: &Path, stored: &StoredService) -> Result<Compared, TestCaseError> {
    let mut examiner = Examiner::open(path).unwrap();
    let mut differences = Vec::new();
    let compared =
        verify::service(&mut examiner, stored.id, |difference| differences.push(difference)).unwrap().unwrap();
    prop_assert_eq!(&differences, &[]);
    prop_assert_eq!(verify::file(&examiner, false).unwrap(), []);
    Ok(compared)
}

/// All outages and blips of a service, oldest first.
fn outages_of(reader: &Reader, stored: &StoredService) -> Vec<Outage> {
    let filter = OutageFilter { service: Some(stored.id), kind: OutageKind::All, ..OutageFilter::default() };
    let mut outages = reader.outages(&filter, None, u32::MAX).unwrap();
    outages.reverse();
    outages
}

/// Downtime is the outages' time; they do not overlap, begin with a failure, end with a pass, and are told once.
pub(super) fn outages_agree(
    reader: &Reader,
    rows: &[Row],
    stored: &StoredService,
    now: UnixMs,
) -> Result<(), TestCaseError> {
    let outages = outages_of(reader, stored);
    let whole = Window::new(UnixMs(rows[0].at), now).unwrap();
    let down = naive(rows, whole, now)[2];
    // An outage under way counts up to its latest check; the last result goes on speaking.
    let last = rows[rows.len() - 1];
    let tail = if last.outcome == Outcome::Down { (now.0 - last.at).min(last.validity_ms) } else { 0 };
    prop_assert_eq!(outages.iter().map(|o| o.down_ms).sum::<i64>() + tail, down);
    prop_assert_eq!(
        outages.iter().map(|o| o.checks_failed).sum::<u64>(),
        rows.iter().filter(|r| r.outcome == Outcome::Down).count() as u64
    );
    let said = |at: UnixMs| rows.iter().find(|r| r.at == at.0).and_then(|r| r.outcome.passed());
    for outage in &outages {
        prop_assert_eq!(said(outage.started_at), Some(false));
        prop_assert!(outage.last_ok_at.is_none_or(|at| said(at) == Some(true) && at < outage.started_at));
        prop_assert!(outage.ended_at.is_none_or(|at| said(at) == Some(true) && at > outage.started_at));
        prop_assert!(outage.down_ms <= outage.duration_ms(now));
    }
    for pair in outages.windows(2) {
        prop_assert!(pair[0].ended_at.is_some_and(|end| end < pair[1].started_at));
    }
    Ok(())
}

/// An outage as it is told from the rows alone.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Story {
    last_ok_at: Option<i64>,
    started_at: i64,
    confirmed_at: Option<i64>,
    ended_at: Option<i64>,
    down_ms: i64,
    checks_failed: u64,
}

/// Outages, straight from the definition: looks ahead from each failure instead of remembering what was before.
pub(super) fn naive_outages(rows: &[Row]) -> Vec<Story> {
    let judged: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].outcome.passed().is_some()).collect();
    let passed = |k: usize| rows[judged[k]].outcome != Outcome::Down;
    let mut stories = Vec::new();
    let mut k = 0;
    while k < judged.len() {
        if passed(k) {
            k += 1;
            continue;
        }
        // The failures in a row from here on, and the one that confirms.
        let run = (k..judged.len()).take_while(|&j| !passed(j)).count();
        let confirming = (0..run).find(|&n| n as u32 + 1 >= rows[judged[k + n]].failure);
        let (ended, next) = match confirming {
            // A blip ends with the pass after it.
            None => ((k + run < judged.len()).then(|| k + run), k + run),
            // An incident ends where for the first time enough passes follow one another.
            Some(_) => {
                let enough = |j: usize| {
                    let first = (0..=j).rev().take_while(|&i| passed(i)).last().unwrap_or(j);
                    passed(j) && (j - first + 1) as u32 >= rows[judged[j]].success
                };
                match (k + run..judged.len()).find(|&j| enough(j)) {
                    Some(j) => ((0..=j).rev().take_while(|&i| passed(i)).last(), j),
                    None => (None, judged.len()),
                }
            }
        };
        let until = ended.map_or(rows.len(), |e| judged[e]);
        let failed = (judged[k]..until).filter(|&i| rows[i].outcome == Outcome::Down);
        stories.push(Story {
            last_ok_at: (k > 0).then(|| rows[judged[k - 1]].at),
            started_at: rows[judged[k]].at,
            confirmed_at: confirming.map(|n| &rows[judged[k + n]]).map(|row| row.at + i64::from(row.latency_us) / 1000),
            ended_at: ended.map(|e| rows[judged[e]].at),
            // Up to the latest result: nobody knows how long that one speaks.
            down_ms: failed
                .clone()
                .filter_map(|i| Some((rows.get(i + 1)?.at - rows[i].at).min(rows[i].validity_ms)))
                .sum(),
            checks_failed: failed.count() as u64,
        });
        k = next.max(k + 1);
    }
    stories
}

pub(super) fn story(outage: &Outage) -> Story {
    Story {
        last_ok_at: outage.last_ok_at.map(|t| t.0),
        started_at: outage.started_at.0,
        confirmed_at: outage.confirmed_at.map(|t| t.0),
        ended_at: outage.ended_at.map(|t| t.0),
        down_ms: outage.down_ms,
        checks_failed: outage.checks_failed,
    }
}

/// The incident log is what the rows tell, whatever restarts, thresholds and clocks did; run through the state machine
/// again it comes out the same, and so it does in parts; and the proof of the history finds nothing.
pub(super) fn stories_agree(
    path: &Path,
    reader: &Reader,
    rows: &[Row],
    stored: &StoredService,
    now: UnixMs,
) -> Result<(), TestCaseError> {
    let outages = outages_of(reader, stored);
    let log: Vec<Story> = outages.iter().map(story).collect();
    prop_assert_eq!(&log, &naive_outages(rows));
    let (first, middle) = (UnixMs(rows[0].at), UnixMs(rows[rows.len() / 2].at));
    for from in [first, middle] {
        let window = Window::new(from, now).unwrap();
        let replayed = replay::replay(reader, stored.id, window, Rules::default(), now).unwrap().unwrap();
        let would: Vec<Story> = replayed.would.outages.iter().map(story).collect();
        let overlapping: Vec<Story> =
            log.iter().filter(|o| o.ended_at.is_none_or(|end| end > from.0)).cloned().collect();
        prop_assert_eq!(&would, &overlapping, "from {}", from);
        let without_excerpt = |outage: &Outage| (outage.id, outage.cause.reason.clone(), outage.cause.latency_us);
        prop_assert_eq!(
            replayed.would.outages.iter().map(without_excerpt).collect::<Vec<_>>(),
            replayed.had.outages.iter().map(without_excerpt).collect::<Vec<_>>()
        );
        let degraded_ms = figures::uptime(reader, stored.id, window, now).unwrap().degraded_ms;
        prop_assert_eq!((replayed.had.degraded_ms, replayed.would.degraded_ms), (degraded_ms, degraded_ms));
    }
    // With other thresholds: as if the rows had been made with them.
    let rules = Rules { failure_threshold: Some(2), success_threshold: Some(3), degraded_after_ms: None };
    let window = Window::new(first, now).unwrap();
    let replayed = replay::replay(reader, stored.id, window, rules, now).unwrap().unwrap();
    let others: Vec<Row> = rows.iter().map(|row| Row { failure: 2, success: 3, ..*row }).collect();
    prop_assert_eq!(replayed.would.outages.iter().map(story).collect::<Vec<_>>(), naive_outages(&others));

    let compared = verified(path, stored)?;
    prop_assert_eq!((compared.results, compared.outages), (rows.len() as u64, log.len() as u64));
    Ok(())
}

/// Charts say what the rows say, whatever the size of their buckets.
/// What an overview is told of several windows at once is what each of them is told alone.
fn glances_agree(reader: &Reader, stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let lengths = [DAY_MS, 7 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS, 30 * MINUTE_MS, 3 * HOUR_MS + 1];
    let glance = overview::of(reader, stored.id, &lengths, 90, now).unwrap();
    for (length, (window, sums)) in lengths.into_iter().zip(&glance.windows) {
        let alone = figures::uptime(reader, stored.id, Window::ending(now, length), now).unwrap();
        prop_assert_eq!(*window, alone.window);
        prop_assert_eq!(
            (sums.up_ms, sums.degraded_ms, sums.down_ms, sums.unknown_ms, sums.checks, sums.failures),
            (alone.up_ms, alone.degraded_ms, alone.down_ms, alone.unknown_ms, alone.checks, alone.failures)
        );
    }
    for (buckets, size, count) in [(&glance.days, DAY_MS, 90), (&glance.hours, HOUR_MS, 24)] {
        let from = now.floor(size).plus(-(count - 1) * size);
        let Some(window) = Window::new(from, now) else { continue };
        let alone = figures::buckets_of(reader, stored.id, window, size, now).unwrap();
        for ((a, sums), (b, expected)) in buckets.iter().zip(alone.iter()) {
            prop_assert_eq!(a, b);
            let figures = |t: &Tally| (t.up_ms, t.degraded_ms, t.down_ms, t.unknown_ms, t.checks, t.failures);
            prop_assert_eq!(figures(sums), figures(expected));
            prop_assert!(size == DAY_MS || sums.latency == expected.latency);
        }
    }
    Ok(())
}

pub(super) fn buckets_agree(
    reader: &Reader,
    rows: &[Row],
    stored: &StoredService,
    now: UnixMs,
) -> Result<(), TestCaseError> {
    let window = Window::new(UnixMs(rows[0].at - HOUR_MS), now).unwrap();
    for count in [1, 7, 60, 300] {
        let buckets = figures::buckets(reader, stored.id, window, count, now).unwrap();
        for (part, tally) in buckets.iter() {
            let [up, degraded, down, unknown, doubt_up, doubt_down] = naive(rows, part, now);
            prop_assert_eq!(
                (
                    tally.up_ms,
                    tally.degraded_ms,
                    tally.down_ms,
                    tally.unknown_ms,
                    tally.doubt_up_ms,
                    tally.doubt_down_ms
                ),
                (up, degraded, down, unknown, doubt_up, doubt_down),
                "{:?} of {} buckets",
                part,
                count
            );
        }
    }
    Ok(())
}

/// Every stored rollup is what its rows add up to, and no settled hour is missing.
pub(super) fn rollups_agree(path: &Path, rows: &[Row]) -> Result<(), TestCaseError> {
    let conn = Connection::open(path).unwrap();
    let last_judged = rows.iter().rev().find(|r| r.outcome.passed().is_some()).map_or(0, |r| r.at);
    for (table, size) in [("rollup_hour", HOUR_MS), ("rollup_day", DAY_MS)] {
        let mut statement = conn
            .prepare(&format!(
                "SELECT start, up_ms, degraded_ms, down_ms, unknown_ms, doubt_up_ms, doubt_down_ms FROM {table}"
            ))
            .unwrap();
        let stored: std::collections::BTreeMap<i64, [i64; 6]> = statement
            .query_map([], |r| Ok((r.get(0)?, [r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?])))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let mut start = rows[0].at / size * size;
        while start + size <= last_judged {
            let window = Window::new(UnixMs(start), UnixMs(start + size)).unwrap();
            let sums = naive(rows, window, UnixMs(i64::MAX));
            let kept = stored.get(&start).copied().unwrap_or_default();
            prop_assert_eq!(kept, sums, "{} at {}", table, UnixMs(start));
            start += size;
        }
        prop_assert!(stored.keys().all(|start| start + size <= last_judged));
    }
    Ok(())
}

/// Gaps are the time that nothing speaks for, exactly.
pub(super) fn gaps_agree(
    reader: &Reader,
    rows: &[Row],
    stored: &StoredService,
    now: UnixMs,
) -> Result<(), TestCaseError> {
    let window = Window::new(UnixMs(rows[0].at), now).unwrap();
    let gaps = reader.gaps(stored.id, window, now).unwrap();
    let total: i64 = gaps.iter().map(|gap| gap.to.unwrap_or(now).since(gap.from)).sum();
    prop_assert_eq!(total, figures::uptime(reader, stored.id, window, now).unwrap().gap_ms);
    Ok(())
}
