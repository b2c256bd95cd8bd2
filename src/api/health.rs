//! Is it up now: `/health`, from memory (and how it was, with `?at=`, from the history); and is the monitor itself: `/livez` and `/readyz`.

use crate::{
    clock::Clock,
    domain::{
        check::CheckResult,
        status::{Overall, Status},
        time::{DAY_MS, UnixMs},
    },
    http::{
        error::{Answer, ApiError},
        named::Named,
        params::Params,
        state::{Monitor, Queries},
    },
    interchange::json::{Ordered, ReasonJson, Time, ms},
    live::{LiveState, ServiceNow},
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

#[derive(Serialize)]
struct Health<T> {
    timestamp: String,
    status: &'static str,
    /// Only in the verbose form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_store: Option<u64>,
    services: T,
}

/// What the request's example shows of a service, and nothing more.
#[derive(Serialize)]
struct Brief {
    ok: bool,
    /// Whole milliseconds; `null` before the first result.
    response_time_ms: Option<u32>,
}

#[derive(Serialize)]
struct Verbose<'a> {
    #[serde(flatten)]
    brief: Brief,
    status: &'static str,
    since: Option<Time>,
    last_check: Option<Time>,
    last_check_age_ms: Option<i64>,
    failure: Option<ReasonJson<'a>>,
    certificate_days: Option<i64>,
    critical: bool,
    /// Results that this takes in and that are not stored yet.
    pending_store: u64,
}

fn brief(service: &ServiceNow, now: UnixMs) -> Brief {
    let latency_us = service.last.as_ref().and_then(|last| last.latency_us);
    Brief { ok: service.status(now).is_ok(), response_time_ms: latency_us.map(|us| us.saturating_add(500) / 1000) }
}

fn verbose(service: &ServiceNow, now: UnixMs) -> Verbose<'_> {
    let last: Option<&CheckResult> = service.last.as_ref();
    Verbose {
        brief: brief(service, now),
        status: service.status(now).as_str(),
        since: service.status_since(now).map(Time),
        last_check: last.map(|last| Time(last.at)),
        last_check_age_ms: last.map(|last| now.since(last.at).max(0)),
        failure: last.and_then(|last| last.reason.as_ref()).map(ReasonJson::from),
        certificate_days: service.certificate_expires_at.map(|end| end.since(now).div_euclid(DAY_MS)),
        critical: service.service.critical,
        pending_store: service.pending_store,
    }
}

/// `GET /health`, and with `?at=T` what it would have answered then.
pub(super) async fn all(
    State(queries): State<Queries>,
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    headers: HeaderMap,
    params: Params,
) -> Answer<Response> {
    params.only(&KNOWN)?;
    let now = clock.now();
    match params.at(now)? {
        Some(at) => answer(Asked::All(queries.as_of(&live, at).await?), at, &headers, &params),
        None => answer(Asked::All(live.all()), now, &headers, &params),
    }
}

/// `GET /health/{service}`: 200 exactly while its `ok` is true.
pub(super) async fn one(
    State(queries): State<Queries>,
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    Named(name): Named,
    headers: HeaderMap,
    params: Params,
) -> Answer<Response> {
    params.only(&KNOWN)?;
    let now = clock.now();
    if let Some(at) = params.at(now)? {
        let services = queries.as_of(&live, at).await?;
        let service = services.into_iter().find(|s| s.service.name == name);
        let missing = || ApiError::not_found(format!("no service named “{name}” was watched at {at}"));
        return answer(Asked::One([service.ok_or_else(missing)?]), at, &headers, &params);
    }
    match live.get(&name) {
        Some(service) => answer(Asked::One([service]), now, &headers, &params),
        None => Err(ApiError::not_found(format!("no service named “{name}” is watched"))),
    }
}

/// What these paths take.
const KNOWN: [&str; 2] = ["verbose", "at"];

/// The services of a request.
enum Asked {
    All(Vec<Arc<ServiceNow>>),
    One([Arc<ServiceNow>; 1]),
}

fn answer(asked: Asked, now: UnixMs, headers: &HeaderMap, params: &Params) -> Answer<Response> {
    let is_verbose = is_verbose(params)?;
    let (overall, services) = match &asked {
        Asked::All(all) => (Overall::of(all.iter().map(|s| (s.status(now), s.service.critical))), all.as_slice()),
        Asked::One([one]) => (Overall::of_one(one.status(now)), std::slice::from_ref(one)),
    };
    let draft = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("application/health+json")));
    let timestamp = now.utc().to_rfc3339_opts(SecondsFormat::Secs, true);
    let status = overall.as_str();
    let pending = pending_store(services);
    let (content_type, body) = if draft {
        ("application/health+json", health_json(&asked, services, overall, now).to_string())
    } else if is_verbose {
        let services = services.iter().map(|s| (s.service.name.as_str(), verbose(s, now))).collect();
        (
            "application/json",
            to_json(&Health { timestamp, status, pending_store: Some(pending), services: Ordered(services) })?,
        )
    } else {
        let services = services.iter().map(|s| (s.service.name.as_str(), brief(s, now))).collect();
        ("application/json", to_json(&Health { timestamp, status, pending_store: None, services: Ordered(services) })?)
    };
    let code = if overall.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store"), (header::VARY, "accept")];
    Ok((code, headers, body).into_response())
}

