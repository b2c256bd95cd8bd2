//! `type = "push"`: a service or a job that reports by itself. Nothing is checked: the scheduler waits for what comes, and
//! notices what does not.

use super::{
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    runner::Runner,
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    calendar::Recurrence,
    domain::{
        check::Reason,
        secret::{REDACTED, Secret},
        service::{CheckSchedule, Kind},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS},
    },
    format,
    settings::{reader::Table, zone::zone},
};
use chrono_tz::Tz;
use ring::digest::{SHA256, digest};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};
use subtle::{Choice, ConstantTimeEq};

/// What the configuration and its messages know of this kind.
pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Push,
    aliases: &["heartbeat", "passive", "cron", "external", "deadman"],
    instead_of_url: &["token", "token_sha256"],
    keys: &["token", "token_sha256", "cron", "zone", "grace"],
    ..Descriptor::NONE
};

/// The shortest token that is taken, in characters: what can be guessed is none.
const SHORTEST_TOKEN: usize = 16;
/// The longest one: it is part of an address.
const LONGEST_TOKEN: usize = 200;
/// The most bytes of a job's log that are kept.
pub const LOG_BYTES: usize = 100_000;
/// The longest grace.
const LONGEST_GRACE_MS: i64 = 7 * DAY_MS;
/// What an interval is taken for at most that follows from an expression.
const LONGEST_INTERVAL_MS: i64 = 366 * DAY_MS;

/// Where a service reports, without its token.
pub const ADDRESS: &str = "/api/v1/push/…";

/// What is known of a token.
#[derive(Clone, Debug)]
pub struct TokenHash([u8; 32]);

/// How a service reports by itself.
#[derive(Clone, Debug)]
pub struct PushSpec {
    pub token: TokenHash,
    /// When a report is due; `None`: an interval after the one before.
    pub cron: Option<Box<Cron>>,
    /// How long a report that is due is waited for, in milliseconds; `None`: as long as seems right.
    grace_ms: Option<i64>,
}

/// An expression, and the moments that it means.
#[derive(Clone, Debug)]
pub struct Cron {
    pub moments: Recurrence,
    pub expression: String,
    pub zone: Tz,
}

impl TokenHash {
    /// That of a token.
    pub fn of(token: &str) -> TokenHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        TokenHash(hash)
    }

    /// From 64 hexadecimal digits.
    fn parse(text: &str) -> Option<TokenHash> {
        let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = 16 * pair[0] + pair[1];
        }
        Some(TokenHash(hash))
    }

    /// Whether both are of the same token, in a time that does not depend on the answer.
    pub fn is(&self, other: &TokenHash) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PushSpec {
    /// From one report to the next at most, in milliseconds, where it follows from an expression.
    pub fn longest_wait_ms(&self) -> Option<i64> {
        let cron = self.cron.as_ref()?;
        Some(cron.moments.longest_ms().unwrap_or(LONGEST_INTERVAL_MS).clamp(SECOND_MS, LONGEST_INTERVAL_MS))
    }

    /// How long a report that is due is waited for: what is configured, or else a tenth of the time between two.
    pub fn grace_ms(&self, interval_ms: i64) -> i64 {
        let shortest_ms = self.cron.as_ref().and_then(|cron| cron.moments.period_ms()).unwrap_or(interval_ms);
        self.grace_ms.unwrap_or_else(|| (shortest_ms / 10).clamp(5 * SECOND_MS, HOUR_MS))
    }

    /// How long its results are valid for: until the report after next, and as long as a run may take.
    /// `run_ms` is how long that is, where it is configured.
    pub fn cadence(&self, interval_ms: i64, run_ms: Option<i64>) -> CheckSchedule {
        let timeout_ms = self.grace_ms(interval_ms) + run_ms.unwrap_or(0);
        CheckSchedule { interval_ms, timeout_ms, retry_interval_ms: interval_ms }
    }

    /// How long a run may take from its start to its end, in milliseconds: what is configured, or else the grace.
    pub fn run_ms(&self, cadence: &CheckSchedule) -> i64 {
        let grace_ms = self.grace_ms(cadence.interval_ms);
        if cadence.timeout_ms > grace_ms { cadence.timeout_ms - grace_ms } else { grace_ms }
    }

    /// What is wrong where nothing was reported in time.
    pub fn missed(&self, interval_ms: i64) -> String {
        let grace = spoken(self.grace_ms(interval_ms));
        match &self.cron {
            Some(cron) => format!("no report within {grace} of when it was due ({}, {})", cron.expression, cron.zone),
            None => format!("no report within {} and {grace} of grace", spoken(interval_ms)),
        }
    }

    /// What is wrong where a run has begun and not ended.
    pub fn unfinished(&self, cadence: &CheckSchedule) -> String {
        format!("the run has not ended within {}", spoken(self.run_ms(cadence)))
    }
}

