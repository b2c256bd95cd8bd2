//! `certificate`: a certificate is about to end. Once for each number of days, and for each certificate, however many
//! services show it. That it was renewed closes the alert of receivers that keep one, and is told to nobody else.

use super::{
    ledger::Ledger,
    round::{NAMED, Round, named},
};
use crate::{
    domain::{
        status::Status,
        time::{DAY_MS, UnixMs},
    },
    format,
    history::as_of::service_page,
    live::ServiceNow,
    routing::{AlertKind, Announcement, Facts, Severity},
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Services that a title names.
const IN_TITLE: usize = 3;

pub(super) fn look(round: &mut Round<'_>) {
    let Some(longest) = round.rules.certificate_days.iter().max() else { return };
    let horizon = round.now.plus(longest * DAY_MS);
    let mut ends: BTreeMap<UnixMs, Vec<&ServiceNow>> = BTreeMap::new();
    for service in round.services {
        // One that has ended makes its services fail, which is told as that.
        if let Some(end) = service.certificate_expires_at.filter(|end| *end > round.now && *end <= horizon)
            && shows_it(service, round.now)
        {
            ends.entry(end).or_default().push(service);
        }
    }
    for (end, services) in ends {
        announce(round, end, &services);
    }
    close(round);
}

/// What was told of certificates that no service shows any more is over. Only receivers that keep alerts are told.
fn close(round: &mut Round<'_>) {
    let told = round.ledger.open(AlertKind::Certificate, "");
    let ends: BTreeSet<i64> = told.iter().filter_map(|(_, facts, _)| facts.split_once('-')?.0.parse().ok()).collect();
    if ends.is_empty() {
        return;
    }
    let shown: HashSet<UnixMs> = round.services.iter().filter_map(|service| service.certificate_expires_at).collect();
    for end in ends.into_iter().map(UnixMs).filter(|end| !shown.contains(end)) {
        let key = round.ledger.id(AlertKind::Certificate, &end.0.to_string());
        let announcement = Announcement {
            kind: AlertKind::Certificate,
            is_over: true,
            key: key.clone(),
            service: None,
            group: None,
            severity: Severity::Warning,
            title: "[OK] a certificate was renewed".to_owned(),
            text: format!("The certificate that ends on {} is not shown any more.", round.time(end)),
            details: Vec::new(),
            page: Some("/dashboard".to_owned()),
            report: None,
        };
        let routing = round.context.writer.routing();
        let wants = routing.channels.iter().filter(|channel| channel.wants(AlertKind::Certificate));
        let channels = wants.map(|channel| channel.name.clone()).collect();
        round.announce(Ledger::end_of(&key), announcement, channels);
    }
}

/// Whether the certificate that was seen last is still shown, and anybody is to be alarmed.
fn shows_it(service: &ServiceNow, now: UnixMs) -> bool {
    let passes_without = service
        .last
        .as_ref()
        .is_some_and(|last| last.outcome.passed() == Some(true) && last.certificate_days.is_none());
    !passes_without && !matches!(service.status(now), Status::Paused | Status::Maintenance)
}

/// The smallest number of days that has come: it stands for the larger ones.
fn due(days: &[i64], left_ms: i64) -> Option<i64> {
    days.iter().copied().filter(|days| left_ms <= days * DAY_MS).min()
}

fn announce(round: &mut Round<'_>, end: UnixMs, services: &[&ServiceNow]) {
    let left_ms = end.since(round.now);
    let Some(days) = due(&round.rules.certificate_days, left_ms) else { return };
    let event_id = round.ledger.id(AlertKind::Certificate, &format!("{}-{days}", end.0));
    if round.ledger.has(&event_id) {
        return;
    }
    let mut channels = Vec::new();
    for service in services {
        let facts = Facts::of_service(AlertKind::Certificate, &service.service, round.now);
        for channel in round.recipients(&facts) {
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
    }
    let names: Vec<String> = services.iter().map(|service| service.service.name.clone()).collect();
    let left = if left_ms >= DAY_MS {
        format::counted((left_ms / DAY_MS).unsigned_abs(), "day", "days")
    } else {
        format::duration(left_ms)
    };
    let (of_them, one) = (named(&names, IN_TITLE), services.len() == 1);
    let groups: Vec<Option<&String>> = services.iter().map(|service| service.service.group.as_ref()).collect();
    let group = groups.iter().all(|group| *group == groups[0]).then(|| groups[0].cloned()).flatten();
    let then = if one { "its checks fail" } else { "their checks fail" };
    let mut details = vec![("ends".to_owned(), round.time(end))];
    if !one {
        details.push(("services".to_owned(), named(&names, NAMED)));
    }
    details.extend(group.clone().map(|group| ("group".to_owned(), group)));
    let announcement = Announcement {
        kind: AlertKind::Certificate,
        is_over: false,
        key: round.ledger.id(AlertKind::Certificate, &end.0.to_string()),
        service: one.then(|| names[0].clone()),
        group,
        severity: Severity::Warning,
        title: format!("[CERTIFICATE] {of_them}: {left} left"),
        text: format!("The certificate of {of_them} ends in {left}, on {}; after that {then}.", round.time(end)),
        details,
        page: Some(if one { service_page(&names[0]) } else { "/dashboard".to_owned() }),
        report: None,
    };
    round.announce(event_id, announcement, channels);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_number_of_days_that_has_come_stands_for_the_larger_ones() {
        let days = [30, 14, 7, 3, 1];
        for (left_ms, expected) in [
            (30 * DAY_MS + 1, None),
            (30 * DAY_MS, Some(30)),
            (15 * DAY_MS, Some(30)),
            (5 * DAY_MS, Some(7)),
            (DAY_MS, Some(1)),
            (1, Some(1)),
        ] {
            assert_eq!(due(&days, left_ms), expected, "{left_ms}");
        }
        assert_eq!(due(&[], 1), None);
    }
}
