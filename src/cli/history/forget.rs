//! `history forget`: a service and all that is known of it.

use crate::{
    cli::{
        exit::usage,
        progress,
        terminal::{err, out},
    },
    clock::Clock,
    config::Config,
    format,
    store::{Examiner, MaintenanceTasks},
};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// The service's name
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let name = &args.name;
    let mut examiner = Examiner::open(&config.storage.path)?;
    let Some(service) = examiner.services()?.into_iter().find(|s| &s.name == name) else {
        return Err(usage(format!("there is no service named “{name}” in the history; `history services` lists them")));
    };
    if config.checks.endpoints.iter().any(|e| &e.service.name == name && e.service.enabled) {
        return Err(usage(format!(
            "“{name}” is configured and enabled in {}: remove it there, or set `enabled = false`, and then forget it",
            config.path.display()
        )));
    }
    let stock = examiner.usage(service)?;
    drop(examiner);
    // Before the prompt: a running service has to be stopped first.
    let mut upkeep = MaintenanceTasks::open(&config.storage.path)?;
    let span = match (stock.first_at, stock.last_at) {
        (Some(first), Some(last)) => format!(" from {first} to {last}"),
        _ => String::new(),
    };
    let what = format!(
        "{} check results{span}, {} incidents and {} blips of “{name}”",
        format::count(stock.results),
        format::count(stock.incidents),
        format::count(stock.blips)
    );
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            return Err(usage(format!(
                "standard input is not a terminal, so the command cannot ask for confirmation; --yes forgets {what} without it"
            )));
        }
        let question = format!("Forget {what}? There is no way back but a backup. Type its name to go on: ");
        std::io::stderr().write_all(question.as_bytes())?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if answer.trim_end_matches(['\r', '\n']) != name {
            err!("nothing was forgotten");
            return Ok(ExitCode::FAILURE);
        }
    }
    upkeep.forget(name, Clock::system().now())?;
    let bar = progress::bar(Some(stock.results), "forgetting {wide_bar} {pos}/{len}");
    loop {
        match upkeep.forget_some()? {
            0 => break,
            rows => bar.inc(rows as u64),
        }
    }
    bar.finish_and_clear();
    out!("forgotten: {what}");
    Ok(ExitCode::SUCCESS)
}
