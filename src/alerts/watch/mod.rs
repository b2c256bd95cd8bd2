//! What channels are notified of beside incidents: looks every quarter of a minute at what is known now, and announces
//! what is due. One file for each kind.
//!
//! The id of an event follows from what happened, so that it is announced once, whatever restarts. A round in which
//! nothing is wrong goes over the live state in memory and makes one small query, however many services there are.

mod certificate;
mod channels;
mod degraded;
mod flapping;
mod gap;
mod ledger;
mod round;
mod slo;

use self::{gap::Observed, ledger::Ledger, round::Round, slo::Spending};
use super::Context;
use crate::{config::AlertRules, shutdown::Shutdown, store::Result, threads::Pool};
use std::time::Duration;
use tokio::time::sleep;

pub use gap::Runs;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(15);

/// Looks and announces until shutdown.
pub async fn run(context: Context, rules: AlertRules, runs: Runs, mut shutdown: Shutdown) {
    // A thread of its own, that gives way: neither checks nor messages wait for it.
    let thread = Pool::new("watch", 1, 1).giving_way();
    let mut watch = Watch::new(context.clone(), rules.clone(), runs);
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = sleep(EVERY) => {}
        }
        let round = thread.run(move |_| {
            watch.round();
            watch
        });
        watch = match round {
            Ok(round) => match round.await {
                Ok(watch) => watch,
                Err(panic) => {
                    tracing::error!("looking for what channels are to be notified of panicked: {panic}");
                    Watch::new(context.clone(), rules.clone(), runs)
                }
            },
            Err(_busy) => Watch::new(context.clone(), rules.clone(), runs),
        };
    }
}

/// What is remembered from round to round.
struct Watch {
    context: Context,
    rules: AlertRules,
    /// `None` until it could be read.
    ledger: Option<Ledger>,
    observed: Observed,
    spending: Spending,
    warned: bool,
}

impl Watch {
    fn new(context: Context, rules: AlertRules, runs: Runs) -> Watch {
        Watch {
            context,
            rules,
            ledger: None,
            observed: Observed::new(runs),
            spending: Spending::default(),
            warned: false,
        }
    }

    fn round(&mut self) {
        match self.look() {
            Ok(()) => self.warned = false,
            // While the history cannot be read there is a message about that.
            Err(error) if !self.warned => {
                self.warned = true;
                tracing::warn!("what channels are to be notified of beside incidents could not be read: {error}");
            }
            Err(_) => {}
        }
    }

    fn look(&mut self) -> Result<()> {
        let Context { reader, writer, live, clock, .. } = &self.context;
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            none => none.insert(Ledger::read(reader, writer.history_id())?),
        };
        let services = live.all();
        let (context, rules, now) = (&self.context, &self.rules, clock.now());
        let mut round = Round { context, rules, ledger, services: &services, now };
        degraded::look(&mut round);
        certificate::look(&mut round);
        channels::look(&mut round);
        flapping::look(&mut round);
        gap::look(&mut round, &mut self.observed)?;
        slo::look(&mut round, &mut self.spending)
    }
}
