//! The incident log.

use super::body;
use crate::{
    clock::Clock,
    domain::{
        check::CheckResult,
        incident::{Outage, OutageState, services},
        time::{MINUTE_MS, UnixMs},
        window::Window,
    },
    http::{
        annotations, changes,
        error::{Answer, ApiError},
        incident_filter::{self, Filters},
        named::Named,
        params::{MOST, Params},
        proxy_headers::RequestOrigin,
        state::{AppState, Queries},
    },
    interchange::{
        diagnosis::DiagnosisJson,
        json::{AcknowledgementJson, CauseChangeJson, CheckJson, IncidentJson, Page, SilenceJson},
    },
    live::{LiveState, ServiceId},
    store::{Cursor, OutageFilter, OutageKind, Reader, SilencedBy, StoreError},
};
use axum::{Json, body::Bytes, extract::State, http::HeaderMap};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Checks shown before and after each end of an incident, in time and in number on each side.
const AROUND_MS: i64 = 5 * MINUTE_MS;
const AROUND_LIMIT: u32 = 100;
/// First failed checks shown of an incident.
const FIRST_FAILED: u32 = 10;

/// An incident and what is shown with it in a list.
struct Listed {
    outage: Outage,
    with: Vec<Outage>,
}

impl Listed {
    fn read(reader: &Reader, outage: Outage) -> Result<Listed, StoreError> {
        Ok(Listed { with: reader.failed_with(&outage)?, outage })
    }

    fn json(&self, now: UnixMs) -> IncidentJson<'_> {
        IncidentJson::new(&self.outage, services(&self.with), now)
    }
}

