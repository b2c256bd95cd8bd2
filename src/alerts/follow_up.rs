//! Incidents that go on: reminders, escalation to others while nobody acknowledges one, and what nobody was notified of
//! because of a silence that has ended.

use super::queue::Context;
use crate::{
    domain::{
        incident::Outage,
        status::Status,
        time::{DAY_MS, MINUTE_MS, UnixMs},
    },
    format,
    live::{LiveState, ServiceNow},
    routing::{AlertKind, ChannelName, Facts, Routing},
    shutdown::Shutdown,
    store::{Event, Quiet, Responses, Tell, is_looked_at, is_told_elsewhere},
};
use std::{collections::HashSet, time::Duration};
use tokio::time::sleep;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(5);

/// How long a service has at least, at most, to recover once what it depends on has: its interval, within these bounds.
const RECOVERY_MS: (i64, i64) = (30_000, 300_000);

/// What channels were notified of in this run: the incident, what happened to it, the channel.
type Done = HashSet<(i64, Event, ChannelName)>;

/// Looks after the incidents that are open, until shutdown.
pub async fn run(context: Context, mut shutdown: Shutdown) {
    let mut done = Done::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = sleep(ROUND) => {}
        }
        let (now, routing) = (context.clock.now(), context.writer.routing());
        let services = context.live.all();
        let open: Vec<&ServiceNow> = services.iter().map(AsRef::as_ref).filter(|now| incident(now).is_some()).collect();
        let ids: HashSet<i64> = open.iter().filter_map(|now| incident(now)).map(|(id, ..)| id).collect();
        done.retain(|(id, ..)| ids.contains(id));
        for service in open {
            for tell in due(service, &context.live, &routing, context.writer.responses(), &mut done, now) {
                context.writer.tell(tell);
            }
        }
    }
}

/// The incident of a service: its number, its first failed check, and when it was confirmed.
fn incident(now: &ServiceNow) -> Option<(i64, UnixMs, UnixMs)> {
    let outage = now.outage.as_deref().filter(|outage| outage.is_incident() && now.pending_store == 0)?;
    Some((outage.id, outage.started_at, outage.confirmed_at?))
}

/// What channels are to be notified of now.
fn due(
    service: &ServiceNow,
    live: &LiveState,
    routing: &Routing,
    responses: &Responses,
    done: &mut Done,
    now: UnixMs,
) -> Vec<Tell> {
    let (Some((outage, started_at, confirmed_at)), Some(of_it)) = (incident(service), service.outage.as_deref()) else {
        return Vec::new();
    };
    let incident = (service.id, started_at);
    let facts = Facts::of(AlertKind::Down, &service.service, of_it);
    // While it is not checked, or is in maintenance, nobody knows whether it goes on.
    if service.status(now) != Status::Down || responses.silenced(&facts, now).is_some() {
        return Vec::new();
    }
    // Those who are told that it flaps are told of an incident when it does not any more.
    if routing.while_flapping(service.flapping.is_on(), &facts).is_some() {
        return Vec::new();
    }
    // What it depends on is at fault, or is looked at.
    if live.behind(service, now).iter().any(|one| is_told_elsewhere(routing, one, now)) {
        return Vec::new();
    }
    let mut new = |event, channels: Vec<ChannelName>, late: Option<String>, ends_silence| {
        let channels: Vec<ChannelName> =
            channels.into_iter().filter(|channel| done.insert((outage, event, channel.clone()))).collect();
        (!channels.is_empty()).then_some(Tell { incident, outage, event, channels, late, ends_silence })
    };
    if let Some(why) = responses.quiet(incident) {
        let late = match why {
            Quiet::Silenced => "the silence that covered it has ended",
            Quiet::Flapping => "its service does not flap any more",
            Quiet::Behind if !had_its_chance(service, of_it, live, now) => return Vec::new(),
            Quiet::Behind => "what it depends on does not fail",
        };
        return new(Event::Confirmed, routing.channels(&facts), Some(late.to_owned()), true).into_iter().collect();
    }
    if responses.acknowledgement(incident, now).is_some() {
        return Vec::new();
    }
    let lasts_ms = now.since(confirmed_at);
    let mut told = routing.channels(&facts);
    let mut tells = Vec::new();
    for escalation in routing.escalations(&facts).into_iter().filter(|escalation| lasts_ms >= escalation.after_ms) {
        let wants = |name: &&ChannelName| routing.recipient(name).is_some_and(|one| one.wants(AlertKind::Down));
        let others: Vec<ChannelName> =
            escalation.to.iter().filter(wants).filter(|name| !told.contains(name)).cloned().collect();
        told.extend(others.iter().cloned());
        let late = format!("nobody acknowledged it within {}", format::duration(escalation.after_ms));
        tells.extend(new(Event::Confirmed, others, Some(late), false));
    }
    for name in told {
        let first_ms = routing.recipient(&name).and_then(|recipient| recipient.remind_after_ms);
        if let Some(after_ms) = first_ms.and_then(|first_ms| latest_reminder(first_ms, lasts_ms)) {
            let event = Event::Reminder((after_ms / MINUTE_MS) as u32);
            tells.extend(new(event, vec![name], None, false));
        }
    }
    tells
}

