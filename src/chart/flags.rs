//! Words over a chart of a history. Outages have a row of their own, and what explains them (gaps, maintenance) another
//! one, so that no word can be taken for that of the line beside it.

use super::{Axis, History};
use crate::{domain::time::UnixMs, format};
use serde::Serialize;

/// The picture is assumed to be as wide as this where words must not cover each other, on a desk and on a phone.
const WIDE_PX: f64 = 850.0;
const NARROW_PX: f64 = 290.0;
const LETTER_PX: f64 = 6.0;
/// Between a word and the next one at least.
const APART_PX: f64 = 12.0;
/// The rows, in pixels from the top.
const OUTAGES_Y: f64 = 26.0;
const OTHERS_Y: f64 = 12.0;

/// A word over the chart.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Flag {
    pub(crate) x: String,
    pub(crate) y: f64,
    pub(crate) text: String,
    /// `down`, `maintenance` or `unknown`.
    pub(crate) kind: &'static str,
    pub(crate) end: bool,
    /// It does on a narrow screen.
    pub(crate) late: bool,
    /// Left out on a narrow screen.
    pub(crate) minor: bool,
}

/// A label that could be shown, and how much it matters.
struct Wish {
    /// From 0 at the left edge to 1.
    share: f64,
    ms: i64,
    text: String,
    kind: &'static str,
}

impl Wish {
    /// Where its words lie on a picture of a width, as shares of it, and whether they end at the moment.
    fn place(&self, width: f64) -> (f64, f64, bool) {
        let length = (self.text.chars().count() as f64 * LETTER_PX + APART_PX) / width;
        let end = self.share + length > 1.0 + APART_PX / width;
        if end { (self.share - length, self.share, true) } else { (self.share, self.share + length, false) }
    }
}

/// The words of a history: no two of them cover each other, however many things happened.
pub(super) fn flags(history: &History<'_>, axis: Axis) -> Vec<Flag> {
    let mut flags = lay(outages(history, axis), OUTAGES_Y);
    flags.extend(lay(others(history, axis), OTHERS_Y));
    flags
}

/// A row: what matters most first, as many as do not cover each other.
fn lay(mut wishes: Vec<Wish>, y: f64) -> Vec<Flag> {
    wishes.sort_by_key(|wish| std::cmp::Reverse(wish.ms));
    let fits = |taken: &mut Vec<(f64, f64)>, (left, right, _): (f64, f64, bool)| {
        let free = left > -0.02 && taken.iter().all(|(l, r)| right <= *l || left >= *r);
        if free {
            taken.push((left, right));
        }
        free
    };
    let (mut wide, mut narrow) = (Vec::new(), Vec::new());
    let mut flags = Vec::new();
    for wish in wishes {
        let place = wish.place(WIDE_PX);
        if fits(&mut wide, place) {
            let small = wish.place(NARROW_PX);
            let minor = !fits(&mut narrow, small);
            let x = super::percent(wish.share);
            flags.push(Flag { x, y, text: wish.text, kind: wish.kind, end: place.2, late: small.2, minor });
        }
    }
    flags
}

/// Outages that lie so near to each other that only one could be named are named together.
fn outages(history: &History<'_>, axis: Axis) -> Vec<Wish> {
    let window = axis.0;
    let mut shown: Vec<_> = history.outages.iter().filter(|o| o.started_at < window.to()).collect();
    shown.sort_by_key(|outage| outage.started_at);
    let mut wishes: Vec<(Wish, usize)> = Vec::new();
    for outage in shown {
        let ms = outage.duration_ms(history.now);
        let share = axis.share(outage.started_at.max(window.from()));
        if outage.ended_at.is_none() {
            // What lasts now is what the reader came for. What is not confirmed yet may turn out to be nothing.
            if outage.is_incident() {
                let text = if history.past { "down then" } else { "down now" }.to_owned();
                wishes.push((Wish { share, ms: i64::MAX, text, kind: "down" }, 1));
            }
            continue;
        }
        if let Some((before, count)) = wishes.last_mut().filter(|(wish, _)| share < wish.place(WIDE_PX).1) {
            *count += 1;
            before.ms += ms;
            before.text = format!("{count} × down, {}", format::duration(before.ms));
        } else {
            wishes.push((Wish { share, ms, text: format::duration(ms), kind: "down" }, 1));
        }
    }
    wishes.into_iter().map(|(wish, _)| wish).collect()
}

/// Gaps and maintenance that are long enough to be seen.
fn others(history: &History<'_>, axis: Axis) -> Vec<Wish> {
    let window = axis.0;
    let wish = |from: UnixMs, ms: i64, text: &str, kind| {
        let share = axis.share(from.max(window.from()));
        (ms * 200 > window.length_ms()).then(|| Wish { share, ms, text: text.to_owned(), kind })
    };
    let gaps = history
        .gaps
        .iter()
        .filter_map(|gap| wish(gap.from, gap.to.unwrap_or(history.now).since(gap.from), "not observed", "unknown"));
    let maintenance = history.maintenance.inside(window);
    // Short as it may be: somebody planned it.
    let maintenance = maintenance.map(|w| Wish {
        share: axis.share(w.from()),
        ms: w.length_ms(),
        text: "maintenance".into(),
        kind: "maintenance",
    });
    gaps.chain(maintenance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(share: f64, ms: i64) -> Wish {
        Wish { share, ms, text: "2 min 4 s".into(), kind: "down" }
    }

    #[test]
    fn however_many_there_are_no_word_covers_another_and_the_longest_is_named() {
        for (width, narrow) in [(WIDE_PX, false), (NARROW_PX, true)] {
            let wishes: Vec<Wish> = (0..997).map(|i| wish(f64::from(i) / 996.0, i64::from(i * 7919 % 997))).collect();
            let longest = wishes.iter().max_by_key(|w| w.ms).map(|w| crate::chart::percent(w.share));
            let flags: Vec<Flag> = lay(wishes, OUTAGES_Y).into_iter().filter(|flag| !(narrow && flag.minor)).collect();
            assert_eq!(Some(flags[0].x.clone()), longest);
            let mut places: Vec<(f64, f64)> = flags
                .iter()
                .map(|flag| {
                    let share = flag.x.trim_end_matches('%').parse::<f64>().unwrap() / 100.0;
                    let length = flag.text.chars().count() as f64 * LETTER_PX / width;
                    if if narrow { flag.late } else { flag.end } {
                        (share - length, share)
                    } else {
                        (share, share + length)
                    }
                })
                .collect();
            assert!(places.len() > 2, "{} pixels", width);
            places.sort_by(|a, b| a.0.total_cmp(&b.0));
            for pair in places.windows(2) {
                assert!(pair[0].1 < pair[1].0, "{pair:?}");
            }
        }
    }
}
