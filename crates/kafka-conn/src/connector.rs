//! How a stream of bytes to a broker comes about: TCP, unless told otherwise.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::address::BrokerAddress;
use crate::deadline::share;
use crate::error::{Error, ErrorKind, Result, Step};

/// Opens streams to brokers. The default is [`TcpConnector`]; another may go through a proxy or a tunnel, count, or
/// stay in memory.
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
}

/// Both directions of a connection. Everything that can be one is one.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// TCP without delay (Nagle's algorithm is off), to IPv6 and IPv4: every address of the name is tried in the order of
/// the resolver, each with its share of the time left.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TcpConnector {}

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>> {
        let addresses = resolve(address, options.deadline).await?;
        let mut last = None;
        for (index, socket_address) in addresses.iter().enumerate() {
            let left = addresses.len() - index;
            let deadline = share(Instant::now().into_std(), options.deadline.into_std(), left, MIN_SHARE);
            let deadline = Instant::from_std(deadline);
            match timeout_at(deadline, TcpStream::connect(socket_address)).await {
                Ok(Ok(stream)) => {
                    configure(&stream, options).map_err(|error| Error::connect(address, error))?;
                    return Ok(Box::new(stream));
                }
                Ok(Err(error)) => last = Some(Error::connect(address, error)),
                Err(_) => last = Some(Error::connect(address, io::ErrorKind::TimedOut.into())),
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Dns).with_broker(address).with_unsent()))
    }
}

async fn resolve(address: &BrokerAddress, deadline: Instant) -> Result<Vec<SocketAddr>> {
    let failed = |kind| Error::new(kind).with_broker(address).with_unsent();
    let addresses = timeout_at(deadline, lookup_host((address.host(), address.port())))
        .await
        .map_err(|_| failed(ErrorKind::Timeout { step: Step::Connect, after: None }))?
        .map_err(|error| failed(ErrorKind::Dns).with_source(error))?;
    Ok(addresses.take(MAX_ADDRESSES).collect())
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
/// With less time than this, distant hosts would never answer.
const MIN_SHARE: Duration = Duration::from_secs(2);
