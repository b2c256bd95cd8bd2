//! Alerts ahead of their commit: while the history cannot be written, channels are still notified of what is confirmed,
//! under the id that the event has once it is written.
//!
//! Which channels were notified must outlive the process, and the history cannot record it. So the writer records it in
//! a small file beside the history. The file got its whole length while there was room and is only ever overwritten:
//! before a channel is notified, and after. After a restart the file has the notifications of outages that never came
//! into the history. No channel is notified of their beginning again while they go on. Every channel that was notified
//! of the beginning is notified of the end.

use super::{
    notified::{Due, Noted, Notified},
    orphans::orphans,
    respond::Responses,
    slots::Slots,
    track::{Record, ServiceTrack},
};
use crate::{
    domain::{incident::Outage, time::UnixMs},
    live::{ServiceId, ServiceNow},
    routing::{ChannelName, Facts, Routing},
    store::{
        Result,
        disk::files,
        tables::outbox::{About, DueEvent, Event, IncidentEvent},
    },
};
use rusqlite::{Connection, OptionalExtension};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::store) struct Ahead(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    /// Locked for moments only: the writer queries it.
    inner: Mutex<Inner>,
    /// Locked while the disk is waited for, and before `inner` where both are.
    pub(super) slots: Mutex<Option<Slots>>,
}

#[derive(Debug)]
pub(super) struct Inner {
    /// The history's id, with which the ids of its events begin.
    pub(super) history: String,
    routing: Arc<Routing>,
    responses: Responses,
    /// Events that channels are to be notified of and that are in no outbox, in their order.
    due: Vec<Due>,
    /// Events that channels were notified of, each with its channels.
    pub(super) told: Vec<Notified>,
    /// The run of passed checks of services whose outage never came into the history: how many, and the first.
    passes: HashMap<i64, (u32, UnixMs)>,
    /// How many events are recorded in the file.
    pub(super) noted: usize,
    /// Incidents of which nobody was notified when they were confirmed, by the numbers of their outages.
    quiet: HashSet<i64>,
}

impl Ahead {
    /// Remembers nothing and records nothing: for histories that are not made live.
    pub(in crate::store) fn none() -> Ahead {
        Ahead::with(String::new(), Arc::default(), Responses::default(), None, Vec::new(), 0)
    }

    fn with(
        history: String,
        routing: Arc<Routing>,
        responses: Responses,
        slots: Option<Slots>,
        told: Vec<Notified>,
        noted: usize,
    ) -> Ahead {
        let (due, passes) = (Vec::new(), HashMap::new());
        let inner = Mutex::new(Inner { history, routing, responses, due, told, passes, noted, quiet: HashSet::new() });
        Ahead(Arc::new(Shared { inner, slots: Mutex::new(slots) }))
    }

