//! All brokers of a cluster behind one handle.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kafka_protocol::{AnyMessage, Request};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::address::BrokerAddress;
use crate::backoff::Backoff;
use crate::call::CallOptions;
use crate::client::{self, Answer, Repeat};
use crate::cluster::{Broker, BrokerId, Cluster, LeaderHint, Topic};
use crate::connection::Connection;
use crate::coordinator::CoordinatorKind;
use crate::deadline::later;
use crate::dialer::Dialer;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::lookup::Lookups;
use crate::metadata::{self, Refresh};
use crate::pool::Pool;
use crate::round_trip::{AnyRequest, RoundTrip, SendOptions, downcast};
use crate::route::{Lane, Route};
use crate::stats::Stats;

/// How a [`Transport`] is made: `TransportConfig { bootstrap, ..TransportConfig::default() }`.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Brokers to ask at the start, and again when every known one is gone (`bootstrap.servers`). They are tried in
    /// random order; unreachable ones are skipped. No default: at least one.
    pub bootstrap: Vec<BrokerAddress>,
    /// How connections are made; its `call_timeout` also bounds the waits here.
    pub dialer: Dialer,
    /// How old the snapshot may become while topics are in use. Less than 100 ms counts as 100 ms. Default 5 min (Java
    /// `metadata.max.age.ms`, kafka-go `MetadataTTL`).
    pub metadata_ttl: Duration,
    /// How long a topic that nobody looks up stays in the snapshot. Default 5 min (`metadata.max.idle.ms`).
    pub topic_idle: Duration,
    /// How long a topic that no broker knows is asked for again: one that was just created takes a moment to be known
    /// everywhere. Default 5 s, within the timeout of the call.
    pub unknown_topic_timeout: Duration,
    /// How long a shared connection that nobody uses stays open. Default 9 min (Java `connections.max.idle.ms`; kafka-go's
    /// `IdleTimeout` is 30 s, which makes programs that do something every minute connect each time): a little less than
    /// the 10 min after which brokers close it. [`Duration::MAX`] leaves that to them.
    pub idle_timeout: Duration,
    /// Pauses between attempts, and between connections to one broker. Default 50 ms growing to 1 s, with jitter
    /// (`reconnect.backoff.ms`, `retry.backoff.ms`, each with `.max`).
    pub backoff: Backoff,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            bootstrap: Vec::new(),
            dialer: Dialer::default(),
            metadata_ttl: Duration::from_secs(300),
            topic_idle: Duration::from_secs(300),
            unknown_topic_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(540),
            backoff: Backoff::default(),
        }
    }
}

/// A cluster: its connections, what is known of it, and the way to the right broker.
///
/// It is a handle: clones share all of it. Per broker there is one connection for Produce requests and one for
/// everything else, opened when first needed; who may block a connection opens one of its own
/// ([`dedicated`](Self::dedicated)). When the last handle is dropped, the connections drain and close.
///
/// **Cancel safety:** every future here may be dropped at any time; what it began for others (a dial, a metadata
/// request) goes on.
///
/// ```no_run
/// # async fn example() -> kafka_conn::Result<()> {
/// use kafka_conn::{BrokerAddress, Route, Transport, TransportConfig};
/// use kafka_protocol::messages::metadata::MetadataRequest;
///
/// let bootstrap = BrokerAddress::parse_list("kafka-1,kafka-2")?;
/// let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
/// let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
/// let answer = transport.call(&everything, Route::Any).await?;
/// println!("{} topics", answer.topics.len());
/// let leader = transport.leader("orders", 0).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
}

struct Inner {
    config: TransportConfig,
    pool: Arc<Pool>,
    metadata: metadata::Handle,
    lookups: Lookups,
}

