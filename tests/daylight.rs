//! Around the days on which clocks are set: what is counted is time that passes, and a day is the reader's.

use crate::support::{
    binary::{run, stdout},
    history::{History, service},
};
use healthcheck_dashboard::domain::time::UnixMs;
use serde_json::Value;

fn at(text: &str) -> UnixMs {
    UnixMs::parse(text).unwrap()
}

fn hours(uptime: &Value) -> f64 {
    let kinds = ["up_ms", "degraded_ms", "down_ms", "unknown_ms", "maintenance_ms", "gap_ms"];
    kinds.iter().map(|kind| uptime[kind].as_i64().unwrap()).sum::<i64>() as f64 / 3_600_000.0
}

/// The weeks around a Sunday in Berlin, with an outage of 30 s at each of these moments.
async fn weeks(begin: &str, outages: &[&str], now: &str) -> History {
    let mut history = History::new(begin, vec![service("web")]);
    for outage in outages {
        history.checks("web", at(outage), ".......xxx.......");
    }
    history.committed().await;
    history.at(at(now));
    history
}

#[tokio::test(start_paused = true)]
async fn a_week_and_a_day_of_an_hour_more_or_less_are_counted_as_long_as_they_are() {
    let autumn = weeks(
        "2026-10-11T22:00:00Z",
        // 2:30 on the Saturday, 2:30 and 2:30 again on the Sunday, 2:30 on the Monday.
        &["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"],
        "2026-11-02T00:00:00Z",
    );
    let spring = weeks(
        "2026-03-15T23:00:00Z",
        // 1:59 and 3:01 on the Sunday, which are two minutes from each other; the last minute of it.
        &["2026-03-29T00:55:00Z", "2026-03-29T01:05:00Z", "2026-03-29T21:55:00Z"],
        "2026-04-06T00:00:00Z",
    );
    for (history, week, day, next, long, in_week, on_day) in [
        (autumn.await, "2026-W43", "2026-10-25", "2026-10-26", 1.0, 3, 2),
        (spring.await, "2026-W13", "2026-03-29", "2026-03-30", -1.0, 3, 3),
    ] {
        let tz = "tz=Europe/Berlin";
        let review = history.get(&format!("/api/v1/review?week={week}&{tz}")).await.ok();
        let web = &review["services"]["web"];
        assert_eq!(hours(&web["uptime"]), 7.0 * 24.0 + long, "{week}");
        assert_eq!(hours(&web["before"]), 7.0 * 24.0, "the week before {week}");
        assert_eq!(web["uptime"]["incidents"], in_week, "{week}");
        assert_eq!(web["uptime"]["down_ms"], in_week * 30_000);
        let review = history.get(&format!("/api/v1/review?from={day}&to={next}&{tz}")).await.ok();
        let of_day = &review["services"]["web"]["uptime"];
        assert_eq!(hours(of_day), 24.0 + long, "{day}");
        assert_eq!(of_day["incidents"], on_day, "{day}");
        assert_eq!(of_day["down_ms"], on_day * 30_000);
        // The same moments, whoever names them.
        let (from, to) = (review["from"].as_str().unwrap(), review["to"].as_str().unwrap());
        let same = history.get(&format!("/api/v1/services/web/uptime?from={from}&to={to}")).await.ok();
        assert_eq!(of_day, &same);
        let page = history.get(&format!("/dashboard/review?from={day}&to={next}&{tz}")).await;
        assert_eq!(page.status, 200);
        // In UTC it is a day like any other.
        let review = history.get(&format!("/api/v1/review?from={day}&to={next}")).await.ok();
        assert_eq!(hours(&review["services"]["web"]["uptime"]), 24.0);
        let export = history.get(&format!("/api/v1/export?from={day}&to={next}")).await.ok();
        assert_eq!(export["export"]["from"], format!("{day}T00:00:00.000Z"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_links_of_a_window_mean_the_hour_that_was_looked_at_of_two() {
    let history = weeks("2026-10-19T00:00:00Z", &["2026-10-25T01:30:00Z"], "2026-11-02T00:00:00Z").await;
    // From the second 2:30 on, an hour long.
    let page =
        history.get("/dashboard/review?from=2026-10-25T01:30:00Z&to=2026-10-25T02:30:00Z&tz=Europe/Berlin").await;
    for link in ["from=2026-10-25T00:30:00.000Z", "to=2026-10-25T01:30:00.000Z", "from=2026-10-25T02:30:00.000Z"] {
        assert!(page.text().replace("&#x3a;", ":").contains(link), "{link}: {}", page.text());
    }
}

/// The process may be anywhere: what is said is said in the zone that was asked for, or in UTC.
#[test]
fn the_zone_of_the_process_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[storage]\npath = \"history.db\"\n[[checks.endpoints]]\nname = \"web\"\nurl = \"tcp://127.0.0.1:9\"\n\
                  [[maintenance]]\ncron = \"30 2 * * *\"\nduration = \"1h\"\nzone = \"Europe/Berlin\"\n";
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let outages = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"];
        let history = weeks("2026-10-18T22:00:00Z", &outages, "2026-11-02T00:00:00Z").await;
        let from = history.path();
        history.store.stop().await;
        std::fs::copy(from, folder.path().join("history.db")).unwrap();
    });
    let mark = ["history", "maintenance", "add", "--from", "2026-10-20", "--to", "2026-10-21", "--reason", "x"];
    assert!(run(folder.path(), &mark).status.success());
    let commands: [&[&str]; 6] = [
        &["report", "--week", "2026-W43", "--tz", "Europe/Berlin", "--format", "json"],
        &["report", "--from", "2026-10-25", "--to", "2026-10-26", "--tz", "Europe/Berlin", "--format", "markdown"],
        &["report", "--month", "2026-10", "--format", "json"],
        &["export", "--from", "2026-10-25", "--to", "2026-10-26", "--format", "ndjson"],
        &["history", "maintenance", "list"],
        &["validate"],
    ];
    let clock = regex::Regex::new(r#""generated_at": ?"[^"]*"|Made .*"#).unwrap();
    let said = |zone: Option<&str>| {
        commands.map(|arguments| {
            let mut command = crate::support::binary::program(folder.path());
            match zone {
                Some(zone) => command.env("TZ", zone),
                None => command.env_remove("TZ"),
            };
            let output = command.args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            clock.replace_all(stdout(&output), "").into_owned()
        })
    };
    let usual = said(None);
    assert!(
        usual[0].contains("2026-10-18T22:00:00.000Z") && usual[0].contains("2026-10-25T23:00:00.000Z"),
        "{}",
        usual[0]
    );
    assert!(usual[1].contains("2026-10-25T01:31:10.000Z"), "{}", usual[1]);
    for zone in ["America/New_York", "Pacific/Kiritimati", "Europe/Berlin", "EST5EDT", ":nowhere", "XYZ-14"] {
        assert_eq!(said(Some(zone)), usual, "TZ={zone}");
    }
}
