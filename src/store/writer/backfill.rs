//! Writes a history that was not made live: the same rows, outages, gaps and sums, by the same code.

use super::{
    ahead::Ahead,
    commit::WriteState,
    enter,
    numbers::Numbers,
    plan::Plan,
    respond::Responses,
    track::{Record, ServiceTrack},
};
use crate::{
    domain::time::UnixMs,
    live::ServiceId,
    store::{
        Result, WatchedService, connection,
        disk::schema,
        tables::{outages, runs},
    },
};
use std::{collections::HashMap, path::Path, sync::Arc};

/// A history in the making. Nobody else can write it meanwhile.
#[derive(Debug)]
pub struct Backfill {
    core: WriteState,
    /// The numbers of the services, in the order given.
    pub ids: Vec<ServiceId>,
    _lock: schema::Lock,
}

impl Backfill {
    /// Opens (or makes) the history at `path` and begins a run of the monitor at `began_at`, later than anything in it.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(path: &Path, watched: Vec<WatchedService>, began_at: UnixMs) -> Result<Backfill> {
        let lock = schema::lock(path)?;
        let mut conn = connection::open_writer(path)?;
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let run = runs::begin_run(&tx, began_at)?;
        let configured: Vec<_> = watched.iter().map(|w| w.configured.clone()).collect();
        let resumed = enter::enter(&tx, &configured, began_at)?;
        let numbers = Numbers::from(outages::next_id(&tx)?, []);
        tx.commit()?;
        let ids = resumed.iter().map(|r| r.id).collect();
        let tracks: HashMap<_, _> = resumed
            .into_iter()
            .zip(watched)
            .map(|(resumed, w)| {
                (
                    resumed.id,
                    ServiceTrack::new(
                        resumed,
                        Arc::new(w.configured.service),
                        w.settings,
                        Arc::default(),
                        Arc::default(),
                    ),
                )
            })
            .collect();
        let (routing, interruptions) = (Arc::default(), Vec::new());
        let core = WriteState {
            conn,
            run,
            run_started_at: began_at,
            tracks,
            routing,
            numbers,
            ahead: Ahead::none(),
            responses: Responses::default(),
            interruptions,
            plan: Plan::none(),
            tail: None,
            place: None,
        };
        Ok(Backfill { core, ids, _lock: lock })
    }

    /// Writes records in one transaction. Those of one service come in the order of time.
    ///
    /// # Errors
    /// When the file cannot be written; nothing has been written then.
    pub fn write(&mut self, records: &[Record]) -> Result<()> {
        if let Some(last) = records.iter().map(|r| r.result.at).max() {
            self.core.commit(records, &[], last)?;
            self.core.numbers.all_written();
        }
        Ok(())
    }

    /// Ends the run cleanly.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self, stopped_at: UnixMs) -> Result<()> {
        self.core.finish(stopped_at)
    }
}
