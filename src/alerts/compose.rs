//! What a message says of its events. It is made of what was known when they happened, so that every attempt says the same.

use super::{
    common::{self, Traits, Watched},
    plan,
    subject::{Groups, lasted, resolved_at, services, title},
};
use crate::{
    domain::{
        incident::Outage,
        sanitize::{LONGEST_MESSAGE, one_line},
        service::Service,
        time::{DAY_MS, UnixMs},
    },
    format,
    live::{LiveState, ServiceId, ServiceNow},
    notify::{Detail, Item, Notice, Status},
    routing::{
        AlertKind, Announcement, ChannelName, Severity,
        signed_link::{AcknowledgeLink, LinkKey},
    },
    store::{About, DueEvent, Event, IncidentEvent},
};
use chrono::TimeZone;
use chrono_tz::Tz;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Services that the details list.
const IN_DETAILS: usize = 20;
/// Events that a message holds as data.
const ITEMS: usize = 100;
/// Characters of the answer that a message quotes.
const EXCERPT: usize = 500;

const UP_AGAIN: &str = "up again";
/// Incidents that one link acknowledges.
const IN_LINK: usize = 50;
/// How long a link can be used.
const LINK_DAYS: i64 = 7;

/// What messages are made with.
#[derive(Clone)]
pub(super) struct Composer {
    pub(super) live: Arc<LiveState>,
    pub(super) zone: Tz,
    /// Where the pages are, without a slash at its end.
    pub(super) public_url: Option<String>,
    /// The channel that the messages are for.
    pub(super) channel: ChannelName,
    /// What links are signed with.
    pub(super) key: Option<Arc<LinkKey>>,
}

impl Composer {
    /// The message about these events. `uptime` is that of the day before the end that it says, a share of 1.
    pub(super) fn compose(&self, events: &[&DueEvent], uptime: Option<f64>) -> Option<Notice> {
        match events {
            [] => None,
            [one] => Some(self.single(one, uptime)),
            [first, .., last] => {
                // Whoever waits for the beginning and the end of one thing gets both in one.
                let same = events.iter().all(|event| subject(event) == subject(first));
                match same {
                    true => Some(Notice { key: plan::key(first), ..self.single(last, uptime) }),
                    false => Some(self.several(events)),
                }
            }
        }
    }

    fn single(&self, event: &DueEvent, uptime: Option<f64>) -> Notice {
        let item = self.item(event);
        let acknowledge_url = self.acknowledge_url(&[event]);
        let (title, details) = match &event.about {
            About::Incident(incident) => {
                (one_line(&title(incident, event.created_at), LONGEST_MESSAGE), self.details(event, incident, uptime))
            }
            About::Announcement(said) => {
                let details = said.details.iter().map(|(label, value)| detail(label, value.clone())).collect();
                (one_line(&said.title, LONGEST_MESSAGE), details)
            }
        };
        Notice {
            acknowledge_url,
            event_id: item.event_id.clone(),
            event: item.event.clone(),
            text: item.text.clone(),
            service: item.service.clone(),
            incident: item.incident.clone(),
            status: if event.is_end() { Status::Resolved } else { Status::Firing },
            severity: item.severity,
            title,
            details,
            key: plan::key(event),
            url: item.url.clone(),
            at: event.created_at.to_string(),
            count: 1,
            events: vec![item],
            report: announcement(event)
                .and_then(|said| serde_json::from_value(said.report.clone()?).ok())
                .map(Box::new),
        }
    }

