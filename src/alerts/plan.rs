//! Which events become the next message of a channel, and when.

use crate::{
    domain::time::{HOUR_MS, UnixMs},
    notify::Batching,
    routing::AlertKind,
    store::{About, DueEvent, Event},
};
use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// How often a channel reads the outbox without a wake-up.
pub(super) const LOOK: Duration = Duration::from_secs(30);
/// Events of one message, at most.
pub(super) const MOST: usize = 2_000;
/// The interval between messages about several events doubles until it is this many times as long.
const LONGEST_INTERVAL: u32 = 8;

/// What is to be done with the events that wait, oldest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Plan {
    /// Nothing waits.
    Idle,
    Wait(Duration),
    /// These become a message: places among the events that wait, ascending.
    Send(Vec<usize>),
    /// All that waits is added to the last message.
    Edit,
    /// Of these nobody is notified: the receiver's alert goes on for others, or it keeps none.
    Settle(Vec<usize>),
}

/// The messages that a channel has had in this run. On the timer's clock, which nobody sets.
#[derive(Clone, Default, Debug)]
pub(super) struct Sent {
    /// When each message of the last hour went out.
    times: VecDeque<Instant>,
    /// Messages about several events in a row.
    in_a_row: u32,
}

impl Sent {
    /// Notes a message about so many events.
    pub(super) fn add(&mut self, events: usize, now: Instant) {
        while self.times.front().is_some_and(|first| now.duration_since(*first) >= Duration::from_secs(3600)) {
            self.times.pop_front();
        }
        if self.times.is_empty() {
            // The storm before this one is over.
            self.in_a_row = 0;
        }
        self.times.push_back(now);
        self.in_a_row = if events > 1 { self.in_a_row + 1 } else { 0 };
    }

    /// How long the next message has to wait because of those that went out.
    fn pause(&self, batching: &Batching, now: Instant) -> Duration {
        let since = |then: Instant| now.saturating_duration_since(then);
        let interval = match self.in_a_row {
            0 => Duration::ZERO,
            n => batching.group_interval * (1 << (n - 1).min(31)).min(LONGEST_INTERVAL),
        };
        let interval = self.times.back().map_or(Duration::ZERO, |last| interval.saturating_sub(since(*last)));
        let hour = Duration::from_millis(HOUR_MS.unsigned_abs());
        let within = self.times.iter().filter(|then| since(**then) < hour);
        // The message that has to be an hour old before there is room for another.
        let spare = within.clone().count().saturating_sub(batching.max_per_hour as usize - 1);
        let budget = match spare {
            0 => Duration::ZERO,
            n => within.clone().nth(n - 1).map_or(Duration::ZERO, |then| hour.saturating_sub(since(*then))),
        };
        interval.max(budget)
    }
}

/// Plans the next message. `now` and `at` are the same moment; the first of the events is known since `since`. What waits
/// can be added to the last message from `editable_at` on.
pub(super) fn plan(
    waiting: &[DueEvent],
    batching: &Batching,
    sent: &Sent,
    editable_at: Option<Instant>,
    now: UnixMs,
    (since, at): (Instant, Instant),
) -> Plan {
    let Some(first) = waiting.first() else { return Plan::Idle };
    if !batching.keeps_state {
        // It would be news to nobody.
        let silent: Vec<usize> = (0..waiting.len()).filter(|n| only_closes(&waiting[*n])).collect();
        if !silent.is_empty() {
            return Plan::Settle(silent);
        }
    }
    if batching.quiet.is_some_and(|hours| hours.contain(now)) {
        return Plan::Wait(LOOK);
    }
    if batching.each {
        return Plan::Send(vec![0]);
    }
    if let Some(alone) = waiting.iter().position(stands_alone) {
        return Plan::Send(vec![alone]);
    }
    // By the clock, so that the wait goes on across a restart; where the clock was set back, by the timer.
    let wait_ms = batching.group_wait.as_millis() as i64;
    let wait_ms = first.created_at.plus(wait_ms).since(now).max(0);
    let known = at.saturating_duration_since(since);
    let pause = Duration::from_millis(wait_ms.unsigned_abs()).min(batching.group_wait.saturating_sub(known));
    if batching.keeps_state
        && let Some(end) = end_of_a_told(waiting)
    {
        // A resolve is one for each alert that the receiver has, and frees people: it waits for no others.
        let is_of_it = |event: &DueEvent| event.is_end() && key(event) == key(end);
        let of_it: Vec<usize> = (0..waiting.len()).filter(|n| is_of_it(&waiting[*n])).collect();
        let trigger = end.incident().and_then(|incident| incident.trigger.as_ref());
        let open = trigger.map_or(0, |trigger| trigger.open);
        return if open == 0 { Plan::Send(of_it) } else { Plan::Settle(of_it) };
    }
    let interval = sent.pause(batching, at);
    let comes_first = |editable_at: &Instant| !interval.is_zero() && *editable_at < at + interval;
    if let Some(editable_at) = editable_at.filter(comes_first) {
        // It disturbs nobody: it waits for no others.
        let pause = editable_at.saturating_duration_since(at);
        return if pause.is_zero() { Plan::Edit } else { Plan::Wait(pause) };
    }
    let pause = pause.max(interval);
    if !pause.is_zero() {
        return Plan::Wait(pause);
    }
    // What is no incident has a key of its own, by which its end is found: it is an alert by itself.
    let is_of_group = |event: &&DueEvent| !event.is_end() && event.incident().is_some();
    let triggers = || waiting.iter().take_while(is_of_group).count().max(1);
    let members = if batching.keeps_state { triggers() } else { waiting.len() };
    Plan::Send((0..members.min(MOST)).collect())
}

