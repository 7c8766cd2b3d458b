//! Where a reader begins to read its partitions.

use std::collections::BTreeMap;

use kafka_conn::Transport;
use kafka_protocol::Uuid;

use crate::config::{OutOfRange, ReaderConfig, Settings, StartOffset};
use crate::discovery::Found;
use crate::error::Result;
use crate::offsets::{self, FIRST, LAST};
use crate::topic_partition::TopicPartition;

/// Where a partition is read from.
pub(super) struct Start {
    pub(super) partition: TopicPartition,
    /// The topic that is meant; without an id it is whichever has the name.
    pub(super) topic_id: Uuid,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    /// What to do where there is no such offset any more before the first message was read: the same as at the start.
    pub(super) otherwise: Option<OutOfRange>,
}

/// Where to start each partition; only first and last have to be asked for.
pub(super) async fn starts(
    transport: &Transport,
    settings: &Settings,
    config: &ReaderConfig,
    chosen: Found,
) -> Result<Vec<Start>> {
    let (mut starts, mut wanted) = (Vec::with_capacity(chosen.len()), BTreeMap::new());
    for (partition, topic_id) in &chosen {
        match config.start_offsets.get(partition).copied().unwrap_or(config.start_offset) {
            StartOffset::First => drop(wanted.insert(partition.clone(), FIRST)),
            StartOffset::Last => drop(wanted.insert(partition.clone(), LAST)),
            StartOffset::At(offset) => starts.push(Start {
                partition: partition.clone(),
                topic_id: *topic_id,
                offset,
                leader_epoch: -1,
                otherwise: None,
            }),
        }
    }
    let listed = offsets::list(transport, &settings.patience, &wanted, settings.isolation_level).await?;
    starts.extend(listed.into_iter().map(|(partition, listed)| {
        let first = wanted.get(&partition) == Some(&FIRST);
        Start {
            topic_id: chosen.get(&partition).copied().unwrap_or(Uuid::ZERO),
            partition,
            offset: listed.offset,
            leader_epoch: listed.leader_epoch,
            otherwise: Some(if first { OutOfRange::Earliest } else { OutOfRange::Latest }),
        }
    }));
    Ok(starts)
}

/// Where a partition starts that was added while the reader runs: whatever it has was written since the reader was made,
/// so that first and last are the same.
pub(super) fn added(config: &ReaderConfig, partition: TopicPartition, topic_id: Uuid) -> Start {
    let (offset, otherwise) = match config.start_offsets.get(&partition) {
        Some(StartOffset::At(offset)) => (*offset, None),
        _ => (0, Some(OutOfRange::Earliest)),
    };
    Start { partition, topic_id, offset, leader_epoch: -1, otherwise }
}
