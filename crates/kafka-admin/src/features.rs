//! Features of the cluster (KIP-584): describe, update.

use std::collections::BTreeMap;

use kafka_conn::Route;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::api_versions::ApiVersionsRequest;
use kafka_protocol::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse};
use smol_str::SmolStr;

use crate::admin::{Admin, Apply};
use crate::call::Attempts;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::Resource;

/// A feature, such as `metadata.version`: what is in force, and what the brokers could.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feature {
    /// The level that is in force; `None` for none.
    pub finalized: Option<i16>,
    /// The lowest and highest levels that the broker that was asked supports; `None` where it does not know the feature.
    pub supported: Option<(i16, i16)>,
}

/// A feature's new level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature's name.
    pub feature: SmolStr,
    /// The level; 0 turns it off.
    pub level: i16,
    /// Whether it may go down. Default [`UpgradeOnly`](FeatureDirection::UpgradeOnly).
    pub direction: FeatureDirection,
}

/// Which way a feature's level may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeatureDirection {
    /// Up.
    #[default]
    UpgradeOnly,
    /// Down, too, where nothing is lost by it.
    SafeDowngrade,
    /// Down, too, and metadata that the lower level does not know is lost.
    UnsafeDowngrade,
}

impl FeatureUpdate {
    fn to_wire(&self) -> FeatureUpdateKey {
        FeatureUpdateKey {
            feature: self.feature.clone(),
            max_version_level: self.level,
            upgrade_type: match self.direction {
                FeatureDirection::UpgradeOnly => 1,
                FeatureDirection::SafeDowngrade => 2,
                FeatureDirection::UnsafeDowngrade => 3,
            },
            ..FeatureUpdateKey::default()
        }
    }
}

impl Admin {
    /// The cluster's features, by name (ApiVersions).
    ///
    /// # Errors
    /// [`Connection`](ErrorKind::Connection).
    pub async fn describe_features(&self) -> Result<BTreeMap<SmolStr, Feature>> {
        let request = ApiVersionsRequest {
            client_software_name: SmolStr::new_static("kafka-admin"),
            client_software_version: SmolStr::new_static(env!("CARGO_PKG_VERSION")),
            ..ApiVersionsRequest::default()
        };
        let response = self.ask_any(&request).await?;
        Error::check(response.error_code, None)?;
        let mut features: BTreeMap<_, Feature> = BTreeMap::new();
        for feature in response.supported_features {
            features.entry(feature.name).or_default().supported = Some((feature.min_version, feature.max_version));
        }
        for feature in response.finalized_features {
            features.entry(feature.name).or_default().finalized = Some(feature.max_version_level);
        }
        Ok(features)
    }

    /// Sets the levels of features (UpdateFeatures). The outcomes are in the order of `updates`.
    ///
    /// # Errors
    /// Per feature: [`FeatureUpdateFailed`](ErrorKind::FeatureUpdateFailed), [`InvalidRequest`](ErrorKind::InvalidRequest).
    /// For all: [`NotAuthorized`](ErrorKind::NotAuthorized), [`NotOffered`](ErrorKind::NotOffered) where a downgrade or a
    /// mere check is asked of brokers before Kafka 3.3, [`Connection`](ErrorKind::Connection).
    pub async fn update_features(&self, updates: &[FeatureUpdate], apply: Apply) -> Result<Vec<Outcome<()>>> {
        let mut attempts = Attempts::new(self);
        loop {
            let version = attempts.version::<UpdateFeaturesRequest>(Route::Controller).await?;
            let request = request(updates, apply, version, attempts.timeout_ms())?;
            let response = attempts.call(&request, Route::Controller, Some(version)).await?;
            if !attempts.again(ErrorCode(response.error_code), response.throttle_time_ms).await {
                return outcomes(updates, &response, version);
            }
        }
    }
}

/// Version 0 knows one kind of downgrade, the unsafe one, and no validation.
fn request(updates: &[FeatureUpdate], apply: Apply, version: i16, timeout_ms: i32) -> Result<UpdateFeaturesRequest> {
    if version == 0 && apply.is_validation() {
        return Err(Error::new(ErrorKind::NotOffered));
    }
    let update = |update: &FeatureUpdate| match (version, update.direction) {
        (0, FeatureDirection::SafeDowngrade) => Err(Error::new(ErrorKind::NotOffered).about(named(&update.feature))),
        (0, direction) => Ok(FeatureUpdateKey {
            upgrade_type: 1,
            allow_downgrade: direction == FeatureDirection::UnsafeDowngrade,
            ..update.to_wire()
        }),
        _ => Ok(update.to_wire()),
    };
    Ok(UpdateFeaturesRequest {
        timeout_ms,
        feature_updates: updates.iter().map(update).collect::<Result<_>>()?,
        validate_only: apply.is_validation(),
        ..UpdateFeaturesRequest::default()
    })
}

/// Since version 2 there is one code for all: everything was done, or nothing.
fn outcomes(updates: &[FeatureUpdate], response: &UpdateFeaturesResponse, version: i16) -> Result<Vec<Outcome<()>>> {
    Error::check(response.error_code, response.error_message.as_ref())?;
    let outcome = |update: &FeatureUpdate| {
        let answer = response.results.iter().find(|result| result.feature == update.feature);
        let result = match answer {
            Some(answer) => Error::check(answer.error_code, answer.error_message.as_ref()),
            None if version >= 2 => Ok(()),
            None => Err(Error::new(ErrorKind::NoAnswer)),
        };
        Outcome::new(update.feature.clone(), result.map_err(|error| error.about(named(&update.feature))))
    };
    Ok(updates.iter().map(outcome).collect())
}

fn named(feature: &SmolStr) -> Resource {
    Resource::Feature(feature.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(direction: FeatureDirection) -> [FeatureUpdate; 1] {
        [FeatureUpdate { feature: "metadata.version".into(), level: 7, direction }]
    }

    #[test]
    fn the_oldest_version_says_less_and_never_something_else() {
        let built = |direction, apply| request(&update(direction), apply, 0, 1);
        let unsafe_downgrade = built(FeatureDirection::UnsafeDowngrade, Apply::Now).unwrap();
        assert!(unsafe_downgrade.feature_updates[0].allow_downgrade);
        assert!(!built(FeatureDirection::UpgradeOnly, Apply::Now).unwrap().feature_updates[0].allow_downgrade);
        assert!(built(FeatureDirection::SafeDowngrade, Apply::Now).is_err());
        assert!(built(FeatureDirection::UpgradeOnly, Apply::Validate).is_err());
    }

    #[test]
    fn without_results_one_code_is_for_all() {
        let updates = update(FeatureDirection::UpgradeOnly);
        let response = UpdateFeaturesResponse::default();
        assert!(outcomes(&updates, &response, 2).unwrap()[0].is_ok());
        assert!(!outcomes(&updates, &response, 1).unwrap()[0].is_ok());
        let refused = UpdateFeaturesResponse { error_code: ErrorCode::FEATURE_UPDATE_FAILED.0, ..response };
        assert!(outcomes(&updates, &refused, 2).is_err());
    }
}
