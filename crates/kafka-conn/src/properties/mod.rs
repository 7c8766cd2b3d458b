//! Configurations of Java's and librdkafka's clients: names and values as text.
//!
//! ```text
//! (name, value) ──► a client's own table? ──► its configuration
//!        │ no
//!        └────────► the transport's table? ──► Parsed: TransportConfig, Security ── finish ──► TransportConfig
//!                         │ no
//!                         └──► Unknown, with the nearest name of both tables
//! ```

mod jaas;
mod security;

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::address::BrokerAddress;
use crate::error::Error;
use crate::transport::TransportConfig;
use security::Security;

/// What takes a property's value into a configuration, or says what is wrong with it.
pub type Setter<C> = fn(&mut C, &str) -> Result<(), String>;

/// A property that cannot be followed. Its text never has a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// No property has this name.
    #[error("there is no property `{name}`{}", nearest.as_ref().map_or(String::new(), |nearest| format!(": did you mean `{nearest}`?")))]
    Unknown {
        /// The name.
        name: String,
        /// The most similar one, if one is similar.
        nearest: Option<&'static str>,
    },
    /// The value is not one of the property's.
    #[error("property `{name}` cannot be `{value}`: {reason}")]
    Invalid {
        /// The name.
        name: String,
        /// The value; of a secret property `***`.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// Others need this property.
    #[error("property `{name}` is missing: {reason}")]
    Missing {
        /// The name.
        name: &'static str,
        /// Who needs it.
        reason: &'static str,
    },
    /// Certificates or keys cannot be used, or cannot be read. They are PEM files here.
    #[error(
        "the properties for TLS cannot be used; files must be PEM, to which stores of Java (JKS, PKCS #12) convert"
    )]
    Tls(#[source] Error),
}

impl TransportConfig {
    /// Reads properties by the names that Java's and librdkafka's clients have for them. What they do not say has the
    /// defaults of this crate, not those of Java or librdkafka. Of two that set the same, the later one counts. Files
    /// with certificates are read, which blocks for as long as that takes.
    ///
    /// ```
    /// use kafka_conn::TransportConfig;
    ///
    /// let config = TransportConfig::from_properties([
    ///     ("bootstrap.servers", "kafka-1,kafka-2"),
    ///     ("security.protocol", "SASL_PLAINTEXT"),
    ///     ("sasl.mechanism", "SCRAM-SHA-512"),
    ///     ("sasl.username", "billing"),
    ///     ("sasl.password", "hunter2"),
    /// ])?;
    /// assert_eq!(config.dialer.sasl.as_ref().map(|sasl| sasl.name()), Some("SCRAM-SHA-512"));
    /// assert!(!format!("{config:?}").contains("hunter2"));
    ///
    /// let error = TransportConfig::from_properties([("sasl.user", "billing")]).unwrap_err();
    /// assert_eq!(error.to_string(), "there is no property `sasl.user`: did you mean `sasl.username`?");
    /// # Ok::<(), kafka_conn::properties::PropertyError>(())
    /// ```
    ///
    /// | property | also | sets |
    /// |---|---|---|
    /// | `bootstrap.servers` | `metadata.broker.list` | [`bootstrap`](TransportConfig::bootstrap) |
    /// | `client.id` | | the dialer's [`client_id`](crate::Dialer::client_id) |
    /// | `connections.max.idle.ms` | | [`idle_timeout`](TransportConfig::idle_timeout); -1 leaves it to the brokers |
    /// | `metadata.max.age.ms` | | [`metadata_ttl`](TransportConfig::metadata_ttl) |
    /// | `metadata.max.idle.ms` | | [`topic_idle`](TransportConfig::topic_idle) |
    /// | `reconnect.backoff.ms` | `reconnect.backoff.max.ms` | [`backoff`](TransportConfig::backoff) |
    /// | `request.timeout.ms` | `socket.timeout.ms` | the dialer's [`call_timeout`](crate::Dialer::call_timeout) |
    /// | `socket.connection.setup.timeout.ms` | | the dialer's [`timeout`](crate::Dialer::timeout) |
    /// | `security.protocol` | | `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`; whatever else is set has to fit |
    /// | `sasl.mechanism` | `sasl.mechanisms` | `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512` |
    /// | `sasl.username` | `sasl.password` | whom it authenticates |
    /// | `sasl.jaas.config` | | the same, as Java writes it: `…ScramLoginModule required username="…" password="…";` |
    /// | `ssl.ca.location` | `ssl.truststore.location` | a PEM file of authorities to trust |
    /// | `ssl.ca.pem` | `ssl.truststore.certificates` | the authorities themselves |
    /// | `ssl.certificate.location` | `ssl.key.location` | PEM files of the client's certificate and its key |
    /// | `ssl.certificate.pem` | `ssl.keystore.certificate.chain` | the certificate itself |
    /// | `ssl.key.pem` | `ssl.keystore.key` | the key itself, not encrypted |
    /// | `ssl.keystore.location` | | a PEM file with both |
    /// | `ssl.truststore.type` | `ssl.keystore.type` | `PEM` |
    /// | `ssl.endpoint.identification.algorithm` | | `https`: host names are always verified |
    /// | `enable.ssl.certificate.verification` | | `true`: certificates are always verified |
    ///
    /// With `SASL_PLAINTEXT` the mechanism `PLAIN` sends its password for everybody to read, and a warning is logged.
    ///
    /// # Errors
    /// [`PropertyError`], for the first property that has an unknown name or an impossible value, then for those that do
    /// not fit together.
    pub fn from_properties<K: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, PropertyError> {
        parse(properties, &[], &mut ())
    }
}

