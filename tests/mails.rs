//! The report as a mail: what it says, what it is made of, and how it is sent by hand.

use crate::support::{
    binary::{run, stderr, stdout},
    history::{History, result, service},
    smtp::mail_server,
};
use healthcheck_dashboard::{
    config::{self, Config},
    domain::{
        check::CheckResult,
        service::{CheckSchedule, Service},
        time::{MINUTE_MS, UnixMs},
    },
    notify::{Channel, Notice},
    report::Message,
    store::Reader,
};
use std::{collections::HashMap, path::Path, sync::Arc};

/// The Monday of week 46.
const BEGIN: &str = "2026-11-09T00:00:00Z";
const PUBLIC_URL: &str = "https://status.example.com";
/// A name that is a tag, an entity, a link and an emphasis where it is not escaped.
const HOSTILE: &str = "<b>shop</b> &amp; [x](http://y) *z* \"'";

fn at(text: &str) -> UnixMs {
    UnixMs::parse(text).unwrap()
}

/// A service that is checked every ten minutes.
fn slow(name: &str, objective: Option<f64>) -> Service {
    let cadence = CheckSchedule { interval_ms: 600_000, timeout_ms: 30_000, retry_interval_ms: 600_000 };
    Service { cadence, objective, ..service(name) }
}

/// Every ten minutes of two weeks, with failures of the second one: from a check on, so many.
fn two_weeks(history: &mut History, name: &str, failures: &[(&str, i64)]) {
    let fails = |time: UnixMs| {
        failures.iter().any(|(from, checks)| (0..checks * 10 * MINUTE_MS).contains(&time.since(at(from))))
    };
    for n in 0..15 * 144 - 100 {
        let time = at(BEGIN).plus(n * 10 * MINUTE_MS);
        let check = result(if fails(time) { 'x' } else { '.' }, time);
        history.check(name, CheckResult { certificate_days: (name == "web").then_some(12), ..check });
    }
}

fn plan(every: &str, port: u16) -> Config {
    let text = format!(
        "[alerts]\nenabled = true\nzone = \"Europe/Berlin\"\n[[alerts.channels]]\nname = \"mail\"\ntype = \"email\"\n\
         host = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\nuser = \"checks\"\npassword = \"hunter2\"\n\
         from = \"Checks <checks@example.com>\"\nto = [\"ops@example.com\"]\n\
         [alerts.report]\nevery = \"{every}\"\nchannels = [\"mail\"]\n"
    );
    config::parse(&text, Path::new("config.toml"), &|_| None).unwrap()
}

fn message(path: &Path, every: &str, now: UnixMs, objectives: &[(&str, f64)]) -> Message {
    let plan = plan(every, 25).alerts.report.unwrap();
    let objectives: HashMap<&str, f64> = objectives.iter().copied().collect();
    let objective = |name: &str| objectives.get(name).copied();
    let stretch = plan.moments.last_stretch(now).unwrap();
    let reader = Reader::open(path).unwrap();
    Message::read(&plan, stretch, &reader, now, &objective, ("Example Ltd", Some(PUBLIC_URL))).unwrap().unwrap()
}

/// A week in which a database took an interface with it, a blip of a service with an awkward name, and two that were
/// calm.
async fn a_week() -> (History, Message) {
    let services = vec![slow("api", Some(99.9)), slow("database", None), slow("web", Some(99.9)), slow(HOSTILE, None)];
    let mut history = History::new(BEGIN, services);
    two_weeks(&mut history, "database", &[("2026-11-17T13:00:00Z", 13), ("2026-11-20T02:00:00Z", 4)]);
    two_weeks(&mut history, "api", &[("2026-11-17T13:00:00Z", 12), ("2026-11-11T13:00:00Z", 3)]);
    two_weeks(&mut history, "web", &[]);
    two_weeks(&mut history, HOSTILE, &[("2026-11-19T10:10:00Z", 1)]);
    history.committed().await;
    let now = at("2026-11-23T07:00:02Z");
    history.at(now);
    let message = message(&history.path(), "monday 08:00", now, &[("api", 99.9), ("web", 99.9)]);
    (history, message)
}

