//! Configurations of topics, brokers, groups and client metrics: describe, alter, list who has any.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use kafka_conn::{BrokerId, Route};
use kafka_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use kafka_protocol::messages::list_config_resources::ListConfigResourcesRequest;
use kafka_protocol::messages::{alter_configs, alter_configs::AlterConfigsRequest};
use smol_str::SmolStr;

use crate::admin::{Admin, Apply};
use crate::call::Attempts;
use crate::error::{Error, ErrorKind, Result};
use crate::named_codes::named_codes;
use crate::outcome::Outcome;
use crate::resource::Resource;

named_codes! {
    /// What has configurations.
    ConfigResourceType {
        TOPIC = 2, "topic";
        BROKER = 4, "broker";
        BROKER_LOGGER = 8, "broker-logger";
        CLIENT_METRICS = 16, "client-metrics";
        GROUP = 32, "group";
    }
}

named_codes! {
    /// Where a setting comes from.
    ConfigSource {
        TOPIC = 1, "topic";
        BROKER = 2, "broker";
        DEFAULT_BROKER = 3, "default-broker";
        STATIC = 4, "static";
        DEFAULT = 5, "default";
        BROKER_LOGGER = 6, "broker-logger";
        CLIENT_METRICS = 7, "client-metrics";
        GROUP = 8, "group";
    }
}

named_codes! {
    /// What kind of value a setting has.
    ConfigType {
        BOOLEAN = 1, "boolean";
        STRING = 2, "string";
        INT = 3, "int";
        SHORT = 4, "short";
        LONG = 5, "long";
        DOUBLE = 6, "double";
        LIST = 7, "list";
        CLASS = 8, "class";
        PASSWORD = 9, "password";
    }
}

/// Something that has configurations.
///
/// ```
/// use kafka_admin::ConfigResource;
/// use kafka_conn::{BrokerId, Route};
///
/// let one = ConfigResource::broker(BrokerId(3));
/// let all_brokers = ConfigResource::all_brokers();
/// assert_eq!((one.to_string(), all_brokers.to_string()), ("broker 3".to_owned(), "all brokers".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigResource {
    /// Its type.
    pub kind: ConfigResourceType,
    /// Its name: a topic's, a broker's id, …
    pub name: SmolStr,
}

impl ConfigResource {
    /// A topic.
    pub fn topic(name: impl Into<SmolStr>) -> Self {
        Self { kind: ConfigResourceType::TOPIC, name: name.into() }
    }

    /// A broker.
    pub fn broker(id: BrokerId) -> Self {
        Self { kind: ConfigResourceType::BROKER, name: smol_str::format_smolstr!("{}", id.0) }
    }

    /// All brokers: the settings that hold for each that has none of its own.
    pub fn all_brokers() -> Self {
        Self { kind: ConfigResourceType::BROKER, name: SmolStr::default() }
    }

    /// A broker's log levels.
    pub fn broker_logger(id: BrokerId) -> Self {
        Self { kind: ConfigResourceType::BROKER_LOGGER, ..Self::broker(id) }
    }

    /// A group (KIP-1043).
    pub fn group(id: impl Into<SmolStr>) -> Self {
        Self { kind: ConfigResourceType::GROUP, name: id.into() }
    }

    /// A subscription to client metrics (KIP-714).
    pub fn client_metrics(name: impl Into<SmolStr>) -> Self {
        Self { kind: ConfigResourceType::CLIENT_METRICS, name: name.into() }
    }

    fn described(&self) -> Resource {
        match self.kind {
            ConfigResourceType::TOPIC => Resource::Topic(self.name.clone()),
            ConfigResourceType::GROUP => Resource::Group(self.name.clone()),
            _ => Resource::Other(smol_str::format_smolstr!("{self}")),
        }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ConfigResourceType::BROKER if self.name.is_empty() => f.write_str("all brokers"),
            ConfigResourceType::BROKER => write!(f, "broker {}", self.name.escape_debug()),
            kind => write!(f, "{kind} {:?}", self.name.as_str()),
        }
    }
}

/// A setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: SmolStr,
    /// Its value; `None` where it is secret, or has none.
    pub value: Option<SmolStr>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether its value is never told.
    pub is_sensitive: bool,
    /// Whether it can only be set in the broker's file.
    pub is_read_only: bool,
    /// What kind of value it has; `None` from brokers before Kafka 2.6.
    pub kind: Option<ConfigType>,
    /// Where else it is set: what would hold if it were not set here, the next first.
    pub synonyms: Vec<ConfigSynonym>,
}

/// Another place where a setting is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Its name there.
    pub name: SmolStr,
    /// Its value there; `None` where it is secret.
    pub value: Option<SmolStr>,
    /// The place.
    pub source: ConfigSource,
}

