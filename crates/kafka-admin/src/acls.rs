//! Access control lists: create, describe, delete.

use std::fmt;

use kafka_protocol::messages::create_acls::{AclCreation, CreateAclsRequest};
use kafka_protocol::messages::delete_acls::{DeleteAclsFilter, DeleteAclsMatchingAcl, DeleteAclsRequest};
use kafka_protocol::messages::describe_acls::{DescribeAclsRequest, DescribeAclsResource};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::call::common_code;
use crate::error::{Error, ErrorKind, Result};
use crate::named_codes::named_codes;
use crate::outcome::Outcome;
use crate::resource::Resource;

named_codes! {
    /// What an access control entry protects.
    AclResourceType {
        TOPIC = 2, "topic";
        GROUP = 3, "group";
        CLUSTER = 4, "cluster";
        TRANSACTIONAL_ID = 5, "transactional-id";
        DELEGATION_TOKEN = 6, "delegation-token";
        USER = 7, "user";
    }
}

named_codes! {
    /// How the name of an access control entry is meant.
    AclPatternType {
        /// In filters only: entries that apply to the name, whatever their pattern.
        MATCH = 2, "match";
        LITERAL = 3, "literal";
        PREFIXED = 4, "prefixed";
    }
}

named_codes! {
    /// What an access control entry lets do, or forbids.
    AclOperation {
        ALL = 2, "all";
        READ = 3, "read";
        WRITE = 4, "write";
        CREATE = 5, "create";
        DELETE = 6, "delete";
        ALTER = 7, "alter";
        DESCRIBE = 8, "describe";
        CLUSTER_ACTION = 9, "cluster-action";
        DESCRIBE_CONFIGS = 10, "describe-configs";
        ALTER_CONFIGS = 11, "alter-configs";
        IDEMPOTENT_WRITE = 12, "idempotent-write";
        CREATE_TOKENS = 13, "create-tokens";
        DESCRIBE_TOKENS = 14, "describe-tokens";
        TWO_PHASE_COMMIT = 15, "two-phase-commit";
    }
}

named_codes! {
    /// Whether an access control entry allows or forbids.
    AclPermission {
        DENY = 2, "deny";
        ALLOW = 3, "allow";
    }
}

/// An access control entry: who may, or may not, do what to what (KIP-11, KIP-290).
///
/// ```
/// use kafka_admin::{AclEntry, AclOperation, AclPatternType, AclResourceType};
///
/// let reads = AclEntry::allow("User:alice", AclOperation::READ, AclResourceType::TOPIC, "orders");
/// let all_of_them = AclEntry { pattern_type: AclPatternType::PREFIXED, ..reads };
/// assert_eq!(all_of_them.to_string(), "User:alice may read topic \"orders\"… from any host");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AclEntry {
    /// What kind of thing it protects.
    pub resource_type: AclResourceType,
    /// The thing's name, or its beginning; `*` for all. A cluster is named `kafka-cluster`.
    pub resource_name: SmolStr,
    /// How the name is meant. Brokers before Kafka 2.0 know literal names only.
    pub pattern_type: AclPatternType,
    /// Who: `User:alice`, or `User:*` for everyone.
    pub principal: SmolStr,
    /// From which host, an address; `*` for any.
    pub host: SmolStr,
    /// What.
    pub operation: AclOperation,
    /// Whether it is allowed.
    pub permission: AclPermission,
}

impl AclEntry {
    /// Allows `principal` an operation on the thing of that very name, from any host.
    pub fn allow(
        principal: impl Into<SmolStr>,
        operation: AclOperation,
        resource_type: AclResourceType,
        resource_name: impl Into<SmolStr>,
    ) -> Self {
        Self {
            resource_type,
            resource_name: resource_name.into(),
            pattern_type: AclPatternType::LITERAL,
            principal: principal.into(),
            host: "*".into(),
            operation,
            permission: AclPermission::ALLOW,
        }
    }

