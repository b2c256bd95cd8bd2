//! For a screen on a wall: the truth, large, and every service as a tile, worst first. Nothing to click, nothing to
//! scroll: the tiles share the screen, however many there are.

use super::{
    error::PageError,
    layout::{self, LayoutOptions, Refresh},
    overview,
    query::Query,
    request::Page,
    services::Seen,
};
use crate::{
    chart::Spark,
    domain::{status::Status, time::UnixMs},
    format,
    history::as_of::Snapshot,
    http::{proxy_headers::PageState, state::AppState},
    render::view_model::{self, Headline, Kind, LiveDuration},
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
/// There are classes for so many columns,
const MOST_COLUMNS: usize = 30;
/// and for tiles that are so many columns wide.
const WIDEST: usize = 6;

#[derive(Serialize)]
struct Content {
    truth: Headline,
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
    /// How many columns it is wide, where the last row has fewer tiles than columns.
    wide: usize,
    since: Option<LiveDuration>,
    /// What is wrong, or what there is of a group.
    why: String,
    /// How long the latest answer took.
    took: Option<String>,
    /// Windows and the uptime in them.
    uptime: Vec<(&'static str, String)>,
    spark: Option<Spark>,
}

/// `GET /dashboard/wall`
pub(super) async fn page(PageState(app): PageState, mut query: Query, headers: HeaderMap) -> Page {
    query.only(&["tz"], &[])?;
    // Bright walls blind.
    query.theme = query.theme.or(Some("dark"));
    let (now, changes) = (app.clock.now(), app.live.changes());
    let make = async {
        let content = content(&app, &query, now).await?;
        let options =
            LayoutOptions { title: format!("Wall · {}", app.title), current: "wall", live: Refresh::OnEventAndClock };
        Ok::<_, PageError>(
            layout::text(&app, &query, &Snapshot::now(app.live.all(), now), options, "wall.html", content)?.0,
        )
    };
    let page = app.pages.get(format!("wall {} {}", app.base_path, query.key()), changes, now, &headers, make).await?;
    Ok(layout::whole(page))
}

async fn content(app: &AppState, query: &Query, now: UnixMs) -> Result<Content, PageError> {
    let zone = query.zone;
    let (truth, mut seen) = app.ask(move |app| overview::truth_now(app, zone, now)).await?;
    seen.sort_by(|a, b| {
        let by_name = || a.now.service.name.cmp(&b.now.service.name);
        a.status.rank().cmp(&b.status.rank()).then_with(by_name)
    });
    let (well, bad): (Vec<Seen>, Vec<Seen>) =
        seen.into_iter().partition(|s| matches!(s.status, Status::Up | Status::Paused | Status::Maintenance));
    let many = well.len() + bad.len() > SINGLE;
    let large = bad.len() <= LARGE;
    let mut tiles: Vec<Tile> = bad.iter().map(|s| tile(s, large, now)).collect();
    if many {
        tiles.extend(groups(&well));
    } else {
        tiles.extend(well.iter().map(|s| tile(s, false, now)));
    }
    let large = tiles.iter().filter(|tile| tile.large).count();
    let grid = Grid::new(large, tiles.len() - large);
    for (tile, wide) in tiles.iter_mut().rev().zip(grid.last_row()) {
        tile.wide = wide;
    }
    Ok(Content { truth, tiles, columns: grid.columns, day: zone.long_day(now, now) })
}

fn tile(seen: &Seen, large: bool, now: UnixMs) -> Tile {
    let (last, outage) = (seen.now.last.as_ref(), seen.now.outage.as_ref());
    let well = matches!(seen.status, Status::Up);
    let paused = matches!(seen.status, Status::Paused);
    let windows: &[(&str, usize)] = if large { &[("24 h", 0), ("7 d", 1)] } else { &[("7 d", 1)] };
    let share = |&(name, window): &(&'static str, usize)| {
        seen.figures.shares[window].uptime.map(|share| (name, format::percent(Some(share), 3)))
    };
    let spark = Spark::new(&seen.figures.hours);
    Tile {
        kind: Kind::of(seen.status),
        word: view_model::status_word(seen.status),
        name: seen.now.service.name.clone(),
        large,
        wide: 1,
        since: seen.now.status_since(now).filter(|_| !well).map(|since| LiveDuration::new(since, now)),
        why: match seen.status {
            Status::Down if seen.behind.is_some() => format!("behind {}", seen.behind.as_deref().unwrap_or_default()),
            Status::Down => {
                outage.map(|o| format::short_reason(&o.cause.reason, o.cause.http_status)).unwrap_or_default()
            }
            Status::Degraded => {
                last.and_then(|l| l.reason.as_ref()).map(|r| format::clipped(&r.message, 60)).unwrap_or_default()
            }
            _ => String::new(),
        },
        took: last.and_then(|l| l.latency_us).filter(|_| !paused).map(|us| format::response_time(f64::from(us))),
        uptime: if paused { Vec::new() } else { windows.iter().filter_map(share).collect() },
        spark: (!paused && !spark.said.is_empty()).then_some(spark),
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
        let each = states.values().map(|(s, n)| format!("{n} {}", view_model::status_word(*s).to_lowercase()));
        each.collect::<Vec<_>>().join(", ")
    };
    let tile = |(name, states): (&&str, &BTreeMap<usize, (Status, usize)>)| Tile {
        kind: states.values().max_by_key(|(_, n)| *n).map_or(Kind::Up, |(status, _)| Kind::of(*status)),
        word: "",
        name: (*name).to_owned(),
        large: false,
        wide: 1,
        since: None,
        why: said(states),
        took: None,
        uptime: Vec::new(),
        spark: None,
    };
    counts.iter().map(tile).collect()
}

/// Places in rows and columns. Large tiles take two by two of them and come first; the others fill what is left.
#[derive(Clone, Copy, Debug)]
struct Grid {
    columns: usize,
    rows: usize,
    /// How many tiles stand below the large ones and what is beside them.
    below: usize,
    /// Places that stay empty: beside large tiles, or in a last row that would have to be stretched too far.
    empty: usize,
    /// Places that have a tile.
    taken: usize,
}

impl Grid {
    /// In as many columns as make the tiles largest.
    fn new(large: usize, small: usize) -> Grid {
        let least = if large > 0 { 2 } else { 1 };
        let all = (least..=MOST_COLUMNS).map(|columns| Grid::of(columns, large, small));
        all.max_by(|a, b| a.score().total_cmp(&b.score())).unwrap_or_else(|| Grid::of(least, large, small))
    }

    fn of(columns: usize, large: usize, small: usize) -> Grid {
        let above = if large > 0 { 2 * large.div_ceil(columns / 2) } else { 0 };
        let beside = above * columns - 4 * large;
        let below = small.saturating_sub(beside);
        let mut grid = Grid {
            columns,
            rows: (above + below.div_ceil(columns)).max(1),
            below,
            empty: beside.saturating_sub(small),
            taken: 4 * large + small,
        };
        if grid.last_row().is_empty() && !below.is_multiple_of(columns) {
            grid.empty += columns - below % columns;
        }
        grid
    }

    /// Large tiles are good, wide ones less so, and holes are worst.
    fn score(self) -> f64 {
        let size = (WIDTH / self.columns as f64 / WIDER).min(HEIGHT / self.rows as f64);
        let places = (self.columns * self.rows) as f64;
        size * (self.taken as f64 / places).powi(2) * (1.0 - self.empty as f64 / places).powi(2)
    }

    /// How wide the tiles of the last row are, from the last one backwards, so that they fill it. The last ones are those
    /// of which there is least to see.
    fn last_row(self) -> Vec<usize> {
        let tiles = self.below % self.columns;
        if tiles == 0 || self.columns.div_ceil(tiles) > WIDEST {
            return Vec::new();
        }
        (0..tiles).map(|i| self.columns / tiles + usize::from(i >= tiles - self.columns % tiles)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fill_the_screen_however_many_there_are() {
        for tiles in 1..=600 {
            let grid = Grid::new(0, tiles);
            let full = tiles as f64 / (grid.columns * grid.rows) as f64;
            assert!(full > 0.7, "{tiles}: {grid:?}");
            let (width, height) = (WIDTH / grid.columns as f64, HEIGHT / grid.rows as f64);
            assert!(width > 55.0 && height > 20.0, "{tiles}: {grid:?} {width} × {height}");
            let last: usize = grid.last_row().iter().sum();
            assert!(last == grid.columns || tiles % grid.columns == 0, "{tiles}: {grid:?} {last}");
        }
        assert_eq!([1, 3, 11, 100].map(|tiles| Grid::new(0, tiles).columns), [1, 3, 4, 10]);
    }

    #[test]
    fn the_small_tiles_fill_what_the_large_ones_leave() {
        for large in 1..=LARGE {
            for small in 0..=SINGLE {
                let grid = Grid::new(large, small);
                let places = grid.columns * grid.rows;
                let stretched: usize = grid.last_row().iter().map(|wide| wide - 1).sum();
                assert_eq!(grid.taken + stretched + grid.empty, places, "{large} large, {small} small: {grid:?}");
                assert!(grid.empty * 4 <= places, "{large} large, {small} small: {grid:?}");
            }
        }
    }
}
