//! What conditions on an HTTP answer may name.

use crate::probe::conditions::{Name, Type};

pub(super) const STATUS: &str = "status";
/// Those for which the body is read as text.
pub(super) const OF_THE_BODY: [&str; 2] = ["body", "json"];

pub(super) const NAMES: &[Name] = &[
    Name::new(STATUS, Type::Number),
    Name::new("headers", Type::Fields),
    Name::new("body", Type::Text),
    Name::new("json", Type::Anything),
    Name::new("location", Type::Text),
    Name::new("url", Type::Text),
    Name::new("redirects", Type::Number),
    Name::new("cert_days", Type::Number),
    Name::measured("response_time_ms"),
    Name::measured("dns_ms"),
    Name::measured("connect_ms"),
    Name::measured("tls_ms"),
    Name::measured("ttfb_ms"),
];
