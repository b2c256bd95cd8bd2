//! What failed within a minute of an incident, and where to start: with what it depends on, else with what failed first.

use crate::{
    domain::incident::{Outage, services},
    format,
    history::as_of::Snapshot,
    render::view_model,
};
use serde::Serialize;
use std::collections::HashSet;

/// A service that failed within the first minute.
#[derive(Serialize)]
pub(super) struct With {
    name: String,
    url: String,
    offset: String,
    cause: String,
    lasted: String,
    me: bool,
}

/// The names of what the service of an outage depends on, where it is still watched.
fn depends_on<'s>(snapshot: &'s Snapshot, outage: &Outage) -> HashSet<&'s str> {
    let Some(service) = snapshot.get(&outage.service).filter(|service| !service.depends_on.is_empty()) else {
        return HashSet::new();
    };
    let of_it = snapshot.services.iter().filter(|one| service.depends_on.contains(&one.id));
    of_it.map(|one| one.service.name.as_str()).collect()
}

/// Where to start, in a sentence; `None`: nothing stands out.
pub(super) fn start_at(snapshot: &Snapshot, outage: &Outage, with: &[Outage]) -> Option<String> {
    let on = depends_on(snapshot, outage);
    let failed: Vec<&Outage> = with.iter().filter(|one| on.contains(one.service.as_str())).collect();
    // One that depends on none of the others.
    let is_first = |one: &&&Outage| {
        let on = depends_on(snapshot, one);
        !failed.iter().any(|other| on.contains(other.service.as_str()))
    };
    if let Some(first) = failed.iter().filter(is_first).min_by_key(|one| one.started_at) {
        let ms = first.started_at.since(outage.started_at);
        let when = match ms {
            0 => "at the same moment".to_owned(),
            ms if ms < 0 => format!("{} earlier", format::duration(-ms)),
            ms => format!("{} later", format::duration(ms)),
        };
        return Some(format!(" It depends on {}, which failed {when}: start there.", first.service));
    }
    let first = with.iter().find(|one| one.started_at < outage.started_at)?;
    let earlier = format::duration(outage.started_at.since(first.started_at));
    Some(format!(" {} failed {earlier} earlier: start there.", first.service))
}

pub(super) fn with_it(snapshot: &Snapshot, outage: &Outage, with: &[Outage]) -> Vec<With> {
    let mut all: Vec<(&Outage, bool)> = with.iter().map(|o| (o, false)).collect();
    all.push((outage, true));
    let on = depends_on(snapshot, outage);
    // What it depends on stands first, whichever of them was checked first.
    all.sort_by_key(|(o, me)| (!on.contains(o.service.as_str()), o.started_at, !me));
    all.into_iter()
        .map(|(other, me)| {
            let ms = other.started_at.since(outage.started_at);
            With {
                name: other.service.clone(),
                url: snapshot.service_url(&other.service, ""),
                offset: match ms {
                    _ if me => "this one".to_owned(),
                    0 => "together".to_owned(),
                    ms if ms < 0 => format!("−{}", format::duration(-ms)),
                    ms => format!("+{}", format::duration(ms)),
                },
                cause: format::clipped(&other.cause.reason.message, 100),
                lasted: format!(
                    "{}{}",
                    view_model::lasted(other, snapshot.at),
                    if other.ended_at.is_none() && !view_model::left_open(other) { " so far" } else { "" }
                ),
                me,
            }
        })
        .collect()
}

pub(super) fn others_said(snapshot: &Snapshot, outage: &Outage, with: &[Outage]) -> String {
    let watched = snapshot.services.len();
    let failed = services(with).len() + 1;
    match (with.len(), watched.saturating_sub(failed)) {
        (0, _) => format!("Nothing else failed within a minute of {}.", outage.service),
        (_, 0) => "Every service failed within a minute: the network, or this monitor's, comes to mind.".to_owned(),
        (_, 1) => "The other one did not fail.".to_owned(),
        (_, others) => format!("The other {others} services did not fail."),
    }
}
