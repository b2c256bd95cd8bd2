//! `members` and `member_groups`: what a service of type `group` is made of.

use super::{
    names::{self, Written},
    types::{Checks, Endpoint},
};
use crate::{
    domain::dependencies::Dependencies,
    probe::Spec,
    settings::{
        error::{Mistake, quoted},
        reader::Table,
    },
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Finds the members of all groups, once all endpoints are read. Names that nothing has, and loops, are reported.
pub(super) fn resolve(root: &Table<'_>, checks: &mut Checks) {
    if !checks.endpoints.iter().any(|endpoint| matches!(endpoint.probe, Spec::Group(_))) {
        return;
    }
    let written = Written::read(root, checks);
    let mut of_groups: HashMap<String, Vec<String>> = HashMap::new();
    for Endpoint { service, .. } in &checks.endpoints {
        if let Some(group) = &service.group {
            of_groups.entry(group.clone()).or_default().push(service.name.clone());
        }
    }
    let mut all = Dependencies(BTreeMap::new());
    for endpoint in &mut checks.endpoints {
        let (name, Spec::Group(spec)) = (&endpoint.service.name, &mut endpoint.probe) else { continue };
        let [services, groups] = &spec.named;
        let mut members: Vec<String> = Vec::new();
        for text in services.iter().filter(|text| names::is_known(root.source, text, "service", &written.names)) {
            members.push(text.value.clone());
        }
        for text in groups.iter().filter(|text| names::is_known(root.source, text, "group", &written.groups)) {
            // It may be shown in the group that it is made of.
            let others = of_groups.get(&text.value).into_iter().flatten().filter(|other| *other != name);
            members.extend(others.cloned());
        }
        let mut seen = HashSet::new();
        members.retain(|member| seen.insert(member.clone()));
        all.0.insert(name.clone(), members.clone());
        spec.members = members;
    }
    let Some(round) = all.find_loop() else { return };
    let first = checks.endpoints.iter().find(|endpoint| endpoint.service.name == round[0]);
    let Some(Spec::Group(spec)) = first.map(|endpoint| &endpoint.probe) else { return };
    let written = || spec.named.iter().flatten();
    if let Some(text) = written().find(|text| text.value == round[1]).or_else(|| written().next()) {
        let title = format!("{} is made of itself", quoted(&round[0]));
        root.source.report(Mistake::at(text.span.clone(), title).label(round.join(" → ")));
    }
}
