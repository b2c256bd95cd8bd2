//! What is known of a check while it runs: the phase that it is in, the phases that are behind it, whom it talks to.
//!
//! It lives outside the check's future, so that it survives when the deadline drops that future.

use crate::domain::{
    check::{Class, Phase, PhaseTimes, Reason, Report, Verdict},
    time::UnixMs,
};
use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
// Tokio's clock and not std's: it is the same monotonic clock, except in a test that pauses it, and there the latencies
// have to agree with the deadlines, which follow it.
use tokio::time::Instant;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) struct Fault {
    /// Ours, not the service's: the check could not be judged.
    pub(super) ours: bool,
    pub(super) reason: Reason,
    pub(super) excerpt: Option<String>,
}

impl Fault {
    /// The service's fault, in the given phase.
    pub(super) fn new(class: Class, phase: Option<Phase>, message: impl Into<String>) -> Fault {
        Fault { ours: false, reason: Reason { class, phase, message: message.into() }, excerpt: None }
    }

    /// Ours: the check cannot be judged.
    pub(super) fn ours(phase: Option<Phase>, message: impl Into<String>) -> Fault {
        Fault { ours: true, reason: Reason { class: Class::Monitor, phase, message: message.into() }, excerpt: None }
    }

    pub(super) fn with_excerpt(mut self, excerpt: Option<String>) -> Fault {
        self.excerpt = excerpt;
        self
    }
}

/// The certificate that counts of those that a server showed: the one that ends first of those that are needed.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// Its end, in seconds since 1970.
    pub(super) not_after: i64,
    /// When it was looked at, in seconds since 1970.
    pub(super) seen_at: i64,
    /// The host that it was shown for.
    pub(super) host: String,
    /// Whom it is for, where it is not the server's own.
    pub(super) intermediate: Option<String>,
}

impl Certificate {
    /// Whole days until it ends, rounded down.
    pub(super) fn days_left(&self) -> i64 {
        (self.not_after - self.seen_at).div_euclid(86_400)
    }
}

/// One check's course.
#[derive(Debug)]
pub(super) struct Trace {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now_in: Option<(Phase, Instant)>,
    ended: Option<Instant>,
    times: PhaseTimes,
    /// Time in which the check waited for us: of all, and of the phase that it is in.
    left_out: Duration,
    left_out_of_phase: Duration,
    host: String,
    port: u16,
    addresses: Vec<SocketAddr>,
    queued: bool,
    http_status: Option<u16>,
    certificate: Option<Certificate>,
    refusal: Option<String>,
    stale_staple: Option<UnixMs>,
}

