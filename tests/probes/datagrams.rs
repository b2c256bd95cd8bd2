//! What speaks in datagrams: UDP itself, time servers, echo requests.

use super::*;
use crate::support::{net::closed_port, tls::since_1970};
use healthcheck_dashboard::probe::{icmp::IcmpSpec, ntp::NtpSpec, udp::UdpSpec};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// Answers each datagram with what `answer` makes of it, if anything.
async fn server(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((got, from)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = answer(&buffer[..got]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    address
}

fn udp(address: SocketAddr, expect: Option<&str>) -> Probe {
    let (send, expect) = (b"\xff\xffstatus".to_vec(), expect.map(str::to_owned));
    probe(Spec::Udp(UdpSpec { address: at(address), send, expect }))
}

#[tokio::test]
async fn a_datagram_that_is_answered_passes_and_the_answer_has_to_contain_what_is_expected() {
    let echo = server(|bytes| Some([b"you said ", bytes].concat())).await;
    let report = udp(echo, None).run(AMPLE).await;
    assert_passed(&report);
    assert!(report.phases.ttfb_us.is_some() && report.phases.connect_us.is_none(), "{report:?}");
    assert_passed(&udp(echo, Some("status")).run(AMPLE).await);
    let report = udp(echo, Some("ready")).run(AMPLE).await;
    assert_failed(&report, Class::Content, Phase::Body, "the answer does not contain \"ready\"");
    assert!(report.excerpt.unwrap().contains("you said"));
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again_and_silence_is_late_and_a_closed_port_says_so() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let forgetful =
        server(move |_| (count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0).then(|| b"ok".to_vec()));
    assert_passed(&udp(forgetful.await, None).run(AMPLE).await);
    let report = udp(server(|_| None).await, None).run(SHORT).await;
    assert_late(&report, Phase::Ttfb, "no answer within 1 s");
    let closed = closed_port();
    let report = udp(closed, None).run(AMPLE).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("nothing listens at {closed} (UDP)"));
}

/// What a time server makes of its answer: its first two bytes, its word, how far its clock is off.
async fn clock(leap: u8, stratum: u8, word: [u8; 4], ahead_ms: i64) -> SocketAddr {
    server(move |question| {
        let mut answer = vec![0; 48];
        (answer[0], answer[1]) = (leap << 6 | 4 << 3 | 4, stratum);
        answer[12..16].copy_from_slice(&word);
        answer[24..32].copy_from_slice(&question[40..48]);
        let ms = i128::try_from(since_1970().as_millis()).unwrap() + 2_208_988_800_000 + i128::from(ahead_ms);
        let time = ((ms << 32) / 1000) as u64;
        answer[32..40].copy_from_slice(&time.to_be_bytes());
        answer[40..48].copy_from_slice(&time.to_be_bytes());
        Some(answer)
    })
    .await
}

async fn ntp(address: SocketAddr) -> Report {
    let bounds = NtpSpec { address: at(address), degraded_offset_ms: 400_000, max_offset_ms: Some(4_000_000) };
    probe(Spec::Ntp(bounds)).run(AMPLE).await
}

// The bounds are so far apart that a busy machine does not come from one side to the other.
#[tokio::test]
async fn a_clock_that_is_right_passes_and_one_that_is_off_is_degraded_or_failed() {
    assert_passed(&ntp(clock(0, 2, [127, 0, 0, 1], 0).await).await);
    let reason = degraded(&ntp(clock(0, 2, [0; 4], 36_000_000 / 20).await).await);
    assert_eq!(
        (reason.class, reason.message.as_str()),
        (Class::Content, "its clock is about 30 min ahead of this machine's")
    );
    let report = ntp(clock(0, 2, [0; 4], -36_000_000).await).await;
    assert_failed(&report, Class::Content, Phase::Body, "its clock is about 10 h behind this machine's");
}

#[tokio::test]
async fn a_time_server_that_refuses_or_knows_no_time_says_so() {
    for (leap, stratum, word, class, message) in [
        (0, 0, b"RATE", Class::Protocol, "the server sends \"RATE\" instead of the time: it is asked too often"),
        (
            3,
            0,
            b"INIT",
            Class::Protocol,
            "the server sends \"INIT\" instead of the time: it does not know the time yet",
        ),
        (3, 3, &[0; 4], Class::Content, "the server's clock is not synchronized"),
        (0, 16, &[0; 4], Class::Content, "the server's clock is not synchronized"),
    ] {
        let report = ntp(clock(leap, stratum, *word, 0).await).await;
        assert_failed(&report, class, Phase::Body, message);
    }
}

#[tokio::test]
async fn what_is_no_answer_to_what_was_asked_is_no_time() {
    // A forger who does not see the question, and bytes that are too few.
    for forged in [vec![0x24; 48], vec![0x24; 7]] {
        let address = server(move |_| Some(forged.clone())).await;
        let spec = NtpSpec { address: at(address), degraded_offset_ms: 1, max_offset_ms: None };
        let report = probe(Spec::Ntp(spec)).run(SHORT).await;
        assert_late(&report, Phase::Ttfb, "no answer within 1 s");
    }
}

#[tokio::test]
async fn this_machine_answers_echo_requests_or_the_monitor_may_not_send_them() {
    for host in ["127.0.0.1", "::1", "localhost"] {
        let address = Address { host: host.to_owned(), port: 0, ip_version: IpVersion::Any, allow_metadata: false };
        let spec = IcmpSpec { address, packets: 3, max_loss: 0, degraded_loss: None, degraded_jitter_ms: None };
        let report = probe(Spec::Icmp(spec)).run(AMPLE).await;
        match &report.verdict {
            Verdict::Passed => assert!(report.phases.ttfb_us.is_some(), "{report:?}"),
            // Not every machine lets every process, and not every one has both protocols. Then nobody is blamed.
            Verdict::Inconclusive(reason) => assert_eq!(reason.class, Class::Monitor, "{report:?}"),
            other => panic!("{other:?}"),
        }
    }
}
