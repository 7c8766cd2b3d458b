//! Deleting topics.

use std::collections::BTreeMap;
use std::fmt;

use kafka_conn::Route;
use kafka_protocol::messages::delete_topics::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest};
use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;

use super::lines;
use crate::admin::Admin;
use crate::answers::Answers;
use crate::call::Attempts;
use crate::error::{Error, Result};
use crate::outcome::Outcome;

/// Topics that are to be deleted. Printed, it has a line for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicDeletionPlan {
    /// The topics, by name.
    pub topics: BTreeMap<SmolStr, TopicDeletion>,
}

/// A topic that is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicDeletion {
    /// Its id; zero where the broker is older than 2.8.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: usize,
    /// Whether Kafka keeps it for itself.
    pub is_internal: bool,
}

impl Admin {
    /// Looks what topics there are to be deleted (DescribeTopicPartitions).
    ///
    /// # Errors
    /// The first error of a topic: as [`describe_topics`](Self::describe_topics).
    pub async fn plan_topic_deletion(&self, names: &[&str]) -> Result<TopicDeletionPlan> {
        let mut topics = BTreeMap::new();
        for topic in self.describe_topics(names).await? {
            let description = topic.result?;
            let deletion = TopicDeletion {
                id: description.id,
                partitions: description.partitions.len(),
                is_internal: description.is_internal,
            };
            topics.insert(topic.item, deletion);
        }
        Ok(TopicDeletionPlan { topics })
    }

    /// Deletes the topics of a plan, by their ids: one that was made anew under the same name is kept (DeleteTopics,
    /// KIP-516; brokers before Kafka 2.8 have no ids, and are told the names). The outcomes are by name.
    ///
    /// # Errors
    /// As [`delete_topics`](Self::delete_topics).
    pub async fn apply_topic_deletion_plan(&self, plan: &TopicDeletionPlan) -> Result<Vec<Outcome<()>>> {
        let version = Attempts::new(self).version::<DeleteTopicsRequest>(Route::Controller).await?;
        if version < FIRST_WITH_IDS || plan.topics.values().any(|topic| topic.id.is_zero()) {
            let names: Vec<_> = plan.topics.keys().map(SmolStr::as_str).collect();
            return self.delete_topics(&names).await;
        }
        let ids: BTreeMap<_, _> = plan.topics.values().map(|topic| (text(topic.id), topic.id)).collect();
        let answers = self.delete_by_ids(&ids).await?;
        let outcomes =
            answers.outcomes(ids.keys(), |answer| Error::check(answer.error_code, answer.error_message.as_ref()));
        let mut results: BTreeMap<_, _> = outcomes.into_iter().map(|one| (one.item, one.result)).collect();
        let outcome = |(name, topic): (&SmolStr, &TopicDeletion)| {
            let result = results.remove(&text(topic.id))?;
            Some(Outcome::new(name.clone(), result.map_err(|error| error.with_topic(name))))
        };
        Ok(plan.topics.iter().filter_map(outcome).collect())
    }

    async fn delete_by_ids(&self, ids: &BTreeMap<SmolStr, Uuid>) -> Result<Answers<DeletableTopicResult>> {
        let mut attempts = Attempts::new(self);
        let mut known = Answers::new();
        let mut left: Vec<_> = ids.keys().cloned().collect();
        while !left.is_empty() {
            let topic = |id: &SmolStr| DeleteTopicState {
                topic_id: ids.get(id).copied().unwrap_or_default(),
                ..DeleteTopicState::default()
            };
            let request = DeleteTopicsRequest {
                topics: left.iter().map(topic).collect(),
                timeout_ms: attempts.timeout_ms(),
                ..DeleteTopicsRequest::default()
            };
            let response = match attempts.call(&request, Route::Controller, None).await {
                Ok(response) => response,
                Err(error) => {
                    known.handle_failure(left.iter(), error)?;
                    break;
                }
            };
            let answers = response.responses.into_iter().map(|answer| (text(answer.topic_id), answer));
            let undone = known.handle_answers(left.iter(), answers, |answer| ErrorCode(answer.error_code));
            left.retain(|id| undone.contains_key(id));
            let Some(code) = undone.into_values().next() else { break };
            if !attempts.again(code, response.throttle_time_ms).await {
                break;
            }
        }
        Ok(known)
    }
}

impl fmt::Display for TopicDeletionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |(name, topic): (&SmolStr, &TopicDeletion)| {
            let internal = if topic.is_internal { ", which Kafka keeps for itself" } else { "" };
            let s = if topic.partitions == 1 { "" } else { "s" };
            format!("delete topic {:?}{internal}: {} partition{s}", name.as_str(), topic.partitions)
        };
        lines(f, self.topics.iter().map(line))
    }
}

fn text(id: Uuid) -> SmolStr {
    smol_str::format_smolstr!("{id}")
}

/// The version that takes ids.
const FIRST_WITH_IDS: i16 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_goes() {
        let topic = |partitions, is_internal| TopicDeletion { id: Uuid::ZERO, partitions, is_internal };
        let plan = TopicDeletionPlan { topics: [("a".into(), topic(1, true)), ("b".into(), topic(2, false))].into() };
        let expected =
            "delete topic \"a\", which Kafka keeps for itself: 1 partition\ndelete topic \"b\": 2 partitions";
        assert_eq!(plan.to_string(), expected);
    }
}
