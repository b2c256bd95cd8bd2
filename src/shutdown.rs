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

/// Listens from now on; the future gives the name of the first SIGTERM or SIGINT.
///
/// # Errors
/// When a handler cannot be installed.
pub fn signals() -> std::io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
