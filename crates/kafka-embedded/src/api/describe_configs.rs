//! `DescribeConfigs`: of topics, all that there is; of brokers, what was set.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};
use smol_str::SmolStr;

use crate::api::alter_configs::{BROKER, TOPIC};
use crate::api::create_topics::{DEFAULT, DYNAMIC_BROKER, DYNAMIC_TOPIC};
use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::state::State;
use crate::state::configs::{ConfigType, TOPIC_CONFIGS};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DescribeConfigsRequest) -> Reply {
    let mut results = Vec::new();
    for resource in unique(request.resources, |resource| (resource.resource_type, resource.resource_name.clone())) {
        let described = match call.injected_topic(&resource.resource_name) {
            Some(code) => Err(code),
            None => describe(state, &resource),
        };
        let mut result = DescribeConfigsResult {
            error_message: None,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            ..Default::default()
        };
        match described {
            Ok(configs) => {
                let configs = configs.into_iter().map(|config| config.answer(call.version, request.include_synonyms));
                result.configs = configs.collect();
            }
            Err(code) => (result.error_code, result.error_message) = (code.0, Some(code.text().into())),
        }
        results.push(result);
    }
    DescribeConfigsResponse { results, ..Default::default() }.into()
}

/// A configuration as it is.
struct Described {
    name: SmolStr,
    value: SmolStr,
    source: i8,
    kind: ConfigType,
    default: Option<&'static str>,
}

impl Described {
    fn answer(self, version: i16, synonyms: bool) -> DescribeConfigsResourceResult {
        let set = self.source != DEFAULT;
        let mut known = Vec::new();
        if synonyms && set {
            known.push(synonym(&self.name, &self.value, self.source));
        }
        if let Some(default) = self.default.filter(|_| synonyms) {
            known.push(synonym(&self.name, default, DEFAULT));
        }
        DescribeConfigsResourceResult {
            // Where it comes from is told in version 0 so, and later by its source.
            is_default: version == 0 && !set,
            config_source: if version == 0 { -1 } else { self.source },
            synonyms: known,
            config_type: self.kind as i8,
            documentation: None,
            name: self.name,
            value: Some(self.value),
            ..Default::default()
        }
    }
}

fn synonym(name: &SmolStr, value: &str, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym { name: name.clone(), value: Some(value.into()), source, ..Default::default() }
}

fn describe(state: &State, resource: &DescribeConfigsResource) -> Result<Vec<Described>, ErrorCode> {
    let wanted =
        |name: &str| resource.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key == name));
    match resource.resource_type {
        TOPIC => {
            let topic = state.topic(&resource.resource_name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            let facts = TOPIC_CONFIGS.iter().filter(|facts| wanted(facts.name));
            let described = facts.map(|facts| Described {
                name: facts.name.into(),
                value: topic.config(facts.name).into(),
                source: if topic.configs.contains_key(facts.name) { DYNAMIC_TOPIC } else { DEFAULT },
                kind: facts.kind,
                default: Some(facts.default),
            });
            Ok(described.collect())
        }
        BROKER => {
            let id = resource.resource_name.parse::<i32>().map_err(|_| ErrorCode::INVALID_REQUEST)?;
            let broker = state.brokers.get(&id).ok_or(ErrorCode::INVALID_REQUEST)?;
            let described = broker.configs.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| Described {
                name: name.clone(),
                value: value.clone(),
                source: DYNAMIC_BROKER,
                kind: ConfigType::String,
                default: None,
            });
            Ok(described.collect())
        }
        _ => Err(ErrorCode::INVALID_REQUEST),
    }
}
