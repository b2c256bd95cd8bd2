//! The HTTP transport: sends what the template of a service makes of a notice.

use super::{
    config::HttpSpec,
    delivery::{Delivered, Failure},
    notice::Notice,
    place::{Place, Receipt},
    template::{Answer, Setting, Template},
};
use crate::domain::{
    metadata::is_metadata_address,
    sanitize::{LONGEST_MESSAGE, one_line},
    secret::{Secret, scrub},
};
use reqwest::{
    Client, Method, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read, at most. A service may repeat the message, each character in six.
const LONGEST_ANSWER: usize = 128 * 1024;
/// The longest pause that a receiver can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// A receiver that is reached over HTTP.
#[derive(Clone)]
pub(super) struct HttpChannel {
    template: Template,
    client: Client,
    /// They may hold credentials: none is ever shown.
    settings: BTreeMap<String, Option<String>>,
    headers: Vec<(String, Secret)>,
    secrets: Vec<Secret>,
    /// Those of them that may be credentials.
    credentials: Vec<Secret>,
}

impl std::fmt::Debug for HttpChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpChannel").field("service", &self.template.title()).finish_non_exhaustive()
    }
}

impl HttpChannel {
    /// The receiver of a service, reached with `tls`.
    ///
    /// # Errors
    /// When no client can be built.
    pub(super) fn new(spec: HttpSpec, tls: rustls::ClientConfig) -> Result<HttpChannel, String> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            // A POST that is redirected becomes a GET, or discloses the message to a stranger.
            .redirect(Policy::none())
            .dns_resolver(Arc::new(Names))
            .user_agent(concat!("healthcheck_dashboard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| e.without_url().to_string())?;
        let HttpSpec { template, settings, headers } = spec;
        let secrets = settings.values().flatten().cloned().chain(headers.iter().map(|(_, value)| value.clone()));
        let secrets = secrets.collect();
        let is_secret = |name: &String| template.settings().get(name).is_none_or(Setting::is_secret);
        let credentials = settings.iter().filter(|(name, _)| is_secret(name)).filter_map(|(_, value)| value.clone());
        let credentials = credentials.chain(headers.iter().map(|(_, value)| value.clone())).collect();
        let open = |value: &Option<Secret>| value.as_ref().map(|secret| secret.expose().to_owned());
        let settings = settings.iter().map(|(name, value)| (name.clone(), open(value))).collect();
        Ok(HttpChannel { template, client, settings, headers, secrets, credentials })
    }

    /// Whether a message can be replaced that was delivered.
    pub(super) fn can_edit(&self) -> bool {
        self.template.can_edit()
    }

    /// How long after an alert it is sent again while it is open.
    pub(super) fn repeats_after(&self) -> Option<Duration> {
        self.template.repeats_after()
    }

    /// Sends a notice.
    pub(super) async fn deliver(&self, notice: &Notice, place: &Place) -> Result<Delivered, Failure> {
        let refused = |why: String| Failure::Refused { why };
        let message = self.template.render(notice, &self.settings, place).map_err(|error| refused(error.what))?;
        // The client does not ask its resolver for an address.
        let url = Url::parse(&message.url).map_err(|_| refused("the channel's address is no URL".to_owned()))?;
        let host = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if host.is_some_and(is_metadata_address) {
            return Err(refused(METADATA.to_owned()));
        }
        let method = Method::from_bytes(message.method.as_bytes()).unwrap_or(Method::POST);
        let mut headers = HeaderMap::new();
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.expose()));
        let of_the_service = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in of_the_service.chain(own) {
            let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
            let Some((name, value)) = pair else { return Err(refused(format!("the header {name} cannot be sent"))) };
            headers.insert(name, value);
        }
        // The address is in every error of the client: it must not get into a log.
        let request = self.client.request(method, url).headers(headers).body(message.body);
        let answer = request.send().await.map_err(|e| Failure::later(self.shown(&in_words(&e.without_url()))))?;
        let (status, pause) = (answer.status().as_u16(), pause(&answer));
        let body = beginning(answer).await;
        let heard = |why: Option<String>| {
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            self.shown(&format!("the receiver answered HTTP {status}{why}"))
        };
        match self.template.judge(place, status, &body) {
            Answer::Accepted => {
                let receipt = self.template.receipt(&body).filter(|receipt| !self.discloses(receipt));
                Ok(Delivered { answer: self.shown(&format!("HTTP {status} {body}")), receipt })
            }
            Answer::Refused { why } => Err(refused(heard(why))),
            Answer::Later { why, after_s } => {
                let after = pause.max(after_s.map(Duration::from_secs)).map(|pause| pause.min(LONGEST_PAUSE));
                Err(Failure::Later { why: heard(why), after })
            }
        }
    }

    /// Whether a receipt repeats a credential of the channel: it is kept in the history, where none may be.
    fn discloses(&self, receipt: &Receipt) -> bool {
        scrub(receipt.as_json(), &self.credentials) != receipt.as_json()
    }

    /// Text of a receiver for people: on one line, without what only we and it know.
    fn shown(&self, text: &str) -> String {
        one_line(&scrub(text, &self.secrets), LONGEST_MESSAGE)
    }
}

/// `Retry-After` in seconds. Its other form, a date, is that of a clock that we do not know.
fn pause(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The beginning of an answer, as far as it came.
async fn beginning(mut answer: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        let room = LONGEST_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == LONGEST_ANSWER {
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
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
    use super::{super::sample::notice, *};

    async fn delivered(address: &str) -> Result<Delivered, Failure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let template = Template::built_in("webhook").unwrap().unwrap();
        let settings = BTreeMap::from([("webhook".to_owned(), Some(Secret::new(address)))]);
        let spec = HttpSpec { template, settings, headers: Vec::new() };
        HttpChannel::new(spec, tls).unwrap().deliver(&notice("incident.confirmed"), &Place::New).await
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
            assert_eq!(delivered(address).await, Err(Failure::Refused { why: METADATA.to_owned() }), "{address}");
        }
    }
}
