//! Response times and states over a window, on one time axis.

use super::{
    Axis, History, Level, Stretch, WIDE,
    flags::{self, Flag},
    ordinary, short,
    ticks::{self, Tick},
};
use crate::{
    domain::{
        incident::Outage,
        time::UnixMs,
        timeline::{Buckets, Tally},
        window::Window,
    },
    format,
};
use serde::Serialize;
use std::fmt::Write;

/// Where the scale begins and how high it is, and the strip of states below it, in pixels.
const TOP: f64 = 38.0;
const SCALE: f64 = 200.0;
const STRIP_TOP: f64 = TOP + SCALE + 12.0;
const STRIP: f64 = 26.0;

#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct HistoryChart {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) bucket_ms: i64,
    pub(crate) height: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) levels: Vec<Level>,
    /// Medians, and the band from below them to the 95th percentile, in the stretched picture.
    pub(crate) line: String,
    pub(crate) band: String,
    /// The outline of what is normal.
    pub(crate) normal: String,
    /// Slowest checks that stand out.
    pub(crate) slowest: String,
    /// Where a slowest check lies above the scale.
    pub(crate) over: Vec<String>,
    pub(crate) over_label: String,
    pub(crate) outages: Vec<Fall>,
    pub(crate) gaps: Vec<Stretch>,
    pub(crate) maintenance: Vec<Stretch>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) strip: Strip,
    pub(crate) ticks: Vec<Tick>,
}

/// An outage: a line where it began, a stretch as long as it lasted.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Fall {
    pub(crate) x: String,
    pub(crate) width: String,
    /// The outage began before the window: no line.
    pub(crate) continues: bool,
}

/// The strip of states.
#[derive(Clone, PartialEq, Default, Debug, Serialize)]
pub(crate) struct Strip {
    pub(crate) y: f64,
    pub(crate) height: f64,
    /// Paths in the stretched picture, by state.
    pub(crate) up: String,
    pub(crate) degraded: String,
    pub(crate) unknown: String,
}

impl HistoryChart {
    /// Draws a history.
    pub(crate) fn new(history: &History<'_>) -> HistoryChart {
        let window = history.buckets.window();
        let axis = Axis(window);
        let max_ms = scale_end(history.buckets);
        let y = |us: f64| TOP + SCALE - SCALE * (us / 1000.0 / max_ms).min(1.0);
        let mut chart = HistoryChart {
            from: window.from().0,
            to: window.to().0,
            bucket_ms: history.buckets.size_ms(),
            height: STRIP_TOP + STRIP + 22.0,
            top: TOP,
            bottom: TOP + SCALE,
            levels: levels(max_ms, &y),
            line: String::new(),
            band: String::new(),
            normal: ordinary::outline(history.normal, axis, &y),
            slowest: String::new(),
            over: Vec::new(),
            over_label: format::axis_time(max_ms),
            outages: history.outages.iter().filter_map(|o| fall(axis, o, history.now)).collect(),
            gaps: unobserved(history, axis),
            maintenance: maintenance(history, axis),
            flags: Vec::new(),
            strip: strip(history.buckets, axis),
            ticks: ticks::ticks(window, history.zone),
        };
        chart.trace(history.buckets, axis, max_ms, &y);
        chart.flags = flags::flags(history, axis);
        chart
    }

    /// Line, band and dots. A bucket in which nothing passed interrupts them.
    fn trace(&mut self, buckets: &Buckets, axis: Axis, max_ms: f64, y: &dyn Fn(f64) -> f64) {
        let mut run: Vec<(Window, f64, f64)> = Vec::new();
        for (window, tally) in buckets.iter() {
            match (tally.latency.percentile_us(0.5), tally.latency.percentile_us(0.95)) {
                (Some(p50), Some(p95)) => {
                    run.push((window, p50, p95));
                    self.mark_slowest(axis, window, tally, p95, max_ms, y);
                }
                // Between two checks that are further apart than a bucket the line goes on: one of them is valid for it.
                _ if tally.up_ms + tally.degraded_ms == window.length_ms() => {}
                _ => self.draw_run(&mut run, axis, y),
            }
        }
        self.draw_run(&mut run, axis, y);
    }

    fn draw_run(&mut self, run: &mut Vec<(Window, f64, f64)>, axis: Axis, y: &dyn Fn(f64) -> f64) {
        // From the first bucket's beginning to the last one's end, through the middles between.
        let (Some(first), Some(last)) = (run.first().copied(), run.last().copied()) else { return };
        let middle = |w: Window| w.from().plus(w.length_ms() / 2);
        let mut points = vec![(first.0.from(), first.1, first.2)];
        points.extend(run.iter().map(|(w, p50, p95)| (middle(*w), *p50, *p95)));
        points.push((last.0.to(), last.1, last.2));
        for (i, (at, p50, _)) in points.iter().enumerate() {
            let _ = write!(self.line, "{}{} {}", if i == 0 { 'M' } else { 'L' }, axis.wide(*at), short(y(*p50)));
        }
        for (i, (at, _, p95)) in points.iter().enumerate() {
            let _ = write!(self.band, "{}{} {}", if i == 0 { 'M' } else { 'L' }, axis.wide(*at), short(y(*p95)));
        }
        for (at, p50, _) in points.iter().rev() {
            let _ = write!(self.band, "L{} {}", axis.wide(*at), short(y(*p50 * 0.8)));
        }
        self.band.push('Z');
        run.clear();
    }

