//! Services, their settings, gaps and maintenance; and the monitor itself.

use crate::{
    domain::{incident::Gap, maintenance::Overlay, time::UnixMs, window::Window},
    live::ServiceId,
    store::{
        Reader, Result,
        tables::{
            channels::ChannelHealth,
            maintenance::{Maintenance, Which},
            outbox::DueEvent,
            runs::{Interruption, Run},
            services::StoredService,
            settings::Setting,
        },
    },
};

/// At this moment the configuration changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SettingChange {
    pub at: UnixMs,
    pub before: Setting,
    pub after: Setting,
}

impl Reader {
    /// Every service ever configured, by name.
    pub fn services(&self) -> Result<Vec<StoredService>> {
        self.read_one(|tables| tables.services())
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> Result<Option<StoredService>> {
        self.read_one(|tables| tables.service_named(name))
    }

    /// The gaps of one service that overlap the window, oldest first, with the one that lasts at `now`. The time before
    /// its first result is not among them.
    pub fn gaps(&self, service: ServiceId, window: Window, now: UnixMs) -> Result<Vec<Gap>> {
        self.read(|tables| match tables.service(service)? {
            Some(service) => tables.gaps(&service, window, now),
            None => Ok(Vec::new()),
        })
    }

    /// The maintenance of one service that shares time with the window: what figures leave out.
    pub fn maintenance(&self, service: ServiceId, window: Window) -> Result<Overlay> {
        self.read_one(|tables| tables.maintenance(service, window, Which::All))
    }

    /// Every window of maintenance that shares time with `window`, or with `None` every one there is, in the order of
    /// time; those that were taken back are among them.
    pub fn maintenance_log(&self, window: Option<Window>) -> Result<Vec<Maintenance>> {
        self.read_one(|tables| tables.maintenance_log(window))
    }

    /// The latest run of the monitor.
    pub fn last_run(&self) -> Result<Option<Run>> {
        self.read_one(|tables| tables.last_run())
    }

    /// The events of a channel that are not settled, due or not, oldest first, at most `limit`; `settled` are those that are
    /// and whose commit is still to come.
    pub fn pending_events(&self, channel: &str, limit: usize, settled: &dyn Fn(&str) -> bool) -> Result<Vec<DueEvent>> {
        self.read_one(|tables| tables.pending_events(channel, limit, settled))
    }

    /// The beginnings of open incidents that a channel was notified of, oldest first.
    pub fn open_alerts(&self, channel: &str) -> Result<Vec<DueEvent>> {
        self.read_one(|tables| tables.open_alerts(channel))
    }

    /// How every channel does that was ever tried or has something to deliver, by name.
    pub fn channels(&self) -> Result<Vec<ChannelHealth>> {
        self.read_one(|tables| tables.channels())
    }

    /// What was announced beside incidents, by its event id, and when.
    pub fn announced(&self) -> Result<Vec<(String, UnixMs)>> {
        self.read_one(|tables| tables.announced())
    }

    /// What interrupted the observation and was noted after the one of this number, each with its own; without what ended
    /// before a moment.
    pub fn interruptions_after(&self, after: i64, from: UnixMs) -> Result<Vec<(i64, Interruption)>> {
        self.read_one(|tables| tables.interruptions_after(after, from))
    }

    /// The changes of a service's settings in the window, oldest first. What it was set to at first is none.
    pub fn setting_changes(&self, service: ServiceId, window: Window) -> Result<Vec<SettingChange>> {
        let all = self.read_one(|tables| tables.settings(service))?;
        let pairs = all.iter().zip(all.iter().skip(1));
        let changes = pairs.map(|(&(_, before), &(at, after))| SettingChange { at, before, after });
        Ok(changes.filter(|change| window.contains(change.at)).collect())
    }
}
