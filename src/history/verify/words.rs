//! What is compared, in words: each value with its name.

use crate::{
    domain::{
        check::PhaseTimes,
        replay::{ReplayedOutage, Why},
        time::UnixMs,
        timeline::Tally,
    },
    store::StoredOutage,
};

/// A name and a value in words.
pub(super) type Field = (&'static str, String);

/// The values that differ, with their names.
pub(super) fn in_fields(stored: &[Field], recomputed: &[Field]) -> (String, String) {
    let words = |one: &[Field], other: &[Field]| {
        let differing = one.iter().filter(|field| !other.contains(field));
        differing.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    (words(stored, recomputed), words(recomputed, stored))
}

pub(super) fn fields(tally: &Tally) -> Vec<Field> {
    let us = |us: Option<u32>| us.map_or("none".to_owned(), |us| us.to_string());
    vec![
        ("up_ms", tally.up_ms.to_string()),
        ("degraded_ms", tally.degraded_ms.to_string()),
        ("down_ms", tally.down_ms.to_string()),
        ("unknown_ms", tally.unknown_ms.to_string()),
        ("doubt_up_ms", tally.doubt_up_ms.to_string()),
        ("doubt_down_ms", tally.doubt_down_ms.to_string()),
        ("checks", tally.checks.to_string()),
        ("failures", tally.failures.to_string()),
        ("min_us", us(tally.min_us)),
        ("max_us", us(tally.max_us)),
        ("latency", hex(&tally.latency.to_bytes())),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| format!("{text}{byte:02x}"))
}

/// An outage as it is stored, with its changes of cause.
pub(super) fn stored_fields(outage: &StoredOutage, changes: &[(UnixMs, Why)]) -> Vec<Field> {
    outage_fields(
        [Some(outage.started_at), outage.last_ok_at, outage.confirmed_at, outage.ended_at],
        [outage.down_ms, outage.checks_failed, outage.cause_changes],
        (outage.why, outage.latency_us, outage.phases),
        outage.last_why,
        changes,
    )
}

pub(super) fn retold_fields(outage: &ReplayedOutage) -> Vec<Field> {
    outage_fields(
        [Some(outage.first.at), outage.last_ok_at, outage.confirmed_at, outage.ended_at],
        [outage.down_ms, outage.checks_failed as i64, outage.cause_changes as i64],
        (outage.why, outage.first.latency_us, outage.first.phases),
        outage.last_why,
        &outage.changes,
    )
}

fn outage_fields(
    times: [Option<UnixMs>; 4],
    [down_ms, checks_failed, cause_changes]: [i64; 3],
    (why, latency_us, phases): (Why, Option<u32>, PhaseTimes),
    last_why: Why,
    changes: &[(UnixMs, Why)],
) -> Vec<Field> {
    let time = |at: Option<UnixMs>| at.map_or("none".to_owned(), |at| at.to_string());
    let us = |us: Option<u32>| us.map_or("none".to_owned(), |us| us.to_string());
    let cause = |why: Why| match why.http_status {
        Some(status) => format!("reason {} (HTTP {status})", why.reason),
        None => format!("reason {}", why.reason),
    };
    let PhaseTimes { dns_us, connect_us, tls_us, ttfb_us } = phases;
    let changes: Vec<String> = changes.iter().map(|(at, why)| format!("{at} {}", cause(*why))).collect();
    vec![
        ("started_at", time(times[0])),
        ("last_ok_at", time(times[1])),
        ("confirmed_at", time(times[2])),
        ("ended_at", time(times[3])),
        ("down_ms", down_ms.to_string()),
        ("checks_failed", checks_failed.to_string()),
        ("cause", cause(why)),
        ("latency_us", us(latency_us)),
        ("phases_us", [dns_us, connect_us, tls_us, ttfb_us].map(us).join("/")),
        ("last_cause", cause(last_why)),
        ("cause_changes", cause_changes.to_string()),
        ("changes", format!("[{}]", changes.join("; "))),
    ]
}
