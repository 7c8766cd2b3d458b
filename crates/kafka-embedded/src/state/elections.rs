//! Who leads: what the controller decides when brokers come and go, or a test wants it otherwise.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::state::{State, Status};

/// Why a partition cannot be led so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElectionError {
    /// There is no such topic or partition.
    #[error("there is no partition {1} of a topic {0:?}")]
    UnknownPartition(SmolStr, i32),
    /// There is no such broker, it has no replica, or it is stopped.
    #[error("broker {0} cannot lead: it has no replica, or is stopped")]
    NoReplica(i32),
}

/// Whom a client wants to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Election {
    /// The first replica.
    Preferred,
    /// Any replica that is there, where nobody leads.
    Unclean,
}

impl State {
    /// Has a partition led as a client wants it.
    ///
    /// # Errors
    /// What a controller answers: `ELECTION_NOT_NEEDED` where it is led so.
    pub(crate) fn elect_anew(&mut self, topic: &str, index: i32, election: Election) -> Result<(), ErrorCode> {
        let partition = self.partition(topic, index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let leader = match election {
            Election::Preferred => {
                let preferred = partition.replicas.first().copied().unwrap_or(-1);
                if partition.leader == preferred {
                    return Err(ErrorCode::ELECTION_NOT_NEEDED);
                }
                let able = self.is_alive(preferred) && partition.isr.contains(&preferred);
                able.then_some(preferred).ok_or(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE)?
            }
            Election::Unclean if partition.leader >= 0 => return Err(ErrorCode::ELECTION_NOT_NEEDED),
            Election::Unclean => {
                let alive = partition.replicas.iter().find(|replica| self.is_alive(**replica));
                *alive.ok_or(ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE)?
            }
        };
        self.elect(topic, index, leader).map_err(|_| ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE)
    }

    /// Makes a replica the leader. One that is not in sync loses what it does not have: the election is unclean.
    pub(crate) fn elect(&mut self, topic: &str, index: i32, broker: i32) -> Result<(), ElectionError> {
        let alive = self.is_alive(broker);
        let unknown = || ElectionError::UnknownPartition(topic.into(), index);
        let partition = self.partition_mut(topic, index).ok_or_else(unknown)?;
        if !alive || !partition.replicas.contains(&broker) {
            return Err(ElectionError::NoReplica(broker));
        }
        if !partition.isr.contains(&broker) {
            partition.isr = vec![broker];
        }
        partition.set_leader(broker);
        self.replicate(topic, index);
        self.go_on_with_endings();
        Ok(())
    }

    /// A broker is gone: others lead what it led, if they are in sync.
    pub(crate) fn stop(&mut self, broker: i32) {
        let Some(stopped) = self.brokers.get_mut(&broker) else {
            return;
        };
        stopped.status = Status::Stopped;
        stopped.sessions.clear();
        for (topic, index) in self.all_partitions() {
            let Some(partition) = self.partition_mut(&topic, index) else {
                continue;
            };
            if partition.isr.len() > 1 {
                partition.isr.retain(|replica| *replica != broker);
            }
            if partition.leader == broker {
                self.elect_in_sync(&topic, index);
            }
        }
        self.replicate_all();
    }

    /// A broker is back: it leads what nobody can but it, and follows the rest.
    pub(crate) fn start(&mut self, broker: i32) {
        let Some(started) = self.brokers.get_mut(&broker).filter(|started| started.status == Status::Stopped) else {
            return;
        };
        started.status = Status::Running;
        for (topic, index) in self.all_partitions() {
            if self.partition(&topic, index).is_some_and(|partition| partition.leader < 0) {
                self.elect_in_sync(&topic, index);
            }
        }
        self.replicate_all();
        self.go_on_with_endings();
    }

    /// The first replica that is in sync and alive leads; without one nobody does, unless the topic takes any.
    pub(super) fn elect_in_sync(&mut self, topic: &str, index: i32) {
        let unclean = self.topic(topic).is_some_and(|topic| topic.config("unclean.leader.election.enable") == "true");
        let Some(partition) = self.partition(topic, index) else {
            return;
        };
        let alive = |replica: &&i32| self.is_alive(**replica);
        let in_sync = partition.replicas.iter().filter(alive).find(|replica| partition.isr.contains(replica)).copied();
        let any = if unclean { partition.replicas.iter().find(alive).copied() } else { None };
        let leader = in_sync.or(any).unwrap_or(-1);
        if leader < 0 && partition.leader < 0 {
            return;
        }
        if let Some(partition) = self.partition_mut(topic, index) {
            if in_sync.is_none() && leader >= 0 {
                partition.isr = vec![leader];
            }
            partition.set_leader(leader);
        }
    }
}
