//! Every question that is asked of the history, one named function each.

use super::{
    Result, StoreError,
    glance::{self, Glance},
    life::{self, Run},
    maintenance::{self, Maintenance, Which},
    outages::{self, Cursor, OutageFilter, OutageKind},
    outbox::{self, DueEvent},
    past::{self, Then},
    replay::{self, Replayed, Rules},
    results,
    rollups::{self, Latency, Size},
    rows::{Need, Outcomes, Walk},
    schema,
    services::{self, StoredService},
    source::Source,
};
use crate::{
    board::{ServiceId, ServiceNow},
    domain::{
        check::{CheckResult, Outcome, PhaseMedians, Usual},
        incident::{CauseChange, Gap, Outage},
        maintenance::Overlay,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::{Buckets, Observation},
        uptime::Uptime,
        window::Window,
    },
    threads::Cancellation,
};
use r2d2::{Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    ops::{ControlFlow, Deref, DerefMut},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// The read-only side of the history. Cheap to clone; its functions block: call them on a thread that may.
///
/// Each function sees one moment of the database.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: Pool<SqliteConnectionManager>,
    source: Source,
    /// Says when nobody waits for the answers any more.
    cancellation: Option<Cancellation>,
}

/// Connections at most; more questions at once would wait for each other. Whoever asks is bounded before: four readers,
/// eight exports, and what the program itself wants to know.
const CONNECTIONS: u32 = 16;

/// Steps of SQLite's machine between two looks at whether anybody still waits: some microseconds.
const STEPS: i32 = 500;

/// A connection of the pool, on loan.
pub(super) struct Lent {
    conn: PooledConnection<SqliteConnectionManager>,
    /// It looks whether anybody still waits.
    is_watched: bool,
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_watched {
            let _ = self.conn.progress_handler(0, None::<fn() -> bool>);
            // Where the end of a transaction was broken off, too.
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
        }
    }
}

