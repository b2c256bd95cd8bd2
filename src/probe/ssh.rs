//! `type = "ssh"`: an SSH server: its banner, the version of the protocol, and the host key that it has to have.
//!
//! Where a host key is expected, one key exchange (RFC 4253, RFC 8731) proves that the server has it. Nobody logs in.

use super::{
    address::{Address, Dialer},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    runner::Runner,
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Reason},
        service::Kind,
    },
    settings::reader::Table,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use ring::{
    agreement::{self, EphemeralPrivateKey, UnparsedPublicKey, X25519},
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
    signature::{self, RsaPublicKeyComponents},
};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Ssh,
    article: "an",
    aliases: &["sshd", "sftp"],
    schemes: &["ssh"],
    scheme_is_optional: true,
    url_example: "ssh://host:22",
    keys: &["url", "ip_version", "allow_metadata", "host_key"],
    ..Descriptor::NONE
};

/// An SSH server.
#[derive(Clone, Debug)]
pub struct SshSpec {
    pub address: Address,
    /// SHA-256 of the key that it has to have.
    pub host_key: Option<HostKey>,
}

/// A key that is expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostKey {
    pub fingerprint: [u8; 32],
    /// Its kind, where that is known: as `ssh-ed25519`.
    pub algorithm: Option<&'static str>,
}

/// The kinds of host keys, and how each signs, in the order in which a server is asked for them.
const ALGORITHMS: [(&str, &str); 3] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ssh-rsa", "rsa-sha2-512,rsa-sha2-256"),
];

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<SshSpec>> {
    let mut shown = Map::new();
    let address = Address::read(section, Some(22), &mut shown);
    let host_key = host_key(section.table);
    let address = address?;
    shown.insert("host_key".to_owned(), json!(host_key.as_ref().map(|key| written(&key.fingerprint))));
    let target = address.target("ssh");
    Some(ParsedEndpoint { probe: SshSpec { address, host_key }, target, secrets: Vec::new(), shown })
}

/// `SHA256:…`, or `ssh-ed25519 AAAA…` as in a file of public keys.
fn host_key(table: &Table<'_>) -> Option<HostKey> {
    let value = table.get("host_key")?;
    let text = value.filled()?;
    let words: Vec<&str> = text.value.split_whitespace().collect();
    let read = match words.as_slice() {
        [one] => one.strip_prefix("SHA256:").and_then(|code| {
            let bytes = STANDARD_NO_PAD.decode(code.trim_end_matches('=')).ok()?;
            Some(HostKey { fingerprint: bytes.try_into().ok()?, algorithm: None })
        }),
        [kind, code, ..] => ALGORITHMS.iter().find(|(name, _)| name == kind).and_then(|(name, _)| {
            let blob = STANDARD.decode(code).ok()?;
            Some(HostKey { fingerprint: fingerprint(&blob), algorithm: Some(name) })
        }),
        [] => None,
    };
    if read.is_none() {
        let mistake = value.mistake("`host_key` is no host key");
        table.source.report(mistake.label(
            "as `ssh-keygen -lf` prints it, \"SHA256:…\", or a public key, \"ssh-ed25519 AAAA…\" (Ed25519, ECDSA P-256 or RSA)",
        ));
    }
    read
}

fn fingerprint(blob: &[u8]) -> [u8; 32] {
    digest(&SHA256, blob).as_ref().try_into().unwrap_or([0; 32])
}

fn written(fingerprint: &[u8; 32]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(fingerprint))
}

/// An SSH server, ready to be checked.
#[derive(Debug)]
pub(super) struct Ssh {
    dialer: Dialer,
    host_key: Option<HostKey>,
}

/// How we introduce ourselves.
const OUR_NAME: &str = "SSH-2.0-healthcheck_dashboard";

impl Runner for Ssh {
    type Spec = SshSpec;

