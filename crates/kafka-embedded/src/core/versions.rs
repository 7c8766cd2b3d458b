//! Which release a cluster is like: the versions that its brokers speak.
//!
//! Sans-IO.

use std::fmt;
use std::str::FromStr;

use kafka_protocol::{ApiKey, Versions};

/// A release of Apache Kafka, as far as its brokers' versions go.
///
/// ```
/// use kafka_embedded::KafkaVersion;
/// let version: KafkaVersion = "4.1".parse()?;
/// assert!(KafkaVersion::V3_9 < version && version < KafkaVersion::NEWEST);
/// # Ok::<(), kafka_embedded::UnknownVersion>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KafkaVersion {
    /// Kafka 2.1, the oldest that clients of today speak with (KIP-896): fetch sessions, but neither topic ids nor
    /// tagged fields.
    V2_1,
    /// Kafka 3.9, the last before 4.0: topic ids for Fetch.
    V3_9,
    /// Kafka 4.0: the oldest versions are gone (KIP-896).
    V4_0,
    /// Kafka 4.1: topic ids for Produce.
    V4_1,
    /// Kafka 4.2: topic ids for offset commits.
    V4_2,
    /// Kafka 4.3.
    V4_3,
}

impl KafkaVersion {
    /// The newest there is.
    pub const NEWEST: Self = Self::V4_3;

    /// All of them, the oldest first.
    pub const ALL: &[Self] = &[Self::V2_1, Self::V3_9, Self::V4_0, Self::V4_1, Self::V4_2, Self::V4_3];

    /// The versions of an API that brokers of this release say they speak; none of an API that this crate does not
    /// serve, or the release does not know.
    ///
    /// What came before record batches of format 2 (Produce below 3, Fetch below 4) is not served, whatever the release.
    pub fn versions(self, api: ApiKey) -> Versions {
        let Some((_, ranges)) = TABLE.iter().find(|(key, _)| *key == api) else {
            return Versions::NONE;
        };
        let index = Self::ALL.iter().position(|version| *version == self).unwrap_or_default();
        ranges.get(index).map_or(Versions::NONE, |(min, max)| Versions::new(*min, *max))
    }

    /// Every API that brokers of this release speak here.
    pub(crate) fn apis(self) -> impl Iterator<Item = (ApiKey, Versions)> {
        let all = TABLE.iter().map(move |(api, _)| (*api, self.versions(*api)));
        all.filter(|(_, versions)| !versions.is_empty())
    }
}

impl fmt::Display for KafkaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V2_1 => "2.1",
            Self::V3_9 => "3.9",
            Self::V4_0 => "4.0",
            Self::V4_1 => "4.1",
            Self::V4_2 => "4.2",
            Self::V4_3 => "4.3",
        })
    }
}

impl FromStr for KafkaVersion {
    type Err = UnknownVersion;

    /// Reads `4.1`, and `4.1.1` alike.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let release = |version: &&Self| {
            let name = version.to_string();
            text == name || text.strip_prefix(&name).is_some_and(|patch| patch.starts_with('.'))
        };
        Self::ALL.iter().find(release).copied().ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

/// A version whose ranges are not known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no Kafka version {0:?} is known here: there are 2.1, 3.9, 4.0, 4.1, 4.2 and 4.3")]
pub struct UnknownVersion(String);