/// What becomes of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// It gets this value.
    Set(SmolStr),
    /// It is set no longer: what holds then is what holds for others.
    Delete,
    /// These, with commas between them, join the list.
    Append(SmolStr),
    /// These, with commas between them, leave the list.
    Subtract(SmolStr),
}

impl ConfigOperation {
    fn to_wire(&self, name: &SmolStr) -> AlterableConfig {
        let (config_operation, value) = match self {
            Self::Set(value) => (0, Some(value.clone())),
            Self::Delete => (1, None),
            Self::Append(value) => (2, Some(value.clone())),
            Self::Subtract(value) => (3, Some(value.clone())),
        };
        AlterableConfig { name: name.clone(), config_operation, value, ..AlterableConfig::default() }
    }
}

/// Changes of settings by resource, then by name.
pub type ConfigChanges = BTreeMap<ConfigResource, BTreeMap<SmolStr, ConfigOperation>>;

impl Admin {
    /// The settings of these resources, by name, each as its broker or any broker knows it (DescribeConfigs). The
    /// outcomes are in the order of `resources`.
    ///
    /// # Errors
    /// Per resource: [`UnknownTopic`](crate::ErrorKind::UnknownTopic),
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), [`NotAuthorized`](crate::ErrorKind::NotAuthorized),
    /// [`Connection`](crate::ErrorKind::Connection) where a broker could not be asked for its own.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
    ) -> Result<Vec<Outcome<Vec<ConfigEntry>, ConfigResource>>> {
        let asked = |resource: &ConfigResource| DescribeConfigsResource {
            resource_type: resource.kind.0,
            resource_name: resource.name.clone(),
            configuration_keys: None,
            ..DescribeConfigsResource::default()
        };
        let request = DescribeConfigsRequest {
            resources: resources.iter().map(asked).collect(),
            include_synonyms: true,
            include_documentation: false,
            ..DescribeConfigsRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let answers: HashMap<_, _> = response
            .results
            .into_iter()
            .map(|result| (resource_of(result.resource_type, &result.resource_name), result))
            .collect();
        let outcome = |resource: &ConfigResource| {
            let result = match answers.get(resource) {
                Some(answer) => entries(answer).map_err(|error| error.about(resource.described())),
                None => Err(failures.resource(resource.kind.0, &resource.name)),
            };
            Outcome::new(resource.clone(), result)
        };
        Ok(resources.iter().map(outcome).collect())
    }

    /// Changes some settings and leaves the others as they are (IncrementalAlterConfigs, KIP-339). The outcomes are by
    /// resource; of one resource, all changes are made or none.
    ///
    /// # Errors
    /// Per resource: [`InvalidConfig`](crate::ErrorKind::InvalidConfig),
    /// [`UnknownTopic`](crate::ErrorKind::UnknownTopic), [`PolicyViolation`](crate::ErrorKind::PolicyViolation),
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`Connection`](crate::ErrorKind::Connection).
    pub async fn incremental_alter_configs(
        &self,
        changes: &ConfigChanges,
        apply: Apply,
    ) -> Result<Vec<Outcome<(), ConfigResource>>> {
        let resource =
            |(resource, changes): (&ConfigResource, &BTreeMap<SmolStr, ConfigOperation>)| AlterConfigsResource {
                resource_type: resource.kind.0,
                resource_name: resource.name.clone(),
                configs: changes.iter().map(|(name, operation)| operation.to_wire(name)).collect(),
                ..AlterConfigsResource::default()
            };
        let request = IncrementalAlterConfigsRequest {
            resources: changes.iter().map(resource).collect(),
            validate_only: apply.is_validation(),
            ..IncrementalAlterConfigsRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let answers = response.responses.iter().map(|answer| {
            let result = Error::check(answer.error_code, answer.error_message.as_ref());
            (resource_of(answer.resource_type, &answer.resource_name), result)
        });
        Ok(altered(changes.keys(), answers.collect(), |resource| failures.resource(resource.kind.0, &resource.name)))
    }

    /// Makes these the settings of each resource, **and removes all others** (AlterConfigs). For brokers before
    /// Kafka 2.3, which know nothing else; [`incremental_alter_configs`](Self::incremental_alter_configs) loses nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn replace_configs(
        &self,
        settings: &BTreeMap<ConfigResource, BTreeMap<SmolStr, SmolStr>>,
        apply: Apply,
    ) -> Result<Vec<Outcome<(), ConfigResource>>> {
        let config = |(name, value): (&SmolStr, &SmolStr)| alter_configs::AlterableConfig {
            name: name.clone(),
            value: Some(value.clone()),
            ..alter_configs::AlterableConfig::default()
        };
        let resource = |(resource, settings): (&ConfigResource, &BTreeMap<SmolStr, SmolStr>)| {
            alter_configs::AlterConfigsResource {
                resource_type: resource.kind.0,
                resource_name: resource.name.clone(),
                configs: settings.iter().map(config).collect(),
                ..alter_configs::AlterConfigsResource::default()
            }
        };
        let request = AlterConfigsRequest {
            resources: settings.iter().map(resource).collect(),
            validate_only: apply.is_validation(),
            ..AlterConfigsRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let answers = response.responses.iter().map(|answer| {
            let result = Error::check(answer.error_code, answer.error_message.as_ref());
            (resource_of(answer.resource_type, &answer.resource_name), result)
        });
        Ok(altered(settings.keys(), answers.collect(), |resource| failures.resource(resource.kind.0, &resource.name)))
    }

    /// What has configurations, of these types or, with none, of all (ListConfigResources, KIP-1142).
    ///
    /// # Errors
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`NotOffered`](ErrorKind::NotOffered) where anything but
    /// [`CLIENT_METRICS`](ConfigResourceType::CLIENT_METRICS) is asked of brokers before Kafka 4.1, or anything of
    /// brokers before 3.7, [`Connection`](crate::ErrorKind::Connection).
    pub async fn list_config_resources(&self, kinds: &[ConfigResourceType]) -> Result<Vec<ConfigResource>> {
        let mut attempts = Attempts::new(self);
        let version = attempts.version::<ListConfigResourcesRequest>(Route::Any).await?;
        let request = ListConfigResourcesRequest {
            resource_types: listed_types(kinds, version)?,
            ..ListConfigResourcesRequest::default()
        };
        let response = attempts.call(&request, Route::Any, Some(version)).await?;
        Error::check(response.error_code, None)?;
        let resources = response.config_resources.iter();
        let mut resources: Vec<_> =
            resources.map(|resource| resource_of(resource.resource_type, &resource.resource_name)).collect();
        resources.sort();
        Ok(resources)
    }
}

