//! What a message says of its events. It is made of what was known when they happened, so that every attempt says the same.

use super::plan;
use crate::{
    domain::{
        incident::Outage,
        sanitize::{LONGEST_MESSAGE, one_line},
        time::UnixMs,
    },
    live::LiveState,
    notify::{Detail, Item, Notice, Status},
    routing::Severity,
    store::{Alarm, DueEvent, Event},
};
use chrono::TimeZone;
use chrono_tz::Tz;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Services that a title names.
const IN_TITLE: usize = 3;
/// Services that the details list.
const IN_DETAILS: usize = 20;
/// Events that a message holds as data.
const ITEMS: usize = 100;
/// Characters of the answer that a message quotes.
const EXCERPT: usize = 500;

/// What messages are made with.
#[derive(Clone)]
pub(super) struct Composer {
    pub(super) live: std::sync::Arc<LiveState>,
    pub(super) zone: Tz,
    /// Where the pages are, without a slash at its end.
    pub(super) public_url: Option<String>,
}

impl Composer {
    /// The message about these events.
    pub(super) fn compose(&self, events: &[&DueEvent]) -> Option<Notice> {
        match events {
            [] => None,
            [one] => Some(self.single(one)),
            [first, .., last] => {
                // Whoever waits for the beginning and the end of one outage gets both in one.
                let ids: Vec<i64> = events.iter().map(|event| event.outage.id).collect();
                match ids.iter().all(|id| *id == ids[0]) {
                    true => Some(Notice { key: plan::key(first), ..self.single(last) }),
                    false => Some(self.several(events)),
                }
            }
        }
    }

    fn single(&self, event: &DueEvent) -> Notice {
        let outage = &event.outage;
        let resolved_at = resolved_at(event);
        let item = self.item(event);
        let title = match resolved_at {
            None => format!("[DOWN] {}", outage.service),
            Some(end) => format!("[UP] {} after {}", outage.service, lasted(end.since(outage.started_at))),
        };
        Notice {
            event_id: item.event_id.clone(),
            event: item.event.clone(),
            text: item.text.clone(),
            service: Some(item.service.clone()),
            incident: item.incident.clone(),
            status: if resolved_at.is_some() { Status::Resolved } else { Status::Firing },
            severity: item.severity,
            title: one_line(&title, LONGEST_MESSAGE),
            details: self.details(event, item.group.as_deref()),
            key: plan::key(event),
            url: item.url.clone(),
            at: event.created_at.to_string(),
            count: 1,
            events: vec![item],
        }
    }

    fn several(&self, events: &[&DueEvent]) -> Notice {
        let mut outages: BTreeMap<i64, Vec<&DueEvent>> = BTreeMap::new();
        events.iter().for_each(|event| outages.entry(event.outage.id).or_default().push(event));
        let (mut down, mut up, mut passed) = (Vec::new(), Vec::new(), Vec::new());
        // In the order in which they failed: what failed first is likely the cause.
        let mut order: Vec<&Vec<&DueEvent>> = outages.values().collect();
        order.sort_by_key(|of_one| (of_one[0].outage.started_at, of_one[0].outage.id));
        for of_one in order {
            let last = of_one[of_one.len() - 1];
            match (of_one.len(), last.event) {
                (1, Event::Confirmed) => down.push(last),
                (1, Event::Resolved) => up.push(last),
                _ => passed.push(last),
            }
        }
        let title = self.title(&down, &up, &passed);
        let mut details = Vec::new();
        if let Some(first) = down.first().filter(|_| down.len() > 1) {
            details.push(detail(
                "failed first",
                format!("{}, {}", first.outage.service, self.time(first.outage.started_at)),
            ));
            details.extend(self.common(&down).map(|common| detail("in common", common)));
        }
        for (label, of_them) in [("down", &down), ("up again", &up), ("was down", &passed)] {
            for event in of_them.iter().take(IN_DETAILS) {
                details.push(detail(label, self.line(event)));
            }
            if of_them.len() > IN_DETAILS {
                details.push(detail(label, format!("and {} more", of_them.len() - IN_DETAILS)));
            }
        }
        let items: Vec<Item> = events.iter().take(ITEMS).map(|event| self.item(event)).collect();
        let is_critical = events.iter().any(|event| self.severity(&event.outage.service) == Severity::Critical);
        let first = events[0];
        let event_id = format!("{}+{}", first.event_id, events.len() - 1);
        Notice {
            key: if down.is_empty() && passed.is_empty() { plan::key(first) } else { event_id.clone() },
            event_id,
            event: "incidents".to_owned(),
            text: format!("{}.", self.sentence(&down, &up, &passed)),
            service: None,
            incident: Value::Null,
            status: if down.is_empty() { Status::Resolved } else { Status::Firing },
            severity: if is_critical { Severity::Critical } else { Severity::Warning }.as_str(),
            title: one_line(&title, LONGEST_MESSAGE),
            details,
            url: self.public_url.as_ref().map(|base| format!("{base}/dashboard/incidents")),
            at: events.iter().map(|event| event.created_at).max().unwrap_or(first.created_at).to_string(),
            count: events.len(),
            events: items,
        }
    }