    /// Reads what the run before this one recorded beside the history at `path`, and brings it into the history. Also
    /// returns the numbers that the run used.
    pub(in crate::store) fn open(
        path: &Path,
        conn: &Connection,
        routing: Arc<Routing>,
        responses: Responses,
        services: usize,
        now: UnixMs,
    ) -> Result<(Ahead, Used)> {
        let history: String = conn.query_row("SELECT value FROM fact WHERE name = 'id'", [], |row| row.get(0))?;
        let place = files::with(path, files::TOLD);
        // Where no channel is to be notified there is nothing to record, but earlier notifications are still known.
        if routing.channels.is_empty() && !place.exists() {
            return Ok((Ahead::with(history, routing, responses, None, Vec::new(), 0), Used::default()));
        }
        let (slots, noted) = match Slots::open(&place, services) {
            Ok((slots, noted)) => (Some(slots), noted),
            Err(error) => {
                tracing::warn!(
                    "{}: notifications sent while the history cannot be written cannot be recorded here: {error}",
                    place.display()
                );
                (None, None)
            }
        };
        let noted = noted.and_then(|bytes| serde_json::from_slice::<Noted>(&bytes).ok());
        let noted = noted.filter(|noted| noted.history == history).map_or(Vec::new(), |noted| noted.told);
        let events = noted.len();
        let mut used = Used { last: noted.iter().map(|told| told.number).max(), free: Vec::new() };
        let told = orphans(conn, noted, now)?;
        for one in told.iter().filter(|told| told.is(Event::Confirmed)) {
            let stored = conn.query_row("SELECT 1 FROM outage WHERE id = ?1", [one.number], |_| Ok(())).optional()?;
            if stored.is_none() {
                used.free.push((ServiceId(one.service), one.number));
            }
        }
        Ok((Ahead::with(history, routing, responses, slots, told, events), used))
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event that is not in the outbox yet; `is_behind`: a dependency has failed. Returns whether a channel is to be
    /// notified.
    pub(in crate::store) fn add(
        &self,
        event: Event,
        outage: &Outage,
        track: &ServiceNow,
        is_behind: bool,
        now: UnixMs,
    ) -> bool {
        let service = track.id;
        let mut inner = self.locked();
        let event_id = format!("{}-{}-{}", inner.history, outage.id, event.as_str());
        if inner.due.iter().any(|due| due.event_id == event_id) {
            return false;
        }
        let facts = Facts::of(event.kind(), &track.service, outage);
        let is_silent = match event {
            Event::Resolved => {
                inner.quiet.remove(&outage.id) || inner.responses.quiet((service, outage.started_at)).is_some()
            }
            _ => is_behind || inner.responses.silenced(&facts, now).is_some(),
        };
        if is_silent && event == Event::Confirmed {
            inner.quiet.insert(outage.id);
        }
        let channels = if is_silent { Vec::new() } else { inner.routing.channels(&facts) };
        let flapping = inner.routing.while_flapping(track.flapping.is_on(), &facts);
        // Who is told that a service flaps is not told of each of its incidents, and of the ends of those of which they know.
        let is_left_out = |channel: &ChannelName| {
            let knows = event == Event::Resolved && inner.is_told(service.0, outage.id, Event::Confirmed, channel);
            !knows && flapping.as_ref().is_some_and(|others| others.contains(channel))
        };
        let is_new = |channel: &ChannelName| !inner.is_told(service.0, outage.id, event, channel);
        let channels: Vec<_> =
            channels.into_iter().filter(|channel| is_new(channel) && !is_left_out(channel)).collect();
        let due = Due {
            event_id,
            event,
            service,
            outage: outage.clone(),
            created_at: now,
            channels,
            owed: false,
            lost: None,
        };
        if event == Event::Confirmed {
            inner.carry_on(&due);
        }
        if due.channels.is_empty() {
            return false;
        }
        inner.due.push(due);
        true
    }

    /// The same for what was confirmed by a result that found no room; `is_known`: whether the beginning of the outage
    /// will be stored. Channels are notified only of the beginning. They are notified of the end when the history has
    /// the outage, or can never have it. Channels are notified of only one outage per service: for them, what comes
    /// after it is the same outage.
    pub(in crate::store) fn add_lost(
        &self,
        event: Event,
        outage: &Outage,
        track: &ServiceNow,
        is_known: bool,
        now: UnixMs,
    ) -> bool {
        let service = track.id;
        let is_told = {
            let inner = self.locked();
            let other = |due: &Due| due.service == service && due.lost.is_some();
            inner.due.iter().any(other) || inner.told.iter().any(|told| told.orphan && told.service == service.0)
        };
        // Where no room is left, rather one notification too many.
        if event == Event::Resolved || is_told || !self.add(event, outage, track, false, now) {
            return false;
        }
        if let Some(due) = self.locked().due.last_mut() {
            due.lost = Some(is_known);
        }
        true
    }

    /// All that was taken in is written. Some outages were confirmed by results that were lost: their notifications now
    /// count like those of a run before this one. Returns the numbers of these that no outage has.
    pub(in crate::store) fn lose_unstored(&self, tracks: &HashMap<ServiceId, ServiceTrack>) -> Vec<(ServiceId, i64)> {
        let mut inner = self.locked();
        let Inner { due, told, .. } = &mut *inner;
        let mut free = Vec::new();
        for due in due.extract_if(.., |due| due.lost.is_some()) {
            let open = tracks.get(&due.service).and_then(|track| track.now().outage.clone());
            if open.as_ref().is_some_and(|open| open.id == due.outage.id && open.is_incident()) {
                // Confirmed after all.
                continue;
            }
            let Some(told) = told.iter_mut().find(|told| told.event_id == due.event_id) else { continue };
            told.orphan = true;
            if due.lost == Some(false) && open.is_none() {
                free.push((due.service, due.outage.id));
            }
        }
        free
    }

    /// The events that a channel is to be notified of, without those that it has been notified of (`settled`): the ends
    /// of outages that never came into the history (`owed`), or all others.
    pub(in crate::store) fn pending(&self, channel: &str, owed: bool, settled: &dyn Fn(&str) -> bool) -> Vec<DueEvent> {
        let inner = self.locked();
        let is_due = |due: &&Due| {
            due.channels.iter().any(|name| **name == *channel) && due.owed == owed && !settled(&due.event_id)
        };
        let event = |due: &Due| DueEvent {
            event_id: due.event_id.clone(),
            about: About::Incident(Box::new(IncidentEvent {
                event: due.event,
                outage: due.outage.clone(),
                trigger: None,
                late: None,
                circumstances: None,
            })),
            created_at: due.created_at,
            attempts: 0,
            next_at: due.created_at,
            is_stored: false,
        };
        inner.due.iter().filter(is_due).map(event).collect()
    }

    /// Records that a channel is about to be notified of an event that is not stored. The call blocks.
    pub(in crate::store) fn telling(&self, event_id: &str, channel: &str) {
        let mut inner = self.locked();
        let Some(due) = inner.due.iter().find(|due| due.event_id == event_id) else { return };
        let new = Notified::of(due);
        let place = match inner.told.iter().position(|told| told.event_id == event_id) {
            Some(place) => place,
            None => {
                inner.told.push(new);
                inner.told.len() - 1
            }
        };
        let channels = &mut inner.told[place].channels;
        if !channels.iter().any(|(name, _)| name == channel) {
            channels.push((channel.to_owned(), false));
            drop(inner);
            self.save();
        }
    }

    /// Channels were notified of events that are stored, and the history cannot record that. Returns whether this is
    /// new and has to be recorded with [`Ahead::save`].
    pub(in crate::store) fn answered<'a>(&self, answers: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
        let mut inner = self.locked();
        let before = inner.told.len();
        for (event_id, channel) in answers {
            let knows =
                |told: &Notified| told.event_id == event_id && told.channels.iter().any(|(name, _)| name == channel);
            if !inner.told.iter().any(knows) {
                inner.told.push(Notified::stored(event_id, channel));
            }
        }
        inner.told.len() != before
    }

