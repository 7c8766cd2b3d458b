//! A transport and a cluster of scripted brokers, in memory and on virtual time.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kafka_conn::{
    BrokerAddress, BrokerId, ConnectOptions, Connector, Error, ErrorKind, Lane, LeaderHint, Route, Stream, Transport,
    TransportConfig,
};
use kafka_protocol::ApiKey;
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse, MetadataResponseBroker};
use support::Network;
use support::cluster::{Cluster, Reply};

#[tokio::test(start_paused = true)]
async fn an_unreachable_bootstrap_address_is_skipped() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two")]);
    for _ in 0..20 {
        let transport = cluster.connect("gone,one,away").await;
        let snapshot = transport.cluster();
        let brokers: Vec<_> = snapshot.brokers().map(|broker| (broker.id.0, broker.address.to_string())).collect();
        assert_eq!(brokers, [(1, "one:9092".to_owned()), (2, "two:9092".to_owned())]);
        assert_eq!((snapshot.controller(), snapshot.topics().len()), (Some(BrokerId(1)), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn no_broker_at_all() {
    let cluster = Cluster::default();
    let error = Transport::connect(cluster.config("gone")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Refused, "{error}");
    let error = Transport::connect(cluster.config("gone,away")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NoBroker);
    assert!(format!("{error:#}").contains("refused"), "{error:#}");
    let error = Transport::connect(TransportConfig::default()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidConfig(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn leaders_of_the_topics_in_use_only() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two")]);
    cluster.set_topic("used", &[1, 2]);
    cluster.set_topic("unused", &[1]);
    let transport = cluster.connect("one").await;
    assert_eq!(transport.leader("used", 1).await.unwrap(), BrokerId(2));
    assert_eq!(transport.leader("used", 0).await.unwrap(), BrokerId(1));
    assert_eq!(transport.topic("used").await.unwrap().partitions.len(), 2);
    assert_eq!(cluster.requests(), [vec![], vec!["used".to_owned()]]);
    assert_eq!(transport.cluster().topics().len(), 1);
    let connection = transport.connection(Route::Leader("used", 1), Lane::Produce).await.unwrap();
    assert_eq!(connection.address().host(), "two");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_always_too_old_is_fetched_ten_times_a_second() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_topic("used", &[1]);
    let config = TransportConfig { metadata_ttl: Duration::ZERO, ..cluster.config("one") };
    let transport = Transport::connect(config).await.unwrap();
    transport.topic("used").await.unwrap();
    let before = cluster.requests().len();
    // A loop without a pause would make requests, and never let the clock move.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cluster.requests().len(), before);
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(cluster.requests().len() - before, 10);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_is_an_error_in_time() {
    let cluster = Cluster::new(&[(1, "one")]);
    let transport = cluster.connect("one").await;
    let before = tokio::time::Instant::now();
    let error = transport.leader("nowhere", 0).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownTopic);
    assert!(error.to_string().contains("topic \"nowhere\""), "{error}");
    assert!(before.elapsed() <= Duration::from_secs(5));
    assert!(cluster.requests().len() < 20, "{}", cluster.requests().len());
    // One that comes into being meanwhile is found.
    let (leader, ()) = tokio::join!(transport.leader("soon", 0), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.set_topic("soon", &[1]);
    });
    assert_eq!(leader.unwrap(), BrokerId(1));
    let error = transport.leader("soon", 1).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownPartition);
}

#[tokio::test(start_paused = true)]
async fn an_election_is_waited_for() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_topic("t", &[-1]);
    let transport = cluster.connect("one").await;
    let (leader, ()) = tokio::join!(transport.leader("t", 0), async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        cluster.set_topic("t", &[1]);
    });
    assert_eq!(leader.unwrap(), BrokerId(1));
    cluster.set_topic("headless", &[-1]);
    let error = transport.leader("headless", 0).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NoLeader);
}

