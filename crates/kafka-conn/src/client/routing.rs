//! Where each API's requests belong: one table, a row for every key.
//!
//! Sans-IO.

use kafka_protocol::ApiKey;

use crate::route::Lane;

/// Where requests of an API belong, as [`Client::send`](crate::Client::send) sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Routing {
    /// To any broker: each knows the answer, or asks who does.
    Any,
    /// To the controller; in KRaft clusters brokers forward to it.
    Controller,
    /// To the leaders of the partitions that it names; split by broker, and the answers merged.
    Leaders,
    /// To the coordinators of the groups that it names; split where it names several, and the answers merged.
    Groups,
    /// To the coordinators of the transactional ids that it names; split where it names several, and the answers
    /// merged. Without one, as for an idempotent producer, to any broker.
    Transactions,
    /// Configurations of a broker to that broker, others to any; split, and the answers merged.
    Resources,
    /// To every broker, and the answers merged.
    Everyone,
    /// To a broker that the caller names ([`Client::send_to`](crate::Client::send_to)): the answer is about that broker,
    /// or belongs to a session with it.
    Named,
    /// Nowhere: connections send it by themselves, where they are set up.
    Connection,
    /// Nowhere: brokers and controllers send it to each other.
    Internal,
}

impl Routing {
    /// Where requests of an API belong; `None` for a key that this crate does not know.
    ///
    /// ```
    /// use kafka_conn::Routing;
    /// use kafka_protocol::ApiKey;
    ///
    /// assert_eq!(Routing::of(ApiKey::LIST_OFFSETS), Some(Routing::Leaders));
    /// assert_eq!(Routing::of(ApiKey(12345)), None);
    /// ```
    pub fn of(api: ApiKey) -> Option<Self> {
        row(api).map(|row| row.routing)
    }
}

/// Whether a request may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It only reads, or has the same effect however often it is made.
    Safe,
    /// Only where it certainly had no effect.
    Refused,
}

/// What the table says of an API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    api: ApiKey,
    pub(crate) routing: Routing,
    pub(crate) repeat: Repeat,
    pub(crate) lane: Lane,
    /// The newest version for clients that name topics, or for clients at all.
    pub(crate) max_version: Option<i16>,
}

impl Row {
    const fn reads(api: ApiKey, routing: Routing) -> Self {
        Self { api, routing, repeat: Repeat::Safe, lane: Lane::General, max_version: None }
    }

    const fn changes(api: ApiKey, routing: Routing) -> Self {
        Self { repeat: Repeat::Refused, ..Self::reads(api, routing) }
    }

    const fn internal(api: ApiKey) -> Self {
        Self::changes(api, Routing::Internal)
    }

    const fn on(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    const fn up_to(self, version: i16) -> Self {
        Self { max_version: Some(version), ..self }
    }
}

pub(crate) fn row(api: ApiKey) -> Option<&'static Row> {
    let index = ROWS.binary_search_by_key(&api, |row| row.api).ok()?;
    ROWS.get(index)
}

