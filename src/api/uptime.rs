//! Uptime over a window, of one service or of all.

use super::services;
use crate::{
    history::figures,
    http::{error::Answer, named::Named, params::Params, state::AppState},
    interchange::json::{Ordered, Time, UptimeJson},
};
use axum::{Json, extract::State};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct All {
    from: Time,
    to: Time,
    services: Ordered<String, UptimeJson>,
}

/// `GET /api/v1/uptime`: of the watched services, or of those that are named.
pub(super) async fn all(State(app): State<AppState>, params: Params) -> Answer<Json<All>> {
    params.only_and_several(&["window", "from", "to"], &["service"])?;
    let now = app.clock.now();
    let window = params.window(now)?;
    let mut asked = Vec::new();
    for name in params.all("service") {
        let service = services::find(&app, name.to_owned()).await?;
        asked.push((service.id, service.name));
    }
    if asked.is_empty() {
        asked = app.live.all().iter().map(|s| (s.id, s.service.name.clone())).collect();
    }
    let of_each = app
        .ask(move |app| {
            asked
                .into_iter()
                .map(|(id, name)| Ok((name, UptimeJson::from(&figures::uptime(&app.reader, id, window, now)?))))
                .collect()
        })
        .await?;
    Ok(Json(All { from: Time(window.from()), to: Time(window.to()), services: Ordered(of_each) }))
}

/// `GET /api/v1/services/{name}/uptime`
pub(super) async fn one(State(app): State<AppState>, Named(name): Named, params: Params) -> Answer<Json<UptimeJson>> {
    params.only(&["window", "from", "to"])?;
    let now = app.clock.now();
    let window = params.window(now)?;
    let service = services::find(&app, name).await?;
    let uptime = app.ask(move |app| figures::uptime(&app.reader, service.id, window, now)).await?;
    Ok(Json(UptimeJson::from(&uptime)))
}
