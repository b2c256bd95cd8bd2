//! What is compared, in words: each value with its name.

use crate::{
    domain::{
        check::PhaseTimes,
        replay::{ReplayedOutage, Why},
        time::UnixMs,
        timeline::Tally,
    },
    live::ServiceId,
    store::{Result, tables::columns},
};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// A name and a value in words.
pub(in crate::store) type Field = (&'static str, String);

/// The values that differ, with their names.
pub(in crate::store) fn in_fields(stored: &[Field], recomputed: &[Field]) -> (String, String) {
    let words = |one: &[Field], other: &[Field]| {
        let differing = one.iter().filter(|field| !other.contains(field));
        differing.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    (words(stored, recomputed), words(recomputed, stored))
}

pub(in crate::store) fn fields(tally: &Tally) -> Vec<Field> {
    let us = |us: Option<u32>| us.map_or("none".to_owned(), |us| us.to_string());
    vec![
        ("up_ms", tally.up_ms.to_string()),
        ("degraded_ms", tally.degraded_ms.to_string()),
        ("down_ms", tally.down_ms.to_string()),
        ("unknown_ms", tally.unknown_ms.to_string()),
        ("doubt_up_ms", tally.doubt_up_ms.to_string()),
        ("doubt_down_ms", tally.doubt_down_ms.to_string()),
        ("checks", tally.checks.to_string()),
        ("failures", tally.failures.to_string()),
        ("min_us", us(tally.min_us)),
        ("max_us", us(tally.max_us)),
        ("latency", hex(&tally.latency.to_bytes())),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| format!("{text}{byte:02x}"))
}

/// An outage as it is stored, for comparing.
pub(in crate::store) struct StoredOutage {
    pub(in crate::store) id: i64,
    last_ok_at: Option<UnixMs>,
    started_at: UnixMs,
    confirmed_at: Option<UnixMs>,
    pub(in crate::store) ended_at: Option<UnixMs>,
    down_ms: i64,
    checks_failed: i64,
    why: Why,
    latency_us: Option<u32>,
    phases: PhaseTimes,
    last_why: Why,
    cause_changes: i64,
}

impl StoredOutage {
    pub(in crate::store) fn fields(&self, conn: &Connection) -> Result<Vec<Field>> {
        let mut statement = conn
            .prepare_cached("SELECT at, reason_id, http_status FROM cause_change WHERE outage_id = ?1 ORDER BY at")?;
        let changes = statement.query_map([self.id], |row| {
            Ok((UnixMs(row.get(0)?), Why { reason: row.get(1)?, http_status: row.get(2)? }))
        })?;
        let changes = changes.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(outage_fields(
            [Some(self.started_at), self.last_ok_at, self.confirmed_at, self.ended_at],
            [self.down_ms, self.checks_failed, self.cause_changes],
            (self.why, self.latency_us, self.phases),
            self.last_why,
            &changes,
        ))
    }
}

pub(in crate::store) fn retold_fields(outage: &ReplayedOutage) -> Vec<Field> {
    outage_fields(
        [Some(outage.first.at), outage.last_ok_at, outage.confirmed_at, outage.ended_at],
        [outage.down_ms, outage.checks_failed as i64, outage.cause_changes as i64],
        (outage.why, outage.first.latency_us, outage.first.phases),
        outage.last_why,
        &outage.changes,
    )
}

fn outage_fields(
    times: [Option<UnixMs>; 4],
    [down_ms, checks_failed, cause_changes]: [i64; 3],
    (why, latency_us, phases): (Why, Option<u32>, PhaseTimes),
    last_why: Why,
    changes: &[(UnixMs, Why)],
) -> Vec<Field> {
    let time = |at: Option<UnixMs>| at.map_or("none".to_owned(), |at| at.to_string());
    let us = |us: Option<u32>| us.map_or("none".to_owned(), |us| us.to_string());
    let cause = |why: Why| match why.http_status {
        Some(status) => format!("reason {} (HTTP {status})", why.reason),
        None => format!("reason {}", why.reason),
    };
    let PhaseTimes { dns_us, connect_us, tls_us, ttfb_us } = phases;
    let changes: Vec<String> = changes.iter().map(|(at, why)| format!("{at} {}", cause(*why))).collect();
    vec![
        ("started_at", time(times[0])),
        ("last_ok_at", time(times[1])),
        ("confirmed_at", time(times[2])),
        ("ended_at", time(times[3])),
        ("down_ms", down_ms.to_string()),
        ("checks_failed", checks_failed.to_string()),
        ("cause", cause(why)),
        ("latency_us", us(latency_us)),
        ("phases_us", [dns_us, connect_us, tls_us, ttfb_us].map(us).join("/")),
        ("last_cause", cause(last_why)),
        ("cause_changes", cause_changes.to_string()),
        ("changes", format!("[{}]", changes.join("; "))),
    ]
}

pub(in crate::store) fn stored_outages(
    conn: &Connection,
    service: ServiceId,
) -> Result<BTreeMap<UnixMs, Vec<StoredOutage>>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, last_ok_at, started_at, confirmed_at, ended_at, down_ms, checks_failed, reason_id, http_status,
           latency_us, dns_us, connect_us, tls_us, ttfb_us, last_reason_id, last_http_status, cause_changes
         FROM outage WHERE service_id = ?1 ORDER BY started_at, id",
    )?;
    let mut rows = statement.query([service.0])?;
    let mut all: BTreeMap<UnixMs, Vec<StoredOutage>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let time =
            |column: usize| -> rusqlite::Result<Option<UnixMs>> { Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs)) };
        let outage = StoredOutage {
            id: row.get(0)?,
            last_ok_at: time(1)?,
            started_at: UnixMs(row.get(2)?),
            confirmed_at: time(3)?,
            ended_at: time(4)?,
            down_ms: row.get(5)?,
            checks_failed: row.get(6)?,
            why: Why { reason: row.get(7)?, http_status: row.get(8)? },
            latency_us: row.get(9)?,
            phases: columns::phases(row, 10)?,
            last_why: Why { reason: row.get(14)?, http_status: row.get(15)? },
            cause_changes: row.get(16)?,
        };
        all.entry(outage.started_at).or_default().push(outage);
    }
    Ok(all)
}
