//! Who is notified of what: channels by name, and the routes that lead to them.
//!
//! Routes are tried in their order and the first that matches decides, unless it says `continue`. What no route matches
//! goes to every channel: only a route without channels can request that nobody receives an alert. A resolve goes
//! where its trigger went, so its route is found with what was known when the incident was confirmed.

mod announcement;
mod flapping;
mod kind;
pub mod signed_link;
mod silence;

pub use announcement::Announcement;
pub use kind::{AlertKind, Severity};
pub use silence::{Acknowledgement, LONGEST_AUTHOR, LONGEST_DAYS, Silence, Silenced};

use crate::domain::{check::Class, incident::Outage, service::Service, time::UnixMs};
use chrono::{Datelike, TimeZone, Timelike, Weekday};
use chrono_tz::Tz;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The name of a channel: its identity in the configuration, the outbox and the metrics.
pub type ChannelName = Arc<str>;

/// What a route is chosen by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts<'a> {
    pub service: &'a str,
    pub group: Option<&'a str>,
    pub kind: AlertKind,
    pub class: Option<Class>,
    pub severity: Severity,
    /// When the incident was confirmed.
    pub at: UnixMs,
}

impl<'a> Facts<'a> {
    /// Those of the monitor itself.
    pub fn of_the_monitor(at: UnixMs) -> Facts<'static> {
        Facts::without_service(AlertKind::Monitor, at)
    }

    /// Those of what is about no service, or about all of them.
    pub fn without_service(kind: AlertKind, at: UnixMs) -> Facts<'static> {
        let severity = if kind == AlertKind::Monitor { Severity::Critical } else { Severity::Warning };
        Facts { service: "", group: None, kind, class: None, severity, at }
    }

    /// Those of what is announced of a service.
    pub fn of_service(kind: AlertKind, service: &'a Service, at: UnixMs) -> Facts<'a> {
        let severity = Severity::of_kind(kind, service);
        Facts { service: &service.name, group: service.group.as_deref(), kind, class: None, severity, at }
    }

    /// Those of an incident.
    pub fn of(kind: AlertKind, service: &'a Service, outage: &Outage) -> Facts<'a> {
        Facts {
            service: &service.name,
            group: service.group.as_deref(),
            kind,
            class: Some(outage.cause.reason.class),
            severity: Severity::of(service),
            at: outage.confirmed_at.unwrap_or(outage.started_at),
        }
    }
}

/// A channel, and which kinds it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    pub name: ChannelName,
    /// `None`: all kinds but reports.
    pub kinds: Option<Vec<AlertKind>>,
    /// How long after the confirmation of an incident the first reminder is sent, in milliseconds; each further distance is
    /// twice as long, up to a day. `None`: there are none.
    pub remind_after_ms: Option<i64>,
}

impl Recipient {
    /// Whether it is for a kind.
    pub fn wants(&self, kind: AlertKind) -> bool {
        // Reports have channels of their own.
        self.kinds.as_ref().map_or(kind != AlertKind::Report, |kinds| kinds.contains(&kind))
    }
}

/// Days and hours by the clocks of a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hours {
    /// From Monday on.
    pub days: [bool; 7],
    /// Minutes of the day, `from` included and `to` not. Where `to` is not later the hours go on past midnight, and belong
    /// to the day on which they begin.
    pub minutes: Option<(u32, u32)>,
    pub zone: Tz,
}

impl Hours {
    /// Whether a moment is within them.
    pub fn contain(&self, at: UnixMs) -> bool {
        let local = self.zone.from_utc_datetime(&at.utc().naive_utc());
        let on = |day: Weekday| self.days[day.num_days_from_monday() as usize];
        let (today, minute) = (local.weekday(), local.hour() * 60 + local.minute());
        match self.minutes {
            None => on(today),
            Some((from, to)) if from < to => on(today) && (from..to).contains(&minute),
            Some((from, to)) => on(today) && minute >= from || on(today.pred()) && minute < to,
        }
    }
}