/// Reads properties of which some, those that `own` names, belong to the configuration of a client, and the others to its
/// [transport](TransportConfig::from_properties). `own` comes first where both have a name.
///
/// # Errors
/// As [`TransportConfig::from_properties`].
pub fn parse<C, K: AsRef<str>, V: AsRef<str>>(
    properties: impl IntoIterator<Item = (K, V)>,
    own: &[(&'static str, Setter<C>)],
    config: &mut C,
) -> Result<TransportConfig, PropertyError> {
    let mut parsed = Parsed::default();
    for (name, value) in properties {
        let (name, value) = (name.as_ref().trim(), value.as_ref());
        // A password may begin or end with spaces.
        let value = if SECRETS.contains(&name) { value } else { value.trim() };
        let set = match (find(own, name), find(&PROPERTIES, name)) {
            (Some(set), _) => set(config, value),
            (None, Some(set)) => set(&mut parsed, value),
            (None, None) => {
                let known = own.iter().map(|(known, _)| *known).chain(PROPERTIES.iter().map(|(known, _)| *known));
                return Err(PropertyError::Unknown { name: name.to_owned(), nearest: nearest(name, known) });
            }
        };
        set.map_err(|reason| invalid(name, value, reason))?;
    }
    parsed.security.finish(&mut parsed.transport.dialer)?;
    Ok(parsed.transport)
}

/// What was read so far.
#[derive(Default)]
struct Parsed {
    transport: TransportConfig,
    security: Security,
}

/// All names, and what they set.
const PROPERTIES: [(&str, Setter<Parsed>); 33] = [
    ("bootstrap.servers", bootstrap),
    ("metadata.broker.list", bootstrap),
    ("client.id", |parsed, value| put(&mut parsed.transport.dialer.client_id, value.into())),
    ("connections.max.idle.ms", |parsed, value| {
        put(&mut parsed.transport.idle_timeout, if value == "-1" { Duration::MAX } else { millis(value)? })
    }),
    ("metadata.max.age.ms", |parsed, value| put(&mut parsed.transport.metadata_ttl, millis(value)?)),
    ("metadata.max.idle.ms", |parsed, value| put(&mut parsed.transport.topic_idle, millis(value)?)),
    ("reconnect.backoff.ms", |parsed, value| put(&mut parsed.transport.backoff.min, millis(value)?)),
    ("reconnect.backoff.max.ms", |parsed, value| put(&mut parsed.transport.backoff.max, millis(value)?)),
    ("request.timeout.ms", |parsed, value| put(&mut parsed.transport.dialer.call_timeout, millis(value)?)),
    ("socket.timeout.ms", |parsed, value| put(&mut parsed.transport.dialer.call_timeout, millis(value)?)),
    ("socket.connection.setup.timeout.ms", |parsed, value| put(&mut parsed.transport.dialer.timeout, millis(value)?)),
    ("security.protocol", |parsed, value| parsed.security.set_protocol(value)),
    ("sasl.mechanism", |parsed, value| parsed.security.set_mechanism(value)),
    ("sasl.mechanisms", |parsed, value| parsed.security.set_mechanism(value)),
    ("sasl.username", |parsed, value| parsed.security.set_user(value)),
    ("sasl.password", |parsed, value| parsed.security.set_password(value)),
    ("sasl.jaas.config", |parsed, value| parsed.security.set_jaas(value)),
    ("ssl.ca.location", |parsed, value| parsed.security.set_authorities_file(value)),
    ("ssl.truststore.location", |parsed, value| parsed.security.set_authorities_file(value)),
    ("ssl.ca.pem", |parsed, value| parsed.security.set_authorities(value)),
    ("ssl.truststore.certificates", |parsed, value| parsed.security.set_authorities(value)),
    ("ssl.certificate.location", |parsed, value| parsed.security.set_certificate_file(value)),
    ("ssl.certificate.pem", |parsed, value| parsed.security.set_certificate(value)),
    ("ssl.keystore.certificate.chain", |parsed, value| parsed.security.set_certificate(value)),
    ("ssl.key.location", |parsed, value| parsed.security.set_key_file(value)),
    ("ssl.key.pem", |parsed, value| parsed.security.set_key(value)),
    ("ssl.keystore.key", |parsed, value| parsed.security.set_key(value)),
    ("ssl.key.password", |_, _| Err("a key must not be encrypted: decrypt its file, and guard it".to_owned())),
    ("ssl.keystore.location", |parsed, value| {
        parsed.security.set_certificate_file(value)?;
        parsed.security.set_key_file(value)
    }),
    ("ssl.truststore.type", |_, value| security::is_pem(value)),
    ("ssl.keystore.type", |_, value| security::is_pem(value)),
    ("ssl.endpoint.identification.algorithm", |_, value| security::is_verified(value.eq_ignore_ascii_case("https"))),
    ("enable.ssl.certificate.verification", |_, value| security::is_verified(boolean(value)?)),
];

/// Those whose values no error repeats.
const SECRETS: [&str; 5] = ["sasl.jaas.config", "sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.key"];

/// Puts a value in its place: the end of most setters.
///
/// # Errors
/// None.
pub fn put<T>(place: &mut T, value: T) -> Result<(), String> {
    *place = value;
    Ok(())
}

/// The value as a number, or whatever else is read from text.
///
/// # Errors
/// What is wrong with it.
pub fn number<T: FromStr<Err: Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: T::Err| error.to_string())
}

