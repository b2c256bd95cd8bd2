//! Notes of incidents: who may write them, where they are shown, and what they outlive.

mod kept;

use self::kept::always;
use crate::support::history::{Answer, History, ask, service};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::{
    config::PublicService,
    domain::{incident::StatedNote, secret::Secret, time::UnixMs},
    http::state::AppState,
};
use serde_json::json;
use std::sync::Arc;

const BEGIN: &str = "2026-11-16T00:00:00Z";

const TOKEN: &str = "0123456789abcdef";

const HOSTILE: &str = "<script>alert(1)</script> & \"quotes\" ]]> | `x`\n# [a](javascript:b)";

fn s(seconds: i64) -> UnixMs {
    UnixMs::parse(BEGIN).unwrap().plus(seconds * 1000)
}

/// `web` has an incident from 20 s to 50 s (number 1) and one that is open since 80 s (number 2); `api` is up.
async fn two_incidents() -> History {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    history.checks("web", s(0), "..xxx...xxx");
    history.checks("api", s(0), "...........");
    history.at(s(103));
    history.committed().await;
    history
}

fn open_door(history: &History) -> AppState {
    AppState { token: Some(Secret::new(TOKEN)), ..history.site() }
}

async fn patch(site: &AppState, id: i64, authorization: Option<&str>, body: impl Into<String>) -> Answer {
    let mut request = Request::patch(format!("/api/v1/incidents/{id}")).header("content-type", "application/json");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    ask(site, request.body(Body::from(body.into())).unwrap()).await
}

/// Writes a note as whoever has the token.
async fn write(site: &AppState, id: i64, text: &str) -> Answer {
    patch(site, id, Some(&format!("Bearer {TOKEN}")), json!({ "note": text }).to_string()).await
}