    /// Records that a channel has been notified of an event, or will not be notified of it any more. The call blocks.
    pub(in crate::store) fn told(&self, event_id: &str, channel: &str) {
        let mut inner = self.locked();
        let Some(place) = inner.due.iter().position(|due| due.event_id == event_id) else { return };
        if let Some(told) = inner.told.iter_mut().find(|told| told.event_id == event_id) {
            told.channels.iter_mut().filter(|(name, _)| name == channel).for_each(|(_, answered)| *answered = true);
        }
        let due = &mut inner.due[place];
        due.channels.retain(|name| **name != *channel);
        if due.owed && due.channels.is_empty() {
            // This was the last notification of an outage that the history never had.
            let number = due.outage.id;
            inner.due.remove(place);
            inner.told.retain(|told| !(told.orphan && told.number == number) && told.event_id != event_id);
        }
        drop(inner);
        self.save();
    }

    /// Whether a channel was notified of an event before the event was written.
    pub(in crate::store) fn is_told(&self, service: ServiceId, number: i64, event: Event, channel: &str) -> bool {
        let inner = self.locked();
        !inner.told.is_empty() && inner.is_told(service.0, number, event, channel)
    }

    /// Whether a channel was or may have been notified of the beginning of an outage before that was written.
    pub(in crate::store) fn knows(&self, service: ServiceId, number: i64) -> bool {
        let inner = self.locked();
        let due = |due: &Due| due.service == service && due.outage.id == number;
        inner.due.iter().any(due)
            || inner.told.iter().any(|told| told.service == service.0 && told.is(Event::Confirmed))
    }

