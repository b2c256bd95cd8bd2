//! Replays a history: runs stored results through the state machine and says which outages and gaps come of it.
//!
//! Maintenance lies over the results as it lay over them live: what was announced holds the state machine, and no time in
//! any of it is downtime.
//!
//! With the thresholds that were in force it gives the history's own outages, whatever the restarts in between; with
//! others it gives those that one would have had.

use super::{
    check::{Outcome, PhaseTimes},
    health::{Confirmed, Failing, Health},
    incident::CAUSE_CHANGES_KEPT,
    maintenance::Overlay,
    service::Thresholds,
    time::UnixMs,
    timeline::{ObservationState, Piece, failed_until},
};

/// A stored result, as far as outages and gaps follow from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Input {
    pub at: UnixMs,
    pub outcome: Outcome,
    pub latency_us: Option<u32>,
    pub phases: PhaseTimes,
    /// Why it is not `up`.
    pub why: Option<Why>,
    /// With the settings of its time: the longest time it is valid for, in milliseconds,
    pub validity_ms: i64,
    /// and how many in a row change the status.
    pub thresholds: Thresholds,
}

/// What makes one failure another than the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Why {
    /// The number of its reason; equal reasons have equal numbers.
    pub reason: i64,
    pub http_status: Option<u16>,
}

impl Input {
    /// When it was known: its start and what it took.
    pub fn known_at(&self) -> UnixMs {
        self.at.plus(i64::from(self.latency_us.unwrap_or(0)).div_euclid(1000))
    }
}

/// An outage that follows from stored results. The fields are those of [`super::incident::Outage`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplayedOutage {
    pub last_ok_at: Option<UnixMs>,
    /// The first failed check.
    pub first: Input,
    pub why: Why,
    pub confirmed_at: Option<UnixMs>,
    pub ended_at: Option<UnixMs>,
    /// How long its failed checks are valid, in milliseconds, up to the latest check.
    pub down_ms: i64,
    pub checks_failed: u64,
    /// Why its latest failed check failed.
    pub last_why: Why,
    /// How often the cause changed,
    pub cause_changes: u64,
    /// and the first [`CAUSE_CHANGES_KEPT`] of these changes.
    pub changes: Vec<(UnixMs, Why)>,
}

/// What the next result settles.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Effects {
    /// The time that the result before it is valid for.
    pub spoken: Option<Piece>,
    /// The time between them that no result covers.
    pub gap: Option<(UnixMs, UnixMs)>,
    /// The outage that this result ends.
    pub ended: Option<ReplayedOutage>,
}

/// The position of the replay.
#[derive(Clone, Debug)]
pub struct Replay {
    health: Health,
    last: Option<Input>,
    open: Option<ReplayedOutage>,
    start: Start,
    /// The maintenance that was announced,
    announced: Overlay,
    /// and all of it.
    maintenance: Overlay,
}

/// What is known of the time before the first result that is replayed.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// There was none, or what it left is known by now: every outage that began after this moment is reported.
    Known(UnixMs),
    /// Results have been retired, and the service may have been up or down. So many passed ones in a row so far, the
    /// first of them at this moment.
    Unknown(u32, UnixMs),
}

impl Replay {
    /// Begins with the first result that ever was.
    pub fn from_the_beginning() -> Replay {
        Replay {
            health: Health::NEW,
            last: None,
            open: None,
            start: Start::Known(UnixMs(i64::MIN)),
            announced: Overlay::NONE,
            maintenance: Overlay::NONE,
        }
    }

    /// Begins in the middle: no outage is reported until as many checks in a row have passed as end any outage.
    pub fn from_the_middle() -> Replay {
        Replay { start: Start::Unknown(0, UnixMs(i64::MIN)), ..Replay::from_the_beginning() }
    }

    /// Begins within an outage that was reported before: `outage` as it was before the first result, which is at `first`
    /// and has these thresholds.
    pub fn from_within(mut outage: ReplayedOutage, first: UnixMs, thresholds: Thresholds) -> Replay {
        let in_a_row = u32::try_from(outage.checks_failed).unwrap_or(u32::MAX);
        let failing = Some(Failing { started_at: outage.first.at, in_a_row });
        // A result that will be replayed confirms the outage again.
        outage.confirmed_at.take_if(|at| *at >= first && in_a_row < thresholds.failure);
        let confirmed = match (outage.confirmed_at, outage.last_ok_at) {
            (Some(_), _) => Confirmed::Down,
            (None, Some(_)) => Confirmed::Up,
            (None, None) => Confirmed::Pending,
        };
        let health = Health { confirmed, last_ok_at: outage.last_ok_at, failing, ..Health::NEW };
        Replay { health, open: Some(outage), ..Replay::from_the_beginning() }
    }

