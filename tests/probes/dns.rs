use super::*;
use crate::support::{
    net::{closed_port, serve_on},
    tls::{Authority, acceptor},
};
use healthcheck_dashboard::{
    probe::dns::{DnsSpec, Expected, Record, Transport},
    settings::tls::TlsSpec,
};
use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::{
        Name, RData, Record as Resource,
        rdata::{
            A, CNAME, MX, NS, SOA,
            opt::{EdnsCode, EdnsOption},
        },
    },
};
use std::{net::SocketAddr, str::FromStr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UdpSocket,
};

const ZONE: &str = "example.com.";

/// What a server makes of a question; and whether it came as a datagram.
type Script = Arc<dyn Fn(Message, bool) -> Option<Vec<u8>> + Send + Sync>;

/// A name server that keeps to a script, at this address of the machine: over UDP and TCP.
async fn server_at(host: &str, port: u16, script: Script) -> SocketAddr {
    let udp = UdpSocket::bind((host, port)).await.unwrap();
    let address = udp.local_addr().unwrap();
    let over_tcp = script.clone();
    serve_on(address, move |stream| converse(stream, over_tcp.clone())).await;
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((got, from)) = udp.recv_from(&mut buffer).await {
            if let Some(answer) = script(Message::from_vec(&buffer[..got]).unwrap(), true) {
                udp.send_to(&answer, from).await.unwrap();
            }
        }
    });
    address
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Script) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.unwrap();
        let Some(answer) = script(Message::from_vec(&question).unwrap(), false) else { continue };
        let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
        let _ = stream.write_all(&[&length[..], &answer].concat()).await;
    }
}

/// One that answers every question with what `answer` makes of it.
async fn server(answer: impl Fn(&mut Message) + Send + Sync + 'static) -> SocketAddr {
    server_at("127.0.0.1", crate::support::net::own_port(), scripted(answer)).await
}

fn scripted(answer: impl Fn(&mut Message) + Send + Sync + 'static) -> Script {
    Arc::new(move |question, _| {
        let mut message = question.into_response();
        answer(&mut message);
        Some(message.to_vec().unwrap())
    })
}

fn name(text: &str) -> Name {
    Name::from_str(text).unwrap()
}

