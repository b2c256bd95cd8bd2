//! `type = "group"`: a service that is made of others, of which all, one, or so many have to be up. Nothing is connected to:
//! what is known of its members is looked at.

use super::{
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    runner::Runner,
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Reason},
        service::Kind,
        status::Status,
    },
    format,
    settings::text::Text,
};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};
use toml::de::DeValue;

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Group,
    aliases: &["composite", "aggregate"],
    instead_of_url: &["members", "member_groups"],
    keys: &["members", "member_groups", "at_least"],
    ..Descriptor::NONE
};

/// Members that a message names.
const NAMED: usize = 5;

/// How many of the members have to be up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtLeast {
    /// Those that are paused or in maintenance do not count.
    All,
    /// So many, 1 and more.
    Number(u32),
}

/// What a group is made of.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// As the file names them: services, and groups of services.
    pub(crate) named: [Vec<Text>; 2],
    /// The names of all members, each once.
    pub members: Vec<String>,
    pub at_least: AtLeast,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<GroupSpec>> {
    let table = section.table;
    let list = |key: &'static str| -> Vec<Text> {
        let entries = table.get(key).map(|value| value.one_or_many()).unwrap_or_default();
        entries.iter().filter_map(|entry| entry.filled()).collect()
    };
    let named = [list("members"), list("member_groups")];
    let at_least = match table.peek("at_least").map(|value| value.value) {
        Some(DeValue::String(_)) => {
            let value = table.get("at_least")?;
            let word = value.filled()?;
            match word.value.as_str() {
                "all" => AtLeast::All,
                "any" => AtLeast::Number(1),
                _ => {
                    let mistake = value.mistake(format!("{} is no `at_least`", word.quoted()));
                    table.source.report(mistake.label("\"all\", \"any\", or how many have to be up"));
                    return None;
                }
            }
        }
        Some(_) => AtLeast::Number(u32::try_from(table.integer("at_least", 1..=100_000)?).ok()?),
        None => AtLeast::All,
    };
    if named.iter().all(Vec::is_empty) {
        table.missing("members", "the services that it is made of, or `member_groups`");
        return None;
    }
    let names = |texts: &[Text]| texts.iter().map(|text| text.value.clone()).collect::<Vec<_>>();
    let (services, groups) = (names(&named[0]), names(&named[1]));
    let mut shown = Map::new();
    shown.insert("members".to_owned(), json!(services));
    shown.insert("member_groups".to_owned(), json!(groups));
    shown.retain(|_, names| names.as_array().is_some_and(|names| !names.is_empty()));
    let number = match at_least {
        AtLeast::All => json!("all"),
        AtLeast::Number(number) => json!(number),
    };
    shown.insert("at_least".to_owned(), number);
    let all: Vec<String> = services.into_iter().chain(groups.into_iter().map(|g| format!("the group {g}"))).collect();
    let target = match at_least {
        AtLeast::All => format!("all of {}", all.join(", ")),
        AtLeast::Number(number) => format!("at least {number} of {}", all.join(", ")),
    };
    let probe = GroupSpec { named, members: Vec::new(), at_least };
    Some(ParsedEndpoint { probe, target, secrets: Vec::new(), shown })
}

/// A group, ready to be looked at.
#[derive(Debug)]
pub(super) struct Group {
    members: Vec<String>,
    at_least: AtLeast,
    shared: Shared,
}

impl Runner for Group {
    type Spec = Box<GroupSpec>;

