//! When to stop: signals, and a token that everything that loops watches.

use tokio::sync::watch;

/// Says that the program is to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Tells every [`Shutdown`] made from it.
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