    /// Looks at a result for the end of an outage that channels were notified of and that never came into the history.
    /// Returns whether a channel is to be notified of the end.
    pub(in crate::store) fn watch(&self, record: &Record, success_threshold: u32, now: UnixMs) -> bool {
        let mut inner = self.locked();
        if inner.told.is_empty() {
            return false;
        }
        let (service, at) = (record.service.0, record.result.at);
        let lasts = |told: &&Notified| told.orphan && told.service == service && told.is(Event::Confirmed);
        let Some(told) = inner.told.iter().find(lasts).cloned() else { return false };
        let (run, since) = match record.result.outcome.passed() {
            Some(true) => {
                let run = inner.passes.entry(service).or_insert((0, at));
                run.0 += 1;
                *run
            }
            Some(false) => {
                inner.passes.remove(&service);
                return false;
            }
            None => return false,
        };
        let event_id = format!("{}-{}-{}", inner.history, told.number, Event::Resolved.as_str());
        if run < success_threshold || inner.due.iter().any(|due| due.event_id == event_id) {
            return false;
        }
        let knows = |channel: &&ChannelName| told.channels.iter().any(|(name, _)| **name == ***channel);
        // A channel that was notified of the end before the restart is not notified again.
        let is_over = |channel: &&ChannelName| inner.is_told(service, told.number, Event::Resolved, channel);
        let channels: Vec<_> =
            inner.routing.channels.iter().map(|c| &c.name).filter(|c| knows(c) && !is_over(c)).cloned().collect();
        if channels.is_empty() {
            inner.told.retain(|one| one.event_id != told.event_id);
            return false;
        }
        let (event, service, outage) = (Event::Resolved, record.service, told.outage(since));
        inner.due.push(Due { event_id, event, service, outage, created_at: now, channels, owed: true, lost: None });
        true
    }

    /// Takes in what a commit has written: an outage that channels were notified of, that was lost and goes on, has its
    /// place now. Returns the services of such outages: no other outage gets the number of the notification.
    pub(in crate::store) fn committed(&self, tracks: &HashMap<ServiceId, ServiceTrack>) -> Vec<ServiceId> {
        let mut inner = self.locked();
        if inner.told.iter().all(|told| !told.orphan) {
            return Vec::new();
        }
        let is_over: Vec<i64> =
            inner.told.iter().filter(|told| told.is(Event::Resolved)).map(|told| told.number).collect();
        let settled = |told: &Notified| {
            let Some(track) = tracks.get(&ServiceId(told.service)) else { return false };
            let outage = track.now().outage.as_ref();
            match told.is(Event::Confirmed) {
                // Channels are notified of its end with the end of the outage that goes on, unless they were notified
                // of that end as well.
                true => {
                    !inner.owes(told.number)
                        && outage.is_some_and(|outage| outage.is_incident() && !is_over.contains(&outage.id))
                }
                false => outage.is_none_or(|outage| outage.id != told.number),
            }
        };
        let gone: Vec<String> =
            inner.told.iter().filter(|told| told.orphan && settled(told)).map(|told| told.event_id.clone()).collect();
        let mut settled = Vec::new();
        for event_id in gone {
            let one = inner.told.iter().find(|told| told.event_id == event_id).cloned();
            let number = one.as_ref().map(|told| told.number);
            settled.extend(one.as_ref().map(|told| ServiceId(told.service)));
            inner.told.retain(|told| told.event_id != event_id);
            if let Some(over) = one.filter(|told| told.is(Event::Resolved)) {
                // A channel that was notified of the end has all notifications of the outage.
                let begun = inner.told.iter_mut().filter(|told| told.orphan && told.number == over.number);
                begun.for_each(|begun| begun.channels.retain(|(channel, _)| !over.was_told(channel)));
                inner.told.retain(|told| !told.channels.is_empty());
            }
            inner.due.retain(|due| !(due.owed && Some(due.outage.id) == number));
        }
        settled
    }