/// `GET /api/v1/incidents`
pub(super) async fn list(
    State(queries): State<Queries>,
    State(clock): State<Clock>,
    params: Params,
) -> Answer<Json<Value>> {
    let known = ["service", "status", "window", "from", "to", "limit", "cursor"];
    params.only(&[&known[..], &incident_filter::NAMES].concat())?;
    let now = clock.now();
    let state = params.word("status", "takes open, left_open or resolved", OutageState::parse)?;
    let filters =
        Filters::read(|name| params.get(name)).map_err(|wrong| ApiError::parameter(wrong.name, wrong.takes))?;
    let window = params.window_or_none(now, None)?;
    let limit = params.number("limit", 50, MOST)?;
    let cursor = params.word("cursor", "takes the `next` of the page before", Cursor::parse)?;
    let service = match params.get("service") {
        Some(name) => Some(super::services::find(&queries, name.to_owned()).await?.id),
        None => None,
    };
    let (class, lasted) = (filters.class, filters.lasted(now));
    let filter = OutageFilter { service, window, kind: OutageKind::Incidents, state, class, lasted };
    let listed = queries
        .ask(move |reader| {
            let outages = reader.outages(&filter, cursor, limit)?;
            outages.into_iter().map(|outage| Listed::read(reader, outage)).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let next = listed
        .last()
        .filter(|_| listed.len() == limit as usize)
        .map(|last| Cursor { started_at: last.outage.started_at, id: last.outage.id }.to_string());
    let items = listed.iter().map(|one| one.json(now)).collect();
    serde_json::to_value(Page { items, next }).map(Json).map_err(|_| ApiError::internal())
}

/// `GET /api/v1/incidents/{id}`
pub(super) async fn one(
    State(queries): State<Queries>,
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    Named(id): Named,
    params: Params,
) -> Answer<Json<Value>> {
    params.only(&[])?;
    let number: i64 = id.parse().map_err(|_| missing(&live, &id))?;
    let now = clock.now();
    queries.ask(move |reader| detail(reader, number, now)).await?.map(Json).ok_or_else(|| missing(&live, &id))
}

/// 404, or 503 for one whose number a notification may have named already and that waits to be stored.
pub(super) fn missing(live: &LiveState, id: &str) -> ApiError {
    let waits = |number: i64| live.all().iter().any(|s| s.waiting_incident(number).is_some());
    if id.parse().is_ok_and(waits) {
        return ApiError::busy(format!("incident {id} is not stored yet: the history cannot be written right now"));
    }
    ApiError::not_found(format!("there is no incident {id}"))
}

/// What is changed of an incident.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `null` or an empty text removes it. (A field that may be left out would be left out by mistake.)
    #[serde(deserialize_with = "Option::deserialize")]
    note: Option<String>,
}

/// `PATCH /api/v1/incidents/{id}`: its note, for whoever has the token.
pub(super) async fn annotate(
    State(app): State<AppState>,
    Named(id): Named,
    params: Params,
    origin: RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Json<Value>> {
    params.only(&[])?;
    changes::admit(&app, changes::bearer(&headers), &headers, &origin)?;
    let example = "{\"note\": \"the switch was replaced\"}, or {\"note\": null} to remove it";
    let change: Change = body::json(&headers, &body, &["application/merge-patch+json"], example)?;
    let number: i64 = id.parse().map_err(|_| missing(&app.live, &id))?;
    annotations::write(&app, number, change.note.as_deref().unwrap_or_default()).await?;
    detailed(&app, number).await
}

/// An incident as it is now, whole.
pub(super) async fn detailed(app: &AppState, number: i64) -> Answer<Json<Value>> {
    let now = app.clock.now();
    let found = app.ask(move |app| detail(&app.reader, number, now)).await?;
    found.map(Json).ok_or_else(|| missing(&app.live, &number.to_string()))
}

fn detail(reader: &Reader, id: i64, now: UnixMs) -> Result<Option<Value>, StoreError> {
    let Some(outage) = reader.outage(id)?.filter(Outage::is_incident) else { return Ok(None) };
    let Some(service) = reader.service(&outage.service)? else { return Ok(None) };
    // Newest first, as every list of checks: those next to the moment, on both sides of it.
    let around = |moment: UnixMs| -> Result<Vec<CheckResult>, StoreError> {
        let mut checks = match Window::new(moment, moment.plus(AROUND_MS)) {
            Some(after) => reader.checks_forward(service.id, after, AROUND_LIMIT)?,
            None => Vec::new(),
        };
        checks.reverse();
        let before = Window::ending(moment, AROUND_MS);
        checks.extend(reader.checks(service.id, before, None, None, AROUND_LIMIT)?);
        Ok(checks)
    };
    let end = outage.ended_at.unwrap_or(now);
    let first_failed = match Window::new(outage.started_at, end) {
        Some(window) => reader.checks_forward(service.id, window, FIRST_FAILED)?,
        None => Vec::new(),
    };
    let changes = reader.cause_changes(id)?;
    let listed = Listed::read(reader, outage)?;
    let shown = |checks: &[_]| json!(checks.iter().map(|c| CheckJson::new(&service.name, c)).collect::<Vec<_>>());
    let mut body = json!(listed.json(now));
    body["first_checks"] = shown(&first_failed);
    body["checks_around_start"] = shown(&around(listed.outage.started_at)?);
    body["checks_around_end"] = match listed.outage.ended_at {
        Some(end) => shown(&around(end)?),
        None => Value::Null,
    };
    body["cause_changes"] = json!(changes.iter().map(CauseChangeJson::from).collect::<Vec<_>>());
    body["failed_with_it"] = json!(
        listed
            .with
            .iter()
            .map(|o| json!({
                "id": o.id,
                "service": o.service,
                "started_at": o.started_at.to_string(),
                "after_ms": o.started_at.since(listed.outage.started_at),
                "duration_ms": o.duration_ms(now),
                "incident": o.is_incident(),
            }))
            .collect::<Vec<_>>()
    );
    let found = reader.diagnosis(service.id, listed.outage.started_at)?;
    body["diagnosis"] = json!(found.as_ref().map(DiagnosisJson::from));
    let done = responses(reader, service.id, listed.outage.started_at, now)?;
    if let (Some(body), Value::Object(done)) = (body.as_object_mut(), done) {
        body.extend(done);
    }
    Ok(Some(body))
}

/// What people did about an incident, as its answer has it.
fn responses(reader: &Reader, service: ServiceId, started_at: UnixMs, now: UnixMs) -> Result<Value, StoreError> {
    let acknowledgements = reader.acknowledgements(service, started_at)?;
    let silenced = reader.silenced(service, started_at)?;
    let silences = silenced.iter().filter_map(|one| {
        let SilencedBy::Silence(silence) = &one.why else { return None };
        let mut silence = json!(SilenceJson::new(silence, now));
        silence["told_at"] = json!(one.told_at.map(|at| at.to_string()));
        Some(silence)
    });
    let behind = silenced.iter().filter_map(|one| {
        let SilencedBy::Dependency(service) = &one.why else { return None };
        Some(json!({ "service": service, "told_at": one.told_at.map(|at| at.to_string()) }))
    });
    Ok(json!({
        "acknowledgements": acknowledgements.iter().map(AcknowledgementJson::from).collect::<Vec<_>>(),
        "silences": silences.collect::<Vec<_>>(),
        "flapped": silenced.iter().any(|one| one.why == SilencedBy::Flapping),
        "behind": behind.collect::<Vec<_>>(),
    }))
}
