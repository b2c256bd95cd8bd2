//! One transaction: the rows, the outages, the gaps, the settled hours and the outbox, all or nothing.

use super::{
    ahead::Ahead,
    attempts,
    context::Context,
    latest::Latest,
    numbers::Numbers,
    plan::Plan,
    recipients::IncidentNow,
    respond::{self, Incident, Responded, Response, Responses, Tell},
    track::{Record, ServiceTrack, Step},
};
use crate::{
    domain::{
        diagnosis::Diagnosis,
        incident::{GapReason, Outage, StatedNote},
        time::{HOUR_MS, UnixMs},
    },
    live::ServiceId,
    routing::{Announcement, ChannelName, Routing},
    store::{
        Result, StoreError, connection,
        disk::place::{self, Lost, Place},
        procedures::backup,
        rows::{self, Row, Walk, tail::Tail},
        tables::{
            diagnoses,
            maintenance::Which,
            notes, outages,
            outbox::{self, Attempt, SentMessage},
            reasons, rollups,
            runs::{self, Interruption, Runs},
            services,
            settings::Settings,
        },
    },
};
use rusqlite::{Connection, TransactionBehavior};
use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
};

/// Something small that is written beside the records.
#[derive(Clone, Debug)]
pub(in crate::store) enum Note {
    Interruption(Interruption),
    /// How an attempt to notify a channel of events ended.
    Attempt {
        event_ids: Vec<String>,
        channel: ChannelName,
        /// `None` where there was none.
        message: Option<SentMessage>,
        attempt: Attempt,
    },
    /// Channels are notified of this, unless it was announced before.
    Announce(Box<Announce>),
    /// Counts as announced, and nobody is notified.
    Announced(String),
    /// What somebody does about alerts.
    Response(Box<Response>),
    /// Channels are to be notified of an incident that goes on.
    Tell(Box<Tell>),
    /// What was found out when the outage of a service began that began at a moment.
    Diagnosed(Box<(ServiceId, UnixMs, Diagnosis)>),
    /// Has events that were given up tried again, of one channel or of all.
    Retry {
        channel: Option<ChannelName>,
    },
    /// What somebody wrote down about an outage; `None` removes it.
    Incident {
        outage: i64,
        text: Option<String>,
    },
    /// Notes that the configuration has.
    Stated(Vec<StatedNote>),
}

/// An announcement, and the channels that it is for.
#[derive(Clone, Debug)]
pub struct Announce {
    /// Follows from what happened, so that it is announced once, whatever restarts.
    pub event_id: String,
    pub announcement: Announcement,
    pub channels: Vec<ChannelName>,
}

/// Interruptions that the reasons of gaps are looked for in.
const INTERRUPTIONS_IN_MIND: usize = 100;

/// The writing side: the connection, and the state of every service as of the last commit.
#[derive(Debug)]
pub(in crate::store) struct WriteState {
    pub(in crate::store) conn: Connection,
    pub(in crate::store) run: i64,
    pub(in crate::store) run_started_at: UnixMs,
    pub(in crate::store) tracks: HashMap<ServiceId, ServiceTrack>,
    /// Who is notified of what.
    pub(in crate::store) routing: Arc<Routing>,
    /// What numbers its outages.
    pub(in crate::store) numbers: Numbers,
    /// Which channels were notified of which events before these were written.
    pub(in crate::store) ahead: Ahead,
    pub(in crate::store) responses: Responses,
    /// What interrupted this run, for the reasons of gaps.
    pub(in crate::store) interruptions: Vec<Interruption>,
    /// The maintenance that is announced.
    pub(in crate::store) plan: Plan,
    /// Where new rows go first, where that pays.
    pub(in crate::store) tail: Option<Tail>,
    /// Where the open file should be; `None`: it is not looked for.
    pub(in crate::store) place: Option<Place>,
}

/// What became of what a history held that is not found under its name any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::store) enum Rescued {
    /// The content is in this file.
    Copied(PathBuf),
    /// What was in the log only is in the file.
    WrittenBack,
}

/// What a commit made of its records.
#[derive(Default, Debug)]
pub(in crate::store) struct Committed {
    /// The services that changed, in their current state.
    pub(in crate::store) tracks: Vec<ServiceTrack>,
    /// Whether a channel is to be notified.
    pub(in crate::store) events: bool,
    /// Records that were in the history already.
    pub(in crate::store) repeated: usize,
    /// Records that the database refused.
    pub(in crate::store) refused: usize,
    /// Outages whose note has changed.
    pub(in crate::store) noted: Vec<Outage>,
    /// Notes of the configuration that fit no incident, or an incident for which it has another note before.
    pub(in crate::store) unfit: Vec<(StatedNote, Option<i64>)>,
}

