//! Makes what is derived agree with the rows again.

use super::verify::{self, Difference, Fix};
use crate::{
    live::ServiceId,
    store::{
        Result,
        rows::sealing,
        tables::{
            kept,
            outages::{self, derived},
            rollups::{self, Size},
            runs,
            services::{self, StoredService},
        },
    },
};
use rusqlite::{Connection, TransactionBehavior};

/// Differences that are mended in one transaction.
const AT_ONCE: usize = 200;

/// Mends one service; what was wrong and could be mended. The rows stay as they are, and outages that are stored keep their
/// numbers.
pub(in crate::store) fn service(conn: &mut Connection, id: ServiceId) -> Result<Vec<Difference>> {
    let mut all = differences_mended(conn, id)?;
    if all.iter().any(|(_, fix)| matches!(fix, Fix::Seal(_))) {
        // Where a sealed day was not what is said of it nothing else could be compared.
        all.extend(differences_mended(conn, id)?);
    }
    Ok(all.into_iter().filter(|(_, fix)| *fix != Fix::Nothing).map(|(difference, _)| difference).collect())
}

fn differences_mended(conn: &mut Connection, id: ServiceId) -> Result<Vec<(Difference, Fix)>> {
    let mut found: Vec<(Difference, Fix)> = Vec::new();
    let tx = conn.transaction()?;
    let Some(service) = services::by_id(&tx, id)? else { return Ok(Vec::new()) };
    verify::service(&tx, &service, kept::of(&tx, service.id)?, &mut |difference, fix| {
        found.push((difference, fix));
        Ok(())
    })?;
    drop(tx);
    // What is settled is noted last, what makes room for something else comes first.
    found.sort_by_key(|(_, fix)| order(fix));
    for some in found.chunks(AT_ONCE) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        outages::note_last_id(&tx)?;
        for (_, fix) in some {
            apply(&tx, &service, fix)?;
        }
        tx.commit()?;
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

fn apply(conn: &Connection, service: &StoredService, fix: &Fix) -> Result<()> {
    match fix {
        Fix::Nothing => {}
        Fix::Seal(day) => {
            sealing::seal(conn, service.id, *day)?;
        }
        Fix::RolledUntil(until) => {
            rollups::note_settled(conn, service.id, *until)?;
        }
        Fix::Sum { size, start, tally } => rollups::replace(conn, *size, service.id, *start, tally)?,
        Fix::DropOutage(id) => {
            derived::delete(conn, *id)?;
        }
        Fix::EndOutage { id, ended_at } => {
            derived::end(conn, *id, *ended_at)?;
        }
        Fix::WriteOutage { id, outage } => derived::write(conn, service.id, *id, outage)?,
        Fix::Gap { from, to: None } => {
            runs::delete_gap(conn, service.id, *from)?;
        }
        Fix::Gap { from, to: Some((to, why)) } => runs::note_gap(conn, service.id, *from, *to, *why)?,
    }
    Ok(())
}
