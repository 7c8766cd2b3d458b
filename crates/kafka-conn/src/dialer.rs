//! From an address to a connection that is ready for calls.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::{Instant, timeout_at};

use crate::address::BrokerAddress;
use crate::connection::Connection;
use crate::connector::{ConnectOptions, Connector, TcpConnector};
use crate::deadline::later;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::task;

/// How connections are made. All fields have defaults.
///
/// ```
/// use std::time::Duration;
///
/// use kafka_conn::{Dialer, ErrorKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let dialer = Dialer { timeout: Duration::from_secs(3), client_id: "billing".into(), ..Dialer::default() };
/// let error = dialer.dial("kafka://kafka-1").await.expect_err("an address has no scheme");
/// assert_eq!(*error.kind(), ErrorKind::InvalidAddress);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Dialer {
    /// How long opening a connection may take: name, socket, and whatever is negotiated. Default 10 s (kafka-go
    /// `Timeout`, Java `socket.connection.setup.timeout.ms`).
    pub timeout: Duration,
    /// The name by which brokers know this client, in logs and quotas. Default: the program's name, else `kafka-conn`
    /// (`client.id`).
    pub client_id: SmolStr,
    /// What opens the stream. Default [`TcpConnector`].
    pub connector: Arc<dyn Connector>,
    /// The interval of TCP keep-alive probes on an idle connection; `None` for none. Default 60 s.
    pub keep_alive: Option<Duration>,
    /// How long a call waits for its answer unless it says otherwise. Default 30 s (`request.timeout.ms`).
    pub call_timeout: Duration,
    /// What a connection accepts and holds at most.
    pub limits: ConnectionLimits,
}

impl Dialer {
    /// Opens a connection to a broker, given as [`BrokerAddress`] reads it: `host`, `host:port`, `::1`, `[::1]:9092`.
    ///
    /// **Cancel safety:** dropping the future closes whatever was opened.
    ///
    /// # Errors
    /// [`InvalidAddress`](ErrorKind::InvalidAddress), and those of [`dial_address`](Self::dial_address).
    pub async fn dial(&self, address: &str) -> Result<Connection> {
        self.dial_address(&address.parse::<BrokerAddress>()?).await
    }

    /// Opens a connection to a broker.
    ///
    /// # Errors
    /// [`Dns`](ErrorKind::Dns), [`Refused`](ErrorKind::Refused), [`Unreachable`](ErrorKind::Unreachable),
    /// [`Timeout`](ErrorKind::Timeout); what else may answer there: [`NotKafka`](ErrorKind::NotKafka),
    /// [`TlsOnPlain`](ErrorKind::TlsOnPlain), [`ClosedDuring`](ErrorKind::ClosedDuring),
    /// [`BrokerTooOld`](ErrorKind::BrokerTooOld), …
    pub async fn dial_address(&self, address: &BrokerAddress) -> Result<Connection> {
        let deadline = Instant::from_std(later(Instant::now().into_std(), self.timeout));
        let options = ConnectOptions { deadline, keep_alive: self.keep_alive };
        let stream = match timeout_at(deadline, self.connector.connect(address, &options)).await {
            Ok(stream) => stream.map_err(|error| error.with_broker(address).with_unsent())?,
            Err(_) => {
                let kind = ErrorKind::Timeout { step: Step::Connect, after: Some(self.timeout) };
                return Err(Error::new(kind).with_broker(address).with_unsent());
            }
        };
        task::open(self, address, stream, deadline).await
    }
}

impl Default for Dialer {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            client_id: program_name().unwrap_or_else(|| SmolStr::new_static("kafka-conn")),
            connector: Arc::new(TcpConnector::default()),
            keep_alive: Some(Duration::from_secs(60)),
            call_timeout: Duration::from_secs(30),
            limits: ConnectionLimits::default(),
        }
    }
}

/// What a connection accepts and holds at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Bytes of a frame before the connection is ready. Default 512 KiB.
    pub max_handshake_frame: usize,
    /// Bytes of a frame afterwards. Default 100 MiB, as brokers' `socket.request.max.bytes`.
    pub max_frame: usize,
    /// Calls that are sent and not yet answered; more of them wait for a slot. Default 128.
    pub max_in_flight: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { max_handshake_frame: 512 << 10, max_frame: 100 << 20, max_in_flight: 128 }
    }
}

fn program_name() -> Option<SmolStr> {
    let path = std::env::current_exe().ok()?;
    let name = path.file_stem()?.to_str()?;
    Some(SmolStr::new(name.get(..name.len().min(MAX_NAME_LEN))?))
}

const MAX_NAME_LEN: usize = 128;
