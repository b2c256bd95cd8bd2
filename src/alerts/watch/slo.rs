//! `slo`: the error budget of an objective is being spent too fast, and is not any more.

use super::{ledger::Ledger, round::Round};
use crate::{
    domain::{
        burn::{BUDGET_MS, BURN_RULES, BurnRule, LONGEST_SHORT_MS, burn_rate},
        status::Status,
        time::{MINUTE_MS, UnixMs},
        uptime::Budget,
        window::Window,
    },
    format,
    history::{as_of::service_page, figures},
    live::{ServiceId, ServiceNow},
    routing::{AlertKind, Announcement, Facts, Severity},
    store::{OutageFilter, OutageKind, Result},
};
use std::collections::HashMap;

/// How often budgets are looked at: the shortest window is five minutes.
const EVERY_MS: i64 = MINUTE_MS;
/// Incidents that are read at once, at most.
const INCIDENTS: u32 = 10_000;

/// The services that may spend too fast.
#[derive(Default, Debug)]
pub(super) struct Spending {
    /// When it was looked last.
    looked_at: Option<UnixMs>,
    /// How often the live state had changed by then.
    changes: u64,
    /// The latest incident of services that had one lately, and until when it was seen.
    incidents: HashMap<ServiceId, (i64, UnixMs)>,
}

/// # Errors
/// When the history cannot be read.
pub(super) fn look(round: &mut Round<'_>, spending: &mut Spending) -> Result<()> {
    let now = round.now;
    if spending.looked_at.is_some_and(|looked_at| (0..EVERY_MS).contains(&now.since(looked_at))) {
        return Ok(());
    }
    let has_objectives = round.services.iter().any(|service| service.service.objective.is_some());
    if !has_objectives {
        return Ok(());
    }
    spending.see(round)?;
    for service in round.services {
        if let Some(objective) = service.service.objective
            && let Some((outage, _)) = spending.incidents.get(&service.id)
            && matches!(service.status(now), Status::Up | Status::Degraded | Status::Down | Status::Unknown)
        {
            begin(round, service, objective, *outage)?;
        }
    }
    for (event_id, facts, told_at) in round.ledger.open(AlertKind::Slo, "") {
        end(round, &event_id, &facts, told_at)?;
    }
    Ok(())
}

impl Spending {
    /// Takes in the incidents since the last look. Where no status has changed and none is open, none is asked for.
    fn see(&mut self, round: &Round<'_>) -> Result<()> {
        let (now, changes) = (round.now, round.context.live.changes());
        let horizon = now.plus(-LONGEST_SHORT_MS);
        // Until a minute before: what was committed a moment later is found.
        let from = self.looked_at.map_or(horizon, |looked_at| looked_at.plus(-MINUTE_MS).max(horizon));
        if self.looked_at.is_none() || changes != self.changes {
            let window = Window::new(from, now.plus(1));
            let filter = OutageFilter { window, kind: OutageKind::Incidents, ..OutageFilter::default() };
            for outage in round.context.reader.outages(&filter, None, INCIDENTS)?.into_iter().rev() {
                if let Some(service) = round.context.live.get(&outage.service) {
                    self.incidents.insert(service.id, (outage.id, outage.ended_at.unwrap_or(now)));
                }
            }
        }
        for service in round.services {
            if let Some(outage) = service.outage.as_ref().filter(|outage| outage.is_incident()) {
                self.incidents.insert(service.id, (outage.id, now));
            }
        }
        self.incidents.retain(|_, (_, seen)| *seen >= horizon);
        (self.looked_at, self.changes) = (Some(now), changes);
        Ok(())
    }
}

fn down_ms(round: &Round<'_>, service: ServiceId, length_ms: i64) -> Result<i64> {
    figures::confirmed_down_ms(&round.context.reader, service, Window::ending(round.now, length_ms), round.now)
}

/// Announces the most urgent rule that is met, unless a more urgent one was announced because of the same incident, or is
/// not over.
fn begin(round: &mut Round<'_>, service: &ServiceNow, objective: f64, outage: i64) -> Result<()> {
    for rule in &BURN_RULES {
        let stem = format!("{}-{}-", service.id.0, rule.word);
        let event_id = round.ledger.id(AlertKind::Slo, &format!("{stem}{outage}"));
        if round.ledger.is_open(AlertKind::Slo, &stem) || round.ledger.has(&event_id) {
            return Ok(());
        }
        if !rule.goes_on(objective, down_ms(round, service.id, rule.short_ms)?) {
            continue;
        }
        let long_down_ms = down_ms(round, service.id, rule.long_ms)?;
        if !rule.matters(objective, long_down_ms) {
            continue;
        }
        let facts = facts(service, rule, round.now);
        let budget = Budget::new(objective, BUDGET_MS, down_ms(round, service.id, BUDGET_MS)?);
        let spent = Spent { service, objective, rule, long_down_ms, budget };
        let announcement = spent.announcement(round, false, &event_id, facts.severity);
        let channels = round.recipients(&facts);
        round.announce(event_id, announcement, channels);
        return Ok(());
    }
    Ok(())
}

