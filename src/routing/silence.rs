//! Silences: alerts that nobody is notified of for a time.

use super::{Facts, Severity, matches};
use crate::domain::{check::Class, time::UnixMs};
use serde::{Deserialize, Serialize};

/// Characters of an author's name, at most.
pub const LONGEST_AUTHOR: usize = 64;
/// The longest time that a silence can last, in days: one that is forgotten must end by itself.
pub const LONGEST_DAYS: i64 = 90;

/// What a silence is for: everything that is named, one of each list.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Silenced {
    /// Names, in which `*` matches any characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<String>,
    /// The same, of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<String>,
    /// Classes of failures, as `timeout`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
}

impl Silenced {
    /// What is wrong with it, in words; `None`: nothing.
    pub fn mistake(&self) -> Option<String> {
        if *self == Silenced::default() {
            return Some(
                "it says which alerts are silenced: service, group, class or severity; {\"service\": [\"*\"]} for all"
                    .to_owned(),
            );
        }
        if self.service.iter().chain(&self.group).any(|pattern| pattern.trim().is_empty()) {
            return Some("a service or a group is named, with `*` for any characters".to_owned());
        }
        let unknown = self.class.iter().find(|class| Class::parse(class).is_none())?;
        let words: Vec<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
        Some(format!("“{unknown}” is no class: {}", words.join(", ")))
    }

    fn covers(&self, facts: &Facts<'_>) -> bool {
        let one_of = |patterns: &[String], text: Option<&str>| {
            patterns.is_empty() || text.is_some_and(|text| patterns.iter().any(|pattern| matches(pattern, text)))
        };
        one_of(&self.service, Some(facts.service))
            && one_of(&self.group, facts.group)
            && one_of(&self.class, facts.class.map(Class::as_str))
            && self.severity.is_none_or(|severity| severity == facts.severity)
    }

    /// What it is for, for people.
    pub fn words(&self) -> String {
        let list =
            |what: &str, of_them: &[String]| (!of_them.is_empty()).then(|| format!("{what} {}", of_them.join(", ")));
        let parts = [
            list("service", &self.service),
            list("group", &self.group),
            list("class", &self.class),
            self.severity.map(|severity| format!("severity {}", severity.as_str())),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// Alerts that nobody is notified of from a moment until another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Silence {
    /// Random: the same in every history that it gets into.
    pub id: String,
    pub silenced: Silenced,
    pub created_at: UnixMs,
    pub from: UnixMs,
    /// When it ends, or was ended.
    pub until: UnixMs,
    pub author: String,
    pub reason: Option<String>,
}

impl Silence {
    /// Whether it is in force.
    pub fn is_active(&self, now: UnixMs) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether nobody is notified of something because of it. The monitor's own problems are never silenced.
    pub fn covers(&self, facts: &Facts<'_>, now: UnixMs) -> bool {
        self.is_active(now) && facts.kind != super::AlertKind::Monitor && self.silenced.covers(facts)
    }
}

/// That somebody takes care of an incident: no reminder is sent of it, and it is not escalated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acknowledgement {
    pub at: UnixMs,
    /// `None`: until the incident is over. Where it is not later than `at` somebody took an acknowledgement back.
    pub until: Option<UnixMs>,
    pub author: String,
    pub note: Option<String>,
}

impl Acknowledgement {
    /// Whether it is in force.
    pub fn is_active(&self, now: UnixMs) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::AlertKind, *};

    #[test]
    fn a_silence_covers_what_everything_that_it_names_matches() {
        let facts = |service, group, kind| Facts {
            service,
            group,
            kind,
            class: Some(Class::Timeout),
            severity: Severity::Critical,
            at: UnixMs(0),
        };
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let silence = |silenced| Silence {
            id: "a".to_owned(),
            silenced,
            created_at: UnixMs(0),
            from: UnixMs(10),
            until: UnixMs(20),
            author: "ada".to_owned(),
            reason: None,
        };
        let of_db = silence(Silenced { service: list(&["db-*"]), group: list(&["eu", "us"]), ..Silenced::default() });
        let down = facts("db-1", Some("us"), AlertKind::Down);
        assert!(of_db.covers(&down, UnixMs(10)) && of_db.covers(&down, UnixMs(19)));
        assert!(!of_db.covers(&down, UnixMs(9)) && !of_db.covers(&down, UnixMs(20)), "its end is not part of it");
        assert!(!of_db.covers(&facts("db-1", None, AlertKind::Down), UnixMs(10)));
        assert!(!of_db.covers(&facts("web", Some("us"), AlertKind::Down), UnixMs(10)));
        let all = silence(Silenced { service: list(&["*"]), ..Silenced::default() });
        assert!(all.covers(&facts("web", None, AlertKind::Certificate), UnixMs(10)));
        assert!(!all.covers(&Facts::of_the_monitor(UnixMs(10)), UnixMs(10)));
        let classes = silence(Silenced { class: list(&["dns"]), ..Silenced::default() });
        assert!(!classes.covers(&down, UnixMs(10)));
    }

    #[test]
    fn a_silence_of_nothing_or_of_an_unknown_class_is_a_mistake() {
        assert!(Silenced::default().mistake().is_some());
        let wrong = Silenced { class: vec!["nonsense".to_owned()], ..Silenced::default() };
        assert!(wrong.mistake().unwrap().contains("“nonsense” is no class: "));
        assert_eq!(Silenced { service: vec!["*".to_owned()], ..Silenced::default() }.mistake(), None);
    }
}
