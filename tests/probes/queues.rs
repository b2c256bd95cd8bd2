//! NATS and MQTT.

use super::*;
use crate::support::{
    net::{closed_port, hang, serve},
    talk::{Steps, steps, talking, talking_over_tls},
    tls::{Authority, acceptor},
};
use healthcheck_dashboard::{
    domain::secret::Secret,
    probe::{
        Login, Security, Starttls,
        mqtt::{MqttSpec, MqttVersion},
        nats::NatsSpec,
    },
    settings::tls::TlsSpec,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn me() -> Option<Login> {
    Some(Login { user: "me".to_owned(), password: Secret::new("hunter2") })
}

fn nats(address: SocketAddr) -> NatsSpec {
    NatsSpec { address: at(address), security: Security::Plain, login: None }
}

async fn run_nats(spec: NatsSpec) -> Report {
    probe(Spec::Nats(Box::new(spec))).run(AMPLE).await
}

fn connect(tls: bool, login: &str) -> Vec<u8> {
    format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"tls_required\":{tls},\"name\":\"healthcheck_dashboard\",\
         \"lang\":\"rust\",\"version\":\"{}\"{login}}}\r\nPING\r\n",
        env!("CARGO_PKG_VERSION")
    )
    .into_bytes()
}

const INFO: &[u8] = b"INFO {\"server_id\":\"x\",\"version\":\"2.9.10\",\"tls_available\":true}\r\n";

#[tokio::test]
async fn a_nats_server_answers_a_ping() {
    let said = steps([(b"", INFO), (&connect(false, ""), b"INFO {}\r\nPONG\r\n")]);
    assert_passed(&run_nats(nats(talking(said).await)).await);
    let login = connect(false, ",\"user\":\"me\",\"pass\":\"hunter2\"");
    let said = steps([(b"", INFO), (&login, b"-ERR 'Authorization Violation'\r\n")]);
    let report = run_nats(NatsSpec { login: me(), ..nats(talking(said).await) }).await;
    assert_failed(&report, Class::Query, Phase::Body, "the server refused the session: Authorization Violation");
    let token = connect(false, ",\"auth_token\":\"hunter2\"");
    let said = steps([(b"", INFO), (&token, b"PONG\r\n")]);
    let login = Some(Login { user: String::new(), password: Secret::new("hunter2") });
    assert_passed(&run_nats(NatsSpec { login, ..nats(talking(said).await) }).await);
}

#[tokio::test]
async fn a_nats_server_says_its_name_before_tls() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue(&["127.0.0.1"], 3), None);
    let after = steps([(&connect(true, ""), b"PONG\r\n")]);
    let address = talking_over_tls(steps([(b"", INFO)]), acceptor, after).await;
    let tls = || Box::new(TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() });
    let security = Security::Starttls(Starttls::Nats, tls());
    let report = run_nats(NatsSpec { security, ..nats(address) }).await;
    let Verdict::Degraded(reason) = &report.verdict else { panic!("{report:?}") };
    assert_eq!(reason.message, "certificate expires in 3 days");
    let demanding = steps([(b"", b"INFO {\"tls_required\":true}\r\n")]);
    let report = run_nats(nats(talking(demanding).await)).await;
    assert_failed(&report, Class::Tls, Phase::Body, "the server requires TLS: write starttls = true");
    let without = steps([(b"", b"INFO {\"tls_available\":false}\r\n")]);
    let security = Security::Starttls(Starttls::Nats, tls());
    let report = run_nats(NatsSpec { security, ..nats(talking(without).await) }).await;
    assert_failed(&report, Class::Tls, Phase::Body, "the server does not offer TLS");
    let report = run_nats(nats(talking(steps([(b"", b"220 mail\r\n")])).await)).await;
    let message = "the answer is not NATS': it begins with \"220 mail\"";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
}

fn mqtt(address: SocketAddr, version: MqttVersion) -> MqttSpec {
    MqttSpec {
        address: at(address),
        security: Security::Plain,
        login: None,
        version,
        client_id: Some("c".to_owned()),
        topic: None,
    }
}

async fn run_mqtt(spec: MqttSpec) -> Report {
    probe(Spec::Mqtt(Box::new(spec))).run(AMPLE).await
}

const HELLO_3: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c";
const HELLO_5: &[u8] = b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c";
const WELCOME_3: &[u8] = b"\x20\x02\0\0";
const WELCOME_5: &[u8] = b"\x20\x03\0\0\0";

