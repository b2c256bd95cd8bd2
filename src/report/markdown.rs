//! The review as Markdown: the same words and figures as on the page.

use super::{content::content, review::Review};
use crate::{
    domain::time::UnixMs,
    format::{markdown, zone::Zone},
    history::as_of::Snapshot,
};
use std::fmt::Write;

/// The review as Markdown.
pub(crate) fn markdown(review: &Review, zone: Zone, now: UnixMs) -> String {
    let content = content(&Snapshot::now(Vec::new(), now), review, zone);
    let cell = markdown::inline;
    let mut text = format!("# {}\n\n{}\n\n", cell(&content.name), cell(&content.range));
    let truth = &content.truth;
    let _ = write!(text, "**{}**\n\n", cell(&format!("{} {}{}", truth.before, truth.strong, truth.rest)));
    for sentence in &content.after {
        let _ = writeln!(text, "{}", markdown::line(sentence));
    }
    if !content.sums.is_empty() {
        text.push('\n');
    }
    for sum in &content.sums {
        let _ = writeln!(text, "- {}: **{}** ({})", cell(sum.name), cell(&sum.figure), cell(&sum.note));
    }
    if !content.rows.is_empty() {
        text.push_str("\n| Service | Uptime | Against before | Objective | Down | Incidents | Blips | Mean to repair | p95 | Coverage |\n");
        text.push_str("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    }
    for row in &content.rows {
        let objective = match (&row.objective, row.missed) {
            (Some(o), true) => format!("{o} missed"),
            (Some(o), false) => format!("{o} met"),
            (None, _) => String::new(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} {} | {} |",
            cell(&row.name),
            cell(&row.uptime),
            row.against,
            cell(&objective),
            cell(&row.down),
            row.incidents,
            row.blips,
            cell(&row.mttr),
            cell(&row.p95),
            row.p95_against,
            cell(&row.coverage)
        );
    }
    if !content.longest.is_empty() {
        text.push_str(
            "\n## Longest outages\n\n| Service | Began | Lasted | Cause | Note |\n| --- | --- | ---: | --- | --- |\n",
        );
        for long in &content.longest {
            let (began, lasted) = (&long.began.iso, cell(&long.lasted));
            let (cause, note) = (cell(&long.cause), cell(long.note.as_deref().unwrap_or_default()));
            let _ = writeln!(text, "| {} | {began} | {lasted} | {cause} | {note} |", cell(&long.service));
        }
    }
    let _ = write!(text, "\n{}\n", markdown::line(&content.generated));
    text
}