fn record(data: RData) -> Resource {
    Resource::from_rdata(name(ZONE), 60, data)
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

fn soa(serial: u32) -> RData {
    RData::SOA(SOA::new(name("ns.example.com."), name("admin.example.com."), serial, 1, 1, 1, 1))
}

fn asking(server: SocketAddr, record: Record, expected: Expected) -> DnsSpec {
    let (server, name, tls) = (at(server), name(ZONE), TlsSpec::default());
    DnsSpec { server, transport: Transport::Udp, name, record, expected, dnssec: false, same_serial: false, tls }
}

async fn run(spec: DnsSpec) -> Report {
    probe(Spec::Dns(Box::new(spec))).run(AMPLE).await
}

fn values(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

async fn two_addresses() -> SocketAddr {
    server(|answer| {
        answer.add_answers([record(a(2)), record(a(1))]);
    })
    .await
}

#[tokio::test]
async fn an_answer_passes_and_what_is_expected_is_a_set_or_a_part_of_one() {
    let server = two_addresses().await;
    let report = run(asking(server, Record::A, Expected::Something)).await;
    assert_passed(&report);
    assert!(report.phases.ttfb_us.is_some() && report.phases.connect_us.is_none(), "{report:?}");
    for expected in [Expected::All(values(&["192.0.2.1", "192.0.2.2"])), Expected::Among(values(&["192.0.2.2"]))] {
        assert_passed(&run(asking(server, Record::A, expected)).await);
    }
    for (expected, message) in [
        (Expected::All(values(&["192.0.2.1"])), "A of example.com is 192.0.2.1, 192.0.2.2, not 192.0.2.1"),
        (Expected::Among(values(&["192.0.2.9"])), "A of example.com is 192.0.2.1, 192.0.2.2, without 192.0.2.9"),
        (Expected::NoSuchName, "the name example.com exists"),
    ] {
        let report = run(asking(server, Record::A, expected)).await;
        assert_failed(&report, Class::Content, Phase::Body, message);
        assert!(report.excerpt.as_ref().unwrap().contains("192.0.2.2"), "{report:?}");
    }
}

#[tokio::test]
async fn an_alias_is_followed_by_the_server_and_not_counted() {
    let alias = RData::CNAME(CNAME(name("www.example.net.")));
    let server = server(move |answer| {
        answer.add_answers([record(alias.clone()), record(a(1))]);
    })
    .await;
    assert_passed(&run(asking(server, Record::A, Expected::All(values(&["192.0.2.1"])))).await);
    let report = run(asking(server, Record::Mx, Expected::Something)).await;
    assert_failed(&report, Class::Content, Phase::Body, "example.com has no record of type MX");
}

#[tokio::test]
async fn values_are_compared_whatever_their_case_and_last_dot() {
    let mx = RData::MX(MX::new(10, name("Mail.EXAMPLE.com.")));
    let server = server(move |answer| {
        answer.add_answer(record(mx.clone()));
    })
    .await;
    assert_passed(&run(asking(server, Record::Mx, Expected::All(values(&["10 mail.example.com"])))).await);
}

#[tokio::test]
async fn the_errors_of_name_servers_are_named_and_their_cause_with_them() {
    for (code, cause, message) in [
        (ResponseCode::NXDomain, None, "there is no name example.com (NXDOMAIN)"),
        (ResponseCode::ServFail, None, "the server could not find the answer (SERVFAIL)"),
        (
            ResponseCode::ServFail,
            Some(7),
            "the server could not find the answer (SERVFAIL): a signature of the zone has expired (DNSSEC)",
        ),
        (ResponseCode::Refused, Some(999), "the server refuses to answer (REFUSED)"),
    ] {
        let server = server(move |answer| {
            answer.metadata.response_code = code;
            if let Some(cause) = cause {
                let mut edns = Edns::new();
                let bytes = u16::to_be_bytes(cause).to_vec();
                edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::Unknown(15).into(), bytes));
                answer.set_edns(edns);
            }
        });
        let server = server.await;
        let report = run(asking(server, Record::A, Expected::Something)).await;
        assert_failed(&report, Class::Dns, Phase::Body, message);
        let expected = run(asking(server, Record::A, Expected::NoSuchName)).await;
        assert_eq!(expected.verdict == Verdict::Passed, code == ResponseCode::NXDomain, "{expected:?}");
    }
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let both: Script = Arc::new(|question, datagram| {
        let mut answer = question.into_response();
        answer.metadata.truncation = datagram;
        if !datagram {
            answer.add_answer(record(a(1)));
        }
        Some(answer.to_vec().unwrap())
    });
    let address = server_at("127.0.0.1", crate::support::net::own_port(), both.clone()).await;
    let report = run(asking(address, Record::A, Expected::All(values(&["192.0.2.1"])))).await;
    assert_passed(&report);
    assert!(report.phases.connect_us.is_some(), "{report:?}");
    // Without TCP that is a failure: clients would do without the answer.
    let port = crate::support::net::own_port();
    let socket = UdpSocket::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((got, from)) = socket.recv_from(&mut buffer).await {
            let answer = both(Message::from_vec(&buffer[..got]).unwrap(), true).unwrap();
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let report = run(asking(address, Record::A, Expected::Something)).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {address}"));
}

#[tokio::test]
async fn a_lost_question_is_asked_again_and_what_answers_nothing_is_passed_over() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let address = server_at(
        "127.0.0.1",
        crate::support::net::own_port(),
        Arc::new(move |question, _| {
            let mut answer = question.into_response();
            answer.add_answer(record(a(1)));
            match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => None,
                1 => {
                    // The answer to another question, as a forger would guess it.
                    answer.metadata.id = answer.metadata.id.wrapping_add(1);
                    Some(answer.to_vec().unwrap())
                }
                _ => Some(answer.to_vec().unwrap()),
            }
        }),
    );
    assert_passed(&run(asking(address.await, Record::A, Expected::Something)).await);
}

#[tokio::test]
async fn the_flag_of_dnssec_is_looked_at_where_it_is_asked_for() {
    for authentic in [true, false] {
        let server = server(move |answer| {
            // A server says so only to who asks for it.
            let asked = answer.metadata.authentic_data && answer.edns.as_ref().unwrap().flags().dnssec_ok;
            answer.metadata.authentic_data = authentic && asked;
            answer.add_answer(record(a(1)));
        });
        let spec = DnsSpec { dnssec: true, ..asking(server.await, Record::A, Expected::Something) };
        let report = run(spec).await;
        if authentic {
            assert_passed(&report);
        } else {
            let message = "the answer about example.com is not authenticated by DNSSEC (no AD flag)";
            assert_failed(&report, Class::Content, Phase::Body, message);
        }
    }
}

