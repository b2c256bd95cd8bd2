//! How much room a check result takes at rest, its share of rollups, outages and indexes included.

use crate::{
    made::{self, Phases},
    remove,
    table::Table,
};
use healthcheck_dashboard::clock::Clock;
use std::path::Path;

pub(crate) fn measure(folder: &Path, table: &mut Table) -> anyhow::Result<()> {
    let now = Clock::system().now();
    for (what, phases, target) in [
        ("without phases (a command)", Phases::None, 25.0),
        ("with two phases (HTTP)", Phases::Loopback, 40.0),
        ("with four phases (HTTPS by name)", Phases::All, 40.0),
    ] {
        let path = folder.join("room.db");
        remove(&path)?;
        let made = made::make(&path, "service", 100, 15_000, phases, now)?;
        let bytes = std::fs::metadata(&path)?.len() as f64 / made as f64;
        table.figure(&format!("a check at rest, {what}"), target, bytes, "bytes");
        remove(&path)?;
    }
    Ok(())
}
