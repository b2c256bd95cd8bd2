//! A week, a month or any stretch looked back on.

use crate::{
    clock::Clock,
    format::zone::Zone,
    history::as_of::Snapshot,
    http::{
        error::{Answer, ApiError},
        params::Params,
        state::{AppState, Queries},
    },
    live::LiveState,
    render::Templates,
    report::{self, Form, Period, Review},
};
use axum::{
    extract::{FromRef, State},
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// What the review is made with as a file of its own.
#[derive(Clone)]
pub(super) struct ReviewFile {
    templates: Templates,
    title: Arc<str>,
}

impl FromRef<AppState> for ReviewFile {
    fn from_ref(app: &AppState) -> ReviewFile {
        ReviewFile { templates: app.templates.clone(), title: app.title.clone() }
    }
}

/// A week or month of years that cannot be written.
const BEYOND: &str = "is out of range: it and the one before it have to lie within the years 1970 to 9999";

/// `GET /api/v1/review`: the last full week without a parameter.
pub(super) async fn review(
    State(queries): State<Queries>,
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    State(file): State<ReviewFile>,
    params: Params,
) -> Answer<Response> {
    params.only(&["week", "month", "window", "from", "to", "tz", "format"])?;
    let now = clock.now();
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
    let review = queries.ask(move |reader| Review::of(reader, &Snapshot::now(live.all(), now), period)).await?;
    let Some(review) = review else {
        return Err(ApiError::window(format!("this time has not come yet: it is {now}")));
    };
    let (content_type, text) = match form {
        Form::Json => ("application/json", report::in_json(&review, now).to_string()),
        Form::Markdown => ("text/markdown; charset=utf-8", report::markdown(&review, zone, now)),
        Form::Html => {
            let html = report::file(&file.templates, &file.title, &review, zone, now);
            ("text/html; charset=utf-8", html.map_err(|_| ApiError::internal())?)
        }
    };
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], text).into_response())
}
