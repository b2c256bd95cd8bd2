//! What is to be known of a service at a glance.

use super::subject::Subject;
use crate::{
    domain::time::{DAY_MS, UnixMs},
    format,
    http::state::AppState,
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Fact {
    text: String,
    code: bool,
}

pub(super) fn facts(app: &AppState, subject: &Subject, now: UnixMs) -> Vec<Fact> {
    let fact = |text: String| Fact { text, code: false };
    let mut facts = vec![
        fact(subject.stored.kind.as_str().to_owned()),
        Fact { text: format::clipped(subject.stored.target.shown(subject.stored.kind, app.commands), 200), code: true },
        fact(how_often(app, subject)),
    ];
    let Some(now_known) = &subject.now else { return facts };
    let service = &now_known.service;
    let (fails, passes) = (service.thresholds.failure, service.thresholds.success);
    facts.push(fact(format!(
        "{} {}, {} {}",
        format::counted(fails.into(), "failure", "failures"),
        if fails == 1 { "confirms" } else { "confirm" },
        format::counted(passes.into(), "pass", "passes"),
        if passes == 1 { "clears" } else { "clear" },
    )));
    if let Some(limit) = service.degraded_after_ms {
        facts.push(fact(format!("degraded when slower than {}", format::response_time(limit as f64 * 1000.0))));
    }
    if service.is_degraded_when_unusual {
        facts.push(fact("degraded when slower than normal".to_owned()));
    }
    if let Some(rule) = service.at_most {
        facts.push(fact(format!("degraded when more than {rule} checks fail")));
    }
    if let Some(end) = now_known.certificate_expires_at {
        let days = end.since(now).div_euclid(DAY_MS);
        facts.push(fact(match days {
            ..0 => format!("certificate expired {} ago", format::counted(days.unsigned_abs(), "day", "days")),
            0 => "certificate expires today".to_owned(),
            _ => format!("certificate good for {}", format::counted(days.unsigned_abs(), "day", "days")),
        }));
    }
    if !service.critical {
        facts.push(fact("not critical".to_owned()));
    }
    facts
}

/// How often it is checked, or when it reports.
fn how_often(app: &AppState, subject: &Subject) -> String {
    if !subject.reports() {
        return format!("checked every {}", format::duration(subject.interval_ms()));
    }
    // What the history does not record over time is shown as it is today.
    let today = app.live.get(&subject.stored.name);
    let settings = today.as_ref().map(|today| today.settings.read());
    let text = |key: &str| settings.as_ref().and_then(|settings| settings[key].as_str());
    let grace_ms =
        settings.as_ref().and_then(|settings| settings["grace_secs"].as_f64()).map(|secs| (secs * 1000.0) as i64);
    let grace = grace_ms.map_or(String::new(), |ms| format!(", late after {} more", format::duration(ms)));
    match (text("cron"), text("zone")) {
        (Some(cron), Some(zone)) => format!("reports when {cron} in {zone}{grace}"),
        _ => format!("reports every {}{grace}", format::duration(subject.interval_ms())),
    }
}