/// Whether a service goes on to fail of its own: it is known that what it depends on does not, and since when the service has
/// had the time to recover.
fn had_its_chance(service: &ServiceNow, outage: &Outage, live: &LiveState, now: UnixMs) -> bool {
    let time_ms = service.service.cadence.interval_ms.clamp(RECOVERY_MS.0, RECOVERY_MS.1);
    let failed_at = service.judged.map_or(outage.started_at, |(at, _)| at);
    service.depends_on.iter().filter_map(|id| live.get_by_id(*id)).all(|one| {
        let recovered = one.since.filter(|since| *since >= outage.started_at);
        is_looked_at(&one, outage, now) && recovered.is_none_or(|at| failed_at >= at.plus(time_ms))
    })
}

/// When the latest reminder was due of an incident that was confirmed `lasts_ms` ago, from its confirmation on. The distance
/// doubles from one to the next, up to a day.
fn latest_reminder(first_ms: i64, lasts_ms: i64) -> Option<i64> {
    let longest = first_ms.max(DAY_MS);
    let (mut at, mut distance) = (first_ms, first_ms);
    if lasts_ms < at {
        return None;
    }
    while distance < longest {
        distance = (2 * distance).min(longest);
        if at + distance > lasts_ms {
            return Some(at);
        }
        at += distance;
    }
    Some(at + (lasts_ms - at) / distance * distance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR_MS;
    use proptest::prelude::*;

    #[test]
    fn reminders_come_at_distances_that_double_up_to_a_day() {
        let hour = |hours: i64| hours * HOUR_MS;
        for (lasts, last) in [
            (0, None),
            (1, Some(1)),
            (2, Some(1)),
            (3, Some(3)),
            (6, Some(3)),
            (7, Some(7)),
            (15, Some(15)),
            (30, Some(15)),
            (31, Some(31)),
            (54, Some(31)),
            (55, Some(55)),
            (79, Some(79)),
            (1000, Some(991)),
        ] {
            assert_eq!(latest_reminder(hour(1), hour(lasts)), last.map(hour), "after {lasts} h");
        }
        assert_eq!(latest_reminder(2 * DAY_MS, 7 * DAY_MS), Some(6 * DAY_MS), "a longer one stays as it is");
    }

    proptest! {
        #[test]
        fn a_reminder_is_never_early_and_the_next_one_is_at_most_twice_as_far(first in 1..10_000_i64, lasts in 0..1_000_000_000_i64) {
            let (first, at) = (first * MINUTE_MS, latest_reminder(first * MINUTE_MS, lasts));
            prop_assert_eq!(at.is_some(), lasts >= first);
            if let Some(at) = at {
                prop_assert!(at <= lasts && lasts < at + 2 * at.min(first.max(DAY_MS)).max(first));
                // It is due from its moment on.
                prop_assert_eq!(latest_reminder(first, at), Some(at));
                prop_assert_ne!(latest_reminder(first, at - 1), Some(at));
            }
        }
    }
}
