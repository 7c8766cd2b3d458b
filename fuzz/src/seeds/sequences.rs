//! First corpora of the targets whose inputs are sequences: sessions, SCRAM exchanges, an embedded cluster's requests.

use std::io;
use std::path::Path;

use bytes::BytesMut;
use kafka_embedded::KafkaVersion;
use kafka_protocol::messages::delete_topics::DeleteTopicsRequest;
use kafka_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use kafka_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor};
use kafka_protocol::{ApiKey, Message, MessageKind, messages};

use super::{hex, lines};
use crate::bodies::session::{
    ANSWER, ANSWER_ANYTHING, CALL, CLOSE, DONE, EARLY_TIMEOUT, GARBAGE, GIVE_UP, LOOK_AT_TOKEN, LOST, RECEIVE, SAY,
    SEND, TRANSMIT, WAIT,
};
use crate::bodies::{embedded, scram};

/// Sessions that go well, each with a step more or less.
pub(super) fn sessions() -> Vec<Vec<u8>> {
    let turn = |choice| vec![TRANSMIT, 255, ANSWER, choice, RECEIVE, 255];
    // A lifetime of 2 s is renewed after 1.7 s.
    let login = |lifetime| [turn(0), vec![SAY, 2, b'h', b'i'], turn(0), turn(lifetime), vec![DONE]].concat();
    let calls = vec![CALL, 50, 10, SEND, 50, 20, CALL, 100, 33, CALL, 20, 8];
    let steps: [Vec<u8>; 14] = [
        calls.clone(),
        [calls.clone(), turn(0), turn(0), turn(0)].concat(),
        [calls.clone(), turn(20), calls.clone(), vec![WAIT, 60], turn(0)].concat(),
        [calls.clone(), vec![TRANSMIT, 3, WAIT, 30, CLOSE, WAIT, 255]].concat(),
        [calls.clone(), vec![TRANSMIT, 255, WAIT, 22, LOOK_AT_TOKEN, 3, CLOSE], turn(0), turn(0)].concat(),
        [calls.clone(), vec![TRANSMIT, 255, GARBAGE, 4, 0, 0, 0, 9, RECEIVE, 255]].concat(),
        [calls.clone(), vec![TRANSMIT, 255, ANSWER_ANYTHING, 3, 1, 2, 3, RECEIVE, 8, EARLY_TIMEOUT, RECEIVE, 9]]
            .concat(),
        [calls.clone(), vec![TRANSMIT, 10, LOST], calls.clone()].concat(),
        [calls.clone(), vec![TRANSMIT, 255, ANSWER, 0, RECEIVE, 4, 15]].concat(),
        [vec![WAIT, 86, SAY, 1, b'a'], turn(0), turn(20), vec![DONE], calls.clone(), turn(0)].concat(),
        [calls.clone(), vec![WAIT, 86, GIVE_UP, 1, WAIT, 20, SAY, 1, b'a'], calls.clone(), turn(0), turn(0)].concat(),
        vec![WAIT, 86, GIVE_UP, 0],
        [vec![WAIT, 86, SAY, 1, b'a'], calls.clone(), vec![CLOSE], turn(0), turn(255)].concat(),
        vec![GARBAGE, 7, b'H', b'T', b'T', b'P', b'/', b'1', b'.', RECEIVE, 255],
    ];
    let beginnings: [(u8, Vec<u8>); 6] =
        [(0, turn(0)), (0, [turn(255), turn(0)].concat()), (1, login(20)), (1, login(0)), (1, turn(0)), (0, vec![])];
    let mut seeds = Vec::new();
    for (index, (sasl, beginning)) in beginnings.iter().enumerate() {
        for (step, operations) in steps.iter().enumerate() {
            let end = u8::try_from((index + step) % 3).unwrap_or_default();
            seeds.push([&[*sasl, end], &beginning[..], operations].concat());
        }
    }
    seeds
}

