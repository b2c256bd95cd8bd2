//! A check result: what one run of a probe found.

use super::time::UnixMs;

/// What a check says of its service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// The check passed.
    Up,
    /// The check passed, but slowly, or with a certificate about to expire, or with an exit code that says so.
    Degraded,
    /// The check failed.
    Down,
    /// The check could not be judged, because of the monitor: neither uptime nor downtime.
    Unknown,
}

impl Outcome {
    /// All outcomes, in the order of [`Outcome::code`].
    pub const ALL: [Outcome; 4] = [Outcome::Up, Outcome::Degraded, Outcome::Down, Outcome::Unknown];

    /// Whether the check passed; `None` where it could not be judged.
    pub fn passed(self) -> Option<bool> {
        match self {
            Outcome::Up | Outcome::Degraded => Some(true),
            Outcome::Down => Some(false),
            Outcome::Unknown => None,
        }
    }

    /// Its word in the API, the exports and the database's view.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Up => "up",
            Outcome::Degraded => "degraded",
            Outcome::Down => "down",
            Outcome::Unknown => "unknown",
        }
    }

    /// The outcome that a word names.
    pub fn parse(word: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|o| o.as_str() == word)
    }

    /// Its number in the database, 0 to 3.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The outcome that a number in the database means.
    pub fn from_code(code: i64) -> Option<Outcome> {
        usize::try_from(code).ok().and_then(|c| Outcome::ALL.get(c).copied())
    }
}

/// The kind of reason behind an outcome other than `up`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// The name has no address.
    Dns,
    /// No connection.
    Connect,
    /// No TLS session, or a certificate that is not valid.
    Tls,
    /// The deadline passed; the phase says in what.
    Timeout,
    /// An HTTP status that was not expected.
    HttpStatus,
    /// An assertion on the answer failed.
    Content,
    /// The answer breaks the protocol.
    Protocol,
    /// The server refused the session, the login or the query.
    Query,
    /// A command ended with this exit code, by a signal, or could not be started.
    ExitCode,
    /// Passed, but slower than `degraded_after_ms`.
    Slow,
    /// Passed, but the certificate is about to expire.
    Certificate,
    /// The monitor itself could not judge.
    Monitor,
}

impl Class {
    /// The classes of failures: those that a check that is down can have.
    pub const FAILURES: [Class; 9] = [
        Class::Dns,
        Class::Connect,
        Class::Tls,
        Class::Timeout,
        Class::HttpStatus,
        Class::Content,
        Class::Protocol,
        Class::Query,
        Class::ExitCode,
    ];

    /// All classes.
    pub const ALL: [Class; 12] = [
        Class::Dns,
        Class::Connect,
        Class::Tls,
        Class::Timeout,
        Class::HttpStatus,
        Class::Content,
        Class::Protocol,
        Class::Query,
        Class::ExitCode,
        Class::Slow,
        Class::Certificate,
        Class::Monitor,
    ];

    /// Its word in the API, the exports and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Dns => "dns",
            Class::Connect => "connect",
            Class::Tls => "tls",
            Class::Timeout => "timeout",
            Class::HttpStatus => "http_status",
            Class::Content => "content",
            Class::Protocol => "protocol",
            Class::Query => "query",
            Class::ExitCode => "exit_code",
            Class::Slow => "slow",
            Class::Certificate => "certificate",
            Class::Monitor => "monitor",
        }
    }

    /// The class that a word names.
    pub fn parse(word: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|c| c.as_str() == word)
    }
}

/// The parts of a check, in the order in which they happen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Finding the address.
    Dns,
    /// Making the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the request to the first byte of the answer (PostgreSQL: until the session is ready).
    Ttfb,
    /// The rest of the answer (PostgreSQL: the query; a command: its whole run).
    Body,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Phase; 5] = [Phase::Dns, Phase::Connect, Phase::Tls, Phase::Ttfb, Phase::Body];

    /// Its word in the API, the exports and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Dns => "dns",
            Phase::Connect => "connect",
            Phase::Tls => "tls",
            Phase::Ttfb => "ttfb",
            Phase::Body => "body",
        }
    }

    /// The phase that a word names.
    pub fn parse(word: &str) -> Option<Phase> {
        Phase::ALL.into_iter().find(|p| p.as_str() == word)
    }
}

/// How long each finished phase took, in microseconds; `None` where a phase did not happen or did not finish.
///
/// The body's time is not kept: it is the response time less the others.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PhaseTimes {
    pub dns_us: Option<u32>,
    pub connect_us: Option<u32>,
    pub tls_us: Option<u32>,
    pub ttfb_us: Option<u32>,
}

impl PhaseTimes {
    /// What the phases add up to, in microseconds.
    pub fn sum_us(&self) -> u64 {
        [self.dns_us, self.connect_us, self.tls_us, self.ttfb_us].into_iter().flatten().map(u64::from).sum()
    }
}

/// The medians of each phase over some passed checks, in microseconds, and of what the phases leave of the whole.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PhaseMedians {
    pub phases: PhaseTimes,
    pub rest_us: Option<u32>,
}