/// What an alert has to be for a route: everything that is named, one of each list.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Matchers {
    /// Names, in which `*` matches any characters.
    pub services: Vec<String>,
    /// The same, of groups.
    pub groups: Vec<String>,
    pub kinds: Vec<AlertKind>,
    pub classes: Vec<Class>,
    pub severity: Option<Severity>,
    pub hours: Option<Hours>,
}

impl Matchers {
    /// What an alert fails on, in a few words; `None`: it matches.
    fn mismatch(&self, facts: &Facts<'_>) -> Option<String> {
        if !self.services.is_empty() && !self.services.iter().any(|pattern| matches(pattern, facts.service)) {
            return Some(format!("service is not {}", self.services.join(" or ")));
        }
        let in_group = |pattern: &String| facts.group.is_some_and(|group| matches(pattern, group));
        if !self.groups.is_empty() && !self.groups.iter().any(in_group) {
            return Some(format!("group is not {}", self.groups.join(" or ")));
        }
        // Where its trigger went, a resolve goes.
        let kind = if facts.kind == AlertKind::Resolved { AlertKind::Down } else { facts.kind };
        if !self.kinds.is_empty() && !self.kinds.contains(&kind) && !self.kinds.contains(&facts.kind) {
            let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
            return Some(format!("kind is not {}", kinds.join(" or ")));
        }
        if !self.classes.is_empty() && !facts.class.is_some_and(|class| self.classes.contains(&class)) {
            let classes: Vec<&str> = self.classes.iter().map(|class| class.as_str()).collect();
            return Some(format!("class is not {}", classes.join(" or ")));
        }
        if let Some(severity) = self.severity.filter(|severity| *severity != facts.severity) {
            return Some(format!("severity is not {}", severity.as_str()));
        }
        self.hours.filter(|hours| !hours.contain(facts.at)).map(|_| "outside its days and hours".to_owned())
    }
}

/// Who else is notified of an incident that nobody acknowledges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Escalation {
    /// From its confirmation on, in milliseconds.
    pub after_ms: i64,
    pub to: Vec<ChannelName>,
}

/// Where alerts go that match.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    pub matchers: Matchers,
    /// None: nobody is notified.
    pub channels: Vec<ChannelName>,
    pub escalation: Option<Escalation>,
    /// Whether the routes after it are tried as well.
    pub goes_on: bool,
}

/// The channels of a configuration, and how alerts find them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Routing {
    pub channels: Vec<Recipient>,
    pub routes: Vec<Route>,
    /// Services that name their channels themselves.
    pub services: BTreeMap<String, Vec<ChannelName>>,
    /// Services that are told to flap, in the place of each of their incidents.
    pub flapping: BTreeSet<String>,
}

/// How the channels of an alert were found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// One line for each route that was tried, and for each channel that is left out.
    pub steps: Vec<String>,
    pub channels: Vec<ChannelName>,
}

