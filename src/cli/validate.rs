//! `validate`: the configuration alone.

use super::terminal::out;
use crate::{config::Config, format};
use std::process::ExitCode;

pub(super) fn run(config: &Config) -> ExitCode {
    let count = config.checks.endpoints.len();
    if count == 0 {
        out!("{} is in order, but no service is monitored: it names none. For example:", config.path.display());
        out!("\n[checks]\nendpoints = [{{ name = \"web\", url = \"https://example.com/\" }}]");
        return ExitCode::SUCCESS;
    }
    let noun = if count == 1 { "service" } else { "services" };
    out!("{} is in order: {count} {noun}", config.path.display());
    for endpoint in &config.checks.endpoints {
        let service = &endpoint.service;
        let paused = if service.enabled { "" } else { " (not enabled)" };
        out!(
            "  {:<24} {:<9} every {:>4} s  {}{paused}",
            service.name,
            service.kind.as_str(),
            service.cadence.interval_ms as f64 / 1000.0,
            format::clipped(service.target.whole(), 100)
        );
    }
    let alerts = &config.alerts;
    if !alerts.channels.is_empty() {
        let names: Vec<&str> = alerts.channels.iter().map(|channel| &*channel.name).collect();
        let by = match alerts.routing.routes.len() as u64 {
            0 => String::new(),
            n => format!(", by {}", format::counted(n, "route", "routes")),
        };
        out!("notified{by}: {} (“alerts test” sends each a message)", names.join(", "));
    }
    ExitCode::SUCCESS
}
