//! The history as a download.

use super::services;
use crate::{
    clock::Clock,
    domain::service::Commands,
    http::{
        error::{Answer, ApiError},
        limits::Limits,
        params::Params,
        proxy_headers::RequestOrigin,
        state::{Downloads, Queries},
    },
    interchange::export::{self, ExportError, Format, Order},
};
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use std::{
    io::Write,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc, time::timeout};

/// Bytes handed over at once.
const CHUNK: usize = 64 * 1024;
/// A client that takes nothing for this long has gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// `GET /api/v1/export`
pub(super) async fn download(
    State(queries): State<Queries>,
    State(downloads): State<Downloads>,
    State(limits): State<Arc<Limits>>,
    State(commands): State<Commands>,
    State(clock): State<Clock>,
    origin: RequestOrigin,
    params: Params,
) -> Answer<Response> {
    params.only_and_several(&["window", "from", "to", "format"], &["service"])?;
    let format = params.word("format", "takes json, ndjson or csv", Format::parse)?.unwrap_or(Format::Json);
    let now = clock.now();
    let window = params.window(now)?;
    let mut chosen = queries.ask(|reader| reader.services()).await?;
    let named = params.all("service");
    if let Some(stranger) = named.iter().find(|name| !chosen.iter().any(|s| s.name == **name)) {
        return Err(services::nobody(stranger));
    }
    chosen.retain(|s| named.is_empty() || named.contains(&s.name.as_str()));
    let order = Order { format, window, services: chosen, commands, now };
    let name = format!(
        "history-{}-to-{}.{}",
        window.from().utc().format("%Y%m%dT%H%M%SZ"),
        window.to().utc().format("%Y%m%dT%H%M%SZ"),
        format.extension()
    );
    let place = limits.exports.take(origin.client).map_err(|full| ApiError::full(full, "exports"))?;
    let (sender, mut receiver) = mpsc::channel::<Bytes>(4);
    let (reader, runtime) = (downloads.reader.clone(), Handle::current());
    let done = downloads.threads.run(move |cancellation| {
        let _place = place;
        let reader = reader.until(cancellation);
        let mut sink = Chunks { sender, runtime: &runtime, buffer: Vec::with_capacity(CHUNK + 4096) };
        let written = export::write(&reader, &order, &mut sink, |_| ()).and_then(|()| Ok(sink.hand_over()?));
        if let Err(error) = &written
            && !matches!(error, ExportError::Write(_))
            && !cancellation.is_cancelled()
        {
            tracing::warn!("an export ended early: {error}");
        }
        written.is_ok()
    });
    let done = done.map_err(|_| ApiError::busy("too many exports at once: try again later"))?;
    let mut done = Some(done);
    let stream = futures_util::stream::poll_fn(move |context| {
        if let Some(chunk) = ready!(receiver.poll_recv(context)) {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let Some(task) = &mut done else { return Poll::Ready(None) };
        let whole = ready!(Pin::new(task).poll(context)).unwrap_or(false);
        done = None;
        // The connection is cut, so that nobody takes half an export for a whole one.
        Poll::Ready((!whole).then(|| Err(std::io::Error::other("the export ended early"))))
    });
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// Hands chunks to a client, and gives up when it takes none.
struct Chunks<'a> {
    sender: mpsc::Sender<Bytes>,
    runtime: &'a Handle,
    buffer: Vec<u8>,
}

impl Chunks<'_> {
    fn hand_over(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + 4096)));
        match self.runtime.block_on(timeout(PATIENCE, self.sender.send(chunk))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(std::io::Error::other("the client has gone")),
        }
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // No more than a chunk at once: what is handed over waits in memory for the client.
        let bytes = &bytes[..bytes.len().min(CHUNK)];
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