/// In ascending order of the keys. From the versions on that are left out, Produce, Fetch, OffsetCommit and OffsetFetch
/// name topics by their ids, and AddPartitionsToTxn is for brokers.
const ROWS: &[Row] = {
    use Routing::*;
    &[
        Row::changes(ApiKey::PRODUCE, Leaders).on(Lane::Produce).up_to(12),
        Row::reads(ApiKey::FETCH, Leaders).on(Lane::Waiting).up_to(12),
        Row::reads(ApiKey::LIST_OFFSETS, Leaders),
        Row::reads(ApiKey::METADATA, Any),
        Row::internal(ApiKey::LEADER_AND_ISR),
        Row::internal(ApiKey::STOP_REPLICA),
        Row::internal(ApiKey::UPDATE_METADATA),
        Row::internal(ApiKey::CONTROLLED_SHUTDOWN),
        Row::changes(ApiKey::OFFSET_COMMIT, Groups).up_to(9),
        Row::reads(ApiKey::OFFSET_FETCH, Groups).up_to(9),
        Row::reads(ApiKey::FIND_COORDINATOR, Any),
        Row::changes(ApiKey::JOIN_GROUP, Groups).on(Lane::Waiting),
        Row::changes(ApiKey::HEARTBEAT, Groups),
        Row::changes(ApiKey::LEAVE_GROUP, Groups),
        Row::changes(ApiKey::SYNC_GROUP, Groups).on(Lane::Waiting),
        Row::reads(ApiKey::DESCRIBE_GROUPS, Groups),
        Row::reads(ApiKey::LIST_GROUPS, Everyone),
        Row::changes(ApiKey::SASL_HANDSHAKE, Connection),
        Row::reads(ApiKey::API_VERSIONS, Any),
        Row::changes(ApiKey::CREATE_TOPICS, Controller),
        Row::changes(ApiKey::DELETE_TOPICS, Controller),
        Row::changes(ApiKey::DELETE_RECORDS, Leaders),
        Row::changes(ApiKey::INIT_PRODUCER_ID, Transactions),
        Row::reads(ApiKey::OFFSET_FOR_LEADER_EPOCH, Leaders),
        Row::changes(ApiKey::ADD_PARTITIONS_TO_TXN, Transactions).up_to(3),
        Row::changes(ApiKey::ADD_OFFSETS_TO_TXN, Transactions),
        Row::changes(ApiKey::END_TXN, Transactions),
        Row::changes(ApiKey::WRITE_TXN_MARKERS, Named),
        Row::changes(ApiKey::TXN_OFFSET_COMMIT, Groups),
        Row::reads(ApiKey::DESCRIBE_ACLS, Any),
        Row::changes(ApiKey::CREATE_ACLS, Controller),
        Row::changes(ApiKey::DELETE_ACLS, Controller),
        Row::reads(ApiKey::DESCRIBE_CONFIGS, Resources),
        Row::changes(ApiKey::ALTER_CONFIGS, Resources),
        Row::changes(ApiKey::ALTER_REPLICA_LOG_DIRS, Named),
        Row::reads(ApiKey::DESCRIBE_LOG_DIRS, Named),
        Row::changes(ApiKey::SASL_AUTHENTICATE, Connection),
        Row::changes(ApiKey::CREATE_PARTITIONS, Controller),
        Row::changes(ApiKey::CREATE_DELEGATION_TOKEN, Controller),
        Row::changes(ApiKey::RENEW_DELEGATION_TOKEN, Controller),
        Row::changes(ApiKey::EXPIRE_DELEGATION_TOKEN, Controller),
        Row::reads(ApiKey::DESCRIBE_DELEGATION_TOKEN, Any),
        Row::changes(ApiKey::DELETE_GROUPS, Groups),
        Row::changes(ApiKey::ELECT_LEADERS, Controller),
        Row::changes(ApiKey::INCREMENTAL_ALTER_CONFIGS, Resources),
        Row::changes(ApiKey::ALTER_PARTITION_REASSIGNMENTS, Controller),
        Row::reads(ApiKey::LIST_PARTITION_REASSIGNMENTS, Controller),
        Row::changes(ApiKey::OFFSET_DELETE, Groups),
        Row::reads(ApiKey::DESCRIBE_CLIENT_QUOTAS, Any),
        Row::changes(ApiKey::ALTER_CLIENT_QUOTAS, Controller),
        Row::reads(ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS, Any),
        Row::changes(ApiKey::ALTER_USER_SCRAM_CREDENTIALS, Controller),
        Row::internal(ApiKey::VOTE),
        Row::internal(ApiKey::BEGIN_QUORUM_EPOCH),
        Row::internal(ApiKey::END_QUORUM_EPOCH),
        Row::reads(ApiKey::DESCRIBE_QUORUM, Any),
        Row::internal(ApiKey::ALTER_PARTITION),
        Row::changes(ApiKey::UPDATE_FEATURES, Controller),
        Row::internal(ApiKey::ENVELOPE),
        Row::internal(ApiKey::FETCH_SNAPSHOT),
        Row::reads(ApiKey::DESCRIBE_CLUSTER, Any),
        Row::reads(ApiKey::DESCRIBE_PRODUCERS, Leaders),
        Row::internal(ApiKey::BROKER_REGISTRATION),
        Row::internal(ApiKey::BROKER_HEARTBEAT),
        Row::changes(ApiKey::UNREGISTER_BROKER, Controller),
        Row::reads(ApiKey::DESCRIBE_TRANSACTIONS, Transactions),
        Row::reads(ApiKey::LIST_TRANSACTIONS, Everyone),
        Row::internal(ApiKey::ALLOCATE_PRODUCER_IDS),
        Row::changes(ApiKey::CONSUMER_GROUP_HEARTBEAT, Groups),
        Row::reads(ApiKey::CONSUMER_GROUP_DESCRIBE, Groups),
        Row::internal(ApiKey::CONTROLLER_REGISTRATION),
        Row::reads(ApiKey::GET_TELEMETRY_SUBSCRIPTIONS, Any),
        Row::changes(ApiKey::PUSH_TELEMETRY, Any),
        Row::internal(ApiKey::ASSIGN_REPLICAS_TO_DIRS),
        Row::reads(ApiKey::LIST_CONFIG_RESOURCES, Any),
        Row::reads(ApiKey::DESCRIBE_TOPIC_PARTITIONS, Any),
        Row::changes(ApiKey::SHARE_GROUP_HEARTBEAT, Groups),
        Row::reads(ApiKey::SHARE_GROUP_DESCRIBE, Groups),
        Row::changes(ApiKey::SHARE_FETCH, Named).on(Lane::Waiting),
        Row::changes(ApiKey::SHARE_ACKNOWLEDGE, Named).on(Lane::Waiting),
        Row::changes(ApiKey::ADD_RAFT_VOTER, Controller),
        Row::changes(ApiKey::REMOVE_RAFT_VOTER, Controller),
        Row::internal(ApiKey::UPDATE_RAFT_VOTER),
        Row::internal(ApiKey::INITIALIZE_SHARE_GROUP_STATE),
        Row::internal(ApiKey::READ_SHARE_GROUP_STATE),
        Row::internal(ApiKey::WRITE_SHARE_GROUP_STATE),
        Row::internal(ApiKey::DELETE_SHARE_GROUP_STATE),
        Row::internal(ApiKey::READ_SHARE_GROUP_STATE_SUMMARY),
        Row::changes(ApiKey::STREAMS_GROUP_HEARTBEAT, Groups),
        Row::reads(ApiKey::STREAMS_GROUP_DESCRIBE, Groups),
        Row::reads(ApiKey::DESCRIBE_SHARE_GROUP_OFFSETS, Groups),
        Row::changes(ApiKey::ALTER_SHARE_GROUP_OFFSETS, Groups),
        Row::changes(ApiKey::DELETE_SHARE_GROUP_OFFSETS, Groups),
    ]
};

