//! What each service is sent, held to what somebody has read.

use super::{is_update, notices, page, place};
use crate::{
    mails,
    notify_services::{Receiver, channel_of, form},
    support::smtp::mail_server,
};
use healthcheck_dashboard::notify::Notice;
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

/// A service, the keys of its channel's section, and the answer to a message that was taken.
type Service = (&'static str, &'static str, (u16, &'static str));

const OK: (u16, &str) = (200, "{}");

/// What keeps alerts, what people talk in, what rings. A webhook and a command get the notice as it is.
const SERVICES: [Service; 23] = [
    ("slack", "webhook = \"SERVER/services/T0/B0/hunter2\"", OK),
    (
        "slack_api",
        "token = \"xoxb-hunter2\"\nchannel = \"C0123456789\"\nserver = \"SERVER\"",
        (200, r#"{"ok": true, "channel": "C0123456789", "ts": "1.2"}"#),
    ),
    ("discord", "webhook = \"SERVER/api/webhooks/1/hunter2\"", (200, r#"{"id": "1"}"#)),
    ("teams", "webhook = \"SERVER/workflows/1/invoke?sig=hunter2\"", (202, "")),
    (
        "telegram",
        "token = \"1:hunter2\"\nchat = \"-1001234567890\"\nserver = \"SERVER\"",
        (200, r#"{"ok": true, "result": {"message_id": 3, "chat": {"id": 1}}}"#),
    ),
    ("mattermost", "webhook = \"SERVER/hooks/hunter2\"", OK),
    ("rocketchat", "webhook = \"SERVER/hooks/1/hunter2\"", OK),
    (
        "webex",
        "token = \"hunter2\"\nroom = \"Y2lzY29zcGFyazovL3VzL1JPT00vMQ\"\nserver = \"SERVER\"",
        (200, r#"{"id": "Y2lz"}"#),
    ),
    ("googlechat", "webhook = \"SERVER/v1/spaces/A/messages?key=k&token=hunter2\"", OK),
    ("matrix", "server = \"SERVER\"\ntoken = \"hunter2\"\nroom = \"!abc:example.com\"", OK),
    (
        "zulip",
        "server = \"SERVER\"\nemail = \"bot@example.com\"\napi_key = \"hunter2\"\nstream = \"ops\"",
        (200, r#"{"result": "success"}"#),
    ),
    ("ntfy", "topic = \"ops\"\ntoken = \"tk_hunter2\"\nserver = \"SERVER\"", OK),
    ("gotify", "server = \"SERVER\"\ntoken = \"Ahunter2\"", OK),
    ("pushover", "token = \"hunter2\"\nuser_key = \"u-hunter2\"\nserver = \"SERVER\"", (200, r#"{"status": 1}"#)),
    ("signal", "server = \"SERVER\"\nnumber = \"+491700000000\"\nrecipients = \"+491700000001\"", (201, "{}")),
    ("apprise", "server = \"SERVER\"\nkey = \"hunter2\"\ntag = \"ops\"", OK),
    ("homeassistant", "server = \"SERVER\"\ntoken = \"hunter2\"\nnotify = \"mobile_app_phone\"", (200, "[]")),
    ("pagerduty", "routing_key = \"hunter2\"\nserver = \"SERVER\"", (202, "{}")),
    ("opsgenie", "api_key = \"hunter2\"\nserver = \"SERVER\"", (202, "{}")),
    (
        "splunk_oncall",
        "webhook = \"SERVER/integrations/generic/20131114/alert/hunter2/database\"",
        (200, r#"{"result": "success"}"#),
    ),
    ("grafana_oncall", "webhook = \"SERVER/integrations/v1/formatted_webhook/hunter2/\"", (200, "Ok.")),
    ("alertmanager", "server = \"SERVER\"\ntoken = \"hunter2\"", (200, "")),
    (
        "twilio",
        "account_sid = \"AC1\"\nauth_token = \"hunter2\"\nfrom = \"+15550000000\"\nto = \"+15551111111\"\nserver = \"SERVER\"",
        (201, "{}"),
    ),
];

/// A message as it was sent.
pub(super) struct Sent {
    pub(super) kind: &'static str,
    /// The request without its body, the head of the mail.
    pub(super) head: String,
    /// JSON, or the fields of a form as an object.
    pub(super) body: Value,
    pub(super) is_form: bool,
    /// Of a mail: its page.
    pub(super) html: Option<String>,
}

impl Sent {
    fn of_a_request(kind: &'static str, head: &str, body: &str) -> Sent {
        let mut lines = head.lines();
        let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        let said = lines.filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !["host", "content-length", "accept", "user-agent", ""].contains(&name)
        });
        // What a user and a password become is a credential as well.
        let said = said.map(|line| match line.strip_prefix("authorization: Basic ") {
            Some(_) => "authorization: Basic •••".to_owned(),
            None => line.to_owned(),
        });
        let mut said: Vec<String> = said.collect();
        said.sort();
        let is_form = said.iter().any(|line| line.ends_with("form-urlencoded"));
        let body = if is_form {
            form(body).into_iter().map(|(name, value)| (name, Value::String(masked(&value)))).collect()
        } else {
            serde_json::from_str(&masked(body)).unwrap_or_else(|error| panic!("{error}: {body}"))
        };
        let head = [line].into_iter().chain(said).collect::<Vec<_>>().join("\n");
        Sent { kind, head: masked(&head), body, is_form, html: None }
    }

    /// As the file has it that somebody has read.
    fn text(&self) -> String {
        let fields = |all: &serde_json::Map<String, Value>| {
            let lines = all.iter().map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or_default()));
            lines.collect::<Vec<_>>().join("\n")
        };
        let body = match &self.body {
            Value::Object(all) if self.is_form => fields(all),
            Value::String(text) => text.clone(),
            json => serde_json::to_string_pretty(json).unwrap(),
        };
        format!("===== {}\n{}\n\n{body}\n\n", self.kind, self.head)
    }
}

fn masked(text: &str) -> String {
    text.replace("hunter2", "•••")
}

/// Holds all that a service is sent to the file that somebody has read.
fn as_read(service: &str, all: &[Sent], differ: &mut Vec<String>) {
    let place = place("messages", &format!("{service}.txt"));
    let text: String = all.iter().map(Sent::text).collect();
    if is_update() {
        std::fs::write(&place, &text).unwrap();
    }
    let read = std::fs::read_to_string(&place).unwrap_or_default();
    if read != text {
        let line = read.lines().zip(text.lines()).find(|(read, now)| read != now);
        let (read, now) = line.unwrap_or(("an end, or no file", "an end"));
        differ.push(format!("{service}.txt is another: UPDATE_SNAPSHOTS=1 writes it, to be read\n- {read}\n+ {now}"));
    }
}

#[tokio::test]
async fn each_service_is_sent_what_somebody_has_read_of_each_kind_of_message() {
    let (notices, mut sets, mut differ) = (notices().await, Vec::new(), Vec::new());
    for (name, section, (status, answer)) in SERVICES {
        let (receiver, address) = Receiver::start().await;
        let channel = channel_of(name, section, address);
        receiver.answers(status, "", answer);
        let mut all = Vec::new();
        for (kind, notice) in &notices {
            channel.deliver(notice).await.unwrap_or_else(|error| panic!("{name}, {kind}: {error:?}"));
            let request = receiver.asked();
            all.push(Sent::of_a_request(kind, &request.head, &request.body));
        }
        // A text message costs by its length: it has one link.
        let acknowledge = notices[0].1.acknowledge_url.as_deref().unwrap();
        let has_it = all[0].text().replace("&amp;", "&").contains(acknowledge);
        assert_eq!(has_it, name != "twilio", "{name} has no link to acknowledge: {}", all[0].text());
        as_read(name, &all, &mut differ);
        sets.push((name, all));
    }
    let mut mails = Vec::new();
    for (kind, notice) in &notices {
        mails.push(mail(kind, notice).await);
    }
    as_read("email", &mails, &mut differ);
    sets.push(("email", mails));
    page::write(&sets);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// A mail, as its server took it. The report's page is held by the tests of reports.
async fn mail(kind: &'static str, notice: &Notice) -> Sent {
    let (port, heard) = mail_server("AGNoZWNrcwBodW50ZXIy").await;
    mails::channel(port).deliver(notice).await.unwrap();
    let text = mails::text(&heard.await.unwrap());
    let (head, _) = text.split_once("\n\n").unwrap();
    let head = head.lines().filter(|line| {
        ["Subject: ", "Message-ID: ", "In-Reply-To: ", "References: ", " "].iter().any(|begin| line.starts_with(begin))
            && !line.contains("boundary=")
    });
    let head = head.collect::<Vec<_>>().join("\n");
    let (plain, html) = mails::parts(&text);
    let body = if notice.report.is_some() { plain } else { format!("{plain}\n\n{html}") };
    Sent { kind, head, body: Value::String(body), is_form: false, html: Some(html) }
}

#[tokio::test]
async fn a_webhook_and_a_command_get_every_notice_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("got");
    for (kind, notice) in notices().await {
        let (receiver, address) = Receiver::start().await;
        receiver.answers(200, "", "");
        let expected = serde_json::to_value(&notice).unwrap();
        channel_of("webhook", "webhook = \"SERVER/hook\"", address).deliver(&notice).await.unwrap();
        let request = receiver.asked();
        assert_eq!(serde_json::from_str::<Value>(&request.body).unwrap(), expected, "{kind}");
        assert!(request.head.contains(&format!("idempotency-key: {}", notice.event_id)), "{}", request.head);
        let command = format!("command = [\"tee\", {:?}]", place.to_str().unwrap());
        channel_of("command", &command, address).deliver(&notice).await.unwrap();
        let got = std::fs::read(&place).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&got).unwrap(), expected, "{kind}");
    }
}

#[test]
fn no_service_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notify/services");
    let file = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let all: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| file(entry).trim_end_matches(".template").to_owned())
        .filter(|name| name != "webhook")
        .collect();
    assert_eq!(SERVICES.map(|(name, ..)| name.to_owned()).into_iter().collect::<BTreeSet<_>>(), all);
    let read: BTreeSet<String> = std::fs::read_dir(place("messages", ""))
        .unwrap()
        .map(|entry| file(entry).trim_end_matches(".txt").to_owned())
        .collect();
    assert_eq!(read, all.into_iter().chain(["email".to_owned()]).collect());
}
