//! What the configuration of a service that reports by itself says when it is wrong.

use healthcheck_dashboard::config;
use std::path::Path;

fn report(keys: &str) -> String {
    let text = format!("[[checks.endpoints]]\nname = \"backup\"\ntype = \"push\"\n{keys}\n");
    let env = |name: &str| (name == "SHORT").then(|| "horse".to_owned());
    config::parse(&text, Path::new("config.toml"), &env).err().map_or(String::new(), |error| error.to_string())
}

const TOKEN: &str = "token = \"correct-horse-battery\"\n";

#[test]
fn every_mistake_says_what_would_be_right() {
    for (keys, said) in [
        ("interval_secs = 60", "`token` is missing"),
        ("interval_secs = 60\ntoken = \"short-horse\"", "at least 16 characters"),
        ("interval_secs = 60\ntoken = \"${SHORT}\"", "at least 16 characters"),
        ("interval_secs = 60\ntoken = \"correct horse battery\"", "it is part of an address"),
        ("interval_secs = 60\ntoken_sha256 = \"abc\"", "64 hexadecimal digits"),
        (&format!("interval_secs = 60\n{TOKEN}token_sha256 = \"abc\""), "both `token` and `token_sha256`"),
        (TOKEN, "`interval_secs` is missing"),
        (
            &format!("{TOKEN}interval_secs = 60\ncron = \"0 3 * * *\"\nzone = \"UTC\""),
            "both `interval_secs` and `cron`",
        ),
        (&format!("{TOKEN}cron = \"0 3 * * *\""), "`zone` is missing"),
        (&format!("{TOKEN}cron = \"0 25 * * *\"\nzone = \"UTC\""), "is no cron expression"),
        (&format!("{TOKEN}cron = \"0 0 30 2 *\"\nzone = \"UTC\""), "no report is ever due"),
        (&format!("{TOKEN}cron = \"0 3 * * *\"\nzone = \"Europe/Berlín\""), "there is no time zone named"),
        (&format!("{TOKEN}interval_secs = 60\nzone = \"UTC\""), "`zone` belongs to `cron`"),
        (&format!("{TOKEN}interval_secs = 60\ngrace = \"soon\""), "is no duration"),
        (&format!("{TOKEN}interval_secs = 60\ngrace = \"8d\""), "from 1s to 7d"),
        (&format!("{TOKEN}interval_secs = 60\nretry_interval_secs = 2"), "nothing is checked again"),
        (&format!("{TOKEN}interval_secs = 60\nurl = \"http://x\""), "`url` belongs to"),
    ] {
        let report = report(keys);
        assert!(report.contains(said) && report.ends_with("1 mistake in config.toml"), "{keys}\n{report}");
        assert!(!report.contains("horse"), "{report}");
    }
    assert_eq!(report(&format!("{TOKEN}interval_secs = 60\ntimeout_secs = 600\ngrace = \"5m\"")), "");
}

#[test]
fn two_services_cannot_have_the_same_token() {
    // printf %s correct-horse-battery | sha256sum
    let hash = ring::digest::digest(&ring::digest::SHA256, b"correct-horse-battery");
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let other = format!(
        "{TOKEN}interval_secs = 60\n[[checks.endpoints]]\nname = \"other\"\ntype = \"push\"\ninterval_secs = 60\n\
         token_sha256 = \"{hash}\""
    );
    let report = report(&other);
    assert!(report.contains("two services have the same token") && report.contains("the first one"), "{report}");
    assert!(!report.contains("horse") && !report.contains(&hash[..8]), "{report}");
}

#[test]
fn what_is_said_of_all_checks_does_not_count_for_what_is_not_checked() {
    let text = format!(
        "[checks]\ninterval_secs = 5\ntimeout_secs = 1\nfailure_threshold = 4\nsuccess_threshold = 4\ndegraded_after_ms = 1\n\
         objective = 99\n[[checks.endpoints]]\nname = \"a\"\ntype = \"push\"\n{TOKEN}cron = \"0 3 * * MON-FRI\"\nzone = \"UTC\"\n\
         [[checks.endpoints]]\nname = \"b\"\ntype = \"push\"\ntoken = \"another-horse-battery\"\ninterval_secs = 600\nfailure_threshold = 2\n"
    );
    let config = config::parse(&text, Path::new("config.toml"), &|_| None).unwrap_or_else(|error| panic!("{error}"));
    let of = |index: usize| {
        let service = &config.checks.endpoints[index].service;
        let thresholds = (service.thresholds.failure, service.thresholds.success);
        (
            thresholds,
            service.cadence.interval_ms,
            service.cadence.timeout_ms,
            service.degraded_after_ms,
            service.objective,
        )
    };
    let (hour, day) = (3_600_000, 86_400_000);
    assert_eq!(of(0), ((1, 1), 3 * day, hour, None, Some(99.0)));
    assert_eq!(of(1), ((2, 1), 600_000, 60_000, None, Some(99.0)));
}
