//! Messages that follow others or replace them, held to what the services say of threads, replies and edits.

use super::{HOSTILE, Receiver, channel_of, json, notice, notices, says_what_happened, text, words};
use healthcheck_dashboard::notify::{Delivered, Failure, Notice, Place, Receipt, Status};
use serde_json::Value;
use std::time::Duration;

/// What the documentation of a service says of messages that were delivered.
struct Documented {
    name: &'static str,
    section: &'static str,
    /// The answer to a new message, and what of it names the message.
    sent: &'static str,
    receipt: &'static str,
    /// `None`: it has none.
    reply: Option<Reply>,
    edit: Edit,
}

/// Where replies are described, and what makes a message one.
type Reply = (&'static str, fn(&Value));

struct Edit {
    source: &'static str,
    method: &'static str,
    path: fn(&Notice) -> String,
    /// Holds a payload to the published schema; gives what people read.
    payload: fn(&Value) -> Value,
    taken: &'static [(u16, &'static str)],
    /// The message is gone, or cannot be edited any more.
    refused: &'static [(u16, &'static str, &'static str)],
    later: &'static [(u16, &'static str, &'static str, Option<u64>)],
}

async fn holds(documented: Documented) {
    let (name, edit) = (documented.name, documented.edit);
    assert!(edit.source.starts_with("https://"), "{name}");
    let (receiver, address) = Receiver::start().await;
    let channel = channel_of(name, documented.section, address);
    assert!(channel.can_edit(), "{name}");
    receiver.answers(200, "", documented.sent);
    let trigger = channel.deliver(&notice("incident.confirmed", Status::Firing)).await.unwrap();
    let receipt = receipt_of(&trigger);
    assert_eq!(json(receipt.as_json()), json(documented.receipt), "{name}");
    // It comes back from where it was kept.
    let receipt = Receipt::kept(receipt.as_json().to_owned());

    let resolve = notice("incident.resolved", Status::Resolved);
    channel.deliver(&resolve).await.unwrap();
    let alone = receiver.asked();
    channel.deliver_to(&resolve, &Place::Below(receipt.clone())).await.unwrap();
    let below = receiver.asked();
    assert_eq!(alone.head.lines().next(), below.head.lines().next(), "{name}");
    match documented.reply {
        Some((source, is_reply)) => {
            assert!(source.starts_with("https://"), "{name}");
            assert_ne!(alone.body, below.body, "{name}");
            is_reply(&json(&below.body));
        }
        None => assert_eq!(alone.body, below.body, "{name}"),
    }

    for notice in notices() {
        for (status, body) in edit.taken {
            receiver.answers(*status, "", body);
            let place = Place::Edit(receipt.clone());
            channel.deliver_to(&notice, &place).await.unwrap_or_else(|e| panic!("{name}, {}: {e:?}", notice.event));
        }
        let request = receiver.asked();
        let mut line = request.head.lines().next().unwrap().split(' ');
        assert_eq!((line.next(), line.next()), (Some(edit.method), Some((edit.path)(&notice).as_str())), "{name}");
        let read = words(&(edit.payload)(&json(&request.body)));
        if notice.details.len() < 70 {
            says_what_happened(&notice, &read);
        }
    }
    let place = Place::Edit(receipt);
    let again = notice("incident.confirmed", Status::Firing);
    for (status, body, told) in edit.refused {
        receiver.answers(*status, "", body);
        match channel.deliver_to(&again, &place).await {
            Err(Failure::Refused { why }) => assert!(why.contains(told) && !why.contains("hunter2"), "{name}: {why}"),
            other => panic!("{name}: {status} {body}: {other:?}"),
        }
    }
    for (status, header, body, pause) in edit.later {
        receiver.answers(*status, header, body);
        match channel.deliver_to(&again, &place).await {
            Err(Failure::Later { after, .. }) => assert_eq!(after, pause.map(Duration::from_secs), "{name}: {body}"),
            other => panic!("{name}: {status} {body}: {other:?}"),
        }
    }
}

fn receipt_of(delivered: &Delivered) -> &Receipt {
    delivered.receipt.as_ref().unwrap_or_else(|| panic!("{delivered:?} has no receipt"))
}

