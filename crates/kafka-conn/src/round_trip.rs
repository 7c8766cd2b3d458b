//! The seam between those who make requests and the cluster: a request in, its answer out.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kafka_protocol::{AnyMessage, ApiKey, Request};

use crate::call::CallOptions;
use crate::client::Answer;
use crate::cluster::BrokerId;
use crate::connection::Connection;
use crate::error::Result;

/// Takes a request to where it belongs and brings back the answer. [`Transport`](crate::Transport) does so with a
/// cluster; another may stand in front of it (to log, to count, to refuse, to fail on purpose) or in its place, in tests
/// of code that uses a [`Client`](crate::Client).
///
/// It sees requests as users make them: whole, before they are split between brokers, and answers after they were
/// merged. So a stand-in needs no idea of brokers, leaders or coordinators.
///
/// ```
/// use async_trait::async_trait;
/// use kafka_conn::{Answer, AnyRequest, Client, Error, ErrorKind, Result, RoundTrip, SendOptions};
/// use kafka_protocol::AnyMessage;
/// use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
///
/// /// A cluster of one id and no topics.
/// #[derive(Debug)]
/// struct Fake;
///
/// #[async_trait]
/// impl RoundTrip for Fake {
///     async fn round_trip(&self, request: &dyn AnyRequest, _: &SendOptions) -> Result<Answer<Box<dyn AnyMessage>>> {
///         let Some(_asked) = request.downcast_ref::<MetadataRequest>() else {
///             return Err(Error::new(ErrorKind::NoBroker));
///         };
///         let response = MetadataResponse { cluster_id: Some("fake".into()), ..MetadataResponse::default() };
///         Ok(Answer::new(Box::new(response)))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let client = Client::new(Fake);
/// let answer = client.call(&MetadataRequest::default()).await?;
/// assert_eq!(answer.cluster_id.as_deref(), Some("fake"));
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait RoundTrip: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`, and waits for its answer: the response type of the request.
    ///
    /// **Cancel safety:** the future may be dropped at any time; what was sent may have its effect all the same.
    ///
    /// # Errors
    /// Where there is no answer at all. Items that failed while others did not are in the [`Answer`].
    async fn round_trip(&self, request: &dyn AnyRequest, options: &SendOptions) -> Result<Answer<Box<dyn AnyMessage>>>;
}

#[async_trait]
impl<T: RoundTrip + ?Sized> RoundTrip for Arc<T> {
    async fn round_trip(&self, request: &dyn AnyRequest, options: &SendOptions) -> Result<Answer<Box<dyn AnyMessage>>> {
        (**self).round_trip(request, options).await
    }
}

/// How a request is sent. Leave what does not matter at its default, with `..SendOptions::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// The broker to send it to, whatever the table of routes says. Default: where it belongs.
    pub broker: Option<BrokerId>,
    /// Timeout, for all attempts and brokers together, and limits to the version, which hold for each broker that is
    /// asked.
    pub call: CallOptions,
}

/// A [`Request`] whose type is only known while running. All requests are ones; nothing else can be.
#[async_trait]
pub trait AnyRequest: AnyMessage {
    /// The API.
    fn api_key(&self) -> ApiKey;

    /// A response of its type, at its defaults.
    fn empty_response(&self) -> Box<dyn AnyMessage>;

    /// As [`Connection::call_with`].
    ///
    /// # Errors
    /// As there.
    async fn call_on(&self, connection: &Connection, options: CallOptions) -> Result<Box<dyn AnyMessage>>;

    /// As [`Connection::send`].
    ///
    /// # Errors
    /// As there.
    async fn send_on(&self, connection: &Connection, options: CallOptions) -> Result<()>;
}

#[async_trait]
impl<R: Request> AnyRequest for R {
    fn api_key(&self) -> ApiKey {
        ApiKey(R::TYPE.key.unwrap_or(-1))
    }

    fn empty_response(&self) -> Box<dyn AnyMessage> {
        Box::new(R::Response::default())
    }

    async fn call_on(&self, connection: &Connection, options: CallOptions) -> Result<Box<dyn AnyMessage>> {
        Ok(Box::new(connection.call_with(self, options).await?))
    }

    async fn send_on(&self, connection: &Connection, options: CallOptions) -> Result<()> {
        connection.send(self, options).await
    }
}

impl dyn AnyRequest {
    /// The request as its own type, if it is an `R`.
    pub fn downcast_ref<R: Request>(&self) -> Option<&R> {
        (self as &dyn Any).downcast_ref()
    }
}

/// The message as its own type; `None` if it is another.
pub(crate) fn downcast<M: 'static>(message: Box<dyn AnyMessage>) -> Option<M> {
    (message as Box<dyn Any>).downcast().ok().map(|message| *message)
}
