//! Changes to what is derived, as a repair wants them.

use crate::{
    domain::{incident::GapReason, replay::ReplayedOutage, time::UnixMs, timeline::Tally},
    live::ServiceId,
    store::{
        Result,
        rows::sealing,
        tables::{
            outages::{self, derived},
            rollups::{self, Size},
            runs,
        },
    },
};
use rusqlite::{Connection, TransactionBehavior};

/// What makes a difference between the rows and what is derived of them go away.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Fix {
    /// Nothing does: it is the rows that are damaged.
    Nothing,
    /// The stored description of the sealed day that begins then.
    Seal(UnixMs),
    RolledUntil(Option<UnixMs>),
    Sum {
        size: Size,
        start: UnixMs,
        tally: Box<Tally>,
    },
    DropOutage(i64),
    /// In the place of the one with this number, or as a new one.
    WriteOutage {
        id: Option<i64>,
        outage: Box<ReplayedOutage>,
    },
    EndOutage {
        id: i64,
        ended_at: UnixMs,
    },
    /// The gap that begins at this moment: its end and reason, or that there is none.
    Gap {
        from: UnixMs,
        to: Option<(UnixMs, GapReason)>,
    },
}

/// Makes changes to what is derived of a service, in one transaction.
pub(in crate::store) fn mend<'a>(
    conn: &mut Connection,
    service: ServiceId,
    fixes: impl Iterator<Item = &'a Fix>,
) -> Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    outages::note_last_id(&tx)?;
    for fix in fixes {
        apply(&tx, service, fix)?;
    }
    tx.commit()?;
    Ok(())
}

fn apply(conn: &Connection, service: ServiceId, fix: &Fix) -> Result<()> {
    match fix {
        Fix::Nothing => Ok(()),
        Fix::Seal(day) => sealing::seal(conn, service, *day).map(drop),
        Fix::RolledUntil(until) => rollups::note_settled(conn, service, *until),
        Fix::Sum { size, start, tally } => rollups::replace(conn, *size, service, *start, tally),
        Fix::DropOutage(id) => derived::delete(conn, *id),
        Fix::EndOutage { id, ended_at } => derived::end(conn, *id, *ended_at),
        Fix::WriteOutage { id, outage } => derived::write(conn, service, *id, outage),
        Fix::Gap { from, to: None } => runs::delete_gap(conn, service, *from),
        Fix::Gap { from, to: Some((to, why)) } => runs::note_gap(conn, service, *from, *to, *why),
    }
}
