//! Uptime over a window, of one service or of all.

use super::services;
use crate::{
    clock::Clock,
    history::figures,
    http::{error::Answer, named::Named, params::Params, state::Queries},
    interchange::json::{Ordered, Time, UptimeJson},
    live::LiveState,
};
use axum::{Json, extract::State};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
pub(super) struct All {
    from: Time,
    to: Time,
    services: Ordered<String, UptimeJson>,
}

/// `GET /api/v1/uptime`: of the watched services, or of those that are named.
pub(super) async fn all(
    State(queries): State<Queries>,
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    params: Params,
) -> Answer<Json<All>> {
    params.only_and_several(&["window", "from", "to"], &["service"])?;
    let now = clock.now();
    let window = params.window(now)?;
    let mut asked = Vec::new();
    for name in params.all("service") {
        let service = services::find(&queries, name.to_owned()).await?;
        asked.push((service.id, service.name));
    }
    if asked.is_empty() {
        asked = live.all().iter().map(|s| (s.id, s.service.name.clone())).collect();
    }
    let of_each = queries
        .ask(move |reader| {
            asked
                .into_iter()
                .map(|(id, name)| Ok((name, UptimeJson::from(&figures::uptime(reader, id, window, now)?))))
                .collect()
        })
        .await?;
    Ok(Json(All { from: Time(window.from()), to: Time(window.to()), services: Ordered(of_each) }))
}

/// `GET /api/v1/services/{name}/uptime`
pub(super) async fn one(
    State(queries): State<Queries>,
    State(clock): State<Clock>,
    Named(name): Named,
    params: Params,
) -> Answer<Json<UptimeJson>> {
    params.only(&["window", "from", "to"])?;
    let now = clock.now();
    let window = params.window(now)?;
    let service = services::find(&queries, name).await?;
    let uptime = queries.ask(move |reader| figures::uptime(reader, service.id, window, now)).await?;
    Ok(Json(UptimeJson::from(&uptime)))
}
