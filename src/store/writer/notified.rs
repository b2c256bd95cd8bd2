//! Events that channels are to be notified of ahead of their commit, and events that channels were notified of.

use crate::{
    domain::{
        check::{Class, Phase, PhaseTimes, Reason},
        incident::{Cause, Outage},
        time::UnixMs,
    },
    live::ServiceId,
    routing::ChannelName,
    store::tables::outbox::Event,
};
use serde::{Deserialize, Serialize};

/// A message is cut to so many characters in it.
const MESSAGE: usize = 200;

#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) event_id: String,
    pub(crate) event: Event,
    pub(crate) service: ServiceId,
    pub(crate) outage: Outage,
    pub(crate) created_at: UnixMs,
    pub(crate) channels: Vec<ChannelName>,
    /// The end of an outage that never came into the history.
    pub(crate) owed: bool,
    /// The outage was confirmed by a result that will never be stored: whether the beginning of the outage will be
    /// stored.
    pub(crate) lost: Option<bool>,
}

/// An event that channels were notified of, or are being notified of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notified {
    pub(crate) event_id: String,
    pub(crate) event: String,
    pub(crate) service: i64,
    pub(crate) name: String,
    pub(crate) number: i64,
    pub(crate) last_ok_at: Option<i64>,
    pub(crate) started_at: i64,
    pub(crate) confirmed_at: Option<i64>,
    pub(crate) class: String,
    pub(crate) phase: Option<String>,
    pub(crate) message: String,
    pub(crate) http_status: Option<u16>,
    /// Each channel, and whether its answer is known.
    pub(crate) channels: Vec<(String, bool)>,
    /// A run before this one notified channels of it, and its outage, or that end of the outage, is not in the history.
    #[serde(skip)]
    pub(crate) orphan: bool,
}

impl Notified {
    pub(crate) fn of(due: &Due) -> Notified {
        let Outage { id, service: name, last_ok_at, started_at, confirmed_at, cause, .. } = &due.outage;
        Notified {
            event_id: due.event_id.clone(),
            event: due.event.as_str().to_owned(),
            service: due.service.0,
            name: name.clone(),
            number: *id,
            last_ok_at: last_ok_at.map(|at| at.0),
            started_at: started_at.0,
            confirmed_at: confirmed_at.map(|at| at.0),
            class: cause.reason.class.as_str().to_owned(),
            phase: cause.reason.phase.map(|phase| phase.as_str().to_owned()),
            message: cause.reason.message.chars().take(MESSAGE).collect(),
            http_status: cause.http_status,
            channels: Vec::new(),
            orphan: false,
        }
    }

    /// Of an event that is stored, only the notified channel has to be known.
    pub(crate) fn stored(event_id: &str, channel: &str) -> Notified {
        Notified {
            event_id: event_id.to_owned(),
            event: String::new(),
            service: 0,
            name: String::new(),
            number: 0,
            last_ok_at: None,
            started_at: 0,
            confirmed_at: None,
            class: String::new(),
            phase: None,
            message: String::new(),
            http_status: None,
            channels: vec![(channel.to_owned(), true)],
            orphan: false,
        }
    }

    pub(crate) fn is(&self, event: Event) -> bool {
        self.event == event.as_str()
    }

    pub(crate) fn was_told(&self, channel: &str) -> bool {
        self.channels.iter().any(|(name, answered)| name == channel && *answered)
    }

    /// The outage as channels were notified of it, now that it is over.
    pub(crate) fn outage(&self, ended_at: UnixMs) -> Outage {
        Outage {
            id: self.number,
            service: self.name.clone(),
            last_ok_at: self.last_ok_at.map(UnixMs),
            started_at: UnixMs(self.started_at),
            confirmed_at: self.confirmed_at.map(UnixMs),
            ended_at: Some(ended_at),
            down_ms: 0,
            checks_failed: 0,
            cause: Cause {
                reason: Reason {
                    class: Class::parse(&self.class).unwrap_or(Class::Protocol),
                    phase: self.phase.as_deref().and_then(Phase::parse),
                    message: self.message.clone(),
                },
                http_status: self.http_status,
                latency_us: None,
                phases: PhaseTimes::default(),
                excerpt: None,
            },
            left_open: false,
            note: None,
        }
    }
}

/// All of them, as the record beside the history has them.
#[derive(Deserialize)]
pub(crate) struct Noted {
    pub(crate) history: String,
    pub(crate) told: Vec<Notified>,
}

/// The same, to be written.
#[derive(Serialize)]
pub(crate) struct NotedRef<'a> {
    pub(crate) history: &'a str,
    pub(crate) told: &'a [Notified],
}
