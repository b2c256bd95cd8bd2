//! The moment that is looked at: now, or one of the past with what was known then. What became known later is not shown.

use crate::{
    domain::{
        check::CheckResult,
        incident::{Gap, Outage},
        time::UnixMs,
    },
    live::{ServiceId, ServiceNow},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

/// A point of view.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The moment: what comes after it is not known.
    pub(crate) at: UnixMs,
    /// Whether the moment lies in the past.
    pub(crate) past: bool,
    /// The services that were watched at that moment, as they were known then.
    pub(crate) services: Vec<Arc<ServiceNow>>,
    base: Arc<str>,
    /// What links to other pages carry on, as a query without its `?`.
    carried: String,
    /// Where the services are in the list, once somebody asks.
    places: Arc<OnceLock<HashMap<ServiceId, usize>>>,
}

/// What must be escaped in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Snapshot {
    /// What is known now.
    pub(crate) fn now(services: Vec<Arc<ServiceNow>>, now: UnixMs) -> Snapshot {
        Snapshot { at: now, past: false, services, base: "".into(), carried: String::new(), places: Arc::default() }
    }

    /// What was known at a moment of the past, at which these services were watched.
    pub(crate) fn then(services: Vec<Arc<ServiceNow>>, at: UnixMs) -> Snapshot {
        Snapshot { past: true, ..Snapshot::now(services, at) }
    }

    /// The same, whose links begin with `base` and carry on this query (without its `?`).
    pub(crate) fn linking(self, base: Arc<str>, carried: String) -> Snapshot {
        Snapshot { base, carried, ..self }
    }

    /// A service, if it was watched.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<ServiceNow>> {
        self.services.iter().find(|s| s.service.name == name)
    }

    /// What a service that fails depends on and has failed as well: the first causes.
    pub(crate) fn failed_dependencies(&self, service: &ServiceNow) -> Vec<Arc<ServiceNow>> {
        if service.depends_on.is_empty() || !service.has_failed(self.at) {
            return Vec::new();
        }
        let number = |(place, service): (usize, &Arc<ServiceNow>)| (service.id, place);
        let places = self.places.get_or_init(|| self.services.iter().enumerate().map(number).collect());
        let find = |id| places.get(&id).and_then(|place| self.services.get(*place)).cloned();
        service.failed_dependencies(self.at, find)
    }

    /// The same in words. `None`: there is none.
    pub(crate) fn behind(&self, service: &ServiceNow) -> Option<String> {
        let failed = self.failed_dependencies(service);
        let first = &failed.first()?.service.name;
        Some(match failed.len() {
            1 => first.clone(),
            more => format!("{first} and {} more", more - 1),
        })
    }

    /// An outage as it was known; `None` where nobody knew of it yet.
    pub(crate) fn outage(&self, outage: Outage) -> Option<Outage> {
        if !self.past {
            return Some(outage);
        }
        if outage.started_at >= self.at {
            return None;
        }
        let ended_at = outage.ended_at.filter(|end| *end <= self.at);
        let note = outage.note.clone().filter(|note| note.at <= self.at);
        let Some(service) = self.get(&outage.service) else {
            let confirmed_at = outage.confirmed_at.filter(|at| *at <= self.at);
            return Some(Outage { ended_at, confirmed_at, note, left_open: ended_at.is_none(), ..outage });
        };
        match &service.outage {
            // The outage lasted, as far as anybody knew: the pass that ends it may have been seen, but not the next.
            Some(open) if open.id == outage.id => Some(Outage { note, ..(**open).clone() }),
            _ => ended_at.map(|_| Outage { note, ..outage }),
        }
    }

    /// The outages of a list that were known, as they were.
    pub(crate) fn outages(&self, outages: Vec<Outage>) -> Vec<Outage> {
        outages.into_iter().filter_map(|outage| self.outage(outage)).collect()
    }

    /// The checks of a list that had ended: a result is known when its check ends.
    pub(crate) fn checks(&self, mut checks: Vec<CheckResult>) -> Vec<CheckResult> {
        checks.retain(|check| !self.past || check.known_at() <= self.at);
        checks
    }

    /// Gaps as they were known: one that ended later lasts.
    pub(crate) fn gaps(&self, gaps: Vec<Gap>) -> Vec<Gap> {
        let known = |gap: Gap| Gap { to: gap.to.filter(|to| !self.past || *to <= self.at), ..gap };
        gaps.into_iter().filter(|gap| gap.from < self.at || !self.past).map(known).collect()
    }

    /// The address of a page: its path, and a query without its `?`.
    pub(crate) fn url(&self, path: &str, query: &str) -> String {
        let mut address = format!("{}{path}", self.base);
        for (i, part) in [query, &self.carried].into_iter().filter(|part| !part.is_empty()).enumerate() {
            address.push(if i == 0 { '?' } else { '&' });
            address.push_str(part);
        }
        address
    }

    /// An address that carries nothing on.
    pub(crate) fn plain_url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The address of a service's page.
    pub(crate) fn service_url(&self, name: &str, query: &str) -> String {
        self.url(&service_page(name), query)
    }

    /// The address of an incident's page.
    pub(crate) fn incident_url(&self, id: i64) -> String {
        self.url(&format!("/dashboard/incidents/{id}"), "")
    }
}

/// Where the page of a service is, below the place where the pages are.
pub(crate) fn service_page(name: &str) -> String {
    // A segment of dots alone would be taken for a folder.
    let segment = match name {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        name => utf8_percent_encode(name, SEGMENT).to_string(),
    };
    format!("/dashboard/services/{segment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_makes_an_address_of_one_segment_and_every_address_carries_on() {
        let plain = Snapshot::now(Vec::new(), UnixMs(0));
        assert_eq!(plain.service_url("api", ""), "/dashboard/services/api");
        assert_eq!(plain.service_url("..", ""), "/dashboard/services/%2E%2E");
        let below = plain.clone().linking("/status".into(), "at=x&tz=y".into());
        assert_eq!(
            below.service_url("a/b ?#ü", "window=90d"),
            "/status/dashboard/services/a%2Fb%20%3F%23%C3%BC?window=90d&at=x&tz=y"
        );
        assert_eq!(below.incident_url(7), "/status/dashboard/incidents/7?at=x&tz=y");
    }
}
