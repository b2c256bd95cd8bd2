//! The review as JSON.

use super::review::Review;
use crate::{
    domain::{incident, time::UnixMs},
    interchange::json::{IncidentJson, Ordered, Time, UptimeJson},
};
use serde_json::{Value, json};

/// A review as JSON.
pub(crate) fn in_json(review: &Review, now: UnixMs) -> Value {
    first_in_json(review, usize::MAX, now)
}

/// The same with so many of its services, those that come first.
pub(super) fn first_in_json(review: &Review, most: usize, now: UnixMs) -> Value {
    let services: Vec<(&str, Value)> = review
        .services
        .iter()
        .take(most)
        .map(|s| {
            let figures = json!({
                "objective": s.objective,
                "missed": s.missed_by().is_some(),
                "new": s.is_new,
                "uptime": UptimeJson::from(&s.uptime),
                "before": UptimeJson::from(&s.before),
            });
            (s.name.as_str(), figures)
        })
        .collect();
    let longest: Vec<_> =
        review.longest.iter().map(|(outage, with)| IncidentJson::new(outage, incident::services(with), now)).collect();
    json!({
        "from": Time(review.window.from()),
        "to": Time(review.window.to()),
        "period": review.period.word().map(|(_, word)| word),
        "before": { "from": Time(review.period.before.from()), "to": Time(review.period.before.to()) },
        "generated_at": Time(now),
        "services": Ordered(services),
        "longest": longest,
        "most_at_once": review.peak.map(|(at, count)| json!({ "hour": Time(at), "services": count })),
        "certificates": review.certificates.iter()
            .map(|c| json!({ "service": c.service, "expires_at": Time(c.at) })).collect::<Vec<_>>(),
        "monitor_gaps": review.unobserved.iter()
            .map(|g| json!({ "from": Time(g.from), "to": g.to.map(Time), "reason": g.why.as_str() })).collect::<Vec<_>>(),
    })
}
