//! Windows of maintenance that arrive: united with those that are there.

use crate::{
    live::ServiceId,
    store::{
        Maintenance, Result,
        tables::{
            maintenance::{services_of, write},
            services,
        },
    },
};
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// Takes in a window that another history recorded. Returns the services whose maintenance it changes. One window, as
/// it was known at two moments or of some services only, is one: it is for all of these services, it ends when it was
/// known to end first, and it is taken back where that was known.
///
/// `seen` are the windows that the same document has named before: this is none of them.
pub(in crate::store) fn unite(
    conn: &Connection,
    new: &Maintenance,
    everything: bool,
    services: &[ServiceId],
    seen: &mut HashSet<i64>,
) -> Result<Vec<ServiceId>> {
    let mut known: Vec<(i64, i64, Option<i64>, bool)> = conn
        .prepare_cached(
            "SELECT id, to_at, taken_back_at, everything FROM maintenance
             WHERE from_at = ?1 AND source = ?2 AND reason = ?3 AND noted_at = ?4 ORDER BY id",
        )?
        .query_map(params![new.window.from().0, new.source.as_str(), new.reason, new.noted_at.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    known.retain(|(id, ..)| !seen.contains(id));
    // Several windows can begin and be noted at one moment. The same window has the same services and the same end; or
    // the same services, when it was cut short; or the same end, when it was recorded of some services only.
    let mut sorted = services.to_vec();
    sorted.sort();
    let mut best = None;
    for one in known {
        let same_services = match one.3 {
            true => everything,
            false => !everything && services_of(conn, one.0, true)?.as_deref() == Some(&sorted),
        };
        let same_end = one.1 == new.window.to().0;
        let likeness = 2 * u8::from(same_services) + u8::from(same_end);
        if likeness > best.map_or(0, |(best, _)| best) {
            best = Some((likeness, one));
        }
    }
    let Some((_, (id, to, taken_back_at, was_everything))) = best else {
        let id = write(conn, new.window, new.source, (!everything).then_some(services), &new.reason, new.noted_at)?;
        conn.prepare_cached("UPDATE maintenance SET taken_back_at = ?2 WHERE id = ?1")?
            .execute(params![id, new.taken_back_at.map(|at| at.0)])?;
        seen.insert(id);
        return Ok(services.to_vec());
    };
    seen.insert(id);
    let end = to.min(new.window.to().0);
    let back = taken_back_at.max(new.taken_back_at.map(|at| at.0));
    let mut changed = services.to_vec();
    if (end, back.is_some()) != (to, taken_back_at.is_some()) {
        changed.extend(match was_everything {
            true => services::all(conn)?.into_iter().map(|s| s.id).collect(),
            false => services_of(conn, id, true)?.unwrap_or_default(),
        });
    }
    conn.prepare_cached(
        "UPDATE maintenance SET to_at = ?2, taken_back_at = ?3, everything = everything OR ?4 WHERE id = ?1",
    )?
    .execute(params![id, end, back, everything])?;
    match was_everything || everything {
        true => {
            conn.prepare_cached("DELETE FROM maintenance_of WHERE maintenance_id = ?1")?.execute([id])?;
        }
        false => {
            for service in services {
                conn.prepare_cached("INSERT OR IGNORE INTO maintenance_of VALUES (?1, ?2)")?
                    .execute([id, service.0])?;
            }
        }
    }
    Ok(changed)
}
