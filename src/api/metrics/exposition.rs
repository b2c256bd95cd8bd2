//! The two text formats that Prometheus reads, and which of them a scraper asks for.
//!
//! They differ in little: OpenMetrics names a counter's family without the `_total` of its samples, states units, and has
//! an end mark. They are written here because the crates that write them know one of the two, and because a figure of each
//! of ten thousand services must not first become an entry in a map.

use std::fmt::{self, Write};

/// A format, with the version that its content type states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4.
    Prometheus,
    /// <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>
    OpenMetrics,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What these values of `Accept` ask for. Prometheus' own format is the answer to whoever does not ask for the other.
    pub(super) fn accepted<'a>(values: impl Iterator<Item = &'a str>) -> Format {
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut known) = (1.0, true);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.parse().unwrap_or(0.0),
                    "version" => known = ["1.0.0", "0.0.1", "0.0.4"].contains(&value),
                    _ => {}
                }
            }
            match kind.as_str() {
                "application/openmetrics-text" if known => open = open.max(quality),
                "text/plain" | "text/*" if known => plain = plain.max(quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain { Format::OpenMetrics } else { Format::Prometheus }
    }
}

/// What a figure does over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Gauge,
    /// Its samples end in `_total`.
    Counter,
}

/// A value of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Whole(u64),
    Number(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Number(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Whole(value.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Whole(value) => write!(f, "{value}"),
            // Both formats know the exponent that Rust writes for what is very large or very small.
            Value::Number(value) => write!(f, "{value:?}"),
        }
    }
}

/// An answer that grows by a family at a time.
#[derive(Debug)]
pub(super) struct Exposition {
    format: Format,
    text: String,
}

/// A family of metrics that is being written.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    text: &'a mut String,
    /// The name of each sample.
    name: String,
}

impl Exposition {
    pub(super) fn new(format: Format, capacity: usize) -> Exposition {
        Exposition { format, text: String::with_capacity(capacity) }
    }

    /// Begins a family. `unit` is what its name has to end in; `help` is a sentence without its full stop.
    pub(super) fn family(&mut self, kind: Kind, name: &str, unit: Option<&str>, help: &str) -> Samples<'_> {
        let unit_end = unit.map_or(String::new(), |unit| format!("_{unit}"));
        let family = format!("healthcheck_{name}{unit_end}");
        let total = if kind == Kind::Counter { "_total" } else { "" };
        let sample = format!("{family}{total}");
        let titled = if self.format == Format::OpenMetrics { &family } else { &sample };
        let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
        self.text.push_str(&format!("# HELP {titled} {help}.\n# TYPE {titled} {kind}\n"));
        if let Some(unit) = unit.filter(|_| self.format == Format::OpenMetrics) {
            self.text.push_str(&format!("# UNIT {titled} {unit}\n"));
        }
        Samples { text: &mut self.text, name: sample }
    }

    /// A family of one sample without labels.
    pub(super) fn single(&mut self, kind: Kind, name: &str, unit: Option<&str>, help: &str, value: impl Into<Value>) {
        self.family(kind, name, unit, help).add("", value);
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl Samples<'_> {
    /// Adds a sample. `labels` are as [`label`] makes them, with commas between them.
    pub(super) fn add(&mut self, labels: &str, value: impl Into<Value>) {
        self.add_with(labels, None, value);
    }

    /// Adds a sample with one more label, whose value needs no escape.
    pub(super) fn add_with(&mut self, labels: &str, more: Option<(&str, &str)>, value: impl Into<Value>) {
        self.text.push_str(&self.name);
        if !labels.is_empty() {
            self.text.push('{');
            self.text.push_str(labels);
            if let Some((name, value)) = more {
                for part in [",", name, "=\"", value, "\""] {
                    self.text.push_str(part);
                }
            }
            self.text.push('}');
        }
        // A string takes whatever it is given.
        let _ = writeln!(self.text, " {}", value.into());
    }
}

/// A label, escaped: `service="web"`.
pub(super) fn label(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scraper_gets_the_format_that_it_asks_for() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;\
                            q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/html,*/*;q=0.8", Format::Prometheus),
            ("text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.1", Format::Prometheus),
            ("application/openmetrics-text;q=0", Format::Prometheus),
            ("application/openmetrics-text; version=9.0.0, text/plain;q=0.1", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8", Format::OpenMetrics),
            (prometheus_2, Format::OpenMetrics),
        ] {
            assert_eq!(Format::accepted([accept].into_iter()), format, "{accept}");
        }
    }

    #[test]
    fn the_formats_differ_in_names_units_and_the_end() {
        let text = |format| {
            let mut exposition = Exposition::new(format, 0);
            exposition.single(Kind::Counter, "lag", Some("seconds"), "Lag", 0.5);
            let mut up = exposition.family(Kind::Gauge, "up", None, "Up");
            up.add(&label("service", "a\\\"\n"), true);
            exposition.finish()
        };
        let up = "# HELP healthcheck_up Up.\n# TYPE healthcheck_up gauge\nhealthcheck_up{service=\"a\\\\\\\"\\n\"} 1\n";
        assert_eq!(
            text(Format::Prometheus),
            format!(
                "# HELP healthcheck_lag_seconds_total Lag.\n# TYPE healthcheck_lag_seconds_total counter\n\
                 healthcheck_lag_seconds_total 0.5\n{up}"
            )
        );
        assert_eq!(
            text(Format::OpenMetrics),
            format!(
                "# HELP healthcheck_lag_seconds Lag.\n# TYPE healthcheck_lag_seconds counter\n\
                 # UNIT healthcheck_lag_seconds seconds\nhealthcheck_lag_seconds_total 0.5\n{up}# EOF\n"
            )
        );
    }

    proptest::proptest! {
        #![proptest_config(crate::domain::law(512))]

        #[test]
        fn a_label_is_read_as_the_value_that_it_was_made_of(value in "[\"\\\\\na,{}= \r#]{0,8}") {
            let text = label("service", &value);
            let inner = text.strip_prefix("service=\"").and_then(|text| text.strip_suffix('"')).unwrap();
            let (mut read, mut chars) = (String::new(), inner.chars());
            while let Some(c) = chars.next() {
                proptest::prop_assert!(c != '"' && c != '\n', "{}", text);
                read.push(match c {
                    '\\' => match chars.next() {
                        Some('n') => '\n',
                        Some(c @ ('\\' | '"')) => c,
                        other => panic!("{other:?} in {text}"),
                    },
                    c => c,
                });
            }
            proptest::prop_assert_eq!(read, value);
        }
    }
}
