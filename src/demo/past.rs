//! What happened to the services of the demonstration in the 90 days before it began. All times count back from now.

use crate::{
    config::Endpoint,
    domain::{
        check::{Class, Phase},
        service::Thresholds,
        time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs},
    },
};
use chrono::{Datelike, Weekday};

/// How far back the made-up past goes, in days.
pub const DAYS: i64 = 90;

/// How a service failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Status(u16),
    Timeout,
    Refused,
    /// Answers, but this many times slower.
    Slow(f64),
}

impl Fault {
    /// Class, phase and message of a check that meets it; `None` where it only makes slow.
    pub(super) fn reason(self) -> Option<(Class, Option<Phase>, String)> {
        match self {
            Fault::Status(status) => Some((Class::HttpStatus, None, format!("HTTP {status}, expected 200–399"))),
            Fault::Timeout => Some((Class::Timeout, Some(Phase::Ttfb), "no answer within 2 s".to_owned())),
            Fault::Refused => {
                Some((Class::Connect, Some(Phase::Connect), "connection refused by 10.0.3.7:5432".to_owned()))
            }
            Fault::Slow(_) => None,
        }
    }
}

/// A stretch of trouble.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    pub(super) from: UnixMs,
    pub(super) to: UnixMs,
    pub(super) fault: Fault,
}

/// The past of one service.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) interval_ms: i64,
    /// A usual response time.
    pub(super) base_ms: f64,
    pub(super) http: bool,
    /// Since when it is watched.
    pub(super) since: UnixMs,
    pub(super) troubles: Vec<Trouble>,
    /// Passes with a reservation, from this moment on.
    pub(super) reserved: Option<(UnixMs, &'static str)>,
}

/// Numbers that look like chance and are the same each time (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(name: &str) -> Dice {
        Dice(name.bytes().fold(0x9e37_79b9, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.share() * (high - low) as f64) as i64
    }
}

/// The beginning of the last Tuesday's outage: 03:12:07 UTC on the last Tuesday before today.
pub(super) fn tuesday(now: UnixMs) -> UnixMs {
    let today = now.floor(DAY_MS);
    let back = (1..=7).find(|back| today.plus(-back * DAY_MS).utc().weekday() == Weekday::Tue).unwrap_or(7);
    today.plus(-back * DAY_MS + 3 * HOUR_MS + 12 * MINUTE_MS + 7 * SECOND_MS)
}

/// When the monitor itself was off: once, for over an hour, two days after that.
pub(super) fn off(now: UnixMs) -> (UnixMs, UnixMs) {
    let from = now.plus(-3 * DAY_MS).floor(DAY_MS).plus(9 * HOUR_MS);
    (from, from.plus(73 * MINUTE_MS))
}

/// When the settings of some services were changed: a limit on slowness, then a closer look at what customers use.
pub(super) fn changes(now: UnixMs) -> [UnixMs; 2] {
    let at = |days: i64, ms: i64| now.plus(-days * DAY_MS).floor(DAY_MS).plus(ms);
    [at(37, 10 * HOUR_MS + 31 * MINUTE_MS), at(16, 14 * HOUR_MS + 5 * MINUTE_MS)]
}

/// Five days ago the database was brought up to date, by night and one replica after the other: from when to when, which
/// services that made slow, and why.
pub(super) fn maintenance(now: UnixMs) -> ((UnixMs, UnixMs), [&'static str; 3], &'static str) {
    let from = now.plus(-5 * DAY_MS).floor(DAY_MS).plus(22 * HOUR_MS);
    ((from, from.plus(40 * MINUTE_MS)), ["postgres-main", "checkout", "api"], "PostgreSQL 16 to 17")
}

/// How a service was checked at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) interval_ms: i64,
    pub(super) thresholds: Thresholds,
    pub(super) degraded_after_ms: Option<i64>,
}

impl Past {
    /// How this service (which is `endpoint` now) was checked at a moment.
    pub(super) fn settings(&self, endpoint: &Endpoint, at: UnixMs, now: UnixMs) -> Settings {
        let service = &endpoint.service;
        let mut settings = Settings {
            interval_ms: self.interval_ms,
            thresholds: service.thresholds,
            degraded_after_ms: service.degraded_after_ms,
        };
        let [limited, closer] = changes(now);
        match &*service.name {
            "search" if at < limited => settings.degraded_after_ms = Some(1000),
            "api" | "web" if at < closer => settings.interval_ms *= 2,
            "checkout" if at < closer => settings.thresholds.failure += 2,
            _ => {}
        }
        settings
    }
}

