//! A member of a group.
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::Message;
use kafka_protocol::messages::consumer_protocol::ConsumerProtocolSubscription;
use smol_str::SmolStr;

/// Who a member is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: SmolStr,
    pub(crate) host: SmolStr,
}

/// What a member says when it joins.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) client: Client,
    pub(crate) instance_id: Option<SmolStr>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: SmolStr,
    /// What it can do, the best first, and what it tells the leader for each.
    pub(crate) protocols: Vec<(SmolStr, Bytes)>,
}

impl Subscription {
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// About the bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        let protocols = self.protocols.iter().map(|(name, metadata)| PROTOCOL_SIZE + name.len() + metadata.len());
        let names = self.client.id.len() + self.client.host.len() + self.protocol_type.len();
        protocols.sum::<usize>() + names + self.instance_id.as_ref().map_or(0, SmolStr::len) + MEMBER_SIZE
    }
}

/// A member of a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) subscription: Subscription,
    pub(crate) assignment: Bytes,
    /// Which join it waits with, if it does.
    pub(crate) joining: Option<u64>,
    /// Whether it waits for its assignment.
    pub(crate) syncing: bool,
    /// Whether it has asked for its assignment in this generation.
    pub(crate) synced: bool,
    /// When it counts as gone, unless it is heard of.
    pub(crate) expires: Instant,
}

impl Member {
    pub(crate) fn new(subscription: Subscription, now: Instant) -> Self {
        let (assignment, joining, syncing, synced, expires) = (Bytes::new(), None, false, false, now);
        let mut member = Self { subscription, assignment, joining, syncing, synced, expires };
        member.heard_of(now);
        member
    }

    /// About the bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.subscription.size() + self.assignment.len()
    }

    pub(crate) fn heard_of(&mut self, now: Instant) {
        self.expires = now.checked_add(self.subscription.session_timeout).unwrap_or(now);
    }

    /// When it counts as gone; not while it waits for the coordinator.
    pub(crate) fn expiry(&self) -> Option<Instant> {
        (self.joining.is_none() && !self.syncing).then_some(self.expires)
    }

    /// The topics that it is subscribed to, as far as its metadata says so.
    pub(crate) fn topics(&self, protocol: &str) -> Vec<SmolStr> {
        let metadata = self.subscription.metadata(protocol);
        let Some((version, body)) = metadata.split_first_chunk::<2>() else {
            return Vec::new();
        };
        let version = i16::from_be_bytes(*version).clamp(0, ConsumerProtocolSubscription::TYPE.versions.max);
        let mut body = metadata.slice_ref(body);
        let read = ConsumerProtocolSubscription::decode_prefix(version, &mut body, &Default::default());
        read.map(|subscription| subscription.topics).unwrap_or_default()
    }
}

/// What a member takes without its texts.
const MEMBER_SIZE: usize = 512;
/// What a protocol takes without its texts.
const PROTOCOL_SIZE: usize = 64;