    fn new(spec: &SshSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Ssh, ProbeError> {
        Ok(Ssh { dialer: Dialer::new(&spec.address, shared)?, host_key: spec.host_key.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.dialer.place(None))
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = Connection::open(&self.dialer, None, MOST, trace, deadline).await?;
        let name = banner(&mut connection).await?;
        connection.send(format!("{OUR_NAME}\r\n").as_bytes()).await?;
        if let Some(expected) = &self.host_key {
            exchange(&mut connection, &name, expected).await?;
        }
        trace.end();
        Ok(None)
    }
}

/// The server's own line. Lines may come before it; those of a server that has no place are all that comes.
async fn banner(connection: &mut Connection<'_>) -> Result<String, Fault> {
    const LINES: usize = 64;
    for at in 0..LINES {
        let line = connection.line().await?;
        if let Some(rest) = line.strip_prefix("SSH-") {
            let version = rest.split('-').next().unwrap_or_default();
            if !matches!(version, "2.0" | "1.99") {
                return Err(connection.failure(Class::Protocol, format!("the server speaks SSH {version}, not 2.0")));
            }
            return Ok(line);
        }
        // OpenSSH says so in plain words, and closes.
        if line.starts_with("Exceeded MaxStartups") || line.starts_with("Not allowed at this time") {
            return Err(connection.failure(Class::Query, format!("the server refused the connection: {line}")));
        }
        if at == 0 && !line.is_empty() && line.split(' ').next().is_some_and(is_other) {
            return Err(connection.unlike("SSH's", line.as_bytes()));
        }
    }
    Err(connection.failure(Class::Protocol, "64 lines came, and none of them is the banner of SSH"))
}

/// Protocols that greet as well.
fn is_other(word: &str) -> bool {
    word.starts_with("HTTP/") || ["220", "220-", "+OK", "*", "-ERR", "RFB"].contains(&word)
}

// The numbers of messages.
const DISCONNECT: u8 = 1;
const IGNORE: u8 = 2;
const DEBUG: u8 = 4;
const KEXINIT: u8 = 20;
const ECDH_INIT: u8 = 30;
const ECDH_REPLY: u8 = 31;

/// One key exchange, up to the proof that the server has its key.
async fn exchange(connection: &mut Connection<'_>, server_name: &str, expected: &HostKey) -> Result<(), Fault> {
    let no_numbers = |connection: &Connection<'_>| connection.failure(Class::Protocol, "no random numbers");
    let random = SystemRandom::new();
    let mut cookie = [0; 16];
    let key = EphemeralPrivateKey::generate(&X25519, &random).ok();
    let public = key.as_ref().and_then(|key| key.compute_public_key().ok());
    let (Some(key), Some(public), Ok(())) = (key, public, random.fill(&mut cookie)) else {
        return Err(no_numbers(connection));
    };
    let ours = kexinit(&cookie, expected.algorithm);
    connection.send(&framed(&ours)).await?;
    let theirs = message(connection, KEXINIT).await?;
    connection.send(&framed(&[&[ECDH_INIT][..], &string(public.as_ref())].concat())).await?;
    let reply = message(connection, ECDH_REPLY).await?;
    let parts = || {
        let (host_key, rest) = take(&reply[1..])?;
        let (server_public, rest) = take(rest)?;
        let (signature, _) = take(rest)?;
        Some((host_key, server_public, signature))
    };
    let Some((host_key, server_public, signature)) = parts() else { return Err(connection.unlike("SSH's", &[])) };
    let secret = agreement::agree_ephemeral(key, &UnparsedPublicKey::new(&X25519, server_public), mpint);
    let Ok(secret) = secret else {
        return Err(connection.failure(Class::Protocol, "the server's part of the key exchange is not valid"));
    };
    let exchanged: Vec<u8> = [
        string(OUR_NAME.as_bytes()),
        string(server_name.as_bytes()),
        string(&ours),
        string(&theirs),
        string(host_key),
        string(public.as_ref()),
        string(server_public),
        secret,
    ]
    .concat();
    let hash = digest(&SHA256, &exchanged);
    let found = fingerprint(host_key);
    let kind = take(host_key).map(|(kind, _)| String::from_utf8_lossy(kind).into_owned()).unwrap_or_default();
    if found != expected.fingerprint {
        let message = format!("the server has another host key: {} ({kind})", written(&found));
        return Err(connection.failure(Class::Tls, message));
    }
    if verified(host_key, signature, hash.as_ref()).is_none() {
        return Err(connection.failure(Class::Tls, "the server does not prove that it has its host key"));
    }
    Ok(())
}

/// What we can do. Nothing is ever encrypted: the connection ends before.
fn kexinit(cookie: &[u8; 16], algorithm: Option<&str>) -> Vec<u8> {
    let signing: Vec<&str> = ALGORITHMS
        .iter()
        .filter(|(kind, _)| algorithm.is_none_or(|wanted| wanted == *kind))
        .map(|(_, signing)| *signing)
        .collect();
    let ciphers = "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes128-ctr";
    let macs = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
    let signing = signing.join(",");
    let lists = [
        "curve25519-sha256,curve25519-sha256@libssh.org",
        &signing,
        ciphers,
        ciphers,
        macs,
        macs,
        "none",
        "none",
        "",
        "",
    ];
    let mut message = vec![KEXINIT];
    message.extend(cookie);
    message.extend(lists.iter().flat_map(|list| string(list.as_bytes())));
    // No guessed packet follows; reserved.
    message.extend([0; 5]);
    message
}

/// A packet, padded to a multiple of 8.
fn framed(payload: &[u8]) -> Vec<u8> {
    let padding = match 8 - (payload.len() + 5) % 8 {
        short @ 0..4 => short + 8,
        enough => enough,
    };
    let length = u32::try_from(payload.len() + padding + 1).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &[padding as u8], payload, &vec![0; padding]].concat()
}

/// The next message, which has to be this one.
async fn message(connection: &mut Connection<'_>, wanted: u8) -> Result<Vec<u8>, Fault> {
    const LARGEST: usize = 35_000;
    loop {
        let head = connection.exact(5).await?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let padding = usize::from(head[4]);
        if length > LARGEST || length < padding + 2 {
            return Err(connection.unlike("SSH's", &head));
        }
        let mut payload = connection.exact(length - 1).await?;
        payload.truncate(length - 1 - padding);
        match payload.first() {
            Some(number) if *number == wanted => return Ok(payload),
            Some(&(IGNORE | DEBUG)) => {}
            Some(&DISCONNECT) => {
                let why = payload.get(5..).and_then(take).map(|(why, _)| String::from_utf8_lossy(why).into_owned());
                let message = format!("the server ended the key exchange: {}", why.unwrap_or_default());
                return Err(connection.failure(Class::Tls, message));
            }
            _ => return Err(connection.unlike("SSH's", &[])),
        }
    }
}

/// Whether the key signed this.
fn verified(host_key: &[u8], signature: &[u8], signed: &[u8]) -> Option<()> {
    let (kind, key) = take(host_key)?;
    let (algorithm, rest) = take(signature)?;
    let (code, _) = take(rest)?;
    match (kind, algorithm) {
        (b"ssh-ed25519", b"ssh-ed25519") => {
            let (key, _) = take(key)?;
            signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(signed, code).ok()
        }
        (b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp256") => {
            let (_curve, rest) = take(key)?;
            let (point, _) = take(rest)?;
            let (r, rest) = take(code)?;
            let (s, _) = take(rest)?;
            let code = [fixed(r)?, fixed(s)?].concat();
            signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(signed, &code).ok()
        }
        (b"ssh-rsa", b"rsa-sha2-512" | b"rsa-sha2-256") => {
            let (e, rest) = take(key)?;
            let (n, _) = take(rest)?;
            let key = RsaPublicKeyComponents { n: bare(n), e: bare(e) };
            let how = match algorithm {
                b"rsa-sha2-512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                _ => &signature::RSA_PKCS1_2048_8192_SHA256,
            };
            key.verify(how, signed, code).ok()
        }
        _ => None,
    }
}

/// A number without the zeros before it.
fn bare(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

/// A number of 32 bytes.
fn fixed(number: &[u8]) -> Option<[u8; 32]> {
    let number = bare(number);
    let mut bytes = [0; 32];
    bytes.get_mut(32_usize.checked_sub(number.len())?..)?.copy_from_slice(number);
    Some(bytes)
}

/// Bytes with their length.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()[..], bytes].concat()
}

/// A positive number with its length.
fn mpint(number: &[u8]) -> Vec<u8> {
    let number = bare(number);
    match number.first() {
        Some(0x80..) => string(&[&[0], number].concat()),
        _ => string(number),
    }
}

/// The string that `bytes` begin with, and what follows it.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    rest.split_at_checked(u32::from_be_bytes(length.try_into().ok()?) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_are_padded_and_numbers_are_positive() {
        for length in 0..40 {
            let packet = framed(&vec![7; length]);
            assert_eq!(packet.len() % 8, 0);
            assert!(packet[4] >= 4 && usize::from(packet[4]) == packet.len() - 5 - length);
        }
        assert_eq!(mpint(&[0, 0x80]), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(mpint(&[0, 0, 5]), [0, 0, 0, 1, 5]);
        assert_eq!(fixed(&[0, 1]).map(|bytes| bytes[31]), Some(1));
        assert_eq!(fixed(&[1; 33]), None);
    }

    proptest! {
        /// A stranger chose the input.
        #[test]
        fn whatever_comes_is_read_to_an_end(
            key in proptest::collection::vec(any::<u8>(), 0..80),
            code in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            for kind in ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"] {
                let host_key = [string(kind.as_bytes()), key.clone()].concat();
                let signature = [string(kind.as_bytes()), code.clone()].concat();
                prop_assert!(verified(&host_key, &signature, b"x").is_none());
            }
        }
    }
}