    fn to_wire(&self) -> AclCreation {
        AclCreation {
            resource_type: self.resource_type.0,
            resource_name: self.resource_name.clone(),
            resource_pattern_type: self.pattern_type.0,
            principal: self.principal.clone(),
            host: self.host.clone(),
            operation: self.operation.0,
            permission_type: self.permission.0,
            ..AclCreation::default()
        }
    }
}

impl fmt::Display for AclEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let may = if self.permission == AclPermission::DENY { "may not" } else { "may" };
        let rest = if self.pattern_type == AclPatternType::PREFIXED { "…" } else { "" };
        let Self { principal, operation, resource_type, resource_name, host, .. } = self;
        write!(f, "{principal} {may} {operation} {resource_type} {:?}{rest}", resource_name.as_str())?;
        if host == "*" { f.write_str(" from any host") } else { write!(f, " from {host}") }
    }
}

/// Which access control entries; what is `None` may be anything. Default: all of them.
///
/// ```
/// use kafka_admin::{AclFilter, AclResourceType};
///
/// let of_alice = AclFilter { principal: Some("User:alice".into()), ..AclFilter::default() };
/// let of_topics = AclFilter { resource_type: Some(AclResourceType::TOPIC), ..AclFilter::default() };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclFilter {
    /// What kind of thing they protect.
    pub resource_type: Option<AclResourceType>,
    /// The name in the entry; with [`AclPatternType::MATCH`], a name to which it applies.
    pub resource_name: Option<SmolStr>,
    /// How their name is meant.
    pub pattern_type: Option<AclPatternType>,
    /// Whom they are about.
    pub principal: Option<SmolStr>,
    /// The host in the entry.
    pub host: Option<SmolStr>,
    /// What they allow or forbid.
    pub operation: Option<AclOperation>,
    /// Whether they allow or forbid.
    pub permission: Option<AclPermission>,
}

impl AclFilter {
    fn to_request(&self) -> DescribeAclsRequest {
        DescribeAclsRequest {
            resource_type_filter: self.resource_type.map_or(ANY, |resource| resource.0),
            resource_name_filter: self.resource_name.clone(),
            pattern_type_filter: self.pattern_type.map_or(ANY, |pattern| pattern.0),
            principal_filter: self.principal.clone(),
            host_filter: self.host.clone(),
            operation: self.operation.map_or(ANY, |operation| operation.0),
            permission_type: self.permission.map_or(ANY, |permission| permission.0),
            ..DescribeAclsRequest::default()
        }
    }

    fn to_deletion(&self) -> DeleteAclsFilter {
        let filter = self.to_request();
        DeleteAclsFilter {
            resource_type_filter: filter.resource_type_filter,
            resource_name_filter: filter.resource_name_filter,
            pattern_type_filter: filter.pattern_type_filter,
            principal_filter: filter.principal_filter,
            host_filter: filter.host_filter,
            operation: filter.operation,
            permission_type: filter.permission_type,
            ..DeleteAclsFilter::default()
        }
    }
}

impl From<&AclEntry> for AclFilter {
    /// Matches this entry alone.
    fn from(entry: &AclEntry) -> Self {
        Self {
            resource_type: Some(entry.resource_type),
            resource_name: Some(entry.resource_name.clone()),
            pattern_type: Some(entry.pattern_type),
            principal: Some(entry.principal.clone()),
            host: Some(entry.host.clone()),
            operation: Some(entry.operation),
            permission: Some(entry.permission),
        }
    }
}

