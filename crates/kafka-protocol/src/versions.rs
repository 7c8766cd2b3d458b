//! Which version of an API a client and a broker use with each other.
//!
//! A connection begins with an `ApiVersions` request, which is a riddle of its own: the broker that is to tell what it
//! speaks may not speak the version of that very request. It then answers in version 0, with the error 35
//! ([`ApiVersionsAnswer`] reads both). What it does tell becomes a [`BrokerVersions`], which picks a version per API.

use bytes::Bytes;

use crate::messages::api_versions::ApiVersionsResponse;
use crate::{ApiKey, DecodeError, ErrorCode, Limits, Message, Versions};

/// The versions of each API that a broker speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerVersions {
    /// In ascending order of the keys, each of which is there once.
    ranges: Vec<(ApiKey, Versions)>,
}

impl BrokerVersions {
    /// The versions of `key` that the broker says it speaks; none where it does not name the API.
    pub fn of(&self, key: ApiKey) -> Versions {
        let found = self.ranges.binary_search_by_key(&key, |(key, _)| *key).ok();
        found.and_then(|index| self.ranges.get(index)).map_or(Versions::NONE, |(_, versions)| *versions)
    }

    /// Every API that the broker named, in ascending order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (ApiKey, Versions)> {
        self.ranges.iter().copied()
    }

    /// The newest version of an API that both sides speak, unstable ones left out.
    ///
    /// # Errors
    /// [`NoCommonVersion`] where there is none.
    pub fn negotiate(&self, key: ApiKey) -> Result<i16, NoCommonVersion> {
        self.negotiate_within(key, stable(key))
    }

    /// The newest version of an API that is in `ours` and that the broker speaks: for who has a reason to stay below a
    /// version, or to use one that is unstable.
    ///
    /// # Errors
    /// [`NoCommonVersion`] where there is none.
    pub fn negotiate_within(&self, key: ApiKey, ours: Versions) -> Result<i16, NoCommonVersion> {
        let theirs = honest(key, self.of(key));
        let common = ours.intersect(key.versions()).intersect(theirs);
        if common.is_empty() { Err(NoCommonVersion { key, ours, theirs }) } else { Ok(common.max) }
    }
}

/// Collects the ranges that a broker names; one that is empty counts as not named, and of two the later counts.
impl FromIterator<(ApiKey, Versions)> for BrokerVersions {
    fn from_iter<I: IntoIterator<Item = (ApiKey, Versions)>>(named: I) -> Self {
        let mut ranges: Vec<_> = named.into_iter().filter(|(_, versions)| !versions.is_empty()).collect();
        ranges.reverse();
        ranges.sort_by_key(|(key, _)| *key);
        ranges.dedup_by_key(|(key, _)| *key);
        Self { ranges }
    }
}

impl From<&ApiVersionsResponse> for BrokerVersions {
    fn from(response: &ApiVersionsResponse) -> Self {
        let range = |versions: Versions, key| (ApiKey(key), versions);
        response
            .api_keys
            .iter()
            .map(|api| range(Versions::new(api.min_version, api.max_version), api.api_key))
            .collect()
    }
}

/// There is no version of an API that both sides speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no common version of {key}: this client speaks {ours}, the broker {theirs}")]
pub struct NoCommonVersion {
    /// The API.
    pub key: ApiKey,
    /// What this side would have used.
    pub ours: Versions,
    /// What the broker speaks; none where it does not know the API.
    pub theirs: Versions,
}

/// What the bytes of an answer to `ApiVersions` are.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiVersionsAnswer {
    /// The answer; its own error code may still say no.
    Answer(ApiVersionsResponse),
    /// The broker does not speak the version of the request. Ask again in this one.
    AskAgain {
        /// The newest version that both sides speak, or 0 where the broker did not say (before Kafka 2.4, KIP-511).
        version: i16,
    },
}

impl ApiVersionsAnswer {
    /// Reads the body of the answer to a request of `version`.
    ///
    /// # Errors
    /// [`DecodeError`] where it is none.
    pub fn decode(version: i16, body: Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        // Every version begins with the error code.
        if version > 0 && body.starts_with(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes()) {
            let mut body = body;
            let refusal = ApiVersionsResponse::decode_prefix(0, &mut body, limits)?;
            return Ok(Self::AskAgain { version: fallback(&refusal, version) });
        }
        ApiVersionsResponse::decode_within(version, body, limits).map(Self::Answer)
    }
}

/// What to ask in after a refusal of `refused`. It is always lower, so that the asking ends.
fn fallback(refusal: &ApiVersionsResponse, refused: i16) -> i16 {
    let lower = Versions::new(0, refused - 1);
    BrokerVersions::from(refusal).negotiate_within(ApiKey::API_VERSIONS, lower).unwrap_or(0)
}

/// Our versions without the unstable ones, which are the newest.
fn stable(key: ApiKey) -> Versions {
    let (all, unstable) = (key.versions(), key.unstable_versions());
    if unstable.is_empty() { all } else { Versions::new(all.min, unstable.min - 1) }
}

