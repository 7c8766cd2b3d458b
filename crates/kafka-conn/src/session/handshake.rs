//! What is said before the first call: which versions the broker speaks.
//!
//! Sans-IO.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions::ApiVersionsRequest;
use kafka_protocol::versions::{ApiVersionsAnswer, BrokerVersions};
use kafka_protocol::{ApiKey, ErrorCode, Limits, Message};
use smol_str::SmolStr;

use crate::call::{Body, RawRequest};
use crate::error::{Error, ErrorKind, Result};

/// ```text
///  ApiVersions v4 ──► refused: again, in a lower version ──► versions known ──► done
/// ```
#[derive(Debug)]
pub(super) struct Handshake {
    /// The version of the `ApiVersions` request in flight.
    version: i16,
}

/// What to do after an answer.
#[derive(Debug)]
pub(super) enum Next {
    Ask(RawRequest),
    Done(BrokerVersions),
}

impl Handshake {
    pub(super) fn start() -> (Self, RawRequest) {
        let version = ApiKey::API_VERSIONS.versions().max;
        (Self { version }, api_versions(version))
    }

    pub(super) fn handle_answer(&mut self, body: Bytes) -> Result<Next> {
        let asked = self.version;
        let context = |error: Error| error.with_api(ApiKey::API_VERSIONS, asked);
        let answer =
            ApiVersionsAnswer::decode(asked, body, &Limits::default()).map_err(|error| context(error.into()))?;
        match answer {
            // Always lower than what was asked, so this ends.
            ApiVersionsAnswer::AskAgain { version } if version < asked => {
                self.version = version;
                Ok(Next::Ask(api_versions(version)))
            }
            ApiVersionsAnswer::AskAgain { .. } => Err(context(Error::broker(ErrorCode::UNSUPPORTED_VERSION))),
            ApiVersionsAnswer::Answer(answer) => {
                ErrorCode(answer.error_code).check().map_err(|code| context(Error::broker(code)))?;
                let versions = BrokerVersions::from(&answer);
                check_age(&versions)?;
                Ok(Next::Done(versions))
            }
        }
    }
}

/// An `ApiVersions` request that names this software (KIP-511).
fn api_versions(version: i16) -> RawRequest {
    let request = ApiVersionsRequest {
        client_software_name: SmolStr::new_static("kafka-conn"),
        client_software_version: SmolStr::new_static(env!("CARGO_PKG_VERSION")),
        ..ApiVersionsRequest::default()
    };
    let mut body = BytesMut::new();
    // Both fields are left out silently of versions that lack them, so no version that exists can fail.
    let encoded = request.encode(version, &mut body);
    debug_assert!(encoded.is_ok(), "{encoded:?}");
    RawRequest { api_key: ApiKey::API_VERSIONS, version, body: Body::from(body) }
}

/// Kafka 2.1 is known by the versions that came with it. An API that is not listed says nothing: controllers and
/// brokers list different ones.
fn check_age(versions: &BrokerVersions) -> Result<()> {
    for (api, needed) in KAFKA_2_1 {
        let range = versions.of(api);
        if !range.is_empty() && range.max < needed {
            return Err(Error::new(ErrorKind::BrokerTooOld { api, min: range.min, max: range.max }));
        }
    }
    Ok(())
}

const KAFKA_2_1: [(ApiKey, i16); 3] = [(ApiKey::PRODUCE, 7), (ApiKey::FETCH, 10), (ApiKey::METADATA, 7)];
