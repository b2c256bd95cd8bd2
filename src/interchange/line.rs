//! Check results as lines, made without a copy of anything. They are what an export is made of, a hundred million at a
//! time; that they are the bytes that [`crate::interchange::json::CheckJson`] gives is a test.

use crate::{
    domain::{
        check::{Outcome, Phase},
        time::{DAY_MS, UnixMs},
    },
    store::CheckRow,
};

/// Writes moments as RFC 3339; the date is computed once a day.
#[derive(Default)]
pub(crate) struct Times {
    day: Option<i64>,
    /// `2026-11-20T`
    date: [u8; 11],
}

impl Times {
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, at: UnixMs) {
        let day = at.0.div_euclid(DAY_MS);
        if self.day != Some(day) {
            let text = at.to_string();
            // The text forms end with the year 9999: whatever lies outside is written as it prints.
            match text.as_bytes().first_chunk::<11>() {
                Some(date) if (UnixMs::MIN..=UnixMs::MAX).contains(&at) => {
                    (self.day, self.date) = (Some(day), *date);
                }
                _ => return out.extend_from_slice(text.as_bytes()),
            }
        }
        let ms = at.0.rem_euclid(DAY_MS) as u32;
        let digit = |n: u32| b'0' + (n % 10) as u8;
        let (s, m, h) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        text[..11].copy_from_slice(&self.date);
        (text[11], text[12]) = (digit(h / 10), digit(h));
        (text[14], text[15]) = (digit(m % 60 / 10), digit(m % 60));
        (text[17], text[18]) = (digit(s % 60 / 10), digit(s % 60));
        (text[20], text[21], text[22]) = (digit(ms % 1_000 / 100), digit(ms / 10), digit(ms));
        out.extend_from_slice(&text);
    }
}