/// A broker's range, less what it claims in vain: Kafka 4 lists `Produce` from 0 for the sake of old librdkafkas, but
/// closes the connection on 0 to 2 (KAFKA-18659).
fn honest(key: ApiKey, theirs: Versions) -> Versions {
    if key == ApiKey::PRODUCE && theirs.max >= 3 { Versions::new(theirs.min.max(3), theirs.max) } else { theirs }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::api_versions::ApiVersion;

    fn broker(ranges: &[(ApiKey, i16, i16)]) -> BrokerVersions {
        ranges.iter().map(|&(key, min, max)| (key, Versions::new(min, max))).collect()
    }

    #[test]
    fn takes_the_newest_common_version() {
        let broker = broker(&[(ApiKey::METADATA, 5, 99), (ApiKey::FETCH, 4, 11), (ApiKey(999), 0, 1)]);
        assert_eq!(broker.negotiate(ApiKey::METADATA), Ok(13));
        assert_eq!(broker.negotiate(ApiKey::FETCH), Ok(11));
        assert_eq!(broker.negotiate_within(ApiKey::FETCH, Versions::new(0, 7)), Ok(7));
        assert_eq!(broker.iter().count(), 3);
    }

    #[test]
    fn says_why_there_is_no_common_version() {
        let broker = broker(&[(ApiKey::METADATA, 14, 15), (ApiKey::FETCH, 3, 2)]);
        let error = |key| broker.negotiate(key).unwrap_err().to_string();
        assert_eq!(error(ApiKey::METADATA), "no common version of Metadata: this client speaks 0-13, the broker 14-15");
        assert_eq!(error(ApiKey::FETCH), "no common version of Fetch: this client speaks 0-18, the broker none");
        assert_eq!(error(ApiKey(999)), "no common version of API 999: this client speaks none, the broker none");
    }

    #[test]
    fn leaves_unstable_versions_alone_unless_asked() {
        let broker = broker(&[(ApiKey::INIT_PRODUCER_ID, 0, 6)]);
        assert_eq!(broker.negotiate(ApiKey::INIT_PRODUCER_ID), Ok(5));
        assert_eq!(broker.negotiate_within(ApiKey::INIT_PRODUCER_ID, Versions::ALL), Ok(6));
    }

    #[test]
    fn never_takes_an_old_produce_from_a_new_broker() {
        let old = Versions::new(0, 2);
        assert!(broker(&[(ApiKey::PRODUCE, 0, 13)]).negotiate_within(ApiKey::PRODUCE, old).is_err());
        assert_eq!(broker(&[(ApiKey::PRODUCE, 0, 2)]).negotiate(ApiKey::PRODUCE), Ok(2));
        assert_eq!(broker(&[(ApiKey::PRODUCE, 0, 13)]).negotiate(ApiKey::PRODUCE), Ok(13));
    }

    #[test]
    fn of_two_ranges_the_later_counts() {
        let broker = broker(&[(ApiKey::FETCH, 0, 1), (ApiKey::METADATA, 0, 1), (ApiKey::FETCH, 4, 6)]);
        assert_eq!(broker.of(ApiKey::FETCH), Versions::new(4, 6));
    }

    fn refusal(api_keys: Vec<ApiVersion>) -> Bytes {
        let response = ApiVersionsResponse { error_code: 35, api_keys, ..Default::default() };
        let mut body = bytes::BytesMut::new();
        response.encode(0, &mut body).unwrap();
        body.freeze()
    }

    #[test]
    fn a_refusal_in_version_0_names_the_version_to_ask_in() {
        let answer = |version, body| ApiVersionsAnswer::decode(version, body, &Limits::default()).unwrap();
        let listed = ApiVersion { api_key: 18, min_version: 0, max_version: 3, ..Default::default() };
        assert_eq!(answer(4, refusal(vec![listed.clone()])), ApiVersionsAnswer::AskAgain { version: 3 });
        assert_eq!(answer(3, refusal(vec![listed])), ApiVersionsAnswer::AskAgain { version: 2 });
        assert_eq!(answer(4, refusal(Vec::new())), ApiVersionsAnswer::AskAgain { version: 0 });
        assert!(matches!(answer(0, refusal(Vec::new())), ApiVersionsAnswer::Answer(answer) if answer.error_code == 35));
    }

    #[test]
    fn an_answer_is_read_in_the_version_of_the_request() {
        let api = ApiVersion { api_key: 3, min_version: 0, max_version: 9, ..Default::default() };
        let response = ApiVersionsResponse { api_keys: vec![api], throttle_time_ms: 7, ..Default::default() };
        let mut body = bytes::BytesMut::new();
        response.encode(3, &mut body).unwrap();
        let answer = ApiVersionsAnswer::decode(3, body.freeze(), &Limits::default()).unwrap();
        let ApiVersionsAnswer::Answer(answer) = answer else { panic!("not refused") };
        assert_eq!(BrokerVersions::from(&answer).negotiate(ApiKey::METADATA), Ok(9));
    }
}
