//! From an error to a reason: the class comes from the error's type, never from its text.

use super::{
    resolver::LookupError,
    text::seconds,
    tls,
    trace::{Fault, Trace},
};
use crate::domain::check::{Class, Phase};
use rustix::io::Errno;
use std::{error::Error, io, time::Duration};

/// The deadline passed while the check waited for us, or the service had less of it than it should have had, by more than
/// a tenth: that is not to be held against it.
pub(super) fn waited_for_us(trace: &Trace, deadline: Duration) -> Option<Fault> {
    let cut = trace.left_out() > deadline / 10;
    let why = "too many name lookups are waiting in this process";
    (trace.queued() || cut).then(|| Fault::ours(trace.phase(), why))
}

/// The deadline passed: what the check was waiting for.
pub(super) fn late(trace: &Trace, deadline: Duration) -> Fault {
    let time = seconds(deadline);
    let phase = trace.phase();
    let message = match phase {
        Some(Phase::Dns) => format!("the name {} was not resolved within {time}", trace.host()),
        Some(Phase::Connect) => format!("no connection to {} within {time}", trace.peer()),
        Some(Phase::Tls) => format!("TLS handshake not finished within {time}"),
        Some(Phase::Body) => format!("the answer was not complete within {time}"),
        Some(Phase::Ttfb) | None => format!("no answer within {time}"),
    };
    Fault::new(Class::Timeout, phase, message)
}

/// The fault for an error of a probe that uses a network. `None` where no type in the chain of causes is known: the
/// caller knows what it was doing.
pub(super) fn of_error(error: &(dyn Error + 'static), trace: &Trace, deadline: Duration) -> Option<Fault> {
    let phase = trace.phase();
    if let Some(error) = find::<LookupError>(error) {
        return Some(of_lookup(error));
    }
    if let Some(error) = find::<rustls::Error>(error) {
        // Whatever the phase: a TLS 1.3 server refuses our certificate after the handshake is over on this side.
        return Some(tls::fault(error, trace));
    }
    let io = find::<io::Error>(error)?;
    of_io(io, phase, trace, deadline)
}

/// The same for an I/O error alone.
pub(super) fn of_io(error: &io::Error, phase: Option<Phase>, trace: &Trace, deadline: Duration) -> Option<Fault> {
    if let Some(message) = ours(error) {
        return Some(Fault::ours(phase, message));
    }
    let peer = trace.peer();
    let connecting = phase == Some(Phase::Connect);
    let (class, broken) = match phase {
        Some(Phase::Connect) => (Class::Connect, "before there was a connection"),
        Some(Phase::Tls) => (Class::Tls, "in the TLS handshake"),
        Some(Phase::Body) => (Class::Protocol, "before the answer was complete"),
        _ => (Class::Protocol, "before the answer"),
    };
    let message = match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection refused by {peer}"),
        io::ErrorKind::HostUnreachable => format!("{peer} is unreachable: no route to the host"),
        io::ErrorKind::TimedOut => return Some(late(trace, deadline)),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            format!("connection reset by {peer} {broken}")
        }
        io::ErrorKind::UnexpectedEof => format!("connection closed {broken}"),
        _ if connecting => format!("no connection to {peer}: {error}"),
        _ => return None,
    };
    Some(Fault::new(class, phase, message))
}

/// A name that led to no address.
pub(super) fn of_lookup(error: &LookupError) -> Fault {
    let ours = match error {
        LookupError::Failed { error, .. } => ours(error).or_else(no_descriptor_left),
        _ => None,
    };
    match ours {
        Some(message) => Fault::ours(Some(Phase::Dns), message),
        None if matches!(error, LookupError::Metadata { .. } | LookupError::Refused { .. }) => {
            Fault::new(Class::Connect, Some(Phase::Connect), error.to_string())
        }
        None => Fault::new(Class::Dns, Some(Phase::Dns), error.to_string()),
    }
}

/// The message for an I/O error that is caused by this machine and not by the other one.
pub(super) fn ours(error: &io::Error) -> Option<&'static str> {
    Some(match Errno::from_io_error(error)? {
        Errno::MFILE => "no file descriptor left in this process",
        Errno::NFILE => "no file descriptor left on this machine",
        Errno::NOMEM | Errno::NOBUFS => "no memory left on this machine",
        Errno::NETDOWN => "the network of this machine is down",
        Errno::NETUNREACH => "this machine has no route to that network",
        Errno::ADDRNOTAVAIL => "no local address or port left for a connection",
        Errno::PERM | Errno::ACCESS => "this machine does not allow the connection",
        _ => return None,
    })
}

/// The resolver of the C library calls a process without descriptors a temporary failure of the name service: asks the
/// system itself.
fn no_descriptor_left() -> Option<&'static str> {
    std::fs::File::open("/dev/null").err().as_ref().and_then(ours)
}

/// The first error of type `T` in the chain of causes.
///
/// An `io::Error` around another error gives that one's cause as its own, and so hides it: it is opened.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            // An io::Error that only wraps another one says nothing itself.
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            return wrapped.and_then(|inner| find::<T>(inner)).or(Some(found));
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find::<T>(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> rustls::Error {
        rustls::Error::General("no".to_owned())
    }

    #[test]
    fn an_error_is_found_inside_io_errors_that_hide_it() {
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, refusal()));
        assert!(find::<rustls::Error>(&error).is_some());
        assert_eq!(find::<io::Error>(&error).unwrap().kind(), io::ErrorKind::InvalidData);
        assert!(find::<LookupError>(&error).is_none());
    }

    #[test]
    fn what_this_machine_lacks_is_not_the_services_fault() {
        let trace = Trace::start();
        trace.go_to("10.0.0.7", 443);
        for number in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NETDOWN, Errno::ADDRNOTAVAIL] {
            let error = io::Error::other(io::Error::from(number));
            let fault = of_error(&error, &trace, Duration::from_secs(5)).unwrap();
            assert!(fault.ours && fault.reason.class == Class::Monitor, "{number:?}");
        }
        let fault = of_error(&io::Error::from(Errno::CONNREFUSED), &trace, Duration::from_secs(5)).unwrap();
        assert_eq!((fault.ours, fault.reason.message.as_str()), (false, "connection refused by 10.0.0.7:443"));
    }

    #[test]
    fn a_place_in_our_own_queue_is_not_the_name_servers_fault() {
        let trace = Trace::start();
        trace.go_to("api.example.com", 443);
        trace.enter(Phase::Dns);
        let slow = late(&trace, Duration::from_secs(5));
        assert_eq!((slow.ours, slow.reason.phase), (false, Some(Phase::Dns)));
        assert_eq!(slow.reason.message, "the name api.example.com was not resolved within 5 s");
        assert!(waited_for_us(&trace, Duration::from_secs(5)).is_none());
        trace.set_queued(true);
        assert!(waited_for_us(&trace, Duration::from_secs(5)).is_some_and(|fault| fault.ours));
        trace.set_queued(false);
        trace.leave_out(Duration::from_millis(500));
        assert!(waited_for_us(&trace, Duration::from_secs(5)).is_none());
        trace.leave_out(Duration::from_millis(1));
        assert!(waited_for_us(&trace, Duration::from_secs(5)).is_some(), "the service had too little of its time");
    }
}
