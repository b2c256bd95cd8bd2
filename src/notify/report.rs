//! The report of a period as a message carries it: figures for machines, and the words of the mail.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, value::Serde};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::{fmt::Write, sync::LazyLock};

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // A test renders reports with it: it cannot fail to be added.
    let _ = environment.add_template("report", include_str!("report.html"));
    environment
});

/// What a message carries of a report beside its sentences.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// For whoever takes JSON: as the interface answers, with the services that come first.
    pub data: Value,
    pub mail: ReportMail,
}

/// A message as JSON has the figures, and no mail.
pub(super) fn figures<S: Serializer>(report: &Option<Box<Report>>, serializer: S) -> Result<S::Ok, S::Error> {
    report.as_ref().map(|report| &report.data).serialize(serializer)
}

/// The words of the mail, in their order. Texts are plain.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ReportMail {
    /// "Weekly report"
    pub title: String,
    /// Whose: the title of the dashboard.
    pub product: String,
    pub range: String,
    /// That it is late, where it is.
    pub late: Option<String>,
    pub tone: Tone,
    pub headline: String,
    pub sentences: Vec<String>,
    pub sums: Vec<Sum>,
    /// Worst first.
    pub services: Vec<ServiceLine>,
    /// What is not listed, in a sentence.
    pub others: Option<String>,
    pub longest: Vec<OutageLine>,
    pub certificates: Vec<NewsLine>,
    pub news: Vec<NewsLine>,
    /// The page that has all of it.
    pub url: Option<String>,
    pub footer: String,
}

/// How the period was.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    Good,
    Fair,
    Bad,
    #[default]
    Unknown,
}

/// A figure of the whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sum {
    pub name: String,
    pub figure: String,
    pub note: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceLine {
    pub name: String,
    pub url: Option<String>,
    pub uptime: String,
    /// Against the period before.
    pub against: String,
    /// The objective was missed.
    pub missed: bool,
    /// How long it was down, or "none".
    pub down: String,
    /// "2 incidents, 1 blip"
    pub failures: String,
    /// Objective, response time, what was not observed.
    pub notes: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutageLine {
    pub service: String,
    pub url: Option<String>,
    pub began: String,
    pub lasted: String,
    pub cause: String,
    pub note: Option<String>,
}

/// Something about a service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewsLine {
    pub service: String,
    pub url: Option<String>,
    pub said: String,
}

impl ServiceLine {
    /// The line in a few words.
    pub fn in_words(&self) -> String {
        let against = match self.against.as_str() {
            "–" => String::new(),
            against => format!(" ({against})"),
        };
        let down = match (self.down.as_str(), self.failures.as_str()) {
            ("none", _) => "no failure".to_owned(),
            (down, "") => format!("down {down}"),
            (down, failures) => format!("down {down}, {failures}"),
        };
        let notes = self.notes.iter().map(|note| format!("; {note}"));
        format!("{}: {}{against}, {down}{}", self.name, self.uptime, notes.collect::<String>())
    }
}

impl ReportMail {
    /// The mail for programs that show HTML: tables and inline styles, nothing that is loaded.
    ///
    /// # Errors
    /// When it cannot be rendered, in words.
    pub fn html(&self) -> Result<String, String> {
        let rendered = ENVIRONMENT.get_template("report").and_then(|template| template.render(Serde(self)));
        rendered.map_err(|error| format!("the report cannot be rendered: {error}"))
    }

    /// The mail for programs that show text.
    pub fn text(&self) -> String {
        let late = self.late.iter().map(|late| format!("{late}\n")).collect::<String>();
        let mut text = format!("{} · {}\n{}\n{late}\n{}\n", self.title, self.product, self.range, self.headline);
        self.sentences.iter().for_each(|sentence| line(&mut text, sentence));
        if !self.sums.is_empty() {
            text.push('\n');
        }
        let widest = self.sums.iter().map(|sum| sum.name.chars().count()).max().unwrap_or(0);
        for Sum { name, figure, note } in &self.sums {
            line(&mut text, &format!("{name:widest$}  {figure} ({note})"));
        }
        section(&mut text, "SERVICES, WORST FIRST", &self.services, ServiceLine::in_words);
        if let Some(others) = &self.others {
            line(&mut text, others);
        }
        section(&mut text, "LONGEST OUTAGES", &self.longest, |outage| {
            let note = outage.note.iter().map(|note| format!("\n  {note}"));
            let OutageLine { service, began, lasted, cause, .. } = outage;
            format!("{service}, {began}, {lasted}: {cause}{}", note.collect::<String>())
        });
        section(&mut text, "CERTIFICATES", &self.certificates, |of| format!("{} {}", of.service, of.said));
        section(&mut text, "NEW", &self.news, |of| format!("{} {}", of.service, of.said));
        if let Some(url) = &self.url {
            let _ = write!(text, "\nThe review of this time: {url}\n");
        }
        let _ = write!(text, "\n{}\n", self.footer);
        text
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn section<T>(text: &mut String, title: &str, lines: &[T], said: impl Fn(&T) -> String) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(text, "\n{title}\n");
    lines.iter().for_each(|of| line(text, &format!("- {}", said(of))));
}
