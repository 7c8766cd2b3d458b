//! Turns a [`Config`] into nodes: ids, roles, ports and the `server.properties` of each. Pure, but for the ports it is given.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::certificates::Certificates;
use super::properties::Properties;
use super::{Config, Error, Listener, Quorum, Result, security};

/// The listener between brokers: plaintext whatever the clients use, so that readiness is probed alike on every cluster.
const INTERNAL: &str = "INTERNAL";
const CONTROLLER: &str = "CONTROLLER";
/// The isolated controller's node id, clear of any broker's.
const CONTROLLER_ID: i32 = 100;
/// Below the range from which Linux and macOS give ports to outgoing connections: a broker that restarts must find its
/// port free again.
const PORTS: (u16, u16) = (20_000, 32_000);

/// One node as it shall run.
#[derive(Debug, Clone)]
pub(crate) struct NodePlan {
    pub(crate) id: i32,
    /// Its files: properties, log, data.
    pub(crate) directory: PathBuf,
    /// The client listeners, in the order of the config; empty on an isolated controller.
    pub(crate) listeners: Vec<(String, SocketAddr)>,
    /// The internal listener of a broker.
    pub(crate) internal: Option<SocketAddr>,
    /// Where it listens as a controller.
    pub(crate) controller: Option<SocketAddr>,
    /// What `kafka-storage format` is given beyond the usual.
    pub(crate) format_arguments: Vec<String>,
    pub(crate) properties: Properties,
}

impl NodePlan {
    /// Where Kafka keeps its records: the first of `log.dirs`.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// All of `log.dirs`.
    fn log_dirs(&self, count: u8) -> String {
        let more = (2..=count).map(|number| self.directory.join(format!("data-{number}")));
        let all = std::iter::once(self.data()).chain(more).map(|folder| folder.display().to_string());
        all.collect::<Vec<_>>().join(",")
    }
}

/// How many ports [`nodes`] takes.
pub(crate) fn port_count(config: &Config) -> usize {
    usize::from(config.brokers) * (config.listeners.len() + 1) + 1 + usize::from(has_candidate(config))
}

/// Whether the last broker is a controller without a vote.
fn has_candidate(config: &Config) -> bool {
    config.quorum == Quorum::Dynamic && config.brokers > 1
}

/// The nodes of `config` below `directory`, the isolated controller first.
pub(crate) fn nodes(config: &Config, directory: &Path, ports: &[u16]) -> Vec<NodePlan> {
    let mut addresses = ports.iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port)));
    let mut next = || addresses.next().expect("port_count ports");
    let controller = next();
    let mut nodes = Vec::new();
    if config.brokers > 1 {
        nodes.push(isolated_controller(config, directory, controller));
    }
    for id in 1..=i32::from(config.brokers) {
        let listeners = config.listeners.iter().map(|listener| (listener.name.clone(), next())).collect();
        nodes.push(broker(config, directory, controller, id, listeners, next()));
    }
    if let Some(last) = nodes.last_mut().filter(|_| has_candidate(config)) {
        let properties = &mut last.properties;
        properties.set("process.roles", "broker,controller");
        let address = next();
        properties.push("listeners", endpoints(&[(CONTROLLER, address)]));
        last.controller = Some(address);
        last.format_arguments.push("--no-initial-controllers".to_owned());
    }
    nodes
}

/// `count` distinct ports that nobody listens on now. Another process may still take one before the broker does.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    const ATTEMPTS: usize = 1000;
    let (first, last) = PORTS;
    // Held until all are found, so that they differ.
    let held: Vec<TcpListener> = (0..ATTEMPTS)
        .filter_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, fastrand::u16(first..=last))).ok())
        .take(count)
        .collect();
    if held.len() < count {
        return Err(Error::NoPort { first, last });
    }
    Ok(held.iter().filter_map(|listener| listener.local_addr().ok()).map(|address| address.port()).collect())
}

fn isolated_controller(config: &Config, directory: &Path, address: SocketAddr) -> NodePlan {
    let mut plan = node(CONTROLLER_ID, "controller", directory);
    let properties = &mut plan.properties;
    set_quorum(config, properties, CONTROLLER_ID, address);
    properties.set("listeners", format!("{CONTROLLER}://{address}"));
    properties.set("listener.security.protocol.map", protocol_map(config));
    plan.controller = Some(address);
    finish(config, &mut plan);
    add_first_voter(config, &mut plan);
    plan
}

/// Tells a node where the quorum is: who votes, or where to ask.
fn set_quorum(config: &Config, properties: &mut Properties, voter: i32, address: SocketAddr) {
    match config.quorum {
        Quorum::Fixed => properties.set("controller.quorum.voters", format!("{voter}@{address}")),
        Quorum::Dynamic => properties.set("controller.quorum.bootstrap.servers", address),
    }
}

/// The node is the whole quorum of a new cluster.
fn add_first_voter(config: &Config, plan: &mut NodePlan) {
    if config.quorum == Quorum::Dynamic {
        plan.format_arguments.push("--standalone".to_owned());
    }
}

