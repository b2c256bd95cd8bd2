//! The product with a service for each fault: all are well, all break, all are well again; and what it made of it.

use super::{
    bench::{Bench, in_vain},
    fault::{Expected, Fault, Port},
};
use crate::support::{history::ask, net::own_port, world::World};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::{
    domain::{check::Class, status::Status},
    live::ServiceNow,
};
use std::{fmt::Write, net::SocketAddr, path::Path, sync::Arc};

/// What `[checks]` says. A timeout is waited for in each of three checks: this one is short, so that what hangs is
/// confirmed as soon as what fails.
const CHECKS: &str = "[checks]\ninterval_secs = 10\ntimeout_secs = 0.5\n";

/// One interval and five seconds.
pub(super) const BOUND: f64 = 15.0;

/// The file of the authority, in the folder of a run.
pub(super) const CA: &str = "authority.pem";

/// What the job of this fault reports with.
fn token(n: usize) -> String {
    format!("laboratory-token-{n:04}")
}

/// What became of a fault in one run.
#[derive(Default, Debug)]
pub(super) struct Run {
    /// Seconds from the fault until it was shown, and from its end until the service was shown as up.
    pub(super) confirmed: Option<f64>,
    pub(super) recovered: Option<f64>,
    /// Of the first failure and of the last one before it was confirmed, with the message.
    pub(super) said: Vec<(Class, String)>,
}

impl Run {
    /// What is wrong with it.
    pub(super) fn wrong(&self, expected: Expected) -> Option<String> {
        let class = match expected {
            // That it was up all the time is held by what is a false alarm.
            Expected::Up => return None,
            Expected::Down(class) | Expected::Degraded(class) | Expected::Flapping(class) => class,
        };
        let late = |seconds: Option<f64>| seconds.is_none_or(|seconds| seconds > BOUND);
        let (late, wrong) = (late(self.confirmed) || late(self.recovered), self.said.iter().any(|(c, _)| *c != class));
        (late || wrong).then(|| format!("expected {expected:?} within {BOUND} s: {self:?}"))
    }
}

/// What became of all faults.
pub(super) struct Scores {
    /// By fault, each run.
    pub(super) runs: Vec<Vec<Run>>,
    /// What was held against services that were well.
    pub(super) false_alarms: Vec<String>,
}

impl Scores {
    /// These, and those of faults that follow.
    pub(super) fn and(mut self, more: Scores) -> Scores {
        self.runs.extend(more.runs);
        self.false_alarms.extend(more.false_alarms);
        self
    }
}

/// Runs all faults at once, beside so many services that are well throughout, as often as there are pauses, of so many seconds, before they come.
pub(super) async fn run(faults: &[Fault], folder: &Path, controls: usize, pauses: &[f64]) -> Scores {
    let (mut config, mut benches) = (CHECKS.to_owned(), Vec::new());
    // Where these are well throughout.
    let mut beside = Vec::new();
    for (n, fault) in faults.iter().enumerate() {
        let port = own_port();
        let at = |host: &str| SocketAddr::new(host.parse().unwrap(), port);
        let keys = fault.keys.replace("ADDRESS", &at(fault.at).to_string()).replace("PORT", &port.to_string());
        let keys = keys.replace("CA", folder.join(CA).to_str().unwrap()).replace("TOKEN", &token(n));
        let keys = keys.replace("PROGRAM", folder.join(format!("{port}.sh")).to_str().unwrap());
        writeln!(config, "[[checks.endpoints]]\nname = \"{n}\"\n{keys}").unwrap();
        benches.push(Bench::start(at(fault.at), folder, fault.well.clone()));
        beside.extend(fault.beside.map(|host| Bench::start(at(host), folder, fault.well.clone())));
    }
    for n in 0..controls {
        writeln!(config, "[[checks.endpoints]]\nname = \"well {n}\"\nurl = \"http://TARGET/{n}\"\n").unwrap();
    }
    let benches = Arc::new(benches);
    let mut world = World::start(&config).await;
    let there = Arc::clone(&benches);
    world.leave_hanging(move || in_vain(&there));
    let mut stand =
        Stand { faults, benches, world, switched: 0, scores: Scores { runs: Vec::new(), false_alarms: Vec::new() } };
    stand.scores.runs.resize_with(faults.len(), Vec::new);
    for _ in 0..110 {
        stand.tick().await;
    }
    for pause in pauses {
        stand.calm(*pause).await;
        stand.round().await;
    }
    drop(beside);
    stand.scores
}

