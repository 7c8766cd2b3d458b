//! A second request beside the one that the broker holds back: for partitions that had no room when that was sent, and
//! have some now. They need not wait until something comes of the others.

use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

use kafka_conn::{BrokerId, Connection, Transport};
use kafka_protocol::Message;
use kafka_protocol::messages::fetch::{FetchRequest, FetchResponse};
use tokio::time::Instant;

use super::{Encoded, Fetcher, Planned};
use crate::error::{Error, Result};
use crate::session::FetchSession;

/// A request that is under way.
pub(super) struct Side {
    planned: Planned,
    /// Of the one request: it is part of none.
    session: FetchSession,
    answer: Pin<Box<dyn Future<Output = Result<Answer>> + Send>>,
}

pub(super) struct Answer {
    connection: Connection,
    response: FetchResponse,
    waited: Duration,
    /// How long that took, where there was no connection yet.
    dialled: Option<Duration>,
}

/// Waits for the answer, if there is anything to wait for. **Cancel safety:** it is waited for again.
pub(super) async fn answer(side: &mut Option<Side>) -> Result<Answer> {
    match side {
        Some(side) => side.answer.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Fetcher {
    /// Asks for what has room, and is not in `main`. `None`: there is nothing, or it cannot be asked for.
    pub(super) fn begin_side(&self, main: &Planned) -> Option<Side> {
        let asked: HashSet<_> = main.wanted.iter().map(|wanted| (wanted.topic.as_str(), wanted.partition)).collect();
        let planned = self.planned(|topic, partition| !asked.contains(&(topic, partition)))?;
        let planned = Planned { max_wait_ms: planned.max_wait_ms.min(SHORT_WAIT_MS), ..planned };
        let (mut session, main) = (FetchSession::new(), self.connection.as_ref()?);
        let (version, naming) = Self::version(main, &planned).ok()?;
        let parts = session.build(&planned.wanted, naming);
        let request = FetchRequest { session_epoch: FINAL_EPOCH, ..self.request(&planned, parts) };
        let encoded = self.encode(&request, version).ok()?;
        let (transport, broker) = (self.shared.transport.clone(), self.broker);
        let answer = Box::pin(call(transport, broker, self.spare.clone(), encoded));
        Some(Side { planned, session, answer })
    }

    /// Takes the answer. Whether another such request may go well; if not, the next main one has those partitions.
    pub(super) async fn handle_side(&mut self, side: Side, answer: Result<Answer>) -> bool {
        let Side { planned, mut session, .. } = side;
        let Answer { connection, response, waited, dialled } = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(broker = %self.broker, %error, "fetch beside another failed");
                self.shared.counters.errors.add(1);
                self.spare = None;
                return false;
            }
        };
        let counters = &self.shared.counters;
        counters.wait_time.add_time(waited);
        if let Some(dialled) = dialled {
            counters.dials.add(1);
            counters.dial_time.add_time(dialled);
        }
        self.spare = Some(connection);
        if session.accept(&response).is_err() {
            self.throttle(response.throttle_time_ms);
            return false;
        }
        self.handle_response(response, &planned).await;
        self.throttled_until <= Instant::now()
    }
}

async fn call(
    transport: Transport,
    broker: BrokerId,
    spare: Option<Connection>,
    Encoded { raw, options, .. }: Encoded,
) -> Result<Answer> {
    let (begun, version) = (Instant::now(), raw.version);
    let (connection, dialled) = match spare.filter(|connection| !connection.is_closed()) {
        Some(connection) => (connection, None),
        None => (transport.dedicated(broker).await?, Some(begun.elapsed())),
    };
    let sent = Instant::now();
    let answer = connection.call_raw(raw, options).await?;
    let waited = sent.elapsed();
    let response = FetchResponse::decode(version, answer.body).map_err(kafka_conn::Error::from).map_err(Error::from)?;
    Ok(Answer { connection, response, waited, dialled })
}

/// What stands for a request that is part of no session, or ends one (KIP-227).
pub(super) const FINAL_EPOCH: i32 = -1;
/// How long a broker may hold back an answer: others may have room soon.
const SHORT_WAIT_MS: i32 = 20;
