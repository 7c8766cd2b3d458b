//! From what people name to what is meant: all partitions of a topic, and the offsets of places in them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kafka_admin::{Admin, OffsetSpec, TopicPartition};
use kafka_conn::IsolationLevel;

use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::partition::PartitionsSpec;
use crate::parse::place::Place;
use crate::report;

/// The partitions that are meant, in their order, each once. Topics that are not there are reported.
pub(super) async fn partitions(
    admin: &Admin,
    named: &[PartitionsSpec],
    outcome: &mut Outcome,
) -> Result<Vec<TopicPartition>> {
    let whole = named.iter().filter(|spec| spec.partitions.is_empty()).map(|spec| spec.topic.as_str());
    let whole: Vec<_> = whole.collect();
    let mut partitions = Vec::new();
    for spec in named {
        partitions.extend(spec.partitions.iter().map(|index| TopicPartition::new(spec.topic.as_str(), *index)));
    }
    if !whole.is_empty() {
        for (topic, description) in report::known(admin.describe_topics(&whole).await?, outcome) {
            let indexes = description.partitions.iter().map(|partition| partition.index);
            partitions.extend(indexes.map(|index| TopicPartition::new(topic.clone(), index)));
        }
    }
    partitions.sort();
    partitions.dedup();
    Ok(partitions)
}

/// The offset of a place in each partition, never before its start. Where it is not known, that is reported.
pub(super) async fn offsets(
    admin: &Admin,
    partitions: &[TopicPartition],
    place: Place,
    outcome: &mut Outcome,
) -> Result<BTreeMap<TopicPartition, i64>> {
    let spec = match place {
        Place::Offset(offset) => return Ok(partitions.iter().map(|partition| (partition.clone(), offset)).collect()),
        Place::Start => OffsetSpec::Earliest,
        Place::End | Place::BeforeEnd(_) => OffsetSpec::Latest,
        Place::Time(moment) => OffsetSpec::Time(moment.millis(Timestamp::now().as_millisecond())),
    };
    let mut found = listed(admin, partitions, spec, outcome).await?;
    match place {
        Place::BeforeEnd(count) => {
            let starts = listed(admin, partitions, OffsetSpec::Earliest, outcome).await?;
            for (partition, offset) in &mut found {
                *offset = offset.saturating_sub(count).max(starts.get(partition).copied().unwrap_or_default());
            }
        }
        // Nothing is as new as that: it is the end.
        Place::Time(_) if found.len() < partitions.len() => {
            for (partition, end) in listed(admin, partitions, OffsetSpec::Latest, &mut Outcome::Complete).await? {
                found.entry(partition).or_insert(end);
            }
        }
        _ => {}
    }
    Ok(found)
}

/// What brokers list; partitions without such an offset are left out.
async fn listed(
    admin: &Admin,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
    outcome: &mut Outcome,
) -> Result<BTreeMap<TopicPartition, i64>> {
    let places: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let listed = admin.list_offsets(&places, IsolationLevel::ReadUncommitted).await?;
    let known = report::known(listed, outcome).into_iter();
    Ok(known.filter_map(|(partition, listed)| Some((partition, listed.offset?))).collect())
}