/// First messages that are right and wrong, each with last messages that are.
pub(super) fn exchanges() -> Vec<Vec<u8>> {
    let refused = [0, 1, 4095, 1_000_001, u64::from(u32::MAX), u64::MAX].map(|count| format!("abc,s=AQID,i={count}"));
    let firsts =
        ["%hv,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "a,s=AQID,i=4100,x=y,z=", "a,s=,i=4096", ",s=AQID,i=4096", "e=no"];
    let firsts: Vec<String> = firsts.into_iter().map(str::to_owned).chain(refused).collect();
    let lasts: [(u8, &[u8]); 7] = [
        (scram::RIGHT, b""),
        (scram::RIGHT, b",x=y"),
        (scram::RIGHT, b"="),
        (scram::ALTERED, &[40, 1]),
        (0, b"v=AQID"),
        (0, b"e=unknown-user"),
        (0, b"\xff"),
    ];
    let mut seeds = Vec::new();
    for first in &firsts {
        for (option, last) in lasts {
            for hash in [0, scram::SHA_512] {
                let len = u8::try_from(first.len()).unwrap_or(u8::MAX);
                seeds.push([&[option | hash, len], first.as_bytes(), last].concat());
            }
        }
    }
    for bare in ["r=abcdef,s=AQID,i=4096", "m=x,r=abc", "e=other-error", "v=AQID", ""] {
        seeds.push([&[scram::BARE, u8::try_from(bare.len()).unwrap_or(u8::MAX)], bare.as_bytes()].concat());
    }
    seeds
}

/// Every request of the vectors that the embedded cluster serves, alone.
pub(super) fn requests(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for line in lines(folder, "rpc")?.iter().filter(|line| line["dir"] == MessageKind::Request.name()) {
        let facts = messages::find(line["api"].as_str().unwrap_or_default(), MessageKind::Request);
        let api = facts.and_then(|facts| facts.key).map(ApiKey);
        let version = line["version"].as_i64().unwrap_or_default() as i16;
        if let Some(start) = api.and_then(|api| requesting(api, version)) {
            let body = hex(line)?;
            seeds.push([&NEWEST[..], &start, &len(&body), &body].concat());
        }
    }
    Ok(seeds)
}

/// Requests that belong together: topics, records and groups that there are.
pub(super) fn conversations() -> Vec<Vec<u8>> {
    let produced = produce(-1);
    let fetch = fetch();
    let new_session = FetchRequest { session_epoch: 0, max_wait_ms: 0, ..fetch.clone() };
    let delete = DeleteTopicsRequest { topic_names: vec!["t".into()], ..Default::default() };
    let parts = [
        requested(ApiKey::PRODUCE, 9, &produced),
        requested(ApiKey::PRODUCE, 7, &produce(0)),
        requested(ApiKey::FETCH, 12, &fetch),
        requested(ApiKey::FETCH, 12, &new_session),
        requested(ApiKey::JOIN_GROUP, 3, &join()),
        requested(ApiKey::OFFSET_COMMIT, 5, &commit()),
        vec![embedded::WAIT, 30],
        requested(ApiKey::DELETE_TOPICS, 4, &delete),
    ];
    let orders: [&[usize]; 8] =
        [&[0, 2], &[2, 0], &[2, 6], &[0, 1, 3, 3], &[4, 4, 6], &[4, 5, 6, 6], &[5, 0, 2], &[0, 2, 7, 2]];
    let mut seeds = Vec::new();
    for order in orders {
        for sasl in [0, 1] {
            let parts: Vec<&[u8]> = order.iter().map(|part| &parts[*part][..]).collect();
            seeds.push([&[NEWEST[0], sasl][..], &parts.concat()].concat());
        }
    }
    seeds
}

fn produce(acks: i16) -> ProduceRequest {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let appended = builder.append(1_000, None, Some(b"value"), []);
    let records = appended.ok().and_then(|_| builder.seal(&mut Compressor::default()).ok());
    let data = PartitionProduceData { index: 0, records, ..Default::default() };
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data: vec![data], ..Default::default() }];
    ProduceRequest { acks, timeout_ms: 1_000, topic_data, ..Default::default() }
}

fn fetch() -> FetchRequest {
    let partitions = vec![FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() }];
    let topics = vec![FetchTopic { topic: "t".into(), partitions, ..Default::default() }];
    FetchRequest { max_wait_ms: 500, min_bytes: 1, topics, session_epoch: -1, ..Default::default() }
}

fn join() -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), ..Default::default() }],
        ..Default::default()
    }
}

/// By nobody who is a member.
fn commit() -> OffsetCommitRequest {
    let partitions = vec![OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() }];
    let topics = vec![OffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() }];
    OffsetCommitRequest { group_id: "g".into(), generation_id_or_member_epoch: -1, topics, ..Default::default() }
}

/// A request as an operation of the embedded cluster's target.
fn requested<M: Message>(api: ApiKey, version: i16, request: &M) -> Vec<u8> {
    let mut body = BytesMut::new();
    match (request.encode(version, &mut body), requesting(api, version)) {
        (Ok(()), Some(start)) => [&start[..], &len(&body), &body].concat(),
        _ => Vec::new(),
    }
}

/// What a request of the embedded cluster's target begins with, if it has this version.
fn requesting(api: ApiKey, version: i16) -> Option<[u8; 4]> {
    let versions = KafkaVersion::NEWEST.versions(api);
    let place = ApiKey::ALL.iter().position(|other| *other == api).filter(|_| versions.contains(version))?;
    Some([embedded::REQUEST, 0, u8::try_from(place).ok()?, u8::try_from(version - versions.min).ok()?])
}

/// As `arbitrary` reads it.
fn len(body: &[u8]) -> [u8; 2] {
    u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes()
}

/// What an input of the embedded cluster's target begins with: the newest release, and nobody has to log in.
const NEWEST: [u8; 2] = [(KafkaVersion::ALL.len() - 1) as u8, 0];
