//! Makes what is derived agree with the rows again.

use super::verify::{self, Difference};
use crate::{
    live::ServiceId,
    store::{Fix, MaintenanceTasks, Result, Size},
};

/// Differences that are mended in one transaction.
const AT_ONCE: usize = 200;

/// Makes all that is derived of one service agree with its rows; what did not. The rows stay as they are, and outages that
/// are stored keep their numbers.
///
/// # Errors
/// When the file cannot be read or written; what was mended so far stays so.
pub fn service(tasks: &mut MaintenanceTasks, id: ServiceId) -> Result<Vec<Difference>> {
    let mut all = differences_mended(tasks, id)?;
    if all.iter().any(|(_, fix)| matches!(fix, Fix::Seal(_))) {
        // Where a sealed day differed from what is recorded about it, nothing else could be compared.
        all.extend(differences_mended(tasks, id)?);
    }
    Ok(all.into_iter().filter(|(_, fix)| *fix != Fix::Nothing).map(|(difference, _)| difference).collect())
}

fn differences_mended(tasks: &mut MaintenanceTasks, id: ServiceId) -> Result<Vec<(Difference, Fix)>> {
    let mut found: Vec<(Difference, Fix)> = Vec::new();
    tasks.read(|tables| {
        verify::compare(tables, id, &mut |difference, fix| {
            found.push((difference, fix));
            Ok(())
        })
    })?;
    // What is settled is noted last, what makes room for something else comes first.
    found.sort_by_key(|(_, fix)| order(fix));
    for some in found.chunks(AT_ONCE) {
        tasks.mend(id, some.iter().map(|(_, fix)| fix))?;
    }
    Ok(found)
}

/// A service has one open outage at most, also between two transactions.
fn order(fix: &Fix) -> u8 {
    match fix {
        Fix::Nothing | Fix::Seal(_) | Fix::DropOutage(_) => 0,
        Fix::EndOutage { .. } => 1,
        Fix::WriteOutage { outage, .. } if outage.ended_at.is_some() => 2,
        Fix::WriteOutage { .. } => 3,
        Fix::Gap { .. } => 4,
        Fix::Sum { size: Size::Hour, .. } => 5,
        Fix::Sum { size: Size::Day, .. } => 6,
        Fix::RolledUntil(_) => 7,
    }
}
