//! What was found out when an outage began. It belongs to the outage of a service that began at a moment, as a note does.

use crate::{
    domain::{
        diagnosis::{AddressDiagnosis, Diagnosis, WitnessDiagnosis},
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::{Result, StoreError},
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A diagnosis as it leaves a history or arrives in one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiagnosisRecord {
    /// The service's name.
    pub service: String,
    /// When the outage began.
    pub started_at: UnixMs,
    pub diagnosis: Diagnosis,
}

/// As it is stored. Only grows.
#[derive(Serialize, Deserialize)]
struct Stored {
    host: String,
    port: u16,
    lookup_us: Option<u32>,
    lookup_error: Option<String>,
    addresses: Vec<StoredAddress>,
    untried: u32,
    witness: Option<(String, Option<u32>)>,
}

#[derive(Serialize, Deserialize)]
struct StoredAddress {
    address: IpAddr,
    connect_us: Option<u32>,
    tls_us: Option<u32>,
    error: Option<String>,
}

/// Writes what was found out about the outage of a service that began at a moment. Of two the earlier one stays: of one
/// moment the one that comes first in the order of its text, whichever came first.
pub(in crate::store) fn write(
    conn: &Connection,
    service: ServiceId,
    started_at: UnixMs,
    diagnosis: &Diagnosis,
) -> Result<()> {
    let stored = Stored {
        host: diagnosis.host.clone(),
        port: diagnosis.port,
        lookup_us: diagnosis.lookup_us,
        lookup_error: diagnosis.lookup_error.clone(),
        addresses: diagnosis
            .addresses
            .iter()
            .map(|one| StoredAddress {
                address: one.address,
                connect_us: one.connect_us,
                tls_us: one.tls_us,
                error: one.error.clone(),
            })
            .collect(),
        untried: diagnosis.untried,
        witness: diagnosis.witness.as_ref().map(|witness| (witness.address.clone(), witness.connect_us)),
    };
    let text = serde_json::to_string(&stored).map_err(|error| StoreError::Content(error.to_string()))?;
    conn.prepare_cached(
        "INSERT INTO diagnosis (service_id, started_at, at, content) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (service_id, started_at) DO UPDATE SET at = ?3, content = ?4 WHERE (?3, ?4) < (at, content)",
    )?
    .execute(params![service.0, started_at.0, diagnosis.at.0, text])?;
    Ok(())
}

/// What was found out about the outage of a service that began at a moment.
pub(in crate::store) fn of(conn: &Connection, service: ServiceId, started_at: UnixMs) -> Result<Option<Diagnosis>> {
    let found = conn
        .prepare_cached("SELECT at, content FROM diagnosis WHERE service_id = ?1 AND started_at = ?2")?
        .query_row([service.0, started_at.0], |row| Ok((UnixMs(row.get(0)?), row.get::<_, String>(1)?)))
        .optional()?;
    Ok(found.and_then(|(at, text)| read(at, &text)))
}

/// Those of outages of a service that overlap a window, or began in it, by the beginning.
pub(in crate::store) fn of_window(
    conn: &Connection,
    service: ServiceId,
    window: Window,
) -> Result<Vec<DiagnosisRecord>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.name, n.started_at, n.at, n.content FROM diagnosis n JOIN service s ON s.id = n.service_id
         WHERE n.service_id = ?1 AND n.started_at < ?3 AND (n.started_at >= ?2 OR EXISTS
           (SELECT 1 FROM outage o WHERE o.service_id = n.service_id AND o.started_at = n.started_at
              AND (o.ended_at IS NULL OR o.ended_at > ?2)))
         ORDER BY n.started_at",
    )?;
    let rows = statement.query_map([service.0, window.from().0, window.to().0], |row| {
        Ok((row.get::<_, String>(0)?, UnixMs(row.get(1)?), UnixMs(row.get(2)?), row.get::<_, String>(3)?))
    })?;
    let mut records = Vec::new();
    for row in rows {
        let (service, started_at, at, text) = row?;
        records.extend(read(at, &text).map(|diagnosis| DiagnosisRecord { service, started_at, diagnosis }));
    }
    Ok(records)
}

/// `None`: a newer version wrote it.
fn read(at: UnixMs, text: &str) -> Option<Diagnosis> {
    let Stored { host, port, lookup_us, lookup_error, addresses, untried, witness } =
        serde_json::from_str(text).ok()?;
    Some(Diagnosis {
        at,
        host,
        port,
        lookup_us,
        lookup_error,
        addresses: addresses
            .into_iter()
            .map(|StoredAddress { address, connect_us, tls_us, error }| AddressDiagnosis {
                address,
                connect_us,
                tls_us,
                error,
            })
            .collect(),
        untried,
        witness: witness.map(|(address, connect_us)| WitnessDiagnosis { address, connect_us }),
    })
}
