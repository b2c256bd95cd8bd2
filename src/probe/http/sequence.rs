//! A check that is several requests: cookies and kept values go from one to the next.
//!
//! What has to be done always (a log-out) is also done when a request before it failed, when the deadline passed, and
//! when the check was given up: then beside all else, because the check is over.

use super::{
    cookies::Jar,
    exchange::{Exchange, Outgoing},
    facts::Before,
    keeper::Keeper,
    placeholder::{filled, places},
    spec::{Spelling, Step},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        secret::Secret,
    },
    probe::{
        cleanup::Cleanups,
        error::ProbeError,
        fault,
        shared::Shared,
        text::{EXCERPT_BYTES, Scrubber, cut},
        trace::{Fault, Trace},
    },
};
use reqwest::{Url, header::HeaderValue};
use std::{sync::Arc, time::Duration};
use tokio::time::{timeout, timeout_at};

/// The requests of a check.
#[derive(Debug)]
pub(super) struct Sequence {
    steps: Arc<[Ready]>,
    cleanups: Cleanups,
}

/// One of them, ready to be sent any number of times.
#[derive(Debug)]
struct Ready {
    step: Step,
    http: Exchange,
}

/// What goes from one request to the next.
#[derive(Default)]
struct Course {
    jar: Jar,
    kept: Vec<(String, Secret)>,
    /// A line for each that is over.
    lines: String,
}

impl Sequence {
    pub(super) fn new(
        steps: &[Step],
        endpoint: &Exchange,
        scrubber: &Arc<Scrubber>,
        shared: &Shared,
    ) -> Result<Sequence, ProbeError> {
        let ready = |step: &Step| {
            let http = Exchange::new(&step.request, Arc::clone(scrubber), shared)?.sharing(endpoint);
            Ok(Ready { step: step.clone(), http })
        };
        let steps = steps.iter().map(ready).collect::<Result<_, ProbeError>>()?;
        Ok(Sequence { steps, cleanups: shared.cleanups.clone() })
    }

    pub(super) async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        // Not later than the check's own deadline, so that it is known which of them was late.
        let until = trace.until(deadline);
        let mut open = Unfinished { sequence: self, trace, deadline, next: 0, course: Course::default() };
        let mut reserved = None;
        for ready in self.steps.iter() {
            open.next += 1;
            trace.go_on();
            let before = Before::of(trace);
            let result = match timeout_at(until, ready.run(trace, deadline, &mut open.course)).await {
                Ok(result) => result,
                Err(_) => Err(fault::waited_for_us(trace, deadline).unwrap_or_else(|| fault::late(trace, deadline))),
            };
            let name = &ready.step.name;
            let said = trace.http_status().map_or_else(String::new, |status| format!("HTTP {status}, "));
            open.course.lines += &format!("{name}: {said}{} ms\n", before.latency_us(trace) / 1000);
            match result {
                Ok(reason) => {
                    let named = |reason| Reason { message: in_step(name, &reason), ..reason };
                    reserved = reserved.or_else(|| reason.map(named));
                }
                Err(fault) => {
                    let excerpt = format!("{}\n{}", open.course.lines, fault.excerpt.as_deref().unwrap_or_default());
                    let message = in_step(name, &fault.reason);
                    return Err(Fault {
                        reason: Reason { message, ..fault.reason },
                        excerpt: Some(cut(excerpt.trim_end(), EXCERPT_BYTES)),
                        ..fault
                    });
                }
            }
        }
        open.next = usize::MAX;
        Ok(reserved)
    }
}

fn in_step(name: &str, reason: &Reason) -> String {
    format!("step \"{name}\": {}", reason.message)
}

impl Ready {
    async fn run(&self, trace: &Arc<Trace>, deadline: Duration, course: &mut Course) -> Result<Option<Reason>, Fault> {
        let wire = self.http.wire(trace, deadline);
        let request = self.outgoing(&course.kept).map_err(|what| {
            let message = format!("{what} cannot have what was kept in it");
            Fault::new(Class::Content, Some(Phase::Body), message)
        })?;
        let mut keeper = Keeper::new(&self.step.keep, &mut course.kept);
        let keeper = (!self.step.keep.is_empty()).then_some(&mut keeper);
        let until = trace.until(deadline);
        self.http.exchange(&wire, &mut course.jar, request, until, (Before::of(trace), keeper)).await
    }

    /// The request with what was kept. The error is what of it cannot have that.
    fn outgoing(&self, kept: &[(String, Secret)]) -> Result<Outgoing, &'static str> {
        let request = &self.step.request;
        let fill = |text: &str, spelling| filled(text, spelling, |name| value(kept, name));
        let url = Url::parse(&fill(request.url.as_str(), Spelling::Url)).map_err(|_| "its URL")?;
        let mut headers = self.http.headers().clone();
        for (name, secret) in request.headers.iter().filter(|(_, secret)| !places(secret.expose()).is_empty()) {
            let mut value = HeaderValue::from_str(&fill(secret.expose(), Spelling::Plain)).map_err(|_| "a header")?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let body = request.body.as_deref().map(|body| fill(body, self.step.body));
        Ok(Outgoing { url, headers, body })
    }

    /// Whether everything is there that goes into it.
    fn can_be_sent(&self, kept: &[(String, Secret)]) -> bool {
        let request = &self.step.request;
        let headers = request.headers.iter().map(|(_, secret)| secret.expose());
        let texts = headers.chain([request.url.as_str()]).chain(request.body.as_deref());
        texts.flat_map(places).all(|(_, name)| value(kept, name).is_some())
    }
}

/// The latest value of this name.
fn value(kept: &[(String, Secret)], name: &str) -> Option<String> {
    kept.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.expose().to_owned())
}

/// A check that is not over. Where it ends early, what is to be done always is done beside all else.
struct Unfinished<'a> {
    sequence: &'a Sequence,
    trace: &'a Trace,
    deadline: Duration,
    /// The first step that was not begun.
    next: usize,
    course: Course,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let Unfinished { sequence, next, deadline, .. } = *self;
        // Where nobody has answered there is nothing to be undone.
        let answered = next > 1 || self.trace.http_status().is_some();
        let left = sequence.steps.get(next..).unwrap_or_default();
        if !answered || !left.iter().any(|ready| ready.step.always) {
            return;
        }
        let (steps, mut course) = (Arc::clone(&sequence.steps), std::mem::take(&mut self.course));
        sequence.cleanups.spawn(async move {
            let left = async {
                for ready in steps[next..].iter().filter(|ready| ready.step.always) {
                    if ready.can_be_sent(&course.kept) {
                        let trace = Arc::new(Trace::start());
                        drop(ready.run(&trace, deadline, &mut course).await);
                    }
                }
            };
            let _ = timeout(deadline, left).await;
        });
    }
}
