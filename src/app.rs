//! Wiring, and the order in which things start and stop.

use crate::{
    alerts::{
        self,
        drill::{self, Drilled},
    },
    backups::{self, Backups},
    clock::Clock,
    config::{Config, Endpoint},
    domain::time::UnixMs,
    history::cached_stats::{self, StatsCache},
    http::{
        rate_limit::{RateLimit, TAKEN_OF_PUSHES},
        state::AppState,
    },
    live,
    notify::{Channel, ChannelSpec},
    probe,
    render::Templates,
    report::dispatch,
    scheduler::{self, Scheduler, Task, Witnesses},
    server,
    shutdown::{self, Trigger, restarting},
    store::{Configured, ResumePoint, RetentionPolicy, Scrub, Store, WatchedService},
    threads,
};
use anyhow::Context;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};

/// How long checks under way may go on when the program is to stop.
const LAST_CHECKS: Duration = Duration::from_secs(5);

/// The running service.
#[derive(Debug)]
pub struct App {
    /// Where it answers.
    pub address: SocketAddr,
    pub site: AppState,
    store: Store,
    scheduler: Scheduler,
    trigger: Trigger,
    server: JoinHandle<()>,
    channels: Vec<JoinHandle<()>>,
    backups: Option<JoinHandle<()>>,
    scrub: Option<JoinHandle<()>>,
    shared: probe::Shared,
}

