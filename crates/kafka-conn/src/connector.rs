//! How a stream of bytes to a broker comes about: TCP, unless told otherwise.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use crate::address::BrokerAddress;
use crate::error::{Error, ErrorKind, Result, Step};

/// Opens streams to brokers. The default is [`TcpConnector`]; another may go through a proxy or a tunnel, count, or
/// stay in memory. TLS, where it is configured, comes on top.
///
/// ```
/// use async_trait::async_trait;
/// use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Result, Stream};
///
/// /// Whatever the address, talks to a task of this process.
/// #[derive(Debug)]
/// struct InMemory;
///
/// #[async_trait]
/// impl Connector for InMemory {
///     async fn connect(&self, _: &BrokerAddress, _: &ConnectOptions) -> Result<Box<dyn Stream>> {
///         let (client, _broker) = tokio::io::duplex(64 * 1024);
///         Ok(Box::new(client))
///     }
/// }
/// ```
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Opens a stream. The dialer stops waiting at the deadline of `options`; dropping the future must leave nothing
    /// open.
    ///
    /// # Errors
    /// [`Error::connect`] turns an I/O error into the right one.
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>>;
}

/// What a [`Connector`] is told beside the address.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// When the attempt ends, all addresses of the name and all handshakes included.
    pub deadline: Instant,
    /// The interval of TCP keep-alive probes; `None` for none.
    pub keep_alive: Option<Duration>,
    /// What finds the addresses of a host.
    pub resolver: Arc<dyn Resolver>,
    /// How long an address has before the next one is tried beside it.
    pub fallback_delay: Duration,
    /// What the connector tells of the socket.
    pub(crate) addresses: Arc<OnceLock<SocketAddresses>>,
}

impl ConnectOptions {
    /// Tells the addresses of the socket that was opened, for
    /// [`Connection::socket_addresses`](crate::Connection::socket_addresses): for connectors that open one. The first
    /// word counts.
    pub fn tell_addresses(&self, addresses: SocketAddresses) {
        let _later_words = self.addresses.set(addresses);
    }
}

/// The two ends of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketAddresses {
    /// This side's.
    pub local: SocketAddr,
    /// The broker's, or that of what stands before it.
    pub remote: SocketAddr,
}

/// Both directions of a connection. Everything that can be one is one. It is read by the connection's task, and written
/// by that or by who makes a call, one at a time.
///
/// Where reading or writing fails with an [`io::Error`] that carries an [`Error`] of this crate
/// (`io::Error::other(error)`), callers get that one.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Finds the addresses of a host. The default is [`SystemResolver`]; another may ask a service registry, or map what
/// brokers advertise to what can be reached from here.
///
/// ```
/// use std::io;
/// use std::net::{Ipv4Addr, SocketAddr};
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use kafka_conn::{Dialer, Resolver};
///
/// /// Every broker is behind a port of this machine.
/// #[derive(Debug)]
/// struct Forwarded;
///
/// #[async_trait]
/// impl Resolver for Forwarded {
///     async fn resolve(&self, _host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
///         Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
///     }
/// }
///
/// let dialer = Dialer { resolver: Arc::new(Forwarded), ..Dialer::default() };
/// ```
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a host, best first. The dialer stops waiting when its time is over.
    ///
    /// # Errors
    /// Whatever went wrong; it is the source of [`Dns`](ErrorKind::Dns), and so is that there is no address.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The resolver of this machine.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SystemResolver {}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(lookup_host((host, port)).await?.collect())
    }
}

/// TCP without delay (Nagle's algorithm is off), to IPv6 and IPv4: the addresses of the name are tried in turns of both
/// families, each with a head start before the next, and the first that connects is taken (RFC 8305, "happy
/// eyeballs").
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TcpConnector {}

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>> {
        let addresses = interleave(resolve(address, options).await?);
        match timeout_at(options.deadline, race(addresses, options.fallback_delay)).await {
            Ok(Ok(stream)) => {
                configure(&stream, options).map_err(|error| Error::connect(address, error))?;
                if let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) {
                    options.tell_addresses(SocketAddresses { local, remote });
                }
                Ok(Box::new(stream))
            }
            Ok(Err(error)) => Err(Error::connect(address, error)),
            Err(_) => Err(Error::connect(address, io::ErrorKind::TimedOut.into())),
        }
    }
}

async fn resolve(address: &BrokerAddress, options: &ConnectOptions) -> Result<Vec<SocketAddr>> {
    let failed = |kind| Error::new(kind).with_broker(address).with_unsent();
    let found = options.resolver.resolve(address.host(), address.port());
    let mut addresses = timeout_at(options.deadline, found)
        .await
        .map_err(|_| failed(ErrorKind::Timeout { step: Step::Connect, after: None }))?
        .map_err(|error| failed(ErrorKind::Dns).with_source(error))?;
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() { Err(failed(ErrorKind::Dns)) } else { Ok(addresses) }
}

/// The families in turns, beginning with that of the first; within each, the resolver's order.
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut turns = VecDeque::new();
    loop {
        let before = turns.len();
        turns.extend(one.next());
        turns.extend(other.next());
        if turns.len() == before {
            return turns;
        }
    }
}

/// Connects to whichever address is first to accept. The next one is tried when one has failed, or `delay` after the
/// one before; those that are still connecting go on beside it.
async fn race(mut addresses: VecDeque<SocketAddr>, delay: Duration) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut first_error = None;
    attempts.extend(addresses.pop_front().map(TcpStream::connect));
    loop {
        let patience = if addresses.is_empty() { Duration::MAX } else { delay };
        match timeout(patience, attempts.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) => {
                first_error.get_or_insert(error);
            }
            Ok(None) if addresses.is_empty() => {
                return Err(first_error.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()));
            }
            Ok(None) | Err(_) => {}
        }
        attempts.extend(addresses.pop_front().map(TcpStream::connect));
    }
}

fn configure(stream: &TcpStream, options: &ConnectOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match options.keep_alive {
        Some(interval) => SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(interval)),
        None => Ok(()),
    }
}

/// Addresses of one name that are tried at most.
const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let sorted = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"];
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"];
        assert_eq!(interleave(addresses(&sorted)), addresses(&expected));
        let sorted = ["1.1.1.1:1", "[::1]:1"];
        assert_eq!(interleave(addresses(&sorted)), addresses(&sorted));
        assert_eq!(interleave(Vec::new()), Vec::new());
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_at_once() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        // A delay that would fail the test by hanging, were it waited for.
        let stream = race([gone, there].into(), Duration::from_secs(100_000)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        let error = race([gone].into(), Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
