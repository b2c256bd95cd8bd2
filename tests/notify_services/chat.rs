//! Rooms that people talk in.

use super::{Documented, HOSTILE, field, form, holds, json, no_markdown, says_what_happened, text, words};
use healthcheck_dashboard::notify::{Notice, Status};
use serde_json::Value;

/// https://docs.slack.dev/reference/block-kit/blocks
fn slack_blocks(notice: &Notice, message: &Value) {
    // https://docs.slack.dev/messaging/formatting-message-text: these three are written as entities.
    let fallback = text(&message["text"], 40_000);
    assert!(!fallback.contains(['<', '>']), "{fallback}");
    let blocks = message["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    for block in blocks {
        match (block["type"].as_str().unwrap(), block["text"]["type"].as_str().unwrap()) {
            ("header", "plain_text") => drop(text(&block["text"]["text"], 150)),
            ("section", "plain_text") => drop(text(&block["text"]["text"], 3000)),
            ("section", "mrkdwn") => {
                let words = match notice.event.as_str() {
                    "report" => "Open the review",
                    "drill" => "Open the dashboard",
                    _ if notice.count > 1 => "Open the incidents",
                    _ => "Open the incident",
                };
                let mut link = format!("<{}|{words}>", notice.url.as_deref().unwrap().replace('&', "&amp;"));
                if let Some(url) = &notice.acknowledge_url {
                    link.push_str(&format!("  ·  <{}|Acknowledge>", url.replace('&', "&amp;")));
                }
                assert_eq!(text(&block["text"]["text"], 3000), link);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(message.get("link_names").is_none() && message.get("parse").is_none());
    says_what_happened(notice, &words(&message["blocks"]));
}

#[tokio::test]
async fn slack_by_an_incoming_webhook() {
    holds(Documented {
        name: "slack",
        source: "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
        section: "webhook = \"SERVER/services/T0/B0/hunter2\"",
        method: "POST",
        path: |_| "/services/T0/B0/hunter2".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| slack_blocks(notice, &json(body)),
        taken: (200, "ok"),
        // https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
        refused: &[
            (400, "invalid_payload", "invalid_payload"),
            (403, "action_prohibited", "action_prohibited"),
            (404, "no_service", "no_service"),
            (410, "channel_is_archived", "channel_is_archived"),
        ],
        // https://docs.slack.dev/apis/web-api/rate-limits
        later: &[(429, "Retry-After: 30", "rate_limited", Some(30)), (500, "", "rollup_error", None)],
    })
    .await;
}

#[tokio::test]
async fn slack_by_a_bot() {
    holds(Documented {
        name: "slack_api",
        source: "https://docs.slack.dev/reference/methods/chat.postMessage",
        section: "token = \"xoxb-hunter2\"\nchannel = \"C0123456789\"\nserver = \"SERVER\"",
        method: "POST",
        path: |_| "/api/chat.postMessage".to_owned(),
        headers: &[("content-type", "application/json; charset=utf-8"), ("authorization", "Bearer xoxb-hunter2")],
        payload: |notice, body| {
            let message = json(body);
            assert_eq!(message["channel"], "C0123456789");
            slack_blocks(notice, &message);
        },
        taken: (200, r#"{"ok": true, "channel": "C0123456789", "ts": "1503435956.000247"}"#),
        refused: &[
            (200, r#"{"ok": false, "error": "is_archived"}"#, "is_archived"),
            (200, r#"{"ok": false, "error": "not_in_channel"}"#, "not_in_channel"),
            (200, r#"{"ok": false, "error": "invalid_auth"}"#, "invalid_auth"),
        ],
        later: &[
            (429, "Retry-After: 10", r#"{"ok": false, "error": "ratelimited"}"#, Some(10)),
            (200, "", r#"{"ok": false, "error": "rate_limited"}"#, None),
            (200, "", r#"{"ok": false, "error": "internal_error"}"#, None),
            (503, "", "", None),
        ],
    })
    .await;
}

#[tokio::test]
async fn discord() {
    holds(Documented {
        name: "discord",
        source: "https://docs.discord.com/developers/resources/webhook#execute-webhook",
        section: "webhook = \"SERVER/api/webhooks/1/hunter2?thread_id=5\"",
        method: "POST",
        // Without wait, a message that is not saved is no error.
        path: |_| "/api/webhooks/1/hunter2?thread_id=5&wait=true".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            let message = json(body);
            assert_eq!(message["allowed_mentions"]["parse"].as_array().map(Vec::len), Some(0));
            // https://docs.discord.com/developers/resources/message#embed-object-embed-limits
            let embeds = message["embeds"].as_array().unwrap();
            assert!((1..=10).contains(&embeds.len()));
            let (title, description) = (text(&embeds[0]["title"], 256), text(&embeds[0]["description"], 4096));
            assert!(title.chars().count() + description.chars().count() <= 6000);
            assert!((0..=0xff_ffff).contains(&embeds[0]["color"].as_i64().unwrap()));
            text(&embeds[0]["timestamp"], 40);
            no_markdown(&format!("{title}\n{description}"));
            says_what_happened(notice, &words(&message));
        },
        taken: (200, r#"{"id": "1", "type": 0}"#),
        refused: &[
            (400, r#"{"message": "Invalid Form Body", "code": 50035}"#, "Invalid Form Body"),
            (401, r#"{"message": "Invalid Webhook Token", "code": 50027}"#, "Invalid Webhook Token"),
            (404, r#"{"message": "Unknown Webhook", "code": 10015}"#, "Unknown Webhook"),
        ],
        // https://docs.discord.com/developers/topics/rate-limits
        later: &[
            (
                429,
                "Retry-After: 65",
                r#"{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}"#,
                Some(65),
            ),
            (429, "", r#"{"message": "You are being rate limited.", "retry_after": 1.337, "global": true}"#, Some(2)),
            (502, "", "<html></html>", None),
        ],
    })
    .await;
}

#[tokio::test]
async fn teams_by_a_workflow() {
    holds(Documented {
        name: "teams",
        source: "https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook",
        section: "webhook = \"SERVER/workflows/1/triggers/manual/paths/invoke?api-version=1&sig=hunter2\"",
        method: "POST",
        path: |_| "/workflows/1/triggers/manual/paths/invoke?api-version=1&sig=hunter2".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            assert!(body.len() <= 28 * 1024, "{}", body.len());
            let message = json(body);
            assert_eq!(message["type"], "message");
            let attachment = &message["attachments"][0];
            assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
            let card = &attachment["content"];
            assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
            let runs = text_runs(&card["body"]);
            if notice.details.len() == 3 {
                assert!(runs.contains(HOSTILE), "{runs}");
            }
            for action in card["actions"].as_array().unwrap() {
                assert_eq!(action["type"], "Action.OpenUrl");
                text(&action["title"], 100);
            }
            says_what_happened(notice, &words(card));
        },
        taken: (202, ""),
        refused: &[
            (400, r#"{"error": {"code": "TriggerInputSchemaMismatch", "message": "The input body"}}"#, "The input body"),
            (401, r#"{"error": {"code": "DirectApiAuthorizationRequired", "message": "no signature"}}"#, "no signature"),
            (404, r#"{"error": {"code": "WorkflowNotFound", "message": "not found"}}"#, "not found"),
        ],
        later: &[
            (429, "Retry-After: 17", r#"{"error": {"code": "WorkflowRunActionThrottled"}}"#, Some(17)),
            (502, "", "", None),
        ],
    })
    .await;
}

/// What is in elements that know no Markdown: https://adaptivecards.io/explorer/TextRun.html. There are no others.
fn text_runs(body: &Value) -> String {
    let of_one = |element: &Value| match element["type"].as_str().unwrap() {
        "Container" => text_runs(&element["items"]),
        "RichTextBlock" => {
            let inlines = element["inlines"].as_array().unwrap();
            assert!(inlines.iter().all(|inline| inline["type"] == "TextRun"));
            inlines.iter().map(|inline| text(&inline["text"], 5000)).collect()
        }
        other => panic!("{other} may know Markdown"),
    };
    body.as_array().unwrap().iter().map(of_one).collect()
}

#[tokio::test]
async fn telegram() {
    holds(Documented {
        name: "telegram",
        source: "https://core.telegram.org/bots/api#sendmessage",
        section: "token = \"1:hunter2\"\nchat = \"-1001234567890\"\ntopic = 42\nserver = \"SERVER/\"",
        method: "POST",
        path: |_| "/bot1:hunter2/sendMessage".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            let message = json(body);
            assert_eq!(message["chat_id"], "-1001234567890");
            assert_eq!(message["message_thread_id"], 42);
            // Without it there is no markup.
            assert!(message.get("parse_mode").is_none() && message.get("entities").is_none());
            let said = text(&message["text"], 4096);
            assert!(!said.contains("@everyone"), "{said}");
            if notice.details.len() < 70 {
                says_what_happened(notice, said);
            }
        },
        taken: (200, r#"{"ok": true, "result": {"message_id": 3}}"#),
        refused: &[
            (400, r#"{"ok": false, "error_code": 400, "description": "Bad Request: chat not found"}"#, "chat not found"),
            (401, r#"{"ok": false, "error_code": 401, "description": "Unauthorized"}"#, "Unauthorized"),
            (403, r#"{"ok": false, "error_code": 403, "description": "Forbidden: bot was kicked"}"#, "bot was kicked"),
        ],
        // https://core.telegram.org/bots/api#responseparameters
        later: &[(
            429,
            "",
            r#"{"ok": false, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 35}}"#,
            Some(35),
        )],
    })
    .await;
}

#[tokio::test]
async fn mattermost() {
    holds(Documented {
        name: "mattermost",
        source: "https://developers.mattermost.com/integrate/webhooks/incoming/",
        section: "webhook = \"SERVER/hooks/hunter2\"\nchannel = \"town-square\"",
        method: "POST",
        path: |_| "/hooks/hunter2".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            let message = json(body);
            assert_eq!(message["channel"], "town-square");
            // https://developers.mattermost.com/integrate/reference/message-attachments/
            let attachment = &message["attachments"][0];
            let fallback = text(&attachment["fallback"], 4000);
            assert!(!fallback.contains("@channel"), "{fallback}");
            let said = text(&attachment["text"], 4000);
            no_markdown(said);
            says_what_happened(notice, said);
            let color = text(&attachment["color"], 7);
            assert!(color.starts_with('#') && color.len() == 7);
        },
        taken: (200, "ok"),
        refused: &[
            (
                400,
                r#"{"id": "web.incoming_webhook.invalid.app_error", "message": "Invalid webhook."}"#,
                "Invalid webhook.",
            ),
            (404, r#"{"message": "Couldn't find the channel."}"#, "find the channel"),
        ],
        later: &[(429, "Retry-After: 1", "limit exceeded", Some(1)), (500, "", "", None)],
    })
    .await;
}

#[tokio::test]
async fn rocketchat() {
    holds(Documented {
        name: "rocketchat",
        source: "https://docs.rocket.chat/docs/integrations",
        section: "webhook = \"SERVER/hooks/1/hunter2\"\nchannel = \"#ops\"",
        method: "POST",
        path: |_| "/hooks/1/hunter2".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            let message = json(body);
            assert_eq!(message["channel"], "#ops");
            let said = text(&message["text"], 5000);
            assert!(!said.contains("@everyone") && !said.contains("@channel"), "{said}");
            // All that others said is in one block of code: it holds no other backtick, and ends where we end it.
            assert_eq!(said.matches('`').count(), 6, "{said}");
            assert!(said.starts_with("```\n") && !said.rsplit("```").next().unwrap().contains("HTTP"), "{said}");
            says_what_happened(notice, said);
        },
        taken: (200, r#"{"success": true}"#),
        refused: &[
            (400, r#"{"success": false, "error": "invalid-channel"}"#, "invalid-channel"),
            (
                404,
                r#"{"success": false, "error": "Invalid integration id or token provided."}"#,
                "Invalid integration id",
            ),
        ],
        later: &[
            (429, "", r#"{"success": false, "error": "Error, too many requests."}"#, None),
            (503, "Retry-After: 7", "", Some(7)),
        ],
    })
    .await;
}

#[tokio::test]
async fn webex() {
    holds(Documented {
        name: "webex",
        source: "https://developer.webex.com/docs/api/v1/messages/create-a-message",
        section: "token = \"hunter2\"\nroom = \"Y2lzY29zcGFyazovL3VzL1JPT00vMQ\"\nserver = \"SERVER\"",
        method: "POST",
        path: |_| "/v1/messages".to_owned(),
        headers: &[("content-type", "application/json"), ("authorization", "Bearer hunter2")],
        payload: |notice, body| {
            let message = json(body);
            assert_eq!(message["roomId"], "Y2lzY29zcGFyazovL3VzL1JPT00vMQ");
            // Markdown could mention: `<@all>`.
            assert!(message.get("markdown").is_none() && message.get("parentId").is_none());
            let said = text(&message["text"], 7439);
            assert!(said.len() <= 7439, "{}", said.len());
            says_what_happened(notice, said);
        },
        taken: (200, r#"{"id": "Y2lzY29zcGFyazovL3VzL01FU1NBR0UvMQ", "roomType": "group"}"#),
        refused: &[
            (
                404,
                r#"{"message": "The requested resource could not be found.", "errors": [{"description": "Could not find a room"}], "trackingId": "ROUTER_1"}"#,
                "could not be found",
            ),
            (
                401,
                r#"{"message": "The request requires a valid access token set in the Authorization request header."}"#,
                "requires a valid access token",
            ),
        ],
        later: &[
            (429, "Retry-After: 30", r#"{"message": "Too many requests"}"#, Some(30)),
            (502, "", r#"{"message": "Bad gateway"}"#, None),
        ],
    })
    .await;
}

#[tokio::test]
async fn googlechat() {
    holds(Documented {
        name: "googlechat",
        source: "https://developers.google.com/workspace/chat/quickstart/webhooks",
        section: "webhook = \"SERVER/v1/spaces/A/messages?key=k&token=hunter2\"",
        method: "POST",
        path: |_| {
            "/v1/spaces/A/messages?key=k&token=hunter2&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
                .to_owned()
        },
        headers: &[("content-type", "application/json; charset=UTF-8")],
        payload: |notice, body| {
            // https://developers.google.com/workspace/chat/create-messages
            assert!(body.len() <= 32_000, "{}", body.len());
            let message = json(body);
            // Texts outside of cards could mention.
            assert!(message.get("text").is_none());
            assert_eq!(message["thread"]["threadKey"], notice.key);
            let card = &message["cardsV2"][0]["card"];
            text(&card["header"]["title"], 200);
            let paragraph = text(&card["sections"][0]["widgets"][0]["textParagraph"]["text"], 32_000);
            assert!(!paragraph.replace("<br>", "").contains(['<', '>']), "{paragraph}");
            says_what_happened(notice, &words(&message));
        },
        taken: (200, r#"{"name": "spaces/A/messages/1"}"#),
        refused: &[
            (
                400,
                r#"{"error": {"code": 400, "message": "Invalid JSON payload", "status": "INVALID_ARGUMENT"}}"#,
                "Invalid JSON",
            ),
            (403, r#"{"error": {"code": 403, "message": "denied", "status": "PERMISSION_DENIED"}}"#, "denied"),
            (404, r#"{"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}}"#, "not found"),
        ],
        later: &[
            (429, "", r#"{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}"#, None),
            (503, "Retry-After: 5", "", Some(5)),
        ],
    })
    .await;
}

#[tokio::test]
async fn matrix() {
    holds(Documented {
        name: "matrix",
        source: "https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid",
        section: "server = \"SERVER\"\ntoken = \"hunter2\"\nroom = \"!abc:example.com\"",
        method: "PUT",
        path: |notice| {
            let transaction = notice.event_id.replace('+', "%2B");
            format!("/_matrix/client/v3/rooms/%21abc%3Aexample.com/send/m.room.message/{transaction}")
        },
        headers: &[("authorization", "Bearer hunter2"), ("content-type", "application/json")],
        payload: |notice, body| {
            assert!(body.len() <= 65_536);
            let message = json(body);
            assert_eq!(message["msgtype"], "m.text");
            // An empty object mentions nobody, whatever the text says.
            assert_eq!(message["m.mentions"].as_object().map(serde_json::Map::len), Some(0));
            assert!(message.get("formatted_body").is_none());
            if notice.details.len() < 70 {
                says_what_happened(notice, message["body"].as_str().unwrap());
            }
        },
        taken: (200, r#"{"event_id": "$YUwRidLecu:example.com"}"#),
        refused: &[
            (
                401,
                r#"{"errcode": "M_UNKNOWN_TOKEN", "error": "Unrecognised access token"}"#,
                "Unrecognised access token",
            ),
            (403, r#"{"errcode": "M_FORBIDDEN", "error": "User not in room"}"#, "User not in room"),
        ],
        later: &[(429, "", r#"{"errcode": "M_LIMIT_EXCEEDED", "error": "Too many", "retry_after_ms": 2500}"#, Some(3))],
    })
    .await;
}

#[tokio::test]
async fn zulip() {
    holds(Documented {
        name: "zulip",
        source: "https://zulip.com/api/send-message",
        section: "server = \"SERVER\"\nemail = \"bot@example.com\"\napi_key = \"hunter2\"\nstream = \"ops & more\"",
        method: "POST",
        path: |_| "/api/v1/messages".to_owned(),
        headers: &[
            ("content-type", "application/x-www-form-urlencoded"),
            // bot@example.com:hunter2
            ("authorization", "Basic Ym90QGV4YW1wbGUuY29tOmh1bnRlcjI="),
        ],
        payload: |notice, body| {
            let form = form(body);
            assert_eq!(field(&form, "type").as_deref(), Some("stream"));
            assert_eq!(field(&form, "to").as_deref(), Some("ops & more"));
            let topic = field(&form, "topic").unwrap();
            assert!((1..=60).contains(&topic.chars().count()), "{topic}");
            let content = field(&form, "content").unwrap();
            assert!(content.chars().count() <= 10_000);
            // All that others said is in one block of code, which ends where we end it.
            assert_eq!(content.matches("```").count(), 2, "{content}");
            let after = content.rsplit("```").next().unwrap();
            assert!(content.starts_with("```text\n") && !after.contains("HTTP"), "{content}");
            says_what_happened(notice, &content);
        },
        taken: (200, r#"{"id": 42, "msg": "", "result": "success"}"#),
        refused: &[
            (400, r#"{"code": "STREAM_DOES_NOT_EXIST", "msg": "Channel 'x' does not exist", "result": "error"}"#, "does not exist"),
            (401, r#"{"code": "INVALID_API_KEY", "msg": "Invalid API key", "result": "error"}"#, "Invalid API key"),
        ],
        // https://zulip.com/api/rest-error-handling#rate-limit-exceeded
        later: &[(
            429,
            "",
            r#"{"code": "RATE_LIMIT_HIT", "msg": "API usage exceeded rate limit", "result": "error", "retry-after": 28.7}"#,
            Some(29),
        )],
    })
    .await;
}

#[test]
fn the_tests_say_what_they_mean_by_a_trigger_and_its_end() {
    let notices = super::notices();
    assert_eq!(notices[0].status, Status::Firing);
    assert_eq!((notices[1].status, &notices[1].key), (Status::Resolved, &notices[0].key));
}
