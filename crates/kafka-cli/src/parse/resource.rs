//! What has settings, in one word: `topic:orders`, `broker:1`, `brokers`.

use kafka_admin::{ConfigResource, ConfigResourceType};

/// Reads the word.
pub(crate) fn parse_resource(text: &str) -> Result<ConfigResource, ResourceError> {
    if text == "brokers" {
        return Ok(ConfigResource::all_brokers());
    }
    let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or(ResourceError)?;
    let kind = ConfigResourceType::from_name(kind).ok_or(ResourceError)?;
    let is_broker = matches!(kind, ConfigResourceType::BROKER | ConfigResourceType::BROKER_LOGGER);
    if is_broker && !name.parse::<i32>().is_ok_and(|id| id >= 0) {
        return Err(ResourceError);
    }
    Ok(ConfigResource { kind, name: name.into() })
}

/// Text that names nothing with settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write topic:NAME, broker:ID, brokers, broker-logger:ID, group:ID or client-metrics:NAME")]
pub(crate) struct ResourceError;

#[cfg(test)]
mod tests {
    use kafka_conn::BrokerId;

    use super::*;

    #[test]
    fn a_type_and_a_name() {
        assert_eq!(parse_resource("topic:a"), Ok(ConfigResource::topic("a")));
        assert_eq!(parse_resource("broker:7"), Ok(ConfigResource::broker(BrokerId(7))));
        assert_eq!(parse_resource("brokers"), Ok(ConfigResource::all_brokers()));
        assert_eq!(parse_resource("broker-logger:7"), Ok(ConfigResource::broker_logger(BrokerId(7))));
        assert_eq!(parse_resource("group:a:b"), Ok(ConfigResource::group("a:b")));
        assert_eq!(parse_resource("client-metrics:m"), Ok(ConfigResource::client_metrics("m")));
        for wrong in ["", "topic", "topic:", "broker:x", "broker:-1", "table:a", ":a"] {
            assert_eq!(parse_resource(wrong), Err(ResourceError), "{wrong}");
        }
    }
}
