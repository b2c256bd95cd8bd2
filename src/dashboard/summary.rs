//! An incident in a few lines, to be copied into a message.

use crate::{
    domain::{incident::Outage, time::UnixMs},
    format::{self, markdown, zone::Zone},
    render::view_model,
};

/// What there is to say: each with its name, or a sentence without one. `then` is the moment of the past at which it was
/// so.
fn lines(outage: &Outage, zone: Zone, then: Option<UnixMs>) -> Vec<(&'static str, String)> {
    let time = |at: UnixMs| format!("{} ({})", zone.local(at).format("%Y-%m-%d %H:%M:%S%.3f"), zone.name());
    let mut lines = Vec::new();
    lines.extend(outage.last_ok_at.map(|at| ("Last good", time(at))));
    lines.push(("First failed", time(outage.started_at)));
    lines.extend(outage.confirmed_at.map(|at| ("Confirmed", time(at))));
    match outage.ended_at {
        Some(at) => {
            lines.push(("Well again", time(at)));
            lines.push(("Lasted", format::duration(at.since(outage.started_at)).replace('\u{a0}', " ")));
        }
        None if then.is_some() => lines.extend(then.map(|at| ("", format!("It was down at {}.", time(at))))),
        None if view_model::left_open(outage) => lines.push(("", "It is not checked any more.".to_owned())),
        None => lines.push(("", "It is still down.".to_owned())),
    }
    lines.push(("Failed checks", outage.checks_failed.to_string()));
    lines
}

/// As plain text; `here` is the address of the incident's page.
pub(super) fn text(outage: &Outage, here: &str, zone: Zone, then: Option<UnixMs>) -> String {
    let mut said = format!("{} was down: {}\n", outage.service, format::clipped(&outage.cause.reason.message, 200));
    for (name, value) in lines(outage, zone, then) {
        match name {
            "" => said += &format!("{value}\n"),
            name => said += &format!("{:<14}{value}\n", format!("{name}:")),
        }
    }
    if let Some(note) = &outage.note {
        said += &format!("Note:         {}\n", note.text.replace('\n', "\n              "));
    }
    said + &format!("More:         {here}")
}

/// As Markdown.
pub(super) fn markdown(outage: &Outage, here: &str, zone: Zone, then: Option<UnixMs>) -> String {
    let why = format::clipped(&outage.cause.reason.message, 200);
    let mut said = format!("### {} was down: {}\n\n", markdown::inline(&outage.service), markdown::inline(&why));
    for (name, value) in lines(outage, zone, then) {
        match name {
            "" => said += &format!("- {value}\n"),
            name => said += &format!("- {name}: **{value}**\n"),
        }
    }
    said += &format!("- More: {}", markdown::link(here));
    if let Some(note) = &outage.note {
        let quoted: Vec<String> =
            note.text.lines().map(|line| format!("> {}", markdown::line(line)).trim_end().to_owned()).collect();
        said += &format!("\n\nNote:\n\n{}", quoted.join("\n"));
    }
    said
}
