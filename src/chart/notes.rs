//! Marks on a lane below a chart: moments at which something changed. Those that lie too near to be distinguished are one
//! mark, with their number.

use super::{Axis, percent};
use crate::domain::{time::UnixMs, window::Window};
use serde::Serialize;

/// A picture this wide is assumed where marks must not cover each other.
const ASSUMED_WIDTH_PX: f64 = 900.0;
/// From the middle of one mark to that of the next at least, in pixels: room for its sign and a number.
const APART_PX: f64 = 30.0;

/// What happened at a moment, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    pub(crate) at: UnixMs,
    pub(crate) text: String,
}

/// A mark: one moment or several that lie together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct NoteMark {
    /// Its position.
    pub(crate) x: String,
    /// Each of its moments, in milliseconds, with what happened.
    pub(crate) notes: Vec<(i64, String)>,
    pub(crate) count: usize,
    /// All that happened, oldest first.
    pub(crate) text: String,
    /// A number beside it would leave the picture: it is on the other side.
    pub(crate) end: bool,
}

impl NoteMark {
    /// The marks of notes in the order of time; those outside the window are left out.
    pub(crate) fn lay(window: Window, notes: &[Note]) -> Vec<NoteMark> {
        let axis = Axis(window);
        let mut groups: Vec<Vec<&Note>> = Vec::new();
        let apart = APART_PX / ASSUMED_WIDTH_PX;
        for note in notes.iter().filter(|note| window.contains(note.at)) {
            match groups.last_mut() {
                // Against the first of them: a row of marks does not become one that is as wide as the chart.
                Some(group) if axis.share(note.at) - axis.share(group[0].at) < apart => group.push(note),
                _ => groups.push(vec![note]),
            }
        }
        let mark = |group: Vec<&Note>| {
            let share = axis.share(group[0].at);
            let texts: Vec<&str> = group.iter().map(|note| note.text.as_str()).collect();
            let text = match texts[..] {
                [one] => one.to_owned(),
                _ => format!("{} changes: {}", texts.len(), texts.join("; ")),
            };
            NoteMark {
                x: percent(share),
                notes: group.iter().map(|note| (note.at.0, note.text.clone())).collect(),
                count: texts.len(),
                text,
                end: share > 0.96,
            }
        };
        groups.into_iter().map(mark).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(at: &[i64]) -> Vec<NoteMark> {
        let notes: Vec<Note> = at.iter().map(|&at| Note { at: UnixMs(at), text: format!("at {at}") }).collect();
        NoteMark::lay(Window::new(UnixMs(0), UnixMs(9000)).unwrap(), &notes)
    }

    #[test]
    fn what_lies_together_is_one_mark_with_its_number() {
        let marks = lay(&[0, 100, 299, 3000, 9000]);
        let said: Vec<_> = marks.iter().map(|m| (m.x.as_str(), m.notes.len(), m.count, m.text.as_str())).collect();
        let together = "3 changes: at 0; at 100; at 299";
        assert_eq!(said, [("0%", 3, 3, together), ("33.33%", 1, 1, "at 3000")]);
    }

    #[test]
    fn however_many_there_are_no_mark_covers_another() {
        let marks = lay(&(0..9000).step_by(7).collect::<Vec<_>>());
        let x: Vec<f64> = marks.iter().map(|m| m.x.trim_end_matches('%').parse().unwrap()).collect();
        assert!(marks.len() > 20);
        for pair in x.windows(2) {
            assert!((pair[1] - pair[0]) / 100.0 * ASSUMED_WIDTH_PX >= APART_PX - 0.2, "{pair:?}");
        }
        assert_eq!(marks.iter().map(|m| m.count).sum::<usize>(), (0..9000).step_by(7).count());
        assert!(marks.last().unwrap().end);
    }
}