struct Stand<'f> {
    faults: &'f [Fault],
    benches: Arc<Vec<Bench>>,
    world: World,
    /// When all began to behave as they do, in milliseconds.
    switched: i64,
    scores: Scores,
}

impl Stand<'_> {
    /// Every service, those with a fault first.
    fn services(&self) -> Vec<(Status, Arc<ServiceNow>)> {
        let now = self.world.clock.now();
        let mut all = self.world.app().site.live.all();
        all.sort_by_key(|one| one.id);
        all.into_iter().map(|one| (one.status(now), one)).collect()
    }

    fn is_false_alarm(&mut self, status: Status, service: &ServiceNow, when: &str) {
        if status != Status::Up || service.outage.is_some() {
            let what = self.name(service);
            self.scores
                .false_alarms
                .push(format!("{what} is {status:?} {when}: {:?} {:?}", service.last, service.outage));
        }
    }

    fn name(&self, service: &ServiceNow) -> String {
        let fault = service.service.name.parse::<usize>().ok().and_then(|n| self.faults.get(n));
        fault.map_or_else(|| service.service.name.clone(), |fault| format!("{}: {}", fault.kind, fault.name))
    }

    /// A tenth of a second passes, in which jobs report what is due.
    async fn tick(&self) {
        let since = (self.world.now() * 1000.0).round() as i64 - self.switched;
        for (n, bench) in self.benches.iter().enumerate() {
            for ending in bench.reports_at(since) {
                let path = format!("/api/v1/push/{}{ending}", token(n));
                let request = Request::post(path).body(Body::empty()).unwrap();
                let site = self.world.app().site.clone();
                tokio::spawn(async move { assert_eq!(ask(&site, request).await.status, 200) });
            }
        }
        self.world.pass(0.1).await;
    }

    fn all_behave(&mut self, port: impl Fn(&Fault) -> &Port) {
        self.benches.iter().zip(self.faults).for_each(|(bench, fault)| bench.behave(port(fault)));
        self.switched = (self.world.now() * 1000.0).round() as i64;
    }

    /// So many seconds in which every service is well.
    async fn calm(&mut self, seconds: f64) {
        for _ in 0..(seconds * 10.0) as usize {
            self.tick().await;
            for (status, service) in self.services() {
                self.is_false_alarm(status, &service, "while it is well");
            }
        }
    }

    async fn round(&mut self) {
        let mut runs: Vec<Run> = self.faults.iter().map(|_| Run::default()).collect();
        self.all_behave(|fault| &fault.broken);
        let broken = self.world.now();
        while self.world.now() < broken + BOUND + 2.0 {
            self.tick().await;
            let after = self.world.now() - broken;
            for (n, (status, service)) in self.services().into_iter().enumerate() {
                match self.faults.get(n).map(|fault| fault.expected) {
                    None | Some(Expected::Up) => self.is_false_alarm(status, &service, "while others are broken"),
                    Some(Expected::Down(_)) => note(&mut runs[n], status == Status::Down, &service, after),
                    Some(Expected::Flapping(_)) => {
                        let is_shown = service.flapping.is_on() && service.outage.is_some();
                        note(&mut runs[n], is_shown, &service, after);
                    }
                    Some(Expected::Degraded(_)) => note(&mut runs[n], status == Status::Degraded, &service, after),
                }
            }
        }
        self.all_behave(|fault| &fault.well);
        let mended = self.world.now();
        while self.world.now() < mended + BOUND + 2.0 {
            self.tick().await;
            let after = self.world.now() - mended;
            for (n, (status, service)) in self.services().into_iter().enumerate() {
                match runs.get_mut(n) {
                    None => self.is_false_alarm(status, &service, "while others recover"),
                    Some(run) if status == Status::Up => _ = run.recovered.get_or_insert(after),
                    Some(_) => {}
                }
            }
        }
        self.scores.runs.iter_mut().zip(runs).for_each(|(all, run)| all.push(run));
    }
}

/// Notes what is shown of a service that is broken.
fn note(run: &mut Run, is_shown: bool, service: &ServiceNow, after: f64) {
    if !is_shown || run.confirmed.is_some() {
        return;
    }
    run.confirmed = Some(after);
    let first = service.outage.as_ref().map(|outage| &outage.cause.reason);
    let last = service.last.as_ref().and_then(|last| last.reason.as_ref());
    run.said.extend(first.into_iter().chain(last).map(|reason| (reason.class, reason.message.clone())));
}
