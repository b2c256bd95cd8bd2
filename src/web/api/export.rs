//! The history as a file: `json`, `ndjson` or `csv`, made page by page and never held as a whole.

use super::{
    Answer, ApiError,
    json::{CheckJson, GapJson, IncidentJson, MaintenanceJson, Time, ms},
    params::Params,
    services,
};
use crate::{
    domain::{check::CheckResult, time::UnixMs, window::Window},
    store::{Cursor, OutageFilter, OutageKind, Reader, StoreError, StoredService},
    web::site::Site,
};
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use std::{io::Write, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
    time::timeout,
};

/// Rows read in one transaction.
const PAGE: u32 = 4_000;
/// Bytes handed over at once.
const CHUNK: usize = 64 * 1024;
/// A client that takes nothing for this long has gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// Downloads at once; each keeps a thread.
static DOWNLOADS: Semaphore = Semaphore::const_new(8);

/// The form of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Json,
    Ndjson,
    Csv,
}

impl Format {
    /// The format that a word names.
    pub(crate) fn parse(word: &str) -> Option<Format> {
        match word {
            "json" => Some(Format::Json),
            "ndjson" => Some(Format::Ndjson),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// What is to be exported.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) format: Format,
    pub(crate) window: Window,
    pub(crate) services: Vec<StoredService>,
    /// When it is made. Nothing but the header depends on it: what lasts is measured at the window's end.
    pub(crate) now: UnixMs,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Write(#[from] std::io::Error),
    #[error("{0}")]
    Form(#[from] serde_json::Error),
}

/// `GET /api/v1/export`
pub(super) async fn download(State(site): State<Site>, params: Params) -> Answer<Response> {
    params.only(&["window", "from", "to", "service", "format"])?;
    let format = params.word("format", "takes json, ndjson or csv", Format::parse)?.unwrap_or(Format::Json);
    let now = site.clock.now();
    let window = params.window(now)?;
    let mut chosen = super::ask(&site, |site| site.reader.services()).await?;
    let named = params.all("service");
    if let Some(stranger) = named.iter().find(|name| !chosen.iter().any(|s| s.name == **name)) {
        return Err(services::nobody(stranger));
    }
    chosen.retain(|s| named.is_empty() || named.contains(&s.name.as_str()));
    let permit = DOWNLOADS.try_acquire().map_err(|_| ApiError::busy("too many exports at once: try again later"))?;
    let order = Order { format, window, services: chosen, now };
    let name = format!(
        "history-{}-to-{}.{}",
        window.from().utc().format("%Y%m%dT%H%M%SZ"),
        window.to().utc().format("%Y%m%dT%H%M%SZ"),
        format.extension()
    );
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    let (reader, runtime) = (site.reader.clone(), Handle::current());
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut sink = Chunks { sender: &sender, runtime: &runtime, buffer: Vec::with_capacity(CHUNK + 4096) };
        if let Err(error) = write(&reader, &order, &mut sink).and_then(|()| Ok(sink.hand_over()?)) {
            if !matches!(error, ExportError::Write(_)) {
                tracing::warn!("an export ended early: {error}");
            }
            // The connection is cut, so that nobody takes half an export for a whole one.
            let _ = runtime.block_on(timeout(PATIENCE, sender.send(Err(std::io::Error::other(error.to_string())))));
        }
    });
    let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// Hands chunks to a client, and gives up when it takes none.
struct Chunks<'a> {
    sender: &'a mpsc::Sender<Result<Bytes, std::io::Error>>,
    runtime: &'a Handle,
    buffer: Vec<u8>,
}

impl Chunks<'_> {
    fn hand_over(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + 4096)));
        match self.runtime.block_on(timeout(PATIENCE, self.sender.send(Ok(chunk)))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(std::io::Error::other("the client has gone")),
        }
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.hand_over()
    }
}

#[derive(Serialize)]
struct Header<'a> {
    version: u32,
    from: Time,
    to: Time,
    generated_at: Time,
    services: Vec<ServiceJson<'a>>,
}

#[derive(Serialize)]
struct ServiceJson<'a> {
    name: &'a str,
    group: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    target: &'a str,
}

/// An object with its `"type"` before the rest.
#[derive(Serialize)]
struct Typed<T> {
    r#type: &'static str,
    #[serde(flatten)]
    rest: T,
}

