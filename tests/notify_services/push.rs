//! Phones, and the servers that pass messages on to them.

use super::{Documented, field, form, holds, json, says_what_happened, text, words};
use healthcheck_dashboard::notify::Status;

#[tokio::test]
async fn ntfy() {
    holds(Documented {
        name: "ntfy",
        source: "https://docs.ntfy.sh/publish/#publish-as-json",
        section: "topic = \"ops\"\ntoken = \"tk_hunter2\"\npriority = 5\nserver = \"SERVER\"",
        method: "POST",
        // JSON goes to the root.
        path: |_| "/".to_owned(),
        headers: &[("authorization", "Bearer tk_hunter2")],
        payload: |notice, body| {
            let message = json(body);
            assert_eq!(message["topic"], "ops");
            // https://docs.ntfy.sh/publish/#limitations
            assert!(text(&message["message"], 4096).len() <= 4096);
            text(&message["title"], 250);
            assert!((1..=5).contains(&message["priority"].as_i64().unwrap()));
            assert!(message["tags"].as_array().unwrap().iter().all(serde_json::Value::is_string));
            assert_eq!(message.get("click").and_then(|click| click.as_str()), notice.url.as_deref());
            // https://docs.ntfy.sh/publish/#open-websiteapp
            if let Some(url) = &notice.acknowledge_url {
                let action = serde_json::json!([{"action": "view", "label": "Acknowledge", "url": url}]);
                assert_eq!(message["actions"], action);
            }
            assert_ne!(message.get("markdown"), Some(&true.into()));
            says_what_happened(notice, &words(&message));
        },
        taken: (200, r#"{"id": "sPs71M8A2T", "event": "message", "topic": "ops"}"#),
        refused: &[
            (400, r#"{"code": 40009, "http": 400, "error": "invalid request: topic invalid"}"#, "topic invalid"),
            (401, r#"{"code": 40101, "http": 401, "error": "unauthorized"}"#, "unauthorized"),
            (403, r#"{"code": 40301, "http": 403, "error": "forbidden"}"#, "forbidden"),
        ],
        later: &[
            (429, "", r#"{"code": 42901, "http": 429, "error": "limit reached: too many requests"}"#, None),
            (507, "", "", None),
        ],
    })
    .await;
}

#[tokio::test]
async fn gotify() {
    holds(Documented {
        name: "gotify",
        source: "https://gotify.net/api-docs#/message/createMessage",
        section: "server = \"SERVER/gotify/\"\ntoken = \"Ahunter2\"",
        method: "POST",
        path: |_| "/gotify/message".to_owned(),
        headers: &[("content-type", "application/json"), ("x-gotify-key", "Ahunter2")],
        payload: |notice, body| {
            let message = json(body);
            text(&message["message"], 10_000);
            text(&message["title"], 10_000);
            assert!((0..=10).contains(&message["priority"].as_i64().unwrap()));
            // https://gotify.net/docs/msgextras
            assert_eq!(message["extras"]["client::display"]["contentType"], "text/plain");
            says_what_happened(notice, &words(&message));
        },
        taken: (200, r#"{"id": 25, "appid": 5, "message": "…"}"#),
        refused: &[
            (400, r#"{"error": "Bad Request", "errorCode": 400, "errorDescription": "no message"}"#, "no message"),
            (401, r#"{"error": "Unauthorized", "errorCode": 401, "errorDescription": "you need to provide a valid access token"}"#, "valid access token"),
        ],
        later: &[(500, "", "", None), (502, "Retry-After: 4", "", Some(4))],
    })
    .await;
}

#[tokio::test]
async fn pushover() {
    holds(Documented {
        name: "pushover",
        source: "https://pushover.net/api",
        section: "token = \"hunter2\"\nuser_key = \"u-hunter2\"\nsound = \"siren\"\nserver = \"SERVER\"",
        method: "POST",
        path: |_| "/1/messages.json".to_owned(),
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        payload: |notice, body| {
            let form = form(body);
            let of = |name: &str| field(&form, name).unwrap_or_default();
            assert_eq!(
                (of("token").as_str(), of("user").as_str(), of("sound").as_str()),
                ("hunter2", "u-hunter2", "siren")
            );
            assert!((1..=1024).contains(&of("message").chars().count()));
            assert!((1..=250).contains(&of("title").chars().count()));
            assert!(of("url").chars().count() <= 512 && of("url_title").chars().count() <= 100);
            // 2 would need to know how often and for how long.
            assert!((-2..=1).contains(&of("priority").parse::<i32>().unwrap()));
            assert!(field(&form, "html").is_none() && field(&form, "device").is_none());
            says_what_happened(notice, &format!("{} {} {}", of("title"), of("message"), of("url")));
        },
        taken: (200, r#"{"status": 1, "request": "647d2300"}"#),
        refused: &[(
            400,
            r#"{"user": "invalid", "errors": ["user identifier is invalid"], "status": 0, "request": "5042853c"}"#,
            "user identifier is invalid",
        )],
        // https://pushover.net/api#friendly
        later: &[(429, "", r#"{"status": 0, "errors": ["quota"]}"#, None), (500, "", "", None)],
    })
    .await;
}

#[tokio::test]
async fn signal() {
    holds(Documented {
        name: "signal",
        source: "https://bbernhard.github.io/signal-cli-rest-api/#/Messages/post_v2_send",
        section: "server = \"SERVER\"\nnumber = \"+491700000000\"\nrecipients = \"+491700000001, group.abc=\"",
        method: "POST",
        path: |_| "/v2/send".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            let message = json(body);
            assert_eq!(message["number"], "+491700000000");
            assert_eq!(message["recipients"], serde_json::json!(["+491700000001", "group.abc="]));
            let said = text(&message["message"], 4000);
            assert_ne!(message.get("text_mode"), Some(&"styled".into()));
            if notice.details.len() < 70 {
                says_what_happened(notice, said);
            }
        },
        taken: (201, r#"{"timestamp": "1700000000000"}"#),
        refused: &[],
        later: &[
            // Also where Signal cannot be reached.
            (400, "", r#"{"error": "Failed to send message: connect timed out"}"#, None),
            (429, "", r#"{"error": "rate limit", "challenge_tokens": []}"#, None),
        ],
    })
    .await;
}

#[tokio::test]
async fn apprise_by_a_key() {
    holds(Documented {
        name: "apprise",
        source: "https://github.com/caronc/apprise-api/blob/master/swagger.yaml",
        section: "server = \"SERVER\"\nkey = \"hunter2\"\ntag = \"ops\"",
        method: "POST",
        path: |_| "/notify/hunter2".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            let message = json(body);
            text(&message["body"], 1_000_000);
            assert_eq!((&message["format"], &message["tag"]), (&"text".into(), &"ops".into()));
            let kind = if notice.status == Status::Resolved { "success" } else { "failure" };
            assert_eq!(message["type"], kind);
            assert!(message.get("urls").is_none());
            says_what_happened(notice, &words(&message));
        },
        taken: (200, r#"{"error": null, "details": []}"#),
        refused: &[
            (204, "", "nothing is stored under this `key`"),
            (400, r#"{"error": "Bad FORM Payload provided"}"#, "Bad FORM Payload"),
        ],
        later: &[
            (424, "", r#"{"error": "One or more notification could not be sent"}"#, None),
            (503, "Retry-After: 6", "", Some(6)),
        ],
    })
    .await;
}

#[tokio::test]
async fn apprise_by_urls() {
    holds(Documented {
        name: "apprise",
        source: "https://github.com/caronc/apprise-api/blob/master/swagger.yaml",
        section: "server = \"SERVER\"\nwebhook_urls = \"json://localhost, tgram://hunter2/1\"",
        method: "POST",
        path: |_| "/notify".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |_, body| {
            assert_eq!(json(body)["urls"], serde_json::json!(["json://localhost", "tgram://hunter2/1"]));
        },
        taken: (200, ""),
        refused: &[],
        later: &[],
    })
    .await;
}

#[tokio::test]
async fn homeassistant() {
    holds(Documented {
        name: "homeassistant",
        source: "https://developers.home-assistant.io/docs/api/rest/",
        section: "server = \"SERVER\"\ntoken = \"hunter2\"\nnotify = \"mobile_app_phone\"",
        method: "POST",
        path: |_| "/api/services/notify/mobile_app_phone".to_owned(),
        headers: &[("content-type", "application/json"), ("authorization", "Bearer hunter2")],
        payload: |notice, body| {
            let data = json(body);
            let said = format!("{}\n{}", text(&data["title"], 100_000), text(&data["message"], 1_000_000));
            // Old versions take texts for templates.
            assert!(!said.contains("{{") && !said.contains("{%"), "{said}");
            says_what_happened(notice, &said);
        },
        taken: (200, "[]"),
        refused: &[
            (400, r#"{"message": "Service not found"}"#, "Service not found"),
            (401, "401: Unauthorized", "401"),
        ],
        later: &[(500, "", "", None), (502, "Retry-After: 8", "", Some(8))],
    })
    .await;
}
