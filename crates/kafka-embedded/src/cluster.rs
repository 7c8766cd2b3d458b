//! A running cluster, and what a test does with it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kafka_conn::{BrokerAddress, Dialer, Transport, TransportConfig};
use kafka_protocol::ApiKey;
use smol_str::SmolStr;

use crate::builder::ClusterBuilder;
use crate::core::{Core, LoggedRequest};
use crate::fault::{Fault, FaultId, Hook, Verdict};
use crate::shell::{MemoryConnector, Shared};
use crate::state::ElectionError;
use crate::tasks::Tasks;

/// A Kafka cluster in this process.
///
/// It ends when it is dropped, with all its connections. What is done to it (faults, stopped brokers, moved leaders) is
/// done when the call returns; nothing here waits.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kafka_embedded::Cluster;
/// use kafka_protocol::ApiKey;
///
/// let cluster = Cluster::builder().brokers(3).topic("orders", 6, 3).start().await?;
/// let transport = cluster.transport().await?;
/// assert_eq!(transport.topic("orders").await?.partitions.len(), 6);
/// assert!(cluster.count(ApiKey::METADATA) > 0);
/// # Ok(())
/// # }
/// ```
pub struct Cluster {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Arc<crate::shell::Mutex<Tasks>>,
    pub(crate) addresses: BTreeMap<i32, BrokerAddress>,
    /// Only in memory.
    pub(crate) connector: Option<MemoryConnector>,
}

