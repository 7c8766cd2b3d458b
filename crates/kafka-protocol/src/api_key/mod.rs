//! The keys of Kafka's APIs, and what is known of each API without its messages: versions, listeners, header versions.

mod table;

use std::fmt;

use crate::Versions;

/// The key of an API: `ApiKey::METADATA` is 3. Keys that this crate does not know are values too.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKey(pub i16);

impl ApiKey {
    /// Its name in Kafka's schema, such as `Metadata`; `None` where this crate does not know the key.
    pub fn name(self) -> Option<&'static str> {
        self.facts().map(|facts| facts.name)
    }

    /// The versions that this crate speaks, the unstable ones included; none of an unknown key.
    pub fn versions(self) -> Versions {
        self.facts().map_or(Versions::NONE, |facts| facts.versions)
    }

    /// The versions that brokers only speak when told to (`unstable.api.versions.enable`).
    pub fn unstable_versions(self) -> Versions {
        self.facts().map_or(Versions::NONE, |facts| facts.unstable)
    }

    /// Whether `version` has tagged fields and compact lengths (KIP-482).
    pub fn is_flexible(self, version: i16) -> bool {
        self.facts().is_some_and(|facts| facts.flexible.contains(version))
    }

    /// What serves the API.
    pub fn listeners(self) -> &'static [Listener] {
        self.facts().map_or(&[], |facts| facts.listeners)
    }

    /// The version of the header before a request of `version`.
    ///
    /// It is 2 where the request is flexible and 1 elsewhere, except for `ControlledShutdown` 0, which has no client id.
    pub fn request_header_version(self, version: i16) -> i16 {
        match (self, version) {
            (Self::CONTROLLED_SHUTDOWN, 0) => 0,
            _ if self.is_flexible(version) => 2,
            _ => 1,
        }
    }

    /// The version of the header before a response of `version`.
    ///
    /// It is 1 where the response is flexible and 0 elsewhere, except for `ApiVersions`, where it is always 0: a client
    /// must be able to read the answer before it knows what the broker speaks (KIP-511).
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::API_VERSIONS && self.is_flexible(version))
    }

    fn facts(self) -> Option<&'static Facts> {
        let index = table::FACTS.binary_search_by_key(&self, |facts| facts.key).ok()?;
        table::FACTS.get(index)
    }
}

/// The name, or the bare number of a key that has none here.
impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "API {}", self.0),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name().unwrap_or("ApiKey"), self.0)
    }
}

impl From<i16> for ApiKey {
    fn from(key: i16) -> Self {
        Self(key)
    }
}

/// A kind of server that an API is served by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// Brokers.
    Broker,
    /// The controllers of a KRaft cluster.
    Controller,
    /// The brokers of a cluster with ZooKeeper, before Kafka 4.0.
    ZkBroker,
}

/// What the table says of an API.
struct Facts {
    key: ApiKey,
    name: &'static str,
    versions: Versions,
    flexible: Versions,
    unstable: Versions,
    listeners: &'static [Listener],
}

/// The notation of the generated table: its lines become constants and [`Facts`], in ascending order of the keys.
macro_rules! api_keys {
    ($($constant:ident $key:literal $name:literal, $min:literal..=$max:literal
        $(, flexible $flexible:literal)? $(, unstable $unstable:literal)?, on $($listener:ident)+;)*) => {
        impl $crate::ApiKey {
            /// Every key that this crate knows, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$constant),*];

            $(#[doc = concat!("`", $name, "`, versions ", $min, " to ", $max, ".")]
            pub const $constant: Self = Self($key);)*
        }

        pub(super) static FACTS: &[super::Facts] = &[$(super::Facts {
            key: $crate::ApiKey::$constant,
            name: $name,
            versions: $crate::Versions::new($min, $max),
            flexible: $crate::engine::since!($($flexible)?),
            unstable: $crate::engine::since!($($unstable)?),
            listeners: &[$(super::Listener::$listener),+],
        }),*];
    };
}
use api_keys;

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of (key, name, version, request header, response header), as Kafka's own classes tell them.
    const HEADERS: [&str; 2] =
        [include_str!("../../tests/vectors/headers.tsv"), include_str!("../../tests/vectors/headers-3.9.1.tsv")];

    #[test]
    fn header_versions_are_those_of_kafka() {
        for line in HEADERS.iter().flat_map(|text| text.lines().skip(1)) {
            let columns: Vec<_> = line.split('\t').collect();
            let number = |index: usize| columns[index].parse::<i16>().unwrap();
            let (key, version) = (ApiKey(number(0)), number(2));
            assert!(key.versions().contains(version) || is_withdrawn(key, version), "{line}");
            // Key 74 had another name until Kafka 4.1.
            assert!(key.name() == Some(columns[1]) || key == ApiKey::LIST_CONFIG_RESOURCES, "{line}");
            assert_eq!(key.request_header_version(version), number(3), "{line}");
            assert_eq!(key.response_header_version(version), number(4), "{line}");
        }
    }

    /// Early-access versions of share groups, which Kafka 4.1 took back.
    fn is_withdrawn(key: ApiKey, version: i16) -> bool {
        (ApiKey::SHARE_GROUP_HEARTBEAT..=ApiKey::SHARE_ACKNOWLEDGE).contains(&key) && version == 0
    }

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(ApiKey::ALL.is_sorted());
        assert_eq!(ApiKey::ALL.len(), 93);
        assert!(ApiKey::ALL.iter().enumerate().all(|(index, key)| key.0 as usize == index));
        assert!(ApiKey::ALL.iter().all(|key| !key.versions().is_empty() && !key.listeners().is_empty()));
    }

    #[test]
    fn unknown_keys_are_values() {
        let unknown = ApiKey(1234);
        assert_eq!((unknown.name(), unknown.versions()), (None, Versions::NONE));
        assert_eq!((unknown.to_string(), format!("{unknown:?}")), ("API 1234".to_owned(), "ApiKey(1234)".to_owned()));
        assert_eq!(format!("{} {:?}", ApiKey::METADATA, ApiKey::METADATA), "Metadata Metadata(3)");
    }
}