/// The past of the service of this name.
pub(super) fn of(name: &str, now: UnixMs) -> Past {
    let begin = now.plus(-DAYS * DAY_MS);
    let mut past = Past {
        interval_ms: 5 * MINUTE_MS,
        base_ms: 30.0,
        http: true,
        since: begin,
        troubles: Vec::new(),
        reserved: None,
    };
    let tuesday = tuesday(now);
    let (mut chances, mut worst_ms) = (4, 20 * MINUTE_MS);
    match name {
        "api" => {
            (past.interval_ms, past.base_ms) = (30 * SECOND_MS, 84.0);
            let turns = [(0, 280, Fault::Status(503)), (280, 560, Fault::Timeout), (560, 770, Fault::Status(503))];
            past.troubles.extend(turns.map(|(from, to, fault)| Trouble {
                from: tuesday.plus(from * SECOND_MS),
                to: tuesday.plus(to * SECOND_MS),
                fault,
            }));
            chances = 5;
        }
        "auth" => past.base_ms = 46.0,
        "webhooks" => (past.base_ms, past.since) = (59.0, now.plus(-41 * DAY_MS)),
        "web" => {
            (past.interval_ms, past.base_ms) = (MINUTE_MS, 147.0);
            let (from, to) = (tuesday.plus(18 * SECOND_MS), tuesday.plus(778 * SECOND_MS));
            past.troubles.push(Trouble { from, to, fault: Fault::Status(500) });
        }
        "checkout" => {
            (past.interval_ms, past.base_ms, chances) = (MINUTE_MS, 158.0, 9);
            let (from, to) = (tuesday.plus(8 * SECOND_MS), tuesday.plus(778 * SECOND_MS));
            past.troubles.push(Trouble { from, to, fault: Fault::Status(503) });
        }
        "search" => {
            (past.interval_ms, past.base_ms, chances) = (2 * MINUTE_MS, 120.0, 14);
            // A slow degradation: each week of the last five a little slower.
            let from = |week: i64| now.plus(-(6 - week) * 7 * DAY_MS);
            past.troubles.extend((1..6).map(|week| Trouble {
                from: from(week),
                to: from(week + 1),
                fault: Fault::Slow(1.0 + 0.45 * week as f64),
            }));
        }
        "postgres-main" => {
            (past.interval_ms, past.base_ms, past.http, chances) = (30 * SECOND_MS, 3.3, false, 2);
            let (from, to) = (tuesday.plus(-4_400), tuesday.plus(740 * SECOND_MS));
            past.troubles.push(Trouble { from, to, fault: Fault::Refused });
        }
        "redis" => (past.base_ms, past.http, chances) = (0.8, false, 0),
        "mail" => (past.base_ms, past.http, chances, worst_ms) = (21.0, false, 11, 4 * MINUTE_MS),
        "backup-age" => {
            (past.base_ms, past.http, chances) = (5.2, false, 0);
            past.reserved = Some((now.plus(-2 * HOUR_MS), "the newest backup is 26 hours old"));
        }
        _ => {}
    }
    let mut dice = Dice::of(name);
    for _ in 0..chances {
        let from = past.since.plus(dice.between(HOUR_MS, now.since(past.since) - 2 * DAY_MS));
        // Most are short, a few are long.
        let length = 4 * SECOND_MS + (worst_ms as f64 * dice.share().powi(3)) as i64;
        let fault = match dice.between(0, 4) {
            _ if !past.http => Fault::Refused,
            0 => Fault::Timeout,
            1 => Fault::Status(500),
            _ => Fault::Status(502),
        };
        // It does not matter whether a check is due just then: one that lasts is seen.
        past.troubles.push(Trouble { from, to: from.plus(length.max(past.interval_ms / 2)), fault });
    }
    let ((from, _), touched, _) = maintenance(now);
    if touched.contains(&name) {
        let (from, to) = (from.plus(4 * MINUTE_MS), from.plus(31 * MINUTE_MS));
        past.troubles.push(Trouble { from, to, fault: Fault::Slow(1.9) });
    }
    past.troubles.sort_by_key(|t| t.from);
    past
}
