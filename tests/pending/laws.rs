//! A history that cannot be written for a while, at any moment and as often as one likes: what comes of it is the same.

use super::{BEGIN, begin, fails, heals, shown};
use crate::support::{
    history::{History, service},
    law,
    past::differences,
};
use healthcheck_dashboard::{
    domain::status::Status,
    store::{Attempt, Event, SentMessage},
};
use proptest::prelude::*;
use rusqlite::Connection;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

const CHANNEL: &str = "webhook";
const NAMES: [&str; 2] = ["web", "api"];

#[derive(Clone, Debug)]
enum Step {
    /// Ten seconds later both services are checked.
    Check([char; 2]),
    /// From now on nothing can be written,
    Fail,
    /// or it can again.
    Heal,
    /// The program ends, with whatever waits, and is started again where it can write.
    Restart,
    /// From now on whoever is to be told can be reached, or not.
    Reachable(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Runs of the same outcome, so that something is confirmed and something ends.
    let letter = || prop::sample::select(vec!['.', '.', 'x', 'x', '~', '?']);
    let checks = ([letter(), letter()], 1..5_usize).prop_map(|(letters, times)| vec![Step::Check(letters); times]);
    let step = prop_oneof![
        8 => checks,
        2 => Just(vec![Step::Fail]),
        1 => Just(vec![Step::Heal]),
        1 => any::<bool>().prop_map(|reachable| vec![Step::Reachable(reachable)]),
    ];
    prop::collection::vec(step, 4..25).prop_map(|steps| steps.concat())
}

/// With an end of the program in it. (Of several, each while nothing can be written and nobody can be told, an end of an
/// incident may be told to nobody: `store::ahead` says why.)
fn steps_with_a_restart() -> impl Strategy<Value = Vec<Step>> {
    (steps(), any::<prop::sample::Index>()).prop_map(|(mut steps, place)| {
        steps.insert(place.index(steps.len()), Step::Restart);
        steps
    })
}

/// What somebody was told: the service, what happened, when the incident began, and the event's id.
type Told = (String, Event, i64, String);

struct Run {
    history: Option<History>,
    checks: i64,
    failing: bool,
    reachable: bool,
    settled: HashSet<String>,
    told: Vec<Told>,
}

impl Run {
    fn start() -> Run {
        let history = Some(History::new(BEGIN, NAMES.map(service).to_vec()));
        Run { history, checks: 0, failing: false, reachable: true, settled: HashSet::new(), told: Vec::new() }
    }

    fn history(&self) -> &History {
        self.history.as_ref().unwrap()
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Check(letters) => self.check(*letters).await,
            Step::Fail if !self.failing => {
                fails(&self.history().path());
                self.failing = true;
            }
            Step::Heal if self.failing => {
                heals(&self.history().path());
                self.failing = false;
            }
            Step::Restart => {
                let (history, failing) = (self.history.take().unwrap(), std::mem::take(&mut self.failing));
                let mend = |path: &Path| {
                    if failing {
                        heals(path)
                    }
                };
                self.history = Some(history.meanwhile(NAMES.map(service).to_vec(), mend).await.0);
                self.settled.clear();
            }
            Step::Reachable(reachable) => self.reachable = *reachable,
            Step::Fail | Step::Heal => {}
        }
        self.tell().await;
    }

    async fn check(&mut self, letters: [char; 2]) {
        let at = begin().plus(self.checks * 10_000);
        self.checks += 1;
        let history = self.history.as_mut().unwrap();
        history.at(at.plus(100));
        for (name, letter) in NAMES.into_iter().zip(letters) {
            history.checks(name, at, &letter.to_string());
        }
        for name in NAMES {
            shown(history, name, at).await;
        }
    }

    /// Does what the loop of the alerts does.
    async fn tell(&mut self) {
        while self.reachable {
            let history = self.history.as_ref().unwrap();
            let known = |id: &str| self.settled.contains(id);
            let stored = history.store.reader.pending_events(CHANNEL, 1, &known).unwrap().into_iter().next();
            let unstored = |owed| history.store.writer.unstored_events(CHANNEL, owed, &known).into_iter().next();
            let Some(event) = unstored(true).or(stored).or_else(|| unstored(false)) else {
                return;
            };
            let channel = CHANNEL.into();
            let message = Some(SentMessage { id: event.event_id.clone(), ..SentMessage::default() });
            history.store.writer.telling(&event, &channel).await;
            let incident = event.incident().expect("nothing else is announced");
            let outage = &incident.outage;
            self.told.push((outage.service.clone(), incident.event, outage.started_at.0, event.event_id.clone()));
            self.settled.insert(event.event_id.clone());
            history.store.writer.attempted(&[event], &channel, message, Attempt::Delivered).await;
        }
    }

