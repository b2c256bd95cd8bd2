//! How the channels do.

use super::outbox::Attempt;
use crate::{domain::time::UnixMs, store::Result};
use rusqlite::{Connection, params};

/// How a channel does.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ChannelHealth {
    pub name: String,
    /// Messages that were taken, ever.
    pub sent: u64,
    /// Attempts that failed, ever.
    pub failed: u64,
    /// When a message was last taken: the last proof that the channel works.
    pub last_success_at: Option<UnixMs>,
    pub last_failure_at: Option<UnixMs>,
    /// The first failure since the last success; `None` while it works.
    pub failing_since: Option<UnixMs>,
    /// Why the last attempt failed that did.
    pub last_error: Option<String>,
    /// Events that are still to be delivered.
    pub waiting: u64,
    /// When the oldest of them happened.
    pub oldest_waiting_at: Option<UnixMs>,
    /// Events that were given up, and can be sent again.
    pub given_up: u64,
}

/// Notes how an attempt to deliver a message ended.
pub(in crate::store) fn note(conn: &Connection, channel: &str, attempt: &Attempt, now: UnixMs) -> Result<()> {
    match attempt {
        Attempt::Delivered => conn
            .prepare_cached(
                "INSERT INTO channel (name, sent, last_success_at) VALUES (?1, 1, ?2)
                 ON CONFLICT (name) DO UPDATE SET sent = sent + 1, last_success_at = ?2, failing_since = NULL",
            )?
            .execute(params![channel, now.0])?,
        Attempt::Later { error, .. } | Attempt::GivenUp { error } => conn
            .prepare_cached(
                "INSERT INTO channel (name, failed, last_failure_at, failing_since, last_error) VALUES (?1, 1, ?2, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET failed = failed + 1, last_failure_at = ?2,
                   failing_since = coalesce(failing_since, ?2), last_error = ?3",
            )?
            .execute(params![channel, now.0, error])?,
    };
    Ok(())
}

/// How every channel does that was ever tried or has something to deliver, by name.
pub(in crate::store) fn all(conn: &Connection) -> Result<Vec<ChannelHealth>> {
    let mut statement = conn.prepare_cached(
        "SELECT n.name, coalesce(c.sent, 0), coalesce(c.failed, 0), c.last_success_at, c.last_failure_at,
           c.failing_since, c.last_error, coalesce(w.waiting, 0) + coalesce(a.waiting, 0), w.oldest, a.oldest,
           coalesce(g.given_up, 0)
         FROM (SELECT name FROM channel UNION SELECT DISTINCT channel FROM outbox WHERE settled_at IS NULL
               UNION SELECT DISTINCT channel FROM announcement WHERE settled_at IS NULL) n
         LEFT JOIN channel c ON c.name = n.name
         -- The index that has the channels has no times: that of the first event is looked up.
         LEFT JOIN (SELECT f.channel, f.waiting, o.created_at AS oldest FROM
                      (SELECT channel, count(*) AS waiting, min(id) AS first FROM outbox
                       WHERE settled_at IS NULL GROUP BY channel) f JOIN outbox o ON o.id = f.first) w ON w.channel = n.name
         LEFT JOIN (SELECT channel, count(*) AS waiting, min(created_at) AS oldest FROM announcement
                    WHERE settled_at IS NULL GROUP BY channel) a ON a.channel = n.name
         LEFT JOIN (SELECT channel, count(*) AS given_up FROM
                      (SELECT channel FROM outbox WHERE settled_at IS NOT NULL AND last_error IS NOT NULL
                       UNION ALL
                       SELECT channel FROM announcement WHERE settled_at IS NOT NULL AND last_error IS NOT NULL)
                    GROUP BY channel) g ON g.channel = n.name
         ORDER BY n.name",
    )?;
    let time = |row: &rusqlite::Row<'_>, column: usize| -> rusqlite::Result<Option<UnixMs>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs))
    };
    let rows = statement.query_map([], |row| {
        Ok(ChannelHealth {
            name: row.get(0)?,
            sent: row.get::<_, i64>(1)?.unsigned_abs(),
            failed: row.get::<_, i64>(2)?.unsigned_abs(),
            last_success_at: time(row, 3)?,
            last_failure_at: time(row, 4)?,
            failing_since: time(row, 5)?,
            last_error: row.get(6)?,
            waiting: row.get::<_, i64>(7)?.unsigned_abs(),
            oldest_waiting_at: [time(row, 8)?, time(row, 9)?].into_iter().flatten().min(),
            given_up: row.get::<_, i64>(10)?.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
