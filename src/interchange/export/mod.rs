//! A history as a document, version 1: `json`, `ndjson` or `csv`, made page by page and never held as a whole.
//!
//! The export of a window is a function of the stored history alone. Two histories of which an export says the same
//! are the same to everybody who asks, so whatever a history consists of is in it, or follows from what is.

mod objects;
mod order;

pub use order::{Format, Order};

use self::objects::{AcknowledgedJson, BeforeJson, HeaderJson, OutageJson, SilencedJson, SumJson, Typed};
use super::{
    diagnosis::DiagnosisRecordJson,
    json::{EndJson, GapJson, IncidentJson, MaintenanceJson, NoteJson, SilenceRecordJson},
    line::{CSV_HEADER, CsvLines, JsonLines},
};
use crate::{
    domain::{incident::services, time::DAY_MS, window::Window},
    store::{CheckRow, Cursor, OutageFilter, OutageKind, Reader, StoreError, StoredService, SumSize},
};
use serde::Serialize;
use std::io::Write;

/// Rows read in one transaction. A sealed day is read again for each page that begins in it; what is written of a page is in
/// memory as long as its reader takes.
const PAGE: usize = 2_000;

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Write(#[from] std::io::Error),
    #[error("{0}")]
    Form(#[from] serde_json::Error),
}

/// Writes an export. Checks come by service (in the order given) and time, then incidents newest first, then gaps, then
/// outages that are no incidents, then sums of what is not kept any more, then maintenance, then notes of incidents, then what people did about
/// alerts.
///
/// `progress` is called with the number of check results written since its last call.
///
/// # Errors
/// When the history cannot be read, or `sink` takes no more.
pub fn write(
    reader: &Reader,
    order: &Order,
    sink: &mut impl Write,
    mut progress: impl FnMut(u64),
) -> Result<(), ExportError> {
    let mut out = Lines { sink, format: order.format, first: true, ends: "" };
    let mut end = EndJson::default();
    match order.format {
        Format::Json | Format::Ndjson => {
            let head = reader.head(&order.services, order.window.to())?;
            out.head(&HeaderJson::new(order, &head))?;
        }
        Format::Csv => out.sink.write_all(CSV_HEADER.as_bytes())?,
    }
    out.list("checks")?;
    for service in &order.services {
        let count = checks(reader, service, order, &mut out, &mut progress)?;
        end.checks += count;
    }
    if order.format == Format::Csv {
        return Ok(());
    }
    out.list("incidents")?;
    end.incidents = outages(reader, order, OutageKind::Incidents, &mut out)?;
    out.list("gaps")?;
    for service in &order.services {
        for gap in reader.gaps(service.id, order.window, order.window.to())? {
            out.one("gap", &GapJson::from(&gap))?;
            end.gaps += 1;
        }
    }
    out.list("blips")?;
    end.blips = outages(reader, order, OutageKind::Unconfirmed, &mut out)?;
    out.list("sums")?;
    for service in &order.services {
        end.sums += sums(reader, service, order.window, &mut out)?;
    }
    out.list("maintenance")?;
    for one in reader.maintenance_log(Some(order.window))? {
        if let Some(one) = MaintenanceJson::new(&one, |name| order.services.iter().any(|s| s.name == name)) {
            out.one("maintenance", &one)?;
            end.maintenance += 1;
        }
    }
    out.list("notes")?;
    for service in &order.services {
        for note in reader.notes(service.id, order.window)? {
            out.one("note", &NoteJson::from(&note))?;
            end.notes += 1;
        }
    }
    let responses = reader.responses(&order.services, order.window)?;
    if !responses.acknowledgements.is_empty() {
        out.list("acknowledgements")?;
        for one in &responses.acknowledgements {
            out.one("acknowledgement", &AcknowledgedJson::from(one))?;
            end.acknowledgements += 1;
        }
    }
    if !responses.silences.is_empty() {
        out.list("silences")?;
        for silence in &responses.silences {
            out.one("silence", &SilenceRecordJson::from(silence))?;
            end.silences += 1;
        }
    }
    if !responses.silenced.is_empty() {
        out.list("silenced")?;
        for one in &responses.silenced {
            out.one("silenced", &SilencedJson::from(one))?;
            end.silenced += 1;
        }
    }
    let mut has_begun = false;
    for service in &order.services {
        for one in reader.diagnoses(service.id, order.window)? {
            if !has_begun {
                out.list("diagnoses")?;
                has_begun = true;
            }
            out.one("diagnosis", &DiagnosisRecordJson::from(&one))?;
            end.diagnoses += 1;
        }
    }
    out.end(&end)
}

/// Writes objects as a line each (`ndjson`) or as the lists of one document.
struct Lines<'a, W> {
    sink: &'a mut W,
    format: Format,
    /// Nothing has been written into the list yet.
    first: bool,
    /// What ends the list before.
    ends: &'static str,
}

