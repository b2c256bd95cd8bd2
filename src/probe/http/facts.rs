//! What the names in conditions on an HTTP answer stand for.

use super::{answer::Content, headers::shown, names::STATUS};
use crate::{
    domain::check::PhaseTimes,
    probe::{
        conditions::{Absence, Facts, Fields, Value},
        trace::Trace,
    },
};
use reqwest::{
    StatusCode, Url,
    header::{HeaderMap, LOCATION},
};
use std::borrow::Cow;

/// What a check found that is over.
pub(super) struct Found<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) content: &'a Content<'a>,
    /// Where the answer came from, after so many redirects.
    pub(super) url: &'a Url,
    pub(super) redirects: usize,
    pub(super) trace: &'a Trace,
    pub(super) before: Before,
}

/// What a check took before the request that is looked at.
#[derive(Clone, Copy, Default)]
pub(super) struct Before {
    latency_us: u32,
    times: PhaseTimes,
}

impl Before {
    /// What it took so far.
    pub(super) fn of(trace: &Trace) -> Before {
        Before { latency_us: trace.latency_us(), times: trace.times() }
    }

    /// What it took since then.
    pub(super) fn latency_us(self, trace: &Trace) -> u32 {
        trace.latency_us().saturating_sub(self.latency_us)
    }
}

impl Facts for Found<'_> {
    fn fact(&self, name: &str) -> Result<Value<'_>, Absence> {
        let times = || self.trace.times();
        let phase = |us: Option<u32>, before: Option<u32>, what: &str| match us {
            // Nothing was added: not in this request.
            Some(us) if before.is_none_or(|before| us > before) => {
                Ok(Value::milliseconds(us - before.unwrap_or_default()))
            }
            _ => Err(Absence::Missing(format!("{what} in this check"))),
        };
        match name {
            STATUS => Ok(Value::whole(self.status.as_u16())),
            "headers" => Ok(Value::Fields(self.headers)),
            "body" => Ok(Value::text(self.content.text())),
            "json" => self.content.json().map(Value::json).map_err(|why| Absence::Unknown(why.to_owned())),
            "location" => match self.headers.field(LOCATION.as_str()) {
                Some(location) => Ok(Value::Text(location)),
                None => Err(Absence::Missing("the answer has no header location".to_owned())),
            },
            "url" => Ok(Value::text(shown(self.url))),
            "redirects" => Ok(Value::whole(self.redirects as i64)),
            "cert_days" => match self.trace.certificate() {
                Some(certificate) => Ok(Value::whole(certificate.days_left())),
                None => Err(Absence::Missing("the answer came without TLS, there is no certificate".to_owned())),
            },
            "response_time_ms" => Ok(Value::milliseconds(self.before.latency_us(self.trace))),
            "dns_ms" => phase(times().dns_us, self.before.times.dns_us, "no name was looked up"),
            "connect_ms" => phase(times().connect_us, self.before.times.connect_us, "no connection was timed"),
            "tls_ms" => phase(times().tls_us, self.before.times.tls_us, "there was no TLS handshake"),
            "ttfb_ms" => phase(times().ttfb_us, self.before.times.ttfb_us, "no first byte was timed"),
            _ => Err(Absence::Unknown(format!("{name} stands for nothing"))),
        }
    }
}

impl Fields for HeaderMap {
    fn noun(&self) -> &'static str {
        "header"
    }

    /// A header that comes several times is one with commas, as in RFC 9110, section 5.3.
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let first = values.next()?;
        Some(values.fold(first, |all, value| Cow::Owned(format!("{all}, {value}"))))
    }
}

/// What is known when the status is.
pub(super) struct Status(pub(super) StatusCode);

impl Facts for Status {
    fn fact(&self, _: &str) -> Result<Value<'_>, Absence> {
        Ok(Value::whole(self.0.as_u16()))
    }
}