    fn several(&self, events: &[&DueEvent]) -> Notice {
        let mut outages: BTreeMap<i64, Vec<&DueEvent>> = BTreeMap::new();
        for event in events {
            if let Some(incident) = event.incident() {
                outages.entry(incident.outage.id).or_default().push(event);
            }
        }
        let (mut down, mut lasting, mut up, mut passed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // In the order in which they failed: what failed first is likely the cause.
        let incidents_of = |of_one: &Vec<&'_ DueEvent>| -> Vec<IncidentEvent> {
            of_one.iter().filter_map(|event| event.incident().cloned()).collect()
        };
        let mut order: Vec<Vec<IncidentEvent>> = outages.values().map(incidents_of).collect();
        order.sort_by_key(|of_one| (of_one[0].outage.started_at, of_one[0].outage.id));
        for of_one in order {
            let began = of_one[0].event == Event::Confirmed;
            let Some(last) = of_one.into_iter().next_back() else { continue };
            match (began, last.event) {
                (true, Event::Resolved) => passed.push(last),
                (false, Event::Resolved) => up.push(last),
                (true, _) => down.push(last),
                (false, _) => lasting.push(last),
            }
        }
        let announced: Vec<&Announcement> = events.iter().filter_map(|event| announcement(event)).collect();
        let groups = Groups { down: &down, lasting: &lasting, up: &up, passed: &passed, announced: &announced };
        let mut details = Vec::new();
        if let Some(first) = down.first().filter(|_| down.len() > 1) {
            details.push(detail(
                "failed first",
                format!("{}, {}", first.outage.service, self.time(first.outage.started_at)),
            ));
            details.extend(self.common(&down).map(|common| detail("in common", common)));
        }
        for (label, of_them) in [("down", &down), ("still down", &lasting), (UP_AGAIN, &up), ("was down", &passed)] {
            for incident in of_them.iter().take(IN_DETAILS) {
                details.push(detail(label, self.line(incident, label)));
            }
            if of_them.len() > IN_DETAILS {
                details.push(detail(label, format!("and {} more", of_them.len() - IN_DETAILS)));
            }
        }
        for said in announced.iter().take(IN_DETAILS) {
            details.push(detail(said.kind.as_str(), said.text.clone()));
        }
        if announced.len() > IN_DETAILS {
            details.push(detail("also", format!("{} more", announced.len() - IN_DETAILS)));
        }
        let acknowledge_url = self.acknowledge_url(events);
        let items: Vec<Item> = events.iter().take(ITEMS).map(|event| self.item(event)).collect();
        let is_critical = events.iter().any(|event| self.severity_of(event) == Severity::Critical);
        let first = events[0];
        let event_id = plan::message_id(first, events.len());
        let is_over = events.iter().all(|event| event.is_end());
        let is_firing = !down.is_empty() || !lasting.is_empty() || announced.iter().any(|said| !said.is_over);
        Notice {
            key: if is_over { plan::key(first) } else { first.event_id.clone() },
            event_id,
            acknowledge_url,
            event: "incidents".to_owned(),
            text: format!("{}.", self.sentence(&groups)),
            service: None,
            incident: Value::Null,
            status: if is_firing { Status::Firing } else { Status::Resolved },
            severity: if is_critical { Severity::Critical } else { Severity::Warning }.as_str(),
            title: one_line(&groups.title(), LONGEST_MESSAGE),
            details,
            url: self.public_url.as_ref().map(|base| format!("{base}/dashboard/incidents")),
            at: events.iter().map(|event| event.created_at).max().unwrap_or(first.created_at).to_string(),
            count: events.len(),
            events: items,
            report: None,
        }
    }

    fn sentence(&self, groups: &Groups<'_>) -> String {
        let Groups { down, lasting, up, passed, announced } = groups;
        let mut parts = Vec::new();
        if let (Some(first), Some(last)) = (down.first(), down.last()) {
            let (from, to) = (self.time(first.outage.started_at), self.time(last.outage.started_at));
            let when = if from == to { format!("at {from}") } else { format!("between {from} and {to}") };
            parts.push(format!("{} failed {when}", services(down.len())));
        }
        let is = |n: usize| if n == 1 { "is" } else { "are" };
        if !lasting.is_empty() {
            parts.push(format!("{} {} still down", services(lasting.len()), is(lasting.len())));
        }
        if !up.is_empty() {
            parts.push(format!("{} {} up again", services(up.len()), is(up.len())));
        }
        if !passed.is_empty() {
            parts.push(format!("{} failed and {} up again", services(passed.len()), is(passed.len())));
        }
        match announced {
            [] => {}
            [one] => parts.push(one.text.trim_end_matches('.').to_owned()),
            many if parts.is_empty() => parts.push(format!("{} notices", many.len())),
            many => parts.push(format!("{} other notices", many.len())),
        }
        parts.join("; ")
    }

