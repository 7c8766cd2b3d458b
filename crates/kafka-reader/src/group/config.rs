//! How a member of a group behaves.

use std::sync::Arc;
use std::time::Duration;

use kafka_conn::Backoff;
use smol_str::SmolStr;

use super::membership::MemberConfig;
use crate::assignor::{Assignor, CooperativeStickyAssignor, RangeAssignor};
use crate::config::{LONGEST_WAIT, StartOffset};
use crate::error::{Error, ErrorKind, Result};
use crate::topic_names::TopicNames;

/// How a member of a consumer group behaves: `GroupConfig { group_id, topics, ..GroupConfig::default() }`.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// The group. No default (`group.id`, kafka-go `GroupID`).
    pub group_id: SmolStr,
    /// The topics. No default (kafka-go `GroupTopics`, Java `subscribe`).
    pub topics: TopicNames,
    /// The name of a static member, unique within the group: it may be away for
    /// [`session_timeout`](Self::session_timeout) without the group noticing. Default: none, a dynamic member
    /// (`group.instance.id`, KIP-345).
    pub instance_id: Option<SmolStr>,
    /// The rack this member is in, for assignors that heed it. Default: none (`client.rack`).
    pub rack: Option<SmolStr>,
    /// The assignors that this member has, the preferred one first; members of a group must have one in common. The
    /// group rebalances incrementally where all of them are cooperative. Default: range, then cooperative-sticky
    /// (`partition.assignment.strategy`, kafka-go `GroupBalancers`).
    pub assignors: Vec<Arc<dyn Assignor>>,
    /// After how long without a heartbeat the group goes on without this member. Default 45 s (`session.timeout.ms`;
    /// kafka-go: 30 s).
    pub session_timeout: Duration,
    /// How often the member tells that it is there. Default 3 s (`heartbeat.interval.ms`).
    pub heartbeat_interval: Duration,
    /// How long the group waits for all members to join again, and this member for its application to give partitions
    /// up. Default 60 s (kafka-go `RebalanceTimeout`, there 30 s; Java uses `max.poll.interval.ms`).
    pub rebalance_timeout: Duration,
    /// How long the application may be busy with what it got until this member leaves the group, so that others get its
    /// partitions; a [`Reader`](crate::Reader) says so with an error, and joins again when asked for more. Default 5 min (`max.poll.interval.ms`).
    pub max_poll_interval: Duration,
    /// How often offsets that were processed are committed in the background; zero: each call to commit waits until it
    /// is done. Default 1 s (`auto.commit.interval.ms`, kafka-go `CommitInterval`, there zero).
    pub commit_interval: Duration,
    /// Where to start partitions for which the group has no offset: first or last. It is committed when a partition is
    /// assigned, so that who takes over starts there as well. Default [`StartOffset::First`] (`auto.offset.reset`,
    /// kafka-go `StartOffset`).
    pub start_offset: StartOffset,
    /// How often new topics and partitions are looked for. Default 30 s (`metadata.max.age.ms`, kafka-go
    /// `PartitionWatchInterval`, there 5 s).
    pub topics_interval: Duration,
    /// Pauses between attempts where the coordinator is away. Default 100 ms growing to 1 s, with jitter
    /// (`retry.backoff.ms`; kafka-go `JoinGroupBackoff`).
    pub backoff: Backoff,
    /// How long a commit is tried for. Default 30 s (`default.api.timeout.ms`).
    pub commit_timeout: Duration,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            group_id: SmolStr::default(),
            topics: TopicNames::default(),
            instance_id: None,
            rack: None,
            assignors: vec![Arc::new(RangeAssignor), Arc::new(CooperativeStickyAssignor)],
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(60),
            max_poll_interval: Duration::from_secs(300),
            commit_interval: Duration::from_secs(1),
            start_offset: StartOffset::First,
            topics_interval: Duration::from_secs(30),
            backoff: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) },
            commit_timeout: Duration::from_secs(30),
        }
    }
}

impl GroupConfig {
    /// What a member goes by, where the configuration can work.
    pub(crate) fn parse(&self) -> Result<MemberConfig> {
        let invalid = |what| Err(Error::new(ErrorKind::InvalidConfig(what)));
        let milliseconds = |duration: Duration| i32::try_from(duration.as_millis()).is_ok_and(|millis| millis > 0);
        if self.group_id.is_empty() {
            return invalid("group_id is empty");
        }
        if !self.topics.is_valid() {
            return invalid("a group needs topics, each named once, and none with an empty name");
        }
        if self.assignors.is_empty() {
            return invalid("a group needs an assignor");
        }
        if !milliseconds(self.session_timeout) || !milliseconds(self.rebalance_timeout) {
            return invalid("session_timeout and rebalance_timeout must be 1 to 2^31 - 1 ms");
        }
        if self.heartbeat_interval.is_zero() || self.heartbeat_interval >= self.session_timeout {
            return invalid("heartbeat_interval must be shorter than session_timeout");
        }
        if matches!(self.start_offset, StartOffset::At(_)) {
            return invalid("a group starts at first or last");
        }
        if self.instance_id.as_ref().is_some_and(|id| id.is_empty()) {
            return invalid("instance_id is empty");
        }
        Ok(MemberConfig {
            group_id: self.group_id.clone(),
            instance_id: self.instance_id.clone(),
            rack: self.rack.clone(),
            assignors: self.assignors.clone(),
            session_timeout: self.session_timeout,
            rebalance_timeout: self.rebalance_timeout,
            heartbeat_interval: self.heartbeat_interval,
            max_poll_interval: self.max_poll_interval.min(LONGEST_WAIT),
            backoff: self.backoff.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        let good = || GroupConfig { group_id: "g".into(), topics: ["t"].into(), ..GroupConfig::default() };
        assert!(good().parse().is_ok());
        for config in [
            GroupConfig { group_id: SmolStr::default(), ..good() },
            GroupConfig { topics: TopicNames::default(), ..good() },
            GroupConfig { topics: [""].into(), ..good() },
            GroupConfig { assignors: Vec::new(), ..good() },
            GroupConfig { heartbeat_interval: Duration::from_secs(60), ..good() },
            GroupConfig { session_timeout: Duration::from_secs(1 << 32), ..good() },
            GroupConfig { start_offset: StartOffset::At(5), ..good() },
            GroupConfig { instance_id: Some(SmolStr::default()), ..good() },
        ] {
            assert!(matches!(config.parse().unwrap_err().kind(), ErrorKind::InvalidConfig(_)), "{config:?}");
        }
    }
}
