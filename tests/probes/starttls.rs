//! A connection that goes over to TLS, in every protocol that can.

use super::{tcp::turn, *};
use crate::support::{
    talk::{Steps, steps, talking, talking_over_tls},
    tls::{Authority, acceptor},
};
use healthcheck_dashboard::{
    probe::{Security, Starttls, tcp::TcpSpec},
    settings::tls::TlsSpec,
};

const LDAP_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const LDAP_YES: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0";
const LDAP_NO: &[u8] = b"\x30\x0e\x02\x01\x01\x78\x09\x0a\x01\x02\x04\0\x04\x02no";

/// The packet that a MySQL server begins with: with TLS or without.
pub(super) fn mysql_greeting(tls: bool) -> Vec<u8> {
    let low: &[u8] = if tls { b"\xff\xff" } else { b"\xff\xf7" };
    let packet = [
        &b"\x0a8.0.36\0\x09\0\0\0abcdefgh\0"[..],
        low,
        b"\xff\x02\0\xff\xdf\x15",
        &[0; 10],
        b"ijklmnopqrst\0mysql_native_password\0",
    ]
    .concat();
    [&[packet.len() as u8, 0, 0, 0], packet.as_slice()].concat()
}

fn mysql_request() -> Vec<u8> {
    let capabilities = (1_u32 | 1 << 9 | 1 << 11 | 1 << 13 | 1 << 15 | 1 << 19).to_le_bytes();
    [&[32, 0, 0, 1], &capabilities[..], &[0, 0, 0, 1, 45], &[0; 23]].concat()
}

async fn run(protocol: Starttls, address: SocketAddr, authority: &Authority) -> Report {
    let tls = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
    let security = Security::Starttls(protocol, Box::new(tls));
    let turns = vec![turn("hello\n", "secret")];
    probe(Spec::Tcp(TcpSpec { address: at(address), security, proxy_protocol: None, turns })).run(AMPLE).await
}

#[tokio::test]
async fn every_protocol_goes_over_to_tls() {
    let authority = Authority::new();
    let (greeting, request) = (mysql_greeting(true), mysql_request());
    let conversations: [(Starttls, Steps); 7] = [
        (
            Starttls::Smtp,
            steps([
                (b"", b"220-mail\r\n220 ready\r\n"),
                (b"EHLO localhost\r\n", b"250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n"),
                (b"STARTTLS\r\n", b"220 go\r\n"),
            ]),
        ),
        (Starttls::Imap, steps([(b"", b"* OK ready\r\n"), (b"a1 STARTTLS\r\n", b"* CAPABILITY X\r\na1 OK begin\r\n")])),
        (Starttls::Pop3, steps([(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK begin\r\n")])),
        (Starttls::Ldap, steps([(LDAP_REQUEST, LDAP_YES)])),
        (Starttls::Ftp, steps([(b"", b"220 ready\r\n"), (b"AUTH TLS\r\n", b"234 go\r\n")])),
        (Starttls::Postgres, steps([(b"\0\0\0\x08\x04\xd2\x16\x2f", b"S")])),
        (Starttls::Mysql, steps([(b"", &greeting), (&request, b"")])),
    ];
    for (protocol, before) in conversations {
        let acceptor = acceptor(&authority.issue(&["127.0.0.1"], 90), None);
        let address = talking_over_tls(before, acceptor, steps([(b"hello\n", b"a secret\n")])).await;
        let report = run(protocol, address, &authority).await;
        assert_eq!(report.verdict, Verdict::Passed, "{protocol:?}: {report:?}");
        assert!(report.phases.tls_us.is_some() && report.certificate_expires_at.is_some(), "{protocol:?}: {report:?}");
    }
}

#[tokio::test]
async fn a_server_that_has_no_tls_or_no_place_says_so() {
    let plain = mysql_greeting(false);
    let without = "the server does not offer TLS";
    let cases: [(Starttls, Steps, Class, &str); 9] = [
        (
            Starttls::Smtp,
            steps([(b"", b"220 ready\r\n"), (b"EHLO localhost\r\n", b"250-mail\r\n250 SIZE 1\r\n")]),
            Class::Tls,
            without,
        ),
        (Starttls::Postgres, steps([(b"\0\0\0\x08\x04\xd2\x16\x2f", b"N")]), Class::Tls, without),
        (Starttls::Mysql, steps([(b"", &plain)]), Class::Tls, without),
        (
            Starttls::Smtp,
            steps([(b"", b"421 4.3.2 too busy\r\n")]),
            Class::Query,
            "the server refused the session: 421 4.3.2 too busy",
        ),
        (
            Starttls::Imap,
            steps([(b"", b"* OK ready\r\n"), (b"a1 STARTTLS\r\n", b"a1 BAD TLS is off\r\n")]),
            Class::Query,
            "the server refused TLS: TLS is off",
        ),
        (
            Starttls::Pop3,
            steps([(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"-ERR no\r\n")]),
            Class::Query,
            "the server refused TLS: no",
        ),
        (Starttls::Ldap, steps([(LDAP_REQUEST, LDAP_NO)]), Class::Query, "the server refused TLS: protocol error (no)"),
        (
            Starttls::Mysql,
            steps([(b"", b"\x17\0\0\0\xff\x10\x04Too many connections")]),
            Class::Query,
            "the server refused the session: Too many connections (error 1040)",
        ),
        (
            Starttls::Ftp,
            steps([(b"", b"SSH-2.0-x\r\n")]),
            Class::Protocol,
            "the answer is not FTP's: it begins with \"SSH-2.0-x\"",
        ),
    ];
    for (protocol, said, class, message) in cases {
        let report = run(protocol, talking(said).await, &Authority::new()).await;
        assert_failed(&report, class, Phase::Body, message);
    }
}

#[tokio::test]
async fn what_is_said_beside_the_consent_may_be_anybodys() {
    let said = steps([(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK begin\r\n+OK logged in\r\n")]);
    let report = run(Starttls::Pop3, talking(said).await, &Authority::new()).await;
    let message = "the server sent more before the TLS handshake than it was asked for";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
}