impl Routing {
    /// Channels of these names, each of which gets everything.
    pub fn to_all<'a>(names: impl IntoIterator<Item = &'a str>) -> Routing {
        let recipient = |name: &str| Recipient { name: name.into(), kinds: None, remind_after_ms: None };
        Routing { channels: names.into_iter().map(recipient).collect(), ..Routing::default() }
    }

    /// The channels that an alert goes to, in the order of the configuration.
    pub fn channels(&self, facts: &Facts<'_>) -> Vec<ChannelName> {
        if self.routes.is_empty() && self.services.is_empty() {
            return self.channels.iter().filter(|c| c.wants(facts.kind)).map(|c| c.name.clone()).collect();
        }
        self.explain(facts).channels
    }

    /// The escalations of an incident of these facts.
    pub fn escalations(&self, facts: &Facts<'_>) -> Vec<&Escalation> {
        if self.services.contains_key(facts.service) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for route in self.routes.iter().filter(|route| route.matchers.mismatch(facts).is_none()) {
            found.extend(&route.escalation);
            if !route.goes_on {
                break;
            }
        }
        found
    }

    /// A channel of this name.
    pub fn recipient(&self, name: &str) -> Option<&Recipient> {
        self.channels.iter().find(|channel| *channel.name == *name)
    }

    /// The same, with the reasons.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let (mut steps, mut found) = (Vec::new(), Vec::new());
        match self.services.get(facts.service) {
            Some(own) if facts.kind != AlertKind::Monitor => {
                steps.push(format!("the service names its channels: {}", list(own)));
                found.extend(own.iter().cloned());
            }
            _ => self.follow(facts, &mut steps, &mut found),
        }
        let mut channels = Vec::new();
        for channel in self.channels.iter().filter(|channel| found.contains(&channel.name)) {
            match channel.wants(facts.kind) {
                true => channels.push(channel.name.clone()),
                false => steps.push(format!("channel {} is not for `{}`", channel.name, facts.kind.as_str())),
            }
        }
        Explanation { steps, channels }
    }

    fn follow(&self, facts: &Facts<'_>, steps: &mut Vec<String>, found: &mut Vec<ChannelName>) {
        let mut matched = false;
        for (n, route) in self.routes.iter().enumerate() {
            let n = n + 1;
            if let Some(why) = route.matchers.mismatch(facts) {
                steps.push(format!("route {n} does not match: {why}"));
                continue;
            }
            matched = true;
            let kinds = &route.matchers.kinds;
            if !kinds.is_empty() && !kinds.contains(&facts.kind) {
                steps.push(format!("route {n} matches, but is not for `{}`", facts.kind.as_str()));
            } else {
                steps.push(format!("route {n} matches: {}", list(&route.channels)));
                if let Some(Escalation { after_ms, to }) =
                    route.escalation.as_ref().filter(|_| facts.kind == AlertKind::Down)
                {
                    let minutes = after_ms / 60_000;
                    steps.push(format!("unless somebody acknowledges it within {minutes} min: {}", list(to)));
                }
                found.extend(route.channels.iter().cloned());
            }
            if !route.goes_on {
                return;
            }
        }
        if !matched {
            let why = if self.routes.is_empty() { "there are no routes" } else { "no route matches" };
            steps.push(format!("{why}: every channel"));
            found.extend(self.channels.iter().map(|channel| channel.name.clone()));
        }
    }
}

fn list(channels: &[ChannelName]) -> String {
    if channels.is_empty() { "nobody".to_owned() } else { channels.join(", ") }
}

