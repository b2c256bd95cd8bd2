//! The objects of an export as they are read: their shapes, and the moments, times and words in them.

use crate::{
    domain::{
        check::{Class, Outcome, Phase, PhaseTimes, Reason},
        incident::{Cause, CauseChange, GapReason, Outage},
        service::Kind,
        time::{DAY_MS, HOUR_MS, UnixMs},
    },
    store::{Beyond, Head, Interruption, OutageRecord, RunHead, ServiceHead, SettingHead, Source},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor},
};
use std::{borrow::Cow, collections::HashSet, fmt};

#[derive(Deserialize)]
pub(crate) struct ImportedHead {
    pub(crate) version: u32,
    pub(crate) services: Vec<ImportedService>,
    #[serde(default)]
    pub(crate) runs: Vec<ImportedRun>,
    #[serde(default)]
    pub(crate) interruptions: Vec<ImportedInterruption>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedService {
    pub(crate) name: String,
    pub(crate) group: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Word<Kind>,
    pub(crate) target: String,
    pub(crate) added_at: Moment,
    pub(crate) removed_at: Option<Moment>,
    pub(crate) certificate_expires_at: Option<Moment>,
    pub(crate) checks_kept_from: Option<Moment>,
    pub(crate) hours_kept_from: Option<Moment>,
    pub(crate) settings: Vec<ImportedSetting>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedSetting {
    pub(crate) since: Moment,
    pub(crate) enabled: bool,
    pub(crate) interval_ms: i64,
    pub(crate) timeout_ms: i64,
    pub(crate) failure_threshold: u32,
    pub(crate) success_threshold: u32,
    pub(crate) degraded_after_ms: Option<i64>,
    pub(crate) critical: Option<bool>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedRun {
    pub(crate) started_at: Moment,
    pub(crate) alive_at: Moment,
    pub(crate) stopped_at: Option<Moment>,
    pub(crate) version: String,
}

#[derive(Deserialize)]
pub(crate) struct ImportedInterruption {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    pub(crate) reason: Word<GapReason>,
    pub(crate) results: u64,
}

impl ImportedHead {
    pub(crate) fn read(self) -> Result<Head, String> {
        let mut names = HashSet::new();
        for service in &self.services {
            if !names.insert(service.name.clone()) {
                return Err(format!("the header lists the service “{}” twice", service.name));
            }
            let sound = |s: &ImportedSetting| {
                s.interval_ms > 0 && s.timeout_ms >= 0 && s.failure_threshold > 0 && s.success_threshold > 0
            };
            if service.name.is_empty() || service.settings.is_empty() || !service.settings.iter().all(sound) {
                return Err(format!(
                    "the service “{}” needs a name and settings: an interval and thresholds above zero",
                    service.name
                ));
            }
        }
        let at = |moment: Option<Moment>| moment.map(|m| m.0);
        let services = self.services.into_iter().map(|s| ServiceHead {
            name: s.name,
            kind: s.kind.0,
            target: s.target.into(),
            group: s.group,
            added_at: s.added_at.0,
            removed_at: at(s.removed_at),
            certificate_expires_at: at(s.certificate_expires_at),
            rows_from: at(s.checks_kept_from),
            hours_from: at(s.hours_kept_from),
            settings: s
                .settings
                .into_iter()
                .map(|s| SettingHead {
                    since: s.since.0,
                    enabled: s.enabled,
                    interval_ms: s.interval_ms,
                    timeout_ms: s.timeout_ms,
                    failure_threshold: s.failure_threshold,
                    success_threshold: s.success_threshold,
                    degraded_after_ms: s.degraded_after_ms,
                    critical: s.critical,
                })
                .collect(),
        });
        let runs = self.runs.into_iter().map(|run| RunHead {
            started_at: run.started_at.0,
            alive_at: run.alive_at.0,
            stopped_at: at(run.stopped_at),
            version: run.version,
        });
        let interruptions = self.interruptions.into_iter().map(|i| Interruption {
            from: i.from.0,
            to: i.to.0,
            why: i.reason.0,
            results: i.results,
        });
        Ok(Head { services: services.collect(), runs: runs.collect(), interruptions: interruptions.collect() })
    }
}

#[derive(Deserialize)]
pub(crate) struct ImportedCheck<'a> {
    #[serde(borrow)]
    pub(crate) service: Cow<'a, str>,
    pub(crate) at: Moment,
    pub(crate) outcome: Word<Outcome>,
    pub(crate) response_time_ms: Option<Us>,
    pub(crate) dns_ms: Option<Us>,
    pub(crate) connect_ms: Option<Us>,
    pub(crate) tls_ms: Option<Us>,
    pub(crate) ttfb_ms: Option<Us>,
    pub(crate) http_status: Option<u16>,
    pub(crate) certificate_days: Option<i32>,
    pub(crate) failure: Option<ImportedReason>,
    pub(crate) note: Option<ImportedReason>,
    #[serde(default)]
    pub(crate) recheck: bool,
    pub(crate) excerpt: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedReason {
    pub(crate) class: Word<Class>,
    pub(crate) phase: Option<Word<Phase>>,
    pub(crate) message: String,
}

impl ImportedReason {
    pub(crate) fn read(self) -> Reason {
        Reason { class: self.class.0, phase: self.phase.map(|p| p.0), message: self.message }
    }
}

#[derive(Deserialize)]
pub(crate) struct ImportedOutage {
    pub(crate) id: i64,
    pub(crate) service: String,
    pub(crate) last_ok_at: Option<Moment>,
    pub(crate) started_at: Moment,
    pub(crate) confirmed_at: Option<Moment>,
    pub(crate) resolved_at: Option<Moment>,
    pub(crate) down_ms: i64,
    pub(crate) checks_failed: u64,
    pub(crate) cause: ImportedCause,
    pub(crate) before_first_check: Option<ImportedBefore>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedCause {
    pub(crate) class: Word<Class>,
    pub(crate) phase: Option<Word<Phase>>,
    pub(crate) message: String,
    pub(crate) http_status: Option<u16>,
    pub(crate) excerpt: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedBefore {
    pub(crate) checks_failed: u64,
    pub(crate) down_ms: i64,
    pub(crate) response_time_ms: Option<Us>,
    pub(crate) dns_ms: Option<Us>,
    pub(crate) connect_ms: Option<Us>,
    pub(crate) tls_ms: Option<Us>,
    pub(crate) ttfb_ms: Option<Us>,
    pub(crate) changes: Vec<ImportedChange>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedChange {
    pub(crate) at: Moment,
    pub(crate) class: Word<Class>,
    pub(crate) phase: Option<Word<Phase>>,
    pub(crate) message: String,
    pub(crate) http_status: Option<u16>,
    pub(crate) excerpt: Option<String>,
}

impl ImportedOutage {
    pub(crate) fn read(self) -> OutageRecord {
        let us = |us: &Option<Us>| us.as_ref().map(|us| us.0);
        let at = |moment: Option<Moment>| moment.map(|m| m.0);
        let before = self.before_first_check.as_ref();
        let reason =
            Reason { class: self.cause.class.0, phase: self.cause.phase.map(|p| p.0), message: self.cause.message };
        let cause = Cause {
            reason,
            http_status: self.cause.http_status,
            latency_us: before.and_then(|b| us(&b.response_time_ms)),
            phases: PhaseTimes {
                dns_us: before.and_then(|b| us(&b.dns_ms)),
                connect_us: before.and_then(|b| us(&b.connect_ms)),
                tls_us: before.and_then(|b| us(&b.tls_ms)),
                ttfb_us: before.and_then(|b| us(&b.ttfb_ms)),
            },
            excerpt: self.cause.excerpt,
        };
        let outage = Outage {
            id: self.id,
            service: self.service,
            last_ok_at: at(self.last_ok_at),
            started_at: self.started_at.0,
            confirmed_at: at(self.confirmed_at),
            ended_at: at(self.resolved_at),
            down_ms: self.down_ms,
            checks_failed: self.checks_failed,
            cause,
            // Both follow from what else arrives.
            left_open: false,
            note: None,
        };
        let beyond = self.before_first_check.map(|before| Beyond {
            checks_failed: before.checks_failed,
            down_ms: before.down_ms,
            changes: before
                .changes
                .into_iter()
                .map(|c| CauseChange {
                    at: c.at.0,
                    reason: Reason { class: c.class.0, phase: c.phase.map(|p| p.0), message: c.message },
                    http_status: c.http_status,
                    excerpt: c.excerpt,
                })
                .collect(),
        });
        OutageRecord { outage, beyond }
    }
}

#[derive(Deserialize)]
pub(crate) struct ImportedGap {
    pub(crate) service: String,
    pub(crate) from: Moment,
    pub(crate) to: Option<Moment>,
    pub(crate) reason: Word<GapReason>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedMaintenance {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    /// `None`: all.
    pub(crate) services: Option<Vec<String>>,
    pub(crate) source: Word<Source>,
    pub(crate) reason: String,
    pub(crate) noted_at: Moment,
    pub(crate) taken_back_at: Option<Moment>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedNote {
    pub(crate) service: String,
    pub(crate) started_at: Moment,
    /// `None`: it was removed.
    pub(crate) note: Option<String>,
    pub(crate) noted_at: Moment,
    pub(crate) source: Word<Source>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedSum {
    pub(crate) service: String,
    pub(crate) from: Moment,
    pub(crate) length_ms: i64,
    pub(crate) up_ms: i64,
    pub(crate) degraded_ms: i64,
    pub(crate) down_ms: i64,
    pub(crate) unknown_ms: i64,
    pub(crate) doubt_up_ms: i64,
    pub(crate) doubt_down_ms: i64,
    pub(crate) checks: u64,
    pub(crate) failures: u64,
    pub(crate) min_ms: Option<Us>,
    pub(crate) max_ms: Option<Us>,
    pub(crate) latency_us: Vec<(u32, u32)>,
}

/// A moment: RFC 3339.
#[derive(Clone, Copy)]
pub(crate) struct Moment(pub(crate) UnixMs);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        text(deserializer, |text| {
            own_form(text.as_bytes())
                .or_else(|| UnixMs::parse(text))
                .map(Moment)
                .ok_or_else(|| format!("“{text}” is no time between 1970 and 9999, such as 2026-11-20T03:00:00.000Z"))
        })
    }
}

/// The form in which exports say times, `2026-11-20T03:00:00.000Z`, read without a calendar: they are half of an import.
fn own_form(text: &[u8]) -> Option<UnixMs> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (h, m, s, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if year < 1970 || !(1..=length).contains(&day) || h > 23 || m > 59 || s > 59 {
        return None;
    }
    let before = year - 1;
    let days = 365 * year + before / 4 - before / 100 + before / 400 - 719_527;
    let days = days + lengths[..(month - 1) as usize].iter().sum::<i64>() + day - 1;
    Some(UnixMs(days * DAY_MS + h * HOUR_MS + m * 60_000 + s * 1_000 + ms))
}

/// Milliseconds, kept as microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Us(pub(crate) u32);

impl<'de> Deserialize<'de> for Us {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Us, D::Error> {
        let ms = f64::deserialize(deserializer)?;
        let us = (ms * 1000.0).round();
        match (0.0..=f64::from(u32::MAX)).contains(&us) {
            true => Ok(Us(us as u32)),
            false => Err(D::Error::custom(format!("{ms} ms is no time that a check can take"))),
        }
    }
}

/// One of a few words.
pub(crate) struct Word<T>(pub(crate) T);

pub(crate) trait Words: Sized {
    const WHAT: &'static str;
    fn named(word: &str) -> Option<Self>;
}

impl Words for Outcome {
    const WHAT: &'static str = "outcome";
    fn named(word: &str) -> Option<Outcome> {
        Outcome::parse(word)
    }
}

impl Words for Class {
    const WHAT: &'static str = "class of failures";
    fn named(word: &str) -> Option<Class> {
        Class::parse(word)
    }
}

impl Words for Phase {
    const WHAT: &'static str = "phase";
    fn named(word: &str) -> Option<Phase> {
        Phase::parse(word)
    }
}

impl Words for Kind {
    const WHAT: &'static str = "type of services";
    fn named(word: &str) -> Option<Kind> {
        Kind::parse(word)
    }
}

impl Words for GapReason {
    const WHAT: &'static str = "reason of gaps";
    fn named(word: &str) -> Option<GapReason> {
        GapReason::parse(word)
    }
}

impl Words for Source {
    const WHAT: &'static str = "source of maintenance or notes";
    fn named(word: &str) -> Option<Source> {
        Source::parse(word)
    }
}

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word<T>, D::Error> {
        text(deserializer, |word| {
            T::named(word).map(Word).ok_or_else(|| format!("“{word}” is no {} that this version knows", T::WHAT))
        })
    }
}

/// Reads a text without keeping it.
fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Text<F>(F);
    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<F> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::domain::law(256))]

        #[test]
        fn a_time_is_read_as_the_calendar_reads_it(ms in 0..=UnixMs::MAX.0) {
            prop_assert_eq!(own_form(UnixMs(ms).to_string().as_bytes()), Some(UnixMs(ms)));
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_time() {
        for text in [
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "2026-11-20T24:00:00.000Z",
            "2026-11-20T03:00:00.0000",
        ] {
            assert_eq!(own_form(text.as_bytes()), None, "{text}");
        }
    }
}
