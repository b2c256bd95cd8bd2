//! Messages that are about no service: the monitor itself, and tests.

use crate::{
    domain::{
        sanitize::{LONGEST_MESSAGE, one_line},
        time::UnixMs,
    },
    notify::{Notice, OF_THE_MONITOR, Status},
    routing::Severity,
    store::Alarm,
};
use serde_json::Value;

/// The message about the monitor itself.
pub(super) fn of_the_monitor(alarm: &Alarm, now: UnixMs, public_url: Option<&str>) -> Notice {
    let text = one_line(&alarm.text, LONGEST_MESSAGE);
    let (event, tag, status) = match alarm.is_over {
        true => ("monitor.recovered", "[UP]", Status::Resolved),
        false => ("monitor.failing", "[DOWN]", Status::Firing),
    };
    Notice {
        event_id: alarm.event_id.clone(),
        event: event.to_owned(),
        text: format!("{OF_THE_MONITOR}{text}"),
        service: None,
        incident: Value::Null,
        status,
        severity: Severity::Critical.as_str(),
        title: format!("{tag} the monitor itself"),
        details: Vec::new(),
        key: alarm.key.clone(),
        acknowledge_url: None,
        // Its pages are made of what is in memory, and say what is wrong.
        url: public_url.map(|base| format!("{base}/dashboard")),
        at: now.to_string(),
        count: 1,
        events: Vec::new(),
        report: None,
    }
}

/// A message that proves that a channel works.
pub(super) fn test(now: UnixMs, public_url: Option<&str>) -> Notice {
    let event_id = format!("test-{}", now.0);
    Notice {
        event: "test".to_owned(),
        text: "This is a test. Nothing is wrong: alerts of this monitor reach you here.".to_owned(),
        service: None,
        incident: Value::Null,
        status: Status::Resolved,
        severity: Severity::Warning.as_str(),
        title: "[TEST] health checks".to_owned(),
        details: Vec::new(),
        key: event_id.clone(),
        event_id,
        acknowledge_url: None,
        url: public_url.map(|base| format!("{base}/dashboard")),
        at: now.to_string(),
        count: 1,
        events: Vec::new(),
        report: None,
    }
}
