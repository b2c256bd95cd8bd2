//! The loop that sends reports by themselves: once for each period, whatever restarts and however clocks are set.

use super::{ReportError, message::Message};
use crate::{
    alerts::{
        Context,
        periodic::{announced_at, configured_since},
    },
    calendar::moments::Stretch,
    config::ReportPlan,
    domain::time::{DAY_MS, MINUTE_MS},
    history::as_of::Snapshot,
    routing::{AlertKind, Announcement, Severity},
    shutdown::Shutdown,
    store::Announce,
};
use std::time::Duration;
use tokio::time::sleep;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(20);
/// A monitor that was off at the moment sends the report when it is back, if it is less late than this.
const TOO_LATE_MS: i64 = DAY_MS;
/// From here on a report says that it is late.
const LATE_MS: i64 = 5 * MINUTE_MS;
/// After a report that could not be made.
const RETRY: Duration = Duration::from_secs(600);

/// Announces a report after each period, until shutdown. `product` is whose it is.
pub async fn run(plan: ReportPlan, product: String, context: Context, mut shutdown: Shutdown) {
    // Another time of day, or another day, makes other periods: those begin anew.
    let (moments, mut since, mut done) = (plan.moments, None, None);
    let name = format!("report-{:?}-{}-{}", moments.every, moments.time.format("%H:%M"), moments.zone.name());
    loop {
        let mut pause = ROUND;
        if since.is_none() {
            since = configured_since(&context, &name).await.ok();
        }
        let now = context.clock.now();
        let due = moments.last_stretch(now).filter(|stretch| now.since(stretch.to) < TOO_LATE_MS);
        if let (Some(stretch), Some(since)) = (due.filter(|stretch| done != Some(stretch.to)), since)
            && stretch.to > since
        {
            match announce(&plan, &product, stretch, &context).await {
                Ok(()) => done = Some(stretch.to),
                Err(error) => {
                    tracing::warn!("the report could not be made: {error}; it will be retried");
                    pause = RETRY;
                }
            }
        }
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = sleep(pause) => {}
        }
    }
}

async fn announce(plan: &ReportPlan, product: &str, stretch: Stretch, context: &Context) -> Result<(), ReportError> {
    let event_id = format!("{}-report-{}", context.writer.history_id(), stretch.to);
    if announced_at(context, event_id.clone()).await?.is_some() {
        return Ok(());
    }
    let now = context.clock.now();
    let (reader, services) = (context.reader.clone(), context.live.all());
    let (sent, product, public_url) = (plan.clone(), product.to_owned(), context.public_url.clone());
    let made = tokio::task::spawn_blocking(move || {
        let snapshot = Snapshot::now(services, now);
        let objective = |name: &str| snapshot.get(name).and_then(|now| now.service.objective);
        let late = now.since(stretch.to) > LATE_MS;
        Message::of(&sent, stretch, late, &reader, &snapshot, &objective, (&product, public_url.as_deref()))
    });
    let message = made.await.map_err(|panic| ReportError::Form(panic.to_string()))??;
    let Some(message) = message else { return Ok(()) };
    let report = serde_json::to_value(&message.report).map_err(|error| ReportError::Form(error.to_string()))?;
    let announcement = Announcement {
        kind: AlertKind::Report,
        is_over: true,
        key: event_id.clone(),
        service: None,
        group: None,
        severity: Severity::Warning,
        title: message.title,
        text: message.text,
        details: message.details.into_iter().map(|detail| (detail.label, detail.value)).collect(),
        page: Some(message.page),
        report: Some(report),
    };
    context.writer.announce(Announce { event_id, announcement, channels: plan.channels.clone() });
    Ok(())
}
