//! Asks the service that runs with this configuration on this machine.

use crate::{config::Config, domain::secret::Secret};
use anyhow::Context;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// What it answered.
pub(super) struct Answer {
    pub(super) address: SocketAddr,
    pub(super) status: u16,
    pub(super) body: String,
}

/// Sends a request without a body.
///
/// # Errors
/// When nobody answers within `patience`.
pub(super) async fn ask(
    config: &Config,
    method: &str,
    path: &str,
    token: Option<&Secret>,
    patience: Duration,
) -> anyhow::Result<Answer> {
    let address = address(config);
    let answer = timeout(patience, exchange(address, method, path, token))
        .await
        .with_context(|| format!("no answer from {address} within {} s", patience.as_secs()))?
        .with_context(|| format!("no answer from {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { address, status, body: body.trim().to_owned() })
}

/// Where it answers, from this machine.
pub(super) fn address(config: &Config) -> SocketAddr {
    let ip = match config.dashboard.bind {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, config.dashboard.port)
}

async fn exchange(address: SocketAddr, method: &str, path: &str, token: Option<&Secret>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let token = token.map_or(String::new(), |token| format!("Authorization: Bearer {}\r\n", token.expose()));
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{token}Content-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(16 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
