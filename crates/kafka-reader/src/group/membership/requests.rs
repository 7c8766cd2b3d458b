//! What a member says to its coordinator, and what it reads of the others.
//!
//! Sans-IO.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::heartbeat::HeartbeatRequest;
use kafka_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use kafka_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};

use super::Membership;
use crate::assignor::{Assignor, GroupMember, RebalanceProtocol, Subscription};

impl Membership {
    pub(super) fn join_request(&self) -> JoinGroupRequest {
        let subscription = |assignor: &Arc<dyn Assignor>| {
            let (partitions, generation) = &self.last;
            let cooperative = assignor.protocol() == RebalanceProtocol::Cooperative;
            let subscription = Subscription {
                topics: self.topics.iter().cloned().collect(),
                user_data: assignor.user_data(partitions, *generation),
                owned: if cooperative { self.owned.iter().cloned().collect() } else { Vec::new() },
                generation: Some(self.generation).filter(|generation| cooperative && *generation >= 0),
                rack: self.config.rack.clone(),
            };
            // The configuration was checked: no text is too long.
            let metadata = subscription.encode().unwrap_or_default();
            JoinGroupRequestProtocol { name: assignor.name().into(), metadata, ..Default::default() }
        };
        JoinGroupRequest {
            group_id: self.config.group_id.clone(),
            session_timeout_ms: millis(self.config.session_timeout),
            rebalance_timeout_ms: millis(self.config.rebalance_timeout),
            member_id: self.member_id.clone(),
            group_instance_id: self.config.instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: self.config.assignors.iter().map(subscription).collect(),
            ..JoinGroupRequest::default()
        }
    }

    pub(super) fn sync_request(
        &self,
        join: &JoinGroupResponse,
        assignments: Vec<SyncGroupRequestAssignment>,
    ) -> SyncGroupRequest {
        SyncGroupRequest {
            group_id: self.config.group_id.clone(),
            generation_id: join.generation_id,
            member_id: join.member_id.clone(),
            group_instance_id: self.config.instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: join.protocol_name.clone(),
            assignments,
            ..SyncGroupRequest::default()
        }
    }

    pub(super) fn heartbeat_request(&self) -> HeartbeatRequest {
        HeartbeatRequest {
            group_id: self.config.group_id.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.config.instance_id.clone(),
            ..HeartbeatRequest::default()
        }
    }

    pub(super) fn leave_request(&self) -> LeaveGroupRequest {
        let member = MemberIdentity {
            member_id: self.member_id.clone(),
            group_instance_id: self.config.instance_id.clone(),
            ..MemberIdentity::default()
        };
        LeaveGroupRequest {
            group_id: self.config.group_id.clone(),
            member_id: self.member_id.clone(),
            members: vec![member],
            ..LeaveGroupRequest::default()
        }
    }
}

pub(super) fn read_member(member: &JoinGroupResponseMember) -> GroupMember {
    GroupMember {
        id: member.member_id.clone(),
        instance_id: member.group_instance_id.clone(),
        // Who cannot be understood gets nothing; that must not keep the others from getting theirs.
        subscription: Subscription::decode(&member.metadata).unwrap_or_default(),
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// What consumers call their protocol.
const PROTOCOL_TYPE: &str = "consumer";