impl<W: Write> Lines<'_, W> {
    fn head(&mut self, header: &impl Serialize) -> Result<(), ExportError> {
        if self.format == Format::Json {
            self.sink.write_all(b"{\"export\":")?;
            serde_json::to_writer(&mut *self.sink, header)?;
            return Ok(());
        }
        self.one("export", header)
    }

    fn list(&mut self, name: &str) -> Result<(), ExportError> {
        if self.format == Format::Json {
            write!(self.sink, "{},\n\"{name}\":[", self.ends)?;
            (self.first, self.ends) = (true, "\n]");
        }
        Ok(())
    }

    fn one(&mut self, kind: &'static str, object: &impl Serialize) -> Result<(), ExportError> {
        match self.format {
            Format::Json => {
                self.sink.write_all(if self.first { b"\n" } else { b",\n" })?;
                self.first = false;
                serde_json::to_writer(&mut *self.sink, object)?;
            }
            _ => {
                serde_json::to_writer(&mut *self.sink, &Typed { r#type: kind, rest: object })?;
                self.sink.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn end(&mut self, end: &EndJson) -> Result<(), ExportError> {
        if self.format == Format::Json {
            self.sink.write_all(b"\n],\n\"end\":")?;
            serde_json::to_writer(&mut *self.sink, end)?;
            self.sink.write_all(b"}\n")?;
            return Ok(());
        }
        self.one("end", end)
    }
}

/// One service's check results; a page is made in memory while the database is read, and handed on when it is not.
fn checks(
    reader: &Reader,
    service: &StoredService,
    order: &Order,
    out: &mut Lines<'_, impl Write>,
    progress: &mut impl FnMut(u64),
) -> Result<u64, ExportError> {
    enum Form {
        Json(JsonLines),
        Ndjson(JsonLines),
        Csv(CsvLines),
    }
    let mut form = match order.format {
        Format::Json => Form::Json(JsonLines::new(&service.name, false)),
        Format::Ndjson => Form::Ndjson(JsonLines::new(&service.name, true)),
        Format::Csv => Form::Csv(CsvLines::new(&service.name)),
    };
    let excerpts = match order.format {
        Format::Csv => Vec::new(),
        _ => reader.excerpt_times(service.id, order.window)?,
    };
    let mut page = Vec::with_capacity(PAGE * 320);
    let mut rest = Some(order.window);
    let mut total = 0;
    while let Some(window) = rest {
        page.clear();
        let mut count = 0;
        let first = &mut out.first;
        let last = reader.each_check(service.id, window, PAGE, &excerpts, |check: &CheckRow<'_>| {
            count += 1;
            match &mut form {
                Form::Json(lines) => {
                    page.extend_from_slice(if std::mem::take(first) { b"\n" } else { b",\n" });
                    lines.put(&mut page, check);
                }
                Form::Ndjson(lines) => {
                    lines.put(&mut page, check);
                    page.push(b'\n');
                }
                Form::Csv(lines) => lines.put(&mut page, check),
            }
        })?;
        out.sink.write_all(&page)?;
        progress(count);
        total += count;
        rest = last.and_then(|last| Window::new(last.plus(1), order.window.to()));
    }
    Ok(total)
}

fn outages(
    reader: &Reader,
    order: &Order,
    kind: OutageKind,
    out: &mut Lines<'_, impl Write>,
) -> Result<u64, ExportError> {
    let mut count = 0;
    let word = if kind == OutageKind::Incidents { "incident" } else { "blip" };
    for service in &order.services {
        let first = reader.first_check_in(service.id, order.window)?;
        let filter =
            OutageFilter { service: Some(service.id), window: Some(order.window), kind, ..OutageFilter::default() };
        let mut cursor = None;
        loop {
            let page = reader.outages(&filter, cursor, PAGE as u32)?;
            for outage in &page {
                let record = reader.outage_record(service.id, outage, first)?;
                let with = match kind {
                    OutageKind::Incidents => reader.failed_with(outage)?,
                    _ => Vec::new(),
                };
                let json = OutageJson {
                    incident: IncidentJson::new(outage, services(&with), order.window.to()),
                    before_first_check: record.beyond.as_ref().map(|beyond| BeforeJson::new(outage, beyond)),
                };
                out.one(word, &json)?;
                count += 1;
            }
            match page.last() {
                Some(last) if page.len() == PAGE => {
                    cursor = Some(Cursor { started_at: last.started_at, id: last.id });
                }
                _ => break,
            }
        }
    }
    Ok(count)
}

/// The sums are few (17,000 a year and service), and are read month by month.
fn sums(
    reader: &Reader,
    service: &StoredService,
    window: Window,
    out: &mut Lines<'_, impl Write>,
) -> Result<u64, ExportError> {
    let mut count = 0;
    for size in [SumSize::Hour, SumSize::Day] {
        let mut from = reader.first_sum_at(service.id)?.max(window.from());
        while let Some(part) = Window::new(from, from.plus(30 * DAY_MS).floor(DAY_MS).min(window.to())) {
            let mut sums = Vec::new();
            let more = reader.each_sum(service.id, part, size, |sum| sums.push(sum))?;
            for sum in &sums {
                out.one("sum", &SumJson::new(&service.name, sum))?;
                count += 1;
            }
            if !more {
                break;
            }
            from = part.to();
        }
    }
    Ok(count)
}
