//! Windows of maintenance, as the history has them.

use crate::{
    clock::Clock,
    http::{error::Answer, params::Params, state::Queries},
    store::Maintenance,
};
use axum::{Json, extract::State};
use serde_json::{Value, json};

/// `GET /api/v1/maintenance`: what counts, in the order of time.
pub(super) async fn list(
    State(queries): State<Queries>,
    State(clock): State<Clock>,
    params: Params,
) -> Answer<Json<Value>> {
    params.only(&["service", "window", "from", "to"])?;
    let window = params.window_or_none(clock.now(), None)?;
    let service = match params.get("service") {
        Some(name) => Some(super::services::find(&queries, name.to_owned()).await?.name),
        None => None,
    };
    let log = queries.ask(move |reader| reader.maintenance_log(window)).await?;
    let is_meant = |one: &&Maintenance| match (&service, &one.services) {
        (Some(service), Some(services)) => services.contains(service),
        _ => true,
    };
    let counts = log.iter().filter(|one| one.taken_back_at.is_none()).filter(is_meant);
    Ok(Json(json!({ "items": counts.map(as_json).collect::<Vec<_>>() })))
}

/// A window with all that is known of it.
pub(crate) fn as_json(one: &Maintenance) -> Value {
    json!({
        "id": one.id,
        "from": one.window.from().to_string(),
        "to": one.window.to().to_string(),
        "services": one.services,
        "source": one.source.as_str(),
        "reason": one.reason,
        "noted_at": one.noted_at.to_string(),
        "taken_back_at": one.taken_back_at.map(|at| at.to_string()),
    })
}
