//! The status of a service, and of all of them together, at a moment.

use super::{check::Outcome, health::Confirmed, time::UnixMs};

/// The status of a service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// No result yet, or none that settles anything.
    Pending,
    Up,
    Degraded,
    Down,
    /// Stale: for longer than [`STALE_GRACE_MS`] no judged result is valid for it.
    Unknown,
    /// In maintenance: whatever the checks say, nobody is to be alarmed.
    Maintenance,
    /// Not enabled in the configuration.
    Paused,
}

impl Status {
    /// All statuses, worst first: the order in which people want to see them.
    pub const WORST_FIRST: [Status; 7] = [
        Status::Down,
        Status::Unknown,
        Status::Degraded,
        Status::Pending,
        Status::Maintenance,
        Status::Up,
        Status::Paused,
    ];

    /// Its word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Up => "up",
            Status::Degraded => "degraded",
            Status::Down => "down",
            Status::Unknown => "unknown",
            Status::Maintenance => "maintenance",
            Status::Paused => "paused",
        }
    }

    /// The status that a word names.
    pub fn parse(word: &str) -> Option<Status> {
        Status::WORST_FIRST.into_iter().find(|s| s.as_str() == word)
    }

    /// Its place in [`Status::WORST_FIRST`].
    pub fn rank(self) -> usize {
        Status::WORST_FIRST.iter().position(|&s| s == self).unwrap_or(0)
    }

    /// `ok` in `/health`: up, if need be slowly.
    pub fn is_ok(self) -> bool {
        matches!(self, Status::Up | Status::Degraded)
    }
}

/// How long the status of a service holds beyond the validity of its last judged result, in milliseconds.
///
/// A check may begin an interval late and take its timeout: it ends when the result before it ceases to be valid, and is
/// known when the witnesses have been checked (two seconds for each of the two) and the commit has returned. So a service
/// that is checked, however late each check ends within its deadline, is never stale.
pub const STALE_GRACE_MS: i64 = 5_000;

/// What the status of a service depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    pub enabled: bool,
    pub maintenance: bool,
    pub confirmed: Confirmed,
    /// The last result that was judged: its time and its outcome.
    pub judged: Option<(UnixMs, Outcome)>,
    /// How long it is valid, in milliseconds.
    pub validity_ms: i64,
}

impl Known {
    /// The status at `now`.
    pub fn status(&self, now: UnixMs) -> Status {
        match (self.enabled, self.judged) {
            (false, _) => Status::Paused,
            (true, _) if self.maintenance => Status::Maintenance,
            (true, None) => Status::Pending,
            (true, Some((at, _))) if now >= at.plus(self.validity_ms + STALE_GRACE_MS) => Status::Unknown,
            (true, Some((_, outcome))) => match self.confirmed {
                Confirmed::Pending => Status::Pending,
                Confirmed::Up if outcome == Outcome::Degraded => Status::Degraded,
                Confirmed::Up => Status::Up,
                Confirmed::Down => Status::Down,
            },
        }
    }
}

/// Since when a service has its status: a function of its results.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct StatusSince {
    /// The latest judged results that were all degraded, or all not: whether they are, and when the first was made.
    pub run: Option<(bool, UnixMs)>,
    /// When the last incident that is over ended.
    pub recovered: Option<UnixMs>,
}

impl StatusSince {
    /// Takes the next judged result in.
    pub fn judge(&mut self, at: UnixMs, outcome: Outcome) {
        let degraded = outcome == Outcome::Degraded;
        if self.run.is_none_or(|(before, _)| before != degraded) {
            self.run = Some((degraded, at));
        }
    }

    /// The answer; `down_since` is when the incident under way began.
    pub fn answer(&self, confirmed: Confirmed, down_since: Option<UnixMs>) -> Option<UnixMs> {
        match confirmed {
            Confirmed::Pending => None,
            Confirmed::Down => down_since,
            Confirmed::Up => self.run.map(|(_, start)| start).max(self.recovered),
        }
    }
}

/// The status of the whole platform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overall {
    Healthy,
    Degraded,
    Unknown,
    Unhealthy,
}