impl WriteState {
    /// Writes the records in one transaction. On failure nothing is changed, neither in the file nor in memory.
    pub(in crate::store) fn commit(&mut self, records: &[Record], notes: &[Note], now: UnixMs) -> Result<Committed> {
        self.look()?;
        let mut touched: Vec<ServiceTrack> = Vec::with_capacity(records.len());
        let mut done = Committed::default();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut interruptions = self.interruptions.clone();
        let mut responded = Vec::new();
        for note in notes {
            match note {
                Note::Interruption(interruption) => {
                    runs::note_interruption(&tx, interruption)?;
                    interruptions.push(*interruption);
                }
                Note::Attempt { event_ids, channel, message, attempt } => {
                    attempts::note(&tx, event_ids, channel, message.as_ref(), attempt, now)?;
                }
                Note::Announce(announce) => {
                    let Announce { event_id, announcement, channels } = &**announce;
                    if outbox::note_announced(&tx, event_id, now)? {
                        for channel in channels {
                            outbox::announce(&tx, channel, event_id, announcement, now)?;
                        }
                        done.events |= !channels.is_empty();
                    }
                }
                Note::Announced(event_id) => drop(outbox::note_announced(&tx, event_id, now)?),
                Note::Response(response) => respond::write(&tx, response, &mut responded)?,
                Note::Tell(tell) => done.events |= respond::tell(&tx, tell, now, &mut responded)?,
                Note::Diagnosed(found) => diagnoses::write(&tx, found.0, found.1, &found.2)?,
                Note::Retry { channel } => {
                    done.events |= outbox::retry(&tx, channel.as_deref(), now)? > 0;
                }
                Note::Incident { outage, text } => {
                    done.noted.extend(notes::write(&tx, *outage, text.as_deref(), now)?);
                }
                Note::Stated(stated) => {
                    let mut fitted = Vec::new();
                    for one in stated {
                        match notes::state(&tx, one, &fitted, now)? {
                            notes::Fits::No => done.unfit.push((one.clone(), None)),
                            notes::Fits::Incident(id, _) if fitted.contains(&id) => {
                                done.unfit.push((one.clone(), Some(id)));
                            }
                            notes::Fits::Incident(id, changed) => {
                                fitted.push(id);
                                done.noted.extend(changed.map(|outage| *outage));
                            }
                        }
                    }
                }
            }
        }
        // Maintenance that happens has to be in the history before the results that it bears on.
        let until = records.iter().map(|record| record.result.at).max().unwrap_or(now).max(now).plus(1);
        let noted = self.plan.note(&tx, until, now)?;
        let mut tail = self.tail.clone();
        if let Some(tail) = tail.as_mut().filter(|_| !records.is_empty()) {
            tail.begin(&tx)?;
        }
        let context = Context {
            conn: &tx,
            routing: &self.routing,
            numbers: &self.numbers,
            ahead: &self.ahead,
            interruptions: &interruptions,
            run_started_at: self.run_started_at,
            now,
            lives: OnceCell::new(),
            responses: &self.responses,
            quiet: RefCell::default(),
        };
        let mut events: Vec<IncidentNow> = Vec::new();
        // By service and time, so that neighbouring rows are written together.
        let mut order: Vec<&Record> = records.iter().collect();
        order.sort_by_key(|r| (r.service, r.result.at));
        for records in order.chunk_by(|a, b| a.service == b.service) {
            let Some(mut track) = self.tracks.get(&records[0].service).cloned() else { continue };
            for record in records {
                match context.apply(&mut track, tail.as_mut(), record)? {
                    Applied::Written(event) => events.extend(event),
                    Applied::Repeated => done.repeated += 1,
                }
            }
            touched.push(track);
        }
        if !events.is_empty() {
            let latest = Latest::new(&touched, &self.tracks);
            for event in &events {
                done.events |= context.notify(event, &latest)?;
            }
        }
        for note in notes {
            if let Note::Attempt { event_ids, channel, message: Some(message), .. } = note {
                attempts::name_message(&tx, event_ids, channel, message)?;
            }
        }
        for noted in &done.noted {
            let has_it = |track: &ServiceTrack| track.now.outage.as_ref().is_some_and(|outage| outage.id == noted.id);
            let place = touched.iter().position(has_it).or_else(|| {
                let track = self.tracks.values().find(|track| has_it(track))?;
                // An outage that this very commit ended is no service's current outage any more.
                let moved_on = touched.iter().any(|touched| touched.now.id == track.now.id);
                (!moved_on).then(|| touched.push(track.clone()))?;
                Some(touched.len() - 1)
            });
            let Some(place) = place else { continue };
            let now = Arc::make_mut(&mut touched[place].now);
            if let Some(outage) = now.outage.as_mut().filter(|outage| outage.id == noted.id) {
                Arc::make_mut(outage).note.clone_from(&noted.note);
            }
        }
        responded.extend(context.quiet.take().into_iter().map(|(incident, why)| Responded::Quiet(incident, why)));
        runs::note_alive(&tx, self.run, now, false)?;
        tx.commit()?;
        self.tail = tail;
        self.plan.noted(noted);
        self.tracks.extend(touched.iter().map(|track| (track.now.id, track.clone())));
        done.tracks = touched;
        let is_open = |(service, started_at): Incident| {
            let outage = self.tracks.get(&service).and_then(|track| track.now.outage.as_ref());
            outage.is_some_and(|outage| outage.started_at == started_at)
        };
        self.responses.apply(responded, now, is_open);
        // Old interruptions bear on no gap that is still to come.
        let excess = interruptions.len().saturating_sub(INTERRUPTIONS_IN_MIND);
        interruptions.drain(..excess);
        self.interruptions = interruptions;
        Ok(done)
    }