    /// The channels that something of these facts goes to.
    pub(in crate::store) fn recipients(&self, facts: &Facts<'_>, now: UnixMs) -> Vec<ChannelName> {
        let (routing, responses) = {
            let inner = self.locked();
            (inner.routing.clone(), inner.responses.clone())
        };
        if responses.silenced(facts, now).is_some() { Vec::new() } else { routing.channels(facts) }
    }

    /// Who is notified of what.
    pub(in crate::store) fn routing(&self) -> Arc<Routing> {
        self.locked().routing.clone()
    }

    /// The id of the history, with which those of its events begin.
    pub(in crate::store) fn history(&self) -> String {
        self.locked().history.clone()
    }

    /// All that was taken in is written, and with it its events: from here on the outbox has them. The call blocks.
    pub(in crate::store) fn all_written(&self) {
        let mut inner = self.locked();
        inner.due.retain(|due| due.owed);
        let owed: Vec<String> = inner.due.iter().map(|due| due.event_id.clone()).collect();
        inner.told.retain(|told| told.orphan || owed.contains(&told.event_id));
        drop(inner);
        self.save();
    }

    /// Whether [`Ahead::all_written`] has something to do.
    pub(in crate::store) fn has_written(&self) -> bool {
        let inner = self.locked();
        inner.due.iter().any(|due| !due.owed) || inner.noted != inner.told.len()
    }
}

impl Inner {
    /// Notifications of an outage that was lost and goes on count as notifications of this one: its end is the end of
    /// both.
    fn carry_on(&mut self, due: &Due) {
        let goes_on = |told: &Notified| told.orphan && told.service == due.service.0 && told.is(Event::Confirmed);
        let Some(place) = self.told.iter().position(|told| goes_on(told) && !self.owes(told.number)) else { return };
        let channels = std::mem::take(&mut self.told[place].channels);
        self.told[place] = Notified { channels, ..Notified::of(due) };
        self.passes.remove(&due.service.0);
    }

    /// Whether an outage that never came into the history is over, and a channel is still to be notified.
    fn owes(&self, number: i64) -> bool {
        self.due.iter().any(|due| due.owed && due.outage.id == number)
    }

    fn is_told(&self, service: i64, number: i64, event: Event, channel: &str) -> bool {
        self.told.iter().any(|told| {
            let same = told.number == number && told.service == service;
            // Until the lost outage is known to be over, the next confirmed outage is the same.
            let goes_on =
                told.orphan && told.service == service && event == Event::Confirmed && !self.owes(told.number);
            told.is(event) && (same || goes_on) && told.was_told(channel)
        })
    }
}

/// The numbers of outages that channels were notified of before the outages were stored.
#[derive(Default, Debug)]
pub(in crate::store) struct Used {
    /// The highest. No other outage gets one of these numbers.
    pub(in crate::store) last: Option<i64>,
    /// The numbers that no outage has, each with the service whose next outage carries it on.
    pub(in crate::store) free: Vec<(ServiceId, i64)>,
}
