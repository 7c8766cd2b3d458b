//! The classic group protocol, by scripts.

mod support;

use std::time::Duration;

use bytes::Bytes;
use kafka_embedded::core::{Config, ConnectionId, Limits};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::delete_groups::DeleteGroupsRequest;
use kafka_protocol::messages::describe_groups::DescribeGroupsRequest;
use kafka_protocol::messages::heartbeat::HeartbeatRequest;
use kafka_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use kafka_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::list_groups::ListGroupsRequest;
use kafka_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use kafka_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use smol_str::SmolStr;
use support::Script;

const SECOND: Duration = Duration::from_secs(1);

fn cluster() -> Script {
    with_topic(Config::default())
}

fn with_topic(config: Config) -> Script {
    let mut script = Script::new(config);
    let one = script.open(1);
    let topic = CreatableTopic { name: "t".into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
    script.call(one, 7, &CreateTopicsRequest { topics: vec![topic], ..Default::default() });
    script
}

/// A member as its client sees it.
#[derive(Clone, Debug)]
struct Member {
    at: ConnectionId,
    id: SmolStr,
    instance: Option<SmolStr>,
    generation: i32,
    protocols: Vec<&'static str>,
}

impl Member {
    fn new(script: &mut Script) -> Self {
        let at = script.open(1);
        Self { at, id: SmolStr::default(), instance: None, generation: -1, protocols: vec!["range"] }
    }

    fn of_instance(script: &mut Script, instance: &str) -> Self {
        Self { instance: Some(instance.into()), ..Self::new(script) }
    }

    fn send_join(&self, script: &mut Script) {
        let protocol = |name: &&'static str| JoinGroupRequestProtocol {
            name: (*name).into(),
            metadata: Bytes::from_static(b"subscription"),
            ..Default::default()
        };
        let request = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 30_000,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: "consumer".into(),
            protocols: self.protocols.iter().map(protocol).collect(),
            ..Default::default()
        };
        script.send(self.at, 9, &request);
    }

    /// Joins for the first time, as far as that goes without the others.
    fn begin(&mut self, script: &mut Script) {
        self.send_join(script);
        if self.instance.is_none() {
            let answer = script.answer::<JoinGroupRequest>(self.at, 9).unwrap();
            assert_eq!(ErrorCode(answer.error_code), ErrorCode::MEMBER_ID_REQUIRED);
            self.id = answer.member_id;
            self.send_join(script);
        }
    }

    fn joined(&mut self, script: &mut Script) -> JoinGroupResponse {
        let answer = script.answer::<JoinGroupRequest>(self.at, 9).expect("the join is through");
        assert_eq!(ErrorCode(answer.error_code), ErrorCode::NONE);
        (self.id, self.generation) = (answer.member_id.clone(), answer.generation_id);
        answer
    }

    fn send_sync(&self, script: &mut Script, assignments: &[&Self]) {
        let assignment = |member: &&Self| SyncGroupRequestAssignment {
            member_id: member.id.clone(),
            assignment: Bytes::from(format!("work of {}", member.id)),
            ..Default::default()
        };
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            assignments: assignments.iter().map(assignment).collect(),
            ..Default::default()
        };
        script.send(self.at, 5, &request);
    }

    fn synced(&self, script: &mut Script) -> Result<Bytes, ErrorCode> {
        let answer = script.answer::<SyncGroupRequest>(self.at, 5).expect("the sync is through");
        ErrorCode(answer.error_code).check().map(|()| answer.assignment)
    }

    fn heartbeat(&self, script: &mut Script) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            ..Default::default()
        };
        ErrorCode(script.call(self.at, 4, &request).error_code)
    }

    fn commit(&self, script: &mut Script, offset: i64) -> ErrorCode {
        let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topic = OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        let request = OffsetCommitRequest {
            group_id: "g".into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            topics: vec![topic],
            ..Default::default()
        };
        ErrorCode(script.call(self.at, 9, &request).topics[0].partitions[0].error_code)
    }

    /// As the leader of itself alone, with an assignment of so many bytes.
    fn send_sync_of(&self, script: &mut Script, bytes: usize) -> Result<Bytes, ErrorCode> {
        let assignment = Bytes::from(vec![b'x'; bytes]);
        let assignment = SyncGroupRequestAssignment { member_id: self.id.clone(), assignment, ..Default::default() };
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            assignments: vec![assignment],
            ..Default::default()
        };
        script.send(self.at, 5, &request);
        self.synced(script)
    }

    fn commit_with(&self, script: &mut Script, partition_index: i32, metadata: i32) -> ErrorCode {
        let committed_metadata = Some("m".repeat(metadata as usize).into());
        let partition = OffsetCommitRequestPartition { partition_index, committed_metadata, ..Default::default() };
        let topic = OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        let request = OffsetCommitRequest {
            group_id: "g".into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.clone(),
            topics: vec![topic],
            ..Default::default()
        };
        ErrorCode(script.call(self.at, 9, &request).topics[0].partitions[0].error_code)
    }

    fn leave(&self, script: &mut Script) -> ErrorCode {
        let (member_id, group_instance_id) = (self.id.clone(), self.instance.clone());
        let member = MemberIdentity { member_id, group_instance_id, ..Default::default() };
        let request = LeaveGroupRequest { group_id: "g".into(), members: vec![member], ..Default::default() };
        ErrorCode(script.call(self.at, 5, &request).members[0].error_code)
    }
}