/// Version 0 lists client metrics, and cannot be asked for anything else.
fn listed_types(kinds: &[ConfigResourceType], version: i16) -> Result<Vec<i8>> {
    match (version, kinds) {
        (0, [ConfigResourceType::CLIENT_METRICS]) => Ok(Vec::new()),
        (0, _) => Err(Error::new(ErrorKind::NotOffered)),
        _ => Ok(kinds.iter().map(|kind| kind.0).collect()),
    }
}

fn resource_of(kind: i8, name: &SmolStr) -> ConfigResource {
    ConfigResource { kind: ConfigResourceType(kind), name: name.clone() }
}

fn altered<'a>(
    resources: impl Iterator<Item = &'a ConfigResource>,
    mut answers: HashMap<ConfigResource, Result<()>>,
    unanswered: impl Fn(&ConfigResource) -> Error,
) -> Vec<Outcome<(), ConfigResource>> {
    let outcome = |resource: &ConfigResource| {
        let result = match answers.remove(resource) {
            Some(result) => result.map_err(|error| error.about(resource.described())),
            None => Err(unanswered(resource)),
        };
        Outcome::new(resource.clone(), result)
    };
    resources.map(outcome).collect()
}

fn entries(answer: &DescribeConfigsResult) -> Result<Vec<ConfigEntry>> {
    Error::check(answer.error_code, answer.error_message.as_ref())?;
    let mut entries: Vec<_> = answer.configs.iter().map(entry).collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn entry(config: &DescribeConfigsResourceResult) -> ConfigEntry {
    let source = match config.config_source {
        // Version 0 says only whether it is a default.
        -1 if config.is_default => ConfigSource::DEFAULT,
        code => ConfigSource(code),
    };
    let synonyms = config.synonyms.iter().map(|synonym| ConfigSynonym {
        name: synonym.name.clone(),
        value: synonym.value.clone(),
        source: ConfigSource(synonym.source),
    });
    ConfigEntry {
        name: config.name.clone(),
        value: config.value.clone(),
        source,
        is_sensitive: config.is_sensitive,
        is_read_only: config.read_only,
        kind: (config.config_type > 0).then_some(ConfigType(config.config_type)),
        synonyms: synonyms.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_client_metrics_is_never_taken_for_one_of_everything() {
        let metrics = ConfigResourceType::CLIENT_METRICS;
        assert!(listed_types(&[metrics], 0).unwrap().is_empty());
        for kinds in [&[][..], &[ConfigResourceType::TOPIC], &[metrics, ConfigResourceType::TOPIC]] {
            assert_eq!(*listed_types(kinds, 0).unwrap_err().kind(), ErrorKind::NotOffered);
        }
        assert!(listed_types(&[], 1).unwrap().is_empty());
        assert_eq!(listed_types(&[metrics], 1).unwrap(), [16]);
    }
}
