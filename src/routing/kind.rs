//! What a notification is about, and how bad it is.

use crate::domain::service::Service;
use serde::{Deserialize, Serialize};

/// What a notification is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertKind {
    /// An incident is confirmed, lasts, or is escalated.
    Down,
    /// An incident is over.
    Resolved,
    /// A service has been degraded for a while.
    Degraded,
    /// A certificate is about to end.
    Certificate,
    /// A service changes between up and down too often.
    Flapping,
    /// The monitor was away, or nothing was stored, for a while.
    Gap,
    /// The error budget of an objective is being spent too fast.
    Slo,
    /// The review of a period.
    Report,
    /// The monitor itself has a problem, or has it no more.
    Monitor,
    /// Nothing is wrong: the message proves that a channel works. It goes to every channel, so that no route names it.
    Drill,
}

impl AlertKind {
    /// Whether it is about the monitor, or about all services: no service decides where it goes.
    pub fn is_about_no_service(self) -> bool {
        matches!(self, AlertKind::Gap | AlertKind::Report | AlertKind::Monitor | AlertKind::Drill)
    }

    /// All kinds that a configuration names.
    pub const ALL: [AlertKind; 9] = [
        AlertKind::Down,
        AlertKind::Resolved,
        AlertKind::Degraded,
        AlertKind::Certificate,
        AlertKind::Flapping,
        AlertKind::Gap,
        AlertKind::Slo,
        AlertKind::Report,
        AlertKind::Monitor,
    ];

    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertKind::Down => "down",
            AlertKind::Resolved => "resolved",
            AlertKind::Degraded => "degraded",
            AlertKind::Certificate => "certificate",
            AlertKind::Flapping => "flapping",
            AlertKind::Gap => "gap",
            AlertKind::Slo => "slo",
            AlertKind::Report => "report",
            AlertKind::Monitor => "monitor",
            AlertKind::Drill => "drill",
        }
    }

    /// The kind that a word names.
    pub fn parse(word: &str) -> Option<AlertKind> {
        AlertKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How bad it is: `critical` where the service is critical, `warning` where it is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Critical,
    Warning,
}

impl Severity {
    /// Its word in the configuration and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        }
    }

    /// That of an incident of a service.
    pub fn of(service: &Service) -> Severity {
        if service.critical { Severity::Critical } else { Severity::Warning }
    }

    /// That of an alert of a kind about a service: what does not fail yet is no more than a warning.
    pub fn of_kind(kind: AlertKind, service: &Service) -> Severity {
        match kind {
            AlertKind::Down | AlertKind::Resolved | AlertKind::Flapping | AlertKind::Slo => Severity::of(service),
            AlertKind::Degraded | AlertKind::Certificate | AlertKind::Gap => Severity::Warning,
            AlertKind::Report | AlertKind::Drill => Severity::Warning,
            AlertKind::Monitor => Severity::Critical,
        }
    }
}
