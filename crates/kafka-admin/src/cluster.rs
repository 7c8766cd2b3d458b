//! The cluster: its brokers and controller, and brokers that are gone for good.

use kafka_conn::{BrokerAddress, BrokerId, Route};
use kafka_protocol::messages::describe_cluster::{DescribeClusterBroker, DescribeClusterRequest};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use kafka_protocol::messages::unregister_broker::UnregisterBrokerRequest;
use smol_str::SmolStr;

use crate::acls::AclOperation;
use crate::admin::Admin;
use crate::call::Attempts;
use crate::error::{Error, ErrorKind, Result};
use crate::resource::Resource;

/// A cluster, as a broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id; `None` from brokers before Kafka 0.10.1.
    pub id: Option<SmolStr>,
    /// The controller; in KRaft clusters, any broker that will pass requests on to it. `None` where there is none now.
    pub controller: Option<BrokerId>,
    /// Its brokers, by id.
    pub brokers: Vec<BrokerDescription>,
    /// What this user may do to the cluster; `None` where the broker does not tell (before Kafka 2.3).
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// A broker of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerDescription {
    /// Its id.
    pub id: BrokerId,
    /// Where it is reached.
    pub host: SmolStr,
    /// The port there.
    pub port: u16,
    /// Where it stands (`broker.rack`).
    pub rack: Option<SmolStr>,
    /// Whether it is registered, but must not serve yet, or no longer (Kafka 4.0 and later tell).
    pub is_fenced: bool,
}

impl BrokerDescription {
    /// Where it is reached, as an address.
    ///
    /// # Errors
    /// [`kafka_conn::AddressError`] where the broker advertises none that can be.
    pub fn address(&self) -> Result<BrokerAddress, kafka_conn::AddressError> {
        BrokerAddress::new(self.host.as_str(), self.port)
    }
}

impl Admin {
    /// Describes the cluster (DescribeCluster; Metadata of brokers before Kafka 2.8).
    ///
    /// # Errors
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn describe_cluster(&self) -> Result<ClusterDescription> {
        let mut attempts = Attempts::new(self);
        // A cluster whose brokers lack the request says so before anything is sent.
        let version = match attempts.version::<DescribeClusterRequest>(Route::Any).await {
            Err(error) if *error.kind() == ErrorKind::NotOffered => {
                return self.describe_by_metadata(&mut attempts).await;
            }
            version => version?,
        };
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: true,
            include_fenced_brokers: version >= 2,
            ..DescribeClusterRequest::default()
        };
        let response = attempts.call(&request, Route::Any, Some(version)).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        let mut brokers: Vec<_> = response.brokers.into_iter().map(broker).collect();
        brokers.sort_by_key(|broker| broker.id);
        Ok(ClusterDescription {
            id: Some(response.cluster_id),
            controller: known(response.controller_id),
            brokers,
            authorized_operations: operations(response.cluster_authorized_operations),
        })
    }

    async fn describe_by_metadata(&self, attempts: &mut Attempts<'_>) -> Result<ClusterDescription> {
        // Later versions leave the cluster's operations to DescribeCluster.
        let version = attempts.version::<MetadataRequest>(Route::Any).await?.min(LAST_METADATA_WITH_OPERATIONS);
        let request = MetadataRequest {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: false,
            include_cluster_authorized_operations: version >= FIRST_METADATA_WITH_OPERATIONS,
            ..MetadataRequest::default()
        };
        Ok(from_metadata(attempts.call(&request, Route::Any, Some(version)).await?))
    }

    /// Lets a KRaft cluster forget a broker that is gone for good (UnregisterBroker).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`NotAuthorized`](crate::ErrorKind::NotAuthorized),
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn unregister_broker(&self, broker: BrokerId) -> Result<()> {
        let request = |_| UnregisterBrokerRequest { broker_id: broker.0, ..UnregisterBrokerRequest::default() };
        let response =
            self.ask_controller(request, |response| (response.error_code, response.throttle_time_ms)).await?;
        Error::check(response.error_code, response.error_message.as_ref())
            .map_err(|error| error.about(Resource::Broker(broker)))
    }
}

fn broker(broker: DescribeClusterBroker) -> BrokerDescription {
    BrokerDescription {
        id: BrokerId(broker.broker_id),
        host: broker.host,
        port: port(broker.port),
        rack: broker.rack,
        is_fenced: broker.is_fenced,
    }
}

fn from_metadata(response: MetadataResponse) -> ClusterDescription {
    let broker = |broker: kafka_protocol::messages::metadata::MetadataResponseBroker| BrokerDescription {
        id: BrokerId(broker.node_id),
        host: broker.host,
        port: port(broker.port),
        rack: broker.rack,
        is_fenced: false,
    };
    let mut brokers: Vec<_> = response.brokers.into_iter().map(broker).collect();
    brokers.sort_by_key(|broker| broker.id);
    ClusterDescription {
        id: response.cluster_id,
        controller: known(response.controller_id),
        brokers,
        authorized_operations: operations(response.cluster_authorized_operations),
    }
}

fn known(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}

/// A port that no connection can have is as good as none: connecting says so.
fn port(port: i32) -> u16 {
    u16::try_from(port).unwrap_or_default()
}

/// The operations of a bit field, a bit for each code; the least number means that it was not filled in.
pub(crate) fn operations(bits: i32) -> Option<Vec<AclOperation>> {
    let is_set =
        |operation: &AclOperation| bits.checked_shr(operation.0.unsigned_abs().into()).is_some_and(|b| b & 1 == 1);
    (bits != i32::MIN).then(|| AclOperation::ALL_NAMED.iter().copied().filter(is_set).collect())
}

/// The versions of Metadata that tell what this user may do: from Kafka 2.3 on, and for the cluster until 2.8.
pub(crate) const FIRST_METADATA_WITH_OPERATIONS: i16 = 8;
const LAST_METADATA_WITH_OPERATIONS: i16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_for_each_operation() {
        let bits = 1 << AclOperation::READ.0 | 1 << AclOperation::DESCRIBE.0;
        assert_eq!(operations(bits), Some(vec![AclOperation::READ, AclOperation::DESCRIBE]));
        assert_eq!((operations(0), operations(i32::MIN)), (Some(Vec::new()), None));
    }
}
