//! What the suites run against.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kafka_admin::{Admin, Apply, NewTopic, OffsetSpec, TopicPartition};
use kafka_conn::{
    BrokerAddress, ConnectOptions, Connector, Dialer, IsolationLevel, Stream, TcpConnector, Transport, TransportConfig,
};

use super::embedded::Embedded;
use super::{Failure, Skipped};
use crate::kafka::{
    self, Certificates, Cluster, Config, Folders, IoContext as _, Listener, Mechanism, Release, Version,
};
use crate::proxy::{Doors, Proxy, Rule};

/// A cluster, and Java's tools to judge beside it.
#[derive(Clone, Debug)]
pub(crate) struct Target(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    bootstrap: String,
    release: Release,
    topics: AtomicU32,
    /// Where the cluster is ours, it ends with this value.
    own: Own,
}

#[derive(Debug)]
enum Own {
    /// Somebody else's cluster.
    Nothing,
    /// A cluster, and the doors of the proxy before it.
    Kafka {
        cluster: Cluster,
        doors: Doors,
    },
    Embedded(Embedded),
}

/// The names of the listeners that a cluster of ours has.
pub(super) mod listeners {
    pub(crate) const PLAINTEXT: &str = "PLAINTEXT";
    /// Its clients are told of the proxy.
    pub(crate) const PROXIED: &str = "PROXIED";
    pub(crate) const TLS: &str = "SSL";
    pub(crate) const MTLS: &str = "MTLS";
    /// Shows a certificate that ran out.
    pub(crate) const EXPIRED: &str = "EXPIRED";
    pub(crate) const SASL: &str = "SASL_PLAINTEXT";
    pub(crate) const SASL_TLS: &str = "SASL_SSL";
    /// Sessions live 3 s.
    pub(crate) const SASL_SHORT: &str = "SASL_SHORT";
    pub(crate) const SASL_TLS_SHORT: &str = "SASL_TLS_SHORT";
    /// Offers SCRAM-SHA-512 alone.
    pub(crate) const SCRAM_ONLY: &str = "SCRAM_ONLY";
}

impl Target {
    /// Starts a cluster of one broker, with a listener of each kind, and a proxy before one of them.
    pub(crate) fn start(version: Version) -> Result<Self, kafka::Error> {
        let doors = Doors::bind(1).context(|| "open the ports of the proxy".to_owned())?;
        let config = Config { version, listeners: all_listeners(&doors), ..Config::default() };
        let cluster = Cluster::start(&config, &Folders::of_workspace()?)?;
        let (release, bootstrap) = (cluster.release().clone(), cluster.bootstrap_servers());
        Ok(Self::new(format!("Kafka {version}"), bootstrap, release, Own::Kafka { cluster, doors }))
    }

    /// Starts a cluster of three brokers, each in a rack of its own (`a`, `b`, `c`), with a plaintext listener, and one
    /// behind the proxy.
    pub(crate) fn start_replicated(version: Version) -> Result<Self, kafka::Error> {
        let doors = Doors::bind(3).context(|| "open the ports of the proxy".to_owned())?;
        let racks = ["a", "b", "c"].map(str::to_owned).to_vec();
        let listeners = vec![Listener::plaintext(), proxied(&doors)];
        let config = Config { version, brokers: 3, listeners, racks, ..Config::default() };
        let cluster = Cluster::start(&config, &Folders::of_workspace()?)?;
        let (release, bootstrap) = (cluster.release().clone(), cluster.bootstrap_servers());
        Ok(Self::new(format!("three brokers of Kafka {version}"), bootstrap, release, Own::Kafka { cluster, doors }))
    }

    /// Takes a cluster that runs already, with the newest release's tools.
    pub(crate) fn existing(bootstrap: String) -> Result<Self, kafka::Error> {
        let release = Release::prepare(Version::NEWEST, &Folders::of_workspace()?)?;
        Ok(Self::new("an existing cluster".to_owned(), bootstrap, release, Own::Nothing))
    }

    /// Starts embedded brokers, with the newest release's tools.
    pub(crate) fn embedded() -> Result<Self, Failure> {
        let release = Release::prepare(Version::NEWEST, &Folders::of_workspace()?)?;
        let embedded = Embedded::start()?;
        let bootstrap = embedded.address(listeners::PLAINTEXT).ok_or("no such listener")?;
        Ok(Self::new("embedded brokers".to_owned(), bootstrap, release, Own::Embedded(embedded)))
    }

    pub(super) fn is_embedded(&self) -> bool {
        matches!(self.0.own, Own::Embedded(_))
    }

    /// Whether it has three brokers: for the scenarios in which some of them go.
    pub(super) fn is_replicated(&self) -> bool {
        self.cluster().is_ok_and(|cluster| cluster.config().brokers > 1)
    }

