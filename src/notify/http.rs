//! The HTTP transport: posts what the template of a service makes of a notice.

use super::{Notice, template::Template};
use crate::domain::{metadata::is_metadata_address, secret::Secret};
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A receiver that is reached over HTTP.
#[derive(Clone, Debug)]
pub struct HttpChannel {
    service: &'static str,
    template: Template,
    client: Client,
    /// It may hold a credential, so it is treated as one.
    address: Secret,
}

impl HttpChannel {
    /// The receiver of a service at `address`, reached with `tls`.
    ///
    /// # Errors
    /// When there is no such service, or no client can be built.
    pub fn new(service: &'static str, address: Secret, tls: rustls::ClientConfig) -> Result<HttpChannel, String> {
        let template = Template::of(service).ok_or_else(|| format!("{service}: no such notification service"))??;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            // A POST that is redirected becomes a GET, or tells a stranger.
            .redirect(Policy::none())
            .dns_resolver(Arc::new(Names))
            .user_agent(concat!("healthcheck_dashboard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| e.without_url().to_string())?;
        Ok(HttpChannel { service, template, client, address })
    }

    /// The name of the service.
    pub(super) fn name(&self) -> &'static str {
        self.service
    }

    /// Posts a notice.
    pub(super) async fn deliver(&self, notice: &Notice) -> Result<(), String> {
        let message = self.template.render(notice, self.address.expose())?;
        // The client does not ask its resolver for an address.
        let host = Url::parse(&message.url)
            .ok()
            .and_then(|url| url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok()));
        if host.is_some_and(is_metadata_address) {
            return Err(METADATA.to_owned());
        }
        let request = message
            .headers
            .iter()
            .fold(self.client.post(&message.url), |request, (name, value)| request.header(name, value));
        // The address is in every error of the client: it must not get into a log.
        let answer = request.body(message.body).send().await.map_err(|e| in_words(&e.without_url()))?;
        let status = answer.status().as_u16();
        if self.template.accepts(status) { Ok(()) } else { Err(format!("the receiver answered HTTP {status}")) }
    }
}

const METADATA: &str = "the receiver's address is a cloud's metadata service, which gets no notices";

/// The system's names, without those that lead to a metadata service.
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().any(|address| is_metadata_address(address.ip())) {
                return Err(METADATA.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn delivered(address: &str) -> Result<(), String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let notice = Notice {
            event_id: "e-1".to_owned(),
            event: "incident.confirmed".to_owned(),
            text: "web is down".to_owned(),
            service: Some("web".to_owned()),
            incident: serde_json::Value::Null,
        };
        HttpChannel::new("webhook", Secret::new(address), tls).unwrap().deliver(&notice).await
    }

    #[tokio::test]
    async fn a_metadata_service_gets_no_notice_however_it_is_spelled() {
        for address in [
            "http://169.254.169.254/hook",
            "http://0xa9.0xfe.0251.254/hook",
            "http://2852039166/hook",
            "http://[::ffff:169.254.169.254]/hook",
            "http://[fd00:ec2::254]/hook",
        ] {
            assert_eq!(delivered(address).await, Err(METADATA.to_owned()), "{address}");
        }
    }
}
