//! `flapping`: a service passes and fails its checks by turns. Meanwhile its incidents are in the log, and those who are
//! told that it flaps are not told of each.

use super::{ledger::Ledger, round::Round};
use crate::{
    domain::{
        flapping::CHECKS,
        sanitize::{LONGEST_MESSAGE, one_line},
        status::Status,
        time::UnixMs,
    },
    format,
    history::as_of::service_page,
    live::ServiceNow,
    routing::{AlertKind, Announcement, Facts, Severity},
};

pub(super) fn look(round: &mut Round<'_>) {
    let routing = round.context.writer.routing();
    for service in round.services.iter().filter(|service| service.flapping.is_on()) {
        let stem = format!("{}-", service.id.0);
        if !routing.flapping.contains(&service.service.name)
            || !is_watched(service, round.now)
            || round.ledger.is_open(AlertKind::Flapping, &stem)
        {
            continue;
        }
        let Some(last) = &service.last else { continue };
        let event_id = round.ledger.id(AlertKind::Flapping, &format!("{stem}{}", last.at.0));
        let facts = Facts::of_service(AlertKind::Flapping, &service.service, round.now);
        let announcement = begins(round, service, &event_id);
        let channels = round.recipients(&facts);
        round.announce(event_id, announcement, channels);
    }
    for (event_id, facts, told_at) in round.ledger.open(AlertKind::Flapping, "") {
        let Some(id) = facts.split_once('-').and_then(|(id, _)| id.parse().ok()) else { continue };
        let Some(service) = round.service(id) else { continue };
        let goes_on = service.flapping.is_on() && routing.flapping.contains(&service.service.name);
        if goes_on || !is_watched(service, round.now) {
            continue;
        }
        let facts = Facts::of_service(AlertKind::Flapping, &service.service, told_at);
        let announcement = ends(round, service, &event_id, told_at);
        let channels = round.recipients(&facts);
        round.announce(Ledger::end_of(&event_id), announcement, channels);
    }
}

fn is_watched(service: &ServiceNow, now: UnixMs) -> bool {
    !matches!(service.status(now), Status::Paused | Status::Maintenance)
}

fn begins(round: &Round<'_>, service: &ServiceNow, key: &str) -> Announcement {
    let name = &service.service.name;
    let changes = service.flapping.changes();
    let mut details = vec![("changes".to_owned(), format!("{changes} in its last {CHECKS} checks"))];
    // At this moment it may pass. What cannot be read is no reason to say nothing.
    let last = || round.context.reader.read_one(|tables| tables.last_outage(service.id, round.now)).ok().flatten();
    let outage = service.outage.as_deref().cloned().or_else(last);
    let reason = outage.map(|outage| one_line(&outage.cause.reason.message, LONGEST_MESSAGE));
    details.extend(reason.map(|reason| ("it fails with".to_owned(), reason)));
    announcement(
        service,
        false,
        key,
        format!("[FLAPPING] {name} changed {changes} times in {CHECKS} checks"),
        format!(
            "{name} passes and fails its checks by turns. Until it is steady nobody is told of each incident; all are in \
             the log."
        ),
        details,
    )
}

fn ends(round: &Round<'_>, service: &ServiceNow, key: &str, told_at: UnixMs) -> Announcement {
    let name = &service.service.name;
    let lasted = format::duration(round.now.since(told_at));
    let (tag, what) = match service.status(round.now) {
        Status::Down => ("[STEADY]", "down"),
        Status::Degraded => ("[OK]", "degraded"),
        Status::Up => ("[OK]", "up"),
        _ => ("[UNKNOWN]", "not known to be up or down"),
    };
    let mut details = vec![("it flapped for".to_owned(), lasted.clone())];
    let reason = service.outage.as_ref().map(|outage| one_line(&outage.cause.reason.message, LONGEST_MESSAGE));
    details.extend(reason.filter(|_| what == "down").map(|reason| ("cause".to_owned(), reason)));
    announcement(
        service,
        true,
        key,
        format!("{tag} {name} does not flap any more, and is {what}"),
        format!("{name} does not flap any more, after {lasted}: it is {what}."),
        details,
    )
}

fn announcement(
    service: &ServiceNow,
    is_over: bool,
    key: &str,
    title: String,
    text: String,
    mut details: Vec<(String, String)>,
) -> Announcement {
    let (name, group) = (&service.service.name, &service.service.group);
    details.extend(group.clone().map(|group| ("group".to_owned(), group)));
    Announcement {
        kind: AlertKind::Flapping,
        is_over,
        key: key.to_owned(),
        service: Some(name.clone()),
        group: group.clone(),
        severity: Severity::of_kind(AlertKind::Flapping, &service.service),
        title,
        text,
        details,
        page: Some(service_page(name)),
        report: None,
    }
}