/// The APIs that are served, with their first and last version by release, in the order of [`KafkaVersion::ALL`].
/// (0, -1) is none.
#[rustfmt::skip]
const TABLE: &[(ApiKey, [(i16, i16); 6])] = &[
    //                                     2.1      3.9      4.0      4.1      4.2      4.3
    // From 4.0 on brokers name Produce from 0 for the sake of old librdkafkas, and refuse 0 to 2 (KAFKA-18659).
    (ApiKey::PRODUCE,                   [(3, 7),  (3, 11), (0, 12), (0, 13), (0, 13), (0, 13)]),
    (ApiKey::FETCH,                     [(4, 10), (4, 17), (4, 17), (4, 18), (4, 18), (4, 18)]),
    (ApiKey::LIST_OFFSETS,              [(1, 4),  (1, 9),  (1, 10), (1, 10), (1, 11), (1, 11)]),
    (ApiKey::METADATA,                  [(0, 7),  (0, 12), (0, 13), (0, 13), (0, 13), (0, 13)]),
    (ApiKey::OFFSET_COMMIT,             [(2, 6),  (2, 9),  (2, 9),  (2, 9),  (2, 10), (2, 10)]),
    (ApiKey::OFFSET_FETCH,              [(1, 5),  (1, 9),  (1, 9),  (1, 9),  (1, 10), (1, 10)]),
    (ApiKey::FIND_COORDINATOR,          [(0, 2),  (0, 6),  (0, 6),  (0, 6),  (0, 6),  (0, 6)]),
    (ApiKey::JOIN_GROUP,                [(0, 3),  (0, 9),  (2, 9),  (0, 9),  (0, 9),  (0, 9)]),
    (ApiKey::HEARTBEAT,                 [(0, 2),  (0, 4),  (0, 4),  (0, 4),  (0, 4),  (0, 4)]),
    (ApiKey::LEAVE_GROUP,               [(0, 2),  (0, 5),  (0, 5),  (0, 5),  (0, 5),  (0, 5)]),
    (ApiKey::SYNC_GROUP,                [(0, 2),  (0, 5),  (0, 5),  (0, 5),  (0, 5),  (0, 5)]),
    (ApiKey::DESCRIBE_GROUPS,           [(0, 2),  (0, 5),  (0, 6),  (0, 6),  (0, 6),  (0, 6)]),
    (ApiKey::LIST_GROUPS,               [(0, 2),  (0, 5),  (0, 5),  (0, 5),  (0, 5),  (0, 5)]),
    (ApiKey::SASL_HANDSHAKE,            [(0, 1),  (0, 1),  (0, 1),  (0, 1),  (0, 1),  (0, 1)]),
    (ApiKey::API_VERSIONS,              [(0, 2),  (0, 4),  (0, 4),  (0, 4),  (0, 4),  (0, 4)]),
    (ApiKey::CREATE_TOPICS,             [(0, 3),  (0, 7),  (2, 7),  (2, 7),  (2, 7),  (2, 7)]),
    (ApiKey::DELETE_TOPICS,             [(0, 3),  (0, 6),  (1, 6),  (1, 6),  (1, 6),  (1, 6)]),
    (ApiKey::DELETE_RECORDS,            [(0, 1),  (0, 2),  (0, 2),  (0, 2),  (0, 2),  (0, 2)]),
    (ApiKey::INIT_PRODUCER_ID,          [(0, 1),  (0, 5),  (0, 5),  (0, 5),  (0, 5),  (0, 5)]),
    (ApiKey::OFFSET_FOR_LEADER_EPOCH,   [(0, 2),  (0, 4),  (2, 4),  (2, 4),  (2, 4),  (2, 4)]),
    // Versions 4 and 5 are for brokers.
    (ApiKey::ADD_PARTITIONS_TO_TXN,     [(0, 1),  (0, 3),  (0, 3),  (0, 3),  (0, 3),  (0, 3)]),
    (ApiKey::ADD_OFFSETS_TO_TXN,        [(0, 1),  (0, 4),  (0, 4),  (0, 4),  (0, 4),  (0, 4)]),
    // Without version 5 of these two, transactions are those of before KIP-890, in which epochs last.
    (ApiKey::END_TXN,                   [(0, 1),  (0, 4),  (0, 4),  (0, 4),  (0, 4),  (0, 4)]),
    (ApiKey::WRITE_TXN_MARKERS,         [(0, 0),  (0, 1),  (1, 1),  (1, 1),  (1, 2),  (1, 2)]),
    (ApiKey::TXN_OFFSET_COMMIT,         [(0, 2),  (0, 4),  (0, 4),  (0, 4),  (0, 4),  (0, 4)]),
    (ApiKey::DESCRIBE_CONFIGS,          [(0, 2),  (0, 4),  (1, 4),  (1, 4),  (1, 4),  (1, 4)]),
    (ApiKey::SASL_AUTHENTICATE,         [(0, 0),  (0, 2),  (0, 2),  (0, 2),  (0, 2),  (0, 2)]),
    (ApiKey::CREATE_PARTITIONS,         [(0, 1),  (0, 3),  (0, 3),  (0, 3),  (0, 3),  (0, 3)]),
    (ApiKey::DELETE_GROUPS,             [(0, 1),  (0, 2),  (0, 2),  (0, 2),  (0, 2),  (0, 2)]),
    (ApiKey::ELECT_LEADERS,             [(0, -1), (0, 2),  (0, 2),  (0, 2),  (0, 2),  (0, 2)]),
    (ApiKey::INCREMENTAL_ALTER_CONFIGS, [(0, -1), (0, 1),  (0, 1),  (0, 1),  (0, 1),  (0, 1)]),
    (ApiKey::ALTER_PARTITION_REASSIGNMENTS,
                                        [(0, -1), (0, 0),  (0, 0),  (0, 1),  (0, 1),  (0, 1)]),
    (ApiKey::LIST_PARTITION_REASSIGNMENTS,
                                        [(0, -1), (0, 0),  (0, 0),  (0, 0),  (0, 0),  (0, 0)]),
    (ApiKey::OFFSET_DELETE,             [(0, -1), (0, 0),  (0, 0),  (0, 0),  (0, 0),  (0, 0)]),
    (ApiKey::DESCRIBE_CLUSTER,          [(0, -1), (0, 1),  (0, 2),  (0, 2),  (0, 2),  (0, 2)]),
    (ApiKey::DESCRIBE_PRODUCERS,        [(0, -1), (0, 0),  (0, 0),  (0, 0),  (0, 0),  (0, 0)]),
    (ApiKey::DESCRIBE_TRANSACTIONS,     [(0, -1), (0, 0),  (0, 0),  (0, 0),  (0, 0),  (0, 0)]),
    // Version 2 has a pattern in the syntax of RE2.
    (ApiKey::LIST_TRANSACTIONS,         [(0, -1), (0, 1),  (0, 1),  (0, 1),  (0, 1),  (0, 1)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_with_or_without_their_patch() {
        for version in KafkaVersion::ALL {
            assert_eq!(version.to_string().parse(), Ok(*version));
            assert_eq!(format!("{version}.1").parse(), Ok(*version));
        }
        assert!("4".parse::<KafkaVersion>().is_err() && "4.30".parse::<KafkaVersion>().is_err());
    }

    #[test]
    fn every_range_is_one_that_the_codec_has_without_unstable_versions() {
        for version in KafkaVersion::ALL {
            for (api, versions) in version.apis() {
                let (all, unstable) = (api.versions(), api.unstable_versions());
                assert!(versions.min >= all.min && versions.max <= all.max, "{version} {api} {versions}");
                assert!(unstable.is_empty() || versions.max < unstable.min, "{version} {api} {versions}");
            }
        }
    }

    #[test]
    fn the_table_is_sorted_by_key() {
        assert!(TABLE.is_sorted_by_key(|(api, _)| *api));
    }
}
