//! Maintenance: time that was announced beforehand, or marked afterwards, as one in which things may fail.
//!
//! It lies over the results and changes none of them. In maintenance:
//!
//! - time is maintenance and nothing else: it counts on neither side of uptime, and no gap is seen in it;
//! - a failed check says nothing about the time behind a window either: one that was made in it counts as one that could
//!   not be judged, and one that was made before it counts as downtime up to its beginning;
//! - the state machine is paused: see [`super::health::Health::observe`].

use super::{check::Outcome, time::UnixMs, window::Window};

/// The stretches of time of one service that are maintenance: in order, and none touches another.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Overlay(Vec<Window>);

impl Overlay {
    /// No maintenance at all.
    pub const NONE: Overlay = Overlay(Vec::new());

    /// The union of some windows, in any order.
    pub fn new(windows: impl IntoIterator<Item = Window>) -> Overlay {
        let mut windows: Vec<Window> = windows.into_iter().collect();
        windows.sort_by_key(|w| (w.from(), w.to()));
        let mut union: Vec<Window> = Vec::with_capacity(windows.len());
        for window in windows {
            match union.last_mut() {
                Some(last) if window.from() <= last.to() => {
                    if let Some(longer) = Window::new(last.from(), last.to().max(window.to())) {
                        *last = longer;
                    }
                }
                _ => union.push(window),
            }
        }
        Overlay(union)
    }

    /// Its stretches, in order.
    pub fn windows(&self) -> &[Window] {
        &self.0
    }

    /// The stretch that `at` lies in.
    pub fn at(&self, at: UnixMs) -> Option<Window> {
        let next = self.0.partition_point(|w| w.to() <= at);
        self.0.get(next).copied().filter(|w| w.contains(at))
    }

    /// Whether `at` is maintenance.
    pub fn contains(&self, at: UnixMs) -> bool {
        self.at(at).is_some()
    }

    /// Its parts inside `window`, in order.
    pub fn inside(&self, window: Window) -> impl Iterator<Item = Window> + '_ {
        let first = self.0.partition_point(move |w| w.to() <= window.from());
        self.0[first..].iter().map_while(move |w| window.clip(w.from(), w.to()))
    }

    /// Its stretches that share time with `window`, whole, in order.
    pub fn touching(&self, window: Window) -> impl Iterator<Item = Window> + '_ {
        let first = self.0.partition_point(move |w| w.to() <= window.from());
        self.0[first..].iter().copied().take_while(move |w| w.from() < window.to())
    }

    /// How much of `window` is maintenance, in milliseconds.
    pub fn ms_in(&self, window: Window) -> i64 {
        self.inside(window).map(|w| w.length_ms()).sum()
    }

    /// Whether all of `window` is maintenance.
    pub fn covers(&self, window: Window) -> bool {
        self.at(window.from()).is_some_and(|w| w.to() >= window.to())
    }

    /// The parts of `window` that are not maintenance, in order.
    pub fn outside(&self, window: Window) -> impl Iterator<Item = Window> + '_ {
        let ends = self.inside(window).map(|w| (w.from(), w.to()));
        let ends = ends.chain(Some((window.to(), window.to())));
        let mut from = window.from();
        ends.filter_map(move |(begins, ends)| {
            let free = Window::new(from, begins);
            from = ends;
            free
        })
    }

    /// When the first stretch began that began after `after` and not after `until`.
    pub fn first_start(&self, after: UnixMs, until: UnixMs) -> Option<UnixMs> {
        let next = self.0.partition_point(|w| w.from() <= after);
        self.0.get(next).map(Window::from).filter(|from| *from <= until)
    }

    /// What an outcome of `at` counts as: a failure in maintenance is not judged.
    pub fn judged(&self, at: UnixMs, outcome: Outcome) -> Outcome {
        if outcome == Outcome::Down && self.contains(at) { Outcome::Unknown } else { outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn w(from: i64, to: i64) -> Window {
        Window::new(UnixMs(from), UnixMs(to)).unwrap()
    }

    #[test]
    fn windows_that_overlap_or_touch_are_one() {
        let overlay = Overlay::new([w(50, 60), w(10, 20), w(20, 30), w(15, 18), w(55, 70)]);
        assert_eq!(overlay.windows(), [w(10, 30), w(50, 70)]);
        assert!(!overlay.contains(UnixMs(9)) && overlay.contains(UnixMs(10)) && overlay.contains(UnixMs(29)));
        assert!(!overlay.contains(UnixMs(30)) && overlay.contains(UnixMs(50)) && !overlay.contains(UnixMs(70)));
    }

    #[test]
    fn what_is_inside_and_what_is_outside_make_up_the_whole() {
        let overlay = Overlay::new([w(10, 30), w(50, 70)]);
        let asked = w(20, 100);
        assert_eq!(overlay.inside(asked).collect::<Vec<_>>(), [w(20, 30), w(50, 70)]);
        assert_eq!(overlay.outside(asked).collect::<Vec<_>>(), [w(30, 50), w(70, 100)]);
        assert_eq!(overlay.ms_in(asked), 30);
        assert!(overlay.covers(w(50, 70)) && !overlay.covers(w(49, 70)) && !overlay.covers(w(50, 71)));
        assert_eq!(Overlay::NONE.outside(asked).collect::<Vec<_>>(), [asked]);
        assert_eq!(overlay.outside(w(12, 20)).count(), 0);
    }

    #[test]
    fn a_start_is_found_once() {
        let overlay = Overlay::new([w(10, 30), w(50, 70)]);
        let first = |after, until| overlay.first_start(UnixMs(after), UnixMs(until)).map(|t| t.0);
        assert_eq!((first(5, 9), first(5, 10), first(10, 49)), (None, Some(10), None));
        assert_eq!((first(5, 100), first(29, 100)), (Some(10), Some(50)));
    }
}
