//! The HTTP interface over a history that is known to the millisecond.

mod events;
mod export;
mod health;
mod history;
mod http;
mod incidents;
mod services;

use crate::support::history::{History, result, service};
use healthcheck_dashboard::domain::{
    check::Class,
    service::{Service, Thresholds},
    time::UnixMs,
};

/// Monday, midnight.
const BEGIN: &str = "2026-11-16T00:00:00Z";
/// A name that a careless interface breaks on.
const ODD: &str = "a/b ü?";

fn begin() -> UnixMs {
    UnixMs::parse(BEGIN).unwrap()
}

/// So many seconds after the beginning, as the interface says it.
fn time(seconds: f64) -> String {
    begin().plus((seconds * 1000.0).round() as i64).to_string()
}

fn flappy(name: &str) -> Service {
    Service { thresholds: Thresholds { failure: 1, success: 1 }, ..service(name) }
}

/// Five minutes of five services, seen 310 s after the beginning.
///
/// `web` is up for 60 s, degraded for 10, up, down for one check (a blip), up, down from 100 s to 140 s (an incident), up,
/// not judged at 160 s, up at 170 s, not observed from 195 s to 300 s, and up since.
async fn five_minutes() -> History {
    let odd = Service { critical: false, group: Some("Odd".into()), ..service(ODD) };
    let paused = Service { enabled: false, ..service("paused") };
    let mut history =
        History::new(BEGIN, vec![service("web"), odd, service("fresh"), paused, flappy("flap a"), flappy("flap b")]);
    let s = |seconds: i64| begin().plus(seconds * 1000);
    history.checks("web", begin(), "......~.x.xx");
    history.check_with("web", result('x', s(120)), Some("<html>it hurts</html>"));
    let mut otherwise = result('x', s(130));
    let reason = otherwise.reason.as_mut().unwrap();
    (reason.class, reason.phase, reason.message) = (Class::Connect, None, "connection refused by 10.0.0.7:3000".into());
    otherwise.http_status = None;
    history.check("web", otherwise);
    history.checks("web", s(140), "..?.            .");
    history.checks(ODD, begin(), "...............................");
    // Down in every other ten seconds: ten incidents, two and two of the same moment.
    history.checks("flap a", s(200), "x.x.x.x.x.");
    history.checks("flap b", s(200), "x.x.x.x.x.");
    history.checks("flap a", s(300), ".");
    history.checks("flap b", s(300), "x");
    history.at(s(310));
    history.committed().await;
    history
}
