//! Drills: once in a period every channel gets a real message, so that a broken one is noticed before it is needed.
//!
//! They come on a weekday morning, when somebody is there to see that one is missing: on the first one of the period on
//! which the monitor runs.

use super::{
    periodic::{announced_at, configured_since},
    queue::Context,
};
use crate::{
    calendar::moments::{Every, Moments},
    config::Drill,
    domain::time::{HOUR_MS, UnixMs},
    routing::{AlertKind, Announcement, ChannelName, Severity},
    shutdown::Shutdown,
    store::{Announce, StoreError},
};
use chrono::{Datelike, NaiveTime, Timelike, Weekday};
use std::time::Duration;
use tokio::time::sleep;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(60);
/// The hour of the day.
const HOUR: u32 = 10;
/// How much later a drill may be. After that it waits for the next weekday.
const LATE_MS: i64 = 2 * HOUR_MS;

/// A channel that drills go to. One that keeps alerts until they are resolved gets a trigger and its resolve.
#[derive(Clone, Debug)]
pub struct Drilled {
    pub name: ChannelName,
    pub keeps_state: bool,
}

/// Announces drills until shutdown.
pub async fn run(drill: Drill, channels: Vec<Drilled>, context: Context, mut shutdown: Shutdown) {
    let moments = moments(&context);
    let (mut since, mut done) = (None, None);
    loop {
        if since.is_none() {
            since = configured_since(&context, "drill").await.ok();
        }
        let now = context.clock.now();
        let due = moments.last(now).filter(|at| now.since(*at) < LATE_MS && is_on_a_weekday(*at, &moments));
        if let (Some(at), Some(since)) = (due.filter(|at| done != Some(*at)), since)
            && at > since
            && announce(drill, &channels, at, &moments, &context).await.is_ok()
        {
            done = Some(at);
        }
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = sleep(ROUND) => {}
        }
    }
}

fn moments(context: &Context) -> Moments {
    let time = NaiveTime::MIN.with_hour(HOUR).unwrap_or_default();
    Moments { every: Every::Day, time, zone: context.zone }
}

fn is_on_a_weekday(at: UnixMs, moments: &Moments) -> bool {
    !matches!(at.utc().with_timezone(&moments.zone).weekday(), Weekday::Sat | Weekday::Sun)
}

/// The period that a moment is in: "2026-12", "2026-W49".
fn period(drill: Drill, at: UnixMs, moments: &Moments) -> String {
    let format = match drill {
        Drill::Weekly => "%G-W%V",
        Drill::Monthly => "%Y-%m",
    };
    at.utc().with_timezone(&moments.zone).format(format).to_string()
}

async fn announce(
    drill: Drill,
    channels: &[Drilled],
    at: UnixMs,
    moments: &Moments,
    context: &Context,
) -> Result<(), StoreError> {
    let period = period(drill, at, moments);
    for channel in channels {
        let key = format!("{}-drill-{period}-{}", context.writer.history_id(), channel.name);
        if announced_at(context, key.clone()).await?.is_some() {
            continue;
        }
        if channel.keeps_state {
            send(context, key.clone(), announcement(drill, false, &key), channel);
            send(context, format!("{key}-over"), announcement(drill, true, &key), channel);
        } else {
            send(context, key.clone(), announcement(drill, true, &key), channel);
        }
    }
    Ok(())
}

fn send(context: &Context, event_id: String, announcement: Announcement, channel: &Drilled) {
    context.writer.announce(Announce { event_id, announcement, channels: vec![channel.name.clone()] });
}

fn announcement(drill: Drill, is_over: bool, key: &str) -> Announcement {
    let often = match drill {
        Drill::Weekly => "once a week",
        Drill::Monthly => "once a month",
    };
    Announcement {
        kind: AlertKind::Drill,
        is_over,
        key: key.to_owned(),
        service: None,
        group: None,
        severity: Severity::Warning,
        title: "[DRILL] health checks".to_owned(),
        text: format!("This is a drill. Nothing is wrong: {often} this message shows that alerts reach you here."),
        details: Vec::new(),
        page: Some("/dashboard/alerts".to_owned()),
        report: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;

    #[test]
    fn the_period_of_a_drill_is_the_week_or_the_month_of_the_zone() {
        let moments = Moments { every: Every::Day, time: NaiveTime::from_hms_opt(10, 0, 0).unwrap(), zone: Tz::UTC };
        for (at, week, month, is_weekday) in [
            ("2026-11-30T10:00:00Z", "2026-W49", "2026-11", true),
            ("2026-12-01T10:00:00Z", "2026-W49", "2026-12", true),
            ("2026-12-05T10:00:00Z", "2026-W49", "2026-12", false),
            ("2027-01-01T10:00:00Z", "2026-W53", "2027-01", true),
            ("2027-01-03T10:00:00Z", "2026-W53", "2027-01", false),
        ] {
            let at = UnixMs::parse(at).unwrap();
            assert_eq!(period(Drill::Weekly, at, &moments), week);
            assert_eq!(period(Drill::Monthly, at, &moments), month);
            assert_eq!(is_on_a_weekday(at, &moments), is_weekday);
        }
    }
}
