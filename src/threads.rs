//! Threads for work that blocks: a pool for each purpose, so that none takes the threads of another.
//!
//! The runtime has one pool of such threads for all. Where commits, name lookups and the questions of readers share it,
//! readers who ask enough make the first two wait.

use std::{
    any::Any,
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    task::{Context, Poll, ready},
    thread,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    runtime::{Builder, Handle, Runtime, RuntimeFlavor},
    sync::oneshot,
    task::JoinHandle,
};

/// A thread that has had nothing to do for this long ends, unless it is the last one of its pool.
const IDLE: Duration = Duration::from_secs(10);
/// Threads of a runtime aside, at most.
const ASIDE: usize = 4;
/// How much threads give way: a third of what the others get, where there is not enough for all.
const NICE: i32 = 5;

/// A bounded number of threads and a bounded queue before them. Cheap to clone; the threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Owner>);

/// Why work was not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("too many tasks at once")]
pub struct Busy;

/// The work panicked; its message.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct Broken(String);

impl From<Busy> for Broken {
    fn from(busy: Busy) -> Broken {
        Broken(busy.to_string())
    }
}

/// Notifies work that nobody waits for its outcome any more.
#[derive(Clone, Default, Debug)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub fn cancel(&self) {
        self.0.store(true, Relaxed);
    }
}

/// How much a pool has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    pub running: usize,
    pub waiting: usize,
}

impl Pool {
    /// At most so many threads, which are started when they are needed, and so many pieces of work that wait for one.
    pub fn new(name: &'static str, threads: usize, queue: usize) -> Pool {
        let shared = Shared {
            name,
            threads: threads.max(1),
            queue,
            gives_way: AtomicBool::new(false),
            state: Mutex::default(),
            work: Condvar::new(),
        };
        Pool(Arc::new(Owner(Arc::new(shared))))
    }

    /// The same, with threads that give way to those of checks and commits where there is more to do than processors.
    #[must_use]
    pub fn giving_way(self) -> Pool {
        self.shared().gives_way.store(true, Relaxed);
        self
    }

    /// One thread that is there from the beginning to the end, and whatever waits for it.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn single(name: &'static str) -> io::Result<Pool> {
        let pool = Pool::new(name, 1, usize::MAX / 2);
        pool.shared().start(&mut pool.shared().state())?;
        Ok(pool)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// Has one of the threads do this. Where the outcome is dropped before it has come, work that waits is not begun, and
    /// work under way is notified.
    ///
    /// # Errors
    /// When all threads are busy and the queue is full: at once, before any thread is taken.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancellation) -> T + Send + 'static,
    ) -> Result<Outcome<T>, Busy> {
        let (cancellation, runtime) = (Cancellation::default(), Handle::try_current().ok());
        let (told, clock) = (cancellation.clone(), hold_clock(runtime.as_ref()));
        let (answer, coming) = oneshot::channel();
        let job = Box::new(move || {
            let _runtime = runtime.as_ref().map(Handle::enter);
            let done = catch_unwind(AssertUnwindSafe(|| work(&told))).map_err(|panic| Broken(message(&*panic)));
            // Nobody waits any more, perhaps.
            let _ = answer.send(done);
            drop(clock);
        });
        let ticket = self.shared().submit(job)?;
        Ok(Outcome { coming, ticket, cancellation, shared: self.shared().clone() })
    }

    /// How much it has to do now.
    pub fn load(&self) -> Load {
        let state = self.shared().state();
        Load { running: state.running, waiting: state.waiting.len() }
    }
}

/// What comes of a piece of work.
#[derive(Debug)]
pub struct Outcome<T> {
    coming: oneshot::Receiver<Result<T, Broken>>,
    ticket: u64,
    cancellation: Cancellation,
    shared: Arc<Shared>,
}

impl<T> Future for Outcome<T> {
    type Output = Result<T, Broken>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Broken>> {
        let done = ready!(Pin::new(&mut self.coming).poll(context));
        Poll::Ready(done.unwrap_or_else(|_| Err(Broken("the program is ending".to_owned()))))
    }
}

