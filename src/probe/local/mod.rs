//! What is looked at on this machine, without a network: files, disks, memory, load, units, containers.
//!
//! What a file system does not answer keeps a thread waiting: there are some for these probes alone
//! (`Shared::local`).

pub mod disk;
pub mod docker;
pub mod file;
mod growth;
pub mod load;
pub mod memory;
pub mod systemd;

use super::{
    fault,
    shared::Shared,
    trace::{Fault, Trace},
};
use crate::{
    domain::check::{Class, Phase, Reason},
    settings::reader::Table,
};
use serde_json::{Map, Value as Json, json};
use std::{io, ops::RangeInclusive};

/// Up to how much of something is well, in percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// More is `degraded`, …
    pub degraded: u32,
    /// … and more than this a failure.
    pub max: u32,
}

impl Bounds {
    /// Reads the two keys; in their place without them: `default`.
    fn read(
        table: &Table<'_>,
        [degraded, max]: [&'static str; 2],
        range: RangeInclusive<i64>,
        default: Bounds,
        shown: &mut Map<String, Json>,
    ) -> Bounds {
        let number = |key| table.integer(key, range.clone()).and_then(|number| u32::try_from(number).ok());
        let written = (number(degraded), number(max));
        let most = written.1.unwrap_or(default.max);
        // Where only the lower end is said to be lower than what is usual, there is nothing between.
        let bounds = Bounds { degraded: written.0.unwrap_or(default.degraded.min(most)), max: most };
        if let Some(value) = table.peek(degraded).filter(|_| written.0.is_some() && bounds.degraded > bounds.max) {
            let mistake = value.mistake(format!("`{degraded}` is above `{max}`"));
            let label = format!("nothing would be degraded: above {} % it has failed", bounds.max);
            table.source.report(mistake.label(label));
        }
        shown.insert(degraded.to_owned(), json!(bounds.degraded));
        shown.insert(max.to_owned(), json!(bounds.max));
        bounds
    }

    /// What so many percent are. The sentence has the bound and not the figure, which is another one in every check: that is
    /// kept beside it.
    fn judge(self, percent: u32, what: &str) -> Result<Option<Reason>, Fault> {
        let sentence = |bound: u32| format!("{what} above {bound} %");
        if percent > self.max {
            let fault = Fault::new(Class::Content, Some(Phase::Body), sentence(self.max));
            return Err(fault.with_excerpt(Some(format!("{percent} %"))));
        }
        let degraded = Reason { class: Class::Content, phase: Some(Phase::Body), message: sentence(self.degraded) };
        Ok((percent > self.degraded).then_some(degraded))
    }
}

/// So many percent of a whole are at least this much, rounded to whole ones.
fn percent(part: u64, whole: u64) -> u32 {
    let exact = u128::from(part) * 100 / u128::from(whole.max(1));
    u32::try_from(exact).unwrap_or(u32::MAX)
}

/// Has a thread do what may block.
async fn aside<T: Send + 'static>(
    shared: &Shared,
    trace: &Trace,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    trace.enter(Phase::Body);
    let busy = |why: String| Fault::ours(Some(Phase::Body), format!("this process has no thread left for it: {why}"));
    let done = shared.local.run(move |_| work()).map_err(|error| busy(error.to_string()))?;
    done.await.map_err(|error| busy(error.to_string()))
}

/// A file or a folder that cannot be looked at: that it is not there is its own fault, all else is ours.
fn unreadable(error: &io::Error, what: &str) -> Fault {
    let phase = Some(Phase::Body);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Fault::new(Class::Content, phase, format!("there is no {what}"))
        }
        io::ErrorKind::PermissionDenied => Fault::ours(phase, format!("this process may not look at {what}")),
        _ => match fault::ours(error) {
            Some(message) => Fault::ours(phase, message),
            None => Fault::new(Class::Content, phase, format!("{what} cannot be read: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_well_degraded_or_a_failure_and_the_sentence_has_the_bound() {
        let bounds = Bounds { degraded: 80, max: 95 };
        assert!(bounds.judge(80, "x is").is_ok_and(|reason| reason.is_none()));
        assert_eq!(bounds.judge(81, "x is").unwrap().unwrap().message, "x is above 80 %");
        let fault = bounds.judge(96, "x is").unwrap_err();
        assert_eq!((fault.reason.message.as_str(), fault.excerpt.as_deref()), ("x is above 95 %", Some("96 %")));
        assert!(!fault.ours && unreadable(&io::ErrorKind::PermissionDenied.into(), "file x").ours);
    }

    #[test]
    fn percentages_are_of_something() {
        assert_eq!((percent(1, 3), percent(0, 0), percent(u64::MAX, u64::MAX)), (33, 0, 100));
    }
}