    fn statuses(&self) -> [Status; 2] {
        let now = self.history().clock.now();
        NAMES.map(|name| self.history().store.live.get(name).unwrap().status(now))
    }

    /// Lets everything come right; the file.
    async fn end(&mut self) -> std::path::PathBuf {
        for step in [Step::Heal, Step::Reachable(true)] {
            self.step(&step).await;
        }
        for _ in 0..3 {
            self.step(&Step::Check(['.', '.'])).await;
            self.history().committed().await;
            self.tell().await;
        }
        self.history().committed().await;
        // Then the newest results lie where they stay.
        self.step(&Step::Restart).await;
        self.history().path()
    }

    /// What was told of a service, without the ids.
    fn told(&self, name: &str) -> Vec<(Event, i64)> {
        let of = self.told.iter().filter(|(service, ..)| service == name);
        of.map(|(_, event, started_at, _)| (*event, *started_at)).collect()
    }
}

fn all(path: &Path, query: &str) -> Vec<String> {
    let sql = Connection::open(path).unwrap();
    let mut statement = sql.prepare(query).unwrap();
    let columns = statement.column_count();
    let row =
        |row: &rusqlite::Row<'_>| (0..columns).map(|i| row.get(i)).collect::<Result<Vec<rusqlite::types::Value>, _>>();
    statement.query_map([], row).unwrap().map(|row| format!("{:?}", row.unwrap())).collect()
}

/// What the history holds, but for the numbers of outages, which are given as they are seen.
fn held(path: &Path) -> Vec<Vec<String>> {
    [
        "SELECT service_id, started_at, last_ok_at, confirmed_at, ended_at, down_ms, checks_failed FROM outage ORDER BY 1, 2",
        "SELECT service_id, at, outcome FROM check_result ORDER BY 1, 2",
        "SELECT * FROM gap ORDER BY 1, 2",
    ]
    .map(|query| all(path, query))
    .to_vec()
}

fn run(future: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

/// No event is told twice, and nobody of two beginnings without an end between. What was told and lost may go on as an
/// incident that began before: then `lost` allows the end to have that one's number.
fn in_order(run: &Run, lost: bool) -> Result<(), TestCaseError> {
    let ids: HashSet<&String> = run.told.iter().map(|(.., id)| id).collect();
    prop_assert_eq!(ids.len(), run.told.len(), "{:?}", &run.told);
    let mut open: HashMap<&str, &str> = HashMap::new();
    for (service, event, _, id) in &run.told {
        let incident = id.rsplit_once('-').unwrap().0;
        let before = match event {
            Event::Confirmed => open.insert(service, incident),
            Event::Reminder(_) => None,
            Event::Resolved => open.remove(service.as_str()).filter(|open| !lost && *open != incident),
        };
        prop_assert_eq!(before, None, "{:?}", &run.told);
    }
    prop_assert_eq!(open, HashMap::new(), "everything ended: {:?}", &run.told);
    Ok(())
}

proptest! {
    #![proptest_config(law(30, "tests/proptest-regressions/pending.txt"))]

    #[test]
    fn a_store_that_fails_and_recovers_changes_nothing(steps in steps()) {
        run(async {
            let (mut smooth, mut rough) = (Run::start(), Run::start());
            for step in &steps {
                rough.step(step).await;
                if let Step::Check(_) = step {
                    smooth.step(step).await;
                }
                prop_assert_eq!(smooth.statuses(), rough.statuses());
            }
            let (smooth_path, rough_path) = (smooth.end().await, rough.end().await);
            prop_assert_eq!(held(&smooth_path), held(&rough_path));
            for name in NAMES {
                prop_assert_eq!(smooth.told(name), rough.told(name), "{}", name);
            }
            in_order(&rough, false)
        })?;
    }

    #[test]
    fn what_was_lost_is_a_gap_and_nobody_is_told_twice(steps in steps_with_a_restart()) {
        run(async {
            let mut rough = Run::start();
            for step in &steps {
                rough.step(step).await;
            }
            let path = rough.end().await;
            in_order(&rough, true)?;
            // All that stands there follows from the results that do, and what is between them is a gap.
            prop_assert_eq!(rough.statuses(), [Status::Up; 2]);
            prop_assert_eq!(differences(&path), vec![]);
            Ok(())
        })?;
    }
}
