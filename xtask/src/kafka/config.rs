//! What a cluster shall look like.

use super::Version;

/// The wanted cluster. Later fields get defaults: end a literal with `..Config::default()`.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The Kafka release. Default: the newest.
    pub(crate) version: Version,
    /// How many brokers, with node ids from 1. One broker is its own controller; more get an isolated one, so that any
    /// broker may die. Default: 1.
    pub(crate) brokers: u8,
    /// The listeners for clients, on every broker. Default: one plaintext listener named `PLAINTEXT`.
    pub(crate) listeners: Vec<Listener>,
    /// Broker properties, in Kafka's names; they win over the launcher's own, such as `auto.create.topics.enable=false`.
    pub(crate) properties: Vec<(String, String)>,
}

/// A listener of every broker, on a port of its own.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    /// Its name in Kafka's configuration, in capitals. `INTERNAL` and `CONTROLLER` are the launcher's own.
    pub(crate) name: String,
    /// How its clients connect.
    pub(crate) security_protocol: SecurityProtocol,
}

/// How clients of a listener connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecurityProtocol {
    /// No encryption, no authentication.
    Plaintext,
}

impl SecurityProtocol {
    /// The value in `listener.security.protocol.map`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let plaintext = Listener { name: "PLAINTEXT".to_owned(), security_protocol: SecurityProtocol::Plaintext };
        Self { version: Version::NEWEST, brokers: 1, listeners: vec![plaintext], properties: Vec::new() }
    }
}