async fn post(site: &AppState, id: i64, token: &str, note: &str) -> Answer {
    let form: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("token", token)
        .append_pair("note", note)
        .finish();
    let request = Request::post(format!("/dashboard/incidents/{id}/note?tz=UTC"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form));
    ask(site, request.unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_note_is_there_when_the_answer_is_and_stays_over_a_restart() {
    let history = two_incidents().await;
    let site = open_door(&history);
    let body = write(&site, 1, "  the switch\r\nwas replaced ").await.ok();
    assert_eq!((&body["id"], &body["note"]), (&json!(1), &json!("the switch\nwas replaced")));
    // Another process reads it: it is in the file.
    let stored: String = rusqlite::Connection::open(history.path())
        .unwrap()
        .query_row("SELECT note FROM incident_note", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, "the switch\nwas replaced");
    assert_eq!(history.get("/api/v1/incidents?limit=1").await.ok()["items"][0]["note"], json!(null));
    write(&site, 2, "on it").await.ok();
    assert_eq!(history.get("/api/v1/services/web").await.ok()["open_incident"]["note"], "on it", "known on the board");
    let history = history.restart(vec![service("web"), service("api")]).await;
    assert_eq!(history.get("/api/v1/services/web").await.ok()["open_incident"]["note"], "on it");
    let site = open_door(&history);
    for removes in [r#"{"note": null}"#, r#"{"note": ""}"#, r#"{"note": " \n "}"#] {
        write(&site, 1, "something").await.ok();
        let body = patch(&site, 1, Some(&format!("bearer {TOKEN}")), removes).await.ok();
        assert_eq!((&body["note"], &body["noted_at"]), (&json!(null), &json!(null)), "{removes}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_token_opens_the_door() {
    let history = two_incidents().await;
    let closed = write(&history.site(), 1, "x").await;
    assert_eq!(closed.status, 403);
    assert!(closed.json()["detail"].as_str().unwrap().contains("`token` below [dashboard]"), "{}", closed.text());
    let site = open_door(&history);
    for wrong in [
        None,
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer 0123456789abcdeX"),
        Some("Basic 0123456789abcdef"),
        Some(TOKEN),
    ] {
        let answer = patch(&site, 1, wrong, r#"{"note": "x"}"#).await;
        assert_eq!(answer.status, 401, "{wrong:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{wrong:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    // A part of it, and more than it.
    for wrong in [&TOKEN[..15], "0123456789abcdef0"] {
        assert_eq!(patch(&site, 1, Some(&format!("Bearer {wrong}")), r#"{"note": "x"}"#).await.status, 401);
    }
    assert_eq!(history.get("/api/v1/incidents/1").await.ok()["note"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn whoever_guesses_the_token_waits_even_with_the_right_one() {
    let history = two_incidents().await;
    let site = open_door(&history);
    for guess in 0..5 {
        let answer = patch(&site, 1, Some(&format!("Bearer guess-{guess}")), r#"{"note": "x"}"#).await;
        assert_eq!(answer.status, 401);
    }
    let refused = write(&site, 1, "mine").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!((1..=61).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    let form = post(&site, 1, TOKEN, "mine").await;
    assert_eq!(form.status, 429);
    assert!(form.text().contains("Too many wrong tokens"), "{}", form.text());
    assert!(form.text().contains(">mine<"), "what was written is not lost");
    history.at(s(103 + 61));
    assert_eq!(write(&site, 1, "mine").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_another_site_can_neither_write_notes_nor_lock_their_writer_out() {
    let history = two_incidents().await;
    let site = open_door(&history);
    let sent = async |token: &str, headers: &[(&str, &str)]| {
        let mut request = Request::post("/dashboard/incidents/1/note")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("host", "status.example:9100");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        ask(&site, request.body(Body::from(format!("token={token}&note=theirs"))).unwrap()).await.status.as_u16()
    };
    for foreign in [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")][..],
        &[("sec-fetch-site", "same-site"), ("origin", "https://other.example")],
        &[("origin", "http://evil.example")],
        &[("origin", "http://status.example:9101")],
        &[("origin", "null")],
    ] {
        for token in ["wrong", "wrong", "wrong", TOKEN] {
            assert_eq!(sent(token, foreign).await, 403, "{foreign:?}");
        }
    }
    assert_eq!(history.get("/api/v1/incidents/1").await.ok()["note"], json!(null));
    // None of them was counted: its owner is let in, from our own page and from what is no browser.
    for own in [
        &[("sec-fetch-site", "same-origin"), ("origin", "https://what.the.proxy.calls.us")][..],
        &[("origin", "http://status.example:9100")],
        &[("origin", "https://Status.example:9100")],
        &[],
    ] {
        assert_eq!(sent(TOKEN, own).await, 303, "{own:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_note_is_refused_in_words() {
    let history = two_incidents().await;
    let site = open_door(&history);
    let token = format!("Bearer {TOKEN}");
    for (body, status, said) in [
        ("", 400, "note"),
        ("note", 400, "note"),
        ("{}", 400, "missing field `note`"),
        (r#"{"note": 5}"#, 400, "string"),
        (r#"{"note": "x", "service": "web"}"#, 400, "service"),
        (r#"{"note": "a\u0000b"}"#, 422, "control characters"),
    ] {
        let answer = patch(&site, 1, Some(&token), body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains(said), "{body}: {}", answer.text());
    }
    assert_eq!(write(&site, 1, &"x".repeat(4096)).await.status, 200);
    let long = write(&site, 1, &"x".repeat(4097)).await;
    assert_eq!(long.status, 422);
    assert!(long.text().contains("4096") && long.text().contains("4097"));
    assert_eq!(write(&site, 1, &"x".repeat(100_000)).await.status, 413);
    let form = Request::patch("/api/v1/incidents/1")
        .header("authorization", &token)
        .header("content-type", "text/plain")
        .body(Body::from(r#"{"note": "x"}"#));
    assert_eq!(ask(&site, form.unwrap()).await.status, 415);
    for missing in [3, 0, -1] {
        assert_eq!(write(&site, missing, "x").await.status, 404);
    }
    let put = Request::put("/api/v1/incidents/1").body(Body::empty()).unwrap();
    let put = ask(&site, put).await;
    assert_eq!(put.status, 405);
    assert!(put.text().contains("PATCH"), "{}", put.text());
}

#[tokio::test(start_paused = true)]
async fn a_blip_has_no_note() {
    let mut history = History::new(BEGIN, vec![service("web")]);
    history.checks("web", s(0), ".x..");
    history.committed().await;
    assert_eq!(write(&open_door(&history), 1, "x").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_note_is_written_on_the_page_by_whoever_has_the_token() {
    let history = two_incidents().await;
    let site = open_door(&history);
    let said = history.get("/dashboard/incidents/1").await;
    assert!(!said.text().contains("Write a note"), "without a token there is nothing to write");
    let closed = history.get("/dashboard/incidents/1/note").await;
    assert_eq!(closed.status, 403);
    assert!(closed.text().contains("[dashboard]"), "{}", closed.text());
    let page = ask(&site, Request::get("/dashboard/incidents/1").body(Body::empty()).unwrap()).await;
    assert!(page.text().contains("/dashboard&#x2f;incidents&#x2f;1/note") || page.text().contains("1&#x2f;note"));
    let form = ask(&site, Request::get("/dashboard/incidents/1/note").body(Body::empty()).unwrap()).await;
    assert_eq!(form.status, 200);
    assert!(!form.text().contains("http-equiv=\"refresh\""), "nothing takes away what one types");
    let done = post(&site, 1, TOKEN, "by hand").await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/dashboard/incidents/1?tz=UTC"));
    assert!(history.get("/dashboard/incidents/1").await.text().contains("by hand"));
    let wrong = post(&site, 1, "wrong", "<b>mine</b>").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("not the token") && wrong.text().contains("&lt;b&gt;mine&lt;"), "{}", wrong.text());
    assert!(!wrong.text().contains(TOKEN) && !wrong.text().contains("value=\"wrong\""));
    assert_eq!(post(&site, 1, "", "x").await.status, 401);
    assert_eq!(post(&site, 1, TOKEN, &"x".repeat(5000)).await.status, 422);
    assert_eq!(post(&site, 77, TOKEN, "x").await.status, 404);
    assert_eq!(history.get("/api/v1/incidents/1").await.ok()["note"], "by hand");
    post(&site, 1, TOKEN, "").await;
    assert_eq!(history.get("/api/v1/incidents/1").await.ok()["note"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn a_note_is_shown_wherever_the_incident_is_as_text_and_to_outsiders_nowhere() {
    let history = two_incidents().await;
    let published = PublicService { name: "web".into(), title: "Shop".into() };
    let site = AppState { public: Some(Arc::from(vec![published])), ..open_door(&history) };
    for id in [1, 2] {
        write(&site, id, HOSTILE).await.ok();
    }
    for path in [
        "/dashboard",
        "/dashboard/incidents",
        "/dashboard/incidents/1",
        "/dashboard/incidents/1/note",
        "/dashboard/services/web",
        "/dashboard/incidents.atom",
        "/dashboard/review?from=2026-11-16&to=2026-11-17",
        "/api/v1/review?from=2026-11-16&to=2026-11-17&format=html",
    ] {
        let answer = ask(&site, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text().contains("&lt;script&gt;alert(1)&lt;"), "{path} does not show it");
        assert!(!answer.text().contains("<script>alert"), "{path}");
    }
    let markdown = history.get("/api/v1/review?from=2026-11-16&to=2026-11-17&format=markdown").await;
    let row = markdown.text().lines().find(|line| line.contains("alert(1)")).expect("it is in the table");
    assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "a cell is one cell: {row}");
    let json = history.get("/api/v1/review?from=2026-11-16&to=2026-11-17").await.ok();
    assert_eq!(json["longest"][0]["note"], HOSTILE);
    let page = history.get("/dashboard/incidents/1").await;
    let markdown = page.text().split("data-text=\"markdown\">").nth(1).unwrap().split("</pre>").next().unwrap();
    assert!(markdown.contains("&gt; \\&lt;script\\&gt;") && markdown.contains("&gt; \\# \\[a\\]"), "{markdown}");
    let public = ask(&site, Request::get("/public").body(Body::empty()).unwrap()).await;
    assert_eq!(public.status, 200);
    assert!(!public.text().contains("alert(1)"));
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_beginning_of_a_long_note_in_a_line() {
    let history = two_incidents().await;
    write(&open_door(&history), 1, &format!("first\n\nsecond {}", "word ".repeat(100))).await.ok();
    let log = history.get("/dashboard/incidents").await;
    assert!(log.text().contains("first second word"));
    assert!(!log.text().contains(&"word ".repeat(60)));
}

#[tokio::test(start_paused = true)]
async fn the_feed_says_that_a_note_came_later() {
    let history = two_incidents().await;
    history.at(s(5000));
    write(&open_door(&history), 1, "seen").await.ok();
    let feed = history.get("/dashboard/incidents.atom").await;
    let feed = feed.text().replace("&#x2f;", "/");
    assert!(feed.contains("Note: seen"), "{feed}");
    assert!(feed.contains("<updated>2026-11-16T01:23:2"), "{feed}");
}

#[tokio::test(start_paused = true)]
async fn what_was_known_at_a_moment_of_the_past_has_no_note_of_later() {
    let history = two_incidents().await;
    write(&open_door(&history), 2, "later").await.ok();
    history.at(s(200));
    let then = history.get("/api/v1/services/web?at=2026-11-16T00:01:42Z").await.ok();
    assert_eq!((&then["open_incident"]["status"], &then["open_incident"]["note"]), (&json!("open"), &json!(null)));
}

fn stated(service: &str, seconds: i64, text: &str) -> StatedNote {
    StatedNote { service: service.into(), at: s(seconds), text: text.into() }
}

/// Has the configuration's notes written.
async fn state(history: &History, notes: Vec<StatedNote>) {
    history.store.writer.state_notes(notes);
    // What is written after them is committed with them, or later.
    assert!(history.store.writer.note_incident(0, None).await);
}

#[tokio::test(start_paused = true)]
async fn the_configuration_writes_notes_by_any_moment_within_an_incident_and_a_hand_has_the_last_word() {
    let history = two_incidents().await;
    let notes = |text: &str| {
        vec![
            stated("web", 33, text),
            stated("web", 100, "open one"),
            stated("web", 60, "fits none"),
            stated("nobody", 33, "fits none"),
            stated("api", 33, "fits none"),
        ]
    };
    let note = async |id: i64| history.get(&format!("/api/v1/incidents/{id}")).await.ok()["note"].clone();
    state(&history, notes("first")).await;
    assert_eq!((note(1).await, note(2).await), (json!("first"), json!("open one")));
    assert_eq!(
        history.store.reader.notes(history.store.reader.service("web").unwrap().unwrap().id, always()).unwrap().len(),
        2
    );
    // Both ends are within.
    state(&history, vec![stated("web", 20, "from its start")]).await;
    assert_eq!(note(1).await, json!("from its start"));
    state(&history, vec![stated("web", 50, "to its end")]).await;
    assert_eq!(note(1).await, json!("to its end"));
    // Of two for one incident the first one counts, and nothing changes from start to start.
    for _ in 0..2 {
        state(&history, vec![stated("web", 20, "one"), stated("web", 50, "two")]).await;
        assert_eq!(note(1).await, json!("one"));
    }
    let site = open_door(&history);
    write(&site, 1, "by hand").await.ok();
    state(&history, notes("second")).await;
    assert_eq!(note(1).await, json!("by hand"));
    write(&site, 1, "").await.ok();
    state(&history, notes("third")).await;
    assert_eq!(note(1).await, json!(null), "what was removed by hand stays removed");
}
