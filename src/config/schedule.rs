//! How often, how long and how many: the settings that `[checks]` gives to all and an endpoint may give to itself.

use crate::{
    domain::{
        normal::LONGEST_INTERVAL_MS,
        rolling::AtMost,
        service::{CheckSchedule, Thresholds},
    },
    probe::push::PushSpec,
    settings::{
        error::{Mistake, Span},
        nearest,
        reader::{Table, in_seconds},
    },
};

/// What one table says; nothing where it is silent.
#[derive(Clone, Default)]
pub(super) struct Schedule {
    interval_ms: Option<(i64, Span)>,
    timeout_ms: Option<(i64, Span)>,
    retry_interval_ms: Option<(i64, Span)>,
    failure: Option<u32>,
    success: Option<u32>,
    degraded_after_ms: Option<i64>,
    is_degraded_when_unusual: Option<bool>,
    at_most: Option<AtMost>,
    objective: Option<f64>,
    flapping: Option<bool>,
}

/// What is in force.
#[derive(Clone, Debug)]
pub(super) struct EffectiveSchedule {
    pub(super) cadence: CheckSchedule,
    pub(super) thresholds: Thresholds,
    pub(super) degraded_after_ms: Option<i64>,
    pub(super) is_degraded_when_unusual: bool,
    pub(super) at_most: Option<AtMost>,
    pub(super) objective: Option<f64>,
    pub(super) flapping: bool,
}

/// The keys, those that are times first.
pub(super) const KEYS: [&str; 10] = [
    "interval_secs",
    "timeout_secs",
    "retry_interval_secs",
    "failure_threshold",
    "success_threshold",
    "degraded_after_ms",
    "latency",
    "at_most",
    "objective",
    "flapping",
];
const INTERVAL_MS: i64 = 10_000;
const TIMEOUT_MS: i64 = 5_000;
const RETRY_INTERVAL_MS: i64 = 2_000;
const WEEK_MS: i64 = 7 * 86_400_000;

