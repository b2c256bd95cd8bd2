//! Outages: runs of failed checks. A confirmed one is an incident, one that ended before that a blip.

use super::{
    check::{PhaseTimes, Reason},
    time::UnixMs,
    uptime::OutageTimes,
};

/// Other services whose outages began this close to an incident's start are listed as failed with it.
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
    /// How long its failed checks are valid, in milliseconds. While the outage lasts: up to the latest check.
    pub down_ms: i64,
    pub checks_failed: u64,
    /// The first failed check, in words and figures.
    pub cause: Cause,
    /// The outage has no end because its service is not checked any more: nobody knows whether it lasts.
    pub left_open: bool,
    /// What people wrote down about it.
    pub note: Option<Noted>,
}

/// What people wrote down about an outage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Noted {
    /// As [`note`] gives it.
    pub text: String,
    pub at: UnixMs,
}

/// The state of an outage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutageState {
    /// The outage lasts.
    Open,
    /// Its service stopped being checked while it lasted.
    LeftOpen,
    /// The outage is over.
    Resolved,
}

impl OutageState {
    /// All states.
    pub const ALL: [OutageState; 3] = [OutageState::Open, OutageState::LeftOpen, OutageState::Resolved];

    /// Its word in the API and the exports.
    pub fn as_str(self) -> &'static str {
        match self {
            OutageState::Open => "open",
            OutageState::LeftOpen => "left_open",
            OutageState::Resolved => "resolved",
        }
    }

    /// The state that a word names.
    pub fn parse(word: &str) -> Option<OutageState> {
        OutageState::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// The longest note, in bytes of UTF-8.
pub const LONGEST_NOTE: usize = 4096;

/// A note in the form in which it is kept: line ends are `\n`, no space around it; `None` when nothing is left.
///
/// # Errors
/// What is wrong with it, in words: it is too long, or holds characters that are no text.
pub fn note(text: &str) -> Result<Option<String>, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim();
    if text.len() > LONGEST_NOTE {
        return Err(format!("a note has at most {LONGEST_NOTE} bytes, and this one has {}", text.len()));
    }
    // Half of Unicode's non-characters cannot stand in XML, of which the feed is made.
    let is_text = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
    if !text.chars().all(is_text) {
        return Err("a note is text: of control characters only line breaks and tabs may be in it".to_owned());
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A note that the configuration has for an incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatedNote {
    /// The service's name.
    pub service: String,
    /// Any moment within the incident.
    pub at: UnixMs,
    /// As [`note`] gives it.
    pub text: String,
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

    /// Its state.
    pub fn state(&self) -> OutageState {
        match self.ended_at {
            Some(_) => OutageState::Resolved,
            None if self.left_open => OutageState::LeftOpen,
            None => OutageState::Open,
        }
    }

    /// Its length in milliseconds: to its end, or to `now` while it lasts; of one that was left open as far as it was
    /// seen.
    pub fn duration_ms(&self, now: UnixMs) -> i64 {
        match self.state() {
            OutageState::LeftOpen => self.down_ms,
            _ => self.ended_at.unwrap_or(now).since(self.started_at).max(0),
        }
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

    /// Whether it is the monitor's own doing that nothing was observed; else nobody wanted it to be.
    pub fn is_monitors(self) -> bool {
        self != GapReason::Paused
    }

    /// The reason that a word names.
    pub fn parse(word: &str) -> Option<GapReason> {
        GapReason::ALL.into_iter().find(|r| r.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_kept_as_text_with_nothing_around_it() {
        assert_eq!(note("  the switch\r\nbroke\r\n"), Ok(Some("the switch\nbroke".to_owned())));
        assert_eq!(note(" \r\n\t"), Ok(None));
        assert_eq!(note(&"x".repeat(LONGEST_NOTE)).unwrap().unwrap().len(), LONGEST_NOTE);
        assert!(note(&"x".repeat(LONGEST_NOTE + 1)).unwrap_err().contains("4097"));
        assert!(note(&"ü".repeat(LONGEST_NOTE / 2 + 1)).is_err(), "bytes are counted, not letters");
        for bad in ["a\0b", "a\u{1b}[31m", "a\u{ffff}", "a\u{85}b"] {
            assert!(note(bad).is_err(), "{bad:?}");
        }
    }
}
