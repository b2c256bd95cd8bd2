//! `depends_on` and `depends_on_groups`: what an endpoint depends on.

use super::{
    names::{self, Written},
    types::{Checks, Endpoint},
};
use crate::{
    domain::dependencies::Dependencies,
    settings::{
        error::{Mistake, quoted},
        reader::Table,
        text::Text,
    },
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// As one endpoint names them.
#[derive(Default)]
pub(super) struct Named {
    services: Vec<Text>,
    groups: Vec<Text>,
}

impl Named {
    pub(super) fn read(table: &Table<'_>) -> Named {
        let list = |key| -> Vec<Text> {
            let entries = table.get(key).map(|value| value.one_or_many()).unwrap_or_default();
            entries.iter().filter_map(|entry| entry.filled()).collect()
        };
        Named { services: list("depends_on"), groups: list("depends_on_groups") }
    }

    pub(super) fn shown(&self) -> [Option<Vec<String>>; 2] {
        let names = |list: &Vec<Text>| list.iter().map(|text| text.value.clone()).collect::<Vec<_>>();
        [&self.services, &self.groups].map(|list| Some(names(list)).filter(|names| !names.is_empty()))
    }
}

/// Finds what the endpoints depend on, once all of them are read; `named` is by the name of the endpoint. Names that
/// nothing has, and loops, are reported.
pub(super) fn resolve(root: &Table<'_>, checks: &mut Checks, named: &BTreeMap<String, Named>) {
    if named.values().all(|named| named.services.is_empty() && named.groups.is_empty()) {
        return;
    }
    let written = Written::read(root, checks);
    let mut members: HashMap<&str, Vec<&str>> = HashMap::new();
    for Endpoint { service, .. } in &checks.endpoints {
        if let Some(group) = &service.group {
            members.entry(group).or_default().push(&service.name);
        }
    }
    let mut all = Dependencies::default();
    for Endpoint { service, .. } in &checks.endpoints {
        let Some(named) = named.get(&service.name) else { continue };
        let mut on: Vec<String> = Vec::new();
        let itself = |text: &Text, why: &str| {
            let title = format!("{} cannot depend on itself", quoted(&service.name));
            root.source.report(Mistake::at(text.span.clone(), title).label(why.to_owned()));
        };
        for text in &named.services {
            if text.value == service.name {
                itself(text, "this is its own name");
            } else if names::is_known(root.source, text, "service", &written.names) {
                on.push(text.value.clone());
            }
        }
        for text in &named.groups {
            if service.group.as_ref() == Some(&text.value) {
                itself(text, "it is in this group");
            } else if names::is_known(root.source, text, "group", &written.groups) {
                on.extend(members.get(text.value.as_str()).into_iter().flatten().map(|name| (*name).to_owned()));
            }
        }
        let mut seen = HashSet::new();
        on.retain(|name| seen.insert(name.clone()));
        if !on.is_empty() {
            all.0.insert(service.name.clone(), on);
        }
    }
    if let Some(round) = all.find_loop() {
        let first = named.get(&round[0]).and_then(|named| {
            let all = || named.services.iter().chain(&named.groups);
            all().find(|text| text.value == round[1]).or_else(|| all().next())
        });
        if let Some(text) = first {
            let mistake = Mistake::at(text.span.clone(), "services depend on each other in a loop");
            root.source
                .report(mistake.label(round.join(" → ")).help("a failure has to have a first cause: cut the loop"));
        }
        return;
    }
    for endpoint in &mut checks.endpoints {
        endpoint.depends_on = all.of(&endpoint.service.name);
    }
}
