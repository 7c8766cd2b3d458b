//! `ApiVersions`: what the broker speaks (KIP-35, KIP-511).
//!
//! Sans-IO.

use kafka_protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::{ApiKey, ErrorCode, Versions};

use crate::core::{Call, KafkaVersion, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: ApiVersionsRequest) -> Reply {
    let mut response = ApiVersionsResponse::default();
    if let Some(code) = call.injected_whole() {
        response.error_code = code.0;
        return response.into();
    }
    let named = |text: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let ends = text.bytes().next().into_iter().chain(text.bytes().last());
        !text.is_empty() && text.bytes().all(inner) && ends.into_iter().all(|byte| byte.is_ascii_alphanumeric())
    };
    if call.version >= 3 && !(named(&request.client_software_name) && named(&request.client_software_version)) {
        response.error_code = ErrorCode::INVALID_REQUEST.0;
        return response.into();
    }
    response.api_keys = state.config.version.apis().map(|(api, versions)| range(api, versions)).collect();
    if state.config.version >= KafkaVersion::V3_9 {
        let name = || "metadata.version".into();
        let (min_version, max_version) = (if call.version >= 4 { 1 } else { 7 }, 29);
        response.supported_features =
            vec![SupportedFeatureKey { name: name(), min_version, max_version, ..Default::default() }];
        response.finalized_features = vec![FinalizedFeatureKey {
            name: name(),
            max_version_level: max_version,
            min_version_level: max_version,
            ..Default::default()
        }];
        response.finalized_features_epoch = 1;
    }
    response.into()
}

/// The answer to a version that the broker does not speak: in version 0, so that whoever asked can read it.
pub(crate) fn refuse(state: &State, call: &mut Call) -> Reply {
    call.version = 0;
    let api = ApiKey::API_VERSIONS;
    // Brokers before 2.4 did not say which version they would have liked.
    let known = state.config.version > KafkaVersion::V2_1;
    let api_keys = if known { vec![range(api, state.config.version.versions(api))] } else { Vec::new() };
    ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION.0, api_keys, ..Default::default() }.into()
}

fn range(api: ApiKey, versions: Versions) -> ApiVersion {
    ApiVersion { api_key: api.0, min_version: versions.min, max_version: versions.max, ..Default::default() }
}