impl Trace {
    pub(super) fn start() -> Trace {
        Trace { started: Instant::now(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be half-written: what a panicking thread leaves is as good as before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The phase before is over, and took its time; this one begins.
    pub(super) fn enter(&self, phase: Phase) {
        let now = Instant::now();
        let mut state = self.state();
        state.finish(now);
        state.now_in = Some((phase, now));
    }

    /// Like [`Trace::enter`], if the check is in phase `from`.
    pub(super) fn enter_from(&self, from: Phase, phase: Phase) {
        if self.phase() == Some(from) {
            self.enter(phase);
        }
    }

    /// The last phase is over, and with it the check: what comes after (closing a connection) takes none of its time.
    pub(super) fn end(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.finish(now);
        state.ended = Some(now);
    }

    /// It was not the last: the check goes on.
    pub(super) fn go_on(&self) {
        self.state().ended = None;
    }

    /// When the deadline is, of a check that began with this.
    pub(super) fn until(&self, deadline: Duration) -> Instant {
        self.started + deadline
    }

    /// The phase that the check is in.
    pub(super) fn phase(&self) -> Option<Phase> {
        self.state().now_in.map(|(phase, _)| phase)
    }

    /// From here on the check queries another host.
    pub(super) fn go_to(&self, host: &str, port: u16) {
        let mut state = self.state();
        host.clone_into(&mut state.host);
        state.port = port;
        state.addresses.clear();
        state.http_status = None;
    }

    /// The addresses that the host has.
    pub(super) fn found(&self, addresses: &[SocketAddr]) {
        let mut state = self.state();
        let port = state.port;
        state.addresses = addresses.iter().map(|address| SocketAddr::new(address.ip(), port)).collect();
        // Name servers turn the order from answer to answer; a message must not.
        state.addresses.sort_unstable();
    }

    /// The address that took the connection.
    pub(super) fn reached(&self, address: SocketAddr) {
        self.state().addresses = vec![address];
    }

    /// The host that the check queries.
    pub(super) fn host(&self) -> String {
        self.state().host.clone()
    }

    /// Whom to name in a message: the address where there is one, else the host and all it has.
    pub(super) fn peer(&self) -> String {
        let state = self.state();
        match state.addresses.as_slice() {
            [] => format!("{}:{}", state.host, state.port),
            [address] => address.to_string(),
            several => {
                let list: Vec<String> = several.iter().take(4).map(|address| address.ip().to_string()).collect();
                let more = if several.len() > 4 { ", …" } else { "" };
                format!("{}:{} ({}{more})", state.host, state.port, list.join(", "))
            }
        }
    }

    /// Whether the check waits in our own queue for a name lookup.
    pub(super) fn set_queued(&self, queued: bool) {
        self.state().queued = queued;
    }

    pub(super) fn queued(&self) -> bool {
        self.state().queued
    }

    /// The check waited so long for us, in the phase that it is in: that is no time of the service.
    pub(super) fn leave_out(&self, waited: Duration) {
        let mut state = self.state();
        state.left_out += waited;
        state.left_out_of_phase += waited;
    }

    /// How long the check has waited for us.
    pub(super) fn left_out(&self) -> Duration {
        self.state().left_out
    }

    /// The current host answered with this status. (Statuses of earlier hosts, in redirects, are forgotten.)
    pub(super) fn answered(&self, status: u16) {
        self.state().http_status = Some(status);
    }

    /// With which status the current host answered.
    pub(super) fn http_status(&self) -> Option<u16> {
        self.state().http_status
    }

    /// A server showed its certificate. Of several (redirects) the one that ends first is kept: it is the first to break
    /// the check.
    pub(super) fn saw(&self, certificate: Certificate) {
        let mut state = self.state();
        if state.certificate.as_ref().is_none_or(|known| certificate.not_after < known.not_after) {
            state.certificate = Some(certificate);
        }
    }

    pub(super) fn certificate(&self) -> Option<Certificate> {
        self.state().certificate.clone()
    }

    /// What is wrong with the certificate that was just shown.
    pub(super) fn refuse_certificate(&self, why: String) {
        self.state().refusal = Some(why);
    }

    pub(super) fn refused_certificate(&self) -> Option<String> {
        self.state().refusal.clone()
    }

    /// The OCSP response that came along with the certificate is out of date since then.
    pub(super) fn saw_stale_staple(&self, since: UnixMs) {
        self.state().stale_staple = Some(since);
    }

    pub(super) fn stale_staple(&self) -> Option<UnixMs> {
        self.state().stale_staple
    }

    /// How long the check has taken, without what it waited for us, in microseconds.
    pub(super) fn latency_us(&self) -> u32 {
        let state = self.state();
        micros(self.started + state.left_out, state.ended.unwrap_or_else(Instant::now))
    }

    /// How long each phase took that is over.
    pub(super) fn times(&self) -> PhaseTimes {
        self.state().times
    }

    /// The report of a check that is over.
    pub(super) fn report(&self, verdict: Verdict, excerpt: Option<String>) -> Report {
        let state = self.state();
        let ended = state.ended.unwrap_or_else(Instant::now);
        Report {
            verdict,
            latency_us: micros(self.started + state.left_out, ended),
            phases: state.times,
            http_status: state.http_status,
            certificate_expires_at: state.certificate.as_ref().map(|c| UnixMs(c.not_after.saturating_mul(1000))),
            excerpt,
        }
    }
}

impl State {
    fn finish(&mut self, now: Instant) {
        let left_out = std::mem::take(&mut self.left_out_of_phase);
        if let Some((phase, since)) = self.now_in.take() {
            let since = since + left_out;
            let sum = match phase {
                Phase::Dns => &mut self.times.dns_us,
                Phase::Connect => &mut self.times.connect_us,
                Phase::Tls => &mut self.times.tls_us,
                Phase::Ttfb => &mut self.times.ttfb_us,
                Phase::Body => return,
            };
            *sum = Some(sum.unwrap_or(0).saturating_add(micros(since, now)));
        }
    }
}

/// From one moment to a later one, in microseconds; more than an hour does not fit and is as long as fits.
fn micros(from: Instant, to: Instant) -> u32 {
    u32::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u32::MAX)
}