fn end(round: &mut Round<'_>, event_id: &str, facts: &str, told_at: UnixMs) -> Result<()> {
    let mut parts = facts.split('-');
    let (Some(id), Some(word)) = (parts.next().and_then(|id| id.parse().ok()), parts.next()) else { return Ok(()) };
    let (Some(service), Some(rule)) = (round.service(id), BurnRule::named(word)) else { return Ok(()) };
    let service = service.clone();
    // Of a service that has no objective any more nothing can be told.
    let Some(objective) = service.service.objective else { return Ok(()) };
    let long_down_ms = down_ms(round, service.id, rule.long_ms)?;
    if rule.matters(objective, long_down_ms) {
        return Ok(());
    }
    let facts = self::facts(&service, rule, told_at);
    let budget = Budget::new(objective, BUDGET_MS, down_ms(round, service.id, BUDGET_MS)?);
    let spent = Spent { service: &service, objective, rule, long_down_ms, budget };
    let announcement = spent.announcement(round, true, event_id, facts.severity);
    let channels = round.recipients(&facts);
    round.announce(Ledger::end_of(event_id), announcement, channels);
    Ok(())
}

fn facts<'a>(service: &'a ServiceNow, rule: &BurnRule, at: UnixMs) -> Facts<'a> {
    let facts = Facts::of_service(AlertKind::Slo, &service.service, at);
    let severity = if rule.is_slow { Severity::Warning } else { facts.severity };
    Facts { severity, ..facts }
}

/// What was spent.
struct Spent<'a> {
    service: &'a ServiceNow,
    objective: f64,
    rule: &'a BurnRule,
    long_down_ms: i64,
    budget: Budget,
}

impl Spent<'_> {
    fn announcement(&self, round: &Round<'_>, is_over: bool, key: &str, severity: Severity) -> Announcement {
        let Spent { service, objective, rule, long_down_ms, budget } = self;
        let (name, group) = (&service.service.name, &service.service.group);
        let rate = burn_rate(*objective, rule.long_ms, *long_down_ms);
        let (long, down) = (format::duration(rule.long_ms), format::duration(*long_down_ms));
        let share = format!("{:.0} %", (budget.burn_rate * 100.0).min(9_999.0));
        let lasts = budget.lasts_ms(BUDGET_MS, rate).map(format::duration);
        let (title, text) = match (is_over, lasts) {
            (true, _) => (
                format!("[OK] {name}: the error budget is not spent too fast any more"),
                if *long_down_ms == 0 {
                    format!("{name} was not down in the last {long}; {share} of its error budget is spent.")
                } else {
                    format!("{name} was down for {down} in the last {long}; {share} of its error budget is spent.")
                },
            ),
            (false, lasts) => {
                let (title, rest) = match lasts {
                    Some(lasts) => {
                        (format!("lasts {lasts} at this rate"), format!("the rest lasts {lasts} at this rate"))
                    }
                    None => ("is spent".to_owned(), "nothing is left".to_owned()),
                };
                let text = format!(
                    "{name} was down for {down} in the last {long}, which spends its error budget {} times too fast: {share} \
                     of it is spent, and {rest}.",
                    rounded(rate)
                );
                (format!("[SLO] {name}: the error budget {title}"), text)
            }
        };
        let mut details = vec![
            ("objective".to_owned(), format!("{} % over 30 days", format::trimmed(*objective))),
            (
                "spent".to_owned(),
                format!("{} of {}", format::duration(budget.spent_ms), format::duration(budget.total_ms)),
            ),
            (
                "burn rate".to_owned(),
                format!("{} over {long}; too fast from {} on", rounded(rate), format::trimmed(rule.factor)),
            ),
        ];
        details.extend(group.clone().map(|group| ("group".to_owned(), group)));
        details.push(("at".to_owned(), round.time(round.now)));
        Announcement {
            kind: AlertKind::Slo,
            is_over,
            key: key.to_owned(),
            service: Some(name.clone()),
            group: group.clone(),
            severity,
            title,
            text,
            details,
            page: Some(service_page(name)),
            report: None,
        }
    }
}

/// A burn rate for people.
fn rounded(rate: f64) -> String {
    if rate < 10.0 { format::trimmed((rate * 10.0).round() / 10.0) } else { format!("{rate:.0}") }
}