#[tokio::test]
async fn slack_as_a_bot() {
    holds(Documented {
        name: "slack_api",
        section: "token = \"xoxb-hunter2\"\nchannel = \"C0123456789\"\nserver = \"SERVER\"",
        sent: r#"{"ok": true, "channel": "C0123456789", "ts": "1503435956.000247", "message": {"text": "x"}}"#,
        receipt: r#"{"channel": "C0123456789", "ts": "1503435956.000247"}"#,
        reply: Some(("https://docs.slack.dev/reference/methods/chat.postMessage", |message| {
            assert_eq!(
                (&message["channel"], &message["thread_ts"]),
                (&"C0123456789".into(), &"1503435956.000247".into())
            );
            // Whoever reads the channel and not the thread has to know that it is over.
            assert_eq!(message["reply_broadcast"], true);
        })),
        edit: Edit {
            source: "https://docs.slack.dev/reference/methods/chat.update",
            method: "POST",
            path: |_| "/api/chat.update".to_owned(),
            payload: |message| {
                assert_eq!((&message["channel"], &message["ts"]), (&"C0123456789".into(), &"1503435956.000247".into()));
                // Other than a new message, an edited one is searched for names and channels unless this says not to.
                assert_eq!(message["parse"], "none");
                for unknown in ["thread_ts", "reply_broadcast", "unfurl_links", "unfurl_media", "link_names"] {
                    assert!(message.get(unknown).is_none(), "{unknown}");
                }
                assert!(!text(&message["text"], 40_000).contains(['<', '>']));
                message["blocks"].clone()
            },
            taken: &[(200, r#"{"ok": true, "channel": "C0123456789", "ts": "1503435956.000247", "text": "x"}"#)],
            refused: &[
                (200, r#"{"ok": false, "error": "message_not_found"}"#, "message_not_found"),
                (200, r#"{"ok": false, "error": "edit_window_closed"}"#, "edit_window_closed"),
                (200, r#"{"ok": false, "error": "cant_update_message"}"#, "cant_update_message"),
            ],
            later: &[
                (429, "Retry-After: 10", r#"{"ok": false, "error": "ratelimited"}"#, Some(10)),
                (200, "", r#"{"ok": false, "error": "internal_error"}"#, None),
            ],
        },
    })
    .await;
}

#[tokio::test]
async fn discord() {
    holds(Documented {
        name: "discord",
        section: "webhook = \"SERVER/api/webhooks/1/hunter2?thread_id=5\"",
        sent: r#"{"id": "1050000000000000001", "type": 0, "content": "", "channel_id": "5", "webhook_id": "1"}"#,
        receipt: r#"{"id": "1050000000000000001"}"#,
        // https://docs.discord.com/developers/resources/webhook#execute-webhook: no message_reference.
        reply: None,
        edit: Edit {
            source: "https://docs.discord.com/developers/resources/webhook#edit-webhook-message",
            method: "PATCH",
            path: |_| "/api/webhooks/1/hunter2/messages/1050000000000000001?thread_id=5".to_owned(),
            payload: |message| {
                // Those of the message before do not stand any more.
                assert_eq!(message["allowed_mentions"]["parse"].as_array().map(Vec::len), Some(0));
                let known = ["content", "embeds", "flags", "allowed_mentions", "components", "attachments"];
                assert!(message.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{message}");
                assert!((1..=10).contains(&message["embeds"].as_array().unwrap().len()));
                message["embeds"].clone()
            },
            taken: &[(200, r#"{"id": "1050000000000000001", "type": 0}"#)],
            refused: &[
                (404, r#"{"message": "Unknown Message", "code": 10008}"#, "Unknown Message"),
                (404, r#"{"message": "Unknown Webhook", "code": 10015}"#, "Unknown Webhook"),
            ],
            later: &[
                (
                    429,
                    "",
                    r#"{"message": "You are being rate limited.", "retry_after": 1.337, "global": false}"#,
                    Some(2),
                ),
                (502, "", "<html></html>", None),
            ],
        },
    })
    .await;
}

#[tokio::test]
async fn telegram() {
    holds(Documented {
        name: "telegram",
        section: "token = \"1:hunter2\"\nchat = \"-1001234567890\"\ntopic = 421\nserver = \"SERVER/\"",
        sent: r#"{"ok": true, "result": {"message_id": 4217, "date": 1, "chat": {"id": -1001234567890, "type": "supergroup"}}}"#,
        receipt: r#"{"chat_id": -1001234567890, "message_id": 4217}"#,
        reply: Some(("https://core.telegram.org/bots/api#replyparameters", |message| {
            let reply = message["reply_parameters"].as_object().unwrap();
            assert_eq!(reply["message_id"].as_i64(), Some(4217));
            // The message that it follows may have been deleted.
            assert_eq!(reply["allow_sending_without_reply"], true);
            assert_eq!((&message["chat_id"], &message["message_thread_id"]), (&"-1001234567890".into(), &421.into()));
        })),
        edit: Edit {
            source: "https://core.telegram.org/bots/api#editmessagetext",
            method: "POST",
            path: |_| "/bot1:hunter2/editMessageText".to_owned(),
            payload: |message| {
                assert_eq!((message["chat_id"].as_i64(), message["message_id"].as_i64()), (Some(-1_001_234_567_890), Some(4217)));
                let known = ["chat_id", "message_id", "text", "parse_mode", "entities", "link_preview_options", "reply_markup"];
                assert!(message.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{message}");
                assert!(message.get("parse_mode").is_none() && message.get("entities").is_none());
                text(&message["text"], 4096);
                message["text"].clone()
            },
            taken: &[
                (200, r#"{"ok": true, "result": {"message_id": 4217}}"#),
                // It has this text already: the answer to the same edit was lost.
                (
                    400,
                    r#"{"ok": false, "error_code": 400, "description": "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"}"#,
                ),
            ],
            refused: &[
                (400, r#"{"ok": false, "error_code": 400, "description": "Bad Request: message to edit not found"}"#, "to edit not found"),
                (400, r#"{"ok": false, "error_code": 400, "description": "Bad Request: message can't be edited"}"#, "can't be edited"),
            ],
            later: &[(
                429,
                "",
                r#"{"ok": false, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 35}}"#,
                Some(35),
            )],
        },
    })
    .await;
}

#[tokio::test]
async fn matrix() {
    holds(Documented {
        name: "matrix",
        section: "server = \"SERVER\"\ntoken = \"hunter2\"\nroom = \"!abc:example.com\"",
        sent: r#"{"event_id": "$YUwRidLecu:example.com"}"#,
        receipt: r#"{"event_id": "$YUwRidLecu:example.com"}"#,
        reply: Some(("https://spec.matrix.org/latest/client-server-api/#rich-replies", |message| {
            let relation = message["m.relates_to"].as_object().unwrap();
            assert_eq!(relation["m.in_reply_to"]["event_id"], "$YUwRidLecu:example.com");
            assert!(!relation.contains_key("rel_type") && !relation.contains_key("event_id"));
        })),
        edit: Edit {
            source: "https://spec.matrix.org/latest/client-server-api/#event-replacements",
            method: "PUT",
            path: |notice| {
                let transaction = notice.event_id.replace('+', "%2B");
                format!("/_matrix/client/v3/rooms/%21abc%3Aexample.com/send/m.room.message/{transaction}")
            },
            payload: |message| {
                assert!(message.to_string().len() <= 65_536);
                let relation = message["m.relates_to"].as_object().unwrap();
                assert_eq!((&relation["rel_type"], relation.len()), (&"m.replace".into(), 2));
                assert_eq!(relation["event_id"], "$YUwRidLecu:example.com");
                // For clients that know no edits.
                assert!(message["body"].as_str().unwrap().starts_with("* "));
                for content in [message, &message["m.new_content"]] {
                    assert_eq!(content["msgtype"], "m.text");
                    assert_eq!(content["m.mentions"].as_object().map(serde_json::Map::len), Some(0));
                }
                message["m.new_content"]["body"].clone()
            },
            taken: &[(200, r#"{"event_id": "$another:example.com"}"#)],
            refused: &[(403, r#"{"errcode": "M_FORBIDDEN", "error": "User not in room"}"#, "User not in room")],
            later: &[(
                429,
                "",
                r#"{"errcode": "M_LIMIT_EXCEEDED", "error": "Too many", "retry_after_ms": 2500}"#,
                Some(3),
            )],
        },
    })
    .await;
}

#[tokio::test]
async fn a_long_message_that_a_service_repeats_is_taken_and_named() {
    let (receiver, address) = Receiver::start().await;
    let channel = channel_of("telegram", "token = \"1:hunter2\"\nchat = \"-100\"\nserver = \"SERVER\"", address);
    let text = "\\u0434".repeat(4096);
    let sent = format!(r#"{{"ok": true, "result": {{"text": "{text}", "chat": {{"id": -100}}, "message_id": 3}}}}"#);
    receiver.answers(200, "", &sent);
    let delivered = channel.deliver(&notice("incident.confirmed", Status::Firing)).await.unwrap();
    assert_eq!(receipt_of(&delivered).as_json(), r#"{"chat_id":-100,"message_id":3}"#);
}

#[tokio::test]
async fn what_cannot_name_a_message_is_no_receipt() {
    let (receiver, address) = Receiver::start().await;
    let discord = channel_of("discord", "webhook = \"SERVER/api/webhooks/1/hunter2\"", address);
    let long = format!(r#"{{"id": "{}"}}"#, "1".repeat(1000));
    let secret = format!(r#"{{"id": "http://{address}/api/webhooks/1/hunter2"}}"#);
    for answer in ["", "{}", "[1]", r#"{"id": null}"#, r#"{"id": {"a": 1}}"#, r#"{"id": ""}"#, &long, &secret] {
        receiver.answers(200, "", answer);
        let delivered = discord.deliver(&notice("incident.confirmed", Status::Firing)).await.unwrap();
        assert_eq!(delivered.receipt, None, "{answer}");
    }
    // A receipt that somebody else wrote into the history replaces nothing, and breaks nothing.
    for kept in ["", "{", "[]", r#"{"ts": 1}"#, HOSTILE] {
        let place = Place::Edit(Receipt::kept(kept.to_owned()));
        let refused = discord.deliver_to(&notice("incident.confirmed", Status::Firing), &place).await;
        assert!(matches!(refused, Err(Failure::Refused { .. })), "{kept}: {refused:?}");
    }
}

#[tokio::test]
async fn in_another_slack_channel_than_its_trigger_a_message_is_by_itself() {
    let (receiver, address) = Receiver::start().await;
    let section = "token = \"xoxb-hunter2\"\nchannel = \"C02\"\nserver = \"SERVER\"";
    let channel = channel_of("slack_api", section, address);
    receiver.answers(200, "", r#"{"ok": true}"#);
    let place = Place::Below(Receipt::kept(r#"{"channel": "C01", "ts": "1.2"}"#.to_owned()));
    channel.deliver_to(&notice("incident.resolved", Status::Resolved), &place).await.unwrap();
    let message = json(&receiver.asked().body);
    assert_eq!(message["channel"], "C02");
    assert!(message.get("thread_ts").is_none() && message.get("reply_broadcast").is_none());
}

#[tokio::test]
async fn a_channel_without_edits_replaces_nothing() {
    let (receiver, address) = Receiver::start().await;
    receiver.answers(200, "", r#"{"id": "1"}"#);
    let webhook = channel_of("webhook", "webhook = \"SERVER/hook\"", address);
    assert!(!webhook.can_edit());
    let notice = notice("incident.confirmed", Status::Firing);
    assert_eq!(webhook.deliver(&notice).await.unwrap().receipt, None);
    let receipt = Receipt::kept(r#"{"id": "1"}"#.to_owned());
    let refused = webhook.deliver_to(&notice, &Place::Edit(receipt.clone())).await;
    assert!(matches!(refused, Err(Failure::Refused { .. })), "{refused:?}");
    webhook.deliver_to(&notice, &Place::Below(receipt)).await.unwrap();
}
