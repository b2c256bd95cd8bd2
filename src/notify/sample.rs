//! Notices to try templates with: one of each kind, with texts that try to leave their place.

use super::{
    notice::{Detail, Item, Notice, Status},
    report::{NewsLine, OutageLine, Report, ReportMail, ServiceLine, Sum, Tone},
};
use serde_json::{Value, json};

/// A name that would notify everybody, or be a tag, where it is not escaped.
pub(super) const HOSTILE: &str = "<!channel> @everyone *x* _y_ `z` [a](http://b) <b>\"&\\\n";

pub(super) fn notice(event: &str) -> Notice {
    let is_monitor = event.starts_with("monitor.");
    let several = event == "incidents";
    let is_report = event == "report";
    let service = (!is_monitor && !several && !is_report).then(|| "web".to_owned());
    let incident = json!({"id": 7, "status": "open", "cause": {"message": "a \"quoted\" <b>answer</b>\n"}});
    let item = |n: usize| Item {
        event_id: format!("h-{n}-confirmed"),
        event: "incident.confirmed".to_owned(),
        text: format!("service {n} {HOSTILE} is down"),
        service: Some(format!("service {n} {HOSTILE}")),
        group: Some("shop".to_owned()),
        severity: "critical",
        incident: incident.clone(),
        url: None,
    };
    Notice {
        acknowledge_url: Some("https://status.example/dashboard/acknowledge?incidents=1".to_owned()),
        event_id: "h-7-confirmed".to_owned(),
        event: event.to_owned(),
        text: format!("web “is” \"down\" \\ {HOSTILE}"),
        incident: if service.is_some() { incident.clone() } else { Value::Null },
        service,
        status: if ["incident.resolved", "monitor.recovered", "report"].contains(&event) {
            Status::Resolved
        } else {
            Status::Firing
        },
        severity: "critical",
        title: format!("[DOWN] web {HOSTILE}"),
        details: vec![Detail { label: "cause".to_owned(), value: format!("HTTP 503 {HOSTILE}") }],
        key: "h-7-confirmed".to_owned(),
        url: Some("https://status.example.com/dashboard/incidents/7?a=b&c=d".to_owned()),
        at: "2026-11-30T03:00:00Z".to_owned(),
        count: if several { 3 } else { 1 },
        events: if several { (1..=3).map(item).collect() } else { vec![item(7)] },
        report: is_report.then(|| Box::new(report())),
    }
}

/// A report in which every text is hostile.
pub(super) fn report() -> Report {
    let text = || HOSTILE.to_owned();
    let of = || NewsLine { service: text(), url: Some(text()), said: text() };
    Report {
        data: json!({"from": "2026-11-16T07:00:00.000Z", "services": {HOSTILE: {"uptime": null}}}),
        mail: ReportMail {
            title: text(),
            product: text(),
            range: text(),
            late: Some(text()),
            tone: Tone::Bad,
            headline: text(),
            sentences: vec![text()],
            sums: vec![Sum { name: text(), figure: text(), note: text() }],
            services: vec![ServiceLine {
                name: text(),
                url: None,
                uptime: text(),
                against: text(),
                missed: true,
                down: text(),
                failures: text(),
                notes: vec![text()],
            }],
            others: Some(text()),
            longest: vec![OutageLine {
                service: text(),
                url: None,
                began: text(),
                lasted: text(),
                cause: text(),
                note: Some(text()),
            }],
            certificates: vec![of()],
            news: vec![of()],
            url: Some(text()),
            footer: text(),
        },
    }
}

pub(super) fn notices() -> Vec<Notice> {
    let events = [
        "incident.confirmed",
        "incident.resolved",
        "incidents",
        "monitor.failing",
        "monitor.recovered",
        "report",
        "test",
    ];
    events.map(notice).into()
}
