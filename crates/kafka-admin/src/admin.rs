//! The handle that all calls start from; the calls themselves are in the file of their noun.

use std::time::Duration;

use kafka_conn::{Client, Transport};
use tokio::time::Instant;

/// Administers a cluster. It is a handle on a [`Transport`]: cheap to clone, without state of its own.
///
/// **Cancel safety:** dropping the future of a call gives up its answer; what was sent may take effect nevertheless.
///
/// ```no_run
/// # async fn example(transport: kafka_conn::Transport) -> kafka_admin::Result<()> {
/// use std::time::Duration;
///
/// use kafka_admin::{Admin, Apply, NewTopic};
///
/// let admin = Admin::new(transport).with_timeout(Duration::from_secs(10));
/// let topics = [NewTopic::new("orders", 12, 3).with_config("cleanup.policy", "compact")];
/// for outcome in admin.create_topics(&topics, Apply::Now).await? {
///     println!("{}: {:?}", outcome.item, outcome.result);
/// }
/// admin.wait_for_leaders(&["orders"]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Admin {
    transport: Transport,
    timeout: Duration,
}

impl Admin {
    /// Administers the cluster that `transport` is connected to.
    pub fn new(transport: Transport) -> Self {
        Self { transport, timeout: DEFAULT_TIMEOUT }
    }

    /// The same with another timeout: how long a call may take, all its requests and attempts included. Default 30 s
    /// (`request.timeout.ms`).
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// For what is still to do of a call that began then: the same with what is left of the timeout.
    pub(crate) fn since(&self, began: Instant) -> Self {
        self.clone().with_timeout(self.timeout.saturating_sub(began.elapsed()))
    }

    /// What sends requests to where they belong, within the timeout.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.transport.clone()).with_timeout(self.timeout)
    }

    /// The way to the cluster.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

/// Whether a request is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Apply {
    /// It is.
    #[default]
    Now,
    /// It is only checked: the outcome is what it would be (`validate.only`).
    Validate,
}

impl Apply {
    pub(crate) fn is_validation(self) -> bool {
        self == Self::Validate
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
