//! What a cluster shall look like.

use std::net::SocketAddr;
use std::time::Duration;

use super::Version;

/// The wanted cluster. Later fields get defaults: end a literal with `..Config::default()`.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The Kafka release. Default: the newest.
    pub(crate) version: Version,
    /// How many brokers, with node ids from 1. One broker is its own controller; more get an isolated one, so that any
    /// broker may die. Default: 1.
    pub(crate) brokers: u8,
    /// The listeners for clients, on every broker. Default: [`Listener::plaintext`].
    pub(crate) listeners: Vec<Listener>,
    /// Who may log in where a listener asks for SASL, with every mechanism that the listener offers. Default:
    /// [`User::default`] alone.
    pub(crate) users: Vec<User>,
    /// `broker.rack` of broker 1, 2, …, and over again; with any, followers serve readers of their rack. Default: none.
    pub(crate) racks: Vec<String>,
    /// Who may do what. Default: everybody everything.
    pub(crate) authorizer: Authorizer,
    /// Where the voters of the metadata quorum are written down. Default: [`Quorum::Fixed`].
    pub(crate) quorum: Quorum,
    /// How many folders each node keeps its records in. Default: 1.
    pub(crate) log_dirs: u8,
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
    /// Whether clients must show a certificate (with TLS only). Default: no.
    pub(crate) client_auth: ClientAuth,
    /// What brokers show (with TLS only). Default: what is right.
    pub(crate) certificate: BrokerCertificate,
    /// The mechanisms offered (with SASL only). Default: all.
    pub(crate) mechanisms: Vec<Mechanism>,
    /// How long a SASL session lives, `connections.max.reauth.ms`. Default: for ever.
    pub(crate) session_lifetime: Option<Duration>,
    /// Where broker 1, 2, … tells clients to find it, such as a proxy's ports. Default: where it listens.
    pub(crate) advertised: Vec<SocketAddr>,
}

/// How clients of a listener connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecurityProtocol {
    /// No encryption, no authentication.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

/// The certificate that a broker shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokerCertificate {
    /// One that is right.
    Valid,
    /// One that ran out.
    Expired,
}

/// Whether clients of a TLS listener must show a certificate, `ssl.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    None,
    Required,
}

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
    /// Tokens are taken unsigned, as `sub` says: for tests only.
    OAuthBearer,
}

/// What decides who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authorizer {
    /// Nothing does.
    None,
    /// Kafka's `StandardAuthorizer`: ACLs decide, and refuse where none is found. Clients of plaintext listeners
    /// (`ANONYMOUS`, which brokers are too) and the user `admin` may do everything.
    Standard,
}

/// Where the voters of the metadata quorum are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quorum {
    /// In the properties of every node, for good.
    Fixed,
    /// In the metadata (KIP-853). The last of several brokers is a controller, too, one that has no vote yet.
    Dynamic,
}

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl Listener {
    /// A listener with the defaults of its fields.
    pub(crate) fn new(name: &str, security_protocol: SecurityProtocol) -> Self {
        Self {
            name: name.to_owned(),
            security_protocol,
            client_auth: ClientAuth::None,
            certificate: BrokerCertificate::Valid,
            mechanisms: Mechanism::ALL.to_vec(),
            session_lifetime: None,
            advertised: Vec::new(),
        }
    }

    /// Plaintext, named `PLAINTEXT`.
    pub(crate) fn plaintext() -> Self {
        Self::new("PLAINTEXT", SecurityProtocol::Plaintext)
    }

    /// TLS, named `SSL`.
    pub(crate) fn tls() -> Self {
        Self::new("SSL", SecurityProtocol::Ssl)
    }

    /// TLS that demands a certificate of its clients, named `MTLS`.
    pub(crate) fn mutual_tls() -> Self {
        Self { client_auth: ClientAuth::Required, ..Self::new("MTLS", SecurityProtocol::Ssl) }
    }

    /// TLS with a certificate that ran out, named `EXPIRED`.
    pub(crate) fn expired_tls() -> Self {
        Self { certificate: BrokerCertificate::Expired, ..Self::new("EXPIRED", SecurityProtocol::Ssl) }
    }

    /// SASL without encryption, named `SASL_PLAINTEXT`.
    pub(crate) fn sasl_plaintext() -> Self {
        Self::new("SASL_PLAINTEXT", SecurityProtocol::SaslPlaintext)
    }

    /// SASL over TLS, named `SASL_SSL`.
    pub(crate) fn sasl_tls() -> Self {
        Self::new("SASL_SSL", SecurityProtocol::SaslSsl)
    }
}

impl SecurityProtocol {
    /// The value in `listener.security.protocol.map`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    pub(crate) fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    pub(crate) fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl Mechanism {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OAuthBearer];

    /// The name on the wire and in Kafka's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }
}

impl Default for User {
    /// `alice`, for whoever needs just one.
    fn default() -> Self {
        Self { name: "alice".to_owned(), password: "alice-secret".to_owned() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Version::NEWEST,
            brokers: 1,
            listeners: vec![Listener::plaintext()],
            users: vec![User::default()],
            racks: Vec::new(),
            authorizer: Authorizer::None,
            quorum: Quorum::Fixed,
            log_dirs: 1,
            properties: Vec::new(),
        }
    }
}