impl<T> Drop for Outcome<T> {
    fn drop(&mut self) {
        self.cancellation.cancel();
        // What it holds is let go of after the lock.
        let unbegun = self.shared.state().waiting.remove(&self.ticket);
        drop(unbegun);
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads hold what they share, and their pool this.
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.work.notify_all();
    }
}

struct Shared {
    name: &'static str,
    threads: usize,
    queue: usize,
    gives_way: AtomicBool,
    state: Mutex<State>,
    /// Rings when there is something to do.
    work: Condvar,
}

#[derive(Default)]
struct State {
    /// By their tickets, and so in their order.
    waiting: BTreeMap<u64, Job>,
    next_ticket: u64,
    running: usize,
    /// Threads that there are, and those among them that have nothing to do.
    threads: usize,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<u64, Busy> {
        let mut state = self.state();
        if state.running + state.waiting.len() >= self.threads.saturating_add(self.queue) {
            return Err(Busy);
        }
        if state.waiting.len() >= state.idle
            && state.threads < self.threads
            && let Err(error) = self.start(&mut state)
        {
            tracing::warn!("a thread could not be started ({}): {error}", self.name);
            if state.threads == 0 {
                return Err(Busy);
            }
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.insert(ticket, job);
        drop(state);
        self.work.notify_one();
        Ok(ticket)
    }

    fn start(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let shared = self.clone();
        thread::Builder::new().name(self.name.to_owned()).spawn(move || shared.work())?;
        state.threads += 1;
        Ok(())
    }

    fn work(&self) {
        if self.gives_way.load(Relaxed) {
            give_way();
        }
        let mut state = self.state();
        loop {
            if let Some((_, job)) = state.waiting.pop_first() {
                state.running += 1;
                drop(state);
                job();
                state = self.state();
                state.running -= 1;
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, waited) = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.waiting.is_empty() && state.threads > 1 {
                break;
            }
        }
        state.threads -= 1;
    }
}

/// Has the calling thread give way to the others of this process (`nice`), for good.
pub fn give_way() {
    use rustix::process::{getpriority_process, setpriority_process};
    // Linux has a priority for each thread, and means the one that asks.
    if getpriority_process(None).is_ok_and(|nice| nice < NICE) {
        let _ = setpriority_process(None, NICE);
    }
}

/// Runs something to its end on a runtime of its own with threads that give way: what it has to do with the processor
/// delays no check. A runtime of one thread, as tests have it, runs it itself.
///
/// # Errors
/// When the system has no threads for it.
pub fn run_aside(name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(tokio::spawn(work));
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(thread::available_parallelism().map_or(1, usize::from).min(ASIDE))
        .thread_name(name)
        .on_thread_start(give_way)
        .enable_all()
        .build()?;
    let (done, runtime) = (runtime.spawn(work), Aside(Some(runtime)));
    Ok(tokio::spawn(async move {
        let _ = done.await;
        drop(runtime);
    }))
}

/// A runtime that ends without being waited for, wherever it is dropped.
struct Aside(Option<Runtime>);

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Keeps a clock that jumps ahead whenever there is nothing to do from doing so until this is dropped. Tests have such a
/// clock, on a runtime of one thread; it minds the runtime's own blocking work and no other.
fn hold_clock(runtime: Option<&Handle>) -> Option<mpsc::Sender<()>> {
    let runtime = runtime.filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread)?;
    let (hold, end) = mpsc::channel();
    runtime.spawn_blocking(move || end.recv());
    Some(hold)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Work that lasts until the sender is dropped, and says when it has begun.
    async fn occupy(pool: &Pool) -> (mpsc::Sender<()>, Outcome<()>) {
        let (end, ended) = mpsc::channel::<()>();
        let (begun, begins) = oneshot::channel();
        let outcome = pool.run(move |_| {
            begun.send(()).unwrap();
            let _ = ended.recv();
        });
        begins.await.unwrap();
        (end, outcome.unwrap())
    }

