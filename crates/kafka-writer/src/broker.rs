//! The requests to one broker: started in the order in which they come, answered as they are answered.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kafka_conn::{CallOptions, Connection, Lane, PendingResponse, RawRequest, Route, Transport};
use kafka_protocol::messages::produce::ProduceRequest;
use kafka_protocol::{ApiKey, ErrorCode};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};

use crate::accumulator::{Answer, Failure, MAX_REQUESTS, ProduceBatches};
use crate::config::{RequiredAcks, WriterConfig};
use crate::error::Result;
use crate::produce::{self, Read};

/// What the tasks of all brokers have in common.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    pub(crate) transport: Transport,
    pub(crate) config: Arc<WriterConfig>,
    pub(crate) answers: mpsc::Sender<Answer>,
}

/// A request that is on the wire.
struct Started {
    request: ProduceBatches,
    version: i16,
    /// `None` where no answer comes.
    response: Option<PendingResponse>,
}

impl Broker {
    /// Starts the task of a broker among `tasks`. It ends when the handle is dropped and everything is answered. At most
    /// [`MAX_REQUESTS`] are to be given to it at a time: then the channel has always room.
    pub(crate) fn spawn(self, tasks: &mut JoinSet<()>) -> (mpsc::Sender<ProduceBatches>, Id) {
        let (requests, queue) = mpsc::channel(MAX_REQUESTS);
        let task = tasks.spawn(self.run(queue));
        (requests, task.id())
    }

    /// One request at a time is being started, which may take a dial; meanwhile those before it are answered.
    async fn run(self, mut queue: mpsc::Receiver<ProduceBatches>) {
        let mut starting = FuturesUnordered::new();
        let mut waiting = FuturesUnordered::new();
        let mut open = true;
        while open || !starting.is_empty() || !waiting.is_empty() {
            tokio::select! {
                // In an order, so that a run can be replayed.
                biased;
                Some(started) = starting.next() => match started {
                    Ok(started) => waiting.push(self.finish(started)),
                    Err(answer) => self.answer(answer).await,
                },
                Some(answer) = waiting.next() => self.answer(answer).await,
                request = queue.recv(), if open && starting.is_empty() => match request {
                    Some(request) => starting.push(self.start(request)),
                    None => open = false,
                },
            }
        }
    }

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

    /// The sender always comes back for answers; when it is gone, nobody wants them.
    async fn answer(&self, answer: Answer) {
        let _sender_is_gone = self.answers.send(answer).await;
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