    fn title(&self, down: &[&DueEvent], up: &[&DueEvent], passed: &[&DueEvent]) -> String {
        let tag = if down.is_empty() { "[UP]" } else { "[DOWN]" };
        let of_them = if !down.is_empty() {
            down
        } else if !up.is_empty() {
            up
        } else {
            passed
        };
        let mut names: Vec<&str> = of_them.iter().map(|event| event.outage.service.as_str()).collect();
        let rest = names.len().saturating_sub(IN_TITLE);
        names.truncate(IN_TITLE);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let also = match (down.is_empty(), up.len() + passed.len()) {
            (true, _) | (_, 0) => String::new(),
            (false, n) => format!("; {n} up again"),
        };
        format!("{tag} {}: {}{rest}{also}", services(of_them.len()), names.join(", "))
    }

    fn sentence(&self, down: &[&DueEvent], up: &[&DueEvent], passed: &[&DueEvent]) -> String {
        let mut parts = Vec::new();
        if let (Some(first), Some(last)) = (down.first(), down.last()) {
            let (from, to) = (self.time(first.outage.started_at), self.time(last.outage.started_at));
            let when = if from == to { format!("at {from}") } else { format!("between {from} and {to}") };
            parts.push(format!("{} failed {when}", services(down.len())));
        }
        let is = |n: usize| if n == 1 { "is" } else { "are" };
        if !up.is_empty() {
            parts.push(format!("{} {} up again", services(up.len()), is(up.len())));
        }
        if !passed.is_empty() {
            parts.push(format!("{} failed and {} up again", services(passed.len()), is(passed.len())));
        }
        parts.join("; ")
    }

    /// What most of them share: a group, or a reason.
    fn common(&self, down: &[&DueEvent]) -> Option<String> {
        let most = |values: Vec<String>| {
            let mut counts: HashMap<String, usize> = HashMap::new();
            values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
            counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))
        };
        let reason = most(down.iter().map(|event| one_line(&event.outage.cause.reason.message, 80)).collect());
        let class = most(down.iter().map(|e| format!("class {}", e.outage.cause.reason.class.as_str())).collect());
        let groups = down.iter().filter_map(|event| self.group(&event.outage.service)).collect();
        let group = most(groups).map(|(group, n)| (format!("group {group}"), n));
        let of_most = |found: Option<(String, usize)>| found.filter(|(_, n)| *n > 1 && 2 * *n > down.len());
        let found = [of_most(group), of_most(reason), of_most(class)];
        let shared: Vec<String> =
            found.into_iter().flatten().take(2).map(|(what, n)| format!("{what} ({n} of {})", down.len())).collect();
        (!shared.is_empty()).then(|| shared.join("; "))
    }

    fn line(&self, event: &DueEvent) -> String {
        let outage = &event.outage;
        let why = one_line(&outage.cause.reason.message, LONGEST_MESSAGE);
        match resolved_at(event) {
            None => format!("{} since {}: {why}", outage.service, self.time(outage.started_at)),
            Some(end) => format!("{} for {}: {why}", outage.service, lasted(end.since(outage.started_at))),
        }
    }

    fn details(&self, event: &DueEvent, group: Option<&str>) -> Vec<Detail> {
        let outage = &event.outage;
        let cause = &outage.cause;
        let mut details = vec![detail("cause", one_line(&cause.reason.message, LONGEST_MESSAGE))];
        if let Some(group) = group {
            details.push(detail("group", group.to_owned()));
        }
        details.push(detail("first failed check", self.time(outage.started_at)));
        details.push(match outage.last_ok_at {
            Some(at) => detail("last passed check", self.time(at)),
            None => detail("last passed check", "none is known".to_owned()),
        });
        match resolved_at(event) {
            None => details.extend(outage.confirmed_at.map(|at| detail("confirmed", self.time(at)))),
            Some(end) => {
                details.push(detail("up again", self.time(end)));
                details.push(detail("duration", lasted(end.since(outage.started_at))));
                if outage.checks_failed > 0 {
                    details.push(detail("failed checks", outage.checks_failed.to_string()));
                }
            }
        }
        if let Some(excerpt) = cause.excerpt.as_deref().filter(|_| event.event == Event::Confirmed) {
            let excerpt = one_line(excerpt, EXCERPT);
            if !excerpt.is_empty() {
                details.push(detail("response", excerpt));
            }
        }
        details
    }

    fn item(&self, event: &DueEvent) -> Item {
        let outage = &event.outage;
        let resolved_at = resolved_at(event);
        Item {
            event_id: event.event_id.clone(),
            event: format!("incident.{}", event.event.as_str()),
            text: sentence(outage, resolved_at),
            service: outage.service.clone(),
            group: self.group(&outage.service),
            severity: self.severity(&outage.service).as_str(),
            incident: incident(outage, resolved_at),
            url: self.public_url.as_ref().map(|base| format!("{base}/dashboard/incidents/{}", outage.id)),
        }
    }

    fn group(&self, service: &str) -> Option<String> {
        self.live.get(service).and_then(|now| now.service.group.clone())
    }

    fn severity(&self, service: &str) -> Severity {
        self.live.get(service).map_or(Severity::Critical, |now| Severity::of(&now.service))
    }

    /// A moment by the clocks of the zone.
    fn time(&self, at: UnixMs) -> String {
        self.zone.from_utc_datetime(&at.utc().naive_utc()).format("%Y-%m-%d %H:%M:%S %Z").to_string()
    }
}

