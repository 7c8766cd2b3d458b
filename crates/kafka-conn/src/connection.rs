//! The handle of one connection to one broker.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::versions::BrokerVersions;
use kafka_protocol::{ApiKey, Message, Request, Versions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{Span, debug_span};

use crate::address::BrokerAddress;
use crate::call::{CallOptions, RawRequest, RawResponse, encode};
use crate::connector::SocketAddresses;
use crate::deadline::later;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::link::Link;
use crate::meter::Meter;
use crate::session::{Call, Expect};
use crate::task::{Command, Reply};

/// A connection to a broker, ready for calls: versions are negotiated.
///
/// It is a handle: clones share one socket, which a task owns; a lone small call is written by who makes it. Calls are
/// pipelined, and answered in the order in which they were made; at most
/// [`max_in_flight`](crate::ConnectionLimits::max_in_flight) at a time. When the last handle is dropped, calls in
/// flight are still answered, then the socket is closed; [`close`](Self::close) does the same and waits.
///
/// **Cancel safety:** dropping the future of a call never disturbs the connection: a request that was queued goes out
/// whole, and its answer is discarded when it comes.
///
/// ```no_run
/// # async fn example() -> kafka_conn::Result<()> {
/// use kafka_conn::Dialer;
/// use kafka_protocol::messages::metadata::MetadataRequest;
///
/// let connection = Dialer::default().dial("localhost").await?;
/// let answer = connection.call(&MetadataRequest::default()).await?;
/// for broker in &answer.brokers {
///     println!("{} is {}:{}", broker.node_id, broker.host, broker.port);
/// }
/// connection.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Connection {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

/// What handles and the task both see.
pub(crate) struct Shared {
    pub(crate) address: BrokerAddress,
    pub(crate) versions: Arc<BrokerVersions>,
    pub(crate) call_timeout: Duration,
    pub(crate) meter: Meter,
    pub(crate) link: Link,
    /// Set once, where there is a socket.
    pub(crate) socket: OnceLock<SocketAddresses>,
    /// A permit per call in flight.
    pub(crate) slots: Arc<Semaphore>,
    /// Why the connection is gone; set before `slots` is closed.
    pub(crate) end: OnceLock<Error>,
}

impl Shared {
    pub(crate) fn error(&self) -> Error {
        self.end.get().cloned().unwrap_or_else(|| Error::new(ErrorKind::ConnectionLost).with_broker(&self.address))
    }
}

impl Connection {
    pub(crate) fn new(commands: mpsc::Sender<Command>, shared: Arc<Shared>) -> Self {
        Self { commands, shared }
    }

    /// Sends `request` in the newest version that both sides have, and waits for the answer.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout), [`ConnectionLost`](ErrorKind::ConnectionLost) and the like;
    /// [`VersionUnsupported`](ErrorKind::VersionUnsupported) where there is no common version; `Encode` where the
    /// request sets a field that the version lacks; `Decode`. Error codes within the answer are the caller's to read.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response> {
        self.call_with(request, CallOptions::default()).await
    }

    /// [`call`](Self::call) with a timeout or limits to the version.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_with<R: Request>(&self, request: &R, options: CallOptions) -> Result<R::Response> {
        let raw = self.encode(request, &options)?;
        let (api, version) = (raw.api_key, raw.version);
        let answer = self.call_raw(raw, options).await?;
        R::Response::decode(version, answer.body)
            .map_err(|error| Error::from(error).with_broker(&self.shared.address).with_api(api, version))
    }

    /// Sends a request that the broker does not answer, such as a Produce with `acks=0`. Resolves when the socket has
    /// taken all of its bytes, which says nothing of their fate.
    ///
    /// # Errors
    /// As [`call`](Self::call), without what concerns answers.
    pub async fn send<R: Request>(&self, request: &R, options: CallOptions) -> Result<()> {
        let raw = self.encode(request, &options)?;
        self.send_raw(raw, options).await
    }

    /// [`call`](Self::call) with a body that is already encoded; the answer is not decoded.
    ///
    /// # Errors
    /// As [`call`](Self::call), without those of encoding and decoding.
    pub async fn call_raw(&self, request: RawRequest, options: CallOptions) -> Result<RawResponse> {
        self.start_raw(request, options).await?.await
    }

    /// [`send`](Self::send) with a body that is already encoded.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_raw(&self, request: RawRequest, options: CallOptions) -> Result<()> {
        self.start(request, &options, Expect::Nothing).await?.await.map(drop)
    }

    /// Queues a request and returns its answer to come, so that a caller can queue several in an order of its choosing
    /// and wait for them afterwards. Waits only for a free slot.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) where no slot became free, or why the connection is gone. All are
    /// [unsent](Error::is_unsent).
    pub async fn start_raw(&self, request: RawRequest, options: CallOptions) -> Result<PendingResponse> {
        self.start(request, &options, Expect::Answer).await
    }

    /// The versions of an API that the broker says it has; [none](Versions::NONE) where it does not have the API. It
    /// may name versions that this client does not speak: [`version_for`](Self::version_for) finds a common one.
    pub fn versions(&self, api: ApiKey) -> Versions {
        self.shared.versions.of(api)
    }

    /// The version that [`call`](Self::call) would use for `R`, capped at `max`.
    ///
    /// # Errors
    /// [`VersionUnsupported`](ErrorKind::VersionUnsupported) where there is none.
    pub fn version_for<R: Request>(&self, max: Option<i16>) -> Result<i16> {
        self.negotiate(ApiKey(R::TYPE.key.unwrap_or(-1)), None, max)
    }

    fn negotiate(&self, api: ApiKey, min: Option<i16>, max: Option<i16>) -> Result<i16> {
        let versions = &self.shared.versions;
        let picked = versions.negotiate(api).and_then(|newest| {
            let (min, max) = (min.unwrap_or(0), max.filter(|max| *max < newest));
            versions.negotiate_within(api, Versions::new(min, max.unwrap_or_else(|| newest.max(min))))
        });
        picked.map_err(|error| {
            let kind = ErrorKind::VersionUnsupported { api };
            Error::new(kind).with_broker(&self.shared.address).with_source(error).with_unsent()
        })
    }

    /// The broker's address, as it was dialled.
    pub fn address(&self) -> &BrokerAddress {
        &self.shared.address
    }

    /// The addresses of the socket; `None` where the [`Connector`](crate::Connector) opened none, or does not
    /// [tell](crate::ConnectOptions::tell_addresses).
    pub fn socket_addresses(&self) -> Option<SocketAddresses> {
        self.shared.socket.get().copied()
    }

    pub(crate) fn set_socket_addresses(&self, addresses: Option<SocketAddresses>) {
        if let Some(addresses) = addresses {
            let _only_once = self.shared.socket.set(addresses);
        }
    }

    /// How long a call waits for its answer unless it says otherwise.
    #[cfg(any(feature = "conn", test))]
    pub(crate) fn call_timeout(&self) -> Duration {
        self.shared.call_timeout
    }

    /// Whether calls would fail because the connection is gone, or on its way to be.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed() || self.shared.slots.is_closed()
    }

    /// Whether there are handles beside this one.
    pub(crate) fn is_shared(&self) -> bool {
        self.commands.strong_count() > 1
    }

    /// Closes the connection for all its handles: takes no new calls, waits for those in flight, each within its
    /// timeout, and closes the socket. Answers that came too late for their callers are not waited for. Dropping the future does not stop it.
    pub async fn close(&self) {
        if self.commands.send(Command::Close).await.is_ok() {
            self.commands.closed().await;
        }
    }

    fn encode<R: Request>(&self, request: &R, options: &CallOptions) -> Result<RawRequest> {
        let api_key = ApiKey(R::TYPE.key.unwrap_or(-1));
        let version = self.negotiate(api_key, options.min_version, options.max_version)?;
        let body = encode(api_key, request, version)
            .map_err(|error| Error::from(error).with_broker(&self.shared.address).with_api(api_key, version))?;
        Ok(RawRequest { api_key, version, body })
    }

    async fn start(&self, request: RawRequest, options: &CallOptions, expect: Expect) -> Result<PendingResponse> {
        let timeout = options.timeout.unwrap_or(self.shared.call_timeout);
        let deadline = later(Instant::now().into_std(), timeout);
        let (api, version) = (request.api_key, request.version);
        let context = |error: Error| error.with_broker(&self.shared.address).with_api(api, version).with_unsent();
        let slot = self.slot(deadline.into(), timeout).await.map_err(context)?;
        self.queue(Call { request, expect, deadline, token: slot }).await.map_err(context)
    }

    /// Makes a call that has its slot: right here, where nothing stands in the way, or by the task. Who has a slot finds
    /// room in the channel, so this does not wait.
    async fn queue(&self, call: Call<OwnedSemaphorePermit>) -> Result<PendingResponse> {
        let Call { request, expect, deadline, token: slot } = call;
        let room = self.commands.reserve().await.map_err(|_| self.shared.error())?;
        let (sender, answer) = oneshot::channel();
        let (api, version, meter) = (request.api_key, request.version, self.shared.meter.clone());
        meter.requested(api);
        let token = Reply {
            sender: Some(sender),
            api,
            since: Instant::now(),
            meter,
            span: self.span(api, version),
            _slot: slot,
        };
        let call = Call { request, expect, deadline, token };
        // The task takes calls from the channel under the link's lock, under which this is asked: no place in it is taken,
        // but the one here.
        let is_first = || self.commands.capacity() + 1 == self.commands.max_capacity();
        if let Some(call) = self.shared.link.call_now(call, is_first) {
            room.send(Command::Call(call));
        }
        Ok(PendingResponse { answer, version, shared: Arc::clone(&self.shared) })
    }

    /// A request's span, within its caller's; the answer fills in what is empty.
    fn span(&self, api: ApiKey, version: i16) -> Span {
        let (broker, unknown) = (&self.shared.address, tracing::field::Empty);
        debug_span!("request", %api, version, %broker, correlation_id = unknown, duration = unknown)
    }

    /// Waits for a slot among the calls in flight.
    async fn slot(&self, deadline: Instant, timeout: Duration) -> Result<OwnedSemaphorePermit> {
        let slots = &self.shared.slots;
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return Ok(slot);
        }
        let timed_out = |_| Error::new(ErrorKind::Timeout { step: Step::Call, after: Some(timeout) });
        let slot = timeout_at(deadline, Arc::clone(slots).acquire_owned()).await.map_err(timed_out)?;
        slot.map_err(|_| self.shared.error())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.shared.address)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The answer to come of a request that was queued; dropping it discards the answer.
