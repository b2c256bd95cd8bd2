//! The stored check results of a service, newest first.

use super::services;
use crate::{
    clock::Clock,
    domain::{check::Outcome, time::UnixMs},
    http::{
        error::{Answer, ApiError},
        named::Named,
        params::{MOST, Params},
        state::Queries,
    },
    interchange::json::{CheckJson, Page},
};
use axum::{Json, extract::State};
use serde_json::Value;

/// `GET /api/v1/services/{name}/checks`
pub(super) async fn list(
    State(queries): State<Queries>,
    State(clock): State<Clock>,
    Named(name): Named,
    params: Params,
) -> Answer<Json<Value>> {
    params.only(&["window", "from", "to", "outcome", "limit", "cursor"])?;
    let window = params.window(clock.now())?;
    let outcome = params.word("outcome", "takes up, degraded, down or unknown", Outcome::parse)?;
    let limit = params.number("limit", 100, MOST)?;
    let before = params.word("cursor", "takes the `next` of the page before", |t| t.parse().ok().map(UnixMs))?;
    let service = services::find(&queries, name).await?;
    let id = service.id;
    let checks = queries.ask(move |reader| reader.checks(id, window, outcome, before, limit)).await?;
    let next = checks.last().filter(|_| checks.len() == limit as usize).map(|last| last.at.0.to_string());
    let items = checks.iter().map(|check| CheckJson::new(&service.name, check)).collect();
    serde_json::to_value(Page { items, next }).map(Json).map_err(|_| ApiError::internal())
}
