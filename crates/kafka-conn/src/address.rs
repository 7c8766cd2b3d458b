//! Where a broker listens, and how people write that.
//!
//! Sans-IO.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use smol_str::SmolStr;

/// The host and port of a broker.
///
/// Read from what people type: the port may be left out (9092), an IPv6 address may stand with or without brackets.
///
/// ```
/// use kafka_conn::BrokerAddress;
///
/// let address: BrokerAddress = "kafka-1.example.com".parse()?;
/// assert_eq!((address.host(), address.port()), ("kafka-1.example.com", 9092));
/// assert_eq!("::1".parse::<BrokerAddress>()?.to_string(), "[::1]:9092");
/// # Ok::<(), kafka_conn::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrokerAddress {
    host: SmolStr,
    port: u16,
}

impl BrokerAddress {
    /// The port where none is written.
    pub const DEFAULT_PORT: u16 = 9092;

    /// From a host name or IP address, without brackets, and a port.
    ///
    /// # Errors
    /// [`AddressError`] where the host is empty, too long, or has characters that no host name has.
    pub fn new(host: impl Into<SmolStr>, port: u16) -> Result<Self, AddressError> {
        let host = host.into();
        check_host(&host)?;
        if port == 0 {
            return Err(AddressError::new(AddressErrorKind::Port, &host));
        }
        Ok(Self { host, port })
    }

    /// Reads a list separated by commas, as in `kafka-1:9092,kafka-2:9092`. Blanks around an address do not matter.
    ///
    /// # Errors
    /// [`AddressError`] where one of them is none, or there is not a single one.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AddressError> {
        text.split(',').map(|address| address.trim().parse()).collect()
    }

    /// The host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for BrokerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |kind| AddressError::new(kind, text);
        if text.is_empty() {
            return Err(error(AddressErrorKind::Empty));
        }
        if text.contains("://") {
            return Err(error(AddressErrorKind::Scheme));
        }
        let (host, port) = split_port(text).ok_or_else(|| error(AddressErrorKind::Bracket))?;
        let port = match port {
            None => Self::DEFAULT_PORT,
            Some(port) => parse_port(port).ok_or_else(|| error(AddressErrorKind::Port))?,
        };
        check_host(host).map_err(|cause| error(cause.kind))?;
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    kind: AddressErrorKind,
    text: SmolStr,
}

impl AddressError {
    fn new(kind: AddressErrorKind, text: &str) -> Self {
        // Longer than any host name: enough to recognise it by.
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_HOST_LEN).last().unwrap_or(0);
        let end = if text.len() <= MAX_HOST_LEN { text.len() } else { end };
        Self { kind, text: SmolStr::new(text.get(..end).unwrap_or_default()) }
    }

    /// What is wrong.
    pub fn kind(&self) -> AddressErrorKind {
        self.kind
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no broker address: {}; write HOST or HOST:PORT", self.text.as_str(), self.kind)
    }
}

impl std::error::Error for AddressError {}

/// What can be wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressErrorKind {
    /// A bracket without its partner, or text behind the closing one.
    #[error("its brackets do not match")]
    Bracket,
    /// No host.
    #[error("it has no host")]
    Empty,
    /// A host with characters that no host name or IP address has, or longer than 255 bytes.
    #[error("its host is not a name or an IP address")]
    Host,
    /// A port that is not a number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// A scheme, as in `kafka://host` or `PLAINTEXT://host:9092`.
    #[error("it has a scheme (\"://\")")]
    Scheme,
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` and `v6`; `None` where brackets do not match.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, None)),
            rest => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    // Without brackets, several colons can only be an IPv6 address, and a port cannot be told from its last group.
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((text, None));
    }
    Some(text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))))
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn check_host(host: &str) -> Result<(), AddressError> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if host.is_empty() {
        return Err(AddressError::new(AddressErrorKind::Empty, host));
    }
    let name = host.len() <= MAX_HOST_LEN && host.chars().all(allowed);
    if name || host.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    Err(AddressError::new(AddressErrorKind::Host, host))
}

/// The longest name that DNS has.
const MAX_HOST_LEN: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, u16), AddressErrorKind> {
        text.parse::<BrokerAddress>()
            .map(|address| (address.host().to_owned(), address.port()))
            .map_err(|error| error.kind())
    }

    #[test]
    fn what_people_write() {
        for (text, host, port) in [
            ("127.0.0.1", "127.0.0.1", 9092),
            ("127.0.0.1:19092", "127.0.0.1", 19092),
            ("::1", "::1", 9092),
            ("[::1]", "::1", 9092),
            ("[fe80::1]:1", "fe80::1", 1),
            ("localhost", "localhost", 9092),
            ("broker_1.kafka.svc:65535", "broker_1.kafka.svc", 65535),
            ("bücher.example", "bücher.example", 9092),
        ] {
            assert_eq!(parse(text), Ok((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, kind) in [
            ("", AddressErrorKind::Empty),
            (":9092", AddressErrorKind::Empty),
            ("host:", AddressErrorKind::Port),
            ("host:0", AddressErrorKind::Port),
            ("host:65536", AddressErrorKind::Port),
            ("host:+1", AddressErrorKind::Port),
            ("host:http", AddressErrorKind::Port),
            ("[::1", AddressErrorKind::Bracket),
            ("[::1]9092", AddressErrorKind::Bracket),
            ("[host]:1", AddressErrorKind::Bracket),
            ("a:b:1", AddressErrorKind::Host),
            ("two words", AddressErrorKind::Host),
            ("host\r\n", AddressErrorKind::Host),
            ("PLAINTEXT://host:9092", AddressErrorKind::Scheme),
        ] {
            assert_eq!(parse(text), Err(kind), "{text}");
        }
    }

    #[test]
    fn lists() {
        let list = BrokerAddress::parse_list("a:1, b").unwrap();
        assert_eq!(list.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a:1", "b:9092"]);
        assert!(BrokerAddress::parse_list("").is_err());
        assert!(BrokerAddress::parse_list("a,,b").is_err());
    }

    #[test]
    fn an_error_quotes_escaped_and_bounded() {
        let error = "a\u{1b}[31m".parse::<BrokerAddress>().unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
        let error = "ü".repeat(100_000).parse::<BrokerAddress>().unwrap_err();
        assert!(error.to_string().len() < 1000);
    }
}
