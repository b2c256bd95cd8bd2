use super::*;
use crate::support::{
    net::closed_port,
    talk::{Steps, steps, talking},
};
use healthcheck_dashboard::{
    domain::secret::Secret,
    probe::{Login, Security, amqp::AmqpSpec},
};

const HEADER: &[u8] = b"AMQP\0\0\x09\x01";

fn framed(id: u8, arguments: &[u8]) -> Vec<u8> {
    let length = (arguments.len() as u32 + 4).to_be_bytes();
    [&[1, 0, 0][..], &length, &[0, 10, 0, id], arguments, &[0xce]].concat()
}

fn start() -> Vec<u8> {
    // 0-9, no properties, mechanisms, locales.
    framed(10, b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US")
}

fn start_ok() -> Vec<u8> {
    let capabilities = b"\x1cauthentication_failure_closet\x01";
    let properties = [&b"\x0ccapabilitiesF"[..], &(capabilities.len() as u32).to_be_bytes(), capabilities].concat();
    let length = (properties.len() as u32).to_be_bytes();
    framed(11, &[&length[..], &properties, b"\x05PLAIN\0\0\0\x0b\0me\0hunter2\x05en_US"].concat())
}

fn open(vhost: &str) -> Vec<u8> {
    let tune_ok = framed(31, b"\x07\xff\0\x02\0\0\0\0");
    let open = framed(40, &[&[vhost.len() as u8], vhost.as_bytes(), &[0, 0]].concat());
    [tune_ok, open].concat()
}

fn close(code: u16, why: &str) -> Vec<u8> {
    framed(50, &[&code.to_be_bytes()[..], &[why.len() as u8], why.as_bytes(), &[0; 4]].concat())
}

async fn run(said: Steps, login: bool) -> Report {
    let me = Login { user: "me".to_owned(), password: Secret::new("hunter2") };
    let spec = AmqpSpec {
        address: at(talking(said).await),
        security: Security::Plain,
        login: login.then_some(me),
        virtual_host: "shop".to_owned(),
    };
    probe(Spec::Amqp(Box::new(spec))).run(AMPLE).await
}

#[tokio::test]
async fn a_broker_that_asks_who_we_are_passes_and_a_user_gets_a_virtual_host() {
    assert_passed(&run(steps([(HEADER, &start())]), false).await);
    let tune = framed(30, b"\x07\xff\0\x02\0\0\0\x3c");
    let begun = || steps([(HEADER, &start()), (&start_ok(), &tune)]);
    let mut all = begun();
    all.extend(steps([(&open("shop"), &framed(41, b"\0"))]));
    assert_passed(&run(all, true).await);
    let mut all = begun();
    all.extend(steps([(&open("shop"), &close(530, "NOT_ALLOWED - vhost shop not found"))]));
    let message = "the broker refused the virtual host: NOT_ALLOWED - vhost shop not found";
    assert_failed(&run(all, true).await, Class::Query, Phase::Body, message);
    let refused = close(403, "ACCESS_REFUSED - no hunter2");
    let report = run(steps([(HEADER, &start()), (&start_ok(), &refused)]), true).await;
    assert_failed(&report, Class::Query, Phase::Body, "the broker refused the login: ACCESS_REFUSED - no •••");
}

#[tokio::test]
async fn other_versions_and_protocols_are_named() {
    for (said, message) in [
        (&b"AMQP\0\x01\0\0"[..], "the broker speaks another version of AMQP than 0-9-1"),
        (b"HTTP/1.1 400 Bad Request\r\n", "the answer is not AMQP's: it begins with \"HTTP/1.1 400 Bad …\""),
        (b"\x01\0\0\xff\xff\xff\xff", "the answer announces 4294967296 bytes, of which at most 65536 are read"),
    ] {
        assert_failed(&run(steps([(HEADER, said)]), false).await, Class::Protocol, Phase::Body, message);
    }
    let closed = closed_port();
    let spec = AmqpSpec { address: at(closed), security: Security::Plain, login: None, virtual_host: "/".to_owned() };
    let report = probe(Spec::Amqp(Box::new(spec))).run(AMPLE).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
}
