//! Creating and deleting topics.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::delete_topics::DeleteTopicsRequest;
use smol_str::SmolStr;

use super::limits::for_broker;
use super::{Conn, left, refusal};
use crate::error::{Error, ErrorKind, Result};

/// What became of one of several topics.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "it may be an error"]
pub struct TopicOutcome {
    /// The topic.
    pub name: SmolStr,
    /// Whether it was done.
    pub result: Result<()>,
}

impl Conn {
    /// Creates topics, and returns an outcome for each, in the same order. One that exists already counts as created,
    /// whatever it looks like (as in kafka-go).
    ///
    /// The broker should be the [controller](Self::controller); in KRaft clusters any broker will do.
    ///
    /// ```no_run
    /// # async fn example(conn: &kafka_conn::Conn) -> kafka_conn::Result<()> {
    /// use kafka_protocol::messages::create_topics::CreatableTopic;
    ///
    /// let topic = CreatableTopic {
    ///     name: "greetings".into(),
    ///     num_partitions: 3,
    ///     replication_factor: 1,
    ///     ..CreatableTopic::default()
    /// };
    /// for outcome in conn.create_topics(&[topic]).await? {
    ///     outcome.result?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Connection::call`](crate::Connection::call). In the outcomes: the broker's error codes, such as
    /// `NOT_CONTROLLER`; [`Decode`](ErrorKind::Decode) where it said nothing of a topic.
    pub async fn create_topics(&self, topics: &[CreatableTopic]) -> Result<Vec<TopicOutcome>> {
        let until = self.write_until();
        let timeout_ms = for_broker(left(until));
        let request = CreateTopicsRequest { topics: topics.to_vec(), timeout_ms, ..CreateTopicsRequest::default() };
        let answer = self.call_until(&request, None, until).await?;
        let answers: Vec<_> = answer
            .topics
            .into_iter()
            .map(|answered| (answered.name, ErrorCode(answered.error_code), answered.error_message))
            .collect();
        Ok(self.outcomes(topics.iter().map(|topic| &topic.name), &answers, ErrorCode::TOPIC_ALREADY_EXISTS))
    }

    /// Deletes topics, and returns an outcome for each, in the same order.
    ///
    /// The broker should be the [controller](Self::controller); in KRaft clusters any broker will do.
    ///
    /// # Errors
    /// As [`create_topics`](Self::create_topics).
    pub async fn delete_topics(&self, topics: &[&str]) -> Result<Vec<TopicOutcome>> {
        let until = self.write_until();
        let topic_names: Vec<_> = topics.iter().map(SmolStr::new).collect();
        let timeout_ms = for_broker(left(until));
        let request =
            DeleteTopicsRequest { topic_names: topic_names.clone(), timeout_ms, ..DeleteTopicsRequest::default() };
        let answer = self.call_until(&request, Some(LAST_WITH_NAMES), until).await?;
        let answers: Vec<_> = answer
            .responses
            .into_iter()
            .map(|answered| (answered.name.unwrap_or_default(), ErrorCode(answered.error_code), answered.error_message))
            .collect();
        Ok(self.outcomes(topic_names.iter(), &answers, ErrorCode::NONE))
    }

    /// An outcome for each of `names`, where the code `fine` is none.
    fn outcomes<'a>(
        &self,
        names: impl Iterator<Item = &'a SmolStr>,
        answers: &[(SmolStr, ErrorCode, Option<SmolStr>)],
        fine: ErrorCode,
    ) -> Vec<TopicOutcome> {
        let outcome = |name: &SmolStr| {
            let result = match answers.iter().find(|(answered, ..)| answered == name) {
                Some((_, code, _)) if [ErrorCode::NONE, fine].contains(code) => Ok(()),
                Some((_, code, remark)) => Err(refusal(*code, remark.clone())),
                None => Err(Error::new(ErrorKind::Decode)),
            };
            let result = result.map_err(|error| error.with_broker(self.address()).with_topic(name));
            TopicOutcome { name: name.clone(), result }
        };
        names.map(outcome).collect()
    }
}

/// The last version of DeleteTopics that has a plain list of names, which all brokers know.
const LAST_WITH_NAMES: i16 = 5;
