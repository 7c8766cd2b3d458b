//! The task that keeps the snapshot of the cluster: the only one that asks for metadata on a transport's behalf.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use smol_str::SmolStr;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, trace};

use crate::address::BrokerAddress;
use crate::backoff::Pauses;
use crate::call::CallOptions;
use crate::cluster::{Broker, Cluster, LeaderHint};
use crate::connection::Connection;
use crate::deadline::{self, later};
use crate::error::{Error, ErrorKind, Result, Step};
use crate::pool::{AbortOnDrop, Pool};
use crate::route::Lane;
use crate::transport::TransportConfig;

/// A wish for fresh metadata.
#[derive(Debug)]
pub(crate) struct Refresh {
    topics: Vec<SmolStr>,
    answer: Option<oneshot::Sender<Result<Arc<Cluster>>>>,
}

impl Refresh {
    /// One that nobody waits for.
    pub(crate) fn new(topics: &[&str]) -> Self {
        Self { topics: topics.iter().map(SmolStr::new).collect(), answer: None }
    }

    /// One whose result somebody waits for.
    pub(crate) fn with_answer(topics: &[&str]) -> (Self, oneshot::Receiver<Result<Arc<Cluster>>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { answer: Some(sender), ..Self::new(topics) }, receiver)
    }
}

/// What a transport holds of the task.
pub(crate) struct Handle {
    pub(crate) refreshes: mpsc::Sender<Refresh>,
    pub(crate) cluster: watch::Receiver<Arc<Cluster>>,
    pub(crate) task: AbortOnDrop,
    /// The task's: it is gone when the task is.
    snapshots: Weak<watch::Sender<Arc<Cluster>>>,
}

impl Handle {
    /// Publishes what the answers to other requests tell, where it is news.
    pub(crate) fn learn(&self, leaders: &[LeaderHint], brokers: impl IntoIterator<Item = Broker>) {
        let Some(snapshots) = self.snapshots.upgrade() else { return };
        snapshots.send_if_modified(|cluster| match cluster.learned(leaders, brokers) {
            Some(next) => {
                *cluster = Arc::new(next);
                true
            }
            None => false,
        });
    }
}

pub(crate) fn start(config: &TransportConfig, pool: Arc<Pool>) -> Handle {
    let (refreshes, receiver) = mpsc::channel(MAX_WAITING);
    let (snapshots, cluster) = watch::channel(Arc::new(Cluster::default()));
    let snapshots = Arc::new(snapshots);
    let weak = Arc::downgrade(&snapshots);
    let task = Task {
        config: config.clone(),
        pool,
        refreshes: receiver,
        snapshots,
        topics: HashMap::new(),
        waiting: Vec::new(),
        fetched_at: None,
        retries: None,
    };
    let task = AbortOnDrop(tokio::spawn(task.run()).abort_handle());
    Handle { refreshes, cluster, task, snapshots: weak }
}

struct Task {
    config: TransportConfig,
    pool: Arc<Pool>,
    refreshes: mpsc::Receiver<Refresh>,
    snapshots: Arc<watch::Sender<Arc<Cluster>>>,
    /// The topics in use, and when each was last known to be.
    topics: HashMap<SmolStr, Instant>,
    /// Who waits for the next answer; not more than the channel holds.
    waiting: Vec<oneshot::Sender<Result<Arc<Cluster>>>>,
    fetched_at: Option<Instant>,
    /// After failures, the pauses before the next try that nobody asks for.
    retries: Option<Pauses>,
}

impl Task {
    /// Until the transport is gone: wait for a wish or for old age, gather what else is wished for, fetch, publish.
    async fn run(mut self) {
        while let Some(urgent) = self.wait().await {
            if !urgent {
                self.pause().await;
            }
            self.gather();
            self.forget_idle_topics();
            self.fetched_at = Some(Instant::now());
            let result = self.fetch().await;
            match &result {
                Ok(_) => self.retries = None,
                Err(error) if error.is_retriable() => {
                    debug!(%error, "no metadata");
                    self.retries.get_or_insert_with(|| self.config.backoff.pauses());
                }
                // Such as bad credentials, which accounts are locked for where they come again and again.
                Err(error) => {
                    debug!(%error, "no metadata, and soon there will be none");
                    self.retries = None;
                }
            }
            for waiting in self.waiting.drain(..) {
                let _gone = waiting.send(result.clone());
            }
        }
    }

