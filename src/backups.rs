//! The loop that makes backups while the service runs, and removes the oldest ones.
//!
//! When the next one is due follows from the newest file, so it survives restarts.

use crate::{
    clock::Clock,
    domain::time::UnixMs,
    shutdown::Shutdown,
    store::{self, StoreError, Verified},
};
use chrono::NaiveDateTime;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::spawn_blocking, time::sleep};

/// After a backup that failed.
const RETRY_MS: i64 = 5 * 60_000;
/// The longest sleep: a clock that is set must not make a backup wait for ever.
const LOOK: Duration = Duration::from_secs(600);

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The history.
    pub path: PathBuf,
    /// Where backups go.
    pub dir: PathBuf,
    /// From one to the next, in milliseconds.
    pub every_ms: i64,
    /// How many are kept, at least 1.
    pub keep: u32,
}

/// How backups are going.
#[derive(Default, Debug)]
pub struct Backups {
    state: Mutex<State>,
}

/// How backups are going, now.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct State {
    /// Whether any are made.
    pub planned: bool,
    /// When the newest one that is whole was made.
    pub last: Option<UnixMs>,
    /// Why the latest attempt failed.
    pub failing: Option<String>,
}

impl Backups {
    /// How they are going.
    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Makes backups until shutdown.
pub async fn run(plan: Plan, backups: &Backups, clock: Clock, mut shutdown: Shutdown) {
    backups.set(|state| state.planned = true);
    store::settle_modes(kept(&plan).into_iter().map(|(_, file)| file));
    let mut not_before = clock.now();
    while !shutdown.is_requested() {
        let newest = kept(&plan).last().map(|(at, _)| *at);
        backups.set(|state| state.last = newest);
        let now = clock.now();
        // A newest one from the future is of a clock that was wrong.
        let due = newest.filter(|at| *at <= now).map_or(now, |at| at.plus(plan.every_ms)).max(not_before);
        if now < due {
            let pause = Duration::from_millis(due.since(now).unsigned_abs()).min(LOOK);
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = sleep(pause) => continue,
            }
        }
        let (doing, stop) = (plan.clone(), shutdown.clone());
        let done = spawn_blocking(move || make(&doing, now, &stop)).await;
        if shutdown.is_requested() {
            return;
        }
        let failure = match done {
            Ok(Ok((file, verified))) => {
                tracing::info!(file = %file.display(), results = verified.results, "backup complete");
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(panic.to_string()),
        };
        if let Some(reason) = &failure {
            not_before = now.plus(RETRY_MS.min(plan.every_ms));
            if backups.state().failing.as_ref() != Some(reason) {
                tracing::error!("the backup failed: {reason}; it will be retried");
            }
        }
        backups.set(|state| state.failing = failure);
    }
}

/// Makes one, and then, and only then, removes the oldest.
fn make(plan: &Plan, now: UnixMs, stop: &Shutdown) -> Result<(PathBuf, Verified), StoreError> {
    store::make_folder(&plan.dir)
        .map_err(|e| StoreError::Place(format!("the folder {} cannot be made: {e}", plan.dir.display())))?;
    let target = plan.dir.join(format!("{}{}.db", prefix(&plan.path), now.utc().format(STAMP)));
    let verified = store::backup(&plan.path, &target, false, |_| !stop.is_requested())?;
    let all = kept(plan);
    for (_, old) in all.iter().rev().skip(plan.keep as usize) {
        if let Err(error) = std::fs::remove_file(old) {
            tracing::warn!(file = %old.display(), "cannot remove an old backup: {error}");
        }
    }
    remove_parts(plan);
    Ok((target, verified))
}

const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// `history-` of `data/history.db`.
fn prefix(path: &Path) -> String {
    format!("{}-", path.file_stem().map_or("history".into(), |stem| stem.to_string_lossy()))
}

/// The backups that are there, oldest first, each with its time. Other files are none of our business.
fn kept(plan: &Plan) -> Vec<(UnixMs, PathBuf)> {
    let prefix = prefix(&plan.path);
    let mut all: Vec<(UnixMs, PathBuf)> = names(&plan.dir)
        .filter_map(|name| {
            let stamp = name.strip_prefix(&prefix)?.strip_suffix(".db")?;
            let at = NaiveDateTime::parse_from_str(stamp, STAMP).ok()?;
            Some((at.and_utc().into(), plan.dir.join(&name)))
        })
        .collect();
    all.sort();
    all
}

/// Removes what is left of backups that were killed.
fn remove_parts(plan: &Plan) {
    let prefix = prefix(&plan.path);
    for name in names(&plan.dir).filter(|name| name.starts_with(&prefix) && name.contains(".db.part")) {
        let _ = std::fs::remove_file(plan.dir.join(name));
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}
