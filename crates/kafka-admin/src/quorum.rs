//! The quorum of controllers (KIP-595, KIP-853): describe, add and remove voters.

use kafka_conn::BrokerId;
use kafka_protocol::Uuid;
use kafka_protocol::messages::add_raft_voter::{self, AddRaftVoterRequest};
use kafka_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumRequestPartitionData, DescribeQuorumRequestTopicData, DescribeQuorumResponse,
    ReplicaState,
};
use kafka_protocol::messages::remove_raft_voter::RemoveRaftVoterRequest;
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::error::{Error, ErrorKind, Result};
use crate::resource::Resource;

/// The quorum that keeps the cluster's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller; `None` while there is none.
    pub leader: Option<BrokerId>,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Up to which offset the metadata log is agreed on.
    pub high_watermark: i64,
    /// Who votes, by id.
    pub voters: Vec<QuorumReplica>,
    /// Who only follows, by id: the brokers, and controllers without a vote.
    pub observers: Vec<QuorumReplica>,
    /// Where its nodes are reached; empty before Kafka 3.8.
    pub nodes: Vec<QuorumNode>,
}

/// A copy of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumReplica {
    /// The node that keeps it.
    pub id: BrokerId,
    /// The folder it is in; zero before Kafka 3.9.
    pub directory: Uuid,
    /// Where it ends; `None` where that is not known.
    pub log_end_offset: Option<i64>,
    /// When it last fetched, in milliseconds since 1970; `None` where that is not known (before Kafka 3.3).
    pub last_fetch_ms: Option<i64>,
    /// When it last had everything, in milliseconds since 1970; `None` as above.
    pub last_caught_up_ms: Option<i64>,
}

/// A node of the quorum, and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumNode {
    /// Its id.
    pub id: BrokerId,
    /// Its listeners.
    pub listeners: Vec<VoterListener>,
}

/// A listener of a node of the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterListener {
    /// Its name, such as `CONTROLLER`.
    pub name: SmolStr,
    /// The host.
    pub host: SmolStr,
    /// The port.
    pub port: u16,
}

impl Admin {
    /// Describes the quorum (DescribeQuorum).
    ///
    /// # Errors
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`Connection`](ErrorKind::Connection) (a cluster with ZooKeeper has
    /// no quorum), [`NoAnswer`](ErrorKind::NoAnswer).
    pub async fn describe_quorum(&self) -> Result<Quorum> {
        let partition = DescribeQuorumRequestPartitionData::default();
        let topic = DescribeQuorumRequestTopicData {
            topic_name: SmolStr::new_static(METADATA_TOPIC),
            partitions: vec![partition],
            ..DescribeQuorumRequestTopicData::default()
        };
        let request = |_| DescribeQuorumRequest { topics: vec![topic.clone()], ..DescribeQuorumRequest::default() };
        quorum(self.ask_controller(request, |response| (response.error_code, 0)).await?)
    }

    /// Gives a controller a vote (AddRaftVoter). It must be running, and have caught up. Where the cluster id is given,
    /// another cluster refuses.
    ///
    /// # Errors
    /// [`Duplicate`](ErrorKind::Duplicate), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`NotOffered`](ErrorKind::NotOffered) where the quorum is a fixed one, [`TimedOut`](ErrorKind::TimedOut),
    /// [`Connection`](ErrorKind::Connection).
    pub async fn add_raft_voter(
        &self,
        cluster_id: Option<&str>,
        voter: BrokerId,
        directory: Uuid,
        listeners: &[VoterListener],
    ) -> Result<()> {
        let listener = |listener: &VoterListener| add_raft_voter::Listener {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: listener.port,
            ..add_raft_voter::Listener::default()
        };
        let request = |timeout_ms| AddRaftVoterRequest {
            cluster_id: cluster_id.map(SmolStr::new),
            timeout_ms,
            voter_id: voter.0,
            voter_directory_id: directory,
            listeners: listeners.iter().map(listener).collect(),
            ..AddRaftVoterRequest::default()
        };
        let response =
            self.ask_controller(request, |response| (response.error_code, response.throttle_time_ms)).await?;
        Error::check(response.error_code, response.error_message.as_ref()).map_err(|error| error.about(node(voter)))
    }

    /// Takes a controller's vote away (RemoveRaftVoter). Where the cluster id is given, another cluster refuses.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), and as [`add_raft_voter`](Self::add_raft_voter).
    pub async fn remove_raft_voter(&self, cluster_id: Option<&str>, voter: BrokerId, directory: Uuid) -> Result<()> {
        let request = |_| RemoveRaftVoterRequest {
            cluster_id: cluster_id.map(SmolStr::new),
            voter_id: voter.0,
            voter_directory_id: directory,
            ..RemoveRaftVoterRequest::default()
        };
        let response =
            self.ask_controller(request, |response| (response.error_code, response.throttle_time_ms)).await?;
        Error::check(response.error_code, response.error_message.as_ref()).map_err(|error| error.about(node(voter)))
    }
}

fn quorum(response: DescribeQuorumResponse) -> Result<Quorum> {
    Error::check(response.error_code, response.error_message.as_ref())?;
    let partitions = response.topics.into_iter().filter(|topic| topic.topic_name == METADATA_TOPIC);
    let partition = partitions.flat_map(|topic| topic.partitions).next();
    let partition = partition.ok_or_else(|| Error::new(ErrorKind::NoAnswer))?;
    Error::check(partition.error_code, partition.error_message.as_ref())?;
    let node = |node: kafka_protocol::messages::describe_quorum::Node| QuorumNode {
        id: BrokerId(node.node_id),
        listeners: node
            .listeners
            .into_iter()
            .map(|listener| VoterListener { name: listener.name, host: listener.host, port: listener.port })
            .collect(),
    };
    Ok(Quorum {
        leader: (partition.leader_id >= 0).then_some(BrokerId(partition.leader_id)),
        leader_epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark,
        voters: replicas(partition.current_voters),
        observers: replicas(partition.observers),
        nodes: response.nodes.into_iter().map(node).collect(),
    })
}

fn replicas(states: Vec<ReplicaState>) -> Vec<QuorumReplica> {
    let known = |number: i64| (number >= 0).then_some(number);
    let replica = |state: ReplicaState| QuorumReplica {
        id: BrokerId(state.replica_id),
        directory: state.replica_directory_id,
        log_end_offset: known(state.log_end_offset),
        last_fetch_ms: known(state.last_fetch_timestamp),
        last_caught_up_ms: known(state.last_caught_up_timestamp),
    };
    let mut replicas: Vec<_> = states.into_iter().map(replica).collect();
    replicas.sort_by_key(|replica| replica.id);
    replicas
}

fn node(id: BrokerId) -> Resource {
    Resource::Broker(id)
}

const METADATA_TOPIC: &str = "__cluster_metadata";