    fn mark_slowest(
        &mut self,
        axis: Axis,
        window: Window,
        tally: &Tally,
        p95: f64,
        max_ms: f64,
        y: &dyn Fn(f64) -> f64,
    ) {
        let Some(max_us) = tally.max_us.map(f64::from) else { return };
        let at = window.from().plus(window.length_ms() / 2);
        if max_us / 1000.0 > max_ms {
            self.over.push(axis.percent(at));
        } else if max_us > 2.1 * p95 && max_us / 1000.0 > max_ms * 0.3 {
            let _ = write!(self.slowest, "M{} {}h0", axis.wide(at), short(y(max_us)));
        }
    }
}

/// The end of the scale in milliseconds, a round number: it holds the 95th percentiles but for their own outliers.
fn scale_end(buckets: &Buckets) -> f64 {
    let mut p95s: Vec<f64> = buckets.iter().filter_map(|(_, tally)| tally.latency.percentile_us(0.95)).collect();
    if p95s.is_empty() {
        return 100.0;
    }
    p95s.sort_by(f64::total_cmp);
    let high = p95s[(p95s.len() - 1) * 98 / 100] / 1000.0 * 1.25;
    let power = 10f64.powf(high.max(0.1).log10().floor());
    [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|n| n * power)
        .find(|end| *end >= high)
        .unwrap_or(high)
}

fn levels(max_ms: f64, y: &dyn Fn(f64) -> f64) -> Vec<Level> {
    // Three to six lines at round numbers.
    let power = 10f64.powf(max_ms.log10().floor());
    let step =
        [0.2, 0.25, 0.5, 1.0, 2.0].into_iter().map(|n| n * power).find(|step| max_ms / step <= 6.01).unwrap_or(max_ms);
    let count = (max_ms / step + 1e-6).floor() as i32;
    (0..=count)
        .map(|i| {
            let value = f64::from(i) * step;
            let label = if i == 0 { String::new() } else { format::axis_time(value) };
            Level { y: y(value * 1000.0).round(), label }
        })
        .collect()
}

fn fall(axis: Axis, outage: &Outage, now: UnixMs) -> Option<Fall> {
    let end = outage.ended_at.unwrap_or(now).max(outage.started_at.plus(1));
    let stretch = axis.stretch(outage.started_at, end)?;
    Some(Fall { x: stretch.x, width: stretch.width, continues: outage.started_at < axis.0.from() })
}

fn maintenance(history: &History<'_>, axis: Axis) -> Vec<Stretch> {
    history.maintenance.inside(axis.0).filter_map(|w| axis.stretch(w.from(), w.to())).collect()
}

/// Gaps, and the time before anything was watched.
fn unobserved(history: &History<'_>, axis: Axis) -> Vec<Stretch> {
    let before = match history.watched_from {
        Some(first) => axis.stretch(UnixMs::MIN, first),
        None => axis.stretch(UnixMs::MIN, UnixMs::MAX),
    };
    let gaps = history.gaps.iter().filter_map(|gap| axis.stretch(gap.from, gap.to.unwrap_or(history.now)));
    before.into_iter().chain(gaps).collect()
}

/// Up, degraded and unknown as runs of buckets; outages and gaps are drawn over them at their true extent.
fn strip(buckets: &Buckets, axis: Axis) -> Strip {
    let runs = |height: f64, holds: &dyn Fn(&Tally) -> bool| {
        let mut path = String::new();
        let mut begun: Option<Window> = None;
        let mut close = |run: Option<Window>, end: UnixMs| {
            let Some(run) = run else { return };
            let left = axis.share(run.from()) * WIDE;
            let (x, top) = (short(left), short(STRIP - height));
            let width = short((axis.share(end) * WIDE - left).max(1.0));
            let _ = write!(path, "M{x} {top}h{width}v{height}h-{width}z");
        };
        for (window, tally) in buckets.iter() {
            match (begun, holds(tally)) {
                (None, true) => begun = Some(window),
                (Some(_), false) => close(begun.take(), window.from()),
                _ => {}
            }
        }
        close(begun, axis.0.to());
        path
    };
    Strip {
        y: STRIP_TOP,
        height: STRIP,
        up: runs(6.0, &|tally| tally.up_ms > 0),
        degraded: runs(12.0, &|tally| tally.degraded_ms > 0),
        unknown: runs(9.0, &|tally| tally.unknown_ms > 0),
    }
}
