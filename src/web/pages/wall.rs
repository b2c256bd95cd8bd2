//! For a screen on a wall: the truth, large, and every service as a tile, worst first. Nothing to click.

use super::{
    Page,
    frame::{self, Framing, Live},
    now,
    query::Query,
    shown::{self, Kind, Ticking, Truth},
};
use crate::{
    domain::status::Status,
    web::{forwarded::Here, site::Site, view::View, words},
};
use axum::http::HeaderMap;
use serde::Serialize;

#[derive(Serialize)]
struct Content {
    truth: Truth,
    bad: Vec<Tile>,
    good: Vec<Tile>,
    /// The more there are, the smaller they are.
    dense: bool,
}

#[derive(Serialize)]
struct Tile {
    kind: Kind,
    word: &'static str,
    name: String,
    since: Option<Ticking>,
    sub: String,
}

/// `GET /dashboard/wall`
pub(super) async fn page(Here(site): Here, mut query: Query, headers: HeaderMap) -> Page {
    // Bright walls blind.
    query.theme = query.theme.or(Some("dark"));
    let (now, changes) = (site.clock.now(), site.board.changes());
    let make = async {
        let content = content(&site, &query, now).await?;
        let framing = Framing { title: format!("Wall · {}", site.title), current: "wall", live: Live::Always };
        Ok(frame::text(&site, &query, &View::now(site.board.all(), now), framing, "wall.html", content)?.0)
    };
    let page = site.pages.get(format!("wall {} {}", site.base_path, query.key()), changes, now, &headers, make).await?;
    Ok(frame::whole(page))
}

async fn content(site: &Site, query: &Query, now: crate::domain::time::UnixMs) -> Result<Content, super::PageError> {
    let zone = query.zone;
    let truth = super::blocking(site, move |site| now::truth_now(site, zone, now)).await?;
    let mut services: Vec<_> = site.board.all().into_iter().map(|s| (s.status(now), s)).collect();
    services.sort_by(|(a, x), (b, y)| a.rank().cmp(&b.rank()).then_with(|| x.service.name.cmp(&y.service.name)));
    let dense = services.len() > 60;
    let tile = |(status, service): (Status, std::sync::Arc<crate::board::ServiceNow>)| {
        let reason = service.outage.as_ref().map(|o| words::short_reason(&o.cause.reason, o.cause.http_status));
        let last = service.last.as_ref();
        Tile {
            kind: Kind::of(status),
            word: shown::status_word(status),
            since: service.status_since(now).map(|since| Ticking::new(since, now)),
            sub: match status {
                Status::Down => reason.unwrap_or_default(),
                Status::Degraded => {
                    last.and_then(|l| l.reason.as_ref()).map(|r| words::clipped(&r.message, 60)).unwrap_or_default()
                }
                _ => last.and_then(|l| l.latency_us).map(|us| words::response_time(f64::from(us))).unwrap_or_default(),
            },
            name: service.service.name.clone(),
        }
    };
    let (good, bad): (Vec<_>, Vec<_>) = services
        .into_iter()
        .partition(|(status, _)| matches!(status, Status::Up | Status::Paused | Status::Maintenance));
    Ok(Content { truth, bad: bad.into_iter().map(tile).collect(), good: good.into_iter().map(tile).collect(), dense })
}
