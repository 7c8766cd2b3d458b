//! The way to the cluster: the options that all commands share. Profiles, TLS and SASL will be read here.

use std::time::Duration;

use clap::Args;
use kafka_admin::Admin;
use kafka_conn::{BrokerAddress, Dialer, Transport, TransportConfig};

use crate::error::Result;
use crate::parse::duration::parse_duration;

/// Where the cluster is, and how long to wait for it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArguments {
    /// Where to find the cluster; any of its brokers will do
    #[arg(
        short,
        long,
        required = true,
        env = "KAFKA_BROKERS",
        hide_env_values = true,
        value_name = "HOST:PORT,...",
        value_delimiter = ','
    )]
    pub(crate) brokers: Vec<BrokerAddress>,
    /// How long connecting to a broker may take, and how long an answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
}

impl ConnectArguments {
    /// Connects, to administer.
    pub(crate) async fn admin(&self) -> Result<Admin> {
        Ok(Admin::new(self.connect().await?).with_timeout(self.timeout))
    }

    /// Connects to the first broker that answers.
    pub(crate) async fn connect(&self) -> Result<Transport> {
        // One after the other may have to time out before there is an answer to wait for.
        let attempts = u32::try_from(self.brokers.len()).unwrap_or(u32::MAX).min(MAX_ATTEMPTS);
        let call_timeout = self.timeout * (attempts + 1);
        let dialer = Dialer { timeout: self.timeout, call_timeout, client_id: "kafka-cli".into(), ..Dialer::default() };
        let config = TransportConfig {
            bootstrap: self.brokers.clone(),
            dialer,
            unknown_topic_timeout: UNKNOWN_TOPIC_TIMEOUT,
            ..TransportConfig::default()
        };
        Ok(Transport::connect(config).await?)
    }
}

/// Long enough for a topic that was just created, short enough for a slip of the pen.
const UNKNOWN_TOPIC_TIMEOUT: Duration = Duration::from_secs(2);
/// Brokers that are waited for in full. With more of them, some will answer, or the mistake is another.
const MAX_ATTEMPTS: u32 = 3;