/// The message about the monitor itself.
pub(super) fn of_the_monitor(alarm: &Alarm, now: UnixMs) -> Notice {
    let text = one_line(&alarm.text, LONGEST_MESSAGE);
    let (event, tag, status) = match alarm.is_over {
        true => ("monitor.recovered", "[UP]", Status::Resolved),
        false => ("monitor.failing", "[DOWN]", Status::Firing),
    };
    Notice {
        event_id: alarm.event_id.clone(),
        event: event.to_owned(),
        text: format!("The monitor itself: {text}"),
        service: None,
        incident: Value::Null,
        status,
        severity: Severity::Critical.as_str(),
        title: format!("{tag} the monitor itself"),
        details: Vec::new(),
        key: alarm.key.clone(),
        url: None,
        at: now.to_string(),
        count: 1,
        events: Vec::new(),
    }
}

/// A message that proves that a channel works.
pub(super) fn test(now: UnixMs, public_url: Option<&str>) -> Notice {
    let event_id = format!("test-{}", now.0);
    Notice {
        event: "test".to_owned(),
        text: "This is a test. Nothing is wrong: alerts of this monitor reach you here.".to_owned(),
        service: None,
        incident: Value::Null,
        status: Status::Resolved,
        severity: Severity::Warning.as_str(),
        title: "[TEST] health checks".to_owned(),
        details: Vec::new(),
        key: event_id.clone(),
        event_id,
        url: public_url.map(|base| format!("{base}/dashboard")),
        at: now.to_string(),
        count: 1,
        events: Vec::new(),
    }
}

fn detail(label: &str, value: String) -> Detail {
    Detail { label: label.to_owned(), value }
}

fn services(n: usize) -> String {
    if n == 1 { "1 service".to_owned() } else { format!("{n} services") }
}

fn resolved_at(event: &DueEvent) -> Option<UnixMs> {
    event.outage.ended_at.filter(|_| event.event == Event::Resolved)
}

fn lasted(ms: i64) -> String {
    crate::format::duration(ms)
}

fn incident(outage: &Outage, resolved_at: Option<UnixMs>) -> Value {
    json!({
        "id": outage.id,
        "status": if resolved_at.is_some() { "resolved" } else { "open" },
        "last_ok_at": outage.last_ok_at.map(|t| t.to_string()),
        "started_at": outage.started_at.to_string(),
        "confirmed_at": outage.confirmed_at.map(|t| t.to_string()),
        "resolved_at": resolved_at.map(|t| t.to_string()),
        "duration_ms": resolved_at.map(|end| end.since(outage.started_at)),
        "cause": {
            "class": outage.cause.reason.class.as_str(),
            "phase": outage.cause.reason.phase.map(|p| p.as_str()),
            "message": outage.cause.reason.message,
            "http_status": outage.cause.http_status,
        },
    })
}

/// One sentence, in UTC: what the receivers of `[alerts] webhook` have always had.
fn sentence(outage: &Outage, resolved_at: Option<UnixMs>) -> String {
    let (service, why) = (&outage.service, one_line(&outage.cause.reason.message, LONGEST_MESSAGE));
    let began = outage.started_at.utc().format("%Y-%m-%d %H:%M:%S UTC");
    match resolved_at {
        None => format!("{service} is down since {began}: {why}"),
        Some(end) => {
            let seconds = end.since(outage.started_at) / 1000;
            format!("{service} is up again after {seconds} s; it was down since {began}: {why}")
        }
    }
}