#[tokio::test]
async fn a_broker_takes_a_session_or_says_why_not() {
    let cases: [(Steps, MqttVersion, Option<&str>); 6] = [
        (steps([(HELLO_3, WELCOME_3)]), MqttVersion::V3_1_1, None),
        (steps([(HELLO_5, WELCOME_5)]), MqttVersion::V5, None),
        (steps([(HELLO_3, b"\x20\x02\0\x05")]), MqttVersion::V3_1_1, Some("not authorized")),
        (
            steps([(HELLO_3, b"\x20\x02\0\x01")]),
            MqttVersion::V3_1_1,
            Some("it does not speak this version of MQTT: see `protocol_version`"),
        ),
        (steps([(HELLO_5, b"\x20\x03\0\x86\0")]), MqttVersion::V5, Some("bad user name or password")),
        (steps([(HELLO_5, b"\x20\x03\0\x89\0")]), MqttVersion::V5, Some("the server is busy")),
    ];
    for (said, version, refusal) in cases {
        let report = run_mqtt(mqtt(talking(said).await, version)).await;
        match refusal {
            None => assert_passed(&report),
            Some(why) => {
                let message = format!("the broker refused the session: {why}");
                assert_failed(&report, Class::Query, Phase::Body, &message);
            }
        }
    }
    let with_login: &[u8] = b"\x10\x1a\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x02me\0\x07hunter2";
    let spec = MqttSpec { login: me(), ..mqtt(talking(steps([(with_login, WELCOME_3)])).await, MqttVersion::V3_1_1) };
    assert_passed(&run_mqtt(spec).await);
    let report = run_mqtt(mqtt(talking(steps([(HELLO_3, b"HTTP/1.1 400 Bad\r\n")])).await, MqttVersion::V3_1_1)).await;
    let message = "the answer is not MQTT's: it begins with \"HTTP/1.1 400 Bad\"";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
    let closed = closed_port();
    let report = run_mqtt(mqtt(closed, MqttVersion::V5)).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
}

async fn read_packet(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let kind = stream.read_u8().await.unwrap();
    let length = stream.read_u8().await.unwrap();
    let mut body = vec![0; usize::from(length)];
    stream.read_exact(&mut body).await.unwrap();
    (kind, body)
}

/// A broker that hands messages on, after one of somebody else; or takes no subscription; or keeps what is published.
async fn broker(suback: &'static [u8], hands_on: bool) -> SocketAddr {
    serve(move |mut stream| async move {
        let (_, hello) = read_packet(&mut stream).await;
        stream.write_all(if hello[6] == 5 { WELCOME_5 } else { WELCOME_3 }).await.unwrap();
        let (kind, _) = read_packet(&mut stream).await;
        assert_eq!(kind, 0x82);
        stream.write_all(suback).await.unwrap();
        let (_, message) = read_packet(&mut stream).await;
        stream.write_all(b"\x30\x07\0\x01tbody").await.unwrap();
        if hands_on {
            stream.write_all(&[&[0x30, message.len() as u8][..], &message].concat()).await.unwrap();
        }
        hang(stream).await;
    })
    .await
}

#[tokio::test]
async fn a_message_comes_back() {
    let topic = || Some("t".to_owned());
    for (version, suback) in [(MqttVersion::V3_1_1, &b"\x90\x03\0\x01\0"[..]), (MqttVersion::V5, b"\x90\x04\0\x01\0\0")]
    {
        let spec = MqttSpec { topic: topic(), ..mqtt(broker(suback, true).await, version) };
        assert_passed(&run_mqtt(spec).await);
    }
    let refused = broker(b"\x90\x03\0\x01\x80", true).await;
    let report = run_mqtt(MqttSpec { topic: topic(), ..mqtt(refused, MqttVersion::V3_1_1) }).await;
    assert_failed(&report, Class::Query, Phase::Body, "the broker refused the subscription to the topic");
    let kept = broker(b"\x90\x03\0\x01\0", false).await;
    let spec = MqttSpec { topic: topic(), ..mqtt(kept, MqttVersion::V3_1_1) };
    let report = probe(Spec::Mqtt(Box::new(spec))).run(SHORT).await;
    assert_late(&report, Phase::Body, "the answer was not complete within 1 s");
}
