//! Where a reader stands in its partitions, and how to change that.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::Uuid;

use super::{Progress, Reader, Start};
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::{self, EndOffsets, FIRST, LAST, Listed};
use crate::topic_partition::{PartitionRef, TopicPartition};
use crate::{OutOfRange, StartOffset};

impl Reader {
    /// The offset of the next message of a partition that will be returned; `None` where this reader does not read it.
    /// In a group, partitions come and go and have no index of their own: name the topic, too (kafka-go `Offset`, there
    /// -1).
    pub fn offset<'a>(&self, partition: impl Into<PartitionRef<'a>>) -> Option<i64> {
        Some(self.find(partition.into())?.offset)
    }

    /// How many offsets a partition is ahead of what was returned, as of its last answer; `None` before the first, and
    /// where this reader does not read it, as [`offset`](Self::offset). It asks no broker. With
    /// [`ReadCommitted`](crate::IsolationLevel::ReadCommitted) it counts up to the last stable offset. Some of the
    /// offsets may hold no message.
    pub fn lag<'a>(&self, partition: impl Into<PartitionRef<'a>>) -> Option<i64> {
        self.find(partition.into())?.lag()
    }

    /// The partitions that are read now, with the offset of the next message of each: in a group, what is assigned.
    pub fn positions(&self) -> impl ExactSizeIterator<Item = (TopicPartition, i64)> {
        let position = |progress: &Progress| (progress.name(), progress.offset);
        self.progress.iter().map(position)
    }

    /// Asks a partition's leader how many offsets it is ahead of what was returned (kafka-go `ReadLag`).
    ///
    /// # Errors
    /// [`UnknownPartition`](ErrorKind::UnknownPartition) where this reader does not read it,
    /// [`NotInGroup`](ErrorKind::NotInGroup) for an index alone in a group, and those of
    /// [`end_offsets`](Self::end_offsets).
    pub async fn read_lag<'a>(&self, partition: impl Into<PartitionRef<'a>>) -> Result<i64> {
        let progress = self.known(partition.into())?;
        let (partition, position) = (progress.name(), progress.offset);
        let end = self.list(BTreeMap::from([(partition.clone(), LAST)])).await?;
        Ok(end.get(&partition).map_or(0, |end| end.offset.saturating_sub(position).max(0)))
    }

    /// Goes on reading a partition from there: at the first offset, behind the last, or at an offset, which need not
    /// exist yet. What was fetched ahead is dropped. A partition that was halted is read again (kafka-go `SetOffset`,
    /// Java `seek`).
    ///
    /// In a group this is how to go on with a partition that was halted: name it by its topic and index. It stays this
    /// member's; nothing is committed by this call, what is processed from then on is, also where that is lower than what
    /// the group had. What was to be committed of it before and was not yet is dropped.
    ///
    /// ```no_run
    /// # async fn example(mut reader: kafka_reader::Reader) -> kafka_reader::Result<()> {
    /// use kafka_reader::{StartOffset, TopicPartition};
    ///
    /// loop {
    ///     match reader.read_message().await {
    ///         Ok(message) => println!("{message:?}"),
    ///         // Retention was faster than this reader: what is left is read, and what is missing is known.
    ///         Err(error) if error.is_offset_out_of_range() => {
    ///             eprintln!("{error}");
    ///             if let Some(partition) = error.topic_partition() {
    ///                 reader.set_offset(&partition, StartOffset::First).await?;
    ///             }
    ///         }
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`UnknownPartition`](ErrorKind::UnknownPartition) where this reader does not read it, or no longer;
    /// [`NotInGroup`](ErrorKind::NotInGroup) for an index alone in a group; and where the offset has to be asked for,
    /// those of [`end_offsets`](Self::end_offsets).
    ///
    /// **Cancel safety:** where it is dropped, the partition is read as before.
    pub async fn set_offset<'a>(&mut self, partition: impl Into<PartitionRef<'a>>, start: StartOffset) -> Result<()> {
        let partition = self.known(partition.into())?.name();
        let (timestamp, otherwise) = match start {
            StartOffset::First => (FIRST, OutOfRange::Earliest),
            StartOffset::Last => (LAST, OutOfRange::Latest),
            StartOffset::At(offset) if offset < 0 => {
                let error = Error::new(ErrorKind::InvalidConfig("an offset is negative"));
                return Err(error.with_partition(&partition.topic, partition.partition));
            }
            StartOffset::At(offset) => {
                self.seek(partition, Listed { offset, leader_epoch: -1 }, None);
                return Ok(());
            }
        };
        let listed = self.list(BTreeMap::from([(partition.clone(), timestamp)])).await?;
        if let Some(listed) = listed.get(&partition) {
            self.seek(partition, *listed, Some(otherwise));
        }
        Ok(())
    }

    /// Goes on reading all partitions from the first message that is not older than `time`, or, where there is none,
    /// behind the last (kafka-go `SetOffsetAt`).
    ///
    /// # Errors
    /// [`NotInGroup`](ErrorKind::NotInGroup) in a group, and those of [`end_offsets`](Self::end_offsets).
    pub async fn set_offset_at(&mut self, time: SystemTime) -> Result<()> {
        self.check_ungrouped()?;
        let wanted = self.partitions().map(|partition| (partition, timestamp(time))).collect();
        for (partition, listed) in self.list_or_end(wanted).await? {
            self.seek(partition, listed, Some(OutOfRange::Latest));
        }
        Ok(())
    }

    /// Returns nothing of these partitions until they are [resumed](Self::resume). They are fetched ahead as far as their
    /// share of [`prefetch_bytes`](crate::ReaderConfig::prefetch_bytes) goes. Partitions that are not read do not count.
    pub fn pause<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.set_paused(partitions, true);
    }

    /// Returns messages of these partitions again; nothing was lost meanwhile.
    pub fn resume<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.set_paused(partitions, false);
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> impl Iterator<Item = TopicPartition> {
        self.progress.iter().filter(|progress| progress.paused).map(Progress::name)
    }

    fn set_paused<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>, paused: bool) {
        for partition in partitions {
            let key = (partition.topic.as_str(), partition.partition);
            let Some(progress) = self.progress.iter_mut().find(|progress| progress.key() == key) else { continue };
            progress.paused = paused;
            let slot = progress.gauge.slot;
            if paused && let Some(mut current) = self.current.take_if(|current| current.chunk.gauge().slot == slot) {
                // In front: what is behind it in the partition is behind it here.
                current.chunk.detach();
                self.aside.push_front(current.chunk);
            }
        }
    }

    /// Asks where the partitions end now: at the high watermark, or, with
    /// [`ReadCommitted`](crate::IsolationLevel::ReadCommitted), at the last stable offset.
    ///
    /// # Errors
    /// [`Connection`](ErrorKind::Connection) or [`Broker`](ErrorKind::Broker), after
    /// [`retry_timeout`](crate::ReaderConfig::retry_timeout) where trying again might have helped;
    /// [`NotInGroup`](ErrorKind::NotInGroup) in a group.
    pub async fn end_offsets(&self) -> Result<EndOffsets> {
        self.check_ungrouped()?;
        let listed = self.list(self.partitions().map(|partition| (partition, LAST)).collect()).await?;
        Ok(EndOffsets::new(self.config.topic.clone(), listed))
    }

    /// Asks where the messages end that are older than `time`: reading [from](Self::set_offset_at) one time to the end
    /// offsets of another reads what was written in between, as far as timestamps tell.
    ///
    /// # Errors
    /// As [`end_offsets`](Self::end_offsets).
    pub async fn end_offsets_at(&self, time: SystemTime) -> Result<EndOffsets> {
        self.check_ungrouped()?;
        let wanted = self.partitions().map(|partition| (partition, timestamp(time))).collect();
        Ok(EndOffsets::new(self.config.topic.clone(), self.list_or_end(wanted).await?))
    }

    async fn list(&self, wanted: BTreeMap<TopicPartition, i64>) -> Result<BTreeMap<TopicPartition, Listed>> {
        let settings = &self.shared.settings;
        offsets::list(&self.shared.transport, &settings.patience, &wanted, settings.isolation_level).await
    }

    /// Offsets by timestamp, and the end where no message is as new.
    async fn list_or_end(&self, wanted: BTreeMap<TopicPartition, i64>) -> Result<BTreeMap<TopicPartition, Listed>> {
        let mut listed = self.list(wanted).await?;
        let none = listed.iter().filter(|(_, listed)| listed.offset < 0);
        let ends: BTreeMap<_, _> = none.map(|(partition, _)| (partition.clone(), LAST)).collect();
        listed.extend(self.list(ends).await?);
        Ok(listed)
    }

    fn seek(&mut self, partition: TopicPartition, to: Listed, otherwise: Option<OutOfRange>) {
        let paused = self.find(PartitionRef::Named(&partition)).is_some_and(|progress| progress.paused);
        self.remove(|gauge| gauge.topic == partition.topic && gauge.partition == partition.partition);
        let Listed { offset, leader_epoch } = to;
        // Without an id it is read whichever topic has the name by now: who goes elsewhere wants what is there.
        self.add([Start { partition: partition.clone(), topic_id: Uuid::ZERO, offset, leader_epoch, otherwise }]);
        self.rewind_commits(&partition);
        if paused {
            self.pause([&partition]);
        }
    }

    pub(super) fn check_ungrouped(&self) -> Result<()> {
        match &self.config.group {
            Some(group) => Err(Error::new(ErrorKind::NotInGroup).with_group(&group.group_id)),
            None => Ok(()),
        }
    }

    /// A partition that is read.
    fn known(&self, partition: PartitionRef<'_>) -> Result<&Progress> {
        let (topic, index) = match partition {
            PartitionRef::Named(TopicPartition { topic, partition }) => (topic, *partition),
            PartitionRef::Index(index) => {
                self.check_ungrouped()?;
                if self.config.topic.is_empty() {
                    let what = "an index alone names no partition where several topics are read";
                    return Err(Error::new(ErrorKind::InvalidConfig(what)));
                }
                (&self.config.topic, index)
            }
        };
        let unknown = || Error::new(ErrorKind::UnknownPartition).with_partition(topic, index);
        self.find(partition).ok_or_else(unknown)
    }
}

/// As the wire has it: milliseconds.
fn timestamp(time: SystemTime) -> i64 {
    i64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
