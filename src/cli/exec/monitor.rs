//! Where a command is reported. The address holds a token, and no message has it.

use super::{child::Ended, complaint::complain};
use crate::{
    domain::{network::NetworkGuard, secret::Secret},
    probe,
};
use reqwest::{Client, StatusCode, Url, redirect::Policy};
use ring::rand::{SecureRandom, SystemRandom};
use std::time::Duration;
use tokio::time::sleep;

/// How long a report may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between attempts to report an end.
const PAUSES: [Duration; 4] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// A monitor, and the run that it is told of.
pub(super) struct Monitor {
    url: Url,
    client: Client,
    run: String,
}

/// Why a report was not taken, and whether it may be taken later.
struct Refused {
    why: String,
    is_final: bool,
}

impl Monitor {
    pub(super) fn new(url: &Secret) -> Result<Monitor, String> {
        let no_url = || "--url is no address to report to: https://monitor.example/api/v1/push/TOKEN".to_owned();
        let mut url = Url::parse(url.expose().trim()).ok().filter(|url| !url.cannot_be_a_base()).ok_or_else(no_url)?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(no_url());
        }
        // What other monitors have their push URLs end with.
        url.set_query(None);
        let tls = probe::Shared::new(NetworkGuard::default())
            .map_err(|error| format!("nothing can be reported: {error}"))?
            .client_config();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(PATIENCE)
            // A redirected POST becomes a GET, or discloses the token to a stranger.
            .redirect(Policy::none())
            .build()
            .map_err(|_| "nothing can be reported: no client for it can be made".to_owned())?;
        Ok(Monitor { url, client, run: random_run() })
    }

    /// Reports that the command runs, once: its end says the same.
    pub(super) async fn begins(&self) {
        if let Err(refused) = self.report("start", &[], Vec::new()).await {
            complain(&format!("the start could not be reported: {}", refused.why));
        }
    }

    /// Reports how the command ended.
    pub(super) async fn ends(&self, ended: &Ended) {
        let took = ended.took.as_millis().to_string();
        let mut query = vec![("duration_ms", took.as_str())];
        query.extend(ended.why.as_ref().map(|why| ("message", why.as_str())));
        let mut why = String::new();
        for pause in PAUSES {
            sleep(pause).await;
            match self.report(&ended.code.to_string(), &query, ended.log.clone()).await {
                Ok(()) => return,
                Err(refused) => {
                    why = refused.why;
                    if refused.is_final {
                        break;
                    }
                }
            }
        }
        complain(&format!("the end could not be reported: {why}"));
    }

    async fn report(&self, ending: &str, query: &[(&str, &str)], log: Vec<u8>) -> Result<(), Refused> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(ending);
        }
        url.query_pairs_mut().append_pair("rid", &self.run).extend_pairs(query);
        let later = |why: String| Refused { why, is_final: false };
        let answer = self.client.post(url).body(log).send().await;
        let status = answer.map_err(|error| later(in_words(&error)))?.status();
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => {
                Err(Refused { why: "no service there has this token (404)".to_owned(), is_final: true })
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(later(format!("the monitor answered {}", status.as_u16())))
            }
            status => Err(Refused { why: format!("the monitor answered {}", status.as_u16()), is_final: true }),
        }
    }
}

/// What went wrong, without the address.
fn in_words(error: &reqwest::Error) -> String {
    let what = match error {
        error if error.is_timeout() => return format!("no answer within {} s", PATIENCE.as_secs()),
        error if error.is_connect() => "no connection",
        _ => "the exchange broke off",
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if cause.is::<reqwest::Error>() { what.to_owned() } else { format!("{what}: {cause}") }
}

/// A name for this run, in the form of a UUID, which other monitors ask for.
fn random_run() -> String {
    let mut bytes = [0; 16];
    // Where there is no chance, runs have the same name, as if they had none.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
