//! A question and its answer over UDP: sent again where it may have been lost, and never read for ever.

use super::{
    address::Dialer,
    fault,
    trace::{Fault, Trace},
};
use crate::domain::check::{Class, Phase};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

/// After how long a question is sent again the first time; then after twice as long, and so on.
const AGAIN: Duration = Duration::from_secs(1);
/// Datagrams at most that are no answer to what was asked.
const STRAY: usize = 64;
/// The longest datagram.
const LONGEST: usize = 64 * 1024;

/// Sends `question`, and gives what `read` makes of the first answer that it takes for one. What it takes for none (`None`)
/// is passed over: anybody may send datagrams. With `again` the question is repeated, because datagrams get lost.
///
/// The trace is in phase `Ttfb` afterwards. Where the host has several addresses, the next one is asked if nothing listens
/// at one.
pub(super) async fn ask<T>(
    dialer: &Dialer,
    question: &[u8],
    again: bool,
    mut read: impl FnMut(&[u8]) -> Option<T>,
    trace: &Trace,
    deadline: Duration,
) -> Result<T, Fault> {
    let addresses = dialer.find(trace).await?;
    trace.enter(Phase::Ttfb);
    let mut refused = None;
    for address in addresses {
        trace.reached(address);
        match ask_at(address, question, again, &mut read).await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {
                let message = format!("{STRAY} datagrams came that answer nothing that was asked");
                return Err(Fault::new(Class::Protocol, Some(Phase::Ttfb), message));
            }
            Err(error) => refused = Some(fault_of(&error, address, trace, deadline)),
        }
    }
    Err(refused.unwrap_or_else(|| fault::late(trace, deadline)))
}

async fn ask_at<T>(
    address: SocketAddr,
    question: &[u8],
    again: bool,
    read: &mut impl FnMut(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // The port is the kernel's choice, and another one in every check: so a stranger has to guess it.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    let mut buffer = vec![0; LONGEST];
    let (mut pause, mut stray) = (AGAIN, 0);
    loop {
        socket.send(question).await?;
        let until = Instant::now() + pause;
        pause *= 2;
        loop {
            let got = match timeout_at(until, socket.recv(&mut buffer)).await {
                Ok(got) => got?,
                Err(_) if again => break,
                Err(_) => socket.recv(&mut buffer).await?,
            };
            if let Some(answer) = read(&buffer[..got]) {
                return Ok(Some(answer));
            }
            stray += 1;
            if stray == STRAY {
                return Ok(None);
            }
            tokio::task::consume_budget().await;
        }
    }
}

fn fault_of(error: &io::Error, address: SocketAddr, trace: &Trace, deadline: Duration) -> Fault {
    let phase = Some(Phase::Connect);
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return Fault::new(Class::Connect, phase, format!("nothing listens at {address} (UDP)"));
    }
    fault::of_io(error, phase, trace, deadline)
        .unwrap_or_else(|| Fault::new(Class::Connect, phase, format!("{address} cannot be reached: {error}")))
}