fn committed(script: &mut Script) -> i64 {
    let at = script.open(1);
    let group = OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() };
    let answer = script.call(at, 9, &OffsetFetchRequest { groups: vec![group], ..Default::default() });
    answer.groups[0].topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset)
}

fn state(script: &mut Script) -> SmolStr {
    let at = script.open(1);
    let request = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
    script.call(at, 5, &request).groups[0].group_state.clone()
}

/// Two members in a stable group: the leader first.
fn two_members(script: &mut Script) -> (Member, Member) {
    let (mut one, mut two) = (Member::new(script), Member::new(script));
    one.begin(script);
    one.joined(script);
    two.begin(script);
    assert_eq!(one.heartbeat(script), ErrorCode::REBALANCE_IN_PROGRESS);
    one.send_join(script);
    let answer = one.joined(script);
    assert_eq!((answer.leader.clone(), answer.members.len()), (one.id.clone(), 2));
    assert_eq!(two.joined(script).members.len(), 0);
    two.send_sync(script, &[]);
    assert!(script.outputs.is_empty(), "the leader has not spoken yet");
    one.send_sync(script, &[&one, &two]);
    assert_eq!(one.synced(script).unwrap(), format!("work of {}", one.id));
    assert_eq!(two.synced(script).unwrap(), format!("work of {}", two.id));
    assert_eq!(state(script), "Stable");
    (one, two)
}

