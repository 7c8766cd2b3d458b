//! What was answered for each partition.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition};

/// Answers by partition.
#[derive(Debug)]
pub(crate) struct ByPartition<A>(BTreeMap<TopicPartition, A>);

impl<A> ByPartition<A> {
    /// From answers as the wire groups them, by topic; `index` tells whose partition's an answer is.
    pub(crate) fn new(topics: impl IntoIterator<Item = (SmolStr, Vec<A>)>, index: impl Fn(&A) -> i32) -> Self {
        let mut answers = BTreeMap::new();
        for (name, partitions) in topics {
            for answer in partitions {
                answers.insert(TopicPartition::new(name.clone(), index(&answer)), answer);
            }
        }
        Self(answers)
    }

    /// The partitions that have an answer, in order.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.0.keys()
    }

    pub(crate) fn get(&self, partition: &TopicPartition) -> Option<&A> {
        self.0.get(partition)
    }

    /// An outcome for each partition that was asked about, in that order: what `read` makes of its answer, or why there
    /// is none.
    pub(crate) fn outcomes<'a, T>(
        &self,
        asked: impl IntoIterator<Item = &'a TopicPartition>,
        read: impl Fn(&A) -> Result<T>,
        unanswered: impl Fn(&TopicPartition) -> Error,
    ) -> Vec<Outcome<T, TopicPartition>> {
        let outcome = |partition: &TopicPartition| {
            let result = match self.get(partition) {
                Some(answer) => read(answer).map_err(|error| error.about(Resource::Partition(partition.clone()))),
                None => Err(unanswered(partition)),
            };
            Outcome::new(partition.clone(), result)
        };
        asked.into_iter().map(outcome).collect()
    }
}

/// Why a partition has no outcome where one broker answers for all.
pub(crate) fn no_answer(partition: &TopicPartition) -> Error {
    Error::new(ErrorKind::NoAnswer).about(Resource::Partition(partition.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_in_the_order_of_the_question() {
        let answers = ByPartition::new([("b".into(), vec![1, 0]), ("a".into(), vec![2])], |index| *index);
        let asked = [("a", 2), ("x", 0), ("b", 0)].map(|(topic, index)| TopicPartition::new(topic, index));
        let outcomes = answers.outcomes(&asked, |index| Ok(*index), no_answer);
        let results: Vec<_> = outcomes.iter().map(|outcome| outcome.result.as_ref().ok().copied()).collect();
        assert_eq!(results, [Some(2), None, Some(0)]);
        assert_eq!(answers.partitions().map(ToString::to_string).collect::<Vec<_>>(), ["a-2", "b-0", "b-1"]);
    }
}
