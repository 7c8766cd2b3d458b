//! Administering a Kafka cluster: one file per noun, a typed answer per item.
//!
//! ```text
//!  Admin::create_topics(…) ── request ──► Transport ──► controller ── answer ──► an Outcome for each topic
//!        ▲                                                             │
//!        └──────── the items that another controller must do ◄─────────┘ within the timeout
//! ```
//!
//! Where many things are asked at once, each has an [`Outcome`] of its own: one failure does not hide the others. A whole
//! call fails only where nothing is known of any of them: no broker could be asked, or none answered.
//!
//! What cannot be undone can be planned: `plan_topic_deletion`, `plan_record_deletion`, `plan_group_deletion`,
//! `plan_offset_reset`, `plan_acl_deletion` and `plan_reassignment` give a value that can be printed, and then be applied.
//!
//! This crate keeps no state between calls, and never makes a call again that may have taken effect.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod acls;
mod admin;
mod answers;
mod by_partition;
mod call;
mod cluster;
mod configs;
mod elections;
mod error;
mod failures;
mod features;
mod group_offsets;
mod groups;
mod heartbeats;
mod leader_epochs;
mod log_dirs;
mod membership;
mod named_codes;
mod offsets;
mod outcome;
mod partitions;
mod plans;
mod quorum;
mod quotas;
mod reassignments;
mod records;
mod resource;
mod share_acknowledgements;
mod share_offsets;
mod share_sessions;
mod streams_groups;
mod streams_heartbeats;
mod telemetry;
mod tokens;
mod topics;
mod transaction_steps;
mod transactions;
mod users;

pub use acls::{AclEntry, AclFilter, AclOperation, AclPatternType, AclPermission, AclResourceType};
pub use admin::{Admin, Apply};
pub use cluster::{BrokerDescription, ClusterDescription};
pub use configs::{
    ConfigChanges, ConfigEntry, ConfigOperation, ConfigResource, ConfigResourceType, ConfigSource, ConfigSynonym,
    ConfigType,
};
pub use elections::Election;
pub use error::{Error, ErrorContext, ErrorKind, Result};
pub use features::{Feature, FeatureDirection, FeatureUpdate};
pub use group_offsets::{CommittedOffset, GroupLag, OffsetMove, OffsetPlan, OffsetReset};
pub use groups::{GroupDescription, GroupFilter, GroupList, GroupListing, GroupMember};
pub use heartbeats::{ConsumerHeartbeat, HeartbeatAnswer, ShareHeartbeat};
pub use leader_epochs::EpochEnd;
pub use log_dirs::{LogDir, Replica, ReplicaInfo};
pub use membership::Membership;
pub use offsets::{ListedOffset, OffsetSpec};
pub use outcome::Outcome;
pub use partitions::{MorePartitions, PartitionDescription, TopicDescription};
pub use plans::acls::AclDeletionPlan;
pub use plans::groups::{GroupDeletion, GroupDeletionPlan};
pub use plans::reassignments::{PlannedReassignment, ReassignmentPlan};
pub use plans::records::{RecordDeletion, RecordDeletionPlan};
pub use plans::topics::{TopicDeletion, TopicDeletionPlan};
pub use quorum::{Quorum, QuorumNode, QuorumReplica, VoterListener};
pub use quotas::{QuotaAlteration, QuotaEntity, QuotaFilter, QuotaMatch};
pub use reassignments::Reassignment;
pub use records::DeleteBefore;
pub use resource::{Resource, TopicIdPartition, TopicPartition};
pub use share_acknowledgements::{AcknowledgeType, Acknowledgement, ShareAcknowledged};
pub use share_offsets::ShareOffset;
pub use share_sessions::{AcquiredRecords, ShareAcquireMode, ShareFetch, ShareFetched, ShareSession, SharedRecords};
pub use streams_groups::{
    StreamsAssignment, StreamsGroupDescription, StreamsInternalTopic, StreamsMember, StreamsSubtopology, StreamsTask,
    StreamsTopology,
};
pub use streams_heartbeats::{
    NewStreamsSubtopology, NewStreamsTopology, StreamsEndpoint, StreamsHeartbeat, StreamsHeartbeatAnswer,
    StreamsStatus, StreamsStatusCode,
};
pub use telemetry::{TelemetryPush, TelemetrySubscription, TelemetryTemporality};
pub use tokens::{DelegationToken, NewToken, Principal};
pub use topics::{CreatedTopic, NewTopic, Replicas, TopicListing};
pub use transaction_steps::{Producer, TransactionEnd, TransactionProtocol};
pub use transactions::{
    HangingTransaction, ProducerState, TransactionDescription, TransactionFilter, TransactionList, TransactionListing,
};
pub use users::{ScramAlteration, ScramCredential};
