//! Deleting groups, and with them what they committed.

use std::collections::BTreeMap;
use std::fmt;

use smol_str::SmolStr;

use super::lines;
use crate::admin::Admin;
use crate::error::{Error, ErrorKind, Result};
use crate::groups::GroupFilter;
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition};

/// Groups that are to be deleted. Printed, it has a line for each, and one for each offset that goes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupDeletionPlan {
    /// The groups, by id.
    pub groups: BTreeMap<SmolStr, GroupDeletion>,
}

/// A group that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDeletion {
    /// Its type; empty from brokers before Kafka 3.8.
    pub kind: SmolStr,
    /// Its state; empty from brokers before Kafka 2.6. One that is not `Empty` or `Dead` is not deleted.
    pub state: SmolStr,
    /// Where it is in each partition: what it would forget.
    pub offsets: BTreeMap<TopicPartition, i64>,
}

impl Admin {
    /// Looks what groups there are to be deleted, and what they would forget (ListGroups, OffsetFetch,
    /// DescribeShareGroupOffsets).
    ///
    /// # Errors
    /// The first error of a group: [`GroupNotFound`](ErrorKind::GroupNotFound), or that of the broker that could have
    /// listed it; as [`list_group_offsets`](Self::list_group_offsets). For all: as [`list_groups`](Self::list_groups),
    /// and that of a broker where none listed any.
    pub async fn plan_group_deletion(&self, ids: &[&str]) -> Result<GroupDeletionPlan> {
        let list = self.list_groups(&GroupFilter::default()).await?;
        if let (true, Some(error)) = (list.groups.is_empty(), list.missing.first()) {
            return Err(error.clone());
        }
        let mut groups = BTreeMap::new();
        for id in ids.iter().copied() {
            let group = || Resource::Group(id.into());
            let listed = list.groups.iter().find(|group| group.id == id).ok_or_else(|| {
                let missing = list.missing.first().cloned();
                missing.unwrap_or_else(|| Error::new(ErrorKind::GroupNotFound)).about(group())
            })?;
            let offsets =
                if listed.kind == "share" { self.share_offsets_of(id).await } else { self.offsets_of(id).await };
            let deletion = GroupDeletion {
                kind: listed.kind.clone(),
                state: listed.state.clone(),
                offsets: offsets.map_err(|error| error.or_about(group()))?,
            };
            groups.insert(SmolStr::new(id), deletion);
        }
        Ok(GroupDeletionPlan { groups })
    }

    /// Deletes the groups of a plan, by their ids (DeleteGroups): what they committed since is forgotten, too, and one
    /// that was made anew under the id goes, if it has no members. The outcomes are by id.
    ///
    /// # Errors
    /// As [`delete_groups`](Self::delete_groups).
    pub async fn apply_group_deletion_plan(&self, plan: &GroupDeletionPlan) -> Result<Vec<Outcome<()>>> {
        self.delete_groups(&plan.groups.keys().map(SmolStr::as_str).collect::<Vec<_>>()).await
    }

    async fn offsets_of(&self, id: &str) -> Result<BTreeMap<TopicPartition, i64>> {
        let committed = self.list_group_offsets(id, None).await?.into_iter();
        Ok(committed.filter_map(|(partition, commit)| Some((partition, commit?.offset))).collect())
    }

    async fn share_offsets_of(&self, id: &str) -> Result<BTreeMap<TopicPartition, i64>> {
        let mut offsets = BTreeMap::new();
        for outcome in self.describe_share_group_offsets(id, None).await? {
            if let Some(start) = outcome.result?.start {
                offsets.insert(outcome.item, start);
            }
        }
        Ok(offsets)
    }
}

impl fmt::Display for GroupDeletionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |(id, group): (&SmolStr, &GroupDeletion)| {
            let offsets = group.offsets.iter().map(|(partition, offset)| format!("\n  forget {partition} at {offset}"));
            let about: Vec<_> =
                [&group.kind, &group.state].into_iter().filter(|text| !text.is_empty()).map(SmolStr::as_str).collect();
            format!("delete group {:?} ({}){}", id.as_str(), about.join(", "), offsets.collect::<String>())
        };
        lines(f, self.groups.iter().map(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_forgotten() {
        let offsets = [(TopicPartition::new("t", 0), 7)].into();
        let group = GroupDeletion { kind: "classic".into(), state: "Empty".into(), offsets };
        let plan = GroupDeletionPlan { groups: [("g".into(), group)].into() };
        assert_eq!(plan.to_string(), "delete group \"g\" (classic, Empty)\n  forget t-0 at 7");
    }
}