fn broker(
    config: &Config,
    directory: &Path,
    controller: SocketAddr,
    id: i32,
    listeners: Vec<(String, SocketAddr)>,
    internal: SocketAddr,
) -> NodePlan {
    let combined = config.brokers == 1;
    let mut plan = node(id, if combined { "broker,controller" } else { "broker" }, directory);
    let mut bound: Vec<(&str, SocketAddr)> =
        listeners.iter().map(|(name, address)| (name.as_str(), *address)).collect();
    bound.push((INTERNAL, internal));
    let mut advertised = bound.clone();
    for (listener, place) in config.listeners.iter().zip(&mut advertised) {
        place.1 = advertised_address(listener, id).unwrap_or(place.1);
    }
    if combined {
        bound.push((CONTROLLER, controller));
    }
    let voter = if combined { id } else { CONTROLLER_ID };
    let properties = &mut plan.properties;
    set_quorum(config, properties, voter, controller);
    properties.set("listeners", endpoints(&bound));
    properties.set("advertised.listeners", endpoints(&advertised));
    properties.set("listener.security.protocol.map", protocol_map(config));
    properties.set("inter.broker.listener.name", INTERNAL);
    let certificates = Certificates::below(directory);
    for listener in &config.listeners {
        security::set_listener(properties, listener, &config.users, &certificates);
    }
    set_rack(properties, &config.racks, id);
    plan.listeners = listeners;
    plan.internal = Some(internal);
    plan.controller = combined.then_some(controller);
    finish(config, &mut plan);
    if combined {
        add_first_voter(config, &mut plan);
    }
    plan
}

fn node(id: i32, roles: &str, directory: &Path) -> NodePlan {
    let mut plan = NodePlan {
        id,
        directory: directory.join(format!("node-{id}")),
        listeners: Vec::new(),
        internal: None,
        controller: None,
        format_arguments: Vec::new(),
        properties: Properties::default(),
    };
    plan.properties.set("node.id", id);
    plan.properties.set("process.roles", roles);
    plan.properties.set("controller.listener.names", CONTROLLER);
    plan
}

/// Where broker `id` tells clients to find this listener, if not where it listens.
fn advertised_address(listener: &Listener, id: i32) -> Option<SocketAddr> {
    listener.advertised.get(usize::try_from(id).ok()?.checked_sub(1)?).copied()
}

fn endpoints(listeners: &[(&str, SocketAddr)]) -> String {
    listeners.iter().map(|(name, address)| format!("{name}://{address}")).collect::<Vec<_>>().join(",")
}

/// Racks go round: with two of them, brokers 1 and 3 share the first. Any at all lets followers serve readers (KIP-392).
fn set_rack(properties: &mut Properties, racks: &[String], id: i32) {
    let turn = usize::try_from(id - 1).unwrap_or_default();
    if let Some(rack) = racks.iter().cycle().nth(turn) {
        properties.set("broker.rack", rack);
        properties.set("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector");
    }
}

fn protocol_map(config: &Config) -> String {
    let clients = config.listeners.iter().map(|l| format!("{}:{}", l.name, l.security_protocol.name()));
    let own = [INTERNAL, CONTROLLER].map(|name| format!("{name}:PLAINTEXT"));
    clients.chain(own).collect::<Vec<_>>().join(",")
}

/// Adds what every node of the cluster shares. The user's properties come last: they win.
fn finish(config: &Config, plan: &mut NodePlan) {
    let replicas = config.brokers.min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    plan.format_arguments = security::scram_arguments(config);
    let log_dirs = plan.log_dirs(config.log_dirs);
    let properties = &mut plan.properties;
    properties.set("log.dirs", log_dirs);
    security::set_authorizer(properties, config.authorizer);
    properties.set("auto.create.topics.enable", false);
    properties.set("num.partitions", 1);
    properties.set("default.replication.factor", replicas);
    properties.set("min.insync.replicas", in_sync);
    properties.set("group.initial.rebalance.delay.ms", 0);
    internal_topics(properties, replicas, in_sync);
    // The default, 128 MB for each broker, is a third of its heap.
    properties.set("log.cleaner.dedupe.buffer.size", 4 << 20);
    // A dead broker's partitions move in 3 s, not 12, and its successor can register as soon.
    properties.set("broker.session.timeout.ms", 2000);
    properties.set("broker.heartbeat.interval.ms", 400);
    for (name, value) in &config.properties {
        properties.set(name, value);
    }
}