impl Reader {
    /// Opens a history that exists, for reading only.
    ///
    /// # Errors
    /// When there is none, it is not ours, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Reader> {
        let source = Source::of(path)?;
        let first = source.open()?;
        schema::identify_current(&first, path)?;
        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(Some(1))
            .test_on_check_out(false)
            // One that is open reads on where the file is deleted or replaced under it; a new one could not.
            .max_lifetime(None)
            .connection_timeout(Duration::from_secs(5))
            .build(source.manager())?;
        // The last connection takes the log of a history that nobody writes away with it: it stays until there is another.
        drop(first);
        Ok(Reader { pool, source, cancellation: None })
    }

    /// The same, for somebody who may give up: what is being asked then ends with an error, and nothing more is asked.
    pub fn until(&self, cancellation: &Cancellation) -> Reader {
        Reader { cancellation: Some(cancellation.clone()), ..self.clone() }
    }

    /// The same, for work that goes on when whoever began it has given up.
    pub fn for_good(&self) -> Reader {
        Reader { cancellation: None, ..self.clone() }
    }

    pub(super) fn conn(&self) -> Result<Lent> {
        self.source.unchanged()?;
        let Some(cancellation) = &self.cancellation else {
            return Ok(Lent { conn: self.pool.get()?, is_watched: false });
        };
        if cancellation.is_cancelled() {
            return Err(StoreError::GivenUp);
        }
        let conn = self.pool.get()?;
        let cancellation = cancellation.clone();
        conn.progress_handler(STEPS, Some(move || cancellation.is_cancelled()))?;
        Ok(Lent { conn, is_watched: true })
    }

    /// Makes sure, after the last question, that nobody has written a history that this user could only read as it lay.
    /// Beside a running service nothing has to be made sure of.
    ///
    /// # Errors
    /// When somebody has: what was answered may be wrong.
    pub fn finish(&self) -> Result<()> {
        self.source.unchanged()
    }

    /// What tells this history from any other: 16 hexadecimal digits.
    pub fn id(&self) -> Result<String> {
        let sql = "SELECT value FROM fact WHERE name = 'id'";
        Ok(self.conn()?.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Every service ever configured, by name.
    pub fn services(&self) -> Result<Vec<StoredService>> {
        services::all(&*self.conn()?)
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> Result<Option<StoredService>> {
        services::by_name(&*self.conn()?, name)
    }

    /// How the services that were watched at `at` stood then, as it was known then. `today` are those that are watched
    /// now. What only results of later times tell (how an outage ended, a mark of maintenance) is not in it.
    pub fn then(&self, at: UnixMs, today: &[Arc<ServiceNow>]) -> Result<Then> {
        let mut conn = self.conn()?;
        past::then(&*conn.transaction()?, at, today)
    }

    /// The figures of one service over a window that ends at `now` at the latest.
    ///
    /// Where rows or hour rollups have been retired, the window of the answer is larger: whole hours, whole days.
    pub fn uptime(&self, service: ServiceId, window: Window, now: UnixMs) -> Result<Uptime> {
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        let window = widen(&tx, service, window, now)?;
        let tally = buckets(&tx, service, Buckets::new(window, window.length_ms()), now)?.total();
        let filter = OutageFilter {
            service: Some(service),
            window: Some(window),
            kind: OutageKind::All,
            ..OutageFilter::default()
        };
        let outages = outages::list(&tx, &filter, None, u32::MAX)?;
        // What lay in maintenance from its beginning to its end was none that counts.
        let whole = |o: &Outage| Window::new(o.started_at, o.ended_at.unwrap_or(now).max(o.started_at.plus(1)));
        let maintenance = match outages.iter().filter_map(whole).map(|w| w.from()).min() {
            Some(first) => {
                maintenance::overlay(&tx, service, Window::new(first, UnixMs::MAX).unwrap_or(window), Which::All)?
            }
            None => Overlay::NONE,
        };
        let counted = outages.iter().filter(|o| !whole(o).is_some_and(|w| maintenance.covers(w)));
        let counted = counted.map(|outage| outage.times().known_at(now));
        Ok(Uptime::new(window, &tally, counted))
    }

    /// What an overview shows of a service: the sums of windows of these lengths that end at `now`, the last `days` days,
    /// the last 24 hours.
    pub fn glance(&self, service: ServiceId, lengths_ms: &[i64], days: i64, now: UnixMs) -> Result<Glance> {
        let mut conn = self.conn()?;
        glance::glance(&*conn.transaction()?, service, lengths_ms, days, now)
    }

    /// A window in at most about `count` (1 to 2000) equal buckets.
    ///
    /// Buckets of an hour and more are whole hours, so that rollups can answer; the window of the answer may then be
    /// a little larger than the one asked for.
    pub fn history(&self, service: ServiceId, window: Window, count: u32, now: UnixMs) -> Result<Buckets> {
        let count = i64::from(count.clamp(1, 2000));
        let size = (window.length_ms() + count - 1) / count;
        self.history_by(service, window, if size < HOUR_MS { size } else { nice_hours(size) }, now)
    }

    /// A window in buckets of `size_ms`; of whole hours or days, aligned to UTC's, where the size is that or the rows
    /// have been retired. The bucket under way ends at `now`.
    pub fn history_by(&self, service: ServiceId, window: Window, size_ms: i64, now: UnixMs) -> Result<Buckets> {
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        let finest = super::retention::kept(&tx, service)?.resolution_ms(window.from());
        let size = if finest == 1 { size_ms.max(1) } else { nice_hours(size_ms.max(finest)) };
        let grid = [DAY_MS, HOUR_MS].into_iter().find(|grid| size % grid == 0).unwrap_or(1);
        let (from, to) = (window.from().floor(grid), window.to().ceil(grid).min(now.max(window.to())));
        let window = Window::new(from, to).unwrap_or(window);
        buckets(&tx, service, Buckets::new(window, size), now)
    }

    /// Check results of the window, newest first, at most `limit`, older than `before` where that is given.
    pub fn checks(
        &self,
        service: ServiceId,
        window: Window,
        outcome: Option<Outcome>,
        before: Option<UnixMs>,
        limit: u32,
    ) -> Result<Vec<CheckResult>> {
        let mut conn = self.conn()?;
        let to = before.map_or(window.to(), |before| before.min(window.to()));
        let outcomes = outcome.map_or(Outcomes::ALL, Outcomes::only);
        let walk = Walk::over(service).from(window.from()).before(to).only(outcomes);
        results::list(&*conn.transaction()?, walk, true, limit)
    }

    /// Check results of the window, oldest first, at most `limit`.
    pub fn checks_forward(&self, service: ServiceId, window: Window, limit: u32) -> Result<Vec<CheckResult>> {
        let mut conn = self.conn()?;
        let walk = Walk::over(service).from(window.from()).before(window.to());
        results::list(&*conn.transaction()?, walk, false, limit)
    }

    /// The medians of each phase of passed checks, in buckets of `size_ms`; of the first `sample` of them in each. A bucket
    /// in which none passed has none.
    pub fn phases(
        &self,
        service: ServiceId,
        window: Window,
        size_ms: i64,
        sample: u32,
    ) -> Result<Vec<(Window, PhaseMedians)>> {
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        let mut found = Vec::new();
        let mut from = window.from();
        while let Some(part) = window.clip(from, from.plus(size_ms.max(1))) {
            let mut checks = Vec::new();
            timed(service, part).forward(&tx, |row| {
                checks.extend(row.latency_us.map(|whole| (row.phases, whole)));
                Ok(if checks.len() < sample as usize { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
            if !checks.is_empty() {
                found.push((part, PhaseMedians::of(&checks)));
            }
            from = part.to();
        }
        Ok(found)
    }

    /// Confirmed downtime of a window, in milliseconds: what the failed checks of its incidents speak for inside it.
    pub fn confirmed_down_ms(&self, service: ServiceId, window: Window, now: UnixMs) -> Result<i64> {
        let filter = OutageFilter {
            service: Some(service),
            window: Some(window),
            kind: OutageKind::Incidents,
            ..OutageFilter::default()
        };
        let mut sum = 0;
        for outage in self.outages(&filter, None, u32::MAX)? {
            let inside = window.from() <= outage.started_at && outage.ended_at.is_some_and(|end| end <= window.to());
            sum += match window.clip(outage.started_at, outage.ended_at.unwrap_or(now)) {
                _ if inside => outage.down_ms,
                Some(part) => self.uptime(service, part, now)?.down_ms,
                None => 0,
            };
        }
        Ok(sum)
    }

    /// What is usual of each phase (in their order, the last one what the others leave) of passed checks in a window, of at
    /// most ten thousand of them, the latest.
    pub fn usual(&self, service: ServiceId, window: Window) -> Result<[Option<Usual>; 5]> {
        let mut conn = self.conn()?;
        let mut times: [Vec<u32>; 5] = Default::default();
        timed(service, window).backward(&*conn.transaction()?, |row| {
            let (Some(whole), phases) = (row.latency_us, row.phases) else { return Ok(ControlFlow::Continue(())) };
            let rest = u64::from(whole).saturating_sub(phases.sum_us()) as u32;
            let each = [phases.dns_us, phases.connect_us, phases.tls_us, phases.ttfb_us, Some(rest)];
            times.iter_mut().zip(each).for_each(|(times, us)| times.extend(us));
            let enough = times.last().is_some_and(|rest| rest.len() >= USUAL_OF);
            Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(times.map(Usual::of))
    }

    /// Outages, newest first, at most `limit`, after `cursor` where that is given.
    pub fn outages(&self, filter: &OutageFilter, cursor: Option<Cursor>, limit: u32) -> Result<Vec<Outage>> {
        outages::list(&*self.conn()?, filter, cursor, limit)
    }

    /// One outage.
    pub fn outage(&self, id: i64) -> Result<Option<Outage>> {
        outages::get(&*self.conn()?, id)
    }

    /// The numbers of the incidents of the same service before and after one.
    pub fn neighbours(&self, outage: &Outage) -> Result<(Option<i64>, Option<i64>)> {
        let conn = self.conn()?;
        let one = |sql: &str| -> Result<Option<i64>> {
            let found =
                conn.prepare_cached(sql)?.query_row(params![outage.service, outage.started_at.0], |row| row.get(0));
            Ok(found.optional()?)
        };
        Ok((
            one("SELECT o.id FROM outage o JOIN service s ON s.id = o.service_id
                 WHERE s.name = ?1 AND o.started_at < ?2 AND o.confirmed_at IS NOT NULL
                 ORDER BY o.started_at DESC LIMIT 1")?,
            one("SELECT o.id FROM outage o JOIN service s ON s.id = o.service_id
                 WHERE s.name = ?1 AND o.started_at > ?2 AND o.confirmed_at IS NOT NULL
                 ORDER BY o.started_at LIMIT 1")?,
        ))
    }

    /// Each change of cause while it lasted, oldest first.
    pub fn cause_changes(&self, outage: i64) -> Result<Vec<CauseChange>> {
        outages::cause_changes(&*self.conn()?, outage)
    }

    /// Outages of other services that failed with this one, by start.
    pub fn failed_with(&self, outage: &Outage) -> Result<Vec<Outage>> {
        outages::failed_with(&*self.conn()?, outage)
    }

    /// The gaps of one service that overlap the window, oldest first, with the one that lasts at `now`. The time before
    /// its first result is not among them.
    pub fn gaps(&self, service: ServiceId, window: Window, now: UnixMs) -> Result<Vec<Gap>> {
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        match services::by_id(&tx, service)? {
            Some(service) => life::gaps(&tx, &service, window, now),
            None => Ok(Vec::new()),
        }
    }

    /// The maintenance of one service that shares time with the window: what figures leave out.
    pub fn maintenance(&self, service: ServiceId, window: Window) -> Result<Overlay> {
        maintenance::overlay(&*self.conn()?, service, window, Which::All)
    }

    /// Every window of maintenance that shares time with `window`, or with `None` every one there is, in the order of
    /// time; those that were taken back are among them.
    pub fn maintenance_log(&self, window: Option<Window>) -> Result<Vec<Maintenance>> {
        maintenance::list(&*self.conn()?, window)
    }

    /// The first result of a service that is kept.
    pub fn first_check_at(&self, service: ServiceId) -> Result<Option<UnixMs>> {
        let mut conn = self.conn()?;
        Walk::over(service).first_at(&*conn.transaction()?)
    }

    /// Runs the stored results of a service through the state machine again, with other thresholds.
    pub fn replay(&self, service: ServiceId, window: Window, rules: Rules, now: UnixMs) -> Result<Option<Replayed>> {
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        match services::by_id(&tx, service)? {
            Some(service) => replay::service(&tx, &service, window, rules, now).map(Some),
            None => Ok(None),
        }
    }

    /// The latest run of the monitor.
    pub fn last_run(&self) -> Result<Option<Run>> {
        life::last_run(&*self.conn()?)
    }

    /// The oldest event of a channel that is not settled, due or not; `settled` are those that are and whose commit is
    /// still to come.
    pub fn next_event(&self, channel: &str, settled: &dyn Fn(&str) -> bool) -> Result<Option<DueEvent>> {
        outbox::next(&*self.conn()?, channel, settled)
    }
}

/// Checks that say what is usual, at most.
const USUAL_OF: usize = 10_000;

/// The passed checks of a window with the times of their phases.
fn timed(service: ServiceId, window: Window) -> Walk {
    Walk::over(service).from(window.from()).before(window.to()).only(Outcomes::PASSED).with(Need::Phases)
}

/// The next of the bucket sizes that divide a day, or whole days.
fn nice_hours(ms: i64) -> i64 {
    let hours = (ms + HOUR_MS - 1) / HOUR_MS;
    match [1, 2, 3, 4, 6, 8, 12, 24].into_iter().find(|&nice| nice >= hours) {
        Some(nice) => nice * HOUR_MS,
        None => (ms + DAY_MS - 1) / DAY_MS * DAY_MS,
    }
}

/// Moves the ends of a window out to what is kept: whole hours before `rows_from`, whole days before `hours_from`.
fn widen(conn: &Connection, service: ServiceId, window: Window, now: UnixMs) -> Result<Window> {
    Ok(super::retention::kept(conn, service)?.widen(window, now))
}

/// Fills the buckets: whole days and hours from rollups where they stand and where buckets are not finer, the rest from
/// the rows.
fn buckets(conn: &Connection, service: ServiceId, mut buckets: Buckets, now: UnixMs) -> Result<Buckets> {
    let window = buckets.window();
    let maintenance = maintenance::overlay(conn, service, window, Which::All)?;
    let rolled_until = services::by_id(conn, service)?.and_then(|s| s.rolled_until);
    let coarse = buckets.size_ms() >= HOUR_MS
        && (buckets.size_ms() == window.length_ms()
            || (buckets.size_ms() % HOUR_MS == 0 && window.from() == window.from().floor(HOUR_MS)));
    let hours = match rolled_until {
        Some(until) if coarse => Window::new(window.from().ceil(HOUR_MS), window.to().floor(HOUR_MS).min(until)),
        _ => None,
    };
    let Some(hours) = hours else {
        return Ok(rows(conn, service, buckets, window, now)?.lay(&maintenance));
    };
    // Days only where no bucket's edge lies inside one.
    let whole_days = buckets.size_ms() == window.length_ms()
        || (buckets.size_ms() % DAY_MS == 0 && window.from() == window.from().floor(DAY_MS));
    let days = if whole_days { Window::new(hours.from().ceil(DAY_MS), hours.to().floor(DAY_MS)) } else { None };
    let mut merge = |size: Size, part: Option<Window>| match part {
        Some(part) => {
            rollups::each(conn, size, service, part, Latency::Read, |start, tally| buckets.merge(start, &tally))
        }
        None => Ok(()),
    };
    match days {
        Some(days) => {
            merge(Size::Hour, Window::new(hours.from(), days.from()))?;
            merge(Size::Day, Some(days))?;
            merge(Size::Hour, Window::new(days.to(), hours.to()))?;
        }
        None => merge(Size::Hour, Some(hours))?,
    }
    for edge in [Window::new(window.from(), hours.from()), Window::new(hours.to(), window.to())].into_iter().flatten() {
        buckets = rows(conn, service, buckets, edge, now)?;
    }
    Ok(buckets.lay(&maintenance))
}

fn rows(conn: &Connection, service: ServiceId, buckets: Buckets, part: Window, now: UnixMs) -> Result<Buckets> {
    let mut seen: Vec<Observation> = Vec::new();
    let maintenance = results::walk(conn, service, part, |row| seen.push(row))?;
    Ok(buckets.fill(part, seen, &maintenance, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::Pool;

    /// It never ends by itself.
    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    fn reader() -> (tempfile::TempDir, Reader) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        drop(schema::open_writer(&path).unwrap());
        let reader = Reader::open(&path).unwrap();
        (folder, reader)
    }

    #[tokio::test]
    async fn a_question_ends_when_nobody_waits_for_its_answer_any_more() {
        let ((_folder, reader), pool) = (reader(), Pool::new("test", 1, 1));
        let (begun, begins) = tokio::sync::oneshot::channel();
        let asked = reader.clone();
        let question = pool.run(move |cancellation| {
            let mut conn = asked.until(cancellation).conn().unwrap();
            let tx = conn.transaction().unwrap();
            begun.send(()).unwrap();
            tx.query_row(ENDLESS, [], |row| row.get::<_, i64>(0))
        });
        begins.await.unwrap();
        drop(question);
        // The thread is free again, and so is the connection, which others can use.
        let after = pool.run(move |cancellation| {
            let reader = reader.until(cancellation);
            let of_one = reader.conn().unwrap().is_autocommit();
            (of_one, reader.id().is_ok())
        });
        assert_eq!(after.unwrap().await.unwrap(), (true, true));
    }

    #[test]
    fn nothing_is_asked_for_somebody_who_has_given_up() {
        let (_folder, reader) = reader();
        let cancellation = Cancellation::default();
        let asked = reader.until(&cancellation);
        assert!(asked.id().is_ok());
        cancellation.cancel();
        assert!(matches!(asked.id(), Err(StoreError::GivenUp)));
        assert!(reader.id().is_ok(), "others are not meant");
    }
}
