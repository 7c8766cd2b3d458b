//! A broker: whether it is there, and what is its own.
//!
//! Sans-IO.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::api::fetch_session::FetchSessions;
use crate::core::BrokerConfig;

/// A broker of the cluster.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) host: SmolStr,
    pub(crate) port: u16,
    pub(crate) rack: Option<SmolStr>,
    pub(crate) status: Status,
    /// Whether its replicas stop following their leaders.
    pub(crate) lags: bool,
    pub(crate) sessions: FetchSessions,
    /// Dynamic configurations.
    pub(crate) configs: BTreeMap<SmolStr, SmolStr>,
}

/// Whether a broker serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    /// As a process that was stopped by a signal: its connections stay, and nothing is answered.
    Frozen,
    Stopped,
}

impl Broker {
    pub(super) fn new(config: &BrokerConfig) -> Self {
        Self {
            id: config.id,
            host: config.host.clone(),
            port: config.port,
            rack: config.rack.clone(),
            status: Status::Running,
            lags: false,
            sessions: FetchSessions::default(),
            configs: BTreeMap::new(),
        }
    }

    /// Whether the cluster believes that it is there: a frozen one has not been missed yet.
    pub(crate) fn is_alive(&self) -> bool {
        self.status != Status::Stopped
    }
}