    /// With the maintenance of the service: what was announced, and all of it.
    pub fn with_maintenance(self, announced: Overlay, all: Overlay) -> Replay {
        Replay { announced, maintenance: all, ..self }
    }

    /// From when on outages are reported: every one that began after this moment. `None` while it is not known whether the
    /// service was up.
    pub fn known_from(&self) -> Option<UnixMs> {
        match self.start {
            Start::Known(from) => Some(from),
            Start::Unknown(..) => None,
        }
    }

    /// Takes the next result, which is later than the one before.
    pub fn observe(&mut self, check: Input) -> Effects {
        let (spoken, gap) = self.end_speech(check.at);
        let ended = match self.start {
            Start::Known(_) => self.outage(&check),
            Start::Unknown(in_a_row, first) => {
                self.orient(&check, in_a_row, first);
                None
            }
        };
        self.last = Some(check);
        Effects { spoken, gap, ended }
    }

    /// The outage that lasts after the latest result.
    pub fn open(&self) -> Option<&ReplayedOutage> {
        self.open.as_ref()
    }

    /// What the latest result covers, up to `now`.
    pub fn last_speech(&self, now: UnixMs) -> Option<Piece> {
        let last = self.last?;
        let to = now.max(last.at).min(last.at.plus(last.validity_ms));
        Some(Piece { from: last.at, to, says: ObservationState::Observed(last.outcome) })
    }

    fn end_speech(&mut self, next_at: UnixMs) -> (Option<Piece>, Option<(UnixMs, UnixMs)>) {
        let Some(last) = self.last else { return (None, None) };
        let silent_from = last.at.plus(last.validity_ms);
        let spoken =
            Piece { from: last.at, to: next_at.min(silent_from), says: ObservationState::Observed(last.outcome) };
        if last.outcome == Outcome::Down
            && let Some(outage) = &mut self.open
        {
            outage.down_ms += failed_until(spoken.from, spoken.to, &self.maintenance).since(spoken.from);
        }
        (Some(spoken), (silent_from < next_at).then_some((silent_from, next_at)))
    }

    fn orient(&mut self, check: &Input, in_a_row: u32, first: UnixMs) {
        // A run of passes does not carry over the beginning of maintenance, and is paused in it.
        let last_at = self.last.map(|last| last.at);
        let begins = last_at.is_some_and(|last| self.announced.first_start(last, check.at).is_some());
        let in_a_row = if begins { 0 } else { in_a_row };
        if self.announced.contains(check.at) {
            self.start = Start::Unknown(in_a_row, first);
            return;
        }
        match check.outcome.passed() {
            Some(true) => {
                let first = if in_a_row == 0 { check.at } else { first };
                self.start = if in_a_row + 1 >= check.thresholds.success {
                    self.health = Health {
                        confirmed: Confirmed::Up,
                        last_ok_at: Some(check.at),
                        last_at: Some(check.at),
                        ..Health::NEW
                    };
                    Start::Known(first)
                } else {
                    Start::Unknown(in_a_row + 1, first)
                };
            }
            Some(false) => self.start = Start::Unknown(0, check.at),
            None => self.start = Start::Unknown(in_a_row, first),
        }
    }