fn stands_alone(event: &DueEvent) -> bool {
    matches!(&event.about, About::Announcement(said) if said.stands_alone())
}

/// Whether an end is for receivers that keep alerts alone: a certificate was renewed.
fn only_closes(event: &DueEvent) -> bool {
    matches!(&event.about, About::Announcement(said) if said.kind == AlertKind::Certificate && said.is_over)
}

/// The first end of something whose beginning does not wait as well.
fn end_of_a_told(waiting: &[DueEvent]) -> Option<&DueEvent> {
    let begins: HashSet<String> = waiting.iter().filter(|event| !event.is_end()).map(key).collect();
    waiting.iter().find(|event| event.is_end() && !begins.contains(&key(event)))
}

/// What the receiver knows an alert by: the first event of the message that reported its beginning. A message that is made
/// again after a crash may have more events, but no other first one.
pub(super) fn key(event: &DueEvent) -> String {
    let incident = match &event.about {
        About::Incident(incident) => incident,
        About::Announcement(announcement) => return announcement.key.clone(),
    };
    match (&incident.trigger, incident.event) {
        (Some(trigger), _) => first_of(&trigger.message_id).to_owned(),
        (None, Event::Confirmed) => event.event_id.clone(),
        (None, Event::Resolved | Event::Reminder(_)) => of_its_trigger(&event.event_id),
    }
}

/// The id of a message about several events.
pub(super) fn message_id(first: &DueEvent, events: usize) -> String {
    format!("{}+{}", first.event_id, events - 1)
}

/// The first event of a message.
fn first_of(message_id: &str) -> &str {
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    message_id.rsplit_once('+').filter(|(_, rest)| is_number(rest)).map_or(message_id, |(first, _)| first)
}

/// The id of the event that reported the beginning of the incident of this one.
pub(super) fn of_its_trigger(event_id: &str) -> String {
    of_its_incident(event_id, Event::Confirmed)
}

/// The id of the event that reports the end of the incident of this one.
pub(super) fn of_its_end(event_id: &str) -> String {
    of_its_incident(event_id, Event::Resolved)
}

