//! The review as a message: a mail, a few sentences for other channels, and figures for machines.

use super::{
    ReportError,
    content::{self, Content, content},
    json::first_in_json,
    review::{Period, Review},
};
use crate::{
    calendar::moments::{Every, Stretch},
    config::ReportPlan,
    domain::time::UnixMs,
    format::{self, zone::Zone},
    history::{
        as_of::Snapshot,
        states::{AsOf, as_of},
    },
    notify::{Detail, NewsLine, Notice, OutageLine, Report, ReportMail, ServiceLine, Status, Sum, Tone},
    render::view_model::Kind,
    routing::Severity,
    store::Reader,
};
use serde_json::Value;

/// Services that a message lists, at most. What comes after them is summed up.
const SERVICES: usize = 25;
/// Services that a short message names.
const IN_SHORT: usize = 5;
/// Characters of a name.
const NAME: usize = 80;
/// Characters of what is said of a figure.
const NOTE: usize = 100;
/// Characters of a sentence.
const SENTENCE: usize = 300;

/// The report of a period, as its channels get it.
#[derive(Clone, Debug)]
pub struct Message {
    /// A subject: short, sorts and reads alone.
    pub title: String,
    pub text: String,
    pub details: Vec<Detail>,
    /// The page that has all of it, below `[dashboard] public_url`.
    pub page: String,
    pub url: Option<String>,
    pub report: Report,
}

impl Message {
    /// Makes the report of a stretch. It blocks. `None` when that lies in the future. `public_url` is where the pages are,
    /// `product` whose they are.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn read(
        plan: &ReportPlan,
        stretch: Stretch,
        reader: &Reader,
        now: UnixMs,
        objective: &dyn Fn(&str) -> Option<f64>,
        (product, public_url): (&str, Option<&str>),
    ) -> Result<Option<Message>, ReportError> {
        let services = match as_of(reader, now, &[])? {
            AsOf::Known(services) => services,
            _ => Vec::new(),
        };
        Message::of(plan, stretch, false, reader, &Snapshot::now(services, now), objective, (product, public_url))
    }

    /// The same at the moment of a snapshot, which may be `late`.
    pub(crate) fn of(
        plan: &ReportPlan,
        stretch: Stretch,
        late: bool,
        reader: &Reader,
        snapshot: &Snapshot,
        objective: &dyn Fn(&str) -> Option<f64>,
        (product, public_url): (&str, Option<&str>),
    ) -> Result<Option<Message>, ReportError> {
        let Some(period) = Period::stretch(stretch) else { return Ok(None) };
        let Some(review) = Review::read(snapshot, objective, reader, period)? else { return Ok(None) };
        let zone = Zone::parse(plan.moments.zone.name()).unwrap_or(Zone::UTC);
        let snapshot = snapshot.clone().linking(public_url.unwrap_or_default().into(), format!("tz={}", zone.name()));
        Ok(Some(Making { plan, review: &review, zone, late, snapshot: &snapshot, product, public_url }.message()))
    }

    /// The message as it is sent.
    pub fn notice(self, event_id: String, at: UnixMs) -> Notice {
        Notice {
            acknowledge_url: None,
            event: "report".to_owned(),
            text: self.text,
            service: None,
            incident: Value::Null,
            status: Status::Resolved,
            severity: Severity::Warning.as_str(),
            title: self.title,
            details: self.details,
            key: event_id.clone(),
            event_id,
            url: self.url,
            at: at.to_string(),
            count: 1,
            events: Vec::new(),
            report: Some(Box::new(self.report)),
        }
    }
}

struct Making<'a> {
    plan: &'a ReportPlan,
    review: &'a Review,
    zone: Zone,
    late: bool,
    snapshot: &'a Snapshot,
    product: &'a str,
    public_url: Option<&'a str>,
}

