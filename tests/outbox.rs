//! The law of the outbox: the program killed at random moments of confirm, send, answer and resolve, beside receivers that
//! answer late, fail, hang and hang up. Whatever the history has arrives everywhere it belongs, and nothing else does.

mod receiver;

use self::receiver::{Receiver, Told};
use crate::support::{
    binary::{Serving, run, stdout, wait_for},
    target::{Does, Target},
};
use healthcheck_dashboard::{clock::Clock, domain::time::UnixMs};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

/// Programs side by side.
const INSTANCES: u64 = 4;
/// Services of each. The first half is in the group `db`, which alone the channel `webhook` is for.
const SERVICES: u64 = 6;

/// How often all of them are killed together: so often, or as HISTORY_KILLS says.
fn kills() -> u64 {
    std::env::var("HISTORY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

/// Numbers that look random and are the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Each event by itself, groups, and a receiver that keeps alerts until they are resolved.
const CHANNELS: [&str; 3] = ["webhook", "ops", "pager"];

/// A receiver that keeps alerts by their keys, and gets all that is known.
const PAGER: &str = "title = \"Pager\"\nurl = \"{{ channel.webhook }}\"\naccepted = \"200-299\"\nkeeps_state = true\n\
                     [settings.webhook]\nhelp = \"an address\"\n+++\n{{ notice|safe }}";

fn configure(folder: &Path, target: &Target, receiver: &Receiver) {
    let hook = |channel: &str| format!("http://{}/{channel}", receiver.address);
    // What flaps is one notice, and not each incident.
    let mut config = format!(
        "[checks]\ninterval_secs = 0.2\nfailure_threshold = 1\nsuccess_threshold = 1\nflapping = false\n\
         [alerts]\nenabled = true\nwebhook = \"{}\"\ngroup_wait = \"1s\"\ngroup_interval = \"1s\"\nmax_per_hour = 10000\n\
         [[alerts.channels]]\nname = \"ops\"\ntype = \"webhook\"\nwebhook = \"{}\"\n\
         [[alerts.channels]]\nname = \"pager\"\ntemplate = \"pager.template\"\nwebhook = \"{}\"\n\
         [[alerts.routes]]\ngroup = \"db\"\nchannels = [\"webhook\"]\ncontinue = true\n\
         [[alerts.routes]]\nchannels = [\"ops\", \"pager\"]\n",
        hook("webhook"),
        hook("ops"),
        hook("pager"),
    );
    for n in 0..SERVICES {
        let (group, address) = (if n < SERVICES / 2 { "db" } else { "web" }, target.address);
        config +=
            &format!("[[checks.endpoints]]\nname = \"s{n}\"\ngroup = \"{group}\"\nurl = \"http://{address}/{n}\"\n");
    }
    std::fs::write(folder.join("pager.template"), PAGER).unwrap();
    std::fs::write(folder.join("config.toml"), config).unwrap();
}

/// Waits for something that may come, but not for long.
fn wait_a_while(mut there: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    while !there() {
        if since.elapsed() > Duration::from_millis(1_500) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Lets it live for a while and kills it; what it was killed at.
fn live_and_die(folder: &Path, target: &Target, receiver: &Receiver, dice: &mut Dice) -> &'static str {
    let serving = Serving::start(folder);
    // One to three services do something else from now on; the first of them, and how often it was asked before.
    let flip = |dice: &mut Dice, does: Does| {
        let paths: Vec<String> = (0..1 + dice.roll(3)).map(|_| format!("/{}", dice.roll(SERVICES))).collect();
        paths.iter().for_each(|path| target.set(path, does));
        (paths[0].clone(), target.count(&paths[0]))
    };
    let checked = |(path, before): (String, usize)| wait_a_while(|| target.count(&path) > before);
    let (asked, answered) = (receiver.asked(), receiver.answered());
    // What is to happen first, and within how many milliseconds after it the end comes.
    let (moment, within) = match dice.roll(5) {
        0 => ("any moment", 900),
        1 => ("confirm", if checked(flip(dice, Does::Answer(503))) { 400 } else { 1 }),
        2 => ("resolve", if checked(flip(dice, Does::Answer(200))) { 400 } else { 1 }),
        n => {
            flip(dice, Does::Answer(503));
            flip(dice, Does::Answer(200));
            match n {
                3 => ("send", if wait_a_while(|| receiver.asked() > asked) { 5 } else { 1 }),
                _ => ("answer", if wait_a_while(|| receiver.answered() > answered) { 300 } else { 1 }),
            }
        }
    };
    std::thread::sleep(Duration::from_millis(dice.roll(within)));
    serving.kill();
    // What it sent last is read before the next run sends anything.
    receiver.catch_up();
    moment
}

/// One program, killed so often; what it was killed at.
fn torment(seed: u64, times: u64, target: &Target, receiver: &Receiver) -> BTreeMap<&'static str, u64> {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), target, receiver);
    let mut dice = Dice(seed);
    let mut moments = BTreeMap::new();
    for _ in 0..times {
        *moments.entry(live_and_die(folder.path(), target, receiver, &mut dice)).or_default() += 1;
    }
    // Everybody recovers, everything is told.
    (0..SERVICES).for_each(|n| target.set(&format!("/{n}"), Does::Answer(200)));
    receiver.behave();
    let serving = Serving::start(folder.path());
    let history = Connection::open(folder.path().join("data/history.db")).unwrap();
    let number = |sql: &str| history.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let open = "SELECT count(*) FROM outage WHERE ended_at IS NULL";
    let waiting = "SELECT count(*) FROM outbox WHERE settled_at IS NULL";
    wait_for("the end of the outages and of the outbox", || (number(open) == 0 && number(waiting) == 0).then_some(()));
    serving.kill();
    receiver.catch_up();
    let proof = run(folder.path(), &["verify", "--all"]);
    assert_eq!(proof.status.code(), Some(0), "{}", stdout(&proof));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    judge(&history, &receiver.told(), log.contains("the history cannot be written"));
    moments
}

/// An incident, as the history has it.
struct Incident {
    service: String,
    group: &'static str,
    started_at: i64,
    confirmed_at: i64,
}

/// Holds what receivers were told to the law. `ahead`: the history could not be written at times, so that incidents were
/// told of that a kill took before they were stored.
fn judge(history: &Connection, told: &[Told], ahead: bool) {
    let id: String = history.query_row("SELECT value FROM fact WHERE name = 'id'", [], |row| row.get(0)).unwrap();
    let sql = "SELECT o.id, s.name, o.started_at, o.confirmed_at FROM outage o JOIN service s ON s.id = o.service_id
               WHERE o.confirmed_at IS NOT NULL";
    let mut statement = history.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let service: String = row.get(1)?;
        let group = if service < format!("s{}", SERVICES / 2) { "db" } else { "web" };
        Ok((row.get(0)?, Incident { service, group, started_at: row.get(2)?, confirmed_at: row.get(3)? }))
    };
    let incidents: BTreeMap<i64, Incident> = statement.query_map([], read).unwrap().map(Result::unwrap).collect();
    assert!(!incidents.is_empty());
    nothing_is_invented(&incidents, told, ahead);
    no_id_has_two_contents(told);
    for channel in CHANNELS {
        let told: Vec<&Told> = told.iter().filter(|told| told.channel == channel).collect();
        no_resolve_comes_before_its_trigger(channel, &told);
        for (number, incident) in &incidents {
            if channel == "webhook" && incident.group != "db" {
                continue;
            }
            let event = |word: &str| format!("{id}-{number}-{word}");
            let accepted = |word: &str| told.iter().any(|told| told.accepted && told.ids().contains(&event(word)));
            let (began, ended) = (accepted("confirmed"), accepted("resolved"));
            let what = format!("incident {number} of {} at {channel}", incident.service);
            match channel {
                "webhook" => assert!(began && ended, "{what}: {began} {ended}"),
                // What was over before it was told is one message, of its end.
                "ops" => assert!(ended, "{what}: {began} {ended}"),
                // The end of a group is that of its last: the model of the receiver below finds what was forgotten.
                _ => assert!(began, "{what}: {began} {ended}"),
            }
        }
    }
    the_pager_has_no_alert_left(told.iter().filter(|told| told.channel == "pager"));
}

fn nothing_is_invented(incidents: &BTreeMap<i64, Incident>, told: &[Told], ahead: bool) {
    for one in told {
        for item in one.items() {
            let incident = &item["incident"];
            let Some(known) = incidents.get(&incident["id"].as_i64().unwrap()) else {
                assert!(ahead, "never happened: {item}");
                continue;
            };
            let time = |key: &str| UnixMs::parse(incident[key].as_str().unwrap()).unwrap().0;
            assert_eq!(item["service"], known.service.as_str());
            assert_eq!((time("started_at"), time("confirmed_at")), (known.started_at, known.confirmed_at), "{item}");
            assert!(one.channel != "webhook" || known.group == "db", "that is none of its business: {item}");
        }
    }
}

fn no_id_has_two_contents(told: &[Told]) {
    let mut messages: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    let mut events: BTreeMap<String, Value> = BTreeMap::new();
    for one in told {
        let id = one.body["event_id"].as_str().unwrap();
        let before = messages.entry((&one.channel, id)).or_insert(&one.body);
        assert_eq!(*before, &one.body, "two messages {id} at {}", one.channel);
        for item in one.items() {
            let id = item["event_id"].as_str().unwrap().to_owned();
            let before = events.entry(id.clone()).or_insert_with(|| item.clone());
            assert_eq!(before, item, "two events {id}");
        }
    }
}

fn no_resolve_comes_before_its_trigger(channel: &str, told: &[&Told]) {
    let mut over: BTreeSet<i64> = BTreeSet::new();
    for one in told {
        // The last that a message says of an incident is what it leaves people with.
        let mut last: BTreeMap<i64, bool> = BTreeMap::new();
        for item in one.items() {
            last.insert(item["incident"]["id"].as_i64().unwrap(), item["event"] == "incident.resolved");
        }
        for (number, is_over) in last {
            assert!(is_over || !over.contains(&number), "{channel}: incident {number} begins after its end");
            if is_over {
                over.insert(number);
            }
        }
    }
}

/// What a service on call would make of it.
fn the_pager_has_no_alert_left<'a>(told: impl Iterator<Item = &'a Told>) {
    let (mut known, mut open): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
    for one in told.filter(|told| told.accepted) {
        let key = one.body["key"].as_str().unwrap();
        match one.body["status"].as_str().unwrap() {
            "firing" => {
                known.insert(key);
                open.insert(key);
            }
            _ => {
                assert!(known.contains(key), "resolved {key}, which nobody triggered");
                open.remove(key);
            }
        }
    }
    assert_eq!(open, BTreeSet::new(), "alerts that nobody resolves");
}

/// As often as one wants: `HISTORY_KILLS=2000 cargo test --test suite outbox::`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_it_is_killed_every_event_arrives_and_the_same_id_says_the_same() {
    let mut sides = Vec::new();
    for seed in 0..INSTANCES {
        sides.push((20_261_130 + seed, Target::start(Clock::system()).await, Receiver::start(seed).await));
    }
    let times = kills().div_ceil(INSTANCES);
    let moments: Vec<BTreeMap<&str, u64>> = std::thread::scope(|scope| {
        let tormented: Vec<_> = sides
            .iter()
            .map(|(seed, target, receiver)| scope.spawn(move || torment(*seed, times, target, receiver)))
            .collect();
        tormented.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    moments.iter().flatten().for_each(|(moment, n)| *all.entry(moment).or_default() += n);
    println!("killed {} times: {all:?}", all.values().sum::<u64>());
    assert!(all.values().sum::<u64>() >= kills());
}