#[tokio::test]
async fn the_name_servers_of_a_zone_have_to_agree_about_its_serial() {
    let port = crate::support::net::own_port();
    // Names that are addresses lead to this machine without a name server.
    let servers = || ["127.0.0.1.", "127.0.0.2."].map(|server| record(RData::NS(NS(name(server)))));
    let zone = move |serial: u32| {
        scripted(move |answer| {
            let asked = answer.queries[0].query_type;
            match asked {
                hickory_proto::rr::RecordType::NS => answer.add_answers(servers()),
                _ => answer.add_answer(record(soa(serial))),
            };
        })
    };
    let first = server_at("127.0.0.1", port, zone(7)).await;
    let spec = || DnsSpec { same_serial: true, ..asking(first, Record::Soa, Expected::All(values(&["7"]))) };
    let report = run(spec()).await;
    assert_failed(
        &report,
        Class::Connect,
        Phase::Body,
        &format!("the name server 127.0.0.2: nothing listens at 127.0.0.2:{port} (UDP)"),
    );
    let serial = Arc::new(std::sync::atomic::AtomicU32::new(7));
    let theirs = Arc::clone(&serial);
    let script = scripted(move |answer| {
        answer.add_answer(record(soa(theirs.load(std::sync::atomic::Ordering::Relaxed))));
    });
    server_at("127.0.0.2", port, script).await;
    assert_passed(&run(spec()).await);
    serial.store(6, std::sync::atomic::Ordering::Relaxed);
    let message = "the name servers of example.com disagree about the serial: 6 at 127.0.0.2; 7 at 127.0.0.1";
    assert_failed(&run(spec()).await, Class::Content, Phase::Body, message);
}

#[tokio::test]
async fn a_server_is_asked_over_tcp_and_over_tls_where_that_is_said() {
    let server = two_addresses().await;
    let spec = DnsSpec { transport: Transport::Tcp, ..asking(server, Record::A, Expected::Something) };
    assert_passed(&run(spec).await);
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue(&["127.0.0.1"], 9), None);
    let script = scripted(|answer| {
        answer.add_answer(record(a(1)));
    });
    let secure = crate::support::net::serve(move |stream| {
        let (accepting, script) = (acceptor.accept(stream), script.clone());
        async move {
            if let Ok(stream) = accepting.await {
                converse(stream, script).await;
            }
        }
    });
    let secure = secure.await;
    let spec = DnsSpec { transport: Transport::Tls, ..asking(secure, Record::A, Expected::Something) };
    let trusting = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
    let report = run(DnsSpec { tls: trusting, ..spec.clone() }).await;
    assert_eq!(degraded(&report).message, "certificate expires in 9 days");
    assert_eq!(failure(&run(spec).await).class, Class::Tls);
}

#[tokio::test]
async fn a_server_is_asked_over_https_where_that_is_said() {
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"], 90);
    for (status, passes) in [("200 OK", true), ("404 Not Found", false)] {
        let acceptor = acceptor(&identity, None);
        let address = crate::support::net::serve(move |stream| {
            let accepting = acceptor.accept(stream);
            async move {
                let Ok(mut stream) = accepting.await else { return };
                let head = crate::support::net::read_head(&mut stream).await;
                assert!(head.starts_with("POST /dns-query HTTP/1.1\r\n"), "{head}");
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let mut question = vec![0; length.parse().unwrap()];
                stream.read_exact(&mut question).await.unwrap();
                let mut answer = Message::from_vec(&question).unwrap().into_response();
                answer.add_answer(record(a(1)));
                let body = answer.to_vec().unwrap();
                let _ = stream.write_all(&crate::support::net::http(status, &[], body)).await;
                let _ = stream.shutdown().await;
            }
        });
        let tls = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
        let expected = Expected::All(values(&["192.0.2.1"]));
        let report =
            run(DnsSpec { transport: Transport::Https, tls, ..asking(address.await, Record::A, expected) }).await;
        match passes {
            true => assert_passed(&report),
            false => {
                let message = "HTTP 404 instead of an answer of DNS";
                assert_failed(&report, Class::HttpStatus, Phase::Ttfb, message);
            }
        }
    }
}

#[tokio::test]
async fn silence_and_a_closed_port_and_nonsense_are_distinguished() {
    let silent = server_at("127.0.0.1", crate::support::net::own_port(), Arc::new(|_, _| None)).await;
    let report = probe(Spec::Dns(Box::new(asking(silent, Record::A, Expected::Something)))).run(SHORT).await;
    assert_late(&report, Phase::Ttfb, "no answer within 1 s");
    let closed = closed_port();
    let report = run(asking(closed, Record::A, Expected::Something)).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("nothing listens at {closed} (UDP)"));
    let nonsense: Script = Arc::new(|question, _| {
        let mut bytes = question.into_response().to_vec().unwrap();
        // It announces answers that do not come.
        bytes[7] = 9;
        Some(bytes)
    });
    let server = server_at("127.0.0.1", crate::support::net::own_port(), nonsense).await;
    let report = run(asking(server, Record::A, Expected::Something)).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the answer is no DNS message");
    let flood: Script = Arc::new(|_, _| Some(vec![0; 100]));
    let server = server_at("127.0.0.1", crate::support::net::own_port(), flood).await;
    let spec = DnsSpec { transport: Transport::Tcp, ..asking(server, Record::A, Expected::Something) };
    let report = run(spec).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the answer is none to what was asked");
}
