//! What a service reports, what becomes of it, and whom a token belongs to.

use crate::{domain::check::Outcome, probe::push::TokenHash};
use std::time::Duration;
use subtle::ConditionallySelectable;
use tokio::sync::{mpsc, oneshot};

/// Reports of one service that wait for their turn.
const WAITING: usize = 16;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A run begins.
    Start,
    /// Something is to be kept, should the run fail.
    Log,
    Passed,
    Failed,
    /// A command ended with this exit code, which is not 0.
    Exit(u8),
}

/// What a service reports. Its texts are fit to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushReport {
    pub event: Event,
    /// Which of several runs it is about.
    pub run: Option<String>,
    /// How long it took, where the service says it.
    pub took: Option<Duration>,
    pub message: Option<String>,
    pub log: Option<String>,
}

/// What becomes of a report.
#[derive(Debug)]
pub enum Taken {
    /// It is a result; the receiver resolves when that is committed.
    Recorded { outcome: Outcome, written: oneshot::Receiver<()> },
    /// It is a result that is shown, and for which the history has no room.
    NoRoom { outcome: Outcome },
    /// It is remembered until the run ends.
    Noted,
    /// There were too many: it counts for nothing, and the next one does after this time.
    TooMany(Duration),
}

/// A report, and who waits for what becomes of it.
#[derive(Debug)]
pub(in crate::scheduler) struct Delivery {
    pub(super) report: PushReport,
    pub(super) taken: oneshot::Sender<Taken>,
}

/// Where the reports of a service arrive.
pub(in crate::scheduler) fn inbox() -> (mpsc::Sender<Delivery>, mpsc::Receiver<Delivery>) {
    mpsc::channel(WAITING)
}

/// A service that reports by itself.
#[derive(Debug)]
pub struct PushService {
    pub name: String,
    token: TokenHash,
    /// `None` while the service is paused.
    inbox: Option<mpsc::Sender<Delivery>>,
}

impl PushService {
    pub(in crate::scheduler) fn new(
        name: String,
        token: TokenHash,
        inbox: Option<mpsc::Sender<Delivery>>,
    ) -> PushService {
        PushService { name, token, inbox }
    }

    /// Whether its reports count for nothing, because it is not enabled.
    pub fn is_paused(&self) -> bool {
        self.inbox.is_none()
    }

    /// Takes a report in; `None` where the monitor is stopping.
    pub async fn take(&self, report: PushReport) -> Option<Taken> {
        let (taken, answer) = oneshot::channel();
        self.inbox.as_ref()?.send(Delivery { report, taken }).await.ok()?;
        answer.await.ok()
    }
}

/// The services that report by themselves.
#[derive(Default, Debug)]
pub struct Pushes(Vec<PushService>);

impl Pushes {
    pub(in crate::scheduler) fn add(&mut self, service: PushService) {
        self.0.push(service);
    }

    /// The service that has this token. It takes as long for any token.
    pub fn find(&self, token: &str) -> Option<&PushService> {
        let given = TokenHash::of(token);
        let mut found = u32::MAX;
        for (index, service) in (0..).zip(&self.0) {
            found.conditional_assign(&index, service.token.is(&given));
        }
        self.0.get(found as usize)
    }
}