impl Cluster {
    /// A cluster to be: one broker, unless told otherwise.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// Where clients begin: the addresses of all brokers, `host:port`, separated by commas.
    pub fn bootstrap(&self) -> String {
        self.addresses.values().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// As [`bootstrap`](Self::bootstrap), for a [`TransportConfig`].
    pub fn addresses(&self) -> Vec<BrokerAddress> {
        self.addresses.values().cloned().collect()
    }

    /// The address of a broker.
    pub fn address(&self, broker: i32) -> Option<&BrokerAddress> {
        self.addresses.get(&broker)
    }

    /// What reaches a cluster in memory; `None` over TCP.
    pub fn connector(&self) -> Option<MemoryConnector> {
        self.connector.clone()
    }

    /// A dialer for this cluster: the default one over TCP, else with the connector in it.
    pub fn dialer(&self) -> Dialer {
        match self.connector() {
            Some(connector) => Dialer { connector: Arc::new(connector), ..Dialer::default() },
            None => Dialer::default(),
        }
    }

    /// A transport of its own to this cluster, with defaults.
    ///
    /// # Errors
    /// Those of [`Transport::connect`].
    pub async fn transport(&self) -> kafka_conn::Result<Transport> {
        let config =
            TransportConfig { bootstrap: self.addresses(), dialer: self.dialer(), ..TransportConfig::default() };
        Transport::connect(config).await
    }

    /// Declares a fault. It stays until it has happened as often as it says, or is taken back.
    pub fn inject(&self, fault: Fault) -> FaultId {
        self.shared.with(|core, _| core.inject(fault))
    }

    /// Takes a fault back; whether it was still there.
    pub fn remove_fault(&self, id: FaultId) -> bool {
        self.shared.with(|core, _| core.remove_fault(id))
    }

    /// Takes all faults back, and the closure of [`on_request`](Self::on_request).
    pub fn clear_faults(&self) {
        self.shared.with(|core, _| core.clear_faults());
    }

    /// Asks a closure what is to become of each request, from now on, before the declared faults: see [`Verdict`]. It must
    /// not use the cluster, nor wait.
    pub fn on_request(&self, decide: impl FnMut(&LoggedRequest) -> Verdict + Send + 'static) {
        self.shared.with(|core, _| core.set_hook(Hook::new(decide)));
    }

    /// Stops a broker, as a crash does: its connections are closed, others lead what it led. It keeps what it has.
    pub fn stop_broker(&self, broker: i32) {
        self.shared.with(|core, now| core.stop_broker(now, broker));
    }

    /// Starts a broker that was stopped.
    pub fn start_broker(&self, broker: i32) {
        self.shared.with(|core, now| core.start_broker(now, broker));
    }

    /// Freezes a broker, as SIGSTOP does: its connections stay, and nothing is answered.
    pub fn freeze_broker(&self, broker: i32) {
        self.shared.with(|core, now| core.freeze_broker(now, broker));
    }

    /// Lets a frozen broker go on.
    pub fn thaw_broker(&self, broker: i32) {
        self.shared.with(|core, now| core.thaw_broker(now, broker));
    }

    /// Makes a broker's replicas stop following their leaders, or go on.
    pub fn set_lagging(&self, broker: i32, lags: bool) {
        self.shared.with(|core, now| core.set_lagging(now, broker, lags));
    }

    /// Closes all connections to a broker.
    pub fn cut_connections(&self, broker: i32) {
        self.shared.with(|core, now| core.cut_connections(now, broker));
    }

    /// Makes a broker lead a partition; one that is not in sync loses what it does not have (an unclean election).
    ///
    /// # Errors
    /// [`ElectionError`] where the partition, or its replica at this broker, is not there.
    pub fn move_leader(&self, topic: &str, partition: i32, broker: i32) -> Result<(), ElectionError> {
        self.shared.with(|core, now| core.move_leader(now, topic, partition, broker))
    }

    /// Makes a broker coordinate a group.
    pub fn move_coordinator(&self, group: &str, broker: i32) {
        self.shared.with(|core, now| core.move_coordinator(now, group, broker));
    }

    /// Makes a broker coordinate a transactional id.
    pub fn move_coordinator_of_transactions(&self, transactional_id: &str, broker: i32) {
        self.shared.with(|core, now| core.move_coordinator_of_transactions(now, transactional_id, broker));
    }

    /// Appends a record batch as it is, transactional and control ones too, and returns its base offset; `None` where
    /// there is no such partition, or it is no batch of format 2.
    pub fn append(&self, topic: &str, partition: i32, batch: Bytes) -> Option<i64> {
        self.shared.with(|core, now| core.append(now, topic, partition, batch))
    }

    /// The broker that leads a partition, and its epoch; `None` without either.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        self.shared.with(|core, _| {
            let partition = core.state.partition(topic, partition)?;
            (partition.leader >= 0).then_some((partition.leader, partition.leader_epoch))
        })
    }

    /// The first offset of a partition and its high watermark.
    pub fn offsets(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        self.shared.with(|core, _| {
            let partition = core.state.partition(topic, partition)?;
            Some((partition.leader_log()?.start(), partition.high_watermark))
        })
    }

    /// The topics there are, sorted.
    pub fn topics(&self) -> Vec<SmolStr> {
        self.shared.with(|core, _| core.state.topics.keys().cloned().collect())
    }

    /// The last requests, the oldest first; how many is
    /// [`max_requests_logged`](crate::core::Limits::max_requests_logged).
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.with(|core, _| core.requests.iter().cloned().collect())
    }

    /// How many requests of an API there were.
    pub fn count(&self, api: ApiKey) -> u64 {
        self.shared.with(|core, _| core.requests.count(api, None))
    }

    /// How many requests of an API there were at a broker.
    pub fn count_at(&self, broker: i32, api: ApiKey) -> u64 {
        self.shared.with(|core, _| core.requests.count(api, Some(broker)))
    }

    /// How many requests of an API a client of this name sent (`client.id`), to all brokers. Of so many names as
    /// [`max_clients_counted`](crate::core::Limits::max_clients_counted); 0 for others.
    pub fn count_of(&self, client_id: &str, api: ApiKey) -> u64 {
        self.shared.with(|core, _| core.requests.count_of(client_id, api))
    }

    /// As [`requests`](Self::requests), those of a client.
    pub fn requests_of(&self, client_id: &str) -> Vec<LoggedRequest> {
        self.shared.with(|core, _| core.requests.iter().filter(|one| one.client_id == client_id).cloned().collect())
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.with(|core, _| core.requests.clear());
    }

    /// How many connections are open.
    pub fn connection_count(&self) -> usize {
        self.shared.with(|core, _| core.connection_count())
    }

    /// Does something with the core, between two requests.
    pub fn with_core<T>(&self, act: impl FnOnce(&mut Core, std::time::Instant) -> T) -> T {
        self.shared.with(act)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.tasks.lock().end();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("bootstrap", &self.bootstrap()).finish_non_exhaustive()
    }
}