    /// The cluster that was started for this.
    pub(crate) fn cluster(&self) -> Result<&Cluster, Failure> {
        match &self.0.own {
            Own::Kafka { cluster, .. } => Ok(cluster),
            Own::Nothing | Own::Embedded(_) => Err(Skipped("brokers of its own").into()),
        }
    }

    /// The release whose tools judge.
    pub(crate) fn release(&self) -> &Release {
        &self.0.release
    }

    /// The release that the suites were asked to run on; `None` where the cluster is somebody else's, or no Kafka.
    pub(super) fn own_version(&self) -> Option<Version> {
        matches!(self.0.own, Own::Kafka { .. }).then(|| self.0.release.version())
    }

    fn new(name: String, bootstrap: String, release: Release, own: Own) -> Self {
        Self(Arc::new(Inner { name, bootstrap, release, topics: AtomicU32::new(0), own }))
    }

    /// `host:port` of the brokers, separated by commas.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.0.bootstrap
    }

    /// A transport of its own to the cluster.
    pub(crate) async fn transport(&self) -> Result<Transport, Failure> {
        let bootstrap = BrokerAddress::parse_list(&self.0.bootstrap)?;
        Ok(Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?)
    }

    /// A transport of its own to this listener of the cluster.
    pub(crate) async fn transport_to(&self, listener: &str, dialer: Dialer) -> Result<Transport, Failure> {
        let bootstrap = BrokerAddress::parse_list(&self.address(listener)?)?;
        Ok(Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() }).await?)
    }

    /// `host:port` of a listener.
    pub(crate) fn address(&self, listener: &str) -> Result<String, Failure> {
        let address = match &self.0.own {
            Own::Nothing => return Err(Skipped("listeners with TLS and SASL").into()),
            Own::Kafka { cluster, .. } => cluster.addresses(listener).first().map(|(_, address)| address.to_string()),
            Own::Embedded(embedded) => embedded.address(listener),
        };
        Ok(address.ok_or("no such listener")?)
    }

    /// The keys and certificates of the cluster.
    pub(crate) fn certificates(&self) -> Result<Certificates, Failure> {
        match &self.0.own {
            Own::Nothing => Err(Skipped("listeners with TLS and SASL").into()),
            Own::Kafka { cluster, .. } => Ok(cluster.certificates()),
            Own::Embedded(embedded) => Ok(embedded.certificates.clone()),
        }
    }

    /// A proxy before the cluster, which ends with the value, and a transport through it. Nothing goes wrong before the
    /// transport is connected.
    pub(crate) async fn transport_through_proxy(
        &self,
        seed: u64,
        rules: Vec<Rule>,
    ) -> Result<(Proxy, Transport), Failure> {
        let Proxied { doors, brokers } = self.proxied()?;
        let proxy = doors.serve(&brokers, seed)?;
        let bootstrap = BrokerAddress::parse_list(&comma_separated(&doors.addresses()))?;
        let dialer = Dialer { timeout: DIAL_LIMIT, ..Dialer::default() };
        let config = TransportConfig { bootstrap, dialer, ..TransportConfig::default() };
        let transport = Transport::connect(config).await?;
        proxy.set_rules(rules);
        Ok((proxy, transport))
    }

    /// A transport to the same brokers that goes past the proxy.
    pub(crate) async fn transport_past_proxy(&self) -> Result<Transport, Failure> {
        let Own::Embedded(embedded) = &self.0.own else {
            return self.transport().await;
        };
        // They have one listener, which tells everybody of the proxy.
        let Proxied { doors, brokers } = self.proxied()?;
        let real = doors.addresses().into_iter().zip(brokers.into_iter().map(|(_, address)| address)).collect();
        let dialer = Dialer { connector: Arc::new(Past { real, tcp: TcpConnector::default() }), ..Dialer::default() };
        let bootstrap = BrokerAddress::parse_list(&embedded.address(listeners::PROXIED).unwrap_or_default())?;
        Ok(Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() }).await?)
    }

    fn proxied(&self) -> Result<Proxied<'_>, Failure> {
        match &self.0.own {
            Own::Nothing => Err(Skipped("brokers that advertise our proxy").into()),
            Own::Kafka { cluster, doors } => Ok(Proxied { doors, brokers: cluster.addresses(listeners::PROXIED) }),
            Own::Embedded(embedded) => Ok(Proxied { doors: &embedded.doors, brokers: embedded.behind_proxy() }),
        }
    }

    /// A name that no other topic of this cluster has.
    pub(crate) fn topic_name(&self, about: &str) -> String {
        let number = self.0.topics.fetch_add(1, Ordering::Relaxed);
        format!("{about}-{}-{number}", std::process::id())
    }

    /// Makes a topic with a name of its own, whose leaders are known when this returns.
    pub(crate) async fn new_topic(
        &self,
        transport: &Transport,
        about: &str,
        partitions: i32,
    ) -> Result<String, Failure> {
        let name = self.topic_name(about);
        create(&Admin::new(transport.clone()), &name, partitions).await?;
        Ok(name)
    }

    /// The console tools' option for a property of their formatter or reader, which once had one name for both.
    pub(crate) fn property_option(&self, modern: &'static str) -> &'static str {
        if self.0.release.version() < Version::NEWEST { "--property" } else { modern }
    }

    /// The console consumer's option for a property of its consumer, as [`property_option`](Self::property_option).
    pub(crate) fn consumer_property_option(&self) -> &'static str {
        if self.0.release.version() < Version::NEWEST { "--consumer-property" } else { "--command-property" }
    }

    /// Whether Java's consumers know more than one protocol for groups (KIP-848).
    pub(crate) fn has_group_protocols(&self) -> bool {
        self.0.release.version() >= Version { major: 3, minor: 7, patch: 0 }
    }

    /// Runs one of Java's command-line tools, which connects to the cluster, and returns what it prints.
    ///
    /// # Errors
    /// Where it fails, or takes longer than a minute or two.
    pub(crate) async fn tool(
        &self,
        tool: &'static str,
        arguments: Vec<String>,
        input: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Failure> {
        let target = self.clone();
        let run = move || {
            let mut all = vec!["--bootstrap-server", &target.0.bootstrap];
            all.extend(arguments.iter().map(String::as_str));
            target.0.release.tool(tool, &all, input.as_deref(), TOOL_LIMIT)
        };
        Ok(tokio::task::spawn_blocking(run).await??)
    }
}

