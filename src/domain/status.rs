//! What is said about a service, and about all of them together, at a moment.

use super::{check::Outcome, health::Confirmed, time::UnixMs};

/// The status of a service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// No result yet, or none that settles anything.
    Pending,
    Up,
    Degraded,
    Down,
    /// Stale: no judged result that still speaks.
    Unknown,
    /// Not enabled in the configuration.
    Paused,
}

impl Status {
    /// All statuses, worst first: the order in which people want to see them.
    pub const WORST_FIRST: [Status; 6] =
        [Status::Down, Status::Unknown, Status::Degraded, Status::Pending, Status::Up, Status::Paused];

    /// Its word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Up => "up",
            Status::Degraded => "degraded",
            Status::Down => "down",
            Status::Unknown => "unknown",
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

/// What the status of a service depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    pub enabled: bool,
    pub confirmed: Confirmed,
    /// The last result that was judged: its time and its outcome.
    pub judged: Option<(UnixMs, Outcome)>,
    /// How long it speaks, in milliseconds.
    pub validity_ms: i64,
}

impl Known {
    /// The status at `now`.
    pub fn status(&self, now: UnixMs) -> Status {
        match (self.enabled, self.judged) {
            (false, _) => Status::Paused,
            (true, None) => Status::Pending,
            (true, Some((at, _))) if now >= at.plus(self.validity_ms) => Status::Unknown,
            (true, Some((_, outcome))) => match self.confirmed {
                Confirmed::Pending => Status::Pending,
                Confirmed::Up if outcome == Outcome::Degraded => Status::Degraded,
                Confirmed::Up => Status::Up,
                Confirmed::Down => Status::Down,
            },
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

    /// Whether a load balancer should be told 200.
    pub fn is_ok(self) -> bool {
        matches!(self, Overall::Healthy | Overall::Degraded)
    }

    /// What services with these statuses add up to; each with whether it is critical. Paused ones do not count.
    pub fn of(services: impl IntoIterator<Item = (Status, bool)>) -> Overall {
        let mut worst = Overall::Healthy;
        for (status, critical) in services {
            let says = match status {
                Status::Up | Status::Paused => Overall::Healthy,
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
            confirmed: Confirmed::Down,
            judged: Some((UnixMs(1000), Outcome::Down)),
            validity_ms: 25_000,
        };
        assert_eq!(known.status(UnixMs(25_999)), Status::Down);
        assert_eq!(known.status(UnixMs(26_000)), Status::Unknown);
        assert_eq!(Known { enabled: false, ..known }.status(UnixMs(1000)), Status::Paused);
        assert_eq!(Known { judged: None, ..known }.status(UnixMs(1000)), Status::Pending);
    }

    #[test]
    fn the_whole_is_as_bad_as_its_worst_critical_service() {
        use Status::*;
        let of = |s: &[(Status, bool)]| Overall::of(s.iter().copied());
        assert_eq!(of(&[]), Overall::Healthy);
        assert_eq!(of(&[(Up, true), (Paused, true)]), Overall::Healthy);
        assert_eq!(of(&[(Up, true), (Degraded, true)]), Overall::Degraded);
        assert_eq!(of(&[(Degraded, true), (Pending, true)]), Overall::Unknown);
        assert_eq!(of(&[(Unknown, true), (Down, true)]), Overall::Unhealthy);
        assert_eq!(of(&[(Down, false), (Unknown, false)]), Overall::Degraded);
    }
}
