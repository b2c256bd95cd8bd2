//! Server-sent events: what has just become known, as of its commit, or as it is seen while nothing can be committed.

use crate::{
    clock::Clock,
    domain::time::UnixMs,
    http::{
        error::{Answer, ApiError},
        limits::{Limits, Place},
        params::Params,
        proxy_headers::RequestOrigin,
    },
    interchange::json::{CheckJson, IncidentJson, Time},
    live::{Change, LiveState, StateChange, Subscription},
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::broadcast;

/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);
/// How often a silent stream says that it is there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Which events a client wants.
#[derive(Clone, Debug)]
struct Wanted {
    check: bool,
    status: bool,
    incident: bool,
    /// Of these services; of all when it is empty.
    services: HashSet<String>,
}

impl Wanted {
    fn read(params: &Params) -> Answer<Wanted> {
        params.only_and_several(&["events"], &["service"])?;
        let services = params.all("service").into_iter().map(str::to_owned).collect();
        let mut wanted = Wanted { check: false, status: false, incident: false, services };
        for word in params.get("events").unwrap_or("check,status,incident").split(',') {
            match word.trim() {
                "check" => wanted.check = true,
                "status" => wanted.status = true,
                "incident" => wanted.incident = true,
                _ => return Err(ApiError::parameter("events", "takes check, status and incident, joined by commas")),
            }
        }
        Ok(wanted)
    }

    fn wants(&self, what: &Change) -> bool {
        let (kind, service) = match what {
            Change::Check { service, .. } => (self.check, &service.name),
            Change::Status { service, .. } => (self.status, &service.name),
            Change::Incident { outage, .. } => (self.incident, &outage.service),
        };
        kind && (self.services.is_empty() || self.services.contains(service))
    }
}

/// `GET /api/v1/events`
pub(super) async fn stream(
    State(live): State<Arc<LiveState>>,
    State(limits): State<Arc<Limits>>,
    State(clock): State<Clock>,
    origin: RequestOrigin,
    headers: HeaderMap,
    params: Params,
) -> Answer<Response> {
    let wanted = Wanted::read(&params)?;
    // A stream of a service that is not there would be silent for ever.
    if let Some(name) = wanted.services.iter().find(|name| live.get(name).is_none()) {
        return Err(ApiError::not_found(format!("no service named “{name}” is watched")));
    }
    let place = limits.streams.take(origin.client).map_err(|full| ApiError::full(full, "event streams"))?;
    let listening = live.listen(last_id(&headers));
    let stream = events(listening, wanted, clock, place);
    let sse = Sse::new(stream).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE).text("here"));
    // A proxy that gathers an answer before it passes it on would make a stream of it that never comes.
    let headers = [(header::CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((headers, sse).into_response())
}

/// The last event that a client has. An id that none of ours ever was is like one of long ago: something was missed, as
/// far as anybody can know. An empty one is what a client sends that has none.
fn last_id(headers: &HeaderMap) -> Option<u64> {
    let id = headers.get("last-event-id").filter(|id| !id.as_bytes().trim_ascii().is_empty())?;
    Some(id.to_str().ok().and_then(|id| id.trim().parse().ok()).unwrap_or(u64::MAX))
}

type Sent = Result<Event, Infallible>;

fn events(listening: Subscription, wanted: Wanted, clock: Clock, place: Place) -> impl Stream<Item = Sent> + Send {
    // The first line is sent at once, so that a client knows that it is connected.
    let mut first = vec![Ok(Event::default().retry(RETRY).comment("listening"))];
    match listening.missed {
        Some(missed) => {
            first.extend(missed.iter().filter(|n| wanted.wants(&n.change)).map(|n| Ok(event(n, clock.now()))))
        }
        None => first.push(Ok(reset())),
    }
    let coming = stream::unfold((listening.coming, wanted, clock, place), |(coming, wanted, clock, place)| async {
        let mut receiver = coming?;
        loop {
            let sent = match receiver.recv().await {
                Ok(news) if wanted.wants(&news.change) => event(&news, clock.now()),
                Ok(_) => continue,
                Err(broadcast::error::RecvError::Lagged(_)) => reset(),
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            return Some((Ok(sent), (Some(receiver), wanted, clock, place)));
        }
    });
    stream::iter(first).chain(coming)
}

/// What was missed is not known any more: whoever has a picture of the state makes it anew.
fn reset() -> Event {
    Event::default().event("reset").data("{}")
}

fn event(news: &Arc<StateChange>, now: UnixMs) -> Event {
    let (kind, mut data) = match &news.change {
        Change::Check { service, result } => ("check", json!(CheckJson::new(&service.name, result))),
        Change::Status { service, before, now, since } => (
            "status",
            json!({
                "service": service.name,
                "status": now.as_str(),
                "before": before.as_str(),
                "since": since.map(Time),
            }),
        ),
        Change::Incident { outage, resolved_at } => {
            let mut outage = outage.as_ref().clone();
            outage.ended_at = *resolved_at;
            ("incident", json!(IncidentJson::new(&outage, Vec::new(), now)))
        }
    };
    if news.pending_store {
        data["pending_store"] = json!(true);
    }
    Event::default().id(news.id.to_string()).event(kind).data(data.to_string())
}
