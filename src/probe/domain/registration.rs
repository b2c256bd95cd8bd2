//! What is known of a registration.

use crate::{
    domain::{
        check::{Class, Phase, Reason},
        time::UnixMs,
    },
    probe::{text::counted, trace::Fault},
};

/// What a registry says of a domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Registration {
    pub(super) ends: Option<UnixMs>,
    /// In small letters, without spaces: `clienthold`.
    pub(super) statuses: Vec<String>,
}

/// What a registry answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Known {
    Registered(Registration),
    /// There is no such domain.
    Free,
}

impl Registration {
    pub(super) fn status(text: &str) -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    }
}

impl Known {
    /// What that means at `now`.
    pub(super) fn judge(
        &self,
        domain: &str,
        now: UnixMs,
        degraded_days: u32,
        min_days: u32,
    ) -> Result<Option<Reason>, Fault> {
        let failed = |message: String| Err(Fault::new(Class::Content, Some(Phase::Body), message));
        let registration = match self {
            Known::Free => return failed(format!("the domain {domain} is not registered")),
            Known::Registered(registration) => registration,
        };
        for (status, words) in [
            ("pendingdelete", "is about to be deleted"),
            ("redemptionperiod", "has expired, and can only be restored by its registrar"),
            ("clienthold", "is on hold: its registrar took it out of the DNS"),
            ("serverhold", "is on hold: its registry took it out of the DNS"),
        ] {
            if registration.statuses.iter().any(|known| known == status) {
                return failed(format!("the domain {domain} {words}"));
            }
        }
        let Some(ends) = registration.ends else {
            let message = format!("the registry does not say until when {domain} is registered");
            return Err(Fault::ours(Some(Phase::Body), message));
        };
        let days = ends.since(now).div_euclid(86_400_000);
        let message = match days {
            ..0 => return failed(format!("the registration of {domain} has expired")),
            0 => format!("the registration of {domain} expires in less than a day"),
            _ => format!("the registration of {domain} expires in {}", counted(days.unsigned_abs(), "day")),
        };
        if days < i64::from(min_days) {
            return failed(message);
        }
        let degraded = days < i64::from(degraded_days);
        Ok(degraded.then_some(Reason { class: Class::Content, phase: Some(Phase::Body), message }))
    }
}
