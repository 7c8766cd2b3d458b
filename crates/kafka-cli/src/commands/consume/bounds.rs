//! Where to begin and where to end in each partition: from places to offsets, asked of the cluster where it must be.

use std::collections::BTreeMap;

use kafka_admin::Admin;
use kafka_conn::Transport;
use kafka_reader::{EndOffsets, Partitions, Reader, ReaderConfig, StartOffset, TopicNames, TopicPartition};

use super::ConsumeArguments;
use crate::commands::places;
use crate::error::{Error, Result};
use crate::exit::Outcome;
use crate::parse::place::Place;

/// What to read without a group.
pub(super) async fn config(transport: &Transport, arguments: &ConsumeArguments) -> Result<ReaderConfig> {
    let mut config = match &*arguments.topics {
        [topic] => ReaderConfig {
            topic: topic.as_str().into(),
            partitions: partitions(&arguments.partitions),
            ..ReaderConfig::default()
        },
        _ if !arguments.partitions.is_empty() => return Err(Error::Contradiction("--partition", "several topics")),
        _ => ReaderConfig { topics: arguments.topic_names(), ..ReaderConfig::default() },
    };
    match fixed(arguments.from.from) {
        Some(start) => config.start_offset = start,
        None => {
            let begin = offsets(transport, &wanted(transport, arguments).await?, arguments.from.from).await?;
            let at = |(partition, offset)| (partition, StartOffset::At(offset));
            config.start_offsets = begin.into_iter().map(at).collect();
        }
    }
    Ok(config)
}

/// Where to begin what a group has not committed yet.
pub(super) fn group_start(arguments: &ConsumeArguments) -> Result<StartOffset> {
    match (fixed(arguments.from.from), arguments.from.to) {
        (Some(start @ (StartOffset::First | StartOffset::Last)), None) => Ok(start),
        _ => Err(Error::PlaceOfGroup),
    }
}

/// What ends a run.
pub(super) struct Bounds {
    /// Behind the last message that there is.
    pub(super) end: EndOffsets,
    /// Where to stop, which is never behind that.
    pub(super) until: EndOffsets,
}

/// Where to end, if anywhere. Nothing that is not there yet is waited for.
pub(super) async fn find(
    transport: &Transport,
    reader: &Reader,
    arguments: &ConsumeArguments,
) -> Result<Option<Bounds>> {
    let to = match arguments.from.to {
        Some(to) => to,
        None if arguments.exit_at_end => Place::End,
        None => return Ok(None),
    };
    let end = reader.end_offsets().await?;
    if to == Place::End {
        return Ok(Some(Bounds { until: end.clone(), end }));
    }
    let stops = offsets(transport, &reader.partitions().collect::<Vec<_>>(), to).await?;
    let before = |(partition, stop): (TopicPartition, i64)| {
        let end = end.offset(&partition).unwrap_or_default();
        (partition, end.min(stop))
    };
    Ok(Some(Bounds { until: stops.into_iter().map(before).collect(), end }))
}

/// Where to begin, where a reader knows that by itself.
fn fixed(place: Place) -> Option<StartOffset> {
    match place {
        Place::Start => Some(StartOffset::First),
        Place::End => Some(StartOffset::Last),
        Place::Offset(offset) => Some(StartOffset::At(offset)),
        Place::BeforeEnd(_) | Place::Time(_) => None,
    }
}

/// The partitions that are wanted, as far as they are there now.
async fn wanted(transport: &Transport, arguments: &ConsumeArguments) -> Result<Vec<TopicPartition>> {
    let names = match arguments.topic_names() {
        TopicNames::Names(names) => names,
        TopicNames::Matching(matches) => {
            let listed = Admin::new(transport.clone()).list_topics().await?.into_iter();
            let listed = listed.filter_map(|topic| topic.result.ok()).filter(|topic| !topic.is_internal);
            listed.map(|topic| topic.name).filter(|name| matches(name)).collect()
        }
    };
    let mut wanted = Vec::new();
    for name in names {
        let all = transport.topic(&name).await?.partitions.iter().map(|partition| partition.index).collect();
        let indexes = if arguments.partitions.is_empty() { all } else { arguments.partitions.clone() };
        wanted.extend(indexes.into_iter().map(|index| TopicPartition::new(name.clone(), index)));
    }
    Ok(wanted)
}

/// The offset of a place in each of these partitions. Where one is not known, nothing is read: not even a person would
/// see what is missing.
async fn offsets(
    transport: &Transport,
    partitions: &[TopicPartition],
    place: Place,
) -> Result<BTreeMap<TopicPartition, i64>> {
    let mut outcome = Outcome::Complete;
    let offsets = places::offsets(&Admin::new(transport.clone()), partitions, place, &mut outcome).await?;
    if outcome != Outcome::Complete || offsets.len() != partitions.len() {
        return Err(Error::UnknownPlace);
    }
    Ok(offsets)
}

fn partitions(wanted: &[i32]) -> Partitions {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() { Partitions::All } else { Partitions::Several(wanted) }
}