    /// Waits for a reason to fetch; returns whether it is urgent. `None` when the transport is gone.
    async fn wait(&mut self) -> Option<bool> {
        let next = match self.fetched_at.filter(|_| !self.topics.is_empty()) {
            None => self.refreshes.recv().await,
            Some(at) => {
                let due = match &mut self.retries {
                    None => after(at, self.config.metadata_ttl.max(MIN_TTL)),
                    Some(pauses) => after(Instant::now(), pauses.next_pause()),
                };
                match timeout_at(due, self.refreshes.recv()).await {
                    Ok(refresh) => refresh,
                    Err(_) => return Some(true),
                }
            }
        };
        let cluster = Arc::clone(&self.snapshots.borrow());
        let refresh = next?;
        // A topic that was never asked for need not wait: its user surely does.
        let urgent = refresh.topics.iter().any(|topic| !cluster.contains(topic));
        self.admit(refresh);
        Some(urgent)
    }

    /// Keeps a storm of wishes from becoming a storm of requests.
    async fn pause(&self) {
        if let Some(at) = self.fetched_at {
            sleep_until(after(at, self.config.backoff.min)).await;
        }
    }

    fn gather(&mut self) {
        while self.waiting.len() < MAX_WAITING {
            let Ok(refresh) = self.refreshes.try_recv() else { return };
            self.admit(refresh);
        }
    }

    fn admit(&mut self, refresh: Refresh) {
        let now = Instant::now();
        self.topics.extend(refresh.topics.into_iter().map(|topic| (topic, now)));
        self.waiting.extend(refresh.answer);
    }

    fn forget_idle_topics(&mut self) {
        let (now, idle) = (Instant::now(), self.config.topic_idle);
        let cluster = Arc::clone(&self.snapshots.borrow());
        self.topics.retain(|topic, used_at| {
            if cluster.take_used(topic) {
                *used_at = now;
            }
            now.saturating_duration_since(*used_at) < idle
        });
    }

    async fn fetch(&self) -> Result<Arc<Cluster>> {
        let topics: Vec<SmolStr> = self.topics.keys().cloned().collect();
        let response = self.ask_someone(&request(&topics)).await?;
        trace!(topics = topics.len(), brokers = response.brokers.len(), "metadata");
        let mut published = Arc::default();
        self.snapshots.send_modify(|cluster| {
            let mut next = cluster.updated(response, |topic| self.topics.contains_key(topic));
            next.retain(|topic| self.topics.contains_key(topic));
            *cluster = Arc::new(next);
            published = Arc::clone(cluster);
        });
        self.pool.retain(|broker| published.broker(broker).is_some());
        Ok(published)
    }

    /// Asks brokers until one answers: those that are connected, the others that are known, and when all are gone
    /// (KIP-899), or one says that it is time to (KIP-1102), those given at the start. Each has its share of the time.
    async fn ask_someone(&self, request: &MetadataRequest) -> Result<MetadataResponse> {
        let cluster = Arc::clone(&self.snapshots.borrow());
        let mut candidates = VecDeque::from(self.candidates(&cluster));
        let deadline = after(Instant::now(), self.config.dialer.call_timeout);
        let count = candidates.len();
        let mut last = None;
        while let Some(candidate) = candidates.pop_front() {
            let error = match self.ask(candidate, request, share(deadline, candidates.len() + 1)).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            // What one broker of the cluster does not let in, none will.
            if error.is_authentication() {
                return Err(error);
            }
            if error.code() == Some(ErrorCode::REBOOTSTRAP_REQUIRED) {
                debug!(%error, "starting over from the bootstrap addresses");
                self.pool.retain(|_| false);
                candidates.retain(|candidate| matches!(candidate, Candidate::Bootstrap(_)));
            }
            last = Some(Error::telling(last, error));
        }
        Err(match last {
            // One that no other attempt would change says more than that nobody was there.
            Some(error) if count == 1 || !error.is_retriable() => error,
            Some(error) => Error::new(ErrorKind::NoBroker).with_unsent().with_source(error),
            None => Error::new(ErrorKind::NoBroker).with_unsent(),
        })
    }