/// Few partitions: the default of 50 each would take longer to create than most tests run.
fn internal_topics(properties: &mut Properties, replicas: u8, in_sync: u8) {
    properties.set("offsets.topic.num.partitions", 4);
    properties.set("offsets.topic.replication.factor", replicas);
    for topic in ["transaction.state.log", "share.coordinator.state.topic"] {
        properties.set(format!("{topic}.num.partitions"), 4);
        properties.set(format!("{topic}.replication.factor"), replicas);
        properties.set(format!("{topic}.min.isr"), in_sync);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Authorizer;
    use super::*;

    fn plan(brokers: u8, properties: &[(&str, &str)]) -> Vec<NodePlan> {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let config = Config { brokers, properties, ..Config::default() };
        let ports: Vec<u16> = (1..).take(port_count(&config)).collect();
        nodes(&config, Path::new("/cluster"), &ports)
    }

    fn assert_lines(plan: &NodePlan, lines: &[&str]) {
        let text = plan.properties.to_string();
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn one_broker_is_its_own_controller() {
        let plans = plan(1, &[]);
        assert_eq!(plans.len(), 1);
        let listeners = "listeners=PLAINTEXT://127.0.0.1:2,INTERNAL://127.0.0.1:3,CONTROLLER://127.0.0.1:1";
        assert_lines(
            &plans[0],
            &["process.roles=broker,controller", "controller.quorum.voters=1@127.0.0.1:1", listeners],
        );
        assert_lines(&plans[0], &["log.dirs=/cluster/node-1/data", "offsets.topic.replication.factor=1"]);
    }

    #[test]
    fn several_brokers_get_an_isolated_controller() {
        let plans = plan(3, &[]);
        assert_eq!(plans.iter().map(|plan| plan.id).collect::<Vec<_>>(), [100, 1, 2, 3]);
        assert_lines(&plans[0], &["process.roles=controller", "listeners=CONTROLLER://127.0.0.1:1"]);
        assert_lines(&plans[3], &["process.roles=broker", "controller.quorum.voters=100@127.0.0.1:1"]);
        assert_lines(&plans[3], &["min.insync.replicas=2", "listeners=PLAINTEXT://127.0.0.1:6,INTERNAL://127.0.0.1:7"]);
    }

    #[test]
    fn a_proxied_listener_tells_clients_of_the_proxy() {
        let proxy = vec!["127.0.0.1:91".parse().unwrap(), "127.0.0.1:92".parse().unwrap()];
        let proxied = Listener { advertised: proxy, ..Listener::sasl_plaintext() };
        let config = Config { brokers: 2, listeners: vec![Listener::plaintext(), proxied], ..Config::default() };
        let ports: Vec<u16> = (1..).take(port_count(&config)).collect();
        let plans = nodes(&config, Path::new("/cluster"), &ports);
        let bound = "PLAINTEXT://127.0.0.1:5,SASL_PLAINTEXT://127.0.0.1:6,INTERNAL://127.0.0.1:7";
        let told = "PLAINTEXT://127.0.0.1:5,SASL_PLAINTEXT://127.0.0.1:92,INTERNAL://127.0.0.1:7";
        assert_lines(&plans[2], &[&format!("listeners={bound}"), &format!("advertised.listeners={told}")]);
        let map = "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT";
        assert_lines(&plans[2], &[&format!("listener.security.protocol.map={map}")]);
    }

    #[test]
    fn racks_go_round_and_acls_hold_on_every_node() {
        let config = Config {
            brokers: 3,
            racks: vec!["a".to_owned(), "b".to_owned()],
            authorizer: Authorizer::Standard,
            ..Config::default()
        };
        let ports: Vec<u16> = (1..).take(port_count(&config)).collect();
        let plans = nodes(&config, Path::new("/cluster"), &ports);
        for (plan, rack) in plans[1..].iter().zip(["a", "b", "a"]) {
            assert_lines(plan, &[&format!("broker.rack={rack}")]);
        }
        for plan in &plans {
            assert_lines(plan, &["super.users=User:ANONYMOUS;User:admin"]);
        }
    }

    #[test]
    fn a_quorum_that_can_change_begins_with_one_vote() {
        let config = Config { brokers: 2, quorum: Quorum::Dynamic, log_dirs: 2, ..Config::default() };
        let ports: Vec<u16> = (1..).take(port_count(&config)).collect();
        let plans = nodes(&config, Path::new("/cluster"), &ports);
        let arguments: Vec<_> = plans.iter().map(|plan| plan.format_arguments.join(" ")).collect();
        assert_eq!(arguments, ["--standalone", "", "--no-initial-controllers"]);
        let listeners = "listeners=PLAINTEXT://127.0.0.1:4,INTERNAL://127.0.0.1:5,CONTROLLER://127.0.0.1:6";
        assert_lines(&plans[2], &["process.roles=broker,controller", listeners]);
        assert_lines(&plans[2], &["log.dirs=/cluster/node-2/data,/cluster/node-2/data-2"]);
        for plan in &plans {
            assert_lines(plan, &["controller.quorum.bootstrap.servers=127.0.0.1:1"]);
        }
    }

    #[test]
    fn given_properties_win() {
        assert_lines(&plan(1, &[("auto.create.topics.enable", "true")])[0], &["auto.create.topics.enable=true"]);
    }

    #[test]
    fn free_ports_differ() {
        let mut ports = free_ports(20).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20);
    }
}
