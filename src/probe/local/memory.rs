//! `type = "memory"`: how much of this machine's memory is in use.

use super::{Bounds, aside, percent, unreadable};
use crate::{
    domain::{
        check::{Phase, Reason},
        service::Kind,
    },
    probe::{
        descriptor::{Descriptor, ParsedEndpoint, Section},
        diagnose::Place,
        error::ProbeError,
        runner::Runner,
        shared::Shared,
        text::Scrubber,
        trace::{Fault, Trace},
    },
};
use serde_json::Map;
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(in crate::probe) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Memory,
    aliases: &["ram", "mem"],
    keys: &["degraded_used", "max_used"],
    ..Descriptor::NONE
};

const USUAL: Bounds = Bounds { degraded: 90, max: 97 };

/// How much of the memory may be in use.
#[derive(Clone, Debug)]
pub struct MemorySpec {
    pub used: Bounds,
}

pub(in crate::probe) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<MemorySpec>> {
    let mut shown = Map::new();
    let used = Bounds::read(section.table, ["degraded_used", "max_used"], 1..=100, USUAL, &mut shown);
    let target = "memory of this machine".to_owned();
    Some(ParsedEndpoint { probe: MemorySpec { used }, target, secrets: Vec::new(), shown })
}

/// This machine's memory.
#[derive(Debug)]
pub(in crate::probe) struct Memory {
    used: Bounds,
    shared: Shared,
}

impl Runner for Memory {
    type Spec = MemorySpec;

    fn new(spec: &MemorySpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Memory, ProbeError> {
        Ok(Memory { used: spec.used, shared: shared.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        const FILE: &str = "/proc/meminfo";
        let text = aside(&self.shared, trace, || std::fs::read_to_string(FILE)).await?;
        trace.end();
        let text = text.map_err(|error| unreadable(&error, FILE))?;
        let unknown = || Fault::ours(Some(Phase::Body), "this system does not say how much memory is available");
        self.used.judge(used(&text).ok_or_else(unknown)?, "the used memory is")
    }
}

/// What is not available to programs, in percent: what only caches files is.
fn used(meminfo: &str) -> Option<u32> {
    let figure = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (total, available) = (figure("MemTotal:")?, figure("MemAvailable:")?);
    (total > 0).then(|| percent(total.saturating_sub(available), total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_caches_files_is_available() {
        let text = "MemTotal:       16000 kB\nMemFree:          100 kB\nMemAvailable:   4000 kB\n";
        assert_eq!(used(text), Some(75));
        assert_eq!(used("MemTotal: 1 kB\n"), None);
        assert_eq!(used(""), None);
    }
}