fn of_its_incident(event_id: &str, event: Event) -> String {
    // An event id is the history's id, the incident's number, and what happened.
    let stem: Vec<&str> = event_id.splitn(3, '-').take(2).collect();
    format!("{}-{}", stem.join("-"), event.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            check::{Class, PhaseTimes, Reason},
            incident::{Cause, Outage},
        },
        routing::{AlertKind, Announcement, Severity},
        store::{IncidentEvent, Trigger},
    };

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn batching() -> Batching {
        Batching {
            each: false,
            keeps_state: false,
            group_wait: Duration::from_secs(20),
            group_interval: Duration::from_secs(60),
            max_per_hour: 3,
            quiet: None,
        }
    }

    fn event(id: i64, event: Event, age_s: i64) -> DueEvent {
        let reason = Reason { class: Class::Timeout, phase: None, message: "late".to_owned() };
        let cause = Cause { reason, http_status: None, latency_us: None, phases: PhaseTimes::default(), excerpt: None };
        let at = NOW.plus(-age_s * 1000);
        DueEvent {
            event_id: format!("h-{id}-{}", event.as_str()),
            about: About::Incident(Box::new(IncidentEvent {
                event,
                trigger: None,
                late: None,
                circumstances: None,
                outage: Outage {
                    id,
                    service: format!("s{id}"),
                    last_ok_at: None,
                    started_at: at,
                    confirmed_at: Some(at),
                    ended_at: (event == Event::Resolved).then_some(at),
                    down_ms: 0,
                    checks_failed: 1,
                    cause,
                    left_open: false,
                    note: None,
                },
            })),
            created_at: at,
            attempts: 0,
            next_at: at,
            is_stored: true,
        }
    }

    fn planned(waiting: &[DueEvent], batching: &Batching, sent: &Sent, at: Instant) -> Plan {
        plan(waiting, batching, sent, None, NOW, (at, at))
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_the_wait_is_one_message() {
        let (sent, at) = (Sent::default(), Instant::now());
        let waiting = [event(1, Event::Confirmed, 12), event(2, Event::Confirmed, 1), event(1, Event::Resolved, 0)];
        assert_eq!(planned(&[], &batching(), &sent, at), Plan::Idle);
        assert_eq!(planned(&waiting, &batching(), &sent, at), Plan::Wait(Duration::from_secs(8)));
        let at_once = Batching { group_wait: Duration::ZERO, ..batching() };
        assert_eq!(planned(&waiting, &at_once, &sent, at), Plan::Send(vec![0, 1, 2]));
        let each = Batching { each: true, ..batching() };
        assert_eq!(planned(&waiting, &each, &sent, at), Plan::Send(vec![0]));
        // A clock that was set back makes nobody wait longer.
        assert_eq!(
            planned(&[event(1, Event::Confirmed, -9000)], &batching(), &sent, at),
            Plan::Wait(batching().group_wait)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_message_about_several_the_next_one_waits_ever_longer() {
        let (mut sent, start) = (Sent::default(), Instant::now());
        let waiting = [event(1, Event::Confirmed, 600)];
        sent.add(1, start);
        assert_eq!(planned(&waiting, &batching(), &sent, start), Plan::Send(vec![0]));
        sent.add(5, start);
        assert_eq!(planned(&waiting, &batching(), &sent, start), Plan::Wait(Duration::from_secs(60)));
        let later = start + Duration::from_secs(60);
        assert_eq!(planned(&waiting, &batching(), &sent, later), Plan::Send(vec![0]));
        let roomy = Batching { max_per_hour: 100, ..batching() };
        sent.add(5, later);
        assert_eq!(planned(&waiting, &roomy, &sent, later), Plan::Wait(Duration::from_secs(120)));
        // Another storm hours later begins anew.
        let hours_later = later + Duration::from_secs(5 * 3600);
        sent.add(5, hours_later);
        assert_eq!(planned(&waiting, &roomy, &sent, hours_later), Plan::Wait(Duration::from_secs(60)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_wait_for_the_interval_is_added_to_a_message_that_can_be_edited() {
        let (mut sent, start) = (Sent::default(), Instant::now());
        let waiting = [event(1, Event::Confirmed, 0)];
        let after = |seconds| start + Duration::from_secs(seconds);
        let planned =
            |sent: &Sent, editable_at, at| plan(&waiting, &batching(), sent, Some(editable_at), NOW, (at, at));
        // Nothing makes it wait but its group.
        assert_eq!(planned(&sent, start, after(100)), Plan::Wait(batching().group_wait));
        sent.add(2, start);
        assert_eq!(planned(&sent, after(5), after(1)), Plan::Wait(Duration::from_secs(4)));
        assert_eq!(planned(&sent, after(5), after(5)), Plan::Edit);
        assert_eq!(planned(&sent, after(5), after(59)), Plan::Edit);
        // A new message comes no later than the next edit would.
        assert_eq!(planned(&sent, after(62), after(58)), Plan::Wait(batching().group_wait));
        assert_eq!(planned(&sent, after(5), after(60)), Plan::Wait(batching().group_wait));
        // The hour has no room for another message.
        sent.add(1, after(60));
        sent.add(1, after(120));
        assert_eq!(planned(&sent, after(125), after(1000)), Plan::Edit);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_waits_no_longer_than_its_wait_wherever_the_clock_is_set() {
        let (sent, since) = (Sent::default(), Instant::now());
        let waiting = [event(1, Event::Confirmed, 15)];
        let wait = |clock_s: i64, known_s: u64| {
            let at = since + Duration::from_secs(known_s);
            plan(&waiting, &batching(), &sent, None, NOW.plus(clock_s * 1000), (since, at))
        };
        // Known for a moment only, because the program was off: the clock counts.
        assert_eq!(wait(0, 1), Plan::Wait(Duration::from_secs(5)));
        // Set back by an hour, and forward.
        assert_eq!(wait(-3600, 1), Plan::Wait(Duration::from_secs(19)));
        assert_eq!(wait(-3600, 20), Plan::Send(vec![0]));
        assert_eq!(wait(3600, 1), Plan::Send(vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_has_so_many_messages_and_no_more() {
        let (mut sent, start) = (Sent::default(), Instant::now());
        let waiting = [event(1, Event::Confirmed, 600)];
        let minute = Duration::from_secs(60);
        for n in 0..3 {
            assert_eq!(planned(&waiting, &batching(), &sent, start + minute * n), Plan::Send(vec![0]));
            sent.add(1, start + minute * n);
        }
        assert_eq!(planned(&waiting, &batching(), &sent, start + minute * 3), Plan::Wait(minute * 57));
        assert_eq!(planned(&waiting, &batching(), &sent, start + minute * 60), Plan::Send(vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_receiver_keeps_state_triggers_and_resolves_are_apart() {
        let (sent, at) = (Sent::default(), Instant::now());
        let keeps = Batching { keeps_state: true, ..batching() };
        let trigger = |open| Some(Trigger { message_id: "h-1-confirmed+2".to_owned(), open, receipt: None });
        let ended = |id, open| {
            let mut ended = event(id, Event::Resolved, 30);
            if let About::Incident(incident) = &mut ended.about {
                incident.trigger = trigger(open);
            }
            ended
        };
        let waiting = [event(1, Event::Confirmed, 60), event(2, Event::Confirmed, 50), event(2, Event::Resolved, 40)];
        assert_eq!(planned(&waiting, &keeps, &sent, at), Plan::Send(vec![0, 1]));
        // The end of what was told before waits for none of them.
        let waiting = [event(1, Event::Confirmed, 5), event(1, Event::Resolved, 4), event(3, Event::Resolved, 3)];
        assert_eq!(planned(&waiting, &keeps, &sent, at), Plan::Send(vec![2]));
        // Another of the group is still down.
        assert_eq!(planned(&[ended(1, 1)], &keeps, &sent, at), Plan::Settle(vec![0]));
        let waiting = [ended(1, 0), event(3, Event::Resolved, 10), ended(2, 0)];
        assert_eq!(planned(&waiting, &keeps, &sent, at), Plan::Send(vec![0, 2]));
        assert_eq!(key(&waiting[0]), "h-1-confirmed");
        assert_eq!(key(&waiting[1]), "h-3-confirmed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_a_message_of_its_own_and_waits_for_nothing() {
        let (mut sent, at) = (Sent::default(), Instant::now());
        let report = Announcement {
            kind: AlertKind::Report,
            is_over: true,
            key: "h-report".to_owned(),
            service: None,
            group: None,
            severity: Severity::Warning,
            title: "[REPORT]".to_owned(),
            text: "nothing failed".to_owned(),
            details: Vec::new(),
            page: None,
            report: None,
        };
        let report = DueEvent { about: About::Announcement(Box::new(report)), ..event(9, Event::Confirmed, 0) };
        let waiting = [event(1, Event::Confirmed, 0), report, event(2, Event::Confirmed, 0)];
        assert_eq!(planned(&waiting, &batching(), &sent, at), Plan::Send(vec![1]));
        sent.add(5, at);
        assert_eq!(planned(&waiting, &batching(), &sent, at), Plan::Send(vec![1]));
    }

    #[test]
    fn what_is_no_incident_is_an_alert_by_itself_where_the_receiver_keeps_alerts() {
        let said = |kind, is_over, age_s: i64| {
            let about = About::Announcement(Box::new(Announcement {
                kind,
                is_over,
                key: format!("h-{}", kind.as_str()),
                service: None,
                group: None,
                severity: Severity::Warning,
                title: String::new(),
                text: String::new(),
                details: Vec::new(),
                page: None,
                report: None,
            }));
            DueEvent { about, ..event(age_s, Event::Confirmed, age_s) }
        };
        let (at, sent) = (Instant::now(), Sent::default());
        let keeps = Batching { keeps_state: true, ..batching() };
        let waiting =
            [said(AlertKind::Degraded, false, 60), said(AlertKind::Slo, false, 50), event(1, Event::Confirmed, 40)];
        assert_eq!(planned(&waiting, &keeps, &sent, at), Plan::Send(vec![0]));
        assert_eq!(planned(&waiting[2..], &keeps, &sent, at), Plan::Send(vec![0]));
        assert_eq!(planned(&waiting, &batching(), &sent, at), Plan::Send(vec![0, 1, 2]));
        // That a certificate was renewed closes an alert, and is no news.
        let renewed = [event(1, Event::Confirmed, 60), said(AlertKind::Certificate, true, 50)];
        assert_eq!(planned(&renewed, &keeps, &sent, at), Plan::Send(vec![1]));
        assert_eq!(planned(&renewed, &batching(), &sent, at), Plan::Settle(vec![1]));
    }
}
