//! Makes what is derived agree with the rows again.

use super::verify::{self, Difference, Fix};
use crate::{
    domain::{replay::ReplayedOutage, time::UnixMs},
    live::ServiceId,
    store::{
        Result,
        rows::sealing,
        tables::{
            kept, outages,
            rollups::{self, Size},
            runs,
            services::{self, StoredService},
        },
    },
};
use rusqlite::{Connection, TransactionBehavior, params};

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
            conn.prepare_cached("UPDATE service SET rolled_until = ?2 WHERE id = ?1")?
                .execute(params![service.id.0, until.map(|t| t.0)])?;
        }
        Fix::Sum { size, start, tally } => rollups::replace(conn, *size, service.id, *start, tally)?,
        Fix::DropOutage(id) => {
            conn.prepare_cached("DELETE FROM outage WHERE id = ?1")?.execute([id])?;
        }
        Fix::EndOutage { id, ended_at } => {
            conn.prepare_cached("UPDATE outage SET ended_at = ?2 WHERE id = ?1")?.execute([*id, ended_at.0])?;
        }
        Fix::WriteOutage { id, outage } => write_outage(conn, service.id, *id, outage)?,
        Fix::Gap { from, to: None } => {
            conn.prepare_cached("DELETE FROM gap WHERE service_id = ?1 AND from_at = ?2")?
                .execute([service.id.0, from.0])?;
        }
        Fix::Gap { from, to: Some((to, why)) } => runs::note_gap(conn, service.id, *from, *to, *why)?,
    }
    Ok(())
}

/// The beginnings of answers are in no row: where one is kept with an outage it stays.
fn write_outage(conn: &Connection, service: ServiceId, id: Option<i64>, outage: &ReplayedOutage) -> Result<()> {
    let id = match id {
        Some(id) => id,
        None => outages::next_id(conn)?,
    };
    let (first, time) = (&outage.first, |at: Option<UnixMs>| at.map(|t| t.0));
    let phases = &first.phases;
    conn.prepare_cached(
        "INSERT INTO outage (id, service_id, last_ok_at, started_at, confirmed_at, ended_at, down_ms, checks_failed,
           reason_id, http_status, latency_us, dns_us, connect_us, tls_us, ttfb_us, last_reason_id, last_http_status,
           cause_changes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
         ON CONFLICT (id) DO UPDATE SET last_ok_at = ?3, started_at = ?4, confirmed_at = ?5, ended_at = ?6, down_ms = ?7,
           checks_failed = ?8, reason_id = ?9, http_status = ?10, latency_us = ?11, dns_us = ?12, connect_us = ?13,
           tls_us = ?14, ttfb_us = ?15, last_reason_id = ?16, last_http_status = ?17, cause_changes = ?18",
    )?
    .execute(params![
        id,
        service.0,
        time(outage.last_ok_at),
        first.at.0,
        time(outage.confirmed_at),
        time(outage.ended_at),
        outage.down_ms,
        outage.checks_failed as i64,
        outage.why.reason,
        outage.why.http_status,
        first.latency_us,
        phases.dns_us,
        phases.connect_us,
        phases.tls_us,
        phases.ttfb_us,
        outage.last_why.reason,
        outage.last_why.http_status,
        outage.cause_changes as i64,
    ])?;
    let mut statement = conn.prepare_cached("SELECT at FROM cause_change WHERE outage_id = ?1")?;
    let stored = statement.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    for at in stored.into_iter().filter(|&at| !outage.changes.iter().any(|(change, _)| change.0 == at)) {
        conn.prepare_cached("DELETE FROM cause_change WHERE outage_id = ?1 AND at = ?2")?.execute([id, at])?;
    }
    for (at, why) in &outage.changes {
        conn.prepare_cached(
            "INSERT INTO cause_change (outage_id, at, reason_id, http_status) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (outage_id, at) DO UPDATE SET reason_id = ?3, http_status = ?4",
        )?
        .execute(params![id, at.0, why.reason, why.http_status])?;
    }
    Ok(())
}
