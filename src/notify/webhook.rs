//! A JSON POST.

use super::Notice;
use crate::domain::secret::Secret;
use reqwest::{Client, header, redirect::Policy};
use std::time::Duration;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A receiver of JSON.
#[derive(Clone, Debug)]
pub struct Webhook {
    client: Client,
    /// It may hold a credential, so it is treated as one.
    address: Secret,
}

impl Webhook {
    /// A receiver at `address`, reached with `tls`.
    ///
    /// # Errors
    /// When no client can be built.
    pub fn new(address: Secret, tls: rustls::ClientConfig) -> Result<Webhook, String> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            // A POST that is redirected becomes a GET, or tells a stranger.
            .redirect(Policy::none())
            .user_agent(concat!("healthcheck_dashboard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| e.without_url().to_string())?;
        Ok(Webhook { client, address })
    }

    /// Posts a notice; any status from 200 to 299 is a delivery.
    pub(super) async fn deliver(&self, notice: &Notice) -> Result<(), String> {
        let body = serde_json::to_vec(notice).map_err(|e| e.to_string())?;
        let request = self
            .client
            .post(self.address.expose())
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", &notice.event_id)
            .body(body);
        // The address is in every error of the client: it must not get into a log.
        let answer = request.send().await.map_err(|e| in_words(&e.without_url()))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered HTTP {}", status.as_u16())) }
    }
}

fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said = cause.to_string();
        source = cause.source();
    }
    said
}
