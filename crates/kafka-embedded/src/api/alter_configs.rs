//! `IncrementalAlterConfigs` (KIP-339), of topics, brokers, and all brokers by default (KIP-226).
//!
//! Sans-IO.

use std::collections::BTreeMap;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use smol_str::SmolStr;

use crate::api::unique::{repeated, unique};
use crate::core::{Call, Reply};
use crate::state::configs::{self, ConfigType};
use crate::state::{State, TopicError};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: IncrementalAlterConfigsRequest) -> Reply {
    let key = |resource: &AlterConfigsResource| (resource.resource_type, resource.resource_name.clone());
    let repeated = repeated(request.resources.iter().map(key));
    let mut responses = Vec::new();
    // Each is answered once.
    for resource in unique(request.resources, key) {
        let twice = repeated.contains(&key(&resource));
        let altered = match call.injected_topic(&resource.resource_name) {
            Some(code) => Err((code, code.text().to_owned())),
            None if twice => Err(invalid("Each resource must appear at most once.")),
            None => alter(state, &resource, request.validate_only),
        };
        let mut response = AlterConfigsResourceResponse {
            error_message: None,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            ..Default::default()
        };
        if let Err((code, text)) = altered {
            (response.error_code, response.error_message) = (code.0, Some(text.into()));
        }
        responses.push(response);
    }
    IncrementalAlterConfigsResponse { responses, ..Default::default() }.into()
}

fn alter(state: &mut State, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), TopicError> {
    let name = &resource.resource_name;
    let of_topic = resource.resource_type == TOPIC;
    let place = match resource.resource_type {
        TOPIC => {
            let unknown = || (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("There is no topic '{name}'."));
            &mut state.topics.get_mut(name).ok_or_else(unknown)?.configs
        }
        BROKER if name.is_empty() => &mut state.broker_defaults,
        BROKER => {
            let unknown = || (ErrorCode::INVALID_REQUEST, format!("There is no broker '{name}'."));
            let id = name.parse::<i32>().map_err(|_| unknown())?;
            &mut state.brokers.get_mut(&id).ok_or_else(unknown)?.configs
        }
        _ => return Err((ErrorCode::INVALID_REQUEST, "Only topics and brokers are configured here.".to_owned())),
    };
    if !repeated(resource.configs.iter().map(|config| &config.name)).is_empty() {
        return Err(invalid("Error due to duplicate config keys"));
    }
    let mut changed = place.clone();
    for config in &resource.configs {
        change(&mut changed, config, of_topic)?;
    }
    if changed.len() > MAX_CONFIGS {
        return Err((ErrorCode::POLICY_VIOLATION, format!("No more than {MAX_CONFIGS} configurations are kept.")));
    }
    if !validate_only {
        *place = changed;
    }
    Ok(())
}

fn invalid(text: &str) -> TopicError {
    (ErrorCode::INVALID_REQUEST, text.to_owned())
}

fn change(
    configs: &mut BTreeMap<SmolStr, SmolStr>,
    config: &AlterableConfig,
    of_topic: bool,
) -> Result<(), TopicError> {
    let invalid = |text: String| (ErrorCode::INVALID_CONFIG, text);
    let name = &config.name;
    let facts = configs::find(name).filter(|_| of_topic);
    if of_topic && facts.is_none() {
        return Err(invalid(format!("Unknown topic config name: {name}")));
    }
    if config.config_operation == DELETE {
        configs.remove(name);
        return Ok(());
    }
    let Some(given) = &config.value else {
        return Err((ErrorCode::INVALID_REQUEST, format!("Null value not supported for : {name}")));
    };
    let value = match config.config_operation {
        SET => given.clone(),
        APPEND | SUBTRACT if facts.is_some_and(|facts| facts.kind == ConfigType::List) => {
            let now = configs.get(name).map_or_else(|| configs::default_of(name), SmolStr::as_str);
            merged(now, given, config.config_operation)
        }
        APPEND | SUBTRACT => return Err(invalid(format!("{name} is no list"))),
        _ => return Err((ErrorCode::INVALID_REQUEST, format!("Unknown operation {}", config.config_operation))),
    };
    if of_topic {
        configs::check(name, &value).map_err(invalid)?;
    }
    configs.insert(name.clone(), value);
    Ok(())
}

/// A list with the items of another, or without them.
fn merged(now: &str, given: &str, operation: i8) -> SmolStr {
    let mut items: Vec<&str> = now.split(',').filter(|item| !item.is_empty()).collect();
    for item in given.split(',').filter(|item| !item.is_empty()) {
        items.retain(|have| operation == APPEND || *have != item);
        if operation == APPEND && !items.contains(&item) {
            items.push(item);
        }
    }
    items.join(",").into()
}

/// The type of a resource: a topic.
pub(crate) const TOPIC: i8 = 2;
/// The type of a resource: a broker or, without a name, what all brokers have for a default.
pub(crate) const BROKER: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;
/// Of one resource; topics have fewer.
const MAX_CONFIGS: usize = 1_000;
