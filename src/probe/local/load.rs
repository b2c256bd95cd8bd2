//! `type = "load"`: how much there is to do for this machine's processors.

use super::{Bounds, aside, unreadable};
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
use std::{num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};

/// What the configuration and its messages know of this kind.
pub(in crate::probe) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Load,
    aliases: &["cpu", "loadavg"],
    keys: &["degraded_load", "max_load"],
    ..Descriptor::NONE
};

const USUAL: Bounds = Bounds { degraded: 200, max: 500 };

/// How high the load may be, in percent of the processors: 100 is one task for each.
#[derive(Clone, Debug)]
pub struct LoadSpec {
    pub load: Bounds,
}

pub(in crate::probe) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<LoadSpec>> {
    let mut shown = Map::new();
    let load = Bounds::read(section.table, ["degraded_load", "max_load"], 1..=100_000, USUAL, &mut shown);
    let target = "load of this machine".to_owned();
    Some(ParsedEndpoint { probe: LoadSpec { load }, target, secrets: Vec::new(), shown })
}

/// This machine's processors.
#[derive(Debug)]
pub(in crate::probe) struct Load {
    load: Bounds,
    shared: Shared,
}

impl Runner for Load {
    type Spec = LoadSpec;

    fn new(spec: &LoadSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Load, ProbeError> {
        Ok(Load { load: spec.load, shared: shared.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        const FILE: &str = "/proc/loadavg";
        let text = aside(&self.shared, trace, || std::fs::read_to_string(FILE)).await?;
        trace.end();
        let text = text.map_err(|error| unreadable(&error, FILE))?;
        let unknown = || Fault::ours(Some(Phase::Body), "this system does not say its load");
        let processors = available_parallelism().map_or(1, NonZero::get);
        self.load
            .judge(load(&text, processors).ok_or_else(unknown)?, "the load over five minutes, of the processors, is")
    }
}

/// The load over five minutes, in percent of the processors.
fn load(loadavg: &str, processors: usize) -> Option<u32> {
    let load: f64 = loadavg.split_whitespace().nth(1)?.parse().ok()?;
    // The cast saturates.
    (load >= 0.0).then(|| (load * 100.0 / processors as f64).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_by_processor() {
        assert_eq!(load("9.0 3.00 1.0 2/300 4711\n", 2), Some(150));
        assert_eq!(load("x", 2), None);
        assert_eq!(load("1 NaN 1", 2), None);
    }
}