/// The message about it.
pub(crate) async fn report_of_a_week() -> Notice {
    let (_history, message) = a_week().await;
    message.notice("h-report-2026-11-23T07:00:00.000Z".to_owned(), at("2026-11-23T07:00:02Z"))
}

/// Holds a text to the file that somebody has read. `UPDATE_SNAPSHOTS=1` writes what is to be read next.
#[track_caller]
fn is_as_read(file: &str, text: &str) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mails").join(file);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&place, text).unwrap();
    }
    let read = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(read == text, "{file} is another: UPDATE_SNAPSHOTS=1 writes it, to be read\n{text}");
}

#[tokio::test(start_paused = true)]
async fn the_mail_of_a_week_says_what_was_worst_first() {
    let (_history, message) = a_week().await;
    assert_eq!(message.title, "[REPORT] Week to Mon 23 Nov: 1 of 2 services missed their objective");
    is_as_read("week.txt", &message.report.mail.text());
    is_as_read("week.html", &message.report.mail.html().unwrap());
    // What channels get that carry no mails.
    is_as_read("week-short.txt", &message.clone().notice("h".to_owned(), at("2026-11-23T07:00:02Z")).plain());
    let names: Vec<&str> = message.report.mail.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["api", "database", HOSTILE, "web"]);
    assert_eq!(message.report.data["services"]["database"]["uptime"]["incidents"], 2);
    assert_eq!(message.report.data["services_in_all"], 4);
}

