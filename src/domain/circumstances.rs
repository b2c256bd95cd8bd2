//! What is known when an incident is confirmed, beside the incident itself: how it was confirmed, and what else is failing.

use super::{
    incident::{Outage, TOGETHER_MS},
    time::UnixMs,
};

/// Services that are named.
const NAMED: usize = 5;

/// What messages about an incident say of its surroundings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Circumstances {
    /// After so many failed checks in a row it was confirmed.
    pub checks: u32,
    /// Other services whose checks failed then, at most five: first those that began to fail within a minute of it, in that
    /// order, then the rest, the latest first.
    pub failing: Vec<String>,
    /// How many more there were.
    pub more: usize,
    /// Of it and those that began to fail within a minute of it, which did so first, and when. `None`: it is alone.
    pub first: Option<(String, UnixMs)>,
}

impl Circumstances {
    /// Those of `outage` among all outages that last, in the order in which they began ([`in_order`]).
    pub fn new<O: AsRef<Outage>>(outage: &Outage, checks: u32, lasting: &[O]) -> Circumstances {
        let (from, to) = (outage.started_at.plus(-TOGETHER_MS), outage.started_at.plus(TOGETHER_MS));
        let from = lasting.partition_point(|other| other.as_ref().started_at < from);
        let to = lasting.partition_point(|other| other.as_ref().started_at <= to).max(from);
        let (before, together, after) = (&lasting[..from], &lasting[from..to], &lasting[to..]);
        let is_other = |other: &&Outage| other.service != outage.service;
        let in_turn = together.iter().chain(after.iter().rev()).chain(before.iter().rev()).map(AsRef::as_ref);
        let failing: Vec<String> = in_turn.filter(is_other).take(NAMED).map(|other| other.service.clone()).collect();
        let first = together.iter().map(AsRef::as_ref).find(is_other).map(|other| {
            let first = if order(other) < order(outage) { other } else { outage };
            (first.service.clone(), first.started_at)
        });
        let own = lasting.binary_search_by_key(&order(outage), |other| order(other.as_ref())).is_ok();
        Circumstances { checks, more: lasting.len() - usize::from(own) - failing.len(), failing, first }
    }
}

/// Sorts outages by when they began.
pub fn in_order<O: AsRef<Outage>>(lasting: &mut [O]) {
    lasting.sort_by_key(|outage| order(outage.as_ref()));
}

fn order(outage: &Outage) -> (UnixMs, i64) {
    (outage.started_at, outage.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        check::{Class, PhaseTimes, Reason},
        incident::Cause,
    };
    use std::sync::Arc;

    fn outage(service: &str, started_at: i64) -> Arc<Outage> {
        let reason = Reason { class: Class::Connect, phase: None, message: "refused".to_owned() };
        let cause = Cause { reason, http_status: None, latency_us: None, phases: PhaseTimes::default(), excerpt: None };
        Arc::new(Outage {
            id: started_at,
            service: service.to_owned(),
            last_ok_at: None,
            started_at: UnixMs(started_at),
            confirmed_at: None,
            ended_at: None,
            down_ms: 0,
            checks_failed: 1,
            cause,
            left_open: false,
            note: None,
        })
    }

    #[test]
    fn what_failed_within_a_minute_comes_first_and_in_its_order() {
        let (api, db) = (outage("api", 1_000_000), outage("db", 940_000));
        let mut all = [outage("old", 1), outage("web", 1_060_000), db.clone(), outage("late", 1_060_001), api.clone()];
        in_order(&mut all);
        let of_api = Circumstances::new(&api, 3, &all);
        assert_eq!(of_api.failing, ["db", "web", "late", "old"]);
        assert_eq!((of_api.more, of_api.first), (0, Some(("db".to_owned(), UnixMs(940_000)))));
        let of_db = Circumstances::new(&db, 3, &all);
        assert_eq!(of_db.first, Some(("db".to_owned(), UnixMs(940_000))), "it may be the first itself");
    }

    #[test]
    fn many_are_counted_and_what_is_alone_has_no_first() {
        let api = outage("api", 1_000_000);
        let mut all: Vec<_> = (0..9).map(|i| outage(&format!("s{i}"), i)).chain([api.clone()]).collect();
        in_order(&mut all);
        let of_api = Circumstances::new(&api, 1, &all);
        assert_eq!((of_api.failing.len(), of_api.more, of_api.first), (5, 4, None));
        let alone = Circumstances::new(&api, 1, std::slice::from_ref(&api));
        assert_eq!((alone.failing.len(), alone.more, alone.first), (0, 0, None));
    }
}