/// The doors of the proxy, and the brokers behind them.
struct Proxied<'a> {
    doors: &'a Doors,
    brokers: Vec<(i32, SocketAddr)>,
}

/// Connects to brokers themselves where their doors are named.
#[derive(Debug)]
struct Past {
    /// By the doors' addresses.
    real: BTreeMap<SocketAddr, SocketAddr>,
    tcp: TcpConnector,
}

#[async_trait]
impl Connector for Past {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> kafka_conn::Result<Box<dyn Stream>> {
        let door = address.to_string().parse().ok();
        let real = door.and_then(|door: SocketAddr| self.real.get(&door));
        match real.and_then(|real| BrokerAddress::new(real.ip().to_string(), real.port()).ok()) {
            Some(real) => self.tcp.connect(&real, options).await,
            None => self.tcp.connect(address, options).await,
        }
    }
}

/// Plaintext comes first: it is the cluster's address for whoever asks for no other.
fn all_listeners(doors: &Doors) -> Vec<Listener> {
    let named = |name: &str, listener| Listener { name: name.to_owned(), ..listener };
    let short = |name, listener| Listener { session_lifetime: Some(SESSION_LIFETIME), ..named(name, listener) };
    let scram_only = Listener { mechanisms: vec![Mechanism::ScramSha512], ..Listener::sasl_plaintext() };
    vec![
        Listener::plaintext(),
        proxied(doors),
        Listener::tls(),
        Listener::mutual_tls(),
        Listener::expired_tls(),
        Listener::sasl_plaintext(),
        Listener::sasl_tls(),
        short(listeners::SASL_SHORT, Listener::sasl_plaintext()),
        short(listeners::SASL_TLS_SHORT, Listener::sasl_tls()),
        named(listeners::SCRAM_ONLY, scram_only),
    ]
}

/// Its clients are told of the proxy's doors.
fn proxied(doors: &Doors) -> Listener {
    Listener { name: listeners::PROXIED.to_owned(), advertised: doors.addresses(), ..Listener::plaintext() }
}

pub(super) const SESSION_LIFETIME: Duration = Duration::from_secs(3);

fn comma_separated(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Makes a topic with a replica of each partition, and waits until its leaders are known, also to themselves: a broker
/// may be named the leader a moment before it is one.
pub(crate) async fn create(admin: &Admin, name: &str, partitions: i32) -> Result<(), Failure> {
    let topics = [NewTopic::new(name, partitions, 1)];
    for outcome in admin.create_topics(&topics, Apply::Now).await? {
        outcome.result?;
    }
    let admin = admin.clone().with_timeout(LEADERS_LIMIT);
    admin.wait_for_leaders(&[name]).await?;
    let ends = (0..partitions).map(|index| (TopicPartition::new(name, index), OffsetSpec::Latest));
    for outcome in admin.list_offsets(&ends.collect::<Vec<_>>(), IsolationLevel::ReadUncommitted).await? {
        outcome.result?;
    }
    Ok(())
}

/// A connection that a fault stalls is given up after this.
const DIAL_LIMIT: Duration = Duration::from_secs(2);
const LEADERS_LIMIT: Duration = Duration::from_secs(30);
const TOOL_LIMIT: Duration = Duration::from_secs(120);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.0.name, self.0.bootstrap)
    }
}