    fn new(spec: &Box<GroupSpec>, _: Arc<Scrubber>, shared: &Shared) -> Result<Group, ProbeError> {
        Ok(Group { members: spec.members.clone(), at_least: spec.at_least, shared: shared.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        let Some(live) = self.shared.live.get() else {
            return Err(Fault::ours(None, "what its members are is known where the service runs: see its pages"));
        };
        let states = self.members.iter().map(|name| (name.as_str(), live.status(name).unwrap_or(Status::Pending)));
        let verdict = judge(states, self.at_least);
        trace.end();
        verdict
    }
}

/// What members of such states make of a group.
fn judge<'a>(members: impl Iterator<Item = (&'a str, Status)>, at_least: AtLeast) -> Result<Option<Reason>, Fault> {
    let (mut up, mut count) = (0, 0);
    let (mut down, mut degraded, mut unknown): (Vec<&str>, Vec<&str>, Vec<&str>) = Default::default();
    for (name, status) in members {
        count += 1;
        match status {
            Status::Up => up += 1,
            Status::Degraded => {
                up += 1;
                degraded.push(name);
            }
            Status::Down => down.push(name),
            Status::Pending | Status::Unknown => unknown.push(name),
            // It is not expected to be up; a number of members has to be up all the same.
            Status::Paused | Status::Maintenance => count -= 1,
        }
    }
    let needed = match at_least {
        AtLeast::All => count,
        AtLeast::Number(number) => number as usize,
    };
    if up < needed {
        if up + unknown.len() >= needed {
            return Err(Fault::ours(None, format!("nobody knows how {} {}", named(&unknown), are(unknown.len()))));
        }
        let have_to = match at_least {
            AtLeast::All => String::new(),
            AtLeast::Number(number) => format!("; {number} {} to be up", if number == 1 { "has" } else { "have" }),
        };
        let message = match down.len() {
            0 => format!("{up} of its members {} up{have_to}", are(up)),
            n => format!("{n} of {count} down: {}{have_to}", named(&down)),
        };
        return Err(Fault::new(Class::Content, None, message));
    }
    let reserved = match (down.is_empty(), degraded.is_empty()) {
        (false, _) => format!("{} {} down", named(&down), are(down.len())),
        (true, false) => format!("{} {} degraded", named(&degraded), are(degraded.len())),
        (true, true) => return Ok(None),
    };
    Ok(Some(Reason { class: Class::Content, phase: None, message: reserved }))
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn named(names: &[&str]) -> String {
    let most = names.len().min(NAMED);
    format::listed_with(&names[..most], names.len() - most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Degraded, Down, Maintenance, Paused, Unknown, Up};

    fn said(states: &[Status], at_least: AtLeast) -> String {
        let names = ["a", "b", "c"];
        match judge(names.into_iter().zip(states.iter().copied()), at_least) {
            Ok(None) => "up".to_owned(),
            Ok(Some(reason)) => format!("degraded: {}", reason.message),
            Err(fault) if fault.ours => format!("unknown: {}", fault.reason.message),
            Err(fault) => format!("down: {}", fault.reason.message),
        }
    }

    #[test]
    fn all_have_to_be_up_but_those_of_which_it_is_not_expected() {
        assert_eq!(said(&[Up, Up, Up], AtLeast::All), "up");
        assert_eq!(said(&[Up, Paused, Maintenance], AtLeast::All), "up");
        assert_eq!(said(&[Up, Degraded, Up], AtLeast::All), "degraded: b is degraded");
        assert_eq!(said(&[Up, Down, Unknown], AtLeast::All), "down: 1 of 3 down: b");
        assert_eq!(said(&[Up, Up, Unknown], AtLeast::All), "unknown: nobody knows how c is");
    }

    #[test]
    fn so_many_have_to_be_up_whatever_is_expected_of_the_others() {
        assert_eq!(said(&[Up, Down, Up], AtLeast::Number(2)), "degraded: b is down");
        assert_eq!(said(&[Up, Down, Down], AtLeast::Number(2)), "down: 2 of 3 down: b and c; 2 have to be up");
        assert_eq!(said(&[Up, Paused, Paused], AtLeast::Number(2)), "down: 1 of its members is up; 2 have to be up");
        assert_eq!(said(&[Up, Down, Unknown], AtLeast::Number(2)), "unknown: nobody knows how c is");
    }
}