    /// What they have in common, in words: the likely cause.
    fn common(&self, down: &[IncidentEvent]) -> Option<String> {
        let all = self.live.all();
        let by_name: HashMap<&str, &ServiceNow> = all.iter().map(|now| (now.service.name.as_str(), &**now)).collect();
        let by_id: HashMap<ServiceId, &str> = all.iter().map(|now| (now.id, now.service.name.as_str())).collect();
        let depends_on = |now: &ServiceNow| -> Vec<String> {
            now.depends_on.iter().filter_map(|id| by_id.get(id)).map(|name| (*name).to_owned()).collect()
        };
        let traits = |incident: &IncidentEvent| {
            let (outage, now) = (&incident.outage, by_name.get(incident.outage.service.as_str()));
            let service: Option<&Service> = now.map(|now| &*now.service);
            let reason = &outage.cause.reason;
            Traits {
                place: service.and_then(common::place),
                group: service.and_then(|service| service.group.clone()),
                depends_on: now.map(|now| depends_on(now)).unwrap_or_default(),
                reason: one_line(&reason.message, 80),
                class: reason.class.as_str(),
            }
        };
        let down: Vec<Traits> = down.iter().map(traits).collect();
        common::in_common(&down, &Watched::of(all.iter().map(|now| (&*now.service, depends_on(now)))))
    }

    fn line(&self, incident: &IncidentEvent, label: &str) -> String {
        let outage = &incident.outage;
        let why = one_line(&outage.cause.reason.message, LONGEST_MESSAGE);
        match resolved_at(incident) {
            None => format!("{} since {}: {why}", outage.service, self.time(outage.started_at)),
            Some(end) => {
                // It is up after so long, and was down for so long.
                let word = if label == UP_AGAIN { "after" } else { "for" };
                format!("{} {word} {}: {why}", outage.service, lasted(end.since(outage.started_at)))
            }
        }
    }

    fn details(&self, event: &DueEvent, incident: &IncidentEvent, uptime: Option<f64>) -> Vec<Detail> {
        let outage = &incident.outage;
        let cause = &outage.cause;
        let mut details = Vec::new();
        details.extend(incident.late.clone().map(|late| detail("why now", late)));
        details.push(detail("cause", one_line(&cause.reason.message, LONGEST_MESSAGE)));
        if let Some(group) = self.group(&outage.service) {
            details.push(detail("group", group));
        }
        details.push(detail("first failed check", self.time(outage.started_at)));
        details.push(match outage.last_ok_at {
            Some(at) => detail("last passed check", self.time(at)),
            None => detail("last passed check", "none is known".to_owned()),
        });
        match resolved_at(incident) {
            None => details.extend(self.confirmation(incident)),
            Some(end) => {
                details.push(detail(UP_AGAIN, self.time(end)));
                details.push(detail("duration", lasted(end.since(outage.started_at))));
                if outage.checks_failed > 0 {
                    details.push(detail("failed checks", outage.checks_failed.to_string()));
                }
                if uptime.is_some() {
                    details.push(detail("uptime of the last 24 h", format::percent(uptime, 2)));
                }
            }
        }
        if let Event::Reminder(_) = incident.event {
            details.push(detail("reminder", format!("still down at {}", self.time(event.created_at))));
        }
        if let Some(excerpt) = cause.excerpt.as_deref().filter(|_| incident.event != Event::Resolved) {
            let excerpt = one_line(excerpt, EXCERPT);
            if !excerpt.is_empty() {
                details.push(detail("response", excerpt));
            }
        }
        details
    }

    /// How it was confirmed, and of a beginning what else failed then.
    fn confirmation(&self, incident: &IncidentEvent) -> Vec<Detail> {
        let Some(at) = incident.outage.confirmed_at else { return Vec::new() };
        let Some(known) = &incident.circumstances else { return vec![detail("confirmed", self.time(at))] };
        let checks = match known.checks {
            1 => "1 failed check".to_owned(),
            checks => format!("{checks} failed checks in a row"),
        };
        let mut details = vec![detail("confirmed", format!("{}, after {checks}", self.time(at)))];
        // Who is told late was told nothing then, and it may be otherwise now.
        if !known.failing.is_empty() && incident.late.is_none() {
            details.push(detail("also failing", format::listed_with(&known.failing, known.more)));
            let first = known.first.as_ref();
            details.extend(first.map(|(service, at)| detail("failed first", format!("{service}, {}", self.time(*at)))));
        }
        details
    }

