//! One transaction: the rows, the outages, the gaps, the settled hours and the outbox, all or nothing.

use super::{
    Result, StoreError,
    life::{self, Interruption},
    maintenance::{Plan, Which},
    notes, outages,
    outbox::{self, Attempt, Event},
    results, rollups,
    rows::{self, Row, Walk, tail::Tail},
    services::Resumed,
};
use crate::{
    board::{ServiceId, ServiceNow},
    calendar::Timetable,
    domain::{
        check::{CheckResult, Outcome},
        health::{Began, Changes, Confirmed},
        incident::{Cause, GapReason, Outage, StatedNote},
        service::Service,
        status::Since,
        time::{HOUR_MS, UnixMs},
        timeline::failed_until,
        window::Window,
    },
};
use rusqlite::{Connection, TransactionBehavior};
use std::{collections::HashMap, sync::Arc};

/// A check result on its way into the history, with what it changed.
#[derive(Clone, Debug)]
pub struct Record {
    pub service: ServiceId,
    pub result: CheckResult,
    /// The beginning of the failing answer.
    pub excerpt: Option<String>,
    pub certificate_expires_at: Option<UnixMs>,
    /// What the state machine made of it,
    pub changes: Changes,
    /// and what it says after it.
    pub confirmed: Confirmed,
}

/// Something small that is written beside the records.
#[derive(Clone, Debug)]
pub(super) enum Note {
    Interruption(Interruption),
    /// How an attempt to tell of an event ended.
    Attempt {
        id: i64,
        attempt: Attempt,
    },
    /// What somebody wrote down about an outage; `None` removes it.
    Incident {
        outage: i64,
        text: Option<String>,
    },
    /// Notes that the configuration has.
    Stated(Vec<StatedNote>),
}

/// Interruptions that the reasons of gaps are looked for in.
const INTERRUPTIONS_IN_MIND: usize = 100;

/// What the writer keeps in mind of one service.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// The board has the same.
    now: Arc<ServiceNow>,
    since: Since,
    rolled_until: Option<UnixMs>,
    /// The validity of the last result, in milliseconds.
    last_validity_ms: i64,
    /// Not watched until this run, by intent.
    was_paused: bool,
}

impl Track {
    /// Where a service stands at the beginning of a run.
    pub(super) fn new(
        resumed: Resumed,
        service: Arc<Service>,
        settings: Arc<serde_json::Value>,
        timetable: Arc<Timetable>,
    ) -> Track {
        let down_since = resumed.outage.as_ref().filter(|o| o.is_incident()).map(|o| o.started_at);
        Track {
            now: Arc::new(ServiceNow {
                id: resumed.id,
                service,
                settings,
                confirmed: resumed.health.confirmed,
                since: resumed.since.answer(resumed.health.confirmed, down_since),
                last: resumed.last,
                judged: resumed.judged,
                judged_validity_ms: resumed.judged_validity_ms,
                outage: resumed.outage.map(Arc::new),
                certificate_expires_at: resumed.certificate_expires_at,
                timetable,
            }),
            since: resumed.since,
            rolled_until: resumed.rolled_until,
            last_validity_ms: resumed.last_validity_ms,
            was_paused: resumed.was_paused,
        }
    }

    pub(super) fn now(&self) -> &Arc<ServiceNow> {
        &self.now
    }

    /// What a result counts as once maintenance is considered: for the state of the service, or for figures.
    fn judged(&self, result: &CheckResult, which: Which) -> Outcome {
        if result.outcome != Outcome::Down {
            return result.outcome;
        }
        let Some(moment) = Window::new(result.at, result.at.plus(1)) else { return result.outcome };
        let overlay = match which {
            Which::Announced => self.now.timetable.announced(moment),
            Which::All => self.now.timetable.all(moment),
        };
        overlay.judged(result.at, result.outcome)
    }

    /// Whether `at` lies in maintenance that was announced, in which the state machine stands still.
    fn is_announced(&self, at: UnixMs) -> bool {
        self.now.timetable.contains(at)
    }
}

/// The writing side: the connection, and where every service stands as of the last commit.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) conn: Connection,
    pub(super) run: i64,
    pub(super) run_started_at: UnixMs,
    pub(super) tracks: HashMap<ServiceId, Track>,
    /// Who is told of incidents.
    pub(super) channels: Vec<&'static str>,
    /// What interrupted this run, for the reasons of gaps.
    pub(super) interruptions: Vec<Interruption>,
    /// The maintenance that is announced.
    pub(super) plan: Plan,
    /// Where new rows go first, where that pays.
    pub(super) tail: Option<Tail>,
}

