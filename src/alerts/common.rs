//! What services have in common that failed together: the likely cause.

use crate::{domain::service::Service, format::count};
use reqwest::Url;
use std::collections::{BTreeMap, HashMap};

/// Hosts, groups or reasons that are named where none has most of the services.
const LARGEST: usize = 3;
/// More places than these say less than a few groups.
const MANY_PLACES: usize = 10;

/// What is known of a service that failed, and what others may share.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Traits {
    /// `host` and `host:port` of its target.
    pub(super) place: Option<(String, String)>,
    pub(super) group: Option<String>,
    /// The services that it depends on.
    pub(super) depends_on: Vec<String>,
    pub(super) reason: String,
    pub(super) class: &'static str,
}

/// How many services are watched: at each host, at each `host:port`, behind each dependency, and at all.
#[derive(Clone, Default, Debug)]
pub(super) struct Watched {
    at: HashMap<String, usize>,
    behind: HashMap<String, usize>,
    all: usize,
}

impl Watched {
    /// Each with the names of what it depends on.
    pub(super) fn of<'a>(services: impl Iterator<Item = (&'a Service, Vec<String>)>) -> Watched {
        let mut watched = Watched::default();
        for (service, depends_on) in services.filter(|(service, _)| service.enabled) {
            watched.add(place(service), 1);
            depends_on.into_iter().for_each(|on| *watched.behind.entry(on).or_default() += 1);
        }
        watched
    }

    fn add(&mut self, place: Option<(String, String)>, services: usize) {
        self.all += services;
        if let Some((host, address)) = place {
            *self.at.entry(host).or_default() += services;
            *self.at.entry(address).or_default() += services;
        }
    }

    /// Whether a place may be the cause where so many failed: a quarter of what is watched there, at least. The others may not
    /// have been checked since. Where everything is watched that is watched at all, the place says nothing unless all of it
    /// failed.
    fn may_be_the_cause(&self, failed: usize, place: &str) -> bool {
        let there = self.at.get(place).copied().unwrap_or(0);
        4 * failed >= there && (there < self.all || failed >= there)
    }
}

/// Where a service is: the host of its target, and the host with the port. A command is nowhere.
pub(super) fn place(service: &Service) -> Option<(String, String)> {
    if service.kind.runs_a_command() {
        return None;
    }
    let url = Url::parse(service.target.whole()).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?.to_lowercase();
    let address = url.port_or_known_default().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    Some((host, address))
}

/// Services that share something.
#[derive(Clone, Debug)]
struct Shared {
    /// What they share, in words.
    what: String,
    services: usize,
    /// How most of them failed, and how many did so.
    reason: (String, usize),
}

/// What is shared, the most frequent first.
type Tally = Vec<Shared>;

fn tally<'a, T: IntoIterator<Item = String>>(down: &'a [Traits], what: impl Fn(&'a Traits) -> T) -> Tally {
    let mut members: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for one in down {
        for what in what(one) {
            *members.entry(what).or_default().entry(&one.reason).or_default() += 1;
        }
    }
    let shared = |(what, reasons): (String, BTreeMap<&str, usize>)| {
        let most = reasons.iter().max_by_key(|(_, n)| **n).map(|(reason, n)| ((*reason).to_owned(), *n));
        Shared { what, services: reasons.values().sum(), reason: most.unwrap_or_default() }
    };
    let mut tally: Tally = members.into_iter().map(shared).collect();
    in_order(&mut tally);
    tally
}

fn in_order(tally: &mut Tally) {
    tally.sort_by(|a, b| b.services.cmp(&a.services).then_with(|| a.what.cmp(&b.what)));
}

