//! Incidents that channels were notified of, and whose end nobody will see: their service is not watched any more.

use super::{outages::LEFT_OPEN, outbox};
use crate::{
    domain::{sanitize::one_line, time::UnixMs},
    live::ServiceId,
    routing::{AlertKind, Announcement, Severity},
    store::Result,
};
use rusqlite::{Connection, Row, ToSql, params};

/// Characters of the cause that are repeated.
const CAUSE: usize = 200;

/// An incident, and a channel that was notified of it.
struct Told {
    id: i64,
    service: String,
    group: Option<String>,
    started_at: UnixMs,
    cause: String,
    channel: String,
    key: String,
    /// How many other incidents the same message was about that are open.
    others: i64,
}

impl Told {
    fn read(row: &Row<'_>) -> rusqlite::Result<Told> {
        Ok(Told {
            id: row.get(0)?,
            service: row.get(1)?,
            group: row.get(2)?,
            started_at: UnixMs(row.get(3)?),
            cause: row.get(4)?,
            channel: row.get(5)?,
            key: row.get(6)?,
            others: row.get(7)?,
        })
    }
}

/// Announces of every incident that is left open, once, that nobody will see its end.
pub(in crate::store) fn tell(conn: &Connection, wants: impl Fn(&str) -> bool, now: UnixMs) -> Result<()> {
    let why = "it left the configuration, or is paused";
    announce(conn, LEFT_OPEN, params![], why, "is left open", wants, now)
}

/// Announces of the incidents of a service that are open that it is being forgotten.
pub(in crate::store) fn tell_forgotten(conn: &Connection, service: ServiceId, now: UnixMs) -> Result<()> {
    announce(conn, "o.service_id = ?1", params![service.0], "its history was deleted", "is gone with it", |_| true, now)
}

fn announce(
    conn: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
    why: &str,
    what: &str,
    wants: impl Fn(&str) -> bool,
    now: UnixMs,
) -> Result<()> {
    let sql = format!(
        "SELECT o.id, s.name, s.group_name, o.started_at, r.message, e.channel, coalesce(e.message_id, e.event_id),
           (SELECT count(*) FROM outbox x JOIN outage y ON y.id = x.outage_id
            WHERE x.channel = e.channel AND x.message_id = e.message_id AND x.outage_id <> o.id
              AND x.event = 'confirmed' AND y.ended_at IS NULL)
         FROM outage o JOIN service s ON s.id = o.service_id JOIN reason r ON r.id = o.reason_id
         JOIN outbox e ON e.outage_id = o.id AND e.event = 'confirmed'
         WHERE o.ended_at IS NULL AND o.confirmed_at IS NOT NULL AND {condition} ORDER BY o.id, e.id"
    );
    let told: Vec<Told> = conn.prepare(&sql)?.query_map(parameters, Told::read)?.collect::<rusqlite::Result<_>>()?;
    let history: String = conn.query_row("SELECT value FROM fact WHERE name = 'id'", [], |row| row.get(0))?;
    for incident in told.chunk_by(|a, b| a.id == b.id) {
        let event_id = format!("{history}-{}-left", incident[0].id);
        if !outbox::note_announced(conn, &event_id, now)? {
            continue;
        }
        for one in incident.iter().filter(|one| wants(&one.channel)) {
            let service = &one.service;
            let since = one.started_at.utc().format("%Y-%m-%d %H:%M:%S UTC");
            let announcement = Announcement {
                kind: AlertKind::Resolved,
                is_over: true,
                // A receiver that keeps alerts has one for all of them: it stays until the others are over.
                key: if one.others > 0 { event_id.clone() } else { one.key.clone() },
                service: Some(service.clone()),
                group: one.group.clone(),
                severity: Severity::Warning,
                title: format!("[NOT WATCHED] {service}"),
                text: format!("{service} is not watched any more: {why}. Its incident since {since} {what}."),
                details: vec![("cause".to_owned(), one_line(&one.cause, CAUSE))],
                page: None,
                report: None,
            };
            outbox::announce(conn, &one.channel, &event_id, &announcement, now)?;
        }
    }
    Ok(())
}