/// What a commit made of its records.
#[derive(Default, Debug)]
pub(super) struct Committed {
    /// The services that changed.
    pub(super) news: Vec<Arc<ServiceNow>>,
    /// Whether somebody is to be told.
    pub(super) events: bool,
    /// Records that stood in the history already.
    pub(super) repeated: usize,
    /// Records that the database refused.
    pub(super) refused: usize,
    /// Outages whose note is another one.
    pub(super) noted: Vec<Outage>,
    /// Notes of the configuration that fit no incident, or one for which it has another note before.
    pub(super) unfit: Vec<(StatedNote, Option<i64>)>,
}

impl Core {
    /// Writes the records in one transaction. On failure nothing is changed, neither in the file nor in mind.
    pub(super) fn commit(&mut self, records: &[Record], notes: &[Note], now: UnixMs) -> Result<Committed> {
        let mut touched: Vec<Track> = Vec::with_capacity(records.len());
        let mut done = Committed::default();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut interruptions = self.interruptions.clone();
        for note in notes {
            match note {
                Note::Interruption(interruption) => {
                    life::note_interruption(&tx, interruption)?;
                    interruptions.push(*interruption);
                }
                Note::Attempt { id, attempt } => outbox::note(&tx, *id, attempt, now)?,
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
        // What happens has to stand in the history before what it bears on.
        let until = records.iter().map(|record| record.result.at).max().unwrap_or(now).max(now).plus(1);
        let noted = self.plan.note(&tx, until, now)?;
        let mut tail = self.tail.clone();
        if let Some(tail) = tail.as_mut().filter(|_| !records.is_empty()) {
            tail.begin(&tx)?;
        }
        let context = Context {
            conn: &tx,
            channels: &self.channels,
            interruptions: &interruptions,
            run_started_at: self.run_started_at,
            now,
        };
        // By service and time, so that neighbouring rows are written together.
        let mut order: Vec<&Record> = records.iter().collect();
        order.sort_by_key(|r| (r.service, r.result.at));
        for records in order.chunk_by(|a, b| a.service == b.service) {
            let Some(mut track) = self.tracks.get(&records[0].service).cloned() else { continue };
            for record in records {
                match context.apply(&mut track, tail.as_mut(), record)? {
                    Applied::Written { event } => done.events |= event,
                    Applied::Repeated => done.repeated += 1,
                }
            }
            touched.push(track);
        }
        for noted in &done.noted {
            let has_it = |track: &Track| track.now.outage.as_ref().is_some_and(|outage| outage.id == noted.id);
            let place = touched.iter().position(has_it).or_else(|| {
                let track = self.tracks.values().find(|track| has_it(track))?;
                // An outage that this very commit ended is nobody's any more.
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
        life::note_alive(&tx, self.run, now, false)?;
        tx.commit()?;
        self.tail = tail;
        self.plan.noted(noted);
        done.news = touched.iter().map(|track| track.now.clone()).collect();
        self.tracks.extend(touched.into_iter().map(|track| (track.now.id, track)));
        // Old ones bear on no gap that is still to come.
        let excess = interruptions.len().saturating_sub(INTERRUPTIONS_IN_MIND);
        interruptions.drain(..excess);
        self.interruptions = interruptions;
        Ok(done)
    }

    /// Whether it is time for [`Core::tidy`].
    pub(super) fn is_untidy(&self) -> bool {
        self.tail.as_ref().is_some_and(Tail::is_untidy)
    }

    /// Does what keeps the tail in order, where it is time for it: one short transaction.
    pub(super) fn tidy(&mut self) -> Result<()> {
        match &mut self.tail {
            Some(tail) => tail.tidy(&mut self.conn),
            None => Ok(()),
        }
    }

    /// Notes that the run ended cleanly and leaves one tidy file behind.
    pub(super) fn finish(&mut self, now: UnixMs) -> Result<()> {
        rows::tail::settle(&mut self.conn)?;
        life::note_alive(&self.conn, self.run, now, true)?;
        self.conn.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
        Ok(())
    }
}

enum Applied {
    Written { event: bool },
    Repeated,
}

/// What applying a record needs beside the service's own track.
struct Context<'a> {
    conn: &'a Connection,
    channels: &'a [&'static str],
    interruptions: &'a [Interruption],
    run_started_at: UnixMs,
    now: UnixMs,
}

impl Context<'_> {
    fn apply(&self, track: &mut Track, tail: Option<&mut Tail>, record: &Record) -> Result<Applied> {
        let Record { service: id, result, .. } = record;
        let reason = result.reason.as_ref().map(|r| results::reason_id(self.conn, r)).transpose()?;
        if !self.write(track, tail, *id, &Row::of(result, reason))? {
            return Ok(Applied::Repeated);
        }
        self.end_speech(track, result.at)?;
        let event = self.outage(track, record, reason)?;
        self.note_state(track, record)?;
        let hour = result.at.floor(HOUR_MS);
        match track.rolled_until {
            None => {
                rollups::begin(self.conn, *id, hour)?;
                track.rolled_until = Some(hour);
            }
            Some(from) if from < hour && track.judged(result, Which::All).passed().is_some() => {
                match rollups::settle(self.conn, *id, from, hour) {
                    Ok(()) => track.rolled_until = Some(hour),
                    // What an older day says cannot be read. The result counts all the same, and its hour can wait.
                    Err(StoreError::Content(what)) => {
                        tracing::error!(service = track.now.service.name, "an hour could not be summed up: {what}");
                    }
                    Err(error) => return Err(error),
                }
            }
            Some(_) => {}
        }
        Ok(Applied::Written { event })
    }

    /// Writes a row. `false` when there is one of that time already.
    fn write(&self, track: &Track, tail: Option<&mut Tail>, id: ServiceId, row: &Row) -> Result<bool> {
        if track.now.last.as_ref().is_none_or(|last| last.at < row.at) {
            // It is later than all that is known, and so than all that is sealed.
            return match tail {
                Some(tail) => tail.add(self.conn, id, row).map(|()| true),
                None => rows::insert(self.conn, id, row),
            };
        }
        if Walk::over(id).from(row.at).before(row.at.plus(1)).first(self.conn)?.is_some() {
            return Ok(false);
        }
        // It has its place before what lies in the tail, and may have it in a day that is sealed.
        if let Some(tail) = tail {
            tail.settle_one(self.conn, id)?;
        }
        rows::sealing::unseal(self.conn, id, row.at)?;
        rows::insert(self.conn, id, row)
    }

    /// The next result is there: now it is known how long the last one spoke.
    fn end_speech(&self, track: &mut Track, next_at: UnixMs) -> Result<()> {
        let Some((last_at, outcome)) = track.now.last.as_ref().map(|last| (last.at, last.outcome)) else {
            return Ok(());
        };
        let silent_from = last_at.plus(track.last_validity_ms);
        let spoken_until = next_at.min(silent_from);
        if outcome == Outcome::Down
            && track.now.outage.is_some()
            && let Some(spoken) = Window::new(last_at, spoken_until)
        {
            let failed_until = failed_until(last_at, spoken_until, &track.now.timetable.all(spoken));
            if let Some(outage) = &mut Arc::make_mut(&mut track.now).outage {
                Arc::make_mut(outage).down_ms += failed_until.since(last_at);
            }
        }
        if silent_from < next_at {
            life::note_gap(self.conn, track.now.id, silent_from, next_at, self.why(track, silent_from, next_at))?;
        }
        Ok(())
    }

    /// Why nothing was observed between two results.
    fn why(&self, track: &Track, from: UnixMs, to: UnixMs) -> GapReason {
        let off = if track.was_paused { GapReason::Paused } else { GapReason::Off };
        if from < self.run_started_at && self.run_started_at <= to {
            return off;
        }
        // A result that was not kept would have spoken for a while.
        let end = |i: &Interruption| match i.why {
            GapReason::NotStored => i.to.plus(track.last_validity_ms),
            _ => i.to,
        };
        let overlap = |i: &Interruption| end(i).min(to).since(i.from.max(from));
        let longest = self.interruptions.iter().filter(|i| overlap(i) > 0).max_by_key(|i| overlap(i));
        // Also where this run began while the last result of the one before it still spoke.
        let first = track.now.last.as_ref().is_some_and(|last| last.at < self.run_started_at);
        longest.map_or(if first { off } else { GapReason::Stalled }, |i| i.why)
    }

    /// Keeps the book of the outage under way; whether somebody is to be told.
    fn outage(&self, track: &mut Track, record: &Record, reason: Option<i64>) -> Result<bool> {
        let Record { service: id, result, changes, confirmed, excerpt, .. } = record;
        let judged = track.judged(result, Which::Announced);
        let failed = judged == Outcome::Down;
        if let Some(at) = changes.broken_off
            && let Some(outage) = Arc::make_mut(&mut track.now).outage.take_if(|outage| !outage.is_incident())
        {
            // It was not confirmed when maintenance began: what comes after that is another one.
            outages::update(self.conn, &Outage { ended_at: Some(at), ..Outage::clone(&outage) })?;
        }
        // Should the record of a change ever have been lost (refused, or in a commit that broke), the next one makes up
        // for it: no outage stays unknown, and none stays open. In maintenance none begins and none ends.
        let began = changes.began.or_else(|| {
            let last_ok_at = track.now.judged.filter(|(_, o)| o.passed() == Some(true)).map(|(at, _)| at);
            (failed && track.now.outage.is_none()).then_some(Began { last_ok_at })
        });
        let up_again = judged.passed() == Some(true) && *confirmed == Confirmed::Up && !track.is_announced(result.at);
        let ended = changes.ended.or(up_again.then_some(result.at));
        if let (Some(began), Some(why), Some(reason_id)) = (began, &result.reason, reason) {
            let excerpt = excerpt.as_deref();
            let number = outages::begin(self.conn, *id, began.last_ok_at, result, reason_id, excerpt)?;
            let now = Arc::make_mut(&mut track.now);
            now.outage = Some(Arc::new(Outage {
                id: number,
                service: now.service.name.clone(),
                last_ok_at: began.last_ok_at,
                started_at: result.at,
                confirmed_at: None,
                ended_at: None,
                down_ms: 0,
                checks_failed: 0,
                cause: Cause {
                    reason: why.clone(),
                    http_status: result.http_status,
                    latency_us: result.latency_us,
                    phases: result.phases,
                    excerpt: excerpt.map(str::to_owned),
                },
                left_open: false,
                note: None,
            }));
        }
        if track.now.outage.is_none() {
            return Ok(false);
        }
        let now = Arc::make_mut(&mut track.now);
        let Some(outage) = now.outage.as_mut().map(Arc::make_mut) else { return Ok(false) };
        if failed {
            outage.checks_failed += 1;
            if let Some(reason) = reason {
                outages::note_cause(self.conn, outage.id, result, reason, excerpt.as_deref())?;
            }
        }
        let mut event = None;
        if *confirmed == Confirmed::Down && outage.confirmed_at.is_none() {
            outage.confirmed_at = Some(known_at(result));
            event = Some(Event::Confirmed);
        }
        if let Some(ended_at) = ended {
            outage.ended_at = Some(ended_at);
            event = outage.is_incident().then_some(Event::Resolved);
        }
        // Every result moves the sums: of the failed ones because of what they say, of others because they end it.
        outages::update(self.conn, outage)?;
        if let Some(event) = event {
            outbox::add(self.conn, self.channels, outage.id, event, self.now)?;
        }
        if ended.is_some() {
            now.outage = None;
        }
        Ok(event.is_some() && !self.channels.is_empty())
    }

    fn note_state(&self, track: &mut Track, record: &Record) -> Result<()> {
        let Record { service: id, result, changes, confirmed, certificate_expires_at, .. } = record;
        let judged = track.judged(result, Which::Announced);
        let now = Arc::make_mut(&mut track.now);
        // One that comes late says nothing of now.
        let newest = now.last.as_ref().is_none_or(|last| last.at < result.at);
        if newest && judged.passed().is_some() {
            now.judged = Some((result.at, judged));
            now.judged_validity_ms = now.service.cadence.validity_ms();
            track.since.judge(result.at, judged);
        }
        if now.confirmed == Confirmed::Down && *confirmed == Confirmed::Up {
            track.since.recovered = changes.ended.or(Some(result.at));
        }
        now.confirmed = *confirmed;
        now.since = track.since.answer(*confirmed, now.outage.as_ref().map(|o| o.started_at));
        if newest {
            now.last = Some(result.clone());
            track.last_validity_ms = now.service.cadence.validity_ms();
        }
        if certificate_expires_at.is_some() && *certificate_expires_at != now.certificate_expires_at {
            now.certificate_expires_at = *certificate_expires_at;
            self.conn
                .prepare_cached("UPDATE service SET certificate_expires_at = ?2 WHERE id = ?1")?
                .execute([id.0, certificate_expires_at.map_or(0, |t| t.0)])?;
        }
        Ok(())
    }
}

/// When a result was known: its start and what it took.
pub(super) fn known_at(result: &CheckResult) -> UnixMs {
    result.known_at()
}
