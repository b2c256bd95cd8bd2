//! `alerts`: try the channels, and see where an alert would go.

use super::{
    exit::{until_interrupted, usage},
    own_server,
    terminal::out,
};
use crate::{
    alerts,
    clock::Clock,
    config::Config,
    domain::{check::Class, network::NetworkGuard, time::UnixMs},
    format::{self, zone::Zone},
    notify::{Channel, ChannelSpec, Notice, Status},
    probe::Shared,
    routing::{AlertKind, Facts},
};
use clap::Subcommand;
use std::{process::ExitCode, time::Duration};

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Send a real message to a channel, or to all, and print what the receiver answered; exit code 1 if one failed
    Test(TestArgs),
    /// Show which channels would be notified of an alert, and why
    Route(RouteArgs),
    /// Have the running service send again what was given up, to a channel or to all
    Retry(RetryArgs),
}

#[derive(clap::Args, Debug)]
pub(super) struct RetryArgs {
    /// Only this channel
    #[arg(value_name = "CHANNEL")]
    channel: Option<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct TestArgs {
    /// Only these channels
    #[arg(value_name = "CHANNEL")]
    channels: Vec<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct RouteArgs {
    /// The service that it is about; gap, report and monitor are about none
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// down, resolved, degraded, certificate, flapping, gap, slo, report or monitor
    #[arg(long, default_value = "down", value_name = "KIND")]
    kind: String,
    /// What fails: dns, connect, tls, timeout, http_status, …
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// When the incident is confirmed: RFC 3339, or a time of the zone of [alerts] [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    if config.alerts.channels.is_empty() {
        let path = config.path.display();
        return Err(usage(format!("{path} has no channel: set enabled = true and a channel below [alerts]")));
    }
    match command {
        Command::Test(args) => test(config, args).await,
        Command::Route(args) => route(&config, &args),
        Command::Retry(args) => retry(&config, args.channel.as_deref()).await,
    }
}

/// How long the running service may take: it waits for its history.
const PATIENCE: Duration = Duration::from_secs(15);

async fn retry(config: &Config, channel: Option<&str>) -> anyhow::Result<ExitCode> {
    if let Some(name) = channel {
        known(config, name)?;
    }
    let Some(token) = &config.dashboard.token else {
        return Err(usage("the running service takes this from whoever has its token: set `token` below [dashboard]"));
    };
    let path = match channel {
        // A name has no character that means something in an address.
        Some(name) => format!("/api/v1/alerts/retry?channel={name}"),
        None => "/api/v1/alerts/retry".to_owned(),
    };
    let answer = own_server::ask(config, "POST", &path, Some(token), PATIENCE).await?;
    if answer.status != 204 {
        anyhow::bail!("{} answered {}: {}", answer.address, answer.status, answer.body);
    }
    out!("What was given up is sent again. /dashboard/alerts shows what becomes of it.");
    Ok(ExitCode::SUCCESS)
}

fn known(config: &Config, name: &str) -> anyhow::Result<()> {
    if config.alerts.channels.iter().any(|channel| *channel.name == *name) {
        return Ok(());
    }
    let names: Vec<&str> = config.alerts.channels.iter().map(|channel| &*channel.name).collect();
    Err(usage(format!("there is no channel named “{name}”: there are {}", names.join(", "))))
}

async fn test(config: Config, args: TestArgs) -> anyhow::Result<ExitCode> {
    args.channels.iter().try_for_each(|name| known(&config, name))?;
    let notice = alerts::test_notice(Clock::system().now(), config.dashboard.public_url.as_deref());
    let chosen = |name: &str| args.channels.is_empty() || args.channels.iter().any(|chosen| chosen == name);
    deliver(config.alerts.channels.into_iter().filter(|spec| chosen(&spec.name)), &notice).await
}

/// Delivers a message to channels now, and prints what each receiver answered.
pub(super) async fn deliver(channels: impl Iterator<Item = ChannelSpec>, notice: &Notice) -> anyhow::Result<ExitCode> {
    let shared = Shared::new(NetworkGuard::default())?;
    let mut failed = false;
    for spec in channels {
        let channel = Channel::new(spec, shared.client_config()).map_err(anyhow::Error::msg)?;
        let tried = async {
            // A receiver that keeps alerts until they are resolved is to page somebody, and then to forget it.
            if channel.batching.keeps_state {
                channel.deliver(&Notice { status: Status::Firing, ..notice.clone() }).await?;
            }
            channel.deliver(notice).await
        };
        match until_interrupted(tried).await? {
            Ok(delivered) => out!("{}: delivered. {}", channel.name(), delivered.answer),
            Err(failure) => {
                failed = true;
                out!("{}: NOT delivered. {}", channel.name(), failure.why());
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn route(config: &Config, args: &RouteArgs) -> anyhow::Result<ExitCode> {
    let words = AlertKind::ALL.map(AlertKind::as_str).join(", ");
    let kind = AlertKind::parse(&args.kind);
    let kind = kind.ok_or_else(|| usage(format!("“{}” is no kind of alert: {words}", args.kind)))?;
    let class = match &args.class {
        None => None,
        Some(word) => Some(Class::parse(word).ok_or_else(|| {
            let words: Vec<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
            usage(format!("“{word}” is no class: {}", words.join(", ")))
        })?),
    };
    let zone = config.alerts.zone;
    let at = match &args.at {
        None => Clock::system().now(),
        Some(text) => UnixMs::parse(text)
            .or_else(|| Zone::parse(zone.name()).and_then(|zone| zone.read(text)))
            .ok_or_else(|| usage(format!("“{text}” is no time, as 2026-11-30T03:00:00Z or 2026-11-30T03:00")))?,
    };
    let facts = match &args.service {
        _ if kind.is_about_no_service() => Facts::without_service(kind, at),
        None => return Err(usage(format!("“{}” is about a service: name it with --service", kind.as_str()))),
        Some(name) => {
            let endpoint = config.checks.endpoints.iter().find(|endpoint| endpoint.service.name == *name);
            let Some(endpoint) = endpoint else {
                return Err(usage(format!("there is no service named “{name}” in {}", config.path.display())));
            };
            Facts { class, ..Facts::of_service(kind, &endpoint.service, at) }
        }
    };
    let explanation = config.alerts.routing.explain(&facts);
    for step in &explanation.steps {
        out!("{step}");
    }
    let names: Vec<String> = explanation.channels.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => out!("Nobody would be notified."),
        names => out!("Notified: {}.", format::listed(names)),
    }
    Ok(ExitCode::SUCCESS)
}
