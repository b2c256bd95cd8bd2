//! The fault laboratory: servers that misbehave on a script, the whole product pointed at them, and a score. A fault is one
//! row of a table; adding one is one entry.
//!
//! Real sockets, on a clock that the test moves: how fast this machine is decides nothing.

mod addresses;
mod bench;
mod commands;
mod databases;
mod fault;
mod http;
mod jobs;
mod names;
mod stand;
mod table;
mod tcp;
mod tls;

use crate::support::tls::Authority;

#[tokio::test(start_paused = true)]
async fn every_fault_is_noticed_in_time_its_class_is_right_and_nothing_else_is_alarming() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(stand::CA), authority.pem()).unwrap();
    let mut faults = [
        http::faults(),
        tls::faults(&authority),
        addresses::faults(),
        tcp::faults(),
        names::faults(),
        databases::faults(),
        commands::faults(),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    let pauses = [1.0, 3.3];
    let scores = stand::run(&faults, folder.path(), 20, &pauses).await;
    // By themselves: nobody begins a check of theirs, which is what the world counts.
    let jobs = jobs::faults();
    let scores = scores.and(stand::run(&jobs, folder.path(), 0, &pauses).await);
    faults.extend(jobs);
    assert_eq!(scores.false_alarms, Vec::<String>::new(), "false alarms");
    let runs = faults.iter().zip(&scores.runs).flat_map(|(fault, runs)| runs.iter().map(move |run| (fault, run)));
    let wrong = runs.filter_map(|(fault, run)| Some((fault.kind, fault.name, run.wrong(fault.expected)?)));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    table::hold(&faults, &scores);
}
