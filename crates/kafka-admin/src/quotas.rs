//! Client quotas (KIP-546): describe, alter.

use std::collections::BTreeMap;
use std::fmt;

use kafka_protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasRequestEntryData, EntityData, OpData,
};
use kafka_protocol::messages::describe_client_quotas::{ComponentData, DescribeClientQuotasRequest, EntryData};
use smol_str::SmolStr;

use crate::admin::{Admin, Apply};
use crate::call::common_code;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::Resource;

/// Whom a quota holds for: a value for one or more of `user`, `client-id` and `ip`; `None` for everyone without a quota
/// of their own.
///
/// ```
/// use kafka_admin::QuotaEntity;
///
/// let alice = QuotaEntity::user("alice").with("client-id", None);
/// assert_eq!(alice.to_string(), "client-id <default>, user \"alice\"");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuotaEntity(
    /// Names by type.
    pub BTreeMap<SmolStr, Option<SmolStr>>,
);

impl QuotaEntity {
    /// A user.
    pub fn user(name: impl Into<SmolStr>) -> Self {
        Self::default().with("user", Some(name.into()))
    }

    /// A client id, whoever the user.
    pub fn client_id(id: impl Into<SmolStr>) -> Self {
        Self::default().with("client-id", Some(id.into()))
    }

    /// An address, for quotas on connections.
    pub fn ip(address: impl Into<SmolStr>) -> Self {
        Self::default().with("ip", Some(address.into()))
    }

    /// The same, of one more type; `None` for the default of that type.
    pub fn with(mut self, kind: impl Into<SmolStr>, name: Option<SmolStr>) -> Self {
        self.0.insert(kind.into(), name);
        self
    }

    fn from_wire(parts: impl IntoIterator<Item = (SmolStr, Option<SmolStr>)>) -> Self {
        Self(parts.into_iter().collect())
    }
}

impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, name)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match name {
                Some(name) => write!(f, "{comma}{kind} {:?}", name.as_str())?,
                None => write!(f, "{comma}{kind} <default>")?,
            }
        }
        Ok(())
    }
}

/// Which quotas: conditions on the types of their entities. Default: all quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaFilter {
    /// A condition for each type that matters.
    pub components: Vec<(SmolStr, QuotaMatch)>,
    /// Whether entities that have other types, too, are left out. Default: no.
    pub strict: bool,
}

/// A condition on one type of a quota's entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This name.
    Exactly(SmolStr),
    /// The default of the type.
    Default,
    /// Any name, or the default.
    Any,
}

impl QuotaFilter {
    fn to_request(&self) -> DescribeClientQuotasRequest {
        let component = |(kind, condition): &(SmolStr, QuotaMatch)| {
            let (match_type, name) = match condition {
                QuotaMatch::Exactly(name) => (0, Some(name.clone())),
                QuotaMatch::Default => (1, None),
                QuotaMatch::Any => (2, None),
            };
            ComponentData { entity_type: kind.clone(), match_type, r#match: name, ..ComponentData::default() }
        };
        DescribeClientQuotasRequest {
            components: self.components.iter().map(component).collect(),
            strict: self.strict,
            ..DescribeClientQuotasRequest::default()
        }
    }
}

/// What shall hold for an entity: values by the quota's name (`producer_byte_rate`, `consumer_byte_rate`,
/// `request_percentage`, `controller_mutation_rate`, `connection_creation_rate`); `None` removes one.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaAlteration {
    /// For whom.
    pub entity: QuotaEntity,
    /// What.
    pub values: BTreeMap<SmolStr, Option<f64>>,
}

impl QuotaAlteration {
    fn to_wire(&self) -> AlterClientQuotasRequestEntryData {
        let part = |(kind, name): (&SmolStr, &Option<SmolStr>)| EntityData {
            entity_type: kind.clone(),
            entity_name: name.clone(),
            ..EntityData::default()
        };
        let operation = |(key, value): (&SmolStr, &Option<f64>)| OpData {
            key: key.clone(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
            ..OpData::default()
        };
        AlterClientQuotasRequestEntryData {
            entity: self.entity.0.iter().map(part).collect(),
            ops: self.values.iter().map(operation).collect(),
            ..AlterClientQuotasRequestEntryData::default()
        }
    }
}

impl Admin {
    /// The quotas that `filter` matches, by entity: values by the quota's name (DescribeClientQuotas).
    ///
    /// # Errors
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`InvalidRequest`](ErrorKind::InvalidRequest),
    /// [`Connection`](ErrorKind::Connection) (brokers before Kafka 2.6 do not have it).
    pub async fn describe_client_quotas(
        &self,
        filter: &QuotaFilter,
    ) -> Result<BTreeMap<QuotaEntity, BTreeMap<SmolStr, f64>>> {
        let response = self.ask_any(&filter.to_request()).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        Ok(response.entries.unwrap_or_default().into_iter().map(quotas_of).collect())
    }

    /// Sets and removes quotas (AlterClientQuotas). The outcomes are in the order of `alterations`.
    ///
    /// # Errors
    /// Per entity: [`InvalidRequest`](ErrorKind::InvalidRequest) for a name that is none of a quota, or a value that is
    /// none, [`NotAuthorized`](ErrorKind::NotAuthorized). For all: [`Connection`](ErrorKind::Connection).
    pub async fn alter_client_quotas(
        &self,
        alterations: &[QuotaAlteration],
        apply: Apply,
    ) -> Result<Vec<Outcome<(), QuotaEntity>>> {
        let request = |_| AlterClientQuotasRequest {
            entries: alterations.iter().map(QuotaAlteration::to_wire).collect(),
            validate_only: apply.is_validation(),
            ..AlterClientQuotasRequest::default()
        };
        let response = self
            .ask_controller(request, |response| {
                (common_code(response.entries.iter().map(|entry| entry.error_code)), response.throttle_time_ms)
            })
            .await?;
        let answers: BTreeMap<_, _> = response
            .entries
            .iter()
            .map(|entry| {
                let parts = entry.entity.iter().map(|part| (part.entity_type.clone(), part.entity_name.clone()));
                (QuotaEntity::from_wire(parts), entry)
            })
            .collect();
        let outcome = |alteration: &QuotaAlteration| {
            let result = match answers.get(&alteration.entity) {
                Some(entry) => Error::check(entry.error_code, entry.error_message.as_ref()),
                None => Err(Error::new(ErrorKind::NoAnswer)),
            };
            let about = || Resource::Other(SmolStr::from(format!("quota of {}", alteration.entity)));
            Outcome::new(alteration.entity.clone(), result.map_err(|error| error.about(about())))
        };
        Ok(alterations.iter().map(outcome).collect())
    }
}

fn quotas_of(entry: EntryData) -> (QuotaEntity, BTreeMap<SmolStr, f64>) {
    let parts = entry.entity.into_iter().map(|part| (part.entity_type, part.entity_name));
    (QuotaEntity::from_wire(parts), entry.values.into_iter().map(|value| (value.key, value.value)).collect())
}
