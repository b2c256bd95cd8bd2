//! What people do about alerts while the program runs, in memory as of the last commit: acknowledgements of incidents that
//! are open, silences that are not over, and the incidents that nobody was notified of because of one.

use crate::{
    domain::{incident::Outage, time::UnixMs},
    live::ServiceId,
    routing::{Acknowledgement, ChannelName, Facts, Silence, signed_link::LinkKey},
    store::{
        Result,
        tables::{
            outages,
            outbox::{self, Event},
            responses,
        },
    },
};
use rusqlite::Connection;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// An incident: its service, and its first failed check.
pub type Incident = (ServiceId, UnixMs);

/// Something that somebody does about alerts.
#[derive(Clone, Debug)]
pub enum Response {
    /// Somebody takes care of incidents: of all of them, or, where it cannot be written, of none.
    Acknowledge { incidents: Vec<Incident>, acknowledgement: Acknowledgement },
    /// A new silence, or one whose end is another one.
    Silence(Silence),
}

/// Channels are to be notified of an incident that goes on: for the first time, or once more.
#[derive(Clone, Debug)]
pub struct Tell {
    pub incident: Incident,
    pub outage: i64,
    pub event: Event,
    pub channels: Vec<ChannelName>,
    /// Why they are notified only now.
    pub late: Option<String>,
    /// A silence has ended: nobody was notified so far.
    pub ends_silence: bool,
}

/// Why channels were not notified of an incident when it was confirmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quiet {
    /// A silence covered it.
    Silenced,
    /// Its service flapped, and they are told that.
    Flapping,
    /// What its service depends on has failed, or is looked at.
    Behind,
}

impl Quiet {
    /// Of what the table `silenced` has in the place of a silence.
    fn of(silence: &str) -> Quiet {
        match silence {
            responses::FLAPPING => Quiet::Flapping,
            behind if responses::is_behind(behind) => Quiet::Behind,
            _ => Quiet::Silenced,
        }
    }
}

/// Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct Responses {
    inner: Arc<RwLock<Inner>>,
    /// What links are signed with; `None` for histories that are not made live.
    key: Option<Arc<LinkKey>>,
}

#[derive(Default, Debug)]
struct Inner {
    silences: Vec<Arc<Silence>>,
    /// The latest of each incident.
    acknowledged: HashMap<Incident, Acknowledgement>,
    quiet: HashMap<Incident, Quiet>,
}

/// What a commit changes in it.
#[derive(Clone, Debug)]
pub(in crate::store) enum Responded {
    Acknowledged(Incident, Acknowledgement),
    Silence(Silence),
    Quiet(Incident, Quiet),
    Told(Incident),
}

impl Responses {
    /// As the history has them.
    pub(in crate::store) fn read(conn: &Connection, now: UnixMs) -> Result<Responses> {
        let silences = responses::silences(conn, now)?.into_iter().map(Arc::new).collect();
        let mut inner = Inner { silences, ..Inner::default() };
        for (service, started_at, silence) in responses::open(conn)? {
            let incident = (service, started_at);
            if let Some(silence) = silence {
                inner.quiet.insert(incident, Quiet::of(&silence));
            }
            if let Some(latest) = responses::acknowledgements(conn, service, started_at)?.pop() {
                inner.acknowledged.insert(incident, latest);
            }
        }
        let key = Some(Arc::new(LinkKey::new(responses::link_key(conn)?.as_bytes())));
        Ok(Responses { inner: Arc::new(RwLock::new(inner)), key })
    }

    fn locked<T>(&self, read: impl FnOnce(&Inner) -> T) -> T {
        read(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What links to acknowledge incidents are signed with: the same as long as the history is.
    pub fn link_key(&self) -> Option<Arc<LinkKey>> {
        self.key.clone()
    }

    /// The silence because of which nobody is notified of something.
    pub fn silenced(&self, facts: &Facts<'_>, now: UnixMs) -> Option<Arc<Silence>> {
        self.locked(|inner| inner.silences.iter().find(|silence| silence.covers(facts, now)).cloned())
    }

    /// The silences that are not over, in the order in which they begin.
    pub fn silences(&self, now: UnixMs) -> Vec<Arc<Silence>> {
        self.locked(|inner| inner.silences.iter().filter(|silence| now < silence.until).cloned().collect())
    }

    /// The acknowledgement of an incident that is open, while it is in force.
    pub fn acknowledgement(&self, incident: Incident, now: UnixMs) -> Option<Acknowledgement> {
        self.locked(|inner| inner.acknowledged.get(&incident).filter(|latest| latest.is_active(now)).cloned())
    }

    /// Why channels were not notified of an incident that is open; `None`: they were.
    pub fn quiet(&self, incident: Incident) -> Option<Quiet> {
        self.locked(|inner| inner.quiet.get(&incident).copied())
    }

    /// Takes in what a commit changed; `open` are the incidents that are open after it.
    pub(in crate::store) fn apply(&self, changes: Vec<Responded>, now: UnixMs, open: impl Fn(Incident) -> bool) {
        if changes.is_empty() {
            return;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Responded::Acknowledged(incident, latest) => {
                    inner.acknowledged.insert(incident, latest);
                }
                Responded::Silence(silence) => {
                    inner.silences.retain(|known| known.id != silence.id && now < known.until);
                    inner.silences.push(Arc::new(silence));
                    inner.silences.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
                }
                Responded::Quiet(incident, why) => {
                    inner.quiet.insert(incident, why);
                }
                Responded::Told(incident) => {
                    inner.quiet.remove(&incident);
                }
            }
        }
        // What is over is in the history.
        inner.acknowledged.retain(|incident, _| open(*incident));
        inner.quiet.retain(|incident, _| open(*incident));
    }
}

/// Writes a response.
pub(in crate::store) fn write(conn: &Connection, response: &Response, changes: &mut Vec<Responded>) -> Result<()> {
    match response {
        Response::Acknowledge { incidents, acknowledgement } => {
            for incident in incidents {
                responses::acknowledge(conn, incident.0, incident.1, acknowledgement)?;
                changes.push(Responded::Acknowledged(*incident, acknowledgement.clone()));
            }
        }
        Response::Silence(silence) => {
            responses::silence(conn, silence)?;
            changes.push(Responded::Silence(silence.clone()));
        }
    }
    Ok(())
}

/// Writes that channels are to be notified of an incident, unless it has ended meanwhile; whether one is.
pub(in crate::store) fn tell(
    conn: &Connection,
    tell: &Tell,
    now: UnixMs,
    changes: &mut Vec<Responded>,
) -> Result<bool> {
    let is_open =
        |outage: &Outage| outage.ended_at.is_none() && outage.is_incident() && outage.started_at == tell.incident.1;
    if !outages::get(conn, tell.outage)?.as_ref().is_some_and(is_open) {
        return Ok(false);
    }
    if tell.ends_silence {
        responses::note_told(conn, tell.incident.0, tell.incident.1, now)?;
        changes.push(Responded::Told(tell.incident));
    }
    let late = tell.late.as_deref();
    Ok(outbox::add(conn, &tell.channels, tell.outage, tell.event, late, now, |_| false)? > 0)
}
