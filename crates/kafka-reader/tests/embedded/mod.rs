//! What tests do to topics of an embedded cluster.
#![allow(dead_code, reason = "each test needs a part of this")]

use std::time::Duration;

use bytes::Bytes;
use kafka_conn::{Message, Route, Transport};
use kafka_embedded::Cluster;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use kafka_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use kafka_reader::{Reader, TopicPartition};
use kafka_writer::{Manual, Writer, WriterConfig};
use tokio::time::timeout;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Longer than anything takes that happens at all, on virtual time.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn create(transport: &Transport, name: &str, partitions: i32) -> Outcome {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..CreateTopicsRequest::default() };
    let response = transport.call(&request, Route::Controller).await?;
    Ok(ErrorCode(response.topics[0].error_code).check()?)
}

pub(crate) async fn delete(transport: &Transport, name: &str) -> Outcome {
    let topic = DeleteTopicState { name: Some(name.into()), ..DeleteTopicState::default() };
    let request = DeleteTopicsRequest {
        topics: vec![topic],
        topic_names: vec![name.into()],
        timeout_ms: 1000,
        ..DeleteTopicsRequest::default()
    };
    let version = transport.connection(Route::Controller, kafka_conn::Lane::General).await?;
    let request = match version.version_for::<DeleteTopicsRequest>(None)? {
        ..6 => DeleteTopicsRequest { topics: Vec::new(), ..request },
        _ => DeleteTopicsRequest { topic_names: Vec::new(), ..request },
    };
    let response = transport.call(&request, Route::Controller).await?;
    Ok(ErrorCode(response.responses[0].error_code).check()?)
}

/// Gives a topic so many partitions in all.
pub(crate) async fn grow(transport: &Transport, name: &str, count: i32) -> Outcome {
    let topic =
        CreatePartitionsTopic { name: name.into(), count, assignments: None, ..CreatePartitionsTopic::default() };
    let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let response = transport.call(&request, Route::Controller).await?;
    Ok(ErrorCode(response.results[0].error_code).check()?)
}

/// Removes the messages of a partition before `offset`, as retention does.
pub(crate) async fn remove_before(transport: &Transport, partition: &TopicPartition, offset: i64) -> Outcome {
    let TopicPartition { topic, partition } = partition;
    let asked = DeleteRecordsPartition { partition_index: *partition, offset, ..DeleteRecordsPartition::default() };
    let named = DeleteRecordsTopic { name: topic.clone(), partitions: vec![asked], ..DeleteRecordsTopic::default() };
    let request = DeleteRecordsRequest { topics: vec![named], timeout_ms: 1000, ..Default::default() };
    let response = transport.call(&request, Route::Leader(topic, *partition)).await?;
    Ok(ErrorCode(response.topics[0].partitions[0].error_code).check()?)
}

/// Writes these numbers to a partition.
pub(crate) async fn write(cluster: &Cluster, partition: &TopicPartition, numbers: std::ops::Range<i64>) -> Outcome {
    let config = WriterConfig {
        topic: Some(partition.topic.clone()),
        balancer: std::sync::Arc::new(Manual),
        ..WriterConfig::default()
    };
    let writer = Writer::new(cluster.transport().await?, config)?;
    for number in numbers {
        let value = Some(Bytes::from(number.to_string()));
        writer.send(Message { partition: partition.partition, value, ..Message::default() }).await?.await?;
    }
    writer.close().await?;
    Ok(())
}

pub(crate) fn part(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub(crate) fn place(message: &Message) -> (TopicPartition, i64) {
    (TopicPartition::new(message.topic.clone(), message.partition), message.offset)
}

/// Where the next messages are, in the order of partitions.
pub(crate) async fn places(reader: &mut Reader, count: usize) -> Outcome<Vec<(TopicPartition, i64)>> {
    let mut places = Vec::new();
    for _ in 0..count {
        places.push(place(&timeout(MINUTE, reader.fetch_message()).await??));
    }
    places.sort();
    Ok(places)
}

/// Reads so many messages, and commits each.
pub(crate) async fn process(reader: &mut Reader, count: usize) -> Outcome<Vec<(TopicPartition, i64)>> {
    let mut places = Vec::new();
    for _ in 0..count {
        let message = timeout(MINUTE, reader.fetch_message()).await??;
        reader.commit_messages([&message]).await?;
        places.push(place(&message));
    }
    Ok(places)
}