impl App {
    /// Opens the history, binds the port, and starts checking.
    ///
    /// # Errors
    /// When the history or the port cannot be had, or a probe cannot be built.
    pub async fn start(config: Config, clock: Clock) -> anyhow::Result<App> {
        let address = SocketAddr::new(config.dashboard.bind, config.dashboard.port);
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("{address} cannot be listened on ([dashboard] bind and port, or DASHBOARD_PORT)")
        })?;
        let shared = probe::Shared::new(config.checks.guard.clone())?;
        let channels = config.alerts.channels.iter().cloned();
        let channels = channels.map(|spec| Channel::new(spec, shared.client_config()).map_err(anyhow::Error::msg));
        let channels = channels.collect::<anyhow::Result<Vec<Channel>>>()?;
        let max_concurrent = config.checks.max_concurrent.unwrap_or_else(descriptor_share);
        let keep = keep(&config);
        let watched = config.checks.endpoints.iter().map(|endpoint| WatchedService {
            configured: Configured {
                service: endpoint.service.clone(),
                renamed_from: endpoint.renamed_from.clone(),
                depends_on: endpoint.depends_on.clone(),
            },
            settings: endpoint.shown.clone(),
        });
        let store = Store::open(
            &config.storage.path,
            watched.collect(),
            config.maintenance.clone(),
            config.alerts.routing.clone(),
            keep,
            clock.clone(),
        )?;
        shared.look_at(store.live.clone());
        if let Some(run) = store.last_run.filter(|run| run.stopped_at.is_none()) {
            tracing::warn!(last_seen = %run.alive_at, "the run before this one did not stop cleanly; what it had committed is here");
        }
        warn_of_the_future(&config.checks.endpoints, &store.resume_points, clock.now());
        if config.checks.endpoints.iter().all(|endpoint| !endpoint.service.enabled) {
            let why = if config.checks.endpoints.is_empty() {
                "the configuration names no service below [checks]"
            } else {
                "every service of the configuration is paused (enabled = false)"
            };
            tracing::warn!("no service is monitored: {why}");
        }
        store.writer.state_notes(config.notes);
        let (trigger, token) = shutdown::channel();
        let services = config.checks.endpoints.len();
        let tasks = config.checks.endpoints.into_iter().zip(&store.resume_points).map(|(endpoint, position)| Task {
            service: endpoint.service,
            probe: endpoint.probe,
            secrets: endpoint.secrets,
            position: position.clone(),
        });
        let witnesses = Witnesses::new(config.checks.witness, config.checks.group_witness);
        let rules = scheduler::Rules { max_concurrent, witnesses, zone: config.alerts.zone };
        let scheduler = Scheduler::start(tasks.collect(), rules, &shared, &store, &clock, &token)?;
        let (making, scrubbing) = (Arc::new(Backups::default()), Arc::new(Scrub::default()));
        let channels_health = alerts::ChannelsHealth::default();
        let site = AppState {
            attempts: Arc::default(),
            live: store.live.clone(),
            reader: store.reader.clone(),
            limits: Arc::default(),
            reading: AppState::reading(),
            exporting: AppState::exporting(),
            writer: store.writer.clone(),
            scheduler: scheduler.health.clone(),
            clock: clock.clone(),
            backups: making.clone(),
            scrub: scrubbing.clone(),
            channels: config.alerts.channels.iter().map(ChannelSpec::info).collect(),
            channels_health: channels_health.clone(),
            title: config.dashboard.title.into(),
            base_path: config.dashboard.base_path.into(),
            figures: Arc::new(StatsCache::default()),
            templates: Templates::new(),
            pages: Arc::default(),
            public: config.dashboard.public.map(Arc::from),
            dashboard: config.dashboard.enabled,
            commands: config.dashboard.commands,
            token: config.dashboard.token,
            pushes: scheduler.pushes.clone(),
            push_attempts: Arc::new(RateLimit::new(TAKEN_OF_PUSHES)),
            trusted: config.dashboard.trusted_proxies.into(),
            started_at: clock.now(),
        };
        let (figures, live, reader, time) =
            (site.figures.clone(), site.live.clone(), site.reader.clone(), clock.clone());
        tokio::spawn(restarting("the kept figures", token.clone(), move |token| {
            cached_stats::keep(figures.clone(), live.clone(), reader.clone(), time.clone(), token)
        }));
        let live = store.live.clone();
        tokio::spawn(restarting("the live state", token.clone(), move |token| live::keep_up(live.clone(), token)));
        let context = alerts::Context {
            reader: store.reader.clone(),
            writer: store.writer.clone(),
            live: store.live.clone(),
            health: channels_health,
            clock: clock.clone(),
            zone: config.alerts.zone,
            public_url: config.dashboard.public_url.clone(),
        };
        let following = context.clone();
        tokio::spawn(restarting("the reminders", token.clone(), move |token| {
            alerts::follow_up::run(following.clone(), token)
        }));
        if !channels.is_empty() {
            let runs = alerts::watch::Runs { before: store.last_run, started_at: site.started_at };
            let (context, rules) = (context.clone(), config.alerts.rules.clone());
            tokio::spawn(restarting("what is announced", token.clone(), move |token| {
                alerts::watch::run(context.clone(), rules.clone(), runs, token)
            }));
        }
        if let Some(plan) = config.alerts.report.clone() {
            let (product, context) = (site.title.to_string(), context.clone());
            tokio::spawn(restarting("the report", token.clone(), move |token| {
                dispatch::run(plan.clone(), product.clone(), context.clone(), token)
            }));
        }
        if let Some(drill) = config.alerts.drill {
            let drilled =
                |channel: &Channel| Drilled { name: channel.name().clone(), keeps_state: channel.batching.keeps_state };
            let (drilled, context): (Vec<Drilled>, _) = (channels.iter().map(drilled).collect(), context.clone());
            tokio::spawn(restarting("the drills", token.clone(), move |token| {
                drill::run(drill, drilled.clone(), context.clone(), token)
            }));
        }
        let run = |channel| tokio::spawn(alerts::run(channel, context.clone(), token.clone()));
        let channels = channels.into_iter().map(run).collect();
        if let Some(spec) = config.alerts.heartbeat.clone() {
            let channel = Channel::new(spec, shared.client_config()).map_err(anyhow::Error::msg)?;
            let (writer, health, time) = (store.writer.clone(), scheduler.health.clone(), clock.clone());
            let makes_progress = move || writer.trouble().is_none() && health.beats(&time);
            let time = clock.clone();
            tokio::spawn(alerts::heartbeat::run(channel, makes_progress, move || time.now(), token.clone()));
        }
        let backups = config.storage.backup.map(|plan| {
            let plan = backups::Plan {
                path: config.storage.path.clone(),
                dir: plan.dir,
                every_ms: plan.every_ms,
                keep: plan.keep,
            };
            let (clock, token) = (clock.clone(), token.clone());
            tokio::spawn(restarting("the backups", token, move |token| {
                let (plan, making, clock) = (plan.clone(), making.clone(), clock.clone());
                async move { backups::run(plan, &making, clock, token).await }
            }))
        });
        let scrub = config.storage.scrub_every_ms.map(|every_ms| {
            let (path, writer) = (config.storage.path.clone(), store.writer.clone());
            let (clock, token) = (clock.clone(), token.clone());
            tokio::spawn(restarting("the search for damage", token, move |token| {
                let (scrub, path, writer, clock) = (scrubbing.clone(), path.clone(), writer.clone(), clock.clone());
                async move { scrub.run(&path, every_ms, &writer, clock, token).await }
            }))
        });
        let address = listener.local_addr()?;
        let (router, limits, trusted) = (server::router(site.clone()), site.limits.clone(), site.trusted.clone());
        let listener = listener.into_std()?;
        let server = threads::run_aside("web", async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => server::serve(listener, router, limits, trusted, token).await,
                Err(error) => tracing::error!("the HTTP server does not run: {error}"),
            }
        })?;
        tracing::info!(
            services,
            max_concurrent,
            history = %config.storage.path.display(),
            "watching; the answers are at http://{}{}/{}",
            reachable(address),
            site.base_path,
            if site.dashboard { "dashboard" } else { "health" },
        );
        Ok(App { address, site, store, scheduler, trigger, server, channels, backups, scrub, shared })
    }

    /// No new checks; those under way finish or meet their deadline; what is known is committed; answers drain.
    pub async fn stop(self) {
        self.trigger.fire();
        self.site.live.close();
        self.scheduler.stop(Instant::now() + LAST_CHECKS).await;
        for channel in self.channels {
            let _ = channel.await;
        }
        // One that is being read from end to end is not waited for: it is not there yet, and made again.
        if let Some(backups) = self.backups {
            backups.abort();
        }
        if let Some(scrub) = self.scrub {
            let _ = scrub.await;
        }
        self.store.stop().await;
        let _ = self.server.await;
        self.shared.clean_up().await;
    }
}

