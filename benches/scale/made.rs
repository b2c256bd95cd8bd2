//! A made history, the same in every run: what a check says depends on its service and its round alone.

use healthcheck_dashboard::settings::effective::EffectiveSettings;
use healthcheck_dashboard::{
    domain::{
        check::{CheckResult, Class, Outcome, Phase, PhaseTimes, Reason},
        health::Health,
        maintenance::Overlay,
        service::{CheckSchedule, Kind, Service, Thresholds},
        time::UnixMs,
    },
    live::ServiceId,
    store::{Backfill, Configured, Record, WatchedService},
};
use std::path::Path;

pub(crate) const INTERVAL_MS: i64 = 10_000;
const ROUNDS_A_DAY: i64 = 8_640;
/// What is written in one transaction: an hour, at most so many records.
const ROUNDS_AT_ONCE: i64 = 360;
const RECORDS_AT_ONCE: i64 = 400_000;
const THRESHOLDS: Thresholds = Thresholds { failure: 3, success: 2 };

/// Which phases a check has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phases {
    /// As a command.
    None,
    /// Connecting and waiting for the first byte, as HTTP over loopback to an address has them.
    Loopback,
    /// Also finding the address and the TLS handshake.
    All,
    /// The same over the internet: each phase takes some thousands of microseconds more or less, on its own.
    Far,
}

pub(crate) fn watched(name: &str, n: usize) -> WatchedService {
    let service = Service {
        name: format!("{name} {n:05}"),
        group: Some(format!("group {}", n % 7)),
        description: None,
        kind: Kind::Http,
        target: format!("http://127.0.0.1:9/{n}").into(),
        critical: true,
        enabled: true,
        cadence: CheckSchedule { interval_ms: INTERVAL_MS, timeout_ms: 5_000, retry_interval_ms: 2_000 },
        thresholds: THRESHOLDS,
        degraded_after_ms: None,
        is_degraded_when_unusual: false,
        at_most: None,
        objective: None,
    };
    WatchedService {
        configured: Configured { service, renamed_from: None, depends_on: Vec::new() },
        settings: EffectiveSettings::default(),
    }
}

