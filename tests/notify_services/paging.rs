//! Services that keep an alert until it is resolved.

use super::{Documented, Notice, Receiver, channel_of, form, holds, json, notice, says_what_happened, text, words};
use healthcheck_dashboard::notify::Status;
use serde_json::Value;

fn is_over(notice: &Notice) -> bool {
    notice.status == Status::Resolved
}

#[tokio::test]
async fn pagerduty() {
    holds(Documented {
        name: "pagerduty",
        source: "https://developer.pagerduty.com/docs/events-api-v2/trigger-events/",
        section: "routing_key = \"hunter2\"\nserver = \"SERVER\"",
        method: "POST",
        path: |_| "/v2/enqueue".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            assert!(body.len() <= 512 * 1024);
            let event = json(body);
            assert_eq!(event["routing_key"], "hunter2");
            // What resolves it has the same.
            assert_eq!(text(&event["dedup_key"], 255), notice.key);
            if is_over(notice) {
                assert_eq!(event["event_action"], "resolve");
                return;
            }
            assert_eq!(event["event_action"], "trigger");
            let payload = &event["payload"];
            text(&payload["summary"], 1024);
            text(&payload["source"], 100_000);
            assert!(["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap()));
            text(&payload["timestamp"], 40);
            assert!(payload["custom_details"].is_object());
            assert!(event["links"].as_array().unwrap().iter().all(|link| link["href"].is_string()));
            says_what_happened(notice, &words(&event));
        },
        taken: (202, r#"{"status": "success", "message": "Event processed", "dedup_key": "h-7-confirmed"}"#),
        refused: &[(
            400,
            r#"{"status": "invalid event", "message": "Event object is invalid", "errors": ["Length of 'routing_key' is incorrect"]}"#,
            "Length of 'routing_key' is incorrect",
        )],
        later: &[(429, "", "", None), (500, "", "", None), (503, "Retry-After: 60", "", Some(60))],
    })
    .await;
}

#[tokio::test]
async fn opsgenie() {
    holds(Documented {
        name: "opsgenie",
        source: "https://docs.opsgenie.com/docs/alert-api",
        section: "api_key = \"hunter2\"\nserver = \"SERVER\"",
        method: "POST",
        path: |notice| match notice.status {
            Status::Firing => "/v2/alerts".to_owned(),
            Status::Resolved => format!("/v2/alerts/{}/close?identifierType=alias", notice.key),
        },
        headers: &[("content-type", "application/json"), ("authorization", "GenieKey hunter2")],
        payload: |notice, body| {
            let request = json(body);
            text(&request["source"], 100);
            // https://docs.opsgenie.com/docs/alerts-and-alert-fields: HTML is taken for HTML.
            assert!(!words(&request).contains("<b>"), "{request}");
            if is_over(notice) {
                text(&request["note"], 25_000);
                text(&request["user"], 100);
                return;
            }
            text(&request["message"], 130);
            assert_eq!(text(&request["alias"], 512), notice.key);
            let description = text(&request["description"], 15_000);
            assert!(["P1", "P2", "P3", "P4", "P5"].contains(&request["priority"].as_str().unwrap()));
            if notice.details.len() < 70 {
                says_what_happened(notice, &format!("{}{description}", request["message"]));
            }
        },
        taken: (202, r#"{"result": "Request will be processed", "took": 0.3, "requestId": "43a29c5c"}"#),
        // https://docs.opsgenie.com/docs/response
        refused: &[
            (401, r#"{"message": "Could not authenticate"}"#, "Could not authenticate"),
            (403, r#"{"message": "Forbidden", "code": 40301}"#, "Forbidden"),
            (422, r#"{"message": "Request body is not processable."}"#, "not processable"),
        ],
        later: &[
            (429, "", r#"{"message": "You are making too many requests!"}"#, None),
            (503, "Retry-After: 20", "", Some(20)),
        ],
    })
    .await;
}

#[tokio::test]
async fn splunk_oncall() {
    holds(Documented {
        name: "splunk_oncall",
        source: "https://help.splunk.com/en/splunk-observability-cloud/splunk-on-call/integrations-with-splunk-on-call/rest-endpoint-integration-for-splunk-on-call",
        section: "webhook = \"SERVER/integrations/generic/20131114/alert/hunter2/database\"",
        method: "POST",
        path: |_| "/integrations/generic/20131114/alert/hunter2/database".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            let alert = json(body);
            let kind = if is_over(notice) { "RECOVERY" } else { "CRITICAL" };
            assert_eq!(alert["message_type"], kind);
            assert_eq!(alert["entity_id"], notice.key);
            text(&alert["entity_display_name"], 500);
            text(&alert["state_message"], 20_480);
            says_what_happened(notice, &words(&alert));
        },
        taken: (200, r#"{"result": "success", "entity_id": "h-7-confirmed"}"#),
        refused: &[
            (200, r#"{"result": "failure", "message": "unknown routing key"}"#, "unknown routing key"),
            (404, "", "404"),
        ],
        later: &[(429, "Retry-After: 9", "", Some(9)), (500, "", "", None)],
    })
    .await;
}

#[tokio::test]
async fn grafana_oncall() {
    holds(Documented {
        name: "grafana_oncall",
        source: "https://grafana.com/docs/oncall/latest/configure/integrations/references/webhook/",
        section: "webhook = \"SERVER/integrations/v1/formatted_webhook/hunter2/\"",
        method: "POST",
        path: |_| "/integrations/v1/formatted_webhook/hunter2/".to_owned(),
        headers: &[("content-type", "application/json")],
        payload: |notice, body| {
            let alert = json(body);
            let state = if is_over(notice) { "ok" } else { "alerting" };
            assert_eq!((&alert["alert_uid"], &alert["state"]), (&notice.key.as_str().into(), &state.into()));
            assert_eq!(alert.get("link_to_upstream_details").and_then(Value::as_str), notice.url.as_deref());
            let said = words(&alert);
            assert!(!said.contains("@everyone") && !said.contains("<!channel>"), "{said}");
            says_what_happened(notice, &said);
        },
        taken: (200, "Ok."),
        refused: &[(403, "Forbidden", "Forbidden"), (404, "<html></html>", "404")],
        later: &[(429, "Retry-After: 300", "", Some(300)), (500, "", "", None)],
    })
    .await;
}

/// What holds of every alert.
fn postable_alerts_of(notice: &Notice, body: &str) {
    for alert in json(body).as_array().unwrap() {
        for set in ["labels", "annotations"] {
            assert!(alert[set].as_object().unwrap().values().all(Value::is_string), "{alert}");
        }
        // An alert has to have a name to be shown, and starts before it ends.
        text(&alert["labels"]["alertname"], 200);
        assert!(alert["startsAt"].as_str() <= alert["endsAt"].as_str(), "{alert}");
        // https://prometheus.io/docs/alerting/latest/clients/: until when it is open. Nothing is open for ever.
        let ends_at = alert["endsAt"].as_str().unwrap();
        assert_eq!(ends_at >= "2026-11-30T04:00:00Z", !is_over(notice), "{alert}");
        assert!(ends_at < "2026-12-02", "{alert}");
    }
}

/// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml: `postableAlerts`
fn postable_alerts(notice: &Notice, body: &str) {
    let alerts = json(body);
    let alerts = alerts.as_array().unwrap();
    assert_eq!(alerts.len(), notice.events.len().max(1));
    postable_alerts_of(notice, body);
    let is_of_incidents = !["report", "drill"].contains(&notice.event.as_str());
    assert!(words(&alerts[0]).contains(if notice.event == "drill" { "Nothing is wrong" } else { "HTTP 503" }));
    if let Some(url) = &notice.events.first().and_then(|event| event.url.clone()) {
        assert_eq!(alerts[0]["generatorURL"].as_str(), Some(url.as_str()));
    }
    // What is resolved is what was open: the labels are its identity.
    if !is_of_incidents {
        let labels = serde_json::json!({
            "alertname": "HealthcheckNotice",
            "kind": notice.event,
            "alert": notice.key,
            "severity": "critical"
        });
        assert_eq!(alerts[0]["labels"], labels);
    } else if notice.count == 1 && !notice.events.is_empty() {
        assert_eq!(
            alerts[0]["labels"],
            serde_json::json!({
                "alertname": "ServiceDown",
                "service": notice.events[0].service,
                "group": "shop",
                "severity": "critical"
            })
        );
    }
}

#[tokio::test]
async fn alertmanager() {
    holds(Documented {
        name: "alertmanager",
        source: "https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml",
        section: "server = \"SERVER/\"\ntoken = \"hunter2\"",
        method: "POST",
        path: |_| "/api/v2/alerts".to_owned(),
        headers: &[("content-type", "application/json"), ("authorization", "Bearer hunter2")],
        payload: postable_alerts,
        taken: (200, ""),
        refused: &[(400, r#""start time must be before end time""#, "start time must be before end time")],
        later: &[(500, "", r#""internal error""#, None), (503, "Retry-After: 3", "", Some(3))],
    })
    .await;
}

#[tokio::test]
async fn what_is_no_incident_is_another_alert_for_alertmanager_which_ends_as_well() {
    let (receiver, address) = Receiver::start().await;
    let channel = channel_of("alertmanager", "server = \"SERVER\"", address);
    receiver.answers(200, "", "");
    for (begin, end, service) in
        [("degraded", "degraded.resolved", Some("web")), ("monitor.failing", "monitor.recovered", None)]
    {
        let mut labels = Vec::new();
        for (event, status) in [(begin, Status::Firing), (end, Status::Resolved)] {
            let mut notice = notice(event, status);
            notice.key = "h-degraded-7".to_owned();
            notice.events[0].service = service.map(str::to_owned);
            notice.events[0].incident = Value::Null;
            channel.deliver(&notice).await.unwrap();
            let body = receiver.asked().body;
            postable_alerts_of(&notice, &body);
            let alert = json(&body)[0].clone();
            assert_eq!(alert["labels"]["alertname"], "HealthcheckNotice");
            assert_eq!(alert["labels"]["service"].as_str(), service);
            assert_eq!(alert["endsAt"] == notice.at, status == Status::Resolved, "{alert}");
            labels.push(alert["labels"].clone());
        }
        assert_eq!(labels[0], labels[1]);
    }
}

#[tokio::test]
async fn twilio() {
    holds(Documented {
        name: "twilio",
        source: "https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource",
        section: "account_sid = \"AC1\"\nauth_token = \"hunter2\"\nfrom = \"+15550000000\"\nto = \"+15551111111\"\nserver = \"SERVER\"",
        method: "POST",
        path: |_| "/2010-04-01/Accounts/AC1/Messages.json".to_owned(),
        headers: &[
            ("content-type", "application/x-www-form-urlencoded"),
            // AC1:hunter2
            ("authorization", "Basic QUMxOmh1bnRlcjI="),
        ],
        payload: |notice, body| {
            let form = form(body);
            let names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["To", "From", "Body"]);
            assert_eq!((form[0].1.as_str(), form[1].1.as_str()), ("+15551111111", "+15550000000"));
            assert!(form[2].1.chars().count() <= 1600);
            says_what_happened(notice, &form[2].1);
        },
        taken: (201, r#"{"sid": "SM1", "status": "queued"}"#),
        refused: &[
            (400, r#"{"code": 21211, "message": "The 'To' number is not valid", "status": 400}"#, "'To' number is not valid"),
            (401, r#"{"code": 20003, "message": "Authenticate", "status": 401}"#, "Authenticate"),
        ],
        // https://www.twilio.com/docs/api/errors/20429
        later: &[
            (429, "", r#"{"code": 20429, "message": "Too Many Requests", "status": 429}"#, None),
            (503, "Retry-After: 2", "", Some(2)),
        ],
    })
    .await;
}
