//! What the rest of the program may rely on.

use crate::{
    calendar::{Planned, moments::Moments},
    domain::{
        incident::StatedNote,
        network::{Network, NetworkGuard},
        secret::Secret,
        service::{Commands, Service},
        time::MINUTE_MS,
    },
    notify::ChannelSpec,
    probe::Spec,
    routing::{ChannelName, Routing},
    settings::effective::EffectiveSettings,
};
use chrono_tz::Tz;
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

/// A configuration without a mistake in it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that it was read from.
    pub path: PathBuf,
    pub checks: Checks,
    pub storage: Storage,
    pub dashboard: Dashboard,
    pub alerts: Alerts,
    /// Maintenance that is announced; its services are among the endpoints.
    pub maintenance: Vec<Planned>,
    /// What is written down about incidents of the past. Their services need not be among the endpoints any more.
    pub notes: Vec<StatedNote>,
}

#[derive(Clone, Default, Debug)]
pub struct Checks {
    /// In the order of the file; names are unique.
    pub endpoints: Vec<Endpoint>,
    /// Checks under way at once, at least 1; `None`: three quarters of the descriptor limit.
    pub max_concurrent: Option<usize>,
    /// Addresses (`host:port`) that should always answer. The monitor queries them before it believes a failure.
    pub witness: Vec<String>,
    /// Those of groups that have their own, by the name of the group.
    pub group_witness: BTreeMap<String, Vec<String>>,
    /// The addresses that probes may connect to.
    pub guard: NetworkGuard,
}

/// A service and how it is probed.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub service: Service,
    pub probe: Spec,
    /// The name whose history this one carries on.
    pub renamed_from: Option<String>,
    /// The services that it depends on, directly and through others, the nearest first.
    pub depends_on: Vec<String>,
    /// The channels that its alerts go to, whatever the routes say; `None`: the routes say.
    pub alerts: Option<Vec<ChannelName>>,
    /// Whether it is told that it flaps, in the place of each of its incidents meanwhile.
    pub flapping: bool,
    /// Every credential of this endpoint, for scrubbing what it says.
    pub secrets: Vec<Secret>,
    /// Its effective settings as the API shows them, credentials redacted.
    pub shown: EffectiveSettings,
}

#[derive(Clone, Debug)]
pub struct Storage {
    /// The database file, relative to the working directory. Default `data/history.db`.
    pub path: PathBuf,
    /// Who may read and write the files of the history: bits of a mode; `None`: nobody but their owner, the default.
    pub mode: Option<u32>,
    /// Days that check results are kept; `None`: for ever. Default 90.
    pub keep_checks_days: Option<u32>,
    /// Days that hour rollups are kept; `None`: for ever. Default 730.
    pub keep_hours_days: Option<u32>,
    /// Days that day rollups and incidents are kept; `None`: for ever, the default.
    pub keep_days_days: Option<u32>,
    /// Days after which check results are sealed, at least 1; `None`: never, the default.
    pub seal_after_days: Option<u32>,
    /// Backups that the running service makes; `None`: none, the default.
    pub backup: Option<Backup>,
    /// In how many milliseconds the whole history is read in search of damage; `None`: it is not. Default a day.
    pub scrub_every_ms: Option<i64>,
}

/// When the running service makes backups, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backup {
    /// The folder that they go to, relative to the working directory.
    pub dir: PathBuf,
    /// From one to the next, in milliseconds: whole hours. Default a day.
    pub every_ms: i64,
    /// How many are kept, at least 1. Default 7.
    pub keep: u32,
}

#[derive(Clone, Debug)]
pub struct Dashboard {
    pub enabled: bool,
    pub bind: IpAddr,
    /// `DASHBOARD_PORT` wins over the file. Default 9100.
    pub port: u16,
    /// Default "Healthcheck".
    pub title: String,
    /// Where a reverse proxy puts us: empty, or `/status` (with a leading slash, without a trailing one).
    pub base_path: String,
    /// Where others reach the pages, for links in messages: without a slash at its end. Default: no links.
    pub public_url: Option<String>,
    /// What outsiders see at `/public`; `None`: there is no such page.
    pub public: Option<Vec<PublicService>>,
    /// Whoever has it may write notes of incidents; `None`: nobody may.
    pub token: Option<Secret>,
    /// How much of a command everyone sees. Default: the program.
    pub commands: Commands,
    /// Whose `X-Forwarded-…` headers are believed. Default: nobody's.
    pub trusted_proxies: Vec<Network>,
}

/// A service that outsiders see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicService {
    pub name: String,
    /// What it is called there.
    pub title: String,
}

/// When channels are notified of something beside incidents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlertRules {
    /// How long a service has to be degraded, in milliseconds. Default 15 minutes.
    pub degraded_after_ms: i64,
    /// How many days before its end a certificate is a matter. Default 30, 14, 7, 3 and 1.
    pub certificate_days: Vec<i64>,
    /// How long the monitor has to have been away, in milliseconds. Default 5 minutes.
    pub gap_after_ms: i64,
}

impl Default for AlertRules {
    fn default() -> AlertRules {
        AlertRules {
            degraded_after_ms: 15 * MINUTE_MS,
            certificate_days: vec![30, 14, 7, 3, 1],
            gap_after_ms: 5 * MINUTE_MS,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Alerts {
    /// The zone of the times in messages. Default UTC.
    pub zone: Tz,
    /// What is called every minute while the monitor makes progress; `None`: nobody.
    pub heartbeat: Option<ChannelSpec>,
    /// Who is notified; none while alerts are not enabled. Names are unique.
    pub channels: Vec<ChannelSpec>,
    /// Who is notified of what.
    pub routing: Routing,
    /// When they are notified of something beside incidents.
    pub rules: AlertRules,
    /// The report that is sent by itself; `None`: none is.
    pub report: Option<ReportPlan>,
    /// How often a message proves that every channel works; `None`: never.
    pub drill: Option<Drill>,
}

/// How often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drill {
    Weekly,
    Monthly,
}

/// When a report is sent, and to whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportPlan {
    pub moments: Moments,
    /// Some of the channels; at least one.
    pub channels: Vec<ChannelName>,
}
