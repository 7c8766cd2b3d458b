//! Looks for the partitions that topics have: when a reader starts, and for those that are added while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_conn::{Topic, Transport};
use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;
use tokio::time::sleep;

use crate::config::{LONGEST_WAIT, Selection};
use crate::error::{Error, ErrorKind, Result};
use crate::shared::{Event, Shared};
use crate::topic_names::TopicNames;
use crate::topic_partition::TopicPartition;

/// Partitions, with the ids of their topics.
pub(crate) type Found = BTreeMap<TopicPartition, Uuid>;

/// What a reader reads at first. What was named has to exist.
pub(crate) async fn choose(transport: &Transport, selection: &Selection) -> Result<Found> {
    let wanted = match selection {
        Selection::Group => return Ok(Found::new()),
        Selection::Topics(names @ TopicNames::Matching(_)) => return existing(transport, names).await,
        Selection::Topics(TopicNames::Names(names)) => return all_of(transport, &names.iter().collect()).await,
        Selection::Partitions(wanted) => wanted,
    };
    let all = all_of(transport, &wanted.iter().map(|partition| &partition.topic).collect()).await?;
    let chosen = wanted.iter().map(|partition| match all.get(partition) {
        Some(id) => Ok((partition.clone(), *id)),
        None => Err(Error::new(ErrorKind::UnknownPartition).with_partition(&partition.topic, partition.partition)),
    });
    chosen.collect()
}

/// All partitions of these topics, each of which has to exist.
async fn all_of(transport: &Transport, names: &BTreeSet<&SmolStr>) -> Result<Found> {
    if names.len() > 1 {
        // In one request; what is wrong with one of them is told below.
        let _told_below = transport.refresh(&names.iter().map(|name| name.as_str()).collect::<Vec<_>>()).await;
    }
    let mut found = Found::new();
    for name in names {
        let topic = transport.topic(name).await.map_err(|error| Error::from(error).with_topic(name))?;
        found.extend(partitions(&topic));
    }
    Ok(found)
}

/// All partitions of those of these topics that exist now.
async fn existing(transport: &Transport, names: &TopicNames) -> Result<Found> {
    let names = names.current(transport).await?;
    if names.is_empty() {
        return Ok(Found::new());
    }
    let cluster = transport.refresh(&names.iter().map(SmolStr::as_str).collect::<Vec<_>>()).await?;
    let topics = names.iter().filter_map(|name| cluster.topic(name)).filter(|topic| topic.error == ErrorCode::NONE);
    Ok(topics.flat_map(|topic| partitions(topic)).collect())
}

fn partitions(topic: &Topic) -> impl Iterator<Item = (TopicPartition, Uuid)> {
    topic.partitions.iter().map(|partition| (TopicPartition::new(topic.name.clone(), partition.index), topic.id))
}

/// Looks every now and then, and tells the reader what is new; for as long as it is polled.
pub(crate) async fn run(shared: Arc<Shared>, names: TopicNames, mut known: BTreeSet<TopicPartition>, every: Duration) {
    loop {
        sleep(every.clamp(SHORTEST_PAUSE, LONGEST_WAIT)).await;
        match existing(&shared.transport, &names).await {
            Ok(mut found) => {
                found.retain(|partition, _| known.insert(partition.clone()));
                if !found.is_empty() {
                    tracing::info!(partitions = ?found.keys(), "partitions were added");
                    let _reader_is_gone = shared.events.send(Event::Found(found));
                }
            }
            Err(error) => tracing::debug!(%error, "added partitions could not be looked for"),
        }
    }
}

/// What is configured may be zero.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
