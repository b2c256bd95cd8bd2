//! A connection to a service through a proxy: HTTP's CONNECT (RFC 9110, section 9.3.6) or SOCKS 5 (RFC 1928, 1929).

use super::spec::{Excepted, Proxy, ProxyKind};
use crate::{
    domain::check::{Class, Phase, Reason},
    probe::{
        connect, fault,
        resolver::Resolver,
        trace::{Fault, Trace},
    },
    settings::network::IpVersion,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{io, net::IpAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How much of a proxy's answer to CONNECT is read.
const HEAD_BYTES: usize = 16 * 1024;

/// What a connection is made with.
pub(super) struct Way<'a> {
    pub(super) resolver: &'a Resolver,
    pub(super) version: IpVersion,
    pub(super) trace: &'a Trace,
    pub(super) deadline: Duration,
}

impl Proxy {
    /// Whether a host is asked through it.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        !self.except.iter().any(|excepted| match excepted {
            Excepted::Network(network) => address.is_some_and(|address| network.contains(address)),
            Excepted::Domain(domain) => {
                let before = host.len().checked_sub(domain.len()).filter(|at| host.is_char_boundary(*at));
                before
                    .is_some_and(|at| host[at..].eq_ignore_ascii_case(domain) && (at == 0 || host[..at].ends_with('.')))
            }
        })
    }

    /// The value of `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        let (user, password) = self.credentials.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
    }

    /// A connection to the proxy, and through it to the host where `tunnel` says so. All of it is in phase `Connect`.
    pub(super) async fn open(&self, way: &Way<'_>, host: &str, port: u16, tunnel: bool) -> Result<TcpStream, Fault> {
        // Names are the proxy's to resolve; an address is known here already, and may be one that is not to be asked.
        if host.parse::<IpAddr>().is_ok() {
            let looked_at = way.resolver.lookup(host, port, IpVersion::Any, way.trace).await;
            looked_at.map_err(|error| fault::of_lookup(&error))?;
        }
        let place = (self.host.as_str(), self.port);
        let stream = connect::open(way.resolver, place, way.version, way.trace, way.deadline).await;
        let mut stream = stream.map_err(|fault| self.blamed(fault))?;
        if tunnel {
            let through = match self.kind {
                ProxyKind::Http => self.connect(&mut stream, host, port).await,
                ProxyKind::Socks5 => self.socks(&mut stream, host, port).await,
            };
            through.map_err(|refused| match refused {
                Refused::Io(error) => {
                    let fault = fault::of_io(&error, Some(Phase::Connect), way.trace, way.deadline);
                    let fault = fault.unwrap_or_else(|| failed(error.to_string()));
                    self.blamed(fault)
                }
                Refused::Said(why) => self.blamed(failed(why)),
            })?;
        }
        // What is said from here on is said of the host.
        way.trace.go_to(host, port);
        Ok(stream)
    }

    fn blamed(&self, fault: Fault) -> Fault {
        let message = format!("the proxy {}:{}: {}", self.host, self.port, fault.reason.message);
        Fault { reason: Reason { message, ..fault.reason }, ..fault }
    }

    async fn connect(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), Refused> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(authorization) = self.authorization() {
            request += &format!("Proxy-Authorization: {authorization}\r\n");
        }
        stream.write_all((request + "\r\n").as_bytes()).await?;
        let mut head = Vec::new();
        let end = loop {
            if let Some(at) = head.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            if head.len() > HEAD_BYTES {
                return Err(Refused::said("the head of its answer is longer than 16 KiB"));
            }
            if stream.read_buf(&mut head).await? == 0 {
                return Err(Refused::said("it closed the connection without an answer"));
            }
        };
        let line = String::from_utf8_lossy(&head[..end]).lines().next().unwrap_or_default().to_owned();
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
        match status {
            Some(200..=299) if head.len() > end => Err(Refused::said("it says more than its answer")),
            Some(200..=299) => Ok(()),
            Some(407) if self.credentials.is_some() => Err(Refused::said("it refuses our credentials (HTTP 407)")),
            Some(407) => Err(Refused::said("it wants credentials (HTTP 407)")),
            Some(status) => Err(Refused::Said(format!("no connection to {host}:{port} (HTTP {status})"))),
            None => Err(Refused::said("its answer is not HTTP")),
        }
    }

    async fn socks(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), Refused> {
        const WITHOUT: u8 = 0;
        const BY_PASSWORD: u8 = 2;
        let method = if self.credentials.is_some() { BY_PASSWORD } else { WITHOUT };
        stream.write_all(&[5, 1, method]).await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await?;
        match (chosen, &self.credentials) {
            ([5, BY_PASSWORD], Some((user, password))) => {
                let mut login = vec![1];
                for text in [user.as_str(), password.expose()] {
                    login.push(u8::try_from(text.len()).map_err(|_| Refused::said("the credentials are too long"))?);
                    login.extend(text.as_bytes());
                }
                stream.write_all(&login).await?;
                let mut answer = [0; 2];
                stream.read_exact(&mut answer).await?;
                if answer[1] != 0 {
                    return Err(Refused::said("it refuses our credentials"));
                }
            }
            ([5, WITHOUT], None) => {}
            ([5, 0xff], None) => return Err(Refused::said("it wants credentials")),
            ([5, _], _) => return Err(Refused::said("it takes no credentials, or others")),
            _ => return Err(Refused::said("it does not speak SOCKS 5")),
        }
        let mut request = vec![5, 1, 0];
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend(address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend(address.octets());
            }
            Err(_) => {
                request.push(3);
                request.push(u8::try_from(host.len()).map_err(|_| Refused::said("the name of the host is too long"))?);
                request.extend(host.as_bytes());
            }
        }
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        let why = match answer {
            [5, 0, ..] => "",
            [5, 2, ..] => "it does not allow it",
            [5, 3, ..] => "the network is unreachable",
            [5, 4, ..] => "the host is unreachable, or has no address",
            [5, 5, ..] => "the connection was refused",
            [5, 6, ..] => "it took too long",
            [5, ..] => "it failed",
            _ => return Err(Refused::said("it does not speak SOCKS 5")),
        };
        if !why.is_empty() {
            return Err(Refused::Said(format!("no connection to {host}:{port}: {why}")));
        }
        // The address that it uses, and the port.
        let length = match answer[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await?),
            _ => return Err(Refused::said("it does not speak SOCKS 5")),
        };
        stream.read_exact(&mut [0; 257][..length + 2]).await?;
        Ok(())
    }
}

/// Why there is no way through.
enum Refused {
    Io(io::Error),
    Said(String),
}

impl Refused {
    fn said(why: &str) -> Refused {
        Refused::Said(why.to_owned())
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Io(error)
    }
}

fn failed(why: String) -> Fault {
    Fault::new(Class::Connect, Some(Phase::Connect), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::network::Network;

    #[test]
    fn what_is_excepted_is_asked_directly() {
        let domain = |name: &str| Excepted::Domain(name.to_owned());
        let proxy = Proxy {
            kind: ProxyKind::Http,
            host: "proxy".to_owned(),
            port: 3128,
            credentials: None,
            except: vec![
                domain("internal"),
                domain("db.example"),
                Excepted::Network(Network::parse("10.0.0.0/8").unwrap()),
            ],
        };
        for host in ["internal", "a.internal", "A.B.Internal", "db.example", "x.db.example", "10.1.2.3"] {
            assert!(!proxy.is_for(host), "{host}");
        }
        for host in ["xinternal", "internal.example", "example", "é", "11.0.0.1", "::1", ""] {
            assert!(proxy.is_for(host), "{host}");
        }
    }
}
