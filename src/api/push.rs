//! `/api/v1/push/{token}`: services that report by themselves. Whoever knows the token of one changes what is known of it,
//! also with a GET, because that is what a line of cron, a shell and a router can send.

use crate::{
    domain::check::Outcome,
    http::{
        error::{Answer, ApiError},
        params::Params,
        proxy_headers::RequestOrigin,
        state::AppState,
    },
    probe::push::{Cleaner, LOG_BYTES},
    scheduler::{Event, PushReport, PushService, Taken},
};
use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long an answer waits for the commit of what was reported.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks meanwhile whether the history can be written at all.
const LOOK: Duration = Duration::from_millis(250);
/// The most bytes of a body that are read. What lies beyond those that are kept is read and forgotten, so that whoever
/// sends them gets an answer.
const MOST_BYTES: usize = 10_000_000;
/// The longest duration that is believed, in milliseconds.
const LONGEST_MS: f64 = 366.0 * 86_400_000.0;
/// The longest name of a run, in bytes.
const LONGEST_RUN: usize = 64;

const MESSAGES: [&str; 5] = ["message", "msg", "duration_ms", "ping", "rid"];
const ENDINGS: &str = "/start, /fail, /log, or an exit code from /0 to /255";

/// `POST /api/v1/push/{token}`, and the same with `/{event}`.
pub(super) async fn push(
    State(app): State<AppState>,
    path: Result<Path<Vec<(String, String)>>, PathRejection>,
    params: Params,
    origin: RequestOrigin,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let now = app.clock.now();
    if let Some(wait_ms) = app.push_attempts.wait_ms(origin.client, origin.claimed, now) {
        return Err(ApiError::later(
            StatusCode::TOO_MANY_REQUESTS,
            "too many unknown tokens came from this address: wait a minute",
            wait_ms / 1000 + 1,
        ));
    }
    let parts: Vec<String> =
        path.map(|Path(parts)| parts.into_iter().map(|(_, part)| part).collect()).unwrap_or_default();
    let token = parts.first().map_or("", String::as_str);
    let Some(service) = app.pushes.find(token) else {
        app.push_attempts.wrong(origin.client, origin.claimed, now);
        let client = origin.client.map_or("an unknown address".to_owned(), |address| address.to_string());
        tracing::warn!(client, "a push was refused: its token is no service's");
        return Err(ApiError::not_found("there is no service with this token"));
    };
    let report = report(service, token, parts.get(1).map(String::as_str), &params, body).await?;
    let event = report.event;
    let done = match service.is_paused() {
        true => Done::Paused,
        false => match service.take(report).await {
            Some(Taken::Recorded { outcome, mut written }) => match committed(&app, &mut written).await {
                Some(true) => Done::Written(outcome),
                Some(false) => Done::Waiting(outcome),
                None => return Err(ApiError::busy("this could not be written, or the monitor is stopping: try again")),
            },
            Some(Taken::NoRoom { outcome }) => Done::NoRoom(outcome),
            Some(Taken::Noted) => Done::Noted(event),
            Some(Taken::TooMany(wait)) => {
                return Err(ApiError::later(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too many reports of this service within a minute: this one was not counted",
                    i64::try_from(wait.as_secs()).unwrap_or(60) + 1,
                ));
            }
            None => return Err(ApiError::busy("the monitor is stopping: try again in a moment")),
        },
    };
    Ok(answer(&headers, service, &done))
}

/// Answers other methods.
pub(super) async fn not_allowed() -> ApiError {
    ApiError::refused(StatusCode::METHOD_NOT_ALLOWED, "a service reports with POST, GET or HEAD")
}

/// What became of a report.
enum Done {
    Written(Outcome),
    Waiting(Outcome),
    NoRoom(Outcome),
    Noted(Event),
    Paused,
}

