//! `type = "tls"`: a TLS handshake, and the certificates that it shows.

use super::{
    address::{Address, Dialer},
    connect,
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    fault,
    runner::Runner,
    shared::Shared,
    text::Scrubber,
    tls::{Tls, Verification, expiry_warning, staple_warning},
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        service::Kind,
    },
    settings::{
        address::bare_host,
        reader::{Table, Value},
        tls::{self, TlsSpec},
    },
};
use ring::digest;
use rustls::ProtocolVersion;
use serde_json::{Map, json};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Tls,
    aliases: &["ssl", "cert", "certificate"],
    schemes: &["tls"],
    scheme_aliases: &["ssl"],
    scheme_is_optional: true,
    url_example: "tls://mail:993",
    keys: &["url", "ip_version", "allow_metadata", "tls", "min_version", "server_name", "fingerprint"],
    ..Descriptor::NONE
};

/// How long it is waited for what a server has against our certificate: with TLS 1.3 it says so after the handshake.
const OBJECTION: Duration = Duration::from_secs(1);
/// How much is read of what a server says by itself after the handshake.
const GREETING_BYTES: usize = 64 * 1024;

/// A handshake, and what has to come of it.
#[derive(Clone, Debug)]
pub struct TlsServerSpec {
    pub address: Address,
    pub tls: TlsSpec,
    /// The lowest version of TLS that the session may have.
    pub min_version: TlsVersion,
    /// The name to ask for, where it is not the address' host.
    pub server_name: Option<String>,
    /// SHA-256 of the certificates of which the server has to show one. Empty: any.
    pub fingerprints: Vec<[u8; 32]>,
}

/// The versions that are still in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum TlsVersion {
    #[default]
    V1_2,
    V1_3,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<TlsServerSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let address = Address::read(section, Some(443), &mut shown);
    let tls = tls::read(table);
    let min_version = min_version(table);
    let server_name = server_name(table);
    let fingerprints = table.get("fingerprint").map_or_else(Vec::new, |value| value.one_or_many());
    let fingerprints: Vec<[u8; 32]> = fingerprints.iter().filter_map(fingerprint).collect();

    let address = address?;
    shown.insert("tls".to_owned(), tls.shown);
    shown.insert("min_version".to_owned(), json!(min_version.map(word)));
    shown.insert("server_name".to_owned(), json!(server_name));
    let written: Vec<String> = fingerprints.iter().map(|fingerprint| hex(fingerprint)).collect();
    shown.insert("fingerprint".to_owned(), json!((!written.is_empty()).then_some(written)));
    let target = address.target("tls");
    let min_version = min_version.unwrap_or_default();
    let spec = TlsServerSpec { address, tls: tls.spec, min_version, server_name, fingerprints };
    Some(ParsedEndpoint { probe: spec, target, secrets: Vec::new(), shown })
}

fn word(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::V1_2 => "1.2",
        TlsVersion::V1_3 => "1.3",
    }
}

fn min_version(table: &Table<'_>) -> Option<TlsVersion> {
    let value = table.get("min_version")?;
    let text = value.filled()?;
    let version = [TlsVersion::V1_2, TlsVersion::V1_3].into_iter().find(|version| word(*version) == text.value);
    if version.is_none() {
        let mistake = value.mistake(format!("{} cannot be the lowest version of TLS", text.quoted()));
        table.source.report(mistake.label("\"1.2\" or \"1.3\"; what is older is refused anyway"));
    }
    version
}

fn server_name(table: &Table<'_>) -> Option<String> {
    let value = table.get("server_name")?;
    let text = value.filled()?;
    match bare_host(&text.value) {
        Ok(host) => Some(host),
        Err(why) => {
            let mistake = value.mistake("`server_name` is no host").label(text.blaming_variables(&why));
            table.source.report(mistake);
            None
        }
    }
}

/// 64 hexadecimal digits, with or without colons, as `openssl x509 -fingerprint -sha256` prints them.
fn fingerprint(value: &Value<'_>) -> Option<[u8; 32]> {
    let text = value.filled()?;
    let digits: Vec<u8> = text.value.trim().bytes().filter(|byte| *byte != b':').collect();
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = digits.chunks(2).map(|pair| Some(nibble(*pair.first()?)? << 4 | nibble(*pair.get(1)?)?));
    let bytes: Option<Vec<u8>> = bytes.collect();
    let read = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    if read.is_none() {
        let mistake = value.mistake(format!("{} is no fingerprint of a certificate", text.quoted()));
        let mistake = mistake.label("64 hexadecimal digits: SHA-256 of the certificate");
        value.source.report(mistake.help("`openssl x509 -noout -fingerprint -sha256 -in cert.pem` prints it"));
    }
    read
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// A TLS server, ready to be checked.
#[derive(Debug)]
pub(super) struct TlsServer {
    dialer: Dialer,
    tls: Tls,
    name: String,
    warning_days: u32,
    min_version: TlsVersion,
    fingerprints: Vec<[u8; 32]>,
}

impl Runner for TlsServer {
    type Spec = TlsServerSpec;

    fn new(spec: &TlsServerSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<TlsServer, ProbeError> {
        let dialer = Dialer::new(&spec.address, shared)?;
        let name = match &spec.server_name {
            Some(name) => connect::ascii_host(name)?,
            None => dialer.host.clone(),
        };
        let tls = Tls::new(&spec.tls, Verification::ChainAndName, &shared.roots)?;
        let (min_version, fingerprints) = (spec.min_version, spec.fingerprints.clone());
        Ok(TlsServer { dialer, tls, name, warning_days: spec.tls.expiry_warning_days, min_version, fingerprints })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.dialer.place(Some(&self.tls)))
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let stream = self.dialer.dial(trace, deadline).await?;
        let handshake = self.tls.handshake(stream, &self.name, &[], GREETING_BYTES, trace, deadline);
        let mut stream = handshake.await?;
        let session = stream.get_ref().1;
        let refused = |message: String| Err(Fault::new(Class::Tls, Some(Phase::Tls), message));
        let is_1_3 = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if self.min_version == TlsVersion::V1_3 && !is_1_3 {
            return refused("the server speaks TLS 1.2 at most, and TLS 1.3 is needed".to_owned());
        }
        let leaf = session.peer_certificates().and_then(|chain| chain.first());
        if let Some(leaf) = leaf.filter(|_| !self.fingerprints.is_empty()) {
            let found = digest::digest(&digest::SHA256, leaf);
            if !self.fingerprints.iter().any(|known| known == found.as_ref()) {
                return refused(format!("certificate is another one, with the fingerprint {}", hex(found.as_ref())));
            }
        }
        trace.end();
        if is_1_3 {
            let _ = stream.shutdown().await;
            if let Ok(Err(error)) = timeout(OBJECTION, drained(&mut stream)).await
                && fault::find::<rustls::Error>(&error).is_some()
                && let Some(fault) = fault::of_error(&error, trace, deadline)
            {
                return Err(fault);
            }
        }
        Ok(expiry_warning(trace, self.warning_days, &self.name).or_else(|| staple_warning(trace)))
    }
}

/// Reads to the end.
async fn drained(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {
        tokio::task::consume_budget().await;
    }
    Ok(())
}
