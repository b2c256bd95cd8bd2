//! Forgetting a service: in one step it is gone from every answer, in small ones its rows go.
//!
//! A service that is being forgotten has no settings, so that nothing reads it, and a name that no other can have, so that
//! its own is free. Whoever retires old rows next goes on where this was broken off.

use crate::{
    domain::time::UnixMs,
    live::ServiceId,
    store::{
        Result, StoreError, rows,
        tables::{left_open, outages, rollups::Size, services},
    },
};
use rusqlite::{Connection, TransactionBehavior, params};

/// Takes the service out of every answer.
pub(in crate::store) fn begin(conn: &mut Connection, name: &str, now: UnixMs) -> Result<ServiceId> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(service) = services::by_name(&tx, name)? else {
        return Err(StoreError::Content(format!("there is no service named “{name}” in the history")));
    };
    outages::note_last_id(&tx)?;
    left_open::tell_forgotten(&tx, service.id, now)?;
    for table in
        ["outage", "incident_note", "acknowledgement", "silenced", "diagnosis", "gap", "setting", "maintenance_of"]
    {
        tx.execute(&format!("DELETE FROM {table} WHERE service_id = ?1"), [service.id.0])?;
    }
    // Maintenance of nothing is none.
    tx.execute(
        "DELETE FROM maintenance WHERE NOT everything AND id NOT IN (SELECT maintenance_id FROM maintenance_of)",
        [],
    )?;
    // No service can be configured under a name with a control character.
    tx.execute("UPDATE service SET name = char(31) || 'forgotten ' || id WHERE id = ?1", [service.id.0])?;
    tx.commit()?;
    Ok(service.id)
}

/// Deletes a piece of what is left of a service that is being forgotten; how many rows. The service itself is the last.
pub(in crate::store) fn some(conn: &Connection, service: ServiceId, at_once: usize) -> Result<usize> {
    let deleted = rows::delete_oldest(conn, service, UnixMs(i64::MAX), at_once)?;
    if deleted > 0 {
        return Ok(deleted);
    }
    for (table, key) in [(Size::Hour.table(), "start"), (Size::Day.table(), "start")] {
        let sql = format!(
            "DELETE FROM {table} WHERE service_id = ?1 AND {key} IN
               (SELECT {key} FROM {table} WHERE service_id = ?1 ORDER BY {key} LIMIT ?2)"
        );
        let deleted = conn.prepare_cached(&sql)?.execute(params![service.0, at_once as i64])?;
        if deleted > 0 {
            return Ok(deleted);
        }
    }
    // What is noted of it by its number would be believed of the next one that gets the number.
    conn.execute("DELETE FROM fact WHERE name LIKE '% of service ' || ?1", [service.0])?;
    Ok(conn.execute("DELETE FROM service WHERE id = ?1", [service.0])?)
}
