use super::*;
use crate::support::{
    net::closed_port,
    talk::{Steps, steps, talking},
};
use healthcheck_dashboard::probe::{Security, kafka::KafkaSpec};

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

fn request(api: u8, version: u8, body: &[u8]) -> Vec<u8> {
    framed(&[&[0, api, 0, version, 0, 0, 0, 7][..], &text("healthcheck_dashboard"), body].concat())
}

/// Knows metadata from this version to that one.
fn versions(least: u8, most: u8) -> Vec<u8> {
    framed(&[0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 3, 0, least, 0, most])
}

/// Two brokers, and this controller and these topics.
fn metadata(controller: i32, topics: &[u8]) -> Vec<u8> {
    let broker = |id: u8| [&[0, 0, 0, id][..], &text("b"), &[0, 0, 0x23, 0x84, 0xff, 0xff]].concat();
    let head = [&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2][..], &broker(1), &broker(2), &text("cluster")].concat();
    framed(&[&head[..], &controller.to_be_bytes(), topics].concat())
}

/// A topic `t` of one partition with two replicas.
fn topic(error: u8, leader: i32, in_sync: u8) -> Vec<u8> {
    let partition = [&[0, 0, 0, 0, 0, 0][..], &leader.to_be_bytes(), &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]].concat();
    let isr = [&[0, 0, 0, in_sync][..], &vec![0; 4 * usize::from(in_sync)]].concat();
    [&[0, 0, 0, 1, 0, error][..], &text("t"), &[0, 0, 0, 0, 1], &partition, &isr].concat()
}

async fn run(said: Steps, topic: Option<&str>, min_brokers: Option<u32>) -> Report {
    let address = at(talking(said).await);
    let topic = topic.map(str::to_owned);
    let spec = KafkaSpec { address, security: Security::Plain, topic, min_brokers };
    probe(Spec::Kafka(spec)).run(AMPLE).await
}

#[tokio::test]
async fn a_broker_knows_its_cluster_and_its_topic() {
    let none = [0, 0, 0, 0];
    let cluster = |controller| {
        let asked = request(3, 4, &[0, 0, 0, 0, 0]);
        steps([(&request(18, 0, &[]), &versions(0, 12)), (&asked, &metadata(controller, &none))])
    };
    assert_passed(&run(cluster(1), None, Some(2)).await);
    let report = run(cluster(1), None, Some(3)).await;
    assert_failed(&report, Class::Content, Phase::Body, "the cluster has fewer brokers than 3");
    let report = run(cluster(-1), None, None).await;
    assert_failed(&report, Class::Content, Phase::Body, "the cluster has no controller");

    let with_topic = |topic: &[u8]| {
        let asked = request(3, 4, &[&[0, 0, 0, 1][..], &text("t"), &[0]].concat());
        steps([(&request(18, 0, &[]), &versions(0, 12)), (&asked, &metadata(1, topic))])
    };
    assert_passed(&run(with_topic(&topic(0, 1, 2)), Some("t"), None).await);
    let report = run(with_topic(&topic(0, 1, 1)), Some("t"), None).await;
    let Verdict::Degraded(reason) = &report.verdict else { panic!("{report:?}") };
    assert_eq!(reason.message, "replicas of the topic t are not in sync");
    let report = run(with_topic(&topic(0, -1, 2)), Some("t"), None).await;
    assert_failed(&report, Class::Content, Phase::Body, "partitions of the topic t have no leader");
    let report = run(with_topic(&topic(3, 1, 2)), Some("t"), None).await;
    assert_failed(&report, Class::Content, Phase::Body, "there is no topic t");
}

#[tokio::test]
async fn what_is_no_kafka_and_what_is_too_new_is_named() {
    let versions_of = |said: &[u8]| steps([(&request(18, 0, &[]), said)]);
    for (said, message) in [
        (versions(5, 12), "the broker does not know the request for its metadata that is sent (version 4)"),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "the answer is not Kafka's: it begins with \"HTTP/1.1 400 Bad …\""),
        (vec![0x7f, 0xff, 0xff, 0xff], "the answer announces 2147483647 bytes, of which at most 1048576 are read"),
    ] {
        assert_failed(&run(versions_of(&said), None, None).await, Class::Protocol, Phase::Body, message);
    }
    let closed = closed_port();
    let spec = KafkaSpec { address: at(closed), security: Security::Plain, topic: None, min_brokers: None };
    let report = probe(Spec::Kafka(spec)).run(AMPLE).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
}
