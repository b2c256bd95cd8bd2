//! A week, a month or any stretch looked back on.

use super::{
    Answer, ApiError, ask,
    json::{IncidentJson, Ordered, Time, UptimeJson},
    params::Params,
};
use crate::{
    domain::{incident, time::UnixMs},
    web::{
        pages,
        review::{Period, Review},
        site::Site,
        view::View,
        zone::Zone,
    },
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// The form of a review.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Json,
    Markdown,
    /// One file that needs nothing else.
    Html,
}

impl Form {
    /// The form that a word, or the ending of a file's name, means.
    pub fn parse(word: &str) -> Option<Form> {
        match word {
            "json" => Some(Form::Json),
            "markdown" | "md" => Some(Form::Markdown),
            "html" => Some(Form::Html),
            _ => None,
        }
    }
}

/// A week or month of years that cannot be told.
const BEYOND: &str = "is out of range: it and the one before it have to lie within the years 1970 to 9999";

/// `GET /api/v1/review`: the last full week without a parameter.
pub(super) async fn review(State(site): State<Site>, params: Params) -> Answer<Response> {
    params.only(&["week", "month", "window", "from", "to", "tz", "format"])?;
    let now = site.clock.now();
    let takes = "takes a name of the IANA database, such as Europe/Berlin or UTC";
    let named_zone = params.word("tz", takes, Zone::parse)?;
    let zone = named_zone.unwrap_or(Zone::UTC);
    let form = params.word("format", "takes json, markdown or html", Form::parse)?.unwrap_or(Form::Json);
    let takes = |name: &str, takes| match params.get(name) {
        Some(text) if Period::is_beyond(text, zone) => BEYOND,
        _ => takes,
    };
    let of_week = takes("week", "takes an ISO week such as 2026-W47");
    let of_month = takes("month", "takes a month such as 2026-11");
    let week = params.word("week", of_week, |text| Period::week(text, zone))?;
    let month = params.word("month", of_month, |text| Period::month(text, zone))?;
    let free = params.window_or_none(now, named_zone)?.map(Period::free);
    if [week.is_some(), month.is_some(), free.is_some()].into_iter().filter(|given| *given).count() > 1 {
        return Err(ApiError::parameter("week", "goes without month, window and from: give one of them"));
    }
    let period = week.or(month).or(free).unwrap_or_else(|| Period::last_week(now, zone));
    let review = ask(&site, move |site| Review::of(site, &View::now(site.board.all(), now), period)).await?;
    let Some(review) = review else {
        return Err(ApiError::window(format!("this time has not come yet: it is {now}")));
    };
    let (content_type, text) = match form {
        Form::Json => ("application/json", in_json(&review, now).to_string()),
        Form::Markdown => ("text/markdown; charset=utf-8", pages::review::markdown(&review, zone, now)),
        Form::Html => {
            let html = pages::review::file(&site.templates, &site.title, &review, zone, now);
            ("text/html; charset=utf-8", html.map_err(|_| ApiError::internal())?)
        }
    };
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], text).into_response())
}

/// A review as JSON.
pub(crate) fn in_json(review: &Review, now: UnixMs) -> Value {
    let services: Vec<(&str, Value)> = review
        .services
        .iter()
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