impl Admin {
    /// Adds access control entries (CreateAcls). One that is there already is no error. The outcomes are in the order of
    /// `entries`.
    ///
    /// # Errors
    /// Per entry: [`NotOffered`](ErrorKind::NotOffered) where the cluster has no authorizer,
    /// [`InvalidRequest`](ErrorKind::InvalidRequest), [`NotAuthorized`](ErrorKind::NotAuthorized). For all:
    /// [`Connection`](ErrorKind::Connection).
    pub async fn create_acls(&self, entries: &[AclEntry]) -> Result<Vec<Outcome<(), AclEntry>>> {
        let request = |_| CreateAclsRequest {
            creations: entries.iter().map(AclEntry::to_wire).collect(),
            ..CreateAclsRequest::default()
        };
        let response = self
            .ask_controller(request, |response| {
                (common_code(response.results.iter().map(|result| result.error_code)), response.throttle_time_ms)
            })
            .await?;
        let mut results = response.results.iter();
        let outcome = |entry: &AclEntry| {
            let result = results.next().map_or_else(
                || Err(Error::new(ErrorKind::NoAnswer)),
                |result| Error::check(result.error_code, result.error_message.as_ref()),
            );
            Outcome::new(entry.clone(), result.map_err(|error| error.about(described(entry))))
        };
        Ok(entries.iter().map(outcome).collect())
    }

    /// The access control entries that `filter` matches, in order (DescribeAcls).
    ///
    /// # Errors
    /// [`NotOffered`](ErrorKind::NotOffered) where the cluster has no authorizer,
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`Connection`](ErrorKind::Connection).
    pub async fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<AclEntry>> {
        let response = self.ask_any(&filter.to_request()).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        let mut entries: Vec<_> = response.resources.into_iter().flat_map(entries_of).collect();
        entries.sort();
        Ok(entries)
    }

    /// Removes the access control entries that any of the filters matches (DeleteAcls). The outcomes are in the order of
    /// `filters`; each lists the entries that it matched, and whether they were removed.
    ///
    /// [`plan_acl_deletion`](Self::plan_acl_deletion) tells before what would go.
    ///
    /// # Errors
    /// Per filter and per entry as [`create_acls`](Self::create_acls).
    pub async fn delete_acls(
        &self,
        filters: &[AclFilter],
    ) -> Result<Vec<Outcome<Vec<Outcome<(), AclEntry>>, AclFilter>>> {
        let request = |_| DeleteAclsRequest {
            filters: filters.iter().map(AclFilter::to_deletion).collect(),
            ..DeleteAclsRequest::default()
        };
        let response = self
            .ask_controller(request, |response| {
                (common_code(response.filter_results.iter().map(|result| result.error_code)), response.throttle_time_ms)
            })
            .await?;
        let mut results = response.filter_results.into_iter();
        let outcome = |filter: &AclFilter| {
            let result = results.next().ok_or_else(|| Error::new(ErrorKind::NoAnswer)).and_then(|result| {
                Error::check(result.error_code, result.error_message.as_ref())?;
                Ok(result.matching_acls.into_iter().map(deleted).collect())
            });
            Outcome::new(filter.clone(), result)
        };
        Ok(filters.iter().map(outcome).collect())
    }
}

fn entries_of(resource: DescribeAclsResource) -> impl Iterator<Item = AclEntry> {
    resource.acls.into_iter().map(move |acl| AclEntry {
        resource_type: AclResourceType(resource.resource_type),
        resource_name: resource.resource_name.clone(),
        pattern_type: AclPatternType(resource.pattern_type),
        principal: acl.principal,
        host: acl.host,
        operation: AclOperation(acl.operation),
        permission: AclPermission(acl.permission_type),
    })
}

fn deleted(acl: DeleteAclsMatchingAcl) -> Outcome<(), AclEntry> {
    let result = Error::check(acl.error_code, acl.error_message.as_ref());
    let entry = AclEntry {
        resource_type: AclResourceType(acl.resource_type),
        resource_name: acl.resource_name,
        pattern_type: AclPatternType(acl.pattern_type),
        principal: acl.principal,
        host: acl.host,
        operation: AclOperation(acl.operation),
        permission: AclPermission(acl.permission_type),
    };
    let result = result.map_err(|error| error.about(described(&entry)));
    Outcome::new(entry, result)
}

pub(crate) fn described(entry: &AclEntry) -> Resource {
    Resource::Other(SmolStr::from(format!("ACL \"{entry}\"")))
}

/// Whatever it is, in a filter.
const ANY: i8 = 1;
