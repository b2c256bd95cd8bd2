//! What jobs do wrong that report by themselves.

use super::fault::{Expected, Fault, Port, Reports};
use healthcheck_dashboard::domain::check::Class;

/// A report is due every 6 seconds and late after 8, and so is a run after 3.
const KEYS: &str = "type = \"push\"\ntoken = \"TOKEN\"\ninterval_secs = 6\ngrace = \"2s\"\ntimeout_secs = 3\n";

fn every(period_ms: i64, reports: &'static [(i64, &'static str)]) -> Port {
    Port::Reports(Reports { period_ms, reports })
}

pub(super) fn faults() -> Vec<Fault> {
    use Class::{Content, ExitCode, Timeout};
    let runs = every(5_000, &[(0, "/start"), (1_000, "")]);
    let down = |name, class, broken| Fault::new("push", name, Expected::Down(class), KEYS, runs.clone(), broken);
    let up = |name, broken| Fault::new("push", name, Expected::Up, KEYS, every(5_000, &[(0, "")]), broken);
    vec![
        down("no report comes", Timeout, every(5_000, &[])),
        down("reports come much too seldom", Timeout, every(14_000, &[(13_000, "")])),
        down("a run never ends", Timeout, every(5_000, &[(0, "/start")])),
        down("runs overlap, and none ends", Timeout, every(5_000, &[(0, "/start?rid=a"), (2_500, "/start?rid=b")])),
        down("it reports that it failed", Content, every(5_000, &[(0, "/start"), (1_000, "/fail")])),
        down("it reports that it is down", Content, every(5_000, &[(0, "?status=down&message=full")])),
        down("it reports exit code 1", ExitCode, every(5_000, &[(0, "/start"), (1_000, "/1")])),
        up("reports come late, within their grace", every(7_500, &[(0, "")])),
        up(
            "runs overlap, and each ends",
            every(5_000, &[(0, "/start?rid=a"), (2_000, "/start?rid=b"), (2_800, "?rid=a"), (4_500, "?rid=b")]),
        ),
    ]
}
