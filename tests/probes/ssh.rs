use super::*;
use crate::support::{
    net::{closed_port, hang, serve},
    talk::{steps, talking},
};
use healthcheck_dashboard::probe::ssh::{HostKey, SshSpec};
use ring::{
    agreement::{self, EphemeralPrivateKey, UnparsedPublicKey, X25519},
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn run(address: SocketAddr, host_key: Option<HostKey>) -> Report {
    probe(Spec::Ssh(SshSpec { address: at(address), host_key })).run(AMPLE).await
}

#[tokio::test]
async fn a_banner_is_enough_also_behind_other_lines() {
    for said in ["SSH-2.0-OpenSSH_9.2p1\r\n", "Authorized use only.\r\n\r\nSSH-1.99-Cisco-1.25\n"] {
        assert_passed(&run(talking(steps([(b"", said.as_bytes())])).await, None).await);
    }
}

#[tokio::test]
async fn old_versions_other_protocols_and_full_servers_are_named() {
    for (said, class, message) in [
        ("SSH-1.5-old\n", Class::Protocol, "the server speaks SSH 1.5, not 2.0"),
        (
            "HTTP/1.1 400 Bad Request\r\n",
            Class::Protocol,
            "the answer is not SSH's: it begins with \"HTTP/1.1 400 Bad …\"",
        ),
        ("220 mail\r\n", Class::Protocol, "the answer is not SSH's: it begins with \"220 mail\""),
        ("Exceeded MaxStartups\r\n", Class::Query, "the server refused the connection: Exceeded MaxStartups"),
    ] {
        let report = run(talking(steps([(b"", said.as_bytes())])).await, None).await;
        assert_failed(&report, class, Phase::Body, message);
    }
    let endless = serve(|mut stream| async move { while stream.write_all(b"hello\n").await.is_ok() {} }).await;
    let message = "64 lines came, and none of them is the banner of SSH";
    assert_failed(&run(endless, None).await, Class::Protocol, Phase::Body, message);
    let closed = closed_port();
    let report = run(closed, None).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 16 - (payload.len() + 5) % 8;
    let length = (payload.len() + padding + 1) as u32;
    [&length.to_be_bytes()[..], &[padding as u8], payload, &vec![0; padding]].concat()
}

async fn read_packet(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap() as usize;
    let mut packet = vec![0; length];
    stream.read_exact(&mut packet).await.unwrap();
    packet[1..length - usize::from(packet[0])].to_vec()
}

/// An SSH server with this host key, up to its proof; `shows` is the public key that it shows.
async fn key_exchange(key: Arc<Ed25519KeyPair>, shows: Vec<u8>) -> SocketAddr {
    serve(move |mut stream| {
        let (key, shows) = (Arc::clone(&key), shows.clone());
        async move {
            let name = b"SSH-2.0-test";
            stream.write_all(b"SSH-2.0-test\r\n").await.unwrap();
            let mut theirs = vec![0; 31];
            stream.read_exact(&mut theirs).await.unwrap();
            let kexinit =
                [&[20][..], &[7; 16], &string(b"curve25519-sha256"), &string(b"ssh-ed25519"), &[0; 37]].concat();
            stream.write_all(&packet(&kexinit)).await.unwrap();
            let their_kexinit = read_packet(&mut stream).await;
            let init = read_packet(&mut stream).await;
            let their_public = &init[5..];
            let own = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
            let public = own.compute_public_key().unwrap();
            let secret = agreement::agree_ephemeral(own, &UnparsedPublicKey::new(&X25519, their_public), |secret| {
                let bare = &secret[secret.iter().take_while(|byte| **byte == 0).count()..];
                if bare[0] >= 0x80 { string(&[&[0], bare].concat()) } else { string(bare) }
            })
            .unwrap();
            let hash = digest(
                &SHA256,
                &[
                    string(&theirs[..29]),
                    string(name),
                    string(&their_kexinit),
                    string(&kexinit),
                    string(&shows),
                    string(their_public),
                    string(public.as_ref()),
                    secret,
                ]
                .concat(),
            );
            let signature = [string(b"ssh-ed25519"), string(key.sign(hash.as_ref()).as_ref())].concat();
            // A message to be ignored comes in between.
            stream.write_all(&packet(&[&[2][..], &string(b"x")].concat())).await.unwrap();
            let reply = [&[31][..], &string(&shows), &string(public.as_ref()), &string(&signature)].concat();
            stream.write_all(&packet(&reply)).await.unwrap();
            hang(stream).await;
        }
    })
    .await
}

fn key_pair() -> Arc<Ed25519KeyPair> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Arc::new(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
}

fn public(key: &Ed25519KeyPair) -> Vec<u8> {
    [string(b"ssh-ed25519"), string(key.public_key().as_ref())].concat()
}

#[tokio::test]
async fn a_host_key_is_pinned_and_has_to_be_proved() {
    let (key, other) = (key_pair(), key_pair());
    let fingerprint = digest(&SHA256, &public(&key)).as_ref().try_into().unwrap();
    let pinned = || Some(HostKey { fingerprint, algorithm: Some("ssh-ed25519") });
    assert_passed(&run(key_exchange(Arc::clone(&key), public(&key)).await, pinned()).await);
    let report = run(key_exchange(Arc::clone(&other), public(&other)).await, pinned()).await;
    let reason = failure(&report);
    assert!(reason.message.starts_with("the server has another host key: SHA256:"), "{}", reason.message);
    assert_eq!((reason.class, reason.message.ends_with(" (ssh-ed25519)")), (Class::Tls, true));
    // Who shows a key without having it.
    let report = run(key_exchange(other, public(&key)).await, pinned()).await;
    assert_failed(&report, Class::Tls, Phase::Body, "the server does not prove that it has its host key");
}