    /// Looks whether the open file is the one that is found under its name.
    ///
    /// # Errors
    /// When it is not.
    pub(in crate::store) fn look(&mut self) -> Result<()> {
        self.place.as_mut().map_or(Ok(()), Place::look)
    }

    /// Saves what the open files hold that are not found under their names any more.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(in crate::store) fn rescue(&self, now: UnixMs) -> Result<Rescued> {
        match &self.place {
            Some(place) if place.lost() != Some(Lost::Log) => {
                backup::save(&self.conn, place.path(), now).map(Rescued::Copied)
            }
            _ => {
                let busy: bool = self.conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0))?;
                match busy {
                    false => Ok(Rescued::WrittenBack),
                    true => Err(StoreError::Place("the log could not be written back at this moment".to_owned())),
                }
            }
        }
    }

    /// Goes on, for the last commits of this run, in what was rescued.
    ///
    /// # Errors
    /// When that cannot be opened.
    pub(in crate::store) fn go_on_in(&mut self, rescued: &Rescued) -> Result<()> {
        if let Rescued::Copied(path) = rescued {
            place::abandon(std::mem::replace(&mut self.conn, connection::open_writer(path)?));
        }
        self.place = None;
        Ok(())
    }

    /// Lets go of the files. Those that lost their names are left as they are.
    pub(in crate::store) fn let_go(&mut self) {
        let lost = self.place.as_ref().and_then(Place::lost);
        if matches!(lost, Some(Lost::File | Lost::Content))
            && let Ok(none) = Connection::open_in_memory()
        {
            place::abandon(std::mem::replace(&mut self.conn, none));
        }
    }

    /// Whether it is time for [`WriteState::compact`].
    pub(in crate::store) fn needs_compaction(&self) -> bool {
        self.tail.as_ref().is_some_and(Tail::needs_compaction)
    }

    /// Does what keeps the tail in order, where it is time for it: one short transaction.
    pub(in crate::store) fn compact(&mut self) -> Result<()> {
        match &mut self.tail {
            Some(tail) => tail.compact(&mut self.conn),
            None => Ok(()),
        }
    }

    /// Notes that the run ended cleanly and leaves one tidy file behind.
    pub(in crate::store) fn finish(&mut self, now: UnixMs) -> Result<()> {
        rows::tail::settle(&mut self.conn)?;
        runs::note_alive(&self.conn, self.run, now, true)?;
        self.conn.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
        Ok(())
    }
}

enum Applied {
    Written(Option<IncidentNow>),
    Repeated,
}