impl Schedule {
    pub(super) fn read(table: &Table<'_>) -> Schedule {
        let seconds = |key: &'static str, least_ms: i64| {
            let value = table.get(key)?;
            value.seconds(least_ms..=WEEK_MS).map(|ms| (ms, value.span))
        };
        let count = |key: &'static str| table.integer(key, 1..=1000).and_then(|n| u32::try_from(n).ok());
        Schedule {
            interval_ms: seconds("interval_secs", 100),
            timeout_ms: seconds("timeout_secs", 10),
            retry_interval_ms: seconds("retry_interval_secs", 100),
            failure: count("failure_threshold"),
            success: count("success_threshold"),
            degraded_after_ms: table.integer("degraded_after_ms", 1..=WEEK_MS),
            is_degraded_when_unusual: latency(table),
            at_most: at_most(table),
            objective: table.get("objective").and_then(|value| value.percentage()),
            flapping: table.boolean("flapping"),
        }
    }

    /// What is in force: the keys of this table, then those of `parent`, then the built-in defaults.
    ///
    /// A timeout and a retry interval that are inherited give way to a shorter interval; written beside it they have
    /// to fit, and it is a mistake when they do not.
    pub(super) fn resolve(&self, table: &Table<'_>, parent: &Schedule) -> EffectiveSchedule {
        let either = |own: &Option<(i64, Span)>, inherited: &Option<(i64, Span)>, default: i64| {
            own.as_ref().or(inherited.as_ref()).map_or(default, |(ms, _)| *ms)
        };
        let interval_ms = either(&self.interval_ms, &parent.interval_ms, INTERVAL_MS);
        for (key, own) in [("timeout_secs", &self.timeout_ms), ("retry_interval_secs", &self.retry_interval_ms)] {
            if let Some((ms, span)) = own.as_ref().filter(|(ms, _)| *ms > interval_ms) {
                self.report_too_long(table, key, *ms, span, interval_ms, parent);
            }
        }
        let is_often = interval_ms <= LONGEST_INTERVAL_MS;
        if let (Some(true), false, Some(value)) = (self.is_degraded_when_unusual, is_often, table.peek("latency")) {
            let mistake = value.mistake("`latency = \"unusual\"` needs two checks an hour at least");
            table.source.report(mistake.label(format!("this is checked every {} s", in_seconds(interval_ms))));
        }
        EffectiveSchedule {
            cadence: CheckSchedule {
                interval_ms,
                timeout_ms: either(&self.timeout_ms, &parent.timeout_ms, TIMEOUT_MS).min(interval_ms),
                retry_interval_ms: either(&self.retry_interval_ms, &parent.retry_interval_ms, RETRY_INTERVAL_MS)
                    .min(interval_ms),
            },
            thresholds: Thresholds {
                failure: self.failure.or(parent.failure).unwrap_or(3),
                success: self.success.or(parent.success).unwrap_or(2),
            },
            degraded_after_ms: self.degraded_after_ms.or(parent.degraded_after_ms),
            is_degraded_when_unusual: is_often
                && self.is_degraded_when_unusual.or(parent.is_degraded_when_unusual).unwrap_or(false),
            at_most: self.at_most.or(parent.at_most),
            objective: self.objective.or(parent.objective),
            flapping: self.flapping.or(parent.flapping).unwrap_or(true),
        }
    }

    /// The same of a service that is made of others: nothing is measured of it, and its failures are counted as theirs.
    pub(super) fn resolve_group(&self, table: &Table<'_>, parent: &Schedule) -> EffectiveSchedule {
        for key in ["latency", "at_most", "degraded_after_ms"] {
            if let Some(value) = table.peek(key) {
                let mistake = value.mistake(format!("`{key}` says nothing of a group"));
                table.source.report(mistake.label("remove it: write it for its members"));
            }
        }
        EffectiveSchedule {
            degraded_after_ms: None,
            is_degraded_when_unusual: false,
            at_most: None,
            ..self.resolve(table, parent)
        }
    }

    /// The same of a service that reports by itself. What `[checks]` says of all is about checks: of that, it has only what
    /// is about any service. Nothing comes back where something was wrong, which has been reported then.
    pub(super) fn resolve_reports(
        &self,
        table: &Table<'_>,
        parent: &Schedule,
        reports: &PushSpec,
    ) -> Option<EffectiveSchedule> {
        if let Some(value) = table.peek("retry_interval_secs") {
            let mistake = value.mistake("nothing is checked again of a service that reports by itself");
            table.source.report(mistake.label("remove it: what counts is what it reports, and when"));
            return None;
        }
        if let Some(value) = table.peek("latency") {
            let mistake = value.mistake("what is unusual is not known of a service that reports by itself");
            table.source.report(mistake.label("remove it: `degraded_after_ms` is for runs that take too long"));
            return None;
        }
        if let Some(value) = table.peek("at_most") {
            let mistake = value.mistake("`at_most` counts checks, and this service reports by itself");
            table.source.report(mistake.label("remove it: what it reports is told as it is"));
            return None;
        }
        let (written, cron) = (table.peek("interval_secs"), table.peek("cron"));
        let interval_ms = match (&written, &cron) {
            (Some(interval), Some(cron)) => {
                let label = "one of them says when it reports";
                table.both(("`interval_secs`", &interval.key), ("`cron`", &cron.key), label);
                return None;
            }
            (Some(_), None) => self.interval_ms.as_ref().map(|(ms, _)| *ms)?,
            (None, Some(_)) => reports.longest_wait_ms()?,
            (None, None) => {
                table.missing("interval_secs", "how often it reports at least; or `cron` and `zone`, when it does");
                return None;
            }
        };
        Some(EffectiveSchedule {
            cadence: reports.cadence(interval_ms, self.timeout_ms.as_ref().map(|(ms, _)| *ms)),
            thresholds: Thresholds { failure: self.failure.unwrap_or(1), success: self.success.unwrap_or(1) },
            degraded_after_ms: self.degraded_after_ms,
            is_degraded_when_unusual: false,
            at_most: None,
            objective: self.objective.or(parent.objective),
            flapping: self.flapping.or(parent.flapping).unwrap_or(true),
        })
    }

    fn report_too_long(&self, table: &Table<'_>, key: &str, ms: i64, span: &Span, interval_ms: i64, parent: &Schedule) {
        // An interval that could not be read, or is misspelt, is reported; it is unknown what should fit
        // into it.
        if self.interval_ms.is_none()
            && table.all().iter().any(|(key, _)| nearest(key, KEYS[..3].iter().copied()) == Some("interval_secs"))
        {
            return;
        }
        let title = format!("`{key}` is longer than the interval");
        let label = format!("{} s; at most {} s", in_seconds(ms), in_seconds(interval_ms));
        let mistake = Mistake::at(span.clone(), title).label(label);
        table.source.report(match self.interval_ms.as_ref().or(parent.interval_ms.as_ref()) {
            Some((_, interval)) => mistake.also(interval.clone(), "the interval"),
            None => mistake.help(format!("`interval_secs` is {} unless you set it", in_seconds(INTERVAL_MS))),
        });
    }
}

/// Whether response times are compared with those of past weeks.
fn latency(table: &Table<'_>) -> Option<bool> {
    let value = table.get("latency")?;
    let word = value.filled()?;
    match word.value.as_str() {
        "unusual" => Some(true),
        "any" => Some(false),
        _ => {
            let mistake = value.mistake(format!("{} is no `latency`", word.quoted()));
            let label = "\"unusual\": degraded while it is slower than in past weeks at this hour; \"any\": it is not";
            table.source.report(mistake.label(label));
            None
        }
    }
}

/// How many of the last checks may fail: "5 % of 200".
fn at_most(table: &Table<'_>) -> Option<AtMost> {
    let value = table.get("at_most")?;
    let text = value.filled()?;
    let read = |text: &str| {
        let (percent, of) = text.split_once("of")?;
        let percent: f64 = percent.trim().strip_suffix('%')?.trim().parse().ok()?;
        Some(AtMost { percent, of: of.trim().parse().ok()? })
    };
    let [least, most] = AtMost::BOUNDS;
    let report = |label: String| {
        table.source.report(value.mistake(format!("{} is no `at_most`", text.quoted())).label(label));
        None
    };
    match read(&text.value) {
        None => report("how many of the last checks may fail, as \"5 % of 200\"".to_owned()),
        Some(rule) if !(rule.percent > 0.0 && rule.percent < 100.0) => report("above 0 % and below 100 %".to_owned()),
        Some(rule) if !(least..=most).contains(&rule.of) => report(format!("of {least} to {most} checks")),
        Some(rule) if rule.allowed() == 0 => {
            report(format!("{} % of {} checks is less than one check", rule.percent, rule.of))
        }
        Some(rule) => Some(rule),
    }
}
