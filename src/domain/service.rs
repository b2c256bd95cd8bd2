//! A service: a thing watched.

/// The mechanism that watches it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    Http,
    Tcp,
    Postgres,
    Command,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Http, Kind::Tcp, Kind::Postgres, Kind::Command];

    /// Its word in the configuration (`type = "…"`), the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::Tcp => "tcp",
            Kind::Postgres => "postgres",
            Kind::Command => "command",
        }
    }

    /// The kind that a word names.
    pub fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.as_str() == word)
    }
}

/// How often and how long. The arithmetic of the history depends on it, so its changes are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cadence {
    /// From the start of one check to the start of the next, in milliseconds, at least 1.
    pub interval_ms: i64,
    /// A check's hard deadline, in milliseconds, at most the interval.
    pub timeout_ms: i64,
    /// Between rechecks, in milliseconds, at most the interval.
    pub retry_interval_ms: i64,
}

impl Cadence {
    /// The longest time that one result speaks for: 2 × interval + timeout.
    pub fn validity_ms(&self) -> i64 {
        2 * self.interval_ms + self.timeout_ms
    }
}

/// How many contradicting checks in a row change the status. Both at least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thresholds {
    pub failure: u32,
    pub success: u32,
}

/// A service as the configuration describes it, less the way it is probed.
#[derive(Clone, PartialEq, Debug)]
pub struct Service {
    /// Unique, and its identity in the history.
    pub name: String,
    pub group: Option<String>,
    pub description: Option<String>,
    pub kind: Kind,
    /// What is watched, in words, without credentials: a URL, an address, a command line.
    pub target: String,
    /// Whether the whole is `unhealthy` when this is down, or only `degraded`.
    pub critical: bool,
    /// A service that is not enabled is `paused`.
    pub enabled: bool,
    pub cadence: Cadence,
    pub thresholds: Thresholds,
    /// Passed checks slower than this are `degraded`, in milliseconds.
    pub degraded_after_ms: Option<i64>,
    /// The share of time in which it is to be up, in per cent: above 0, below 100.
    pub objective: Option<f64>,
}
