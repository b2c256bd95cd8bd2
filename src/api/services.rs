//! The services: how they stand and how they did.

use crate::{
    clock::Clock,
    domain::{
        incident::Outage,
        service::Commands,
        time::{DAY_MS, UnixMs},
        uptime::Budget,
        window::Window,
    },
    history::{
        as_of::Snapshot,
        cached_stats::{CachedStats, StatsCache},
        figures,
    },
    http::{
        error::{Answer, ApiError},
        named::Named,
        params::Params,
        state::Queries,
    },
    interchange::json::{CheckJson, IncidentJson, Ordered, Time},
    live::{LiveState, ServiceNow},
    store::{Reader, StoreError, StoredService},
};
use axum::{Json, extract::State};
use serde_json::{Value, json};
use std::sync::Arc;

/// The names of [`crate::history::cached_stats::WINDOWS_MS`].
const WINDOWS: [&str; 4] = ["24h", "7d", "30d", "90d"];

/// `GET /api/v1/services`, and with `?at=T` as it was known then. The figures are what is known today of the windows that
/// end at T.
pub(super) async fn list(
    State(queries): State<Queries>,
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    State(stats): State<Arc<StatsCache>>,
    State(commands): State<Commands>,
    params: Params,
) -> Answer<Json<Value>> {
    params.only(&["at"])?;
    let now = clock.now();
    if let Some(at) = params.at(now)? {
        let services = queries.as_of(&live, at).await?;
        let items = queries
            .ask(move |reader| {
                let snapshot = Snapshot::then(services, at);
                let one =
                    |s: &Arc<ServiceNow>| Ok(summary(&snapshot, s, &CachedStats::read(reader, s.id, at)?, commands));
                snapshot.services.iter().map(one).collect::<Result<Vec<_>, StoreError>>()
            })
            .await?;
        return Ok(Json(json!({ "items": items })));
    }
    let items = queries
        .ask(move |reader| {
            let services = live.all();
            let ids: Vec<_> = services.iter().map(|s| s.id).collect();
            let figures = stats.list(reader, &ids, now)?;
            let snapshot = Snapshot::now(services, now);
            let all = snapshot.services.iter().zip(&figures);
            Ok(all.map(|(s, figures)| summary(&snapshot, s, figures, commands)).collect::<Vec<_>>())
        })
        .await?;
    Ok(Json(json!({ "items": items })))
}

/// `GET /api/v1/services/{name}`
pub(super) async fn one(
    State(queries): State<Queries>,
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    State(stats): State<Arc<StatsCache>>,
    State(commands): State<Commands>,
    Named(name): Named,
    params: Params,
) -> Answer<Json<Value>> {
    params.only(&["at"])?;
    let now = clock.now();
    if let Some(at) = params.at(now)? {
        let services = queries.as_of(&live, at).await?;
        let missing = || ApiError::not_found(format!("no service named “{name}” was watched at {at}"));
        let service = services.iter().find(|s| s.service.name == name).cloned().ok_or_else(missing)?;
        let snapshot = Snapshot::then(services, at);
        let body = queries.ask(move |reader| {
            whole(reader, commands, &snapshot, &service, &CachedStats::read(reader, service.id, at)?)
        });
        return Ok(Json(body.await?));
    }
    let Some(asked) = live.get(&name) else {
        return unwatched(&queries, commands, name).await;
    };
    let body = queries.ask(move |reader| {
        let figures = stats.get(reader, asked.id, now)?;
        // Only what it depends on is looked for among the others.
        let others = if asked.depends_on.is_empty() { Vec::new() } else { live.all() };
        whole(reader, commands, &Snapshot::now(others, now), &asked, &figures)
    });
    Ok(Json(body.await?))
}

/// All that there is to say of one service. It blocks.
fn whole(
    reader: &Reader,
    commands: Commands,
    snapshot: &Snapshot,
    service: &ServiceNow,
    figures: &CachedStats,
) -> Result<Value, StoreError> {
    let now = snapshot.at;
    let mut body = summary(snapshot, service, figures, commands);
    body["open_incident"] = json!(service.outage.as_deref().filter(|o| o.is_incident()).map(|o| open(o, now)));
    if let Some(objective) = service.service.objective {
        let window = Window::ending(now, 30 * DAY_MS);
        let spent = figures::confirmed_down_ms(reader, service.id, window, now)?;
        let budget = Budget::new(objective, window.length_ms(), spent);
        body["objective"] = json!({
            "objective": objective,
            "window_ms": window.length_ms(),
            "budget_ms": budget.total_ms,
            "spent_ms": budget.spent_ms,
            "left_ms": budget.left_ms(),
            "burn_rate": budget.burn_rate,
        });
    }
    body["configuration"] = service.settings.read();
    if let Some(command) = body["configuration"].get_mut("command")
        && commands == Commands::Program
    {
        *command = json!([service.service.target.shown(service.service.kind, commands)]);
    }
    Ok(body)
}

fn open(outage: &Outage, now: UnixMs) -> Value {
    json!(IncidentJson::new(outage, Vec::new(), now))
}

/// A service that left the configuration still has its history, and says so.
async fn unwatched(queries: &Queries, commands: Commands, name: String) -> Answer<Json<Value>> {
    let service = find(queries, name).await?;
    Ok(Json(json!({
        "name": service.name,
        "group": service.group,
        "type": service.kind.as_str(),
        "target": service.target.shown(service.kind, commands),
        "status": "removed",
        "since": service.removed_at.map(Time),
        "interval_ms": service.interval_ms,
    })))
}

/// The service of this name, watched or not.
pub(super) async fn find(queries: &Queries, name: String) -> Answer<StoredService> {
    let asked = name.clone();
    queries.ask(move |reader| reader.service(&asked)).await?.ok_or_else(|| nobody(&name))
}

/// 404: the history knows no service of this name.
pub(super) fn nobody(name: &str) -> ApiError {
    ApiError::not_found(format!("there is no service named “{name}”"))
}

fn summary(snapshot: &Snapshot, now: &ServiceNow, figures: &CachedStats, commands: Commands) -> Value {
    let (service, at) = (&now.service, snapshot.at);
    let behind = snapshot.failed_dependencies(now);
    let uptime = WINDOWS.into_iter().zip(&figures.shares).map(|(window, u)| (window, u.uptime)).collect();
    json!({
        "name": service.name,
        "group": service.group,
        "description": service.description,
        "type": service.kind.as_str(),
        "target": service.target.shown(service.kind, commands),
        "critical": service.critical,
        "enabled": service.enabled,
        "status": now.status(at).as_str(),
        "since": now.status_since(at).map(Time),
        "behind": behind.iter().map(|one| &one.service.name).collect::<Vec<_>>(),
        "maintenance": now.timetable.at(at).map(|w| json!({ "from": Time(w.from()), "to": Time(w.to()) })),
        "interval_ms": service.cadence.interval_ms,
        "last_check": now.last.as_ref().map(|last| CheckJson::new(&service.name, last)),
        "certificate_expires_at": now.certificate_expires_at.map(Time),
        "pending_store": now.pending_store,
        "uptime": Ordered(uptime),
    })
}