impl PhaseMedians {
    /// The medians (of an even number the lower one) of phase times, each with the whole's time; phases that did not
    /// happen in most of them are left out.
    pub fn of(checks: &[(PhaseTimes, u32)]) -> PhaseMedians {
        let median = |of: &dyn Fn(&(PhaseTimes, u32)) -> Option<u32>| {
            let mut times: Vec<u32> = checks.iter().filter_map(of).collect();
            if times.is_empty() || times.len() * 2 < checks.len() {
                return None;
            }
            let middle = (times.len() - 1) / 2;
            Some(*times.select_nth_unstable(middle).1)
        };
        PhaseMedians {
            phases: PhaseTimes {
                dns_us: median(&|(p, _)| p.dns_us),
                connect_us: median(&|(p, _)| p.connect_us),
                tls_us: median(&|(p, _)| p.tls_us),
                ttfb_us: median(&|(p, _)| p.ttfb_us),
            },
            rest_us: median(&|(p, whole)| Some(u64::from(*whole).saturating_sub(p.sum_us()) as u32)),
        }
    }
}

/// What is usual of one phase: the 5th, 50th and 95th percentile of its times, in microseconds (nearest rank).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usual {
    pub p5_us: u32,
    pub p50_us: u32,
    pub p95_us: u32,
}

impl Usual {
    /// What is usual among some times; `None` of fewer than twenty.
    pub fn of(mut times_us: Vec<u32>) -> Option<Usual> {
        if times_us.len() < 20 {
            return None;
        }
        times_us.sort_unstable();
        let rank = |p: usize| times_us[(times_us.len() * p).div_ceil(100) - 1];
        Some(Usual { p5_us: rank(5), p50_us: rank(50), p95_us: rank(95) })
    }
}

/// Why an outcome is not `up`. Stored once per distinct text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reason {
    pub class: Class,
    /// The phase that broke, where there is one.
    pub phase: Option<Phase>,
    /// A sentence that a person can act on: one line, at most [`super::sanitize::LONGEST_MESSAGE`] characters, no credentials.
    /// (Histories of earlier versions have longer ones, with line breaks: [`super::sanitize::one_line`] where they are
    /// shown.)
    pub message: String,
}

/// What a probe found, before the monitor says when it was.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    pub verdict: Verdict,
    /// From the first step to the last, on the monotonic clock, in microseconds. Up to where it broke when it failed.
    pub latency_us: u32,
    pub phases: PhaseTimes,
    pub http_status: Option<u16>,
    /// When the served certificate ends, valid or not.
    pub certificate_expires_at: Option<UnixMs>,
    /// The beginning of the failing answer (at most 2 KiB), where there was one.
    pub excerpt: Option<String>,
}

/// A probe's judgement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Passed,
    /// Passed with a warning, such as an exit code that means "degraded".
    Degraded(Reason),
    Failed(Reason),
    /// Neither passed nor failed, because of the monitor (no file descriptor left, …).
    Inconclusive(Reason),
}

/// One check result, as the history keeps it.
#[derive(Clone, PartialEq, Debug)]
pub struct CheckResult {
    /// When the check started.
    pub at: UnixMs,
    pub outcome: Outcome,
    /// In microseconds; `None` where nothing was run.
    pub latency_us: Option<u32>,
    pub phases: PhaseTimes,
    pub http_status: Option<u16>,
    /// Whole days until the certificate ended, rounded down; negative after its end.
    pub certificate_days: Option<i32>,
    /// Why the outcome is not `up`.
    pub reason: Option<Reason>,
    /// Whether it followed a contradicting result at the retry interval.
    pub recheck: bool,
}

impl CheckResult {
    /// When it was known: when the check ended, in whole milliseconds.
    pub fn known_at(&self) -> UnixMs {
        self.at.plus(i64::from(self.latency_us.unwrap_or(0)).div_euclid(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_read_back() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
            assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
        }
        for class in Class::ALL {
            assert_eq!(Class::parse(class.as_str()), Some(class));
        }
        for phase in Phase::ALL {
            assert_eq!(Phase::parse(phase.as_str()), Some(phase));
        }
        assert_eq!(Outcome::from_code(4), None);
        assert_eq!(Outcome::from_code(-1), None);
    }

    #[test]
    fn a_phase_that_few_checks_have_has_no_median() {
        let check = |dns, connect, whole| {
            (PhaseTimes { dns_us: dns, connect_us: Some(connect), ..PhaseTimes::default() }, whole)
        };
        let medians = PhaseMedians::of(&[check(None, 10, 100), check(Some(7), 30, 60), check(None, 20, 90)]);
        assert_eq!(medians.phases, PhaseTimes { connect_us: Some(20), ..PhaseTimes::default() });
        assert_eq!(medians.rest_us, Some(70));
        assert_eq!(PhaseMedians::of(&[]), PhaseMedians::default());
    }

    #[test]
    fn what_is_usual_needs_some_times_to_be_said() {
        assert_eq!(Usual::of(vec![1; 19]), None);
        let usual = Usual::of((1..=100).rev().collect()).unwrap();
        assert_eq!((usual.p5_us, usual.p50_us, usual.p95_us), (5, 50, 95));
    }
}