fn put_number(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Microseconds as milliseconds with as many of three decimals as it takes; `whole` is what follows where it takes none.
fn put_ms(out: &mut Vec<u8>, us: u32, whole: &[u8]) {
    put_number(out, us / 1_000);
    let rest = us % 1_000;
    if rest == 0 {
        return out.extend_from_slice(whole);
    }
    let decimals = [b'0' + (rest / 100) as u8, b'0' + (rest / 10 % 10) as u8, b'0' + (rest % 10) as u8];
    let length = 3 - decimals.iter().rev().take_while(|d| **d == b'0').count();
    out.push(b'.');
    out.extend_from_slice(&decimals[..length]);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// One service's check results as JSON.
pub(crate) struct JsonLines {
    /// `{"type":"check","service":"web","at":"`, with or without the type.
    begin: Vec<u8>,
    times: Times,
}

impl JsonLines {
    pub(crate) fn new(service: &str, typed: bool) -> JsonLines {
        let mut begin: Vec<u8> =
            if typed { b"{\"type\":\"check\",\"service\":" } else { &b"{\"service\":"[..] }.to_vec();
        put_text(&mut begin, service);
        begin.extend_from_slice(b",\"at\":\"");
        JsonLines { begin, times: Times::default() }
    }

    pub(crate) fn put(&mut self, out: &mut Vec<u8>, check: &CheckRow<'_>) {
        out.extend_from_slice(&self.begin);
        self.times.put(out, check.at);
        out.extend_from_slice(b"\",\"outcome\":\"");
        out.extend_from_slice(check.outcome.as_str().as_bytes());
        let phases = &check.phases;
        for (key, us) in [
            (&b"\",\"response_time_ms\":"[..], check.latency_us),
            (b",\"dns_ms\":", phases.dns_us),
            (b",\"connect_ms\":", phases.connect_us),
            (b",\"tls_ms\":", phases.tls_us),
            (b",\"ttfb_ms\":", phases.ttfb_us),
        ] {
            out.extend_from_slice(key);
            match us {
                Some(us) => put_ms(out, us, b".0"),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b",\"http_status\":");
        match check.http_status {
            Some(status) => put_number(out, status.into()),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"certificate_days\":");
        match check.certificate_days {
            Some(days) => {
                if days < 0 {
                    out.push(b'-');
                }
                put_number(out, days.unsigned_abs());
            }
            None => out.extend_from_slice(b"null"),
        }
        let is_note = check.outcome == Outcome::Degraded;
        for (key, shown) in [(&b",\"failure\":"[..], !is_note), (b",\"note\":", is_note)] {
            out.extend_from_slice(key);
            match check.reason.filter(|_| shown) {
                Some((class, phase, message)) => {
                    out.extend_from_slice(b"{\"class\":\"");
                    out.extend_from_slice(class.as_str().as_bytes());
                    out.extend_from_slice(b"\",\"phase\":");
                    match phase {
                        Some(phase) => {
                            out.push(b'"');
                            out.extend_from_slice(phase.as_str().as_bytes());
                            out.push(b'"');
                        }
                        None => out.extend_from_slice(b"null"),
                    }
                    out.extend_from_slice(b",\"message\":");
                    put_text(out, message);
                    out.push(b'}');
                }
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(if check.recheck { b",\"recheck\":true" } else { b",\"recheck\":false" });
        if let Some(excerpt) = check.excerpt {
            out.extend_from_slice(b",\"excerpt\":");
            put_text(out, excerpt);
        }
        out.push(b'}');
    }
}

pub(crate) const CSV_HEADER: &str = "service,at,outcome,response_time_ms,dns_ms,connect_ms,tls_ms,ttfb_ms,http_status,certificate_days,class,phase,message,recheck\n";

/// One service's check results as CSV.
pub(crate) struct CsvLines {
    /// `web,`
    begin: Vec<u8>,
    times: Times,
}

impl CsvLines {
    pub(crate) fn new(service: &str) -> CsvLines {
        let mut begin = Vec::new();
        put_field(&mut begin, service);
        begin.push(b',');
        CsvLines { begin, times: Times::default() }
    }

    pub(crate) fn put(&mut self, out: &mut Vec<u8>, check: &CheckRow<'_>) {
        out.extend_from_slice(&self.begin);
        self.times.put(out, check.at);
        out.push(b',');
        out.extend_from_slice(check.outcome.as_str().as_bytes());
        let phases = &check.phases;
        for us in [check.latency_us, phases.dns_us, phases.connect_us, phases.tls_us, phases.ttfb_us] {
            out.push(b',');
            if let Some(us) = us {
                put_ms(out, us, b"");
            }
        }
        out.push(b',');
        if let Some(status) = check.http_status {
            put_number(out, status.into());
        }
        out.push(b',');
        if let Some(days) = check.certificate_days {
            out.extend_from_slice(days.to_string().as_bytes());
        }
        let (class, phase, message) = match check.reason {
            Some((class, phase, message)) => (class.as_str(), phase.map_or("", Phase::as_str), message),
            None => ("", "", ""),
        };
        for word in [class, phase] {
            out.push(b',');
            out.extend_from_slice(word.as_bytes());
        }
        out.push(b',');
        put_field(out, message);
        out.extend_from_slice(if check.recheck { b",true\n" } else { b",false\n" });
    }
}

/// Quotes what needs it (RFC 4180), and keeps a spreadsheet from taking a text for a formula. Some read signs of full
/// width as the others.
fn put_field(out: &mut Vec<u8>, text: &str) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let quoted = text.contains(['"', ',', '\n', '\r']);
    if quoted {
        out.push(b'"');
    }
    if formula {
        out.push(b'\'');
    }
    match quoted {
        true => out.extend_from_slice(text.replace('"', "\"\"").as_bytes()),
        false => out.extend_from_slice(text.as_bytes()),
    }
    if quoted {
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::check::{CheckResult, Class, PhaseTimes, Reason};
    use crate::interchange::json::CheckJson;
    use proptest::prelude::*;

    fn us() -> impl Strategy<Value = Option<u32>> {
        prop::option::of(prop_oneof![any::<u32>(), 0..100_000u32, (0..1000u32).prop_map(|ms| ms * 1000)])
    }

    prop_compose! {
        fn results()(
            at in prop_oneof![0..=UnixMs::MAX.0, 1_700_000_000_000..1_800_000_000_000i64],
            outcome in prop::sample::select(Outcome::ALL.to_vec()),
            us in prop::array::uniform5(us()),
            http_status in prop::option::of(any::<u16>()),
            certificate_days in prop::option::of(any::<i32>()),
            reason in prop::option::of((prop::sample::select(Class::ALL.to_vec()), prop::option::of(prop::sample::select(Phase::ALL.to_vec())), any::<String>())),
            recheck in any::<bool>(),
        ) -> CheckResult {
            CheckResult {
                at: UnixMs(at),
                outcome,
                latency_us: us[0],
                phases: PhaseTimes { dns_us: us[1], connect_us: us[2], tls_us: us[3], ttfb_us: us[4] },
                http_status,
                certificate_days,
                reason: reason.map(|(class, phase, message)| Reason { class, phase, message }),
                recheck,
            }
        }
    }

    proptest! {
        #![proptest_config(crate::domain::law(256))]

        #[test]
        fn a_line_is_what_the_interface_says_of_the_result(service in any::<String>(), results in prop::collection::vec(results(), 1..20)) {
            let mut lines = JsonLines::new(&service, false);
            for result in &results {
                let mut line = Vec::new();
                lines.put(&mut line, &CheckRow::from(result));
                prop_assert_eq!(std::str::from_utf8(&line).unwrap(), serde_json::to_string(&CheckJson::new(&service, result)).unwrap());
            }
        }
    }

    /// The fields of a line of CSV, by RFC 4180.
    fn fields(line: &str) -> Vec<String> {
        let (mut fields, mut quoted) = (vec![String::new()], false);
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    fields.last_mut().unwrap().push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                c => fields.last_mut().unwrap().push(c),
            }
        }
        assert!(!quoted, "{line}");
        fields
    }

    proptest! {
        #![proptest_config(crate::domain::law(512))]

        #[test]
        fn a_field_comes_out_of_its_line_as_it_went_in_and_is_no_formula(text in "[=+@＝＋－＠\"',;a\t\r\n -]{0,6}") {
            let mut line = b"before,".to_vec();
            put_field(&mut line, &text);
            line.extend_from_slice(b",behind");
            let fields = fields(std::str::from_utf8(&line).unwrap());
            prop_assert_eq!(fields.len(), 3);
            let field = fields[1].as_str();
            prop_assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']), "{}", field);
            prop_assert!(field == text || field.strip_prefix('\'') == Some(&text), "{}", field);
        }
    }
}
