//! `type = "disk"`: how much of a file system is used, in space and in inodes.

use super::{Bounds, aside, percent, unreadable};
use crate::{
    domain::{check::Reason, service::Kind},
    probe::{
        descriptor::{Descriptor, ParsedEndpoint, Section},
        diagnose::Place,
        error::ProbeError,
        runner::Runner,
        shared::Shared,
        text::Scrubber,
        trace::{Fault, Trace},
    },
    settings::text::Text,
};
use serde_json::{Map, json};
use std::{io, path::PathBuf, sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(in crate::probe) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Disk,
    aliases: &["filesystem", "df", "storage"],
    own_key: Some("disk"),
    keys: &["disk", "degraded_used", "max_used"],
    ..Descriptor::NONE
};

/// Full disks stop databases, and what writes little is warned for a long time.
const USUAL: Bounds = Bounds { degraded: 85, max: 95 };

/// A file system.
#[derive(Clone, Debug)]
pub struct DiskSpec {
    /// Where it is mounted, or any path in it.
    pub path: PathBuf,
    /// The same, for messages.
    pub shown: String,
    pub used: Bounds,
}

pub(in crate::probe) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<DiskSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let text = match table.get("disk") {
        Some(value) => value.filled(),
        None => {
            table.missing("disk", "where it is mounted, as `disk = \"/var\"`");
            None
        }
    };
    let used = Bounds::read(table, ["degraded_used", "max_used"], 1..=100, USUAL, &mut shown);
    let text = text?;
    let (path, name) = (table.source.folder.join(&text.value), text.shown());
    shown.insert("disk".to_owned(), json!(name));
    let secrets = Text::secrets(&text).collect();
    Some(ParsedEndpoint { probe: DiskSpec { path, shown: name.clone(), used }, target: name, secrets, shown })
}

/// A file system, ready to be looked at.
#[derive(Debug)]
pub(in crate::probe) struct Disk {
    spec: DiskSpec,
    shared: Shared,
}

impl Runner for Disk {
    type Spec = DiskSpec;

    fn new(spec: &DiskSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Disk, ProbeError> {
        Ok(Disk { spec: spec.clone(), shared: shared.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        let path = self.spec.path.clone();
        let found = aside(&self.shared, trace, move || rustix::fs::statvfs(&path)).await?;
        trace.end();
        let name = &self.spec.shown;
        let found = found.map_err(|error| unreadable(&io::Error::from(error), &format!("path {name}")))?;
        // As `df` has it: what only root may use is neither used nor free.
        let taken = |all: u64, free: u64, available: u64| {
            let used = all.saturating_sub(free);
            percent(used, used.saturating_add(available))
        };
        let space = taken(found.f_blocks, found.f_bfree, found.f_bavail);
        let inodes = taken(found.f_files, found.f_ffree, found.f_favail);
        let of_space = self.spec.used.judge(space, &format!("the used space of {name} is"))?;
        // Some file systems have as many inodes as are needed, and say 0.
        let of_inodes = self.spec.used.judge(inodes, &format!("the share of used inodes of {name} is"))?;
        Ok(of_space.or(of_inodes))
    }
}
