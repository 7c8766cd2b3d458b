//! The requests that are on their way: those to one broker started in the order in which they come, answered as they are
//! answered.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kafka_conn::{BrokerId, CallOptions, Connection, Lane, PendingResponse, RawRequest, Route, Transport};
use kafka_protocol::messages::produce::ProduceRequest;
use kafka_protocol::{ApiKey, ErrorCode};

use crate::accumulator::{Answer, Failure, ProduceBatches};
use crate::config::{RequiredAcks, WriterConfig};
use crate::error::Result;
use crate::produce::{self, Read};

/// The requests of a writer. They are polled in its sender's task: for a lone message, each task on the way to the socket
/// and back would take longer than all that is done for it.
pub(crate) struct Requests {
    caller: Arc<Caller>,
    /// For each broker to which a request is being started, which may take a dial: those that come after it. The
    /// accumulator bounds them.
    starting: BTreeMap<BrokerId, VecDeque<ProduceBatches>>,
    steps: FuturesUnordered<Step>,
}

type Step = Pin<Box<dyn Future<Output = Event> + Send>>;

enum Event {
    /// It is on the wire, or failed before.
    Started(BrokerId, Result<Started, Answer>),
    Answered(Answer),
}

/// A request that is on the wire.
struct Started {
    request: ProduceBatches,
    version: i16,
    /// `None` where no answer comes.
    response: Option<PendingResponse>,
}

/// What each request is made with.
struct Caller {
    transport: Transport,
    config: Arc<WriterConfig>,
}

impl Requests {
    pub(crate) fn new(transport: Transport, config: Arc<WriterConfig>) -> Self {
        let caller = Arc::new(Caller { transport, config });
        let steps = FuturesUnordered::new();
        // Whoever polls all futures of such a set is woken at once, lest it starve others. For the one future of a lone
        // message that would be a way through the runtime's queue, and to another thread. So there is one more, which also keeps
        // the set from ever being empty.
        steps.push(Box::pin(pending()) as Step);
        Self { caller, starting: BTreeMap::new(), steps }
    }

    /// Starts a request, when those to its broker that came before are started. Nothing happens until
    /// [`next`](Self::next) is awaited.
    pub(crate) fn push(&mut self, request: ProduceBatches) {
        match self.starting.get_mut(&request.broker) {
            Some(queue) => queue.push_back(request),
            None => {
                self.starting.insert(request.broker, VecDeque::new());
                self.start(request);
            }
        }
    }

    /// The next answer.
    ///
    /// **Cancel safety:** nothing is lost.
    pub(crate) async fn next(&mut self) -> Answer {
        loop {
            match self.steps.select_next_some().await {
                Event::Answered(answer) => return answer,
                Event::Started(broker, started) => {
                    self.start_next(broker);
                    match started {
                        Ok(started) => self.finish(started),
                        Err(answer) => return answer,
                    }
                }
            }
        }
    }

    fn start_next(&mut self, broker: BrokerId) {
        match self.starting.get_mut(&broker).and_then(VecDeque::pop_front) {
            Some(request) => self.start(request),
            None => drop(self.starting.remove(&broker)),
        }
    }

    fn start(&self, request: ProduceBatches) {
        let caller = Arc::clone(&self.caller);
        self.steps.push(Box::pin(async move { Event::Started(request.broker, caller.start(request).await) }));
    }

    fn finish(&self, started: Started) {
        let caller = Arc::clone(&self.caller);
        self.steps.push(Box::pin(async move { Event::Answered(caller.finish(started).await) }));
    }
}

impl Caller {
    async fn start(&self, mut request: ProduceBatches) -> Result<Started, Answer> {
        match self.try_start(&mut request).await {
            Ok((version, response)) => Ok(Started { request, version, response }),
            Err(error) => Err(failed(&request, error)),
        }
    }

    async fn try_start(&self, request: &mut ProduceBatches) -> kafka_conn::Result<(i16, Option<PendingResponse>)> {
        let acks = self.config.required_acks;
        let connection = self.connection(request).await?;
        let version = connection.version_for::<ProduceRequest>(Some(produce::max_version(&request.batches)))?;
        if version < OLDEST_VERSION {
            let unsupported = kafka_conn::Error::broker(ErrorCode::UNSUPPORTED_VERSION);
            return Err(unsupported.with_api(ApiKey::PRODUCE, version).with_unsent());
        }
        let body = produce::encode(version, acks, self.config.request_timeout / 4 * 3, &mut request.batches);
        let raw = RawRequest { api_key: ApiKey::PRODUCE, version, body };
        let options = CallOptions { timeout: Some(self.config.request_timeout), ..CallOptions::default() };
        if acks == RequiredAcks::None {
            connection.send_raw(raw, options).await?;
            return Ok((version, None));
        }
        Ok((version, Some(connection.start_raw(raw, options).await?)))
    }

    async fn connection(&self, request: &ProduceBatches) -> kafka_conn::Result<Connection> {
        let dial = self.transport.connection(Route::Broker(request.broker), Lane::Produce);
        tokio::time::timeout(self.config.request_timeout, dial).await.unwrap_or_else(|_| {
            let (step, after) = (kafka_conn::Step::Connect, Some(self.config.request_timeout));
            Err(kafka_conn::Error::new(kafka_conn::ErrorKind::Timeout { step, after }).with_unsent())
        })
    }

    async fn finish(&self, started: Started) -> Answer {
        let Started { request, version, response } = started;
        let Some(response) = response else { return produce::all(&request, &Ok(None)) };
        let read = |answer: kafka_conn::RawResponse| produce::read(version, answer.body, &request).map_err(Into::into);
        match response.await.and_then(read) {
            Ok(read) => self.learn(&request, read),
            Err(error) => failed(&request, error),
        }
    }

    /// Takes in what an answer tells of leaders that have moved. Where another leader is known, nobody need be asked for
    /// it.
    fn learn(&self, request: &ProduceBatches, read: Read) -> Answer {
        let Read { mut answer, leaders, brokers } = read;
        if !leaders.is_empty() {
            self.transport.learn(&leaders, brokers);
        }
        for (batch, answered) in request.batches.iter().zip(&mut answer.outcomes) {
            if let Err(failure) = &mut answered.outcome
                && failure.refresh
            {
                let leader = self.transport.cluster().leader(&batch.topic, batch.partition);
                failure.refresh = leader.map_or(true, |leader| leader == request.broker);
            }
        }
        answer
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests")
            .field("starting", &self.starting)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

fn failed(request: &ProduceBatches, error: kafka_conn::Error) -> Answer {
    let (broker, batches) = (request.broker, request.batches.len());
    tracing::debug!(%broker, batches, %error, "a produce request failed");
    let failure: Failure = produce::failure(error);
    produce::all(request, &Err(failure))
}

/// Record batches of format 2 came with it; every broker that a connection accepts has a newer one.
const OLDEST_VERSION: i16 = 3;
