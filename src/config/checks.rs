//! `[checks]`: what is watched.

use super::{
    dependencies,
    endpoint::{self, Named},
    members,
    names::{self, Written},
    schedule::Schedule,
    types::Checks,
};
use crate::{
    domain::network::NetworkGuard,
    probe::{
        Spec,
        push::{PushSpec, TokenHash},
    },
    settings::{
        address,
        error::{Mistake, Span, quoted},
        network,
        reader::{Table, Value},
        text::Text,
    },
};
use std::collections::{BTreeMap, HashMap};
use unicode_normalization::UnicodeNormalization;

/// The keys of the table that it does not share with endpoints.
pub(super) const KEYS: [&str; 6] =
    ["endpoints", "max_concurrent", "witness", "group_witness", "allow_networks", "deny_networks"];

/// Reads `[checks]`. A file without it watches nothing yet.
pub(super) fn read(root: &Table<'_>, channels: &[String]) -> Checks {
    let mut checks = Checks::default();
    let Some(table) = root.table("checks") else {
        return checks;
    };
    let schedule = Schedule::read(&table);
    // What an endpoint would inherit is checked here, once, and not again with each endpoint.
    schedule.resolve(&table, &Schedule::default());
    checks.max_concurrent = table.integer("max_concurrent", 1..=100_000).and_then(|n| usize::try_from(n).ok());
    checks.witness = table.get("witness").map_or_else(Vec::new, |value| witnesses(&value));
    checks.guard = NetworkGuard {
        allowed: network::networks(&table, "allow_networks"),
        denied: network::networks(&table, "deny_networks"),
    };
    let (mut names, mut tokens): (Vec<Named>, _) = (Vec::new(), Vec::new());
    for entry in table.get("endpoints").and_then(|value| value.list(ENDPOINTS)).unwrap_or_default() {
        let Some(entry) = entry.table() else { continue };
        let (named, endpoint) = endpoint::read(&entry, &schedule, channels);
        names.push(named);
        let token = entry.peek("token").or(entry.peek("token_sha256"));
        if let (Some(Spec::Push(reports)), Some(token)) = (endpoint.as_ref().map(|endpoint| &endpoint.probe), token) {
            check_token(&table, &mut tokens, reports, token.span);
        }
        checks.endpoints.extend(endpoint);
    }
    check_names(&table, &names);
    let depends_on = names.into_iter().filter_map(|named| Some((named.name?.value, named.depends_on))).collect();
    dependencies::resolve(root, &mut checks, &depends_on);
    members::resolve(root, &mut checks);
    checks.group_witness = group_witnesses(root, &table, &checks);
    table.finish(|key| endpoint::is_key(key).then(|| belongs_to_an_endpoint(key)));
    checks
}

/// Reports a token that another service has: nobody could say which of them reports. Neither is quoted.
fn check_token(table: &Table<'_>, seen: &mut Vec<(TokenHash, Span)>, reports: &PushSpec, span: Span) {
    match seen.iter().find(|(other, _)| bool::from(other.is(&reports.token))) {
        Some((_, first)) => {
            let mistake = Mistake::at(span, "two services have the same token");
            let mistake = mistake.label("a token tells which of them reports: give this one another");
            table.source.report(mistake.also(first.clone(), "the first one"));
        }
        None => seen.push((reports.token.clone(), span)),
    }
}

const ENDPOINTS: &str = "a list of tables: `[[checks.endpoints]]`, in two brackets";

fn belongs_to_an_endpoint(key: &str) -> (String, String) {
    (format!("{} belongs to an endpoint", quoted(key)), "move it below a `[[checks.endpoints]]`".to_owned())
}

/// Those of groups that have their own.
fn group_witnesses(root: &Table<'_>, table: &Table<'_>, checks: &Checks) -> BTreeMap<String, Vec<String>> {
    let Some(of_groups) = table.table("group_witness") else { return BTreeMap::new() };
    let written = Written::read(root, checks);
    let mut all = BTreeMap::new();
    for (group, value) in of_groups.all() {
        if names::is_known(root.source, &Text::written(group, value.key.clone()), "group", &written.groups) {
            all.insert(group.to_owned(), witnesses(&value));
        }
    }
    all
}

fn witnesses(value: &Value<'_>) -> Vec<String> {
    let mut witnesses = Vec::new();
    for value in value.one_or_many() {
        let Some(text) = value.filled() else { continue };
        match address::host_and_port(&text.value, None) {
            Ok((host, port)) => witnesses.push(address::joined(&host, port)),
            Err(why) => {
                let title = format!("{} is no address", text.quoted());
                value.source.report(value.mistake(title).label(why).help("a witness is `host:port`, as `1.1.1.1:53`"));
            }
        }
    }
    witnesses
}

/// Reports the mistakes that only all endpoints together show: names that are there twice, and old names that are still
/// in use.
fn check_names(table: &Table<'_>, endpoints: &[Named]) {
    let mut names: HashMap<&str, &Span> = HashMap::new();
    // As they look: the same letters can be made of other characters (an é of one, or of two).
    let mut looks: HashMap<String, &Text> = HashMap::new();
    for name in endpoints.iter().filter_map(|e| e.name.as_ref()) {
        let look: String = name.value.nfc().collect();
        match looks.get(&look) {
            None => {
                names.insert(&name.value, &name.span);
                looks.insert(look, name);
            }
            Some(first) => {
                let same = first.value == name.value;
                let title =
                    if same { "two endpoints are named" } else { "two endpoints have names that look the same:" };
                let mistake = Mistake::at(name.span.clone(), format!("{title} {}", name.quoted()));
                let mistake = mistake.label("a name is an identity: give this one another");
                let mistake = mistake.also(first.span.clone(), "the first one");
                table.source.report(match same {
                    true => mistake,
                    false => {
                        mistake.help("they differ only in how their letters are put together (Unicode normal forms)")
                    }
                });
            }
        }
    }
    let mut renamed: HashMap<&str, &Span> = HashMap::new();
    for endpoint in endpoints {
        let Some(old) = endpoint.renamed_from.as_ref() else { continue };
        let mistake = Mistake::at(old.span.clone(), format!("{} cannot be carried over", old.quoted()));
        if endpoint.name.as_ref().is_some_and(|name| name.value == old.value) {
            table.source.report(mistake.label("this is its name already: remove the key"));
        } else if let Some(holder) = names.get(old.value.as_str()) {
            table.source.report(
                mistake.label("an endpoint of this name is still configured").also((*holder).clone(), "this one"),
            );
        } else if let Some(first) = renamed.get(old.value.as_str()) {
            table.source.report(
                mistake.label("a history can be carried over once").also((*first).clone(), "it goes to this one"),
            );
        } else {
            renamed.insert(&old.value, &old.span);
        }
    }
}