    fn candidates<'a>(&'a self, cluster: &'a Cluster) -> Vec<Candidate<'a>> {
        let mut known: Vec<_> = cluster.brokers().collect();
        fastrand::shuffle(&mut known);
        // Cached, because a connection that opens or closes meanwhile would make the order contradict itself.
        known.sort_by_cached_key(|broker| !self.pool.is_open(broker.id, Lane::General));
        known.truncate(MAX_KNOWN);
        let mut bootstrap: Vec<_> = self.config.bootstrap.iter().collect();
        fastrand::shuffle(&mut bootstrap);
        known.into_iter().map(Candidate::Known).chain(bootstrap.into_iter().map(Candidate::Bootstrap)).collect()
    }

    async fn ask(
        &self,
        candidate: Candidate<'_>,
        request: &MetadataRequest,
        deadline: Instant,
    ) -> Result<MetadataResponse> {
        let connection = match candidate {
            Candidate::Known(broker) => {
                self.pool.connection(broker.id, &broker.address, Lane::General, deadline).await?
            }
            Candidate::Bootstrap(address) => {
                let timed_out = |_| {
                    let kind = ErrorKind::Timeout { step: Step::Connect, after: None };
                    Error::new(kind).with_broker(address).with_unsent()
                };
                timeout_at(deadline, self.config.dialer.dial_address(address)).await.map_err(timed_out)??
            }
        };
        let timeout = Some(deadline.saturating_duration_since(Instant::now()));
        let response = connection.call_with(request, CallOptions { timeout, ..CallOptions::default() }).await?;
        let context = |error: Error| error.with_broker(connection.address());
        ErrorCode(response.error_code).check().map_err(|code| context(Error::broker(code)))?;
        if response.brokers.is_empty() {
            // A broker that has just started may not know the cluster yet.
            return Err(context(Error::new(ErrorKind::NoBroker)));
        }
        if let Candidate::Bootstrap(address) = candidate {
            self.keep(address, &connection, &response);
        }
        Ok(response)
    }

    /// Shares a bootstrap connection, where its address is the one by which the cluster knows the broker.
    fn keep(&self, address: &BrokerAddress, connection: &Connection, response: &MetadataResponse) {
        let advertised = response.brokers.iter().filter_map(Broker::read);
        if let Some((id, _)) = advertised.into_iter().find(|(_, broker)| broker.address == *address) {
            self.pool.adopt(id, Lane::General, connection);
        }
    }
}

/// Who may be asked.
#[derive(Clone, Copy)]
enum Candidate<'a> {
    Known(&'a Broker),
    Bootstrap(&'a BrokerAddress),
}

fn request(topics: &[SmolStr]) -> MetadataRequest {
    let topic = |name: &SmolStr| MetadataRequestTopic { name: Some(name.clone()), ..MetadataRequestTopic::default() };
    MetadataRequest {
        topics: Some(topics.iter().map(topic).collect()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    }
}

fn after(from: Instant, duration: Duration) -> Instant {
    Instant::from_std(later(from.into_std(), duration))
}

/// Until when the next of `attempts` may take.
fn share(deadline: Instant, attempts: usize) -> Instant {
    let now = Instant::now().into_std();
    Instant::from_std(deadline::share(now, deadline.into_std(), attempts, Duration::ZERO))
}

/// Wishes that wait for the next request.
const MAX_WAITING: usize = 1024;
/// A snapshot is fetched no more often than this for its age alone.
const MIN_TTL: Duration = Duration::from_millis(100);
/// Known brokers that are asked before the bootstrap addresses get their turn.
const MAX_KNOWN: usize = 10;
