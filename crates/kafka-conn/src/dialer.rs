//! From an address to a connection that is ready for calls.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::{Instant, timeout_at};

use crate::address::BrokerAddress;
use crate::connection::Connection;
use crate::connector::{ConnectOptions, Connector, Resolver, Stream, SystemResolver, TcpConnector};
use crate::deadline::later;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::meter::Meter;
use crate::sasl::{Mechanism, Protection};
use crate::task;
#[cfg(feature = "tls-no-provider")]
use crate::tls::Tls;

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
/// assert!(matches!(error.kind(), ErrorKind::InvalidAddress(_)));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Dialer {
    /// How long opening a connection may take: name, socket, and whatever is negotiated. Default 10 s (kafka-go
    /// `Timeout`, Java `socket.connection.setup.timeout.ms`).
    pub timeout: Duration,
    /// When every dial ends at the latest, whatever `timeout` says. Default none (kafka-go `Deadline`).
    pub deadline: Option<Instant>,
    /// The name by which brokers know this client, in logs and quotas. Default: the program's name, else `kafka-conn`
    /// (`client.id`).
    pub client_id: SmolStr,
    /// What opens the stream. Default [`TcpConnector`].
    pub connector: Arc<dyn Connector>,
    /// What finds the addresses of a host. Default [`SystemResolver`] (kafka-go `Resolver`).
    pub resolver: Arc<dyn Resolver>,
    /// How long an address of a host has before the next one is tried beside it; IPv6 and IPv4 take turns (RFC 8305).
    /// Default 250 ms (kafka-go `FallbackDelay`).
    pub fallback_delay: Duration,
    /// Encrypts connections. Default none: plain text (`security.protocol` SSL or SASL_SSL).
    #[cfg(feature = "tls-no-provider")]
    pub tls: Option<Tls>,
    /// Authenticates connections. Default none (`security.protocol` SASL_PLAINTEXT or SASL_SSL, `sasl.mechanism`).
    pub sasl: Option<Arc<dyn Mechanism>>,
    /// The interval of TCP keep-alive probes on an idle connection; `None` for none. Default 60 s.
    pub keep_alive: Option<Duration>,
    /// How long a call waits for its answer unless it says otherwise. Default 30 s (`request.timeout.ms`).
    pub call_timeout: Duration,
    /// What a connection accepts and holds at most.
    pub limits: ConnectionLimits,
    /// Counts what connections do. Default: one of its own, which clones of the dialer share.
    pub meter: Meter,
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

    /// Opens a connection to a broker: finds its addresses, connects, encrypts, negotiates versions, authenticates.
    ///
    /// **Cancel safety:** dropping the future closes whatever was opened.
    ///
    /// # Errors
    /// - the way there: [`Dns`](ErrorKind::Dns), [`Refused`](ErrorKind::Refused),
    ///   [`Unreachable`](ErrorKind::Unreachable), [`Timeout`](ErrorKind::Timeout);
    /// - what else may answer: [`NotKafka`](ErrorKind::NotKafka), [`TlsOnPlain`](ErrorKind::TlsOnPlain),
    ///   [`PlainOnTls`](ErrorKind::PlainOnTls), [`ClosedDuring`](ErrorKind::ClosedDuring),
    ///   [`BrokerTooOld`](ErrorKind::BrokerTooOld);
    /// - TLS: [`UnknownCa`](ErrorKind::UnknownCa), [`CertificateExpired`](ErrorKind::CertificateExpired),
    ///   [`WrongHostName`](ErrorKind::WrongHostName), [`InvalidCertificate`](ErrorKind::InvalidCertificate),
    ///   [`ClientCertificateRequired`](ErrorKind::ClientCertificateRequired),
    ///   [`ClientCertificateRefused`](ErrorKind::ClientCertificateRefused), [`Tls`](ErrorKind::Tls);
    /// - SASL: [`MechanismNotOffered`](ErrorKind::MechanismNotOffered),
    ///   [`AuthenticationFailed`](ErrorKind::AuthenticationFailed), [`SaslNotEnabled`](ErrorKind::SaslNotEnabled),
    ///   [`UnprotectedCredentials`](ErrorKind::UnprotectedCredentials), [`NoCredentials`](ErrorKind::NoCredentials),
    ///   [`InvalidChallenge`](ErrorKind::InvalidChallenge).
    pub async fn dial_address(&self, address: &BrokerAddress) -> Result<Connection> {
        self.open(address).await.inspect_err(|_| self.meter.dial_failed())
    }

    async fn open(&self, address: &BrokerAddress) -> Result<Connection> {
        self.check_protection().map_err(|error| error.with_broker(address))?;
        let start = Instant::now();
        let end = Instant::from_std(later(start.into_std(), self.timeout));
        let deadline = self.deadline.map_or(end, |deadline| deadline.min(end));
        let after = Some(deadline.saturating_duration_since(start));
        let late = |step| Error::new(ErrorKind::Timeout { step, after }).with_broker(address).with_unsent();
        let options = ConnectOptions {
            deadline,
            keep_alive: self.keep_alive,
            resolver: Arc::clone(&self.resolver),
            fallback_delay: self.fallback_delay,
            addresses: Arc::default(),
        };
        let stream = timeout_at(deadline, self.connector.connect(address, &options));
        let stream = stream.await.unwrap_or_else(|_| Err(late(Step::Connect)));
        let stream = stream.map_err(|error| error.with_broker(address).with_unsent())?;
        // What goes over the wire is counted: before it is encrypted.
        let stream = self.meter.stream(stream);
        let stream = timeout_at(deadline, self.encrypt(address, stream));
        let stream = stream.await.unwrap_or_else(|_| Err(late(Step::TlsHandshake)));
        let stream = stream.map_err(|error| error.with_broker(address).with_unsent())?;
        let connection = task::open(self, address, stream, deadline).await?;
        connection.set_socket_addresses(options.addresses.get().copied());
        Ok(connection)
    }

    #[cfg(feature = "tls-no-provider")]
    async fn encrypt(&self, address: &BrokerAddress, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>> {
        match &self.tls {
            Some(tls) => tls.connect(address, stream).await,
            None => Ok(stream),
        }
    }

    #[cfg(not(feature = "tls-no-provider"))]
    async fn encrypt(&self, _: &BrokerAddress, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>> {
        Ok(stream)
    }

    /// Whether the mechanism may be used on connections like these.
    fn check_protection(&self) -> Result<()> {
        match &self.sasl {
            Some(mechanism) if mechanism.protection() == Protection::Required && !self.is_encrypted() => {
                let kind = ErrorKind::UnprotectedCredentials { mechanism: mechanism.name().into() };
                Err(Error::new(kind).with_unsent())
            }
            _ => Ok(()),
        }
    }

    #[cfg(feature = "tls-no-provider")]
    fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls-no-provider"))]
    fn is_encrypted(&self) -> bool {
        false
    }
}

impl Default for Dialer {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            deadline: None,
            client_id: program_name().unwrap_or_else(|| SmolStr::new_static("kafka-conn")),
            connector: Arc::new(TcpConnector::default()),
            resolver: Arc::new(SystemResolver::default()),
            fallback_delay: Duration::from_millis(250),
            #[cfg(feature = "tls-no-provider")]
            tls: None,
            sasl: None,
            keep_alive: Some(Duration::from_secs(60)),
            call_timeout: Duration::from_secs(30),
            limits: ConnectionLimits::default(),
            meter: Meter::default(),
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