/// Numbers that look like chance (SplitMix64).
fn noise(n: u64, round: i64, salt: u64) -> u64 {
    let mut z = (n << 40 ^ round as u64 ^ salt << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One service's checks, one after the other.
#[derive(Debug)]
pub(crate) struct Walker {
    pub(crate) id: ServiceId,
    n: u64,
    offset_ms: i64,
    health: Health,
    phases: Phases,
}

impl Walker {
    pub(crate) fn new(id: ServiceId, n: usize, phases: Phases) -> Walker {
        // Neighbours in the list are not checked one after the other.
        let offset_ms = (noise(n as u64, 0, 1) % INTERVAL_MS as u64) as i64;
        Walker { id, n: n as u64, offset_ms, health: Health::NEW, phases }
    }

    /// When in its round it is checked.
    pub(crate) fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    /// Whether this round was not observed: half an hour, now and then, differently for each service.
    fn is_missing(&self, round: i64) -> bool {
        (round + 811 * self.n as i64) % 160_000 > 159_820
    }

    /// The check of a round that began `INTERVAL_MS` times its number after `start`.
    pub(crate) fn check(&mut self, start: UnixMs, round: i64) -> Record {
        let at = start.plus(round * INTERVAL_MS + self.offset_ms + (noise(self.n, round, 2) % 7) as i64);
        let result = self.result(at, round);
        let changes = self.health.observe(THRESHOLDS, at, result.outcome, &Overlay::NONE);
        let confirmed = self.health.confirmed;
        Record { service: self.id, result, excerpt: None, certificate_expires_at: None, changes, confirmed }
    }

    fn result(&self, at: UnixMs, round: i64) -> CheckResult {
        let chance = |salt| (noise(self.n, round, salt) >> 11) as f64 / (1u64 << 53) as f64;
        // Each service has its own pace; most answers are near it, a few are much slower.
        let base = 250.0 * 1.06f64.powi((self.n % 80) as i32);
        let spike = if chance(3) > 0.998 { 4.0 } else { 1.0 };
        let ttfb = (base * spike * (1.0 + 0.6 * chance(4).powi(4))) as u32;
        let connect = 35 + (60.0 * chance(5).powi(2)) as u32;
        // Down for 12 checks in three days, once failed in each of them, and every other service is slow now and then.
        let (outcome, reason) = match (round + 997 * self.n as i64) % (3 * ROUNDS_A_DAY) {
            0..12 => (Outcome::Down, Some((Class::Connect, "connection refused by 127.0.0.1:9"))),
            other if other % ROUNDS_A_DAY == 4_321 => (Outcome::Down, Some((Class::Timeout, "no answer within 5 s"))),
            9_000..9_020 if self.n.is_multiple_of(2) => (Outcome::Degraded, Some((Class::Slow, "slower than 800 ms"))),
            _ => (Outcome::Up, None),
        };
        let failed = outcome == Outcome::Down;
        let body = 20 + (30.0 * chance(6)) as u32;
        let phases = match self.phases {
            Phases::None => PhaseTimes::default(),
            Phases::Far => PhaseTimes {
                dns_us: Some(300 + (20_000.0 * chance(7).powi(3)) as u32),
                connect_us: Some(8_000 + (2_400.0 * chance(5)) as u32),
                tls_us: (!failed).then_some(18_000 + (7_200.0 * chance(8)) as u32),
                ttfb_us: (!failed).then_some(40_000 + (32_000.0 * chance(4).powi(2)) as u32),
            },
            Phases::Loopback | Phases::All => PhaseTimes {
                dns_us: (self.phases == Phases::All).then_some(200 + connect),
                connect_us: Some(connect),
                tls_us: (self.phases == Phases::All && !failed).then_some(1_500 + 10 * connect),
                ttfb_us: (!failed).then_some(ttfb),
            },
        };
        let latency_us =
            if self.phases == Phases::None { connect + ttfb + body } else { phases.sum_us() as u32 + body };
        CheckResult {
            at,
            outcome,
            latency_us: Some(latency_us),
            phases,
            http_status: (!failed && self.phases != Phases::None).then_some(200),
            certificate_days: None,
            reason: reason.map(|(class, message)| Reason {
                class,
                phase: failed.then_some(Phase::Connect),
                message: message.to_owned(),
            }),
            recheck: false,
        }
    }
}

/// Writes `rounds` checks of each of `services` services, the last one just before `end`; how many there are. The monitor
/// was off twice for 73 minutes, but in a short history.
pub(crate) fn make(
    path: &Path,
    name: &str,
    services: usize,
    rounds: i64,
    phases: Phases,
    end: UnixMs,
) -> anyhow::Result<u64> {
    let start = end.plus(-rounds * INTERVAL_MS);
    let (third, off) = (rounds / 3, 438);
    let runs = match rounds {
        0..5_000 => vec![(0, rounds)],
        _ => vec![(0, third), (third + off, 2 * third), (2 * third + off, rounds)],
    };
    let mut walkers: Vec<Walker> = Vec::new();
    let mut made = 0;
    for (from, to) in runs {
        let all = (0..services).map(|n| watched(name, n)).collect();
        let mut backfill = Backfill::open(path, all, start.plus(from * INTERVAL_MS))?;
        if walkers.is_empty() {
            let ids = backfill.ids.iter().enumerate();
            walkers = ids.map(|(n, &id)| Walker::new(id, n, phases)).collect();
        }
        let mut round = from;
        while round < to {
            let until = to.min(round + ROUNDS_AT_ONCE.min(1 + RECORDS_AT_ONCE / services as i64));
            let mut records = Vec::with_capacity((until - round) as usize * services);
            for walker in &mut walkers {
                for round in round..until {
                    if !walker.is_missing(round) {
                        records.push(walker.check(start, round));
                    }
                }
            }
            backfill.write(&records)?;
            made += records.len() as u64;
            round = until;
        }
        backfill.finish(start.plus(to * INTERVAL_MS))?;
    }
    Ok(made)
}
