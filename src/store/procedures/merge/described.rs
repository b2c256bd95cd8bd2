//! Services that arrive: unites what two histories have recorded of a service.

use crate::{
    live::ServiceId,
    store::{
        Result,
        questions::export_records::ServiceHead,
        tables::{
            services::{self, StoredService},
            settings,
        },
    },
};
use rusqlite::{Connection, params};

/// Adds a service that arrives from another history; its number.
pub(in crate::store) fn add(conn: &Connection, new: &ServiceHead) -> Result<ServiceId> {
    let id = conn
        .prepare_cached(
            "INSERT INTO service (name, kind, target, group_name, added_at, removed_at, certificate_expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
        )?
        .query_row(
            params![
                new.name,
                new.kind.as_str(),
                new.target.whole(),
                new.group,
                new.added_at.0,
                new.removed_at.map(|t| t.0),
                new.certificate_expires_at.map(|t| t.0)
            ],
            |row| row.get(0),
        )?;
    Ok(ServiceId(id))
}

/// Unites what two histories have recorded of a service: the one with the later settings describes it. Where both are
/// of one time, the longer target stays: the other may have come from an export that shows of a command its program
/// only.
pub(in crate::store) fn unite(conn: &Connection, old: &StoredService, new: &ServiceHead) -> Result<()> {
    let latest = settings::last(conn, old.id)?.map(|(since, _)| since);
    let certificate = services::certificate_expires_at(conn, old.id)?.max(new.certificate_expires_at);
    let ours = (latest, old.removed_at, old.kind.as_str(), old.target.whole().len(), &old.target, &old.group);
    let latest = new.settings.iter().map(|s| s.since).max();
    let theirs = (latest, new.removed_at, new.kind.as_str(), new.target.whole().len(), &new.target, &new.group);
    let (_, removed_at, kind, _, target, group) = ours.max(theirs);
    conn.prepare_cached(
        "UPDATE service SET kind = ?2, target = ?3, group_name = ?4, added_at = ?5, removed_at = ?6,
           certificate_expires_at = ?7 WHERE id = ?1",
    )?
    .execute(params![
        old.id.0,
        kind,
        target.whole(),
        group,
        old.added_at.min(new.added_at).0,
        removed_at.map(|t| t.0),
        certificate.map(|t| t.0)
    ])?;
    Ok(())
}