#[test]
fn a_generation_is_agreed_on_and_ends_when_somebody_comes() {
    let mut script = cluster();
    let (one, two) = two_members(&mut script);
    assert_eq!((one.generation, two.generation), (2, 2));
    assert_eq!(one.heartbeat(&mut script), ErrorCode::NONE);
    let mut three = Member::new(&mut script);
    three.begin(&mut script);
    assert_eq!(two.heartbeat(&mut script), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(two.commit(&mut script, 5), ErrorCode::NONE, "what was done may still be committed");
}

#[test]
fn who_is_silent_for_its_session_timeout_is_out() {
    let mut script = cluster();
    let (mut one, two) = two_members(&mut script);
    script.pass(6 * SECOND);
    assert_eq!(one.heartbeat(&mut script), ErrorCode::NONE);
    script.pass(4 * SECOND);
    assert_eq!(one.heartbeat(&mut script), ErrorCode::REBALANCE_IN_PROGRESS);
    one.send_join(&mut script);
    assert_eq!(one.joined(&mut script).members.len(), 1);
    assert_eq!(two.heartbeat(&mut script), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(two.commit(&mut script, 5), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn who_does_not_join_again_in_time_is_out() {
    let mut script = cluster();
    let (mut one, two) = two_members(&mut script);
    one.protocols = vec!["range", "roundrobin"];
    one.send_join(&mut script);
    for _ in 0..10 {
        script.pass(3 * SECOND);
        two.heartbeat(&mut script);
    }
    assert_eq!(one.joined(&mut script).members.len(), 1);
    assert_eq!(two.heartbeat(&mut script), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn who_leaves_makes_room_at_once() {
    let mut script = cluster();
    let (mut one, two) = two_members(&mut script);
    assert_eq!(two.leave(&mut script), ErrorCode::NONE);
    assert_eq!(one.heartbeat(&mut script), ErrorCode::REBALANCE_IN_PROGRESS);
    one.send_join(&mut script);
    assert_eq!(one.joined(&mut script).members.len(), 1);
    assert_eq!(one.leave(&mut script), ErrorCode::NONE);
    assert_eq!(state(&mut script), "Empty");
}

#[test]
fn a_leader_that_never_divides_the_work_is_out() {
    let mut script = cluster();
    let (mut one, mut two) = (Member::new(&mut script), Member::new(&mut script));
    one.begin(&mut script);
    one.joined(&mut script);
    two.begin(&mut script);
    one.send_join(&mut script);
    one.joined(&mut script);
    two.joined(&mut script);
    two.send_sync(&mut script, &[]);
    for _ in 0..10 {
        script.pass(3 * SECOND);
        one.heartbeat(&mut script);
    }
    assert_eq!(two.synced(&mut script), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    two.send_join(&mut script);
    let answer = two.joined(&mut script);
    assert_eq!((answer.leader, answer.members.len()), (two.id.clone(), 1));
}

#[test]
fn an_instance_comes_back_without_a_rebalance_and_fences_its_ghost() {
    let mut script = cluster();
    let mut one = Member::of_instance(&mut script, "i");
    one.begin(&mut script);
    assert_eq!(one.joined(&mut script).generation_id, 1);
    one.send_sync(&mut script, &[&one]);
    let work = one.synced(&mut script).unwrap();
    let mut again = Member::of_instance(&mut script, "i");
    again.begin(&mut script);
    let answer = again.joined(&mut script);
    assert_eq!((answer.generation_id, answer.skip_assignment), (1, true));
    assert_ne!(again.id, one.id);
    again.send_sync(&mut script, &[]);
    assert_eq!(again.synced(&mut script).unwrap(), work);
    assert_eq!(one.heartbeat(&mut script), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(one.commit(&mut script, 1), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(one.leave(&mut script), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(again.heartbeat(&mut script), ErrorCode::NONE);
}

#[test]
fn members_that_have_nothing_in_common_do_not_meet() {
    let mut script = cluster();
    let (one, _) = two_members(&mut script);
    let mut stranger = Member { protocols: vec!["sticky"], ..Member::new(&mut script) };
    stranger.send_join(&mut script);
    stranger.id = script.answer::<JoinGroupRequest>(stranger.at, 9).unwrap().member_id;
    stranger.send_join(&mut script);
    let answer = script.answer::<JoinGroupRequest>(stranger.at, 9).unwrap();
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    assert_eq!(one.heartbeat(&mut script), ErrorCode::NONE);
}

#[test]
fn offsets_are_kept_and_groups_with_members_too() {
    let mut script = cluster();
    let (one, two) = two_members(&mut script);
    assert_eq!(committed(&mut script), -1);
    assert_eq!(one.commit(&mut script, 42), ErrorCode::NONE);
    let stale = Member { generation: 1, ..two.clone() };
    assert_eq!(stale.commit(&mut script, 7), ErrorCode::ILLEGAL_GENERATION);
    let nobody = Member { generation: -1, id: SmolStr::default(), ..two.clone() };
    assert_eq!(nobody.commit(&mut script, 7), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(committed(&mut script), 42);
    let at = script.open(1);
    let delete = DeleteGroupsRequest { groups_names: vec!["g".into()], ..Default::default() };
    let refused = script.call(at, 2, &delete).results[0].error_code;
    assert_eq!(ErrorCode(refused), ErrorCode::NON_EMPTY_GROUP);
    assert_eq!(script.call(at, 5, &ListGroupsRequest::default()).groups[0].group_state, "Stable");
    one.leave(&mut script);
    two.leave(&mut script);
    assert_eq!(nobody.commit(&mut script, 43), ErrorCode::NONE, "without members anybody may");
    assert_eq!(committed(&mut script), 43);
    assert_eq!(script.call(at, 2, &delete).results[0].error_code, 0);
    assert_eq!((committed(&mut script), state(&mut script).as_str()), (-1, "Dead"));
}

/// Found in review: nothing bounded what groups could be made to hold together.
#[test]
fn groups_hold_no_more_than_they_may() {
    let limits = Limits {
        max_member_protocols: 2,
        max_member_bytes: 1_000,
        max_group_bytes: 3_000,
        max_group_offsets: 10,
        ..Limits::default()
    };
    let mut script = with_topic(Config { limits, ..Config::default() });
    let mut one = Member { protocols: vec!["range", "roundrobin", "sticky"], ..Member::new(&mut script) };
    let refused = |script: &mut Script, member: &Member| {
        member.send_join(script);
        ErrorCode(script.answer::<JoinGroupRequest>(member.at, 9).unwrap().error_code)
    };
    assert_eq!(refused(&mut script, &one), ErrorCode::INVALID_REQUEST, "too many protocols");
    let long: &'static str = Box::leak("r".repeat(1_000).into_boxed_str());
    one.protocols = vec![long];
    assert_eq!(refused(&mut script, &one), ErrorCode::INVALID_REQUEST, "too much of itself");
    one.protocols = vec!["range"];
    one.begin(&mut script);
    one.joined(&mut script);
    assert_eq!(one.send_sync_of(&mut script, 3_000), Err(ErrorCode::UNKNOWN_SERVER_ERROR), "too long an assignment");
    assert_eq!(one.heartbeat(&mut script), ErrorCode::REBALANCE_IN_PROGRESS);
    one.send_join(&mut script);
    one.joined(&mut script);
    assert_eq!(one.send_sync_of(&mut script, 600).unwrap().len(), 600);
    let mut codes = [0, 1, 2, 3].map(|partition| one.commit_with(&mut script, partition % 2, 200 * (partition + 1)));
    codes.reverse();
    assert_eq!(codes[0], ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
    assert_eq!(codes[3], ErrorCode::NONE);
    let two = Member::new(&mut script);
    assert_eq!(refused(&mut script, &two), ErrorCode::MEMBER_ID_REQUIRED);
    // Ten thousand groups of nobody would also be something.
    let refused = (0..10).map(|number| {
        let at = script.open(1);
        let request = OffsetCommitRequest {
            group_id: format!("other-{number}").into(),
            topics: vec![OffsetCommitRequestTopic {
                name: "t".into(),
                partitions: vec![OffsetCommitRequestPartition::default()],
                ..Default::default()
            }],
            ..Default::default()
        };
        ErrorCode(script.call(at, 9, &request).topics[0].partitions[0].error_code)
    });
    assert_eq!(refused.last(), Some(ErrorCode::GROUP_MAX_SIZE_REACHED));
    let long: &'static str = Box::leak("r".repeat(400).into_boxed_str());
    let mut late = Member { protocols: vec!["range", long], ..Member::of_instance(&mut script, "i") };
    late.send_join(&mut script);
    let answer = script.answer::<JoinGroupRequest>(late.at, 9).unwrap();
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(one.leave(&mut script), ErrorCode::NONE);
    late.send_join(&mut script);
    // Until the id that nobody came back with is no longer good.
    script.pass(10 * SECOND);
    assert_eq!(late.joined(&mut script).members.len(), 1, "there is room again");
}

#[test]
fn another_coordinator_knows_the_group_and_the_old_one_sends_there() {
    let brokers = (1..=2).map(kafka_embedded::core::BrokerConfig::new).collect();
    let mut script = Script::new(Config { brokers, ..Config::default() });
    script.core.move_coordinator(script.now, "g", 1);
    let mut one = Member::new(&mut script);
    one.begin(&mut script);
    one.joined(&mut script);
    let mut two = Member::new(&mut script);
    two.begin(&mut script);
    script.core.move_coordinator(script.now, "g", 2);
    script.collect();
    let answer = script.answer::<JoinGroupRequest>(two.at, 9).unwrap();
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::NOT_COORDINATOR);
    assert_eq!(one.heartbeat(&mut script), ErrorCode::NOT_COORDINATOR);
    one.at = script.open(2);
    assert_eq!(one.heartbeat(&mut script), ErrorCode::REBALANCE_IN_PROGRESS);
}