#[must_use = "the answer tells whether it worked"]
pub struct PendingResponse {
    answer: oneshot::Receiver<Result<Bytes>>,
    version: i16,
    shared: Arc<Shared>,
}

impl Future for PendingResponse {
    type Output = Result<RawResponse>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        // Nobody said what became of it: the task ended with its runtime, or the stream panicked.
        let lost = |_| Err(Error::new(ErrorKind::ConnectionLost).with_broker(&self.shared.address));
        let body = answer.unwrap_or_else(lost)?;
        Poll::Ready(Ok(RawResponse { version: self.version, body }))
    }
}

impl fmt::Debug for PendingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingResponse").field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use async_trait::async_trait;
    use bytes::BytesMut;
    use kafka_protocol::messages::api_versions::ApiVersionsResponse;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

    use super::*;
    use crate::connector::{ConnectOptions, Connector, Stream};
    use crate::dialer::Dialer;

    /// A broker that says which versions it speaks, reads whatever comes, and never confirms the end of a stream.
    #[derive(Debug)]
    struct SlowToClose;

    #[async_trait]
    impl Connector for SlowToClose {
        async fn connect(&self, _: &BrokerAddress, _: &ConnectOptions) -> Result<Box<dyn Stream>> {
            let (client, mut broker) = duplex(64 << 10);
            tokio::spawn(async move {
                let mut answer = BytesMut::new();
                ApiVersionsResponse::default().encode(4, &mut answer).unwrap();
                let mut id = [0; 12];
                broker.read_exact(&mut id).await.unwrap();
                broker.write_u32(4 + u32::try_from(answer.len()).unwrap()).await.unwrap();
                broker.write_all(&id[8..]).await.unwrap();
                broker.write_all(&answer).await.unwrap();
                let _read_to_the_end = broker.read_to_end(&mut Vec::new()).await;
            });
            Ok(Box::new(NeverShut(client)))
        }
    }

    struct NeverShut(DuplexStream);

    impl AsyncRead for NeverShut {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for NeverShut {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    /// It had its place among the calls in flight before the end, and reaches the task after it.
    #[tokio::test(start_paused = true)]
    async fn a_call_that_races_a_close_fails_at_once_and_was_never_sent() {
        let dialer = Dialer { connector: Arc::new(SlowToClose), ..Dialer::default() };
        let connection = dialer.dial("broker").await.unwrap();
        let before = Instant::now();
        let slot = connection.slot(before, Duration::ZERO).await.unwrap();
        let closing = tokio::spawn({
            let connection = connection.clone();
            async move { connection.close().await }
        });
        while !connection.is_closed() {
            tokio::task::yield_now().await;
        }
        let request = RawRequest { api_key: ApiKey::METADATA, version: 12, body: BytesMut::new().into() };
        let deadline = later(before.into_std(), connection.call_timeout());
        let call = Call { request, expect: Expect::Answer, deadline, token: slot };
        let error = connection.queue(call).await.unwrap().await.unwrap_err();
        assert_eq!((before.elapsed(), error.kind()), (Duration::ZERO, &ErrorKind::Closed));
        assert!(error.is_unsent() && error.context().api.is_some(), "{error}");
        closing.await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(1), "the end of the stream is waited for, but not for ever");
    }
}