/// The value as milliseconds, of which there may be fractions, as in librdkafka.
///
/// # Errors
/// What is wrong with it.
pub fn millis(value: &str) -> Result<Duration, String> {
    let millis: f64 = number(value)?;
    Duration::try_from_secs_f64(millis / 1000.0).map_err(|error| error.to_string())
}

/// The value as `true` or `false`.
///
/// # Errors
/// That it is neither.
pub fn boolean(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| "it is `true` or `false`".to_owned())
}

fn bootstrap(parsed: &mut Parsed, value: &str) -> Result<(), String> {
    put(&mut parsed.transport.bootstrap, BrokerAddress::parse_list(value).map_err(|error| error.to_string())?)
}

fn invalid(name: &str, value: &str, reason: String) -> PropertyError {
    let value = if SECRETS.contains(&name) { "***" } else { value };
    PropertyError::Invalid { name: name.to_owned(), value: value.to_owned(), reason }
}

fn find<C>(table: &[(&'static str, Setter<C>)], name: &str) -> Option<Setter<C>> {
    table.iter().find(|(known, _)| *known == name).map(|(_, set)| *set)
}

/// The name that differs least, if it differs by less than half.
fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // What is far longer than any name resembles none.
    let name = name.get(..name.len().min(MAX_NAME)).unwrap_or_default();
    let nearest = known.map(|known| (distance(name, known), known)).min();
    nearest.filter(|(distance, known)| *distance * 2 < known.len()).map(|(_, known)| known)
}

/// How many letters are to be put in, taken out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, right) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

const MAX_NAME: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<const N: usize>(properties: [(&str, &str); N]) -> Result<TransportConfig, PropertyError> {
        TransportConfig::from_properties(properties)
    }

    #[test]
    fn every_property_is_documented() {
        let documented = include_str!("mod.rs");
        for (name, _) in PROPERTIES {
            let row = documented.lines().find(|line| line.contains("/// |") && line.contains(&format!("`{name}`")));
            assert!(row.is_some() || name == "ssl.key.password", "{name}");
        }
    }

    #[test]
    fn what_is_not_about_security_is_set() {
        let config = parse([
            ("bootstrap.servers", "a,b:1"),
            ("client.id", " one "),
            ("connections.max.idle.ms", "-1"),
            ("metadata.max.age.ms", "1500"),
            ("reconnect.backoff.ms", "0.5"),
            ("request.timeout.ms", "7"),
            ("socket.connection.setup.timeout.ms", "8"),
        ]);
        let config = config.unwrap();
        assert_eq!((config.bootstrap.len(), config.dialer.client_id.as_str()), (2, "one"));
        assert_eq!((config.idle_timeout, config.metadata_ttl), (Duration::MAX, Duration::from_millis(1500)));
        assert_eq!(config.backoff.min, Duration::from_micros(500));
        assert_eq!(
            (config.dialer.call_timeout, config.dialer.timeout),
            (Duration::from_millis(7), Duration::from_millis(8))
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let nearest = |name: &str| match parse([(name, "1")]) {
            Err(PropertyError::Unknown { nearest, .. }) => nearest,
            other => panic!("{other:?}"),
        };
        assert_eq!(nearest("bootstrap.server"), Some("bootstrap.servers"));
        assert_eq!(nearest("Client.ID"), Some("client.id"));
        assert_eq!(nearest("something.else.entirely"), None);
        assert_eq!(nearest(&"ü".repeat(500)), None);
        for (name, value) in [
            ("bootstrap.servers", ""),
            ("metadata.max.age.ms", "-1"),
            ("request.timeout.ms", "NaN"),
            ("security.protocol", "TLS"),
            ("sasl.mechanism", "GSSAPI"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("ssl.truststore.type", "JKS"),
            ("ssl.endpoint.identification.algorithm", ""),
            ("enable.ssl.certificate.verification", "false"),
        ] {
            let error = parse([(name, value)]).unwrap_err();
            assert!(matches!(error, PropertyError::Invalid { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn a_clients_own_properties_come_first() {
        let own: [(&'static str, Setter<u32>); 2] =
            [("request.timeout.ms", |own, value| put(own, number(value)?)), ("acks", |own, _| put(own, 1))];
        let mut config = 0;
        let transport = super::parse([("request.timeout.ms", "5"), ("client.id", "x")], &own, &mut config).unwrap();
        assert_eq!((config, transport.dialer.client_id.as_str()), (5, "x"));
        assert_eq!(transport.dialer.call_timeout, TransportConfig::default().dialer.call_timeout);
        let error = super::parse([("ack", "5")], &own, &mut config).unwrap_err();
        assert_eq!(error.to_string(), "there is no property `ack`: did you mean `acks`?");
    }

    #[test]
    fn no_error_repeats_a_secret() {
        for (name, value) in [("sasl.jaas.config", "hunter2"), ("sasl.password", ""), ("ssl.key.password", "hunter2")] {
            let error = parse([(name, value)]).unwrap_err();
            assert!(error.to_string().contains("`***`") && !format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
