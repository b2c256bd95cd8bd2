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

/// What is asked, and what an answer is.
pub(super) trait Exchange {
    type Answer;

    /// The datagram to be sent: it is asked for each time that one is.
    fn question(&mut self) -> Vec<u8>;

    /// What a datagram says; `None` for one that is no answer, because anybody may send datagrams.
    fn answer(&mut self, bytes: &[u8]) -> Option<Self::Answer>;
}

/// Asks, again where nothing comes back, and gives the first answer.
///
/// The trace is in phase `Ttfb` afterwards. Where the host has several addresses, the next one is asked if nothing listens
/// at one.
pub(super) async fn ask<E: Exchange>(
    dialer: &Dialer,
    exchange: &mut E,
    trace: &Trace,
    deadline: Duration,
) -> Result<E::Answer, Fault> {
    let addresses = dialer.find(trace).await?;
    trace.enter(Phase::Ttfb);
    let mut refused = None;
    for address in addresses {
        trace.reached(address);
        match ask_at(address, exchange).await {
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

async fn ask_at<E: Exchange>(address: SocketAddr, exchange: &mut E) -> io::Result<Option<E::Answer>> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // The port is the kernel's choice, and another one in every check: so a stranger has to guess it.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    let mut buffer = vec![0; LONGEST];
    let (mut pause, mut stray) = (AGAIN, 0);
    loop {
        socket.send(&exchange.question()).await?;
        let until = Instant::now() + pause;
        pause *= 2;
        while let Ok(got) = timeout_at(until, socket.recv(&mut buffer)).await {
            if let Some(answer) = exchange.answer(&buffer[..got?]) {
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