/// A duration in a message.
fn spoken(ms: i64) -> String {
    format::duration(ms).replace('\u{a0}', " ")
}

/// What a service says of itself, made fit to be kept: without its token.
#[derive(Debug)]
pub struct Cleaner(Scrubber);

impl Cleaner {
    /// Takes out the token that was sent, which is the service's.
    pub fn new(token: &str) -> Cleaner {
        Cleaner(Scrubber::new(&[Secret::new(token)], &[]))
    }

    /// A message: one line.
    pub fn message(&self, text: &str) -> Option<String> {
        Some(self.0.message(text)).filter(|text| !text.is_empty())
    }

    /// A log, or the beginning of one that is not complete.
    pub fn log(&self, bytes: &[u8], complete: bool) -> Option<String> {
        self.0.beginning(&String::from_utf8_lossy(bytes), complete, LOG_BYTES)
    }
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<PushSpec>> {
    let table = section.table;
    let (token, cron) = (token(table), cron(table));
    let grace_ms = match table.get("grace") {
        Some(value) => Some(value.duration(SECOND_MS..=LONGEST_GRACE_MS, "from 1s to 7d")?),
        None => None,
    };
    let (hash, token) = token?;
    let probe = PushSpec { token: hash, cron: cron?.map(Box::new), grace_ms };
    let mut shown = Map::new();
    let key = if table.peek("token").is_some() { "token" } else { "token_sha256" };
    shown.insert(key.to_owned(), json!(REDACTED));
    if let Some(cron) = &probe.cron {
        shown.insert("cron".to_owned(), json!(cron.expression));
        shown.insert("zone".to_owned(), json!(cron.zone.name()));
    }
    Some(ParsedEndpoint { probe, target: ADDRESS.to_owned(), secrets: token.into_iter().collect(), shown })
}

/// What is known of the token, and the token where it is known. No message quotes one.
fn token(table: &Table<'_>) -> Option<(TokenHash, Option<Secret>)> {
    let (token, hash) = (table.get("token"), table.get("token_sha256"));
    match (&token, &hash) {
        (Some(token), Some(hash)) => {
            let label = "one of them: the token, or what `printf %s TOKEN | sha256sum` makes of it";
            table.both(("`token`", &token.key), ("`token_sha256`", &hash.key), label);
            None
        }
        (Some(value), None) => {
            let text = value.filled()?;
            let token = text.value.trim();
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            let label = if !token.bytes().all(fits) {
                "letters and digits of ASCII, and `-`, `.`, `_`, `~`: it is part of an address"
            } else if token.len() < SHORTEST_TOKEN {
                "at least 16 characters, as `openssl rand -hex 16` makes them"
            } else if token.len() > LONGEST_TOKEN {
                "at most 200 characters"
            } else {
                return Some((TokenHash::of(token), Some(Secret::new(token))));
            };
            value.source.report(value.mistake("`token` is no token that could be relied on").label(label));
            None
        }
        (None, Some(value)) => {
            let hash = TokenHash::parse(value.filled()?.value.trim());
            if hash.is_none() {
                let mistake = value.mistake("`token_sha256` is no SHA-256");
                value
                    .source
                    .report(mistake.label("64 hexadecimal digits, as `printf %s TOKEN | sha256sum` prints them"));
            }
            Some((hash?, None))
        }
        (None, None) => {
            let help = "what the address ends with that it reports to, as \"${BACKUP_TOKEN}\"; `openssl rand -hex 16` makes one";
            table.missing("token", help);
            None
        }
    }
}

/// The expression. The outer `None` means that it was reported.
fn cron(table: &Table<'_>) -> Option<Option<Cron>> {
    let (cron, zone_value) = (table.get("cron"), table.get("zone"));
    let zone = zone_value.as_ref().map(zone);
    let Some(value) = cron else {
        if let Some(zone) = zone_value {
            zone.source.report(zone.mistake("`zone` belongs to `cron`").label("there is no `cron` beside it"));
            return None;
        }
        return Some(None);
    };
    if zone.is_none() {
        table.missing("zone", "whose clocks the expression speaks of, as \"Europe/Berlin\" or \"UTC\"");
    }
    let text = value.filled()?;
    let known_zone = zone.flatten();
    let moments = match Recurrence::new(text.value.trim(), 1, known_zone.unwrap_or(Tz::UTC)) {
        Ok(moments) => moments,
        Err(why) => {
            let mistake = value.mistake(format!("{} is no cron expression", text.quoted()));
            let help = "minute, hour, day of the month, month, day of the week: \"0 3 * * *\" is 3:00 every day";
            table.source.report(mistake.label(text.detail(why)).help(help));
            return None;
        }
    };
    if !moments.comes() {
        table.source.report(value.mistake("no report is ever due").label("there is no such day"));
        return None;
    }
    if moments.period_ms().is_some_and(|period| period < MINUTE_MS) {
        table.source.report(value.mistake("reports are due too often").label("once a minute at most"));
        return None;
    }
    Some(Some(Cron { moments, expression: text.value.trim().to_owned(), zone: known_zone? }))
}

/// What stands where other kinds have what runs their checks.
#[derive(Debug)]
pub(super) struct Nothing;

impl Runner for Nothing {
    type Spec = PushSpec;

