//! Metrics for Prometheus.

mod exposition;

use self::exposition::{Exposition, Format, Kind, label};
use crate::{
    domain::{check::Phase, status::Status, time::UnixMs},
    http::{error::Answer, params::Params, state::AppState},
    live::ServiceNow,
    store::ChannelHealth,
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// About as much as the samples of one service take, in bytes.
const BYTES_A_SERVICE: usize = 1024;

const SECONDS: Option<&str> = Some("seconds");

/// `GET /metrics`: made for each request from what is known now.
pub(super) async fn text(State(app): State<AppState>, headers: HeaderMap, params: Params) -> Answer<Response> {
    params.only(&[])?;
    let accept = headers.get_all(header::ACCEPT);
    let format = Format::accepted(accept.iter().filter_map(|value| value.to_str().ok()));
    let services = app.live.all();
    let mut to = Exposition::new(format, (services.len() + 8) * BYTES_A_SERVICE);
    write_services(&mut to, &services, app.clock.now());
    write_monitor(&mut to, &app);
    if !app.channels.is_empty() {
        write_channels(&mut to, &app, &app.channels_health.all());
    }
    let headers =
        [(header::CONTENT_TYPE, format.content_type()), (header::CACHE_CONTROL, "no-store"), (header::VARY, "accept")];
    Ok((headers, to.finish()).into_response())
}

fn write_services(to: &mut Exposition, services: &[Arc<ServiceNow>], now: UnixMs) {
    let labelled = services.iter().map(|one| (label("service", &one.service.name), &**one, one.status(now)));
    let labelled: Vec<(String, &ServiceNow, Status)> = labelled.collect();

    let mut up = to.family(Kind::Gauge, "service_up", None, "1 while the service is up or degraded");
    for (label, _, status) in &labelled {
        up.add(label, status.is_ok());
    }
    let mut status = to.family(Kind::Gauge, "service_status", None, "1 for the status that the service has");
    for (label, _, is) in &labelled {
        for each in Status::WORST_FIRST {
            status.add_with(label, Some(("status", each.as_str())), each == *is);
        }
    }
    let last = || labelled.iter().filter_map(|(label, one, _)| Some((label, one.last.as_ref()?)));
    let mut response = to.family(Kind::Gauge, "response_time", SECONDS, "Response time of the latest check");
    for (label, last) in last() {
        if let Some(us) = last.latency_us {
            response.add(label, f64::from(us) / 1e6);
        }
    }
    let mut phases = to.family(Kind::Gauge, "phase", SECONDS, "Time of each phase of the latest check");
    for (label, last) in last() {
        let times = last.phases;
        for (phase, us) in [
            (Phase::Dns, times.dns_us),
            (Phase::Connect, times.connect_us),
            (Phase::Tls, times.tls_us),
            (Phase::Ttfb, times.ttfb_us),
        ] {
            if let Some(us) = us {
                phases.add_with(label, Some(("phase", phase.as_str())), f64::from(us) / 1e6);
            }
        }
    }
    let mut last_at = to.family(Kind::Gauge, "last_check_timestamp", SECONDS, "When the latest check started");
    for (label, last) in last() {
        last_at.add(label, last.at.0 as f64 / 1e3);
    }
    let mut ends = to.family(Kind::Gauge, "certificate_expiry_timestamp", SECONDS, "When the certificate ends");
    for (label, one, _) in &labelled {
        if let Some(end) = one.certificate_expires_at {
            ends.add(label, end.0 as f64 / 1e3);
        }
    }
}

fn write_channels(to: &mut Exposition, app: &AppState, health: &[ChannelHealth]) {
    use Kind::{Counter, Gauge};
    let unused = ChannelHealth::default();
    let of = |name: &str| health.iter().find(|health| health.name == name).unwrap_or(&unused);
    let channels: Vec<(String, &ChannelHealth)> =
        app.channels.iter().map(|channel| (label("channel", &channel.name), of(&channel.name))).collect();
    let mut family = |kind, name, help, value: fn(&ChannelHealth) -> u64| {
        let mut samples = to.family(kind, name, None, help);
        channels.iter().for_each(|(label, health)| samples.add(label, value(health)));
    };
    family(Counter, "alerts_sent", "Messages that a channel took", |health| health.sent);
    family(Counter, "alerts_failed", "Attempts to deliver a message that failed", |health| health.failed);
    family(Gauge, "alerts_waiting", "Events that are still to be delivered", |health| health.waiting);
    family(Gauge, "alerts_given_up", "Events that were given up and can be retried", |health| health.given_up);
    let mut times = |name, help, value: fn(&ChannelHealth) -> Option<UnixMs>| {
        let mut samples = to.family(Gauge, name, SECONDS, help);
        for (label, health) in &channels {
            if let Some(at) = value(health) {
                samples.add(label, at.0 as f64 / 1e3);
            }
        }
    };
    times("alerts_oldest_waiting_timestamp", "When the oldest event that waits happened", |h| h.oldest_waiting_at);
    times("alerts_last_success_timestamp", "When a channel last took a message", |h| h.last_success_at);
}

fn write_monitor(to: &mut Exposition, app: &AppState) {
    use Kind::{Counter, Gauge};
    let (pulse, writer) = (app.scheduler.figures(), app.writer.figures());
    to.single(Counter, "checks_started", None, "Checks started by this run", pulse.started);
    to.single(Counter, "checks_missed", None, "Checks that started too late to count", pulse.missed);
    let lag = "Time between slots and the starts of checks, all together";
    to.single(Counter, "scheduling_lag", SECONDS, lag, pulse.lag_us as f64 / 1e6);
    let lag_max = "The longest time between a slot and the start of its check";
    to.single(Gauge, "scheduling_lag_max", SECONDS, lag_max, pulse.lag_max_us as f64 / 1e6);
    to.single(Counter, "results_stored", None, "Results committed by this run", writer.committed);
    to.single(Counter, "results_lost", None, "Results made that could not be kept", writer.dropped);
    to.single(Gauge, "results_waiting", None, "Results that wait for their commit", writer.waiting as f64);
    to.single(Counter, "commits", None, "Commits of this run", writer.commits);
    let failing = |is: bool| f64::from(u8::from(is));
    let store = failing(app.writer.trouble().is_some());
    to.single(Gauge, "store_failing", None, "1 while the history cannot be written", store);
    let backups = app.backups.state();
    if backups.planned {
        let help = "1 while the latest attempt to back the history up failed";
        to.single(Gauge, "backup_failing", None, help, failing(backups.failing.is_some()));
        if let Some(last) = backups.last {
            let help = "When the newest backup was made";
            to.single(Gauge, "backup_timestamp", SECONDS, help, last.0 as f64 / 1e3);
        }
    }
    let scrub = app.scrub.state();
    if scrub.planned {
        let help = "1 since the history was found to be damaged";
        to.single(Gauge, "history_damaged", None, help, failing(scrub.damage.is_some()));
        if let Some(last) = scrub.last {
            let help = "When all of the history was last read and found sound";
            to.single(Gauge, "scrub_timestamp", SECONDS, help, last.0 as f64 / 1e3);
        }
    }
}
