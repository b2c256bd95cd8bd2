//! The status page for outsiders. Its types cannot hold a target, an error or a name that was not published.

use super::{error::PageError, layout, query::Query, request::Page};
use crate::{
    chart::{Days, month_labels},
    domain::{
        incident::OutageState,
        status::Status,
        time::{DAY_MS, UnixMs},
        window::Window,
    },
    format::{
        self,
        zone::{Moment, Zone},
    },
    http::{proxy_headers::PageState, state::AppState},
    render::view_model::Kind,
    store::{OutageFilter, OutageKind, StoreError},
};
use axum::http::HeaderMap;
use serde::Serialize;

/// How far back outages are listed, in days.
const LOG_DAYS: i64 = 14;

#[derive(Serialize)]
struct Content {
    title: String,
    base: String,
    style: String,
    script: String,
    icon: String,
    theme: Option<&'static str>,
    zone: &'static str,
    kind: Kind,
    truth: String,
    services: Vec<Service>,
    months: Vec<(String, String)>,
    outages: Vec<Outage>,
    made: Moment,
}

/// All that an outsider may see of a service.
#[derive(Serialize)]
struct Service {
    title: String,
    kind: Kind,
    word: &'static str,
    uptime: String,
    days: Days,
    days_said: String,
}

/// All that an outsider may see of an outage.
#[derive(Serialize)]
struct Outage {
    title: String,
    began: Moment,
    lasted: String,
    open: bool,
}

/// `GET /public`. What others add to an address that is passed on (as `?fbclid=`) is ignored here.
pub(super) async fn page(PageState(app): PageState, query: Query, headers: HeaderMap) -> Page {
    let (now, changes) = (app.clock.now(), app.live.changes());
    let make = async {
        let (zone, theme) = (query.zone, query.theme);
        let content = app.ask(move |app| content(app, zone, theme, now)).await?;
        app.templates.render_file("public.html", content).map_err(|error| {
            tracing::error!("the public page could not be rendered: {error:#}");
            PageError::broke()
        })
    };
    let key = format!("public {} {} {:?}", app.base_path, query.zone.name(), query.theme);
    let page = app.pages.get(key, changes, now, &headers, make);
    Ok(layout::whole(page.await?))
}

fn content(app: &AppState, zone: Zone, theme: Option<&'static str>, now: UnixMs) -> Result<Content, StoreError> {
    let published = app.public.clone().unwrap_or_default();
    let mut services = Vec::new();
    let mut outages = Vec::new();
    let mut worst = Kind::Up;
    let (mut down, mut slow, mut unknown, mut planned) = (0u64, 0u64, 0u64, 0usize);
    for one in published.iter() {
        let Some(service) = app.live.get(&one.name) else { continue };
        let (kind, word) = match service.status(now) {
            Status::Up => (Kind::Up, "Up"),
            Status::Degraded => (Kind::Degraded, "Slow or limited"),
            Status::Down => (Kind::Down, "Down"),
            Status::Maintenance => (Kind::Maintenance, "Planned work"),
            Status::Unknown | Status::Pending => (Kind::Unknown, "Not known"),
            Status::Paused => (Kind::Paused, "Not watched"),
        };
        match kind {
            Kind::Down => down += 1,
            Kind::Degraded => slow += 1,
            Kind::Unknown => unknown += 1,
            Kind::Maintenance => planned += 1,
            _ => {}
        }
        let figures = app.figures.get(&app.reader, service.id, now)?;
        let bad = figures.days.iter().filter(|(_, sums)| sums.failures > 0).count();
        services.push(Service {
            title: one.title.clone(),
            kind,
            word,
            uptime: format::percent(figures.shares[3].uptime, 2),
            days_said: format!(
                "{}: {} with a failure in 90 days",
                one.title,
                format::counted(bad as u64, "day", "days")
            ),
            days: Days::new(&figures.days),
        });
        let filter = OutageFilter {
            service: Some(service.id),
            window: Some(Window::ending(now, LOG_DAYS * DAY_MS)),
            kind: OutageKind::Incidents,
            ..OutageFilter::default()
        };
        for outage in app.reader.outages(&filter, None, 20)? {
            let shown = Outage {
                title: one.title.clone(),
                began: zone.dated(outage.started_at, now),
                lasted: format::duration(outage.duration_ms(now)),
                open: outage.state() == OutageState::Open,
            };
            outages.push((outage.started_at, shown));
        }
    }
    outages.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let truth = match (down, slow, unknown) {
        (0, 0, 0) if planned > 0 => {
            worst = Kind::Maintenance;
            match planned == services.len() {
                true => "Planned work is under way".to_owned(),
                false => {
                    let services = format::counted(planned as u64, "service", "services");
                    format!("Planned work is under way on {services}; everything else is up")
                }
            }
        }
        (0, 0, 0) => "Everything is up".to_owned(),
        (0, 0, n) => {
            worst = Kind::Unknown;
            format!("{} cannot be judged right now", format::counted(n, "service", "services"))
        }
        (0, n, _) => {
            worst = Kind::Degraded;
            format!("{} slow or limited", format::counted(n, "service is", "services are"))
        }
        (n, _, _) => {
            worst = Kind::Down;
            format::counted(n, "service is down", "services are down")
        }
    };
    let files = app.templates.files();
    Ok(Content {
        title: app.title.to_string(),
        base: app.base_path.to_string(),
        style: files.style.clone(),
        script: files.public.clone(),
        icon: files.icon.clone(),
        theme,
        zone: zone.name(),
        kind: worst,
        truth,
        services,
        months: month_labels(90, now),
        outages: outages.into_iter().map(|(_, outage)| outage).collect(),
        made: zone.moment(now, now),
    })
}