impl Making<'_> {
    fn message(&self) -> Message {
        let content = content(self.snapshot, self.review, self.zone);
        let mail = self.mail(&content);
        let now = self.snapshot.at;
        let until = self.zone.day(self.review.period.window.to().plus(-1), now);
        let heading = format!("{} to {until}: {}", self.span(), content.truth.strong);
        let sentences = mail.sentences.iter().map(|sentence| format!(" {sentence}"));
        let mut data = first_in_json(self.review, SERVICES, now);
        data["services_in_all"] = self.review.services.len().into();
        Message {
            title: format!("[REPORT] {heading}"),
            text: format!("{heading}.{}", sentences.collect::<String>()),
            details: self.details(&mail),
            page: self.page(),
            url: mail.url.clone(),
            report: Report { data, mail },
        }
    }

    fn mail(&self, content: &Content) -> ReportMail {
        let (zone, now, window) = (self.zone, self.snapshot.at, self.review.period.window);
        let (from, to) = (zone.local(window.from()), zone.local(window.to()));
        let listed = content.rows.len().min(SERVICES);
        let title = match self.plan.moments.every {
            Every::Day => "Daily report",
            Every::Week(_) => "Weekly report",
            Every::Month(_) => "Monthly report",
        };
        ReportMail {
            title: title.to_owned(),
            product: self.product.to_owned(),
            range: format!(
                "{} to {} ({})",
                from.format("%A, %-d %B, %H:%M"),
                to.format("%A, %-d %B %Y, %H:%M"),
                zone.name()
            ),
            late: self.late.then(|| self.late()),
            tone: match content.truth.kind {
                Kind::Up => Tone::Good,
                Kind::Down => Tone::Bad,
                Kind::Degraded => Tone::Fair,
                _ => Tone::Unknown,
            },
            headline: capitalized(&content.truth.strong),
            sentences: content.after.iter().map(|sentence| format::clipped(sentence, SENTENCE)).collect(),
            sums: content.sums.iter().map(sum).collect(),
            services: content.rows.iter().take(listed).map(|row| self.service(row)).collect(),
            others: self.others(&content.rows[listed..]),
            longest: self
                .review
                .longest
                .iter()
                .zip(&content.longest)
                .map(|(outage, long)| OutageLine {
                    service: name(&long.service),
                    url: self.link(&long.url),
                    began: zone.local(outage.0.started_at).format("%a %-d %b, %H:%M").to_string(),
                    lasted: long.lasted.clone(),
                    cause: long.cause.clone(),
                    note: long.note.as_ref().map(|note| format::clipped(note, SENTENCE)),
                })
                .collect(),
            certificates: content
                .certificates
                .iter()
                .map(|certificate| NewsLine {
                    service: name(&certificate.service),
                    url: self.link(&certificate.url),
                    said: match certificate.left.as_str() {
                        "expired" => format!("expired on {}", certificate.ends),
                        left => format!("ends in {left}, on {}", certificate.ends),
                    },
                })
                .collect(),
            news: content
                .news
                .iter()
                .map(|(service, url, said)| NewsLine {
                    service: name(service),
                    url: self.link(url),
                    said: said.clone(),
                })
                .collect(),
            url: self.public_url.map(|base| format!("{base}{}", self.page())),
            footer: format!("Made {} ({}).", zone.dated(now, now).text, zone.name()),
        }
    }

    /// The page of the review, without where the pages are.
    fn page(&self) -> String {
        let window = self.review.period.window;
        format!("/dashboard/review?from={}&to={}&tz={}", window.from(), window.to(), self.zone.name())
    }

    fn late(&self) -> String {
        let due = self.zone.local(self.review.period.window.to()).format("%a %-d %b, %H:%M");
        format!("This report is late: it was due {due}.")
    }

    /// "Week"
    fn span(&self) -> &'static str {
        match self.plan.moments.every {
            Every::Day => "Day",
            Every::Week(_) => "Week",
            Every::Month(_) => "Month",
        }
    }

    /// An address of a page, where it is known where those are.
    fn link(&self, url: &str) -> Option<String> {
        self.public_url.map(|_| url.to_owned())
    }

    fn service(&self, row: &content::Row) -> ServiceLine {
        let mut notes = Vec::new();
        if let Some(objective) = &row.objective {
            notes.push(format!("objective {objective} {}", if row.missed { "missed" } else { "met" }));
        }
        if row.p95_worse {
            notes.push(format!("95 of 100 answers within {} ({})", row.p95, row.p95_against));
        }
        if !row.covered {
            notes.push(format!("observed for {} of the time", row.coverage));
        }
        ServiceLine {
            name: name(&row.name),
            url: self.link(&row.url),
            uptime: row.uptime.clone(),
            against: row.against.clone(),
            missed: row.missed,
            down: row.down.clone(),
            failures: failures(row),
            notes,
        }
    }

    /// What is said of the services that are not listed.
    fn others(&self, rows: &[content::Row]) -> Option<String> {
        let failed = rows.iter().filter(|row| row.down != "none").count() as u64;
        let all = format::counted(rows.len() as u64, "more service", "more services");
        match (rows.len(), failed) {
            (0, _) => None,
            (_, 0) => Some(format!("And {all} without a failure.")),
            (_, failed) => Some(format!("And {all}, {} of which failed at least once.", format::count(failed))),
        }
    }

    fn details(&self, mail: &ReportMail) -> Vec<Detail> {
        let detail = |label: &str, value: String| Detail { label: label.to_owned(), value };
        let sums = mail.sums.iter().map(|sum| detail(&sum.name, format!("{} ({})", sum.figure, sum.note)));
        let mut details: Vec<Detail> = mail.late.iter().map(|late| detail("late", late.clone())).chain(sums).collect();
        let failed: Vec<&ServiceLine> =
            mail.services.iter().filter(|service| service.missed || service.down != "none").collect();
        details.extend(failed.iter().take(IN_SHORT).map(|service| detail("worst", service.in_words())));
        details
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn name(name: &str) -> String {
    format::clipped(name, NAME)
}

fn sum(sum: &content::Sum) -> Sum {
    Sum { name: sum.name.to_owned(), figure: sum.figure.clone(), note: format::clipped(&sum.note, NOTE) }
}

/// "2 incidents, 1 blip"
fn failures(row: &content::Row) -> String {
    let of = |n: u64, one: &str, many: &str| (n > 0).then(|| format::counted(n, one, many));
    let all = [of(row.incidents, "incident", "incidents"), of(row.blips, "blip", "blips")];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