    #[tokio::test]
    async fn what_finds_no_place_is_refused_at_once() {
        let pool = Pool::new("test", 1, 2);
        let (end, first) = occupy(&pool).await;
        let waiting = [pool.run(|_| 1).unwrap(), pool.run(|_| 2).unwrap()];
        assert_eq!(pool.run(|_| 3).unwrap_err(), Busy);
        assert_eq!(pool.load(), Load { running: 1, waiting: 2 });
        drop(end);
        first.await.unwrap();
        let mut done = Vec::new();
        for outcome in waiting {
            done.push(outcome.await.unwrap());
        }
        assert_eq!(done, [1, 2]);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_begun_and_its_place_is_free() {
        let pool = Pool::new("test", 1, 1);
        let (end, first) = occupy(&pool).await;
        let forgotten = pool.run(|_| panic!("it was begun")).unwrap();
        assert!(pool.run(|_| ()).is_err());
        drop(forgotten);
        let last = pool.run(|_| "done").unwrap();
        drop(end);
        first.await.unwrap();
        assert_eq!(last.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn work_under_way_is_told_that_nobody_waits_for_it() {
        let pool = Pool::new("test", 1, 1);
        let (begun, begins) = oneshot::channel();
        let endless = pool.run(|cancellation| {
            begun.send(()).unwrap();
            while !cancellation.is_cancelled() {
                thread::yield_now();
            }
        });
        begins.await.unwrap();
        drop(endless);
        assert_eq!(pool.run(|_| "next").unwrap().await.unwrap(), "next");
    }

    #[tokio::test]
    async fn a_panic_ends_the_work_and_not_the_thread() {
        let pool = Pool::single("test").unwrap();
        let broken = pool.run(|_| panic!("no {}", "way")).unwrap();
        assert_eq!(broken.await, Err::<(), _>(Broken("no way".to_owned())));
        assert_eq!(pool.run(|_| 1).unwrap().await, Ok(1));
    }

    #[tokio::test]
    async fn there_are_never_more_threads_than_allowed() {
        let pool = Pool::new("test", 3, 100);
        let (now, most) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let work = |_: u32| {
            let (now, most) = (now.clone(), most.clone());
            pool.run(move |_| {
                let mut count = now.lock().unwrap();
                *count += 1;
                let mut most = most.lock().unwrap();
                *most = (*most).max(*count);
                drop((count, most));
                thread::yield_now();
                *now.lock().unwrap() -= 1;
            })
        };
        for outcome in (0..100).map(work).collect::<Vec<_>>() {
            outcome.unwrap().await.unwrap();
        }
        assert!(*most.lock().unwrap() <= 3);
        assert_eq!(pool.load().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_ahead_waits_for_work() {
        let pool = Pool::new("test", 1, 1);
        let slow = pool.run(|_| (0..10_000).for_each(|_| thread::yield_now())).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(1), slow).await.is_ok());
    }

    #[tokio::test]
    async fn a_thread_gives_way_where_its_pool_does_and_no_other() {
        let nice = |pool: Pool| async move {
            pool.run(|_| rustix::process::getpriority_process(None).unwrap()).unwrap().await.unwrap()
        };
        let ours = rustix::process::getpriority_process(None).unwrap();
        assert_eq!(nice(Pool::new("test", 1, 1)).await, ours);
        assert_eq!(nice(Pool::new("test", 1, 1).giving_way()).await, NICE.max(ours));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), ours);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_runs_aside_gives_way_and_is_waited_for() {
        let ours = rustix::process::getpriority_process(None).unwrap();
        let (say, said) = oneshot::channel();
        let aside = run_aside("test", async move {
            tokio::task::yield_now().await;
            say.send(rustix::process::getpriority_process(None).unwrap()).unwrap();
        });
        aside.unwrap().await.unwrap();
        assert_eq!(said.await.unwrap(), NICE.max(ours));
    }

    #[tokio::test]
    async fn the_threads_end_with_their_pool() {
        let pool = Pool::single("test").unwrap();
        let shared = Arc::downgrade(pool.shared());
        assert_eq!(pool.run(|_| 1).unwrap().await, Ok(1));
        drop(pool);
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
