//! The table of the reference: what the laboratory breaks, and what is made of it.

use super::{
    fault::{Expected, Fault},
    stand::{Run, Scores},
};
use std::{fmt::Write, path::Path};

const HEAD: &str = "\
# Faults, and what is made of them

A test of the suite, the fault laboratory, has a server, a command or a job for each of these faults. It is well, then it breaks,
then it is well again, while the whole program watches it. Each fault has to be noticed, with the class of reason that is right,
within one interval and five seconds; so has its end; and nothing may be held against a service that is well, or that works all
the same (`up`).

`interval_secs` is 10 there, `timeout_secs` 0.5, and the rest as it is by default. What hangs is confirmed later where the
timeout is longer: by each of the three checks that it takes.

Another test lets a simulated month pass over twenty services with nothing wrong but what is ordinary on a network: answers that
take longer by day than by night, and one packet in a thousand that is lost, most of them together. Single checks fail in it;
no service is called down or flapping.

";

const TABLE: &str = "| kind | fault | class |\n| --- | --- | --- |\n";

/// Of each fault: what the table says of it.
fn rows(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("| {} | {} | {} |\n", fault.kind, fault.name, fault.shown())).collect()
}

/// What the last run came to.
fn summary(faults: &[Fault], scores: &Scores) -> String {
    let runs: Vec<(&Fault, &Run)> = faults
        .iter()
        .zip(&scores.runs)
        .filter(|(fault, _)| fault.expected != Expected::Up)
        .flat_map(|(fault, runs)| runs.iter().map(move |run| (fault, run)))
        .collect();
    let (all, noticed) = (runs.len(), runs.iter().filter(|(_, run)| run.confirmed.is_some()).count());
    let right = runs.iter().filter(|(fault, run)| run.wrong(fault.expected).is_none()).count();
    let seconds = |of: fn(&Run) -> Option<f64>| {
        let mut seconds: Vec<f64> = runs.iter().filter_map(|(_, run)| of(run)).collect();
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
        (middle, seconds.last().copied().unwrap_or(f64::NAN))
    };
    let ((shown, shown_at_most), (up, up_at_most)) = (seconds(|run| run.confirmed), seconds(|run| run.recovered));
    let mut text = String::new();
    writeln!(
        text,
        "When this page was written, of {all} runs {noticed} were noticed, and {right} were right and in time."
    )
    .unwrap();
    writeln!(text, "A fault was shown after {shown:.1} s in the middle, {shown_at_most:.1} s at most; its end after {up:.1} s and {up_at_most:.1} s.").unwrap();
    writeln!(text, "False alarms: {}.\n", scores.false_alarms.len()).unwrap();
    text
}

/// Holds the page to what the laboratory has. `UPDATE_SNAPSHOTS=1` writes it anew.
pub(super) fn hold(faults: &[Fault], scores: &Scores) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let rows = rows(faults);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let text = [HEAD, &summary(faults, scores), TABLE, &rows].concat();
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let is_held = text.starts_with(HEAD) && text.split_once(TABLE).is_some_and(|(_, table)| table == rows);
    assert!(is_held, "{} is another: UPDATE_SNAPSHOTS=1 writes it\n{rows}", path.display());
}
