//! Lets the SASL mechanism speak when the session asks, without holding up the connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::address::BrokerAddress;
use crate::error::Result;
use crate::sasl::{Exchange, Mechanism, Reply, SaslError};

/// A connection's mechanism, and what it is doing.
pub(crate) struct Authenticator {
    mechanism: Option<Arc<dyn Mechanism>>,
    broker: BrokerAddress,
    /// The exchange under way, while nothing is asked of it.
    exchange: Option<Box<dyn Exchange>>,
    work: Option<Work>,
}

/// Gives back the exchange, unless it is over.
type Work = Pin<Box<dyn Future<Output = (Option<Box<dyn Exchange>>, Result<Reply, SaslError>)> + Send>>;

impl Authenticator {
    pub(crate) fn new(mechanism: Option<Arc<dyn Mechanism>>, broker: BrokerAddress) -> Self {
        Self { mechanism, broker, exchange: None, work: None }
    }

    /// Begins anew.
    pub(crate) fn start(&mut self) {
        self.exchange = None;
        self.work = self.mechanism.clone().map(|mechanism| start(mechanism, self.broker.clone()));
    }

    /// Takes a challenge; with no exchange to answer it, nobody waits for a reply either.
    pub(crate) fn respond(&mut self, challenge: Bytes) {
        if let Some(exchange) = self.exchange.take() {
            self.work = Some(Box::pin(off_the_runtime(exchange, move |exchange| exchange.respond(&challenge))));
        }
    }

    /// What the mechanism says, once it has been asked.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply>> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let Poll::Ready((exchange, reply)) = work.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        self.work = None;
        self.exchange = exchange;
        let name = self.mechanism.as_ref().map_or("", |mechanism| mechanism.name());
        Poll::Ready(reply.map_err(|error| error.into_error(name)))
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

fn start(mechanism: Arc<dyn Mechanism>, broker: BrokerAddress) -> Work {
    Box::pin(async move {
        match mechanism.start(&broker).await {
            Ok(exchange) => off_the_runtime(exchange, |exchange| exchange.initial().map(Reply::Message)).await,
            Err(error) => (None, Err(error)),
        }
    })
}

/// Mechanisms may compute for long (SCRAM derives keys slowly on purpose), or block (GSSAPI asks a server for tickets).
async fn off_the_runtime(
    mut exchange: Box<dyn Exchange>,
    work: impl FnOnce(&mut dyn Exchange) -> Result<Reply, SaslError> + Send + 'static,
) -> (Option<Box<dyn Exchange>>, Result<Reply, SaslError>) {
    let worked = spawn_blocking(move || {
        let reply = work(&mut *exchange);
        (Some(exchange), reply)
    });
    // A mechanism that panics has nothing to say.
    worked.await.unwrap_or_else(|error| (None, Err(SaslError::Credentials(error.into()))))
}