    fn new(_: &PushSpec, _: Arc<Scrubber>, _: &Shared) -> Result<Nothing, ProbeError> {
        Ok(Nothing)
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, _: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        Err(Fault::ours(None, "it reports by itself: nothing is checked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_its_token_and_of_no_other() {
        // printf %s correct-horse-battery | sha256sum
        let hash = TokenHash::of("correct-horse-battery");
        let digits: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(bool::from(TokenHash::parse(&digits).unwrap().is(&hash)));
        assert!(bool::from(TokenHash::parse(&digits.to_uppercase()).unwrap().is(&hash)));
        assert!(!bool::from(TokenHash::of("correct-horse-batterx").is(&hash)));
        assert!(
            ["", "abc", &digits[1..], &digits.replace(&digits[..1], "x")].iter().all(|t| TokenHash::parse(t).is_none())
        );
    }

    #[test]
    fn a_log_is_kept_to_its_bound_and_without_the_token() {
        let cleaner = Cleaner::new("correct-horse-battery");
        let log = format!("curl https://monitor/api/v1/push/correct-horse-battery\n{}", "é".repeat(LOG_BYTES));
        let kept = cleaner.log(log.as_bytes(), true).unwrap();
        assert!(kept.len() <= LOG_BYTES && kept.len() > LOG_BYTES - 8 && !kept.contains("horse"), "{}", kept.len());
        assert_eq!(cleaner.log(b"ends with correct-hor", false).as_deref(), Some("ends with"));
        assert_eq!(cleaner.log(b" \n", true), None);
    }
}
