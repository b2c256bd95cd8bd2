//! Figures for Prometheus.

use super::Answer;
use crate::{
    domain::{check::Phase, status::Status, time::UnixMs},
    web::{api::ApiError, site::Site},
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::ConstCounter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use std::sync::atomic::AtomicU64;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Service {
    service: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ServiceStatus {
    service: String,
    status: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ServicePhase {
    service: String,
    phase: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// `GET /metrics`: made for each request from what is known now.
pub(super) async fn text(State(site): State<Site>) -> Answer<Response> {
    let mut body = String::new();
    encode(&mut body, &registry(&site, site.clock.now())).map_err(|_| ApiError::internal())?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], body).into_response())
}

fn registry(site: &Site, now: UnixMs) -> Registry {
    let mut registry = Registry::with_prefix("healthcheck");
    let up = Family::<Service, Gauge>::default();
    let status = Family::<ServiceStatus, Gauge>::default();
    let response = Family::<Service, Seconds>::default();
    let phases = Family::<ServicePhase, Seconds>::default();
    let last_at = Family::<Service, Seconds>::default();
    let certificate = Family::<Service, Seconds>::default();
    for one in site.board.all() {
        let service = Service { service: one.service.name.clone() };
        let is = one.status(now);
        up.get_or_create(&service).set(is.is_ok().into());
        for each in Status::WORST_FIRST {
            let label = ServiceStatus { service: one.service.name.clone(), status: each.as_str() };
            status.get_or_create(&label).set((each == is).into());
        }
        if let Some(end) = one.certificate_expires_at {
            certificate.get_or_create(&service).set(end.0 as f64 / 1e3);
        }
        let Some(last) = &one.last else { continue };
        last_at.get_or_create(&service).set(last.at.0 as f64 / 1e3);
        if let Some(us) = last.latency_us {
            response.get_or_create(&service).set(f64::from(us) / 1e6);
        }
        let times = last.phases;
        for (phase, us) in [
            (Phase::Dns, times.dns_us),
            (Phase::Connect, times.connect_us),
            (Phase::Tls, times.tls_us),
            (Phase::Ttfb, times.ttfb_us),
        ] {
            if let Some(us) = us {
                let label = ServicePhase { service: one.service.name.clone(), phase: phase.as_str() };
                phases.get_or_create(&label).set(f64::from(us) / 1e6);
            }
        }
    }
    registry.register("service_up", "1 while the service is up or degraded", up);
    registry.register("service_status", "1 for the status that the service has", status);
    registry.register_with_unit("response_time", "Response time of the latest check", Unit::Seconds, response);
    registry.register_with_unit("phase", "Time of each phase of the latest check", Unit::Seconds, phases);
    registry.register_with_unit("last_check_timestamp", "When the latest check started", Unit::Seconds, last_at);
    registry.register_with_unit(
        "certificate_expiry_timestamp",
        "When the certificate ends",
        Unit::Seconds,
        certificate,
    );

    let (pulse, writer) = (site.pulse.figures(), site.writer.figures());
    registry.register("checks_started", "Checks started by this run", ConstCounter::new(pulse.started));
    registry.register("checks_missed", "Checks that started too late to count", ConstCounter::new(pulse.missed));
    registry.register_with_unit(
        "scheduling_lag",
        "Time between slots and the starts of checks, all together",
        Unit::Seconds,
        ConstCounter::new(pulse.lag_us as f64 / 1e6),
    );
    let gauge = |value: f64| {
        let gauge = Seconds::default();
        gauge.set(value);
        gauge
    };
    registry.register_with_unit(
        "scheduling_lag_max",
        "The longest time between a slot and the start of its check",
        Unit::Seconds,
        gauge(pulse.lag_max_us as f64 / 1e6),
    );
    registry.register("results_stored", "Results committed by this run", ConstCounter::new(writer.committed));
    registry.register("results_lost", "Results made that could not be kept", ConstCounter::new(writer.dropped));
    registry.register("results_waiting", "Results that wait for their commit", gauge(writer.waiting as f64));
    registry.register("commits", "Commits of this run", ConstCounter::new(writer.commits));
    registry.register(
        "store_failing",
        "1 while the history cannot be written",
        gauge(f64::from(u8::from(site.writer.trouble().is_some()))),
    );
    let backups = site.backups.state();
    if backups.planned {
        registry.register(
            "backup_failing",
            "1 while the latest attempt to back the history up failed",
            gauge(f64::from(u8::from(backups.failing.is_some()))),
        );
        if let Some(last) = backups.last {
            registry.register_with_unit(
                "backup_timestamp",
                "When the newest backup was made",
                Unit::Seconds,
                gauge(last.0 as f64 / 1e3),
            );
        }
    }
    registry
}
