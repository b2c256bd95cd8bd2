//! Server-sent events.

use super::begin;
use crate::support::{
    events::Client,
    history::{History, get, service},
};
use serde_json::Value;

/// Two services; `web` goes down and comes back, one commit for each of these letters.
async fn letters(history: &mut History, from: i64, letters: &str) {
    for (i, letter) in letters.chars().enumerate() {
        let at = begin().plus((from + i as i64) * 10_000);
        history.checks("web", at, &letter.to_string());
        history.committed().await;
        history.at(at);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_service_that_is_not_watched_is_not_found() {
    let history = History::new("2026-11-16T00:00:00Z", vec![service("web")]);
    for query in ["?service=nope", "?service=web&service=nope"] {
        let answer = get(&history.site(), &format!("/api/v1/events{query}")).await;
        assert_eq!(answer.status, 404, "{query}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("no service named “nope”"), "{}", answer.text());
    }
    Client::open(&history.site(), "?service=web", None).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_of_checks_states_and_incidents_as_they_are_committed() {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web"), service("api")]);
    let mut client = Client::open(&history.site(), "", None).await;
    letters(&mut history, 0, ".xxx..").await;
    history.checks("api", history.clock.now(), ".");
    history.committed().await;
    let mut heard = Vec::new();
    while heard.len() < 13 {
        heard.push(client.next().await.unwrap());
    }
    let kinds: Vec<&str> = heard.iter().map(|h| h.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "check", "status", "check", "check", "check", "status", "incident", "check", "check", "status", "incident",
            "check", "status"
        ]
    );
    let states: Vec<(&str, &str)> = heard
        .iter()
        .filter(|h| h.kind == "status")
        .map(|h| (h.data["before"].as_str().unwrap(), h.data["status"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("pending", "up"), ("up", "down"), ("down", "up"), ("pending", "up")]);
    let incidents: Vec<&Value> = heard.iter().filter(|h| h.kind == "incident").map(|h| &h.data).collect();
    assert_eq!((&incidents[0]["status"], &incidents[1]["status"]), (&"open".into(), &"resolved".into()));
    assert_eq!(incidents[1]["resolved_at"], "2026-11-16T00:00:40.000Z");
    assert_eq!(incidents[0]["id"], incidents[1]["id"]);
    let ids: Vec<u64> = heard.iter().map(|h| h.id.parse().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_note_is_told_as_the_incident_that_it_is_about() {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web"), service("api")]);
    letters(&mut history, 0, ".xxx..").await;
    let mut client = Client::open(&history.site(), "?events=incident", None).await;
    let changes = history.store.live.changes();
    assert!(history.store.writer.note_incident(1, Some("the switch".into())).await);
    let heard = client.next().await.unwrap();
    assert_eq!(
        (&heard.data["id"], &heard.data["status"], &heard.data["note"]),
        (&1.into(), &"resolved".into(), &"the switch".into())
    );
    assert!(history.store.live.changes() > changes, "no page from before is shown any more");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_hears_what_was_missed_and_after_too_long_that_it_is_lost() {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web"), service("api")]);
    let mut client = Client::open(&history.site(), "?events=status", None).await;
    letters(&mut history, 0, ".").await;
    let first = client.next().await.unwrap();
    drop(client);
    letters(&mut history, 1, "xxx").await;
    let mut client = Client::open(&history.site(), "?events=status", Some(&first.id)).await;
    let missed = client.next().await.unwrap();
    assert_eq!((missed.kind.as_str(), &missed.data["status"]), ("status", &"down".into()));
    for unknown in ["1", "99999999999999999"] {
        let mut client = Client::open(&history.site(), "?events=status", Some(unknown)).await;
        assert_eq!(client.next().await.unwrap().kind, "reset");
    }
    // What never was an id of ours is not taken for none: nobody knows what was missed. An empty one is none, as a client
    // has it that has heard nothing yet.
    let mut heard = Vec::new();
    for id in ["-1", "yesterday", "1.5", "99999999999999999999999", "\u{fc}", ""] {
        heard.push((id, Client::open(&history.site(), "?events=status", Some(id)).await));
    }
    letters(&mut history, 4, "..").await;
    for (id, mut client) in heard {
        let first = if id.is_empty() { "status" } else { "reset" };
        assert_eq!(client.next().await.unwrap().kind, first, "{id}");
    }
    // An id of the run before: its news are not known any more.
    let history = history.restart(vec![service("web")]).await;
    let mut client = Client::open(&history.site(), "", Some(&missed.id)).await;
    assert_eq!(client.next().await.unwrap().kind, "reset");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_about_what_was_asked_for_and_ends_with_the_program() {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web"), service("api")]);
    let mut client = Client::open(&history.site(), "?events=check&service=api", None).await;
    letters(&mut history, 0, "..").await;
    history.checks("api", begin(), ".");
    history.committed().await;
    let heard = client.next().await.unwrap();
    assert_eq!((heard.kind.as_str(), &heard.data["service"]), ("check", &"api".into()));
    history.store.live.close();
    assert_eq!(client.next().await, None);
    assert_eq!(get(&history.site(), "/api/v1/events?events=all").await.json()["parameter"], "events");
    assert_eq!(get(&history.site(), "/api/v1/events?kind=check").await.json()["parameter"], "kind");
}
