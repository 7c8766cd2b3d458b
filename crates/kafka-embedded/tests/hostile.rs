//! Whatever a client sends, the core answers it or closes the connection: nothing makes it panic.

mod support;

use std::time::Duration;

use arbitrary::Unstructured;
use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use kafka_embedded::KafkaVersion;
use kafka_embedded::core::{BrokerConfig, Config, Limits, Output};
use kafka_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::header::RequestHeader;
use kafka_protocol::{ApiKey, Message, MessageKind, messages};
use support::Script;

const MESSAGES: usize = 30;

fn cluster(version: KafkaVersion) -> Script {
    let limits = Limits { max_topics: 50, max_partitions: 200, max_log_bytes: 1 << 20, ..Limits::default() };
    let brokers = (1..=3).map(BrokerConfig::new).collect();
    let mut script = Script::new(Config { version, brokers, limits, ..Config::default() });
    let one = script.open(1);
    let topic = CreatableTopic { name: "t".into(), num_partitions: 3, replication_factor: 2, ..Default::default() };
    script.call(one, 3, &CreateTopicsRequest { topics: vec![topic], ..Default::default() });
    script
}

/// A request that the schema allows, of values that lean towards the edges.
fn request(api: ApiKey, version: i16, rng: &mut Rng) -> BytesMut {
    let mut random = [0; 2_048];
    rng.fill(&mut random);
    let kind = messages::find(api.name().unwrap(), MessageKind::Request).unwrap();
    let body = kind.arbitrary(version, &mut Unstructured::new(&random)).unwrap();
    let header = RequestHeader {
        request_api_key: api.0,
        request_api_version: version,
        correlation_id: 7,
        ..RequestHeader::default()
    };
    let mut frame = BytesMut::new();
    header.encode(api.request_header_version(version), &mut frame).unwrap();
    body.encode(version, &mut frame).unwrap();
    frame
}

fn give(script: &mut Script, frame: Bytes) -> Option<Output> {
    let connection = script.open(1);
    script.core.handle_request(script.now, connection, frame);
    script.collect();
    let output = script.take(connection);
    script.core.handle_close(script.now, connection);
    script.pass(Duration::from_millis(1));
    output
}

#[test]
fn any_request_that_the_schema_allows_is_survived() {
    let mut rng = Rng::with_seed(1);
    let mut answered = 0;
    for release in KafkaVersion::ALL {
        let mut script = cluster(*release);
        for api in ApiKey::ALL {
            let versions = release.versions(*api);
            for version in versions.min..=versions.max {
                for _ in 0..MESSAGES {
                    let frame = request(*api, version, &mut rng).freeze();
                    answered += usize::from(matches!(give(&mut script, frame), Some(Output::Answer { .. })));
                }
            }
        }
        script.pass(Duration::from_secs(3_600));
    }
    assert!(answered > 1_000, "{answered} were answered");
}

#[test]
fn any_request_with_some_bytes_changed_is_survived() {
    let mut rng = Rng::with_seed(2);
    let mut script = cluster(KafkaVersion::NEWEST);
    for _ in 0..5_000 {
        let api = *rng.choice(ApiKey::ALL).unwrap();
        let versions = KafkaVersion::NEWEST.versions(api);
        if versions.is_empty() {
            continue;
        }
        let mut frame = request(api, rng.i16(versions.min..=versions.max), &mut rng);
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..frame.len());
            frame[at] = rng.u8(..);
        }
        frame.truncate(rng.usize(..=frame.len()).max(frame.len() / 2));
        give(&mut script, frame.freeze());
    }
}

#[test]
fn noise_closes_the_connection() {
    let mut rng = Rng::with_seed(3);
    let mut script = cluster(KafkaVersion::NEWEST);
    for _ in 0..5_000 {
        let mut noise = vec![0; rng.usize(..64)];
        rng.fill(&mut noise);
        give(&mut script, noise.into());
    }
    assert!(matches!(give(&mut script, Bytes::new()), Some(Output::Close { .. })));
    assert!(matches!(give(&mut script, Bytes::from_static(&[0xff; 9])), Some(Output::Close { .. })));
}

#[test]
fn a_second_request_before_the_first_is_answered_closes_the_connection() {
    let mut script = cluster(KafkaVersion::NEWEST);
    script.core.freeze_broker(script.now, 1);
    let one = script.open(1);
    for _ in 0..2 {
        script.core.handle_request(script.now, one, Bytes::from_static(&[0, 18, 0, 0, 0, 0, 0, 7, 255, 255]));
    }
    script.collect();
    assert_eq!(script.take(one), Some(Output::Close { connection: one }));
}

#[test]
fn there_are_no_more_connections_than_allowed() {
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let mut script = Script::new(Config { limits, ..Config::default() });
    let one = script.open(1);
    script.open(1);
    assert!(script.core.handle_open(script.now, 1, "test").is_none());
    script.core.handle_close(script.now, one);
    assert!(script.core.handle_open(script.now, 1, "test").is_some());
}
