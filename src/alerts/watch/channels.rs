//! `monitor`: a channel has been failing for a while. The others are notified, once, and again when it works.

use super::{ledger::Ledger, round::Round};
use crate::{
    alerts::ChannelsHealth,
    domain::{
        sanitize::{LONGEST_MESSAGE, one_line},
        time::{MINUTE_MS, UnixMs},
    },
    format,
    routing::{AlertKind, Announcement, ChannelName, Facts},
    store::ChannelHealth,
};

/// How long a channel fails before the others are notified: as long as until every page shows it.
const FAILING_MS: i64 = 10 * MINUTE_MS;
/// What the facts of these events begin with.
const CHANNEL: &str = "channel-";

pub(super) fn look(round: &mut Round<'_>) {
    let health = ChannelsHealth::all(&round.context.health);
    // Where nothing fails and nothing failed, that is all.
    if health.iter().all(|channel| channel.failing_since.is_none())
        && !round.ledger.is_open(AlertKind::Monitor, CHANNEL)
    {
        return;
    }
    let facts = Facts::of_the_monitor(round.now);
    let failing: Vec<(&ChannelHealth, UnixMs)> = health
        .iter()
        .filter_map(|channel| channel.failing_since.map(|since| (channel, since)))
        .filter(|(_, since)| round.now.since(*since) >= FAILING_MS)
        .collect();
    let all = round.recipients(&facts);
    let others: Vec<ChannelName> =
        all.into_iter().filter(|name| failing.iter().all(|(channel, _)| *channel.name != **name)).collect();
    for (channel, since) in failing {
        let event_id = round.ledger.id(AlertKind::Monitor, &format!("{CHANNEL}{}-{}", channel.name, since.0));
        if round.ledger.has(&event_id) {
            continue;
        }
        let announcement = fails(round, channel, since, &event_id);
        round.announce(event_id, announcement, others.clone());
    }
    for (event_id, facts, told_at) in round.ledger.open(AlertKind::Monitor, CHANNEL) {
        let Some((name, since)) = facts[CHANNEL.len()..].rsplit_once('-') else { continue };
        let Some(since) = since.parse().ok().map(UnixMs) else { continue };
        let works = |channel: &&ChannelHealth| channel.name == name && channel.failing_since != Some(since);
        if let Some(channel) = health.iter().find(works) {
            let announcement = works_again(round, channel, since, &event_id);
            let channels = round.recipients(&Facts::of_the_monitor(told_at));
            let channels = channels.into_iter().filter(|other| **other != *name).collect();
            round.announce(Ledger::end_of(&event_id), announcement, channels);
        }
    }
}

fn fails(round: &Round<'_>, channel: &ChannelHealth, since: UnixMs, key: &str) -> Announcement {
    let (name, lasted) = (&channel.name, format::duration(round.now.since(since)));
    let error = channel.last_error.as_deref().map(|error| one_line(error, LONGEST_MESSAGE));
    let because = error.as_ref().map_or(String::new(), |error| format!(": {error}"));
    let mut details = vec![("failing since".to_owned(), round.time(since))];
    details.push((
        "last message that arrived".to_owned(),
        channel.last_success_at.map_or("none is known".to_owned(), |at| round.time(at)),
    ));
    details.extend(error.map(|error| ("error".to_owned(), error)));
    details.push(("waiting".to_owned(), format::counted(channel.waiting, "event", "events")));
    of_the_monitor(
        false,
        key,
        (
            format!("[DOWN] the channel {name}: alerts do not arrive"),
            format!("The monitor itself: no alert has arrived by the channel {name} for {lasted}{because}."),
        ),
        details,
    )
}

fn works_again(round: &Round<'_>, channel: &ChannelHealth, since: UnixMs, key: &str) -> Announcement {
    let name = &channel.name;
    let mut details = vec![("failed since".to_owned(), round.time(since))];
    details.extend(channel.last_success_at.map(|at| ("last message that arrived".to_owned(), round.time(at))));
    details.push(("waiting".to_owned(), format::counted(channel.waiting, "event", "events")));
    of_the_monitor(
        true,
        key,
        (
            format!("[UP] the channel {name}: alerts arrive again"),
            format!("The monitor itself: alerts arrive by the channel {name} again; what waited is delivered late."),
        ),
        details,
    )
}

fn of_the_monitor(
    is_over: bool,
    key: &str,
    (title, text): (String, String),
    details: Vec<(String, String)>,
) -> Announcement {
    Announcement {
        kind: AlertKind::Monitor,
        is_over,
        key: key.to_owned(),
        service: None,
        group: None,
        severity: Facts::of_the_monitor(UnixMs(0)).severity,
        title,
        text,
        details,
        page: Some("/dashboard/alerts".to_owned()),
        report: None,
    }
}