impl Transport {
    /// Connects to one of the bootstrap brokers and asks it for the cluster.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) without bootstrap addresses; where none of them can be reached, the
    /// last one's error, if it is the only one, else [`NoBroker`](ErrorKind::NoBroker) with it as the source. Who is not
    /// let in by one of them ([`is_authentication`](Error::is_authentication)) asks no other.
    pub async fn connect(config: TransportConfig) -> Result<Self> {
        if config.bootstrap.is_empty() {
            return Err(Error::new(ErrorKind::InvalidConfig("no bootstrap address")));
        }
        let pool = Pool::new(config.dialer.clone(), config.backoff.clone(), config.idle_timeout);
        let metadata = metadata::start(&config, Arc::clone(&pool));
        let transport = Self { inner: Arc::new(Inner { config, pool, metadata, lookups: Lookups::default() }) };
        transport.refresh(&[]).await?;
        Ok(transport)
    }

    /// The newest snapshot. It holds the topics that were asked for, and no others.
    pub fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.inner.metadata.cluster.borrow())
    }

    /// A watch on the snapshots: wakes for each new one.
    pub fn watch(&self) -> watch::Receiver<Arc<Cluster>> {
        self.inner.metadata.cluster.clone()
    }

    /// How it was configured.
    pub fn config(&self) -> &TransportConfig {
        &self.inner.config
    }

    /// What its connections have done so far, the [`dedicated`](Self::dedicated) ones included: a few hundred loads of
    /// counters, cheap enough for every second. A [`Dialer`] that several transports are made with counts for all.
    pub fn stats(&self) -> Stats {
        self.inner.config.dialer.meter.stats()
    }

    /// Asks for fresh metadata, with these topics among it, and waits for it. Calls at the same time share a request.
    /// Whether a topic exists is in the snapshot.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout), or why no broker could be asked.
    pub async fn refresh(&self, topics: &[&str]) -> Result<Arc<Cluster>> {
        let timeout = self.inner.config.dialer.call_timeout;
        self.refresh_until(topics, after(timeout)).await
    }

    /// Asks for fresh metadata of a topic without waiting for it: for errors that say that a leader is stale
    /// ([`Error::needs_metadata_refresh`]). It is dropped where enough such requests are waiting already.
    pub fn request_refresh(&self, topic: &str) {
        let _full_is_fine = self.inner.metadata.refreshes.try_send(Refresh::new(&[topic]));
    }

    /// A topic, from the snapshot, or asked for.
    ///
    /// # Errors
    /// [`UnknownTopic`](ErrorKind::UnknownTopic) after
    /// [`unknown_topic_timeout`](TransportConfig::unknown_topic_timeout), the broker's error for the topic, and those
    /// of [`refresh`](Self::refresh).
    pub async fn topic(&self, name: &str) -> Result<Arc<Topic>> {
        let deadline = after(self.inner.config.dialer.call_timeout);
        self.until_known(deadline, name, |cluster| {
            let topic = cluster.topic(name).ok_or_else(|| Error::new(ErrorKind::UnknownTopic).with_topic(name))?;
            topic.check().map(|()| Arc::clone(topic))
        })
        .await
    }

    /// The broker that leads a partition, from the snapshot, or asked for; waits for an election.
    ///
    /// # Errors
    /// As [`topic`](Self::topic); [`UnknownPartition`](ErrorKind::UnknownPartition); [`NoLeader`](ErrorKind::NoLeader)
    /// when the dialer's call timeout is over.
    pub async fn leader(&self, topic: &str, partition: i32) -> Result<BrokerId> {
        let deadline = after(self.inner.config.dialer.call_timeout);
        self.leader_until(topic, partition, deadline).await
    }

    /// The coordinator of a group or a transactional id, as it is known, or looked up; waits for one to be there. Calls
    /// for the same one share a request. For calls on connections of one's own ([`dedicated`](Self::dedicated)); others
    /// find it by [`Route::Group`] and [`Route::Transaction`].
    ///
    /// ```no_run
    /// # async fn example(transport: kafka_conn::Transport) -> kafka_conn::Result<()> {
    /// use kafka_conn::CoordinatorKind;
    ///
    /// let broker = transport.coordinator(CoordinatorKind::Group, "billing").await?;
    /// let connection = transport.dedicated(broker).await?;
    /// // … and when an answer says NOT_COORDINATOR:
    /// transport.forget_coordinator(CoordinatorKind::Group, "billing", broker);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The broker's refusal, such as `GROUP_AUTHORIZATION_FAILED`; [`Timeout`](ErrorKind::Timeout), or the last reason
    /// why there was none, when the dialer's call timeout is over.
    pub async fn coordinator(&self, kind: CoordinatorKind, id: &str) -> Result<BrokerId> {
        self.coordinator_until(kind, id, after(self.inner.config.dialer.call_timeout)).await
    }

    /// Forgets that `broker` coordinates `id`: for answers that say so
    /// ([`needs_coordinator_refresh`](kafka_protocol::ErrorCode::needs_coordinator_refresh)), and for connections of
    /// one's own that were lost. Nothing happens where another broker is known by now.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, id: &str, broker: BrokerId) {
        self.inner.lookups.forget(kind, id, broker);
    }

    /// Takes in what answers to Produce and Fetch tell of leaders that have moved, and where those brokers are
    /// (KIP-951), so that the next request goes there at once. What is older than what is known is passed over.
    pub fn learn(&self, leaders: &[LeaderHint], brokers: impl IntoIterator<Item = Broker>) {
        self.inner.metadata.learn(leaders, brokers);
    }

    /// Sends a request to where it belongs, on the shared connection for everything but Produce, and waits for the
    /// answer. Made again, after a pause, only where certainly nothing was sent.
    ///
    /// # Errors
    /// Those of [`Connection::call`], and those of finding the broker.
    pub async fn call<R: Request>(&self, request: &R, route: Route<'_>) -> Result<R::Response> {
        self.call_with(request, route, CallOptions::default()).await
    }

    /// [`call`](Self::call) with a timeout or limits to the version.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_with<R: Request>(
        &self,
        request: &R,
        route: Route<'_>,
        options: CallOptions,
    ) -> Result<R::Response> {
        let deadline = after(options.timeout.unwrap_or(self.inner.config.dialer.call_timeout));
        let attempt = Attempt { lane: Lane::General, repeat: Repeat::Refused, options: &options, deadline };
        let answer = self.call_any(request, route, attempt).await?;
        downcast(answer).ok_or_else(|| Error::new(ErrorKind::Decode))
    }

    /// Attempts until there is an answer, no time left, or a failure after which another attempt must not be made.
    pub(crate) async fn call_any(
        &self,
        request: &dyn AnyRequest,
        route: Route<'_>,
        attempt: Attempt<'_>,
    ) -> Result<Box<dyn AnyMessage>> {
        let mut pauses = self.inner.config.backoff.pauses();
        loop {
            let error = match self.call_once(request, route, attempt).await {
                Err(error) => error,
                answer => return answer,
            };
            let pause = after(pauses.next_pause());
            if !may_connect_later(route, attempt.repeat, &error) || pause >= attempt.deadline {
                return Err(error);
            }
            tokio::time::sleep_until(pause).await;
        }
    }

    /// One attempt.
    pub(crate) async fn call_once(
        &self,
        request: &dyn AnyRequest,
        route: Route<'_>,
        attempt: Attempt<'_>,
    ) -> Result<Box<dyn AnyMessage>> {
        let (broker, connection) = self.connection_until(route, attempt.lane, attempt.deadline).await?;
        let answer = request.call_on(&connection, attempt.options_now()).await;
        if let (Err(error), Some(broker)) = (&answer, broker) {
            self.distrust(route, broker, error);
        }
        answer
    }

    /// One attempt at a request that is not answered.
    pub(crate) async fn send_once(
        &self,
        request: &dyn AnyRequest,
        route: Route<'_>,
        attempt: Attempt<'_>,
    ) -> Result<()> {
        let (_, connection) = self.connection_until(route, attempt.lane, attempt.deadline).await?;
        request.send_on(&connection, attempt.options_now()).await
    }

    /// A shared connection to where `route` leads.
    ///
    /// # Errors
    /// Those of finding the broker and of [`Dialer::dial_address`]. A broker that was just found unreachable is not
    /// dialled again before a pause is over: the same error comes at once.
    pub async fn connection(&self, route: Route<'_>, lane: Lane) -> Result<Connection> {
        let deadline = after(self.inner.config.dialer.call_timeout);
        self.connection_until(route, lane, deadline).await.map(|(_, connection)| connection)
    }

    /// A new connection to a broker that belongs to the caller alone, for requests that may block: fetches, groups.
    ///
    /// # Errors
    /// [`UnknownBroker`](ErrorKind::UnknownBroker), and those of [`Dialer::dial_address`].
    pub async fn dedicated(&self, broker: BrokerId) -> Result<Connection> {
        let address = self.address(broker)?;
        self.inner.config.dialer.dial_address(&address).await
    }

    /// Closes the shared connections of all handles, when what is in flight on them is answered. Connections of
    /// [`dedicated`](Self::dedicated) are their owners'.
    pub async fn close(&self) {
        self.inner.metadata.task.0.abort();
        self.inner.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    pub(crate) fn lookups(&self) -> &Lookups {
        &self.inner.lookups
    }

    pub(crate) async fn refresh_until(&self, topics: &[&str], deadline: Instant) -> Result<Arc<Cluster>> {
        let (refresh, answer) = Refresh::with_answer(topics);
        let closed = || Error::new(ErrorKind::Closed).with_unsent();
        let asked = async {
            self.inner.metadata.refreshes.send(refresh).await.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        };
        timeout_at(deadline, asked)
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout { step: Step::Metadata, after: None }).with_unsent()))
    }

    pub(crate) fn request_refresh_of_brokers(&self) {
        let _full_is_fine = self.inner.metadata.refreshes.try_send(Refresh::new(&[]));
    }
}

