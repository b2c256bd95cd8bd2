//! A window in buckets: what charts are drawn from.

use super::services;
use crate::{
    clock::Clock,
    history::figures,
    http::{error::Answer, named::Named, params::Params, state::Queries},
    interchange::json::{BucketJson, Time},
};
use axum::{Json, extract::State};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct History {
    from: Time,
    to: Time,
    bucket_ms: i64,
    buckets: Vec<BucketJson>,
}

/// `GET /api/v1/services/{name}/history`
pub(super) async fn buckets(
    State(queries): State<Queries>,
    State(clock): State<Clock>,
    Named(name): Named,
    params: Params,
) -> Answer<Json<History>> {
    params.only(&["window", "from", "to", "buckets"])?;
    let now = clock.now();
    let window = params.window(now)?;
    let count = params.number("buckets", 300, 2000)?;
    let service = services::find(&queries, name).await?;
    let buckets = queries.ask(move |reader| figures::buckets(reader, service.id, window, count, now)).await?;
    Ok(Json(History {
        from: Time(buckets.window().from()),
        to: Time(buckets.window().to()),
        bucket_ms: buckets.size_ms(),
        buckets: buckets.iter().map(|(window, tally)| BucketJson::new(window, tally)).collect(),
    }))
}
