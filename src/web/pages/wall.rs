//! For a screen on a wall: the truth, large, and every service as a tile, worst first. Nothing to click, nothing to
//! scroll: the tiles share the screen, however many there are.

use super::{
    Page,
    frame::{self, Framing, Live},
    now::{self, Seen},
    query::Query,
    shown::{self, Kind, Ticking, Truth},
};
use crate::{
    domain::{status::Status, time::UnixMs},
    web::{chart::Spark, forwarded::Here, site::Site, view::View, words},
};
use axum::http::HeaderMap;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where there are more services than this, those that are well are a tile a group.
const SINGLE: usize = 240;
/// No more than so many tiles are large.
const LARGE: usize = 40;
/// What the tiles have of a usual screen, in pixels: they are laid so that they are largest there.
const WIDTH: f64 = 1840.0;
const HEIGHT: f64 = 760.0;
/// A tile whose words are as large as they can be is so many times wider than high.
const WIDER: f64 = 1.9;
/// There are classes for so many columns.
const MOST_COLUMNS: usize = 30;

#[derive(Serialize)]
struct Content {
    truth: Truth,
    tiles: Vec<Tile>,
    columns: usize,
    /// Today, in words.
    day: String,
}

#[derive(Serialize)]
struct Tile {
    kind: Kind,
    word: &'static str,
    name: String,
    /// Twice as wide and high as others: what is wrong.
    large: bool,
    since: Option<Ticking>,
    sub: String,
    uptime: Option<String>,
    spark: Option<Spark>,
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

async fn content(site: &Site, query: &Query, now: UnixMs) -> Result<Content, super::PageError> {
    let zone = query.zone;
    let (truth, mut seen) = super::blocking(site, move |site| now::truth_now(site, zone, now)).await?;
    seen.sort_by(|a, b| {
        let by_name = || a.now.service.name.cmp(&b.now.service.name);
        a.status.rank().cmp(&b.status.rank()).then_with(by_name)
    });
    let (well, mut bad): (Vec<Seen>, Vec<Seen>) =
        seen.into_iter().partition(|s| matches!(s.status, Status::Up | Status::Paused | Status::Maintenance));
    // The sentence above says all of it.
    if bad.len() == 1 && truth.subject.is_some() {
        bad.clear();
    }
    let many = well.len() + bad.len() > SINGLE;
    let large = bad.len() <= LARGE;
    let mut tiles: Vec<Tile> = bad.iter().map(|s| tile(s, large, now)).collect();
    if many {
        tiles.extend(groups(&well));
    } else {
        tiles.extend(well.iter().map(|s| tile(s, false, now)));
    }
    let columns = columns(tiles.iter().map(|tile| if tile.large { 4 } else { 1 }).sum());
    Ok(Content { truth, tiles, columns, day: zone.long_day(now, now) })
}

fn tile(seen: &Seen, large: bool, now: UnixMs) -> Tile {
    let reason = seen.now.outage.as_ref().map(|o| words::short_reason(&o.cause.reason, o.cause.http_status));
    let last = seen.now.last.as_ref();
    let took = || last.and_then(|l| l.latency_us).map(|us| words::response_time(f64::from(us))).unwrap_or_default();
    let well = matches!(seen.status, Status::Up);
    Tile {
        kind: Kind::of(seen.status),
        word: shown::status_word(seen.status),
        name: seen.now.service.name.clone(),
        large,
        since: seen.now.status_since(now).filter(|_| !well).map(|since| Ticking::new(since, now)),
        sub: match seen.status {
            Status::Down => reason.unwrap_or_default(),
            Status::Degraded => {
                last.and_then(|l| l.reason.as_ref()).map(|r| words::clipped(&r.message, 60)).unwrap_or_default()
            }
            Status::Paused => String::new(),
            _ => took(),
        },
        uptime: seen.figures.shares[1].uptime.filter(|_| well).map(|share| words::percent(Some(share), 3)),
        spark: well.then(|| Spark::new(&seen.figures.hours)),
    }
}

/// What is well, a tile a group.
fn groups(well: &[Seen]) -> Vec<Tile> {
    let mut counts: BTreeMap<&str, BTreeMap<usize, (Status, usize)>> = BTreeMap::new();
    for seen in well {
        let group = counts.entry(seen.now.service.group.as_deref().unwrap_or("Other")).or_default();
        group.entry(seen.status.rank()).or_insert((seen.status, 0)).1 += 1;
    }
    let said = |states: &BTreeMap<usize, (Status, usize)>| {
        let each = states.values().map(|(s, n)| format!("{n} {}", shown::status_word(*s).to_lowercase()));
        each.collect::<Vec<_>>().join(", ")
    };
    let tile = |(name, states): (&&str, &BTreeMap<usize, (Status, usize)>)| Tile {
        kind: states.values().max_by_key(|(_, n)| *n).map_or(Kind::Up, |(status, _)| Kind::of(*status)),
        word: "",
        name: (*name).to_owned(),
        large: false,
        since: None,
        sub: said(states),
        uptime: None,
        spark: None,
    };
    counts.iter().map(tile).collect()
}

/// In how many columns so many tiles are largest, with as few places left empty as possible.
fn columns(tiles: usize) -> usize {
    let size = |columns: usize| {
        let rows = tiles.div_ceil(columns).max(1);
        let full = tiles as f64 / (columns * rows) as f64;
        (WIDTH / columns as f64 / WIDER).min(HEIGHT / rows as f64) * full * full
    };
    (1..=MOST_COLUMNS).max_by(|a, b| size(*a).total_cmp(&size(*b))).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fill_the_screen_however_many_there_are() {
        for tiles in 1..=600 {
            let columns = columns(tiles);
            let rows = tiles.div_ceil(columns);
            let full = tiles as f64 / (columns * rows) as f64;
            assert!(full > 0.7, "{tiles} in {columns} columns");
            let (width, height) = (WIDTH / columns as f64, HEIGHT / rows as f64);
            assert!(width > 55.0 && height > 20.0, "{tiles} in {columns} columns: {width} × {height}");
        }
        assert_eq!([1, 3, 11, 100].map(columns), [1, 3, 4, 10]);
    }
}
