//! The stored check results of a service, newest first.

use super::services;
use crate::{
    domain::{check::Outcome, time::UnixMs},
    http::{
        error::{Answer, ApiError},
        named::Named,
        params::{MOST, Params},
        state::AppState,
    },
    interchange::json::{CheckJson, Page},
};
use axum::{Json, extract::State};
use serde_json::Value;

/// `GET /api/v1/services/{name}/checks`
pub(super) async fn list(State(app): State<AppState>, Named(name): Named, params: Params) -> Answer<Json<Value>> {
    params.only(&["window", "from", "to", "outcome", "limit", "cursor"])?;
    let window = params.window(app.clock.now())?;
    let outcome = params.word("outcome", "takes up, degraded, down or unknown", Outcome::parse)?;
    let limit = params.number("limit", 100, MOST)?;
    let before = params.word("cursor", "takes the `next` of the page before", |t| t.parse().ok().map(UnixMs))?;
    let service = services::find(&app, name).await?;
    let id = service.id;
    let checks = app.ask(move |app| app.reader.checks(id, window, outcome, before, limit)).await?;
    let next = checks.last().filter(|_| checks.len() == limit as usize).map(|last| last.at.0.to_string());
    let items = checks.iter().map(|check| CheckJson::new(&service.name, check)).collect();
    serde_json::to_value(Page { items, next }).map(Json).map_err(|_| ApiError::internal())
}
