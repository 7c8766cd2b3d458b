//! The handle that all calls start from; the calls themselves are in the file of their noun.

use kafka_conn::Transport;

/// Administers a cluster. It is a handle on a [`Transport`]: cheap to clone, without state of its own.
///
/// **Cancel safety:** dropping the future of a call gives up its answer; what was sent may take effect nevertheless.
///
/// ```no_run
/// # async fn example(transport: kafka_conn::Transport) -> kafka_admin::Result<()> {
/// use std::time::Duration;
///
/// use kafka_admin::{Admin, CreateTopicsOptions, NewTopic};
///
/// let admin = Admin::new(transport);
/// let topics = [NewTopic::new("orders", 12, 3).with_config("cleanup.policy", "compact")];
/// for outcome in admin.create_topics(&topics, CreateTopicsOptions::default()).await? {
///     println!("{}: {:?}", outcome.name, outcome.result);
/// }
/// admin.wait_for_leaders(&["orders"], Duration::from_secs(10)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Admin {
    transport: Transport,
}

impl Admin {
    /// Administers the cluster that `transport` is connected to.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }

    /// The way to the cluster.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}
