//! Opening a history: it is brought up to date, the services enter it, and the writer starts.

use super::{
    ahead::Ahead,
    commit::WriteState,
    enter::{self, Configured},
    handle::{Stopping, Writer},
    numbers::Numbers,
    plan::Plan,
    respond::Responses,
    task,
    track::ServiceTrack,
};
use crate::{
    calendar::{Planned, Timetable},
    clock::Clock,
    domain::{check::CheckResult, health::Health, time::UnixMs},
    live::{LiveState, ServiceId},
    routing::{AlertKind, Routing},
    settings::effective::EffectiveSettings,
    store::{
        Reader, Result, RetentionPolicy, StoreError, connection,
        disk::{place::Place, schema},
        rows::tail::Tail,
        tables::{
            left_open, outages,
            runs::{self, Run},
        },
    },
};
use std::{collections::HashMap, path::Path, sync::Arc};

/// A service to be watched: what is configured, and its settings as the API shows them.
#[derive(Clone, Debug)]
pub struct WatchedService {
    pub configured: Configured,
    pub settings: EffectiveSettings,
}

/// Where the loop of one service goes on.
#[derive(Clone, Debug)]
pub struct ResumePoint {
    pub id: ServiceId,
    pub health: Health,
    /// The next result must be later than this: than the last one, and not before the settings that it is made with.
    pub last_at: Option<UnixMs>,
    /// The last result.
    pub last: Option<CheckResult>,
    /// When it is in maintenance.
    pub timetable: Arc<Timetable>,
    /// What it depends on, directly and through others, the nearest first.
    pub depends_on: Arc<[ServiceId]>,
}

/// An open history.
#[derive(Debug)]
pub struct Store {
    pub writer: Writer,
    pub reader: Reader,
    pub live: Arc<LiveState>,
    /// In the order of the services given.
    pub resume_points: Vec<ResumePoint>,
    /// The run before this one.
    pub last_run: Option<Run>,
    pub stopping: Stopping,
    lock: schema::Lock,
}

impl Store {
    /// Opens (or makes) the history at `path`, enters the services into it and starts the writer. `planned` is the
    /// maintenance that is announced; `routing` says who is notified of incidents.
    ///
    /// # Errors
    /// When the file cannot be used; nothing has been changed then but what a migration reports.
    pub fn open(
        path: &Path,
        services: Vec<WatchedService>,
        planned: Vec<Planned>,
        routing: Routing,
        keep: RetentionPolicy,
        clock: Clock,
    ) -> Result<Store> {
        Store::begin(path, services, planned, routing, keep, clock).map_err(|error| match error {
            StoreError::Sqlite(error) => StoreError::open(path, error),
            other => other,
        })
    }

    fn begin(
        path: &Path,
        services: Vec<WatchedService>,
        planned: Vec<Planned>,
        routing: Routing,
        keep: RetentionPolicy,
        clock: Clock,
    ) -> Result<Store> {
        let lock = schema::lock(path)?;
        let mut conn = connection::open_writer(path)?;
        schema::size_for(&conn, services.len())?;
        let now = clock.now();
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let last_run = runs::last_run(&tx)?;
        let run = runs::begin_run(&tx, now)?;
        let configured: Vec<Configured> = services.iter().map(|s| s.configured.clone()).collect();
        let resumed = enter::enter(&tx, &configured, now)?;
        let ids: HashMap<String, ServiceId> =
            configured.iter().zip(&resumed).map(|(c, r)| (c.service.name.clone(), r.id)).collect();
        let judged_until = resumed.iter().filter_map(|r| r.health.last_at).max().map(|at| at.plus(1));
        let plan = Plan::begin(&tx, planned, &ids, last_run.map(|run| run.alive_at).max(judged_until), now)?;
        let timetables = resumed
            .iter()
            .map(|r| Ok(Arc::new(plan.timetable(&tx, r.id, r.health.last_at.unwrap_or(now).min(now))?)))
            .collect::<Result<Vec<_>>>()?;
        let routing = Arc::new(routing);
        let responses = Responses::read(&tx, now)?;
        let wants = |name: &str| routing.recipient(name).is_some_and(|one| one.wants(AlertKind::Resolved));
        left_open::tell(&tx, wants, now)?;
        let (ahead, used) = Ahead::open(path, &tx, routing.clone(), responses.clone(), services.len(), now)?;
        if let Some(last) = used.last {
            outages::take_id(&tx, last)?;
        }
        let numbers = Numbers::from(outages::next_id(&tx)?, used.free);
        tx.commit()?;
        let reader = Reader::open(path)?;
        let mut resume_points = Vec::new();
        let mut tracks = HashMap::new();
        let mut on_board = Vec::new();
        let on: Vec<Arc<[ServiceId]>> = configured
            .iter()
            .map(|one| one.depends_on.iter().filter_map(|name| ids.get(name).copied()).collect())
            .collect();
        for (((resumed, watched), timetable), depends_on) in resumed.into_iter().zip(services).zip(timetables).zip(on) {
            let last_at = resumed.health.last_at.max(Some(resumed.settings_since.plus(-1)));
            resume_points.push(ResumePoint {
                id: resumed.id,
                health: resumed.health,
                last_at,
                last: resumed.last.clone(),
                timetable: timetable.clone(),
                depends_on: depends_on.clone(),
            });
            let service = Arc::new(watched.configured.service);
            let track = ServiceTrack::new(resumed, service, watched.settings, depends_on, timetable);
            on_board.push(track.now().clone());
            tracks.insert(track.now().id, track);
        }
        let live = Arc::new(LiveState::new(on_board, clock.clone()));
        let tail = Tail::over(tracks.keys().copied());
        let core = WriteState {
            conn,
            run,
            run_started_at: now,
            tracks,
            routing,
            numbers,
            ahead,
            responses,
            interruptions: Vec::new(),
            plan,
            tail,
            place: Place::of(path),
        };
        let (writer, stopping) = task::start(core, live.clone(), clock, keep)
            .map_err(|e| StoreError::Place(format!("the system has no thread for the history's writer: {e}")))?;
        Ok(Store { writer, reader, live, resume_points, last_run, stopping, lock })
    }

    /// Commits what has been taken in, notes a clean end and lets go of the file.
    pub async fn stop(self) {
        self.stopping.stop().await;
        drop(self.lock);
    }
}
