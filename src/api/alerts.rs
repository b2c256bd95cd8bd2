//! How the channels do, and another try for what was given up.

use crate::{
    http::{
        changes,
        error::{Answer, ApiError},
        params::Params,
        proxy_headers::RequestOrigin,
        state::AppState,
    },
    notify::ChannelInfo,
    store::ChannelHealth,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};

/// `GET /api/v1/alerts/channels`
pub(super) async fn channels(State(app): State<AppState>, params: Params) -> Answer<Json<Value>> {
    params.only(&[])?;
    let health = app.ask(|app| app.reader.channels()).await?;
    let items: Vec<Value> = app.channels.iter().map(|channel| as_json(channel, &health)).collect();
    Ok(Json(json!({ "items": items })))
}

fn as_json(channel: &ChannelInfo, health: &[ChannelHealth]) -> Value {
    let health = health.iter().find(|health| *health.name == *channel.name).cloned().unwrap_or_default();
    json!({
        "name": &*channel.name,
        "type": channel.service,
        "sent": health.sent,
        "failed": health.failed,
        "waiting": health.waiting,
        "oldest_waiting_at": health.oldest_waiting_at.map(|at| at.to_string()),
        "given_up": health.given_up,
        "last_success_at": health.last_success_at.map(|at| at.to_string()),
        "last_failure_at": health.last_failure_at.map(|at| at.to_string()),
        "failing_since": health.failing_since.map(|at| at.to_string()),
        "last_error": health.last_error,
    })
}

/// `POST /api/v1/alerts/retry`, of all channels or of one (`channel`), for whoever has the token.
pub(super) async fn retry(
    State(app): State<AppState>,
    params: Params,
    origin: RequestOrigin,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    params.only(&["channel"])?;
    changes::admit(&app, changes::bearer(&headers), &headers, &origin)?;
    let channel = match params.get("channel") {
        None => None,
        Some(name) => match app.channels.iter().find(|channel| *channel.name == *name) {
            Some(channel) => Some(channel.name.clone()),
            None => {
                return Err(ApiError::refused(StatusCode::NOT_FOUND, format!("there is no channel named “{name}”")));
            }
        },
    };
    changes::committed(&app, "the request", app.writer.retry_given_up(channel)).await?;
    Ok(StatusCode::NO_CONTENT)
}
