//! `verify`: everything that is derived is computed again from the rows and compared.

use super::{
    exit::{not_one, usage},
    progress,
    terminal::{err, out},
};
use crate::{
    config::Config,
    format,
    history::{
        repair,
        verify::{self, Compared, Difference},
    },
    store::{Examiner, MaintenanceTasks, StoreError, StoredService},
};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only these services (may be repeated)
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// Show every difference, and not only the first
    #[arg(long)]
    all: bool,
    /// Ask SQLite for its quick check of the file, that does not compare indexes with their tables
    #[arg(long)]
    quick: bool,
    /// Compute what is derived anew where it differs; check results stay as they are, incidents keep their numbers. Not
    /// while the service runs
    #[arg(long)]
    repair: bool,
    /// One JSON document instead of words
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default)]
struct Findings {
    compared: Vec<(StoredService, Compared)>,
    differences: Vec<Difference>,
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let path = config.storage.path.clone();
    let found = tokio::task::spawn_blocking(move || {
        let mended = if args.repair { Some(mend(&mut MaintenanceTasks::open(&path)?, &args)?) } else { None };
        let mut examiner = Examiner::open(&path)?;
        let found = examine(&mut examiner, &args)?;
        examiner.finish()?;
        match args.json {
            true => out!("{}", document(&found, mended.as_deref())),
            false => tell(&found, mended.as_deref(), args.all),
        }
        anyhow::Ok(found)
    });
    let found = found.await?.map_err(|error| match error.downcast_ref::<StoreError>() {
        Some(found) if found.is_damage() => error,
        _ => not_one(error),
    })?;
    Ok(if found.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The services that are meant.
fn chosen(mut services: Vec<StoredService>, args: &Args) -> anyhow::Result<Vec<StoredService>> {
    for name in &args.services {
        if !services.iter().any(|s| &s.name == name) {
            return Err(usage(format!("there is no service named “{name}” in the history")));
        }
    }
    services.retain(|s| args.services.is_empty() || args.services.contains(&s.name));
    Ok(services)
}

fn mend(upkeep: &mut MaintenanceTasks, args: &Args) -> anyhow::Result<Vec<Difference>> {
    let services = chosen(upkeep.services()?, args)?;
    let bar = progress::bar(Some(services.len() as u64), "repairing {wide_bar} {pos}/{len} {msg}");
    let mut mended = Vec::new();
    for service in services {
        bar.set_message(service.name.clone());
        match repair::service(upkeep, service.id) {
            Ok(differences) => mended.extend(differences),
            // What is examined next says what is left of it.
            Err(error @ StoreError::Content(_)) => err!("{} could not be repaired: {error}", service.name),
            Err(error) => return Err(error.into()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(mended)
}

fn examine(examiner: &mut Examiner, args: &Args) -> anyhow::Result<Findings> {
    let mut found = Findings::default();
    let bar = progress::bar(None, "checking {wide_bar} {pos}/{len} {msg}");
    bar.set_message("the file");
    found.differences.extend(verify::file(examiner, args.quick)?);
    let services = chosen(examiner.services()?, args)?;
    bar.set_length(services.len() as u64);
    for service in services {
        bar.set_message(service.name.clone());
        match verify::service(examiner, service.id, |difference| found.differences.push(difference)) {
            Ok(Some(compared)) => found.compared.push((service, compared)),
            // Forgotten meanwhile.
            Ok(None) => {}
            // Where the file is damaged the others are looked at all the same.
            Err(error @ StoreError::Sqlite(_)) if !found.differences.is_empty() => {
                let (service, what) = (Some(service.name), "its rows".to_owned());
                let recomputed = "rows that can be read".to_owned();
                found.differences.push(Difference { service, what, stored: error.to_string(), recomputed });
            }
            Err(error) => return Err(error.into()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(found)
}

fn tell(found: &Findings, mended: Option<&[Difference]>, all: bool) {
    let sum = |of: fn(&Compared) -> u64| format::count(found.compared.iter().map(|(_, c)| of(c)).sum());
    out!(
        "{} services: {} check results, {} hours, {} days, {} incidents and blips, {} gaps",
        format::count(found.compared.len() as u64),
        sum(|c| c.results),
        sum(|c| c.hours),
        sum(|c| c.days),
        sum(|c| c.outages),
        sum(|c| c.gaps)
    );
    for (service, compared) in found.compared.iter().filter(|(_, c)| c.retired) {
        let Some(from) = compared.rows_from else { continue };
        let outages = match compared.outages_from {
            Some(from) => format!("incidents that began after {from}"),
            None => "no incidents, because it has been failing ever since".to_owned(),
        };
        out!("  {}: check results are kept from {from} on; compared: {outages}", service.name);
    }
    let days: u64 = found.compared.iter().map(|(_, c)| c.days_by_hours).sum();
    if days > 0 {
        out!("  of {} older days only the hours are left, and were compared with them", format::count(days));
    }
    if let Some(mended) = mended {
        out!("repaired: {} differences", format::count(mended.len() as u64));
        say(mended, all);
    }
    if found.differences.is_empty() {
        out!("everything derived follows from the check results, and the file is sound");
        return;
    }
    let count = found.differences.len() as u64;
    out!("{}:", format::counted(count, "DIFFERENCE", "DIFFERENCES"));
    say(&found.differences, all);
    let damaged = found.differences.iter().any(|d| d.service.is_none());
    out!(
        "{}",
        if damaged {
            "The file is damaged: restore a backup."
        } else {
            "Stop the service and run `verify --repair` to compute what is derived anew."
        }
    );
}

fn say(differences: &[Difference], all: bool) {
    let shown = if all { differences.len() } else { 1 };
    for difference in differences.iter().take(shown) {
        let service = difference.service.as_deref().unwrap_or("the file");
        out!("  {service}, {}", difference.what);
        out!("    stored:     {}", format::clipped(&difference.stored, 2000));
        out!("    recomputed: {}", format::clipped(&difference.recomputed, 2000));
    }
    if let Some(more @ 1..) = differences.len().checked_sub(shown) {
        out!("  and {} more (--all shows them)", format::count(more as u64));
    }
}

fn document(found: &Findings, mended: Option<&[Difference]>) -> Value {
    let time = |at: Option<crate::domain::time::UnixMs>| at.map(|at| at.to_string());
    let differences = |all: &[Difference]| {
        let one = |d: &Difference| json!({"service": d.service, "what": d.what, "stored": d.stored, "recomputed": d.recomputed});
        all.iter().map(one).collect::<Vec<_>>()
    };
    let services = found.compared.iter().map(|(service, c)| {
        json!({
            "service": service.name, "results": c.results, "hours": c.hours, "days": c.days,
            "days_by_hours": c.days_by_hours, "outages": c.outages, "gaps": c.gaps, "rows_from": time(c.rows_from),
            "retired": c.retired, "outages_from": time(c.outages_from.filter(|_| c.retired)),
        })
    });
    json!({
        "verified": found.differences.is_empty(),
        "services": services.collect::<Vec<_>>(),
        "differences": differences(&found.differences),
        "repaired": mended.map(differences),
    })
}
