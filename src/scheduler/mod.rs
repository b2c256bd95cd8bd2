//! When checks happen: one loop per service, in shared slots, never two of one service at once. What reports by itself is
//! waited for (`push`).

mod common;
#[cfg(test)]
mod grid;
mod health;
mod judge;
mod normal;
mod pace;
mod push;
#[cfg(test)]
mod quiet;
mod recorder;
mod service_loop;
mod watch;
mod witness;

use crate::{
    clock::Clock,
    domain::{secret::Secret, service::Service},
    probe::{Probe, Shared, Spec},
    shutdown::{Shutdown, restarting},
    store::{ResumePoint, Store},
};
use chrono_tz::Tz;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use common::Common;
pub use health::{SchedulerFigures, SchedulerHealth};
pub use push::{Event, PushReport, PushService, Pushes, Taken};
pub use witness::Witnesses;

/// The longest slot. Services that are due in the same slot share one wake-up: waking up seldom is what makes checks
/// cheap.
const SLOT: Duration = Duration::from_secs(1);

/// Services at once of which it is found out why they fail.
const DIAGNOSES: usize = 8;

/// How often the watch beats.
const BEAT: Duration = Duration::from_secs(1);

/// The first checks are spread over this time, or over the interval where that is shorter.
const FIRST_CHECKS: Duration = Duration::from_secs(10);

/// A service, how it is probed, and where its loop goes on.
#[derive(Debug)]
pub struct Task {
    pub service: Service,
    pub probe: Spec,
    pub secrets: Vec<Secret>,
    pub position: ResumePoint,
}

/// What the configuration says of all checks.
#[derive(Debug)]
pub struct Rules {
    pub max_concurrent: usize,
    pub witnesses: Witnesses,
    /// In which the hours of a week have their names.
    pub zone: Tz,
}

/// The running loops.
#[derive(Debug)]
pub struct Scheduler {
    loops: JoinSet<()>,
    pub health: Arc<SchedulerHealth>,
    /// The services that report by themselves.
    pub pushes: Arc<Pushes>,
}

impl Scheduler {
    /// Starts a loop per enabled service. The first checks run within one interval, spread over it.
    ///
    /// # Errors
    /// When a probe cannot be built.
    pub fn start(
        tasks: Vec<Task>,
        rules: Rules,
        shared: &Shared,
        store: &Store,
        clock: &Clock,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Scheduler> {
        let health = Arc::new(SchedulerHealth::default());
        health.beat(clock.readings());
        let on = tasks.iter().filter(|task| task.service.enabled).flat_map(|task| task.position.depends_on.iter());
        let asked = on.map(|id| (*id, Arc::default())).collect();
        let common = Arc::new(Common {
            clock: clock.clone(),
            writer: store.writer.clone(),
            slots: Arc::new(Semaphore::new(rules.max_concurrent.max(1))),
            witnesses: rules.witnesses,
            watch: watch::Watch::new(clock),
            health: health.clone(),
            diagnoses: Arc::new(Semaphore::new(DIAGNOSES)),
            asked,
        });
        let (mut loops, mut pushes) = (JoinSet::new(), Pushes::default());
        let mut checked = Vec::new();
        for Task { service, probe, secrets, position } in tasks {
            match probe {
                Spec::Push(reports) => {
                    let (name, token, is_enabled) = (service.name.clone(), reports.token.clone(), service.enabled);
                    let (sender, inbox) = push::inbox();
                    pushes.add(PushService::new(name, token, is_enabled.then_some(sender)));
                    if is_enabled {
                        let one = push::PushLoop::new(service, *reports, position, inbox, common.clone());
                        loops.spawn(one.run(shutdown.clone()));
                    }
                }
                probe if service.enabled => checked.push(Task { service, probe, secrets, position }),
                _ => {}
            }
        }
        let (start, count) = (Instant::now(), checked.len());
        let watched = common.clone();
        loops.spawn(restarting("the watch over the clocks", shutdown.clone(), move |shutdown| {
            beat(watched.clone(), shutdown)
        }));
        let mut askings = normal::Askings::default();
        for (index, task) in checked.into_iter().enumerate() {
            let probe = Probe::new(&task.probe, task.secrets, shared)
                .map_err(|e| anyhow::anyhow!("{}: {e}", task.service.name))?;
            let slot = offset(&task.service, index, count);
            let first = start + slot.min(first_check(index, count));
            let mut one = service_loop::ServiceLoop::new(task.service, probe, task.position, common.clone());
            one.compare_with_past(&mut askings, rules.zone);
            one.look_back(&store.reader);
            loops.spawn(one.run(first, start + slot, shutdown.clone()));
        }
        if let Some(askings) = askings.into_all() {
            let (reader, clock) = (store.reader.clone(), clock.clone());
            loops.spawn(restarting("what is normal", shutdown.clone(), move |shutdown| {
                normal::keep(askings.clone(), reader.clone(), clock.clone(), shutdown)
            }));
        }
        Ok(Scheduler { loops, health, pushes: Arc::new(pushes) })
    }

    /// Waits until the loops have ended, at most until `deadline`; checks that are still under way then are dropped.
    pub async fn stop(mut self, deadline: Instant) {
        let all = async { while self.loops.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, all).await.is_err() {
            tracing::warn!("the deadline of the stop has passed: checks that were still running are dropped");
            self.loops.shutdown().await;
        }
    }
}

async fn beat(common: Arc<Common>, mut shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = shutdown.requested() => return,
        }
        common.health.beat(common.watch.look(&common.clock, &common.writer));
    }
}

/// Where in its interval a service is checked: spread evenly, then moved to the slot's beginning.
fn offset(service: &Service, index: usize, count: usize) -> Duration {
    let interval = Duration::from_millis(service.cadence.interval_ms.unsigned_abs());
    let slot = SLOT.min(interval / 4).max(Duration::from_millis(1));
    let exact = interval.mul_f64(index as f64 / count.max(1) as f64);
    slot * (exact.as_micros() / slot.as_micros()) as u32
}

/// When a service is checked for the first time at the latest: who starts a monitor wants to see something, also of a
/// service that is checked once an hour.
fn first_check(index: usize, count: usize) -> Duration {
    let exact = FIRST_CHECKS.mul_f64(index as f64 / count.max(1) as f64);
    SLOT * (exact.as_micros() / SLOT.as_micros()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::{CheckSchedule, Kind, Thresholds};

    #[test]
    fn first_checks_are_spread_over_one_interval_in_shared_slots() {
        let service = Service {
            name: "a".into(),
            group: None,
            description: None,
            kind: Kind::Http,
            target: String::new().into(),
            critical: true,
            enabled: true,
            cadence: CheckSchedule { interval_ms: 10_000, timeout_ms: 5_000, retry_interval_ms: 2_000 },
            thresholds: Thresholds { failure: 3, success: 2 },
            degraded_after_ms: None,
            is_degraded_when_unusual: false,
            at_most: None,
            objective: None,
        };
        let offsets: Vec<u128> = (0..1000).map(|i| offset(&service, i, 1000).as_millis()).collect();
        assert!(offsets.iter().all(|ms| ms % 1000 == 0 && *ms < 10_000));
        assert_eq!(offsets.iter().filter(|ms| **ms == 3000).count(), 100);
        assert_eq!(offset(&service, 0, 1), Duration::ZERO);
    }
}
