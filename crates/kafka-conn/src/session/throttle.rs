//! The pauses that a broker asks for in its answers (KIP-219).
//!
//! Sans-IO.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ApiKey;
#[cfg(feature = "produce")]
use kafka_protocol::{Message, messages::produce::ProduceResponse};

use super::RequestInfo;

/// How long to wait before the next request, as the answer with this body says. Where a broker of old has waited itself
/// before it answered, the client must not wait again.
pub(super) fn pause(request: RequestInfo, body: &Bytes) -> Duration {
    let RequestInfo { api_key, version, .. } = request;
    let ms = match since(api_key) {
        Some(since) if version >= since && api_key == ApiKey::PRODUCE => of_produce(version, body),
        Some(since) if version >= since => body.first_chunk().map_or(0, |first| i32::from_be_bytes(*first)),
        _ => 0,
    };
    Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(MAX_PAUSE)
}

/// Produce has it behind all the rest. A zero in its usual place says all; anything else is read with care.
#[cfg(feature = "produce")]
fn of_produce(version: i16, body: &Bytes) -> i32 {
    let tagged_fields = usize::from(version >= FIRST_FLEXIBLE_PRODUCE);
    let end = body.len().saturating_sub(tagged_fields);
    match body.get(..end).and_then(|body| body.last_chunk::<4>()) {
        Some([0, 0, 0, 0]) | None => 0,
        Some(_) => ProduceResponse::decode(version, body.clone()).map_or(0, |answer| answer.throttle_time_ms),
    }
}

/// Who has no such messages makes no such calls, but by bytes of their own.
#[cfg(not(feature = "produce"))]
fn of_produce(_: i16, _: &Bytes) -> i32 {
    0
}

/// The first version in whose answers a broker asks for a pause that it does not make itself. In all of them but Produce
/// it is the first field.
fn since(api: ApiKey) -> Option<i16> {
    Some(match api.0 {
        // Fetch, Produce, Metadata.
        1 => 8,
        0 | 3 => 6,
        // OffsetCommit, OffsetFetch.
        8 | 9 => 4,
        // ListOffsets, JoinGroup, CreateTopics.
        2 | 11 | 19 => 3,
        // FindCoordinator, Heartbeat, LeaveGroup, SyncGroup, DescribeGroups, ListGroups, DeleteTopics, DescribeConfigs.
        10 | 12..=16 | 20 | 32 => 2,
        // DeleteRecords, InitProducerId, transactions, ACLs, AlterConfigs, log folders, CreatePartitions, DeleteGroups.
        21 | 22 | 24..=26 | 28..=31 | 33..=35 | 37 | 42 => 1,
        // What came later: elections, configurations, reassignments, quotas, SCRAM, DescribeCluster and the like.
        43..=46 | 48..=51 | 57 | 60 | 61 | 65 | 66 | 68 | 69 | 71 | 72 | 74 | 75 => 0,
        _ => return None,
    })
}

#[cfg(feature = "produce")]
const FIRST_FLEXIBLE_PRODUCE: i16 = 9;
/// Brokers ask for no more than their quotas' window, which has a few seconds; what would stall a client for longer is
/// a mistake.
const MAX_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::Message;
    use kafka_protocol::messages::metadata::MetadataResponse;
    #[cfg(feature = "produce")]
    use kafka_protocol::messages::produce::{NodeEndpoint, TopicProduceResponse};

    use super::*;

    fn pause_of<M: Message>(api_key: ApiKey, version: i16, answer: &M) -> u128 {
        let mut body = BytesMut::new();
        answer.encode(version, &mut body).unwrap();
        pause(RequestInfo { api_key, version, correlation_id: 0 }, &body.freeze()).as_millis()
    }

    #[cfg(feature = "produce")]
    #[test]
    fn produce_has_it_at_the_end() {
        for version in 3..=13 {
            let responses = vec![TopicProduceResponse { name: "t".into(), ..Default::default() }];
            let responses = if version < 13 { responses } else { vec![TopicProduceResponse::default()] };
            let mut answer = ProduceResponse { responses, throttle_time_ms: 300, ..Default::default() };
            let expected = if version >= 6 { 300 } else { 0 };
            assert_eq!(pause_of(ApiKey::PRODUCE, version, &answer), expected, "version {version}");
            answer.throttle_time_ms = 0;
            if version >= 10 {
                answer.node_endpoints = vec![NodeEndpoint { host: "some".into(), ..Default::default() }];
            }
            assert_eq!(pause_of(ApiKey::PRODUCE, version, &answer), 0, "version {version}");
        }
    }

    #[test]
    fn the_rest_has_it_first() {
        let answer = MetadataResponse { throttle_time_ms: 20, ..Default::default() };
        assert_eq!(pause_of(ApiKey::METADATA, 5, &answer), 0, "such a broker has waited itself");
        assert_eq!(pause_of(ApiKey::METADATA, 6, &answer), 20);
        assert_eq!(pause_of(ApiKey::METADATA, 13, &answer), 20);
        let answer = MetadataResponse { throttle_time_ms: i32::MAX, ..Default::default() };
        assert_eq!(pause_of(ApiKey::METADATA, 13, &answer), MAX_PAUSE.as_millis());
        let answer = MetadataResponse { throttle_time_ms: -1, ..Default::default() };
        assert_eq!(pause_of(ApiKey::METADATA, 13, &answer), 0);
    }

    #[test]
    fn the_schema_says_so_too() {
        let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../kafka-protocol/schema/kafka.schema");
        let schema = std::fs::read_to_string(schema).unwrap();
        let mut checked = 0;
        for response in schema.split("\nresponse ").skip(1) {
            let key: i16 = response.split(' ').next().unwrap().parse().unwrap();
            let mut fields = response.lines().skip(1).filter(|line| line.starts_with("  ") && !line.starts_with("   "));
            let first = fields.find(|line| *line != "  }" && !line.starts_with("  struct ")).unwrap_or("");
            if key != 0 && since(ApiKey(key)).is_some() {
                assert!(first.starts_with("  ThrottleTimeMs int32"), "{key}: {first}");
                checked += 1;
            }
        }
        assert!(checked > 40, "{checked}");
    }
}
