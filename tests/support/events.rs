//! A client of the event stream.

use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use futures_util::{FutureExt, StreamExt};
use healthcheck_dashboard::{http::state::AppState, server};
use serde_json::Value;
use tower::ServiceExt;

/// A client that reads events.
pub(crate) struct Client {
    body: BodyDataStream,
    text: String,
}

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Heard {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

impl Client {
    pub(crate) async fn open(site: &AppState, query: &str, last_id: Option<&str>) -> Client {
        let mut request = Request::get(format!("/api/v1/events{query}"));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = server::router(site.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(!response.headers().contains_key("content-encoding"), "a stream must not be gathered to be compressed");
        Client { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.map(|value| value.trim().to_owned())
                };
                let heard = field("event:").map(|kind| Heard {
                    id: field("id:").unwrap_or_default(),
                    kind,
                    data: serde_json::from_str(&field("data:").unwrap()).unwrap(),
                });
                self.text = rest.to_owned();
                if heard.is_some() {
                    return heard;
                }
                continue;
            }
            let chunk = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event, if it has been told already.
    pub(crate) fn told(&mut self) -> Option<Heard> {
        tokio::task::unconstrained(self.next()).now_or_never().flatten()
    }
}