async fn report(
    service: &PushService,
    token: &str,
    ending: Option<&str>,
    params: &Params,
    body: Body,
) -> Answer<PushReport> {
    let event = match ending {
        None => {
            params.only(&[&["status"], &MESSAGES[..]].concat())?;
            let read = |word: &str| match word {
                "up" => Some(Event::Passed),
                "down" => Some(Event::Failed),
                _ => None,
            };
            params.word("status", "takes up or down", read)?.unwrap_or(Event::Passed)
        }
        Some(ending) => {
            params.only(&MESSAGES)?;
            match ending {
                "start" => Event::Start,
                "fail" => Event::Failed,
                "log" => Event::Log,
                code => match code.parse::<u8>() {
                    Ok(0) => Event::Passed,
                    Ok(code) => Event::Exit(code),
                    Err(_) => return Err(ApiError::not_found(format!("after the token of a service comes {ENDINGS}"))),
                },
            }
        }
    };
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= LONGEST_RUN
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let takes = "takes a name for the run: up to 64 letters, digits, `-`, `.` and `_`";
    let run = params.word("rid", takes, |name| is_name(name).then(|| name.to_owned()))?;
    let took = duration(params, "duration_ms")?.or(duration(params, "ping")?);
    let cleaner = Cleaner::new(token);
    let message = params.get("message").or(params.get("msg")).and_then(|text| cleaner.message(text));
    let log = match service.is_paused() {
        true => None,
        false => {
            let (bytes, complete) = beginning(body).await?;
            cleaner.log(&bytes, complete)
        }
    };
    Ok(PushReport { event, run, took, message, log })
}

/// A duration in milliseconds. An empty one is what some clients send who know none.
fn duration(params: &Params, name: &str) -> Answer<Option<Duration>> {
    let read = |text: &str| match text {
        "" => Some(None),
        text => {
            let ms = text.parse().ok().filter(|ms| (0.0..=LONGEST_MS).contains(ms))?;
            Some(Some(Duration::from_secs_f64(ms / 1000.0)))
        }
    };
    Ok(params.word(name, "takes a number of milliseconds", read)?.flatten())
}

/// The beginning of a body, and whether that is all of it.
async fn beginning(body: Body) -> Answer<(Vec<u8>, bool)> {
    let (mut kept, mut came) = (Vec::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|_| ApiError::refused(StatusCode::BAD_REQUEST, "the body of this request broke off"))?;
        came += chunk.len();
        if came > MOST_BYTES {
            let detail = "this log is too large: of up to 10 MB the first 100 KB are kept. Nothing was recorded";
            return Err(ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        kept.extend_from_slice(&chunk[..chunk.len().min(LOG_BYTES - kept.len())]);
    }
    let complete = came == kept.len();
    Ok((kept, complete))
}

/// Waits for a commit: `Some(false)` while the history cannot be written, `None` where it never will be.
async fn committed(app: &AppState, written: &mut tokio::sync::oneshot::Receiver<()>) -> Option<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match timeout(LOOK, &mut *written).await {
            Ok(Ok(())) => return Some(true),
            Ok(Err(_)) => return None,
            Err(_elapsed) if app.writer.trouble().is_some() || Instant::now() >= deadline => return Some(false),
            Err(_elapsed) => {}
        }
    }
}

fn answer(headers: &HeaderMap, service: &PushService, done: &Done) -> Response {
    let (status, recorded, outcome, text) = match done {
        Done::Written(outcome) => (StatusCode::OK, "written", Some(outcome), "OK"),
        Done::Waiting(outcome) => {
            let text = "OK, but the history cannot be written right now: this is kept in memory until it can";
            (StatusCode::ACCEPTED, "waiting", Some(outcome), text)
        }
        Done::NoRoom(outcome) => {
            let text =
                "OK, but the history cannot be written right now, and there is no room for more: this is shown only";
            (StatusCode::ACCEPTED, "not stored", Some(outcome), text)
        }
        Done::Noted(Event::Log) => (StatusCode::OK, "noted", None, "OK (kept should the run that is under way fail)"),
        Done::Noted(_) => (StatusCode::OK, "noted", None, "OK"),
        Done::Paused => (StatusCode::OK, "paused", None, "OK (not recorded: this service is paused)"),
    };
    let wants_json = headers.get(header::ACCEPT).is_some_and(|kinds| kinds.to_str().is_ok_and(|k| k.contains("json")));
    let (kind, body) = match wants_json {
        true => {
            let outcome = outcome.map(|outcome| outcome.as_str());
            let body = json!({ "ok": true, "service": service.name, "recorded": recorded, "outcome": outcome });
            ("application/json", body.to_string())
        }
        false => ("text/plain; charset=utf-8", format!("{text}\n")),
    };
    // A proxy that answers the next one by itself would make the service late.
    (status, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], body).into_response()
}
