//! The stored results as a replay reads them: each with the settings of its time.

use super::settings::{Setting, Settings};
use crate::{
    domain::{
        check::Class,
        normal,
        replay::{Input, Why},
        time::UnixMs,
    },
    live::ServiceId,
    store::{
        Result,
        rows::{Columns, Walk},
    },
};
use rusqlite::Connection;
use std::{collections::HashSet, ops::ControlFlow};

/// Hands `each` the results of a service from `from` on, oldest first, with what was in force when they were made, until
/// it has had enough.
pub(in crate::store) fn each(
    conn: &Connection,
    service: ServiceId,
    settings: &Settings,
    from: UnixMs,
    mut each: impl FnMut(Input, &Setting) -> Result<ControlFlow<()>>,
) -> Result<()> {
    Walk::over(service).from(from).with(Columns::Everything).forward(conn, |row| {
        let Some(setting) = settings.at(row.at) else { return Ok(ControlFlow::Continue(())) };
        let told = Input {
            at: row.at,
            outcome: row.outcome,
            latency_us: row.latency_us,
            phases: row.phases,
            why: row.reason.map(|reason| Why { reason, http_status: row.http_status }),
            validity_ms: setting.validity_ms(),
            thresholds: setting.thresholds,
        };
        each(told, setting)
    })
}

/// The numbers of the reasons that a check was slow, and nothing worse.
pub(in crate::store) fn slow_reasons(conn: &Connection) -> Result<HashSet<i64>> {
    let mut statement =
        conn.prepare_cached("SELECT id FROM reason WHERE class = ?1 AND message NOT LIKE '%' || ?2 || '%'")?;
    let rows = statement.query_map([Class::Slow.as_str(), normal::WORDS], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
