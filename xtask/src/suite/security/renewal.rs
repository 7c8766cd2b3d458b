//! Sessions that live 3 s: clients authenticate anew in time, under load, and no request fails for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kafka_conn::sasl::{Exchange, Reply, SaslError};
use kafka_conn::{BrokerAddress, Connection, Dialer, Secret, sasl};
use kafka_protocol::messages::metadata::MetadataRequest;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};
use tokio::task::JoinSet;

use super::super::target::listeners;
use super::super::{Failure, Scenario, Target, Text, check, scenario};
use super::{login, trusting};
use crate::kafka::{Mechanism, User};

/// Connections for each mechanism, and the calls that each has in flight at a time.
const CONNECTIONS: usize = 5;
const IN_FLIGHT: usize = 4;
const RENEWALS: u64 = 60;
/// Several times what [`RENEWALS`] takes.
const LIMIT: Duration = Duration::from_secs(90);

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![
        scenario("security::sixty_renewals_under_load", |target| async move { under_load(&target).await }),
        scenario("security::a_writer_and_a_reader_outlive_their_sessions", |target| async move {
            writer_and_reader(&target).await
        }),
    ]
}

/// Calls over many connections, without a pause, until sessions were renewed often enough.
async fn under_load(target: &Target) -> Result<(), Failure> {
    let logins = Arc::new(AtomicU64::new(0));
    let mut load = JoinSet::new();
    for mechanism in Mechanism::ALL {
        for number in 0..CONNECTIONS {
            // Every second one over TLS.
            let (listener, tls) = match number % 2 {
                0 => (listeners::SASL_SHORT, None),
                _ => (listeners::SASL_TLS_SHORT, Some(trusting(target)?)),
            };
            let sasl = Some(Counting::around(login::mechanism(mechanism, &User::default()), &logins));
            let connection = Dialer { tls, sasl, ..Dialer::default() }.dial(&target.address(listener)?).await?;
            load.spawn(calls(connection, Arc::clone(&logins)));
        }
    }
    let mut answered = 0;
    while let Some(calls) = load.join_next().await {
        answered += calls??;
    }
    let renewals = renewals(&logins);
    println!("    {renewals} renewals, {answered} requests, 0 failed");
    check(renewals >= RENEWALS, || format!("{renewals} renewals of {RENEWALS} in {LIMIT:?}"))
}

/// The authentications beyond the first one of each connection.
fn renewals(logins: &AtomicU64) -> u64 {
    logins.load(Ordering::Relaxed).saturating_sub((Mechanism::ALL.len() * CONNECTIONS) as u64)
}

/// Returns how many requests were answered; the first that fails is the end of the scenario.
async fn calls(connection: Connection, logins: Arc<AtomicU64>) -> Result<u64, Failure> {
    let deadline = Instant::now() + LIMIT;
    let mut answered = 0;
    while renewals(&logins) < RENEWALS && Instant::now() < deadline {
        let mut round = JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let connection = connection.clone();
            round.spawn(async move { connection.call(&MetadataRequest::default()).await });
        }
        while let Some(answer) = round.join_next().await {
            answer??;
            answered += 1;
        }
        // The load of twenty connections must leave the broker, and the machine, room for others.
        tokio::time::sleep(PAUSE).await;
    }
    Ok(answered)
}

const PAUSE: Duration = Duration::from_millis(20);

/// Clients above know nothing of it: their connections, each there from the first round on, renew their sessions.
async fn writer_and_reader(target: &Target) -> Result<(), Failure> {
    let logins = Arc::new(AtomicU64::new(0));
    let sasl = Some(Counting::around(login::mechanism(Mechanism::ScramSha256, &User::default()), &logins));
    let transport = target.transport_to(listeners::SASL_SHORT, Dialer { sasl, ..Dialer::default() }).await?;
    let topic = target.new_topic(&transport, "renewal", 1).await?;
    let config = WriterConfig { topic: Some(topic.as_str().into()), ..WriterConfig::default() };
    let writer = Writer::new(transport.clone(), config)?;
    let config = ReaderConfig { topic: topic.as_str().into(), ..ReaderConfig::default() };
    let mut reader = Reader::new(transport, config).await?;

    let text = Text::read()?;
    let deadline = Instant::now() + LIMIT;
    let mut goal = u64::MAX;
    for number in 0.. {
        writer.send(text.message(number)).await?.await?;
        let found = reader.fetch_message().await?.value;
        check(found == Some(text.line(number)), || format!("read {found:?} as line {number}"))?;
        let done = logins.load(Ordering::Relaxed);
        goal = goal.min(done + ROUNDS * CLIENT_CONNECTIONS);
        if done >= goal {
            break;
        }
        check(Instant::now() < deadline, || format!("{done} authentications of {goal}"))?;
        tokio::time::sleep(PAUSE).await;
    }
    reader.close().await;
    Ok(writer.close().await?)
}

/// For produce requests, for fetch requests, for the rest.
const CLIENT_CONNECTIONS: u64 = 3;
const ROUNDS: u64 = 2;

/// Counts the authentications that came to a good end.
#[derive(Debug)]
struct Counting {
    mechanism: Arc<dyn sasl::Mechanism>,
    logins: Arc<AtomicU64>,
}

impl Counting {
    fn around(mechanism: Arc<dyn sasl::Mechanism>, logins: &Arc<AtomicU64>) -> Arc<dyn sasl::Mechanism> {
        Arc::new(Self { mechanism, logins: Arc::clone(logins) })
    }
}

#[async_trait]
impl sasl::Mechanism for Counting {
    fn name(&self) -> &str {
        self.mechanism.name()
    }

    fn protection(&self) -> sasl::Protection {
        self.mechanism.protection()
    }

    async fn start(&self, broker: &BrokerAddress) -> Result<Box<dyn Exchange>, SaslError> {
        let exchange = self.mechanism.start(broker).await?;
        Ok(Box::new(CountingExchange { exchange, logins: Arc::clone(&self.logins) }))
    }
}

#[derive(Debug)]
struct CountingExchange {
    exchange: Box<dyn Exchange>,
    logins: Arc<AtomicU64>,
}

impl Exchange for CountingExchange {
    fn initial(&mut self) -> Result<Secret, SaslError> {
        self.exchange.initial()
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Reply, SaslError> {
        let reply = self.exchange.respond(challenge)?;
        if matches!(reply, Reply::Done) {
            self.logins.fetch_add(1, Ordering::Relaxed);
        }
        Ok(reply)
    }
}
