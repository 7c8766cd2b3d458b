//! The way to the cluster: the options that all commands share.
//!
//! ```text
//!  options, else KAFKA_* variables (clap) ──┐
//!                                           ├──► Dialer ──► Transport
//!  a profile of the file ───────────────────┘
//! ```

mod error;
mod password;
mod profile;
mod security;
mod token;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kafka_admin::Admin;
use kafka_conn::{BrokerAddress, Dialer, Transport, TransportConfig};

pub(crate) use self::error::SetupError;
pub(crate) use self::password::{password_file, prompt};
use self::profile::Profile;
#[cfg(test)]
pub(crate) use self::profile::check_profiles;
#[cfg(test)]
pub(crate) use self::security::SaslMechanism;
use self::security::SecurityArguments;
use crate::error::Result;
use crate::parse::duration::parse_duration;

/// Where the cluster is, how to be let in, and how long to wait for it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArguments {
    /// Where to find the cluster; any of its brokers will do
    #[arg(
        short,
        long,
        env = "KAFKA_BROKERS",
        hide_env_values = true,
        value_name = "HOST:PORT,...",
        value_delimiter = ','
    )]
    pub(crate) brokers: Vec<BrokerAddress>,
    /// Takes what is not given here from this part of the profile file [default: default]
    #[arg(long, env = "KAFKA_PROFILE", hide_env_values = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The profile file [default: kafka/config.toml in ~/.config or %APPDATA%]
    #[arg(long, env = "KAFKA_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) profile_file: Option<PathBuf>,
    /// How long connecting to a broker may take, and how long an answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) security: SecurityArguments,
}

impl ConnectArguments {
    /// Connects, to administer.
    pub(crate) async fn admin(&self) -> Result<Admin> {
        Ok(Admin::new(self.connect().await?).with_timeout(self.timeout))
    }

    /// Connects to the first broker that answers.
    pub(crate) async fn connect(&self) -> Result<Transport> {
        let profile = Profile::load(self.profile.as_deref(), self.profile_file.as_deref())?;
        let bootstrap = if self.brokers.is_empty() { profile.brokers()? } else { self.brokers.clone() };
        if bootstrap.is_empty() {
            return Err(SetupError::NoBrokers.into());
        }
        // One after the other may have to time out before there is an answer to wait for.
        let attempts = u32::try_from(bootstrap.len()).unwrap_or(u32::MAX).min(MAX_ATTEMPTS);
        let dialer = Dialer {
            timeout: self.timeout,
            call_timeout: self.timeout * (attempts + 1),
            client_id: "kafka-cli".into(),
            tls: self.security.tls(&profile)?,
            sasl: self.security.sasl(&profile).await?,
            ..Dialer::default()
        };
        let config = TransportConfig {
            bootstrap,
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
