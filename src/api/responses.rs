//! What people do about alerts: acknowledgements of incidents, and silences.

use super::{body::json, incidents};
use crate::{
    domain::{time::UnixMs, window::parse_duration},
    http::{
        changes::{self, Refused},
        error::{Answer, ApiError},
        named::Named,
        params::Params,
        proxy_headers::RequestOrigin,
        responses::{self, Statement},
        state::AppState,
    },
    interchange::json::SilenceJson,
    routing::{Severity, Silenced},
};
use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use serde_json::Value;

/// Who did something that gave no name.
const ANONYMOUS: &str = "whoever has the token";

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Acknowledge {
    author: String,
    note: String,
    /// RFC 3339,
    until: Option<String>,
    /// or as `4h`. Without either it holds until the incident is over.
    duration: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct NewSilence {
    service: Vec<String>,
    group: Vec<String>,
    class: Vec<String>,
    severity: Option<Severity>,
    from: Option<String>,
    until: Option<String>,
    duration: Option<String>,
    author: String,
    reason: String,
}

/// When it ends: at a moment, or after a time.
fn end(until: Option<&str>, duration: Option<&str>, from: UnixMs) -> Answer<Option<UnixMs>> {
    match (until, duration) {
        (None, None) => Ok(None),
        (Some(text), None) => moment("until", text).map(Some),
        (None, Some(text)) => match parse_duration(text) {
            Some(ms) => Ok(Some(from.plus(ms))),
            None => Err(unfit(format!("“{text}” is no duration, as 30m or 4h"))),
        },
        (Some(_), Some(_)) => Err(unfit("give `until` or `duration`, not both".to_owned())),
    }
}

fn moment(name: &str, text: &str) -> Answer<UnixMs> {
    UnixMs::parse(text).ok_or_else(|| unfit(format!("`{name}` is no time, as 2026-11-30T18:00:00Z: “{text}”")))
}

fn unfit(detail: String) -> ApiError {
    ApiError::refused(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

/// `POST /api/v1/incidents/{id}/acknowledge`
pub(super) async fn acknowledge(
    State(app): State<AppState>,
    Named(id): Named,
    params: Params,
    origin: RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Json<Value>> {
    params.only(&[])?;
    changes::admit(&app, changes::bearer(&headers), &headers, &origin)?;
    let wish: Acknowledge = match body.is_empty() {
        true => Acknowledge::default(),
        false => json(&headers, &body, &[], "{\"author\": \"ada\", \"duration\": \"4h\", \"note\": \"on it\"}")?,
    };
    let until = end(wish.until.as_deref(), wish.duration.as_deref(), app.clock.now())?;
    if until.is_some_and(|until| until <= app.clock.now()) {
        return Err(unfit("`until` has passed".to_owned()));
    }
    respond(&app, &id, &Statement { author: wish.author, reason: wish.note }, until).await
}

/// `DELETE /api/v1/incidents/{id}/acknowledge`: nobody takes care of it after all.
pub(super) async fn take_back(
    State(app): State<AppState>,
    Named(id): Named,
    params: Params,
    origin: RequestOrigin,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    params.only(&["author"])?;
    changes::admit(&app, changes::bearer(&headers), &headers, &origin)?;
    let author = params.get("author").unwrap_or_default().to_owned();
    let now = app.clock.now();
    respond(&app, &id, &Statement { author, reason: String::new() }, Some(now)).await
}

async fn respond(app: &AppState, id: &str, statement: &Statement, until: Option<UnixMs>) -> Answer<Json<Value>> {
    let number: i64 = id.parse().map_err(|_| incidents::missing(&app.live, id))?;
    match responses::acknowledge(app, vec![number], statement, until, ANONYMOUS).await {
        Ok(open) if open.is_empty() => Err(ApiError::refused(
            StatusCode::CONFLICT,
            format!("incident {id} is over: there is nothing to acknowledge"),
        )),
        Ok(_) => incidents::detailed(app, number).await,
        Err(Refused::Missing) => Err(incidents::missing(&app.live, id)),
        Err(refused) => Err(refused.into()),
    }
}

/// `GET /api/v1/silences`: those that are not over; with `state=all` every one there ever was.
pub(super) async fn list(State(app): State<AppState>, params: Params) -> Answer<Json<Value>> {
    params.only(&["state"])?;
    let now = app.clock.now();
    let all = params.word("state", "takes active or all", |word| match word {
        "active" => Some(false),
        "all" => Some(true),
        _ => None,
    })?;
    let after = if all == Some(true) { UnixMs::MIN } else { now };
    let silences = app.ask(move |app| app.reader.silences(after)).await?;
    Ok(Json(
        serde_json::json!({ "items": silences.iter().map(|silence| SilenceJson::new(silence, now)).collect::<Vec<_>>() }),
    ))
}

/// `POST /api/v1/silences`
pub(super) async fn silence(
    State(app): State<AppState>,
    params: Params,
    origin: RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<(StatusCode, Json<Value>)> {
    params.only(&[])?;
    changes::admit(&app, changes::bearer(&headers), &headers, &origin)?;
    let example = "{\"service\": [\"db-*\"], \"duration\": \"2h\", \"author\": \"ada\", \"reason\": \"new switch\"}";
    let wish: NewSilence = json(&headers, &body, &[], example)?;
    let now = app.clock.now();
    let from = wish.from.as_deref().map_or(Ok(now), |text| moment("from", text))?;
    let until = end(wish.until.as_deref(), wish.duration.as_deref(), from)?;
    let until = until.ok_or_else(|| unfit(format!("a silence has an end, `until` or `duration`, as {example}")))?;
    let silenced = Silenced { service: wish.service, group: wish.group, class: wish.class, severity: wish.severity };
    let statement = Statement { author: wish.author, reason: wish.reason };
    let silence = responses::silence(&app, silenced, (from, until), &statement, ANONYMOUS).await?;
    Ok((StatusCode::CREATED, Json(serde_json::json!(SilenceJson::new(&silence, now)))))
}

/// `DELETE /api/v1/silences/{id}`: it ends now.
pub(super) async fn end_silence(
    State(app): State<AppState>,
    Named(id): Named,
    params: Params,
    origin: RequestOrigin,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    params.only(&[])?;
    changes::admit(&app, changes::bearer(&headers), &headers, &origin)?;
    match responses::end_silence(&app, &id).await {
        Ok(silence) => Ok(Json(serde_json::json!(SilenceJson::new(&silence, app.clock.now())))),
        Err(Refused::Missing) => Err(ApiError::not_found(format!("there is no silence {id}, or it is over"))),
        Err(refused) => Err(refused.into()),
    }
}