/// The address as one would type it into a browser on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback: std::net::IpAddr =
        if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(loopback, address.port())
}

/// Results follow one another: until the time of the latest has come, each new one is kept right after it.
fn warn_of_the_future(endpoints: &[Endpoint], positions: &[ResumePoint], now: UnixMs) {
    let latest = endpoints.iter().zip(positions).map(|(endpoint, position)| (position.last_at, &endpoint.service.name));
    let ahead: Vec<_> = latest.filter(|(at, _)| at.is_some_and(|at| at > now)).collect();
    if let Some((Some(newest), service)) = ahead.iter().max() {
        tracing::warn!(
            service,
            %newest,
            services = ahead.len(),
            "the history holds results from the future; until then new ones are kept right after them. Is this machine's \
             clock right? If it is, they can be taken out: see “Results from the future” in the README"
        );
    }
}

/// Three quarters of the descriptors that this process may have, after asking for all it can get.
fn descriptor_share() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the old limit stays, and is what counts below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20).min(1 << 20) as usize;
    (descriptors / 4 * 3).max(1)
}

/// How long the history is kept, as the file says.
pub(crate) fn keep(config: &Config) -> RetentionPolicy {
    RetentionPolicy {
        checks: config.storage.keep_checks_days,
        hours: config.storage.keep_hours_days,
        days: config.storage.keep_days_days,
        rows: config.storage.seal_after_days,
    }
}
