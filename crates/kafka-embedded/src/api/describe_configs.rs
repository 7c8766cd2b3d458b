//! `DescribeConfigs`: of topics, all that there is; of brokers, and all of them by default, what was set.
//!
//! Sans-IO.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};
use smol_str::SmolStr;

use crate::api::alter_configs::{BROKER, TOPIC};
use crate::api::create_topics::{DEFAULT, DYNAMIC_BROKER, DYNAMIC_DEFAULT_BROKER, DYNAMIC_TOPIC};
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

/// A configuration as it is: every value that was set for it, the one that counts first.
struct Described {
    name: SmolStr,
    kind: ConfigType,
    values: Vec<(SmolStr, i8)>,
}

impl Described {
    fn answer(self, version: i16, with_synonyms: bool) -> DescribeConfigsResourceResult {
        let counts = self.values.first().cloned();
        let (value, source) = counts.map_or((None, DEFAULT), |(value, source)| (Some(value), source));
        let synonyms = self.values.iter().filter(|_| with_synonyms);
        DescribeConfigsResourceResult {
            // Where it comes from is told in version 0 so, and later by its source.
            is_default: version == 0 && source == DEFAULT,
            config_source: if version == 0 { -1 } else { source },
            synonyms: synonyms.map(|(value, source)| synonym(&self.name, value, *source)).collect(),
            config_type: self.kind as i8,
            documentation: None,
            name: self.name,
            value,
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
            let described = facts.map(|facts| {
                let set = topic.configs.get(facts.name).map(|value| (value.clone(), DYNAMIC_TOPIC));
                let values = set.into_iter().chain([(facts.default.into(), DEFAULT)]).collect();
                Described { name: facts.name.into(), kind: facts.kind, values }
            });
            Ok(described.collect())
        }
        BROKER if resource.resource_name.is_empty() => Ok(of_brokers(&BTreeMap::new(), state, wanted)),
        BROKER => {
            let id = resource.resource_name.parse::<i32>().map_err(|_| ErrorCode::INVALID_REQUEST)?;
            let broker = state.brokers.get(&id).ok_or(ErrorCode::INVALID_REQUEST)?;
            Ok(of_brokers(&broker.configs, state, wanted))
        }
        _ => Err(ErrorCode::INVALID_REQUEST),
    }
}

/// What was set for a broker, and for all of them.
fn of_brokers(own: &BTreeMap<SmolStr, SmolStr>, state: &State, wanted: impl Fn(&str) -> bool) -> Vec<Described> {
    let names: BTreeSet<_> = own.keys().chain(state.broker_defaults.keys()).filter(|name| wanted(name)).collect();
    let described = names.into_iter().map(|name| {
        let of = |configs: &BTreeMap<SmolStr, SmolStr>, source| configs.get(name).map(|value| (value.clone(), source));
        let values = [of(own, DYNAMIC_BROKER), of(&state.broker_defaults, DYNAMIC_DEFAULT_BROKER)];
        Described { name: name.clone(), kind: ConfigType::String, values: values.into_iter().flatten().collect() }
    });
    described.collect()
}