#[tokio::test(start_paused = true)]
async fn wishes_for_metadata_share_requests() {
    let cluster = Cluster::new(&[(1, "one")]);
    let transport = cluster.connect("one").await;
    let names: Vec<_> = (0..100).map(|index| format!("t{index}")).collect();
    names.iter().for_each(|name| cluster.set_topic(name, &[1]));
    let topics = futures_util::future::join_all(names.iter().map(|name| transport.topic(name))).await;
    assert!(topics.iter().all(Result::is_ok));
    assert!(cluster.requests().len() <= 3, "{:?}", cluster.requests().len());
    (0..10_000).for_each(|_| transport.request_refresh("t0"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(cluster.requests().len() <= 8, "{:?}", cluster.requests().len());
}

#[tokio::test(start_paused = true)]
async fn one_connection_per_broker_and_lane() {
    let cluster = Cluster::new(&[(1, "one")]);
    let transport = cluster.connect("one").await;
    assert_eq!(cluster.network.dials(), 1, "the bootstrap connection is kept");
    let request = MetadataRequest::default();
    let calls = (0..50).map(|_| transport.call(&request, Route::Broker(BrokerId(1))));
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(cluster.network.dials(), 1);
    let produce = (0..50).map(|_| transport.connection(Route::Any, Lane::Produce));
    assert!(futures_util::future::join_all(produce).await.iter().all(Result::is_ok));
    assert_eq!(cluster.network.dials(), 2);
    let dedicated = transport.dedicated(BrokerId(1)).await.unwrap();
    assert_eq!(cluster.network.dials(), 3);
    transport.close().await;
    assert!(dedicated.call(&request).await.is_ok(), "its owner's");
    let error = transport.call(&request, Route::Controller).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Closed);
    let error = transport.topic("t").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_broker() {
    let cluster = Cluster::new(&[(1, "one")]);
    let transport = cluster.connect("one").await;
    let error = transport.call(&MetadataRequest::default(), Route::Broker(BrokerId(7))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownBroker { id: BrokerId(7) });
    assert!(error.to_string().contains('7'), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_was_just_refused_is_not_dialled_again_at_once() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_brokers(&[(1, "one"), (2, "down")]);
    let transport = cluster.connect("one").await;
    for _ in 0..100 {
        let error = transport.connection(Route::Broker(BrokerId(2)), Lane::General).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Refused);
    }
    assert_eq!(cluster.network.dials(), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(transport.connection(Route::Broker(BrokerId(2)), Lane::General).await.is_err());
    assert_eq!(cluster.network.dials(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_comes_back_is_found_again() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_brokers(&[(1, "one"), (2, "two")]);
    let transport = cluster.connect("one").await;
    let request = MetadataRequest::default();
    let (answer, ()) = tokio::join!(transport.call(&request, Route::Broker(BrokerId(2))), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cluster.serve("two");
    });
    assert!(answer.is_ok(), "nothing was sent, so the call is made again");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_comes_back_is_found_again() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_brokers(&[(2, "two")]);
    let transport = cluster.connect("one").await;
    let request = MetadataRequest::default();
    let (answer, ()) = tokio::join!(transport.call(&request, Route::Any), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cluster.serve("two");
    });
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn when_every_known_broker_is_gone_the_bootstrap_addresses_get_their_turn() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two")]);
    cluster.serve("virtual");
    let transport = cluster.connect("virtual").await;
    for host in ["one", "two"] {
        cluster.network.stop(host);
    }
    cluster.set_brokers(&[(8, "eight")]);
    cluster.serve("eight");
    cluster.set_topic("t", &[8]);
    assert_eq!(transport.leader("t", 0).await.unwrap(), BrokerId(8));
    let answer = transport.call(&MetadataRequest::default(), Route::Any).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_waited_for_while_no_broker_is_there() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_topic("t", &[1]);
    let transport = cluster.connect("one").await;
    cluster.stop("one").await;
    let (leader, ()) = tokio::join!(transport.leader("t", 0), async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        cluster.serve("one");
    });
    assert_eq!(leader.unwrap(), BrokerId(1));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_says_so_sends_the_client_back_to_the_bootstrap_addresses() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two")]);
    cluster.serve("virtual");
    cluster.on(ApiKey::METADATA, |host, request| {
        let broker = |node_id, host: &str| MetadataResponseBroker {
            node_id,
            host: host.into(),
            port: 9092,
            ..Default::default()
        };
        let answer = match host {
            // A broker that has left the cluster.
            "one" => MetadataResponse { error_code: 129, ..Default::default() },
            _ => MetadataResponse { brokers: vec![broker(2, "two")], ..Default::default() },
        };
        Reply::of(request, &answer)
    });
    let transport = cluster.connect("virtual").await;
    transport.learn(&[], kafka_conn::Broker::advertised(1, "one".into(), 9092, None));
    let old = transport.connection(Route::Broker(BrokerId(1)), Lane::General).await.unwrap();
    cluster.network.stop("two");
    transport.refresh(&[]).await.unwrap();
    let asked = cluster.asked(ApiKey::METADATA);
    assert_eq!(asked.last().unwrap(), "virtual", "{asked:?}");
    assert!(transport.cluster().broker(BrokerId(1)).is_none());
    drop(old);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_an_answer_names_is_used_at_once() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_topic("t", &[1]);
    cluster.serve("five");
    let transport = cluster.connect("one").await;
    assert_eq!(transport.leader("t", 0).await.unwrap(), BrokerId(1));
    let mut watch = transport.watch();
    watch.mark_unchanged();
    let hint = LeaderHint { topic: "t".into(), partition: 0, leader: BrokerId(5), leader_epoch: 3 };
    transport.learn(std::slice::from_ref(&hint), kafka_conn::Broker::advertised(5, "five".into(), 9092, None));
    assert!(watch.has_changed().unwrap(), "who waits for a leader hears of it");
    let before = cluster.requests().len();
    let connection = transport.connection(Route::Leader("t", 0), Lane::Produce).await.unwrap();
    assert_eq!(connection.address().host(), "five");
    assert_eq!(cluster.requests().len(), before);
    transport.close().await;
    transport.learn(&[LeaderHint { leader_epoch: 4, ..hint }], None);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_is_closed_after_a_while() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two")]);
    let transport = cluster.connect("one").await;
    let route = Route::Broker(BrokerId(2));
    let idle = transport.config().idle_timeout;
    let held = transport.connection(route, Lane::Produce).await.unwrap();
    let second = Duration::from_secs(1);
    tokio::time::sleep(idle - second).await;
    transport.call(&MetadataRequest::default(), route).await.unwrap();
    tokio::time::sleep(2 * second).await;
    let stats = transport.stats();
    assert_eq!((stats.connections_opened, stats.open_connections()), (3, 2), "that of the bootstrap broker");
    tokio::time::sleep(2 * idle).await;
    assert!(!held.is_closed(), "somebody has it");
    assert_eq!(transport.stats().open_connections(), 1);
    let again = transport.connection(route, Lane::Produce).await.unwrap();
    assert_eq!(cluster.network.dials(), 3, "the same");
    drop((held, again));
    tokio::time::sleep(2 * idle + second).await;
    assert_eq!(transport.stats().open_connections(), 0);
    assert!(transport.call(&MetadataRequest::default(), route).await.is_ok(), "opened again when needed");
    let stats = transport.stats();
    assert_eq!((stats.connections_opened, stats.reconnects), (4, 0), "closed on purpose");
}

#[tokio::test(start_paused = true)]
async fn an_idle_transport_does_nothing() {
    let cluster = Cluster::new(&[(1, "one")]);
    let transport = cluster.connect("one").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let before = transport.stats();
    assert_eq!(before.open_connections(), 0);
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(transport.stats(), before);
    assert_eq!(cluster.network.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_counted() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two")]);
    cluster.set_brokers(&[(1, "one"), (2, "two"), (3, "down")]);
    let transport = cluster.connect("one").await;
    let request = MetadataRequest::default();
    for _ in 0..5 {
        transport.call(&request, Route::Broker(BrokerId(2))).await.unwrap();
    }
    assert!(transport.connection(Route::Broker(BrokerId(3)), Lane::General).await.is_err());
    cluster.stop("two").await;
    cluster.serve("two");
    transport.call(&request, Route::Broker(BrokerId(2))).await.unwrap();
    let stats = transport.stats();
    assert_eq!((stats.connections_opened, stats.connections_closed, stats.dials_failed), (3, 1, 1));
    assert_eq!(stats.reconnects, 1);
    let metadata = stats.api(ApiKey::METADATA).unwrap();
    assert_eq!((metadata.requests, metadata.responses, metadata.failures.total()), (7, 7, 0));
    assert_eq!(metadata.latency.count(), 7);
    assert!(stats.bytes_in > 7 * 4 && stats.bytes_out > 7 * 4, "{stats:?}");
    cluster.on(ApiKey::METADATA, |_, _| Reply::Hangup);
    assert!(transport.call(&request, Route::Broker(BrokerId(2))).await.is_err());
    let stats = transport.stats();
    assert_eq!(stats.api(ApiKey::METADATA).unwrap().failures.lost, 1);
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_is_renewed_when_old_and_watched() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_topic("t", &[1]);
    let transport = cluster.connect("one").await;
    transport.topic("t").await.unwrap();
    let mut watch = transport.watch();
    watch.mark_unchanged();
    cluster.set_topic("t", &[1, 1]);
    watch.changed().await.unwrap();
    assert_eq!(watch.borrow().topic("t").unwrap().partitions.len(), 2);
    let before = cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let after = cluster.requests();
    assert!(after.len() <= before + 2, "no longer asked for when nobody uses the topic");
    assert_eq!(transport.cluster().topics().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_closes_everything() {
    let cluster = Cluster::new(&[(1, "one")]);
    let transport = cluster.connect("one").await;
    let connection = transport.connection(Route::Any, Lane::General).await.unwrap();
    let clone = transport.clone();
    drop(transport);
    assert!(clone.call(&MetadataRequest::default(), Route::Any).await.is_ok());
    drop(clone);
    assert!(!connection.is_closed(), "a handle of its own");
    drop(connection);
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // What is left are the scripted broker's listeners.
    while alive() > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Lets nobody in.
#[derive(Debug, Default)]
struct Strict {
    network: Network,
    attempts: AtomicUsize,
    is_strict: AtomicBool,
}

#[async_trait]
impl Connector for Strict {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>, Error> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        if self.is_strict.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::SaslNotEnabled));
        }
        self.network.connect(address, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_does_not_knock_again_and_again() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two"), (3, "three")]);
    cluster.set_topic("t", &[1]);
    let strict = Arc::new(Strict { network: cluster.network.clone(), ..Strict::default() });
    let mut config = cluster.config("one,two,three");
    config.dialer.connector = Arc::clone(&strict) as Arc<dyn Connector>;
    let transport = Transport::connect(config.clone()).await.unwrap();
    transport.leader("t", 0).await.unwrap();
    strict.is_strict.store(true, Ordering::SeqCst);
    let error = Transport::connect(config).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::SaslNotEnabled, "itself, not that there is no broker");
    assert_eq!(strict.attempts.swap(0, Ordering::SeqCst), 2, "one of the three was asked");
    for host in ["one", "two", "three"] {
        cluster.stop(host).await;
    }
    tokio::time::sleep(Duration::from_secs(310)).await;
    let knocks = strict.attempts.load(Ordering::SeqCst);
    assert!((1..3).contains(&knocks), "{knocks} times for metadata that is old");
}

/// Never gets anywhere with the host `slow`; panics, as it must not, the first time that it is asked for `broken`.
#[derive(Debug, Default)]
struct Moody {
    network: Network,
    panicked: AtomicBool,
}

#[async_trait]
impl Connector for Moody {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>, Error> {
        match address.host() {
            "slow" => std::future::pending().await,
            "broken" if !self.panicked.swap(true, Ordering::SeqCst) => std::panic::panic_any(()),
            _ => self.network.connect(address, options).await,
        }
    }
}

async fn connect_moody(cluster: &Cluster, bootstrap: &str) -> Transport {
    let connector = Arc::new(Moody { network: cluster.network.clone(), ..Moody::default() });
    let mut config = cluster.config(bootstrap);
    config.dialer.connector = connector;
    Transport::connect(config).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_dial_to_an_address_that_the_broker_left_can_be_tried_again() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two")]);
    cluster.set_brokers(&[(1, "one"), (2, "slow")]);
    let transport = connect_moody(&cluster, "one").await;
    let route = Route::Broker(BrokerId(2));
    let old = tokio::spawn({
        let transport = transport.clone();
        async move { transport.connection(route, Lane::General).await }
    });
    let call = tokio::spawn({
        let transport = transport.clone();
        async move { transport.call(&MetadataRequest::default(), route).await }
    });
    tokio::task::yield_now().await;
    cluster.set_brokers(&[(1, "one"), (2, "two")]);
    transport.refresh(&[]).await.unwrap();
    assert!(transport.connection(route, Lane::General).await.is_ok());
    let error = old.await.unwrap().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost, "nothing was closed from this side");
    assert!(error.is_unsent() && error.is_retriable());
    assert!(call.await.unwrap().is_ok(), "calls find the new address by themselves");
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_harms_one_attempt_only() {
    let cluster = Cluster::new(&[(1, "one"), (2, "broken")]);
    let transport = connect_moody(&cluster, "one").await;
    let route = Route::Broker(BrokerId(2));
    assert!(transport.connection(route, Lane::General).await.is_err());
    assert!(transport.connection(route, Lane::General).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn connections_to_brokers_that_left_are_closed() {
    let cluster = Cluster::new(&[(1, "one"), (2, "two")]);
    let transport = cluster.connect("one").await;
    transport.connection(Route::Broker(BrokerId(2)), Lane::Produce).await.unwrap();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    cluster.set_brokers(&[(1, "one")]);
    transport.refresh(&[]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let after = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(after, before - 3, "the connection's task, the one that looks after it, and the scripted broker's");
}

#[tokio::test(start_paused = true)]
async fn connected_brokers_are_asked_however_many_others_are_down() {
    let cluster = Cluster::new(&[(99, "up")]);
    let hosts: Vec<_> = (1..50).map(|id| (id, "slow")).chain([(99, "up")]).collect();
    cluster.set_brokers(&hosts);
    let transport = connect_moody(&cluster, "up").await;
    let before = tokio::time::Instant::now();
    for _ in 0..20 {
        transport.refresh(&[]).await.unwrap();
    }
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_broker_does_not_take_all_the_time_of_a_request_for_any() {
    let cluster = Cluster::new(&[(9, "up")]);
    let hosts: Vec<_> = (10..20).map(|id| (id, "slow")).chain([(9, "up")]).collect();
    cluster.set_brokers(&hosts);
    for lane in [Lane::Produce; 5] {
        let transport = connect_moody(&cluster, "up").await;
        let before = tokio::time::Instant::now();
        assert_eq!(transport.connection(Route::Any, lane).await.unwrap().address().host(), "up");
        assert!(before.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_failed_is_made_up_for_soon() {
    let cluster = Cluster::new(&[(1, "one")]);
    cluster.set_topic("t", &[1]);
    let transport = cluster.connect("one").await;
    transport.topic("t").await.unwrap();
    let generation = transport.cluster().generation();
    cluster.set_brokers(&[]);
    let mut watch = transport.watch();
    watch.mark_unchanged();
    tokio::time::sleep(Duration::from_secs(299)).await;
    transport.cluster().topic("t").unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(transport.cluster().generation(), generation, "a broker that knows of none, itself included");
    cluster.set_brokers(&[(1, "one")]);
    let before = tokio::time::Instant::now();
    watch.changed().await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}