/// Whether a text matches a pattern, in which `*` matches any characters, also none.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(service: &'a str, kind: AlertKind, at: &str) -> Facts<'a> {
        let at = UnixMs::parse(at).unwrap();
        Facts { service, group: Some("db"), kind, class: Some(Class::Timeout), severity: Severity::Critical, at }
    }

    fn route(matchers: Matchers, channels: &[&str], goes_on: bool) -> Route {
        Route { matchers, channels: channels.iter().map(|name| (*name).into()).collect(), escalation: None, goes_on }
    }

    fn names(routing: &Routing, facts: &Facts<'_>) -> Vec<String> {
        routing.channels(facts).iter().map(ToString::to_string).collect()
    }

    const NOON: &str = "2026-11-30T12:00:00Z";

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("api", "api", true),
            ("api", "api2", false),
            ("api*", "api", true),
            ("*", "", true),
            ("*-db", "main-db", true),
            ("*-db", "db", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_route_that_matches_decides_unless_it_goes_on() {
        let mut routing = Routing::to_all(["ops", "chat", "log"]);
        assert_eq!(names(&routing, &facts("api", AlertKind::Down, NOON)), ["ops", "chat", "log"]);
        let services = |name: &str| Matchers { services: vec![name.to_owned()], ..Matchers::default() };
        routing.routes = vec![route(services("api*"), &["ops"], true), route(services("*"), &["chat"], false)];
        assert_eq!(names(&routing, &facts("api-1", AlertKind::Down, NOON)), ["ops", "chat"]);
        assert_eq!(names(&routing, &facts("web", AlertKind::Down, NOON)), ["chat"]);
        routing.services.insert("web".to_owned(), Vec::new());
        assert_eq!(names(&routing, &facts("web", AlertKind::Down, NOON)), [""; 0]);
    }

    #[test]
    fn what_no_route_matches_goes_to_everybody() {
        let mut routing = Routing::to_all(["ops", "chat"]);
        let other = Matchers { groups: vec!["web".to_owned()], ..Matchers::default() };
        routing.routes = vec![route(other, &["ops"], false)];
        let explanation = routing.explain(&facts("api", AlertKind::Down, NOON));
        assert_eq!(explanation.channels.len(), 2);
        assert_eq!(explanation.steps, ["route 1 does not match: group is not web", "no route matches: every channel"]);
    }

    #[test]
    fn a_resolve_goes_where_its_trigger_went() {
        let mut routing = Routing::to_all(["ops", "chat"]);
        let down = Matchers { kinds: vec![AlertKind::Down], ..Matchers::default() };
        let both = Matchers { kinds: vec![AlertKind::Down, AlertKind::Resolved], ..Matchers::default() };
        routing.routes = vec![route(down, &["ops"], true), route(both, &["chat"], false)];
        assert_eq!(names(&routing, &facts("api", AlertKind::Down, NOON)), ["ops", "chat"]);
        assert_eq!(names(&routing, &facts("api", AlertKind::Resolved, NOON)), ["chat"]);
        routing.routes.clear();
        routing.channels[0].kinds = Some(vec![AlertKind::Down]);
        assert_eq!(names(&routing, &facts("api", AlertKind::Resolved, NOON)), ["chat"]);
    }

    #[test]
    fn hours_are_those_of_a_zone_and_may_go_past_midnight() {
        let weekdays = [true, true, true, true, true, false, false];
        let night = Hours { days: weekdays, minutes: Some((22 * 60, 6 * 60)), zone: Tz::Europe__Berlin };
        for (at, within) in [
            // A Friday in winter: Berlin is an hour ahead.
            ("2026-11-27T20:59:00Z", false),
            ("2026-11-27T21:00:00Z", true),
            // Saturday morning belongs to the night that began on Friday,
            ("2026-11-28T04:59:00Z", true),
            ("2026-11-28T05:00:00Z", false),
            // and the night of Saturday is none of them.
            ("2026-11-28T22:00:00Z", false),
            ("2026-11-30T04:00:00Z", false),
            // In summer two hours.
            ("2026-07-01T20:00:00Z", true),
            ("2026-07-01T04:00:00Z", false),
        ] {
            assert_eq!(night.contain(UnixMs::parse(at).unwrap()), within, "{at}");
        }
    }

    #[test]
    fn hours_are_what_the_clock_on_the_wall_shows_also_when_it_is_changed() {
        let hours = |from: u32, to: u32| Hours {
            days: [true; 7],
            minutes: Some((from * 60, to * 60)),
            zone: Tz::Europe__Berlin,
        };
        for (hours, at, within) in [
            // The night in which two o'clock is three at once has no hour from two to three, and is an hour shorter.
            (hours(2, 3), "2026-03-29T00:59:59Z", false),
            (hours(2, 3), "2026-03-29T01:00:00Z", false),
            (hours(22, 6), "2026-03-28T20:59:59Z", false),
            (hours(22, 6), "2026-03-28T21:00:00Z", true),
            (hours(22, 6), "2026-03-29T03:59:59Z", true),
            (hours(22, 6), "2026-03-29T04:00:00Z", false),
            // The night in which three o'clock is two again has it twice, and is an hour longer.
            (hours(2, 3), "2026-10-24T23:59:59Z", false),
            (hours(2, 3), "2026-10-25T00:30:00Z", true),
            (hours(2, 3), "2026-10-25T01:30:00Z", true),
            (hours(2, 3), "2026-10-25T02:00:00Z", false),
            (hours(22, 6), "2026-10-24T20:00:00Z", true),
            (hours(22, 6), "2026-10-25T04:59:59Z", true),
            (hours(22, 6), "2026-10-25T05:00:00Z", false),
        ] {
            assert_eq!(hours.contain(UnixMs::parse(at).unwrap()), within, "{at}");
        }
    }
}
