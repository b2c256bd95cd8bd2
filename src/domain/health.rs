//! The state machine between checks and statuses: a pure function of (thresholds, outcomes, maintenance).

use super::{check::Outcome, maintenance::Overlay, service::Thresholds, time::UnixMs};

/// What the outcomes add up to, before time is considered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirmed {
    /// Nothing has been confirmed yet.
    Pending,
    Up,
    Down,
}

/// A run of failed checks under way, confirmed or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failing {
    /// The first failed check.
    pub started_at: UnixMs,
    /// Failed checks in a row; counted until the threshold is met.
    pub in_a_row: u32,
}

/// A run of passed checks while the service is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovering {
    /// The first passed check.
    pub started_at: UnixMs,
    /// Passed checks in a row.
    pub in_a_row: u32,
}

/// What one check changed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    /// Maintenance began, at this time, before a run of failed checks was confirmed: the run ended there.
    pub broken_off: Option<UnixMs>,
    /// An outage began with this check; the last passed check before it, if there was one.
    pub began: Option<Began>,
    /// The threshold was met: the outage is an incident.
    pub confirmed: bool,
    /// The outage ended (an incident was resolved, a blip was over) with the passed check at this time.
    pub ended: Option<UnixMs>,
}

/// How an outage began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Began {
    pub last_ok_at: Option<UnixMs>,
}

/// The health of one service, rebuilt from the stored results at start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Health {
    pub confirmed: Confirmed,
    /// The last passed check.
    pub last_ok_at: Option<UnixMs>,
    /// An outage under way, confirmed (then `confirmed` is `Down`) or not.
    pub failing: Option<Failing>,
    /// Only while `confirmed` is `Down`.
    pub recovering: Option<Recovering>,
    /// The last result, whatever its outcome.
    pub last_at: Option<UnixMs>,
}

impl Health {
    /// The health of a service without a result.
    pub const NEW: Health =
        Health { confirmed: Confirmed::Pending, last_ok_at: None, failing: None, recovering: None, last_at: None };

    /// Takes the next result in and says what it changed. `maintenance` has to be known from the last result up to and
    /// with this one.
    ///
    /// In maintenance the machine is paused. No outage begins, none is confirmed and none ends: an incident that is
    /// open when maintenance begins goes on after it, and its end is notified then. A pass is remembered as the last good
    /// one, and a service that was never judged is up with it. A run, of failures or of passes, does not carry over the
    /// beginning of maintenance: one of failures that was not confirmed ends there, as a blip.
    pub fn observe(&mut self, thresholds: Thresholds, at: UnixMs, outcome: Outcome, maintenance: &Overlay) -> Changes {
        let broken_off = self.last_at.and_then(|last| maintenance.first_start(last, at)).and_then(|start| {
            self.recovering = None;
            let run = self.failing.take_if(|_| self.confirmed != Confirmed::Down);
            run.map(|_| start)
        });
        self.last_at = Some(at);
        let changes = match outcome.passed() {
            Some(true) if maintenance.contains(at) => {
                self.last_ok_at = Some(at);
                if self.confirmed == Confirmed::Pending {
                    self.confirmed = Confirmed::Up;
                }
                Changes::default()
            }
            Some(false) if maintenance.contains(at) => Changes::default(),
            Some(true) => self.passed(thresholds, at),
            Some(false) => self.failed(thresholds, at),
            // What could not be judged neither advances nor resets a run.
            None => Changes::default(),
        };
        Changes { broken_off, ..changes }
    }

    fn passed(&mut self, thresholds: Thresholds, at: UnixMs) -> Changes {
        self.last_ok_at = Some(at);
        let mut changes = Changes::default();
        match self.confirmed {
            Confirmed::Pending | Confirmed::Up => {
                self.confirmed = Confirmed::Up;
                if self.failing.take().is_some() {
                    changes.ended = Some(at);
                }
            }
            Confirmed::Down => {
                let run = self.recovering.get_or_insert(Recovering { started_at: at, in_a_row: 0 });
                run.in_a_row += 1;
                if run.in_a_row >= thresholds.success {
                    changes.ended = Some(run.started_at);
                    *self = Health { confirmed: Confirmed::Up, failing: None, recovering: None, ..*self };
                }
            }
        }
        changes
    }

