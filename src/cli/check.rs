//! `check`: every probe once, now.

use super::{
    exit::{until_interrupted, usage},
    terminal::out,
};
use crate::{
    config::Config,
    domain::{
        check::{Class, Reason, Report, Verdict},
        sanitize::one_line,
    },
    format,
    probe::{Probe, Shared, Spec},
};
use comfy_table::{Cell, CellAlignment, Table, presets};
use futures_util::{StreamExt, stream};
use std::{process::ExitCode, time::Duration};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only these services
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// One JSON object per service and line, instead of a table
    #[arg(long)]
    json: bool,
}

/// Probes under way at once.
const AT_ONCE: usize = 64;

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    for name in &args.names {
        if !config.checks.endpoints.iter().any(|e| &e.service.name == name) {
            // 1 would say that a service is down.
            return Err(usage(format!("there is no service named “{name}” in {}", config.path.display())));
        }
    }
    let chosen = config.checks.endpoints.into_iter().filter(|e| match args.names.is_empty() {
        true => e.service.enabled,
        false => args.names.contains(&e.service.name),
    });
    let (reporting, chosen): (Vec<_>, Vec<_>) = chosen.partition(|e| matches!(e.probe, Spec::Push(_)));
    let shared = Shared::new(config.checks.guard)?;
    let runs = chosen.into_iter().map(|endpoint| {
        let probe = Probe::new(&endpoint.probe, endpoint.secrets, &shared);
        async move {
            let timeout = Duration::from_millis(endpoint.service.cadence.timeout_ms.unsigned_abs());
            Ok::<_, anyhow::Error>((endpoint.service, probe?.run(timeout).await))
        }
    });
    let reports = until_interrupted(stream::iter(runs).buffered(AT_ONCE).collect::<Vec<_>>()).await;
    // Before any output, and also after a signal: commands are ended by now, queries are not.
    shared.clean_up().await;
    let reports = reports?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["", "service", "took", "said"]);
    let (mut down, mut passed) = (0, 0);
    let mut came = Vec::new();
    for (service, report) in &reports {
        let slow = service.degraded_after_ms.is_some_and(|limit| i64::from(report.latency_us) > limit * 1000);
        let (word, said) = in_words(report, slow);
        down += usize::from(matches!(report.verdict, Verdict::Failed(_)));
        passed += usize::from(matches!(report.verdict, Verdict::Passed | Verdict::Degraded(_)));
        let took = format!("{:.1} ms", f64::from(report.latency_us) / 1000.0);
        // A reason leaves out what may be another one in every check, such as a number: here it is the answer.
        if let (Verdict::Failed(Reason { class: Class::Content, .. }), Some(excerpt)) =
            (&report.verdict, &report.excerpt)
        {
            came.push(format!("  {}: {}", service.name, one_line(excerpt, 160)));
        }
        if args.json {
            let line = serde_json::json!({
                "service": service.name, "outcome": word, "response_time_ms": f64::from(report.latency_us) / 1000.0,
                "http_status": report.http_status, "message": said, "excerpt": report.excerpt,
            });
            out!("{line}");
        } else {
            table.add_row([
                Cell::new(word),
                Cell::new(&service.name),
                Cell::new(took).set_alignment(CellAlignment::Right),
                // One long line would make every row as wide; more of it is in `--json`.
                Cell::new(format::clipped(&said, 100)),
            ]);
        }
    }
    for service in reporting.iter().map(|endpoint| &endpoint.service) {
        const SAID: &str = "it reports by itself: nothing is checked";
        if args.json {
            let (service, none) = (&service.name, serde_json::Value::Null);
            let line = serde_json::json!({
                "service": service, "outcome": "unknown", "response_time_ms": none,
                "http_status": none, "message": SAID, "excerpt": none,
            });
            out!("{line}");
        } else {
            table.add_row(["push", &service.name, "", SAID]);
        }
    }
    if !args.json {
        out!("{table}");
        if !came.is_empty() {
            out!("\nwhat came instead of what was expected:\n{}", came.join("\n"));
        }
        out!("\n{passed} of {} services passed", reports.len());
    }
    Ok(if down > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn in_words(report: &Report, slow: bool) -> (&'static str, String) {
    match &report.verdict {
        Verdict::Passed => {
            let said = report.http_status.map(|status| format!("HTTP {status}")).unwrap_or_default();
            (if slow { "degraded" } else { "up" }, said)
        }
        Verdict::Degraded(reason) => ("degraded", reason.message.clone()),
        Verdict::Failed(reason) => ("down", reason.message.clone()),
        Verdict::Inconclusive(reason) => ("unknown", reason.message.clone()),
    }
}
