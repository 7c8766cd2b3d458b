//! Removing access control entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::lines;
use crate::acls::{AclEntry, AclFilter, described};
use crate::admin::Admin;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;

/// Access control entries that are to be removed. Printed, it has a line for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclDeletionPlan {
    /// The entries.
    pub entries: BTreeSet<AclEntry>,
}

impl Admin {
    /// The access control entries that any of the filters matches now, to be removed (DescribeAcls).
    ///
    /// # Errors
    /// As [`describe_acls`](Self::describe_acls).
    pub async fn plan_acl_deletion(&self, filters: &[AclFilter]) -> Result<AclDeletionPlan> {
        let mut entries = BTreeSet::new();
        for filter in filters {
            entries.extend(self.describe_acls(filter).await?);
        }
        Ok(AclDeletionPlan { entries })
    }

    /// Removes the entries of a plan, and no others (DeleteAcls). The outcomes are by entry.
    ///
    /// # Errors
    /// Per entry: [`NotFound`](ErrorKind::NotFound) where somebody removed it before, and as
    /// [`create_acls`](Self::create_acls).
    pub async fn apply_acl_deletion_plan(&self, plan: &AclDeletionPlan) -> Result<Vec<Outcome<(), AclEntry>>> {
        if plan.entries.is_empty() {
            return Ok(Vec::new());
        }
        let filters: Vec<_> = plan.entries.iter().map(AclFilter::from).collect();
        let mut removed = BTreeMap::new();
        for (entry, outcome) in plan.entries.iter().zip(self.delete_acls(&filters).await?) {
            match outcome.result {
                Ok(matched) => removed.extend(matched.into_iter().map(|one| (one.item, one.result))),
                Err(error) => drop(removed.insert(entry.clone(), Err(error))),
            }
        }
        let outcome = |entry: &AclEntry| {
            let result = removed.remove(entry).unwrap_or_else(|| Err(Error::new(ErrorKind::NotFound)));
            Outcome::new(entry.clone(), result.map_err(|error| error.about(described(entry))))
        };
        Ok(plan.entries.iter().map(outcome).collect())
    }
}

impl fmt::Display for AclDeletionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(f, self.entries.iter().map(|entry| format!("remove: {entry}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acls::{AclOperation, AclResourceType};

    #[test]
    fn it_says_what_goes() {
        let entry = |name: &str| AclEntry::allow("User:a", AclOperation::READ, AclResourceType::TOPIC, name);
        let plan = AclDeletionPlan { entries: [entry("y"), entry("x")].into() };
        let expected =
            "remove: User:a may read topic \"x\" from any host\nremove: User:a may read topic \"y\" from any host";
        assert_eq!(plan.to_string(), expected);
    }
}