    fn failed(&mut self, thresholds: Thresholds, at: UnixMs) -> Changes {
        let mut changes = Changes::default();
        self.recovering = None;
        if self.confirmed == Confirmed::Down {
            return changes;
        }
        let run = self.failing.get_or_insert_with(|| {
            changes.began = Some(Began { last_ok_at: self.last_ok_at });
            Failing { started_at: at, in_a_row: 0 }
        });
        run.in_a_row += 1;
        if run.in_a_row >= thresholds.failure {
            self.confirmed = Confirmed::Down;
            changes.confirmed = true;
        }
        changes
    }

    /// Whether the latest judged check contradicts the status, so that the next one follows at the retry interval.
    pub fn rechecking(&self) -> bool {
        match self.confirmed {
            Confirmed::Pending | Confirmed::Up => self.failing.is_some(),
            Confirmed::Down => self.recovering.is_some(),
        }
    }
}

/// What the machine makes of stored results, in the order of time, that follow on `health`. `maintenance` has to be known
/// from the last result before them on.
pub fn replay(
    mut health: Health,
    results: impl IntoIterator<Item = (UnixMs, Outcome)>,
    thresholds: impl Fn(UnixMs) -> Thresholds,
    maintenance: &Overlay,
) -> Health {
    for (at, outcome) in results {
        health.observe(thresholds(at), at, outcome, maintenance);
    }
    health
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::window::Window;

    const T: Thresholds = Thresholds { failure: 3, success: 2 };

    /// Feeds one outcome a second ('.' up, '~' degraded, 'x' down, '?' unknown); gives what changed and when.
    fn run(outcomes: &str) -> (Health, Vec<(i64, Changes)>) {
        run_in(outcomes, &Overlay::NONE)
    }

    /// The same with maintenance where the second line has an `m`.
    fn run_with(outcomes: &str, marks: &str) -> (Health, Vec<(i64, Changes)>) {
        let marked = marks.chars().enumerate().filter(|(_, c)| *c == 'm').map(|(i, _)| i as i64);
        let windows = marked.filter_map(|i| Window::new(UnixMs(i), UnixMs(i + 1)));
        run_in(outcomes, &Overlay::new(windows))
    }

    fn run_in(outcomes: &str, maintenance: &Overlay) -> (Health, Vec<(i64, Changes)>) {
        let mut health = Health::NEW;
        let mut log = Vec::new();
        for (i, c) in outcomes.chars().enumerate() {
            let outcome = match c {
                '.' => Outcome::Up,
                '~' => Outcome::Degraded,
                'x' => Outcome::Down,
                _ => Outcome::Unknown,
            };
            let changes = health.observe(T, UnixMs(i as i64), outcome, maintenance);
            if changes != Changes::default() {
                log.push((i as i64, changes));
            }
        }
        (health, log)
    }

    #[test]
    fn an_outage_starts_at_its_first_failure_and_is_confirmed_by_the_third() {
        let (health, log) = run("..xxx");
        assert_eq!(health.confirmed, Confirmed::Down);
        assert_eq!(log[0], (2, Changes { began: Some(Began { last_ok_at: Some(UnixMs(1)) }), ..Changes::default() }));
        assert_eq!(log[1], (4, Changes { confirmed: true, ..Changes::default() }));
    }

    #[test]
    fn an_outage_ends_with_the_first_pass_of_the_recovering_run() {
        let (health, log) = run(".xxx.x..");
        assert_eq!(health.confirmed, Confirmed::Up);
        assert_eq!(log.last(), Some(&(7, Changes { ended: Some(UnixMs(6)), ..Changes::default() })));
    }

    #[test]
    fn a_blip_ends_before_it_is_confirmed() {
        let (health, log) = run(".xx.");
        assert_eq!((health.confirmed, health.failing), (Confirmed::Up, None));
        assert!(log.iter().all(|(_, c)| !c.confirmed));
        assert_eq!(log.last(), Some(&(3, Changes { ended: Some(UnixMs(3)), ..Changes::default() })));
    }

    #[test]
    fn what_could_not_be_judged_neither_advances_nor_resets_a_run() {
        assert_eq!(run(".x?x?x").0.confirmed, Confirmed::Down);
        assert_eq!(run(".xx????").0.confirmed, Confirmed::Up);
        assert_eq!(Health { last_at: None, ..run("????").0 }, Health::NEW);
    }

    #[test]
    fn the_first_pass_makes_a_new_service_up_and_a_first_failure_does_not_make_it_down() {
        assert_eq!(run(".").0.confirmed, Confirmed::Up);
        assert_eq!(run("x").0.confirmed, Confirmed::Pending);
        assert_eq!(run("xxx").0.confirmed, Confirmed::Down);
    }

    #[test]
    fn a_contradiction_is_followed_by_rechecks_until_it_is_settled() {
        for (outcomes, rechecking) in [
            (".", false),
            (".x", true),
            (".xx", true),
            (".xxx", false),
            (".xxx.", true),
            (".xxx..", false),
            (".x.", false),
        ] {
            assert_eq!(run(outcomes).0.rechecking(), rechecking, "{outcomes}");
        }
    }

    #[test]
    fn in_maintenance_no_outage_begins_and_none_is_confirmed() {
        let (health, log) = run_with("..xxxxx..", "  mmmmm  ");
        assert_eq!((health.confirmed, health.failing, log), (Confirmed::Up, None, vec![]));
        let (health, log) = run_with("..xxxxxxx", "  mmm    ");
        assert_eq!(health.confirmed, Confirmed::Down);
        assert_eq!(log[0].1.began, Some(Began { last_ok_at: Some(UnixMs(1)) }));
        assert_eq!((log[0].0, log[1].0), (5, 7), "it begins after the window, and needs its own three failures");
    }

    #[test]
    fn a_run_of_failures_does_not_carry_over_the_beginning_of_maintenance() {
        let (health, log) = run_with("..xx..xx", "    mm  ");
        assert_eq!(health.confirmed, Confirmed::Up);
        assert_eq!(log[1], (4, Changes { broken_off: Some(UnixMs(4)), ..Changes::default() }));
        assert_eq!(log[2].0, 6);
        // Also where the window held no check at all.
        let mut health = Health::NEW;
        let window = Overlay::new(Window::new(UnixMs(15), UnixMs(18)));
        health.observe(T, UnixMs(0), Outcome::Down, &window);
        health.observe(T, UnixMs(10), Outcome::Down, &window);
        let changes = health.observe(T, UnixMs(20), Outcome::Down, &window);
        let began = Some(Began { last_ok_at: None });
        assert_eq!(changes, Changes { broken_off: Some(UnixMs(15)), began, ..Changes::default() });
        assert_eq!(health.failing, Some(Failing { started_at: UnixMs(20), in_a_row: 1 }));
    }

    #[test]
    fn an_open_incident_is_paused_and_ends_after_maintenance() {
        let (health, log) = run_with(".xxx.....", "    mmm  ");
        assert_eq!(health.confirmed, Confirmed::Up);
        assert_eq!(log.last(), Some(&(8, Changes { ended: Some(UnixMs(7)), ..Changes::default() })));
        // An incident that goes on is the same one, and is not confirmed again.
        let (health, log) = run_with(".xxx..xxx", "    mmm  ");
        assert_eq!(health.failing.map(|f| f.started_at), Some(UnixMs(1)));
        assert_eq!(log.len(), 2);
        // A single pass before it and one after it are no run.
        assert_eq!(run_with(".xxx.x.", "     m ").0.confirmed, Confirmed::Down);
    }

    #[test]
    fn a_pass_in_maintenance_is_the_last_good_one() {
        let (_, log) = run_with(".x..x", "  mm ");
        assert_eq!(log.last().unwrap().1.began, Some(Began { last_ok_at: Some(UnixMs(3)) }));
        assert_eq!(run_with("x.", "mm").0.confirmed, Confirmed::Up);
        assert_eq!(run_with("xx", "mm").0.confirmed, Confirmed::Pending);
    }
}