impl Context<'_> {
    fn apply(&self, track: &mut ServiceTrack, tail: Option<&mut Tail>, record: &Record) -> Result<Applied> {
        let Record { service: id, result, .. } = record;
        let reason = result.reason.as_ref().map(|r| reasons::id(self.conn, r)).transpose()?;
        if !self.write(track, tail, *id, &Row::of(result, reason))? {
            return Ok(Applied::Repeated);
        }
        if let Some((from, to)) = track.silence_before(result.at) {
            self.gap(track, *id, from, to)?;
        }
        let step = track.step(record, || self.numbers.of(*id, result.at));
        self.outage(record, reason, &step)?;
        if let Some(end) = step.certificate {
            services::note_certificate(self.conn, *id, end)?;
        }
        let hour = result.at.floor(HOUR_MS);
        match track.rolled_until {
            None => {
                rollups::begin(self.conn, *id, hour)?;
                track.rolled_until = Some(hour);
            }
            Some(from) if from < hour && track.judged(result, Which::All).passed().is_some() => {
                match rollups::settle(self.conn, *id, from, hour) {
                    Ok(()) => track.rolled_until = Some(hour),
                    // The content of an older day cannot be read. The result counts all the same, and its hour can
                    // wait.
                    Err(StoreError::Content(what)) => {
                        tracing::error!(service = track.now.service.name, "an hour could not be aggregated: {what}");
                    }
                    Err(error) => return Err(error),
                }
            }
            Some(_) => {}
        }
        let event = step.event.zip(step.outage);
        Ok(Applied::Written(event.map(|(event, outage)| IncidentNow { service: track.now.clone(), event, outage })))
    }

    /// Writes a row. `false` when there is one of that time already.
    fn write(&self, track: &ServiceTrack, tail: Option<&mut Tail>, id: ServiceId, row: &Row) -> Result<bool> {
        if track.now.last.as_ref().is_none_or(|last| last.at < row.at) {
            // The row is later than all that is known, and so than all that is sealed.
            return match tail {
                Some(tail) => tail.add(self.conn, id, row).map(|()| true),
                None => rows::insert(self.conn, id, row),
            };
        }
        if Walk::over(id).from(row.at).before(row.at.plus(1)).first(self.conn)?.is_some() {
            return Ok(false);
        }
        // The row has its place before what lies in the tail, and may have it in a day that is sealed.
        if let Some(tail) = tail {
            tail.settle_one(self.conn, id)?;
        }
        rows::sealing::unseal(self.conn, id, row.at)?;
        rows::insert(self.conn, id, row)
    }

    /// Writes that nothing was observed between two results; in pieces, where the service was paused in it.
    fn gap(&self, track: &ServiceTrack, id: ServiceId, from: UnixMs, to: UnixMs) -> Result<()> {
        let settings = Settings::of(self.conn, id)?;
        if let [_] = settings.cut(from, to)[..] {
            return runs::note_gap(self.conn, id, from, to, self.why(track, from, to));
        }
        if self.lives.get().is_none() {
            let _ = self.lives.set(Runs::of(self.conn)?);
        }
        for cause in self.lives.get().iter().flat_map(|l| l.causes(from, to, &settings, track.last_validity_ms)) {
            runs::note_gap(self.conn, id, cause.from, cause.to, cause.reasons[0])?;
        }
        Ok(())
    }

    /// Why nothing was observed between two results, where no pause began or ended.
    fn why(&self, track: &ServiceTrack, from: UnixMs, to: UnixMs) -> GapReason {
        let off = if track.was_paused { GapReason::Paused } else { GapReason::Off };
        if from < self.run_started_at && self.run_started_at <= to {
            return off;
        }
        // A result that was not kept would have been valid for a while.
        let end = |i: &Interruption| match i.why {
            GapReason::NotStored => i.to.plus(track.last_validity_ms),
            _ => i.to,
        };
        let overlap = |i: &Interruption| end(i).min(to).since(i.from.max(from));
        let longest = self.interruptions.iter().filter(|i| overlap(i) > 0).max_by_key(|i| overlap(i));
        // Also where this run began while the last result of the run before it was still valid.
        let first = track.now.last.as_ref().is_some_and(|last| last.at < self.run_started_at);
        longest.map_or(if first { off } else { GapReason::Stalled }, |i| i.why)
    }

    /// Keeps the book of the outages.
    fn outage(&self, record: &Record, reason: Option<i64>, step: &Step) -> Result<()> {
        let Record { service: id, result, excerpt, .. } = record;
        let excerpt = excerpt.as_deref();
        if let Some(outage) = &step.broken_off {
            outages::update(self.conn, outage)?;
        }
        let Some(outage) = &step.outage else { return Ok(()) };
        if let (true, Some(reason)) = (step.began, reason) {
            outages::begin(self.conn, *id, outage, reason)?;
        }
        if let (true, Some(reason)) = (step.failed, reason) {
            outages::note_cause(self.conn, outage.id, result, reason, excerpt)?;
        }
        // Every result moves the sums: a failed one by what it reports, another one because it ends the failed one's
        // validity.
        outages::update(self.conn, outage)?;
        Ok(())
    }
}