#[async_trait]
impl RoundTrip for Transport {
    async fn round_trip(&self, request: &dyn AnyRequest, options: &SendOptions) -> Result<Answer<Box<dyn AnyMessage>>> {
        client::run(self, request, options).await
    }
}

/// How a call is attempted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) lane: Lane,
    pub(crate) repeat: Repeat,
    pub(crate) options: &'a CallOptions,
    pub(crate) deadline: Instant,
}

impl Attempt<'_> {
    /// The options, with what is left of the time.
    fn options_now(&self) -> CallOptions {
        let timeout = Some(self.deadline.saturating_duration_since(Instant::now()));
        CallOptions { timeout, ..self.options.clone() }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("bootstrap", &self.inner.config.bootstrap)
            .field("cluster", &self.cluster())
            .finish_non_exhaustive()
    }
}

/// Whether it failed for want of a connection, which there may be soon, and may be made again.
fn may_connect_later(route: Route<'_>, repeat: Repeat, error: &Error) -> bool {
    let elsewhere = match error.kind() {
        ErrorKind::NoBroker | ErrorKind::Timeout { step: Step::Connect, .. } => true,
        // Another one may be what the route leads to by then.
        ErrorKind::UnknownBroker { .. } => !matches!(route, Route::Broker(_)),
        _ => error.is_connection(),
    };
    (error.is_unsent() || repeat == Repeat::Safe) && error.is_retriable() && elsewhere
}

/// Now, and `duration` later.
pub(crate) fn after(duration: Duration) -> Instant {
    Instant::from_std(later(Instant::now().into_std(), duration))
}

/// With less time than this for one broker, distant ones would never be reached.
pub(crate) const MIN_SHARE: Duration = Duration::from_secs(2);
