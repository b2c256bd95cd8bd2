//! Who is notified of the beginning or the end of an incident: what the routes say, less what silences, flapping, and failed
//! dependencies keep quiet.

use super::{ahead::Ahead, context::Context, latest::Latest, respond::Quiet};
use crate::{
    domain::{circumstances::Circumstances, incident::Outage, service::Kind, time::UnixMs},
    live::{ServiceId, ServiceNow},
    routing::{AlertKind, ChannelName, Facts, Routing},
    store::{
        Result,
        tables::{
            circumstances, outages,
            outbox::{self, Event},
            responses,
        },
    },
};
use std::sync::Arc;

/// An event of an incident, while its transaction is open.
#[derive(Debug)]
pub(super) struct IncidentNow {
    pub(super) service: Arc<ServiceNow>,
    pub(super) event: Event,
    pub(super) outage: Arc<Outage>,
}

/// After the timeout of a dependency, how much longer its check is waited for: for its place among the others.
const SPARE_MS: i64 = 5_000;

/// Whether it is known how a dependency is since a service that depends on it began to fail, or has been waited for long
/// enough: its check is made when the service fails, and has as long as its timeout.
pub fn is_looked_at(dependency: &ServiceNow, outage: &Outage, now: UnixMs) -> bool {
    // Who reports by itself cannot be asked.
    let can_be_asked = dependency.service.enabled && dependency.service.kind != Kind::Push;
    let Some((last, _)) = dependency.judged.filter(|_| can_be_asked) else { return true };
    let began = outage.confirmed_at.unwrap_or(outage.started_at);
    last >= outage.started_at || now >= began.plus(dependency.service.cadence.timeout_ms + SPARE_MS)
}

/// Whether somebody is told of the failure of a dependency, so that nobody has to be told of what fails behind it. In
/// maintenance nobody is told of it either, but it was announced.
pub fn is_told_elsewhere(routing: &Routing, dependency: &ServiceNow, now: UnixMs) -> bool {
    let facts = match dependency.outage.as_deref() {
        Some(outage) => Facts::of(AlertKind::Down, &dependency.service, outage),
        None => Facts::of_service(AlertKind::Down, &dependency.service, now),
    };
    dependency.timetable.contains(now) || !routing.channels(&facts).is_empty()
}

impl Ahead {
    /// Whether somebody is told of the failure of a dependency.
    pub(super) fn tells(&self, dependency: &ServiceNow, now: UnixMs) -> bool {
        is_told_elsewhere(&self.routing(), dependency, now)
    }
}

impl Context<'_> {
    /// Notifies channels of an event. Returns whether there is one.
    pub(super) fn notify(&self, incident: &IncidentNow, latest: &Latest<'_>) -> Result<bool> {
        let IncidentNow { service, event, outage } = incident;
        let (id, event) = (service.id, *event);
        let facts = Facts::of(event.kind(), &service.service, outage);
        let is_told = |channel: &str| self.ahead.is_told(id, outage.id, event, channel);
        let mut channels = self.routing.channels(&facts);
        let keep_quiet = |marker: &str, why: Quiet| -> Result<()> {
            responses::note_silenced(self.conn, id, outage.started_at, marker, self.now)?;
            self.quiet.borrow_mut().push(((id, outage.started_at), why));
            Ok(())
        };
        match event {
            Event::Resolved if responses::is_quiet(self.conn, id, outage.started_at)? => {
                // While it flapped, only those were notified who are not told that.
                let mut begun = Vec::new();
                for channel in channels {
                    if is_told(&channel) || outbox::has_beginning(self.conn, outage.id, &channel)? {
                        begun.push(channel);
                    }
                }
                channels = begun;
            }
            Event::Resolved => {
                let late = outbox::told_late(self.conn, outage.id)?;
                let wants = |name: &&String| self.routing.recipient(name).is_some_and(|one| one.wants(facts.kind));
                let late = late.iter().filter(wants).map(|name| ChannelName::from(name.as_str()));
                let late: Vec<ChannelName> = late.filter(|name| !channels.contains(name)).collect();
                channels.extend(late);
            }
            _ => {
                // Who was notified ahead of the commit knows of it.
                if let Some(silence) = self.responses.silenced(&facts, self.now) {
                    keep_quiet(&silence.id, Quiet::Silenced)?;
                    channels.retain(|channel| is_told(channel));
                } else if let Some(dependency) = self.failed_dependency(service, outage, |id| latest.find(id))? {
                    keep_quiet(&responses::behind(&dependency.service.name), Quiet::Behind)?;
                    channels.retain(|channel| is_told(channel));
                } else if let Some(others) = self.routing.while_flapping(service.flapping.is_on(), &facts) {
                    keep_quiet(responses::FLAPPING, Quiet::Flapping)?;
                    channels.retain(|channel| is_told(channel) || !others.contains(channel));
                }
            }
        }
        // Also where nobody is notified now: an escalation, or the end of a silence, may notify somebody later.
        // A message that went out ahead of the commit said nothing of it, and no other may differ from it.
        if event == Event::Confirmed && !self.routing.channels.is_empty() && !self.ahead.knows(id, outage.id) {
            let known = Circumstances::new(outage, service.service.thresholds.failure, latest.lasting());
            circumstances::write(self.conn, outage.id, &known)?;
        }
        outbox::add(self.conn, &channels, outage.id, event, None, self.now, is_told)?;
        Ok(!channels.is_empty())
    }

    /// The dependency that had failed when an incident was confirmed, the first cause where there are several; or one of
    /// which that is not known yet.
    fn failed_dependency(
        &self,
        service: &ServiceNow,
        outage: &Outage,
        find: impl Fn(ServiceId) -> Option<Arc<ServiceNow>>,
    ) -> Result<Option<Arc<ServiceNow>>> {
        let at = outage.confirmed_at.unwrap_or(outage.started_at);
        let tells = |one: &Arc<ServiceNow>| is_told_elsewhere(self.routing, one, self.now);
        if let Some(first) = service.failed_dependencies(self.now, &find).into_iter().find(tells) {
            return Ok(Some(first));
        }
        for dependency in service.depends_on.iter().filter_map(|id| find(*id)) {
            // In this commit, or before it where the history could not be written, it may have recovered since.
            let recovered = dependency.last.as_ref().is_some_and(|last| last.at > at)
                && outages::was_open(self.conn, dependency.id, at)?;
            if (recovered || !is_looked_at(&dependency, outage, self.now)) && tells(&dependency) {
                return Ok(Some(dependency));
            }
        }
        Ok(None)
    }
}
