use super::*;
use crate::support::{
    net::{closed_port, hang, serve},
    tls::{Authority, Identity, acceptor, https, showing, since_1970, stapling},
};
use healthcheck_dashboard::{
    probe::http::HttpSpec,
    probe::tls_server::{TlsServerSpec, TlsVersion},
    settings::tls::TlsSpec,
};
use ring::digest;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use x509_cert::{
    der::{
        Decode, Encode,
        asn1::{BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString},
    },
    spki::AlgorithmIdentifierOwned,
};
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspResponse, ResponderId, ResponseData, RevokedInfo,
    SingleResponse, Version,
};

/// A check of `localhost` at this address.
fn to(address: SocketAddr, authority: &Authority) -> TlsServerSpec {
    let host = Address { host: "localhost".to_owned(), ip_version: IpVersion::V4, ..at(address) };
    let tls = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
    let min_version = TlsVersion::V1_2;
    TlsServerSpec { address: host, tls, min_version, server_name: None, fingerprints: Vec::new() }
}

async fn run(spec: TlsServerSpec) -> Report {
    probe(Spec::Tls(Box::new(spec))).run(AMPLE).await
}

#[tokio::test]
async fn a_valid_certificate_passes_and_its_end_is_recorded() {
    let authority = Authority::new();
    let address = https(&authority.issue(&["localhost"], 90), None).await;
    let report = run(to(address, &authority)).await;
    assert_passed(&report);
    assert!(report.certificate_expires_at.is_some() && report.phases.tls_us.is_some(), "{report:?}");
    assert_eq!(report.phases.ttfb_us, None);
}

#[tokio::test]
async fn what_ends_soon_is_a_reservation_and_what_has_ended_a_failure() {
    let authority = Authority::new();
    let soon = https(&authority.issue(&["localhost"], 9), None).await;
    let reason = degraded(&run(to(soon, &authority)).await);
    assert_eq!((reason.class, reason.message.as_str()), (Class::Certificate, "certificate expires in 9 days"));
    let above = authority.intermediate("Test Between", 3).issue(&["localhost"], 300);
    let reason = degraded(&run(to(https(&above, None).await, &authority)).await);
    assert_eq!(reason.message, "intermediate certificate CN=Test Between expires in 3 days");
    let ended = https(&authority.issue(&["localhost"], -4), None).await;
    let report = run(to(ended, &authority)).await;
    assert_failed(&report, Class::Tls, Phase::Tls, "certificate expired 3 days ago");
}

#[tokio::test]
async fn the_name_that_is_asked_for_may_be_another_than_the_hosts() {
    let authority = Authority::new();
    let address = https(&authority.issue(&["shop.example.com"], 90), None).await;
    let report = run(to(address, &authority)).await;
    let message = "certificate is for shop.example.com, not for localhost";
    assert_failed(&report, Class::Tls, Phase::Tls, message);
    let named = TlsServerSpec { server_name: Some("shop.example.com".to_owned()), ..to(address, &authority) };
    assert_passed(&run(named).await);
}

#[tokio::test]
async fn an_older_version_than_is_needed_is_refused() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"], 90);
    let address = showing(identity.chain.clone(), &identity.key, &rustls::version::TLS12).await;
    assert_passed(&run(to(address, &authority)).await);
    let spec = |address| TlsServerSpec { min_version: TlsVersion::V1_3, ..to(address, &authority) };
    let report = run(spec(address)).await;
    let message = "the server speaks TLS 1.2 at most, and TLS 1.3 is needed";
    assert_failed(&report, Class::Tls, Phase::Tls, message);
    assert_passed(&run(spec(https(&identity, None).await)).await);
}

#[tokio::test]
async fn a_certificate_that_is_not_the_pinned_one_is_refused_and_named() {
    let authority = Authority::new();
    let (pinned, other) = (authority.issue(&["localhost"], 90), authority.issue(&["localhost"], 90));
    let fingerprint =
        |identity: &Identity| <[u8; 32]>::try_from(digest::digest(&digest::SHA256, &identity.der()).as_ref()).unwrap();
    let pin = |address| TlsServerSpec { fingerprints: vec![[0; 32], fingerprint(&pinned)], ..to(address, &authority) };
    assert_passed(&run(pin(https(&pinned, None).await)).await);
    let report = run(pin(https(&other, None).await)).await;
    let found: Vec<String> = fingerprint(&other).iter().map(|byte| format!("{byte:02X}")).collect();
    let message = format!("certificate is another one, with the fingerprint {}", found.join(":"));
    assert_failed(&report, Class::Tls, Phase::Tls, &message);
}

#[tokio::test]
async fn a_server_that_wants_our_certificate_fails_without_one_whatever_the_version() {
    let authority = Authority::new();
    let address = https(&authority.issue(&["localhost"], 90), Some(&authority)).await;
    let report = run(to(address, &authority)).await;
    assert_failed(&report, Class::Tls, Phase::Tls, "the server requires a client certificate");
    let own = authority.issue(&["monitor"], 90);
    let tls = TlsSpec { client: Some((own.chain.clone(), own.key.clone())), ..to(address, &authority).tls };
    assert_passed(&run(TlsServerSpec { tls, ..to(address, &authority) }).await);
}