    fn outage(&mut self, check: &Input) -> Option<ReplayedOutage> {
        let changes = self.health.observe(check.thresholds, check.at, check.outcome, &self.announced);
        // The outage was not confirmed when maintenance began: what comes after that is another outage.
        let broken_off = changes.broken_off.and_then(|at| {
            let outage = self.open.take_if(|outage| outage.confirmed_at.is_none())?;
            Some(ReplayedOutage { ended_at: Some(at), ..outage })
        });
        if let (Some(began), Some(why)) = (changes.began, check.why) {
            self.open = Some(ReplayedOutage {
                last_ok_at: began.last_ok_at,
                first: *check,
                why,
                confirmed_at: None,
                ended_at: None,
                down_ms: 0,
                checks_failed: 0,
                last_why: why,
                cause_changes: 0,
                changes: Vec::new(),
            });
        }
        let Some(outage) = self.open.as_mut() else { return broken_off };
        if self.announced.judged(check.at, check.outcome) == Outcome::Down {
            outage.checks_failed += 1;
            if let Some(why) = check.why.filter(|why| *why != outage.last_why) {
                outage.last_why = why;
                outage.cause_changes += 1;
                if outage.cause_changes <= CAUSE_CHANGES_KEPT {
                    outage.changes.push((check.at, why));
                }
            }
        }
        if changes.confirmed {
            outage.confirmed_at = Some(check.known_at());
        }
        outage.ended_at = changes.ended;
        broken_off.or_else(|| changes.ended.and_then(|_| self.open.take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Thresholds = Thresholds { failure: 2, success: 2 };

    /// One result a second ('.' up, 'x' and 'y' down for different reasons, ' ' none); each is valid for 3 s.
    fn tell(mut replay: Replay, results: &str) -> (Replay, Vec<Effects>) {
        let mut heard = Vec::new();
        for (i, c) in results.chars().enumerate().filter(|(_, c)| *c != ' ') {
            let outcome = if c == '.' { Outcome::Up } else { Outcome::Down };
            heard.push(replay.observe(Input {
                at: UnixMs(i as i64 * 1000),
                outcome,
                latency_us: Some(7_000),
                phases: PhaseTimes::default(),
                why: (c != '.').then_some(Why { reason: c as i64, http_status: None }),
                validity_ms: 3_000,
                thresholds: T,
            }));
        }
        (replay, heard)
    }

    #[test]
    fn an_outage_is_told_with_its_causes_and_what_its_failures_speak_for() {
        let (replay, heard) = tell(Replay::from_the_beginning(), ".xxy.x..");
        let ended: Vec<&ReplayedOutage> = heard.iter().filter_map(|h| h.ended.as_ref()).collect();
        let [outage] = ended[..] else { panic!("{ended:?}") };
        assert_eq!((outage.last_ok_at, outage.first.at), (Some(UnixMs(0)), UnixMs(1000)));
        assert_eq!((outage.confirmed_at, outage.ended_at), (Some(UnixMs(2007)), Some(UnixMs(6000))));
        assert_eq!((outage.down_ms, outage.checks_failed, outage.cause_changes), (4000, 4, 2));
        let changes: Vec<(i64, i64)> = outage.changes.iter().map(|(at, why)| (at.0, why.reason)).collect();
        assert_eq!(changes, [(3000, 'y' as i64), (5000, 'x' as i64)]);
        assert_eq!(replay.open(), None);
    }

    #[test]
    fn what_nothing_speaks_for_is_a_gap_and_no_downtime() {
        let (replay, heard) = tell(Replay::from_the_beginning(), "x      x");
        assert_eq!(heard[1].gap, Some((UnixMs(3000), UnixMs(7000))));
        assert_eq!(replay.open().map(|o| o.down_ms), Some(3000));
        assert_eq!(replay.last_speech(UnixMs(8000)).map(|p| p.to), Some(UnixMs(8000)));
        assert_eq!(replay.last_speech(UnixMs(80_000)).map(|p| p.to), Some(UnixMs(10_000)));
    }

    #[test]
    fn told_from_the_middle_nothing_is_said_before_the_service_is_known_to_be_up() {
        let (replay, heard) = tell(Replay::from_the_middle(), "xx.xx.");
        assert!(heard.iter().all(|h| h.ended.is_none()));
        assert_eq!((replay.known_from(), replay.open()), (None, None));
        let (replay, heard) = tell(Replay::from_the_middle(), "xx..x.");
        assert_eq!(replay.known_from(), Some(UnixMs(2000)));
        assert_eq!(heard[5].ended.as_ref().map(|o| o.first.at), Some(UnixMs(4000)));
    }

    #[test]
    fn told_from_within_an_outage_it_goes_on_as_if_all_of_it_had_been_told() {
        let mut within = 0;
        for (number, first) in (0..1_u32 << 8).flat_map(|number| (1..8).map(move |first| (number, first))) {
            let results: String = (0..8).map(|i| if number >> i & 1 == 1 { 'x' } else { '.' }).collect();
            let (whole, heard) = tell(Replay::from_the_beginning(), &results);
            let ended = |heard: &[Effects]| heard.iter().filter_map(|h| h.ended.clone()).collect::<Vec<_>>();
            let (before, _) = tell(Replay::from_the_beginning(), &results[..first]);
            let start = UnixMs(first as i64 * 1000);
            let of_all = ended(&heard).into_iter().chain(whole.open().cloned()).collect::<Vec<_>>();
            let Some(open) = before.open() else { continue };
            let said = of_all.iter().find(|outage| outage.first == open.first).unwrap();
            if said.ended_at.is_some_and(|end| end < start) {
                continue;
            }
            let spoken =
                before.last_speech(start).filter(|piece| piece.says == ObservationState::Observed(Outcome::Down));
            let down_ms = open.down_ms + spoken.map_or(0, |piece| piece.to.since(piece.from));
            let so_far = ReplayedOutage { confirmed_at: said.confirmed_at, down_ms, ..open.clone() };
            let rest = format!("{}{}", " ".repeat(first), &results[first..]);
            let (after, heard) = tell(Replay::from_within(so_far, start, T), &rest);
            let goes_on = ended(&heard).into_iter().chain(after.open().cloned()).collect::<Vec<_>>();
            assert_eq!(goes_on, of_all[of_all.len() - goes_on.len()..], "{results} from {first} on");
            assert_eq!(goes_on[0].first, open.first, "{results} from {first} on");
            within += 1;
        }
        assert!(within > 500, "{within}");
    }
}