#[tokio::test(start_paused = true)]
async fn a_mail_loads_nothing_and_escapes_what_others_named() {
    let (_history, message) = a_week().await;
    let html = message.report.mail.html().unwrap();
    assert!(!html.contains("<b>shop") && html.contains("&lt;b&gt;shop&lt;&#x2f;b&gt; &amp;amp;"), "{html}");
    for loads in ["src=", "url(", "@import", "<link", "<script", "<img", "background=\"http", "<form", "javascript:"] {
        assert!(!html.contains(loads), "{loads}: {html}");
    }
    let addresses = html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for address in addresses {
        assert!(address.starts_with("https:&#x2f;&#x2f;status.example.com&#x2f;dashboard"), "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_of_a_thousand_services_is_not_clipped() {
    let name = |n: i64| format!("{HOSTILE} {n:04} {}", "x".repeat(150));
    let mut history = History::new("2026-11-16T07:00:00Z", (0..1000).map(|n| service(&name(n))).collect());
    for n in 0..1000 {
        let letters = if n % 25 == 0 { "..xxx..".to_owned() } else { ".".repeat(7) };
        history.checks(&name(n), at("2026-11-18T08:00:00Z"), &letters);
    }
    history.committed().await;
    history.at(at("2026-11-23T07:00:02Z"));
    let message = message(&history.path(), "monday 08:00", at("2026-11-23T07:00:02Z"), &[]);
    let mail = &message.report.mail;
    assert_eq!(mail.headline, "40 of 1000 services failed at least once");
    assert_eq!(mail.services.len(), 25);
    assert!(mail.services.iter().all(|service| service.down != "none"), "what failed comes first");
    assert_eq!(mail.others.as_deref(), Some("And 975 more services, 15 of which failed at least once."));
    // Where Gmail clips a mail.
    let html = mail.html().unwrap();
    assert!(html.len() < 100_000, "{} bytes", html.len());
    assert!(mail.text().len() < 30_000);
}

#[tokio::test(start_paused = true)]
async fn a_history_that_has_just_begun_has_a_report_that_says_so() {
    let history = History::new("2026-11-23T06:59:00Z", vec![service("web")]);
    history.at(at("2026-11-23T07:00:00Z"));
    let message = message(&history.path(), "daily 08:00", at("2026-11-23T07:00:00Z"), &[]);
    let text = message.report.mail.text();
    assert!(
        text.starts_with("Daily report · Example Ltd\nSunday, 22 November, 08:00 to Monday, 23 November"),
        "{text}"
    );
    assert!(text.contains("\n\nNothing failed\n"), "{text}");
}

/// The mail among the lines that a server heard.
pub(crate) fn text(heard: &[String]) -> String {
    let start = heard.iter().position(|line| line == "DATA").unwrap() + 1;
    // A line that begins with a dot has another one before it.
    let undot = |line: &String| line.strip_prefix('.').unwrap_or(line).to_owned();
    heard[start..].iter().map(undot).collect::<Vec<_>>().join("\n")
}

/// The parts of a mail of text and HTML, decoded.
pub(crate) fn parts(mail: &str) -> (String, String) {
    let boundary = mail.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let part = |kind: &str| {
        let part = mail.split(&format!("--{boundary}")).find(|part| part.contains(kind)).unwrap();
        let (head, body) = part.split_once("\n\n").unwrap();
        if head.contains("Content-Transfer-Encoding: 7bit") {
            return body.trim_end_matches('\n').to_owned();
        }
        assert!(head.contains("Content-Transfer-Encoding: quoted-printable"), "{head}");
        let mut bytes = Vec::new();
        let mut rest = body.trim_end_matches('\n').bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'=' => match rest.next() {
                    Some(b'\n') => {}
                    first => {
                        let hex = [first.unwrap(), rest.next().unwrap()];
                        bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                    }
                },
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
    };
    (part("text/plain"), part("text/html"))
}

/// The channel of mails, as the program builds it.
pub(crate) fn channel(port: u16) -> Channel {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    Channel::new(plan("monday 08:00", port).alerts.channels[0].clone(), tls).unwrap()
}

#[tokio::test]
async fn a_report_is_a_mail_of_text_and_html() {
    let history = History::new(BEGIN, vec![service("web")]);
    let now = at("2026-11-23T07:00:00Z");
    let message = message(&history.path(), "monday 08:00", now, &[]);
    let mail = message.report.mail.clone();
    let notice: Notice = message.notice("0123-report-2026-11-23T07:00:00.000Z".to_owned(), now);
    let (port, heard) = mail_server("AGNoZWNrcwBodW50ZXIy").await;
    channel(port).deliver(&notice).await.unwrap();
    let text = text(&heard.await.unwrap());
    let (head, _) = text.split_once("\n\n").unwrap();
    for line in [
        "From: Checks <checks@example.com>",
        "To: ops@example.com",
        "Message-ID: <0123-report-2026-11-23T07-00-00-000Z@example.com>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Subject: [REPORT] Week to Mon 23 Nov: nothing failed",
    ] {
        assert!(head.lines().any(|of_head| of_head == line), "{line}: {head}");
    }
    assert!(head.contains("Content-Type: multipart/alternative;") && !head.contains("References"), "{head}");
    assert_eq!(parts(&text), (mail.text().trim_end().to_owned(), mail.html().unwrap().trim_end().to_owned()));
}

/// A folder with a history in it, and the configuration that these lines make.
async fn folder(section: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new("2026-11-23T06:00:00Z", vec![service("web")]);
    history.checks("web", at("2026-11-23T06:00:00Z"), "...");
    let path = history.path();
    history.store.stop().await;
    std::fs::copy(path, folder.path().join("history.db")).unwrap();
    let text = format!(
        "[[checks.endpoints]]\nname = \"web\"\nurl = \"http://127.0.0.1:9/\"\n[storage]\npath = \"history.db\"\n{section}"
    );
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    folder
}

fn command(name: &str, line: &str) -> String {
    format!("[[alerts.channels]]\nname = \"{name}\"\ntype = \"command\"\ncommand = {line:?}\n")
}

#[tokio::test]
async fn a_report_is_sent_by_hand_and_each_receivers_answer_is_printed() {
    let report = "[alerts.report]\nevery = \"daily 08:00\"\nchannels = [\"file\", \"broken\"]\n";
    let channels = format!(
        "{}{}{}",
        command("file", "cat > told.json"),
        command("other", "cat > other.json"),
        command("broken", "echo no room >&2; exit 3")
    );
    let place = folder(&format!("[alerts]\nenabled = true\n{channels}{report}")).await;
    let output = run(place.path(), &["report", "--send"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.starts_with("file: delivered.") && said.contains("broken: NOT delivered. "), "{said}");
    assert!(!place.path().join("other.json").exists());
    let told = std::fs::read_to_string(place.path().join("told.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((told["event"].as_str(), told["status"].as_str()), (Some("report"), Some("resolved")));
    assert!(told["report"]["from"].is_string() && told["report"]["services"].is_object(), "{told}");
    assert!(told.get("mail").is_none() && told["report"].get("mail").is_none(), "{told}");
    let place = folder("").await;
    let output = run(place.path(), &["report", "--send"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("has no report: set enabled = true below [alerts]"), "{}", stderr(&output));
}

#[test]
fn what_is_wrong_with_a_report_is_said_where_it_stands() {
    let read = |section: &str| {
        let text = format!(
            "[alerts]\nenabled = true\n{}[[alerts.channels]]\nname = \"pager\"\ntype = \"pagerduty\"\n\
             routing_key = \"k\"\n[alerts.report]\n{section}",
            command("mail", "cat")
        );
        config::parse(&text, Path::new("config.toml"), &|_| None).map_err(|error| error.to_string())
    };
    let to = "channels = [\"mail\"]";
    for (section, expected) in [
        (to.to_owned(), "`every` is missing"),
        ("every = \"daily 08:00\"".to_owned(), "`channels` is missing"),
        (format!("every = \"mondy 08:00\"\n{to}"), "^^^^^^^^^^^^^ did you mean `monday`?"),
        (format!("every = \"dayly 08:00\"\n{to}"), "did you mean `daily`?"),
        (format!("every = \"08:00\"\n{to}"), "a day of the week, `daily` or `monthly` is needed first"),
        (format!("every = \"monday\"\n{to}"), "the time of day is missing"),
        (format!("every = \"monday 25:00\"\n{to}"), "the time of day has to be such as 08:00"),
        (format!("every = \"monthly 08:00\"\n{to}"), "`monthly` needs a day from 1 to 31 after it"),
        (format!("every = \"monthly 32 08:00\"\n{to}"), "`monthly` needs a day from 1 to 31 after it"),
        (format!("every = \"monday 08:00 UTC\"\n{to}"), "nothing can come after the time"),
        (format!("every = \"daily 08:00\"\nzone = \"Europe/Berln\"\n{to}"), "did you mean `Europe/Berlin`?"),
        ("every = \"daily 08:00\"\nchannels = []".to_owned(), "the report goes to no channel"),
        ("every = \"daily 08:00\"\nchannels = [\"mial\"]".to_owned(), "^^^^^^ did you mean `mail`?"),
        ("every = \"daily 08:00\"\nchannels = [\"pager\"]".to_owned(), "takes alerts, and no report"),
        (format!("every = \"daily 08:00\"\nchanels = []\n{to}"), "did you mean `channels`?"),
    ] {
        let said = read(&section).unwrap_err();
        assert!(said.contains(expected), "{section}\n{said}");
    }
    let drill = "[alerts]\nenabled = true\nwebhook = \"http://x/\"\ndrill = \"montly\"";
    let said = config::parse(drill, Path::new("config.toml"), &|_| None).unwrap_err().to_string();
    assert!(said.contains("^^^^^^^^ did you mean `monthly`?"), "{said}");
    for every in ["monday 08:00", "Mon 8:00", "daily 00:00", "monthly 31 23:59"] {
        let read = read(&format!("every = \"{every}\"\n{to}"));
        assert!(read.is_ok(), "{every}: {read:?}");
    }
}