#[cfg(test)]
mod tests {
    use kafka_protocol::Listener;

    use super::*;
    #[cfg(feature = "client")]
    use crate::client::split::splitter;

    #[test]
    fn every_api_has_its_row() {
        let keys: Vec<_> = ROWS.iter().map(|row| row.api).collect();
        assert_eq!(keys, ApiKey::ALL, "a key without a row, or rows out of order");
    }

    #[test]
    fn what_brokers_do_not_serve_is_internal() {
        for row in ROWS {
            let served = row.api.listeners().contains(&Listener::Broker);
            assert!(served || row.routing == Routing::Internal, "{}", row.api);
        }
    }

    #[test]
    fn versions_that_are_left_out_exist() {
        for row in ROWS {
            assert!(row.max_version.is_none_or(|max| max < row.api.versions().max), "{}", row.api);
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn what_is_split_can_be() {
        use Routing::{Everyone, Groups, Leaders, Resources, Transactions};
        for row in ROWS {
            let split = matches!(row.routing, Everyone | Groups | Leaders | Resources | Transactions);
            // What goes to the controller may have items, too.
            let may = split || row.routing == Routing::Controller;
            assert!(splitter(row.api).is_some() || !split, "{} cannot be split", row.api);
            assert!(splitter(row.api).is_none() || may, "{} need not be split", row.api);
        }
    }
}
