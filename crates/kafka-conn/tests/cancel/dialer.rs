//! Futures of `Dialer`, and of what it dials with.

use std::time::Duration;

use kafka_conn::{
    ConnectOptions, Connector, Dialer, LookupOptions, Resolver, Result, Stream, SystemResolver, TcpConnector,
};
use tokio::net::TcpListener;

use super::{Clock, Row, check, dropped_after, row};
use crate::support::broker::{Brokers, Log};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row!("Dialer::dial", |polls| {
            let (brokers, dialer) = dialer();
            let completed = dropped_after(polls, dialer.dial("one")).await.is_some();
            check_dialer(&brokers, &dialer).await;
            completed
        }),
        row!("Dialer::dial_address", |polls| {
            let (brokers, dialer) = dialer();
            let address = "one".parse().unwrap();
            let completed = dropped_after(polls, dialer.dial_address(&address)).await.is_some();
            check_dialer(&brokers, &dialer).await;
            completed
        }),
        row!("Dialer::dial_leader", |polls| {
            let (brokers, dialer) = dialer();
            elect_later(&brokers);
            let completed = dropped_after(polls, dialer.dial_leader("one", "t", 1)).await.is_some();
            check_dialer(&brokers, &dialer).await;
            completed
        }),
        row!("Dialer::dial_leader_with", |polls| {
            let (brokers, dialer) = dialer();
            brokers.change(|state| state.auto_create = true);
            let options = LookupOptions { allow_auto_topic_creation: true };
            let completed = dropped_after(polls, dialer.dial_leader_with("two", "new", 0, options)).await.is_some();
            check_dialer(&brokers, &dialer).await;
            completed
        }),
        row!("Dialer::dial_partition", |polls| {
            let (brokers, dialer) = dialer();
            let partition = dialer.lookup_partition("two", "t", 0).await.unwrap();
            let completed = dropped_after(polls, dialer.dial_partition(&partition)).await.is_some();
            check_dialer(&brokers, &dialer).await;
            completed
        }),
        row!("Dialer::lookup_leader", |polls| {
            let (brokers, dialer) = dialer();
            elect_later(&brokers);
            let completed = dropped_after(polls, dialer.lookup_leader("one", "t", 1)).await.is_some();
            check_dialer(&brokers, &dialer).await;
            completed
        }),
        row!("Dialer::lookup_partition", |polls| {
            let (brokers, dialer) = dialer();
            let completed = dropped_after(polls, dialer.lookup_partition("one", "missing", 0)).await.is_some();
            check_dialer(&brokers, &dialer).await;
            completed
        }),
        row!("Dialer::lookup_partitions", |polls| {
            let (brokers, dialer) = dialer();
            let completed = dropped_after(polls, dialer.lookup_partitions("one", "t")).await.is_some();
            check_dialer(&brokers, &dialer).await;
            completed
        }),
        row!("Resolver::resolve", Clock::Real, |polls| {
            let resolver = SystemResolver::default();
            let completed = dropped_after(polls, resolver.resolve("localhost", 9092)).await.is_some();
            assert!(!resolver.resolve("localhost", 9092).await.unwrap().is_empty());
            completed
        }),
        row!("Connector::connect", Clock::Real, |polls| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string().parse().unwrap();
            let taken = Taken::default();
            let dialer = Dialer { connector: std::sync::Arc::new(taken.clone()), ..Dialer::default() };
            // The options are the dialer's to make: it is asked for them, and gives up.
            let listening = tokio::time::timeout(Duration::from_secs(60), dialer.dial_address(&address));
            assert!(listening.await.unwrap().is_err());
            let options = taken.options();
            let connector = TcpConnector::default();
            let completed = dropped_after(polls, connector.connect(&address, &options)).await.is_some();
            let again = tokio::time::timeout(Duration::from_secs(60), connector.connect(&address, &options)).await;
            assert!(again.unwrap().is_ok());
            completed
        }),
    ]
}

/// Brokers `one` and `two`; partition 1 of `t` has no leader yet.
fn dialer() -> (Brokers, Dialer) {
    let brokers = Brokers::start(&[(1, "one"), (2, "two")]);
    brokers.change(|state| state.topics.insert("t".into(), vec![Log::led_by(1), Log::led_by(-1)]));
    let dialer = brokers.dialer();
    (brokers, dialer)
}

fn elect_later(brokers: &Brokers) {
    let brokers = brokers.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        brokers.change(|state| state.topics.get_mut("t").unwrap()[1].leader = 2);
    });
}

/// What was opened is closed, and the dialer dials.
async fn check_dialer(brokers: &Brokers, dialer: &Dialer) {
    brokers.until_open(0).await;
    let connection = dialer.dial("one").await.unwrap();
    check(brokers, connection).await;
}

/// Keeps the options that a dialer makes.
#[derive(Clone, Debug, Default)]
struct Taken(std::sync::Arc<std::sync::Mutex<Option<ConnectOptions>>>);

impl Taken {
    fn options(&self) -> ConnectOptions {
        self.0.lock().unwrap().clone().unwrap()
    }
}

#[async_trait::async_trait]
impl Connector for Taken {
    async fn connect(&self, address: &kafka_conn::BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>> {
        *self.0.lock().unwrap() = Some(options.clone());
        Err(kafka_conn::Error::connect(address, std::io::ErrorKind::ConnectionRefused.into()))
    }
}
