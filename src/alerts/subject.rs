//! The subjects of messages: short, they sort and read alone.

use crate::{
    domain::{incident::Outage, time::UnixMs},
    routing::Announcement,
    store::{Event, IncidentEvent},
};

/// Services that a title names.
const IN_TITLE: usize = 3;

/// The subject of a message about one incident. `at` is when this happened to it.
pub(super) fn title(incident: &IncidentEvent, at: UnixMs) -> String {
    let Outage { service, started_at, .. } = &incident.outage;
    match (incident.event, resolved_at(incident)) {
        (Event::Reminder(_), _) => format!("[DOWN] {service} for {}", lasted(at.since(*started_at))),
        (_, Some(end)) => format!("[UP] {service} after {}", lasted(end.since(*started_at))),
        // Others were notified of it long ago.
        (_, None) if incident.late.is_some() => format!("[DOWN] {service} for {}", lasted(at.since(*started_at))),
        _ => format!("[DOWN] {service}"),
    }
}

/// The events of a message about several, sorted by what happened.
pub(super) struct Groups<'a> {
    pub(super) down: &'a [IncidentEvent],
    pub(super) lasting: &'a [IncidentEvent],
    pub(super) up: &'a [IncidentEvent],
    /// What failed and is up again.
    pub(super) passed: &'a [IncidentEvent],
    pub(super) announced: &'a [&'a Announcement],
}

impl Groups<'_> {
    pub(super) fn title(&self) -> String {
        let Groups { down, lasting, up, passed, announced } = self;
        let of_them = [down, lasting, up, passed].into_iter().find(|of_them| !of_them.is_empty());
        let Some(of_them) = of_them else {
            // What is wrong comes before what is over.
            let first =
                announced.iter().find(|said| !said.is_over).or(announced.first()).map_or("", |said| &said.title);
            return format!("{first} and {} more", announced.len().saturating_sub(1));
        };
        let tag = if down.is_empty() && lasting.is_empty() { "[UP]" } else { "[DOWN]" };
        let mut names: Vec<&str> = of_them.iter().map(|incident| incident.outage.service.as_str()).collect();
        let rest = names.len().saturating_sub(IN_TITLE);
        names.truncate(IN_TITLE);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let mut title = format!("{tag} {}: {}{rest}", services(of_them.len()), names.join(", "));
        let again = up.len() + passed.len();
        if tag == "[DOWN]" && again > 0 {
            title.push_str(&format!("; {again} up again"));
        }
        if !down.is_empty() && !lasting.is_empty() {
            title.push_str(&format!("; {} still down", lasting.len()));
        }
        if !announced.is_empty() {
            title.push_str(&format!("; {} more", announced.len()));
        }
        title
    }
}

/// When the end was that an event is.
pub(super) fn resolved_at(incident: &IncidentEvent) -> Option<UnixMs> {
    incident.outage.ended_at.filter(|_| incident.event == Event::Resolved)
}

/// How long something lasted.
pub(super) fn lasted(ms: i64) -> String {
    crate::format::duration(ms)
}

/// So many of them.
pub(super) fn services(n: usize) -> String {
    if n == 1 { "1 service".to_owned() } else { format!("{n} services") }
}
