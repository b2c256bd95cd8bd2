//! What chooses among incidents, in the same words on the page and in the interface: how it failed first, and how long
//! it lasted.

use crate::{
    domain::{
        check::Class,
        incident::Outage,
        time::UnixMs,
        window::{DURATION, DURATIONS, is_duration_beyond, parse_duration},
    },
    store::Lasted,
};

/// What an address says of the incidents that are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Filters {
    /// Of the first failed check.
    pub(crate) class: Option<Class>,
    /// In milliseconds, as `max_ms`.
    min_ms: Option<i64>,
    max_ms: Option<i64>,
}

/// The parameters that are read here.
pub(crate) const NAMES: [&str; 3] = ["class", "min_duration", "max_duration"];

/// A parameter that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wrong {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// What it takes.
    pub(crate) takes: String,
}

impl Filters {
    /// Reads them from an address.
    pub(crate) fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Filters, Wrong> {
        let class = get("class").map(|word| {
            let failure = Class::parse(word).filter(|class| Class::FAILURES.contains(class));
            failure.ok_or_else(|| Wrong { name: "class", value: word.to_owned(), takes: format!("takes {}", words()) })
        });
        let duration = |name: &'static str| {
            let takes = |text: &str| match is_duration_beyond(text) {
                true => format!("is out of range: {DURATIONS}"),
                false => format!("takes {DURATION}"),
            };
            let wrong = |text: &str| Wrong { name, value: text.to_owned(), takes: takes(text) };
            let read = |text: &str| parse_duration(text).ok_or_else(|| wrong(text));
            get(name).map(read).transpose()
        };
        let filters =
            Filters { class: class.transpose()?, min_ms: duration("min_duration")?, max_ms: duration("max_duration")? };
        match (filters.min_ms, filters.max_ms) {
            (Some(min), Some(max)) if min > max => Err(Wrong {
                name: "min_duration",
                value: get("min_duration").unwrap_or_default().to_owned(),
                takes: "takes a duration that is not longer than max_duration".to_owned(),
            }),
            _ => Ok(filters),
        }
    }

    /// How long they lasted, as the query of the history takes it.
    pub(crate) fn lasted(&self, now: UnixMs) -> Option<Lasted> {
        let Filters { min_ms, max_ms, .. } = *self;
        (min_ms.is_some() || max_ms.is_some()).then_some(Lasted { min_ms, max_ms, now })
    }

    /// Whether an outage that is known up to `now` lasted as long as is wanted.
    pub(crate) fn hold(&self, outage: &Outage, now: UnixMs) -> bool {
        let lasted = outage.duration_ms(now);
        self.min_ms.is_none_or(|min| lasted >= min) && self.max_ms.is_none_or(|max| lasted <= max)
    }

    /// Whether everything passes.
    pub(crate) fn is_none(&self) -> bool {
        *self == Filters::default()
    }
}

/// "a, b or c".
fn words() -> String {
    let words = Class::FAILURES.map(Class::as_str);
    let (last, others) = words.split_last().map_or(("", &words[..]), |(last, others)| (*last, others));
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_names_what_is_allowed() {
        let read = |name: &'static str, value: &'static str| Filters::read(move |n| (n == name).then_some(value));
        let said = read("class", "slow").unwrap_err().takes;
        assert!(said.starts_with("takes dns, connect, ") && said.ends_with("query or exit_code"), "{said}");
        assert_eq!(read("min_duration", "5").unwrap_err().name, "min_duration");
        assert_eq!(read("max_duration", "1h 30m").unwrap().max_ms, Some(5_400_000));
        assert!(read("other", "x").unwrap().is_none());
        let both = |n: &str| {
            Some(if n == "class" {
                "timeout"
            } else if n == "min_duration" {
                "2h"
            } else {
                "1h"
            })
        };
        assert_eq!(Filters::read(both).unwrap_err().name, "min_duration");
    }
}