impl Overall {
    /// Its word in `/health`.
    pub fn as_str(self) -> &'static str {
        match self {
            Overall::Healthy => "healthy",
            Overall::Degraded => "degraded",
            Overall::Unknown => "unknown",
            Overall::Unhealthy => "unhealthy",
        }
    }

    /// Whether a load balancer should get 200.
    pub fn is_ok(self) -> bool {
        matches!(self, Overall::Healthy | Overall::Degraded)
    }

    /// The overall state for a query of one service by its name. The query is about this service, whether it is
    /// critical or not. Nobody can say that a service that is paused, or in maintenance, is there.
    pub fn of_one(status: Status) -> Overall {
        match status {
            Status::Up => Overall::Healthy,
            Status::Degraded => Overall::Degraded,
            Status::Pending | Status::Unknown | Status::Maintenance | Status::Paused => Overall::Unknown,
            Status::Down => Overall::Unhealthy,
        }
    }

    /// What services with these statuses add up to; each with whether it is critical. Paused ones and
    /// those in maintenance do not count.
    pub fn of(services: impl IntoIterator<Item = (Status, bool)>) -> Overall {
        let mut worst = Overall::Healthy;
        for (status, critical) in services {
            let says = match status {
                Status::Up | Status::Paused | Status::Maintenance => Overall::Healthy,
                Status::Degraded => Overall::Degraded,
                _ if !critical => Overall::Degraded,
                Status::Pending | Status::Unknown => Overall::Unknown,
                Status::Down => Overall::Unhealthy,
            };
            if says as u8 > worst as u8 {
                worst = says;
            }
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_no_longer_speaks_leaves_the_service_unknown() {
        let known = Known {
            enabled: true,
            maintenance: false,
            confirmed: Confirmed::Down,
            judged: Some((UnixMs(1000), Outcome::Down)),
            validity_ms: 25_000,
        };
        assert_eq!(known.status(UnixMs(30_999)), Status::Down);
        assert_eq!(known.status(UnixMs(31_000)), Status::Unknown);
        assert_eq!(Known { enabled: false, ..known }.status(UnixMs(1000)), Status::Paused);
        assert_eq!(Known { maintenance: true, ..known }.status(UnixMs(31_000)), Status::Maintenance);
        assert_eq!(Known { judged: None, ..known }.status(UnixMs(1000)), Status::Pending);
    }

    #[test]
    fn a_service_is_up_since_it_was_last_degraded_or_down() {
        let mut since = StatusSince::default();
        for (at, outcome) in [(1, Outcome::Up), (2, Outcome::Up), (3, Outcome::Degraded), (4, Outcome::Degraded)] {
            since.judge(UnixMs(at), outcome);
        }
        assert_eq!(since.answer(Confirmed::Up, None), Some(UnixMs(3)));
        // A failed check is not degraded: it is up, and being checked again.
        since.judge(UnixMs(5), Outcome::Down);
        since.judge(UnixMs(6), Outcome::Up);
        assert_eq!(since.answer(Confirmed::Up, None), Some(UnixMs(5)));
        assert_eq!(since.answer(Confirmed::Down, Some(UnixMs(5))), Some(UnixMs(5)));
        since.recovered = Some(UnixMs(6));
        assert_eq!(since.answer(Confirmed::Up, None), Some(UnixMs(6)));
    }

    #[test]
    fn the_whole_is_as_bad_as_its_worst_critical_service() {
        use Status::*;
        let of = |s: &[(Status, bool)]| Overall::of(s.iter().copied());
        assert_eq!(of(&[]), Overall::Healthy);
        assert_eq!(of(&[(Up, true), (Paused, true)]), Overall::Healthy);
        assert_eq!(of(&[(Up, true), (Maintenance, true)]), Overall::Healthy);
        assert_eq!(of(&[(Maintenance, true), (Down, true)]), Overall::Unhealthy);
        assert_eq!(of(&[(Up, true), (Degraded, true)]), Overall::Degraded);
        assert_eq!(of(&[(Degraded, true), (Pending, true)]), Overall::Unknown);
        assert_eq!(of(&[(Unknown, true), (Down, true)]), Overall::Unhealthy);
        assert_eq!(of(&[(Down, false), (Unknown, false)]), Overall::Degraded);
    }
}