/// Writes an export. Checks come by service (in the order given) and time, then incidents newest first, then gaps,
/// then maintenance.
///
/// What it says of a window is a function of the stored history alone, and not of when it is asked.
pub(crate) fn write(reader: &Reader, order: &Order, sink: &mut impl Write) -> Result<(), ExportError> {
    let header = Header {
        version: 1,
        from: Time(order.window.from()),
        to: Time(order.window.to()),
        generated_at: Time(order.now),
        services: order
            .services
            .iter()
            .map(|s| ServiceJson { name: &s.name, group: s.group.as_deref(), kind: s.kind.as_str(), target: &s.target })
            .collect(),
    };
    let mut out = Lines { sink, format: order.format, first: true };
    match order.format {
        Format::Json => {
            out.sink.write_all(b"{\"export\":")?;
            serde_json::to_writer(&mut *out.sink, &header)?;
            out.list("checks")?;
        }
        Format::Ndjson => out.one("export", &header)?,
        Format::Csv => out.sink.write_all(CSV_HEADER.as_bytes())?,
    }
    for service in &order.services {
        each_check(reader, service, order.window, |check| match order.format {
            Format::Csv => csv_line(&mut *out.sink, &service.name, check).map_err(ExportError::from),
            _ => out.one("check", &CheckJson::new(&service.name, check)),
        })?;
    }
    if order.format == Format::Csv {
        return Ok(());
    }
    out.list("incidents")?;
    for service in &order.services {
        each_incident(reader, service, order.window, |outage| {
            let with = reader.failed_with(outage)?;
            out.one("incident", &IncidentJson::new(outage, crate::domain::incident::services(&with), order.window.to()))
        })?;
    }
    out.list("gaps")?;
    for service in &order.services {
        for gap in reader.gaps(service.id, order.window, order.window.to())? {
            out.one("gap", &GapJson::from(&gap))?;
        }
    }
    out.list("maintenance")?;
    for one in reader.maintenance_log(Some(order.window))? {
        if let Some(one) = MaintenanceJson::new(&one, |name| order.services.iter().any(|s| s.name == name)) {
            out.one("maintenance", &one)?;
        }
    }
    if order.format == Format::Json {
        out.sink.write_all(b"\n]}\n")?;
    }
    Ok(())
}

/// Writes objects as a line each (`ndjson`) or as the lists of one document.
struct Lines<'a, W> {
    sink: &'a mut W,
    format: Format,
    /// Nothing has been written into the list yet.
    first: bool,
}

impl<W: Write> Lines<'_, W> {
    fn list(&mut self, name: &str) -> Result<(), ExportError> {
        if self.format == Format::Json {
            let close = if name == "checks" { "" } else { "\n]" };
            write!(self.sink, "{close},\n\"{name}\":[")?;
            self.first = true;
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
}

fn each_check(
    reader: &Reader,
    service: &StoredService,
    window: Window,
    mut each: impl FnMut(&CheckResult) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut rest = Some(window);
    while let Some(window) = rest {
        let page = reader.checks_forward(service.id, window, PAGE)?;
        page.iter().try_for_each(&mut each)?;
        rest = match page.last() {
            Some(last) if page.len() == PAGE as usize => Window::new(last.at.plus(1), window.to()),
            _ => None,
        };
    }
    Ok(())
}

fn each_incident(
    reader: &Reader,
    service: &StoredService,
    window: Window,
    mut each: impl FnMut(&crate::domain::incident::Outage) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let filter =
        OutageFilter { service: Some(service.id), window: Some(window), kind: OutageKind::Incidents, open: None };
    let mut cursor = None;
    loop {
        let page = reader.outages(&filter, cursor, PAGE)?;
        page.iter().try_for_each(&mut each)?;
        match page.last() {
            Some(last) if page.len() == PAGE as usize => {
                cursor = Some(Cursor { started_at: last.started_at, id: last.id });
            }
            _ => return Ok(()),
        }
    }
}

const CSV_HEADER: &str = "service,at,outcome,response_time_ms,dns_ms,connect_ms,tls_ms,ttfb_ms,http_status,certificate_days,class,phase,message,recheck\n";

fn csv_line(sink: &mut impl Write, service: &str, check: &CheckResult) -> std::io::Result<()> {
    let number = |us: Option<u32>| ms(us).map(|ms| ms.to_string()).unwrap_or_default();
    let reason = check.reason.as_ref();
    writeln!(
        sink,
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
        csv_field(service),
        check.at,
        check.outcome.as_str(),
        number(check.latency_us),
        number(check.phases.dns_us),
        number(check.phases.connect_us),
        number(check.phases.tls_us),
        number(check.phases.ttfb_us),
        check.http_status.map(|s| s.to_string()).unwrap_or_default(),
        check.certificate_days.map(|d| d.to_string()).unwrap_or_default(),
        reason.map_or("", |r| r.class.as_str()),
        reason.and_then(|r| r.phase).map_or("", |p| p.as_str()),
        csv_field(reason.map_or("", |r| &r.message)),
        check.recheck,
    )
}

/// Quotes what needs it (RFC 4180), and keeps a spreadsheet from taking a text for a formula.
fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
