//! A cluster to be.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_conn::BrokerAddress;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::core::{BrokerConfig, Config, Core, KafkaVersion, Limits};
use crate::sasl::Sasl;
use crate::shell::{Listeners, MemoryConnector, Mutex, Security, Shared, run_timer};
use crate::state::NewTopic;
use crate::tasks::Tasks;

/// What a cluster shall be, in words; [`config`](Self::config) has all of it.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    config: Config,
    listen: SocketAddr,
    advertised: BTreeMap<i32, BrokerAddress>,
    /// A wall clock that was asked for.
    start_time_ms: Option<i64>,
    topics: Vec<NewTopic>,
    security: Security,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            config: Config::default(),
            listen,
            advertised: BTreeMap::new(),
            start_time_ms: None,
            topics: Vec::new(),
            security: Security::default(),
        }
    }
}

impl ClusterBuilder {
    /// So many brokers, with the ids 1, 2, 3, … Default: 1.
    #[must_use]
    pub fn brokers(mut self, count: usize) -> Self {
        self.config.brokers = (1..).take(count).map(BrokerConfig::new).collect();
        self
    }

    /// Puts a broker into a rack.
    #[must_use]
    pub fn rack(mut self, broker: i32, rack: impl Into<SmolStr>) -> Self {
        let rack = rack.into();
        for known in self.config.brokers.iter_mut().filter(|known| known.id == broker) {
            known.rack = Some(rack.clone());
        }
        self
    }

    /// The release that brokers are like. Default: the newest.
    #[must_use]
    pub fn kafka_version(mut self, version: KafkaVersion) -> Self {
        self.config.version = version;
        self
    }

    /// Whether asking for a topic creates it. Default: yes, as Kafka does.
    #[must_use]
    pub fn auto_create_topics(mut self, create: AutoCreate) -> Self {
        self.config.auto_create_topics = create == AutoCreate::Enabled;
        self
    }

    /// A topic that is there from the beginning.
    #[must_use]
    pub fn topic(self, name: impl Into<SmolStr>, partitions: i32, replication_factor: i16) -> Self {
        self.topic_with(name, partitions, replication_factor, [])
    }

    /// A topic that is there from the beginning, with configurations.
    #[must_use]
    pub fn topic_with<'a>(
        mut self,
        name: impl Into<SmolStr>,
        partitions: i32,
        replication_factor: i16,
        configs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let configs = configs.into_iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
        let name = name.into();
        self.topics.push(NewTopic { name, partitions, replication_factor, configs, ..NewTopic::default() });
        self
    }

    /// What the cluster's own choices are made from. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Clients have to speak TLS. Default: plain text.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::Tls) -> Self {
        self.security.tls = Some(tls);
        self
    }

    /// Clients have to log in. Default: they need not.
    #[must_use]
    pub fn sasl(mut self, sasl: Sasl) -> Self {
        self.config.sasl = Some(sasl);
        self
    }

    /// What clients can make the cluster hold.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// The wall clock when the cluster starts, in milliseconds since 1970. Default: the real one over TCP, 1 January 2026
    /// in memory.
    #[must_use]
    pub fn start_time_ms(mut self, time: i64) -> Self {
        self.start_time_ms = Some(time);
        self
    }

    /// Where to listen: the first broker at this address, the others on the ports behind it. Default: on free ports of
    /// 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// What clients are told of where a broker is, in place of where it listens (`advertised.listeners`): for a proxy before
    /// it.
    #[must_use]
    pub fn advertise(mut self, broker: i32, address: BrokerAddress) -> Self {
        self.advertised.insert(broker, address);
        self
    }

    /// Changes what has no word here.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts the cluster over TCP. Must be called in a tokio runtime, which the cluster then runs on.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(mut self) -> Result<Cluster, StartError> {
        self.check()?;
        let listeners = Listeners::bind(self.listen, self.config.brokers.len()).await;
        let listeners = listeners.map_err(|source| StartError::Listen { address: self.listen, source })?;
        for (broker, address) in self.config.brokers.iter_mut().zip(listeners.addresses()) {
            let ip = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
            (broker.host, broker.port) = (ip.to_string().into(), address.port());
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        let real = i64::try_from(since_1970).unwrap_or(i64::MAX);
        self.config.start_time_ms = self.start_time_ms.unwrap_or(real);
        let ids: Vec<i32> = self.config.brokers.iter().map(|broker| broker.id).collect();
        let cluster = self.run()?;
        listeners.listen(&cluster.shared, &ids, &cluster.tasks);
        Ok(cluster)
    }

    /// Starts the cluster without sockets: [`Cluster::connector`] reaches it. On a runtime of one thread with a paused
    /// clock, a run follows from its seeds alone.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_in_memory(mut self) -> Result<Cluster, StartError> {
        self.check()?;
        self.config.start_time_ms = self.start_time_ms.unwrap_or(self.config.start_time_ms);
        let mut cluster = self.run()?;
        let brokers = cluster.addresses.iter().map(|(id, address)| (address.clone(), *id)).collect();
        let (shared, tasks) = (Arc::clone(&cluster.shared), Arc::clone(&cluster.tasks));
        cluster.connector = Some(MemoryConnector::new(shared, brokers, tasks));
        Ok(cluster)
    }

    fn check(&self) -> Result<(), StartError> {
        let brokers = &self.config.brokers;
        let twice = |at: usize, id: i32| brokers.iter().take(at).any(|broker| broker.id == id);
        let bad = brokers.iter().enumerate().find(|(at, broker)| broker.id < 0 || twice(*at, broker.id));
        match bad {
            _ if brokers.is_empty() => Err(StartError::NoBroker),
            Some((_, broker)) => Err(StartError::BrokerId(broker.id)),
            None => Ok(()),
        }
    }

    fn run(mut self) -> Result<Cluster, StartError> {
        let mut addresses = BTreeMap::new();
        for broker in &mut self.config.brokers {
            let address = BrokerAddress::new(broker.host.clone(), broker.port);
            addresses.insert(broker.id, address.map_err(|_| StartError::Host(broker.host.clone()))?);
            if let Some(told) = self.advertised.get(&broker.id) {
                (broker.host, broker.port) = (told.host().into(), told.port());
            }
        }
        let mut core = Core::new(self.config, Instant::now().into_std());
        for topic in &self.topics {
            let created = core.state.create_topic(topic, false);
            created.map_err(|(_, reason)| StartError::Topic { name: topic.name.clone(), reason })?;
        }
        let shared = Shared::new(core, self.security);
        let tasks = Arc::new(Mutex::new(Tasks::default()));
        tasks.lock().spawn(run_timer(Arc::clone(&shared)));
        Ok(Cluster { shared, tasks, addresses, connector: None })
    }
}

/// Whether asking for a topic creates it (`auto.create.topics.enable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCreate {
    /// It does.
    Enabled,
    /// It does not.
    Disabled,
}

/// Why a cluster cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken, or not of this machine.
    #[error("cannot listen at {address}, or behind it")]
    Listen {
        /// The address of the first broker.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// There is no broker.
    #[error("a cluster has at least one broker")]
    NoBroker,
    /// A broker's id is negative, or there twice.
    #[error("the broker id {0} is negative, or there twice")]
    BrokerId(i32),
    /// A broker's host is no name and no address.
    #[error("{0:?} is no host")]
    Host(SmolStr),
    /// A topic that is to be there from the beginning cannot be made.
    #[error("the topic {name:?} cannot be made: {reason}")]
    Topic {
        /// The topic.
        name: SmolStr,
        /// Why.
        reason: String,
    },
}
