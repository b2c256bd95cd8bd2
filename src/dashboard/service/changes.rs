//! What changed while a service was watched: its settings, in words, for the chart's marks and the list below it.

use super::subject::Subject;
use crate::{
    chart::Note,
    domain::window::Window,
    format::{
        self,
        zone::{Moment, Zone},
    },
    history::as_of::Snapshot,
    http::state::AppState,
    store::{Maintenance, Setting, SettingChange, StoreError},
};
use serde::Serialize;

/// The list of changes is no longer than this.
const SHOWN: usize = 50;

/// A change in the list.
#[derive(Serialize)]
pub(super) struct ChangeRow {
    at: Moment,
    text: String,
}

/// The changes of the range, oldest first. It blocks.
pub(super) fn notes(
    app: &AppState,
    snapshot: &Snapshot,
    subject: &Subject,
    window: Window,
) -> Result<Vec<Note>, StoreError> {
    let changes = app.reader.setting_changes(subject.id, window)?;
    let known = changes.iter().filter(|change| change.at <= snapshot.at);
    let said = known.map(|change| Note { at: change.at, text: said(change) });
    Ok(said.filter(|note| !note.text.is_empty()).collect())
}

/// The same for the list, newest first.
pub(super) fn rows(notes: &[Note], snapshot: &Snapshot, zone: Zone) -> Vec<ChangeRow> {
    let row = |note: &Note| ChangeRow { at: zone.dated(note.at, snapshot.at), text: note.text.clone() };
    notes.iter().rev().take(SHOWN).map(row).collect()
}

/// Maintenance of the range with its reasons, for the labels of the chart.
pub(super) fn maintenance_said(log: &[&Maintenance], zone: Zone) -> Vec<(Window, String)> {
    let clock = |at| zone.local(at).format("%a %H:%M").to_string();
    log.iter()
        .map(|one| {
            let (from, to) = (clock(one.window.from()), clock(one.window.to()));
            (one.window, format!("Maintenance, {from} to {to}: {}", one.reason))
        })
        .collect()
}

/// What changed from what to what, in a sentence without its end.
fn said(change: &SettingChange) -> String {
    let (before, after) = (&change.before, &change.after);
    let mut said = Vec::new();
    let mut note = |differs: bool, text: String| {
        if differs {
            said.push(text);
        }
    };
    let time = format::duration;
    note(before.enabled != after.enabled, if after.enabled { "checked again" } else { "paused" }.to_owned());
    note(
        before.interval_ms != after.interval_ms,
        format!("checked every {} instead of {}", time(after.interval_ms), time(before.interval_ms)),
    );
    note(
        before.timeout_ms != after.timeout_ms,
        format!("times out after {} instead of {}", time(after.timeout_ms), time(before.timeout_ms)),
    );
    let (fails, failed) = (after.thresholds.failure, before.thresholds.failure);
    let failures = format::counted(fails.into(), "failure", "failures");
    note(fails != failed, format!("down after {failures} instead of {failed}"));
    let (passes, passed) = (after.thresholds.success, before.thresholds.success);
    let counted = format::counted(passes.into(), "pass", "passes");
    note(passes != passed, format!("up again after {counted} instead of {passed}"));
    note(before.degraded_after_ms != after.degraded_after_ms, degraded(before, after));
    if let (Some(was), Some(is)) = (before.critical, after.critical) {
        note(was != is, if is { "critical" } else { "no longer critical" }.to_owned());
    }
    said.join(", ")
}

fn degraded(before: &Setting, after: &Setting) -> String {
    let time = |ms: i64| format::response_time(ms as f64 * 1000.0);
    match (before.degraded_after_ms, after.degraded_after_ms) {
        (Some(was), Some(is)) => format!("degraded when slower than {} instead of {}", time(is), time(was)),
        (None, Some(is)) => format!("degraded when slower than {}", time(is)),
        (_, None) => "no time limit that makes it degraded".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{service::Thresholds, time::UnixMs};

    const BEFORE: Setting = Setting {
        enabled: true,
        interval_ms: 10_000,
        timeout_ms: 5_000,
        thresholds: Thresholds { failure: 3, success: 2 },
        degraded_after_ms: None,
        critical: Some(true),
    };

    fn told(after: Setting) -> String {
        said(&SettingChange { at: UnixMs(0), before: BEFORE, after }).replace('\u{a0}', " ")
    }

    #[test]
    fn a_change_says_what_became_of_what() {
        assert_eq!(told(Setting { interval_ms: 60_000, ..BEFORE }), "checked every 1 min instead of 10 s");
        let thresholds = Thresholds { failure: 1, success: 4 };
        let several = Setting { thresholds, degraded_after_ms: Some(800), critical: Some(false), ..BEFORE };
        assert_eq!(
            told(several),
            "down after 1 failure instead of 3, up again after 4 passes instead of 2, degraded when slower than 800 ms, \
             no longer critical"
        );
        assert_eq!(told(Setting { enabled: false, ..BEFORE }), "paused");
        assert_eq!(told(Setting { critical: None, ..BEFORE }), "", "what was not recorded did not change");
    }
}
