//! When to stop: signals, and a token that everything that loops watches. And how a loop goes on that breaks before.

use futures_util::FutureExt;
use std::{any::Any, panic::AssertUnwindSafe, time::Duration};
use tokio::{sync::watch, time::Instant};

/// The first pause after a panic; doubled at each further one,
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Says that the program is to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Notifies every [`Shutdown`] made from it.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// A trigger and what it triggers.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Says stop.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns once the program is to stop (or nobody is left to say so).
    pub async fn requested(&mut self) {
        let _ = self.0.wait_for(|&stop| stop).await;
    }

    /// Whether the program is to stop.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// How a loop that panicked goes on: the log reports the panic once, and the loop restarts after a pause.
#[derive(Debug)]
pub(crate) struct Restarts {
    /// Panics since it last went well.
    in_a_row: u32,
}

impl Restarts {
    pub(crate) const NONE: Restarts = Restarts { in_a_row: 0 };

    /// The loop of `what` panicked. Returns when it is to be started again; `false`: never.
    pub(crate) async fn after(&mut self, what: &str, panic: Box<dyn Any + Send>, shutdown: &mut Shutdown) -> bool {
        if self.in_a_row == 0 {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            tracing::error!("the loop of {what} panicked and is restarted: {said}");
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.in_a_row.min(10)).min(LONGEST_PAUSE);
        self.in_a_row = self.in_a_row.saturating_add(1);
        tokio::select! {
            biased;
            () = shutdown.requested() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// The loop of `what` does what it is for.
    pub(crate) fn went_well(&mut self, what: &str) {
        if self.in_a_row > 0 {
            tracing::info!(restarts = self.in_a_row, "the loop of {what} runs again");
            self.in_a_row = 0;
        }
    }
}

/// Runs a loop that ends with the program, and starts it again where it panics.
pub(crate) async fn restarting<F: Future<Output = ()>>(
    what: impl Into<String>,
    mut shutdown: Shutdown,
    mut start: impl FnMut(Shutdown) -> F,
) {
    let (what, mut restarts) = (what.into(), Restarts::NONE);
    loop {
        let started = Instant::now();
        match AssertUnwindSafe(async { start(shutdown.clone()).await }).catch_unwind().await {
            Ok(()) => return,
            Err(panic) => {
                if started.elapsed() > LONGEST_PAUSE {
                    restarts.went_well(&what);
                }
                if !restarts.after(&what, panic, &mut shutdown).await {
                    return;
                }
            }
        }
    }
}

/// Listens from now on; the future gives the name of the first SIGTERM, SIGINT or SIGQUIT. What would end a program that
/// does not listen, and asks for nothing here, is logged and ignored: SIGHUP (the terminal is gone), SIGUSR1 and SIGUSR2.
///
/// # Errors
/// When a handler cannot be installed.
pub fn signals() -> std::io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (mut quit, mut hangup) = (signal(SignalKind::quit())?, signal(SignalKind::hangup())?);
    let (mut user1, mut user2) = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
    Ok(async move {
        loop {
            let ignored = tokio::select! {
                _ = terminate.recv() => return "SIGTERM",
                _ = interrupt.recv() => return "SIGINT",
                _ = quit.recv() => return "SIGQUIT",
                _ = hangup.recv() => "SIGHUP",
                _ = user1.recv() => "SIGUSR1",
                _ = user2.recv() => "SIGUSR2",
            };
            tracing::info!("{ignored} is ignored: SIGTERM, SIGINT or SIGQUIT stops the service");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_is_started_again_after_growing_pauses_and_ends_with_the_program() {
        let (trigger, token) = channel();
        let (begin, starts) = (Instant::now(), RefCell::new(Vec::new()));
        restarting("a loop", token, async |mut shutdown: Shutdown| {
            starts.borrow_mut().push(begin.elapsed().as_secs());
            let starts = starts.borrow().len();
            assert!(starts >= 9, "a seam that gave way");
            if starts == 9 {
                tokio::time::sleep(2 * LONGEST_PAUSE).await;
                panic!("once more");
            }
            trigger.fire();
            shutdown.requested().await;
        })
        .await;
        // A loop that went well for a while begins with the shortest pause again.
        assert_eq!(*starts.borrow(), [0, 1, 3, 7, 15, 31, 63, 123, 183, 304]);
    }
}