/// The results of some services that are shown and not stored yet.
fn pending_store(services: &[Arc<ServiceNow>]) -> u64 {
    services.iter().map(|service| service.pending_store).sum()
}

fn to_json(value: &impl Serialize) -> Answer<String> {
    serde_json::to_string(value).map_err(|_| ApiError::internal())
}

/// The health+json draft's form (draft-inadarei-api-health-check).
fn health_json(asked: &Asked, services: &[Arc<ServiceNow>], overall: Overall, now: UnixMs) -> serde_json::Value {
    // Among all, those that nobody is to mind do not fail.
    let minds_none = |status| matches!((asked, status), (Asked::All(_), Status::Paused | Status::Maintenance));
    let word = |ok: bool, warn: bool| {
        if !ok {
            "fail"
        } else if warn {
            "warn"
        } else {
            "pass"
        }
    };
    let checks: serde_json::Map<_, _> = services
        .iter()
        .map(|s| {
            let status = s.status(now);
            let mut check = json!({
                "componentType": "system",
                "status": word(
                    status.is_ok() || minds_none(status),
                    matches!(status, Status::Degraded | Status::Maintenance),
                ),
            });
            if s.pending_store > 0 {
                check["pending_store"] = json!(s.pending_store);
            }
            if let Some(last) = &s.last {
                check["time"] = json!(Time(last.at));
                check["observedValue"] = json!(ms(last.latency_us));
                check["observedUnit"] = json!("ms");
                if let Some(reason) = &last.reason {
                    check["output"] = json!(reason.message);
                }
            }
            (format!("{}:responseTime", s.service.name), json!([check]))
        })
        .collect();
    let mut body = json!({
        "status": word(overall.is_ok(), overall == Overall::Degraded),
        "version": "1",
        "releaseId": env!("CARGO_PKG_VERSION"),
        "checks": checks,
    });
    let pending = pending_store(services);
    if pending > 0 {
        body["notes"] = json!([format!("seen and not stored yet: {pending} results; the history cannot be written")]);
        body["pending_store"] = json!(pending);
    }
    body
}

/// `GET /livez`: the process and its scheduler make progress.
pub(super) async fn alive(State(monitor): State<Monitor>, params: Params) -> Answer<Response> {
    params.only(&[])?;
    let trouble =
        if monitor.scheduler.beats(&monitor.clock) { None } else { Some("the scheduler makes no progress".to_owned()) };
    Ok(said(trouble, json!({})))
}

/// `GET /readyz`: the database takes writes, and connections can be accepted. With `?verbose=1` also how many results wait until it does, how its
/// backups are going, and whether a part of it is damaged; both make nobody unready, for it takes writes.
pub(super) async fn ready(
    State(monitor): State<Monitor>,
    State(live): State<Arc<LiveState>>,
    params: Params,
) -> Answer<Response> {
    params.only(&["verbose"])?;
    let trouble = monitor.writer.trouble().or_else(|| monitor.limits.accepting.trouble());
    if !is_verbose(&params)? {
        return Ok(said(trouble, json!({})));
    }
    let mut more = json!({"pending_store": pending_store(&live.all())});
    let backups = monitor.backups.state();
    if backups.planned {
        more["backup"] = json!({"last": backups.last.map(Time), "failing": backups.failing});
    }
    let scrub = monitor.scrub.state();
    if scrub.planned {
        more["scrub"] = json!({"last": scrub.last.map(Time), "damage": scrub.damage});
    }
    Ok(said(trouble, more))
}

fn is_verbose(params: &Params) -> Answer<bool> {
    let verbose = params.word("verbose", "takes 1 or 0", |text| match text {
        "" | "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    })?;
    Ok(verbose == Some(true))
}

/// Whether the monitor itself is well, and `more`.
fn said(trouble: Option<String>, mut more: serde_json::Value) -> Response {
    let (code, body) = match trouble {
        None => (StatusCode::OK, json!({"status": "ok"})),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "failing", "reason": reason})),
    };
    let mut body = body;
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object_mut()) {
        body.append(more);
    }
    let mut response = (code, axum::Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