/// What most of these share: a host or an address, a dependency, a group, a reason. Where most of them share no place, what the largest
/// few are. `None`: nothing stands out.
pub(super) fn in_common(down: &[Traits], watched: &Watched) -> Option<String> {
    let of = down.len();
    let places = places(down, watched);
    let groups = tally(down, |one| one.group.as_ref().map(|group| format!("group {group}")));
    let mut dependencies = tally(down, |one| one.depends_on.clone());
    // As of a place: the others may not have been checked since.
    dependencies.retain(|on| 4 * on.services >= watched.behind.get(&on.what).copied().unwrap_or(0));
    dependencies.iter_mut().for_each(|on| on.what.insert_str(0, "depends on "));
    let reasons = tally(down, |one| (!one.reason.is_empty()).then(|| one.reason.clone()));
    let classes = tally(down, |one| Some(format!("class {}", one.class)));
    let of_most = |tally: &Tally| tally.first().filter(|s| s.services > 1 && 2 * s.services > of).cloned();
    let one = |shared: &Shared| format!("{} ({} of {})", shared.what, count(shared.services as u64), count(of as u64));
    let reason = of_most(&reasons);
    let cause = reason.clone().or_else(|| of_most(&classes));
    let mut said: Vec<String> =
        [of_most(&places), of_most(&dependencies), of_most(&groups)].iter().flatten().map(one).collect();
    if !said.is_empty() {
        said.extend(cause.as_ref().map(one));
        return Some(said.join("; "));
    }
    // No place has most of them: perhaps a few places have.
    said.extend(cause.as_ref().map(one));
    let found = match (explaining(places, of), explaining(groups, of)) {
        (Some(places), Some(groups)) if is_better(&groups, &places) => Some((groups, "group")),
        (Some(places), _) => Some((places, "place")),
        (None, Some(groups)) => Some((groups, "group")),
        (None, None) if cause.is_none() => explaining(reasons, of).map(|reasons| (reasons, "reason")),
        (None, None) => None,
    };
    if let Some((tally, word)) = found {
        let one = |shared: &Shared| match &shared.reason {
            (how, n) if reason.is_none() && word != "reason" && 2 * n > shared.services => {
                format!("{}: {how}", one(shared))
            }
            _ => one(shared),
        };
        said.extend(tally.iter().take(LARGEST).map(one));
        if tally.len() > LARGEST {
            let rest = tally.len() - LARGEST;
            said.push(format!("{rest} more {word}{}", if rest == 1 { "" } else { "s" }));
        }
    }
    (!said.is_empty()).then(|| said.join("; "))
}

/// What several share, where that is most of them.
fn explaining(tally: Tally, of: usize) -> Option<Tally> {
    let several: Tally = tally.into_iter().filter(|shared| shared.services > 1).collect();
    (2 * several.iter().map(|shared| shared.services).sum::<usize>() > of).then_some(several)
}

/// Whether groups say more of the cause than places: those who are together in them failed in the same way, or there are
/// too many places.
fn is_better(groups: &Tally, places: &Tally) -> bool {
    let alike = |tally: &Tally| {
        let services: usize = tally.iter().map(|shared| shared.services).sum();
        100 * tally.iter().map(|shared| shared.reason.1).sum::<usize>() / services.max(1)
    };
    let (groups_alike, places_alike) = (alike(groups), alike(places));
    groups_alike > places_alike
        || groups_alike == places_alike && places.len() > MANY_PLACES && groups.len() < places.len()
}

