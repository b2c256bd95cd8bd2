//! `degraded`: a service has been degraded for a while, and is not any more.

use super::{ledger::Ledger, round::Round};
use crate::{
    domain::{
        check::{Class, Outcome},
        sanitize::{LONGEST_MESSAGE, one_line},
        status::Status,
        time::{MINUTE_MS, UnixMs},
    },
    format,
    history::as_of::service_page,
    live::ServiceNow,
    routing::{AlertKind, Announcement, Facts},
};

/// How long a service has to be up without being degraded until it is over: one good check among many slow ones ends
/// nothing.
const SETTLED_MS: i64 = 5 * MINUTE_MS;

pub(super) fn look(round: &mut Round<'_>) {
    for service in round.services {
        if matches!(service.judged, Some((_, Outcome::Degraded))) {
            begin(round, service);
        }
    }
    let settled_ms = SETTLED_MS.min(round.rules.degraded_after_ms);
    for (event_id, facts, told_at) in round.ledger.open(AlertKind::Degraded, "") {
        if let Some((id, since)) = read(&facts)
            && let Some(service) = round.service(id)
            && service.status(round.now) == Status::Up
            && let Some(up_since) = service.since.filter(|up| round.now.since(*up) >= settled_ms)
        {
            let announcement = over(round, service, since, up_since, &event_id);
            let facts = Facts::of_service(AlertKind::Degraded, &service.service, told_at);
            let channels = round.recipients(&facts);
            round.announce(Ledger::end_of(&event_id), announcement, channels);
        }
    }
}

/// The number of the service, and since when it is degraded.
fn read(facts: &str) -> Option<(i64, UnixMs)> {
    let (id, since) = facts.split_once('-')?;
    Some((id.parse().ok()?, UnixMs(since.parse().ok()?)))
}

fn begin(round: &mut Round<'_>, service: &ServiceNow) {
    let (now, after_ms) = (round.now, round.rules.degraded_after_ms);
    let Some(since) = service.since.filter(|since| now.since(*since) >= after_ms) else { return };
    // In maintenance and while it is paused nobody is to be alarmed.
    if service.status(now) != Status::Degraded {
        return;
    }
    let reason = service.last.as_ref().and_then(|last| last.reason.as_ref());
    // A certificate that is about to end has a kind of its own.
    if reason.is_some_and(|reason| reason.class == Class::Certificate) {
        return;
    }
    if round.ledger.is_open(AlertKind::Degraded, &format!("{}-", service.id.0)) {
        return;
    }
    let event_id = round.ledger.id(AlertKind::Degraded, &format!("{}-{}", service.id.0, since.0));
    let facts = Facts::of_service(AlertKind::Degraded, &service.service, since.plus(after_ms));
    let name = &service.service.name;
    let why = reason.map(|reason| one_line(&reason.message, LONGEST_MESSAGE));
    let lasted = format::duration(now.since(since));
    let because = why.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let mut details = Vec::new();
    details.extend(why.map(|why| ("reason".to_owned(), why)));
    details.extend(latency(service).map(|time| ("latest response time".to_owned(), time)));
    details.extend(service.service.group.clone().map(|group| ("group".to_owned(), group)));
    details.push(("degraded since".to_owned(), round.time(since)));
    let announcement = Announcement {
        kind: AlertKind::Degraded,
        is_over: false,
        key: event_id.clone(),
        service: Some(name.clone()),
        group: service.service.group.clone(),
        severity: facts.severity,
        title: format!("[DEGRADED] {name} for {lasted}"),
        text: format!("{name} passes its checks, and has been degraded for {lasted}{because}."),
        details,
        page: Some(service_page(name)),
        report: None,
    };
    let channels = round.recipients(&facts);
    round.announce(event_id, announcement, channels);
}

fn over(round: &Round<'_>, service: &ServiceNow, since: UnixMs, up_since: UnixMs, key: &str) -> Announcement {
    let name = &service.service.name;
    let lasted = format::duration(up_since.since(since));
    let mut details = vec![("duration".to_owned(), lasted.clone())];
    details.extend(latency(service).map(|time| ("latest response time".to_owned(), time)));
    details.extend(service.service.group.clone().map(|group| ("group".to_owned(), group)));
    details.push(("degraded since".to_owned(), round.time(since)));
    details.push(("up since".to_owned(), round.time(up_since)));
    Announcement {
        kind: AlertKind::Degraded,
        is_over: true,
        key: key.to_owned(),
        service: Some(name.clone()),
        group: service.service.group.clone(),
        severity: Facts::of_service(AlertKind::Degraded, &service.service, up_since).severity,
        title: format!("[OK] {name} after {lasted} degraded"),
        text: format!("{name} is up and not degraded any more; it was for {lasted}."),
        details,
        page: Some(service_page(name)),
        report: None,
    }
}

fn latency(service: &ServiceNow) -> Option<String> {
    service.last.as_ref().and_then(|last| last.latency_us).map(|us| format::response_time(f64::from(us)))
}