    fn item(&self, event: &DueEvent) -> Item {
        match &event.about {
            About::Incident(of_it) => {
                let outage = &of_it.outage;
                let resolved_at = resolved_at(of_it);
                Item {
                    event_id: event.event_id.clone(),
                    event: format!("incident.{}", of_it.event.as_str()),
                    text: sentence(outage, resolved_at, self.zone),
                    service: Some(outage.service.clone()),
                    group: self.group(&outage.service),
                    severity: self.severity(&outage.service).as_str(),
                    incident: incident(outage, resolved_at),
                    url: self.public_url.as_ref().map(|base| format!("{base}/dashboard/incidents/{}", outage.id)),
                }
            }
            About::Announcement(said) => Item {
                event_id: event.event_id.clone(),
                event: match (said.kind, said.is_over) {
                    // The end of an incident that nobody will see.
                    (AlertKind::Resolved, _) => "incident.left_open".to_owned(),
                    // The words that there were before there were other kinds.
                    (AlertKind::Monitor, false) => "monitor.failing".to_owned(),
                    (AlertKind::Monitor, true) => "monitor.recovered".to_owned(),
                    (kind, false) => kind.as_str().to_owned(),
                    (kind, true) if said.stands_alone() => kind.as_str().to_owned(),
                    (kind, true) => format!("{}.resolved", kind.as_str()),
                },
                text: one_line(&said.text, EXCERPT),
                service: said.service.clone(),
                group: said.group.clone(),
                severity: said.severity.as_str(),
                incident: Value::Null,
                url: self.public_url.as_ref().map(|base| {
                    let page = said.page.as_deref().unwrap_or("/dashboard");
                    format!("{base}{page}")
                }),
            },
        }
    }

    /// Where the incidents of a message are acknowledged that it says are open. One of very many names none: what is
    /// common to them is looked for on the pages.
    fn acknowledge_url(&self, events: &[&DueEvent]) -> Option<String> {
        let (base, key) = (self.public_url.as_ref()?, self.key.as_ref()?);
        let is_over = |id: i64| {
            let ends = |event: &&DueEvent| event.incident().is_some_and(|one| one.outage.id == id) && event.is_end();
            events.iter().any(ends)
        };
        let mut incidents: Vec<i64> = events
            .iter()
            .filter_map(|event| event.incident())
            .map(|one| one.outage.id)
            .filter(|id| !is_over(*id))
            .collect();
        incidents.sort_unstable();
        incidents.dedup();
        if incidents.is_empty() || incidents.len() > IN_LINK {
            return None;
        }
        let last = events.iter().map(|event| event.created_at).max()?;
        let link =
            AcknowledgeLink { incidents, channel: self.channel.to_string(), expires_at: last.plus(LINK_DAYS * DAY_MS) };
        Some(format!("{base}/dashboard/acknowledge?{}", link.query(key)))
    }

    fn severity_of(&self, event: &DueEvent) -> Severity {
        match &event.about {
            About::Incident(incident) => self.severity(&incident.outage.service),
            About::Announcement(said) => said.severity,
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
        time(self.zone, at)
    }
}

/// A moment by the clocks of a zone.
pub(super) fn time(zone: Tz, at: UnixMs) -> String {
    zone.from_utc_datetime(&at.utc().naive_utc()).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

fn detail(label: &str, value: String) -> Detail {
    Detail { label: label.to_owned(), value }
}

/// What the events of a message have in common: the incident, or what announcements are about.
fn subject(event: &DueEvent) -> (i64, &str) {
    match &event.about {
        About::Incident(incident) => (incident.outage.id, ""),
        About::Announcement(said) => (0, &said.key),
    }
}

fn announcement(event: &DueEvent) -> Option<&Announcement> {
    match &event.about {
        About::Incident(_) => None,
        About::Announcement(said) => Some(said),
    }
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

/// One sentence: what the receivers of `[alerts] webhook` have always had, by the clocks of the zone.
fn sentence(outage: &Outage, resolved_at: Option<UnixMs>, zone: Tz) -> String {
    let (service, why) = (&outage.service, one_line(&outage.cause.reason.message, LONGEST_MESSAGE));
    let began = time(zone, outage.started_at);
    match resolved_at {
        None => format!("{service} is down since {began}: {why}"),
        Some(end) => {
            let seconds = end.since(outage.started_at) / 1000;
            format!("{service} is up again after {seconds} s; it was down since {began}: {why}")
        }
    }
}
