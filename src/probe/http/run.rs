//! The HTTP probe: a check is a request, or several.

use super::{
    cookies::Jar,
    exchange::{Exchange, Outgoing},
    facts::Before,
    headers::{is_harmless, same_owner},
    sequence::Sequence,
    spec::{Auth, HttpSpec},
};
use crate::{
    domain::{check::Reason, secret::Secret},
    probe::{
        diagnose::Place,
        error::ProbeError,
        runner::{Runner, Secrets},
        shared::Shared,
        text::Scrubber,
        tls::expiry_warning,
        trace::{Fault, Trace},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// An HTTP service, ready to be checked.
#[derive(Debug)]
pub(crate) struct Http {
    request: Exchange,
    /// In the place of the request.
    steps: Option<Sequence>,
}

impl Runner for Http {
    type Spec = HttpSpec;

    fn new(spec: &HttpSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Http, ProbeError> {
        let request = Exchange::new(spec, Arc::clone(&scrubber), shared)?;
        let steps = match spec.steps.as_slice() {
            [] => None,
            steps => Some(Sequence::new(steps, &request, &scrubber, shared)?),
        };
        Ok(Http { request, steps })
    }

    fn secrets(spec: &HttpSpec) -> Secrets<'_> {
        // A short value in an unknown header ("true", "eu") is no credential, and would blot out half an answer.
        let telling = |text: &str| text.len() >= 8;
        let headers = spec.headers.iter().filter(|(name, value)| !is_harmless(name) && telling(value.expose()));
        let mut secrets: Vec<Secret> = Vec::new();
        for (_, value) in headers {
            // "Bearer abc": the second word is the secret, with or without the first.
            secrets.extend(value.expose().split_once(' ').map(|(_, token)| Secret::new(token)));
            secrets.push(value.clone());
        }
        let mut pairs: Vec<(&str, &Secret)> = Vec::new();
        if let Some((user, password)) = spec.proxy.as_ref().and_then(|proxy| proxy.credentials.as_ref()) {
            pairs.push((user, password));
        }
        match &spec.auth {
            Some(Auth::Basic { user, password }) => pairs.push((user, password)),
            Some(Auth::Bearer(token)) => secrets.push(token.clone()),
            Some(Auth::OAuth2(oauth2)) => pairs.push((&oauth2.client_id, &oauth2.client_secret)),
            None => {}
        }
        for step in &spec.steps {
            let (of_step, of_its_auth) = Http::secrets(&step.request);
            secrets.extend(of_step);
            pairs.extend(of_its_auth);
        }
        (secrets, pairs)
    }

    fn place(&self) -> Option<Place<'_>> {
        // Through a proxy the host itself may be out of reach, and out of any name server's sight.
        let spec = self.request.spec();
        // And of steps at several hosts nobody knows here which one failed.
        if spec.proxy.is_some() || spec.steps.iter().any(|step| !same_owner(&spec.url, &step.request.url)) {
            return None;
        }
        let request = &self.request;
        Place::of_url(&request.spec().url, request.resolver(), request.tls())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let spec = self.request.spec();
        let reserved = match &self.steps {
            // Boxed: a check that is one request should not be as large as one that is several.
            Some(steps) => Box::pin(steps.run(trace, deadline)).await?,
            None => {
                let (until, mut jar) = (Instant::now() + deadline, Jar::default());
                let wire = self.request.wire(trace, deadline);
                let headers = self.request.headers().clone();
                let first = Outgoing { url: spec.url.clone(), headers, body: spec.body.clone() };
                self.request.exchange(&wire, &mut jar, first, until, (Before::default(), None)).await?
            }
        };
        let host = || spec.url.host_str().unwrap_or_default();
        Ok(reserved.or_else(|| expiry_warning(trace, spec.tls.expiry_warning_days, host())))
    }
}
