//! Kafka's words for small numbers: `describe-configs`, `prefixed`, `deny`.

use std::fmt::Display;

use kafka_admin::{AclOperation, AclPatternType, AclPermission, AclResourceType};
use smol_str::SmolStr;

/// Reads what an access control entry lets do.
pub(crate) fn parse_operation(text: &str) -> Result<AclOperation, String> {
    AclOperation::from_name(text).ok_or_else(|| choices(AclOperation::ALL_NAMED))
}

/// Reads how a name is meant.
pub(crate) fn parse_pattern(text: &str) -> Result<AclPatternType, String> {
    AclPatternType::from_name(text).ok_or_else(|| choices(AclPatternType::ALL_NAMED))
}

/// Reads whether something is allowed.
pub(crate) fn parse_permission(text: &str) -> Result<AclPermission, String> {
    AclPermission::from_name(text).ok_or_else(|| choices(AclPermission::ALL_NAMED))
}

/// What an access control entry protects: a type and, unless all of the type are meant, a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AclResource {
    pub(crate) kind: AclResourceType,
    pub(crate) name: Option<SmolStr>,
}

/// Reads `topic:orders`, `topic`, or `cluster`, of which there is one.
pub(crate) fn parse_acl_resource(text: &str) -> Result<AclResource, String> {
    let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
    let kind = AclResourceType::from_name(kind)
        .ok_or_else(|| format!("{}, with a name as in topic:orders", choices(AclResourceType::ALL_NAMED)))?;
    match name {
        Some("") => Err("a name is missing behind the colon".to_owned()),
        None if kind == AclResourceType::CLUSTER => Ok(AclResource { kind, name: Some(CLUSTER.into()) }),
        name => Ok(AclResource { kind, name: name.map(Into::into) }),
    }
}

fn choices(words: &[impl Display]) -> String {
    format!("write {}", words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// The name of the one cluster that there is.
const CLUSTER: &str = "kafka-cluster";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_what_they_could_have_been() {
        assert_eq!(parse_operation("Describe_Configs"), Ok(AclOperation::DESCRIBE_CONFIGS));
        assert_eq!(parse_pattern("prefixed"), Ok(AclPatternType::PREFIXED));
        assert_eq!(parse_permission("DENY"), Ok(AclPermission::DENY));
        assert_eq!(parse_permission("maybe"), Err("write deny, allow".to_owned()));
        assert!(parse_operation("fly").is_err() && parse_pattern("").is_err());
    }

    #[test]
    fn what_is_protected() {
        let resource = |kind, name: Option<&str>| Ok(AclResource { kind, name: name.map(Into::into) });
        assert_eq!(parse_acl_resource("topic:a:b"), resource(AclResourceType::TOPIC, Some("a:b")));
        assert_eq!(parse_acl_resource("group"), resource(AclResourceType::GROUP, None));
        assert_eq!(parse_acl_resource("cluster"), resource(AclResourceType::CLUSTER, Some("kafka-cluster")));
        assert!(parse_acl_resource("topic:").is_err() && parse_acl_resource("table:a").is_err());
    }
}