/// The hosts that may be the cause, and, where that is not so, the addresses.
fn places(down: &[Traits], watched: &Watched) -> Tally {
    let mut places = tally(down, |one| one.place.as_ref().map(|(host, _)| host.clone()));
    places.retain(|host| watched.may_be_the_cause(host.services, &host.what));
    let is_named = |(host, _): &(String, String)| places.iter().any(|place| place.what == *host);
    let elsewhere = |one: &Traits| one.place.as_ref().filter(|place| !is_named(place)).map(|(_, at)| at.clone());
    let mut addresses = tally(down, elsewhere);
    addresses.retain(|address| watched.may_be_the_cause(address.services, &address.what));
    addresses.iter_mut().for_each(|address| address.what.insert_str(0, "address "));
    places.iter_mut().for_each(|host| host.what.insert_str(0, "host "));
    places.extend(addresses);
    in_order(&mut places);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many services of a host, each at this port.
    fn at(host: &str, port: u16, group: &str, reason: &str, n: usize) -> Vec<Traits> {
        let place = Some((host.to_owned(), format!("{host}:{port}")));
        let (group, reason) = (Some(group.to_owned()), reason.to_owned());
        vec![Traits { place, group, depends_on: Vec::new(), reason, class: "http_status" }; n]
    }

    /// Where these are watched, and so many more at a port of a host.
    fn watched(down: &[Vec<Traits>], up: &[(&str, u16, usize)]) -> Watched {
        let mut watched = Watched::default();
        down.iter().flatten().for_each(|one| watched.add(one.place.clone(), 1));
        up.iter().for_each(|(host, port, n)| watched.add(Some(((*host).to_owned(), format!("{host}:{port}"))), *n));
        watched
    }

    fn said(down: &[Vec<Traits>], up: &[(&str, u16, usize)]) -> String {
        in_common(&down.concat(), &watched(down, up)).unwrap_or_default()
    }

    #[test]
    fn what_most_share_is_named() {
        let down = [at("db.local", 5432, "shop", "refused", 3), at("web.local", 80, "web", "HTTP 503", 1)];
        assert_eq!(said(&down, &[]), "host db.local (3 of 4); group shop (3 of 4); refused (3 of 4)");
    }

    #[test]
    fn a_dependency_that_most_share_is_named_unless_most_of_what_depends_on_it_works() {
        let mut down =
            [at("a", 80, "x", "refused", 1), at("b", 80, "y", "refused", 1), at("c", 80, "z", "HTTP 503", 1)];
        down[0][0].depends_on = vec!["db".to_owned(), "host".to_owned()];
        down[1][0].depends_on = vec!["db".to_owned()];
        let mut watched = watched(&down, &[]);
        watched.behind = HashMap::from([("db".to_owned(), 3), ("host".to_owned(), 1)]);
        let said = |watched: &Watched| in_common(&down.concat(), watched).unwrap();
        assert_eq!(said(&watched), "depends on db (2 of 3); refused (2 of 3)");
        watched.behind.insert("db".to_owned(), 9);
        assert!(!said(&watched).contains("depends on"));
    }

    #[test]
    fn a_host_where_most_works_is_not_the_cause_but_an_address_there_may_be() {
        let down = [at("box", 5432, "a", "refused", 1), at("box", 5432, "b", "refused", 1)];
        assert_eq!(said(&down, &[("box", 80, 7)]), "address box:5432 (2 of 2); refused (2 of 2)");
        assert_eq!(said(&down, &[("box", 5432, 7)]), "refused (2 of 2)");
        // Half of all that there is: that may be anything.
        assert_eq!(said(&down, &[("box", 5432, 2)]), "refused (2 of 2)");
        assert_eq!(said(&down, &[("box", 5432, 2), ("web", 80, 1)]), "host box (2 of 2); refused (2 of 2)");
        assert_eq!(said(&down, &[]), "host box (2 of 2); refused (2 of 2)");
    }

    #[test]
    fn where_no_place_has_most_of_them_the_largest_are_named_with_how_they_failed() {
        let hosts = |n: usize, group: &dyn Fn(usize) -> String, reason: &dyn Fn(usize) -> String| -> Vec<Vec<Traits>> {
            (0..n).map(|n| at(&format!("h{n:02}"), 80, &group(n), &reason(n), 100 - n)).collect()
        };
        let each_its_own = hosts(5, &|n| format!("g{}", n % 2), &|n| format!("HTTP 50{n}"));
        assert_eq!(said(&each_its_own, &[]), "group g0 (294 of 490); class http_status (490 of 490)",);
        let each_its_own = hosts(10, &|n| format!("g{}", n % 4), &|n| format!("HTTP 50{n}"));
        assert_eq!(
            said(&each_its_own, &[]),
            "class http_status (955 of 955); host h00 (100 of 955): HTTP 500; host h01 (99 of 955): HTTP 501; \
             host h02 (98 of 955): HTTP 502; 7 more places"
        );
        // Groups that failed alike say more than hosts that did not, and than too many hosts.
        let mut mixed = hosts(4, &|n| format!("g{}", n % 4), &|_| String::new());
        for (n, one) in mixed.iter_mut().flatten().enumerate() {
            (one.group, one.reason) = (Some(format!("g{}", n % 3)), format!("HTTP 50{}", n % 3));
        }
        assert!(said(&mixed, &[]).contains("; group g0 (132 of 394): HTTP 500; "), "{}", said(&mixed, &[]));
        let many = hosts(11, &|n| format!("g{}", n % 4), &|_| "HTTP 503".to_owned());
        assert_eq!(
            said(&many, &[]),
            "HTTP 503 (1\u{202f}045 of 1\u{202f}045); group g0 (288 of 1\u{202f}045); group g1 (285 of 1\u{202f}045); \
             group g2 (282 of 1\u{202f}045); 1 more group"
        );
    }

    #[test]
    fn where_nothing_is_shared_nothing_is_said() {
        let down = [at("a", 80, "x", "refused", 1), at("b", 80, "y", "HTTP 503", 1)];
        let down = down.map(|of| of.into_iter().map(|one| Traits { class: "", ..one }).collect::<Vec<_>>());
        let alone: Vec<Traits> =
            down.concat().into_iter().zip(["dns", "tls"]).map(|(t, class)| Traits { class, ..t }).collect();
        assert_eq!(in_common(&alone, &watched(&down, &[])), None);
    }
}
