//! Any request to where it belongs.

mod answer;
mod routing;
mod run;
pub(crate) mod split;
mod spread;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kafka_protocol::Request;
use kafka_protocol::messages::metadata::MetadataRequest;
use tokio::time::Instant;

pub use answer::{Answer, Failure, Item};
pub(crate) use routing::Repeat;
pub use routing::Routing;
pub(crate) use run::run;

use crate::call::CallOptions;
use crate::cluster::BrokerId;
use crate::error::{Error, ErrorKind, Result};
use crate::round_trip::{RoundTrip, SendOptions, downcast};

/// Sends any request to where it belongs, and gives back its answer: to any broker, the controller, the leaders of
/// partitions, the coordinators of groups, as [`Routing`] says. What several brokers have to answer is split between
/// them, their answers are merged, and what fails for one of them fails for its items only.
///
/// Made again, after a pause, is what may be: what only reads, what was certainly not sent, and items that a broker
/// refused without having done anything, such as with `NOT_LEADER_OR_FOLLOWER` or `NOT_COORDINATOR`, after leaders or
/// coordinators have been looked up again. Other items keep the answer that they got.
///
/// It is a handle: clones share what is below, a [`Transport`](crate::Transport) or whatever stands in for it
/// ([`RoundTrip`]).
///
/// **Cancel safety:** the future of a call may be dropped at any time; what was sent may have its effect all the same.
///
/// ```no_run
/// # async fn example(transport: kafka_conn::Transport) -> kafka_conn::Result<()> {
/// use kafka_conn::Client;
/// use kafka_protocol::messages::metadata::MetadataRequest;
///
/// let client = Client::new(transport);
/// let answer = client.call(&MetadataRequest { topics: None, ..MetadataRequest::default() }).await?;
/// println!("{} topics", answer.topics.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    round_trip: Arc<dyn RoundTrip>,
    timeout: Option<Duration>,
}

impl Client {
    /// A client of a transport, or of what stands in for it.
    pub fn new(round_trip: impl RoundTrip) -> Self {
        Self { round_trip: Arc::new(round_trip), timeout: None }
    }

    /// With a timeout for each request, all attempts and brokers together. Default: the dialer's
    /// [`call_timeout`](crate::Dialer::call_timeout).
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Sends a request to where it belongs, and waits for the answer, item by item.
    ///
    /// # Errors
    /// Where there is no answer at all: no broker could be asked, or the one that was asked did not answer; an
    /// [`InvalidRequest`](ErrorKind::InvalidRequest), which has no place to go to by itself.
    pub async fn send<R: Request>(&self, request: &R) -> Result<Answer<R::Response>> {
        self.send_with(request, SendOptions::default()).await
    }

    /// [`send`](Self::send), where an item that failed fails the whole.
    ///
    /// # Errors
    /// As [`send`](Self::send), and that of the first item that failed.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response> {
        self.send(request).await?.complete()
    }

    /// [`send`](Self::send) to a certain broker, whole.
    ///
    /// # Errors
    /// [`UnknownBroker`](ErrorKind::UnknownBroker), and those of [`Connection::call`](crate::Connection::call).
    pub async fn send_to<R: Request>(&self, broker: BrokerId, request: &R) -> Result<R::Response> {
        let options = SendOptions { broker: Some(broker), ..SendOptions::default() };
        self.send_with(request, options).await?.complete()
    }

    /// [`send_to`](Self::send_to) every broker, each with its own answer: for what brokers tell of themselves, such as
    /// DescribeLogDirs.
    ///
    /// # Errors
    /// Where the brokers could not be listed.
    pub async fn send_to_each<R: Request>(&self, request: &R) -> Result<Vec<(BrokerId, Result<R::Response>)>> {
        let began = Instant::now();
        let brokers = self.call(&MetadataRequest::default()).await?.brokers;
        let timeout = self.timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
        let rest = Self { timeout, ..self.clone() };
        let calls = brokers.iter().map(|broker| BrokerId(broker.node_id)).map(async |broker| {
            let answer = rest.send_to(broker, request).await;
            (broker, answer)
        });
        Ok(join_all(calls).await)
    }

    /// [`send`](Self::send) with options.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_with<R: Request>(&self, request: &R, options: SendOptions) -> Result<Answer<R::Response>> {
        let timeout = options.call.timeout.or(self.timeout);
        let options = SendOptions { call: CallOptions { timeout, ..options.call }, ..options };
        let answer = self.round_trip.round_trip(request, &options).await?;
        let other = || Error::new(ErrorKind::InvalidRequest("it was answered with the response of another API"));
        answer.try_map(|response| downcast(response).ok_or_else(other))
    }
}
