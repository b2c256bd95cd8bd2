//! Outages: runs of failed checks. A confirmed one is an incident, one that ended before that a blip.

use super::{
    check::{PhaseTimes, Reason},
    time::UnixMs,
    uptime::OutageTimes,
};

/// Other services whose outages began this close to an incident's start are said to have failed with it.
pub const TOGETHER_MS: i64 = 60_000;

/// Changes of cause kept of one outage. A service that fails differently each time must not fill the disk.
pub const CAUSE_CHANGES_KEPT: u64 = 500;

/// A run of failed checks of one service.
#[derive(Clone, PartialEq, Debug)]
pub struct Outage {
    /// Its number in the history: the incident's `id`.
    pub id: i64,
    /// The service's name.
    pub service: String,
    /// The last passed check before it; `None` when none was seen before.
    pub last_ok_at: Option<UnixMs>,
    /// The first failed check. The truth lies in (`last_ok_at`, `started_at`].
    pub started_at: UnixMs,
    /// When the failure threshold was met; `None`: not an incident (yet).
    pub confirmed_at: Option<UnixMs>,
    /// The first passed check of the recovering run (of a blip: the pass that ended it); `None` while it lasts.
    pub ended_at: Option<UnixMs>,
    /// What its failed checks speak for, in milliseconds. While it lasts: up to the latest check.
    pub down_ms: i64,
    pub checks_failed: u64,
    /// The first failed check, in words and figures.
    pub cause: Cause,
}

/// The services of some outages, each once, in order.
pub fn services(outages: &[Outage]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for outage in outages {
        if !names.contains(&outage.service.as_str()) {
            names.push(&outage.service);
        }
    }
    names
}

/// Why a check failed, with what was measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Cause {
    pub reason: Reason,
    pub http_status: Option<u16>,
    pub latency_us: Option<u32>,
    pub phases: PhaseTimes,
    /// The beginning of the failing answer.
    pub excerpt: Option<String>,
}

/// From `at` on, the checks of an outage failed for another reason.
#[derive(Clone, PartialEq, Debug)]
pub struct CauseChange {
    pub at: UnixMs,
    pub reason: Reason,
    pub http_status: Option<u16>,
    pub excerpt: Option<String>,
}

impl Outage {
    /// Whether it was confirmed.
    pub fn is_incident(&self) -> bool {
        self.confirmed_at.is_some()
    }

    /// Whether it ended unconfirmed.
    pub fn is_blip(&self) -> bool {
        self.confirmed_at.is_none() && self.ended_at.is_some()
    }

    /// Its length in milliseconds: to its end, or to `now` while it lasts.
    pub fn duration_ms(&self, now: UnixMs) -> i64 {
        self.ended_at.unwrap_or(now).since(self.started_at).max(0)
    }

    /// What uptime's figures need of it.
    pub fn times(&self) -> OutageTimes {
        OutageTimes { started_at: self.started_at, confirmed_at: self.confirmed_at, ended_at: self.ended_at }
    }
}

/// Time in which nothing was observed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The service's name.
    pub service: String,
    pub from: UnixMs,
    /// `None` while it lasts.
    pub to: Option<UnixMs>,
    pub why: GapReason,
}

/// Why nothing was observed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GapReason {
    /// The monitor was not running.
    Off,
    /// The machine slept.
    Suspended,
    /// The machine's clock was set.
    ClockStep,
    /// The service was not enabled, or not in the configuration.
    Paused,
    /// Results were made and could not be kept: the store failed for too long.
    NotStored,
    /// The monitor ran and no check did.
    Stalled,
}

impl GapReason {
    /// All reasons.
    pub const ALL: [GapReason; 6] = [
        GapReason::Off,
        GapReason::Suspended,
        GapReason::ClockStep,
        GapReason::Paused,
        GapReason::NotStored,
        GapReason::Stalled,
    ];

    /// Its word in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            GapReason::Off => "off",
            GapReason::Suspended => "suspended",
            GapReason::ClockStep => "clock_step",
            GapReason::Paused => "paused",
            GapReason::NotStored => "not_stored",
            GapReason::Stalled => "stalled",
        }
    }

    /// The reason that a word names.
    pub fn parse(word: &str) -> Option<GapReason> {
        GapReason::ALL.into_iter().find(|r| r.as_str() == word)
    }
}
