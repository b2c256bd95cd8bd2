//! The maintenance that the configuration announces: noted in the history when it happens.

use crate::{
    calendar::{Planned, Rule, Timetable},
    domain::{time::UnixMs, window::Window},
    live::ServiceId,
    store::{
        Result,
        tables::maintenance::{
            Maintenance, Source, Which, end, list, overlay, services_of, take_back, whole_at, write,
        },
    },
};
use rusqlite::Connection;
use std::{collections::HashMap, sync::Arc};

/// What the configuration announces, with the numbers of the services, and up to when it has been noted.
#[derive(Debug)]
pub(in crate::store) struct Plan {
    planned: Vec<(Planned, Option<Vec<ServiceId>>)>,
    noted_until: UnixMs,
}

impl Plan {
    /// Nothing is announced.
    pub(in crate::store) fn none() -> Plan {
        Plan { planned: Vec::new(), noted_until: UnixMs(0) }
    }

    /// At the beginning of a run: notes what is on now, and what happened since `seen_until`, up to which the runs before
    /// this one have seen and judged: that must not be judged anew. What had been noted and is announced no longer ends
    /// now.
    pub(in crate::store) fn begin(
        conn: &Connection,
        planned: Vec<Planned>,
        ids: &HashMap<String, ServiceId>,
        seen_until: Option<UnixMs>,
        now: UnixMs,
    ) -> Result<Plan> {
        let planned: Vec<(Planned, Option<Vec<ServiceId>>)> = planned
            .into_iter()
            .map(|planned| {
                let services = planned.services.as_ref().map(|names| {
                    let mut numbers: Vec<ServiceId> = names.iter().filter_map(|name| ids.get(name).copied()).collect();
                    numbers.sort();
                    numbers
                });
                (planned, services)
            })
            .collect();
        let since = seen_until.unwrap_or(now).min(now);
        let Some(missed) = Window::new(since, now.plus(1)) else {
            return Ok(Plan { planned, noted_until: now.plus(1) });
        };
        let mut expected: Vec<(Window, &Planned, &Option<Vec<ServiceId>>)> = planned
            .iter()
            .flat_map(|(planned, services)| {
                planned.rule.windows(missed).into_iter().map(move |w| (w, planned, services))
            })
            .collect();
        for one in list(conn, Some(missed))? {
            if one.source != Source::Config || one.taken_back_at.is_some() {
                continue;
            }
            let services = services_of(conn, one.id, one.services.is_some())?;
            let same = expected.iter().position(|(w, planned, expected)| {
                w.to() == one.window.to()
                    && w.from() <= one.window.from()
                    && planned.reason == one.reason
                    && **expected == services
            });
            match same {
                Some(same) => drop(expected.swap_remove(same)),
                None if one.window.to() > now => cut(conn, &one, now)?,
                None => {}
            }
        }
        expected.sort_by_key(|(w, ..)| (w.from(), w.to()));
        for (window, planned, services) in expected {
            if let Some(window) = Window::new(window.from().max(since), window.to()) {
                write(conn, window, Source::Config, services.as_deref(), &planned.reason, now)?;
            }
        }
        Ok(Plan { planned, noted_until: now.plus(1) })
    }

    /// The timetable of one service from now on. What was noted is needed from `from` on.
    pub(in crate::store) fn timetable(&self, conn: &Connection, service: ServiceId, from: UnixMs) -> Result<Timetable> {
        // Windows that touch are one, also where the first of them are over.
        let begun = whole_at(conn, service, from, Which::Announced)?;
        let from = begun.windows().first().map_or(from, |window| window.from().min(from));
        let Some(noted) = Window::new(from, UnixMs::MAX) else { return Ok(Timetable::default()) };
        let announced = overlay(conn, service, noted, Which::Announced)?;
        let all = overlay(conn, service, noted, Which::All)?;
        let rules: Vec<Arc<Rule>> = self
            .planned
            .iter()
            .filter(|(_, services)| services.as_ref().is_none_or(|services| services.contains(&service)))
            .map(|(planned, _)| planned.rule.clone())
            .collect();
        Ok(Timetable::new(announced, all, self.noted_until, rules))
    }

    /// Notes the windows that begin before `until` and have not been noted; up to when it is noted then.
    pub(in crate::store) fn note(&self, conn: &Connection, until: UnixMs, now: UnixMs) -> Result<UnixMs> {
        let Some(passed) = Window::new(self.noted_until, until) else { return Ok(self.noted_until) };
        for (planned, services) in &self.planned {
            for window in planned.rule.windows(passed).into_iter().filter(|w| passed.contains(w.from())) {
                write(conn, window, Source::Config, services.as_deref(), &planned.reason, now)?;
            }
        }
        Ok(until)
    }

    /// After the commit: up to here everything is noted.
    pub(in crate::store) fn noted(&mut self, until: UnixMs) {
        self.noted_until = until;
    }
}

/// A window that is announced no longer ends now; one that would only begin is taken back.
fn cut(conn: &Connection, one: &Maintenance, now: UnixMs) -> Result<()> {
    if one.window.from() < now { end(conn, one.id, now) } else { take_back(conn, one.id, now) }
}
