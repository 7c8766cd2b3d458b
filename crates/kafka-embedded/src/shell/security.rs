//! What lies between a connection's stream and its frames: nothing, or TLS.

use std::time::Duration;

use kafka_conn::Stream;
use tokio::time::timeout;

#[cfg(feature = "tls")]
use crate::shell::Tls;

/// How clients reach the brokers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}

impl Security {
    /// Makes a stream secure; `None` where that fails or takes longer than [`HANDSHAKE_TIMEOUT`].
    pub(super) async fn accept(&self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        timeout(HANDSHAKE_TIMEOUT, self.secure(stream)).await.ok()?
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        match &self.tls {
            Some(tls) => tls.accept(stream).await,
            None => Some(stream),
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        Some(stream)
    }
}

/// More than any handshake takes; a client that says nothing holds a connection no longer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
