//! The whole product in the test's process, on a clock that stands still until the test moves it.
//!
//! Real sockets and a moving virtual clock do not go together by themselves: a clock that runs ahead whenever nothing can
//! be done would run past every answer that is on its way. So the world moves in ticks and lets every check under way
//! come to its end before the next one, but for those that its target leaves hanging.

use super::{
    history::{self, Answer},
    target::Target,
};
use healthcheck_dashboard::{app::App, clock::Clock, config, domain::time::UnixMs};
use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

const TICK_MS: i64 = 100;
/// A check that is still under way after this much real time will never end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much real time a commit is given before time goes on: the writer may have begun to gather later than it seems.
const COMMIT: Duration = Duration::from_millis(200);

/// How much real time of every tick alerts on their way are given.
const DELIVERY: Duration = Duration::from_micros(500);

/// The product, its target, and the time. Needs a runtime with `start_paused`.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) target: Target,
    app: Option<App>,
    config: String,
    folder: TempDir,
    /// Commits so far, and the ticks since then in which results waited for the next one.
    overdue: Cell<(u64, u32)>,
    /// How many checks wait in vain for something else than the target.
    left_hanging: Box<dyn Fn() -> usize>,
    /// While a blocking task runs, the runtime does not move its clock by itself.
    _brake: std::sync::mpsc::Sender<()>,
}

/// Monday, midnight.
pub(crate) fn begin() -> UnixMs {
    UnixMs::parse("2026-11-16T00:00:00Z").unwrap()
}

impl World {
    /// Starts the product with this configuration, in which `TARGET` stands for the target's address.
    pub(crate) async fn start(config: &str) -> World {
        let (brake, held) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || held.recv());
        let clock = Clock::pinned(begin());
        let target = Target::start(clock.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        let config = config.to_owned();
        let (overdue, left_hanging) = (Cell::default(), Box::new(|| 0));
        let mut world = World { clock, target, app: None, config, folder, overdue, left_hanging, _brake: brake };
        world.run().await;
        world
    }

    async fn run(&mut self) {
        let text = self.config.replace("TARGET", &self.target.address.to_string());
        let mut config = config::parse(&text, Path::new("config.toml"), &|_| None).unwrap();
        config.storage.path = self.path();
        config.dashboard.bind = [127, 0, 0, 1].into();
        config.dashboard.port = 0;
        self.app = Some(App::start(config, self.clock.clone()).await.unwrap());
        self.settle().await;
    }

    pub(crate) fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    /// A connection of our own to the history.
    pub(crate) fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    /// Stops it as a signal would.
    pub(crate) async fn stop(&mut self) {
        let stopping = tokio::spawn(self.app.take().unwrap().stop());
        while !stopping.is_finished() {
            tokio::time::advance(Duration::from_millis(TICK_MS as u64)).await;
            // The last commits are made in real time: a tick is worth some of it.
            let since = std::time::Instant::now();
            while since.elapsed() < Duration::from_millis(10) && !stopping.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        stopping.await.unwrap();
    }

    /// Starts it again after a stop, with this configuration.
    pub(crate) async fn start_again_with(&mut self, config: &str) {
        config.clone_into(&mut self.config);
        self.run().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.run().await;
    }

    /// From now on so many checks are not waited for, beside those that the target leaves hanging.
    pub(crate) fn leave_hanging(&mut self, count: impl Fn() -> usize + 'static) {
        self.left_hanging = Box::new(count);
    }

    /// Seconds since the beginning.
    pub(crate) fn now(&self) -> f64 {
        self.clock.now().since(begin()) as f64 / 1000.0
    }

    /// Checks that were started and whose results were not handed over yet.
    fn under_way(&self) -> i64 {
        let Some(app) = &self.app else { return 0 };
        let (pulse, writer) = (app.site.scheduler.figures(), app.site.writer.figures());
        (pulse.started + pulse.missed) as i64 - (writer.committed + writer.dropped) as i64 - writer.waiting as i64
    }

    /// Lets everything that can happen now happen.
    async fn settle(&self) {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let since = std::time::Instant::now();
        while self.under_way() > (self.target.hanging() + (self.left_hanging)()) as i64 {
            tokio::task::yield_now().await;
            assert!(since.elapsed() < PATIENCE, "{} checks do not end", self.under_way());
        }
        while self.commit_under_way() && since.elapsed() < COMMIT {
            tokio::task::yield_now().await;
        }
        // An alert on its way is seen by nobody but its receiver: it gets a moment of every tick.
        while self.config.contains("[alerts]") && since.elapsed() < DELIVERY {
            tokio::task::yield_now().await;
        }
        if since.elapsed() >= COMMIT {
            let (commits, _) = self.overdue.get();
            self.overdue.set((commits, 0));
        }
    }

    /// Whether results have waited for longer than the writer gathers, so that their commit must have begun.
    fn commit_under_way(&self) -> bool {
        let Some(app) = &self.app else { return false };
        let (figures, (commits, ticks)) = (app.site.writer.figures(), self.overdue.get());
        if figures.waiting == 0 || figures.commits != commits || app.site.writer.trouble().is_some() {
            self.overdue.set((figures.commits, 0));
        }
        figures.waiting > 0 && ticks > 3 && self.overdue.get().1 > 0
    }

    async fn tick(&self) {
        tokio::time::advance(Duration::from_millis(TICK_MS as u64)).await;
        let (commits, ticks) = self.overdue.get();
        self.overdue.set((commits, ticks + 1));
        self.settle().await;
    }

    /// Lets so many seconds pass.
    pub(crate) async fn pass(&self, seconds: f64) {
        for _ in 0..(seconds * 1000.0 / TICK_MS as f64).round() as i64 {
            self.tick().await;
        }
    }

    /// Lets time pass until something holds, an hour at most.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&World) -> bool) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for _ in 0..36_000 {
                if holds(self) {
                    return;
                }
                self.tick().await;
            }
            panic!("{caller}: {what} does not come");
        }
    }

    /// Returns when every result that was made is committed; time passes.
    pub(crate) async fn committed(&self) {
        self.until("the commit", |world| world.app().site.writer.figures().waiting == 0).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        history::get(&self.app().site, path).await
    }
}