#[tokio::test]
async fn a_server_that_says_nothing_more_than_its_handshake_passes() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue(&["localhost"], 90), None);
    let address = serve(move |stream| {
        let accepting = acceptor.accept(stream);
        async move { hang(accepting.await).await }
    })
    .await;
    assert_passed(&run(to(address, &authority)).await);
}

#[tokio::test]
async fn what_is_no_tls_and_silence_and_a_closed_port_are_distinguished() {
    let authority = Authority::new();
    let greeting = serve(|mut stream| async move {
        stream.write_all(b"220 mail ESMTP ready\r\n").await.unwrap();
        hang(stream).await;
    });
    let greeting = greeting.await;
    let report = run(to(greeting, &authority)).await;
    let message = format!("{greeting} does not speak TLS: it begins with \"220 mail ESMTP …\"");
    assert_failed(&report, Class::Tls, Phase::Tls, &message);
    let silent = to(serve(hang).await, &authority);
    let report = probe(Spec::Tls(Box::new(silent))).run(SHORT).await;
    assert_late(&report, Phase::Tls, "TLS handshake not finished within 1 s");
    let closed = closed_port();
    let report = run(to(closed, &authority)).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
}

/// What an authority says of a certificate, valid until so many seconds from now.
fn said(identity: &Identity, status: CertStatus, until: i64) -> Vec<u8> {
    let serial_number = x509_cert::Certificate::from_der(&identity.der()).unwrap().tbs_certificate.serial_number;
    let algorithm = |oid| AlgorithmIdentifierOwned { oid: ObjectIdentifier::new_unwrap(oid), parameters: None };
    let hash = || OctetString::new([0; 20]).unwrap();
    let response = SingleResponse {
        cert_id: CertId {
            hash_algorithm: algorithm("1.3.14.3.2.26"),
            issuer_name_hash: hash(),
            issuer_key_hash: hash(),
            serial_number,
        },
        cert_status: status,
        this_update: moment(-90_000),
        next_update: Some(moment(until)),
        single_extensions: None,
    };
    let data = ResponseData {
        version: Version::V1,
        responder_id: ResponderId::ByKey(hash()),
        produced_at: moment(-90_000),
        responses: vec![response],
        response_extensions: None,
    };
    let basic = BasicOcspResponse {
        tbs_response_data: data,
        signature_algorithm: algorithm("1.2.840.10045.4.3.2"),
        signature: BitString::from_bytes(&[0; 8]).unwrap(),
        certs: None,
    };
    OcspResponse::successful(basic).unwrap().to_der().unwrap()
}

fn moment(from_now: i64) -> OcspGeneralizedTime {
    let seconds = since_1970().as_secs().saturating_add_signed(from_now);
    OcspGeneralizedTime(GeneralizedTime::from_unix_duration(Duration::from_secs(seconds)).unwrap())
}

#[tokio::test]
async fn what_the_authority_says_along_with_the_certificate_counts() {
    let authority = Authority::new();
    let (identity, other) = (authority.issue(&["localhost"], 90), authority.issue(&["localhost"], 90));
    let info = RevokedInfo { revocation_time: moment(-1_000_000), revocation_reason: None };
    let revoked = || CertStatus::Revoked(info);
    let shown = async |staple: Vec<u8>| run(to(stapling(&identity, staple).await, &authority)).await;

    assert_passed(&shown(said(&identity, CertStatus::Good(Null), 3600)).await);
    let report = shown(said(&identity, revoked(), 3600)).await;
    let reason = failure(&report);
    assert_eq!((reason.class, reason.phase), (Class::Tls, Some(Phase::Tls)));
    assert!(reason.message.starts_with("certificate is revoked since 2"), "{reason:?}");
    let reason = degraded(&shown(said(&identity, CertStatus::Good(Null), -3600)).await);
    assert_eq!(reason.class, Class::Certificate);
    assert!(
        reason.message.starts_with("the OCSP response that the server sends along was valid until 2"),
        "{reason:?}"
    );
    // What is said of another certificate, and what cannot be read, says nothing of this one.
    assert_passed(&shown(said(&other, revoked(), 3600)).await);
    assert_passed(&shown(b"no such thing".to_vec()).await);
}

#[tokio::test]
async fn a_revoked_certificate_is_one_for_https_as_well() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"], 90);
    let info = RevokedInfo { revocation_time: moment(-1_000_000), revocation_reason: None };
    let address = stapling(&identity, said(&identity, CertStatus::Revoked(info), 3600)).await;
    let spec = super::http::spec(&format!("https://localhost:{}/", address.port()));
    let tls = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
    let report = probe(Spec::Http(Box::new(HttpSpec { tls, ..spec }))).run(AMPLE).await;
    assert!(failure(&report).message.starts_with("certificate is revoked since 2"), "{report:?}");
}
